//! What a scenario plays with: a namespace, a Jira of its own, and objects whose every revision is kept.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use k8s_openapi::{api::core::v1::Namespace, jiff::Timestamp};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use tests::{
    controlplane,
    operator::Operator,
    stage::{Kind, Stage, operator_with},
};
use tokio::{runtime::Runtime, sync::OnceCell};

use super::{
    chronicle::Chronicle,
    jira::Jira,
    subject::{POLL, Subject},
};

/// "Without waiting for the interval": the shortest one is a minute.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(8);

/// Lives as long as the process, unlike the runtime of a test.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).thread_name("chronicle").enable_all().build().unwrap()
});

pub(crate) fn resource(kind: Kind) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(crds::GROUP, "v1alpha1", kind.as_str()), kind.plural())
}

/// The operator of this suite. It trusts the system's certificates only, so that connections have to name the CA, and checks
/// rarely, so that nothing but a wake explains a request.
pub(crate) async fn operator() -> &'static Operator {
    operator_with(|settings| {
        settings.extra_ca = None;
        settings.check_interval = Some("1h".to_owned());
        settings.log_level = Some("info,controller=debug".to_owned());
    })
    .await
}

async fn chronicle() -> &'static Chronicle {
    static CHRONICLE: OnceCell<Chronicle> = OnceCell::const_new();
    let begin = async || {
        operator().await;
        let begun = RUNTIME.spawn(async {
            let client = controlplane::shared().await.client().await.unwrap();
            Chronicle::begin(&client)
        });
        begun.await.unwrap()
    };
    CHRONICLE.get_or_init(begin).await
}

/// A namespace with the CA of the simulator in ConfigMap `ca`, a Jira, and the Secret `credential` for it.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) jira: Jira,
}

impl Scene {
    /// With a Data Center, and a personal access token of its first user.
    pub(crate) async fn center() -> Self {
        Self::on(Jira::center()).await
    }

    /// With a Cloud site, and a classic API token of a person.
    pub(crate) async fn cloud() -> Self {
        Self::on(Jira::cloud()).await
    }

    /// With a Jira that was made before.
    pub(crate) async fn on(jira: Jira) -> Self {
        operator().await;
        Self::furnished(Stage::open("scenario").await, jira).await
    }

    /// With the operator for this scenario alone.
    pub(crate) async fn alone(jira: Jira) -> Self {
        operator().await;
        Self::furnished(Stage::alone("scenario").await, jira).await
    }

    async fn furnished(stage: Stage, jira: Jira) -> Self {
        chronicle().await;
        let scene = Self { stage, jira };
        scene.stage.config_map("ca", json!({ "ca.crt": Jira::simulator().ca_pem() })).await;
        scene.hold(if scene.jira.is_cloud() { "classic" } else { "pat" }).await;
        scene
    }

    /// Puts a token of the Jira into the Secret `credential`.
    pub(crate) async fn hold(&self, which: &str) {
        self.token(&self.jira.secret(which)).await;
    }

    /// Puts a token into the Secret `credential`.
    pub(crate) async fn token(&self, token: &str) {
        self.stage.secret("credential", json!({ "token": token })).await;
    }

    /// Puts a client's id and secret into the Secret `client`.
    pub(crate) async fn client(&self, secret: &str) {
        let id = format!("client-{}", self.jira.name);
        self.stage.secret("client", json!({ "clientId": id, "clientSecret": secret })).await;
    }

    /// A spec for the token in `credential`.
    pub(crate) fn spec(&self) -> Value {
        token_spec(&self.jira, "credential")
    }

    /// A spec for the client in `client`.
    pub(crate) fn client_spec(&self) -> Value {
        let mut spec = self.spec();
        spec["auth"] = json!({ "oauth2ClientCredentials": { "clientSecretRef": { "name": "client" } } });
        spec
    }

    /// A connection `acme` with the usual spec and what is merged into it.
    pub(crate) async fn connect(&self, changes: Value) -> Subject {
        self.connection("acme", merged(self.spec(), changes)).await
    }

    /// The same, once it is proven.
    pub(crate) async fn connected(&self, changes: Value) -> Subject {
        let connection = self.connect(changes).await;
        connection.becomes(&super::row::connection::proven()).await;
        connection
    }

    pub(crate) async fn connection(&self, name: &str, spec: Value) -> Subject {
        self.create(Kind::Connection, &self.stage.namespace, name, spec).await
    }

    /// A binding of this namespace to `acme`.
    pub(crate) async fn bind(&self, name: &str, projects: Value) -> Subject {
        self.bind_from(&self.stage.namespace, name, projects).await
    }

    /// A binding of a namespace to `acme` of this one.
    pub(crate) async fn bind_from(&self, namespace: &str, name: &str, projects: Value) -> Subject {
        let reference = json!({ "name": "acme", "namespace": self.stage.namespace });
        let spec = json!({ "connectionRef": reference, "workspace": "web", "projects": projects });
        self.create(Kind::Binding, namespace, name, spec).await
    }

    /// A connection of this namespace to another Jira, with a token in a Secret of the same name. Without a token there is
    /// no Secret.
    pub(crate) async fn neighbour(&self, name: &str, jira: &Jira, token: Option<&str>, changes: Value) -> Subject {
        if let Some(token) = token {
            self.stage.secret(name, json!({ "token": jira.secret(token) })).await;
        }
        let spec = merged(token_spec(jira, name), changes);
        let (client, namespace) = (self.stage.client.clone(), self.stage.namespace.clone());
        Corner { client, namespace, jira: jira.clone() }.create(Kind::Connection, name, spec).await
    }

    pub(crate) async fn create(&self, kind: Kind, namespace: &str, name: &str, spec: Value) -> Subject {
        let corner =
            Corner { client: self.stage.client.clone(), namespace: namespace.to_owned(), jira: self.jira.clone() };
        corner.create(kind, name, spec).await
    }
    /// Another namespace.
    pub(crate) async fn namespace(&self, labels: &[(&str, &str)]) -> String {
        self.stage.control_plane.labelled_namespace("guest", labels).await.unwrap()
    }

    /// Merges labels into those of a namespace; null removes one.
    pub(crate) async fn relabel(&self, namespace: &str, labels: Value) {
        let patch = Patch::Merge(json!({ "metadata": { "labels": labels } }));
        let api = Api::<Namespace>::all(self.stage.client.clone());
        api.patch(namespace, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Wakes the connections that refer to a Secret or ConfigMap, by a label that says nothing.
    pub(crate) async fn nudge(&self, kind: &str, name: &str) {
        let label = format!("n{}", Timestamp::now().as_nanosecond());
        self.stage.merge_core(kind, name, json!({ "metadata": { "labels": { "nudge": label } } })).await;
    }

    /// Reasons of the Events about an object, oldest first.
    async fn events(&self, about: &Subject) -> Vec<String> {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("events.k8s.io", "v1", "Event"));
        let api = Api::<DynamicObject>::namespaced_with(self.stage.client.clone(), &about.namespace, &kind);
        let mut events: Vec<_> =
            api.list(&ListParams::default()).await.unwrap().items.into_iter().map(|it| it.data).collect();
        events.retain(|event| event["regarding"]["uid"] == about.uid.as_str());
        events.sort_by_key(|event| event["eventTime"].as_str().unwrap_or_default().to_owned());
        events.iter().map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until the Events about an object have these reasons, and no other has come.
    pub(crate) async fn tells(&self, about: &Subject, reasons: &[&str]) {
        let started = Instant::now();
        loop {
            let told = self.events(about).await;
            if told == reasons {
                return;
            }
            assert!(
                started.elapsed() < AT_ONCE,
                "Events about {}: {told:?}, not {reasons:?}\n{}",
                about.name,
                about.account()
            );
            tokio::time::sleep(POLL * 5).await;
        }
    }
}

/// A namespace, and the Jira of the objects that are made there.
pub(crate) struct Corner {
    client: Client,
    namespace: String,
    jira: Jira,
}

impl Corner {
    /// Makes an object of the operator.
    pub(crate) async fn create(self, kind: Kind, name: &str, spec: Value) -> Subject {
        let api = Api::<DynamicObject>::namespaced_with(self.client, &self.namespace, &resource(kind));
        let object = json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": kind.as_str(), "metadata": { "name": name }, "spec": spec,
        });
        let created = api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        let (name, uid) = (name.to_owned(), created.uid().unwrap());
        let chronicle = chronicle().await.clone();
        Subject { api, kind, name, namespace: self.namespace, uid, jira: self.jira, chronicle }
    }
}

/// A spec for the token in a Secret.
fn token_spec(jira: &Jira, secret: &str) -> Value {
    let token = json!({ "name": secret, "key": "token" });
    let (deployment, auth) = if jira.is_cloud() {
        ("Cloud", json!({ "apiToken": { "email": "alice@example.test", "tokenSecretRef": token } }))
    } else {
        ("DataCenter", json!({ "personalAccessToken": { "tokenSecretRef": token } }))
    };
    json!({ "url": jira.url, "deployment": deployment, "auth": auth, "tls": { "caRef": ca() } })
}

/// The CA of the simulator.
pub(crate) fn ca() -> Value {
    json!({ "kind": "ConfigMap", "name": "ca", "key": "ca.crt" })
}

/// Applies a JSON merge patch (RFC 7386).
pub(crate) fn merged(mut target: Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else { return patch };
    if !target.is_object() {
        target = json!({});
    }
    for (field, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(&field);
        } else {
            target[&field] = merged(target[&field].take(), value);
        }
    }
    target
}
