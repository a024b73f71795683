//! Status of a `JiraConnection`. Written by the operator alone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    duration::Duration,
    jira::{Deployment, IssueSecurityVisibility, PermissionKey, ProjectKey},
    schema::plain_enum,
    state::State,
};

/// Most entries that a list of the status holds; `total` tells the rest.
pub const MOST_ENTRIES: usize = 50;

/// What is known about the connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JiraConnectionStatus {
    /// Generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Authorized`: everything works. `Interrupted`: something failed and is tried again. `NotAuthorized`: a person must act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The facts behind the state. Always there: `Ready`, `Authorized`, `CredentialsResolved`, `Reachable`,
    /// `PermissionsGranted`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The account that Jira sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// Id of the account that issues created through this connection are assigned to: the one that authorised it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_assignee: Option<String>,
    /// What Jira says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// Permissions that the connection itself requires and lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// Whether secured issues of the connection's own projects can be seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "atomic"))]
    pub issue_security: Vec<ProjectIssueSecurity>,
    /// For methods that need a person: where to authorise, and what to paste into Jira. Public values only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// Which credential is in use, and when it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// Bindings that use this connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bindings: Option<Bindings>,
    /// Values in force, with the defaults filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<Effective>,
    /// Missing permissions in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_summary: Option<String>,
    /// Last value of the annotation `reconcile.fluxcd.io/requestedAt` that was acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Last value of the annotation `issuetracking.dev/requestedAt` that was acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_requested_at: Option<String>,
}

/// An account of Jira.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Jira's stable id: the account id on Cloud, the user key on Data Center.
    pub id: String,
    /// Name as Jira shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What kind of account it is.
    #[serde(rename = "type")]
    pub kind: AccountKind,
}

/// Kinds of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum AccountKind {
    /// Made for programs.
    ServiceAccount,
    /// Somebody's own.
    Personal,
    /// Jira does not tell.
    Unknown,
}

/// What Jira says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// How it is operated.
    pub deployment: Deployment,
    /// Version, such as `9.12.4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Id of the Cloud site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_id: Option<String>,
}

/// Permissions, grouped by key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Permissions {
    /// Permissions that are required and not granted; at most 50 entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "atomic"))]
    pub missing: Vec<PermissionOnProjects>,
    /// Permissions that are required and could not be asked for; at most 50 entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "atomic"))]
    pub unknown: Vec<PermissionOnProjects>,
    /// How many permissions are missing or unknown, counted for each project.
    pub total: i64,
}

/// One permission and the projects that it concerns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PermissionOnProjects {
    /// Key of the permission.
    pub permission: PermissionKey,
    /// Projects, at most 50; empty for a global permission.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "atomic"))]
    pub projects: Vec<ProjectKey>,
}

/// Issue security of one project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectIssueSecurity {
    /// Key of the project.
    pub project: ProjectKey,
    /// Whether its secured issues can be seen.
    pub visibility: IssueSecurityVisibility,
}

/// For methods that need a person. Public values only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authorization {
    /// Secret through which a person authorises.
    pub secret_name: String,
    /// Protocol in use.
    pub method: AuthorizationMethod,
    /// For OAuth 1.0a: application URL to enter in Jira.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_url: Option<String>,
    /// For OAuth 1.0a: consumer key to enter in Jira.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_key: Option<String>,
    /// For OAuth 1.0a: consumer name to enter in Jira.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_name: Option<String>,
    /// For OAuth 1.0a: public key to enter in Jira, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

/// Protocols that need a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum AuthorizationMethod {
    /// OAuth 2.0 authorization code.
    OAuth2,
    /// OAuth 1.0a.
    OAuth1,
}

/// Which credential is in use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// Whether the referenced credential or its candidate is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveCredential>,
    /// Day on which the credential ends for good, `YYYY-MM-DD`; absent where it has no fixed end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Versions of the referenced objects that the last proof used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "atomic"))]
    pub observed: Vec<Observed>,
}

/// Which of two credentials is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum ActiveCredential {
    /// The referenced one.
    Primary,
    /// The one of `candidateSecretRef`.
    Candidate,
}

/// A referenced object as it was used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// Name of the Secret.
    pub name: String,
    /// Its `metadata.resourceVersion` when it was read.
    pub resource_version: String,
}

/// Bindings that use a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bindings {
    /// How many are accepted.
    pub accepted: i64,
    /// From how many namespaces.
    pub namespaces: i64,
}

/// Values in force.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Effective {
    /// Time between two checks.
    pub interval: Duration,
    /// Longest time for one request.
    pub timeout: Duration,
    /// How long Jira may be unreachable before the connection stops being ready.
    pub grace: Duration,
}
