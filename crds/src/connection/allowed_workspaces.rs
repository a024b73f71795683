//! Who may bind which workspace to which projects through a connection.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    jira::ProjectKey,
    schema::{LABEL_KEY, LABEL_VALUE, NAMESPACE_NAME, WORKSPACE_NAME, plain_enum},
};

/// One permission to bind. A binding must fit one entry in its namespace, its workspace and all of its projects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedWorkspaces {
    /// Namespaces whose bindings may use the connection.
    pub namespaces: Namespaces,
    /// Workspaces that they may bind.
    pub workspaces: Workspaces,
    /// Jira projects that they may bind.
    pub projects: Projects,
    /// What a projected Secret may hold. Absent: `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<ProjectedCredential>,
}

/// A choice of namespaces.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("(self.from == 'Selector') == has(self.selector)").message("selector belongs to from: Selector, and must be given there"),
    validation = Rule::new("(self.from == 'List') == has(self.list)").message("list belongs to from: List, and must be given there")
)]
#[serde(rename_all = "camelCase")]
pub struct Namespaces {
    /// How the namespaces are chosen.
    pub from: NamespacesFrom,
    /// Labels of the namespaces, for `from: Selector`. Whoever may label namespaces decides who fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<NamespaceSelector>,
    /// Names of the namespaces, for `from: List`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 63), regex(pattern = NAMESPACE_NAME)), extend("x-kubernetes-list-type" = "set"))]
    pub list: Option<Vec<String>>,
}

/// How namespaces are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum NamespacesFrom {
    /// The connection's own namespace.
    Same,
    /// Every namespace of the cluster.
    All,
    /// Namespaces with certain labels.
    Selector,
    /// Namespaces by name.
    List,
}

/// Labels that a namespace must have: all of `matchLabels` and all of `matchExpressions`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)")
        .message("an empty selector is refused: to allow every namespace write from: All")
)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// Labels with these exact values.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "maxProperties" = 8,
        "additionalProperties" = { "type": "string", "maxLength": 63, "pattern": LABEL_VALUE }
    ))]
    pub match_labels: Option<BTreeMap<String, String>>,
    /// Requirements on labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Option<Vec<LabelRequirement>>,
}

/// A requirement on one label.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)")
        .message("values must be given for the operators In and NotIn, and for no other")
)]
#[serde(rename_all = "camelCase")]
pub struct LabelRequirement {
    /// Key of the label.
    #[schemars(length(min = 1, max = 317), regex(pattern = LABEL_KEY))]
    pub key: String,
    /// How the label is compared.
    pub operator: LabelOperator,
    /// Values to compare with, for `In` and `NotIn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), inner(length(max = 63), regex(pattern = LABEL_VALUE)), extend("x-kubernetes-list-type" = "atomic"))]
    pub values: Option<Vec<String>>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum LabelOperator {
    /// The label's value is one of `values`.
    In,
    /// The label is absent, or its value is none of `values`.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// A choice of workspaces.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("(self.from == 'List') == has(self.list)").message("list belongs to from: List, and must be given there"))]
#[serde(rename_all = "camelCase")]
pub struct Workspaces {
    /// How the workspaces are chosen.
    pub from: AllOrList,
    /// Names of the workspaces, for `from: List`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 128), regex(pattern = WORKSPACE_NAME)), extend("x-kubernetes-list-type" = "set"))]
    pub list: Option<Vec<String>>,
}

/// A choice of Jira projects.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("(self.from == 'List') == has(self.list)").message("list belongs to from: List, and must be given there"))]
#[serde(rename_all = "camelCase")]
pub struct Projects {
    /// How the projects are chosen.
    pub from: AllOrList,
    /// Keys of the projects, for `from: List`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), extend("x-kubernetes-list-type" = "set"))]
    pub list: Option<Vec<ProjectKey>>,
}

/// Everything, or what is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum AllOrList {
    /// Everything.
    All,
    /// What `list` names.
    List,
}

/// What of the credential a projected Secret may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum ProjectedCredential {
    /// No credential.
    None,
    /// A short-lived access token.
    AccessToken,
}
