//! The owned Secrets in the hands of others, and the end of a grant.

use rstest::rstest;
use serde_json::{Value, json};
use tests::{
    jira,
    scene::{NAME, Protocol, Scene},
    stage::{ACCOUNT, Kind},
};

#[rstest]
#[case::grant("planted-grant", "grant")]
#[case::authorization("planted-authorization", "authorization")]
#[tokio::test]
async fn a_secret_that_somebody_planted_is_never_touched(#[case] prefix: &str, #[case] which: &str) {
    let scene = Scene::open(prefix, Protocol::Center).await;
    let name = format!("{NAME}.jira-{which}");
    scene.stage.secret(&name, json!({ "grant": "planted", "page": "https://evil.example" })).await;
    scene.stage.secret("app", json!({ "clientId": scene.client_id(), "clientSecret": "x" })).await;
    scene.stage.secret("gate", json!({ "value": "open" })).await;
    scene.stage.apply(Kind::Connection, NAME, scene.spec()).await;
    let refused = scene.until_reason("SecretConflict").await;
    assert!(refused.message().contains(&name) && refused.is("Stalled"), "{}", refused.message());
    assert_eq!(scene.owned(which).await.unwrap()["grant"], "planted");
    scene.stage.remove("Secret", &name).await;
    scene.until_reason("AuthorizationRequired").await;
}

#[tokio::test]
async fn a_deleted_grant_ends_its_use_at_once() {
    let scene = Scene::granted("deleted", Protocol::Center).await;
    scene.stage.remove("Secret", &format!("{NAME}.jira-grant")).await;
    let waiting = scene.until_reason("AuthorizationRequired").await;
    assert_eq!(waiting.0["status"]["state"], "NotAuthorized");
    scene.authorise(&scene.person(ACCOUNT), "again").await;
    scene.stage.until_ready(Kind::Connection, NAME).await;
}

#[tokio::test]
async fn a_grant_edited_by_hand_is_explained() {
    let scene = Scene::granted("edited", Protocol::Center).await;
    scene.write("grant", json!({ "grant": "{\"tokens\":" })).await;
    let waiting = scene.until_reason("AuthorizationRequired").await;
    assert!(waiting.message().contains("Somebody has changed the Secret"), "{}", waiting.message());
}

#[tokio::test]
async fn a_grant_restored_from_a_backup_is_explained() {
    let scene = Scene::granted("backup", Protocol::Center).await;
    let backup = scene.owned("grant").await.unwrap()["grant"].to_string();
    scene.mutate(&jira::Mutation::ExpireAccessTokens(scene.whose()));
    scene.wish("1").await;
    assert!(scene.now().await.is("Ready"));
    scene.write("grant", json!({ "grant": backup })).await;
    scene.mutate(&jira::Mutation::ExpireAccessTokens(scene.whose()));
    scene
        .stage
        .merge(
            Kind::Connection,
            NAME,
            json!({ "metadata": { "annotations": { "issuetracking.dev/requestedAt": "2" } } }),
        )
        .await;
    let lost = scene.until_reason("GrantRevoked").await;
    assert!(lost.message().contains("backup"), "{}", lost.message());
}

#[tokio::test]
async fn a_grant_is_not_sent_to_another_url() {
    let scene = Scene::granted("repointed", Protocol::Center).await;
    let other = scene.stage.site("elsewhere", tests::stage::Way::PersonalAccessToken, &["WEB"]);
    let mark = jira::shared().journal().mark();
    let mut spec = scene.spec();
    spec["url"] = json!(other.url);
    scene.stage.apply(Kind::Connection, NAME, spec).await;
    let waiting = scene.until_reason("AuthorizationRequired").await;
    assert!(waiting.message().contains("another Jira"), "{}", waiting.message());
    let sent = other.requests(mark);
    assert!(sent.iter().all(|entry| !entry.headers.contains_key("authorization")), "{sent:?}");
    scene.stage.apply(Kind::Connection, NAME, scene.spec()).await;
    scene.stage.until_ready(Kind::Connection, NAME).await;
}

#[rstest]
#[case::cloud("off-cloud", Protocol::Cloud, "Connected apps")]
#[case::data_center("off-center", Protocol::Center, "at Jira and here")]
#[case::old_data_center("off-old", Protocol::Old, "Authorized OAuth applications")]
#[tokio::test]
async fn a_grant_is_ended_on_request(#[case] prefix: &str, #[case] protocol: Protocol, #[case] told: &str) {
    let scene = Scene::granted(prefix, protocol).await;
    scene.write("authorization", json!({ "revoke": "2026-01-01T00:00:00Z" })).await;
    let waiting = scene.until_reason("AuthorizationRequired").await;
    assert!(waiting.message().contains("on somebody's request"), "{}", waiting.message());
    let done = |secret: &Value| secret["revoked"].is_object();
    let secret = scene.until_owned("authorization", "the wish is answered", done).await;
    assert!(secret["revoked"]["message"].as_str().unwrap().contains(told), "{}", secret["revoked"]);
    assert_eq!(secret["revoke"], Value::Null);
    let grant = scene.owned("grant").await.unwrap();
    assert_eq!(grant["grant"], Value::Null);
    assert_eq!(grant["privateKey"].is_string(), protocol == Protocol::Old, "the key pair survives");
}

/// Whether Jira still takes what it gave: asked with the token that the Secret held.
async fn is_alive(scene: &Scene, access_token: &str) -> bool {
    let authority = reqwest::Certificate::from_pem(jira::shared().ca_pem().as_bytes()).unwrap();
    let http = reqwest::Client::builder().tls_certs_merge([authority]).no_proxy().build().unwrap();
    let request = http.get(format!("{}/rest/api/2/myself", scene.site.url)).header("X-Gate", "open");
    request.bearer_auth(access_token).send().await.unwrap().status().is_success()
}

#[rstest]
#[case::revoked("bye-revoke", "Revoke", false)]
#[case::kept("bye-keep", "Keep", true)]
#[tokio::test]
async fn a_deleted_connection_gives_its_grant_back_if_asked_to(
    #[case] prefix: &str,
    #[case] policy: &str,
    #[case] alive: bool,
) {
    let scene = Scene::granted(prefix, Protocol::Center).await;
    let token = scene.owned("grant").await.unwrap()["grant"]["tokens"]["accessToken"].as_str().unwrap().to_owned();
    let mut spec = scene.spec();
    spec["deletionPolicy"] = json!(policy);
    scene.stage.apply(Kind::Connection, NAME, spec).await;
    let prepared = |seen: &tests::stage::Seen| seen.0["metadata"]["finalizers"].is_array() != alive;
    scene.stage.until(Kind::Connection, NAME, "the finalizer fits the policy", prepared).await;
    assert!(is_alive(&scene, &token).await);
    scene.stage.delete(Kind::Connection, NAME).await;
    scene.until_gone().await;
    assert_eq!(is_alive(&scene, &token).await, alive);
}

#[tokio::test]
async fn a_terminating_namespace_is_not_held_up_by_a_grant() {
    let scene = Scene::granted("bye-namespace", Protocol::Center).await;
    let mut spec = scene.spec();
    spec["deletionPolicy"] = json!("Revoke");
    scene.stage.apply(Kind::Connection, NAME, spec).await;
    let prepared = |seen: &tests::stage::Seen| seen.0["metadata"]["finalizers"].is_array();
    scene.stage.until(Kind::Connection, NAME, "the finalizer is there", prepared).await;
    // Jira does not answer: nothing may wait for it.
    let silent = jira::Rule::every(jira::Fault::NeverAnswer).on("/rest/oauth2/latest/revoke");
    jira::shared().fault(&scene.site.name, silent).unwrap();
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(scene.stage.client.clone());
    namespaces.delete(&scene.stage.namespace, &kube::api::DeleteParams::default()).await.unwrap();
    scene.until_gone().await;
}
