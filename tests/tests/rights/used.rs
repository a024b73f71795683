//! Each right that the chart gives is used by an operator that does all that it can do, and it asks for nothing else.
//!
//! So a right that is taken from the chart makes a request fail here, and one that is added is found to be of no use.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::Method;
use rstest::rstest;
use serde_json::json;
use tests::{
    chart::{Right, granted, rights},
    controlplane::AuditEvent,
    gateway::{Call, Gateway},
    jira,
    operator::{Operator, Settings},
    scene::{self, NAME, Protocol, Scene},
    stage::{ACCOUNT, Kind, Stage},
};

/// Namespace of the operator.
const OWN: &str = "jira-connection-operator";

/// Whether a request needs a right.
fn uses(event: &AuditEvent, right: &Right) -> bool {
    let resource = match (&event.resource, &event.subresource) {
        (Some(resource), Some(subresource)) => format!("{resource}/{subresource}"),
        (Some(resource), None) => resource.clone(),
        (None, _) => return false,
    };
    let there = right.namespace.is_none() || right.namespace == event.namespace;
    there && (&event.group, &resource, &event.verb) == (&right.group, &right.resource, &right.verb)
}

/// All that an operator can do: a connection with a CA, a binding with a Secret for its application, a person who authorises, and a
/// grant that is given back when the connection is deleted.
async fn a_life(scene: &Scene) {
    scene.prepare().await;
    scene.stage.config_map("ca", json!({ "ca.crt": jira::shared().ca_pem() })).await;
    let mut spec = scene.spec();
    spec["tls"] = json!({ "caRef": { "kind": "ConfigMap", "name": "ca", "key": "ca.crt" } });
    spec["deletionPolicy"] = json!("Revoke");
    scene.stage.apply(Kind::Connection, NAME, spec).await;
    let binding = json!({
        "connectionRef": { "name": NAME }, "workspace": "web", "projects": [{ "key": "WEB" }],
        "projection": { "secretName": "web-jira" },
    });
    scene.stage.apply(Kind::Binding, "web", binding).await;
    scene.until_reason("AuthorizationRequired").await;
    scene.authorise(&scene.person(ACCOUNT), "a-key").await;
    scene.stage.until_ready(Kind::Connection, NAME).await;
    scene.stage.until_ready(Kind::Binding, "web").await;
    scene.stage.delete(Kind::Connection, NAME).await;
    scene.until_gone().await;
    scene.stage.until_reason(Kind::Binding, "web", "NotPermitted").await;
}

/// Reads of all Secrets or ConfigMaps at once.
fn of_collections(calls: &[(String, bool)]) -> Vec<&(String, bool)> {
    calls.iter().filter(|(path, _)| path.ends_with("/secrets") || path.ends_with("/configmaps")).collect()
}

#[rstest]
#[case::of_the_cluster("cluster", false)]
#[case::of_one_namespace("namespace", true)]
#[tokio::test]
async fn each_right_is_used_nothing_else_is_asked_for_and_of_secrets_only_metadata_is_watched(
    #[case] account: &str,
    #[case] bounded: bool,
) {
    let stage = Stage::without_operator("used").await;
    let namespaces = if bounded { vec![stage.namespace.as_str()] } else { Vec::new() };
    let rights = rights(account, &namespaces).await.unwrap();
    let mut arguments = vec![
        format!("--public-url={}", scene::public_url()),
        format!("--pages-address=127.0.0.1:{}", scene::port()),
        "--leader-election".to_owned(),
        format!("--lease-name={account}"),
    ];
    arguments.extend(namespaces.iter().map(|namespace| format!("--watch-namespaces={namespace}")));

    let reads = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&reads);
    let witness = move |call: &Call, _status| {
        if call.method == Method::GET {
            let read = (call.path.clone(), call.metadata_only);
            note.lock().unwrap_or_else(PoisonError::into_inner).push(read);
        }
    };
    let gateway = Gateway::start(stage.control_plane, witness).unwrap();
    let mark = stage.mark().await;
    let settings = Settings::for_simulator(stage.control_plane, jira::shared()).through(&gateway);
    let settings = Settings { account: account.to_owned(), rights: rights.clone(), arguments, ..settings };
    let operator = Operator::start(settings).await.unwrap();
    let scene = Scene::on(stage, Protocol::Center, |_| {}, |_| {});
    a_life(&scene).await;
    assert_eq!(operator.stop().await.unwrap(), Some(0));

    scene.stage.mark().await;
    let events = scene.stage.control_plane.audit().since(mark).await.unwrap();
    let events: Vec<_> = events.into_iter().filter(|event| event.is_by_service_account(OWN, account)).collect();
    let granted = granted(&rights);
    let unused: Vec<_> = granted.iter().filter(|right| !events.iter().any(|event| uses(event, right))).collect();
    assert_eq!(unused, Vec::<&Right>::new(), "rights that nothing needs");
    let refused: Vec<_> = events.iter().filter(|event| event.code == Some(403)).collect();
    assert_eq!(refused, Vec::<&AuditEvent>::new(), "requests without a right");

    let reads = reads.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let collections = of_collections(&reads);
    // A list and a watch of both.
    assert!(collections.len() >= 4, "{collections:?}");
    assert!(collections.iter().all(|(_, metadata_only)| *metadata_only), "{collections:?}");
}
