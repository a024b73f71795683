//! What the operator remembers of a connection between two passes. Lost at a restart without harm.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crds::{JiraConnection, JiraConnectionStatus};
use k8s_openapi::jiff::Timestamp;

use super::{
    custody::Custody,
    facts::{Facts, Outdated},
    wallet::Wallet,
};
use crate::{kubernetes::status, proof::ConnectionName};

/// A status that was written, behind the `resourceVersion` that the write returned.
pub type Written = (String, JiraConnectionStatus);

/// What the operator remembers of one connection.
#[derive(Debug, Default)]
pub struct Memory {
    /// `metadata.uid` of the object.
    pub uid: Option<String>,
    /// What is known.
    pub facts: Facts,
    /// The secrets in use.
    pub wallet: Option<Wallet>,
    /// The Secrets that the operator made for it.
    pub custody: Custody,
    /// `metadata.generation` that the wallet was made for.
    pub way: Option<i64>,
    /// The status written last, until the watch shows it.
    pub written: Option<Box<Written>>,
    /// When the binding counts alone were written last, and since when they differ from the status.
    pub counts: Counts,
    /// When refused bindings were last told of by an Event, and how many there were.
    pub refusals: Option<(Timestamp, usize)>,
}

/// Bookkeeping for the binding counts, which alone are written at most once a minute.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// When they were written alone.
    pub written: Option<Timestamp>,
    /// Since when they differ from the status.
    pub differ: Option<Timestamp>,
}

impl Memory {
    /// Whether the wallet was made for this way to Jira and this credential.
    #[must_use]
    pub fn same_way(&self, connection: &JiraConnection) -> bool {
        self.way.is_some() && self.way == connection.metadata.generation
    }
}

/// What the operator remembers of all connections.
#[derive(Debug, Default)]
pub struct Memories {
    /// Boxed: a table keeps free places, each as large as what it holds.
    kept: Mutex<HashMap<ConnectionName, Box<Memory>>>,
    outdated: Mutex<HashMap<ConnectionName, Outdated>>,
}

impl Memories {
    /// Takes what is remembered of the object `uid`, for one pass. A former object of the same name is forgotten.
    pub fn take(&self, name: &ConnectionName, uid: Option<&String>, now: Timestamp) -> Box<Memory> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        let new = || Memory { uid: uid.cloned(), facts: Facts::taken_up(now), ..Memory::default() };
        kept.filter(|memory| memory.uid.as_ref() == uid).unwrap_or_else(|| Box::new(new()))
    }

    /// The watch has shown an object as it is in this version: a status that was written before need not be remembered any more.
    pub fn caught_up(&self, name: &ConnectionName, version: Option<&str>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = kept.get_mut(name) {
            memory.written.take_if(|written| !status::is_older(version, &written.0));
        }
    }

    /// Puts it back after the pass.
    pub fn keep(&self, name: ConnectionName, memory: Box<Memory>) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(name, memory);
    }

    /// Notes what has changed of a connection's surroundings.
    pub fn outdate(&self, name: ConnectionName, what: Outdated) {
        let mut outdated = self.outdated.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = outdated.entry(name).or_default();
        noted.material |= what.material;
        noted.handshake |= what.handshake;
    }

    /// What has changed since this was last asked.
    pub fn take_outdated(&self, name: &ConnectionName) -> Outdated {
        self.outdated.lock().unwrap_or_else(PoisonError::into_inner).remove(name).unwrap_or_default()
    }

    /// Forgets a connection that was deleted.
    pub fn forget(&self, name: &ConnectionName) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.take_outdated(name);
    }
}
