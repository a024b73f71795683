//! Jira is out of reach: grace, backoff, and the way back.

use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::{Value, json};
use tests::jira::{Fault, Mark};

use super::{
    jira::Jira,
    row::{
        Progress, binding,
        connection::{in_grace, interrupted, proven},
    },
    scene::{AT_ONCE, Scene},
    subject::QUIET,
};

const SERVER_INFO: &str = "/rest/api/2/serverInfo";

fn front(status: u16, content_type: &str) -> Fault {
    let content_type = Some(content_type.to_owned());
    Fault::Status {
        status,
        body: "<p>No.</p>".to_owned(),
        content_type,
        headers: std::collections::BTreeMap::default(),
    }
}

#[rstest]
#[case::server_error(Fault::Unwell { status: 500 }, "Unreachable", "HTTP status 500")]
#[case::bad_gateway(front(502, "text/html"), "Unreachable", "HTTP status 502")]
#[case::cut_off(Fault::CutBeforeAnswer, "Unreachable", "broke off")]
#[case::no_answer(Fault::NeverAnswer, "Unreachable", "timeout")]
#[case::cut_in_body(Fault::CutInBody { after: 20 }, "Unreachable", "broke off")]
#[case::login_page(Fault::LoginPage, "BlockedByProxy", "web page")]
#[case::redirect(Fault::Redirect { location: "https://login.example.test/".into(), status: None }, "BlockedByProxy", "redirects")]
#[case::refusal(front(403, "text/html"), "BlockedByProxy", "headers")]
#[case::other_json(Fault::InvalidJson, "NotJira", "cannot be read")]
#[case::huge(Fault::HugeBody { megabytes: 2 }, "NotJira", "too large")]
#[case::other_type(Fault::WrongContentType { content_type: "text/plain".into() }, "NotJira", "not declared as JSON")]
#[tokio::test]
async fn a_jira_that_was_never_proven_is_not_forgiven(
    #[case] fault: Fault,
    #[case] reason: &str,
    #[case] message: &str,
) {
    let scene = Scene::center().await;
    scene.jira.fails(fault);
    let connection = scene.connect(json!({ "checks": { "timeout": "1s" } })).await;
    connection.becomes(&interrupted(reason)).await;
    assert!(connection.message("Ready").contains(message), "{}", connection.account());
    // Nothing but the question what this is, until it is Jira.
    assert_eq!(scene.jira.asked(Mark::default()), ["GET /rest/api/2/serverInfo"]);
    scene.tells(&connection, &[reason]).await;
}

#[rstest]
#[case::no_such_name(json!({ "url": "https://jira.invalid" }), "Unreachable", "does not resolve")]
#[case::nobody_listens(json!({ "url": "https://127.0.0.1:1" }), "Unreachable", "No connection")]
#[tokio::test]
async fn a_host_that_is_not_there_is_unreachable(#[case] changes: Value, #[case] reason: &str, #[case] message: &str) {
    let scene = Scene::center().await;
    let connection = scene.connect(changes).await;
    connection.becomes(&interrupted(reason)).await;
    assert!(connection.message("Ready").contains(message), "{}", connection.account());
}

#[tokio::test]
async fn an_allow_list_of_addresses_at_a_cloud_site_is_told() {
    let scene = Scene::cloud().await;
    scene.jira.fails(Fault::IpAllowList);
    let connection = scene.connect(json!({})).await;
    connection.becomes(&interrupted("BlockedByProxy")).await;
    assert!(connection.message("Ready").contains("allow-list"), "{}", connection.account());
}

#[tokio::test]
async fn another_context_path_is_no_jira() {
    let scene = Scene::center().await;
    let connection = scene.connect(json!({ "url": scene.jira.url.replace("/jira", "/other") })).await;
    connection.becomes(&interrupted("NotJira")).await;
    connection.change(json!({ "url": scene.jira.url })).await;
    connection.becomes_within(AT_ONCE, &proven()).await;
}

#[tokio::test]
async fn the_backoff_is_not_shortened_by_wakes_and_is_skipped_by_a_request() {
    let scene = Scene::center().await;
    scene.jira.fails(Fault::Unwell { status: 503 });
    let connection = scene.connect(json!({})).await;
    connection.becomes(&interrupted("Unreachable")).await;
    scene.nudge("Secret", "credential").await;
    scene.bind("web", json!([{ "key": "WEB" }])).await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(scene.jira.count(Mark::default(), SERVER_INFO), 1, "{}", connection.account());

    connection.is_requested("now").await;
    connection.shows("the echo", |status| status["lastHandledRequestedAt"] == "now").await;
    assert_eq!(scene.jira.count(Mark::default(), SERVER_INFO), 2, "{}", connection.account());
    connection.becomes(&interrupted("Unreachable")).await;
}

#[tokio::test]
async fn an_outage_is_forgiven_for_a_while_then_told_and_ends_by_itself() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({ "permissions": { "projects": ["WEB"] } })).await;
    let bound = scene.bind("web", json!([{ "key": "WEB" }])).await;
    bound.becomes(&binding::proven()).await;
    connection.shows("its binding", |status| status["bindings"]["accepted"] == 1).await;
    let before = bound.version().await;

    scene.jira.fails(Fault::Unwell { status: 500 });
    connection.is_requested("now").await;
    let status = connection.becomes(&in_grace("Unreachable")).await;
    assert_eq!(status["account"]["id"], "JIRAUSER10100");
    assert_eq!(status["issueSecurity"][0]["project"], "WEB");
    tokio::time::sleep(QUIET).await;
    assert_eq!(bound.version().await, before, "a binding is not written in grace");
    scene.tells(&connection, &["ConnectionVerified"]).await;

    connection.ages(Duration::from_secs(121)).await;
    scene.nudge("ConfigMap", "ca").await;
    connection.becomes_within(AT_ONCE, &interrupted("Unreachable")).await;
    let status = bound.becomes(&binding::not_ready("Interrupted", Progress::Reconciling)).await;
    assert_eq!(status["connection"]["url"], scene.jira.url);
    scene.tells(&connection, &["ConnectionVerified", "Unreachable"]).await;

    scene.jira.heal();
    connection.becomes_within(Duration::from_secs(30), &proven()).await;
    bound.becomes_within(AT_ONCE, &binding::proven()).await;
    scene.tells(&connection, &["ConnectionVerified", "Unreachable", "ConnectionVerified"]).await;
    scene.tells(&bound, &["BindingVerified", "ConnectionNotReady", "BindingVerified"]).await;
}

#[tokio::test]
async fn a_short_outage_is_told_by_reachable_alone() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    scene.jira.fails(Fault::LoginPage);
    connection.is_requested("now").await;
    connection.becomes(&in_grace("BlockedByProxy")).await;
    scene.jira.heal();
    let started = Instant::now();
    connection.becomes_within(Duration::from_secs(12), &proven()).await;
    assert!(started.elapsed() > Duration::from_secs(2), "there is a backoff\n{}", connection.account());
    assert_eq!(connection.rows(), [proven(), in_grace("BlockedByProxy"), proven()]);
    scene.tells(&connection, &["ConnectionVerified"]).await;
}

#[tokio::test]
async fn without_grace_an_outage_is_told_at_once() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({ "checks": { "grace": "0s" } })).await;
    scene.jira.fails(Fault::CutBeforeAnswer);
    connection.is_requested("now").await;
    connection.becomes(&interrupted("Unreachable")).await;
    assert_eq!(connection.rows(), [proven(), interrupted("Unreachable")]);
}

#[tokio::test]
async fn grace_belongs_to_the_spec_that_was_proven() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    let gone = Jira::center();
    gone.fails(Fault::Unwell { status: 500 });
    connection.change(json!({ "url": gone.url })).await;
    connection.becomes(&interrupted("Unreachable")).await;
}
