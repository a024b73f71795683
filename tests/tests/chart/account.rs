//! The operator's own account: what it needs works, and nothing else does.

use std::collections::BTreeSet;

use kube::Client;
use rstest::rstest;
use serde_json::{Value, json};
use tests::{
    chart::{granted, template},
    controlplane,
    stage::{Kind, Seen, Stage, Way},
};

use super::{
    act::{Act, Answer, act, assert_all, eventually, furnished, install, uids},
    manifests,
    release::define_own_kinds,
};

/// Which namespaces the operator works in.
#[derive(Clone, Copy, Debug)]
enum Reach {
    Cluster,
    Namespace,
}

impl Reach {
    fn values(self, namespace: &str) -> String {
        match self {
            Self::Cluster => String::new(),
            Self::Namespace => format!("watchNamespaces: [{namespace}]"),
        }
    }
}

/// Everything that the operator asks for in the namespace that it works in and in its own.
fn needs(reach: Reach, namespace: &str, own: &str, [connection_uid, binding_uid]: [&str; 2]) -> Vec<Act> {
    let (group, core) = ("/apis/issuetracking.dev/v1alpha1", "/api/v1");
    let all = match reach {
        Reach::Cluster => String::new(),
        Reach::Namespace => format!("/namespaces/{namespace}"),
    };
    let namespaces = match reach {
        Reach::Cluster => format!("{core}/namespaces"),
        Reach::Namespace => format!("{core}/namespaces?fieldSelector=metadata.name%3D{namespace}"),
    };
    let status = json!({ "status": { "observedGeneration": 1 } });
    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{own}/leases");
    let lease = json!({ "metadata": { "name": own } });
    let secrets = format!("{core}/namespaces/{namespace}/secrets");
    let mut acts = vec![
        act("list", &namespaces),
        act("watch", namespaces),
        act("get", format!("{secrets}/credential")),
        act("get", format!("{core}/namespaces/{namespace}/configmaps/ca")),
        act("create", &secrets).with(grant_secret(connection_uid)),
        act("patch", format!("{secrets}/acme.jira-grant")).with(json!({ "data": { "claim": "" } })),
        act("create", &secrets).with(projected_secret(binding_uid)),
        act("patch", format!("{secrets}/web-jira")).with(json!({ "data": { "projects": "V0VC" } })),
        act("delete", format!("{secrets}/web-jira")),
        act("patch", format!("{group}/namespaces/{namespace}/jiraconnections/acme"))
            .with(json!({ "metadata": { "finalizers": ["issuetracking.dev/revoke"] } })),
        act("create", format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events")).with(event(namespace)),
        act("create", &leases).with(lease.clone()),
        act("get", format!("{leases}/{own}")),
        act("update", format!("{leases}/{own}")).with(lease),
    ];
    for (kind, name) in [("jiraconnections", "acme"), ("workspacebindings", "web")] {
        acts.push(act("list", format!("{group}{all}/{kind}")));
        acts.push(act("watch", format!("{group}{all}/{kind}")));
        acts.push(act("patch", format!("{group}/namespaces/{namespace}/{kind}/{name}/status")).with(status.clone()));
    }
    for kind in ["secrets", "configmaps"] {
        acts.push(act("list", format!("{core}{all}/{kind}")));
        acts.push(act("watch", format!("{core}{all}/{kind}")));
    }
    acts
}

/// The Secret that the operator makes for the connection `acme`. With another uid than the connection's, it is garbage.
pub(super) fn grant_secret(connection_uid: &str) -> Value {
    json!({
        "metadata": {
            "name": "acme.jira-grant",
            "ownerReferences": [{
                "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection", "name": "acme",
                "uid": connection_uid, "controller": true,
            }],
        },
        "type": "issuetracking.dev/grant",
    })
}

/// The Secret that the operator makes for the binding `web`.
pub(super) fn projected_secret(binding_uid: &str) -> Value {
    json!({
        "metadata": {
            "name": "web-jira",
            "ownerReferences": [{
                "apiVersion": "issuetracking.dev/v1alpha1", "kind": "WorkspaceBinding", "name": "web",
                "uid": binding_uid, "controller": true,
            }],
        },
        "type": "servicebinding.io/jira",
    })
}

fn event(namespace: &str) -> Value {
    json!({
        "metadata": { "generateName": "acme-" },
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "issuetracking.dev/operator",
        "reportingInstance": "one", "action": "Reconcile", "reason": "ConnectionVerified", "type": "Normal",
        "regarding": { "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection", "name": "acme", "namespace": namespace },
    })
}

/// What it must not do, whatever it works in: RBAC has no rule for it.
fn excesses(namespace: &str, own: &str) -> Vec<Act> {
    let in_namespace = format!("namespaces/{namespace}");
    let spec = json!({ "spec": { "suspend": true } });
    let named = |name: &str| json!({ "metadata": { "name": name } });
    let mut acts = vec![
        act("list", "/api/v1/nodes"),
        act("list", "/api/v1/pods"),
        act("create", format!("/api/v1/{in_namespace}/pods")).with(named("pod")),
        act("delete", format!("/api/v1/{in_namespace}")),
        act("patch", format!("/api/v1/{in_namespace}")).with(json!({ "metadata": { "labels": { "team": "web" } } })),
        act("deletecollection", format!("/api/v1/{in_namespace}/secrets")),
        act("update", format!("/api/v1/{in_namespace}/secrets/credential")).with(named("credential")),
        act("create", format!("/api/v1/{in_namespace}/configmaps")).with(named("new")),
        act("patch", format!("/api/v1/{in_namespace}/configmaps/ca")).with(json!({ "data": { "ca.crt": "" } })),
        act("create", format!("/api/v1/{in_namespace}/events")).with(named("event")),
        act("list", format!("/apis/events.k8s.io/v1/{in_namespace}/events")),
        act("create", format!("/api/v1/namespaces/{own}/serviceaccounts/default/token")),
        act("create", format!("/api/v1/{in_namespace}/pods/pod/exec")),
        act("create", "/api/v1/namespaces").with(named("more")),
        act("get", format!("/api/v1/{in_namespace}")),
        act("delete", format!("/api/v1/{in_namespace}/configmaps/ca")),
        act("create", "/apis/authentication.k8s.io/v1/tokenreviews").with(named("review")),
        act("create", "/apis/certificates.k8s.io/v1/certificatesigningrequests").with(named("certificate")),
        act("list", format!("/apis/coordination.k8s.io/v1/namespaces/{own}/leases")),
        act("get", format!("/apis/coordination.k8s.io/v1/namespaces/{own}/leases/other")),
        act("delete", format!("/apis/coordination.k8s.io/v1/namespaces/{own}/leases/{own}")),
        act("create", format!("/apis/coordination.k8s.io/v1/{in_namespace}/leases")).with(named("lease")),
        act("patch", format!("/apis/apps/v1/namespaces/{own}/deployments/{own}"))
            .with(json!({ "spec": { "replicas": 9 } })),
        act("list", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
        act("create", format!("/apis/rbac.authorization.k8s.io/v1/{in_namespace}/rolebindings")).with(named("more")),
        act("patch", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/jiraconnections.issuetracking.dev"),
        act("delete", format!("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{own}-own-secrets")),
    ];
    for (kind, name) in [("jiraconnections", "acme"), ("workspacebindings", "web")] {
        let path = format!("/apis/issuetracking.dev/v1alpha1/{in_namespace}/{kind}");
        acts.push(act("create", &path).with(named("new")));
        acts.push(act("get", format!("{path}/{name}")));
        acts.push(act("update", format!("{path}/{name}")).with(spec.clone()));
        acts.push(act("deletecollection", &path));
        // Of a connection, an admission policy confines the patch.
        if kind != "jiraconnections" {
            acts.push(act("patch", format!("{path}/{name}")).with(spec.clone()));
        }
        acts.push(act("patch", format!("{path}/{name}/finalizers")).with(spec.clone()));
        acts.push(act("update", format!("{path}/{name}/status")).with(spec.clone()));
        acts.push(act("delete", format!("{path}/{name}")));
    }
    acts
}

/// Installs the chart in a namespace of its own, and acts as its account from then on.
pub(super) async fn account(own: &str, values: &str) -> Client {
    let control_plane = controlplane::shared().await;
    install(control_plane, own, values).await;
    let kubeconfig = control_plane.service_account_kubeconfig(own, own).await.unwrap();
    controlplane::client(&kubeconfig).await.unwrap()
}

/// Waits until the roles are in force, which they are a moment after they are made.
pub(super) async fn rights_in_force(client: &Client, namespace: &str) {
    let read = act("get", format!("/api/v1/namespaces/{namespace}/secrets/credential"));
    eventually("the roles are in force", async || (read.by(client).await == Answer::Done).then_some(())).await;
}

#[rstest]
#[case::of_the_cluster(Reach::Cluster)]
#[case::of_one_namespace(Reach::Namespace)]
#[tokio::test]
async fn the_operator_can_do_what_it_needs_and_nothing_else(#[case] reach: Reach) {
    let control_plane = controlplane::shared().await;
    define_own_kinds().await;
    let own = control_plane.namespace("jira-connection-operator").await.unwrap();
    let (namespace, other) = (furnished("tenant").await, furnished("other").await);
    let client = account(&own, &reach.values(&namespace)).await;
    rights_in_force(&client, &namespace).await;

    let [connection, binding] = uids(&namespace).await;
    let needs = needs(reach, &namespace, &own, [&connection, &binding]);
    assert_all(&client, &needs, |answer| *answer == Answer::Done).await;
    assert_all(&client, &excesses(&namespace, &own), |answer| *answer == Answer::Forbidden).await;

    let elsewhere = match reach {
        Reach::Cluster => return,
        Reach::Namespace => [
            act("get", format!("/api/v1/namespaces/{other}/secrets/credential")),
            act("list", format!("/api/v1/namespaces/{other}/secrets")),
            act("list", "/api/v1/secrets"),
            act("list", "/apis/issuetracking.dev/v1alpha1/jiraconnections"),
            act("patch", format!("/apis/issuetracking.dev/v1alpha1/namespaces/{other}/jiraconnections/acme/status")),
            act("create", format!("/apis/events.k8s.io/v1/namespaces/{other}/events")).with(event(&other)),
            act("list", "/api/v1/namespaces"),
            act("list", format!("/api/v1/namespaces?fieldSelector=metadata.name%3D{other}")),
        ],
    };
    assert_all(&client, &elsewhere, |answer| *answer == Answer::Forbidden).await;
}

/// One more right than the operator is known to need would show here, and one that is missing shows above.
#[rstest]
#[case::of_the_cluster(Reach::Cluster)]
#[case::of_one_namespace(Reach::Namespace)]
#[tokio::test]
async fn the_roles_hold_exactly_what_the_operator_needs(#[case] reach: Reach) {
    let shown = ["clusterrole", "role", "leaserole"];
    let shown = match reach {
        Reach::Cluster => vec![shown[0], shown[2]],
        Reach::Namespace => shown.to_vec(),
    };
    let shown: Vec<_> = shown.iter().map(|name| format!("--show-only=templates/{name}.yaml")).collect();
    let shown: Vec<_> = shown.iter().map(String::as_str).chain(["--set", "image.repository=operator"]).collect();
    let rendered = template("own", "own", &reach.values("tenant"), &shown).await.unwrap();
    let needed: BTreeSet<_> = needs(reach, "tenant", "own", ["uid", "uid"]).iter().map(Act::rule).collect();
    let granted: BTreeSet<_> = granted(&rendered).into_iter().map(|it| (it.group, it.resource, it.verb)).collect();
    assert_eq!(granted, needed);
}

/// The real operator, with the account and all else of `config/install.yaml`.
#[tokio::test]
async fn both_kinds_get_ready_with_what_is_installed_and_the_operator_asks_for_nothing_it_may_not_do() {
    let control_plane = controlplane::shared().await;
    let mark = control_plane.audit().mark().await.unwrap();
    manifests::apply_install_yaml().await;

    let stage = Stage::open("ready").await;
    stage.connect("acme", Way::PersonalAccessToken, &["WEB"]).await;
    stage.until(Kind::Connection, "acme", "the connection is ready", |seen| seen.is("Ready")).await;
    let spec = json!({
        "connectionRef": { "name": "acme" }, "workspace": "web", "projects": [{ "key": "WEB" }],
        "projection": { "secretName": "web-jira" },
    });
    stage.apply(Kind::Binding, "web", spec).await;
    let secret = |seen: &Seen| seen.0["status"]["binding"]["name"].clone();
    stage.until(Kind::Binding, "web", "with a Secret", |seen| secret(seen) == "web-jira").await;
    stage.merge(Kind::Binding, "web", json!({ "spec": { "projection": null } })).await;
    stage.until(Kind::Binding, "web", "without a Secret", |seen| secret(seen).is_null()).await;

    let needed: BTreeSet<_> = needs(Reach::Cluster, "tenant", "own", ["uid", "uid"]).iter().map(Act::rule).collect();
    let name = tests::chart::RELEASE;
    let events = control_plane.audit().since(mark).await.unwrap();
    let resource = |resource: String, subresource: Option<String>| match subresource {
        Some(subresource) => format!("{resource}/{subresource}"),
        None => resource,
    };
    let asked: BTreeSet<_> = events
        .into_iter()
        .filter(|event| event.is_by_service_account(name, name))
        .filter_map(|event| Some((event.group, resource(event.resource?, event.subresource), event.verb)))
        .collect();
    let excess: Vec<_> = asked.difference(&needed).collect();
    assert!(excess.is_empty(), "{excess:?}");
    assert!(asked.contains(&(String::new(), "secrets".to_owned(), "watch".to_owned())), "{asked:?}");
}
