//! Status of a `WorkspaceBinding`. Written by the operator alone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    jira::{Deployment, IssueSecurityVisibility, PermissionKey, ProjectKey},
    state::State,
};

/// What is known about the binding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceBindingStatus {
    /// Generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// As the connection's, narrowed to this binding. Absent while the binding is not accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The facts behind the state. Always there: `Ready`, `Accepted`, `Authorized`, `PermissionsGranted`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The connection as far as the workspace needs it; only while the binding is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<BoundConnection>,
    /// What is known of each project, at most 50; only while the binding is accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "atomic"))]
    pub projects: Vec<ProjectStatus>,
    /// Projects in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projects_summary: Option<String>,
    /// Missing permissions in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_summary: Option<String>,
    /// The projected Secret, as the service binding specification has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<ProjectedSecret>,
    /// Last value of the annotation `reconcile.fluxcd.io/requestedAt` that was acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Last value of the annotation `issuetracking.dev/requestedAt` that was acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_requested_at: Option<String>,
}

/// The connection as far as the workspace needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BoundConnection {
    /// Base URL of Jira.
    pub url: String,
    /// How it is operated.
    pub deployment: Deployment,
    /// Id of the account that issues are assigned to unless the workspace says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_assignee: Option<String>,
}

/// What is known of one project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectStatus {
    /// Key of the project.
    pub key: ProjectKey,
    /// Jira's id of the project; absent where it does not exist or is hidden from the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Permissions that are required there and not granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "atomic"))]
    pub missing: Vec<PermissionKey>,
    /// Whether its secured issues can be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue_security: Option<IssueSecurityVisibility>,
}

/// A Secret that the operator made for the application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectedSecret {
    /// Name of the Secret, in the binding's namespace.
    pub name: String,
}
