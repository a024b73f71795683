//! A connection and a binding that names it, living through passes without a cluster.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crds::{JiraConnection, WorkspaceBinding, WorkspaceBindingStatus, connection::status::Effective};
use k8s_openapi::{ByteString, jiff::Timestamp};
use secrecy::SecretString;
use serde::Serialize;

use super::{CANARY, CERTIFICATE, CERTIFICATE_KEY, RSA_KEY, assert_hidden, world};
use crate::{
    acceptance::{self, Acceptance, Labels},
    auth::{authorization_secret::AuthorizationSecret, grant_secret::GrantSecret, key_pair::KeyPair},
    binding::{
        self,
        decide::Word,
        facts::{Admission, Facts as BindingFacts, Lent},
        projection::Standing,
    },
    condition,
    connection::{
        decide::{self, Next, View, plan::Plan},
        facts::{Answer, Facts, MaterialSeen, Outdated, Question},
        gather,
        handshake::Handshake,
        material::MaterialFault,
        secrets::{self, Sheets},
        settings::Settings,
        wallet::{Credential, Wallet},
    },
    jira::{Network, Problem},
    lending::Terms,
    plugin::{check::law, need::needs},
    spec_digest::SpecDigest,
};

/// More questions than any connection needs in a pass: each kind once, and the second tries.
const MOST_QUESTIONS: usize = 24;

/// Times from one pass to the next: at once, soon, and when everything but the daily look is due.
const PASSES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(30), Duration::from_secs(6 * 60 * 60)];

/// A connection and a binding, and what is remembered of them.
pub(super) struct Life {
    /// Both with the status that was written last.
    connection: JiraConnection,
    binding: WorkspaceBinding,
    /// What stands in the two Secrets that the operator makes for the connection.
    owned: BTreeMap<String, ByteString>,
    facts: Facts,
    wallet: Option<Wallet>,
}

impl Life {
    /// Before the first pass.
    pub(super) fn of(
        connection: JiraConnection,
        binding: WorkspaceBinding,
        owned: BTreeMap<String, ByteString>,
    ) -> Self {
        Self { connection, binding, owned, facts: Facts::default(), wallet: None }
    }

    /// Lives through several passes with a Jira that answers what the script says. Panics when a pass asks without end or before
    /// its time, or makes a status that the schema does not take or that holds a secret.
    pub(super) fn live(&mut self, script: &[u8]) {
        world::run(script, async |network| {
            let mut now = Timestamp::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
            for time in PASSES {
                now += time;
                let plan = self.pass(network, now).await;
                self.follow(&plan, now);
            }
        });
    }

    async fn pass(&mut self, network: &Network, now: Timestamp) -> Plan {
        let settings: Effective = Settings { interval: crds::Duration::from_secs(300) }.of(&self.connection.spec);
        self.facts.begin(self.connection.metadata.generation, Outdated::default(), now);
        for _ in 0..MOST_QUESTIONS {
            let (connection, facts) = (&self.connection, &self.facts);
            let application_url = "https://pages.example/connections/platform/acme";
            match decide::next(View { connection, settings: &settings, application_url, facts, now }) {
                Next::Ask(question) => {
                    let answer = self.answer(question, network, now).await;
                    self.facts.record(answer, now);
                }
                Next::Rest(rest) => panic!("{rest:?} of who has not just taken over"),
                Next::Conclude(plan) => {
                    self.facts.trouble.clone_from(&plan.trouble);
                    self.facts.concluded = Some(SpecDigest::of_connection(&self.connection.spec));
                    let status = plan.status(&self.connection, now);
                    assert_fit("JiraConnection", &status);
                    self.connection.status = Some(status);
                    return *plan;
                }
            }
        }
        panic!("still asking after {MOST_QUESTIONS} questions");
    }

    async fn answer(&mut self, question: Question, network: &Network, now: Timestamp) -> Answer {
        let interactive = self.facts.handshake.is_some();
        match question {
            Question::Demand => {
                Answer::Demand(gather::demanded(&self.connection, [(&self.binding, Some(Labels::new()))]))
            }
            Question::Duplicates => Answer::Duplicates(["other".to_owned()].into()),
            Question::Route => Answer::Route(gather::site(&self.connection, network).map(drop)),
            Question::Material => Answer::Material(self.material(network)),
            Question::Handshake => Answer::Handshake(Ok(self.handshake())),
            Question::Step(step) => {
                let outcome = self.outcome().await;
                Answer::Step(step, Ok(self.handshake()), outcome)
            }
            Question::Token if interactive => {
                let outcome = self.outcome().await;
                Answer::Renewal(Ok(self.handshake()), outcome)
            }
            Question::Candidate if interactive => {
                let outcome = self.outcome().await;
                Answer::CandidateRenewal(Ok(self.handshake()), outcome)
            }
            question => {
                let wallet = self.wallet.as_mut().expect("what Jira is asked comes after the material");
                let answer = gather::inquire(question, &self.connection, &self.facts, wallet, || now).await;
                answer.expect("a question that comes in its time")
            }
        }
    }

    /// What two Secrets that nobody changes any more say.
    fn handshake(&self) -> Handshake {
        let key = self.wallet.as_ref().and_then(Wallet::public_key);
        Handshake::read(Some(&AuthorizationSecret::read(&self.owned)), &GrantSecret::read(&self.owned), key)
    }

    /// How a step or a renewal goes: as it goes with any other question.
    async fn outcome(&self) -> Result<(), Problem> {
        match &self.wallet {
            Some(wallet) => wallet.jira.server().await.map(drop),
            None => Ok(()),
        }
    }

    fn material(&mut self, network: &Network) -> Result<MaterialSeen, MaterialFault> {
        let site = gather::site(&self.connection, network).expect("a site that the question before has found good");
        let settings = Settings { interval: crds::Duration::from_secs(300) };
        let mut wallet = secrets::assemble(&self.connection, &site, sheets(&self.connection), network, settings)?;
        if let Credential::Consumer { pair, .. } = &mut wallet.primary {
            let key = || Arc::new(KeyPair::from_pem(&RSA_KEY.into()).expect("a constant key"));
            pair.get_or_insert_with(key);
        }
        // Where a person has to consent, a token that he has given.
        if self.connection.spec.auth.method().and_then(crate::connection::handshake::protocol).is_some() {
            wallet.access = Some(SecretString::from(CANARY));
        }
        let observed = wallet.observed.clone();
        self.wallet = Some(wallet);
        Ok(MaterialSeen { observed, candidate: None, changed: true })
    }

    /// The pass over the binding that follows one over its connection.
    fn follow(&mut self, plan: &Plan, now: Timestamp) {
        let connection = &self.connection;
        let admission = match acceptance::judge(connection, &self.binding, Some(&Labels::new())) {
            Acceptance::Refused => Admission::Refused,
            Acceptance::Accepted { credential } => Admission::Accepted {
                terms: Terms::of(connection, credential),
                lent: Some(Lent { certificates: None, token: true, cloud_api: None }),
                proof: Some(Arc::new(plan.proof.clone())),
                announced: binding::is_announced(connection),
            },
        };
        let facts = BindingFacts { admission, secret: Standing::Absent, waiting_since: None, concluded: None };
        let Word::Say(statement) = binding::decide::plan(&self.binding, &facts, now).word else { return };
        let before = self.binding.status.as_ref().map_or(&[][..], |status| &status.conditions);
        let conditions = condition::merge(before, &statement.claims, self.binding.metadata.generation, now);
        let status = WorkspaceBindingStatus { conditions, ..statement.details.clone() };
        assert_fit("WorkspaceBinding", &status);
        self.binding.status = Some(status);
    }
}

/// What the connection refers to: a secret at every key, and where it is due something that can be used.
fn sheets(connection: &JiraConnection) -> Sheets {
    let mut sheets = Sheets::new();
    for need in needs(&connection.spec) {
        let sheet = sheets.entry(need.referent.clone()).or_default();
        for key in need.keys {
            let value = match (need.field.as_str(), key.as_str()) {
                ("spec.tls.caRef", _) | ("spec.tls.clientCertificateSecretRef", "tls.crt") => CERTIFICATE,
                ("spec.tls.clientCertificateSecretRef", _) => CERTIFICATE_KEY,
                ("spec.proxySecretRef", _) => "http://proxy.example:3128",
                ("spec.auth.oauth1.privateKeySecretRef", _) => RSA_KEY,
                _ => CANARY,
            };
            sheet.data.insert(key, value.into());
        }
    }
    sheets
}

/// Asserts that the API server takes a status, and that anybody may read it.
fn assert_fit(kind: &str, status: &impl Serialize) {
    let status = serde_json::to_value(status).expect("a status can be written");
    let faults = law::faults(kind, "status", &status);
    assert!(faults.is_empty(), "{faults:#?} of {status:#}");
    assert_hidden(&status.to_string());
}
