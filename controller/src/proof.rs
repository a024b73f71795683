//! What a connection's last pass established, as its bindings need it.
//!
//! The connection controller publishes, the binding controller reads; the two meet only here and in the API types.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use crds::{
    State,
    jira::{Deployment, IssueSecurityVisibility, PermissionKey, ProjectKey},
};
use litemap::LiteMap;

/// What a connection's last pass established.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// `metadata.uid` of the connection.
    pub uid: String,
    /// `metadata.generation` of the connection.
    pub generation: Option<i64>,
    /// How the connection stands.
    pub standing: Standing,
    /// Its base URL.
    pub url: String,
    /// How its Jira is operated.
    pub deployment: Deployment,
    /// Id of its site, on Cloud.
    pub cloud_id: Option<String>,
    /// Id of the account that issues are assigned to.
    pub default_assignee: Option<String>,
    /// What is known of each project that somebody asked for.
    pub projects: LiteMap<ProjectKey, ProjectProof>,
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Proven.
    Proven,
    /// Nothing new is known for the moment, and that is forgiven: what was proven still counts.
    Forgiven,
    /// Not proven, and on its way.
    Pending(State),
    /// Not proven, and it needs somebody's help.
    Failed(State),
}

/// What is known of one project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectProof {
    /// Whether it exists, as far as the account can see.
    pub existence: Existence,
    /// Permissions that the account holds there. `None` where Jira could not say.
    pub granted: Option<Arc<GrantedKeys>>,
    /// Whether its secured issues can be seen.
    pub issue_security: IssueSecurityVisibility,
}

/// Permissions held on a project.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct GrantedKeys {
    /// Permissions that the question covered. `None`: all.
    pub asked: Option<BTreeSet<PermissionKey>>,
    /// Those of them that the account holds.
    pub held: BTreeSet<PermissionKey>,
    /// Those of them that this Jira does not know.
    pub unrecognized: BTreeSet<PermissionKey>,
}

impl GrantedKeys {
    /// Whether the answer speaks of all of `wanted`.
    #[must_use]
    pub fn covers<'a>(&self, mut wanted: impl Iterator<Item = &'a PermissionKey>) -> bool {
        self.asked.as_ref().is_none_or(|asked| wanted.all(|key| asked.contains(key)))
    }
}

/// Whether a project exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existence {
    /// It does.
    Present {
        /// Jira's id.
        id: String,
        /// Its name.
        name: String,
        /// Whether it is archived, and so read-only.
        archived: bool,
    },
    /// Missing, or hidden from the account.
    Absent,
    /// Jira could not say.
    Unknown,
}

/// Namespace and name of a connection.
pub type ConnectionName = (String, String);

/// The proofs of all connections, since the operator started.
#[derive(Debug, Default)]
pub struct Proofs(Mutex<HashMap<ConnectionName, Arc<Proof>>>);

impl Proofs {
    /// Publishes; tells whether it says something new.
    pub fn publish(&self, connection: ConnectionName, proof: Proof) -> bool {
        let mut proofs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if proofs.get(&connection).is_some_and(|known| **known == proof) {
            return false;
        }
        proofs.insert(connection, Arc::new(proof));
        true
    }

    /// The proof of a connection; `None` before its first pass.
    #[must_use]
    pub fn get(&self, connection: &ConnectionName) -> Option<Arc<Proof>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(connection).cloned()
    }

    /// Forgets a connection that was deleted.
    pub fn forget(&self, connection: &ConnectionName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(connection);
    }
}
