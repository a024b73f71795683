//! Grants of a person: waiting for one, using it, renewing it, losing it.

use std::time::Duration;

use super::*;
use crate::{
    auth::{
        authorization_secret::Hash,
        grant::{EndedGrant, GrantEnd, GrantSite},
    },
    connection::handshake::{AttemptStanding, GrantStanding, HeldGrant, Step},
};

/// Nobody has ever authorised, and nobody is about to.
pub(super) fn nothing() -> Handshake {
    Handshake { grant: GrantStanding::None, attempt: AttemptStanding::None, published: None, public_key: None }
}

pub(super) fn oauth2() -> Value {
    json!({ "oauth2AuthorizationCode": { "clientSecretRef": { "name": "secret" } } })
}

pub(super) fn oauth1() -> Value {
    json!({ "oauth1": { "consumerKey": "operator", "consumerName": "Operator" } })
}

fn held(consented_at: Timestamp, renewals: u64, ends_at: Timestamp) -> HeldGrant {
    HeldGrant {
        site: GrantSite::DataCenter { url: "https://jira.example/jira".into() },
        client: "operator".into(),
        account: Some("bot".into()),
        consented_at,
        renewals,
        token_ends_at: ends_at,
        token_given_at: ends_at - minutes(60),
        renewable: true,
        final_end: None,
        idle_end: None,
    }
}

fn with(grant: HeldGrant) -> Handshake {
    Handshake { grant: GrantStanding::Held(grant), ..nothing() }
}

pub(super) fn attempting(attempt: AttemptStanding) -> Handshake {
    Handshake { attempt, ..nothing() }
}

pub(super) fn ended(end: GrantEnd) -> Handshake {
    let site = GrantSite::DataCenter { url: "https://jira.example/jira".into() };
    let ended = EndedGrant { site, consented_at: noon(), renewals: 3, end, at: noon() };
    Handshake { grant: GrantStanding::Ended(ended), ..nothing() }
}

/// A Data Center with a grant that was just given.
pub(super) fn granted() -> World {
    let grant = with(held(noon(), 0, noon() + minutes(60)));
    let renewed = with(held(noon(), 1, noon() + minutes(120)));
    World { handshake: Ok(grant), renewal: (renewed, Ok(())), ..center() }
}

pub(super) fn life() -> Life {
    Life::of(&oauth2(), "DataCenter")
}

#[rstest]
#[case::never_authorised(nothing(), "AuthorizationRequired", NOT_AUTHORIZED, "InProgress")]
#[case::a_person_is_at_jira(attempting(AttemptStanding::Open { deadline: noon() + minutes(10) }), "AuthorizationRequired", NOT_AUTHORIZED, "InProgress")]
#[case::revoked(ended(GrantEnd::Revoked), "GrantRevoked", NOT_AUTHORIZED, "Failed")]
#[case::answer_lost(ended(GrantEnd::AnswerLost), "GrantRevoked", NOT_AUTHORIZED, "Failed")]
#[case::expired(ended(GrantEnd::Expired), "GrantExpired", NOT_AUTHORIZED, "Failed")]
#[case::signed_off(ended(GrantEnd::SignedOff), "AuthorizationRequired", NOT_AUTHORIZED, "InProgress")]
#[case::edited_by_hand(Handshake { grant: GrantStanding::Unreadable, ..nothing() }, "AuthorizationRequired", NOT_AUTHORIZED, "InProgress")]
#[case::granted(with(held(noon(), 0, noon() + minutes(60))), "ConnectionVerified", Some(State::Authorized), "Current")]
fn a_grant_stands_for_a_row(
    #[case] handshake: Handshake,
    #[case] reason: &str,
    #[case] state: Option<State>,
    #[case] verdict: &str,
) {
    let mut life = life();
    life.pass(&World { handshake: Ok(handshake), ..granted() }, noon());
    assert_eq!((life.reason(), life.state(), life.verdict()), (reason, state, verdict));
    let authorization = life.connection.status.as_ref().unwrap().authorization.as_ref();
    assert_eq!(authorization.map(|it| it.secret_name.as_str()), Some("acme.jira-authorization"));
}

#[rstest]
#[case::foreign(HandshakeFault::Foreign { secret: "acme.jira-grant".into() }, "SecretConflict", "Failed")]
#[case::former(HandshakeFault::Former { secret: "acme.jira-grant".into() }, "Progressing", "InProgress")]
fn a_secret_in_the_way_stops_everything(#[case] fault: HandshakeFault, #[case] reason: &str, #[case] verdict: &str) {
    let mut life = life();
    let plan = life.pass(&World { handshake: Err(fault), ..granted() }, noon());
    assert_eq!((life.reason(), life.verdict(), life.asked.len()), (reason, verdict, 0));
    assert_eq!(plan.wake.is_some(), reason == "Progressing");
}

#[rstest]
#[case::oauth2_on_an_old_server(oauth2(), &[8, 21, 1], "AuthMethodUnsupported")]
#[case::oauth2_from_8_22_on(oauth2(), &[8, 22], "AuthorizationRequired")]
#[case::oauth1_on_an_old_server(oauth1(), &[8, 13], "AuthorizationRequired")]
#[case::oauth1_on_a_newer_one(oauth1(), &[9, 12], "AuthorizationRequired")]
fn the_version_decides_which_way_leads_in(#[case] auth: Value, #[case] version: &[u64], #[case] reason: &str) {
    let mut life = Life::of(&auth, "DataCenter");
    let keys = Handshake { public_key: Some("PEM".into()), ..nothing() };
    let world = World { server: Ok(server(jira::Deployment::DataCenter, version)), handshake: Ok(keys), ..center() };
    life.pass(&world, noon());
    assert_eq!(life.reason(), reason);
    let outdated = auth.get("oauth1").is_some() && version >= &[8, 22][..];
    assert_eq!(life.truth(About::Deprecated), if outdated { "True" } else { "absent" });
}

#[test]
fn a_key_pair_is_made_before_a_person_is_waited_for() {
    let mut life = Life::of(&oauth1(), "DataCenter");
    let keys = Handshake { public_key: Some("PEM".into()), ..nothing() };
    let plan = life.pass(&World { handshake: Ok(nothing()), step: (keys, Ok(())), ..center() }, noon());
    assert!(life.asked.contains(&Question::Step(Step::KeyPair)), "{:?}", life.asked);
    let shown = plan.details.authorization.unwrap();
    assert_eq!(shown.public_key.as_deref(), Some("PEM"));
    assert_eq!(shown.application_url.as_deref(), Some("https://operator.example/connections/platform/acme"));
}

#[test]
fn waiting_for_a_person_asks_jira_nothing_and_needs_no_clock() {
    let mut life = life();
    let plan = life.pass(&World { handshake: Ok(nothing()), ..granted() }, noon());
    assert_eq!(plan.wake, None);
    life.pass(&World { handshake: Ok(nothing()), ..granted() }, noon() + minutes(60));
    assert_eq!(life.asked, []);
}

#[test]
fn an_attempt_that_nobody_comes_back_from_lapses_at_its_deadline() {
    let mut life = life();
    let deadline = noon() + minutes(15);
    let open = World { handshake: Ok(attempting(AttemptStanding::Open { deadline })), ..granted() };
    assert_eq!(life.pass(&open, noon()).wake, Some(deadline));
    life.pass(&World { step: (nothing(), Ok(())), ..open }, deadline);
    assert_eq!(life.asked, [Question::Step(Step::Lapse)]);
}

#[test]
fn a_key_begins_an_attempt_and_an_answer_becomes_a_grant_in_one_pass_each() {
    let mut life = life();
    let asked = attempting(AttemptStanding::Asked(Hash::of("key")));
    let open = attempting(AttemptStanding::Open { deadline: noon() + minutes(15) });
    life.pass(&World { handshake: Ok(asked), step: (open, Ok(())), ..granted() }, noon());
    assert!(life.asked.contains(&Question::Step(Step::Begin)), "{:?}", life.asked);
    assert_eq!(life.reason(), "AuthorizationRequired");

    life.written = true;
    let grant = with(held(noon(), 0, noon() + minutes(60)));
    let answered = attempting(AttemptStanding::Answered);
    life.pass(&World { handshake: Ok(answered), step: (grant, Ok(())), ..granted() }, noon() + minutes(1));
    assert_eq!(life.asked.first(), Some(&Question::Step(Step::Exchange)));
    assert_eq!(life.reason(), "ConnectionVerified");
}

#[test]
fn a_new_attempt_does_not_disturb_a_grant_in_use() {
    let mut life = life();
    life.pass(&granted(), noon());
    let before = life.connection.status.clone();
    let grant = held(noon(), 0, noon() + minutes(60));
    let asking = Handshake { attempt: AttemptStanding::Asked(Hash::of("key")), ..with(grant) };
    life.written = true;
    let trouble = Err(Problem::Unreachable(Outage::TimedOut));
    let plan =
        life.pass(&World { handshake: Ok(asking.clone()), step: (asking, trouble), ..granted() }, noon() + minutes(1));
    assert_eq!(life.asked, [Question::Step(Step::Begin)]);
    assert_eq!(life.connection.status, before);
    assert!(plan.wake.is_some_and(|wake| wake < noon() + minutes(2)), "it is tried again soon");
}

#[test]
fn what_jira_says_to_an_attempt_is_shown_while_there_is_no_grant() {
    let mut life = life();
    let asked = attempting(AttemptStanding::Asked(Hash::of("key")));
    let world = World { handshake: Ok(asked), step: (nothing(), Err(Problem::InsecureTransport)), ..granted() };
    let plan = life.pass(&world, noon());
    assert_eq!(life.reason(), "InsecureTransport");
    assert!(plan.wake.is_none_or(|wake| wake > noon()));
    life.pass(&world, noon() + minutes(1));
    assert_eq!((life.asked.len(), life.reason()), (0, "InsecureTransport"));
}

#[rstest]
#[case::another_url(GrantSite::DataCenter { url: "https://elsewhere.example".into() })]
#[case::another_deployment(GrantSite::Cloud { cloud_id: "11111111-2222-3333-4444-555555555555".into() })]
fn a_grant_is_never_sent_to_another_jira(#[case] site: GrantSite) {
    let mut life = life();
    let grant = HeldGrant { site, ..held(noon(), 0, noon() + minutes(60)) };
    life.pass(&World { handshake: Ok(with(grant)), ..granted() }, noon());
    assert_eq!(life.reason(), "AuthorizationRequired");
    assert!(!life.asked.iter().any(|it| matches!(it, Question::Identity(_) | Question::Token)), "{:?}", life.asked);
}

#[test]
fn a_grant_is_renewed_ahead_of_its_end_without_a_write() {
    let mut life = life();
    let first = life.pass(&granted(), noon());
    let before = life.connection.status.clone();
    let mut wake = first.wake.unwrap();
    let mut renewed = Vec::new();
    while wake < noon() + minutes(60) {
        let plan = life.pass(&granted(), wake);
        assert_eq!(life.connection.status, before, "at {wake}");
        if life.asked.contains(&Question::Token) {
            renewed.push(wake);
            assert!(matches!(life.asked[..], [Question::Token, Question::Identity(_), ..]), "{:?}", life.asked);
        }
        wake = plan.wake.unwrap();
    }
    assert!(matches!(renewed[..], [at] if noon() + minutes(50) <= at && at <= noon() + minutes(54)), "{renewed:?}");
}

#[test]
fn a_token_that_lasts_carries_over_trouble_at_the_token_endpoint() {
    let mut life = life();
    life.pass(&granted(), noon());
    let before = life.connection.status.clone();
    let grant = with(held(noon(), 0, noon() + minutes(60)));
    let trouble = World { renewal: (grant, Err(Problem::Unreachable(Outage::TimedOut))), ..granted() };
    life.pass(&trouble, noon() + minutes(55));
    assert!(life.asked.contains(&Question::Token), "{:?}", life.asked);
    assert_eq!(life.connection.status, before);
    let again = noon() + minutes(55) + Duration::from_secs(1);
    life.pass(&trouble, again);
    assert_eq!(life.asked, [], "the backoff is kept");
    life.pass(&trouble, noon() + minutes(60));
    assert_eq!(life.reason(), "InterruptedInGrace");
}

#[test]
fn a_refused_token_is_renewed_once_and_then_reported() {
    let mut life = life();
    life.pass(&granted(), noon());
    let refused = World { at_site: Err(Problem::Rejected(Rejection::Unauthorized)), ..granted() };
    life.pass(&refused, noon() + minutes(6));
    let renewals = life.asked.iter().filter(|it| matches!(it, Question::Token)).count();
    assert_eq!((renewals, life.reason(), life.verdict()), (1, "CredentialsRejected", "InProgress"));
    let ready = condition::find(life.conditions(), About::Ready).unwrap();
    assert!(ready.message.contains("kubectl jira authorize acme -n platform"), "{}", ready.message);
}

#[test]
fn a_token_that_ends_between_two_questions_is_renewed_once_and_asked_with_again() {
    let mut life = life();
    life.pass(&granted(), noon());
    let refused = World { grant: Err(Problem::Rejected(Rejection::Unauthorized)), ..granted() };
    life.pass(&refused, noon() + minutes(6));
    let asked: Vec<_> = life.asked.iter().filter(|it| matches!(it, Question::Token | Question::Grants(_))).collect();
    assert!(matches!(asked[..], [Question::Grants(_), Question::Token, Question::Grants(_)]), "{asked:?}");
    assert_eq!(life.reason(), "CredentialsRejected");
    let ready = condition::find(life.conditions(), About::Ready).unwrap();
    assert!(ready.message.contains("kubectl jira authorize acme -n platform"), "{}", ready.message);
}

#[test]
fn a_refused_token_whose_grant_is_over_says_so() {
    let mut life = life();
    life.pass(&granted(), noon());
    let world = World {
        at_site: Err(Problem::Rejected(Rejection::Unauthorized)),
        renewal: (ended(GrantEnd::Revoked), Err(Problem::GrantRevoked)),
        ..granted()
    };
    life.pass(&world, noon() + minutes(6));
    assert_eq!((life.reason(), life.verdict()), ("GrantRevoked", "Failed"));
    life.pass(&World { handshake: Ok(ended(GrantEnd::Revoked)), ..world }, noon() + minutes(60));
    assert_eq!(life.asked, [], "a grant that is over is not sent again");
}

#[rstest]
#[case::before_the_restart(false)]
#[case::after_it(true)]
fn a_new_grant_mends_a_refusal_at_once_and_may_bring_another_account(#[case] restart: bool) {
    let mut life = life();
    life.pass(&granted(), noon());
    let refused = World { at_site: Err(Problem::Rejected(Rejection::Inactive)), ..granted() };
    life.pass(&refused, noon() + minutes(6));
    assert_eq!(life.state(), NOT_AUTHORIZED);
    if restart {
        life.restart();
    }
    life.written = true;
    let consented = noon() + minutes(7);
    let another = HeldGrant { account: Some("successor".into()), ..held(consented, 0, consented + minutes(60)) };
    let world = World { handshake: Ok(with(another)), at_site: Ok(identity("successor")), ..granted() };
    life.pass(&world, consented);
    assert_eq!(life.reason(), "ConnectionVerified");
    assert_eq!(life.connection.status.unwrap().account.unwrap().id, "successor");
}

#[test]
fn the_same_grant_must_stay_the_same_account() {
    let mut life = life();
    life.pass(&granted(), noon());
    life.pass(&World { at_site: Ok(identity("other")), ..granted() }, noon() + minutes(6));
    assert_eq!((life.reason(), life.state()), ("AccountChanged", NOT_AUTHORIZED));
    assert_eq!(life.connection.status.unwrap().account.unwrap().id, "bot");
}

#[rstest]
#[case::far(60, "absent")]
#[case::near(13, "True")]
fn the_end_of_a_consent_is_forecast(#[case] days: u64, #[case] expected: &str) {
    let mut life = life();
    let end = noon() + Duration::from_secs(days * 86_400);
    let grant = HeldGrant { final_end: Some(end), ..held(noon(), 0, noon() + minutes(60)) };
    life.pass(&World { handshake: Ok(with(grant)), ..granted() }, noon());
    assert_eq!(life.truth(About::CredentialsExpiring), expected);
    let shown = life.connection.status.unwrap().credentials.unwrap().expires_at;
    assert_eq!(shown, Some(end.strftime("%Y-%m-%d").to_string()));
}

#[test]
fn ending_a_grant_needs_no_jira() {
    let mut life = life();
    let wanted = Handshake { attempt: AttemptStanding::SignOff, ..with(held(noon(), 0, noon() + minutes(60))) };
    let world = World {
        handshake: Ok(wanted),
        step: (ended(GrantEnd::SignedOff), Ok(())),
        server: Err(Problem::Unreachable(Outage::NotConnected)),
        ..granted()
    };
    life.pass(&world, noon());
    assert_eq!(life.asked.first(), Some(&Question::Step(Step::SignOff)));
}

/// Any state of grant and attempt.
pub(super) fn handshakes() -> impl Strategy<Value = Handshake> {
    let ends = prop_oneof![
        Just(GrantEnd::Revoked),
        Just(GrantEnd::AnswerLost),
        Just(GrantEnd::Expired),
        Just(GrantEnd::SignedOff)
    ];
    let grants = prop_oneof![
        1 => Just(GrantStanding::None),
        1 => Just(GrantStanding::Unreadable),
        1 => ends.prop_map(|end| ended(end).grant),
        6 => (0_u64..120, 0_u64..3, any::<bool>(), any::<bool>()).prop_map(|(end, renewals, renewable, named)| {
            let account = named.then(|| "bot".to_owned());
            GrantStanding::Held(HeldGrant { account, renewable, ..held(noon(), renewals, noon() + minutes(end)) })
        }),
    ];
    let attempts = prop_oneof![
        4 => Just(AttemptStanding::None),
        1 => Just(AttemptStanding::Asked(Hash::of("key"))),
        1 => (0_u64..30).prop_map(|end| AttemptStanding::Open { deadline: noon() + minutes(end) }),
        1 => Just(AttemptStanding::Answered),
        1 => Just(AttemptStanding::Given),
        1 => Just(AttemptStanding::SignOff),
    ];
    (grants, attempts, any::<bool>()).prop_map(|(grant, attempt, keys)| Handshake {
        grant,
        attempt,
        published: None,
        public_key: keys.then(|| "PEM".to_owned()),
    })
}
