//! Writing to the API server: status and Events.

pub mod events;
pub mod status;

/// Field manager of everything that the operator applies. Never changes: the API server keeps ownership by this name.
pub const FIELD_MANAGER: &str = "jira-connection-operator";
