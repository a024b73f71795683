//! What the operator asked of the API server, from the audit log, and of Jira, from the simulator's journal.

use std::{collections::HashMap, time::Duration};

use tests::{
    controlplane::{AuditEvent, AuditMark},
    jira::Mark,
    stage::{Kind, is_by_operator},
};

use super::{observer::Observer, rig::Rig};

/// How far the audit log may lag behind an answer.
const AUDIT_LAG: Duration = Duration::from_millis(500);

/// A moment from which on is counted.
pub struct Count {
    audit: AuditMark,
    journal: Mark,
    accepted: u64,
    changes: usize,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Writes of a status, of connections and of bindings.
    pub connection_writes: usize,
    pub binding_writes: usize,
    /// The most writes of one object's status.
    pub most_writes: usize,
    /// Status writes that changed nothing: those that nobody who watches has seen a change from.
    pub idle_writes: isize,
    /// Secrets and ConfigMaps that were read.
    pub reads: usize,
    /// Events that were published.
    pub events: usize,
    /// Everything else but watches and the lists that they begin with.
    pub others: usize,
    /// Watches and lists.
    pub watches: usize,
    /// Requests to Jira.
    pub jira: usize,
    /// Those of them that ask who we are: one for each check.
    pub checks: usize,
    /// TCP connections to Jira.
    pub connections: usize,
}

impl Count {
    pub async fn begin(rig: &Rig, observer: &Observer) -> Self {
        tokio::time::sleep(AUDIT_LAG).await;
        Self {
            audit: rig.control_plane.audit().mark().await.unwrap(),
            journal: rig.simulator.journal().mark(),
            accepted: rig.simulator.accepted(),
            changes: observer.changes(),
        }
    }

    /// What happened since. `others` is how often somebody else than the operator has changed a watched object.
    pub async fn end(&self, rig: &Rig, observer: &Observer, others: usize) -> Traffic {
        tokio::time::sleep(AUDIT_LAG).await;
        let events = rig.control_plane.audit().since(self.audit).await.unwrap();
        let mut traffic = Traffic::default();
        let mut objects: HashMap<(String, String, String), usize> = HashMap::new();
        for event in events.into_iter().filter(is_by_operator) {
            traffic.add(&event);
            if is_status_write(&event) {
                let name = (event.resource, event.namespace, event.name);
                *objects.entry((name.0.unwrap(), name.1.unwrap(), name.2.unwrap())).or_default() += 1;
            }
        }
        traffic.most_writes = objects.values().copied().max().unwrap_or(0);
        let writes = traffic.connection_writes + traffic.binding_writes;
        let changes = observer.changes() - self.changes - others;
        traffic.idle_writes = writes.cast_signed() - changes.cast_signed();
        let requests = rig.simulator.journal().since(self.journal);
        traffic.jira = requests.len();
        traffic.checks = requests.iter().filter(|entry| entry.path.ends_with("/myself")).count();
        traffic.connections = usize::try_from(rig.simulator.accepted() - self.accepted).unwrap();
        traffic
    }
}

impl Traffic {
    fn add(&mut self, event: &AuditEvent) {
        let count = match (event.verb.as_str(), event.resource.as_deref()) {
            _ if is_status_write(event) && event.resource.as_deref() == Some(Kind::Connection.plural()) => {
                &mut self.connection_writes
            }
            _ if is_status_write(event) => &mut self.binding_writes,
            ("get", Some("secrets" | "configmaps")) => &mut self.reads,
            ("list" | "watch", _) => &mut self.watches,
            (_, Some("events")) => &mut self.events,
            _ => &mut self.others,
        };
        *count += 1;
    }
}

fn is_status_write(event: &AuditEvent) -> bool {
    event.subresource.as_deref() == Some("status") && event.code == Some(200)
}
