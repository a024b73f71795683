//! A connection that a person authorises, with its Jira, its Secrets and the operator's pages.
//!
//! The first scene of a test binary starts the operator, with pages at a port of the binary's own.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::{net::TcpListener, sync::OnceLock, time::Duration};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use crate::{
    jira::{
        self, App, Consumer, DataCenter, Deployment, Entry, IncomingLink, Instance, Mark, Mutation, Person, Whose,
        person::{Landing, Page},
    },
    stage::{self, ACCOUNT, Kind, Seen, Site, Stage, Way},
};

/// Name of every connection here.
pub const NAME: &str = "acme";

/// How long anything may take that the operator does at once.
const LIMIT: Duration = Duration::from_secs(20);

/// A second account, for a change of hands.
pub const SUCCESSOR: &str = "successor";

/// Where the pages are: one port of this test binary.
#[must_use]
pub fn public_url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| format!("http://localhost:{}", port()))
}

/// Port of the pages.
#[must_use]
pub fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port())
}

/// SHA-256 in hexadecimal, as keys are stored.
#[must_use]
pub fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The operator of this test binary, with pages.
pub async fn start_operator() {
    stage::operator_with(|settings| {
        settings.arguments =
            vec![format!("--public-url={}", public_url()), format!("--pages-address=127.0.0.1:{}", port())];
        settings.log_level = Some("controller=trace,info".to_owned());
    })
    .await;
}

/// Which way leads in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OAuth 2.0 (3LO).
    Cloud,
    /// OAuth 2.0 of a Data Center, behind a gateway that demands a header.
    Center,
    /// OAuth 1.0a of an old Data Center.
    Old,
}

/// A connection that a person authorises, and all around it.
pub struct Scene {
    /// Its namespace.
    pub stage: Stage,
    /// Its Jira.
    pub site: Site,
    /// How it is authorised.
    pub protocol: Protocol,
}

impl Scene {
    /// A namespace and a Jira where everything is as it should be, but nothing of the connection yet.
    pub async fn open(prefix: &str, protocol: Protocol) -> Self {
        Self::open_with(prefix, protocol, |_| {}, |_| {}).await
    }

    /// The same, where the instance and, on Cloud, the app are changed first.
    pub async fn open_with(
        prefix: &str,
        protocol: Protocol,
        change: impl FnOnce(&mut Instance),
        change_app: impl FnOnce(&mut App),
    ) -> Self {
        start_operator().await;
        Self::on(Stage::open(prefix).await, protocol, change, change_app)
    }

    /// The same on a stage whose operators are the caller's: they must have [`public_url`].
    pub fn on(
        stage: Stage,
        protocol: Protocol,
        change: impl FnOnce(&mut Instance),
        change_app: impl FnOnce(&mut App),
    ) -> Self {
        let way = if protocol == Protocol::Cloud { Way::ApiToken } else { Way::PersonalAccessToken };
        let site = stage.site_with("jira", way, &["WEB"], |instance| {
            let successor: Value = json!({
                "id": SUCCESSOR, "name": SUCCESSOR, "displayName": "Successor", "email": "next@mail.example.test",
                "accountType": "atlassian", "globalPermissions": ["USER_PICKER"], "credentials": [],
            });
            instance.accounts.push(serde_json::from_value(successor).unwrap());
            for project in &mut instance.projects {
                let granted = project.grants[ACCOUNT].clone();
                project.grants.insert(SUCCESSOR.to_owned(), granted);
            }
            let name = instance.name.clone();
            if let Some(center) = center(instance) {
                if protocol == Protocol::Old {
                    "8.13.7".clone_into(&mut center.version);
                } else {
                    center.gateway_headers.insert("X-Gate".to_owned(), "open".to_owned());
                    center.incoming_links.push(IncomingLink {
                        client_id: format!("{name}-client"),
                        secret: format!("{name}-secret"),
                        name: Some("Operator".to_owned()),
                        redirect_urls: vec![format!("{}/callback", public_url())],
                        scope: "WRITE".to_owned(),
                    });
                }
            }
            change(instance);
        });
        let scene = Self { stage, site, protocol };
        if protocol == Protocol::Cloud {
            let mut app: App = serde_json::from_value(json!({
                "clientId": scene.client_id(), "secret": scene.client_secret(), "name": "Operator",
                "callbackUrl": format!("{}/callback", public_url()),
                "scopes": ["read:jira-user", "read:jira-work", "write:jira-work"],
                "access": "Account",
            }))
            .unwrap();
            change_app(&mut app);
            jira::shared().register(app).unwrap();
        }
        scene
    }

    /// Client id of the 3LO app or of the incoming link.
    #[must_use]
    pub fn client_id(&self) -> String {
        format!("{}-client", self.site.name)
    }

    /// Client secret at Jira; unused by OAuth 1.0a.
    #[must_use]
    pub fn client_secret(&self) -> String {
        format!("{}-secret", self.site.name)
    }

    /// What the connection declares.
    #[must_use]
    pub fn spec(&self) -> Value {
        let auth = match self.protocol {
            Protocol::Cloud | Protocol::Center => {
                json!({ "oauth2AuthorizationCode": { "clientSecretRef": { "name": "app" } } })
            }
            Protocol::Old => json!({ "oauth1": { "consumerKey": "operator", "consumerName": "Operator" } }),
        };
        let mut spec = json!({
            "url": self.site.url,
            "deployment": if self.protocol == Protocol::Cloud { "Cloud" } else { "DataCenter" },
            "auth": auth,
            "checks": { "interval": "1m" },
            "permissions": { "projects": ["WEB"] },
        });
        if self.protocol == Protocol::Center {
            let gate = json!({ "secretKeyRef": { "name": "gate", "key": "value" } });
            spec["headers"] = json!([{ "name": "X-Gate", "valueFrom": gate }]);
        }
        spec
    }

    /// Applies the Secrets that the connection refers to.
    pub async fn prepare(&self) {
        self.stage.secret("app", json!({ "clientId": self.client_id(), "clientSecret": self.client_secret() })).await;
        self.stage.secret("gate", json!({ "value": "open" })).await;
    }

    /// Applies the connection and what it refers to, and waits until a person is waited for.
    pub async fn connect(&self) -> Seen {
        self.prepare().await;
        self.stage.apply(Kind::Connection, NAME, self.spec()).await;
        self.until_reason("AuthorizationRequired").await
    }

    /// A connection that a person has authorised, and that works.
    pub async fn granted(prefix: &str, protocol: Protocol) -> Self {
        let scene = Self::open(prefix, protocol).await;
        scene.settle().await;
        scene
    }

    /// Applies the connection, and lets a person authorise it.
    pub async fn settle(&self) {
        let waiting = self.connect().await;
        if self.protocol == Protocol::Old {
            self.link(&waiting.0["status"]);
        }
        self.admit("a-key").await;
    }

    /// Like [`connect`](Self::connect), with `spec.checks` of its own, and as far as an admin of Jira can bring it.
    pub async fn wait_for_a_person(&self, checks: Value) {
        self.prepare().await;
        let mut spec = self.spec();
        spec["checks"] = checks;
        self.stage.apply(Kind::Connection, NAME, spec).await;
        let waiting = self.until_reason("AuthorizationRequired").await;
        if self.protocol == Protocol::Old {
            self.link(&waiting.0["status"]);
        }
    }

    /// The person comes and authorises with this key, until everything works.
    pub async fn admit(&self, key: &str) {
        self.authorise(&self.person(ACCOUNT), key).await;
        self.stage.until_ready(Kind::Connection, NAME).await;
    }

    /// Waits until `Ready` has this reason.
    pub async fn until_reason(&self, reason: &str) -> Seen {
        self.stage.until_reason(Kind::Connection, NAME, reason).await
    }

    /// The connection as it is.
    pub async fn now(&self) -> Seen {
        self.stage.get(Kind::Connection, NAME).await
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.stage.client.clone(), &self.stage.namespace)
    }

    /// Waits until the connection is gone for good.
    pub async fn until_gone(&self) {
        let started = Instant::now();
        while self.stage.exists(Kind::Connection, NAME).await {
            assert!(started.elapsed() < LIMIT, "the connection is still there");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// One of the two owned Secrets as text by key: `authorization` or `grant`.
    pub async fn owned(&self, which: &str) -> Option<Value> {
        let secret = self.secrets().get_opt(&format!("{NAME}.jira-{which}")).await.unwrap()?;
        let data = secret.data.unwrap_or_default();
        let texts = data.into_iter().map(|(key, ByteString(bytes))| {
            let text = String::from_utf8(bytes).unwrap();
            (key, serde_json::from_str(&text).unwrap_or(Value::String(text)))
        });
        Some(Value::Object(texts.collect()))
    }

    /// Merges text into an owned Secret, as a person does; `null` removes a key.
    pub async fn write(&self, which: &str, data: Value) {
        let encoded = data.as_object().unwrap().iter().map(|(key, value)| {
            let value = value.as_str().map_or(Value::Null, |text| json!(ByteString(text.as_bytes().to_vec())));
            (key.clone(), value)
        });
        let patch = json!({ "data": encoded.collect::<serde_json::Map<_, _>>() });
        let name = format!("{NAME}.jira-{which}");
        self.secrets().patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// Waits for something in an owned Secret.
    pub async fn until_owned(&self, which: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let found = self.owned(which).await.unwrap_or_default();
            if wanted(&found) {
                return found;
            }
            assert!(started.elapsed() < LIMIT, "{what}: {}\n{:?}", censored(&found), self.now().await);
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The person asks with a key. Returns the attempt that the operator prepares.
    pub async fn ask(&self, key: &str) -> Value {
        self.ask_by(key, Value::Null).await
    }

    /// The same for OAuth 1.0a, with a code that Jira shows in place of a callback.
    pub async fn ask_for_code(&self, key: &str) -> Value {
        self.ask_by(key, json!("Code")).await
    }

    async fn ask_by(&self, key: &str, by: Value) -> Value {
        self.until_owned("authorization", "the Secret is there", Value::is_object).await;
        self.write("authorization", json!({ "keyHash": hash(key), "returnBy": by })).await;
        let prepared = self
            .until_owned("authorization", "an attempt is prepared", |secret| {
                secret["attempt"]["keyHash"] == hash(key).as_str() || secret["outcome"]["keyHash"] == hash(key).as_str()
            })
            .await;
        prepared["attempt"].clone()
    }

    /// How the attempt for a key ended.
    pub async fn outcome(&self, key: &str) -> Value {
        let told = self.until_owned("authorization", "the attempt has ended", |secret| {
            secret["outcome"]["keyHash"] == hash(key).as_str()
        });
        told.await["outcome"].clone()
    }

    /// Somebody with a browser who logs in as this account and picks the connection's site.
    #[must_use]
    pub fn person(&self, account: &str) -> Person {
        Person::new(jira::shared(), account).unwrap().on_site(&self.site.url)
    }

    /// The person goes through the pages and allows the access. Returns the page that comes last.
    pub async fn authorise(&self, person: &Person, key: &str) -> Page {
        let callback = self.consent(person, key).await;
        person.open(&callback).await.unwrap()
    }

    /// The same as far as Jira's redirect, which is not followed.
    pub async fn consent(&self, person: &Person, key: &str) -> String {
        let attempt = self.start(person, key).await;
        person.consent(attempt["authorizationUrl"].as_str().unwrap()).await.unwrap()
    }

    /// The person starts at the page.
    pub async fn start(&self, person: &Person, key: &str) -> Value {
        let attempt = self.ask(key).await;
        let page = person.open(&self.page(key)).await.unwrap();
        assert!(matches!(person.click(&page, "start", &[]).await.unwrap(), Landing::Page(_)));
        attempt
    }

    /// Address of the page for a key.
    #[must_use]
    pub fn page(&self, key: &str) -> String {
        format!("{}/connections/{}/{NAME}?key={key}", public_url(), self.stage.namespace)
    }

    /// An admin of an old Jira pastes the four values into an application link.
    pub fn link(&self, status: &Value) {
        let authorization = &status["authorization"];
        let text = |key: &str| authorization[key].as_str().unwrap().to_owned();
        let consumer = Consumer {
            key: text("consumerKey"),
            name: text("consumerName"),
            public_key: text("publicKey"),
            url: text("applicationUrl"),
        };
        self.mutate(&Mutation::AddConsumer { consumer });
    }

    /// Changes something at Jira.
    pub fn mutate(&self, mutation: &Mutation) {
        jira::shared().mutate(&self.site.name, mutation).unwrap();
    }

    /// What belongs to this connection at Jira.
    #[must_use]
    pub fn whose(&self) -> Whose {
        Whose::client(&self.client())
    }

    /// Client id or consumer key.
    #[must_use]
    pub fn client(&self) -> String {
        match self.protocol {
            Protocol::Cloud | Protocol::Center => self.client_id(),
            Protocol::Old => "operator".to_owned(),
        }
    }

    /// Somebody asks for a check now.
    pub async fn wish(&self, value: &str) {
        let patch = json!({ "metadata": { "annotations": { "issuetracking.dev/requestedAt": value } } });
        self.stage.merge(Kind::Connection, NAME, patch).await;
        let handled = |seen: &Seen| seen.0["status"]["lastHandledRequestedAt"] == value;
        self.stage.until(Kind::Connection, NAME, "the wish is granted", handled).await;
    }

    /// Target of faults and path of the token endpoint that this connection uses.
    #[must_use]
    pub fn token_endpoint(&self) -> (String, &'static str) {
        match self.protocol {
            Protocol::Cloud => ("auth".to_owned(), "/oauth/token"),
            Protocol::Center => (self.site.name.clone(), "/rest/oauth2/latest/token"),
            Protocol::Old => (self.site.name.clone(), "/plugins/servlet/oauth/access-token"),
        }
    }

    /// Everything asked of the token endpoint that this connection uses.
    #[must_use]
    pub fn token_requests(&self, mark: Mark) -> Vec<Entry> {
        let journal = jira::shared().journal();
        let client = self.client();
        let place = if self.protocol == Protocol::Cloud { "auth" } else { &self.site.name };
        let all = journal.of(place, mark);
        all.into_iter().filter(|entry| entry.client.as_deref() == Some(&client)).collect()
    }
}

/// The Data Center that an instance is, if it is one.
pub fn center(instance: &mut Instance) -> Option<&mut DataCenter> {
    match &mut instance.deployment {
        Deployment::DataCenter(center) => Some(center),
        Deployment::Cloud(_) => None,
    }
}

/// A Secret's keys, for a failure's text.
fn censored(secret: &Value) -> String {
    format!("{:?}", secret.as_object().map(|data| data.keys().collect::<Vec<_>>()))
}
