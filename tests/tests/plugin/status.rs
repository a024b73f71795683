//! `kubectl jira status`

use serde_json::{Value, json};

use super::scene::{ACME, Scene, authoriser, condition, spec, token, viewer};

#[tokio::test]
async fn the_exit_status_says_whether_it_is_ready() {
    let scene = Scene::open(viewer()).await;
    scene.object("JiraConnection", ACME, spec(token()), None).await;
    let new = scene.run(&["status", ACME]).await.expect(1);
    assert!(new.stdout.contains("has not looked at this spec yet"), "{new:?}");

    let ready =
        json!({ "state": "Authorized", "conditions": [condition("Ready", "True", "ConnectionVerified", "Fine.")] });
    scene.object("JiraConnection", ACME, spec(token()), Some(ready)).await;
    let ready = scene.run(&["status", ACME]).await.expect(0);
    assert!(ready.stdout.contains("Ready   True (ConnectionVerified)"), "{ready:?}");
    assert!(ready.stdout.ends_with("Next: Nothing.\n"), "{ready:?}");
    assert!(!ready.stdout.contains('\u{1b}'), "no colours into a pipe");

    let json = scene.run(&["status", ACME, "-o", "json"]).await.expect(0);
    let summary: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&summary["ready"], &summary["state"]), (&json!("True"), &json!("Authorized")));
    let yaml = scene.run(&["status", ACME, "-o", "yaml"]).await.expect(0);
    assert_eq!(serde_yaml::from_str::<Value>(&yaml.stdout).unwrap(), summary);
}

#[tokio::test]
async fn what_cannot_be_seen_is_status_3() {
    let scene = Scene::open(viewer()).await;
    scene.run(&["status", ACME]).await.expect_error(3, "jiraconnections.issuetracking.dev \"acme\" not found");
    let blind = Scene::open(authoriser()).await;
    blind.run(&["status", ACME]).await.expect_error(3, "Ask the cluster's admin for this right");
    scene.run(&["status", ACME, "-n", "kube-system"]).await.expect_error(3, "is forbidden");
    scene.run(&["status", ACME, "--as", "jane"]).await.expect_error(3, "cannot impersonate");
}

#[tokio::test]
async fn wrong_usage_is_status_2() {
    let scene = Scene::open(viewer()).await;
    let ended = scene.run(&["status"]).await.expect(2);
    assert!(ended.stderr.contains("Usage: kubectl jira status <NAME>"), "{ended:?}");
    scene.run(&["status", ACME, "-o", "xml"]).await.expect(2);
}

#[tokio::test]
async fn a_kubeconfig_that_does_not_serve_is_explained() {
    let scene = Scene::open(viewer()).await;
    scene.run(&["status", ACME, "--kubeconfig", "/nowhere"]).await.expect_error(1, "the kubeconfig cannot be used");
    scene.run(&["status", ACME, "--context", "nowhere"]).await.expect_error(1, "nowhere");
}
