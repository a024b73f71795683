//! The operator as a process: it starts with the rights of `config/rbac.yaml`, ends when asked to, and comes back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::time::{Duration, Instant};

use hyper::Method;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use rstest::rstest;
use serde_json::{Value, json};
use tests::{
    controlplane,
    gateway::{self, Fate, Gateway},
    jira::{self, Fault, Mark, Rule},
    operator::{Error, Operator, Settings},
    scene,
    stage::{Kind, Seen, Stage, Way},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Long enough for what comes after everything is ready, and for a pass that should not happen.
const QUIET: Duration = Duration::from_secs(4);

#[tokio::test]
async fn the_operator_ends_on_sigterm_and_comes_back_after_sigkill() {
    let operator = Operator::start(Settings::new(controlplane::shared().await)).await.unwrap();
    assert!(operator.is_running());
    assert!(operator.metrics().await.unwrap().contains("jira_operator"));
    let first = operator.output();

    operator.kill().await.unwrap();
    assert!(!operator.is_running());
    assert!(matches!(operator.metrics().await, Err(Error::NotRunning)));

    operator.restart().await.unwrap();
    assert!(operator.is_running());
    assert!(operator.output().len() > first.len(), "the output of all runs is kept");
    assert_eq!(std::fs::read_to_string(operator.log()).unwrap(), operator.output());

    assert_eq!(operator.stop().await.unwrap(), Some(0));
    assert!(matches!(operator.stop().await, Err(Error::NotRunning)));
}

#[tokio::test]
async fn an_operator_that_refuses_its_arguments_is_reported_with_what_it_said() {
    let settings = Settings { check_interval: Some("1s".to_owned()), ..Settings::new(controlplane::shared().await) };
    let error = Operator::start(settings).await.unwrap_err();
    let Error::Ended { status, output } = error else { panic!("{error}") };
    assert_eq!(status, Some(1));
    assert!(output.contains("--check-interval must be between 1m and 24h"), "{output}");
}

/// What keeps an operator busy when it is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hindrance {
    /// A Jira that does not answer, which a connection gives a minute.
    Jira,
    /// An API server that does not take the status of a pass.
    Status,
    /// An API server that takes nothing about the Lease any more, and a Jira that does not answer.
    Lease,
    /// A visitor of the pages who holds a connection.
    Visitor,
    /// An API server that lists nothing, so that the operator has not begun.
    Listing,
}

/// Far above what it takes to get into the way.
const LIMIT: Duration = Duration::from_secs(30);

/// What a pod is given in any case.
const GRACE: Duration = Duration::from_secs(10);

#[rstest]
#[case::a_jira(Hindrance::Jira, false)]
#[case::the_status(Hindrance::Status, false)]
#[case::the_lease(Hindrance::Lease, true)]
#[case::a_visitor(Hindrance::Visitor, false)]
#[case::the_first_listing(Hindrance::Listing, false)]
#[tokio::test]
async fn the_operator_ends_in_time_whatever_hangs(#[case] hindrance: Hindrance, #[case] election: bool) {
    let stage = Stage::without_operator("hanging").await;
    let gateway = Gateway::start(stage.control_plane, |_, _| {}).unwrap();
    let hold = |method, path: &str| gateway.set(gateway::Rule::on(method, path, Fate::Hold(gateway::Way::There)));
    let mut arguments =
        vec![format!("--public-url={}", scene::public_url()), format!("--pages-address=127.0.0.1:{}", scene::port())];
    if election {
        // The lease outlasts the test: what is tried is that giving it back takes no longer than it may.
        arguments.extend(["--leader-election", "--lease-duration=2m", "--lease-renew-deadline=1m"].map(str::to_owned));
    }
    let settings = Settings::for_simulator(stage.control_plane, jira::shared()).through(&gateway);
    let settings = Settings { arguments, ..settings };
    let listing = (hindrance == Hindrance::Listing).then(|| hold(Method::GET, "/jiraconnections"));
    let operator = match &listing {
        Some(listing) => {
            let operator = Operator::start_unready(settings).await.unwrap();
            listing.struck(1).await;
            assert_eq!(operator.readiness().await.unwrap().0, 503);
            operator
        }
        None => Operator::start(settings).await.unwrap(),
    };

    let site = stage.site("acme", Way::PersonalAccessToken, &["WEB"]);
    let mut spec = site.spec("acme");
    spec["checks"]["timeout"] = json!("1m");
    stage.secret("acme", site.credential()).await;
    if matches!(hindrance, Hindrance::Jira | Hindrance::Lease) {
        stage.simulator().fault(&site.name, Rule::every(Fault::NeverAnswer)).unwrap();
    }
    let status = (hindrance == Hindrance::Status).then(|| hold(Method::PATCH, "/status"));
    stage.apply(Kind::Connection, "acme", spec).await;
    let mut visitor = None;
    match hindrance {
        Hindrance::Jira => asked(&site).await,
        Hindrance::Status => status.as_ref().unwrap().struck(1).await,
        Hindrance::Lease => {
            asked(&site).await;
            hold(Method::PUT, "/leases/jira-connection-operator").struck(1).await;
        }
        Hindrance::Visitor => visitor = Some(half_a_request().await),
        Hindrance::Listing => {}
    }

    let started = Instant::now();
    let status = operator.stop().await.unwrap();
    let passed = started.elapsed();
    println!("{hindrance:?}: ended after {passed:?}");
    assert!(passed < GRACE, "{passed:?}");
    assert!(status == Some(0), "{status:?}: {}", operator.output());
    drop(visitor);
}

#[tokio::test]
async fn a_change_is_worked_on_while_the_only_place_for_all_others_is_taken() {
    let stage = Stage::without_operator("backlog").await;
    let settings = Settings::for_simulator(stage.control_plane, jira::shared());
    let settings = Settings { arguments: vec!["--concurrency=1".to_owned()], ..settings };
    let operator = Operator::start(settings).await.unwrap();
    stage.connect("good", Way::PersonalAccessToken, &["WEB"]).await;
    stage.until_ready(Kind::Connection, "good").await;
    operator.stop().await.unwrap();

    let mut hanging = Vec::new();
    for name in ["one", "two", "three"] {
        let site = stage.site(name, Way::PersonalAccessToken, &["WEB"]);
        stage.simulator().fault(&site.name, Rule::every(Fault::NeverAnswer)).unwrap();
        stage.secret(name, site.credential()).await;
        let mut spec = site.spec(name);
        spec["checks"]["timeout"] = json!("1m");
        stage.apply(Kind::Connection, name, spec).await;
        hanging.push(site);
    }
    operator.restart().await.unwrap();
    let started = Instant::now();
    while hanging.iter().all(|site| site.requests(Mark::default()).is_empty()) {
        assert!(started.elapsed() < LIMIT, "no Jira is asked");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let wish = json!({ "metadata": { "annotations": { crds::REQUESTED_AT: "now" } } });
    stage.merge(Kind::Connection, "good", wish).await;
    let echoed = |seen: &Seen| seen.0["status"]["lastHandledRequestedAt"] == "now";
    stage.until_within(LIMIT, Kind::Connection, "good", "checked", echoed).await;
    let asked = hanging.iter().filter(|site| !site.requests(Mark::default()).is_empty()).count();
    assert_eq!(asked, 1, "the others wait for their place");
    operator.stop().await.unwrap();
}

/// Waits until the operator has asked a Jira.
#[tokio::test]
async fn a_label_costs_a_pass_only_where_it_lets_a_binding_in_or_out() {
    let stage = Stage::without_operator("labels").await;
    let settings = Settings::for_simulator(stage.control_plane, jira::shared());
    let settings = Settings { arguments: vec![format!("--watch-namespaces={}", stage.namespace)], ..settings };
    let operator = Operator::start(settings).await.unwrap();
    let namespaces = Api::<Namespace>::all(stage.client.clone());
    let label = async |labels: Value| {
        let patch = Patch::Merge(json!({ "metadata": { "labels": labels } }));
        namespaces.patch(&stage.namespace, &PatchParams::default(), &patch).await.unwrap();
    };
    label(json!({ "team": "web" })).await;
    let site = stage.site("acme", Way::PersonalAccessToken, &["WEB"]);
    stage.secret("acme", site.credential()).await;
    let (mut spec, all) = (site.spec("acme"), json!({ "from": "All" }));
    let selected = json!({ "from": "Selector", "selector": { "matchLabels": { "team": "web" } } });
    spec["allowedWorkspaces"] = json!([{ "namespaces": selected, "workspaces": all, "projects": all }]);
    stage.apply(Kind::Connection, "acme", spec).await;
    let bound = json!({ "connectionRef": { "name": "acme" }, "workspace": "web", "projects": [{ "key": "WEB" }] });
    stage.apply(Kind::Binding, "web", bound).await;
    stage.until_ready(Kind::Binding, "web").await;
    tokio::time::sleep(QUIET).await;

    let passes = async || {
        let metrics = operator.metrics().await.unwrap();
        let counted = |line: &&str| line.starts_with("jira_operator_passes_total{");
        metrics.lines().filter(counted).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let before = passes().await;
    assert!(!before.is_empty());
    label(json!({ "weather": "fine" })).await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(passes().await, before);
    label(json!({ "team": null })).await;
    stage.until_reason(Kind::Binding, "web", "NotPermitted").await;
    assert_ne!(passes().await, before);
    operator.stop().await.unwrap();
}

async fn asked(site: &tests::stage::Site) {
    let started = Instant::now();
    while site.requests(Mark::default()).is_empty() {
        assert!(started.elapsed() < LIMIT, "Jira is not asked");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// Somebody who has had an answer from the pages, and begins another request without an end.
async fn half_a_request() -> TcpStream {
    let mut visitor = TcpStream::connect(("127.0.0.1", scene::port())).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nHost: localhost:{}\r\n", scene::port());
    visitor.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    visitor.read_exact(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 "), "{answer:?}");
    visitor.write_all(head.as_bytes()).await.unwrap();
    visitor
}
