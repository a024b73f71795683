//! A namespace with a person in it, and the operator's side played by the test.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use k8s_openapi::{
    ByteString,
    api::{
        core::v1::Secret,
        rbac::v1::{Role, RoleBinding},
    },
};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tests::controlplane::{self, ControlPlane};
use tokio::{process::Command, sync::OnceCell};

use super::program::{self, Ended, Running};

/// How long the other side may take.
const LIMIT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(100);

/// Name of the connection.
pub(crate) const ACME: &str = "acme";

/// Name of its Secret.
pub(crate) const SECRET: &str = "acme.jira-authorization";

/// What whoever may authorise needs, and nothing else.
pub(crate) fn authoriser() -> Value {
    json!([{ "apiGroups": [""], "resources": ["secrets"], "resourceNames": [SECRET], "verbs": ["get", "patch"] }])
}

/// What reading the objects of the API needs.
pub(crate) fn viewer() -> Value {
    json!([{ "apiGroups": ["issuetracking.dev"], "resources": ["jiraconnections", "workspacebindings"], "verbs": ["get", "list"] }])
}

/// Both.
pub(crate) fn both() -> Value {
    let rules = [authoriser(), viewer()].map(|rules| rules.as_array().unwrap().clone());
    Value::Array(rules.concat())
}

/// The control plane with the CRDs.
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

/// A namespace of a test, and a person who has rights in it.
pub(crate) struct Scene {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) kubeconfig: PathBuf,
}

impl Scene {
    /// A person with these rules of RBAC in a namespace of their own.
    pub(crate) async fn open(rules: Value) -> Self {
        let control_plane = control_plane().await;
        let namespace = control_plane.namespace("plugin").await.unwrap();
        let kubeconfig = control_plane.service_account_kubeconfig(&namespace, "person").await.unwrap();
        let client = control_plane.client().await.unwrap();
        let scene = Self { client, namespace, kubeconfig };
        scene.grant(&scene.namespace, rules).await;
        scene
    }

    /// Gives the person rights in a namespace.
    pub(crate) async fn grant(&self, namespace: &str, rules: Value) {
        let role: Role =
            serde_json::from_value(json!({ "metadata": { "generateName": "person-" }, "rules": rules })).unwrap();
        let api = Api::<Role>::namespaced(self.client.clone(), namespace);
        let role = api.create(&PostParams::default(), &role).await.unwrap().name_any();
        let binding: RoleBinding = serde_json::from_value(json!({
            "metadata": { "name": role },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role },
            "subjects": [{ "kind": "ServiceAccount", "name": "person", "namespace": self.namespace }],
        }))
        .unwrap();
        let api = Api::<RoleBinding>::namespaced(self.client.clone(), namespace);
        api.create(&PostParams::default(), &binding).await.unwrap();
    }

    /// The program as this person, without a display.
    pub(crate) async fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program::path().await);
        command.env_clear().env("KUBECONFIG", &self.kubeconfig).args(words);
        command
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, words: &[&str]) -> Ended {
        let running = self.start(words).await;
        running.end().await
    }

    /// Starts the program.
    pub(crate) async fn start(&self, words: &[&str]) -> Running {
        Running::start(self.command(words).await)
    }

    /// Applies an object of the operator in the namespace, with a status if one is given.
    pub(crate) async fn object(&self, kind: &str, name: &str, spec: Value, status: Option<Value>) -> Value {
        let resource = kube::api::ApiResource::from_gvk_with_plural(
            &kube::core::GroupVersionKind::gvk(crds::GROUP, "v1alpha1", kind),
            &format!("{}s", kind.to_ascii_lowercase()),
        );
        let api: Api<kube::api::DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let head = json!({ "apiVersion": "issuetracking.dev/v1alpha1", "kind": kind, "metadata": { "name": name } });
        let params = PatchParams::apply("test").force();
        let mut object = head.clone();
        object["spec"] = spec;
        let made = api.patch(name, &params, &Patch::Apply(&object)).await.unwrap();
        if let Some(mut status) = status {
            status["observedGeneration"] = json!(made.metadata.generation);
            let mut object = head;
            object["status"] = status;
            api.patch_status(name, &params, &Patch::Apply(&object)).await.unwrap();
        }
        serde_json::to_value(api.get(name).await.unwrap()).unwrap()
    }

    /// An object of the operator as it now is.
    pub(crate) async fn get(&self, kind: &str, name: &str) -> Value {
        let resource = kube::api::ApiResource::from_gvk_with_plural(
            &kube::core::GroupVersionKind::gvk(crds::GROUP, "v1alpha1", kind),
            &format!("{}s", kind.to_ascii_lowercase()),
        );
        let api: Api<kube::api::DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        serde_json::to_value(api.get(name).await.unwrap()).unwrap()
    }

    /// The connection `acme`, and the Secret that the operator makes for it, with these keys.
    pub(crate) async fn prepared(&self, auth: Value, keys: &[(&str, &str)]) {
        let connection = self.object("JiraConnection", ACME, spec(auth), None).await;
        let owner = json!([{ "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection", "name": ACME,
            "uid": connection["metadata"]["uid"], "controller": true }]);
        self.secret("issuetracking.dev/authorization", owner, keys).await;
    }

    /// A Secret of the name that the operator uses.
    pub(crate) async fn secret(&self, kind: &str, owners: Value, keys: &[(&str, &str)]) {
        let keys: BTreeMap<_, _> = keys.iter().copied().collect();
        let secret: Secret = serde_json::from_value(json!({
            "metadata": { "name": SECRET, "ownerReferences": owners }, "type": kind, "stringData": keys,
        }))
        .unwrap();
        self.secrets().create(&PostParams::default(), &secret).await.unwrap();
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The keys of the Secret.
    pub(crate) async fn keys(&self) -> BTreeMap<String, String> {
        let data = self.secrets().get(SECRET).await.unwrap().data.unwrap_or_default();
        data.into_iter().map(|(key, ByteString(value))| (key, String::from_utf8(value).unwrap())).collect()
    }

    /// Waits until the person has written a key, and gives it.
    pub(crate) async fn written(&self, key: &str) -> String {
        let started = Instant::now();
        loop {
            let keys = self.keys().await;
            if let Some(value) = keys.get(key) {
                return value.clone();
            }
            assert!(started.elapsed() < LIMIT, "nobody writes {key}: {keys:?}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Writes keys as the operator does; `null` takes one away.
    pub(crate) async fn answer(&self, keys: Value) {
        let encoded = |(key, value): (&String, &Value)| {
            let value = match value {
                Value::Null => Value::Null,
                Value::String(text) => json!(ByteString(text.clone().into_bytes())),
                other => json!(ByteString(other.to_string().into_bytes())),
            };
            (key.clone(), value)
        };
        let data: serde_json::Map<_, _> = keys.as_object().unwrap().iter().map(encoded).collect();
        let patch = Patch::Merge(json!({ "data": data }));
        self.secrets().patch(SECRET, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Takes an attempt up, as the operator does.
    pub(crate) async fn take_up(&self, hash: &str, return_by: &str) {
        let attempt = json!({
            "keyHash": hash, "state": format!("{}.{ACME}.r", self.namespace),
            "authorizationUrl": "https://jira.example/authorize?oauth_token=t",
            "deadline": "2126-01-01T00:00:00Z", "returnBy": return_by,
        });
        self.answer(json!({ "attempt": attempt })).await;
    }

    /// Ends an attempt, as the operator does.
    pub(crate) async fn finish(&self, hash: &str, result: &str, message: &str) {
        let outcome = json!({ "keyHash": hash, "result": result, "message": message });
        self.answer(
            json!({ "outcome": outcome, "keyHash": null, "returnBy": null, "attempt": null, "verificationCode": null }),
        )
        .await;
    }
}

/// A connection to a Data Center with this way to authenticate.
pub(crate) fn spec(auth: Value) -> Value {
    json!({ "url": "https://jira.example", "deployment": "DataCenter", "auth": auth })
}

/// OAuth 2.0 with consent.
pub(crate) fn oauth2() -> Value {
    json!({ "oauth2AuthorizationCode": { "clientSecretRef": { "name": "app" } } })
}

/// OAuth 1.0a.
pub(crate) fn oauth1() -> Value {
    json!({ "oauth1": { "consumerKey": "jira-operator", "consumerName": "Jira operator" } })
}

/// A personal access token.
pub(crate) fn token() -> Value {
    json!({ "personalAccessToken": { "tokenSecretRef": { "name": "pat", "key": "token" } } })
}

/// The values for an application link.
pub(crate) const LINK: [(&str, &str); 4] = [
    ("applicationUrl", "https://operator.example"),
    ("consumerKey", "jira-operator"),
    ("consumerName", "Jira operator"),
    ("publicKey", "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"),
];

/// A condition of a status.
pub(crate) fn condition(about: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({ "type": about, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T12:00:00Z" })
}
