//! What the operator costs: requests to Jira and to the API server, counted in the simulator's journal and the audit log.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    pin::pin,
    time::{Duration, Instant},
};

use futures::{StreamExt, future::join_all};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, WatchEvent, WatchParams},
    core::GroupVersionKind,
};
use rstest::rstest;
use serde_json::{Value, json};
use tests::{
    jira::{self, Fault, Rule},
    stage::{ACCOUNT, Kind, Seen, Site, Stage, Way, operator},
};

/// Long enough for a write that should not happen.
const QUIET: Duration = Duration::from_secs(3);

fn requiring(site: &Site, secret: &str, projects: &[&str]) -> Value {
    let mut spec = site.spec(secret);
    spec["permissions"] = json!({ "projects": projects });
    spec
}

/// Requests with method and path, for messages.
fn list(requests: &[jira::Entry]) -> Vec<String> {
    requests.iter().map(|entry| format!("{} {} {:?}", entry.method, entry.path, entry.status)).collect()
}

/// Requests other than those for an access token, and of the daily look the one that a first check leaves for later.
fn checks(site: &Site, mark: jira::Mark) -> Vec<jira::Entry> {
    let counted =
        |entry: &jira::Entry| !entry.path.ends_with("/oauth/token") && !entry.path.ends_with("/pat/latest/tokens");
    site.requests(mark).into_iter().filter(counted).collect()
}

#[rstest]
#[case::data_center(Way::PersonalAccessToken, 5)]
#[case::cloud_api_token(Way::ApiToken, 6)]
#[case::cloud_scoped_api_token(Way::ScopedApiToken, 7)]
#[case::cloud_client_credentials(Way::ClientCredentials, 7)]
#[tokio::test]
async fn a_connection_with_one_project_takes_few_requests_and_one_write(
    #[case] way: Way,
    #[case] most: usize,
    #[values(0, 1)] second_look_at_issue_security: usize,
) {
    let stage = Stage::open("first").await;
    let site = stage.site_with("jira", way, &["WEB"], |instance| {
        let grants = instance.project_mut("WEB").unwrap().grants.get_mut(ACCOUNT).unwrap();
        // An administrator of the project learns in one request that it has no security scheme.
        if second_look_at_issue_security == 0 {
            grants.push("ADMINISTER_PROJECTS".to_owned());
        }
    });
    stage.secret("acme", site.credential()).await;
    let (mark, audit) = (stage.simulator().journal().mark(), stage.mark().await);

    stage.apply(Kind::Connection, "acme", requiring(&site, "acme", &["WEB"])).await;
    let ready = stage.until_ready(Kind::Connection, "acme").await;
    tokio::time::sleep(QUIET).await;

    let requests = site.requests(mark);
    println!("{way:?}: {} requests", requests.len());
    assert!(requests.len() <= most + second_look_at_issue_security, "{:#?}", list(&requests));
    let calls = stage.audit(audit).await;
    assert_eq!(calls.status_writes(Kind::Connection, Some("acme")), 1, "{:#?}", calls.0);
    assert_eq!(calls.events(), 1, "{:#?}", calls.0);
    assert_eq!(calls.reads("secrets"), 1, "{:#?}", calls.0);
    assert_eq!(stage.get(Kind::Connection, "acme").await, ready);
}

#[tokio::test]
async fn a_first_check_that_takes_long_is_announced_once() {
    let stage = Stage::open("slow").await;
    let site = stage.site("jira", Way::PersonalAccessToken, &["WEB"]);
    stage.simulator().fault(&site.name, Rule::every(Fault::Slow { millis: 2_500 }).first(1)).unwrap();
    stage.secret("acme", site.credential()).await;
    let audit = stage.mark().await;

    stage.apply(Kind::Connection, "acme", site.spec("acme")).await;
    let announced = |seen: &Seen| seen.reason() == "Progressing" && seen.is("Reconciling");
    stage.until(Kind::Connection, "acme", "announced", announced).await;
    stage.until_ready(Kind::Connection, "acme").await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(stage.audit(audit).await.status_writes(Kind::Connection, None), 2);
}

/// Keys of this many projects.
fn keys(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("P{number}")).collect()
}

/// How many checks of one connection fall into one interval of a minute, give or take a tenth, and what they may cost.
struct Steady {
    site: Site,
    most: usize,
}

async fn steady(stage: &Stage, name: &str, way: Way, projects: usize, most: usize) -> Steady {
    let keys = keys(projects);
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let site = stage.site(name, way, &keys);
    stage.secret(name, site.credential()).await;
    // Every second project is asked for by a binding as well, and that costs nothing.
    stage.apply(Kind::Connection, name, requiring(&site, name, &keys)).await;
    let bound: Vec<_> = keys.iter().step_by(2).map(|key| json!({ "key": key })).collect();
    let spec = json!({ "connectionRef": { "name": name }, "workspace": "web", "projects": bound });
    stage.apply(Kind::Binding, name, spec).await;
    Steady { site, most }
}

// Two things that show only after a minute, in one test: the machine may run no two tests at the same time.
#[tokio::test]
async fn a_check_costs_what_was_promised_and_writes_nothing_and_counts_are_written_once_a_minute() {
    tokio::join!(steady_state(), counts_of_bindings());
}

async fn steady_state() {
    let stage = Stage::open("steady").await;
    let all = [
        steady(&stage, "token-one", Way::ApiToken, 1, 2).await,
        steady(&stage, "token-many", Way::ApiToken, 80, 2).await,
        steady(&stage, "scoped-many", Way::ScopedApiToken, 80, 2).await,
        steady(&stage, "client-one", Way::ClientCredentials, 1, 2).await,
        steady(&stage, "client-many", Way::ClientCredentials, 80, 2).await,
        steady(&stage, "center-one", Way::PersonalAccessToken, 1, 2).await,
        steady(&stage, "center-many", Way::PersonalAccessToken, 80, 81).await,
    ];
    let names = ["token-one", "token-many", "scoped-many", "client-one", "client-many", "center-one", "center-many"];
    for name in names {
        stage.until_ready(Kind::Connection, name).await;
        stage.until_ready(Kind::Binding, name).await;
    }
    // The binding counts settle within two seconds.
    for name in names {
        let counted = |seen: &Seen| seen.0["status"]["bindings"]["accepted"] == 1;
        stage.until(Kind::Connection, name, "counted", counted).await;
    }
    tokio::time::sleep(QUIET).await;
    let before = join_all(names.map(|name| stage.get(Kind::Connection, name))).await;

    let (mark, audit) = (stage.simulator().journal().mark(), stage.mark().await);
    // An interval is 54 to 66 seconds, so each answer grows old once and none twice.
    tokio::time::sleep(Duration::from_secs(72)).await;

    for Steady { site, most } in &all {
        let requests = checks(site, mark);
        println!("{}: {} requests in an interval", site.name, requests.len());
        assert!((1..=*most).contains(&requests.len()), "{}: {:#?}", site.name, list(&requests));
        assert!(requests.iter().any(|entry| entry.path.ends_with("/myself")), "{:#?}", list(&requests));
    }
    let calls = stage.audit(audit).await;
    assert_eq!(calls.writes(), 0, "{:#?}", calls.0);
    assert_eq!(calls.reads("secrets"), 0, "{:#?}", calls.0);
    assert_eq!(calls.0.len(), 0, "{:#?}", calls.0);
    let after = join_all(names.map(|name| stage.get(Kind::Connection, name))).await;
    assert_eq!(after, before);
}

#[tokio::test]
async fn what_concerns_no_value_in_use_costs_no_request_and_no_write() {
    let stage = Stage::open("touched").await;
    let site = stage.connect("acme", Way::PersonalAccessToken, &["WEB"]).await;
    stage.until_ready(Kind::Connection, "acme").await;
    tokio::time::sleep(QUIET).await;
    let before = stage.get(Kind::Connection, "acme").await;

    let touches = [
        json!({ "stringData": { "unrelated": "value" } }),
        json!({ "metadata": { "labels": { "team": "web" } } }),
        json!({ "metadata": { "annotations": { "note": "touched" } } }),
    ];
    for touch in touches {
        let (mark, audit) = (stage.simulator().journal().mark(), stage.mark().await);
        stage.merge_core("Secret", "acme", touch.clone()).await;
        tokio::time::sleep(QUIET).await;
        assert_eq!(list(&site.requests(mark)), [""; 0], "after {touch}");
        let calls = stage.audit(audit).await;
        assert_eq!(calls.writes(), 0, "after {touch}: {:#?}", calls.0);
        assert!(calls.reads("secrets") <= 1, "after {touch}: {:#?}", calls.0);
    }
    // Labels and annotations of the connection itself are nobody's wish for a check either.
    let (mark, audit) = (stage.simulator().journal().mark(), stage.mark().await);
    stage.merge(Kind::Connection, "acme", json!({ "metadata": { "labels": { "team": "web" } } })).await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(list(&site.requests(mark)), [""; 0]);
    assert_eq!(stage.audit(audit).await.0.len(), 0);
    assert_eq!(stage.get(Kind::Connection, "acme").await.0["status"], before.0["status"]);
}

/// How many passes over a kind the operator has made so far.
async fn passes(kind: Kind) -> u64 {
    let metrics = operator().await.metrics().await.unwrap();
    let of = |line: &&str| line.starts_with("jira_operator_passes_total") && line.contains(kind.as_str());
    metrics.lines().filter(of).map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn no_pass_is_woken_by_a_write_of_its_own() {
    let stage = Stage::alone("woken").await;
    let site = stage.site("jira", Way::PersonalAccessToken, &["WEB"]);
    stage.secret("acme", site.credential()).await;
    tokio::time::sleep(QUIET).await;

    let before = passes(Kind::Connection).await;
    stage.apply(Kind::Connection, "acme", site.spec("acme")).await;
    stage.until_ready(Kind::Connection, "acme").await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(passes(Kind::Connection).await - before, 1);

    let before = (passes(Kind::Connection).await, passes(Kind::Binding).await);
    let spec = json!({ "connectionRef": { "name": "acme" }, "workspace": "web", "projects": [{ "key": "WEB" }] });
    stage.apply(Kind::Binding, "web", spec).await;
    stage.until_ready(Kind::Binding, "web").await;
    tokio::time::sleep(QUIET).await;
    let after = (passes(Kind::Connection).await, passes(Kind::Binding).await);
    println!("a binding: {} passes of the connection, {} of the binding", after.0 - before.0, after.1 - before.1);
    // The connection looks at what is asked of it, and later at the counts; the binding when it is there, and when it is proven.
    assert!(after.0 - before.0 <= 2 && after.1 - before.1 <= 2, "{before:?} became {after:?}");

    let before = after;
    stage
        .merge(Kind::Connection, "acme", json!({ "metadata": { "annotations": { crds::REQUESTED_AT: "now" } } }))
        .await;
    let echoed = |seen: &Seen| seen.0["status"]["lastHandledRequestedAt"] == "now";
    stage.until(Kind::Connection, "acme", "echoed", echoed).await;
    tokio::time::sleep(QUIET).await;
    let after = (passes(Kind::Connection).await, passes(Kind::Binding).await);
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 0));
}

#[tokio::test]
async fn a_restart_writes_nothing_where_everything_is_ready_and_asks_within_the_interval() {
    let stage = Stage::alone("restart").await;
    let ways = [
        ("center", Way::PersonalAccessToken),
        ("token", Way::ApiToken),
        ("scoped", Way::ScopedApiToken),
        ("client", Way::ClientCredentials),
    ];
    let mut sites = Vec::new();
    for (name, way) in ways {
        sites.push(stage.connect(name, way, &["WEB"]).await);
        stage.merge(Kind::Connection, name, json!({ "spec": { "checks": { "interval": "1m" } } })).await;
        let spec = json!({ "connectionRef": { "name": name }, "workspace": "web", "projects": [{ "key": "WEB" }] });
        stage.apply(Kind::Binding, name, spec).await;
    }
    for (name, _) in ways {
        stage.until_ready(Kind::Binding, name).await;
        let counted = |seen: &Seen| seen.0["status"]["bindings"]["accepted"] == 1;
        stage.until(Kind::Connection, name, "counted", counted).await;
    }
    tokio::time::sleep(QUIET).await;

    let (mark, audit) = (stage.simulator().journal().mark(), stage.mark().await);
    operator().await.restart().await.unwrap();
    let (restarted, mut silent) = (Instant::now(), sites.iter().collect::<Vec<_>>());
    while !silent.is_empty() {
        silent.retain(|site| !site.requests(mark).iter().any(|entry| entry.path.ends_with("/myself")));
        let names: Vec<_> = silent.iter().map(|site| &site.name).collect();
        assert!(restarted.elapsed() < Duration::from_secs(60) + QUIET, "nobody asked {names:?} anything");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(QUIET).await;
    // Without namespaces, too: other tests of this binary are not under way.
    let calls = stage.audit_everywhere(audit).await;
    assert_eq!(calls.writes(), 0, "{:#?}", calls.0.iter().filter(|call| call.verb == "patch").collect::<Vec<_>>());
    let read = calls.0.iter().filter(|call| call.resource.as_deref() == Some("secrets") && call.verb == "get").count();
    assert_eq!(read, ways.len(), "each Secret is looked at once, and at once");
}

async fn counts_of_bindings() {
    let stage = Stage::open("counts").await;
    stage.connect("acme", Way::PersonalAccessToken, &["WEB"]).await;
    stage.until_ready(Kind::Connection, "acme").await;
    let audit = stage.mark().await;
    for burst in 0..3 {
        for number in 0..15 {
            let spec =
                json!({ "connectionRef": { "name": "acme" }, "workspace": "web", "projects": [{ "key": "WEB" }] });
            stage.apply(Kind::Binding, &format!("web-{burst}-{number}"), spec).await;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let calls = stage.audit(audit).await;
    assert_eq!(calls.status_writes(Kind::Connection, None), 1);
    // One write and one Event for each binding.
    assert_eq!(calls.status_writes(Kind::Binding, None), 45);

    let counted = |seen: &Seen| seen.0["status"]["bindings"]["accepted"] == 45;
    stage.until_within(Duration::from_secs(70), Kind::Connection, "acme", "counted", counted).await;
    assert_eq!(stage.audit(audit).await.status_writes(Kind::Connection, None), 2);
}

/// Follows a kind in the namespace of a test until it is dropped, and counts the changes of status of each object.
async fn status_changes(stage: &Stage, kind: Kind, end: impl Future<Output = ()>) -> BTreeMap<String, usize> {
    let resource = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(crds::GROUP, "v1alpha1", kind.as_str()),
        kind.plural(),
    );
    let api: Api<DynamicObject> = Api::namespaced_with(stage.client.clone(), &stage.namespace, &resource);
    let (mut known, mut changes) = (BTreeMap::new(), BTreeMap::new());
    let mut end = pin!(end);
    let mut events = pin!(api.watch(&WatchParams::default(), "0").await.unwrap());
    loop {
        let event = tokio::select! {
            biased;
            Some(event) = events.next() => event.unwrap(),
            () = &mut end => return changes,
        };
        if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event {
            let name = object.metadata.name.unwrap();
            let status = object.data["status"].clone();
            if known.insert(name.clone(), status.clone()).is_some_and(|before| before != status) {
                *changes.entry(name).or_default() += 1;
            }
        }
    }
}

#[tokio::test]
async fn every_write_of_a_status_changes_it() {
    let stage = Stage::open("changes").await;
    let audit = stage.mark().await;
    let (done, connections_done) = tokio::sync::oneshot::channel::<()>();
    let (over, bindings_done) = tokio::sync::oneshot::channel::<()>();
    let finished = |done: tokio::sync::oneshot::Receiver<()>| async { drop(done.await) };

    let story = async {
        let site = stage.connect("acme", Way::PersonalAccessToken, &["WEB", "APP"]).await;
        for name in ["web", "app"] {
            let spec =
                json!({ "connectionRef": { "name": "acme" }, "workspace": name, "projects": [{ "key": "WEB" }] });
            stage.apply(Kind::Binding, name, spec).await;
        }
        stage.until_ready(Kind::Binding, "web").await;
        stage.secret("acme", json!({ "token": "wrong" })).await;
        stage.until_reason(Kind::Connection, "acme", "CredentialsRejected").await;
        stage.until(Kind::Binding, "web", "not ready", |seen| !seen.is("Ready")).await;
        stage.secret("acme", site.credential()).await;
        stage.until_ready(Kind::Binding, "web").await;
        stage.remove("Secret", "acme").await;
        stage.until_reason(Kind::Connection, "acme", "SecretNotFound").await;
        stage.secret("acme", site.credential()).await;
        stage.until_ready(Kind::Connection, "acme").await;
        let mut spec = site.spec("acme");
        spec["permissions"] = json!({ "projects": ["APP"] });
        stage.apply(Kind::Connection, "acme", spec.clone()).await;
        stage.until_ready(Kind::Connection, "acme").await;
        spec["suspend"] = json!(true);
        stage.apply(Kind::Connection, "acme", spec.clone()).await;
        stage.until(Kind::Connection, "acme", "suspended", |seen| seen.is("Suspended")).await;
        spec["suspend"] = json!(false);
        stage.apply(Kind::Connection, "acme", spec).await;
        stage.until(Kind::Connection, "acme", "resumed", |seen| !seen.is("Suspended") && seen.is("Ready")).await;
        stage.until_ready(Kind::Binding, "app").await;
        tokio::time::sleep(QUIET).await;
        let calls = stage.audit(audit).await;
        drop((done, over));
        calls
    };
    let (calls, connections, bindings) = tokio::join!(
        story,
        status_changes(&stage, Kind::Connection, finished(connections_done)),
        status_changes(&stage, Kind::Binding, finished(bindings_done)),
    );
    for (kind, changes) in [(Kind::Connection, connections), (Kind::Binding, bindings)] {
        println!("{kind:?}: {changes:?}");
        for (name, count) in changes {
            assert_eq!(calls.status_writes(kind, Some(&name)), count, "{kind:?} {name}: {:#?}", calls.0);
        }
    }
}
