//! Secrets and ConfigMaps that are missing or cannot be used.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use tests::jira::Mark;

use super::{
    jira::Jira,
    row::{
        Progress,
        connection::{misfit, proven, unresolved},
    },
    scene::{AT_ONCE, Scene},
};

/// The patience with what is not there yet.
const PATIENCE: Duration = Duration::from_secs(121);

#[tokio::test]
async fn a_missing_secret_is_waited_for_then_stalls_and_is_noticed_when_it_comes() {
    let scene = Scene::center().await;
    scene.stage.remove("Secret", "credential").await;
    let connection = scene.connect(json!({})).await;
    connection.becomes(&unresolved("SecretNotFound", Progress::Reconciling)).await;
    assert!(connection.message("Ready").contains("Secret credential"), "{}", connection.account());
    connection.rests().await;

    connection.ages(PATIENCE).await;
    scene.nudge("ConfigMap", "ca").await;
    connection.becomes(&unresolved("SecretNotFound", Progress::Stalled)).await;
    assert_eq!(scene.jira.asked(Mark::default()), [""; 0]);

    scene.hold("pat").await;
    connection.becomes_within(AT_ONCE, &proven()).await;
    scene.tells(&connection, &["SecretNotFound", "ConnectionVerified"]).await;
}

#[rstest]
#[case::config_map_missing("ConfigMap", "ca", None, "SecretNotFound", "ConfigMap ca does not exist")]
#[case::bundle_key_missing("ConfigMap", "ca", Some(json!({ "other": "x" })), "SecretNotFound", "ConfigMap ca has no key ca.crt")]
#[case::bundle_no_pem("ConfigMap", "ca", Some(json!({ "ca.crt": "x" })), "SecretInvalid", "Key ca.crt of ConfigMap ca")]
#[case::secret_key_missing("Secret", "credential", Some(json!({ "password": "sesame-x" })), "SecretNotFound", "Secret credential has no key token")]
#[case::line_break("Secret", "credential", Some(json!({ "token": "sesame-x\n" })), "SecretInvalid", "ends with a line break")]
#[case::spaces("Secret", "credential", Some(json!({ "token": "sesame open" })), "SecretInvalid", "Key token of Secret credential")]
#[case::empty("Secret", "credential", Some(json!({ "token": "" })), "SecretInvalid", "is empty")]
#[tokio::test]
async fn what_cannot_be_used_is_named_and_mended_at_once(
    #[case] kind: &str,
    #[case] name: &str,
    #[case] data: Option<Value>,
    #[case] reason: &str,
    #[case] message: &str,
) {
    let scene = Scene::center().await;
    match (kind, data) {
        (_, None) => scene.stage.remove(kind, name).await,
        ("Secret", Some(data)) => {
            // A Secret keeps the keys that are not applied again.
            scene.stage.remove(kind, name).await;
            scene.stage.secret(name, data).await;
        }
        (_, Some(data)) => scene.stage.config_map(name, data).await,
    }
    let connection = scene.connect(json!({})).await;
    connection.becomes(&unresolved(reason, Progress::Reconciling)).await;
    for about in ["Ready", "CredentialsResolved", "Reconciling"] {
        assert!(connection.message(about).contains(message), "{}", connection.account());
    }
    assert_eq!(scene.jira.asked(Mark::default()), [""; 0]);

    scene.hold("pat").await;
    scene.stage.config_map("ca", json!({ "ca.crt": Jira::simulator().ca_pem() })).await;
    connection.becomes_within(AT_ONCE, &proven()).await;
}

#[tokio::test]
async fn a_proven_connection_that_loses_its_secret_is_interrupted_and_not_before_the_loss() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    let mark = Jira::mark();
    scene.stage.remove("Secret", "credential").await;
    connection.becomes_within(AT_ONCE, &unresolved("SecretNotFound", Progress::Reconciling)).await;
    assert_eq!(scene.jira.asked(mark), [""; 0]);
    scene.hold("pat").await;
    connection.becomes_within(AT_ONCE, &proven()).await;
    scene.tells(&connection, &["ConnectionVerified", "SecretNotFound", "ConnectionVerified"]).await;
}

#[tokio::test]
async fn a_label_on_a_secret_or_a_key_that_nobody_uses_costs_nothing() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    scene.nudge("Secret", "credential").await;
    scene.nudge("ConfigMap", "ca").await;
    let token = scene.jira.secret("pat");
    scene.stage.secret("credential", json!({ "token": token, "unused": "sesame-x" })).await;
    connection.rests().await;
}

#[tokio::test]
async fn a_secret_is_used_only_for_the_hosts_that_it_is_released_for() {
    let scene = Scene::center().await;
    let release = async |hosts: &str| {
        let annotations = json!({ "metadata": { "annotations": { "issuetracking.dev/hosts": hosts } } });
        scene.stage.merge_core("Secret", "credential", annotations).await;
    };
    release("jira.example.com").await;
    let connection = scene.connect(json!({})).await;
    let row = misfit("SecretNotReleased")
        .with("CredentialsResolved", "False SecretNotReleased")
        .with("Reachable", "Unknown NotChecked");
    connection.becomes(&row).await;
    assert!(connection.message("Ready").contains("issuetracking.dev/hosts"), "{}", connection.account());
    assert_eq!(scene.jira.asked(Mark::default()), [""; 0]);

    release(&format!("jira.example.com, {}", scene.jira.host())).await;
    connection.becomes_within(AT_ONCE, &proven()).await;

    release("jira.example.com").await;
    connection.becomes_within(AT_ONCE, &row).await;
}
