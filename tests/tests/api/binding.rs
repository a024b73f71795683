//! What a `WorkspaceBinding` may say.

use rstest::rstest;
use serde_json::{Value, json};

use super::server::{Kind::WorkspaceBinding, Server, assert_accepted, assert_refused};

fn projects(count: usize) -> Value {
    (0..count).map(|n| json!({ "key": format!("P{n}") })).collect()
}

fn permissions(count: usize) -> Value {
    let permissions: Value = (0..count).map(|n| Value::from(format!("P{n}"))).collect();
    json!([{ "key": "WEB", "permissions": permissions }])
}

fn longest(count: usize) -> String {
    "a".repeat(count)
}

#[rstest]
#[case::with_the_least_possible(json!({}))]
#[case::with_a_connection_elsewhere(json!({ "connectionRef": { "namespace": "platform" } }))]
#[case::with_the_longest_connection_name(json!({ "connectionRef": { "name": longest(200) } }))]
#[case::with_a_dotted_connection_name(json!({ "connectionRef": { "name": "jira.acme-1" } }))]
#[case::with_the_longest_namespace(json!({ "connectionRef": { "namespace": longest(63) } }))]
#[case::with_the_longest_workspace(json!({ "workspace": longest(128) }))]
#[case::with_a_workspace_of_every_kind_of_character(json!({ "workspace": "Web_1.a-B" }))]
#[case::with_100_projects(json!({ "projects": projects(100) }))]
#[case::with_the_longest_project_key(json!({ "projects": [{ "key": "A".repeat(64) }] }))]
#[case::with_a_digit_and_underscore_in_a_project_key(json!({ "projects": [{ "key": "A_1" }] }))]
#[case::with_32_permissions(json!({ "projects": permissions(32) }))]
#[case::with_a_permission_of_an_app(json!({ "projects": [{ "key": "WEB", "permissions": ["com.example.app__use-it:now"] }] }))]
#[case::with_a_projection(json!({ "projection": { "secretName": "web-jira" } }))]
#[case::with_a_projection_without_credential(json!({ "projection": { "secretName": "web-jira", "credential": "None" } }))]
#[case::with_a_projected_token(json!({ "projection": { "secretName": "web-jira", "credential": "AccessToken" } }))]
#[case::with_the_longest_secret_name(json!({ "projection": { "secretName": longest(253) } }))]
#[case::suspended(json!({ "suspend": true }))]
#[tokio::test]
async fn is_accepted(#[case] spec: Value) {
    assert_accepted(WorkspaceBinding, spec).await;
}

const PROJECT_KEY: &str = "should match '^[A-Z][A-Z0-9_]*$'";
const OBJECT_NAME: &str = "should match '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$'";

#[rstest]
#[case::without_connection(json!({ "connectionRef": null }), "spec.connectionRef", "Required value")]
#[case::without_connection_name(json!({ "connectionRef": { "name": null } }), "spec.connectionRef.name", "Required value")]
#[case::with_empty_connection_name(json!({ "connectionRef": { "name": "" } }), "spec.connectionRef.name", "should be at least 1 chars long")]
#[case::with_a_name_that_no_connection_can_have(json!({ "connectionRef": { "name": longest(201) } }), "spec.connectionRef.name", "may not be more than 200 bytes")]
#[case::with_capitals_in_the_connection_name(json!({ "connectionRef": { "name": "Acme" } }), "spec.connectionRef.name", OBJECT_NAME)]
#[case::with_an_empty_namespace(json!({ "connectionRef": { "namespace": "" } }), "spec.connectionRef.namespace", "should be at least 1 chars long")]
#[case::with_a_namespace_too_long(json!({ "connectionRef": { "namespace": longest(64) } }), "spec.connectionRef.namespace", "may not be more than 63 bytes")]
#[case::with_a_wildcard_as_namespace(json!({ "connectionRef": { "namespace": "*" } }), "spec.connectionRef.namespace", "should match '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'")]
#[case::without_workspace(json!({ "workspace": null }), "spec.workspace", "Required value")]
#[case::with_an_empty_workspace(json!({ "workspace": "" }), "spec.workspace", "should be at least 1 chars long")]
#[case::with_a_workspace_too_long(json!({ "workspace": longest(129) }), "spec.workspace", "may not be more than 128 bytes")]
#[case::with_a_space_in_the_workspace(json!({ "workspace": "web accessibility" }), "spec.workspace", "should match '^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$'")]
#[case::without_projects(json!({ "projects": null }), "spec.projects", "Required value")]
#[case::with_an_empty_list_of_projects(json!({ "projects": [] }), "spec.projects", "should have at least 1 items")]
#[case::with_101_projects(json!({ "projects": projects(101) }), "spec.projects", "must have at most 100 items")]
#[case::with_a_project_twice(json!({ "projects": [{ "key": "WEB" }, { "key": "WEB" }] }), "spec.projects[1]", "Duplicate value: {\"key\":\"WEB\"}")]
#[case::without_project_key(json!({ "projects": [{}] }), "spec.projects[0].key", "Required value")]
#[case::with_an_empty_project_key(json!({ "projects": [{ "key": "" }] }), "spec.projects[0].key", "should be at least 1 chars long")]
#[case::with_a_small_project_key(json!({ "projects": [{ "key": "web" }] }), "spec.projects[0].key", PROJECT_KEY)]
#[case::with_an_issue_for_a_project(json!({ "projects": [{ "key": "WEB-1" }] }), "spec.projects[0].key", PROJECT_KEY)]
#[case::with_a_wildcard_for_a_project(json!({ "projects": [{ "key": "*" }] }), "spec.projects[0].key", PROJECT_KEY)]
#[case::with_a_project_key_too_long(json!({ "projects": [{ "key": "A".repeat(65) }] }), "spec.projects[0].key", "may not be more than 64 bytes")]
#[case::with_an_empty_list_of_permissions(json!({ "projects": permissions(0) }), "spec.projects[0].permissions", "should have at least 1 items")]
#[case::with_33_permissions(json!({ "projects": permissions(33) }), "spec.projects[0].permissions", "must have at most 32 items")]
#[case::with_a_permission_twice(json!({ "projects": [{ "key": "WEB", "permissions": ["A", "A"] }] }), "spec.projects[0].permissions[1]", "Duplicate value: \"A\"")]
#[case::with_an_empty_permission(json!({ "projects": [{ "key": "WEB", "permissions": [""] }] }), "spec.projects[0].permissions[0]", "should be at least 1 chars long")]
#[case::with_a_permission_as_people_say_it(json!({ "projects": [{ "key": "WEB", "permissions": ["Create issues"] }] }), "spec.projects[0].permissions[0]", "should match '^[A-Za-z][A-Za-z0-9_.:-]*$'")]
#[case::with_a_permission_too_long(json!({ "projects": [{ "key": "WEB", "permissions": ["A".repeat(129)] }] }), "spec.projects[0].permissions[0]", "may not be more than 128 bytes")]
#[case::without_secret_name(json!({ "projection": {} }), "spec.projection.secretName", "Required value")]
#[case::with_an_empty_secret_name(json!({ "projection": { "secretName": "" } }), "spec.projection.secretName", "should be at least 1 chars long")]
#[case::with_a_secret_name_too_long(json!({ "projection": { "secretName": longest(254) } }), "spec.projection.secretName", "may not be more than 253 bytes")]
#[case::with_a_secret_name_that_no_secret_can_have(json!({ "projection": { "secretName": "web_jira" } }), "spec.projection.secretName", OBJECT_NAME)]
#[case::with_a_secret_name_of_a_connection(json!({ "projection": { "secretName": "acme.jira-grant" } }), "spec.projection", "Secrets of such names are those of connections")]
#[case::with_another_credential(json!({ "projection": { "secretName": "web", "credential": "RefreshToken" } }), "spec.projection.credential", "supported values: \"None\", \"AccessToken\"")]
#[case::with_text_for_suspend(json!({ "suspend": "yes" }), "spec.suspend", "must be of type boolean")]
#[tokio::test]
async fn is_refused(#[case] spec: Value, #[case] field: &str, #[case] text: &str) {
    assert_refused(WorkspaceBinding, spec, field, text).await;
}

#[rstest]
#[case::other_projects(json!({ "projects": [{ "key": "APP" }] }))]
#[case::a_projection(json!({ "projection": { "secretName": "web-jira" } }))]
#[case::suspension(json!({ "suspend": true }))]
#[case::the_same_connection_and_workspace(json!({ "connectionRef": { "name": "acme" }, "workspace": "web" }))]
#[tokio::test]
async fn can_be_changed_to(#[case] spec: Value) {
    let server = Server::new().await;
    server.create(WorkspaceBinding, WorkspaceBinding.smallest()).await.unwrap();
    let changed = server.change(WorkspaceBinding, "example", &json!({ "spec": spec })).await;
    let mut expected = WorkspaceBinding.with(spec);
    assert_eq!(changed.unwrap()["spec"], expected["spec"].take());
}

const CONNECTION_CHANGED: &str = "connectionRef cannot be changed: delete the binding and create another";
const WORKSPACE_CHANGED: &str = "workspace cannot be changed: delete the binding and create another";

#[rstest]
#[case::another_connection(json!({ "connectionRef": { "name": "other" } }), "spec.connectionRef", CONNECTION_CHANGED)]
#[case::a_connection_of_another_namespace(json!({ "connectionRef": { "namespace": "other" } }), "spec.connectionRef", CONNECTION_CHANGED)]
#[case::no_connection(json!({ "connectionRef": null }), "spec.connectionRef", "Required value")]
#[case::another_workspace(json!({ "workspace": "other" }), "spec.workspace", WORKSPACE_CHANGED)]
#[case::no_workspace(json!({ "workspace": null }), "spec.workspace", "Required value")]
#[tokio::test]
async fn cannot_be_changed_to(#[case] spec: Value, #[case] field: &str, #[case] text: &str) {
    let server = Server::new().await;
    server.create(WorkspaceBinding, WorkspaceBinding.smallest()).await.unwrap();
    let changed = server.change(WorkspaceBinding, "example", &json!({ "spec": spec })).await;
    changed.unwrap_err().assert(field, text);
}
