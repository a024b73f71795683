//! What is known about a connection: the input of `decide`, filled by `gather`, kept from one pass to the next.
//!
//! Facts hold no secret: values of Secrets and tokens stay in the [`Wallet`](super::wallet::Wallet).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crds::{
    connection::status::{ActiveCredential, Observed},
    jira::{PermissionKey, ProjectKey},
};
use k8s_openapi::jiff::Timestamp;
use litemap::LiteMap;

use super::{
    finding::{self, Finding, RouteRefusal},
    handshake::{Handshake, HandshakeFault, Step},
    material::MaterialFault,
    reason::{Reason, Row},
};
use crate::{
    jira::{Account, CloudId, IssueSecurity, Problem, Project, Server},
    lending::Borrowing,
    proof::GrantedKeys,
    spec_digest::SpecDigest,
};

/// An answer, and when it was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen<T> {
    /// When it was given.
    pub at: Timestamp,
    /// Pass in which it was given.
    pub pass: u64,
    /// Its number among all answers: tells which of two came later, whatever the clock does.
    pub number: u64,
    /// How many times in a row the same question has failed; 0 after an answer.
    pub failures: u32,
    /// The answer, or why there is none.
    pub outcome: Result<T, Problem>,
}

/// Answers about single projects. Most connections have one project or two.
pub type ByProject<T> = LiteMap<ProjectKey, Seen<T>>;

/// Which door of Cloud was knocked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The site itself: Data Center, and Cloud with an unscoped API token.
    Site,
    /// Atlassian's gateway, under the id of the site.
    Gateway,
}

/// The end of an access token; the token itself is in the wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenEnd(pub Timestamp);

/// The account that a request ran as.
#[derive(Clone, Debug, PartialEq)]
pub enum Identity {
    /// As Jira described it.
    Known(Account),
    /// Jira accepted the credential and does not tell whose it is, as it may be with service accounts of Data Center.
    Untold,
}

/// What the bindings ask of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Permissions that accepted bindings need, by project.
    pub projects: BTreeMap<ProjectKey, BTreeSet<PermissionKey>>,
    /// How many bindings are accepted.
    pub accepted: usize,
    /// Namespaces of the accepted bindings.
    pub namespaces: BTreeSet<String>,
    /// How many bindings name this connection and are refused.
    pub refused: usize,
    /// How many of the accepted ones wait for a first word on their present spec.
    pub unproven: usize,
    /// The most that an accepted binding borrows for its projected Secret.
    pub borrowing: Borrowing,
}

/// What to find out next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// What do the bindings ask for?
    Demand,
    /// Which other connections of the namespace lead to the same Jira?
    Duplicates,
    /// May the operator contact this host?
    Route,
    /// What do the referenced Secrets and ConfigMaps hold?
    Material,
    /// How do the grant and the attempt to get one stand?
    Handshake,
    /// Take this step, and how do they stand then?
    Step(Step),
    /// Does Jira accept the credential that shall replace the one in use?
    Candidate,
    /// What does Jira say of itself?
    Server,
    /// Which id does this Cloud site have?
    CloudId,
    /// A fresh access token, please.
    Token,
    /// Another access token, please, ahead of the end of one that still lasts.
    Replacement,
    /// Who are we there?
    Identity(Door),
    /// Which of these projects exist?
    Projects(BTreeSet<ProjectKey>),
    /// What may we do in Jira as a whole, and in these projects?
    Grants(GrantQuestion),
    /// Can we see secured issues of these projects?
    IssueSecurity(BTreeSet<ProjectKey>),
    /// When does the credential end, as far as Jira tells?
    Expiry,
}

impl Question {
    /// A word for it, without what is asked about.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Demand => "Demand",
            Self::Duplicates => "Duplicates",
            Self::Route => "Route",
            Self::Material => "Material",
            Self::Handshake => "Handshake",
            Self::Step(_) => "Step",
            Self::Candidate => "Candidate",
            Self::Server => "Server",
            Self::CloudId => "CloudId",
            Self::Token => "Token",
            Self::Replacement => "Replacement",
            Self::Identity(_) => "Identity",
            Self::Projects(_) => "Projects",
            Self::Grants(_) => "Grants",
            Self::IssueSecurity(_) => "IssueSecurity",
            Self::Expiry => "Expiry",
        }
    }
}

/// What of permissions to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantQuestion {
    /// Whether to ask for the global permission.
    pub global: bool,
    /// Projects with Jira's ids.
    pub projects: BTreeMap<ProjectKey, u64>,
    /// Permissions to ask for on each of them.
    pub permissions: BTreeSet<PermissionKey>,
    /// Permissions that are wanted and that this Jira is known not to know.
    pub unrecognized: BTreeSet<PermissionKey>,
}

/// Answers about permissions, each with what it says about one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct GrantAnswer {
    /// Whether the global permission is held; absent where it was not asked.
    pub global: Option<Result<bool, Problem>>,
    /// By project.
    pub projects: BTreeMap<ProjectKey, Result<Arc<GrantedKeys>, Problem>>,
}

/// The answer to one [`Question`].
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To [`Question::Demand`].
    Demand(Demand),
    /// To [`Question::Duplicates`]: their names.
    Duplicates(BTreeSet<String>),
    /// To [`Question::Route`].
    Route(Result<(), RouteRefusal>),
    /// To [`Question::Material`]: versions of what was read, and whether the values differ from those in use before.
    Material(Result<MaterialSeen, MaterialFault>),
    /// To [`Question::Handshake`].
    Handshake(Result<Handshake, HandshakeFault>),
    /// To [`Question::Step`]: how things stand after it, and what stood in its way.
    Step(Step, Result<Handshake, HandshakeFault>, Result<(), Problem>),
    /// To [`Question::Token`] where a grant is renewed: how the grant stands after it.
    Renewal(Result<Handshake, HandshakeFault>, Result<(), Problem>),
    /// To [`Question::Candidate`].
    Candidate(Result<(), Problem>),
    /// To [`Question::Candidate`] where a grant is renewed with it: how the grant stands after it.
    CandidateRenewal(Result<Handshake, HandshakeFault>, Result<(), Problem>),
    /// To [`Question::Server`].
    Server(Result<Server, Problem>),
    /// To [`Question::CloudId`].
    CloudId(Result<CloudId, Problem>),
    /// To [`Question::Token`].
    Token(Result<TokenEnd, Problem>),
    /// To [`Question::Replacement`].
    Replacement(Result<TokenEnd, Problem>),
    /// To [`Question::Identity`].
    Identity(Door, Result<Identity, Problem>),
    /// To [`Question::Projects`]: `None` for one that does not exist or is hidden.
    Projects(BTreeMap<ProjectKey, Result<Option<Project>, Problem>>),
    /// To [`Question::Grants`].
    Grants(GrantAnswer),
    /// To [`Question::IssueSecurity`].
    IssueSecurity(BTreeMap<ProjectKey, Result<IssueSecurity, Problem>>),
    /// To [`Question::Expiry`]: `None` for one without an end, or whose end cannot be told.
    Expiry(Result<Option<Timestamp>, Problem>),
}

impl Answer {
    /// Whether Jira was out of reach for some of it.
    fn tells_of_an_outage(&self) -> bool {
        fn out<T>(outcome: &Result<T, Problem>) -> bool {
            outcome
                .as_ref()
                .is_err_and(|problem| finding::reason(problem).row() == Row::Outage && !finding::unanswerable(problem))
        }
        match self {
            Self::Demand(_)
            | Self::Duplicates(_)
            | Self::Route(_)
            | Self::Material(_)
            | Self::Handshake(_)
            // The token endpoint of Cloud is another host than the site.
            | Self::Step(..)
            | Self::Renewal(..)
            | Self::CandidateRenewal(..)
            // The one before still lasts.
            | Self::Replacement(_)
            // The one in use tells.
            | Self::Candidate(_) => false,
            Self::Server(outcome) => out(outcome),
            Self::CloudId(outcome) => out(outcome),
            Self::Token(outcome) => out(outcome),
            Self::Identity(_, outcome) => out(outcome),
            Self::Projects(found) => found.values().any(out),
            Self::Grants(found) => found.global.as_ref().is_some_and(out) || found.projects.values().any(out),
            Self::IssueSecurity(found) => found.values().any(out),
            Self::Expiry(outcome) => out(outcome),
        }
    }
}

/// Referenced objects as they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaterialSeen {
    /// Versions of the values in use.
    pub observed: Vec<Observed>,
    /// What was read of a credential that shall replace the one in use. `None` if none is named.
    pub candidate: Option<Result<(), MaterialFault>>,
    /// Whether a value differs from the one in use before.
    pub changed: bool,
}

/// What has changed since it was last read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outdated {
    /// An object that the spec refers to.
    pub material: bool,
    /// One of the two Secrets that the operator makes for the connection.
    pub handshake: bool,
}

/// All that is known about a connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Number of the current pass.
    pub pass: u64,
    /// When the current pass began: the time by which everything in it is judged.
    pub began: Timestamp,
    /// When an operator that knew nothing yet took the connection up. `None` where the answer is wanted now, or Jira was asked since,
    /// or a value has changed since.
    pub taken_up: Option<Timestamp>,
    /// Whether the values of the referenced objects were read since.
    values_read: bool,
    /// What the spec of the last conclusion said, `suspend` aside.
    pub concluded: Option<SpecDigest>,
    /// The trouble that the last pass concluded with, if it was one of asking Jira.
    pub trouble: Option<Finding>,
    /// When Jira was last asked anything.
    pub asked_at: Option<Timestamp>,
    /// When Jira was last asked anything before the current pass.
    pub asked_before: Option<Timestamp>,
    answers: u64,
    look_expires: bool,
    generation: Option<i64>,
    /// See [`Question::Demand`]; asked anew in each pass.
    pub demand: Option<Demand>,
    /// See [`Question::Duplicates`]; asked anew in each pass.
    pub duplicates: Option<BTreeSet<String>>,
    /// See [`Question::Route`].
    pub route: Option<Result<(), RouteRefusal>>,
    /// See [`Question::Material`].
    pub material: Option<Result<Vec<Observed>, MaterialFault>>,
    /// What was read of the candidate. `None` if none is named.
    pub candidate_material: Option<Result<(), MaterialFault>>,
    /// See [`Question::Candidate`].
    pub candidate: Option<Seen<()>>,
    /// See [`Question::Handshake`].
    pub handshake: Option<Result<Handshake, HandshakeFault>>,
    /// Pass in which the owned Secrets were read last.
    pub handshake_pass: u64,
    /// The grant that was known last, by the time of its consent and the number of its renewals.
    grant: Option<(Timestamp, u64)>,
    /// See [`Question::Step`]: when each was taken last, and what stood in its way.
    pub steps: BTreeMap<Step, Seen<()>>,
    /// The last renewal of a grant, or replacement of a token.
    pub renewal: Option<Seen<()>>,
    /// See [`Question::Server`].
    pub server: Option<Seen<Server>>,
    /// See [`Question::CloudId`].
    pub cloud_id: Option<Seen<CloudId>>,
    /// See [`Question::Token`].
    pub token: Option<Seen<TokenEnd>>,
    /// See [`Question::Identity`].
    pub identity: Option<Seen<Identity>>,
    /// The door at which `identity` was asked.
    pub door: Option<Door>,
    /// See [`Question::Projects`].
    pub projects: ByProject<Option<Project>>,
    /// Whether the global permission is held.
    pub global: Option<Seen<bool>>,
    /// See [`Question::Grants`].
    pub grants: ByProject<Arc<GrantedKeys>>,
    /// Permissions that this Jira does not know, since it was last looked at.
    pub unrecognized: BTreeSet<PermissionKey>,
    /// See [`Question::IssueSecurity`].
    pub issue_security: ByProject<IssueSecurity>,
    /// See [`Question::Expiry`].
    pub expiry: Option<Seen<Option<Timestamp>>>,
}

impl Facts {
    /// What an operator knows of a connection that it has just taken up.
    #[must_use]
    pub fn taken_up(now: Timestamp) -> Self {
        Self { taken_up: Some(now), ..Self::default() }
    }

    /// Begins a pass. What was learned for another generation of the spec is forgotten, and so is what `outdated` names.
    pub fn begin(&mut self, generation: Option<i64>, outdated: Outdated, now: Timestamp) {
        if self.generation != generation {
            self.unlearn();
            (self.route, self.generation) = (None, generation);
        }
        self.pass += 1;
        self.began = now;
        self.asked_before = self.asked_at;
        if std::mem::take(&mut self.look_expires) {
            self.expire_look();
        }
        // What the last pass was told is no answer in this one.
        self.end();
        if outdated.material {
            self.material = None;
        }
        if outdated.handshake {
            self.handshake = None;
        }
    }

    /// Ends a pass. What is asked anew in each takes no room in between.
    pub fn end(&mut self) {
        (self.demand, self.duplicates) = (None, None);
    }

    /// Adds an answer given at `at`.
    pub fn record(&mut self, answer: Answer, at: Timestamp) {
        self.answers += 1;
        let stamp = Stamp { at, pass: self.pass, number: self.answers };
        // Cloud answers for many projects at once, Data Center for one at a time.
        let apart = self.cloud_id.is_none();
        self.look_expires |= answer.tells_of_an_outage();
        let of_jira = !matches!(
            answer,
            Answer::Demand(_) | Answer::Duplicates(_) | Answer::Route(_) | Answer::Material(_) | Answer::Handshake(_)
        );
        if of_jira {
            (self.asked_at, self.taken_up) = (Some(at), None);
        }
        match answer {
            Answer::Demand(demand) => self.demand = Some(demand),
            Answer::Duplicates(names) => self.duplicates = Some(names),
            Answer::Route(route) => self.route = Some(route),
            Answer::Material(material) => self.record_material(material),
            Answer::Handshake(found) => {
                self.handshake_pass = self.pass;
                self.record_handshake(found, stamp);
            }
            Answer::Renewal(found, outcome) => {
                let renewal = seen(self.renewal.as_ref(), outcome, stamp);
                self.record_handshake(found, stamp);
                self.renewal = Some(renewal);
            }
            Answer::Candidate(outcome) => self.record_candidate(outcome, stamp),
            Answer::CandidateRenewal(found, outcome) => {
                self.record_handshake(found, stamp);
                self.record_candidate(outcome, stamp);
            }
            Answer::Step(step, found, outcome) => self.record_step(found, (step, outcome), stamp),
            Answer::Server(outcome) => {
                self.unrecognized.clear();
                self.server = Some(seen(self.server.as_ref(), outcome, stamp));
            }
            Answer::CloudId(outcome) => self.cloud_id = Some(seen(self.cloud_id.as_ref(), outcome, stamp)),
            Answer::Token(outcome) => self.token = Some(seen(self.token.as_ref(), outcome, stamp)),
            Answer::Replacement(outcome) => {
                let replaced = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
                self.renewal = Some(seen(self.renewal.as_ref(), replaced, stamp));
                if outcome.is_ok() {
                    self.token = Some(seen(self.token.as_ref(), outcome, stamp));
                }
            }
            Answer::Identity(door, outcome) => {
                self.door = Some(door);
                self.identity = Some(seen(self.identity.as_ref(), outcome, stamp));
            }
            Answer::Projects(found) => self.answers = record_each(&mut self.projects, found, stamp, apart),
            Answer::Grants(GrantAnswer { global, projects }) => {
                if let Some(outcome) = global {
                    self.global = Some(seen(self.global.as_ref(), outcome, stamp));
                }
                let grants = projects.values().filter_map(|grant| grant.as_ref().ok());
                self.unrecognized.extend(grants.flat_map(|grant| grant.unrecognized.iter().cloned()));
                self.answers = record_each(&mut self.grants, projects, stamp, apart);
            }
            Answer::Expiry(outcome) => self.expiry = Some(seen(self.expiry.as_ref(), outcome, stamp)),
            Answer::IssueSecurity(found) => self.answers = record_each(&mut self.issue_security, found, stamp, apart),
        }
    }

    /// Forgets what was learned with a spec or with values that are now gone. How far the passes have come stays.
    fn unlearn(&mut self) {
        let Self { pass, began, taken_up, values_read, answers, generation, .. } = *self;
        let (concluded, demand, route) = (self.concluded.take(), self.demand.take(), self.route.take());
        let duplicates = self.duplicates.take();
        *self = Self {
            pass,
            began,
            taken_up,
            values_read,
            concluded,
            answers,
            generation,
            demand,
            duplicates,
            route,
            ..Self::default()
        };
    }

    fn record_material(&mut self, material: Result<MaterialSeen, MaterialFault>) {
        if material.as_ref().map_or(true, |seen| seen.changed) {
            self.unlearn();
            self.taken_up.take_if(|_| self.values_read);
        }
        self.values_read = true;
        self.candidate_material = material.as_ref().ok().and_then(|seen| seen.candidate.clone());
        self.material = Some(material.map(|seen| seen.observed));
    }

    /// Another grant is another credential: what was found out with the one before proves nothing. A renewed one is the
    /// same, with a token that has to be proven.
    fn record_handshake(&mut self, found: Result<Handshake, HandshakeFault>, stamp: Stamp) {
        let held = found.as_ref().ok().and_then(Handshake::held);
        if let Some(held) = held
            && self.grant != Some((held.consented_at, held.renewals))
        {
            self.token = Some(seen(None, Ok(TokenEnd(held.token_ends_at)), stamp));
            if self.grant.is_none_or(|(consented_at, _)| consented_at != held.consented_at) {
                (self.trouble, self.identity, self.renewal) = (None, None, None);
            }
        }
        self.grant = held.map(|held| (held.consented_at, held.renewals));
        if found.is_ok() {
            self.trouble.take_if(|trouble| trouble.reason == Reason::SecretConflict);
        }
        self.handshake = Some(found);
    }

    /// What was proven with the one credential proves nothing for the other.
    fn record_candidate(&mut self, outcome: Result<(), Problem>, stamp: Stamp) {
        let before = self.active();
        self.candidate = Some(seen(self.candidate.as_ref(), outcome, stamp));
        if self.active() != before {
            self.identity = None;
            if self.handshake.is_none() {
                self.token = None;
            }
        }
    }

    fn record_step(
        &mut self,
        found: Result<Handshake, HandshakeFault>,
        step: (Step, Result<(), Problem>),
        stamp: Stamp,
    ) {
        let (step, outcome) = step;
        let now = seen(self.steps.get(&step), outcome, stamp);
        if now.outcome.is_ok() {
            // The steps after it are those of another attempt than before.
            self.steps.retain(|_, seen| seen.pass == stamp.pass);
        }
        self.steps.insert(step, now);
        self.record_handshake(found, stamp);
    }

    /// After an outage, the daily look is due at once: the Jira that comes back may be another version. Failures stay,
    /// since they count how often a question was asked in vain.
    fn expire_look(&mut self) {
        self.server.take_if(|seen| seen.outcome.is_ok());
        self.cloud_id.take_if(|seen| seen.outcome.is_ok());
        self.projects.retain(|_, seen| seen.outcome.is_err());
        self.issue_security.retain(|_, seen| seen.outcome.is_err());
    }

    /// Forgets projects that nobody asks for any more.
    pub fn retain_projects(&mut self, wanted: impl Fn(&ProjectKey) -> bool) {
        self.projects.retain(|key, _| wanted(key));
        self.grants.retain(|key, _| wanted(key));
        self.issue_security.retain(|key, _| wanted(key));
    }

    /// Which credential is in use: the candidate as soon as Jira has accepted it.
    #[must_use]
    pub fn active(&self) -> ActiveCredential {
        match &self.candidate {
            Some(Seen { outcome: Ok(()), .. }) => ActiveCredential::Candidate,
            Some(_) | None => ActiveCredential::Primary,
        }
    }

    /// What Jira said of itself, if it did.
    #[must_use]
    pub fn known_server(&self) -> Option<&Server> {
        self.server.as_ref()?.outcome.as_ref().ok()
    }

    /// The Cloud id, if it is known.
    #[must_use]
    pub fn known_cloud_id(&self) -> Option<&CloudId> {
        self.cloud_id.as_ref()?.outcome.as_ref().ok()
    }

    /// How grant and attempt stand, if the owned Secrets could be used.
    #[must_use]
    pub fn known_handshake(&self) -> Option<&Handshake> {
        self.handshake.as_ref()?.as_ref().ok()
    }

    /// The identity, if it is proven.
    #[must_use]
    pub fn known_identity(&self) -> Option<&Identity> {
        self.identity.as_ref()?.outcome.as_ref().ok()
    }
}

/// When, and in which order, an answer was given.
#[derive(Clone, Copy)]
struct Stamp {
    at: Timestamp,
    pass: u64,
    number: u64,
}

fn seen<T>(before: Option<&Seen<T>>, outcome: Result<T, Problem>, stamp: Stamp) -> Seen<T> {
    let failures = match (&outcome, before) {
        (Ok(_), _) => 0,
        (Err(_), Some(before)) => before.failures.saturating_add(1),
        (Err(_), None) => 1,
    };
    let Stamp { at, pass, number } = stamp;
    Seen { at, pass, number, failures, outcome }
}

/// Where each project is asked about by itself, each answer gets a number of its own, so that they fall due one by one.
fn record_each<T>(
    slots: &mut ByProject<T>,
    found: BTreeMap<ProjectKey, Result<T, Problem>>,
    mut stamp: Stamp,
    apart: bool,
) -> u64 {
    if slots.is_empty() {
        // No more room than it takes.
        *slots = LiteMap::with_capacity(found.len());
    }
    for (key, outcome) in found {
        let now = seen(slots.get(&key), outcome, stamp);
        slots.insert(key, now);
        stamp.number += u64::from(apart);
    }
    stamp.number
}
