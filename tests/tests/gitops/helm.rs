//! `helm install --wait` of somebody's chart with connections and bindings.

use std::{
    fs,
    process::{Output, Stdio},
    time::Duration,
};

use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{
    stage::{Kind, Stage, Way},
    tools::Tools,
};
use tokio::{process::Child, time::timeout};

/// Longer than helm takes for what is settled.
const EARLY: Duration = Duration::from_secs(4);

const POLL: Duration = Duration::from_millis(50);

/// Far above what it takes, so that a loaded machine is no failure; `helm` itself waits longer.
const LIMIT: Duration = Duration::from_secs(90);

/// A chart of a team: a connection, its Secret unless that comes later, and a binding.
fn chart(connection: &Value, secret: Option<&Value>) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let templates = directory.path().join("templates");
    fs::create_dir(&templates).unwrap();
    let head = "apiVersion: v2\nname: team\nversion: 1.0.0\n";
    fs::write(directory.path().join("Chart.yaml"), head).unwrap();
    let api = format!("{}/v1alpha1", crds::GROUP);
    let named = |kind: &str, name: &str, spec: &Value| json!({ "apiVersion": api, "kind": kind, "metadata": { "name": name }, "spec": spec });
    let binding = json!({ "connectionRef": { "name": "acme" }, "workspace": "web", "projects": [{ "key": "WEB" }] });
    let mut objects = vec![named("JiraConnection", "acme", connection), named("WorkspaceBinding", "web", &binding)];
    objects.extend(secret.map(
        |data| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "acme" }, "stringData": data }),
    ));
    for (number, object) in objects.iter().enumerate() {
        // JSON is YAML.
        fs::write(templates.join(format!("{number}.yaml")), object.to_string()).unwrap();
    }
    directory
}

/// A `helm install --wait` under way.
async fn install(stage: &Stage, chart: &TempDir, patience: &str) -> Child {
    let mut command = Tools::locate().await.unwrap().helm();
    command
        .env("KUBECONFIG", stage.control_plane.kubeconfig())
        .args(["install", "team", "--namespace", &stage.namespace, "--wait", "--timeout", patience])
        .arg(chart.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

async fn outcome(helm: Child) -> (bool, String) {
    let Output { status, stdout, stderr } = timeout(LIMIT, helm.wait_with_output()).await.unwrap().unwrap();
    (status.success(), [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat())
}

#[tokio::test]
async fn a_wait_ends_when_connection_and_binding_are_proven() {
    let stage = Stage::open("proven").await;
    let site = stage.site("jira", Way::PersonalAccessToken, &["WEB"]);
    let chart = chart(&site.spec("acme"), Some(&site.credential()));
    let helm = install(&stage, &chart, "5m").await;
    let (good, said) = outcome(helm).await;
    assert!(good, "{said}");
    assert!(stage.get(Kind::Connection, "acme").await.is("Ready"));
    assert!(stage.get(Kind::Binding, "web").await.is("Ready"));
}

#[tokio::test]
async fn a_wait_goes_on_while_the_secret_is_missing_and_ends_when_it_comes() {
    let stage = Stage::open("later").await;
    let site = stage.site("jira", Way::PersonalAccessToken, &["WEB"]);
    let chart = chart(&site.spec("acme"), None);
    let mut helm = install(&stage, &chart, "5m").await;
    while !stage.exists(Kind::Connection, "acme").await {
        assert!(helm.try_wait().unwrap().is_none(), "helm ends before it has applied anything");
        tokio::time::sleep(POLL).await;
    }
    stage.until_reason(Kind::Connection, "acme", "SecretNotFound").await;
    assert!(timeout(EARLY, helm.wait()).await.is_err(), "helm takes a missing Secret for an end");
    stage.secret("acme", site.credential()).await;
    let (good, said) = outcome(helm).await;
    assert!(good, "{said}");
    assert!(stage.get(Kind::Binding, "web").await.is("Ready"));
}

/// Long before its time is over.
#[rstest]
#[case::a_refused_password("refused", Way::ApiToken, json!({ "token": "wrong" }), json!({}), "JiraConnection")]
#[case::a_missing_permission("lacking", Way::PersonalAccessToken, Value::Null, json!({ "permissions": { "projects": ["OPS"] } }), "JiraConnection")]
#[tokio::test]
async fn a_wait_fails_when_a_connection_is_stuck_and_names_it(
    #[case] prefix: &str,
    #[case] way: Way,
    #[case] credential: Value,
    #[case] more: Value,
    #[case] named: &str,
) {
    let stage = Stage::open(prefix).await;
    let site = stage.site("jira", way, &["WEB"]);
    let mut spec = site.spec("acme");
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let credential = if credential.is_null() { site.credential() } else { credential };
    let chart = chart(&spec, Some(&credential));
    let (good, said) = outcome(install(&stage, &chart, "5m").await).await;
    assert!(!good, "{said}");
    assert!(said.contains(named) && said.contains("acme") && !said.contains("deadline"), "{said}");
    assert!(stage.get(Kind::Connection, "acme").await.is("Stalled"));
}

#[tokio::test]
async fn a_wait_for_a_person_lasts_as_long_as_helm_has_patience() {
    let stage = Stage::open("person").await;
    let site = stage.site("jira", Way::PersonalAccessToken, &["WEB"]);
    let mut spec = site.spec("acme");
    spec["auth"] = json!({ "oauth1": { "consumerKey": "operator", "consumerName": "Operator" } });
    let chart = chart(&spec, Some(&site.credential()));
    let (good, said) = outcome(install(&stage, &chart, "8s").await).await;
    assert!(!good && said.contains("deadline exceeded"), "{said}");
    assert_eq!(stage.get(Kind::Connection, "acme").await.reason(), "AuthorizationRequired");
}
