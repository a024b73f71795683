//! `kubectl jira permissions`

use serde_json::{Value, json};

use super::scene::{ACME, Scene, condition, spec, token, viewer};

#[tokio::test]
async fn the_connection_s_and_the_bindings_permissions_stand_in_one_table() {
    let scene = Scene::open(viewer()).await;
    let status = json!({
        "conditions": [condition("PermissionsGranted", "True", "Granted", "Fine.")],
        "account": { "id": "bot", "displayName": "Fake Bot", "type": "ServiceAccount" },
    });
    scene.object("JiraConnection", ACME, spec(token()), Some(status)).await;
    scene.run(&["permissions", ACME]).await.expect(0);

    let web = json!({ "connectionRef": { "name": ACME }, "workspace": "web", "projects": [{ "key": "WEB", "permissions": ["CREATE_ISSUES"] }] });
    let status = json!({
        "conditions": [condition("PermissionsGranted", "False", "PermissionsMissing", "No.")],
        "projects": [{ "key": "WEB", "id": "10001", "missing": ["CREATE_ISSUES"] }],
    });
    scene.object("WorkspaceBinding", "web", web, Some(status)).await;
    let other = json!({ "connectionRef": { "name": "other" }, "workspace": "app", "projects": [{ "key": "APP" }] });
    scene.object("WorkspaceBinding", "app", other, None).await;

    let ended = scene.run(&["permissions", ACME]).await.expect(1);
    assert!(ended.stdout.contains("* project WEB: Create Issues (CREATE_ISSUES)\n"), "{ended:?}");
    assert!(!ended.stdout.contains("APP"), "bindings of other connections are not shown: {ended:?}");
    assert!(ended.stderr.contains(&format!("of namespace {} only", scene.namespace)), "{ended:?}");

    let ended = scene.run(&["permissions", ACME, "-o", "json"]).await.expect(1);
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    let asker = format!("binding {}/web", scene.namespace);
    let expected = json!({ "project": "WEB", "permission": "CREATE_ISSUES", "grant": "Missing", "askedBy": [asker] });
    assert!(answer["permissions"].as_array().unwrap().contains(&expected), "{answer}");
    assert!(
        answer["textForAdmin"].as_str().unwrap().starts_with("Please grant the account \"Fake Bot\" (id bot)"),
        "{answer}"
    );
}
