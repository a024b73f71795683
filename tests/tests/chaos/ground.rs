//! What all worlds stand on: control plane, gateway, machine, and the replicas of the operator.

use std::{net::TcpListener, sync::Arc};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use tests::{
    gateway::Gateway,
    jira,
    ledger::Ledger,
    operator::{Machine, Settings},
    replicas::Replicas,
    scene,
    stage::Stage,
};
use tokio::sync::RwLock;

/// How many replicas there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crew {
    Alone,
    Pair,
}

pub struct Ground {
    // Dropped first: they go through the gateway.
    pub replicas: Replicas,
    pub gateway: Gateway,
    pub ledger: Arc<Ledger>,
    pub machine: Machine,
    pub stage: Stage,
    /// Held by whoever asks the API server for something, and by the one who takes it away.
    pub open: RwLock<()>,
}

impl Ground {
    /// With one replica that leads and one that stands by.
    pub async fn open(prefix: &str) -> Self {
        Self::open_with(prefix, Crew::Pair).await
    }

    pub async fn open_with(prefix: &str, crew: Crew) -> Self {
        let stage = Stage::without_operator(prefix).await;
        jira::shared().heal("auth").unwrap();
        // The replicas of the test before were killed, and their lease would be waited out.
        let leases: Api<Lease> = Api::namespaced(stage.client.clone(), "jira-connection-operator");
        leases.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
        let (ledger, machine) = (Arc::new(Ledger::default()), Machine::new().unwrap());
        let gateway = {
            let ledger = Arc::clone(&ledger);
            Gateway::start(stage.control_plane, move |call, status| ledger.note(call, status)).unwrap()
        };
        let settings = |port: u16| {
            let settings = Settings::for_simulator(stage.control_plane, jira::shared()).through(&gateway);
            let pages = [format!("--public-url={}", scene::public_url()), format!("--pages-address=127.0.0.1:{port}")];
            Settings { machine: Some(&machine), arguments: pages.to_vec(), ..settings }
        };
        let first = settings(scene::port());
        let replicas = match crew {
            Crew::Pair => Replicas::start(first, settings(free_port())).await,
            Crew::Alone => Replicas::start_one(first).await,
        };
        let replicas = replicas.unwrap();
        Self { replicas, gateway, ledger, machine, stage, open: RwLock::new(()) }
    }

    /// A namespace of its own for one fault of several that are tried at the same time.
    pub async fn place(&self, prefix: &str) -> Stage {
        self.stage.within(&self.stage.control_plane.namespace(prefix).await.unwrap())
    }

    /// The operator's own log as far as it tells of a namespace, or of what went wrong.
    pub fn told(&self, namespace: &str) -> String {
        let log = self.replicas.output();
        let lines: Vec<_> = log.lines().filter(|line| line.contains(namespace) || line.contains("WARN")).collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
