//! The roles for people: what each lets a user do, and what not.

use kube::Client;
use rstest::rstest;
use serde_json::json;
use tests::controlplane;
use tokio::sync::OnceCell;

use super::{
    act::{Act, Answer, act, assert_all, eventually, furnished, install, user},
    release::define_own_kinds,
};

/// A namespace with a connection, and users who have each of the roles there.
struct Office {
    namespace: String,
    other: String,
}

impl Office {
    /// Shared by the tests of this module, who leave everything as it is.
    async fn get() -> &'static Self {
        static OFFICE: OnceCell<Office> = OnceCell::const_new();
        OFFICE.get_or_init(Self::open).await
    }

    async fn open() -> Self {
        let control_plane = controlplane::shared().await;
        define_own_kinds().await;
        let own = control_plane.namespace("jira-connection-operator").await.unwrap();
        let (namespace, other) = (furnished("office").await, furnished("office").await);
        let values = format!(
            "authorisers: [{{ namespace: {namespace}, connection: acme, subjects: [{{ kind: Group, name: jira-admins }}] }}]"
        );
        install(control_plane, &own, &values).await;
        let bindings = [
            ("chart-admin", format!("{own}-admin")),
            ("chart-viewer", format!("{own}-viewer")),
            ("builtin-admin", "admin".to_owned()),
            ("builtin-edit", "edit".to_owned()),
            ("builtin-view", "view".to_owned()),
        ]
        .into_iter()
        .map(|(user, role)| {
            format!(
                "---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{ name: {user}, namespace: {namespace} }}
roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role} }}
subjects: [{{ apiGroup: rbac.authorization.k8s.io, kind: User, name: {user} }}]
"
            )
        });
        control_plane.apply_yaml(&bindings.collect::<Vec<_>>().concat()).await.unwrap();
        Self { namespace, other }
    }

    /// What all who may look can do.
    fn looks(&self) -> Vec<Act> {
        self.acts(&["get", "list", "watch"])
    }

    fn writes(&self) -> Vec<Act> {
        self.acts(&["create", "update", "patch", "delete", "deletecollection"])
    }

    /// On both kinds. Dry runs, so that all users find the same.
    fn acts(&self, verbs: &[&'static str]) -> Vec<Act> {
        let of = |verb: &'static str, (kind, name): (&str, &str)| {
            let path = format!("/apis/issuetracking.dev/v1alpha1/namespaces/{}/{kind}", self.namespace);
            match verb {
                "list" | "watch" => act(verb, path),
                "deletecollection" => act(verb, format!("{path}?dryRun=All")),
                "get" => act(verb, format!("{path}/{name}")),
                "delete" => act(verb, format!("{path}/{name}?dryRun=All")),
                // With an empty spec, which the schema refuses once RBAC has not.
                "create" => act(verb, format!("{path}?dryRun=All")).with(json!({ "metadata": { "name": "new" } })),
                _ => act(verb, format!("{path}/{name}?dryRun=All"))
                    .with(json!({ "metadata": { "labels": { "team": "web" } } })),
            }
        };
        let kinds = [("jiraconnections", "acme"), ("workspacebindings", "web")];
        verbs.iter().flat_map(|verb| kinds.map(|kind| of(verb, kind))).collect()
    }

    fn secrets(&self) -> Vec<Act> {
        let path = format!("/api/v1/namespaces/{}/secrets", self.namespace);
        vec![
            act("list", &path),
            act("watch", &path),
            act("create", &path),
            act("get", format!("{path}/credential")),
            act("get", format!("{path}/acme.jira-authorization")),
            act("patch", format!("{path}/acme.jira-authorization")),
            act("patch", format!("{path}/credential")),
            act("delete", format!("{path}/credential")),
        ]
    }

    /// The status is the operator's, whoever asks.
    fn status(&self) -> Act {
        let path =
            format!("/apis/issuetracking.dev/v1alpha1/namespaces/{}/jiraconnections/acme/status", self.namespace);
        act("patch", path).with(json!({ "status": { "state": "Authorized" } }))
    }
}

/// RBAC lets it pass. What then becomes of the request is a matter of the schema.
fn passes(answer: &Answer) -> bool {
    match answer {
        Answer::Done => true,
        Answer::Failed(words) => words.contains("422") || words.contains("BadRequest") || words.contains("Invalid"),
        Answer::Forbidden | Answer::Denied(_) => false,
    }
}

/// Waits until the aggregation has reached the user.
async fn in_force(client: &Client, act: &Act) {
    eventually("the roles are in force", async || (act.by(client).await == Answer::Done).then_some(())).await;
}

#[rstest]
#[case::the_chart_s_own("chart-admin")]
#[case::the_built_in_one("builtin-admin")]
#[tokio::test]
async fn an_admin_writes_connections_and_bindings(#[case] name: &str) {
    let office = Office::get().await;
    let client = user(name, &[]).await;
    in_force(&client, &office.looks()[0]).await;
    assert_all(&client, &[office.looks(), office.writes()].concat(), passes).await;
    assert_all(&client, &[office.status()], |answer| *answer == Answer::Forbidden).await;
}

#[rstest]
#[case::the_chart_s_own("chart-viewer")]
#[case::the_built_in_one("builtin-view")]
#[case::the_built_in_editor("builtin-edit")]
#[tokio::test]
async fn a_viewer_looks_and_writes_nothing(#[case] name: &str) {
    let office = Office::get().await;
    let client = user(name, &[]).await;
    in_force(&client, &office.looks()[0]).await;
    assert_all(&client, &office.looks(), |answer| *answer == Answer::Done).await;
    assert_all(&client, &[office.writes(), vec![office.status()]].concat(), |answer| *answer == Answer::Forbidden)
        .await;
}

#[rstest]
#[case::admin("chart-admin")]
#[case::viewer("chart-viewer")]
#[case::built_in_viewer("builtin-view")]
#[tokio::test]
async fn no_role_for_people_has_a_right_on_secrets(#[case] name: &str) {
    let office = Office::get().await;
    let client = user(name, &[]).await;
    in_force(&client, &office.looks()[0]).await;
    assert_all(&client, &office.secrets(), |answer| *answer == Answer::Forbidden).await;
}

#[tokio::test]
async fn an_authoriser_reads_and_changes_the_one_secret_of_the_connection() {
    let office = Office::get().await;
    let client = user("ann", &["jira-admins"]).await;
    let path = format!("/api/v1/namespaces/{}/secrets/acme.jira-authorization", office.namespace);
    let own = [
        act("get", &path),
        act("patch", format!("{path}?dryRun=All")).with(json!({ "stringData": { "keyHash": "x" } })),
    ];
    in_force(&client, &own[0]).await;
    assert_all(&client, &own, |answer| *answer == Answer::Done).await;

    let foreign = |act: &Act| !act.path.contains("acme.jira-authorization");
    let mut refused: Vec<_> = office.secrets().into_iter().filter(foreign).collect();
    refused.push(act("update", &path));
    refused.push(act("delete", &path));
    refused.push(act("get", format!("/api/v1/namespaces/{}/secrets/acme.jira-grant", office.namespace)));
    refused.push(act("get", format!("/api/v1/namespaces/{}/secrets/acme.jira-authorization", office.other)));
    refused.extend(office.looks());
    refused.extend(office.writes());
    assert_all(&client, &refused, |answer| *answer == Answer::Forbidden).await;
}
