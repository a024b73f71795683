//! A namespace that is deleted.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::DeleteParams};
use serde_json::json;

use super::{
    jira::Jira,
    row::{
        Progress, binding,
        connection::{interrupted, refused},
    },
    scene::{Scene, merged},
};
use tests::jira::Fault;

#[tokio::test]
async fn a_namespace_with_connections_and_bindings_can_be_deleted_whatever_state_they_are_in() {
    let scene = Scene::center().await;
    let guest = scene.namespace(&[]).await;
    let all = json!({ "from": "All" });
    let allowed = json!({ "allowedWorkspaces": [{ "namespaces": all, "workspaces": all, "projects": all }] });
    let proven = scene.connected(merged(allowed, json!({ "deletionPolicy": "Revoke" }))).await;
    let here = scene.bind("here", json!([{ "key": "WEB" }])).await;
    let there = scene.bind_from(&guest, "there", json!([{ "key": "WEB" }])).await;
    here.becomes(&binding::proven()).await;
    there.becomes(&binding::proven()).await;

    scene.stage.secret("wrong", json!({ "token": "sesame-wrong" })).await;
    let wrong = json!({ "auth": { "personalAccessToken": { "tokenSecretRef": { "name": "wrong", "key": "token" } } } });
    let locked = scene.neighbour("locked", &Jira::center(), None, wrong).await;
    locked.becomes(&refused("CredentialsRejected", Progress::Reconciling)).await;
    let elsewhere = json!({ "url": "https://jira.invalid" });
    let unreachable = scene.connection("unreachable", merged(scene.spec(), elsewhere)).await;
    unreachable.becomes(&interrupted("Unreachable")).await;
    // One of them waits for an answer meanwhile.
    scene.jira.fails(Fault::NeverAnswer);
    proven.is_requested("now").await;

    let api = Api::<Namespace>::all(scene.stage.client.clone());
    api.delete(&scene.stage.namespace, &DeleteParams::default()).await.unwrap();
    let started = Instant::now();
    while api.get_opt(&scene.stage.namespace).await.unwrap().is_some() {
        assert!(started.elapsed() < Duration::from_secs(60), "the namespace does not go");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for subject in [&proven, &here, &locked, &unreachable] {
        assert!(subject.is_gone(), "{}", subject.account());
    }
    there.becomes(&binding::not_permitted(Progress::Reconciling)).await;
}
