//! What is known about a binding: the input of `decide`.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use super::projection::Standing;
use crate::{lending::Terms, proof::Proof, spec_digest::SpecDigest};

/// What is known about a binding.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// What its connection says to it.
    pub admission: Admission,
    /// What stands under the name that the spec gives the projected Secret; nothing where it names none, or where the binding
    /// has no claim on one.
    pub secret: Standing,
    /// Since when the binding has been waiting for a word of its connection, if it has.
    pub waiting_since: Option<Timestamp>,
    /// The spec that the status speaks of. `None` after a restart, until the status speaks of the present one.
    pub concluded: Option<SpecDigest>,
}

/// What a connection says to a binding. That there is no such connection, and that it refuses, is the same to a binding.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// Not allowed, or no such connection.
    Refused,
    /// Allowed.
    Accepted {
        /// Whether it lends an access token.
        terms: Terms,
        /// What it lends for the projected Secret; `None` if it has lent nothing yet for its present spec.
        lent: Option<Lent>,
        /// What the connection has proven; `None` if it has proven nothing yet for its present spec.
        proof: Option<Arc<Proof>>,
        /// Whether the connection says of itself that it is being checked.
        announced: bool,
    },
}

/// What a connection lends, without the token itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lent {
    /// Certificates of authorities to trust besides the public ones, PEM.
    pub certificates: Option<Arc<str>>,
    /// Whether there is an access token.
    pub token: bool,
    /// Where an access token works on Cloud: base URL of the site's REST API at Atlassian's gateway.
    pub cloud_api: Option<String>,
}
