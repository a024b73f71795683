//! The port-forward to a page at a local address, as far as it goes without a kubelet.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::scene::{ACME, Scene, authoriser, control_plane, oauth2};

/// A port that nobody has at the moment.
async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

fn page(port: u16) -> String {
    format!("http://localhost:{port}/authorize/platform/acme")
}

/// The namespace of an operator, with a pod that claims to run.
async fn operator(scene: &Scene, rules: Value) -> String {
    let namespace = control_plane().await.namespace("operator").await.unwrap();
    scene.grant(&namespace, rules).await;
    // An account for the pod: the one that every namespace gets may not be there yet.
    control_plane().await.service_account_kubeconfig(&namespace, "operator").await.unwrap();
    let pod: Pod = serde_json::from_value(json!({
        "metadata": { "name": "operator-0", "labels": { "app.kubernetes.io/name": "jira-connection-operator" } },
        "spec": { "nodeName": "nowhere", "serviceAccountName": "operator", "containers": [{ "name": "operator", "image": "operator" }] },
    }))
    .unwrap();
    let api = Api::<Pod>::namespaced(scene.client.clone(), &namespace);
    api.create(&PostParams::default(), &pod).await.unwrap();
    let status = json!({ "status": { "phase": "Running" } });
    api.patch_status("operator-0", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    namespace
}

fn list_pods() -> Value {
    json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] }])
}

fn forward_ports() -> Value {
    json!([
        { "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] },
        { "apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["get", "create"] },
    ])
}

async fn scene() -> (Scene, u16) {
    let (scene, port) = (Scene::open(authoriser()).await, free_port().await);
    scene.prepared(oauth2(), &[("page", &page(port))]).await;
    (scene, port)
}

#[tokio::test]
async fn without_the_right_to_look_for_pods_it_is_said_what_to_ask_for_and_nothing_is_started() {
    let (scene, port) = scene().await;
    let ended = scene.run(&["authorize", ACME]).await.expect_error(3, "get and create on pods/portforward");
    assert!(ended.stderr.contains(&page(port)), "{ended:?}");
    assert!(ended.stderr.contains("in namespace jira-connection-operator"), "{ended:?}");
    assert!(!scene.keys().await.contains_key("keyHash"));
}

#[tokio::test]
async fn without_the_right_to_forward_the_same_is_said() {
    let (scene, port) = scene().await;
    let namespace = operator(&scene, list_pods()).await;
    let ended = scene.run(&["authorize", ACME, "--operator-namespace", &namespace]).await;
    let ended = ended.expect_error(3, "get and create on pods/portforward");
    assert!(ended.stderr.contains(&page(port)) && ended.stderr.contains(&namespace), "{ended:?}");
    assert!(!scene.keys().await.contains_key("keyHash"));
}

#[tokio::test]
async fn with_the_rights_the_pod_is_dialled() {
    let (scene, _) = scene().await;
    let namespace = operator(&scene, forward_ports()).await;
    let ended = scene.run(&["authorize", ACME, "--operator-namespace", &namespace]).await;
    ended.expect_error(1, "no port-forward to pod operator-0");
    assert!(!scene.keys().await.contains_key("keyHash"));
}

#[tokio::test]
async fn an_operator_that_does_not_run_is_told() {
    let (scene, _) = scene().await;
    let namespace = control_plane().await.namespace("empty").await.unwrap();
    scene.grant(&namespace, list_pods()).await;
    let ended = scene.run(&["authorize", ACME, "--operator-namespace", &namespace]).await;
    ended.expect_error(3, "no pod of the operator runs");
}

#[tokio::test]
async fn a_port_that_somebody_has_is_not_trusted_unless_the_person_says_so() {
    let (scene, port) = scene().await;
    let _taken = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    scene.run(&["authorize", ACME]).await.expect_error(1, "give --no-forward if a port-forward of yours has it");
    assert!(!scene.keys().await.contains_key("keyHash"));

    let running = scene.start(&["authorize", ACME, "--no-forward"]).await;
    let hash = scene.written("keyHash").await;
    scene.finish(&hash, "Granted", "Done.").await;
    let ended = running.end().await.expect(0);
    assert!(ended.stdout.starts_with(&page(port)), "{ended:?}");
}
