//! The API `issuetracking.dev/v1alpha1` as Rust types.
//!
//! Two namespaced kinds: [`JiraConnection`] declares one Jira and how to prove who we are there; [`WorkspaceBinding`] says
//! which workspace uses which projects through it. The CRDs are generated from these types; nothing here knows a client.

#[cfg(feature = "arbitrary")]
pub mod arbitrary;
pub mod binding;
pub mod connection;
pub mod definition;
pub mod duration;
pub mod jira;
pub mod reference;
mod schema;
pub mod state;

pub use binding::{WorkspaceBinding, WorkspaceBindingSpec, WorkspaceBindingStatus};
pub use connection::{JiraConnection, JiraConnectionSpec, JiraConnectionStatus};
pub use duration::Duration;
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
pub use state::State;

/// The API group of both kinds, and the prefix of every annotation and label of the operator.
pub const GROUP: &str = "issuetracking.dev";

/// Annotation that asks for a check now; any new value is one request, and it is echoed in `status.lastHandledRequestedAt`.
pub const REQUESTED_AT: &str = "issuetracking.dev/requestedAt";

/// The same as [`REQUESTED_AT`], as Flux's tools write it; echoed in `status.lastHandledReconcileAt`.
pub const FLUX_REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";

/// Annotation that asks a person to authorise the connection again; any new value is one request. What is in use stays in
/// use until the new grant is proven.
pub const AUTHORIZE_AT: &str = "issuetracking.dev/authorizeAt";

/// Annotation on a Secret: the comma-separated host patterns that connections may send its values to.
pub const RELEASED_HOSTS: &str = "issuetracking.dev/hosts";
