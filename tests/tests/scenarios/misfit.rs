//! What does not fit together: certificates, sites, deployments, methods.

use rstest::rstest;
use serde_json::{Value, json};
use tests::jira::{Certificate, ClientCredentialsGrant, Deployment, Instance, Mark, RequestSeenAs, Scheme};

use super::{
    jira::Jira,
    row::connection::{misfit, proven, tls_failed},
    scene::{AT_ONCE, Scene, ca},
};

#[tokio::test]
async fn an_unknown_authority_is_told_and_a_bundle_for_it_acts_at_once() {
    let scene = Scene::center().await;
    let connection = scene.connect(json!({ "tls": null })).await;
    connection.becomes(&tls_failed()).await;
    assert!(connection.message("Ready").contains("spec.tls.caRef"), "{}", connection.account());
    connection.rests().await;
    connection.change(json!({ "tls": { "caRef": ca() } })).await;
    connection.becomes_within(AT_ONCE, &proven()).await;
    scene.tells(&connection, &["TLSFailed", "ConnectionVerified"]).await;
}

#[tokio::test]
async fn a_corrected_bundle_acts_at_once() {
    let scene = Scene::center().await;
    let other = tests::jira::Simulator::start(tests::jira::Options::default()).unwrap();
    scene.stage.config_map("ca", json!({ "ca.crt": other.ca_pem() })).await;
    let connection = scene.connect(json!({})).await;
    connection.becomes(&tls_failed()).await;
    scene.stage.config_map("ca", json!({ "ca.crt": Jira::simulator().ca_pem() })).await;
    connection.becomes_within(AT_ONCE, &proven()).await;
}

#[rstest]
#[case::expired(Certificate::Expired, Scheme::Https, "expired")]
#[case::other_name(Certificate::OtherHost, Scheme::Https, "another name")]
#[case::self_signed(Certificate::SelfSigned, Scheme::Https, "unknown authority")]
#[case::plain_http(Certificate::Trusted, Scheme::Http, "handshake")]
#[tokio::test]
async fn a_wrong_certificate_is_told(#[case] certificate: Certificate, #[case] scheme: Scheme, #[case] message: &str) {
    let scene = Scene::center().await;
    scene.jira.update(|jira| {
        jira.transport.certificate = certificate;
        jira.transport.scheme = scheme;
    });
    let connection = scene.connect(json!({})).await;
    connection.becomes(&tls_failed()).await;
    assert!(connection.message("Ready").contains(message), "{}", connection.account());

    scene.jira.update(|jira| {
        jira.transport.certificate = Certificate::Trusted;
        jira.transport.scheme = Scheme::Https;
    });
    connection.is_requested("mended").await;
    connection.becomes_within(AT_ONCE, &proven()).await;
}

#[tokio::test]
async fn a_proven_connection_is_not_forgiven_a_wrong_certificate() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    scene.jira.mutate(json!({ "type": "SetCertificate", "certificate": "Expired" }));
    connection.is_requested("now").await;
    connection.becomes(&tls_failed()).await;
    scene.tells(&connection, &["ConnectionVerified", "TLSFailed"]).await;
}

fn center(jira: &mut Instance) -> &mut tests::jira::DataCenter {
    match &mut jira.deployment {
        Deployment::DataCenter(center) => center,
        Deployment::Cloud(_) => panic!("no Data Center"),
    }
}

#[tokio::test]
async fn another_site_than_asked_for_is_named() {
    let scene = Scene::on(Jira::center_with(|jira| {
        center(jira).base_url = Some("https://jira.example.com".to_owned());
    }))
    .await;
    let connection = scene.connect(json!({})).await;
    connection.becomes(&misfit("WrongSite")).await;
    assert!(connection.message("Ready").contains("https://jira.example.com"), "{}", connection.account());
    assert_eq!(scene.jira.asked(Mark::default()), ["GET /rest/api/2/serverInfo"]);

    scene.jira.update(|jira| center(jira).base_url = None);
    connection.is_requested("mended").await;
    connection.becomes(&proven()).await;
}

#[rstest]
#[case::cloud_declared(Jira::center(), "Cloud", json!({ "apiToken": { "email": "a@example.test", "tokenSecretRef": { "name": "credential", "key": "token" } }, "personalAccessToken": null }))]
#[case::data_center_declared(Jira::cloud(), "DataCenter", json!({ "personalAccessToken": { "tokenSecretRef": { "name": "credential", "key": "token" } }, "apiToken": null }))]
#[tokio::test]
async fn jira_contradicts_the_declared_deployment(#[case] jira: Jira, #[case] declared: &str, #[case] auth: Value) {
    let scene = Scene::on(jira).await;
    let connection = scene.connect(json!({ "deployment": declared, "auth": auth })).await;
    connection.becomes(&misfit("DeploymentMismatch")).await;
    // The credential was not sent to a Jira that is not the one declared.
    assert_eq!(scene.jira.asked(Mark::default()), ["GET /rest/api/2/serverInfo"]);
    scene.nudge("Secret", "credential").await;
    connection.rests().await;
    connection.change(merged_back(&scene)).await;
    connection.shows("proven", |status| super::subject::condition(status, "Ready")["status"] == "True").await;
}

/// A patch back to the spec that fits.
fn merged_back(scene: &Scene) -> Value {
    let mut spec = scene.spec();
    let other = if scene.jira.is_cloud() { "personalAccessToken" } else { "apiToken" };
    spec["auth"][other] = Value::Null;
    spec
}

#[tokio::test]
async fn a_version_without_personal_access_tokens_is_told_and_an_upgrade_helps() {
    let scene = Scene::on(Jira::center_with(|jira| center(jira).version = "8.13.27".to_owned())).await;
    let connection = scene.connect(json!({})).await;
    let status = connection.becomes(&misfit("AuthMethodUnsupported")).await;
    assert_eq!(status["server"]["version"], "8.13.27");
    assert!(connection.message("Ready").contains("8.14"), "{}", connection.account());
    assert_eq!(scene.jira.asked(Mark::default()), ["GET /rest/api/2/serverInfo"]);

    scene.jira.mutate(json!({ "type": "SetVersion", "version": "8.14.0" }));
    connection.is_requested("upgraded").await;
    connection.becomes(&proven()).await;
}

#[rstest]
#[case::no_such_grant("9.12.4", ClientCredentialsGrant::Unsupported, RequestSeenAs::Received, "AuthMethodUnsupported")]
#[case::no_provider(
    "8.20.1",
    ClientCredentialsGrant::ServiceAccounts,
    RequestSeenAs::Received,
    "AuthMethodUnsupported"
)]
#[case::seen_as_http("9.12.4", ClientCredentialsGrant::ServiceAccounts, RequestSeenAs::Insecure, "InsecureTransport")]
#[tokio::test]
async fn a_data_center_that_gives_no_token_says_why(
    #[case] version: &str,
    #[case] grant: ClientCredentialsGrant,
    #[case] seen: RequestSeenAs,
    #[case] reason: &str,
) {
    let scene = Scene::on(Jira::center_with(|jira| {
        center(jira).version = version.to_owned();
        jira.switches.client_credentials_grant = grant;
        jira.switches.request_seen_as = seen;
    }))
    .await;
    scene.client(&scene.jira.secret("secret")).await;
    let connection = scene.connection("acme", scene.client_spec()).await;
    connection.becomes(&misfit(reason)).await;
    scene.nudge("Secret", "client").await;
    connection.rests().await;
    assert_eq!(scene.jira.count(Mark::default(), "/rest/oauth2/latest/token"), 1);
}
