//! What the operator does between two requests: deciding, signing, reading objects.

use std::{collections::BTreeSet, hint::black_box, sync::Arc, time::Duration};

use controller::{
    auth::{
        key_pair::KeyPair,
        oauth1::{self, Claims, Stamp, Unsigned},
    },
    connection::{
        decide::{self, Next, View, plan::Plan},
        facts::{Answer, Demand, Facts, GrantAnswer, Identity, MaterialSeen, Outdated, Question, TokenEnd},
        settings::Settings,
    },
    jira::{Account, AccountKind, Deployment, IssueSecurity, Problem, Project, Server, Version},
    proof::GrantedKeys,
};
use crds::{JiraConnection, connection::status::Observed, jira::PermissionKey};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

fn noon() -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// A connection to a Data Center that requires so many projects, as it is stored.
fn stored(projects: usize) -> Value {
    let keys: Vec<_> = (0..projects).map(|number| format!("WEB{number}")).collect();
    json!({
        "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
        "metadata": { "name": "acme", "namespace": "platform", "uid": "u-1", "generation": 1, "resourceVersion": "7" },
        "spec": {
            "url": "https://jira.example/jira", "deployment": "DataCenter",
            "auth": { "personalAccessToken": { "tokenSecretRef": { "name": "secret", "key": "token" } } },
            "headers": [{ "name": "X-Gate", "valueFrom": { "secretKeyRef": { "name": "secret", "key": "gate" } } }],
            "permissions": { "projects": keys },
        },
    })
}

/// A connection that is being proven, with a Jira that grants everything.
struct Life {
    connection: JiraConnection,
    facts: Facts,
}

impl Life {
    fn new(projects: usize) -> Self {
        let connection = serde_json::from_value(stored(projects)).expect("an object of the schema");
        Self { connection, facts: Facts::default() }
    }

    /// One pass, from the first question to the plan.
    fn pass(&mut self, now: Timestamp) -> Plan {
        let settings = Settings { interval: crds::Duration::from_secs(300) }.of(&self.connection.spec);
        self.facts.begin(self.connection.metadata.generation, Outdated::default(), now);
        loop {
            let (connection, facts) = (&self.connection, &self.facts);
            match decide::next(View { connection, settings: &settings, application_url: "", facts, now }) {
                Next::Ask(question) => self.facts.record(answer(question, now), now),
                Next::Conclude(plan) => return *plan,
                Next::Rest(rest) => panic!("{rest:?} of who has not just taken over"),
            }
        }
    }

    /// The same after its first pass, with the status that came of it.
    fn proven(projects: usize) -> Self {
        let mut life = Self::new(projects);
        let plan = life.pass(noon());
        life.connection.status = Some(plan.status(&life.connection, noon()));
        life
    }
}

fn answer(question: Question, now: Timestamp) -> Answer {
    let all: BTreeSet<_> = PermissionKey::of_a_workspace().collect();
    match question {
        Question::Demand => Answer::Demand(Demand::default()),
        Question::Duplicates => Answer::Duplicates(BTreeSet::new()),
        Question::Route => Answer::Route(Ok(())),
        Question::Material => Answer::Material(Ok(MaterialSeen {
            observed: vec![Observed { name: "secret".into(), resource_version: "1".into() }],
            candidate: None,
            changed: false,
        })),
        Question::Server => Answer::Server(Ok(Server {
            deployment: Deployment::DataCenter,
            version: Version { numbers: vec![9, 12, 4], text: "9.12.4".into() },
            base_url: None,
            server_time: None,
        })),
        Question::Token => Answer::Token(Ok(TokenEnd(now + Duration::from_secs(3600)))),
        Question::Identity(door) => Answer::Identity(
            door,
            Ok(Identity::Known(Account {
                id: "bot".into(),
                display_name: "Bot".into(),
                kind: AccountKind::ServiceAccount,
            })),
        ),
        Question::Projects(keys) => {
            let project = |key: &str| Project { id: 10_001, key: key.into(), name: "Web".into(), archived: false };
            Answer::Projects(keys.iter().map(|key| (key.clone(), Ok(Some(project(key.as_ref()))))).collect())
        }
        Question::Grants(asked) => {
            let grant = Arc::new(GrantedKeys { held: all, ..GrantedKeys::default() });
            Answer::Grants(GrantAnswer {
                global: asked.global.then_some(Ok(true)),
                projects: asked.projects.into_keys().map(|key| (key, Ok(grant.clone()))).collect(),
            })
        }
        Question::IssueSecurity(keys) => {
            Answer::IssueSecurity(keys.into_iter().map(|key| (key, Ok(IssueSecurity::NotConfigured))).collect())
        }
        Question::Expiry => Answer::Expiry(Ok(None)),
        Question::CloudId => Answer::CloudId(Err(Problem::NotFound)),
        Question::Candidate | Question::Replacement | Question::Handshake | Question::Step(_) => {
            unreachable!("nobody asks that of a personal access token")
        }
    }
}

fn decides(criterion: &mut Criterion) {
    for projects in [1, 100] {
        criterion.bench_function(&format!("first pass, projects: {projects}"), |bench| {
            bench.iter_batched(|| Life::new(projects), |mut life| life.pass(noon()), BatchSize::SmallInput);
        });
        criterion.bench_function(&format!("pass that asks nothing, projects: {projects}"), |bench| {
            let mut life = Life::proven(projects);
            bench.iter(|| black_box(life.pass(noon())));
        });
    }
}

fn signs(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let key = runtime.block_on(KeyPair::generate()).expect("a key pair");
    let url = Url::parse("https://jira.example/jira/rest/api/2/mypermissions?projectKey=WEB").expect("a URL");
    let token = SecretString::from("access token");
    let request = Unsigned { method: "GET", url: &url, form: &[] };
    let claims = Claims { consumer_key: "operator", token: Some(&token), step: &[] };
    let stamp = Stamp { nonce: "nonce".into(), at: noon() };
    criterion.bench_function("OAuth 1.0a signature", |bench| {
        bench.iter(|| oauth1::authorization(&key, black_box(request), claims, &stamp));
    });
}

fn reads(criterion: &mut Criterion) {
    for projects in [1, 100] {
        let text = stored(projects).to_string();
        criterion.bench_function(&format!("connection from JSON, projects: {projects}"), |bench| {
            bench.iter(|| serde_json::from_str::<JiraConnection>(black_box(&text)));
        });
    }
}

criterion_group!(micro, decides, signs, reads);
criterion_main!(micro);
