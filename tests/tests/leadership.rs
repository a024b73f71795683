//! Two operators on one control plane: one works, the other stands by and takes over, whatever becomes of the first.
//!
//! Each has a service account of its own, so the audit log tells who has written what.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use rstest::rstest;
use serde_json::json;
use tests::{
    controlplane::{self, AuditEvent, AuditMark, Component},
    jira::{self, Fault, Mark, Rule},
    operator::{Error, Operator, Settings, rights_of},
    stage::{Kind, Site, Stage, Way},
};

const NAMESPACE: &str = "jira-connection-operator";
const LEASE: &str = "jira-connection-operator";

const DURATION: Duration = Duration::from_secs(4);
const RENEW_DEADLINE: Duration = Duration::from_secs(3);
const RETRY_PERIOD: Duration = Duration::from_millis(400);

/// What requests and a busy machine may add.
const SLACK: Duration = Duration::from_millis(1_600);

const POLL: Duration = Duration::from_millis(25);

fn settings<'a>(stage: &Stage, account: &str) -> Settings<'a> {
    let arguments = [
        "--leader-election".to_owned(),
        format!("--lease-duration={}ms", DURATION.as_millis()),
        format!("--lease-renew-deadline={}ms", RENEW_DEADLINE.as_millis()),
        format!("--lease-retry-period={}ms", RETRY_PERIOD.as_millis()),
    ];
    let settings = Settings::for_simulator(stage.control_plane, jira::shared()).as_account(account);
    Settings { arguments: arguments.to_vec(), ..settings }
}

fn leases(stage: &Stage) -> Api<Lease> {
    Api::namespaced(stage.client.clone(), NAMESPACE)
}

/// A stage without operators, and without a Lease of earlier ones.
async fn stage(prefix: &str) -> Stage {
    let stage = Stage::without_operator(prefix).await;
    match leases(&stage).delete(LEASE, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        deleted => drop(deleted.unwrap()),
    }
    stage
}

/// The first leads, the second is ready and stands by.
async fn pair(stage: &Stage) -> [Operator; 2] {
    let first = Operator::start(settings(stage, "replica-a")).await.unwrap();
    until_leading(&first, SLACK).await;
    let second = Operator::start(settings(stage, "replica-b")).await.unwrap();
    assert!(leads(&first).await && !leads(&second).await, "a standby is ready and does not lead");
    [first, second]
}

async fn leads(operator: &Operator) -> bool {
    let metrics = operator.metrics().await.unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix("jira_operator_leader "));
    match line {
        Some("1") => true,
        Some("0") => false,
        other => panic!("jira_operator_leader is {other:?}"),
    }
}

/// Whether it has finished a pass since it was started.
async fn works(operator: &Operator) -> bool {
    operator.metrics().await.unwrap().lines().any(|line| line.starts_with("jira_operator_passes_total{"))
}

/// Whether it tells how connections stand.
async fn tells(operator: &Operator) -> bool {
    operator.metrics().await.unwrap().lines().any(|line| line.starts_with("jira_operator_connection_ready{"))
}

/// Waits until it leads, and returns for how long.
async fn until_leading(operator: &Operator, limit: Duration) -> Duration {
    let started = Instant::now();
    while !leads(operator).await {
        assert!(started.elapsed() < limit, "does not lead after {limit:?}:\n{}", operator.output());
        tokio::time::sleep(POLL).await;
    }
    started.elapsed()
}

/// What an account has written since `mark`, the Lease apart.
async fn writes(stage: &Stage, account: &str, mark: AuditMark) -> Vec<AuditEvent> {
    stage.mark().await;
    let events = stage.control_plane.audit().since(mark).await.unwrap();
    let by = |event: &AuditEvent| event.is_by_service_account(NAMESPACE, account);
    let reads = |event: &AuditEvent| ["get", "list", "watch"].contains(&event.verb.as_str());
    let of_lease = |event: &AuditEvent| event.resource.as_deref() == Some("leases");
    events.into_iter().filter(|event| by(event) && !reads(event) && !of_lease(event)).collect()
}

/// How late Jira answers the last question of the passes that [`begun`] begins: before a first check is announced in the status.
const LATE: Duration = Duration::from_millis(1_500);

/// Makes connections, and returns when a pass over each waits for its last answer, after which it writes the status.
async fn begun(stage: &Stage, names: &[String]) {
    let mut sites = Vec::new();
    for name in names {
        let site = stage.site(name, Way::PersonalAccessToken, &["WEB"]);
        let late = Fault::Slow { millis: u64::try_from(LATE.as_millis()).unwrap() };
        stage.simulator().fault(&site.name, Rule::every(late).on("/rest/api/2/mypermissions").first(1)).unwrap();
        stage.secret(name, site.credential()).await;
        sites.push((name, site));
    }
    for (name, site) in &sites {
        stage.apply(Kind::Connection, name, site.spec(name)).await;
    }
    let asked = |site: &Site| site.requests(Mark::default()).iter().any(|entry| entry.path.ends_with("/myself"));
    let started = Instant::now();
    while !sites.iter().all(|(_, site)| asked(site)) {
        assert!(started.elapsed() < LATE, "the passes do not come that far");
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn one_works_and_when_it_is_killed_the_other_takes_over_within_the_lease() {
    let stage = stage("killed").await;
    let mark = stage.mark().await;
    let [first, second] = pair(&stage).await;
    stage.connect("acme", Way::PersonalAccessToken, &["WEB"]).await;
    stage.until_ready(Kind::Connection, "acme").await;
    assert!(!writes(&stage, "replica-a", mark).await.is_empty());
    assert_eq!(writes(&stage, "replica-b", mark).await, [], "a standby writes nothing");
    assert!(works(&first).await);
    assert!(tells(&first).await && !tells(&second).await, "a series that two replicas tell could contradict itself");
    assert!(!works(&second).await, "a standby runs no passes");

    first.kill().await.unwrap();
    stage.connect("meanwhile", Way::PersonalAccessToken, &["WEB"]).await;
    let passed = until_leading(&second, DURATION + RETRY_PERIOD + SLACK).await;
    assert!(passed + RENEW_DEADLINE > DURATION, "the lease was still the other's: {passed:?}");
    stage.until_ready(Kind::Connection, "meanwhile").await;
    let mine = writes(&stage, "replica-b", mark).await;
    assert!(
        mine.iter().all(|write| write.name.as_deref() != Some("acme")),
        "what holds is not written again: {mine:#?}"
    );
    assert_eq!(second.stop().await.unwrap(), Some(0));
    assert_eq!(leases(&stage).get(LEASE).await.unwrap().spec.unwrap().holder_identity, None);
}

#[tokio::test]
async fn a_leader_that_is_asked_to_end_finishes_its_passes_and_hands_over_at_once() {
    let stage = stage("asked").await;
    let [first, second] = pair(&stage).await;
    let mark = stage.mark().await;
    begun(&stage, &["acme".to_owned()]).await;
    assert_eq!(first.stop().await.unwrap(), Some(0));
    let ended = Instant::now();
    until_leading(&second, RETRY_PERIOD + SLACK).await;
    println!("taken over after {:?}", ended.elapsed());
    stage.until_ready(Kind::Connection, "acme").await;
    let status = |writes: &[AuditEvent]| writes.iter().any(|write| write.subresource.as_deref() == Some("status"));
    assert!(status(&writes(&stage, "replica-a", mark).await), "the pass under way was finished");

    // A standby that is asked to end leaves the lease alone.
    first.restart().await.unwrap();
    assert_eq!(first.stop().await.unwrap(), Some(0));
    assert!(leads(&second).await);
}

#[tokio::test]
async fn a_leader_that_was_stopped_for_longer_than_its_lease_writes_no_more_and_ends() {
    let stage = stage("stopped").await;
    let [first, second] = pair(&stage).await;
    // Passes of the first wait for Jira, and their answers are there when it goes on.
    let mark = stage.mark().await;
    let names: Vec<_> = (0..12).map(|number| format!("acme-{number}")).collect();
    begun(&stage, &names).await;
    first.pause().unwrap();
    assert_eq!(writes(&stage, "replica-a", mark).await, [], "the passes must be under way");
    until_leading(&second, DURATION + RETRY_PERIOD + SLACK).await;
    for name in &names {
        stage.until_ready(Kind::Connection, name).await;
    }

    first.resume().unwrap();
    assert_eq!(first.ended(SLACK).await.unwrap(), Some(1));
    assert!(first.output().contains("leadership was lost"), "{}", first.output());
    assert_eq!(writes(&stage, "replica-a", mark).await, [], "another one is the leader");
    assert!(leads(&second).await);

    first.restart().await.unwrap();
    assert!(!leads(&first).await && leads(&second).await, "it comes back as a standby");
}

#[tokio::test]
async fn without_the_api_server_a_leader_ends_and_a_standby_is_not_ready_until_it_leads() {
    let stage = stage("unreachable").await;
    let [first, second] = pair(&stage).await;
    stage.connect("acme", Way::PersonalAccessToken, &["WEB"]).await;
    stage.until_ready(Kind::Connection, "acme").await;
    stage.control_plane.kill(Component::Apiserver).await.unwrap();
    assert_eq!(first.ended(RENEW_DEADLINE + RETRY_PERIOD + SLACK).await.unwrap(), Some(1));
    let output = first.output();
    assert!(output.contains("the Lease jira-connection-operator/jira-connection-operator was not renewed"), "{output}");
    until_unready(&second, "the Lease jira-connection-operator/jira-connection-operator cannot be read or written")
        .await;
    assert!(second.is_running());

    stage.control_plane.restart(Component::Apiserver).await.unwrap();
    until_leading(&second, DURATION + RETRY_PERIOD + SLACK).await;
    // It works on what it had read before the outage, though its watches may not have come back yet.
    let started = Instant::now();
    while !works(&second).await {
        assert!(started.elapsed() < 2 * DURATION, "it leads and does not work:\n{}", second.output());
        tokio::time::sleep(POLL).await;
    }
}

async fn until_unready(operator: &Operator, why: &str) {
    let started = Instant::now();
    loop {
        let (status, text) = operator.readiness().await.unwrap();
        if status == 503 && text.contains(why) {
            return;
        }
        assert!(started.elapsed() < 2 * DURATION, "{status} {text}, expected {why}");
        tokio::time::sleep(POLL).await;
    }
}

/// Of the right that is left out it depends which Lease is there.
#[rstest]
#[case::get("get", None)]
#[case::create("create", None)]
#[case::update("update", Some(json!({ "leaseDurationSeconds": 1 })))]
#[tokio::test]
async fn without_a_right_on_the_lease_an_operator_says_so_and_is_not_ready(
    #[case] missing: &str,
    #[case] lease: Option<serde_json::Value>,
) {
    let stage = stage("rights").await;
    let account = format!("without-{missing}");
    let rights = rights_of(&account);
    let role = rights.split("\n---\n").find(|object| object.contains(r#""kind":"Role""#)).unwrap();
    let verb = format!("{missing:?}");
    assert!(role.contains(&verb), "{role}");
    // Another right in its place, because a rule cannot be without verbs.
    let rights = rights.replace(role, &role.replace(&verb, r#""deletecollection""#));
    if let Some(spec) = lease {
        stage.control_plane.apply_yaml(&rights).await.unwrap();
        let lease = serde_json::from_value(json!({ "metadata": { "name": LEASE }, "spec": spec })).unwrap();
        leases(&stage).create(&PostParams::default(), &lease).await.unwrap();
    }
    let operator = Operator::start_unready(Settings { rights, ..settings(&stage, &account) }).await.unwrap();
    until_unready(&operator, "get, create and update of leases.coordination.k8s.io are needed").await;
    tokio::time::sleep(4 * RETRY_PERIOD).await;
    let told = operator.output().lines().filter(|line| line.contains("not taking part in the election")).count();
    assert_eq!(told, 1, "the log says it, and not with every attempt:\n{}", operator.output());
    assert!(!leads(&operator).await);

    // It takes part as soon as it may.
    stage.control_plane.apply_yaml(&rights_of(&account)).await.unwrap();
    until_leading(&operator, DURATION + RETRY_PERIOD + SLACK).await;
    assert_eq!(operator.readiness().await.unwrap().0, 200);
}

#[tokio::test]
async fn periods_that_do_not_fit_together_are_refused_with_the_flag_to_change() {
    let settings =
        Settings { arguments: vec!["--lease-duration=10s".to_owned()], ..Settings::new(controlplane::shared().await) };
    let error = Operator::start(settings).await.unwrap_err();
    let Error::Ended { status, output } = error else { panic!("{error}") };
    assert_eq!(status, Some(1));
    assert!(output.contains("--lease-renew-deadline must be shorter than --lease-duration"), "{output}");
}
