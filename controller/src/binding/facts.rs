//! What is known about a binding: the input of `decide`.

use std::sync::Arc;

use crds::WorkspaceBindingSpec;
use k8s_openapi::jiff::Timestamp;

use crate::proof::Proof;

/// What is known about a binding.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// What its connection says to it.
    pub admission: Admission,
    /// Since when the binding has been waiting for a word of its connection, if it has.
    pub waiting_since: Option<Timestamp>,
    /// The spec that the status speaks of. `None` after a restart, until the status speaks of the present one.
    pub concluded: Option<WorkspaceBindingSpec>,
}

/// What a connection says to a binding. That there is no such connection, and that it refuses, is the same to a binding.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// Not allowed, or no such connection.
    Refused,
    /// Allowed.
    Accepted {
        /// What the connection has proven; `None` if it has proven nothing yet for its present spec.
        proof: Option<Arc<Proof>>,
    },
}
