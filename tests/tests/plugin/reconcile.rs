//! `kubectl jira reconcile`

use rstest::rstest;
use serde_json::{Value, json};

use super::scene::{ACME, Scene, condition, spec, token, viewer};

fn operator_user() -> Value {
    json!([{ "apiGroups": ["issuetracking.dev"], "resources": ["jiraconnections", "workspacebindings"], "verbs": ["get", "patch"] }])
}

fn binding() -> Value {
    json!({ "connectionRef": { "name": ACME }, "workspace": "web", "projects": [{ "key": "WEB" }] })
}

#[rstest]
#[case("JiraConnection", ACME, ACME)]
#[case("WorkspaceBinding", "web", "binding/web")]
#[tokio::test]
async fn a_check_is_asked_for_and_awaited(#[case] kind: &str, #[case] name: &str, #[case] word: &str) {
    let scene = Scene::open(operator_user()).await;
    let content = if kind == "JiraConnection" { spec(token()) } else { binding() };
    scene.object(kind, name, content.clone(), None).await;

    let mut values = Vec::new();
    for _ in 0..2 {
        let running = scene.start(&["reconcile", word]).await;
        let before = values.last().cloned();
        let wish = loop {
            let wish = scene.get(kind, name).await["metadata"]["annotations"]["issuetracking.dev/requestedAt"].clone();
            if wish.is_string() && Some(&wish) != before.as_ref() {
                break wish;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        };
        let conditions = json!([condition("Ready", "False", "Unreachable", "No answer.")]);
        let status = json!({ "lastHandledRequestedAt": wish, "conditions": conditions });
        scene.object(kind, name, content.clone(), Some(status)).await;
        let ended = running.end().await.expect(0);
        assert_eq!(ended.stdout, format!("{kind} {}/{name} checked: Ready False (Unreachable)\n", scene.namespace));
        values.push(wish);
    }
}

#[tokio::test]
async fn nobody_waits_where_that_is_wished() {
    let scene = Scene::open(operator_user()).await;
    scene.object("JiraConnection", ACME, spec(token()), None).await;
    let ended = scene.run(&["reconcile", ACME, "--wait=false"]).await.expect(0);
    assert!(ended.stdout.ends_with("asked for\n"), "{ended:?}");
    scene
        .run(&["reconcile", ACME, "--timeout", "2s"])
        .await
        .expect_error(1, "has not checked JiraConnection acme within 2s");
}

#[tokio::test]
async fn what_cannot_be_checked_says_so() {
    let scene = Scene::open(operator_user()).await;
    let mut suspended = spec(token());
    suspended["suspend"] = json!(true);
    scene.object("JiraConnection", ACME, suspended, None).await;
    scene.run(&["reconcile", ACME]).await.expect_error(1, "kubectl jira resume acme");
    scene.run(&["reconcile", "other"]).await.expect_error(3, "not found");
    scene.run(&["reconcile", "-A"]).await.expect_error(3, "listing the JiraConnections of all namespaces");
    let reader = Scene::open(viewer()).await;
    reader.object("JiraConnection", ACME, spec(token()), None).await;
    reader.run(&["reconcile", ACME]).await.expect_error(3, "cannot patch resource");
}
