//! `kubectl jira suspend` and `kubectl jira resume`

use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};

use super::scene::{ACME, Scene, spec, token, viewer};

#[tokio::test]
async fn checks_are_switched_off_and_on_again() {
    let scene = Scene::open(json!([
        { "apiGroups": ["issuetracking.dev"], "resources": ["jiraconnections"], "verbs": ["patch"] },
    ]))
    .await;
    scene.object("JiraConnection", ACME, spec(token()), None).await;
    let ended = scene.run(&["suspend", ACME]).await.expect(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("JiraConnection acme suspended\n", ""));
    assert_eq!(scene.get("JiraConnection", ACME).await["spec"]["suspend"], true);
    let ended = scene.run(&["resume", ACME]).await.expect(0);
    assert_eq!(ended.stdout, "JiraConnection acme resumed\n");
    assert_eq!(scene.get("JiraConnection", ACME).await["spec"]["suspend"], Value::Null);

    let resource = GroupVersionKind::gvk("issuetracking.dev", "v1alpha1", "JiraConnection");
    let resource = ApiResource::from_gvk_with_plural(&resource, "jiraconnections");
    let api: Api<DynamicObject> = Api::namespaced_with(scene.client.clone(), &scene.namespace, &resource);
    let labels = json!({ "metadata": { "labels": { "kustomize.toolkit.fluxcd.io/name": "apps" } } });
    api.patch(ACME, &PatchParams::default(), &Patch::Merge(labels)).await.unwrap();
    let ended = scene.run(&["suspend", ACME]).await.expect(0);
    assert!(ended.stderr.contains("It is managed by Flux (Kustomization apps), which will undo this."), "{ended:?}");
}

#[tokio::test]
async fn who_may_only_read_may_not_switch() {
    let scene = Scene::open(viewer()).await;
    scene.object("JiraConnection", ACME, spec(token()), None).await;
    scene.run(&["suspend", ACME]).await.expect_error(3, "cannot patch resource");
    scene.run(&["resume", "binding/web"]).await.expect_error(3, "changing spec.suspend of WorkspaceBinding web");
}
