//! `JiraConnection`: one Jira, the credential to use there, and what that credential must be allowed to do.

pub mod allowed_workspaces;
pub mod auth;
pub mod route;
pub mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::status::JiraConnectionStatus;
use self::{
    allowed_workspaces::AllowedWorkspaces,
    auth::Auth,
    route::{Header, Tls},
};
use crate::{
    duration::Duration,
    jira::{Deployment, ProjectKey},
    reference::SecretReference,
    schema::plain_enum,
};

/// One Jira, the credential to use there, and what that credential must be allowed to do.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(group = "issuetracking.dev", version = "v1alpha1", kind = "JiraConnection", namespaced)]
#[kube(plural = "jiraconnections", singular = "jiraconnection", shortname = "jc", category = "issuetracking")]
#[kube(status = "JiraConnectionStatus", derive = "PartialEq")]
#[kube(doc = "A proven connection to one Jira: which one, with which credential, and who may use it.")]
#[kube(printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#))]
#[kube(printcolumn(name = "State", type_ = "string", json_path = ".status.state"))]
#[kube(printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#))]
#[kube(printcolumn(name = "Bindings", type_ = "integer", json_path = ".status.bindings.accepted"))]
#[kube(printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"))]
#[kube(printcolumn(name = "URL", type_ = "string", json_path = ".spec.url", priority = 1))]
#[kube(printcolumn(name = "Deployment", type_ = "string", json_path = ".spec.deployment", priority = 1))]
#[kube(printcolumn(name = "Version", type_ = "string", json_path = ".status.server.version", priority = 1))]
#[kube(printcolumn(name = "Account", type_ = "string", json_path = ".status.account.displayName", priority = 1))]
#[kube(printcolumn(name = "Missing", type_ = "string", json_path = ".status.missingSummary", priority = 1))]
#[kube(printcolumn(name = "Expires", type_ = "string", json_path = ".status.credentials.expiresAt", priority = 1))]
#[kube(printcolumn(
    name = "Message",
    type_ = "string",
    json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
    priority = 1
))]
#[kube(validation = Rule::new("size(self.metadata.name) <= 200").message("metadata.name may have at most 200 characters: the names of the Secrets that belong to it are longer"))]
#[x_kube(
    validation = Rule::new("self.deployment == 'DataCenter' || !has(self.headers) || size(self.headers) == 0").message("headers are for deployment: DataCenter only; Cloud has no gateway of yours in front of it").field_path(".headers"),
    validation = Rule::new("self.deployment == 'Cloud' || !has(self.auth.apiToken)").message("apiToken is for deployment: Cloud; Data Center has personalAccessToken").field_path(".auth.apiToken"),
    validation = Rule::new("self.deployment == 'DataCenter' || !has(self.auth.personalAccessToken)").message("personalAccessToken is for deployment: DataCenter; Cloud has apiToken").field_path(".auth.personalAccessToken"),
    validation = Rule::new("self.deployment == 'DataCenter' || !has(self.auth.oauth1)").message("oauth1 is for deployment: DataCenter before 8.22; Cloud has oauth2AuthorizationCode").field_path(".auth.oauth1")
)]
#[serde(rename_all = "camelCase")]
pub struct JiraConnectionSpec {
    /// Base URL of the site with its context path: `https://jira.example.com/jira`. Only https; no user-info, query or fragment.
    #[schemars(length(min = 9, max = 2048))]
    #[x_kube(
        validation = Rule::new("self.startsWith('https://')").message("url must start with https://"),
        validation = Rule::new("!self.contains('@')").message("url must hold no user name and no password: credentials belong in a Secret, see auth"),
        validation = Rule::new("!self.contains('?') && !self.contains('#')").message("url must have no query and no fragment: give the base URL as Jira shows it, such as https://jira.example.com/jira"),
        validation = Rule::new("!self.startsWith('https://') || self.contains('@') || self.contains('?') || self.contains('#') || self.matches('^https://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\\\\[[0-9A-Fa-f:.]+\\\\])(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?(/[!-~]*)?$')").message("url must be https://HOST, optionally with :PORT (1 to 65535) and /CONTEXT-PATH, without spaces")
    )]
    pub url: String,
    /// How this Jira is operated. If Jira says otherwise the connection stalls.
    pub deployment: Deployment,
    /// How to prove to Jira who is asking: exactly one method.
    pub auth: Auth,
    /// Headers for every request to this Jira, for a gateway in front of it. Data Center only; names unique ignoring case.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[x_kube(validation = Rule::new("self.all(one, self.exists_one(other, one.name.lowerAscii() == other.name.lowerAscii()))").message("header names must be unique ignoring case"))]
    pub headers: Option<Vec<Header>>,
    /// Certificates for reaching this Jira.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Secret with the outbound proxy for this connection: `url` (`http://host:port`), optionally `username` and `password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<SecretReference>,
    /// Who may bind workspaces through this connection. Absent: any workspace and project, from its own namespace only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub allowed_workspaces: Option<Vec<AllowedWorkspaces>>,
    /// Permissions that the connection itself must have, besides those that bindings ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<RequiredPermissions>,
    /// How often, how patiently and how forgivingly the connection is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
    /// What happens to the grant at Jira when this object is deleted. Absent: `Keep`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// True stops all checks; the status then stays as it is. Absent: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// Permissions that the connection itself must have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequiredPermissions {
    /// Whether the global permission *Browse users and groups* is required. Absent: `Required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global: Option<GlobalPermission>,
    /// Projects on which the seven permissions of a workspace are proven for the connection itself, without a binding.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "set"))]
    pub projects: Option<Vec<ProjectKey>>,
}

/// Whether the global permission is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum GlobalPermission {
    /// The connection is not ready without it.
    Required,
    /// It is not asked for.
    Ignored,
}

/// How a connection is checked.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checks {
    /// Time between two checks, 1m to 24h. Absent: the operator's `--check-interval`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]{1,6}(\\\\.[0-9]{1,6})?(ms|s|m|h))+$') && duration(self) >= duration('1m') && duration(self) <= duration('24h')").message("interval must be between 1m and 24h, written as 90s, 5m or 1h30m"))]
    pub interval: Option<Duration>,
    /// Longest time for one request to Jira, 1s to 60s. Absent: 15s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]{1,6}(\\\\.[0-9]{1,6})?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('60s')").message("timeout must be between 1s and 60s, written as 15s or 1m"))]
    pub timeout: Option<Duration>,
    /// How long Jira may be unreachable before the connection stops being ready, 0s to 1h. Absent: 2m.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]{1,6}(\\\\.[0-9]{1,6})?(ms|s|m|h))+$') && duration(self) <= duration('1h')").message("grace must be between 0s and 1h, written as 90s, 5m or 1h"))]
    pub grace: Option<Duration>,
}

/// What happens to the grant at Jira on deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum DeletionPolicy {
    /// The grant stays valid at Jira; only its copy in the cluster is deleted.
    Keep,
    /// The grant is revoked at Jira, best effort and within bounded time.
    Revoke,
}
