//! An operator that works in a few namespaces, with the Roles that the chart gives it there.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tests::{
    chart::rights,
    controlplane::AuditEvent,
    jira,
    operator::{Operator, Settings},
    stage::{Kind, Stage, Way},
};

/// Namespace of the operator.
const OWN: &str = "jira-connection-operator";

/// Far above what it takes, so that a loaded machine is no failure.
pub(super) const LIMIT: Duration = Duration::from_secs(40);

const POLL: Duration = Duration::from_millis(50);

/// An operator for these namespaces, with the chart's rights for them and no others.
pub(super) async fn settings<'a>(stage: &Stage, account: &str, namespaces: &[&str]) -> Settings<'a> {
    let settings = Settings::for_simulator(stage.control_plane, jira::shared());
    Settings {
        account: account.to_owned(),
        rights: rights(account, namespaces).await.unwrap(),
        arguments: vec![format!("--watch-namespaces={}", namespaces.join(","))],
        ..settings
    }
}

pub(super) async fn until(what: &str, operator: &Operator, mut reached: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !reached().await {
        assert!(started.elapsed() < LIMIT, "{what} within {LIMIT:?}:\n{}", operator.output());
        tokio::time::sleep(POLL).await;
    }
}

async fn label(stage: &Stage, namespace: &str, team: Value) {
    let patch = Patch::Merge(json!({ "metadata": { "labels": { "team": team } } }));
    Api::<Namespace>::all(stage.client.clone()).patch(namespace, &PatchParams::default(), &patch).await.unwrap();
}

/// A binding of the workspace `name` to the connection `acme` of a namespace.
fn binding(name: &str, namespace: &str) -> Value {
    json!({
        "connectionRef": { "name": "acme", "namespace": namespace },
        "workspace": name, "projects": [{ "key": "WEB" }],
    })
}

fn web_team() -> Value {
    let selector = json!({ "from": "Selector", "selector": { "matchLabels": { "team": "web" } } });
    json!([{ "namespaces": selector, "workspaces": { "from": "All" }, "projects": { "from": "All" } }])
}

/// Requests of an account that reach beyond these namespaces. The labels of one are read by its name.
fn beyond<'a>(calls: &'a [AuditEvent], namespaces: &[&str]) -> Vec<&'a AuditEvent> {
    let named = |event: &AuditEvent| {
        namespaces.iter().any(|namespace| event.uri.contains(&format!("fieldSelector=metadata.name%3D{namespace}&")))
            && event.resource.as_deref() == Some("namespaces")
    };
    let within = |event: &AuditEvent| event.namespace.as_deref().is_some_and(|it| namespaces.contains(&it));
    calls.iter().filter(|event| event.resource.is_some() && !within(event) && !named(event)).collect()
}

#[tokio::test]
async fn within_its_namespaces_all_works_and_what_is_in_others_does_not_exist() {
    let platform = Stage::without_operator("platform").await;
    let [team, outside] =
        ["team", "outside"].map(async |prefix| platform.control_plane.namespace(prefix).await.unwrap());
    let (team, outside) = (platform.within(&team.await), platform.within(&outside.await));
    label(&platform, &team.namespace, json!("web")).await;
    let reach = [platform.namespace.as_str(), team.namespace.as_str()];
    let mark = platform.mark().await;
    let operator = Operator::start(settings(&platform, "few", &reach).await).await.unwrap();

    // A Secret that comes later is noticed, as is a ConfigMap with an authority.
    let site = platform.site("acme", Way::PersonalAccessToken, &["WEB"]);
    let mut spec = site.spec("acme");
    spec["allowedWorkspaces"] = web_team();
    spec["tls"] = json!({ "caRef": { "kind": "ConfigMap", "name": "ca", "key": "ca.crt" } });
    platform.apply(Kind::Connection, "acme", spec).await;
    team.apply(Kind::Binding, "web", binding("web", &platform.namespace)).await;
    platform.until_reason(Kind::Connection, "acme", "SecretNotFound").await;
    platform.secret("acme", site.credential()).await;
    platform.config_map("ca", json!({ "ca.crt": platform.simulator().ca_pem() })).await;
    platform.until_ready(Kind::Connection, "acme").await;
    team.until_ready(Kind::Binding, "web").await;

    // The labels of namespaces count, and are watched.
    label(&platform, &team.namespace, Value::Null).await;
    team.until_reason(Kind::Binding, "web", "NotPermitted").await;
    label(&platform, &team.namespace, json!("web")).await;
    team.until_ready(Kind::Binding, "web").await;

    // A connection elsewhere is as one that does not exist, to its namespace and to others.
    let mut spec = outside.site("acme", Way::PersonalAccessToken, &["WEB"]).spec("acme");
    spec["allowedWorkspaces"] = web_team();
    outside.secret("acme", site.credential()).await;
    outside.apply(Kind::Connection, "acme", spec).await;
    outside.apply(Kind::Binding, "here", binding("here", &outside.namespace)).await;
    team.apply(Kind::Binding, "elsewhere", binding("elsewhere", &outside.namespace)).await;
    team.apply(Kind::Binding, "nowhere", binding("nowhere", "nowhere")).await;
    let elsewhere = team.until_reason(Kind::Binding, "elsewhere", "NotPermitted").await;
    let nowhere = team.until_reason(Kind::Binding, "nowhere", "NotPermitted").await;
    assert_eq!(elsewhere.message(), nowhere.message());
    for (kind, name) in [(Kind::Connection, "acme"), (Kind::Binding, "here")] {
        assert_eq!(outside.get(kind, name).await.0["status"], json!({ "observedGeneration": -1 }), "{name}");
    }

    assert_eq!(operator.readiness().await.unwrap(), (200, "ready\n".to_owned()));
    platform.mark().await;
    let calls = platform.control_plane.audit().since(mark).await.unwrap();
    let calls: Vec<_> = calls.into_iter().filter(|event| event.is_by_service_account(OWN, "few")).collect();
    assert_eq!(beyond(&calls, &reach), Vec::<&AuditEvent>::new());
    let refused: Vec<_> = calls.iter().filter(|event| event.code == Some(403)).collect();
    assert_eq!(refused, Vec::<&AuditEvent>::new());
    assert_eq!(operator.stop().await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_namespace_that_does_not_exist_is_waited_for_and_told_of_once() {
    let stage = Stage::without_operator("platform").await;
    let ghost = stage.control_plane.namespace("ghost").await.unwrap();
    let settings = settings(&stage, "waiting", &[&stage.namespace, &ghost]).await;
    let rights = settings.rights.clone();
    stage.control_plane.apply_yaml(&rights).await.unwrap();
    // Its Role goes with it.
    let namespaces = Api::<Namespace>::all(stage.client.clone());
    namespaces.delete(&ghost, &DeleteParams::default()).await.unwrap();
    let started = Instant::now();
    while namespaces.get_opt(&ghost).await.unwrap().is_some() {
        assert!(started.elapsed() < LIMIT, "the namespace is still there");
        tokio::time::sleep(POLL).await;
    }

    let of_the_other: Vec<_> = rights.split("\n---\n").filter(|object| !object.contains(&ghost)).collect();
    let without_role = rights.split("\n---\n").filter(|object| object.contains("kind: ClusterRole\n"));
    let rights_now = of_the_other.into_iter().chain(without_role).collect::<Vec<_>>().join("\n---\n");
    let operator = Operator::start(Settings { rights: rights_now, ..settings }).await.unwrap();
    stage.connect("acme", Way::PersonalAccessToken, &["WEB"]).await;
    stage.until_ready(Kind::Connection, "acme").await;
    let told = || operator.output().lines().filter(|line| line.contains(&ghost)).map(str::to_owned).collect::<Vec<_>>();
    let [line] = &told()[..] else { panic!("{:?}", told()) };
    assert!(line.contains("the namespace does not exist"), "{line}");

    let made: Namespace = serde_json::from_value(json!({ "metadata": { "name": ghost } })).unwrap();
    namespaces.create(&PostParams::default(), &made).await.unwrap();
    stage.control_plane.apply_yaml(&rights).await.unwrap();
    let there = stage.within(&ghost);
    there.connect("acme", Way::PersonalAccessToken, &["WEB"]).await;
    there.until_ready(Kind::Connection, "acme").await;
    until("it is ready", &operator, async || operator.readiness().await.unwrap().0 == 200).await;

    // Gone again, with its Role: there is nothing to see, so nothing is missed.
    namespaces.delete(&ghost, &DeleteParams::default()).await.unwrap();
    let gone = "the namespace does not exist";
    until("it sees that", &operator, async || told().iter().filter(|line| line.contains(gone)).count() == 2).await;
    assert_eq!(operator.readiness().await.unwrap(), (200, "ready\n".to_owned()));
}
