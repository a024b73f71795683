//! `WorkspaceBinding`: which workspace uses which Jira projects, through which connection.

pub mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::status::WorkspaceBindingStatus;
use crate::{
    connection::allowed_workspaces::ProjectedCredential,
    jira::{PermissionKey, ProjectKey},
    schema::{NAMESPACE_NAME, OBJECT_NAME, WORKSPACE_NAME},
};

/// Which workspace uses which Jira projects, through which connection.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(group = "issuetracking.dev", version = "v1alpha1", kind = "WorkspaceBinding", namespaced)]
#[kube(plural = "workspacebindings", singular = "workspacebinding", shortname = "wsb", category = "issuetracking")]
#[kube(status = "WorkspaceBindingStatus", derive = "PartialEq")]
#[kube(doc = "Says which workspace uses which Jira projects through a JiraConnection.")]
#[kube(printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#))]
#[kube(printcolumn(name = "State", type_ = "string", json_path = ".status.state"))]
#[kube(printcolumn(name = "Connection", type_ = "string", json_path = ".spec.connectionRef.name"))]
#[kube(printcolumn(name = "Workspace", type_ = "string", json_path = ".spec.workspace"))]
#[kube(printcolumn(name = "Projects", type_ = "string", json_path = ".status.projectsSummary"))]
#[kube(printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#))]
#[kube(printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"))]
#[kube(printcolumn(name = "Missing", type_ = "string", json_path = ".status.missingSummary", priority = 1))]
#[kube(printcolumn(
    name = "Message",
    type_ = "string",
    json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
    priority = 1
))]
#[kube(validation = Rule::new("size(self.metadata.name) <= 200").message("metadata.name may have at most 200 characters"))]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceBindingSpec {
    /// The connection to use. It must allow this namespace, workspace and these projects. Cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("connectionRef cannot be changed: delete the binding and create another"))]
    pub connection_ref: ConnectionReference,
    /// Name of the workspace. Cannot be changed.
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = WORKSPACE_NAME)
    )]
    #[x_kube(validation = Rule::new("self == oldSelf").message("workspace cannot be changed: delete the binding and create another"))]
    pub workspace: String,
    /// Jira projects that the workspace uses.
    #[schemars(length(min = 1, max = 100), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"]))]
    pub projects: Vec<BoundProject>,
    /// A Secret for the application. Absent: none is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!self.secretName.endsWith('.jira-grant') && !self.secretName.endsWith('.jira-authorization')")
        .message("secretName may not end in .jira-grant or .jira-authorization: Secrets of such names are those of connections"))]
    pub projection: Option<Projection>,
    /// True stops the operator from acting on this binding; its status then stays as it is. Absent: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// A `JiraConnection`, perhaps of another namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionReference {
    /// Name of the connection.
    #[schemars(length(min = 1, max = 200), regex(pattern = OBJECT_NAME))]
    pub name: String,
    /// Namespace of the connection. Absent: the binding's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAMESPACE_NAME))]
    pub namespace: Option<String>,
}

/// A project that the workspace uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BoundProject {
    /// Key of the project.
    pub key: ProjectKey,
    /// Permissions that the workspace needs there. Absent: browse projects; create, edit and transition issues; create
    /// attachments; add comments; delete all comments.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "set"))]
    pub permissions: Option<Vec<PermissionKey>>,
}

impl BoundProject {
    /// Permissions that are required there, with the default filled in.
    #[must_use]
    pub fn required(&self) -> Vec<PermissionKey> {
        self.permissions.clone().unwrap_or_else(|| PermissionKey::of_a_workspace().collect())
    }
}

/// A Secret for the application, in the binding's namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Projection {
    /// Name of the Secret. One that exists and is not the binding's own is never touched.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub secret_name: String,
    /// What of the credential it shall hold. Absent: `None`. `AccessToken` only where the connection allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<ProjectedCredential>,
}
