//! How connections and bindings stand, made anew from the stores whenever somebody asks: a series cannot outlive its object.

use std::{collections::HashMap, sync::Arc};

use crds::{Condition, JiraConnection, State, WorkspaceBinding};
use kube::{ResourceExt, core::DeserializeGuard};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{
    catalogue::{self, register},
    empty,
};
use crate::{
    acceptance,
    condition::{self, About, Truth},
    instance::Sharing,
    proof::ConnectionName,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConnectionLabels {
    namespace: String,
    connection: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BindingLabels {
    namespace: String,
    binding: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConnectionStateLabels {
    #[prometheus(flatten)]
    object: ConnectionLabels,
    state: &'static str,
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BindingStateLabels {
    #[prometheus(flatten)]
    object: BindingLabels,
    state: &'static str,
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabels {
    #[prometheus(flatten)]
    object: ConnectionLabels,
    condition: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AcceptanceLabels {
    #[prometheus(flatten)]
    object: ConnectionLabels,
    accepted: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ScopeLabels {
    #[prometheus(flatten)]
    object: ConnectionLabels,
    scope: &'static str,
}

/// Conditions that are there only while they are true.
const PASSING: [About; 8] = [
    About::Reconciling,
    About::Stalled,
    About::RateLimited,
    About::CredentialsExpiring,
    About::DuplicateInstance,
    About::Deprecated,
    About::PersonalAccount,
    About::Suspended,
];

/// `Ready` of an object.
fn ready(conditions: &[Condition]) -> i64 {
    i64::from(condition::is(conditions, About::Ready, Truth::True))
}

/// Its state, and the reason of `Ready`.
fn standing(state: Option<State>, conditions: &[Condition]) -> (&'static str, String) {
    let reason = condition::find(conditions, About::Ready).map_or(UNTOLD, |ready| &ready.reason);
    (state.map_or(UNTOLD, State::as_str), reason.to_owned())
}

/// In place of a state or reason that nobody has told.
const UNTOLD: &str = "None";

pub(super) fn registry(
    connections: &[Arc<DeserializeGuard<JiraConnection>>],
    bindings: &[Arc<DeserializeGuard<WorkspaceBinding>>],
    sharing: impl Fn(&ConnectionName) -> Sharing,
) -> Registry {
    let mut registry = empty();
    of_connections(&mut registry, connections, &acceptances(bindings), sharing);
    of_bindings(&mut registry, bindings);
    registry
}

fn of_connections(
    registry: &mut Registry,
    connections: &[Arc<DeserializeGuard<JiraConnection>>],
    acceptances: &HashMap<(ConnectionName, bool), i64>,
    sharing: impl Fn(&ConnectionName) -> Sharing,
) {
    let (are_ready, standings) = (Family::<ConnectionLabels, Gauge>::default(), Family::<_, Gauge>::default());
    let (passing, bindings) =
        (Family::<ConditionLabels, Gauge>::default(), Family::<AcceptanceLabels, Gauge>::default());
    let duplicates = Family::<ScopeLabels, Gauge>::default();
    for stored in connections {
        let name = (stored.namespace().unwrap_or_default(), stored.name_any());
        let object = ConnectionLabels { namespace: name.0.clone(), connection: name.1.clone() };
        let status = stored.0.as_ref().ok().and_then(|connection| connection.status.as_ref());
        let conditions = status.map_or(&[][..], |status| &status.conditions);
        are_ready.get_or_create(&object).set(ready(conditions));
        let (state, reason) = standing(status.and_then(|status| status.state), conditions);
        standings.get_or_create(&ConnectionStateLabels { object: object.clone(), state, reason }).set(1);
        for about in PASSING.into_iter().filter(|about| condition::is(conditions, *about, Truth::True)) {
            passing.get_or_create(&ConditionLabels { object: object.clone(), condition: about.as_str() }).set(1);
        }
        for (accepted, label) in [(true, "true"), (false, "false")] {
            let count = acceptances.get(&(name.clone(), accepted)).copied().unwrap_or_default();
            bindings.get_or_create(&AcceptanceLabels { object: object.clone(), accepted: label }).set(count);
        }
        let Sharing { here, elsewhere } = sharing(&name);
        for (scope, count) in [("own_namespace", here.len()), ("other_namespaces", elsewhere)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            duplicates.get_or_create(&ScopeLabels { object: object.clone(), scope }).set(count);
        }
    }
    register(registry, &catalogue::CONNECTION_READY, are_ready);
    register(registry, &catalogue::CONNECTION_STATE, standings);
    register(registry, &catalogue::CONNECTION_CONDITION, passing);
    register(registry, &catalogue::CONNECTION_BINDINGS, bindings);
    register(registry, &catalogue::CONNECTION_DUPLICATES, duplicates);
}

fn of_bindings(registry: &mut Registry, bindings: &[Arc<DeserializeGuard<WorkspaceBinding>>]) {
    let (are_ready, standings) = (Family::<BindingLabels, Gauge>::default(), Family::<_, Gauge>::default());
    for stored in bindings {
        let object = BindingLabels { namespace: stored.namespace().unwrap_or_default(), binding: stored.name_any() };
        let status = stored.0.as_ref().ok().and_then(|binding| binding.status.as_ref());
        let conditions = status.map_or(&[][..], |status| &status.conditions);
        are_ready.get_or_create(&object).set(ready(conditions));
        let (state, reason) = standing(status.and_then(|status| status.state), conditions);
        standings.get_or_create(&BindingStateLabels { object, state, reason }).set(1);
    }
    register(registry, &catalogue::BINDING_READY, are_ready);
    register(registry, &catalogue::BINDING_STATE, standings);
}

/// How many bindings each connection accepts, and how many it refuses. A binding about which nothing was said yet is in neither.
fn acceptances(bindings: &[Arc<DeserializeGuard<WorkspaceBinding>>]) -> HashMap<(ConnectionName, bool), i64> {
    let mut counts = HashMap::new();
    for binding in bindings.iter().filter_map(|stored| stored.0.as_ref().ok()) {
        let conditions = binding.status.as_ref().map_or(&[][..], |status| &status.conditions);
        let accepted = match condition::find(conditions, About::Accepted).map(|it| it.status.as_str()) {
            Some("True") => true,
            Some("False") => false,
            Some(_) | None => continue,
        };
        *counts.entry((acceptance::named_connection(binding), accepted)).or_default() += 1;
    }
    counts
}

#[cfg(test)]
pub(super) mod tests {
    use prometheus_client::encoding::text;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn connection(name: &str, status: &Value) -> Arc<DeserializeGuard<JiraConnection>> {
        let object = json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
            "metadata": { "name": name, "namespace": "platform" },
            "spec": { "url": "https://jira.example", "deployment": "Cloud", "auth": {} }, "status": status,
        });
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn binding(name: &str, connection: &str, status: &Value) -> Arc<DeserializeGuard<WorkspaceBinding>> {
        let object = json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "WorkspaceBinding",
            "metadata": { "name": name, "namespace": "web" },
            "spec": { "connectionRef": { "name": connection, "namespace": "platform" }, "workspace": "w", "projects": [] },
            "status": status,
        });
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn says(state: &str, conditions: &[(&str, &str, &str)]) -> Value {
        let condition = |(about, status, reason): &(&str, &str, &str)| json!({ "type": about, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-11-24T12:00:00Z" });
        json!({ "state": state, "conditions": conditions.iter().map(condition).collect::<Vec<_>>() })
    }

    /// One of everything.
    pub(in crate::metrics) fn sample() -> Registry {
        let verified = ("Ready", "True", "ConnectionVerified");
        let connections = [
            connection("acme", &says("Authorized", &[verified, ("DuplicateInstance", "True", "SameJira")])),
            connection("old", &says("Interrupted", &[("Ready", "False", "Unreachable"), ("Stalled", "False", "X")])),
            connection("new", &json!({})),
        ];
        let bindings = [
            binding(
                "web",
                "acme",
                &says("Authorized", &[("Ready", "True", "BindingVerified"), ("Accepted", "True", "Accepted")]),
            ),
            binding(
                "app",
                "acme",
                &says("Authorized", &[("Ready", "False", "NotPermitted"), ("Accepted", "False", "NotPermitted")]),
            ),
            binding("lost", "nowhere", &says("Authorized", &[("Accepted", "False", "NotPermitted")])),
        ];
        registry(&connections, &bindings, |name| match name.1.as_str() {
            "acme" => Sharing { here: ["old".to_owned()].into(), elsewhere: 2 },
            _ => Sharing::default(),
        })
    }

    #[rstest]
    #[case::ready("connection_ready", &["acme} 1", "old} 0", "new} 0"])]
    #[case::state("connection_state", &["acme,Authorized,ConnectionVerified} 1", "old,Interrupted,Unreachable} 1", "new,None,None} 1"])]
    #[case::conditions("connection_condition", &["acme,DuplicateInstance} 1"])]
    #[case::bindings("connection_bindings", &["acme,true} 1", "acme,false} 1", "old,true} 0", "old,false} 0", "new,true} 0", "new,false} 0"])]
    #[case::duplicates("connection_duplicates", &["acme,own_namespace} 1", "acme,other_namespaces} 2", "old,own_namespace} 0", "old,other_namespaces} 0", "new,own_namespace} 0", "new,other_namespaces} 0"])]
    #[case::binding("binding_ready", &["web} 1", "app} 0", "lost} 0"])]
    #[case::binding_state("binding_state", &["web,Authorized,BindingVerified} 1", "app,Authorized,NotPermitted} 1", "lost,Authorized,None} 1"])]
    fn what_stands_is_shown(#[case] metric: &str, #[case] expected: &[&str]) {
        let mut exposition = String::new();
        text::encode_registry(&mut exposition, &sample()).unwrap();
        let series =
            exposition.lines().filter_map(|line| line.strip_prefix(&format!("jira_operator_{metric}{{namespace=")));
        // Of each series the values of the labels after the namespace.
        let mut found: Vec<_> = series
            .map(|line| {
                line.split(',')
                    .skip(1)
                    .map(|it| it.split_once('=').unwrap().1.replace('"', ""))
                    .collect::<Vec<_>>()
                    .join(",")
            })
            .collect();
        let mut expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{exposition}");
    }
}
