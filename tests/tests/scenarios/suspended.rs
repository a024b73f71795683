//! Connections and bindings that are switched off.

use serde_json::json;
use tests::jira::Mark;

use super::{
    jira::Jira,
    row::{
        Row, binding,
        connection::{progressing, proven},
    },
    scene::{AT_ONCE, Scene},
};

fn suspended(row: Row) -> Row {
    row.with("Suspended", "True Suspended")
}

#[tokio::test]
async fn only_suspend_changed_so_everything_stands_and_nothing_is_asked() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    let bound = scene.bind("web", json!([{ "key": "WEB" }])).await;
    bound.becomes(&binding::proven()).await;
    let mark = Jira::mark();
    connection.change(json!({ "suspend": true })).await;
    connection.becomes(&suspended(proven())).await;
    scene.hold("second-pat").await;
    connection.is_requested("now").await;
    connection.shows("the echo", |status| status["lastHandledRequestedAt"] == "now").await;
    assert_eq!(scene.jira.asked(mark), [""; 0]);
    bound.becomes(&binding::proven()).await;

    connection.change(json!({ "suspend": false })).await;
    connection.becomes_within(AT_ONCE, &proven()).await;
    assert_eq!(scene.jira.count(mark, "/myself"), 1, "{}", connection.account());
    scene.tells(&connection, &["ConnectionVerified"]).await;
}

#[tokio::test]
async fn a_new_connection_that_is_switched_off_is_not_judged() {
    let scene = Scene::center().await;
    let connection = scene.connect(json!({ "suspend": true })).await;
    let row = suspended(
        progressing()
            .with("Ready", "Unknown Suspended")
            .with("Authorized", "Unknown NotChecked")
            .with("Reconciling", "True Suspended"),
    );
    connection.becomes(&row).await;
    connection.rests().await;
    assert_eq!(scene.jira.asked(Mark::default()), [""; 0]);
    connection.change(json!({ "suspend": null })).await;
    connection.becomes_within(AT_ONCE, &proven()).await;
}

#[tokio::test]
async fn another_change_together_with_suspend_is_not_covered_by_the_last_proof() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    connection.change(json!({ "suspend": true, "url": Jira::center().url })).await;
    let row = suspended(proven()).with("Ready", "Unknown Suspended").with("Reconciling", "True Suspended");
    connection.becomes(&row).await;
    connection.rests().await;
}

#[tokio::test]
async fn a_suspended_binding_stands_as_it_is() {
    let scene = Scene::center().await;
    scene.connected(json!({})).await;
    let bound = scene.bind("web", json!([{ "key": "WEB" }])).await;
    bound.becomes(&binding::proven()).await;
    bound.change(json!({ "suspend": true })).await;
    bound.becomes(&suspended(binding::proven())).await;
    bound.change(json!({ "suspend": null })).await;
    bound.becomes(&binding::proven()).await;

    let spec = json!({ "connectionRef": { "name": "acme" }, "workspace": "app", "suspend": true, "projects": [{ "key": "APP" }] });
    let new = scene.create(tests::stage::Kind::Binding, &scene.stage.namespace, "app", spec).await;
    let unknown = "Unknown Suspended";
    let conditions = [
        ("Ready", unknown),
        ("Accepted", unknown),
        ("Authorized", unknown),
        ("PermissionsGranted", unknown),
        ("Reconciling", "True Suspended"),
    ];
    new.becomes(&suspended(Row::new(None, &conditions))).await;
}

#[tokio::test]
async fn another_change_of_a_binding_together_with_suspend_is_not_covered_by_the_last_proof() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    let bound = scene.bind("web", json!([{ "key": "WEB" }])).await;
    bound.becomes(&binding::proven()).await;
    let mark = Jira::mark();
    bound.change(json!({ "suspend": true, "projects": [{ "key": "APP" }] })).await;
    // The connection looks at the new project at once, whatever becomes of the binding.
    connection.asks(mark, "/project/APP/securitylevel", 1).await;
    let unknown = "Unknown Suspended";
    bound.becomes(&suspended(binding::proven()).with("Ready", unknown).with("Reconciling", "True Suspended")).await;
    bound.rests().await;
}
