//! Every row of the state table, and the laws that hold for all facts.
//!
//! A [`World`] answers the questions; `decide` is run against it as `reconcile` would, without a clock or a client.

mod borrowed;
mod candidate;
mod consent;
mod rest;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crds::{
    JiraConnection, State,
    connection::status::{Effective, Observed},
    jira::{PermissionKey, ProjectKey},
};
use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{
    condition::{self, About, Truth},
    connection::{
        facts::{Answer, Facts, GrantAnswer, MaterialSeen, Outdated, TokenEnd},
        finding::RouteRefusal,
        handshake::{Handshake, HandshakeFault},
        material::{MaterialFault, Referent, ReferentKind},
        settings::Settings,
    },
    jira::{
        Account, AccountKind, CloudId, Gibberish, Interceptor, IssueSecurity, LimitReach, OAuth1Problem, Outage,
        Server, TlsFault, Version,
    },
    proof::{GrantedKeys, Standing},
    spec_digest::SpecDigest,
};

mod verdicts;

/// More questions than any world needs: each kind once, and the second tries.
const MOST_QUESTIONS: usize = 24;

fn noon() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

#[derive(Clone, Debug)]
struct World {
    demand: Demand,
    /// Other connections of the namespace that lead to the same Jira.
    duplicates: &'static [&'static str],
    route: Result<(), RouteRefusal>,
    material: Result<&'static str, MaterialFault>,
    /// What was read of a candidate.
    candidate_material: Option<Result<(), MaterialFault>>,
    /// Whether Jira accepts the candidate.
    candidate: Result<(), Problem>,
    /// How grant and attempt stand.
    handshake: Result<Handshake, HandshakeFault>,
    /// How they stand after a step, and what stands in its way.
    step: (Handshake, Result<(), Problem>),
    /// How they stand after a renewal, and what stands in its way.
    renewal: (Handshake, Result<(), Problem>),
    server: Result<Server, Problem>,
    cloud_id: Result<CloudId, Problem>,
    token: Result<(), Problem>,
    at_site: Result<Identity, Problem>,
    at_gateway: Result<Identity, Problem>,
    project: Result<Option<&'static str>, Problem>,
    global: Result<bool, Problem>,
    grant: Result<BTreeSet<PermissionKey>, Problem>,
    security: Result<IssueSecurity, Problem>,
    expiry: Result<Option<Timestamp>, Problem>,
}

fn server(deployment: jira::Deployment, numbers: &[u64]) -> Server {
    let text = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
    Server { deployment, version: Version { numbers: numbers.to_vec(), text }, base_url: None, server_time: None }
}

fn identity(id: &str) -> Identity {
    Identity::Known(Account { id: id.into(), display_name: "Bot".into(), kind: AccountKind::ServiceAccount })
}

fn all_seven() -> BTreeSet<PermissionKey> {
    PermissionKey::of_a_workspace().collect()
}

/// Data Center 9.12 where everything is in order.
fn center() -> World {
    World {
        demand: Demand::default(),
        duplicates: &[],
        route: Ok(()),
        material: Ok("1"),
        candidate_material: None,
        candidate: Ok(()),
        handshake: Ok(consent::nothing()),
        step: (consent::nothing(), Ok(())),
        renewal: (consent::nothing(), Ok(())),
        server: Ok(server(jira::Deployment::DataCenter, &[9, 12, 4])),
        cloud_id: Err(Problem::NotFound),
        token: Ok(()),
        at_site: Ok(identity("bot")),
        at_gateway: Err(Problem::NotFound),
        project: Ok(Some("WEB")),
        global: Ok(true),
        grant: Ok(all_seven()),
        security: Ok(IssueSecurity::NotConfigured),
        expiry: Ok(None),
    }
}

/// Cloud where everything is in order.
fn cloud() -> World {
    World {
        server: Ok(server(jira::Deployment::Cloud, &[1001, 0, 0])),
        cloud_id: Ok("11111111-2222-3333-4444-555555555555".parse().unwrap()),
        at_gateway: Ok(identity("bot")),
        ..center()
    }
}

impl World {
    fn answer(&self, question: &Question, now: Timestamp, before: Option<&str>, known: &Facts) -> Answer {
        match question {
            Question::Demand => Answer::Demand(self.demand.clone()),
            Question::Duplicates => Answer::Duplicates(self.duplicates.iter().map(ToString::to_string).collect()),
            Question::Route => Answer::Route(self.route.clone()),
            Question::Material => Answer::Material(self.material.clone().map(|version| MaterialSeen {
                observed: vec![Observed { name: "secret".into(), resource_version: version.into() }],
                candidate: self.candidate_material.clone(),
                changed: before != Some(version),
            })),
            Question::Candidate if known.handshake.is_some() => {
                Answer::CandidateRenewal(Ok(self.renewal.0.clone()), self.candidate.clone())
            }
            Question::Candidate => Answer::Candidate(self.candidate.clone()),
            Question::Handshake => Answer::Handshake(self.handshake.clone()),
            Question::Step(step) => Answer::Step(*step, Ok(self.step.0.clone()), self.step.1.clone()),
            Question::Token if known.handshake.is_some() => {
                Answer::Renewal(Ok(self.renewal.0.clone()), self.renewal.1.clone())
            }
            Question::Server => Answer::Server(self.server.clone()),
            Question::CloudId => Answer::CloudId(self.cloud_id.clone()),
            Question::Token => Answer::Token(self.token.clone().map(|()| TokenEnd(now + minutes(60)))),
            Question::Replacement => Answer::Replacement(self.token.clone().map(|()| TokenEnd(now + minutes(60)))),
            Question::Identity(Door::Site) => Answer::Identity(Door::Site, self.at_site.clone()),
            Question::Identity(Door::Gateway) => Answer::Identity(Door::Gateway, self.at_gateway.clone()),
            Question::Projects(keys) => {
                let found = |key: &ProjectKey| {
                    let project =
                        |key: &str| Project { id: 10001, key: key.into(), name: "Web".into(), archived: false };
                    self.project.clone().map(|found| found.map(|_| project(&key.0)))
                };
                Answer::Projects(keys.iter().map(|key| (key.clone(), found(key))).collect())
            }
            Question::Grants(asked) => Answer::Grants(GrantAnswer {
                global: asked.global.then(|| self.global.clone()),
                projects: asked.projects.keys().map(|key| (key.clone(), self.granted())).collect(),
            }),
            Question::Expiry => Answer::Expiry(self.expiry.clone()),
            Question::IssueSecurity(keys) => {
                Answer::IssueSecurity(keys.iter().map(|key| (key.clone(), self.security.clone())).collect())
            }
        }
    }

    fn granted(&self) -> Result<Arc<GrantedKeys>, Problem> {
        self.grant.clone().map(|held| Arc::new(GrantedKeys { held, ..GrantedKeys::default() }))
    }
}

/// A connection with its memory, living through passes.
struct Life {
    connection: JiraConnection,
    facts: Facts,
    read: Option<String>,
    asked: Vec<Question>,
    /// Whether somebody has written into an owned Secret since the last pass.
    written: bool,
}

fn pat() -> Value {
    json!({ "personalAccessToken": { "tokenSecretRef": { "name": "secret", "key": "token" } } })
}

fn client() -> Value {
    json!({ "oauth2ClientCredentials": { "clientSecretRef": { "name": "secret" } } })
}

fn api_token() -> Value {
    json!({ "apiToken": { "email": "bot@example.test", "tokenSecretRef": { "name": "secret", "key": "token" } } })
}

impl Life {
    fn of(auth: &Value, deployment: &str) -> Self {
        let connection = serde_json::from_value(json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
            "metadata": { "name": "acme", "namespace": "platform", "uid": "u-1", "generation": 1 },
            "spec": { "url": "https://jira.example/jira", "deployment": deployment, "auth": auth,
                "permissions": { "projects": ["WEB"] } },
        }))
        .unwrap();
        Self { connection, facts: Facts::default(), read: None, asked: Vec::new(), written: false }
    }

    fn center() -> Self {
        Self::of(&pat(), "DataCenter")
    }

    fn cloud() -> Self {
        Self::of(&api_token(), "Cloud")
    }

    /// One pass; what was asked of Jira is kept in `asked`.
    fn pass(&mut self, world: &World, now: Timestamp) -> Plan {
        self.look(world, now).unwrap_or_else(|rest| panic!("{rest:?} in place of a verdict"))
    }

    /// As `pass`, where the status may also be left as it stands.
    fn look(&mut self, world: &World, now: Timestamp) -> Result<Plan, Rest> {
        let settings: Effective = Settings { interval: crds::Duration::from_secs(300) }.of(&self.connection.spec);
        let outdated = self.read.as_deref() != world.material.as_ref().ok().copied() && self.read.is_some();
        let outdated = Outdated { material: outdated, handshake: std::mem::take(&mut self.written) };
        self.facts.begin(self.connection.metadata.generation, outdated, now);
        self.asked.clear();
        for step in 0..MOST_QUESTIONS {
            let view = View {
                connection: &self.connection,
                settings: &settings,
                application_url: "https://operator.example/connections/platform/acme",
                facts: &self.facts,
                now,
            };
            match next(view) {
                Next::Ask(question) => {
                    let answer = world.answer(&question, now, self.read.as_deref(), &self.facts);
                    if matches!(question, Question::Material) {
                        self.read = world.material.as_ref().ok().map(ToString::to_string);
                    }
                    self.facts.record(answer, now + Duration::from_micros(step as u64));
                    if !matches!(
                        question,
                        Question::Demand
                            | Question::Duplicates
                            | Question::Route
                            | Question::Material
                            | Question::Handshake
                    ) {
                        self.asked.push(question);
                    }
                }
                Next::Rest(rest) => return Err(rest),
                Next::Conclude(plan) => {
                    self.facts.trouble.clone_from(&plan.trouble);
                    self.facts.concluded = Some(SpecDigest::of_connection(&self.connection.spec));
                    self.connection.status = Some(plan.status(&self.connection, now));
                    return Ok(*plan);
                }
            }
        }
        panic!("still asking after {MOST_QUESTIONS} questions: {:?}", self.asked);
    }

    fn restart(&mut self) {
        self.facts = Facts::default();
        self.read = None;
    }

    fn edit(&mut self, change: impl FnOnce(&mut crds::JiraConnectionSpec)) {
        change(&mut self.connection.spec);
        self.connection.metadata.generation = self.connection.metadata.generation.map(|it| it + 1);
    }

    fn wish(&mut self, value: &str) {
        let annotations = self.connection.metadata.annotations.get_or_insert_default();
        annotations.insert(crds::REQUESTED_AT.into(), value.into());
    }

    fn conditions(&self) -> &[crds::Condition] {
        self.connection.status.as_ref().map_or(&[], |status| &status.conditions)
    }

    fn truth(&self, about: About) -> &str {
        condition::find(self.conditions(), about).map_or("absent", |it| it.status.as_str())
    }

    fn reason(&self) -> &str {
        condition::find(self.conditions(), About::Ready).map_or("absent", |it| it.reason.as_str())
    }

    fn state(&self) -> Option<State> {
        self.connection.status.as_ref().and_then(|status| status.state)
    }

    /// What kstatus makes of it: `Current`, `InProgress` or `Failed`.
    fn verdict(&self) -> &str {
        let is = |about, status| condition::is(self.conditions(), about, status);
        match (is(About::Stalled, Truth::True), is(About::Reconciling, Truth::True), is(About::Ready, Truth::True)) {
            (true, _, _) => "Failed",
            (false, true, _) => "InProgress",
            (false, false, true) => "Current",
            (false, false, false) => "InProgress by Ready",
        }
    }
}

fn missing_secret() -> MaterialFault {
    MaterialFault::Missing(Referent { kind: ReferentKind::Secret, name: "secret".into() })
}

const NOT_AUTHORIZED: Option<State> = Some(State::NotAuthorized);
const INTERRUPTED: Option<State> = Some(State::Interrupted);

#[rstest]
#[case::everything_holds(center(), Some(State::Authorized), "True", "True", "ConnectionVerified", "Current")]
#[case::secret_missing(World { material: Err(missing_secret()), ..center() }, INTERRUPTED, "Unknown", "False", "SecretNotFound", "InProgress")]
#[case::rejected(World { at_site: Err(Problem::Rejected(Rejection::Unauthorized)), ..center() }, NOT_AUTHORIZED, "False", "False", "CredentialsRejected", "InProgress")]
#[case::answered_as_nobody(World { at_site: Err(Problem::Rejected(Rejection::Anonymous)), ..center() }, NOT_AUTHORIZED, "False", "False", "CredentialsRejected", "InProgress")]
#[case::captcha(World { at_site: Err(Problem::CaptchaRequired), ..center() }, NOT_AUTHORIZED, "False", "False", "AccountLocked", "Failed")]
#[case::nobody_has_authorised(World { at_site: Err(Problem::OAuth1(OAuth1Problem::PermissionUnknown)), ..center() }, NOT_AUTHORIZED, "False", "False", "AuthorizationRequired", "InProgress")]
#[case::grant_revoked(World { at_site: Err(Problem::GrantRevoked), ..center() }, NOT_AUTHORIZED, "False", "False", "GrantRevoked", "Failed")]
#[case::grant_expired(World { at_site: Err(Problem::OAuth1(OAuth1Problem::TokenExpired)), ..center() }, NOT_AUTHORIZED, "False", "False", "GrantExpired", "Failed")]
#[case::link_unknown(World { at_site: Err(Problem::OAuth1(OAuth1Problem::ConsumerUnknown)), ..center() }, NOT_AUTHORIZED, "False", "False", "ClientSecretRejected", "Failed")]
#[case::scope_missing(World { at_site: Err(Problem::ScopeMissing), ..center() }, INTERRUPTED, "True", "False", "ScopeMissing", "Failed")]
#[case::global_permission_missing(World { global: Ok(false), ..center() }, INTERRUPTED, "True", "False", "PermissionsMissing", "Failed")]
#[case::project_permission_missing(World { grant: Ok(BTreeSet::new()), ..center() }, INTERRUPTED, "True", "False", "PermissionsMissing", "Failed")]
#[case::project_missing(World { project: Ok(None), ..center() }, INTERRUPTED, "True", "False", "PermissionsMissing", "Failed")]
#[case::unreachable_and_never_proven(World { server: Err(Problem::Unreachable(Outage::TimedOut)), ..center() }, INTERRUPTED, "Unknown", "False", "Unreachable", "InProgress")]
#[case::a_page_for_json(World { server: Err(Problem::Intercepted(Interceptor::Page)), ..center() }, INTERRUPTED, "Unknown", "False", "BlockedByProxy", "InProgress")]
#[case::no_jira(World { server: Err(Problem::NotJira(Gibberish::Content)), ..center() }, INTERRUPTED, "Unknown", "False", "NotJira", "InProgress")]
#[case::tls(World { server: Err(Problem::Tls(TlsFault::UnknownIssuer)), ..center() }, INTERRUPTED, "Unknown", "False", "TLSFailed", "Failed")]
#[case::wrong_site(World { server: Err(Problem::WrongSite { reported: None }), ..center() }, INTERRUPTED, "Unknown", "False", "WrongSite", "Failed")]
#[case::clock_skew(World { at_site: Err(Problem::ClockSkew), ..center() }, INTERRUPTED, "Unknown", "False", "ClockSkew", "Failed")]
#[case::site_not_covered(World { at_site: Err(Problem::SiteNotCovered { covered: Vec::new() }), ..center() }, INTERRUPTED, "Unknown", "False", "WrongSite", "Failed")]
#[case::no_application_links(World { at_site: Err(Problem::LinksUnavailable), ..center() }, INTERRUPTED, "Unknown", "False", "ApplicationLinksUnavailable", "Failed")]
#[case::oauth1_not_taken(World { at_site: Err(Problem::OAuth1(OAuth1Problem::Unacceptable)), ..center() }, INTERRUPTED, "Unknown", "False", "AuthMethodUnsupported", "Failed")]
#[case::rate_limited_before_any_proof(World { server: Err(limited(7)), ..center() }, None, "Unknown", "Unknown", "Progressing", "InProgress")]
#[case::other_deployment(World { server: Ok(server(jira::Deployment::Cloud, &[1001])), ..center() }, INTERRUPTED, "Unknown", "False", "DeploymentMismatch", "Failed")]
#[case::too_old_for_tokens(World { server: Ok(server(jira::Deployment::DataCenter, &[8, 13, 2])), ..center() }, INTERRUPTED, "Unknown", "False", "AuthMethodUnsupported", "Failed")]
#[case::host_not_allowed(World { route: Err(RouteRefusal::HostNotAllowed), ..center() }, INTERRUPTED, "Unknown", "False", "HostNotAllowed", "Failed")]
#[case::address_not_allowed(World { server: Err(Problem::HostNotAllowed), ..center() }, INTERRUPTED, "Unknown", "False", "HostNotAllowed", "Failed")]
#[case::secret_not_released(World { material: Err(MaterialFault::NotReleased { referent: Referent { kind: ReferentKind::Secret, name: "secret".into() }, host: "jira.example".into() }), ..center() }, INTERRUPTED, "Unknown", "False", "SecretNotReleased", "Failed")]
fn a_row_of_the_state_table(
    #[case] world: World,
    #[case] state: Option<State>,
    #[case] authorized: &str,
    #[case] ready: &str,
    #[case] reason: &str,
    #[case] verdict: &str,
) {
    let mut life = Life::center();
    life.pass(&world, noon());
    let found = (life.state(), life.truth(About::Authorized), life.truth(About::Ready), life.reason(), life.verdict());
    assert_eq!(found, (state, authorized, ready, reason, verdict));
}

#[test]
fn who_waits_for_a_person_neither_looks_by_himself_nor_is_held_back() {
    let mut life = Life::center();
    let waiting = World { at_site: Err(Problem::OAuth1(OAuth1Problem::PermissionUnknown)), ..center() };
    let plan = life.pass(&waiting, noon());
    assert_eq!((plan.wake, plan.trouble), (None, None));
    life.pass(&waiting, noon() + minutes(24 * 60));
    assert_eq!((life.reason(), life.verdict()), ("AuthorizationRequired", "InProgress"));
    life.pass(&center(), noon() + minutes(24 * 60 + 1));
    assert_eq!(life.reason(), "ConnectionVerified");
}

fn limited(seconds: u64) -> Problem {
    Problem::RateLimited { retry_after: Some(Duration::from_secs(seconds)), reach: LimitReach::Host }
}

fn unreachable() -> World {
    World { at_site: Err(Problem::Unreachable(Outage::NotConnected)), ..center() }
}

fn rejecting() -> World {
    World { at_site: Err(Problem::Rejected(Rejection::Unauthorized)), ..center() }
}

#[rstest]
#[case::data_center_token(Life::center(), center(), 5)]
#[case::cloud_token(Life::cloud(), cloud(), 6)]
#[case::cloud_scoped_token(Life::cloud(), World { at_site: Err(Problem::Rejected(Rejection::Unauthorized)), ..cloud() }, 7)]
#[case::cloud_client(Life::of(&client(), "Cloud"), cloud(), 7)]
fn a_first_check_asks_no_more_than_it_must(#[case] mut life: Life, #[case] world: World, #[case] most: usize) {
    life.pass(&world, noon());
    assert_eq!(life.reason(), "ConnectionVerified");
    assert_eq!(life.asked.len(), most, "{:?}", life.asked);
}

#[rstest]
#[case::data_center(Life::center(), center())]
#[case::cloud(Life::cloud(), cloud())]
fn a_steady_check_asks_for_identity_and_permissions_only(#[case] mut life: Life, #[case] world: World) {
    life.pass(&world, noon());
    let before = life.connection.status.clone();
    let plan = life.pass(&world, noon() + minutes(6));
    life.asked.retain(|it| *it != Question::Expiry);
    assert!(matches!(life.asked[..], [Question::Identity(_), Question::Grants(_)]), "{:?}", life.asked);
    assert_eq!(life.connection.status, before);
    assert!(plan.wake.is_some_and(|wake| wake > noon() + minutes(10)));
}

#[test]
fn eighty_projects_on_cloud_are_asked_about_in_one_question() {
    let mut life = Life::cloud();
    let keys: Vec<_> = (0..80).map(|number| ProjectKey(format!("P{number}"))).collect();
    life.connection.spec.permissions.as_mut().unwrap().projects = Some(keys);
    life.pass(&cloud(), noon());
    life.pass(&cloud(), noon() + minutes(6));
    assert_eq!(life.asked.len(), 2, "{:?}", life.asked);
}

#[test]
fn a_wake_between_two_checks_asks_nothing() {
    let mut life = Life::center();
    life.pass(&center(), noon());
    life.pass(&center(), noon() + minutes(1));
    assert_eq!(life.asked, []);
}

#[test]
fn the_daily_look_comes_once_a_day() {
    let mut life = Life::center();
    life.pass(&center(), noon());
    life.pass(&center(), noon() + minutes(60 * 27));
    assert!(life.asked.contains(&Question::Server) && life.asked.iter().any(|it| matches!(it, Question::Projects(_))));
}

#[test]
fn a_binding_that_asks_for_a_new_project_is_answered_at_once() {
    let mut life = Life::center();
    life.pass(&center(), noon());
    let projects = BTreeMap::from([(ProjectKey::from("APP"), all_seven())]);
    let world = World { demand: Demand { projects, accepted: 1, ..Demand::default() }, ..center() };
    let plan = life.pass(&world, noon() + Duration::from_secs(3));
    assert!(plan.proof.projects.contains_key("APP"));
    assert!(!life.asked.iter().any(|it| matches!(it, Question::Identity(_))), "{:?}", life.asked);
}

#[test]
fn what_only_bindings_miss_leaves_the_connection_as_it_is() {
    let mut life = Life::of(&pat(), "DataCenter");
    life.connection.spec.permissions = None;
    let projects = BTreeMap::from([(ProjectKey::from("APP"), all_seven())]);
    let world =
        World { demand: Demand { projects, accepted: 1, ..Demand::default() }, grant: Ok(BTreeSet::new()), ..center() };
    let plan = life.pass(&world, noon());
    assert_eq!(life.reason(), "ConnectionVerified");
    assert_eq!(plan.proof.standing, Standing::Proven);
}

#[test]
fn a_missing_secret_stalls_after_two_minutes_and_is_waited_for_by_the_watch() {
    let world = World { material: Err(missing_secret()), ..center() };
    let mut life = Life::center();
    assert_eq!(life.pass(&world, noon()).wake, Some(noon() + minutes(2)));
    assert_eq!(life.verdict(), "InProgress");
    assert_eq!(life.pass(&world, noon() + minutes(2)).wake, None);
    assert_eq!(life.verdict(), "Failed");
    life.restart();
    life.pass(&world, noon() + minutes(3));
    assert_eq!(life.verdict(), "Failed", "a restart does not begin the two minutes anew");
}

#[test]
fn an_outage_is_forgiven_for_the_grace_period_and_no_longer() {
    let mut life = Life::center();
    life.pass(&center(), noon());
    let start = noon() + minutes(6);
    let plan = life.pass(&unreachable(), start);
    assert_eq!(
        (life.truth(About::Ready), life.reason(), life.truth(About::Reachable)),
        ("True", "InterruptedInGrace", "False")
    );
    assert_eq!((life.truth(About::Authorized), plan.proof.standing), ("True", Standing::Forgiven));
    life.restart();
    life.pass(&unreachable(), start + minutes(1));
    assert_eq!(life.reason(), "InterruptedInGrace", "a restart ends nothing");
    life.restart();
    life.pass(&unreachable(), start + minutes(2));
    assert_eq!(
        (life.truth(About::Ready), life.reason(), life.state()),
        ("False", "Unreachable", INTERRUPTED),
        "a restart extends nothing"
    );
    life.pass(&center(), start + minutes(20));
    assert_eq!((life.reason(), life.truth(About::Reachable)), ("ConnectionVerified", "True"));
}

#[test]
fn the_jira_that_comes_back_after_an_outage_is_looked_at_anew() {
    let mut life = Life::center();
    life.pass(&center(), noon());
    let wake = life.pass(&unreachable(), noon() + minutes(6)).wake.unwrap();
    let world = World { server: Ok(server(jira::Deployment::DataCenter, &[10, 3, 1])), ..center() };
    life.pass(&world, wake);
    let version = life.connection.status.as_ref().unwrap().server.as_ref().unwrap().version.clone();
    assert_eq!((version.as_deref(), life.reason()), (Some("10.3.1"), "ConnectionVerified"));
}

#[test]
fn a_scope_that_only_issue_security_needs_is_no_failure() {
    let world = World { security: Err(Problem::ScopeMissing), ..cloud() };
    let mut life = Life::cloud();
    life.pass(&world, noon());
    assert_eq!(life.reason(), "ConnectionVerified");
    life.pass(&world, noon() + minutes(6));
    assert_eq!(life.asked.len(), 2, "{:?}", life.asked);
}

#[test]
fn a_new_spec_gets_no_grace() {
    let mut life = Life::center();
    life.pass(&center(), noon());
    life.edit(|spec| {
        spec.checks =
            Some(crds::connection::Checks { interval: Some(crds::Duration::from_secs(60)), ..Default::default() });
    });
    life.pass(&unreachable(), noon() + minutes(1));
    assert_eq!(life.reason(), "Unreachable");
}

#[test]
fn tries_after_an_outage_come_ever_less_often_up_to_five_minutes() {
    let mut life = Life::center();
    let mut now = noon();
    let mut waits = Vec::new();
    for _ in 0..12 {
        let wake = life.pass(&unreachable(), now).wake.unwrap();
        waits.push(wake.duration_since(now).as_secs());
        now = wake;
    }
    assert!((4..=6).contains(&waits[0]), "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= 360) && *waits.last().unwrap() >= 240, "{waits:?}");
}

#[test]
fn a_wake_for_another_reason_does_not_shorten_a_backoff() {
    let mut life = Life::center();
    life.pass(&unreachable(), noon());
    life.pass(&unreachable(), noon() + Duration::from_secs(1));
    assert_eq!(life.asked, []);
    life.wish("now");
    life.pass(&unreachable(), noon() + Duration::from_secs(2));
    assert!(!life.asked.is_empty(), "a person's wish skips the backoff");
}

#[test]
fn a_rejected_bearer_is_tried_three_times_over_ten_minutes_and_then_never() {
    let mut life = Life::center();
    let mut now = noon();
    let mut tries = 0;
    for _ in 0..200 {
        life.pass(&rejecting(), now);
        tries += life.asked.iter().filter(|it| matches!(it, Question::Identity(_))).count();
        now += Duration::from_secs(30);
    }
    assert_eq!((tries, life.verdict()), (3, "Failed"));
}

#[test]
fn restarts_do_not_add_tries() {
    let mut life = Life::center();
    let mut now = noon();
    let mut tries = 0;
    for _ in 0..200 {
        life.restart();
        life.pass(&rejecting(), now);
        tries += life.asked.iter().filter(|it| matches!(it, Question::Identity(_))).count();
        now += Duration::from_secs(30);
    }
    assert!(tries <= 3, "{tries} tries");
}

#[rstest]
#[case::restarted(true)]
#[case::running(false)]
fn a_rejected_api_token_is_sent_once_to_each_door(#[case] restarted: bool) {
    let rejected = Err(Problem::Rejected(Rejection::Unauthorized));
    let world = World { at_site: rejected.clone(), at_gateway: rejected, ..cloud() };
    let mut life = Life::cloud();
    life.pass(&world, noon());
    assert_eq!((life.verdict(), life.state()), ("Failed", NOT_AUTHORIZED));
    for hour in 1..40 {
        if restarted {
            life.restart();
        }
        life.pass(&world, noon() + minutes(60 * hour));
        assert_eq!(life.asked, [], "hour {hour}");
    }
}

#[test]
fn a_rejected_credential_is_sent_again_when_it_changes() {
    let mut life = Life::center();
    life.pass(&rejecting(), noon());
    life.pass(&World { material: Ok("2"), ..center() }, noon() + minutes(1));
    assert_eq!(life.reason(), "ConnectionVerified");
}

#[test]
fn a_rejected_credential_is_sent_again_when_the_spec_changes() {
    let world = World { at_site: Err(Problem::CaptchaRequired), ..center() };
    let mut life = Life::center();
    life.pass(&world, noon());
    life.edit(|spec| spec.url = "https://other.example".into());
    life.pass(&center(), noon() + minutes(1));
    assert_eq!(life.reason(), "ConnectionVerified");
}

#[rstest]
#[case::running(false)]
#[case::restarted(true)]
fn a_person_may_ask_once_per_value_and_every_five_minutes(#[case] restarted: bool) {
    let world = World { at_site: Err(Problem::CaptchaRequired), ..center() };
    let mut life = Life::center();
    life.pass(&world, noon());
    if restarted {
        life.restart();
        life.pass(&world, noon() + Duration::from_secs(30));
        assert_eq!(life.asked, [], "nobody has asked");
    }
    life.wish("first");
    let plan = life.pass(&world, noon() + minutes(1));
    assert_eq!(life.asked, [], "too early");
    let wake = plan.wake.expect("remembered");
    assert_eq!(wake.duration_since(noon()).as_secs(), 300);
    life.pass(&world, wake);
    assert!(life.asked.iter().any(|it| matches!(it, Question::Identity(_))));
    assert_eq!(life.connection.status.as_ref().unwrap().last_handled_requested_at.as_deref(), Some("first"));
    life.pass(&world, noon() + minutes(30));
    assert_eq!(life.asked, [], "the same value is one wish");
}

#[test]
fn a_wish_is_echoed_and_makes_everything_be_asked_anew() {
    let mut life = Life::center();
    life.pass(&center(), noon());
    life.wish("now");
    life.pass(&center(), noon() + Duration::from_secs(1));
    assert_eq!(life.asked.len(), 6, "{:?}", life.asked);
    assert_eq!(life.connection.status.as_ref().unwrap().last_handled_requested_at.as_deref(), Some("now"));
    life.pass(&center(), noon() + Duration::from_secs(2));
    assert_eq!(life.asked, []);
}

#[test]
fn another_account_with_the_same_credential_is_a_failure() {
    let mut life = Life::center();
    life.pass(&center(), noon());
    let world = World { at_site: Ok(identity("mallory")), ..center() };
    life.pass(&world, noon() + minutes(6));
    assert_eq!((life.reason(), life.state()), ("AccountChanged", NOT_AUTHORIZED));
    assert_eq!(life.connection.status.as_ref().unwrap().account.as_ref().unwrap().id, "bot", "the pinned one is named");
    life.pass(&World { material: Ok("2"), ..world }, noon() + minutes(7));
    assert_eq!(life.reason(), "ConnectionVerified", "a changed credential may bring another account");
}

#[test]
fn an_access_token_that_jira_ended_early_is_renewed_once() {
    let mut life = Life::of(&client(), "Cloud");
    life.pass(&cloud(), noon());
    let world = World { at_gateway: Err(Problem::Rejected(Rejection::Unauthorized)), ..cloud() };
    life.pass(&world, noon() + minutes(6));
    assert_eq!(life.asked.iter().filter(|it| matches!(it, Question::Token)).count(), 1);
    assert_eq!(life.asked.iter().filter(|it| matches!(it, Question::Identity(_))).count(), 2);
    assert_eq!(life.reason(), "CredentialsRejected");
}

#[test]
fn a_wrong_client_secret_is_not_sent_again() {
    let world = World { token: Err(Problem::ClientSecretRejected), ..cloud() };
    let mut life = Life::of(&client(), "Cloud");
    life.pass(&world, noon());
    assert_eq!((life.reason(), life.verdict()), ("ClientSecretRejected", "Failed"));
    life.pass(&world, noon() + minutes(600));
    assert_eq!(life.asked, []);
}

#[test]
fn a_rate_limit_changes_nothing_at_first_and_is_obeyed() {
    let mut life = Life::center();
    life.pass(&center(), noon());
    let world = World { at_site: Err(limited(90)), ..center() };
    let start = noon() + minutes(6);
    life.pass(&world, start);
    assert_eq!(
        (life.truth(About::Ready), life.truth(About::RateLimited), life.reason()),
        ("True", "True", "ConnectionVerified")
    );
    life.wish("now");
    life.pass(&world, start + Duration::from_secs(30));
    assert_eq!(life.asked, [], "a wish does not widen the budget");
    life.pass(&World { at_site: Err(limited(600)), ..center() }, start + Duration::from_secs(91));
    life.pass(&world, start + minutes(2));
    assert_eq!((life.truth(About::Ready), life.reason(), life.state()), ("False", "RateLimited", INTERRUPTED));
    assert_eq!(life.verdict(), "InProgress");
}

#[test]
fn suspending_changes_nothing_else() {
    let mut life = Life::center();
    life.pass(&center(), noon());
    life.edit(|spec| spec.suspend = Some(true));
    let plan = life.pass(&unreachable(), noon() + minutes(60));
    assert_eq!(
        (life.truth(About::Ready), life.reason(), life.truth(About::Suspended)),
        ("True", "ConnectionVerified", "True")
    );
    assert_eq!((life.state(), plan.wake, life.asked.len()), (Some(State::Authorized), None, 0));
    life.edit(|spec| spec.url = "https://other.example".into());
    life.pass(&center(), noon() + minutes(61));
    assert_eq!((life.truth(About::Ready), life.reason()), ("Unknown", "Suspended"));
}

#[test]
fn what_jira_does_not_answer_is_unknown_and_no_failure() {
    let world = World { grant: Err(Problem::Forbidden), global: Err(Problem::Unexpected { status: 400 }), ..center() };
    let mut life = Life::center();
    life.pass(&world, noon());
    assert_eq!((life.truth(About::Ready), life.truth(About::PermissionsGranted)), ("True", "Unknown"));
    assert_eq!(life.connection.status.as_ref().unwrap().permissions.as_ref().unwrap().unknown.len(), 8);
}

#[test]
fn an_identity_that_is_not_told_is_no_failure() {
    let mut life = Life::of(&client(), "DataCenter");
    life.pass(&World { at_site: Ok(Identity::Untold), ..center() }, noon());
    assert_eq!((life.reason(), life.truth(About::Authorized)), ("ConnectionVerified", "True"));
    assert_eq!(life.connection.status.as_ref().unwrap().account, None);
}

fn problem() -> impl Strategy<Value = Problem> {
    prop_oneof![
        Just(Problem::Unreachable(Outage::TimedOut)),
        Just(Problem::Tls(TlsFault::Expired)),
        Just(Problem::HostNotAllowed),
        Just(Problem::Intercepted(Interceptor::Redirect)),
        Just(Problem::WrongSite { reported: None }),
        Just(Problem::NotJira(Gibberish::TooLarge)),
        Just(limited(30)),
        Just(Problem::RateLimited { retry_after: None, reach: LimitReach::Client }),
        Just(Problem::Rejected(Rejection::Unauthorized)),
        Just(Problem::Rejected(Rejection::Anonymous)),
        Just(Problem::CaptchaRequired),
        Just(Problem::ClientSecretRejected),
        Just(Problem::GrantRevoked),
        Just(Problem::GrantTypeUnsupported),
        Just(Problem::MethodUnavailable),
        Just(Problem::InsecureTransport),
        Just(Problem::ScopeMissing),
        Just(Problem::Forbidden),
        Just(Problem::NotFound),
        Just(Problem::Unexpected { status: 418 }),
    ]
}

/// Good three times out of four, so that the later questions are reached as well.
fn mostly<T: Clone + std::fmt::Debug + 'static>(good: T) -> impl Strategy<Value = Result<T, Problem>> {
    prop_oneof![3 => Just(Ok(good)), 1 => problem().prop_map(Err)]
}

fn worlds() -> impl Strategy<Value = World> {
    let versions = prop_oneof![
        3 => Just(server(jira::Deployment::Cloud, &[1001])),
        3 => Just(server(jira::Deployment::DataCenter, &[9, 12])),
        1 => Just(server(jira::Deployment::DataCenter, &[8, 0])),
    ];
    let servers = prop_oneof![3 => versions.prop_map(Ok), 1 => problem().prop_map(Err)];
    let material = prop_oneof![4 => Just(Ok("1")), 2 => Just(Ok("2")), 1 => Just(Err(missing_secret()))];
    let granted = prop_oneof![Just(all_seven()), Just(BTreeSet::new())];
    let identities = prop_oneof![Just(identity("bot")), Just(identity("other")), Just(Identity::Untold)];
    let identities = move || prop_oneof![3 => identities.clone().prop_map(Ok), 1 => problem().prop_map(Err)];
    (
        material,
        servers,
        (mostly(cloud().cloud_id.unwrap()), mostly(())),
        (identities(), identities()),
        (mostly(Some("WEB")), mostly(true), prop_oneof![3 => granted.prop_map(Ok), 1 => problem().prop_map(Err)]),
        mostly(IssueSecurity::Unknown),
        (consent::handshakes(), consent::handshakes(), mostly(()), consent::handshakes(), mostly(())),
    )
        .prop_map(
            |(
                material,
                server,
                (cloud_id, token),
                (at_site, at_gateway),
                (project, global, grant),
                security,
                (handshake, after_step, step, after_renewal, renewal),
            )| World {
                handshake: Ok(handshake),
                step: (after_step, step),
                renewal: (after_renewal, renewal),
                material,
                server,
                cloud_id,
                token,
                at_site,
                at_gateway,
                project,
                global,
                grant,
                security,
                ..center()
            },
        )
}

fn lives() -> impl Strategy<Value = (Value, &'static str)> {
    prop_oneof![
        Just((pat(), "DataCenter")),
        Just((client(), "DataCenter")),
        Just((client(), "Cloud")),
        Just((api_token(), "Cloud")),
        Just((consent::oauth2(), "DataCenter")),
        Just((consent::oauth2(), "Cloud")),
        Just((consent::oauth1(), "DataCenter")),
    ]
}

#[test]
fn projects_of_data_center_fall_due_one_by_one() {
    let mut life = Life::center();
    let keys: Vec<_> = (0..40).map(|number| ProjectKey(format!("P{number}"))).collect();
    life.connection.spec.permissions.as_mut().unwrap().projects = Some(keys);
    let mut wake = life.pass(&center(), noon()).wake.unwrap();
    let mut passes = 0;
    while wake < noon() + minutes(6) {
        wake = life.pass(&center(), wake).wake.unwrap();
        passes += 1;
        assert!(life.asked.len() <= 3, "{:?}", life.asked);
    }
    assert!(passes > 20, "{passes} passes");
}

#[test]
fn a_project_that_was_deleted_wakes_nobody_in_a_loop() {
    let mut life = Life::center();
    life.pass(&center(), noon());
    let world = World { project: Ok(None), grant: Err(Problem::NotFound), ..center() };
    let plan = life.pass(&world, noon() + minutes(6));
    assert_eq!(plan.label(), "PermissionsMissing");
    let now = noon() + minutes(12);
    assert!(life.pass(&world, now).wake.is_some_and(|wake| wake > now));
}

#[rstest]
#[case::far(60, "absent")]
#[case::near(14, "True")]
#[case::past(-1, "True")]
fn a_declared_end_is_forecast_two_weeks_ahead(#[case] days: i64, #[case] expected: &str) {
    let end = Timestamp::from_second(noon().as_second() + days * 86_400).unwrap();
    let mut auth = pat();
    auth["personalAccessToken"]["expiresAt"] = json!(end.to_string());
    let mut life = Life::of(&auth, "DataCenter");
    life.pass(&center(), noon());
    assert_eq!((life.truth(About::CredentialsExpiring), life.reason()), (expected, "ConnectionVerified"));
    let shown = life.connection.status.as_ref().unwrap().credentials.as_ref().unwrap().expires_at.clone();
    assert_eq!(shown, Some(end.strftime("%Y-%m-%d").to_string()));
}

#[rstest]
#[case::jira_tells(Ok(Some(20)), None, Some(20))]
#[case::jira_knows_better(Ok(Some(20)), Some(60), Some(20))]
#[case::jira_knows_no_end(Ok(None), Some(60), Some(60))]
#[case::jira_does_not_say(Err(Problem::Forbidden), Some(60), Some(60))]
#[case::nobody_says(Err(Problem::MethodUnavailable), None, None)]
fn the_end_of_a_personal_access_token_is_asked_for_after_the_first_check(
    #[case] told: Result<Option<u64>, Problem>,
    #[case] declared: Option<u64>,
    #[case] shown: Option<u64>,
) {
    let day = |days: u64| noon() + Duration::from_secs(days * 86_400);
    let mut auth = pat();
    if let Some(days) = declared {
        auth["personalAccessToken"]["expiresAt"] = json!(day(days).to_string());
    }
    let mut life = Life::of(&auth, "DataCenter");
    let world = World { expiry: told.map(|days| days.map(day)), ..center() };
    life.pass(&world, noon());
    assert!(!life.asked.contains(&Question::Expiry), "{:?}", life.asked);
    life.pass(&world, noon() + minutes(6));
    assert!(life.asked.contains(&Question::Expiry), "{:?}", life.asked);
    let expected = shown.map(|days| day(days).strftime("%Y-%m-%d").to_string());
    let status = |life: &Life| life.connection.status.clone().unwrap();
    assert_eq!(status(&life).credentials.unwrap().expires_at, expected);
    let before = status(&life);
    life.restart();
    life.pass(&world, noon() + minutes(12));
    assert_eq!(status(&life), before, "a restart forgets nothing of it");
    life.pass(&world, noon() + minutes(18));
    life.pass(&world, noon() + minutes(24));
    assert!(!life.asked.contains(&Question::Expiry), "{:?}", life.asked);
}

proptest! {
    #[test]
    fn every_life_ends_each_pass_with_a_lawful_status(
        (auth, deployment) in lives(),
        steps in prop::collection::vec((worlds(), 0_u64..900, any::<bool>(), any::<bool>()), 1..6),
    ) {
        let mut life = Life::of(&auth, deployment);
        let mut now = noon();
        for (number, (world, seconds, restart, wish)) in steps.into_iter().enumerate() {
            now += Duration::from_secs(seconds);
            if restart {
                life.restart();
            }
            if wish {
                life.wish(&number.to_string());
            }
            let plan = life.pass(&world, now);
            for about in [About::Ready, About::Authorized, About::CredentialsResolved, About::Reachable, About::PermissionsGranted] {
                prop_assert_ne!(life.truth(about), "absent");
            }
            let both = life.truth(About::Reconciling) == "True" && life.truth(About::Stalled) == "True";
            prop_assert!(!both, "Reconciling and Stalled together");
            prop_assert!(life.conditions().iter().all(|it| it.observed_generation == Some(1)));
            let ready = life.truth(About::Ready) == "True";
            prop_assert_eq!(ready, matches!(plan.proof.standing, Standing::Proven | Standing::Forgiven));
            if ready {
                prop_assert_eq!(life.state(), Some(State::Authorized));
            }
            if let Some(wake) = plan.wake {
                prop_assert!(wake > now || wish, "a pass wakes itself at once: {:?}", plan.label());
            }
        }
    }

    #[test]
    fn a_conclusion_fed_back_asks_nothing_and_changes_nothing((auth, deployment) in lives(), world in worlds()) {
        let mut life = Life::of(&auth, deployment);
        life.pass(&world, noon());
        let before = life.connection.status.clone();
        life.pass(&world, noon() + Duration::from_millis(1));
        prop_assert_eq!(&life.asked, &[]);
        prop_assert_eq!(&life.connection.status, &before);
    }
}

#[rstest]
#[case::proven(center(), "ConnectionVerified")]
#[case::not_resolved(World { material: Err(missing_secret()), ..center() }, "SecretNotFound")]
#[case::out_of_reach(unreachable(), "Unreachable")]
#[case::refused(rejecting(), "CredentialsRejected")]
fn another_connection_to_the_same_jira_is_reported_and_changes_nothing_else(
    #[case] world: World,
    #[case] reason: &str,
) {
    let (mut alone, mut life) = (Life::center(), Life::center());
    alone.pass(&world, noon());
    let duplicated = World { duplicates: &["beta", "gamma"], ..world.clone() };
    life.pass(&duplicated, noon());
    assert_eq!((life.truth(About::DuplicateInstance), life.reason()), ("True", reason));
    let mut found = life.connection.status.clone().unwrap();
    found.conditions.retain(|condition| condition.type_ != About::DuplicateInstance.as_str());
    assert_eq!(Some(found), alone.connection.status);

    life.pass(&duplicated, noon() + Duration::from_secs(1));
    assert_eq!(life.asked, [], "nothing has to be asked for it");
    life.pass(&world, noon() + Duration::from_secs(2));
    assert_eq!((life.truth(About::DuplicateInstance), life.asked.len()), ("absent", 0));
}

#[rstest]
#[case::one(&["beta"], "JiraConnection beta of this namespace leads")]
#[case::two(&["beta", "gamma"], "JiraConnections beta, gamma of this namespace lead")]
#[case::many(&["b", "c", "d", "e", "f", "g", "h"], "JiraConnections b, c, d, e, f +2 of this namespace lead")]
fn the_others_that_lead_to_the_same_jira_are_named(#[case] duplicates: &'static [&'static str], #[case] begin: &str) {
    let mut life = Life::center();
    life.pass(&World { duplicates, ..center() }, noon());
    let condition = condition::find(life.conditions(), About::DuplicateInstance).unwrap();
    assert!(condition.message.starts_with(begin), "{}", condition.message);
}

#[test]
fn a_suspended_connection_is_reported_as_well() {
    let mut life = Life::center();
    life.edit(|spec| spec.suspend = Some(true));
    life.pass(&World { duplicates: &["beta"], ..center() }, noon());
    assert_eq!((life.truth(About::DuplicateInstance), life.reason()), ("True", "Suspended"));
}
