//! `kubectl jira revoke`

use serde_json::{Value, json};

use super::scene::{ACME, Scene, authoriser, both, oauth2, spec, token};

#[tokio::test]
async fn the_grant_is_ended_by_the_operator_and_the_person_told() {
    let scene = Scene::open(authoriser()).await;
    let earlier = r#"{"at":"2026-01-01T12:00:00Z","message":"An earlier one."}"#;
    scene.prepared(oauth2(), &[("revoked", earlier)]).await;
    let running = scene.start(&["revoke", ACME, "--yes"]).await;
    let wish = scene.written("revoke").await;
    assert!(wish.starts_with("20") && wish.ends_with('Z'), "an RFC 3339 time: {wish}");
    let done = json!({ "at": "2026-01-01T12:00:10Z", "message": "The grant is gone, at Jira and here." });
    scene.answer(json!({ "revoke": null, "revoked": done })).await;
    let ended = running.end().await.expect(0);
    assert_eq!(ended.stdout, "Revoked: The grant is gone, at Jira and here.\n");
}

#[tokio::test]
async fn nothing_is_ended_without_a_confirmation() {
    let scene = Scene::open(authoriser()).await;
    scene.prepared(oauth2(), &[]).await;
    scene.run(&["revoke", ACME]).await.expect_error(1, "--yes");
    assert!(!scene.keys().await.contains_key("revoke"));
}

#[tokio::test]
async fn a_wish_that_nobody_carries_out_stands() {
    let scene = Scene::open(authoriser()).await;
    scene.prepared(oauth2(), &[]).await;
    scene.run(&["revoke", ACME, "-y", "--timeout", "2s"]).await.expect_error(1, "has not ended the grant within 2s");
    assert!(scene.keys().await.contains_key("revoke"));
}

#[tokio::test]
async fn what_has_no_grant_says_so() {
    let scene = Scene::open(both()).await;
    scene.object("JiraConnection", ACME, spec(token()), None).await;
    scene.run(&["revoke", ACME, "--yes"]).await.expect_error(1, "change its Secret");
}

#[tokio::test]
async fn a_program_gets_what_became_of_the_grant() {
    let scene = Scene::open(authoriser()).await;
    scene.prepared(oauth2(), &[]).await;
    let running = scene.start(&["revoke", ACME, "--yes", "-o", "json"]).await;
    scene.written("revoke").await;
    let done = json!({ "at": "2026-01-01T12:00:10Z", "message": "The grant is gone, at Jira and here." });
    scene.answer(json!({ "revoke": null, "revoked": done })).await;
    let record: Value = serde_json::from_str(&running.end().await.expect(0).stdout).unwrap();
    assert_eq!(record, json!({ "name": ACME, "namespace": scene.namespace, "revoked": done }));
}
