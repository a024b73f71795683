//! The admission policies: what they deny, in which words, and whom they leave alone.

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::Api;
use serde_json::{Value, json};
use tests::controlplane::{self, ControlPlane, Options};

use super::{
    account::{account, grant_secret, projected_secret, rights_in_force},
    act::{Act, Answer, act, assert_all, eventually, furnished, install, uids},
    release::define_own_kinds,
};

/// JSON merge patch (RFC 7386).
fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else { return *target = patch.clone() };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        merge(&mut target[key], value);
    }
}

fn owner(kind: &str, name: &str, controller: bool) -> Value {
    json!([{ "apiVersion": "issuetracking.dev/v1alpha1", "kind": kind, "name": name, "uid": "u-1", "controller": controller }])
}

/// Waits until a policy is in force, which is a moment after it is stored, and asserts that the API server finds no fault with
/// its expressions.
async fn in_force(control_plane: &ControlPlane, name: &str, client: &kube::Client, denied: &Act) {
    let policies = Api::<ValidatingAdmissionPolicy>::all(control_plane.client().await.unwrap());
    let checked = async || policies.get(name).await.unwrap().status?.type_checking;
    let checking = eventually("the types in the policy are checked", checked).await;
    assert_eq!(checking.expression_warnings, None);
    let is_denied = async || matches!(denied.by(client).await, Answer::Denied(_)).then_some(());
    eventually("the policy is in force", is_denied).await;
}

#[tokio::test]
async fn the_operator_writes_no_secret_but_its_own() {
    define_own_kinds().await;
    let own = controlplane::shared().await.namespace("jira-connection-operator").await.unwrap();
    let namespace = furnished("tenant").await;
    let client = account(&own, "").await;
    rights_in_force(&client, &namespace).await;
    let secrets = format!("/api/v1/namespaces/{namespace}/secrets");
    // A dry run passes admission as the real request does, and leaves nothing when it passes.
    let create = |secret: Value| act("create", format!("{secrets}?dryRun=All")).with(secret);
    let [connection, binding] = uids(&namespace).await;
    let (grant_secret, projected_secret) = (grant_secret(&connection), projected_secret(&binding));
    // With a JSON merge patch applied.
    let patched = |secret: &Value, patch: &Value| {
        let mut secret = secret.clone();
        merge(&mut secret, patch);
        secret
    };
    let changed = |patch: &Value| patched(&grant_secret, patch);
    let reprojected = |patch: &Value| patched(&projected_secret, patch);
    let name = |name: &str| json!({ "metadata": { "name": name } });

    let foreign = create(json!({ "metadata": { "name": "foreign" }, "type": "Opaque" }));
    in_force(controlplane::shared().await, &format!("{own}-own-secrets"), &client, &foreign).await;
    let authorization =
        json!({ "metadata": { "name": "acme.jira-authorization" }, "type": "issuetracking.dev/authorization" });
    let denied = [
        foreign,
        create(changed(&json!({ "type": "Opaque" }))),
        // Would have the cluster make a token of that account.
        create(changed(&json!({
            "type": "kubernetes.io/service-account-token",
            "metadata": { "annotations": { "kubernetes.io/service-account.name": "default" } },
        }))),
        create(changed(&json!({ "type": "issuetracking.dev/authorization" }))),
        create(changed(&name("acme.jira-authorization"))),
        create(changed(&name("acme"))),
        create(changed(&name("other.jira-grant"))),
        create(changed(&json!({ "metadata": { "ownerReferences": null } }))),
        create(changed(&json!({ "metadata": { "ownerReferences": owner("JiraConnection", "other", true) } }))),
        create(changed(&json!({ "metadata": { "ownerReferences": owner("JiraConnection", "acme", false) } }))),
        create(changed(&json!({ "metadata": { "ownerReferences": owner("WorkspaceBinding", "acme", true) } }))),
        create(reprojected(&json!({ "type": "Opaque" }))),
        create(reprojected(&json!({ "type": "servicebinding.io/postgresql" }))),
        create(reprojected(&name("acme.jira-grant"))),
        create(reprojected(&name("other.jira-authorization"))),
        create(reprojected(&json!({ "metadata": { "ownerReferences": null } }))),
        create(reprojected(&json!({ "metadata": { "ownerReferences": owner("JiraConnection", "acme", true) } }))),
        create(reprojected(&json!({ "metadata": { "ownerReferences": owner("WorkspaceBinding", "web", false) } }))),
        create(reprojected(&json!({ "metadata": { "ownerReferences": [{
            "apiVersion": "example.org/v1", "kind": "WorkspaceBinding", "name": "web", "uid": "u-1", "controller": true,
        }] } }))),
        act("patch", format!("{secrets}/credential")).with(json!({ "stringData": { "token": "stolen" } })),
        // A Secret that somebody else has put in the way is not adopted.
        act("patch", format!("{secrets}/acme.jira-authorization"))
            .with(json!({ "metadata": { "ownerReferences": owner("JiraConnection", "acme", true) } })),
        act("apply", format!("{secrets}/applied"))
            .with(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "applied" } })),
    ];
    assert_all(
        &client,
        &denied,
        |answer| matches!(answer, Answer::Denied(words) if words.contains("The operator writes only Secrets")),
    )
    .await;

    let mut owned = changed(&authorization);
    owned["metadata"]["name"] = json!("other.jira-authorization");
    owned["metadata"]["ownerReferences"] = owner("JiraConnection", "other", true);
    let grant = format!("{secrets}/acme.jira-grant");
    let allowed = [
        act("create", &secrets).with(grant_secret.clone()),
        create(owned),
        act("patch", &grant).with(json!({ "stringData": { "grant": "{}" } })),
        act("create", &secrets).with(projected_secret.clone()),
        act("patch", format!("{secrets}/web-jira")).with(json!({ "stringData": { "projects": "WEB" } })),
    ];
    assert_all(&client, &allowed, |answer| *answer == Answer::Done).await;
    let kept = [
        act("delete", &grant),
        act("delete", format!("{secrets}/credential")),
        act("delete", format!("{secrets}/acme.jira-authorization")),
    ];
    assert_all(
        &client,
        &kept,
        |answer| matches!(answer, Answer::Denied(words) if words.contains("The operator deletes no Secret but those of the type servicebinding.io/jira.")),
    )
    .await;
    assert_all(&client, &[act("delete", format!("{secrets}/web-jira"))], |answer| *answer == Answer::Done).await;
    let disowned = act("patch", &grant).with(json!({ "metadata": { "ownerReferences": null } }));
    assert_all(&client, &[disowned], |answer| matches!(answer, Answer::Denied(_))).await;

    let administrator = controlplane::shared().await.client().await.unwrap();
    let others = [
        act("create", &secrets).with(json!({ "metadata": { "name": "free" }, "type": "Opaque" })),
        act("patch", format!("{secrets}/credential")).with(json!({ "stringData": { "token": "rotated" } })),
        act("delete", grant),
    ];
    assert_all(&administrator, &others, |answer| *answer == Answer::Done).await;
}

#[tokio::test]
async fn the_operator_writes_no_connection_but_for_its_finalizer() {
    define_own_kinds().await;
    let own = controlplane::shared().await.namespace("jira-connection-operator").await.unwrap();
    let namespace = furnished("tenant").await;
    let client = account(&own, "").await;
    rights_in_force(&client, &namespace).await;
    let acme = format!("/apis/issuetracking.dev/v1alpha1/namespaces/{namespace}/jiraconnections/acme");
    // A dry run passes admission as the real request does, and leaves nothing when it passes.
    let patch = |patch: Value| act("patch", format!("{acme}?dryRun=All")).with(patch);
    let metadata = |metadata: Value| patch(json!({ "metadata": metadata }));
    let suspended = patch(json!({ "spec": { "suspend": true } }));
    in_force(controlplane::shared().await, &format!("{own}-own-finalizer"), &client, &suspended).await;
    let denied = [
        suspended,
        patch(json!({ "spec": { "url": "https://elsewhere.example" } })),
        metadata(json!({ "labels": { "team": "web" } })),
        metadata(json!({ "annotations": { "issuetracking.dev/requestedAt": "now" } })),
        metadata(json!({ "finalizers": ["example.org/other"] })),
        metadata(json!({ "ownerReferences": owner("JiraConnection", "acme", false) })),
    ];
    assert_all(
        &client,
        &denied,
        |answer| matches!(answer, Answer::Denied(words) if words.contains("writes nothing of a connection")),
    )
    .await;
    let allowed =
        [metadata(json!({ "finalizers": ["issuetracking.dev/revoke"] })), metadata(json!({ "finalizers": [] }))];
    assert_all(&client, &allowed, |answer| *answer == Answer::Done).await;
    let administrator = controlplane::shared().await.client().await.unwrap();
    assert_all(&administrator, &[patch(json!({ "spec": { "suspend": true } }))], |answer| *answer == Answer::Done)
        .await;
}

#[tokio::test]
async fn connections_are_made_only_where_the_package_includes_them() {
    // The policy is one of the whole cluster, and the other tests make connections too.
    let control_plane = ControlPlane::start(Options::default()).await.unwrap();
    let own = control_plane.namespace("jira-connection-operator").await.unwrap();
    let package = |name| ("issuetracking.dev/package", name);
    let add_on = ("issuetracking.dev/add-on-integrations", "enabled");
    let rows: [(&[(&str, &str)], bool); 8] = [
        (&[package("Accelerate")], true),
        (&[package("Enterprise")], true),
        (&[package("Essential"), add_on], true),
        (&[package("Essential"), ("issuetracking.dev/add-on-integrations", "disabled")], false),
        (&[package("Essential")], false),
        (&[package("accelerate")], false),
        (&[add_on], false),
        (&[], false),
    ];
    let mut namespaces = Vec::new();
    for (labels, _) in rows {
        namespaces.push(control_plane.labelled_namespace("package", labels).await.unwrap());
    }
    let connection = json!({
        "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection", "metadata": { "name": "acme" },
        "spec": {
            "url": "https://jira.acme.example", "deployment": "DataCenter",
            "auth": { "personalAccessToken": { "tokenSecretRef": { "name": "credential", "key": "token" } } },
        },
    });
    let create = |namespace: &str| {
        let path = format!("/apis/issuetracking.dev/v1alpha1/namespaces/{namespace}/jiraconnections?dryRun=All");
        act("create", path).with(connection.clone())
    };
    // Helm finds no CRDs here and installs those of the chart.
    install(&control_plane, &own, "admission: { entitlement: { enabled: true } }").await;
    let administrator = control_plane.client().await.unwrap();
    in_force(&control_plane, &format!("{own}-entitlement"), &administrator, &create(&namespaces[7])).await;
    let mut wrong = Vec::new();
    for ((labels, entitled), namespace) in rows.iter().zip(&namespaces) {
        let answer = create(namespace).by(&administrator).await;
        let right = match &answer {
            Answer::Done => *entitled,
            Answer::Denied(words) => {
                !entitled
                    && words.contains(
                        "issuetracking.dev/package must be Accelerate or Enterprise, or Essential with the label",
                    )
            }
            _ => false,
        };
        if !right {
            wrong.push(format!("{labels:?}: {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
