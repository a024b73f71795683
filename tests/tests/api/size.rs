//! The longest names and the largest objects.

use rstest::rstest;
use serde_json::{Value, json};

use super::server::{
    Kind::{self, JiraConnection, WorkspaceBinding},
    Server,
};

fn named(kind: Kind, length: usize) -> Value {
    let mut object = kind.smallest();
    object["metadata"]["name"] = "n".repeat(length).into();
    object
}

#[rstest]
#[tokio::test]
async fn a_name_of_200_characters_is_accepted(#[values(JiraConnection, WorkspaceBinding)] kind: Kind) {
    let created = Server::in_default().await.dry_run(kind, named(kind, 200)).await;
    assert_eq!(created.unwrap()["metadata"]["name"], "n".repeat(200));
}

#[rstest]
#[case(JiraConnection)]
#[case(WorkspaceBinding)]
#[tokio::test]
async fn a_name_of_201_characters_is_refused(#[case] kind: Kind) {
    let created = Server::in_default().await.dry_run(kind, named(kind, 201)).await;
    created.unwrap_err().assert("<nil>", "metadata.name may have at most 200 characters");
}

/// Different texts of one length, made of letters that every kind of name may have.
fn texts(count: usize, length: usize) -> Value {
    (0..count).map(|n| Value::from(format!("{n:a>length$}"))).collect()
}

fn keys(count: usize, length: usize) -> Value {
    (0..count).map(|n| Value::from(format!("{n:A>length$}"))).collect()
}

fn label_key(n: usize) -> String {
    format!("{n:a>253}/{n:a>63}")
}

/// A selector is the longest way to choose namespaces.
fn longest_entry() -> Value {
    let requirement = |n| json!({ "key": label_key(n), "operator": "NotIn", "values": texts(16, 63) });
    let mut labels = json!({});
    for n in 0..8 {
        labels[label_key(n)] = "v".repeat(63).into();
    }
    let selector = json!({ "matchLabels": labels, "matchExpressions": (0..4).map(requirement).collect::<Value>() });
    json!({
        "namespaces": { "from": "Selector", "selector": selector },
        "workspaces": { "from": "List", "list": texts(32, 128) },
        "projects": { "from": "List", "list": keys(100, 64) },
        "credential": "AccessToken",
    })
}

fn largest_connection() -> Value {
    let longest_secret_key = json!({ "name": "s".repeat(253), "key": "k".repeat(253) });
    let header = |n| json!({ "name": format!("{n:h>128}"), "valueFrom": { "secretKeyRef": longest_secret_key } });
    JiraConnection.with(json!({
        "url": format!("{:a<2048}", "https://jira.example.com/"),
        "auth": {
            "personalAccessToken": null,
            "oauth2AuthorizationCode": {
                "clientSecretRef": { "name": "s".repeat(253) },
                "candidateSecretRef": { "name": "s".repeat(253) },
                "scopes": texts(32, 128),
            },
        },
        "headers": (0..16).map(header).collect::<Value>(),
        "tls": {
            "caRef": { "kind": "ConfigMap", "name": "c".repeat(253), "key": "k".repeat(253) },
            "clientCertificateSecretRef": { "name": "s".repeat(253) },
        },
        "proxySecretRef": { "name": "s".repeat(253) },
        "allowedWorkspaces": (0..64).map(|_| longest_entry()).collect::<Value>(),
        "permissions": { "global": "Required", "projects": keys(100, 64) },
        "checks": { "interval": "23h59m59.999999s", "timeout": "00000h00m59.999s", "grace": "00000h59m59.999s" },
        "deletionPolicy": "Revoke",
        "suspend": false,
    }))
}

fn largest_binding() -> Value {
    let project = |key: &Value| json!({ "key": key, "permissions": keys(32, 128) });
    let projects: Value = keys(100, 64).as_array().unwrap().iter().map(project).collect();
    WorkspaceBinding.with(json!({
        "connectionRef": { "name": "c".repeat(200), "namespace": "n".repeat(63) },
        "workspace": "w".repeat(128),
        "projects": projects,
        "projection": { "secretName": "s".repeat(253), "credential": "AccessToken" },
        "suspend": false,
    }))
}

/// As long as the operator may write it: every permission missing on every project that is listed.
fn long_status() -> Value {
    let on_projects = |permission: &Value| json!({ "permission": permission, "projects": keys(50, 64) });
    let missing: Value = keys(8, 128).as_array().unwrap().iter().map(on_projects).collect();
    let condition = |about: &Value| {
        json!({
            "type": about,
            "status": "False",
            "reason": "PermissionsMissing",
            "message": "m".repeat(1024),
            "lastTransitionTime": "2026-11-01T10:00:00Z",
        })
    };
    let conditions: Value = keys(12, 32).as_array().unwrap().iter().map(condition).collect();
    json!({ "conditions": conditions, "permissions": { "missing": missing, "unknown": missing, "total": 800 } })
}

#[rstest]
#[case(JiraConnection, largest_connection())]
#[case(WorkspaceBinding, largest_binding())]
#[tokio::test]
async fn the_largest_object_is_accepted_and_can_be_changed(#[case] kind: Kind, #[case] mut object: Value) {
    let server = Server::new().await;
    let name = "n".repeat(200);
    object["metadata"]["name"] = name.clone().into();

    let created = server.create(kind, object.clone()).await.unwrap();
    assert_eq!(created["spec"], object["spec"]);

    let changed = server.change(kind, &name, &json!({ "spec": { "suspend": true } })).await;
    assert_eq!(changed.unwrap()["spec"]["suspend"], true);
}

#[tokio::test]
async fn the_largest_connection_has_room_for_its_status() {
    let server = Server::new().await;
    server.create(JiraConnection, largest_connection()).await.unwrap();
    let stored = server.change_status(JiraConnection, "example", &long_status()).await;
    assert_eq!(stored["status"]["permissions"], long_status()["permissions"]);
}
