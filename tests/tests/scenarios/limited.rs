//! Jira asks to wait.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use tests::jira::{Fault, Mark, Rule};

use super::{
    jira::Jira,
    row::{
        Row,
        connection::{interrupted, proven},
    },
    scene::Scene,
};

fn limit(seconds: u32) -> Fault {
    Fault::RateLimited { retry_after: seconds, reason: None }
}

fn limited() -> Row {
    proven().with("RateLimited", "True RateLimited")
}

#[rstest]
#[case::too_many_requests(limit(3))]
#[case::unavailable_until(Fault::Unavailable { retry_after: 3 })]
#[tokio::test]
async fn the_wait_that_jira_asks_for_is_obeyed_and_nothing_else_changes(#[case] fault: Fault) {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    scene.jira.strikes(Rule::every(fault).first(1));
    let mark = Jira::mark();
    connection.is_requested("now").await;
    connection.becomes(&limited()).await;
    // A wish does not widen Jira's budget, and neither does any other wake.
    connection.is_requested("again").await;
    scene.nudge("Secret", "credential").await;
    connection.becomes_within(Duration::from_secs(10), &proven()).await;
    let entries = scene.jira.entries(mark);
    let pause = entries[1].elapsed_millis - entries[0].elapsed_millis;
    assert!((2900..5000).contains(&pause), "{pause} ms\n{}", connection.account());
    scene.tells(&connection, &["ConnectionVerified"]).await;
    let status = connection.shows("the echo", |status| status["lastHandledRequestedAt"] == "again").await;
    assert_eq!(Row::of(&status), proven());
}

#[tokio::test]
async fn a_wait_that_outlasts_grace_interrupts() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    scene.jira.fails(limit(600));
    connection.is_requested("now").await;
    connection.becomes(&limited()).await;
    connection.ages(Duration::from_secs(121)).await;
    scene.nudge("ConfigMap", "ca").await;
    let row = interrupted("RateLimited")
        .with("Reachable", "True Answering")
        .with("PermissionsGranted", "True Granted")
        .with("RateLimited", "True RateLimited");
    connection.becomes(&row).await;
    scene.tells(&connection, &["ConnectionVerified", "RateLimited"]).await;
    connection.rests().await;
}

#[tokio::test]
async fn a_new_connection_that_has_to_wait_says_so() {
    let scene = Scene::center().await;
    scene.jira.strikes(Rule::every(limit(2)).first(1));
    let connection = scene.connect(json!({})).await;
    let row = Row::new(
        None,
        &[
            ("Ready", "Unknown Progressing"),
            ("Authorized", "Unknown RateLimited"),
            ("CredentialsResolved", "True Resolved"),
            ("Reachable", "Unknown NotChecked"),
            ("PermissionsGranted", "Unknown NotChecked"),
            ("Reconciling", "True RateLimited"),
            ("RateLimited", "True RateLimited"),
        ],
    );
    connection.becomes(&row).await;
    assert_eq!(scene.jira.asked(Mark::default()).len(), 1);
    connection.becomes_within(Duration::from_secs(8), &proven()).await;
    scene.tells(&connection, &["ConnectionVerified"]).await;
}

#[tokio::test]
async fn a_client_that_has_used_up_its_hour_waits_for_the_next() {
    let scene = Scene::cloud().await;
    scene.client(&scene.jira.secret("secret")).await;
    let connection = scene.connection("acme", scene.client_spec()).await;
    connection.becomes(&proven()).await;
    Jira::simulator().exhaust_quota(&format!("client-{}", scene.jira.name));
    connection.is_requested("now").await;
    connection.becomes(&limited()).await;
    connection.is_requested("again").await;
    connection.rests().await;
}

#[tokio::test]
async fn a_limit_at_the_gateway_holds_for_one_site_only() {
    let scene = Scene::cloud().await;
    scene.client(&scene.jira.secret("secret")).await;
    let connection = scene.connection("acme", scene.client_spec()).await;
    connection.becomes(&proven()).await;
    scene.jira.strikes(Rule::every(limit(600)).on("/rest/api/3"));
    connection.is_requested("now").await;
    connection.becomes(&limited()).await;

    let other = Jira::cloud();
    scene
        .stage
        .secret(
            "other",
            json!({ "clientId": format!("client-{}", other.name), "clientSecret": other.secret("secret") }),
        )
        .await;
    let spec = json!({
        "url": other.url, "deployment": "Cloud", "tls": { "caRef": super::scene::ca() },
        "auth": { "oauth2ClientCredentials": { "clientSecretRef": { "name": "other" } } },
    });
    scene.connection("other", spec).await.becomes(&proven()).await;
    connection.becomes(&limited()).await;
}
