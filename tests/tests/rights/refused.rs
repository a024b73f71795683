//! A right that is missing: the operator says which, where people and Kubernetes look, and goes on when it is given.

use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::{Api, api::DeleteParams};
use serde_json::json;
use tests::{
    controlplane::Component,
    operator::{Operator, Settings},
    stage::{Kind, Stage, Way},
};

use super::namespaces::{settings, until};

/// The four kinds that are watched in a namespace.
const KINDS: [&str; 4] = ["JiraConnection", "WorkspaceBinding", "Secret", "ConfigMap"];

fn refusals(namespace: &str) -> Vec<String> {
    let refusal = |kind| {
        format!(
            "the API server refuses to list or watch {kind} in namespace {namespace} (403): a right of the operator is missing"
        )
    };
    let mut lines: Vec<_> = KINDS.map(refusal).to_vec();
    lines.sort();
    lines
}

/// What `/readyz` says in place of `ready`, line by line.
async fn obstacles(operator: &Operator) -> Vec<String> {
    let (status, text) = operator.readiness().await.unwrap();
    if status == 200 { Vec::new() } else { text.lines().map(str::to_owned).collect() }
}

#[tokio::test]
async fn an_operator_that_may_not_watch_says_so_does_not_guess_and_begins_when_it_may() {
    let stage = Stage::without_operator("platform").await;
    let other = stage.control_plane.namespace("team").await.unwrap();
    let settings = settings(&stage, "refused", &[&stage.namespace, &other]).await;
    let rights = settings.rights.clone();
    let own: Vec<_> = rights.split("\n---\n").filter(|it| !it.contains(&format!("namespace: {other}\n"))).collect();
    let operator = Operator::start_unready(Settings { rights: own.join("\n---\n"), ..settings }).await.unwrap();
    stage.connect("acme", Way::PersonalAccessToken, &["WEB"]).await;
    until("it says so", &operator, async || obstacles(&operator).await == refusals(&other)).await;
    let told = |words: &str| operator.output().lines().filter(|line| line.contains(words)).count();
    assert_eq!(told("the watch failed and is tried again"), KINDS.len(), "{}", operator.output());
    assert!(operator.output().contains("secrets is forbidden"), "{}", operator.output());
    // Bindings there might be refused, and connections called absent, before they are seen.
    assert_eq!(stage.get(Kind::Connection, "acme").await.0["status"], json!({ "observedGeneration": -1 }));

    stage.control_plane.apply_yaml(&rights).await.unwrap();
    stage.until_ready(Kind::Connection, "acme").await;
    assert_eq!(obstacles(&operator).await, Vec::<String>::new());
    assert_eq!(told("the watch works again"), KINDS.len(), "{}", operator.output());
    assert_eq!(told("the watch failed and is tried again"), KINDS.len(), "each was told once:\n{}", operator.output());
}

/// Open watches go on until they are closed, so the API server has to go for a while.
#[tokio::test]
async fn an_api_server_that_is_away_and_a_right_that_was_taken_show_in_readiness_and_end_nothing() {
    let stage = Stage::without_operator("platform").await;
    let operator = Operator::start(settings(&stage, "taken", &[&stage.namespace]).await).await.unwrap();
    stage.connect("acme", Way::PersonalAccessToken, &["WEB"]).await;
    stage.until_ready(Kind::Connection, "acme").await;

    let rights = Api::<RoleBinding>::namespaced(stage.client.clone(), &stage.namespace);
    let binding = rights.get("taken").await.unwrap();
    assert!(Api::<Role>::namespaced(stage.client.clone(), &stage.namespace).get_opt("taken").await.unwrap().is_some());
    rights.delete("taken", &DeleteParams::default()).await.unwrap();
    stage.control_plane.kill(Component::Apiserver).await.unwrap();
    let failed = |line: &String| line.ends_with("failed and is tried again");
    until("the outage shows", &operator, async || {
        let obstacles = obstacles(&operator).await;
        obstacles.len() == KINDS.len() + 1 && obstacles.iter().all(failed)
    })
    .await;
    let alive = reqwest::get(format!("http://{}/healthz", operator.probe_address().unwrap())).await.unwrap();
    assert_eq!(alive.status(), 200, "a restart would not help");

    stage.control_plane.restart(Component::Apiserver).await.unwrap();
    until("the missing right shows", &operator, async || obstacles(&operator).await == refusals(&stage.namespace))
        .await;

    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": { "name": "taken", "namespace": stage.namespace },
        "roleRef": binding.role_ref, "subjects": binding.subjects,
    });
    stage.control_plane.apply_yaml(&binding.to_string()).await.unwrap();
    until("it is ready again", &operator, async || obstacles(&operator).await.is_empty()).await;
    stage.connect("later", Way::PersonalAccessToken, &["WEB"]).await;
    stage.until_ready(Kind::Connection, "later").await;
    assert!(operator.is_running());
}
