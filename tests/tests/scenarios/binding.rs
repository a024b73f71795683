//! Bindings: consent of both sides, what the connection has proven for them, and how changes reach them.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use tests::{
    jira::{ArchivedProject, Fault, Instance, ProjectState, Rule},
    stage::Kind,
};

use super::{
    jira::Jira,
    row::{
        Progress::{Reconciling, Stalled},
        Row,
        binding::{lacking, not_permitted, not_ready, proven},
        connection,
    },
    scene::{AT_ONCE, Scene, operator},
    subject::Subject,
};

/// The patience with a refusal.
const PATIENCE: Duration = Duration::from_secs(121);

fn web() -> Value {
    json!([{ "key": "WEB" }])
}

/// An entry that lets these namespaces bind everything.
fn allowing(namespaces: Value) -> Value {
    let all = json!({ "from": "All" });
    json!({ "allowedWorkspaces": [{ "namespaces": namespaces, "workspaces": all, "projects": all }] })
}

#[tokio::test]
async fn an_accepted_binding_shows_what_the_workspace_needs() {
    let scene = Scene::center().await;
    scene.connected(json!({})).await;
    let bound = scene.bind("web", json!([{ "key": "WEB" }, { "key": "APP" }])).await;
    let status = bound.becomes(&proven()).await;
    let account = "JIRAUSER10100";
    assert_eq!(
        status["connection"],
        json!({ "url": scene.jira.url, "deployment": "DataCenter", "defaultAssignee": account })
    );
    let projects = json!([
        { "key": "WEB", "id": "10001", "name": "Web Site", "issueSecurity": "Unknown" },
        { "key": "APP", "id": "10002", "name": "Mobile App", "issueSecurity": "Unknown" },
    ]);
    assert_eq!(status["projects"], projects);
    assert_eq!(status["projectsSummary"], "WEB, APP");
    assert_eq!(status["missingSummary"], Value::Null);
    assert_eq!(bound.rows(), [proven()]);
    scene.tells(&bound, &["BindingVerified"]).await;
}

#[tokio::test]
async fn a_binding_that_comes_first_waits_for_its_connection() {
    let scene = Scene::center().await;
    let bound = scene.bind("web", web()).await;
    bound.becomes(&not_permitted(Reconciling)).await;
    scene.connected(json!({})).await;
    bound.becomes_within(AT_ONCE, &proven()).await;
    scene.tells(&bound, &["NotPermitted", "BindingVerified"]).await;
}

#[tokio::test]
async fn a_connection_that_is_being_checked_is_awaited() {
    let scene = Scene::center().await;
    scene.jira.strikes(Rule::every(Fault::Slow { millis: 5000 }).on("/rest/api/2/myself"));
    let connection = scene.connect(json!({})).await;
    let bound = scene.bind("web", web()).await;
    connection.becomes(&connection::progressing()).await;
    let row = not_ready("-", Reconciling).without_state();
    let status = bound.becomes(&row).await;
    assert_eq!(status["connection"], Value::Null);
    connection.becomes(&connection::proven()).await;
    bound.becomes_within(AT_ONCE, &proven()).await;
    assert_eq!(bound.rows(), [row, proven()]);
    scene.tells(&bound, &["ConnectionNotReady", "BindingVerified"]).await;
}

#[tokio::test]
async fn a_quick_connection_is_awaited_in_silence() {
    let scene = Scene::center().await;
    scene.connect(json!({})).await;
    let bound = scene.bind("web", web()).await;
    bound.becomes(&proven()).await;
    let waited = |row: &Row| format!("{row:?}").contains("ConnectionNotReady");
    assert!(!bound.rows().iter().any(waited), "{}", bound.account());
    bound.is_requested("now").await;
    bound.shows("the echo", |status| status["lastHandledRequestedAt"] == "now").await;
    bound.rests().await;
}

#[tokio::test]
async fn a_binding_of_many_projects_is_cut_and_counted() {
    let scene = Scene::cloud().await;
    scene.client(&scene.jira.secret("secret")).await;
    let keys: Vec<String> = (0..60).map(|number| format!("P{number:02}")).collect();
    scene.jira.update(|jira| {
        for (key, id) in keys.iter().zip(20_000..) {
            let project = json!({ "id": id, "key": key, "grants": { "robot": super::jira::SEVEN } });
            jira.projects.push(serde_json::from_value(project).unwrap());
        }
        jira.project_mut("P59").unwrap().grants.clear();
    });
    let connection = scene.connection("acme", scene.client_spec()).await;
    connection.becomes(&connection::proven()).await;
    let projects: Vec<_> = keys.iter().map(|key| json!({ "key": key })).collect();
    let bound = scene.bind("many", json!(projects)).await;
    let status = bound.becomes(&lacking("ProjectNotFound")).await;
    assert_eq!(status["projects"].as_array().unwrap().len(), 50);
    assert_eq!(status["projectsSummary"], "P00, P01, P02, P03, P04 +55");
    assert!(bound.message("Ready").contains("P59"), "named though it is not listed\n{}", bound.account());
    let mark = Jira::mark();
    connection.is_requested("now").await;
    connection.shows("the echo", |status| status["lastHandledRequestedAt"] == "now").await;
    assert_eq!(scene.jira.count(mark, "/permissions/check"), 1, "{}", connection.account());
}

/// What of a refusal a reader sees: everything but times.
fn told(status: &Value) -> Value {
    let mut told = status.clone();
    for condition in told["conditions"].as_array_mut().unwrap() {
        condition.as_object_mut().unwrap().remove("lastTransitionTime");
    }
    told
}

#[tokio::test]
async fn a_refusal_cannot_be_told_from_absence() {
    let scene = Scene::center().await;
    let (home, listed, stranger) = (&scene.stage.namespace, scene.namespace(&[]).await, scene.namespace(&[]).await);
    let entry = json!({
        "namespaces": { "from": "List", "list": [listed] },
        "workspaces": { "from": "List", "list": ["web"] },
        "projects": { "from": "List", "list": ["WEB"] },
    });
    let acme = scene.connected(json!({ "allowedWorkspaces": [entry] })).await;
    let bind = async |from: &str, to: Value, workspace: &str, project: &str| {
        let spec = json!({ "connectionRef": to, "workspace": workspace, "projects": [{ "key": project }] });
        scene.create(Kind::Binding, from, &format!("{workspace}-{}", project.to_lowercase()), spec).await
    };
    let here = json!({ "name": "acme", "namespace": home });
    bind(&listed, here.clone(), "web", "WEB").await.becomes(&proven()).await;

    let refused = [
        bind(&stranger, json!({ "name": "none", "namespace": home }), "none", "WEB").await,
        bind(&stranger, json!({ "name": "acme", "namespace": "no-such-namespace" }), "nowhere", "WEB").await,
        bind(&stranger, here.clone(), "web", "WEB").await,
        bind(home, here.clone(), "web", "WEB").await,
        bind(&listed, here.clone(), "other", "WEB").await,
        bind(&listed, here.clone(), "web", "APP").await,
    ];
    let mut first = None;
    for binding in &refused {
        let status = told(&binding.becomes(&not_permitted(Reconciling)).await);
        assert_eq!(*first.get_or_insert_with(|| status.clone()), status, "{}", binding.account());
    }
    for binding in &refused {
        binding.ages(PATIENCE).await;
        binding.is_requested("wake").await;
        binding.becomes(&not_permitted(Stalled)).await;
        scene.tells(binding, &["NotPermitted"]).await;
    }
    let event = "BindingsRefused";
    scene.tells(&acme, &["ConnectionVerified", event]).await;
    let metrics = operator().await.metrics().await.unwrap();
    for (accepted, count) in [("true", 1), ("false", 4)] {
        let labels = format!("namespace=\"{home}\",connection=\"acme\",accepted=\"{accepted}\"");
        let series = format!("jira_operator_connection_bindings{{{labels}}} {count}");
        assert!(metrics.lines().any(|line| line == series), "no {series} in\n{metrics}");
    }
}

#[rstest]
#[case::refused(Fault::Unwell { status: 500 }, "pat", "Interrupted", Reconciling)]
#[case::wrong_token(Fault::Slow { millis: 1 }, "nobody", "NotAuthorized", Reconciling)]
#[case::locked(Fault::Captcha, "pat", "NotAuthorized", Stalled)]
#[tokio::test]
async fn a_connection_that_is_not_proven_is_followed(
    #[case] fault: Fault,
    #[case] token: &str,
    #[case] state: &str,
    #[case] progress: super::row::Progress,
) {
    let scene = Scene::center().await;
    scene.hold(token).await;
    scene.jira.fails(fault);
    let connection = scene.connect(json!({})).await;
    connection.shows("its state", |status| status["state"] == state).await;
    let bound = scene.bind("web", web()).await;
    let status = bound.becomes(&not_ready(state, progress)).await;
    assert_eq!(status["connection"]["url"], scene.jira.url);
    assert!(bound.message("Ready").contains("acme"), "{}", bound.account());

    scene.jira.heal();
    scene.hold("second-pat").await;
    bound.becomes_within(Duration::from_secs(12), &proven()).await;
    scene.tells(&bound, &["ConnectionNotReady", "BindingVerified"]).await;
}

#[rstest]
#[case::data_center(Jira::center(), "JIRAUSER10100")]
#[case::cloud(Jira::cloud(), "alice")]
#[tokio::test]
async fn missing_permissions_are_named_exactly(#[case] jira: Jira, #[case] account: &str) {
    let scene = Scene::on(jira).await;
    let missing = json!(["DELETE_ALL_COMMENTS", "EDIT_ISSUES"]);
    scene.jira.mutate(json!({ "type": "Revoke", "project": "WEB", "account": account, "permissions": missing }));
    scene.connect(json!({})).await;
    let bound = scene.bind("both", json!([{ "key": "APP" }, { "key": "WEB" }])).await;
    let status = bound.becomes(&lacking("PermissionsMissing")).await;
    let mut listed: Vec<_> = status["projects"][1]["missing"].as_array().unwrap().clone();
    listed.sort_by_key(ToString::to_string);
    assert_eq!(json!(listed), missing);
    assert_eq!(status["projects"][0]["missing"], Value::Null);
    assert_eq!(status["missingSummary"], "DELETE_ALL_COMMENTS, EDIT_ISSUES on WEB");
    assert!(bound.message("Ready").contains("DELETE_ALL_COMMENTS, EDIT_ISSUES on WEB"), "{}", bound.account());
    scene.tells(&bound, &["PermissionsMissing"]).await;
}

#[rstest]
#[case::data_center(Jira::center())]
#[case::cloud(Jira::cloud())]
#[tokio::test]
async fn a_project_that_is_not_there_is_named_and_the_others_stand(#[case] jira: Jira) {
    let scene = Scene::on(jira).await;
    let connection = scene.connect(json!({})).await;
    let bound = scene.bind("web", json!([{ "key": "NOPE" }, { "key": "WEB" }])).await;
    let status = bound.becomes(&lacking("ProjectNotFound")).await;
    assert_eq!(status["projects"][0], json!({ "key": "NOPE" }));
    assert_eq!(status["projects"][1]["id"], "10001");
    assert_eq!(status["projects"][1]["missing"], Value::Null);
    assert!(bound.message("Ready").contains("NOPE") && !bound.message("Ready").contains("WEB"), "{}", bound.account());
    let status = connection.shows("its binding", |status| status["bindings"]["accepted"] == 1).await;
    assert_eq!(status["state"], "Authorized");

    let project = json!({ "id": 10003, "key": "NOPE", "grants": { holder(&scene): super::jira::SEVEN } });
    scene.jira.mutate(json!({ "type": "AddProject", "project": project }));
    connection.is_requested("project made").await;
    bound.becomes(&proven()).await;
}

/// The account whose token the Secret holds.
fn holder(scene: &Scene) -> &'static str {
    if scene.jira.is_cloud() { "alice" } else { "JIRAUSER10100" }
}

#[rstest]
#[case::data_center(Jira::center_with(archive), ArchivedProject::Shown)]
#[case::data_center_hidden(Jira::center_with(archive), ArchivedProject::NotFound)]
#[case::cloud(Jira::cloud_with(archive), ArchivedProject::Shown)]
#[tokio::test]
async fn an_archived_project_cannot_be_used(#[case] jira: Jira, #[case] switch: ArchivedProject) {
    let scene = Scene::on(jira).await;
    scene.jira.update(|jira| jira.switches.archived_project = switch);
    scene.connect(json!({})).await;
    let bound = scene.bind("web", json!([{ "key": "WEB" }, { "key": "APP" }])).await;
    let status = bound.becomes(&lacking("ProjectNotFound")).await;
    assert!(bound.message("Ready").contains("archived"), "{}", bound.account());
    assert_eq!(status["projects"][1]["id"], "10002");
}

fn archive(jira: &mut Instance) {
    jira.project_mut("WEB").unwrap().state = ProjectState::Archived;
}

#[tokio::test]
async fn a_binding_may_need_less_than_the_seven() {
    let scene = Scene::center().await;
    let less = json!(["CREATE_ISSUES", "EDIT_ISSUES", "DELETE_ALL_COMMENTS"]);
    scene.jira.mutate(json!({ "type": "Revoke", "project": "WEB", "account": "JIRAUSER10100", "permissions": less }));
    scene.connected(json!({})).await;
    let bound =
        scene.bind("reader", json!([{ "key": "WEB", "permissions": ["BROWSE_PROJECTS", "ADD_COMMENTS"] }])).await;
    bound.becomes(&proven()).await;
    bound.change(json!({ "projects": [{ "key": "WEB", "permissions": ["BROWSE_PROJECTS", "CREATE_ISSUES"] }] })).await;
    let status = bound.becomes_within(AT_ONCE, &lacking("PermissionsMissing")).await;
    assert_eq!(status["projects"][0]["missing"], json!(["CREATE_ISSUES"]));
}

#[rstest]
#[case::data_center(Jira::center())]
#[case::cloud(Jira::cloud())]
#[tokio::test]
async fn a_permission_that_jira_does_not_know_harms_nobody_else(#[case] jira: Jira) {
    let scene = Scene::on(jira).await;
    let connection = scene.connect(json!({ "permissions": { "projects": ["APP"] } })).await;
    let good = scene.bind("good", web()).await;
    good.becomes(&proven()).await;
    let bad = scene.bind("bad", json!([{ "key": "WEB", "permissions": ["BROWSE_PROJECTS", "NO_SUCH_KEY"] }])).await;
    let status = bad.becomes(&lacking("PermissionsMissing")).await;
    assert_eq!(status["projects"][0]["missing"], json!(["NO_SUCH_KEY"]));
    connection.is_requested("after the bad one").await;
    let status = connection.shows("the echo", |status| status["lastHandledRequestedAt"] == "after the bad one").await;
    assert_eq!(status["state"], "Authorized");
    assert!(
        connection.rows().iter().all(|row| format!("{row:?}").contains("PermissionsGranted=True/Granted")),
        "{}",
        connection.account()
    );
    assert_eq!(Row::of(&good.status()), proven());
    assert_eq!(good.rows(), [proven()]);
}

/// How an owner allows a namespace, and takes it back.
#[derive(Clone, Copy, Debug)]
enum Consent {
    AllowList,
    NamespaceLabel,
}

#[rstest]
#[case::allow_list(Consent::AllowList)]
#[case::namespace_label(Consent::NamespaceLabel)]
#[tokio::test]
async fn consent_is_given_and_withdrawn_at_once(#[case] consent: Consent) {
    let scene = Scene::center().await;
    let guest = scene.namespace(&[]).await;
    let selector = json!({ "from": "Selector", "selector": { "matchLabels": { "jira": "acme" } } });
    let first = match consent {
        Consent::AllowList => allowing(json!({ "from": "Same" })),
        Consent::NamespaceLabel => allowing(selector),
    };
    let connection = scene.connected(first).await;
    let bound = scene.bind_from(&guest, "web", web()).await;
    bound.becomes(&not_permitted(Reconciling)).await;
    let consents = async |allowed: bool| match (consent, allowed) {
        (Consent::AllowList, true) => connection.change(allowing(json!({ "from": "List", "list": [guest] }))).await,
        (Consent::AllowList, false) => connection.change(allowing(json!({ "from": "Same" }))).await,
        (Consent::NamespaceLabel, true) => scene.relabel(&guest, json!({ "jira": "acme" })).await,
        (Consent::NamespaceLabel, false) => scene.relabel(&guest, json!({ "jira": null })).await,
    };
    consents(true).await;
    bound.becomes_within(AT_ONCE, &proven()).await;
    consents(false).await;
    let status = bound.becomes_within(AT_ONCE, &not_permitted(Reconciling)).await;
    nothing_is_left(&bound, &status);
    consents(true).await;
    bound.becomes_within(AT_ONCE, &proven()).await;
    scene.tells(&bound, &["NotPermitted", "BindingVerified", "NotPermitted", "BindingVerified"]).await;
}

/// Nothing of the connection outlives the acceptance, not even for one revision.
fn nothing_is_left(binding: &Subject, status: &Value) {
    for field in ["state", "connection", "projects", "projectsSummary", "missingSummary", "binding"] {
        assert_eq!(status[field], Value::Null, "{field}\n{}", binding.account());
    }
    let refused = |status: &&Value| super::subject::condition(status, "Accepted")["status"] == "False";
    for status in binding.statuses().iter().filter(refused) {
        assert_eq!((&status["connection"], &status["projects"]), (&Value::Null, &Value::Null), "{}", binding.account());
    }
}

#[tokio::test]
async fn a_deleted_connection_leaves_nothing_in_its_bindings() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    let bound = scene.bind("web", web()).await;
    bound.becomes(&proven()).await;
    connection.delete().await;
    let status = bound.becomes_within(AT_ONCE, &not_permitted(Reconciling)).await;
    nothing_is_left(&bound, &status);

    scene.connected(json!({})).await;
    bound.becomes_within(AT_ONCE, &proven()).await;
}

#[tokio::test]
async fn a_connection_counts_its_bindings_and_their_namespaces() {
    let scene = Scene::center().await;
    let guest = scene.namespace(&[]).await;
    let connection = scene.connected(allowing(json!({ "from": "List", "list": [guest, scene.stage.namespace] }))).await;
    let bindings = [
        scene.bind("one", web()).await,
        scene.bind("two", web()).await,
        scene.bind_from(&guest, "three", json!([{ "key": "APP" }])).await,
    ];
    for binding in &bindings {
        binding.becomes(&proven()).await;
    }
    connection.shows("the counts", |status| status["bindings"] == json!({ "accepted": 3, "namespaces": 2 })).await;
    assert_eq!(connection.rows(), [connection::proven(), connection::proven()], "{}", connection.account());
    bindings[2].delete().await;
    // Counts alone are written at most once a minute, and with the next other write.
    connection.change(json!({ "checks": { "timeout": "9s" } })).await;
    connection.shows("the counts", |status| status["bindings"] == json!({ "accepted": 2, "namespaces": 1 })).await;
}

#[tokio::test]
async fn one_project_of_many_bindings_is_asked_about_once() {
    let scene = Scene::center().await;
    let connection = scene.connected(json!({})).await;
    for name in ["one", "two", "three"] {
        scene.bind(name, web()).await.becomes(&proven()).await;
    }
    let mark = Jira::mark();
    connection.is_requested("now").await;
    connection.shows("the echo", |status| status["lastHandledRequestedAt"] == "now").await;
    assert_eq!(scene.jira.count(mark, "/mypermissions"), 1, "{}", connection.account());
}

#[tokio::test]
async fn a_deleted_project_is_found_out_and_the_connection_stands() {
    let scene = Scene::cloud().await;
    scene.client(&scene.jira.secret("secret")).await;
    let connection = scene.connection("acme", scene.client_spec()).await;
    connection.becomes(&connection::proven()).await;
    let bound = scene.bind("both", json!([{ "key": "APP" }, { "key": "WEB" }])).await;
    bound.becomes(&proven()).await;
    scene.jira.mutate(json!({ "type": "RemoveProject", "project": "WEB" }));
    connection.is_requested("now").await;
    let status = bound.becomes(&lacking("ProjectNotFound")).await;
    assert_eq!(status["projects"][0]["id"], "10002");
    assert!(connection.rows().iter().all(|row| *row == connection::proven()), "{}", connection.account());
}
