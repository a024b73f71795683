//! What a suite acts on: a namespace of its own, with an operator, a control plane and a Jira simulator at work.
//!
//! A test binary has one of each, shared by its tests; each test [opens](Stage::open) a stage with a namespace and Jira
//! instances of its own, and so sees nothing of the others.

use std::{
    any::Any,
    time::{Duration, Instant},
};

use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use tokio::sync::{OnceCell, RwLock};

use crate::{
    controlplane::{self, AuditEvent, AuditMark, ControlPlane},
    jira::{self, Entry, Instance, Mark, Simulator},
    operator::{Operator, Settings},
};

/// Owner of the fields that tests apply.
const FIELD_MANAGER: &str = "platform-team";

/// How long a status may take to become what a test expects.
const LIMIT: Duration = Duration::from_secs(40);

/// Pause between two looks at an object.
const POLL: Duration = Duration::from_millis(50);

/// How far the audit log may lag behind an answer.
const AUDIT_LAG: Duration = Duration::from_millis(300);

/// Permissions that a workspace needs on each of its projects.
pub const WORKSPACE_PERMISSIONS: [&str; 7] = [
    "BROWSE_PROJECTS",
    "CREATE_ISSUES",
    "EDIT_ISSUES",
    "TRANSITION_ISSUES",
    "CREATE_ATTACHMENTS",
    "ADD_COMMENTS",
    "DELETE_ALL_COMMENTS",
];

/// The operator of the test binary, once it was started.
static OPERATOR: OnceCell<Operator> = OnceCell::const_new();

/// Tests that share the operator hold it for reading, one that restarts it for writing.
static USE: RwLock<()> = RwLock::const_new(());

/// The two kinds of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `JiraConnection`.
    Connection,
    /// `WorkspaceBinding`.
    Binding,
}

impl Kind {
    /// As it stands in a manifest.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "JiraConnection",
            Self::Binding => "WorkspaceBinding",
        }
    }

    /// As it stands in the API server's paths and its audit log.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Connection => "jiraconnections",
            Self::Binding => "workspacebindings",
        }
    }

    fn resource(self) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(crds::GROUP, "v1alpha1", self.as_str()), self.plural())
    }
}

/// A way to authenticate that needs nobody at a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Data Center: a personal access token.
    PersonalAccessToken,
    /// Cloud: an API token without scopes, sent to the site.
    ApiToken,
    /// Cloud: an API token with scopes, which works at the gateway only.
    ScopedApiToken,
    /// Cloud: OAuth 2.0 client credentials of a service account.
    ClientCredentials,
}

/// A simulated Jira of a test.
#[derive(Clone, Debug)]
pub struct Site {
    /// Name of the instance in the simulator.
    pub name: String,
    /// URL that connections name.
    pub url: String,
    /// How its account authenticates.
    pub way: Way,
}

/// Account of every simulated Jira.
pub const ACCOUNT: &str = "bot";

impl Site {
    /// The token or client secret of the account.
    #[must_use]
    pub fn token(&self) -> String {
        format!("{}-token", self.name)
    }

    /// Requests that were meant for this Jira since `mark`, in their order.
    #[must_use]
    pub fn requests(&self, mark: Mark) -> Vec<Entry> {
        jira::shared().journal().of(&self.name, mark)
    }

    /// Host and port of the URL.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.url.strip_prefix("https://").unwrap_or(&self.url);
        rest.split('/').next().unwrap_or(rest)
    }

    /// The data of the Secret with its credential.
    #[must_use]
    pub fn credential(&self) -> Value {
        match self.way {
            Way::PersonalAccessToken | Way::ApiToken | Way::ScopedApiToken => json!({ "token": self.token() }),
            Way::ClientCredentials => {
                json!({ "clientId": format!("{}-client", self.name), "clientSecret": self.token() })
            }
        }
    }

    /// A spec that connects to it with the Secret `secret`, checks once a minute, and requires
    /// nothing of projects.
    #[must_use]
    pub fn spec(&self, secret: &str) -> Value {
        let key = json!({ "name": secret, "key": "token" });
        let (deployment, auth) = match self.way {
            Way::PersonalAccessToken => ("DataCenter", json!({ "personalAccessToken": { "tokenSecretRef": key } })),
            Way::ApiToken | Way::ScopedApiToken => {
                ("Cloud", json!({ "apiToken": { "email": email(&self.name), "tokenSecretRef": key } }))
            }
            Way::ClientCredentials => {
                ("Cloud", json!({ "oauth2ClientCredentials": { "clientSecretRef": { "name": secret } } }))
            }
        };
        json!({
            "url": self.url,
            "deployment": deployment,
            "auth": auth,
            "checks": { "interval": "1m" },
        })
    }
}

/// Address of the account of an instance.
#[must_use]
pub fn email(instance: &str) -> String {
    format!("{instance}@mail.example.test")
}

/// A UUID for a Cloud site.
fn cloud_id(instance: &str) -> String {
    let (head, tail) = (jira::digest(instance.as_bytes()), jira::digest(format!("{instance} ").as_bytes()));
    let (first, second) = head.split_at(8);
    let (third, fourth) = tail.split_at(4);
    let (second, third_group) = second.split_at(4);
    format!("{first}-{second}-{third_group}-{third}-{fourth}")
}

/// An instance whose account may do what workspaces need, on the projects of these keys.
///
/// # Panics
///
/// When the simulator's description of instances has changed.
#[must_use]
pub fn instance(name: &str, way: Way, projects: &[&str]) -> Instance {
    let scopes = json!(["read:jira-user", "read:jira-work"]);
    let token = format!("{name}-token");
    let credential = match way {
        Way::PersonalAccessToken => json!({ "type": "PersonalAccessToken", "token": token }),
        Way::ApiToken => json!({ "type": "ApiToken", "token": token }),
        Way::ScopedApiToken => json!({ "type": "ApiToken", "token": token, "scopes": scopes }),
        Way::ClientCredentials => {
            json!({ "type": "ClientCredentials", "clientId": format!("{name}-client"), "secret": token, "scopes": scopes })
        }
    };
    let deployment = match way {
        Way::PersonalAccessToken => json!({ "type": "DataCenter", "version": "9.12.4", "contextPath": "/jira" }),
        Way::ApiToken | Way::ScopedApiToken | Way::ClientCredentials => {
            json!({ "type": "Cloud", "cloudId": cloud_id(name) })
        }
    };
    let kind = if way == Way::ClientCredentials { ("app", json!("service")) } else { ("atlassian", Value::Null) };
    let projects = projects.iter().zip(10_001..).map(|(key, id)| project(id, key));
    let description = json!({
        "name": name,
        "deployment": deployment,
        "accounts": [{
            "id": ACCOUNT, "name": ACCOUNT, "displayName": "Fake Bot", "email": email(name),
            "accountType": kind.0, "appType": kind.1,
            "globalPermissions": ["USER_PICKER"], "credentials": [credential],
        }],
        "projects": projects.collect::<Vec<_>>(),
    });
    match serde_json::from_value(description) {
        Ok(instance) => instance,
        Err(error) => panic!("the simulator does not take the instance {name}: {error}"),
    }
}

/// A project on which the account may do what a workspace needs, as the simulator describes it.
#[must_use]
pub fn project(id: u64, key: &str) -> Value {
    json!({ "id": id, "key": key, "name": format!("Project {key}"), "grants": { ACCOUNT: WORKSPACE_PERMISSIONS } })
}

/// An object as the API server had it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen(pub Value);

impl Seen {
    /// A condition of the status.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&Value> {
        let conditions = self.0["status"]["conditions"].as_array()?;
        conditions.iter().find(|condition| condition["type"] == kind)
    }

    /// Whether a condition stands at `True`.
    #[must_use]
    pub fn is(&self, kind: &str) -> bool {
        self.condition(kind).is_some_and(|condition| condition["status"] == "True")
    }

    /// Reason of `Ready`, empty without one.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.condition("Ready").and_then(|ready| ready["reason"].as_str()).unwrap_or_default()
    }

    /// Message of `Ready`, empty without one.
    #[must_use]
    pub fn message(&self) -> &str {
        self.condition("Ready").and_then(|ready| ready["message"].as_str()).unwrap_or_default()
    }

    /// Whether the status speaks of the present generation.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.0["status"]["observedGeneration"] == self.0["metadata"]["generation"]
    }

    /// `metadata.resourceVersion`.
    #[must_use]
    pub fn version(&self) -> &str {
        self.0["metadata"]["resourceVersion"].as_str().unwrap_or_default()
    }
}

/// A namespace of a test, with the operator at work on it.
pub struct Stage {
    /// A client of the user without limits, for the runtime of the test.
    pub client: Client,
    /// The namespace.
    pub namespace: String,
    /// The control plane of the test binary.
    pub control_plane: &'static ControlPlane,
    /// Keeps others from using the operator otherwise than this test allows.
    _hold: Box<dyn Any + Send>,
}

/// The operator of the test binary, which the first call starts.
///
/// # Panics
///
/// When it does not start.
pub async fn operator() -> &'static Operator {
    operator_with(|_| {}).await
}

/// Like [`operator`], with other settings. Those of the first call in a test binary hold for all.
///
/// # Panics
///
/// When it does not start.
pub async fn operator_with(change: impl FnOnce(&mut Settings<'_>)) -> &'static Operator {
    let start = async || {
        let mut settings = Settings::for_simulator(controlplane::shared().await, jira::shared());
        change(&mut settings);
        good("the operator", Operator::start(settings).await)
    };
    Box::pin(OPERATOR.get_or_init(start)).await
}

impl Stage {
    /// A namespace for one test. The operator is shared with other tests that run at the same time.
    ///
    /// # Panics
    ///
    /// When control plane or operator do not work.
    pub async fn open(prefix: &str) -> Self {
        Self::held(prefix, Box::new(USE.read().await)).await
    }

    /// A namespace for a test that needs the operator for itself: to restart it, or to count all that it does.
    ///
    /// # Panics
    ///
    /// When control plane or operator do not work.
    pub async fn alone(prefix: &str) -> Self {
        let stage = Self::held(prefix, Box::new(USE.write().await)).await;
        stage.clear().await;
        stage
    }

    /// Deletes what finished tests have left: an operator would check it as before, which would be counted.
    async fn clear(&self) {
        for kind in [Kind::Binding, Kind::Connection] {
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind.resource());
            for left in good("what is left", api.list(&ListParams::default()).await) {
                let namespace = left.metadata.namespace.as_deref().unwrap_or_default();
                let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &kind.resource());
                let name = left.metadata.name.as_deref().unwrap_or_default();
                good(name, api.delete(name, &DeleteParams::default()).await);
            }
        }
    }

    /// A namespace for one test that starts operators of its own, and runs while no other test of the binary does.
    ///
    /// # Panics
    ///
    /// When the control plane does not work.
    pub async fn without_operator(prefix: &str) -> Self {
        let stage = Self::bare(prefix, Box::new(USE.write().await)).await;
        // The first operator of the binary installs the kinds.
        if good("the kinds", stage.client.list_api_groups().await).groups.iter().any(|group| group.name == crds::GROUP)
        {
            stage.clear().await;
        }
        stage
    }

    async fn held(prefix: &str, hold: Box<dyn Any + Send>) -> Self {
        operator().await;
        Self::bare(prefix, hold).await
    }

    async fn bare(prefix: &str, hold: Box<dyn Any + Send>) -> Self {
        let control_plane = controlplane::shared().await;
        let client = good("a client", control_plane.client().await);
        let namespace = good("a namespace", control_plane.namespace(prefix).await);
        Self { client, namespace, control_plane, _hold: hold }
    }

    /// The same test in another namespace, which exists. To be used no longer than this stage.
    #[must_use]
    pub fn within(&self, namespace: &str) -> Self {
        let (client, control_plane) = (self.client.clone(), self.control_plane);
        Self { client, namespace: namespace.to_owned(), control_plane, _hold: Box::new(()) }
    }

    /// The simulator of the test binary.
    #[must_use]
    pub fn simulator(&self) -> &'static Simulator {
        jira::shared()
    }

    /// Adds a Jira of this test to the simulator.
    ///
    /// # Panics
    ///
    /// When the simulator refuses it.
    #[must_use]
    pub fn site(&self, short: &str, way: Way, projects: &[&str]) -> Site {
        self.site_with(short, way, projects, |_| {})
    }

    /// Like [`site`](Self::site), changed before it is added.
    ///
    /// # Panics
    ///
    /// When the simulator refuses it.
    #[must_use]
    pub fn site_with(&self, short: &str, way: Way, projects: &[&str], change: impl FnOnce(&mut Instance)) -> Site {
        let name = format!("{}-{short}", self.namespace);
        let mut instance = instance(&name, way, projects);
        change(&mut instance);
        let url = good("an instance", jira::shared().add(instance));
        Site { name, url, way }
    }

    /// Applies a connection `name` to a new Jira, after the Secret of the same name with its credential.
    pub async fn connect(&self, name: &str, way: Way, projects: &[&str]) -> Site {
        let site = self.site(name, way, projects);
        self.secret(name, site.credential()).await;
        self.apply(Kind::Connection, name, site.spec(name)).await;
        site
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource())
    }

    /// Applies an object of the operator.
    ///
    /// # Panics
    ///
    /// When the API server refuses it.
    pub async fn apply(&self, kind: Kind, name: &str, spec: Value) {
        good(name, self.try_apply(kind, name, spec).await);
    }

    /// Applies an object of the operator that the API server may refuse.
    ///
    /// # Errors
    ///
    /// What the API server says against it.
    pub async fn try_apply(&self, kind: Kind, name: &str, spec: Value) -> Result<(), kube::Error> {
        let object = json!({
            "apiVersion": format!("{}/v1alpha1", crds::GROUP), "kind": kind.as_str(),
            "metadata": { "name": name }, "spec": spec,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        self.api(kind).patch(name, &params, &Patch::Apply(object)).await.map(drop)
    }

    /// Merges a patch into an object of the operator, such as an annotation.
    ///
    /// # Panics
    ///
    /// When the API server refuses it.
    pub async fn merge(&self, kind: Kind, name: &str, patch: Value) {
        good(name, self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await);
    }

    /// Deletes an object of the operator.
    ///
    /// # Panics
    ///
    /// When the API server refuses it.
    pub async fn delete(&self, kind: Kind, name: &str) {
        good(name, self.api(kind).delete(name, &DeleteParams::default()).await);
    }

    /// Whether there is an object of the operator.
    ///
    /// # Panics
    ///
    /// When the API server does not answer.
    pub async fn exists(&self, kind: Kind, name: &str) -> bool {
        good(name, self.api(kind).get_opt(name).await).is_some()
    }

    /// Applies a Secret; strings are stored as they are. Keys that an earlier call gave and this one does not are removed.
    ///
    /// # Panics
    ///
    /// When the API server refuses it.
    pub async fn secret(&self, name: &str, data: Value) {
        self.core("Secret", name, json!({ "stringData": data })).await;
    }

    /// Replaces a Secret whose values are given in base64, for what is no text.
    ///
    /// # Panics
    ///
    /// When the API server refuses it.
    pub async fn binary_secret(&self, name: &str, data: Value) {
        self.core("Secret", name, json!({ "data": data })).await;
    }

    /// Applies a ConfigMap.
    ///
    /// # Panics
    ///
    /// When the API server refuses it.
    pub async fn config_map(&self, name: &str, data: Value) {
        self.core("ConfigMap", name, json!({ "data": data })).await;
    }

    /// Deletes a Secret or ConfigMap.
    ///
    /// # Panics
    ///
    /// When the API server refuses it.
    pub async fn remove(&self, kind: &str, name: &str) {
        good(name, self.core_api(kind).delete(name, &DeleteParams::default()).await);
    }

    /// Merges a patch into a Secret or ConfigMap, such as a label.
    ///
    /// # Panics
    ///
    /// When the API server refuses it.
    pub async fn merge_core(&self, kind: &str, name: &str, patch: Value) {
        good(name, self.core_api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await);
    }

    fn core_api(&self, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", kind));
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    async fn core(&self, kind: &str, name: &str, content: Value) {
        let mut object = json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } });
        for (field, value) in content.as_object().into_iter().flatten() {
            object[field] = value.clone();
        }
        let params = PatchParams::apply(FIELD_MANAGER).force();
        good(name, self.core_api(kind).patch(name, &params, &Patch::Apply(object)).await);
    }

    /// An object of the operator as it is now.
    ///
    /// # Panics
    ///
    /// When there is none of the name.
    pub async fn get(&self, kind: Kind, name: &str) -> Seen {
        let object = good(name, self.api(kind).get(name).await);
        Seen(good(name, serde_json::to_value(object)))
    }

    /// All objects of a kind in the namespace as they are now.
    ///
    /// # Panics
    ///
    /// When the API server does not tell.
    pub async fn list(&self, kind: Kind) -> Vec<Seen> {
        let listed = good(kind.plural(), self.api(kind).list(&ListParams::default()).await);
        listed.into_iter().map(|object| Seen(good("an object", serde_json::to_value(object)))).collect()
    }

    /// Waits until the status is as wanted, and returns the object as it then is.
    ///
    /// # Panics
    ///
    /// When it does not become so in time; the message has `what` was awaited, the object, and what the operator printed.
    pub async fn until(&self, kind: Kind, name: &str, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        self.until_within(LIMIT, kind, name, what, wanted).await
    }

    /// Like [`until`](Self::until), with a limit of its own.
    ///
    /// # Panics
    ///
    /// As [`until`](Self::until) does.
    pub async fn until_within(
        &self,
        limit: Duration,
        kind: Kind,
        name: &str,
        what: &str,
        wanted: impl Fn(&Seen) -> bool,
    ) -> Seen {
        let started = Instant::now();
        loop {
            let seen = self.get(kind, name).await;
            if wanted(&seen) {
                return seen;
            }
            assert!(
                started.elapsed() < limit,
                "{name} is not {what} after {} s:\n{:#}\n{}",
                limit.as_secs(),
                seen.0["status"],
                OPERATOR.get().map(|operator| tail(&operator.output())).unwrap_or_default(),
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until `Ready` is true for the present spec.
    ///
    /// # Panics
    ///
    /// As [`until`](Self::until) does.
    pub async fn until_ready(&self, kind: Kind, name: &str) -> Seen {
        self.until(kind, name, "ready", |seen| seen.is_observed() && seen.is("Ready")).await
    }

    /// Waits until `Ready` has this reason for the present spec.
    ///
    /// # Panics
    ///
    /// As [`until`](Self::until) does.
    pub async fn until_reason(&self, kind: Kind, name: &str, reason: &str) -> Seen {
        self.until(kind, name, reason, |seen| seen.is_observed() && seen.reason() == reason).await
    }

    /// The present end of the audit log.
    ///
    /// # Panics
    ///
    /// When the log cannot be read.
    pub async fn mark(&self) -> AuditMark {
        tokio::time::sleep(AUDIT_LAG).await;
        good("the audit log", self.control_plane.audit().mark().await)
    }

    /// What the operator has asked of the API server since `mark` in the namespace of this test.
    ///
    /// # Panics
    ///
    /// When the log cannot be read.
    pub async fn audit(&self, mark: AuditMark) -> Calls {
        let Calls(all) = self.audit_everywhere(mark).await;
        let here = |event: &AuditEvent| event.namespace.as_deref() == Some(&self.namespace);
        Calls(all.into_iter().filter(here).collect())
    }

    /// What the operator has asked of the API server since `mark`.
    ///
    /// # Panics
    ///
    /// When the log cannot be read.
    pub async fn audit_everywhere(&self, mark: AuditMark) -> Calls {
        tokio::time::sleep(AUDIT_LAG).await;
        let events = good("the audit log", self.control_plane.audit().since(mark).await);
        Calls(events.into_iter().filter(is_by_operator).collect())
    }

    /// Events in the namespace of this test, as JSON.
    ///
    /// # Panics
    ///
    /// When the API server does not tell.
    pub async fn events(&self) -> Vec<Value> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("events.k8s.io", "v1", "Event"));
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let listed = good("the events", api.list(&ListParams::default()).await);
        listed.into_iter().map(|event| good("an event", serde_json::to_value(event))).collect()
    }
}

/// Whether the operator's service account made a request.
#[must_use]
pub fn is_by_operator(event: &AuditEvent) -> bool {
    event.is_by_service_account("jira-connection-operator", "jira-connection-operator")
}

/// Requests of the operator to the API server.
#[derive(Clone, Debug)]
pub struct Calls(pub Vec<AuditEvent>);

impl Calls {
    /// Writes of a status, of one object where a name is given.
    #[must_use]
    pub fn status_writes(&self, kind: Kind, name: Option<&str>) -> usize {
        let of = |event: &&AuditEvent| {
            event.subresource.as_deref() == Some("status")
                && event.resource.as_deref() == Some(kind.plural())
                && name.is_none_or(|name| event.name.as_deref() == Some(name))
        };
        self.0.iter().filter(of).count()
    }

    /// Requests that change something.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.0.iter().filter(|event| !matches!(event.verb.as_str(), "get" | "list" | "watch")).count()
    }

    /// Reads of single objects of a resource, such as `secrets`.
    #[must_use]
    pub fn reads(&self, resource: &str) -> usize {
        let of = |event: &&AuditEvent| event.verb == "get" && event.resource.as_deref() == Some(resource);
        self.0.iter().filter(of).count()
    }

    /// Events that were published.
    #[must_use]
    pub fn events(&self) -> usize {
        self.0.iter().filter(|event| event.resource.as_deref() == Some("events")).count()
    }
}

/// The last lines of what the operator printed.
fn tail(output: &str) -> String {
    let lines: Vec<_> = output.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

/// What a test cannot go on without.
fn good<T, E: std::fmt::Debug>(what: &str, outcome: Result<T, E>) -> T {
    match outcome {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error:?}"),
    }
}
