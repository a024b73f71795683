//! What acts at once: changes of the spec, of Secrets and ConfigMaps, and wishes.

use rstest::rstest;
use serde_json::json;

use super::{
    jira::Jira,
    row::{Row, connection::proven},
    scene::{AT_ONCE, Scene},
};

#[tokio::test]
async fn a_changed_spec_is_checked_at_once() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    let mark = Jira::mark();
    connection.change(json!({ "checks": { "timeout": "7s" } })).await;
    let status = connection.shows("the new value", |status| status["effective"]["timeout"] == "7s").await;
    assert_eq!(Row::of(&status), proven());
    assert_eq!(status["observedGeneration"], 2);
    connection.asks(mark, "/myself", 1).await;
}

#[tokio::test]
async fn a_rotated_token_is_used_at_once() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    let before = connection.status()["credentials"]["observed"][0]["resourceVersion"].clone();
    let mark = Jira::mark();
    scene.hold("second-pat").await;
    connection.asks(mark, "/myself", 1).await;
    connection
        .shows("the new version", |status| status["credentials"]["observed"][0]["resourceVersion"] != before)
        .await;
    let bearer = format!("Bearer {}", scene.jira.secret("second-pat"));
    let entries = scene.jira.entries(mark);
    let sent: Vec<_> = entries.iter().filter(|entry| entry.headers.contains_key("authorization")).collect();
    assert!(
        !sent.is_empty() && sent.iter().all(|entry| entry.carried("authorization", &bearer)),
        "{}",
        connection.account()
    );
    assert!(connection.rows().iter().all(|row| *row == proven()), "{}", connection.account());
    scene.tells(&connection, &["ConnectionVerified"]).await;
}

#[tokio::test]
async fn a_changed_bundle_is_used_at_once() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    let mark = Jira::mark();
    let twice = format!("{0}\n{0}", Jira::simulator().ca_pem());
    scene.stage.config_map("ca", json!({ "ca.crt": twice })).await;
    connection.asks(mark, "/myself", 1).await;
    connection.becomes(&proven()).await;
}

#[rstest]
#[case("issuetracking.dev/requestedAt", "lastHandledRequestedAt")]
#[case("reconcile.fluxcd.io/requestedAt", "lastHandledReconcileAt")]
#[tokio::test]
async fn a_wish_is_granted_once_and_echoed(#[case] annotation: &str, #[case] echo: &str) {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    for wish in ["first", "second"] {
        let mark = Jira::mark();
        connection.merge(json!({ "metadata": { "annotations": { annotation: wish } } })).await;
        connection.shows("the echo", |status| status[echo] == wish).await;
        connection.asks(mark, "/myself", 1).await;
        connection.rests().await;
    }
    scene.tells(&connection, &["ConnectionVerified"]).await;
}

#[tokio::test]
async fn what_others_note_on_a_connection_wakes_nobody() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    connection
        .merge(json!({ "metadata": { "annotations": { "example.test/note": "x" }, "labels": { "team": "x" } } }))
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    connection.rests().await;
}

#[tokio::test]
async fn a_connection_moves_to_another_jira_at_once() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    let other = Jira::center();
    scene.stage.secret("moved", json!({ "token": other.secret("other-pat") })).await;
    let auth = json!({ "personalAccessToken": { "tokenSecretRef": { "name": "moved", "key": "token" } } });
    connection.change(json!({ "url": other.url, "auth": auth })).await;
    let moved = |status: &serde_json::Value| status["account"]["id"] == "JIRAUSER10200";
    connection.shows("the other account", moved).await;
    connection.becomes_within(AT_ONCE, &proven()).await;
    let first = scene.jira.secret("pat");
    let leaked = other.entries(tests::jira::Mark::default());
    assert!(leaked.iter().all(|entry| !entry.carried("authorization", &format!("Bearer {first}"))));
}
