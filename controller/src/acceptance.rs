//! Whether a connection allows a binding. Pure; both controllers ask it, so that they cannot disagree.

use std::collections::BTreeMap;

use crds::{
    JiraConnection, WorkspaceBinding,
    connection::allowed_workspaces::{
        AllOrList, AllowedWorkspaces, LabelOperator, LabelRequirement, NamespaceSelector, Namespaces, NamespacesFrom,
        ProjectedCredential, Projects, Workspaces,
    },
};
use kube::ResourceExt;

/// Labels of a namespace.
pub type Labels = BTreeMap<String, String>;

/// What a connection says to a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It allows it.
    Accepted {
        /// What of the credential the entry lets a projected Secret hold.
        credential: ProjectedCredential,
    },
    /// It does not.
    Refused,
}

/// Namespace and name of the connection that a binding names.
#[must_use]
pub fn named_connection(binding: &WorkspaceBinding) -> (String, String) {
    let reference = &binding.spec.connection_ref;
    let namespace = reference.namespace.clone().or_else(|| binding.namespace()).unwrap_or_default();
    (namespace, reference.name.clone())
}

/// Judges a binding that names this connection. `labels` are those of the binding's namespace; `None` if it is not known,
/// which fits no selector.
#[must_use]
pub fn judge(connection: &JiraConnection, binding: &WorkspaceBinding, labels: Option<&Labels>) -> Acceptance {
    let (home, guest) = (connection.namespace().unwrap_or_default(), binding.namespace().unwrap_or_default());
    let Some(entries) = &connection.spec.allowed_workspaces else {
        return if home == guest {
            Acceptance::Accepted { credential: ProjectedCredential::None }
        } else {
            Acceptance::Refused
        };
    };
    entries.iter().find(|entry| fits(entry, &home, &guest, labels, binding)).map_or(Acceptance::Refused, |entry| {
        Acceptance::Accepted { credential: entry.credential.unwrap_or(ProjectedCredential::None) }
    })
}

fn fits(
    entry: &AllowedWorkspaces,
    home: &str,
    guest: &str,
    labels: Option<&Labels>,
    binding: &WorkspaceBinding,
) -> bool {
    namespace_fits(&entry.namespaces, home, guest, labels)
        && workspace_fits(&entry.workspaces, &binding.spec.workspace)
        && projects_fit(&entry.projects, binding)
}

fn namespace_fits(chosen: &Namespaces, home: &str, guest: &str, labels: Option<&Labels>) -> bool {
    match chosen.from {
        NamespacesFrom::Same => home == guest,
        NamespacesFrom::All => true,
        NamespacesFrom::List => chosen.list.iter().flatten().any(|name| name == guest),
        NamespacesFrom::Selector => match (&chosen.selector, labels) {
            (Some(selector), Some(labels)) => selects(selector, labels),
            (None, _) | (_, None) => false,
        },
    }
}

/// An empty selector selects nothing; the schema refuses it as well.
fn selects(selector: &NamespaceSelector, labels: &Labels) -> bool {
    let exact: Vec<_> = selector.match_labels.iter().flatten().collect();
    let requirements: Vec<_> = selector.match_expressions.iter().flatten().collect();
    let empty = exact.is_empty() && requirements.is_empty();
    !empty
        && exact.into_iter().all(|(key, value)| labels.get(key) == Some(value))
        && requirements.into_iter().all(|requirement| meets(requirement, labels))
}

fn meets(requirement: &LabelRequirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    let among = |value: &String| requirement.values.iter().flatten().any(|candidate| candidate == value);
    match requirement.operator {
        LabelOperator::In => value.is_some_and(among),
        LabelOperator::NotIn => !value.is_some_and(among),
        LabelOperator::Exists => value.is_some(),
        LabelOperator::DoesNotExist => value.is_none(),
    }
}

fn workspace_fits(chosen: &Workspaces, workspace: &str) -> bool {
    match chosen.from {
        AllOrList::All => true,
        AllOrList::List => chosen.list.iter().flatten().any(|name| name == workspace),
    }
}

fn projects_fit(chosen: &Projects, binding: &WorkspaceBinding) -> bool {
    let listed = |key| chosen.list.iter().flatten().any(|candidate| candidate == key);
    match chosen.from {
        AllOrList::All => true,
        AllOrList::List => binding.spec.projects.iter().all(|project| listed(&project.key)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn connection(allowed: Option<Value>) -> JiraConnection {
        let mut spec = json!({
            "url": "https://jira.example", "deployment": "DataCenter",
            "auth": { "personalAccessToken": { "tokenSecretRef": { "name": "pat", "key": "token" } } },
        });
        if let Some(allowed) = allowed {
            spec["allowedWorkspaces"] = json!([allowed]);
        }
        let object = json!({ "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
            "metadata": { "name": "acme", "namespace": "platform" }, "spec": spec });
        serde_json::from_value(object).unwrap()
    }

    fn binding(namespace: &str) -> WorkspaceBinding {
        serde_json::from_value(json!({ "apiVersion": "issuetracking.dev/v1alpha1", "kind": "WorkspaceBinding",
            "metadata": { "name": "web", "namespace": namespace },
            "spec": { "connectionRef": { "name": "acme", "namespace": "platform" }, "workspace": "web",
                "projects": [{ "key": "WEB" }, { "key": "APP" }] } }))
        .unwrap()
    }

    #[expect(clippy::needless_pass_by_value, clippy::unnecessary_wraps, reason = "the cases read as a table")]
    fn allow(namespaces: Value, workspaces: Value, projects: Value) -> Option<Value> {
        Some(json!({ "namespaces": namespaces, "workspaces": workspaces, "projects": projects }))
    }

    fn all() -> Value {
        json!({ "from": "All" })
    }

    #[rstest]
    #[case::own_namespace_without_a_list(None, "platform", true)]
    #[case::other_namespace_without_a_list(None, "web", false)]
    #[case::same(allow(json!({ "from": "Same" }), all(), all()), "platform", true)]
    #[case::same_is_not_another(allow(json!({ "from": "Same" }), all(), all()), "web", false)]
    #[case::all(allow(all(), all(), all()), "web", true)]
    #[case::listed(allow(json!({ "from": "List", "list": ["web"] }), all(), all()), "web", true)]
    #[case::not_listed(allow(json!({ "from": "List", "list": ["app"] }), all(), all()), "web", false)]
    #[case::labelled(allow(json!({ "from": "Selector", "selector": { "matchLabels": { "team": "web" } } }), all(), all()), "web", true)]
    #[case::labelled_otherwise(allow(json!({ "from": "Selector", "selector": { "matchLabels": { "team": "app" } } }), all(), all()), "web", false)]
    #[case::empty_selector(allow(json!({ "from": "Selector", "selector": {} }), all(), all()), "web", false)]
    #[case::value_in(allow(json!({ "from": "Selector", "selector": { "matchExpressions": [{ "key": "team", "operator": "In", "values": ["web"] }] } }), all(), all()), "web", true)]
    #[case::value_not_in(allow(json!({ "from": "Selector", "selector": { "matchExpressions": [{ "key": "team", "operator": "NotIn", "values": ["web"] }] } }), all(), all()), "web", false)]
    #[case::absent_label_is_not_in(allow(json!({ "from": "Selector", "selector": { "matchExpressions": [{ "key": "tier", "operator": "NotIn", "values": ["web"] }] } }), all(), all()), "web", true)]
    #[case::exists(allow(json!({ "from": "Selector", "selector": { "matchExpressions": [{ "key": "team", "operator": "Exists" }] } }), all(), all()), "web", true)]
    #[case::does_not_exist(allow(json!({ "from": "Selector", "selector": { "matchExpressions": [{ "key": "team", "operator": "DoesNotExist" }] } }), all(), all()), "web", false)]
    #[case::workspace_listed(allow(all(), json!({ "from": "List", "list": ["web"] }), all()), "web", true)]
    #[case::workspace_not_listed(allow(all(), json!({ "from": "List", "list": ["other"] }), all()), "web", false)]
    #[case::every_project_listed(allow(all(), all(), json!({ "from": "List", "list": ["WEB", "APP"] })), "web", true)]
    #[case::one_project_not_listed(allow(all(), all(), json!({ "from": "List", "list": ["WEB"] })), "web", false)]
    fn a_binding_must_fit_one_entry_wholly(
        #[case] allowed: Option<Value>,
        #[case] namespace: &str,
        #[case] accepted: bool,
    ) {
        let labels = Labels::from([("team".to_owned(), namespace.to_owned())]);
        let judged = judge(&connection(allowed), &binding(namespace), Some(&labels));
        assert_eq!(matches!(judged, Acceptance::Accepted { .. }), accepted);
    }

    #[test]
    fn an_empty_list_of_entries_allows_nobody() {
        let mut connection = connection(None);
        connection.spec.allowed_workspaces = Some(Vec::new());
        assert_eq!(judge(&connection, &binding("platform"), None), Acceptance::Refused);
    }

    #[test]
    fn two_entries_do_not_add_up() {
        let mut connection = connection(allow(all(), all(), json!({ "from": "List", "list": ["WEB"] })));
        let other = self::connection(allow(all(), all(), json!({ "from": "List", "list": ["APP"] })));
        connection.spec.allowed_workspaces.as_mut().unwrap().extend(other.spec.allowed_workspaces.unwrap());
        assert_eq!(judge(&connection, &binding("web"), None), Acceptance::Refused);
    }

    #[test]
    fn a_namespace_that_is_not_known_fits_no_selector() {
        let allowed = allow(
            json!({ "from": "Selector", "selector": { "matchExpressions": [{ "key": "team", "operator": "DoesNotExist" }] } }),
            all(),
            all(),
        );
        assert_eq!(judge(&connection(allowed), &binding("web"), None), Acceptance::Refused);
    }
}
