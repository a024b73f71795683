//! The tools that look at objects in the API server: Helm, and `kubectl wait`.

use std::time::Duration;

use futures::future::join_all;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use tests::{
    controlplane::{self, ControlPlane},
    verdict::Tool,
};

use super::{fixture::Fixture, tool::differences};

/// Statuses of every kind that `kubectl wait` can meet.
const WAITED_FOR: [&str; 10] = [
    "JiraConnection/connection-verified",
    "JiraConnection/unreachable-in-grace",
    "JiraConnection/unreachable-after-grace",
    "JiraConnection/suspended-while-verified",
    "JiraConnection/suspended-from-the-start",
    "JiraConnection/connection-verified-older-generation",
    "JiraConnection/account-locked",
    "JiraConnection/unobserved",
    "WorkspaceBinding/binding-verified",
    "WorkspaceBinding/not-permitted-young",
];

/// How long a wait lasts that must end in vain, and one that must not.
const IN_VAIN: &str = "--timeout=2s";
const LONG: &str = "--timeout=60s";

struct Server {
    control_plane: &'static ControlPlane,
    client: Client,
    namespace: String,
}

impl Server {
    async fn prepare() -> Self {
        let control_plane = controlplane::shared().await;
        for crd in crds::definition::all() {
            control_plane.apply_yaml(&serde_yaml::to_string(&crd).unwrap()).await.unwrap();
        }
        let client = control_plane.client().await.unwrap();
        let namespace = control_plane.namespace("verdicts").await.unwrap();
        Self { control_plane, client, namespace }
    }

    fn api(&self, fixture: &Fixture) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk(crds::GROUP, "v1alpha1", fixture.kind());
        Api::namespaced_with(self.client.clone(), &self.namespace, &ApiResource::from_gvk(&kind))
    }

    /// Stores an object with generation and status of a fixture, and returns the fixture as it stands there.
    async fn store(&self, mut fixture: Fixture) -> Fixture {
        fixture.object["metadata"]["namespace"] = json!(self.namespace);
        let api = self.api(&fixture);
        let mut first = fixture.object.clone();
        let last = fixture.generation();
        first["spec"]["suspend"] = suspension(&fixture, last - 1);
        let created = api.create(&PostParams::default(), &serde_json::from_value(first).unwrap()).await;
        created.unwrap_or_else(|error| panic!("{}: {error}", fixture.key()));
        // Every change of the spec is a generation.
        for later in (0..last - 1).rev() {
            let change = json!({ "spec": { "suspend": suspension(&fixture, later) } });
            api.patch(fixture.name(), &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
        }
        let status = fixture.object["status"].clone();
        let stored = self.observe(&fixture, &status).await;
        assert_eq!(stored["status"], status, "the schema takes something away from {}", fixture.key());
        assert_eq!(stored["metadata"]["generation"], json!(last), "{}", fixture.key());
        Fixture { object: stored, ..fixture }
    }

    /// Writes a status as the operator does.
    async fn observe(&self, fixture: &Fixture, status: &Value) -> Value {
        let patch = Patch::Merge(json!({ "status": status }));
        let patched = self.api(fixture).patch_status(fixture.name(), &PatchParams::default(), &patch).await;
        serde_json::to_value(patched.unwrap()).unwrap()
    }

    /// What `kubectl wait` does until `timeout`.
    async fn wait(&self, fixture: &Fixture, timeout: &str) -> Result<(), String> {
        let object = format!("{}.{}/{}", fixture.kind().to_lowercase(), crds::GROUP, fixture.name());
        let arguments = ["wait", "--namespace", &self.namespace, "--for=condition=Ready", timeout, &object];
        let output = self.control_plane.kubectl().args(arguments).output().await.unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stderr).unwrap()) }
    }
}

/// `spec.suspend` of a fixture `changes` before its last generation: it alternates, and ends as the fixture has it.
fn suspension(fixture: &Fixture, changes: i64) -> Value {
    let last = fixture.object["spec"]["suspend"].as_bool();
    if changes % 2 == 0 { json!(last) } else { json!(last != Some(true)) }
}

fn assert_waited(fixture: &Fixture, outcome: Result<(), String>) {
    let key = fixture.key();
    match (fixture.expected["kubectlWait"].as_str(), outcome) {
        ("Succeeds", outcome) => assert_eq!(outcome, Ok(()), "kubectl waits for {key}"),
        ("Waits", Ok(())) => panic!("kubectl takes {key} for ready"),
        ("Waits", Err(complaint)) => {
            assert!(complaint.contains("timed out waiting for the condition"), "{key}: {complaint}");
        }
        (other, _) => panic!("{key} expects {other} of kubectl, which can only succeed or wait"),
    }
}

#[tokio::test]
async fn helm_and_kubectl_wait_for_stored_objects_as_the_state_tables_say() {
    let server = Server::prepare().await;
    let stored = join_all(Fixture::all().into_iter().map(|fixture| server.store(fixture))).await;

    let helm = Tool::Helm(server.control_plane.kubeconfig().to_owned());
    let judged = stored.clone();
    let helm = tokio::task::spawn_blocking(move || differences(&helm, &judged));
    let waited_for = stored.iter().filter(|fixture| WAITED_FOR.contains(&fixture.key().as_str()));
    let waits = join_all(waited_for.map(async |fixture| {
        let timeout = if fixture.expected["kubectlWait"] == "Succeeds" { LONG } else { IN_VAIN };
        assert_waited(fixture, server.wait(fixture, timeout).await);
    }));
    assert_eq!(waits.await.len(), WAITED_FOR.len());
    assert_eq!(helm.await.unwrap(), Vec::<String>::new());

    a_wait_ends_when_the_operator_says_ready(&server).await;
}

/// A wait that began before the operator looked at the object ends when it is proven, and not before.
async fn a_wait_ends_when_the_operator_says_ready(server: &Server) {
    let unobserved = Fixture::named("JiraConnection/unobserved");
    let verified = Fixture::named("JiraConnection/connection-verified");
    let in_progress = Fixture::named("JiraConnection/progressing-first-check");
    let waiting = server.wait(&unobserved, LONG);
    tokio::pin!(waiting);
    server.observe(&unobserved, &in_progress.object["status"]).await;
    let early = tokio::time::timeout(Duration::from_secs(1), &mut waiting).await;
    assert!(early.is_err(), "kubectl does not wait for the end of a check: {early:?}");
    server.observe(&unobserved, &verified.object["status"]).await;
    assert_eq!(waiting.await, Ok(()));
}
