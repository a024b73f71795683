//! Replicas of an operator, one or two with an election of the leader, and what a kubelet does for them: whatever ends is
//! started anew.

#![expect(clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::sleep};

use crate::operator::{Error, Operator, Settings};

/// How long the lease holds.
pub const LEASE: Duration = Duration::from_secs(4);

/// Pause between two looks at a replica.
const POLL: Duration = Duration::from_millis(100);

/// The replicas. They end when this is dropped.
pub struct Replicas {
    all: Arc<Vec<Operator>>,
    kubelet: JoinHandle<()>,
}

impl Replicas {
    /// Starts two replicas with the settings of each, which differ in what two processes of one machine cannot share. Returns
    /// when one of them leads.
    ///
    /// # Errors
    ///
    /// When one does not get ready.
    pub async fn start(first: Settings<'_>, second: Settings<'_>) -> Result<Self, Error> {
        // In their order, so that both do not install the same at the same time.
        Ok(Self::of(vec![Box::pin(elected(first)).await?, Box::pin(elected(second)).await?]).await)
    }

    /// Starts one replica, without an election.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    pub async fn start_one(settings: Settings<'_>) -> Result<Self, Error> {
        Ok(Self::of(vec![Operator::start(settings).await?]).await)
    }

    async fn of(all: Vec<Operator>) -> Self {
        let all = Arc::new(all);
        let kubelet = tokio::spawn(restart_what_ends(Arc::clone(&all)));
        let replicas = Self { all, kubelet };
        replicas.leader().await;
        replicas
    }

    /// The replica that works, waiting for one.
    pub async fn leader(&self) -> &Operator {
        loop {
            for replica in self.all.iter() {
                if leads(replica).await {
                    return replica;
                }
            }
            sleep(POLL).await;
        }
    }

    /// All.
    pub fn each(&self) -> impl Iterator<Item = &Operator> {
        self.all.iter()
    }

    /// Everything that they have written to standard output and standard error, over all their runs.
    #[must_use]
    pub fn output(&self) -> String {
        self.each().map(Operator::output).collect()
    }

    /// Resident memory of the process that works, in bytes.
    pub async fn memory(&self) -> u64 {
        let process = self.leader().await.process_id();
        let status = process.map(|id| std::fs::read_to_string(format!("/proc/{id}/status")));
        let Ok(Ok(status)) = status else { panic!("the memory of the leader cannot be read") };
        let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        kibibytes.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or_default() * 1024
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.kubelet.abort();
    }
}

async fn elected(mut settings: Settings<'_>) -> Result<Operator, Error> {
    settings.arguments.extend([
        "--leader-election".to_owned(),
        format!("--lease-duration={}s", LEASE.as_secs()),
        "--lease-renew-deadline=3s".to_owned(),
        "--lease-retry-period=400ms".to_owned(),
    ]);
    Operator::start(settings).await
}

/// Whether a replica says that it works. One that does not answer does not say so.
pub async fn leads(operator: &Operator) -> bool {
    operator.metrics().await.is_ok_and(|metrics| metrics.lines().any(|line| line == "jira_operator_leader 1"))
}

async fn restart_what_ends(all: Arc<Vec<Operator>>) {
    loop {
        for replica in all.iter() {
            if !replica.is_running() {
                // One that does not come up is tried again at the next look, as a kubelet does.
                let _ = replica.restart_unready().await;
            }
        }
        sleep(POLL).await;
    }
}
