//! What the credential may not do: scopes, permissions, projects.

use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::{Value, json};
use tests::jira::{Credential, Fault, Mark, Rule};

use super::{
    jira::{Jira, SEVEN},
    row::{
        binding,
        connection::{lacking, proven, scope_missing},
    },
    scene::Scene,
};

#[tokio::test]
async fn a_missing_scope_is_told_and_mended() {
    let scene = Scene::cloud().await;
    scene.hold("narrow").await;
    let connection = scene.connect(json!({})).await;
    connection.becomes(&scope_missing().with("PersonalAccount", "True PersonalAccount")).await;
    scene.nudge("Secret", "credential").await;
    connection.rests().await;

    scene.jira.update(|jira| {
        for credential in &mut jira.account_mut("alice").unwrap().credentials {
            if let Credential::ApiToken { scopes: Some(scopes), .. } = credential {
                scopes.push("read:jira-work".to_owned());
            }
        }
    });
    connection.is_requested("mended").await;
    let status = connection.becomes(&proven().with("PersonalAccount", "True PersonalAccount")).await;
    assert_eq!(status["lastHandledRequestedAt"], "mended");
    scene.tells(&connection, &["ScopeMissing", "ConnectionVerified"]).await;
}

#[rstest]
#[case::data_center(Jira::center(), "JIRAUSER10100")]
#[case::cloud(Jira::cloud(), "alice")]
#[tokio::test]
async fn the_missing_global_permission_is_named(#[case] jira: Jira, #[case] account: &str) {
    let scene = Scene::on(jira).await;
    let personal = |row: super::row::Row| {
        if scene.jira.is_cloud() { row.with("PersonalAccount", "True PersonalAccount") } else { row }
    };
    scene.jira.mutate(json!({ "type": "RevokeGlobal", "account": account, "permissions": ["USER_PICKER"] }));
    let connection = scene.connect(json!({})).await;
    let status = connection.becomes(&personal(lacking())).await;
    assert_eq!(status["permissions"], json!({ "missing": [{ "permission": "USER_PICKER" }], "total": 1 }));
    assert_eq!(status["missingSummary"], "USER_PICKER (global)");
    assert!(connection.message("Ready").contains("USER_PICKER (global)"), "{}", connection.account());
    connection.rests().await;

    scene.jira.mutate(json!({ "type": "GrantGlobal", "account": account, "permissions": ["USER_PICKER"] }));
    connection.is_requested("mended").await;
    let status = connection.becomes(&personal(proven())).await;
    assert_eq!(status["permissions"], Value::Null);
    assert_eq!(status["missingSummary"], Value::Null);
    scene.tells(&connection, &["PermissionsMissing", "ConnectionVerified"]).await;
}

#[rstest]
#[case::data_center(Jira::center(), "JIRAUSER10100")]
#[case::cloud(Jira::cloud(), "alice")]
#[tokio::test]
async fn permissions_missing_on_the_connections_own_projects_are_named(#[case] jira: Jira, #[case] account: &str) {
    let scene = Scene::on(jira).await;
    let revoke = |project: &str, permissions: Value| {
        scene
            .jira
            .mutate(json!({ "type": "Revoke", "project": project, "account": account, "permissions": permissions }));
    };
    revoke("WEB", json!(["CREATE_ISSUES", "ADD_COMMENTS"]));
    revoke("APP", json!(["ADD_COMMENTS"]));
    let connection = scene.connect(json!({ "permissions": { "projects": ["WEB", "APP"] } })).await;
    let row = if scene.jira.is_cloud() { lacking().with("PersonalAccount", "True PersonalAccount") } else { lacking() };
    let status = connection.becomes(&row).await;
    let missing = json!([
        { "permission": "ADD_COMMENTS", "projects": ["APP", "WEB"] },
        { "permission": "CREATE_ISSUES", "projects": ["WEB"] },
    ]);
    assert_eq!(status["permissions"], json!({ "missing": missing, "total": 3 }));
    let summary = status["missingSummary"].as_str().unwrap();
    assert!(connection.message("Ready").contains(summary), "{}", connection.account());
    for words in ["ADD_COMMENTS on APP, WEB", "CREATE_ISSUES on WEB"] {
        assert!(summary.contains(words), "{summary}");
    }
}

#[tokio::test]
async fn a_project_of_the_connection_that_does_not_exist_lacks_everything() {
    let scene = Scene::center().await;
    let connection = scene.connect(json!({ "permissions": { "projects": ["GONE", "WEB"] } })).await;
    let status = connection.becomes(&lacking()).await;
    assert_eq!(status["permissions"]["total"], SEVEN.len());
    assert_eq!(status["missingSummary"], "every permission on GONE (missing or hidden)");
    assert_eq!(status["issueSecurity"], json!([{ "project": "WEB", "visibility": "Unknown" }]));
}

#[rstest]
#[case::data_center(Jira::center(), "JIRAUSER10100")]
#[case::cloud(Jira::cloud(), "alice")]
#[tokio::test]
async fn what_is_missing_on_projects_of_bindings_only_is_told_by_the_binding(
    #[case] jira: Jira,
    #[case] account: &str,
) {
    let scene = Scene::on(jira).await;
    let revoked = json!({ "type": "Revoke", "project": "WEB", "account": account, "permissions": ["CREATE_ISSUES"] });
    scene.jira.mutate(revoked);
    let row = if scene.jira.is_cloud() { proven().with("PersonalAccount", "True PersonalAccount") } else { proven() };
    let connection = scene.connect(json!({})).await;
    connection.becomes(&row).await;
    let bound = scene.bind("web", json!([{ "key": "WEB" }])).await;
    let status = bound.becomes(&binding::lacking("PermissionsMissing")).await;
    assert_eq!(status["projects"][0]["missing"], json!(["CREATE_ISSUES"]));
    assert_eq!(status["missingSummary"], "CREATE_ISSUES on WEB");
    let status = connection.shows("its binding", |status| status["bindings"]["accepted"] == 1).await;
    assert_eq!(status["permissions"], Value::Null);
    assert_eq!(connection.rows(), [row.clone(), row]);
    scene.tells(&connection, &["ConnectionVerified"]).await;
}

#[rstest]
#[case::forbidden(403)]
#[case::not_found(404)]
#[tokio::test]
async fn what_this_jira_cannot_answer_is_unknown_and_no_failure(#[case] status: u16) {
    let scene = Scene::center().await;
    let refusal = Fault::Status {
        status,
        body: json!({ "errorMessages": ["No."], "errors": {} }).to_string(),
        content_type: Some("application/json".to_owned()),
        headers: BTreeMap::default(),
    };
    scene.jira.strikes(Rule::every(refusal).on("/rest/api/2/mypermissions"));
    let connection = scene.connect(json!({})).await;
    let told = connection.becomes(&proven().with("PermissionsGranted", "Unknown NotAnswered")).await;
    assert_eq!(told["permissions"], json!({ "unknown": [{ "permission": "USER_PICKER" }], "total": 1 }));
    assert_eq!(scene.jira.count(Mark::default(), "/mypermissions"), 1);
}
