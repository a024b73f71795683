//! The API server that the suite talks to, with the CRDs, and the objects that the tables start from.

use std::path::PathBuf;

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
    core::{GroupVersionKind, response::StatusCause},
};
use serde_json::{Value, json};
use tests::controlplane::{self, ControlPlane};
use tokio::sync::OnceCell;

/// The two kinds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    JiraConnection,
    WorkspaceBinding,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::JiraConnection => "JiraConnection",
            Self::WorkspaceBinding => "WorkspaceBinding",
        }
    }

    fn resource(self) -> ApiResource {
        ApiResource::from_gvk(&GroupVersionKind::gvk(crds::GROUP, "v1alpha1", self.as_str()))
    }

    /// An object with nothing but what is required.
    pub(crate) fn smallest(self) -> Value {
        let spec = match self {
            Self::JiraConnection => json!({
                "url": "https://jira.example.com",
                "deployment": "DataCenter",
                "auth": { "personalAccessToken": { "tokenSecretRef": { "name": "token", "key": "token" } } },
            }),
            Self::WorkspaceBinding => json!({
                "connectionRef": { "name": "acme" },
                "workspace": "web",
                "projects": [{ "key": "WEB" }],
            }),
        };
        json!({
            "apiVersion": "issuetracking.dev/v1alpha1",
            "kind": self.as_str(),
            "metadata": { "name": "example" },
            "spec": spec,
        })
    }

    /// The smallest object with a JSON merge patch (RFC 7386) applied to its spec.
    pub(crate) fn with(self, spec: Value) -> Value {
        let mut object = self.smallest();
        merge(&mut object["spec"], spec);
        object
    }
}

/// Applies a JSON merge patch (RFC 7386).
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (field, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(&field);
        } else {
            merge(&mut target[field], value);
        }
    }
}

/// The folder of the generated CRDs.
pub(crate) fn crd_folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/jira-connection-operator/crds"))
}

/// The control plane of the suite with the CRDs installed.
pub(crate) async fn control_plane() -> &'static ControlPlane {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let control_plane = controlplane::shared().await;
    let install = async || {
        for crd in crds::definition::all() {
            control_plane.apply_yaml(&serde_yaml::to_string(&crd).unwrap()).await.unwrap();
        }
    };
    INSTALLED.get_or_init(install).await;
    control_plane
}

/// A refusal by the schema or by a rule.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) causes: Vec<(String, String)>,
}

impl Refusal {
    /// Asserts that one field is named, in these words, and that nothing else stands there that only a programmer understands.
    #[track_caller]
    pub(crate) fn assert(&self, field: &str, text: &str) {
        let said = |(at, message): &(String, String)| at == field && message.contains(text);
        assert!(self.causes.iter().any(said), "{field} {text:?} is not in {self:#?}");
        for (_, message) in &self.causes {
            for inner in ["failed rule", "evaluat", "no such", "overflow", "conversion"] {
                assert!(!message.contains(inner), "{message:?} is no text for an admin: {self:#?}");
            }
        }
    }
}

fn refusal(error: &kube::Error) -> Refusal {
    let kube::Error::Api(status) = error else {
        panic!("the API server did not answer: {error}");
    };
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"), "{}", status.message);
    let causes = status.details.as_ref().map(|details| &details.causes);
    let cause = |cause: &StatusCause| (cause.field.clone(), cause.message.clone());
    Refusal { causes: causes.into_iter().flatten().map(cause).collect() }
}

/// One namespace of the API server.
pub(crate) struct Server {
    client: Client,
    pub(crate) namespace: String,
}

impl Server {
    /// With a namespace of its own.
    pub(crate) async fn new() -> Self {
        let control_plane = control_plane().await;
        Self { client: control_plane.client().await.unwrap(), namespace: control_plane.namespace("api").await.unwrap() }
    }

    /// For what stores nothing.
    pub(crate) async fn in_default() -> Self {
        Self { client: control_plane().await.client().await.unwrap(), namespace: "default".to_owned() }
    }

    pub(crate) fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource())
    }

    pub(crate) async fn create(&self, kind: Kind, object: Value) -> Result<Value, Refusal> {
        self.post(kind, object, &PostParams::default()).await
    }

    /// All of creation but the storing.
    pub(crate) async fn dry_run(&self, kind: Kind, object: Value) -> Result<Value, Refusal> {
        let params = PostParams { dry_run: true, ..PostParams::default() };
        self.post(kind, object, &params).await
    }

    async fn post(&self, kind: Kind, object: Value, params: &PostParams) -> Result<Value, Refusal> {
        let object = serde_json::from_value(object).unwrap();
        match self.api(kind).create(params, &object).await {
            Ok(created) => Ok(serde_json::to_value(created).unwrap()),
            Err(error) => Err(refusal(&error)),
        }
    }

    /// Changes a stored object by a JSON merge patch.
    pub(crate) async fn change(&self, kind: Kind, name: &str, patch: &Value) -> Result<Value, Refusal> {
        let params = PatchParams::default();
        match self.api(kind).patch(name, &params, &Patch::Merge(patch)).await {
            Ok(changed) => Ok(serde_json::to_value(changed).unwrap()),
            Err(error) => Err(refusal(&error)),
        }
    }

    /// Changes the status of a stored object by a JSON merge patch.
    pub(crate) async fn change_status(&self, kind: Kind, name: &str, status: &Value) -> Value {
        let patch = Patch::Merge(json!({ "status": status }));
        let patched = self.api(kind).patch_status(name, &PatchParams::default(), &patch).await;
        serde_json::to_value(patched.unwrap()).unwrap()
    }
}

/// Asserts that an object with these fields of the spec is accepted, and stored as it was given.
pub(crate) async fn assert_accepted(kind: Kind, spec: Value) {
    let object = kind.with(spec);
    let given = object["spec"].clone();
    let stored = Server::in_default().await.dry_run(kind, object).await;
    assert_eq!(stored.unwrap()["spec"], given);
}

/// Asserts that an object with these fields of the spec is refused because of one field, in these words.
pub(crate) async fn assert_refused(kind: Kind, spec: Value, field: &str, text: &str) {
    let outcome = Server::in_default().await.dry_run(kind, kind.with(spec)).await;
    outcome.unwrap_err().assert(field, text);
}
