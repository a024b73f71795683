//! `check --live`: asks Jira what the operator would ask, and judges the answers as it would.
//!
//! Questions and judgements are those of [`decide`]; only what the operator takes from the cluster comes from files here.

pub(super) mod supply;

use std::{collections::BTreeSet, sync::Arc};

use crds::{Duration, JiraConnection, WorkspaceBinding};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use self::supply::{Consent, Supply};
use super::{
    examination::Sound,
    finding::{Fault, Finding, Severity},
    manifest::Manifest,
    sense::{self, Placed},
};
use crate::{
    acceptance::named_connection,
    auth::key_pair::KeyPair,
    binding::{
        self,
        decide::Word,
        facts::{Admission, Facts as BindingFacts},
        projection::Standing as SecretStanding,
    },
    condition::{About, Claim},
    connection::{
        decide::{self, Next, View, plan::Plan},
        facts::{Answer, Demand, Facts, MaterialSeen, Outdated, Question},
        finding::Finding as Trouble,
        gather,
        handshake::{AttemptStanding, GrantStanding, Handshake, protocol},
        material::MaterialFault,
        reason::Reason,
        secrets,
        settings::Settings,
        wallet::{Credential, Wallet},
    },
    jira::{Network, OAuth1Problem, Problem},
    lending::Terms,
    plugin::{arguments::LiveArguments, error::Error},
    proof::{Proof, Standing},
};

/// Time between two checks; what is asked once does not depend on it.
const INTERVAL: Duration = Duration::from_secs(300);

/// Asks the Jira of one connection, and gives what was found: about the connection, and about each binding that names it.
///
/// # Errors
/// When it is not clear which connection is meant, or a file cannot be read. What Jira says is no error, but a finding.
pub(super) async fn examine(
    manifests: &[Manifest],
    sound: &Sound<'_>,
    arguments: &LiveArguments,
) -> Result<Vec<Finding>, Error> {
    let Placed { manifest, object } = chosen(sound, arguments)?;
    let connection = as_applied(object);
    let consent = match connection.spec.auth.method().and_then(protocol) {
        Some(_) => Consent::Pending,
        None => Consent::NotNeeded,
    };
    let supply = Supply::collect(&connection.spec, &manifest.namespace, manifests, arguments, consent)?;
    if !supply.lacking.is_empty() {
        return Ok(supply.lacking.into_iter().map(|fault| manifest.finding(fault)).collect());
    }
    let labels = sense::labels(manifests);
    let place = (manifest.namespace.clone(), manifest.name.clone());
    let bindings: Vec<_> = sound.bindings.iter().filter(|it| named_connection(&it.object) == place).collect();
    // Where labels decide and are not known, the binding is taken for accepted: what it needs is then known beforehand.
    let generous = sense::generous(&connection);
    let asking = bindings.iter().map(|it| (&it.object, labels.get(it.manifest.namespace.as_str()).cloned()));
    let mut inquiry = Inquiry {
        demand: gather::demanded(&generous, asking),
        network: arguments.network(&connection)?,
        facts: Facts::default(),
        wallet: None,
        supply,
        connection,
    };
    let plan = inquiry.conclude().await?;
    let mut findings = vec![manifest.finding(inquiry.verdict(&plan).await?)];
    for placed in bindings {
        findings.extend(verdict(&placed.object, &plan).map(|fault| placed.manifest.finding(fault)));
    }
    Ok(findings)
}

/// The one connection that is asked for: a credential is sent to the host that it is meant for, and to no other.
fn chosen<'a>(sound: &'a Sound<'a>, arguments: &LiveArguments) -> Result<&'a Placed<'a, JiraConnection>, Error> {
    let named = |placed: &&Placed<'_, JiraConnection>| {
        let Manifest { namespace, name, .. } = placed.manifest;
        let full = format!("{namespace}/{name}");
        arguments.connection.as_ref().is_none_or(|wanted| wanted == name || *wanted == full)
    };
    match sound.connections.iter().filter(named).collect::<Vec<_>>().as_slice() {
        [one] => Ok(one),
        [] => Err(Error::NothingToAsk),
        several => Err(Error::WhichConnection { several: several.len() }),
    }
}

/// The connection as the operator would find it, had it just been applied, with its checks switched on.
fn as_applied(connection: &JiraConnection) -> JiraConnection {
    let mut connection = connection.clone();
    (connection.status, connection.spec.suspend) = (None, None);
    connection.metadata.generation = Some(1);
    connection
}

/// One conversation with a Jira.
struct Inquiry {
    connection: JiraConnection,
    demand: Demand,
    network: Network,
    supply: Supply,
    facts: Facts,
    wallet: Option<Wallet>,
}

impl Inquiry {
    /// Asks until there is nothing left to ask, as a pass of the operator does.
    async fn conclude(&mut self) -> Result<Plan, Error> {
        let settings = Settings { interval: INTERVAL }.of(&self.connection.spec);
        self.facts.begin(self.connection.metadata.generation, Outdated::default(), Timestamp::now());
        loop {
            let view = View {
                connection: &self.connection,
                settings: &settings,
                application_url: "",
                facts: &self.facts,
                now: self.facts.began,
            };
            match decide::next(view) {
                Next::Conclude(plan) => return Ok(*plan),
                // Only an operator that has just taken over may let a status stand.
                Next::Rest(_) => return Err(Error::Stuck),
                Next::Ask(question) => {
                    let answer = self.answer(question).await?;
                    self.facts.record(answer, Timestamp::now());
                }
            }
        }
    }

    async fn answer(&mut self, question: Question) -> Result<Answer, Error> {
        match question {
            Question::Demand => Ok(Answer::Demand(self.demand.clone())),
            Question::Route => Ok(Answer::Route(gather::site(&self.connection, &self.network).map(drop))),
            Question::Material => Ok(Answer::Material(self.material())),
            Question::Handshake => Ok(Answer::Handshake(Ok(nobody_yet()))),
            // Of connections that share a Jira only a cluster knows.
            Question::Duplicates => Ok(Answer::Duplicates(BTreeSet::new())),
            question => {
                let wallet = self.wallet.as_mut().ok_or(Error::Stuck)?;
                let asked = gather::inquire(question, &self.connection, &self.facts, wallet, Timestamp::now);
                asked.await.map_err(|_| Error::Stuck)
            }
        }
    }

    fn material(&mut self) -> Result<MaterialSeen, MaterialFault> {
        let sheets = std::mem::take(&mut self.supply.sheets);
        // The question before this one has found the site good; had it not, nobody would ask this one.
        let Ok(site) = gather::site(&self.connection, &self.network) else {
            return Ok(MaterialSeen { observed: Vec::new(), candidate: None, changed: false });
        };
        for (referent, sheet) in &sheets {
            secrets::released(referent, sheet, &site, false)?;
        }
        let settings = Settings { interval: INTERVAL };
        let wallet = secrets::assemble(&self.connection, &site, sheets, &self.network, settings)?;
        let observed = wallet.observed.clone();
        self.wallet = Some(wallet);
        Ok(MaterialSeen { observed, candidate: None, changed: true })
    }

    /// What the connection comes to. That somebody has yet to consent is all that can be said of a method that needs it.
    async fn verdict(&mut self, plan: &Plan) -> Result<Fault, Error> {
        let (reason, message) = said(plan);
        if reason == Reason::AuthorizationRequired.as_str() {
            return self.until_consent().await;
        }
        let severity = if reason == Reason::ConnectionVerified.as_str() { Severity::Good } else { Severity::Problem };
        Ok(Fault::told(severity, reason, message))
    }

    /// What can be known without a person: Jira was reached and fits, and for OAuth 1.0a its application links answer.
    async fn until_consent(&mut self) -> Result<Fault, Error> {
        let found = match self.application_links().await? {
            Links::NotAsked => "has the version for the method".to_owned(),
            Links::Answer(known) => format!("offers application links, {known}"),
            Links::Fault(fault) => return Ok(Fault::told(Severity::Problem, fault.reason.as_str(), fault.message)),
        };
        let (name, namespace) = (self.connection.name_any(), self.connection.namespace().unwrap_or_default());
        let version = self.facts.known_server().map(|server| server.version.text.clone()).unwrap_or_default();
        let message = format!(
            "Jira {version} answers, is what spec.deployment says, and {found}. The rest needs a person, once this is applied: kubectl jira authorize {name} -n {namespace}"
        );
        Ok(Fault::told(Severity::Note, Reason::AuthorizationRequired.as_str(), message))
    }

    /// Begins an attempt that nobody will go on with, as it takes no account to ask for a request token.
    async fn application_links(&mut self) -> Result<Links, Error> {
        let Some(wallet) = self.wallet.as_mut() else { return Ok(Links::NotAsked) };
        let Credential::Consumer { pair, .. } = &mut wallet.primary else { return Ok(Links::NotAsked) };
        let own = pair.is_some();
        if pair.is_none() {
            *pair = Some(Arc::new(KeyPair::generate().await.map_err(|_| Error::Stuck)?));
        }
        let Some(signer) = wallet.signer(None) else { return Ok(Links::NotAsked) };
        Ok(match wallet.jira.request_token(&signer, None).await {
            Ok(_) => Links::Answer("which know the consumer key and the public key"),
            // With a key pair that the operator has yet to make, no link can be made yet, or has another public key.
            Err(Problem::OAuth1(OAuth1Problem::ConsumerUnknown | OAuth1Problem::SignatureInvalid)) if !own => {
                Links::Answer("whose incoming link is made with the values that authorize shows")
            }
            Err(problem) => {
                let host = wallet.jira.site().origin();
                let host = host.strip_prefix("https://").unwrap_or(&host).to_owned();
                Links::Fault(Trouble::problem(&problem, &host, None))
            }
        })
    }
}

/// What is known of application links.
enum Links {
    /// The method does without.
    NotAsked,
    /// They are there.
    Answer(&'static str),
    /// They are not, or refuse.
    Fault(Trouble),
}

/// No grant, no attempt; and a key, so that nobody is asked to make one.
fn nobody_yet() -> Handshake {
    Handshake {
        grant: GrantStanding::None,
        attempt: AttemptStanding::None,
        published: None,
        public_key: Some(String::new()),
    }
}

/// Reason and message of what a pass came to. A status forgives for a while; here nothing is forgiven.
fn said(plan: &Plan) -> (String, String) {
    match &plan.trouble {
        Some(trouble) => (trouble.reason.as_str().to_owned(), trouble.message.clone()),
        None => ready(&plan.claims),
    }
}

fn ready(claims: &[Claim]) -> (String, String) {
    let ready = claims.iter().find(|claim| claim.about == About::Ready);
    ready.map(|ready| (ready.reason.clone(), ready.message.clone())).unwrap_or_default()
}

/// What a binding comes to, once its connection is known to Jira. `None` where that was not found out.
fn verdict(binding: &WorkspaceBinding, plan: &Plan) -> Option<Fault> {
    let mut binding = binding.clone();
    // Of its Secret the examination without Jira has said what there is to say.
    (binding.status, binding.spec.suspend, binding.spec.projection) = (None, None, None);
    // What the connection itself lacks does not keep the answers about the binding's projects from being good.
    let lacking = plan.trouble.is_none() && plan.label() == Reason::PermissionsMissing.as_str();
    let standing = if lacking { Standing::Proven } else { plan.proof.standing };
    if standing != Standing::Proven {
        return None;
    }
    let proof = Some(Arc::new(Proof { standing, ..plan.proof.clone() }));
    let admission = Admission::Accepted { terms: Terms::NotAllowed, lent: None, proof, announced: false };
    let facts = BindingFacts { admission, secret: SecretStanding::Absent, waiting_since: None, concluded: None };
    match binding::decide::plan(&binding, &facts, Timestamp::now()).word {
        Word::Keep { .. } => None,
        Word::Say(statement) => {
            let (reason, message) = ready(&statement.claims);
            let good = reason == binding::decide::Reason::BindingVerified.as_str();
            let severity = if good { Severity::Good } else { Severity::Problem };
            Some(Fault::told(severity, reason, message))
        }
    }
}
