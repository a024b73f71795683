//! The independent reader: what must hold after every round, read from the API server, its audit log, the journal of the Jiras,
//! and what the operator has printed. It shares nothing with the operator but the names of its fields.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _, api::ListParams};
use serde_json::{Map, Value, json};
use tests::{
    canary::forms,
    controlplane::{AuditEvent, AuditMark},
    jira::digest,
    scene::NAME,
    stage::{Kind, Seen, Site, Stage},
};

use super::{
    act::CONNECTIONS,
    ground::Ground,
    world::{FOREIGN, World},
};

/// The Secrets that the operator makes for the connection that a person authorises.
const OWNED: [&str; 2] = [".jira-authorization", ".jira-grant"];

/// The statuses of a world without what depends on when and where things happened, as text that is the same for the same end.
pub async fn essence(world: &World) -> BTreeMap<String, Value> {
    let objects = world.objects().await;
    let named = objects.into_iter().map(|(kind, name, seen)| {
        let text = placeless(world, &status(&seen).to_string());
        (format!("{} {name}", kind.as_str()), serde_json::from_str(&text).unwrap())
    });
    named.collect()
}

/// Whether a status says the last word on what people want.
pub fn is_final(seen: &Seen) -> bool {
    let asked = &seen.0["metadata"]["annotations"][crds::REQUESTED_AT];
    let handled = asked.is_null() || *asked == seen.0["status"]["lastHandledRequestedAt"];
    seen.is_observed() && handled && !["", "Progressing"].contains(&seen.reason())
}

fn status(seen: &Seen) -> Value {
    let mut status = seen.0["status"].clone();
    status["observedGeneration"] = json!(seen.is_observed());
    status["lastHandledRequestedAt"] = Value::Null;
    for observed in status["credentials"]["observed"].as_array_mut().into_iter().flatten() {
        observed["resourceVersion"] = Value::Null;
    }
    // Each connection has a key pair of its own.
    if let Some(key) = status.pointer_mut("/authorization/publicKey") {
        *key = Value::Null;
    }
    // What a binding was found to reach in better times stays there, if there were any.
    if seen.reason() == "ConnectionNotReady" {
        for detail in ["projects", "projectsSummary", "missingSummary"] {
            status[detail] = Value::Null;
        }
    }
    // A refusal that has stood for two minutes is stalled.
    let patient = seen.reason() == "NotPermitted";
    let conditions = status["conditions"].as_array().into_iter().flatten().filter_map(|condition| {
        let kind = condition["type"].as_str()?.to_owned();
        let of_time = patient && ["Reconciling", "Stalled"].contains(&kind.as_str());
        (!of_time).then(|| (kind, json!([condition["status"], condition["reason"], condition["message"]])))
    });
    status["conditions"] = Value::Object(conditions.collect::<Map<_, _>>());
    status
}

/// Without the names and addresses that a world has by chance.
fn placeless(world: &World, text: &str) -> String {
    let sites = world.instances().fold(text.to_owned(), |text, site| {
        let cloud_id = world.stage.simulator().instance(&site.name).ok();
        let cloud_id = cloud_id.as_ref().and_then(|instance| instance.cloud_id()).unwrap_or("no Cloud id").to_owned();
        text.replace(site.host(), "HOST").replace(&cloud_id, "CLOUD-ID")
    });
    sites.replace(&world.stage.namespace, "NAMESPACE")
}

/// What the end of several worlds comes down to: states and reasons, as other words for the same are no other end.
pub fn digested(ends: &[BTreeMap<String, Value>]) -> String {
    let core = |status: &Value| {
        let conditions = CORE.map(|kind| json!([status["conditions"][kind][0], status["conditions"][kind][1]]));
        json!([status["observedGeneration"], status["state"], conditions])
    };
    let ends = ends.iter().map(|end| end.iter().map(|(name, status)| (name, core(status))).collect::<BTreeMap<_, _>>());
    digest(serde_json::to_string(&ends.collect::<Vec<_>>()).unwrap().as_bytes())
}

/// The conditions that say how a connection or a binding stands.
const CORE: [&str; 6] = ["Ready", "Authorized", "Accepted", "CredentialsResolved", "Reachable", "PermissionsGranted"];

/// Where a reading begins: in the audit log, and in what the operator has printed.
#[derive(Clone, Debug)]
pub struct Bookmark {
    audit: AuditMark,
    output: Vec<usize>,
}

impl Bookmark {
    pub async fn at_the_end(ground: &Ground) -> Self {
        let output = ground.replicas.each().map(|replica| replica.output().len()).collect();
        Self { audit: ground.stage.mark().await, output }
    }
}

/// Checks all that holds of every history, whatever befell.
pub async fn judge(ground: &Ground, worlds: &[World], from: Bookmark) {
    let calls = ground.stage.audit_everywhere(from.audit).await.0;
    for world in worlds {
        tokens_are_kept(ground, world).await;
        foreign_secrets_are_left_alone(world, &calls);
    }
    nothing_is_told(ground, worlds, from).await;
    let output = ground.replicas.output();
    assert_eq!(output.lines().find(|line| line.contains("panicked")), None::<&str>);
}

/// No token is shown to Jira after its successor was stored, none is used before it was, and what was stored last is there.
async fn tokens_are_kept(ground: &Ground, world: &World) {
    let Some(scene) = &world.scene else { return };
    let (late, early) = (ground.ledger.late(scene), ground.ledger.early(scene));
    assert_eq!(late, [0; 0], "{}: tokens sent after their successor was stored", world.stage.namespace);
    assert_eq!(early, [0; 0], "{}: tokens used before they were stored", world.stage.namespace);
    assert!(ground.ledger.is_complete(scene).await, "{}: not what was stored last", world.stage.namespace);
}

/// Only Secrets that a connection refers to are read, and only those that the operator makes are written.
fn foreign_secrets_are_left_alone(world: &World, calls: &[AuditEvent]) {
    let owned = OWNED.map(|end| format!("{NAME}{end}"));
    let referenced = CONNECTIONS.into_iter().chain(["app", "gate"]);
    let known: BTreeSet<_> = referenced.map(str::to_owned).chain(owned.clone()).collect();
    let here = |call: &&AuditEvent| {
        call.resource.as_deref() == Some("secrets") && call.namespace.as_deref() == Some(&world.stage.namespace)
    };
    for call in calls.iter().filter(here) {
        let named = |names: &dyn Fn(&String) -> bool| call.name.as_ref().is_some_and(names);
        let allowed = match call.verb.as_str() {
            "get" => named(&|name| known.contains(name)),
            // The name of what is created stands in the body.
            "create" => world.scene.is_some() && call.name.is_none() || named(&|name| owned.contains(name)),
            _ => named(&|name| owned.contains(name)),
        };
        assert!(allowed, "a Secret that is not the operator's business: {call:?}");
    }
    assert!(!known.contains(FOREIGN));
}

/// No secret is to be seen in the log, in an Event, in a status, or in the metrics.
async fn nothing_is_told(ground: &Ground, worlds: &[World], from: Bookmark) {
    let outputs = ground.replicas.each().zip(from.output).map(|(replica, from)| replica.output().split_off(from));
    let mut seen = outputs.collect::<Vec<_>>();
    seen.push(ground.replicas.leader().await.metrics().await.unwrap_or_default());
    for world in worlds {
        seen.extend(world.stage.events().await.iter().map(Value::to_string));
        seen.extend(world.objects().await.iter().map(|(_, _, seen)| seen.0["status"].to_string()));
    }
    for world in worlds {
        for secret in secrets(world).await {
            for form in forms(&secret) {
                let told = seen.iter().find_map(|text| text.lines().find(|line| line.contains(&form)));
                assert_eq!(told, None, "a secret of {} is told", world.stage.namespace);
            }
        }
    }
}

/// Every value that nobody may see: of the credentials, and of the grant.
async fn secrets(world: &World) -> Vec<String> {
    let api: Api<Secret> = Api::namespaced(world.stage.client.clone(), &world.stage.namespace);
    let mut secrets: Vec<_> = world.sites.values().map(Site::token).collect();
    let Some(scene) = &world.scene else { return secrets };
    secrets.push(scene.client_secret());
    let grant = api.get_opt(&format!("{NAME}.jira-grant")).await.unwrap();
    for value in grant.and_then(|secret| secret.data).unwrap_or_default().into_values() {
        let Ok(value) = serde_json::from_slice::<Value>(&value.0) else { continue };
        let tokens = value["tokens"].as_object().into_iter().flatten().filter(|(name, _)| name.contains("oken"));
        secrets.extend(tokens.filter_map(|(_, token)| token.as_str()).filter(|it| 12 < it.len()).map(str::to_owned));
    }
    secrets
}

/// Secrets of the operator whose connection is gone.
pub async fn orphans(stage: &Stage) -> Vec<String> {
    let secrets: Vec<Secret> = Api::all(stage.client.clone()).list(&ListParams::default()).await.unwrap().items;
    let owned = secrets.iter().map(|secret| (secret.namespace().unwrap_or_default(), secret.name_any()));
    let mut orphans = Vec::new();
    for (namespace, name) in owned.filter(|(_, name)| OWNED.iter().any(|end| name.ends_with(end))) {
        let connection = name.rsplit_once('.').map_or("", |(connection, _)| connection);
        if !stage.within(&namespace).exists(Kind::Connection, connection).await {
            orphans.push(format!("{namespace}/{name}"));
        }
    }
    orphans
}
