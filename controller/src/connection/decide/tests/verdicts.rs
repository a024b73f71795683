//! Writes a fixture for every status that a connection can have, and sees that none is missing.

use crds::{JiraConnectionStatus, connection::Checks};

use super::*;
use crate::{
    auth::grant::GrantEnd,
    connection::{handshake::AttemptStanding, progress},
    fixture::{
        Fixture, Kstatus,
        Kstatus::{Current, Failed, InProgress},
        Switch, assert_written,
    },
};

/// A life of a Data Center connection: at which minute, in which world.
fn lived<const PASSES: usize>(passes: [(u64, World); PASSES]) -> Life {
    lived_by(Life::center(), passes)
}

fn lived_by<const PASSES: usize>(mut life: Life, passes: [(u64, World); PASSES]) -> Life {
    for (minute, world) in passes {
        life.pass(&world, noon() + minutes(minute));
    }
    life
}

fn when_server(problem: Problem) -> World {
    World { server: Err(problem), ..center() }
}

fn when_identity(problem: Problem) -> World {
    World { at_site: Err(problem), ..center() }
}

fn when_material(fault: MaterialFault) -> World {
    World { material: Err(fault), ..center() }
}

fn secret() -> Referent {
    Referent { kind: ReferentKind::Secret, name: "secret".into() }
}

fn malformed() -> MaterialFault {
    MaterialFault::Malformed { referent: secret(), key: "token".into(), fault: "the value is empty".into() }
}

fn another_account() -> World {
    World { at_site: Ok(identity("mallory")), ..center() }
}

fn page() -> World {
    when_identity(Problem::Intercepted(Interceptor::Page))
}

fn gibberish() -> World {
    when_identity(Problem::NotJira(Gibberish::Content))
}

fn waiting(seconds: u64) -> World {
    when_identity(limited(seconds))
}

/// The account lacks every permission on its project.
fn lacking() -> World {
    World { grant: Ok(BTreeSet::new()), ..center() }
}

/// Another spec, which nobody has looked at yet.
fn edited(mut life: Life) -> Life {
    let checks = Checks { interval: Some(crds::Duration::from_secs(600)), ..Checks::default() };
    life.edit(|spec| spec.checks = Some(checks));
    life
}

fn switched_off(mut life: Life) -> Life {
    life.edit(|spec| spec.suspend = Some(true));
    life
}

/// As the operator announces a first check that takes its time.
fn announced(mut life: Life) -> Life {
    let before = life.connection.status.clone().unwrap_or_default();
    let generation = life.connection.metadata.generation;
    let conditions = condition::merge(&before.conditions, &progress(&before), generation, noon() + minutes(30));
    life.connection.status = Some(JiraConnectionStatus { conditions, observed_generation: generation, ..before });
    life
}

/// A connection that a person authorises, in a world where grant and attempt stand like this.
fn authorised(handshake: Result<Handshake, HandshakeFault>) -> Life {
    lived_by(consent::life(), [(0, World { handshake, ..consent::granted() })])
}

/// Waits for a person to authorise OAuth 1.0a at a server that offers OAuth 2.0.
fn old_method() -> Life {
    let keys = Handshake { public_key: Some("PEM".into()), ..consent::nothing() };
    let world = World { handshake: Ok(keys), ..center() };
    lived_by(Life::of(&consent::oauth1(), "DataCenter"), [(0, world)])
}

fn in_the_way() -> String {
    "acme.jira-grant".into()
}

/// As the API server stores an object that nobody has looked at.
fn unobserved() -> Life {
    let mut life = Life::center();
    life.connection.status =
        Some(JiraConnectionStatus { observed_generation: Some(-1), ..JiraConnectionStatus::default() });
    life
}

fn expiring() -> Life {
    let mut auth = pat();
    auth["personalAccessToken"]["expiresAt"] = json!("2026-11-30T00:00:00Z");
    lived_by(Life::of(&auth, "DataCenter"), [(0, center())])
}

fn personal() -> World {
    let account = Account { id: "jane".into(), display_name: "Jane".into(), kind: AccountKind::Person };
    World { at_site: Ok(Identity::Known(account)), ..center() }
}

fn on(name: &'static str, kstatus: Kstatus, life: Life) -> Fixture<JiraConnection> {
    Fixture { name, kstatus, switch: Switch::On, object: life.connection }
}

fn off(name: &'static str, kstatus: Kstatus, life: Life) -> Fixture<JiraConnection> {
    Fixture { switch: Switch::Off, ..on(name, kstatus, life) }
}

fn fixtures() -> Vec<Fixture<JiraConnection>> {
    [
        proven(),
        on_their_way(),
        unresolved(),
        refused(),
        lacking_something(),
        outages(),
        misfits(),
        rate_limited(),
        suspended(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn proven() -> Vec<Fixture<JiraConnection>> {
    let untold = World { grant: Err(Problem::Forbidden), ..center() };
    vec![
        on("connection-verified", Current, lived([(0, center())])),
        on("connection-verified-on-cloud", Current, lived_by(Life::cloud(), [(0, cloud())])),
        on("connection-verified-by-consent", Current, lived_by(consent::life(), [(0, consent::granted())])),
        on("connection-verified-permissions-untold", Current, lived([(0, untold)])),
        on("connection-verified-credentials-expiring", Current, expiring()),
        on("connection-verified-personal-account", Current, lived([(0, personal())])),
        on(
            "connection-verified-duplicate-instance",
            Current,
            lived([(0, World { duplicates: &["beta"], ..center() })]),
        ),
        on("connection-verified-candidate-refused", Current, candidate::refused()),
        on("connection-verified-candidate-missing", Current, candidate::missing()),
        on("connection-verified-older-generation", InProgress, edited(lived([(0, center())]))),
    ]
}

fn on_their_way() -> Vec<Fixture<JiraConnection>> {
    let at_jira = consent::attempting(AttemptStanding::Open { deadline: noon() + minutes(10) });
    let signed_off = consent::ended(GrantEnd::SignedOff);
    let former = HandshakeFault::Former { secret: in_the_way() };
    vec![
        on("unobserved", InProgress, unobserved()),
        on("progressing-first-check", InProgress, announced(Life::center())),
        on("progressing-after-proof", InProgress, announced(edited(lived([(0, center())])))),
        on("progressing-after-failure", InProgress, announced(edited(lived([(0, lacking())])))),
        on("progressing-former-secret", InProgress, authorised(Err(former))),
        on("authorization-required-method-deprecated", InProgress, old_method()),
        on("authorization-required", InProgress, authorised(Ok(consent::nothing()))),
        on("authorization-required-person-at-jira", InProgress, authorised(Ok(at_jira))),
        on("authorization-required-signed-off", InProgress, authorised(Ok(signed_off))),
    ]
}

fn unresolved() -> Vec<Fixture<JiraConnection>> {
    let missing = || when_material(missing_secret());
    let invalid = || when_material(malformed());
    vec![
        on("secret-not-found-young", InProgress, lived([(0, missing())])),
        on("secret-not-found-stalled", Failed, lived([(0, missing()), (2, missing())])),
        on("secret-not-found-after-proof", InProgress, lived([(0, center()), (6, missing())])),
        on("secret-invalid-young", InProgress, lived([(0, invalid())])),
        on("secret-invalid-stalled", Failed, lived([(0, invalid()), (2, invalid())])),
    ]
}

fn refused() -> Vec<Fixture<JiraConnection>> {
    let revoked = World { token: Err(Problem::GrantRevoked), ..cloud() };
    let rejected = Err(Problem::Rejected(Rejection::Unauthorized));
    let nowhere = World { at_site: rejected.clone(), at_gateway: rejected, ..cloud() };
    let secret = World { token: Err(Problem::ClientSecretRejected), ..cloud() };
    let tried = |world: fn() -> World| lived([(0, center()), (6, world()), (11, world()), (16, world())]);
    vec![
        on("credentials-rejected-retried", InProgress, lived([(0, rejecting())])),
        on("credentials-rejected-settled", Failed, lived([(0, rejecting()), (5, rejecting()), (10, rejecting())])),
        on("credentials-rejected-api-token", Failed, lived_by(Life::cloud(), [(0, nowhere)])),
        on("credentials-rejected-older-generation", InProgress, edited(tried(rejecting))),
        on("account-changed-retried", InProgress, lived([(0, center()), (6, another_account())])),
        on("account-changed-settled", Failed, tried(another_account)),
        on("grant-revoked", Failed, authorised(Ok(consent::ended(GrantEnd::Revoked)))),
        on("grant-revoked-client", Failed, lived_by(Life::of(&client(), "Cloud"), [(0, revoked)])),
        on("grant-expired", Failed, authorised(Ok(consent::ended(GrantEnd::Expired)))),
        on("client-secret-rejected", Failed, lived_by(Life::of(&client(), "Cloud"), [(0, secret)])),
        on("account-locked", Failed, lived([(0, when_identity(Problem::CaptchaRequired))])),
    ]
}

fn lacking_something() -> Vec<Fixture<JiraConnection>> {
    let global = World { global: Ok(false), ..center() };
    let hidden = World { project: Ok(None), ..center() };
    vec![
        on("scope-missing", Failed, lived([(0, when_identity(Problem::ScopeMissing))])),
        on("permissions-missing-on-project", Failed, lived([(0, lacking())])),
        on("permissions-missing-globally", Failed, lived([(0, global)])),
        on("permissions-missing-hidden-project", Failed, lived([(0, hidden)])),
        on("permissions-missing-after-proof", Failed, lived([(0, center()), (6, lacking())])),
    ]
}

fn outages() -> Vec<Fixture<JiraConnection>> {
    let never = |world: fn() -> World| lived([(0, world())]);
    let graced = |world: fn() -> World| lived([(0, center()), (6, world())]);
    let over = |world: fn() -> World| lived([(0, center()), (6, world()), (8, world())]);
    vec![
        on("unreachable-never-proven", InProgress, never(unreachable)),
        on("unreachable-in-grace", Current, graced(unreachable)),
        on("unreachable-after-grace", InProgress, over(unreachable)),
        on("blocked-by-proxy-never-proven", InProgress, never(page)),
        on("blocked-by-proxy-in-grace", Current, graced(page)),
        on("blocked-by-proxy-after-grace", InProgress, over(page)),
        on("not-jira-never-proven", InProgress, never(gibberish)),
        on("not-jira-in-grace", Current, graced(gibberish)),
        on("not-jira-after-grace", InProgress, over(gibberish)),
    ]
}

fn misfits() -> Vec<Fixture<JiraConnection>> {
    let untrusted = || when_server(Problem::Tls(TlsFault::UnknownIssuer));
    let not_allowed = World { route: Err(RouteRefusal::HostNotAllowed), ..center() };
    let kept_back = MaterialFault::NotReleased { referent: secret(), host: "jira.example".into() };
    let other = World { server: Ok(server(jira::Deployment::Cloud, &[1001])), ..center() };
    let old = World { server: Ok(server(jira::Deployment::DataCenter, &[8, 13, 2])), ..center() };
    let foreign = HandshakeFault::Foreign { secret: in_the_way() };
    vec![
        on("tls-failed", Failed, lived([(0, untrusted())])),
        on("tls-failed-after-proof", Failed, lived([(0, center()), (60 * 27, untrusted())])),
        on("clock-skew", Failed, lived([(0, when_identity(Problem::ClockSkew))])),
        on("insecure-transport", Failed, lived([(0, when_identity(Problem::InsecureTransport))])),
        on("wrong-site", Failed, lived([(0, when_server(Problem::WrongSite { reported: None }))])),
        on("deployment-mismatch", Failed, lived([(0, other)])),
        on("auth-method-unsupported", Failed, lived([(0, old)])),
        on("application-links-unavailable", Failed, lived([(0, when_identity(Problem::LinksUnavailable))])),
        on("host-not-allowed", Failed, lived([(0, not_allowed)])),
        on("secret-not-released", Failed, lived([(0, when_material(kept_back))])),
        on("secret-conflict", Failed, authorised(Err(foreign))),
    ]
}

fn rate_limited() -> Vec<Fixture<JiraConnection>> {
    let within = |before: World| lived([(0, before), (6, waiting(600))]);
    let past = |before: World| lived([(0, before), (6, waiting(60)), (8, waiting(600))]);
    vec![
        on("rate-limited-never-proven", InProgress, lived([(0, waiting(600))])),
        on("rate-limited-within-grace", Current, within(center())),
        on("rate-limited-within-grace-while-failed", Failed, within(lacking())),
        on("rate-limited-within-grace-while-unreachable", InProgress, within(unreachable())),
        on("rate-limited-past-grace", InProgress, past(center())),
        on("rate-limited-past-grace-while-failed", InProgress, past(lacking())),
    ]
}

fn suspended() -> Vec<Fixture<JiraConnection>> {
    let after = |world: World| lived_by(switched_off(lived([(0, world)])), [(1, center())]);
    vec![
        off("suspended-from-the-start", InProgress, lived_by(switched_off(Life::center()), [(0, center())])),
        off("suspended-while-verified", Current, after(center())),
        off("suspended-while-failed", Failed, after(lacking())),
        off("suspended-while-unreachable", InProgress, after(unreachable())),
        off(
            "suspended-with-another-spec",
            InProgress,
            lived_by(switched_off(edited(lived([(0, center())]))), [(1, center())]),
        ),
        on("suspended-and-not-observed", InProgress, switched_off(lived([(0, center())]))),
    ]
}

/// The verdicts that the state table gives a reason while nothing else is kept.
fn verdicts(reason: Reason) -> &'static [Kstatus] {
    match reason.row() {
        Row::Proven => &[Current],
        Row::Unresolved => &[InProgress, Failed],
        Row::Refused if refusal::is_retried(reason) => &[InProgress, Failed],
        Row::Refused | Row::Lacking | Row::Misfit => &[Failed],
        Row::Pending | Row::Awaiting | Row::Outage | Row::Limited | Row::Suspended => &[InProgress],
    }
}

fn ready(fixture: &Fixture<JiraConnection>) -> Option<&str> {
    let conditions = &fixture.object.status.as_ref()?.conditions;
    condition::find(conditions, About::Ready).map(|ready| ready.reason.as_str())
}

#[test]
fn every_status_of_a_connection_has_its_fixture() {
    assert_written("jiraconnections", &fixtures());
}

#[test]
fn every_reason_of_a_connection_has_a_fixture_for_each_of_its_verdicts() {
    let fixtures = fixtures();
    for reason in Reason::ALL {
        for verdict in verdicts(reason) {
            let shows =
                |it: &&Fixture<_>| ready(it) == Some(reason.as_str()) && it.kstatus == *verdict && is_observed(it);
            assert!(
                fixtures.iter().any(|it| shows(&it)),
                "no fixture shows {} as {verdict:?}: add one to fixtures() in {}, and write it with UPDATE_FIXTURES=1",
                reason.as_str(),
                file!()
            );
        }
    }
    assert!(fixtures.iter().any(|it| ready(it) == Some("InterruptedInGrace") && it.kstatus == Current));
}

fn is_observed(fixture: &Fixture<JiraConnection>) -> bool {
    let observed = fixture.object.status.as_ref().and_then(|status| status.observed_generation);
    observed == fixture.object.metadata.generation
}
