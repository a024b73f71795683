//! The operator is killed again and again while everything changes; what it says in the end is what it would say without.
//!
//! The order of changes and the moments of the kills follow from a seed, which is printed and can be given in `SEED`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use k8s_openapi::api::{
    core::v1::{Namespace, Secret as StoredSecret},
    rbac::v1::ClusterRole,
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tests::{
    controlplane::AuditMark,
    dice::{self, Dice},
    jira::Mutation,
    stage::{ACCOUNT, Kind, Seen, Site, Stage, Way, operator},
};

/// How many changes are made.
const CHANGES: usize = 50;

/// How long the last word may take: counts of bindings are written alone at most once a minute.
const SETTLE: Duration = Duration::from_secs(75);

/// What a team has declared, apart from where.
#[derive(Clone, Debug, Default, PartialEq)]
struct Declared {
    /// Specs of the connections without URL and credential, by name.
    connections: BTreeMap<&'static str, Value>,
    /// Whether the Secret of each connection is there and right.
    secrets: BTreeMap<&'static str, Secret>,
    /// Specs of the bindings without their reference, and the guest namespace that each is in.
    bindings: BTreeMap<String, (usize, &'static str, Value)>,
    /// Label `team` of each guest namespace.
    teams: [&'static str; 2],
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Secret {
    #[default]
    Right,
    Wrong,
    Absent,
}

const CONNECTIONS: [&str; 3] = ["center", "cloud", "second"];
const TEAMS: [&str; 2] = ["web", "app"];
const PROJECTS: [&str; 3] = ["WEB", "APP", "OPS"];

/// Two guest namespaces and the one of the connections.
struct Place<'a> {
    home: &'a Stage,
    guests: [Stage; 2],
}

impl<'a> Place<'a> {
    async fn new(home: &'a Stage) -> Self {
        let guest = async || home.within(&home.control_plane.namespace("guest").await.unwrap());
        Self { home, guests: [guest().await, guest().await] }
    }

    /// Applies all that is declared, and deletes what is not.
    async fn apply(&self, declared: &Declared, before: &Declared, sites: &BTreeMap<&str, Site>) {
        for (guest, team) in self.guests.iter().zip(declared.teams) {
            let patch = json!({ "metadata": { "labels": { "team": team } } });
            let api = Api::<Namespace>::all(guest.client.clone());
            api.patch(&guest.namespace, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        }
        for (name, secret) in &declared.secrets {
            let known = before.secrets.get(name);
            match secret {
                _ if known == Some(secret) => {}
                Secret::Right => self.home.secret(name, sites[name].credential()).await,
                Secret::Wrong => self.home.secret(name, json!({ "token": "wrong" })).await,
                Secret::Absent => self.home.remove("Secret", name).await,
            }
        }
        for (name, spec) in &declared.connections {
            if before.connections.get(name) != Some(spec) {
                let mut whole = sites[name].spec(name);
                for (field, value) in spec.as_object().unwrap() {
                    whole[field] = value.clone();
                }
                self.home.apply(Kind::Connection, name, whole).await;
            }
        }
        for name in before.bindings.keys().filter(|name| !declared.bindings.contains_key(*name)) {
            self.guests[before.bindings[name].0].delete(Kind::Binding, name).await;
        }
        for (name, (guest, connection, spec)) in &declared.bindings {
            if before.bindings.get(name).map(|known| &known.2) != Some(spec) {
                let mut whole = spec.clone();
                whole["connectionRef"] = json!({ "name": connection, "namespace": self.home.namespace });
                self.guests[*guest].apply(Kind::Binding, name, whole).await;
            }
        }
    }

    /// All statuses by name, without what depends on when and in which order things happened.
    async fn statuses(&self, declared: &Declared) -> BTreeMap<String, Value> {
        let mut statuses = BTreeMap::new();
        for name in declared.connections.keys() {
            statuses.insert(format!("connection {name}"), essence(&self.home.get(Kind::Connection, name).await));
        }
        for (name, (guest, ..)) in &declared.bindings {
            statuses.insert(format!("binding {name}"), essence(&self.guests[*guest].get(Kind::Binding, name).await));
        }
        statuses
    }
}

fn essence(seen: &Seen) -> Value {
    let mut status = seen.0["status"].clone();
    let refused = seen.reason() == "NotPermitted";
    let observed = seen.is_observed();
    status["observedGeneration"] = json!(observed);
    if seen.reason() == "ConnectionNotReady" {
        // What was last known of its projects stays, and one that was never ready knows nothing.
        for last_known in ["projects", "projectsSummary", "missingSummary"] {
            status.as_object_mut().unwrap().remove(last_known);
        }
    }
    for observed in status["credentials"]["observed"].as_array_mut().into_iter().flatten() {
        observed["resourceVersion"] = Value::Null;
    }
    let conditions: BTreeMap<_, _> = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        // A refusal that has stood for two minutes is stalled.
        .filter(|condition| !refused || !["Reconciling", "Stalled"].contains(&condition["type"].as_str().unwrap()))
        .map(|condition| {
            (
                condition["type"].as_str().unwrap().to_owned(),
                json!([condition["status"], condition["reason"], condition["message"]]),
            )
        })
        .collect();
    status["conditions"] = json!(conditions);
    status
}

fn index(dice: &mut Dice, bound: usize) -> usize {
    usize::try_from(dice.below(u32::try_from(bound).unwrap())).unwrap()
}

fn allowance(dice: &mut Dice) -> Value {
    let namespaces = match dice.below(3) {
        0 => json!({ "from": "All" }),
        1 => json!({ "from": "Same" }),
        _ => json!({ "from": "Selector", "selector": { "matchLabels": { "team": dice.pick(&TEAMS) } } }),
    };
    let projects = if dice.coin() { json!({ "from": "All" }) } else { json!({ "from": "List", "list": ["WEB"] }) };
    json!([{ "namespaces": namespaces, "workspaces": { "from": "All" }, "projects": projects }])
}

/// Changes one thing that is declared, or one at a Jira.
fn change(
    declared: &mut Declared,
    dice: &mut Dice,
    sites: &BTreeMap<&str, Site>,
    stage: &Stage,
    number: usize,
) -> String {
    let name = dice.pick(&CONNECTIONS);
    let spec = declared.connections.get_mut(name).unwrap();
    match dice.below(9) {
        0 => {
            let (interval, timeout) = (dice.pick(&["1m", "2m", "3m"]), dice.pick(&["5s", "6s"]));
            spec["checks"] = json!({ "interval": interval, "timeout": timeout });
            format!("checks of {name}")
        }
        1 => {
            let projects = &PROJECTS[..index(dice, 4)];
            spec["permissions"] = json!({ "projects": projects });
            format!("permissions of {name}")
        }
        2 => {
            spec["suspend"] = json!(dice.coin());
            format!("suspension of {name}")
        }
        3 => {
            spec["allowedWorkspaces"] = allowance(dice);
            format!("allow-list of {name}")
        }
        4 => {
            let secret = declared.secrets.get_mut(name).unwrap();
            *secret = match (*secret, dice.coin()) {
                (Secret::Right, true) => Secret::Wrong,
                (Secret::Right | Secret::Wrong, false) => Secret::Absent,
                (Secret::Wrong, true) | (Secret::Absent, _) => Secret::Right,
            };
            format!("Secret of {name}: {secret:?}")
        }
        5 => {
            declared.teams = [dice.pick(&TEAMS), dice.pick(&TEAMS)];
            format!("teams {:?}", declared.teams)
        }
        6 => {
            let (project, account) = (dice.pick(&PROJECTS).to_owned(), ACCOUNT.to_owned());
            let permissions = vec!["CREATE_ISSUES".to_owned()];
            let mutation = if dice.coin() {
                Mutation::Grant { project, account, permissions }
            } else {
                Mutation::Revoke { project, account, permissions }
            };
            stage.simulator().mutate(&sites[name].name, &mutation).unwrap();
            format!("{name}: {mutation:?}")
        }
        7 if declared.bindings.len() > 6 => {
            let doomed = declared.bindings.keys().nth(index(dice, declared.bindings.len())).unwrap().clone();
            declared.bindings.remove(&doomed);
            format!("end of binding {doomed}")
        }
        _ => {
            let binding = format!("binding-{number}");
            let projects: Vec<_> = PROJECTS.iter().take(1 + index(dice, 3)).map(|key| json!({ "key": key })).collect();
            let spec = json!({ "workspace": "web", "projects": projects });
            declared.bindings.insert(binding.clone(), (index(dice, 2), name, spec));
            format!("{binding} to {name}")
        }
    }
}

/// What is wrong in the declarations is put right, so that the end does not depend on how long it was wrong.
fn mend(declared: &mut Declared) {
    declared.secrets.values_mut().for_each(|secret| *secret = Secret::Right);
    declared.connections.values_mut().for_each(|spec| spec["suspend"] = json!(false));
}

async fn ask_for_a_check(place: &Place<'_>) {
    for name in CONNECTIONS {
        let wish = json!({ "metadata": { "annotations": { crds::REQUESTED_AT: "at the end" } } });
        place.home.merge(Kind::Connection, name, wish).await;
    }
}

async fn killed_while_everything_changes(stage: &Stage) {
    let seed = dice::seed();
    println!("SEED={seed}");
    let mut dice = Dice::new(seed);
    let ways = [Way::PersonalAccessToken, Way::ApiToken, Way::PersonalAccessToken];
    let sites: BTreeMap<_, _> =
        CONNECTIONS.into_iter().zip(ways).map(|(name, way)| (name, stage.site(name, way, &PROJECTS))).collect();
    let mut declared = Declared {
        secrets: CONNECTIONS.map(|name| (name, Secret::Right)).into(),
        bindings: BTreeMap::new(),
        teams: TEAMS,
        connections: CONNECTIONS.map(|name| (name, json!({ "allowedWorkspaces": allowance(&mut dice) }))).into(),
    };
    // One connection reads a ConfigMap too.
    let bundle = json!({ "caRef": { "kind": "ConfigMap", "name": "ca", "key": "ca.crt" } });
    declared.connections.get_mut("second").unwrap()["tls"] = bundle;

    let (place, started) = (Place::new(stage).await, Instant::now());
    stage.config_map("ca", json!({ "ca.crt": stage.simulator().ca_pem() })).await;
    place.apply(&declared, &Declared::default(), &sites).await;
    let mut kills = 0;
    for number in 0..CHANGES {
        let before = declared.clone();
        let what = change(&mut declared, &mut dice, &sites, stage, number);
        place.apply(&declared, &before, &sites).await;
        let pause = dice.time(400);
        println!("{:>6} ms  {what}, then {} ms", started.elapsed().as_millis(), pause.as_millis());
        tokio::time::sleep(pause).await;
        if dice.coin() {
            operator().await.restart().await.unwrap();
            kills += 1;
        }
    }
    println!("{kills} kills in {} s", started.elapsed().as_secs());
    let before = declared.clone();
    mend(&mut declared);
    place.apply(&declared, &before, &sites).await;
    operator().await.restart().await.unwrap();
    ask_for_a_check(&place).await;

    // The same end without a history.
    let other = stage.within(&stage.control_plane.namespace("undisturbed").await.unwrap());
    let undisturbed = Place::new(&other).await;
    other.config_map("ca", json!({ "ca.crt": stage.simulator().ca_pem() })).await;
    undisturbed.apply(&declared, &Declared::default(), &sites).await;
    ask_for_a_check(&undisturbed).await;

    let settling = Instant::now();
    loop {
        let (one, two) = (place.statuses(&declared).await, undisturbed.statuses(&declared).await);
        let told = one
            .values()
            .all(|status| status["observedGeneration"] == true && status["conditions"]["Ready"] != Value::Null);
        if one == two && told {
            println!("the same after {} s", settling.elapsed().as_secs());
            let reasons: Vec<_> =
                one.iter().map(|(name, status)| format!("{name}: {}", status["conditions"]["Ready"][1])).collect();
            println!("{reasons:#?}");
            return;
        }
        if settling.elapsed() > SETTLE {
            let different = one.iter().filter(|(name, status)| two[*name] != **status);
            for (name, status) in different {
                println!("{name} after kills: {status:#}\n{name} undisturbed: {:#}", two[name]);
            }
            panic!("SEED={seed}: the statuses differ");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Verb, group and resource of each right of the operator.
fn rights() -> BTreeSet<(String, String, String)> {
    let mut rights = BTreeSet::new();
    for document in serde_yaml::Deserializer::from_str(include_str!("../../config/rbac.yaml")) {
        let object = Value::deserialize(document).unwrap();
        if object["kind"] != "ClusterRole" {
            continue;
        }
        let role: ClusterRole = serde_json::from_value(object).unwrap();
        for rule in role.rules.unwrap() {
            for group in rule.api_groups.iter().flatten() {
                for resource in rule.resources.iter().flatten() {
                    let right = |verb: &String| (verb.clone(), group.clone(), resource.clone());
                    rights.extend(rule.verbs.iter().map(right));
                }
            }
        }
    }
    assert!(rights.len() > 8, "{rights:?}");
    rights
}

/// What only connections need that a person authorises: two Secrets, and a finalizer.
async fn a_person_is_waited_for(stage: &Stage) {
    let site = stage.site("by-a-person", Way::PersonalAccessToken, &[]);
    let spec = json!({
        "url": site.url,
        "deployment": "DataCenter",
        "auth": { "oauth1": { "consumerKey": "operator", "consumerName": "Operator" } },
        "deletionPolicy": "Revoke",
    });
    stage.apply(Kind::Connection, "by-a-person", spec).await;
    let finalized = |seen: &Seen| {
        seen.reason() == "AuthorizationRequired" && seen.0["metadata"]["finalizers"][0] == "issuetracking.dev/revoke"
    };
    stage.until(Kind::Connection, "by-a-person", "a person is waited for", finalized).await;
    let wish = json!({ "stringData": { "revoke": "2026-01-01T00:00:00Z" } });
    stage.merge_core("Secret", "by-a-person.jira-authorization", wish).await;
    let started = Instant::now();
    let secrets: Api<StoredSecret> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let answered = async || {
        let secret = secrets.get("by-a-person.jira-authorization").await.unwrap();
        secret.data.unwrap_or_default().contains_key("revoked")
    };
    while !answered().await {
        assert!(started.elapsed() < Duration::from_secs(20), "the wish to end the grant is not answered");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stage.delete(Kind::Connection, "by-a-person").await;
}

/// What only bindings need that have a projected Secret.
async fn a_secret_is_projected_and_taken_back(stage: &Stage) {
    stage.connect("projecting", Way::PersonalAccessToken, &["WEB"]).await;
    let spec = json!({
        "connectionRef": { "name": "projecting" }, "workspace": "web", "projects": [{ "key": "WEB" }],
        "projection": { "secretName": "projected" },
    });
    stage.apply(Kind::Binding, "projecting", spec).await;
    let names = |seen: &Seen| seen.0["status"]["binding"]["name"] == "projected";
    stage.until(Kind::Binding, "projecting", "with a Secret", names).await;
    stage.merge(Kind::Binding, "projecting", json!({ "spec": { "projection": null } })).await;
    let without = |seen: &Seen| seen.is_observed() && seen.0["status"]["binding"].is_null();
    stage.until(Kind::Binding, "projecting", "without a Secret", without).await;
}

#[tokio::test]
async fn kills_lose_nothing_and_the_rights_are_just_enough() {
    let stage = Stage::alone("crash").await;
    killed_while_everything_changes(&stage).await;

    a_person_is_waited_for(&stage).await;
    a_secret_is_projected_and_taken_back(&stage).await;

    let calls = stage.audit_everywhere(AuditMark::default()).await.0;
    let refused: Vec<_> = calls.iter().filter(|call| call.code == Some(403)).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let used: BTreeSet<_> = calls
        .iter()
        .map(|call| {
            let resource = call.resource.clone().unwrap_or_default();
            let resource = call.subresource.as_ref().map_or(resource.clone(), |sub| format!("{resource}/{sub}"));
            (call.verb.clone(), call.group.clone(), resource)
        })
        .collect();
    let unused: Vec<_> = rights().difference(&used).cloned().collect();
    assert!(unused.is_empty(), "rights that nothing needs: {unused:#?}");
    let output = operator().await.output();
    assert_eq!(output.lines().find(|line| line.contains("panicked")), None);
}
