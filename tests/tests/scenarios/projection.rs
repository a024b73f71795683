//! The projected Secret: what it holds, who keeps it as it is, and when it goes.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{ByteString, api::core::v1::Secret, jiff::Timestamp};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use rstest::rstest;
use serde_json::{Value, json};
use tests::{
    jira::{Deployment, Rule},
    stage::Kind,
};

use super::{
    jira::Jira,
    row::{
        Progress::{Reconciling, Stalled},
        Row,
        binding::{not_permitted, proven, unprojected},
        connection,
    },
    scene::{AT_ONCE, Scene, merged},
    subject::{POLL, QUIET, Subject},
};

const NAME: &str = "web-jira";

/// An entry that lets all namespaces bind everything, with this credential.
fn lending(credential: &str) -> Value {
    let all = json!({ "from": "All" });
    json!({ "allowedWorkspaces": [{ "namespaces": all, "workspaces": all, "projects": all, "credential": credential }] })
}

impl Scene {
    /// A binding `web` of this namespace with a projected Secret.
    async fn project(&self, credential: &str) -> Subject {
        let spec = json!({
            "connectionRef": { "name": "acme" }, "workspace": "web", "projects": [{ "key": "WEB" }, { "key": "APP" }],
            "projection": { "secretName": NAME, "credential": credential },
        });
        self.create(Kind::Binding, &self.stage.namespace, "web", spec).await
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.stage.client.clone(), &self.stage.namespace)
    }

    async fn projected(&self, name: &str) -> Option<Secret> {
        self.secrets().get_opt(name).await.unwrap()
    }

    /// Waits until a Secret is as wanted.
    async fn until_projected(&self, what: &str, wanted: impl Fn(Option<&Secret>) -> bool) -> Option<Secret> {
        let started = std::time::Instant::now();
        loop {
            let found = self.projected(NAME).await;
            if wanted(found.as_ref()) {
                return found;
            }
            assert!(
                started.elapsed() < AT_ONCE,
                "{what}: {:?}",
                found.map(|it| entries(&it).into_keys().collect::<Vec<_>>())
            );
            tokio::time::sleep(POLL).await;
        }
    }
}

fn entries(secret: &Secret) -> BTreeMap<String, String> {
    let text = |ByteString(bytes): &ByteString| String::from_utf8(bytes.clone()).unwrap();
    secret.data.iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect()
}

fn expected(jira: &Jira) -> BTreeMap<String, String> {
    let (host, port) = jira.host().split_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).unwrap();
    let texts = [
        ("type", "jira".to_owned()),
        ("provider", "atlassian".to_owned()),
        ("uri", jira.url.clone()),
        ("host", host),
        ("port", port),
        ("siteUrl", jira.url.clone()),
        ("deployment", "DataCenter".to_owned()),
        ("projects", "WEB,APP".to_owned()),
        ("defaultAssignee", "JIRAUSER10100".to_owned()),
    ];
    let mut expected: BTreeMap<_, _> = texts.map(|(key, text)| (key.to_owned(), text)).into();
    let pem = Jira::simulator().ca_pem().replace("\r\n", "\n");
    expected.insert("ca.crt".to_owned(), pem);
    expected
}

#[tokio::test]
async fn an_application_finds_what_it_needs_and_nothing_is_written_at_rest() {
    let scene = Scene::center().await;
    scene.connected(json!({})).await;
    let bound = scene.project("None").await;
    let status = bound.becomes(&proven()).await;
    assert_eq!(status["binding"], json!({ "name": NAME }));
    let secret = scene.projected(NAME).await.unwrap();
    assert_eq!(entries(&secret), expected(&scene.jira));
    assert_eq!(secret.type_.as_deref(), Some("servicebinding.io/jira"));
    let owner = json!({
        "apiVersion": "issuetracking.dev/v1alpha1", "kind": "WorkspaceBinding", "name": "web", "uid": bound.uid,
        "controller": true,
    });
    assert_eq!(serde_json::to_value(secret.owner_references()).unwrap(), json!([owner]));
    assert_eq!(secret.labels()["app.kubernetes.io/managed-by"], "jira-connection-operator");
    scene.tells(&bound, &["BindingVerified"]).await;

    let audit = scene.stage.mark().await;
    bound.rests().await;
    let calls = scene.stage.audit(audit).await;
    assert_eq!((calls.writes(), calls.reads("secrets")), (0, 0), "{calls:?}");
}

#[tokio::test]
async fn without_a_projection_no_secret_is_made_and_the_status_names_none() {
    let scene = Scene::center().await;
    scene.connected(json!({})).await;
    let status = scene.bind("web", json!([{ "key": "WEB" }])).await.becomes(&proven()).await;
    assert_eq!(status["binding"], Value::Null);
    assert!(scene.projected(NAME).await.is_none());
}

#[tokio::test]
async fn somebody_elses_secret_is_left_alone_until_it_is_out_of_the_way() {
    let scene = Scene::center().await;
    scene.connected(json!({})).await;
    scene.stage.secret(NAME, json!({ "mine": "precious" })).await;
    let before = scene.projected(NAME).await.unwrap();
    let bound = scene.project("None").await;
    let status = bound.becomes(&unprojected("SecretConflict", Stalled)).await;
    assert_eq!(status["binding"], Value::Null);
    assert!(bound.message("Ready").contains(NAME), "{}", bound.message("Ready"));
    bound.rests().await;
    assert_eq!(scene.projected(NAME).await.unwrap(), before);

    scene.stage.remove("Secret", NAME).await;
    let status = bound.becomes_within(AT_ONCE, &proven()).await;
    assert_eq!(status["binding"], json!({ "name": NAME }));
    assert_eq!(entries(&scene.projected(NAME).await.unwrap()), expected(&scene.jira));
}

#[tokio::test]
async fn the_secret_of_a_former_binding_is_waited_out() {
    let scene = Scene::center().await;
    scene.connected(json!({})).await;
    let first = scene.project("None").await;
    first.becomes(&proven()).await;
    first.delete().await;
    let second = scene.project("None").await;
    let status = second.becomes(&proven()).await;
    assert_eq!(status["binding"], json!({ "name": NAME }));
    let owned = |secret: Option<&Secret>| {
        secret.is_some_and(|secret| secret.owner_references().iter().all(|owner| owner.uid == second.uid))
    };
    scene.until_projected("the Secret is the new binding's", owned).await;
    let conflict = unprojected("SecretConflict", Reconciling);
    assert!(second.rows().iter().all(|row| *row == proven() || *row == conflict), "{}", second.account());
}

#[derive(Clone, Copy, Debug)]
enum Meddling {
    Edited,
    Added,
    Emptied,
    Sealed,
    Deleted,
}

#[rstest]
#[case(Meddling::Edited)]
#[case(Meddling::Added)]
#[case(Meddling::Emptied)]
#[case(Meddling::Sealed)]
#[case(Meddling::Deleted)]
#[tokio::test]
async fn what_somebody_does_to_the_secret_is_mended_at_once(#[case] meddling: Meddling) {
    let scene = Scene::center().await;
    scene.connected(json!({})).await;
    let bound = scene.project("None").await;
    bound.becomes(&proven()).await;
    let version = bound.version().await;
    let patch = match meddling {
        Meddling::Edited => json!({ "stringData": { "uri": "https://elsewhere.example" } }),
        Meddling::Added => json!({ "stringData": { "password": "x" } }),
        Meddling::Emptied => json!({ "data": null }),
        Meddling::Sealed => json!({ "immutable": true, "stringData": { "projects": "NONE" } }),
        Meddling::Deleted => Value::Null,
    };
    if patch.is_null() {
        scene.secrets().delete(NAME, &DeleteParams::default()).await.unwrap();
    } else {
        scene.secrets().patch(NAME, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }
    let wanted = expected(&scene.jira);
    scene.until_projected("the Secret is whole", |secret| secret.is_some_and(|it| entries(it) == wanted)).await;
    assert_eq!(bound.version().await, version, "the status has nothing to say of it");
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Revoked,
    ConnectionDeleted,
    Unwanted,
    Renamed,
}

#[rstest]
#[case(Ending::Revoked)]
#[case(Ending::ConnectionDeleted)]
#[case(Ending::Unwanted)]
#[case(Ending::Renamed)]
#[tokio::test]
async fn the_secret_goes_in_the_pass_in_which_the_status_lets_go_of_it(#[case] ending: Ending) {
    let scene = Scene::center().await;
    let connection = scene.connected(lending("None")).await;
    let bound = scene.project("None").await;
    bound.becomes(&proven()).await;
    assert!(scene.projected(NAME).await.is_some());
    let row = match ending {
        Ending::Revoked => {
            connection.change(json!({ "allowedWorkspaces": [] })).await;
            not_permitted(Reconciling)
        }
        Ending::ConnectionDeleted => {
            connection.delete().await;
            not_permitted(Reconciling)
        }
        Ending::Unwanted => {
            bound.change(json!({ "projection": null })).await;
            proven()
        }
        Ending::Renamed => {
            bound.change(json!({ "projection": { "secretName": "other" } })).await;
            proven()
        }
    };
    let renamed = matches!(ending, Ending::Renamed);
    let told = if renamed { json!({ "name": "other" }) } else { Value::Null };
    let status = bound.shows("that it is gone", |status| status["binding"] == told).await;
    assert_eq!(Row::of(&status), row);
    assert!(scene.projected(NAME).await.is_none(), "the status says that it is gone: {status:#}");
    assert_eq!(scene.projected("other").await.is_some(), renamed);
}

#[tokio::test]
async fn a_suspended_binding_keeps_its_secret_as_it_is() {
    let scene = Scene::center().await;
    let connection = scene.connected(lending("None")).await;
    let bound = scene.project("None").await;
    bound.becomes(&proven()).await;
    bound.change(json!({ "suspend": true })).await;
    bound.becomes(&proven().with("Suspended", "True Suspended")).await;
    connection.change(json!({ "allowedWorkspaces": [] })).await;
    tokio::time::sleep(QUIET).await;
    assert!(scene.projected(NAME).await.is_some());
    bound.change(json!({ "suspend": null })).await;
    bound.becomes(&not_permitted(Reconciling)).await;
    assert!(scene.projected(NAME).await.is_none());
}

#[tokio::test]
async fn the_secret_outlives_an_outage() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({ "checks": { "grace": "0s" } })).await;
    let bound = scene.project("None").await;
    bound.becomes(&proven()).await;
    let before = scene.projected(NAME).await.unwrap();
    scene.jira.strikes(Rule::every(tests::jira::Fault::Unwell { status: 503 }));
    connection.is_requested("now").await;
    let status = bound.shows("that the connection is not ready", |status| {
        super::subject::condition(status, "Ready")["reason"] == "ConnectionNotReady"
    });
    assert_eq!(status.await["binding"], json!({ "name": NAME }));
    assert_eq!(scene.projected(NAME).await.unwrap(), before);
}

#[rstest]
#[case::not_allowed("None", "entry does not allow one")]
#[case::no_short_lived_token("AccessToken", "no short-lived one")]
#[tokio::test]
async fn why_there_is_no_token_is_said_in_clear_words(#[case] allowed: &str, #[case] words: &str) {
    let scene = Scene::center().await;
    scene.connected(lending(allowed)).await;
    let bound = scene.project("AccessToken").await;
    let status = bound.becomes(&unprojected("AccessTokenUnavailable", Stalled)).await;
    assert!(bound.message("Ready").contains(words), "{}", bound.message("Ready"));
    assert_eq!(status["binding"], json!({ "name": NAME }));
    assert_eq!(entries(&scene.projected(NAME).await.unwrap()), expected(&scene.jira), "the rest is there");
}

#[tokio::test]
async fn on_cloud_a_token_comes_with_the_address_where_it_works() {
    let scene = Scene::cloud().await;
    scene.client(&scene.jira.secret("secret")).await;
    let connection = scene.connection("acme", merged(scene.client_spec(), lending("AccessToken"))).await;
    connection.becomes(&connection::proven()).await;
    let bound = scene.project("AccessToken").await;
    bound.becomes(&proven()).await;
    let entries = entries(&scene.projected(NAME).await.unwrap());
    let id = Jira::simulator().instance(&scene.jira.name).unwrap().cloud_id().unwrap().to_owned();
    assert_eq!(entries["cloudId"], id);
    assert_eq!(entries["siteUrl"], scene.jira.url);
    assert_eq!(entries["uri"], format!("{}/ex/jira/{id}", Jira::simulator().api_url()));
    assert_eq!(status_of(&entries, "/rest/api/3/project/WEB").await, 200);
    let ends_at: Timestamp = entries["accessTokenEndsAt"].parse().unwrap();
    assert!(Timestamp::now() < ends_at);
    // Neither the client nor its secret.
    let held = entries.values().any(|value| value.contains("sesame") || value.contains("client-"));
    assert!(!held, "{:?}", entries.keys());
}

/// What Jira answers to an application that uses these entries.
async fn status_of(entries: &BTreeMap<String, String>, path: &str) -> u16 {
    let authority = reqwest::Certificate::from_pem(entries["ca.crt"].as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_merge([authority]).build().unwrap();
    let request = client.get(format!("{}{path}", entries["uri"])).bearer_auth(&entries["accessToken"]);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_token_is_replaced_before_its_end_and_no_status_is_written() {
    let life = 20;
    let jira = Jira::center_with(|instance| match &mut instance.deployment {
        Deployment::DataCenter(center) => center.access_token_seconds = life,
        Deployment::Cloud(_) => unreachable!("a Data Center"),
    });
    let scene = Scene::on(jira).await;
    scene.client(&scene.jira.secret("secret")).await;
    let permissive = json!({ "permissions": { "global": "Ignored" } });
    let spec = merged(merged(scene.client_spec(), lending("AccessToken")), permissive);
    let connection = scene.connection("acme", spec).await;
    connection.shows("that it is ready", |status| status["state"] == "Authorized").await;
    let bound = scene.project("AccessToken").await;
    bound.becomes(&proven()).await;
    let versions = async || (connection.version().await, bound.version().await);
    let first = entries(&scene.projected(NAME).await.unwrap());
    connection.shows("its binding", |status| status["bindings"]["accepted"] == 1).await;
    let (before, started) = (versions().await, std::time::Instant::now());
    loop {
        let now = entries(&scene.projected(NAME).await.unwrap());
        let ends_at: Timestamp = now["accessTokenEndsAt"].parse().unwrap();
        assert!(Timestamp::now() < ends_at, "an application never holds a token that is over");
        if now["accessToken"] != first["accessToken"] {
            assert_eq!(status_of(&now, "/rest/api/2/project/WEB").await, 200);
            break;
        }
        assert!(started.elapsed() < Duration::from_secs((life + 10).into()), "{}", connection.account());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(versions().await, before, "{}", connection.account());
}
