//! Writing to the API server: status, Events and the Secrets that the operator makes.

pub mod events;
pub mod owned_secret;
pub mod status;

/// Field manager of everything that the operator applies. Never changes: the API server keeps ownership by this name.
pub const FIELD_MANAGER: &str = "jira-connection-operator";
