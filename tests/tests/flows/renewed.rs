//! Keeping a grant alive.

use std::{collections::BTreeSet, time::Duration};

use rstest::rstest;
use serde_json::Value;
use tests::{
    jira::{self, Fault, Mutation, Rule},
    scene::{NAME, Protocol, Scene, center},
    stage::{ACCOUNT, Kind},
};
use tokio::time::sleep;

#[rstest]
#[case::cloud("renew-cloud", Protocol::Cloud)]
#[case::data_center("renew-center", Protocol::Center)]
#[case::old_data_center("renew-old", Protocol::Old)]
#[tokio::test]
async fn a_token_that_ended_early_is_renewed_and_nobody_notices(#[case] prefix: &str, #[case] protocol: Protocol) {
    let scene = Scene::granted(prefix, protocol).await;
    let before = scene.owned("grant").await.unwrap();
    scene.mutate(&Mutation::ExpireAccessTokens(scene.whose()));
    let mark = jira::shared().journal().mark();
    scene.wish("1").await;
    assert!(scene.now().await.is("Ready"));
    let after = scene.owned("grant").await.unwrap();
    assert_eq!(after["grant"]["renewals"], 1);
    assert_ne!(after["grant"]["tokens"], before["grant"]["tokens"]);
    assert_eq!(after["claim"], Value::Null);
    assert_eq!(scene.token_requests(mark).iter().filter(|entry| entry.presented.is_some()).count(), 1);
}

#[tokio::test]
async fn readiness_never_blinks_through_many_renewals_and_no_status_is_written() {
    let scene = Scene::open_with(
        "blink",
        Protocol::Center,
        |instance| center(instance).unwrap().access_token_seconds = 1,
        |_| {},
    )
    .await;
    scene.settle().await;
    let (mark, audit) = (jira::shared().journal().mark(), scene.stage.mark().await);
    let ready = scene.now().await;
    let renewals = async || scene.owned("grant").await.unwrap()["grant"]["renewals"].as_u64().unwrap();
    while renewals().await < 100 {
        assert_eq!(scene.now().await.version(), ready.version(), "the status stays as it was");
        sleep(Duration::from_millis(500)).await;
    }
    let calls = scene.stage.audit(audit).await;
    assert_eq!(calls.status_writes(Kind::Connection, Some(NAME)), 0);
    let presented: Vec<_> = scene.token_requests(mark).into_iter().filter_map(|entry| entry.presented).collect();
    let distinct: BTreeSet<_> = presented.iter().collect();
    assert_eq!(distinct.len(), presented.len(), "no refresh token is sent twice");
}

#[rstest]
#[case::cloud("revoked-cloud", Protocol::Cloud, "GrantRevoked")]
#[case::data_center("revoked-center", Protocol::Center, "GrantRevoked")]
#[case::old_data_center("revoked-old", Protocol::Old, "GrantRevoked")]
#[tokio::test]
async fn a_grant_that_was_revoked_at_jira_is_reported_and_given_anew(
    #[case] prefix: &str,
    #[case] protocol: Protocol,
    #[case] reason: &str,
) {
    let scene = Scene::granted(prefix, protocol).await;
    scene.mutate(&Mutation::RevokeGrants(scene.whose()));
    scene.wish("1").await;
    let lost = scene.until_reason(reason).await;
    assert_eq!(lost.0["status"]["state"], "NotAuthorized");
    assert!(lost.is("Stalled"), "{lost:?}");
    assert!(lost.message().contains("kubectl jira authorize acme"), "{}", lost.message());
    let mark = jira::shared().journal().mark();
    scene.wish("2").await;
    assert_eq!(scene.token_requests(mark).len(), 0, "what is over is not sent again");

    scene.authorise(&scene.person(ACCOUNT), "again").await;
    assert_eq!(scene.outcome("again").await["result"], "Granted");
    let again = scene.stage.until_ready(Kind::Connection, NAME).await;
    assert_eq!(again.0["status"]["state"], "Authorized");
}

#[tokio::test]
async fn a_lost_answer_is_repeated_on_cloud() {
    let scene = Scene::granted("lost-cloud", Protocol::Cloud).await;
    scene.mutate(&Mutation::ExpireAccessTokens(scene.whose()));
    let rule = Rule::every(Fault::LoseAnswer).on("/oauth/token").first(1).of_client(&scene.client_id());
    jira::shared().fault("auth", rule).unwrap();
    scene.stage.merge(Kind::Connection, NAME, wish("1")).await;
    let renewed = |secret: &Value| secret["grant"]["renewals"] == 1;
    scene.until_owned("grant", "the renewal is repeated within the leeway", renewed).await;
    scene.stage.until_ready(Kind::Connection, NAME).await;
}

#[tokio::test]
async fn a_lost_answer_on_data_center_needs_a_person_and_says_why() {
    let scene = Scene::granted("lost-center", Protocol::Center).await;
    scene.mutate(&Mutation::ExpireAccessTokens(scene.whose()));
    let rule = Rule::every(Fault::LoseAnswer).on("/rest/oauth2/latest/token").first(1);
    jira::shared().fault(&scene.site.name, rule).unwrap();
    scene.stage.merge(Kind::Connection, NAME, wish("1")).await;
    let lost = scene.until_reason("GrantRevoked").await;
    assert!(lost.message().contains("was lost"), "{}", lost.message());
}

fn wish(value: &str) -> Value {
    serde_json::json!({ "metadata": { "annotations": { "issuetracking.dev/requestedAt": value } } })
}
