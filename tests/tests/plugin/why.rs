//! `kubectl jira why`

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

use super::scene::{ACME, Scene, condition, spec, token, viewer};

fn with_secrets() -> Value {
    let mut rules = viewer().as_array().unwrap().clone();
    rules.push(json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] }));
    Value::Array(rules)
}

fn waiting() -> Value {
    let message = "Connection acme needs attention.";
    json!({ "conditions": [
        condition("Ready", "False", "ConnectionNotReady", message), condition("Accepted", "True", "Accepted", "Allowed."),
    ] })
}

fn broken() -> Value {
    json!({ "state": "Interrupted", "conditions": [
        condition("Ready", "False", "SecretNotFound", "Secret pat does not exist."),
        condition("CredentialsResolved", "False", "SecretNotFound", "Secret pat does not exist."),
    ] })
}

fn binding() -> Value {
    json!({ "connectionRef": { "name": ACME }, "workspace": "web", "projects": [{ "key": "WEB" }] })
}

#[tokio::test]
async fn the_way_is_walked_to_the_secret_and_no_value_is_shown() {
    let scene = Scene::open(with_secrets()).await;
    scene.object("JiraConnection", ACME, spec(token()), Some(broken())).await;
    scene.object("WorkspaceBinding", "web", binding(), Some(waiting())).await;
    let ended = scene.run(&["why", "binding", "web"]).await.expect(1);
    assert!(
        ended.stdout.contains("First broken: Secret pat. Create it in the connection's namespace with key token"),
        "{ended:?}"
    );

    let secret: Secret =
        serde_json::from_value(json!({ "metadata": { "name": "pat" }, "stringData": { "password": "s3cret" } }))
            .unwrap();
    let api = Api::<Secret>::namespaced(scene.client.clone(), &scene.namespace);
    api.create(&PostParams::default(), &secret).await.unwrap();
    let ended = scene.run(&["why", "jc", ACME, "-o", "json"]).await.expect(1);
    let chain: Value = serde_json::from_str(&ended.stdout).unwrap();
    let link = chain["links"].as_array().unwrap().iter().find(|link| link["standing"] == "Broken").unwrap().clone();
    assert_eq!((&link["about"], &link["finding"]), (&json!("Secret pat"), &json!("It has no key token.")));
    assert!(!ended.stdout.contains("s3cret"), "{ended:?}");
}

#[tokio::test]
async fn what_may_not_be_seen_is_unknown_and_the_rest_still_told() {
    let scene = Scene::open(viewer()).await;
    scene.object("JiraConnection", ACME, spec(token()), Some(broken())).await;
    let ended = scene.run(&["why", "connection", ACME]).await.expect(1);
    assert!(ended.stdout.contains("unknown  Secret pat"), "{ended:?}");
    assert!(ended.stdout.contains("First broken: Secrets and ConfigMaps. Secret pat does not exist."), "{ended:?}");

    let elsewhere = json!({ "connectionRef": { "name": ACME, "namespace": "kube-system" }, "workspace": "web", "projects": [{ "key": "WEB" }] });
    scene.object("WorkspaceBinding", "far", elsewhere, Some(waiting())).await;
    let ended = scene.run(&["why", "binding", "far"]).await.expect(1);
    assert!(ended.stdout.contains("kubectl jira why connection acme -n kube-system"), "{ended:?}");
}

#[tokio::test]
async fn nothing_broken_is_status_0() {
    let scene = Scene::open(viewer()).await;
    let fine = json!({ "conditions": [condition("Ready", "True", "ConnectionVerified", "Fine.")] });
    scene.object("JiraConnection", ACME, spec(token()), Some(fine)).await;
    let ended = scene.run(&["why", "connection", ACME]).await.expect(0);
    assert!(ended.stdout.ends_with("Nothing is broken.\n"), "{ended:?}");
    scene.run(&["why", "connection", "other"]).await.expect_error(3, "not found");
}
