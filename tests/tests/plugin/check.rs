//! `kubectl jira check`, held against the API server: what it passes is taken, what it finds is refused.

use std::{fs, path::PathBuf};

use axum::http::{Request, header::CONTENT_TYPE};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    program::{self, Ended, Running},
    scene,
};

async fn check(words: &[&str]) -> Ended {
    let mut command = Command::new(program::path().await);
    command.env_clear().arg("check").args(words);
    Running::start(command).end().await
}

fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[tokio::test]
async fn the_examples_hold_no_problem_but_the_refused_namespace() {
    let folder = repository().join("examples");
    let ended = check(&["-f", folder.to_str().unwrap()]).await;
    let problems: Vec<_> = ended.stdout.lines().filter(|line| line.contains(": problem: ")).collect();
    // The one example whose point is that the connection does not allow the bindings; others announce faults that only Jira knows.
    let unexpected: Vec<_> = problems.iter().filter(|line| !line.contains("07-refused-namespace.yaml")).collect();
    assert_eq!(unexpected, Vec::<&&str>::new());
    assert!(problems.iter().any(|line| line.contains("does not allow this binding")), "{ended:?}");
}

#[tokio::test]
async fn every_field_of_the_api_is_known() {
    for file in ["connection.yaml", "binding.yaml"] {
        let path = repository().join("tests/tests/api/examples").join(file);
        let ended = check(&["-f", path.to_str().unwrap()]).await;
        assert!(!ended.stdout.contains("there is no such field"), "{ended:?}");
        assert!(!ended.stdout.contains("left to the API server"), "every rule is evaluated here: {ended:?}");
    }
}

fn connection(change: impl FnOnce(&mut Value)) -> Value {
    let mut object = json!({
        "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
        "metadata": { "name": "acme" },
        "spec": { "url": "https://jira.example/jira", "deployment": "DataCenter",
            "auth": { "personalAccessToken": { "tokenSecretRef": { "name": "pat", "key": "token" } } } },
    });
    change(&mut object);
    object
}

fn with(path: &str, value: Value) -> Value {
    connection(|object| {
        let mut place = object;
        for step in path.split('.') {
            place = &mut place[step];
        }
        *place = value;
    })
}

fn entry(namespaces: Value) -> Value {
    with(
        "spec.allowedWorkspaces",
        json!([{ "namespaces": namespaces, "workspaces": { "from": "All" }, "projects": { "from": "All" } }]),
    )
}

fn header(name: &str) -> Value {
    json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": "gate", "key": "id" } } })
}

fn binding(change: impl FnOnce(&mut Value)) -> Value {
    let mut object = json!({
        "apiVersion": "issuetracking.dev/v1alpha1", "kind": "WorkspaceBinding",
        "metadata": { "name": "web" },
        "spec": { "connectionRef": { "name": "acme" }, "workspace": "web", "projects": [{ "key": "WEB" }] },
    });
    change(&mut object);
    object
}

#[rstest]
#[case::connection(connection(|_| {}), None)]
#[case::context_path_and_port(with("spec.url", json!("https://jira.example:8443/jira")), None)]
#[case::address(with("spec.url", json!("https://[::1]:8443")), None)]
#[case::plain_http(with("spec.url", json!("http://jira.example")), Some("spec.url: url must start with https://"))]
#[case::user_info(with("spec.url", json!("https://me@jira.example")), Some("spec.url: url must hold no user name"))]
#[case::query(with("spec.url", json!("https://jira.example?x=1")), Some("spec.url: url must have no query"))]
#[case::port_out_of_range(with("spec.url", json!("https://jira.example:65536")), Some("spec.url: url must be https://HOST"))]
#[case::too_long(with("spec.url", json!(format!("https://{}", "a".repeat(2048)))), Some("spec.url: may have at most 2048 characters"))]
#[case::no_url(connection(|it| { it["spec"].as_object_mut().unwrap().remove("url"); }), Some("spec.url: is required"))]
#[case::deployment(with("spec.deployment", json!("Server")), Some("spec.deployment: must be one of Cloud, DataCenter"))]
#[case::two_methods(with("spec.auth.oauth1", json!({ "consumerKey": "k", "consumerName": "n" })), Some("spec.auth: exactly one method must be given"))]
#[case::no_method(with("spec.auth", json!({})), Some("spec.auth: exactly one method must be given"))]
#[case::method_of_cloud(with("spec.auth", json!({ "apiToken": { "email": "a@b.example", "tokenSecretRef": { "name": "t", "key": "k" } } })), Some("apiToken is for deployment: Cloud"))]
#[case::two_headers(with("spec.headers", json!([header("X-Gate"), header("X-Door")])), None)]
#[case::headers_alike(with("spec.headers", json!([header("X-Gate"), header("x-gate")])), Some("header names must be unique ignoring case"))]
#[case::header_twice(with("spec.headers", json!([header("X-Gate"), header("X-Gate")])), Some("is there already"))]
#[case::forbidden_header(with("spec.headers", json!([header("AuthoriZation")])), Some("this header steers the request itself"))]
#[case::header_with_a_space(with("spec.headers", json!([header("X Gate")])), Some("a header name may hold only"))]
#[case::durations(with("spec.checks", json!({ "interval": "1h30m", "timeout": "1.5s", "grace": "0s" })), None)]
#[case::interval_short(with("spec.checks", json!({ "interval": "59s" })), Some("interval must be between 1m and 24h"))]
#[case::interval_long(with("spec.checks", json!({ "interval": "24h1s" })), Some("interval must be between 1m and 24h"))]
#[case::no_duration(with("spec.checks", json!({ "timeout": "soon" })), Some("spec.checks.timeout: must match "))]
#[case::days(with("spec.checks", json!({ "interval": "1d" })), Some("spec.checks.interval: must match "))]
#[case::same(entry(json!({ "from": "Same" })), None)]
#[case::list(entry(json!({ "from": "List", "list": ["web"] })), None)]
#[case::list_without_list(entry(json!({ "from": "List" })), Some("list belongs to from: List"))]
#[case::list_twice(entry(json!({ "from": "List", "list": ["web", "web"] })), Some("is there already"))]
#[case::selector(entry(json!({ "from": "Selector", "selector": { "matchExpressions": [{ "key": "team", "operator": "Exists" }] } })), None)]
#[case::empty_selector(entry(json!({ "from": "Selector", "selector": {} })), Some("an empty selector is refused"))]
#[case::values_for_exists(entry(json!({ "from": "Selector", "selector": { "matchExpressions": [{ "key": "team", "operator": "Exists", "values": ["a"] }] } })), Some("values must be given for the operators In and NotIn"))]
#[case::unknown_field(with("spec.allowedWorkspace", json!([])), Some("spec.allowedWorkspace: there is no such field"))]
#[case::misspelt_field(with("spec.Suspend", json!(true)), Some("spec.Suspend: there is no such field; suspend is meant"))]
#[case::wrong_type(with("spec.suspend", json!("true")), Some("spec.suspend: must be a boolean, and is a string"))]
#[case::null_is_as_absent(with("spec.tls", Value::Null), None)]
#[case::required_null(with("spec.url", Value::Null), Some("spec.url: is required"))]
#[case::unknown_null(with("spec.other", Value::Null), Some("spec.other: there is no such field"))]
#[case::null_in_a_list(with("spec.permissions", json!({ "projects": [null] })), Some("spec.permissions.projects[0]: must be a string, and is null"))]
#[case::long_name(with("metadata.name", json!("a".repeat(201))), Some("metadata.name may have at most 200 characters"))]
#[case::name_in_capitals(with("metadata.name", json!("Acme")), Some("metadata.name: must be lower-case letters"))]
#[case::expiry(with("spec.auth.personalAccessToken.expiresAt", json!("2027-01-31T00:00:00Z")), None)]
#[case::no_time(with("spec.auth.personalAccessToken.expiresAt", json!("tomorrow")), Some("must be a time as RFC 3339 has it"))]
#[case::binding(binding(|_| {}), None)]
#[case::no_projects(binding(|it| it["spec"]["projects"] = json!([])), Some("spec.projects: must have at least 1 entries"))]
#[case::project_twice(binding(|it| it["spec"]["projects"] = json!([{ "key": "WEB" }, { "key": "WEB" }])), Some("is there already"))]
#[case::project_in_lower_case(binding(|it| it["spec"]["projects"] = json!([{ "key": "web" }])), Some("must match ^[A-Z]"))]
#[tokio::test]
async fn the_verdict_is_the_api_server_s(#[case] object: Value, #[case] expected: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.json");
    fs::write(&path, object.to_string()).unwrap();
    let ended = check(&["-f", path.to_str().unwrap()]).await;
    let found = ended.stdout.clone();
    match expected {
        None => assert!(!found.contains(": problem: "), "{found}"),
        Some(words) => assert!(
            found.lines().any(|line| line.contains("object.json:1: problem: ") && line.contains(words)),
            "{words:?} is not in {found}"
        ),
    }
    ended.expect(i32::from(expected.is_some()));
    assert!(!found.contains("left to the API server"), "every rule is evaluated here: {found}");

    let refused = refusal(&object).await;
    assert_eq!(refused.is_some(), expected.is_some(), "the API server says {refused:?}, and check says {found}");
}

/// What the API server says against creating an object, with strict validation of fields.
async fn refusal(object: &Value) -> Option<String> {
    let client = scene::control_plane().await.client().await.unwrap();
    let plural = format!("{}s", object["kind"].as_str().unwrap().to_ascii_lowercase());
    let uri = format!("/apis/issuetracking.dev/v1alpha1/namespaces/default/{plural}?dryRun=All&fieldValidation=Strict");
    let request =
        Request::post(uri).header(CONTENT_TYPE, "application/json").body(object.to_string().into_bytes()).unwrap();
    client.request::<Value>(request).await.err().map(|error| error.to_string())
}

#[tokio::test]
async fn files_and_their_faults_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.yaml"), folder.path().join("two.yml"));
    fs::write(&one, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n---\nkind: [\n").unwrap();
    fs::write(&two, connection(|it| it["spec"]["url"] = json!("http://jira.example")).to_string()).unwrap();
    let ended = check(&["-f", folder.path().to_str().unwrap(), "-o", "json"]).await.expect(1);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let place = |index: usize| {
        (report["findings"][index]["file"].as_str().unwrap().to_owned(), report["findings"][index]["document"].clone())
    };
    assert_eq!(place(0), (one.display().to_string(), json!(2)));
    assert_eq!(place(1), (two.display().to_string(), json!(1)));
    assert_eq!((&report["objects"], &report["problems"]), (&json!(1), &json!(2)));

    check(&["-f", "/nowhere.yaml"]).await.expect_error(1, "/nowhere.yaml");
    let empty = tempfile::tempdir().unwrap();
    check(&["-f", empty.path().to_str().unwrap()]).await.expect_error(2, "no manifests");
}

#[tokio::test]
async fn standard_input_is_a_file_too() {
    let mut command = Command::new(program::path().await);
    command.env_clear().args(["check", "-f", "-"]);
    let mut running = Running::start(command);
    running.type_in(&connection(|it| it["spec"]["url"] = json!("x")).to_string()).await;
    let ended = running.end().await.expect(1);
    assert!(
        ended.stdout.starts_with("standard input:1: problem: JiraConnection default/acme: spec.url: "),
        "{ended:?}"
    );
}
