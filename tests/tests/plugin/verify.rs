//! `kubectl jira verify`

use serde_json::json;

use super::scene::{ACME, LINK, Scene, authoriser, oauth1, oauth2};

const HASH: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

async fn awaiting() -> Scene {
    let scene = Scene::open(authoriser()).await;
    scene.prepared(oauth1(), &LINK).await;
    scene.answer(json!({ "keyHash": HASH })).await;
    scene.take_up(HASH, "Code").await;
    scene
}

#[tokio::test]
async fn a_code_among_the_arguments_is_taken_with_a_warning() {
    let scene = awaiting().await;
    let running = scene.start(&["verify", ACME, "s3cret"]).await;
    assert_eq!(scene.written("verificationCode").await, "s3cret");
    scene.finish(HASH, "Failed", "Jira says that the code is wrong.").await;
    let ended = running.end().await.expect(1);
    assert_eq!(ended.stdout, "Failed: Jira says that the code is wrong.\n");
    assert!(ended.stderr.contains("process lists"), "{ended:?}");
    assert!(!ended.stderr.contains("s3cret"), "{ended:?}");
}

#[tokio::test]
async fn what_cannot_be_a_code_is_not_written() {
    let scene = awaiting().await;
    scene.run(&["verify", ACME, "two words"]).await.expect_error(2, "cannot be a verification code");
    scene.run(&["verify", ACME]).await.expect_error(2, "cannot be a verification code");
    assert!(!scene.keys().await.contains_key("verificationCode"));
}

#[tokio::test]
async fn without_an_attempt_nothing_is_written() {
    let scene = Scene::open(authoriser()).await;
    scene.prepared(oauth1(), &LINK).await;
    scene.run(&["verify", ACME, "x"]).await.expect_error(1, "kubectl jira authorize acme --code");
    assert!(!scene.keys().await.contains_key("verificationCode"));
    let other = Scene::open(authoriser()).await;
    other.prepared(oauth2(), &[]).await;
    other.run(&["verify", ACME, "x"]).await.expect_error(1, "awaits no code: its method has none");
}
