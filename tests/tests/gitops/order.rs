//! Manifests applied in every order.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
    runtime::{WatchStreamExt as _, watcher},
};
use rstest::rstest;
use serde_json::{Value, json};
use tests::{
    stage::{Kind, Seen, Site, Stage, Way},
    verdict::Tool::{self, ArgoCd, Flux, FluxConditions, FluxExpressions, Kstatus},
};

/// How many orders are tried at a time.
const AT_ONCE: usize = 12;

/// Far above what it takes, so that a loaded machine is no failure.
const LIMIT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(50);

/// One thing to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Connection,
    Secret,
    Binding,
    /// The ConfigMap with the authority of Jira's certificate.
    Authority,
    /// The label of the binding's namespace, by which the connection allows it.
    Label,
}

/// How the steps follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// One after the other, without a pause.
    AtOnce,
    /// Each when the operator has looked at what is there.
    Watched,
}

fn permutations(steps: &[Step]) -> Vec<Vec<Step>> {
    if steps.is_empty() {
        return vec![Vec::new()];
    }
    let first = |at: usize| {
        let mut rest = steps.to_vec();
        let first = rest.remove(at);
        permutations(&rest).into_iter().map(move |rest| [vec![first], rest].concat())
    };
    (0..steps.len()).flat_map(first).collect()
}

/// Every version of the objects of a kind in a namespace, from now on.
#[derive(Clone, Default)]
struct Versions(Arc<Mutex<Vec<Value>>>);

impl Versions {
    /// Returns when nothing that happens from now on is missed.
    async fn follow(&self, stage: &Stage, kind: Kind) {
        let kind = GroupVersionKind::gvk(crds::GROUP, "v1alpha1", kind.as_str());
        let api = Api::<DynamicObject>::namespaced_with(
            stage.client.clone(),
            &stage.namespace,
            &ApiResource::from_gvk(&kind),
        );
        let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
        while !matches!(events.next().await, Some(Ok(watcher::Event::InitDone))) {}
        let versions = self.clone();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                // A listing anew, after a failure, would pass over versions.
                let watcher::Event::Apply(object) = event.unwrap() else { panic!("nothing is deleted here") };
                versions.0.lock().unwrap_or_else(PoisonError::into_inner).push(serde_json::to_value(object).unwrap());
            }
        });
    }

    /// What was seen, each version under a name of its own.
    fn named(&self, order: usize) -> Vec<Value> {
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (number, version) in versions.iter_mut().enumerate() {
            version["metadata"]["name"] = json!(format!("order-{order}-version-{number}"));
        }
        versions
    }
}

/// One order, in namespaces of its own.
struct Attempt<'a> {
    platform: &'a Stage,
    team: &'a Stage,
    site: Site,
}

impl Attempt<'_> {
    async fn apply(&self, step: Step, steps: &[Step]) {
        match step {
            Step::Connection => {
                let mut spec = self.site.spec("acme");
                let selector = json!({ "from": "Selector", "selector": { "matchLabels": { "team": "web" } } });
                let namespaces = if steps.contains(&Step::Label) { selector } else { json!({ "from": "All" }) };
                let all = json!({ "from": "All" });
                spec["allowedWorkspaces"] = json!([{ "namespaces": namespaces, "workspaces": all, "projects": all }]);
                if steps.contains(&Step::Authority) {
                    spec["tls"] = json!({ "caRef": { "kind": "ConfigMap", "name": "ca", "key": "ca.crt" } });
                }
                self.platform.apply(Kind::Connection, "acme", spec).await;
            }
            Step::Secret => self.platform.secret("acme", self.site.credential()).await,
            Step::Binding => {
                let connection = json!({ "name": "acme", "namespace": self.platform.namespace });
                let spec = json!({ "connectionRef": connection, "workspace": "web", "projects": [{ "key": "WEB" }] });
                self.team.apply(Kind::Binding, "web", spec).await;
            }
            Step::Authority => {
                self.platform.config_map("ca", json!({ "ca.crt": self.platform.simulator().ca_pem() })).await;
            }
            Step::Label => {
                let patch = Patch::Merge(json!({ "metadata": { "labels": { "team": "web" } } }));
                let namespaces = Api::<Namespace>::all(self.team.client.clone());
                namespaces.patch(&self.team.namespace, &PatchParams::default(), &patch).await.unwrap();
            }
        }
    }

    /// Waits until the operator has said something of everything that is there.
    async fn looked_at(&self) {
        let told = |seen: &Seen| seen.is_observed() && seen.condition("Ready").is_some();
        for (stage, kind, name) in [(self.platform, Kind::Connection, "acme"), (self.team, Kind::Binding, "web")] {
            if stage.exists(kind, name).await {
                stage.until_within(LIMIT, kind, name, "looked at", told).await;
            }
        }
    }
}

/// Applies everything in an order, and returns each version of both objects that there was until both are ready.
async fn attempt(order: usize, steps: &[Step], pace: Pace) -> Vec<Value> {
    let platform = Stage::open("order").await;
    let team = platform.within(&platform.control_plane.namespace("team").await.unwrap());
    let site = platform.site("jira", Way::PersonalAccessToken, &["WEB"]);
    let attempt = Attempt { platform: &platform, team: &team, site };
    let versions = Versions::default();
    versions.follow(&platform, Kind::Connection).await;
    versions.follow(&team, Kind::Binding).await;
    for step in steps {
        attempt.apply(*step, steps).await;
        if pace == Pace::Watched {
            attempt.looked_at().await;
        }
    }
    let ready = |seen: &Seen| seen.is_observed() && seen.is("Ready");
    let connection = platform.until_within(LIMIT, Kind::Connection, "acme", "ready", ready).await;
    let binding = team.until_within(LIMIT, Kind::Binding, "web", "ready", ready).await;
    let last = [connection, binding];
    let started = Instant::now();
    // The watch may be behind.
    loop {
        let seen = versions.named(order);
        let told = |last: &Seen| {
            seen.iter().any(|it| it["metadata"]["resourceVersion"] == last.0["metadata"]["resourceVersion"])
        };
        if last.iter().all(told) {
            return seen;
        }
        assert!(started.elapsed() < LIMIT, "the versions are not told: {seen:#?}");
        tokio::time::sleep(POLL).await;
    }
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// What a tool says against versions that are on their way: one line for each.
fn failures(tool: &Tool, versions: &[Value]) -> Vec<String> {
    let verdicts = tool.verdicts(versions);
    assert_eq!(verdicts.len(), versions.len(), "{tool} must judge every version");
    let bad = verdicts.into_iter().filter(|(_, verdict)| {
        !["InProgress", "Current", "Progressing", "Healthy", "Suspended", ""].contains(&verdict.as_str())
    });
    bad.map(|(version, verdict)| format!("{tool} says {verdict} of {version}")).collect()
}

#[rstest]
#[case::with_an_authority_in_one_go(&[Step::Connection, Step::Secret, Step::Binding, Step::Authority], Pace::AtOnce)]
#[case::with_an_authority(&[Step::Connection, Step::Secret, Step::Binding, Step::Authority], Pace::Watched)]
#[case::with_a_labelled_namespace(&[Step::Connection, Step::Secret, Step::Binding, Step::Label], Pace::Watched)]
#[tokio::test]
async fn manifests_applied_in_any_order_get_ready_without_a_failure_in_between(
    #[case] steps: &[Step],
    #[case] pace: Pace,
) {
    let orders = permutations(steps);
    assert_eq!(orders.len(), 24);
    let versions: Vec<_> = stream::iter(orders.iter().enumerate())
        .map(|(number, steps)| attempt(number, steps, pace))
        .buffer_unordered(AT_ONCE)
        .concat()
        .await;
    println!("{} versions of {} orders", versions.len(), orders.len());

    let stalled: Vec<_> = versions.iter().filter(|it| condition(it, "Stalled").is_some()).collect();
    assert_eq!(stalled, Vec::<&Value>::new());
    let mut wrong = Vec::new();
    for tool in [Kstatus, Flux, FluxExpressions, ArgoCd] {
        wrong.extend(failures(&tool, &versions));
    }
    // Flux's rules are for those who have written a status.
    let observed = |it: &&Value| it["status"]["observedGeneration"] == it["metadata"]["generation"];
    let observed: Vec<_> = versions.iter().filter(observed).cloned().collect();
    wrong.extend(failures(&FluxConditions, &observed));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let waited = |it: &&Value| ["SecretNotFound", "NotPermitted", "ConnectionNotReady"].map(Some).contains(&reason(it));
    let waited = versions.iter().filter(waited).count();
    assert!(pace == Pace::AtOnce || orders.len() < waited, "only {waited} versions waited for something");
}

fn reason(object: &Value) -> Option<&str> {
    condition(object, "Ready")?["reason"].as_str()
}
