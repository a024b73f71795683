//! A credential that proves nobody, or somebody else: what is shown, and how rarely it is sent again.

use std::{collections::BTreeMap, time::Duration};

use rstest::rstest;
use serde_json::{Value, json};
use tests::jira::{AccountStatus, Fault, Mark, Rule};

use super::{
    jira::Jira,
    row::{
        Progress::{Reconciling, Stalled},
        Row,
        connection::{proven, refused},
    },
    scene::{AT_ONCE, Scene},
    subject::Subject,
};

const MYSELF: &str = "/myself";

/// A little less than the time between two tries of a bearer, so that the next one is a moment away.
const ALMOST_A_RETRY: Duration = Duration::from_secs(297);

/// How Data Center does not accept a token.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    UnknownToken,
    DeactivatedAccount,
    AnsweredAsNobody,
    LoginFailed,
}

#[rstest]
#[case::unknown_token(Refusal::UnknownToken, "401")]
#[case::deactivated_account(Refusal::DeactivatedAccount, "401")]
#[case::answered_as_nobody(Refusal::AnsweredAsNobody, "as to nobody")]
#[case::login_failed(Refusal::LoginFailed, "401")]
#[tokio::test]
async fn a_bearer_that_proves_nobody_is_tried_again_later(#[case] refusal: Refusal, #[case] message: &str) {
    let scene = Scene::center().await;
    match refusal {
        Refusal::UnknownToken => scene.token("sesame-unknown").await,
        Refusal::DeactivatedAccount => {
            scene.jira.update(|jira| jira.account_mut("JIRAUSER10100").unwrap().status = AccountStatus::Inactive);
        }
        Refusal::AnsweredAsNobody => {
            let set = BTreeMap::from([("X-AUSERNAME".to_owned(), "anonymous".to_owned())]);
            scene.jira.strikes(Rule::every(Fault::Headers { set }).on("/rest/api/2/myself"));
        }
        Refusal::LoginFailed => scene.jira.fails(Fault::Anonymous),
    }
    let connection = scene.connect(json!({})).await;
    connection.becomes(&refused("CredentialsRejected", Reconciling)).await;
    assert!(connection.message("Ready").contains(message), "{}", connection.account());
    assert!(connection.message("Ready").contains(&scene.jira.host()), "{}", connection.account());
    scene.nudge("ConfigMap", "ca").await;
    connection.rests().await;
    assert_eq!(scene.jira.count(Mark::default(), MYSELF), 1);
    scene.tells(&connection, &["CredentialsRejected"]).await;
}

#[tokio::test]
async fn a_refused_bearer_is_tried_three_times_in_ten_minutes_and_never_again() {
    let scene = Scene::center().await;
    scene.token("sesame-unknown").await;
    let connection = scene.connect(json!({})).await;
    connection.becomes(&refused("CredentialsRejected", Reconciling)).await;

    connection.ages(ALMOST_A_RETRY).await;
    scene.nudge("ConfigMap", "ca").await;
    connection.asks(Mark::default(), MYSELF, 2).await;
    connection.rests().await;
    connection.becomes(&refused("CredentialsRejected", Reconciling)).await;

    connection.ages(ALMOST_A_RETRY).await;
    scene.nudge("ConfigMap", "ca").await;
    connection.becomes(&refused("CredentialsRejected", Stalled)).await;
    assert_eq!(scene.jira.count(Mark::default(), MYSELF), 3, "{}", connection.account());

    connection.ages(Duration::from_secs(3600)).await;
    scene.nudge("ConfigMap", "ca").await;
    scene.bind("web", json!([{ "key": "WEB" }])).await;
    tokio::time::sleep(super::subject::QUIET).await;
    assert_eq!(scene.jira.count(Mark::default(), MYSELF), 3, "{}", connection.account());
    scene.tells(&connection, &["CredentialsRejected"]).await;

    scene.hold("pat").await;
    connection.becomes_within(AT_ONCE, &proven()).await;
    scene.tells(&connection, &["CredentialsRejected", "ConnectionVerified"]).await;
}

/// Sends of an API token: to the site, and to the gateway in case it is a scoped one.
fn sends(scene: &Scene, mark: Mark) -> [usize; 2] {
    [scene.jira.count(mark, "api GET /rest/api/3/myself"), scene.jira.count(mark, MYSELF)]
}

#[tokio::test]
async fn a_refused_api_token_is_sent_once_in_each_form_until_it_changes() {
    let scene = Scene::cloud().await;
    scene.token("sesame-unknown").await;
    let connection = scene.connect(json!({})).await;
    connection.becomes(&refused("CredentialsRejected", Stalled)).await;
    assert_eq!(sends(&scene, Mark::default()), [1, 2], "{}", connection.account());

    scene.nudge("Secret", "credential").await;
    scene.nudge("ConfigMap", "ca").await;
    scene.bind("web", json!([{ "key": "WEB" }])).await;
    tokio::time::sleep(super::subject::QUIET).await;
    assert_eq!(sends(&scene, Mark::default()), [1, 2], "{}", connection.account());

    let mark = Jira::mark();
    connection.is_requested("too early").await;
    tokio::time::sleep(super::subject::QUIET).await;
    assert_eq!(sends(&scene, mark), [0, 0], "{}", connection.account());
    assert_eq!(connection.status()["lastHandledRequestedAt"], Value::Null);

    scene.token("sesame-unknown-as-well").await;
    connection.asks(mark, "api GET /rest/api/3/myself", 1).await;
    tokio::time::sleep(super::subject::QUIET).await;
    assert_eq!(sends(&scene, mark), [1, 2], "{}", connection.account());
    connection.becomes(&refused("CredentialsRejected", Stalled)).await;

    scene.hold("classic").await;
    connection.becomes_within(AT_ONCE, &proven().with("PersonalAccount", "True PersonalAccount")).await;
    scene.tells(&connection, &["CredentialsRejected", "ConnectionVerified"]).await;
}

#[tokio::test]
async fn a_refused_api_token_is_sent_again_when_the_spec_changes() {
    let scene = Scene::cloud().await;
    let address = |email: &str| json!({ "auth": { "apiToken": { "email": email } } });
    let connection = scene.connect(address("nobody@example.test")).await;
    connection.becomes(&refused("CredentialsRejected", Stalled)).await;
    connection.change(address("alice@example.test")).await;
    connection.becomes_within(AT_ONCE, &proven().with("PersonalAccount", "True PersonalAccount")).await;
}

#[rstest]
#[case::cloud(Jira::cloud(), "auth POST /oauth/token")]
#[case::data_center(Jira::center(), "/rest/oauth2/latest/token")]
#[tokio::test]
async fn a_wrong_client_secret_is_sent_once(#[case] jira: Jira, #[case] endpoint: &str) {
    let scene = Scene::on(jira).await;
    scene.client("sesame-wrong").await;
    let connection = scene.connection("acme", scene.client_spec()).await;
    connection.becomes(&refused("ClientSecretRejected", Stalled)).await;
    scene.nudge("Secret", "client").await;
    scene.bind("web", json!([{ "key": "WEB" }])).await;
    tokio::time::sleep(super::subject::QUIET).await;
    assert_eq!(scene.jira.count(Mark::default(), endpoint), 1, "{}", connection.account());
    assert_eq!(scene.jira.count(Mark::default(), MYSELF), 0, "{}", connection.account());

    scene.client(&scene.jira.secret("secret")).await;
    connection.becomes_within(AT_ONCE, &proven()).await;
}

#[rstest]
#[case::bearer(Jira::center(), "/rest/api/2/myself", None)]
#[case::api_token(Jira::cloud(), "/rest/api/3/myself", None)]
#[case::after_proof(Jira::center(), "/rest/api/2/myself", Some("now"))]
#[tokio::test]
async fn a_captcha_is_never_fed(#[case] jira: Jira, #[case] path: &str, #[case] request: Option<&str>) {
    let scene = Scene::on(jira).await;
    let captcha = || scene.jira.strikes(Rule::every(Fault::Captcha).on(path));
    let connection = match request {
        None => {
            captcha();
            scene.connect(json!({})).await
        }
        Some(value) => {
            let connection = scene.connected(json!({})).await;
            captcha();
            connection.is_requested(value).await;
            connection
        }
    };
    connection.becomes(&refused("AccountLocked", Stalled).or_personal(&scene, request.is_some())).await;
    let mark = Jira::mark();
    connection.ages(Duration::from_secs(3600)).await;
    scene.nudge("Secret", "credential").await;
    scene.nudge("ConfigMap", "ca").await;
    connection.rests().await;
    assert_eq!(scene.jira.asked(mark), [""; 0]);

    scene.jira.heal();
    let other = if scene.jira.is_cloud() { "scoped" } else { "second-pat" };
    scene.hold(other).await;
    connection.becomes_within(AT_ONCE, &proven().or_personal(&scene, true)).await;
}

impl Row {
    /// The same, with the note on a person's account that connections to Cloud have here once the account is known.
    fn or_personal(self, scene: &Scene, known: bool) -> Self {
        if scene.jira.is_cloud() && known { self.with("PersonalAccount", "True PersonalAccount") } else { self }
    }
}

#[rstest]
#[case::cloud(Jira::cloud(), "auth POST /oauth/token")]
#[case::data_center(Jira::center(), "/rest/oauth2/latest/token")]
#[tokio::test]
async fn an_access_token_that_ended_early_is_asked_for_anew(#[case] jira: Jira, #[case] endpoint: &str) {
    let scene = Scene::on(jira).await;
    scene.client(&scene.jira.secret("secret")).await;
    let connection = scene.connection("acme", scene.client_spec()).await;
    connection.becomes(&proven()).await;
    let mark = Jira::mark();
    let path = if scene.jira.is_cloud() { "/rest/api/3/myself" } else { "/rest/api/2/myself" };
    let spent = Fault::Status {
        status: 401,
        body: json!({ "code": 401, "message": "Unauthorized" }).to_string(),
        content_type: Some("application/json".to_owned()),
        headers: BTreeMap::default(),
    };
    scene.jira.strikes(Rule::every(spent).on(path).first(1));
    connection.is_requested("now").await;
    connection.asks(mark, endpoint, 1).await;
    connection.asks(mark, MYSELF, 2).await;
    connection.shows("the echo", |status| status["lastHandledRequestedAt"] == "now").await;
    connection.rests().await;
    assert!(connection.rows().iter().all(|row| *row == proven()), "{}", connection.account());

    scene.jira.mutate(json!({ "type": "RevokeCredential", "credential": format!("client-{}", scene.jira.name) }));
    connection.is_requested("revoked").await;
    connection.becomes(&refused("ClientSecretRejected", Stalled)).await;
    scene.tells(&connection, &["ConnectionVerified", "ClientSecretRejected"]).await;
}

#[tokio::test]
async fn another_account_with_the_same_credential_is_a_failure() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    let token = scene.jira.secret("pat");
    scene.jira.mutate(json!({ "type": "MoveCredential", "credential": token, "account": "JIRAUSER10200" }));
    connection.is_requested("now").await;

    let status = connection.becomes(&refused("AccountChanged", Reconciling)).await;
    assert_eq!(status["account"]["id"], "JIRAUSER10100");
    assert_eq!(status["defaultAssignee"], "JIRAUSER10100");
    assert_eq!(status["lastHandledRequestedAt"], "now");
    assert!(connection.message("Ready").contains("Build Bot"), "{}", connection.account());
    connection.rests().await;
    scene.tells(&connection, &["ConnectionVerified", "AccountChanged"]).await;
}

#[tokio::test]
async fn another_account_with_the_same_api_token_is_not_tried_again() {
    let scene = Scene::cloud().await;
    let connection = scene.connect(json!({})).await;
    let personal = |row: Row| row.with("PersonalAccount", "True PersonalAccount");
    connection.becomes(&personal(proven())).await;
    let robot = json!({ "type": "ApiToken", "email": "alice@example.test", "token": scene.jira.secret("classic") });
    scene.jira.mutate(json!({ "type": "RevokeCredential", "credential": scene.jira.secret("classic") }));
    scene.jira.mutate(json!({ "type": "AddCredential", "account": "robot", "credential": robot }));
    connection.is_requested("now").await;
    let status = connection.becomes(&personal(refused("AccountChanged", Stalled))).await;
    assert_eq!(status["account"]["id"], "alice");
    scene.nudge("Secret", "credential").await;
    connection.rests().await;
}

#[tokio::test]
async fn a_changed_credential_pins_another_account_with_an_event() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    scene.hold("other-pat").await;
    let status = connection.shows("the other account", |status| status["account"]["id"] == "JIRAUSER10200").await;
    assert_eq!(Row::of(&status), proven());
    assert_eq!(status["defaultAssignee"], "JIRAUSER10200");
    assert_eq!(connection.rows(), [proven(), proven()]);
    scene.tells(&connection, &["ConnectionVerified", "AccountPinned"]).await;
}

#[tokio::test]
async fn a_proven_credential_that_is_revoked_is_found_out_by_a_check() {
    let scene = Scene::center().await;
    let connection: Subject = scene.connected(json!({})).await;
    let status = connection.status();
    scene.jira.mutate(json!({ "type": "RevokeCredential", "credential": scene.jira.secret("pat") }));
    connection.is_requested("now").await;
    let after = connection.becomes(&refused("CredentialsRejected", Reconciling)).await;
    assert_eq!(after["account"], status["account"]);
    scene.tells(&connection, &["ConnectionVerified", "CredentialsRejected"]).await;
}
