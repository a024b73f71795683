//! Writing to the API server: status, Events, the Secrets that the operator makes, and the Lease that says which replica may.

pub mod events;
pub mod lease;
pub mod own_writes;
pub mod owned_secret;
pub mod status;

/// Field manager of everything that the operator applies. Never changes: the API server keeps ownership by this name.
pub const FIELD_MANAGER: &str = "jira-connection-operator";
