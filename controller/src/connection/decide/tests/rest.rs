//! What an operator that has just taken over leaves as it stands, and what it looks at once.

use super::*;
use crate::lending::Borrowing;

/// The default interval, which `Life` uses.
const INTERVAL: Duration = Duration::from_secs(300);

impl Life {
    /// A new operator takes over at `now`; what the one before knew is gone.
    fn taken_over(&mut self, now: Timestamp) {
        self.restart();
        self.facts = Facts::taken_up(now);
    }
}

/// A connection called `uid` that was proven a day ago.
fn proven(uid: &str, world: &World) -> Life {
    let mut life = Life::center();
    life.connection.metadata.uid = Some(uid.into());
    life.pass(world, noon() - minutes(24 * 60));
    assert_eq!(life.reason(), "ConnectionVerified");
    life
}

/// Until when it rests after a restart at noon.
fn rests(life: &mut Life, world: &World) -> Option<Timestamp> {
    life.taken_over(noon());
    let rest = life.look(world, noon()).err()?;
    assert_eq!(life.asked, []);
    Some(rest.until)
}

#[test]
fn after_a_restart_each_connection_is_asked_about_at_a_moment_of_its_own_within_the_interval() {
    let world = center();
    let mut fifths = [0; 5];
    for number in 0..200 {
        let mut life = proven(&format!("u-{number}"), &world);
        let before = life.connection.status.clone();
        let until = rests(&mut life, &world).unwrap();
        let waits = Duration::try_from(until.duration_since(noon())).unwrap();
        assert!(waits < INTERVAL, "{waits:?}");
        fifths[usize::try_from(waits.as_secs() / 60).unwrap()] += 1;

        let early = life.look(&world, noon() + waits / 2).unwrap_err();
        assert_eq!(early.until, until, "another wake does not move it");
        let plan = life.pass(&world, until);
        assert!(life.asked.iter().any(|question| matches!(question, Question::Identity(_))), "{:?}", life.asked);
        assert_eq!(life.connection.status, before, "and that changes nothing");
        assert!(plan.wake.is_some_and(|wake| until < wake));
    }
    assert!(fifths.iter().all(|count| (20..=60).contains(count)), "{fifths:?}");
}

#[test]
fn the_end_of_a_credential_is_known_while_its_connection_rests() {
    let world = World { expiry: Ok(Some(noon() + minutes(100 * 24 * 60))), ..center() };
    let mut life = proven("u-1", &world);
    // The first check does not wait for it.
    life.pass(&world, noon() - minutes(23 * 60));
    life.taken_over(noon());
    let rest = life.look(&world, noon()).unwrap_err();
    assert_eq!(rest.ends.fixed, Some("2027-03-04T00:00:00Z".parse().unwrap()));
}

#[test]
fn who_asks_without_having_taken_over_gets_a_verdict() {
    let world = center();
    let mut life = proven("u-1", &world);
    life.restart();
    life.pass(&world, noon());
}

#[rstest]
#[case::a_person_asks(|life: &mut Life, _: &mut World| life.wish("now"))]
#[case::the_spec_is_another(|life: &mut Life, _: &mut World| life.edit(|spec| spec.url.push('2')))]
#[case::the_secret_is_another(|_: &mut Life, world: &mut World| world.material = Ok("2"))]
#[case::the_secret_is_gone(|_: &mut Life, world: &mut World| world.material = Err(MaterialFault::Missing(Referent { kind: ReferentKind::Secret, name: "secret".into() })))]
#[case::a_candidate_is_named(|_: &mut Life, world: &mut World| world.candidate_material = Some(Ok(())))]
#[case::a_binding_waits(|_: &mut Life, world: &mut World| world.demand.unproven = 1)]
#[case::a_binding_was_added(|_: &mut Life, world: &mut World| world.demand.accepted = 1)]
#[case::an_application_borrows(|_: &mut Life, world: &mut World| world.demand.borrowing = Borrowing::Certificates)]
#[case::another_connection_leads_there(|_: &mut Life, world: &mut World| world.duplicates = &["twin"])]
#[case::it_may_not_be_contacted(|_: &mut Life, world: &mut World| world.route = Err(RouteRefusal::HostNotAllowed))]
#[case::no_binding_is_counted(|life: &mut Life, _: &mut World| life.status().bindings = None)]
#[case::another_interval_is_in_force(|life: &mut Life, _: &mut World| life.status().effective = None)]
#[case::it_is_not_ready(|life: &mut Life, _: &mut World| life.claims(About::Ready, "False", "Unreachable"))]
#[case::it_is_in_grace(|life: &mut Life, _: &mut World| life.claims(About::Ready, "True", "InterruptedInGrace"))]
#[case::a_permission_is_unknown(|life: &mut Life, _: &mut World| life.claims(About::PermissionsGranted, "Unknown", "NotAnswered"))]
#[case::it_was_under_way(|life: &mut Life, _: &mut World| life.claims(About::Reconciling, "True", "Progressing"))]
#[case::it_was_limited(|life: &mut Life, _: &mut World| life.claims(About::RateLimited, "True", "RateLimited"))]
#[case::its_end_is_near_by_now(|life: &mut Life, _: &mut World| life.status().credentials.as_mut().unwrap().expires_at = Some("2026-11-26".into()))]
fn after_a_restart_it_is_looked_at_once_where(#[case] change: fn(&mut Life, &mut World)) {
    let mut world = center();
    let mut life = proven("u-1", &world);
    assert!(rests(&mut life, &world).is_some());
    change(&mut life, &mut world);
    assert_eq!(rests(&mut life, &world), None);
}

/// Other values from objects of the same versions, as it is with a ConfigMap, of which the status says nothing.
fn another_bundle() -> Answer {
    Answer::Material(Ok(MaterialSeen {
        observed: vec![Observed { name: "secret".into(), resource_version: "1".into() }],
        candidate: None,
        changed: true,
    }))
}

#[test]
fn a_bundle_that_changes_is_tried_at_once_be_it_during_the_rest_or_after_it() {
    let world = center();
    let mut life = proven("u-1", &world);
    assert!(rests(&mut life, &world).is_some());
    for _ in 0..2 {
        life.facts.record(another_bundle(), noon());
        life.pass(&world, noon() + minutes(1));
        assert!(life.asked.iter().any(|question| matches!(question, Question::Identity(_))), "{:?}", life.asked);
    }
}

#[test]
fn a_grant_that_is_due_is_not_slept_over() {
    let mut world = consent::granted();
    let mut life = Life::of(&consent::oauth2(), "DataCenter");
    life.pass(&world, noon());
    assert_eq!(life.reason(), "ConnectionVerified");
    let rest_at = |life: &mut Life, world: &World, now| {
        life.taken_over(now);
        life.look(world, now).map_err(|rest| rest.until)
    };
    let later = noon() + minutes(5);
    assert!(rest_at(&mut life, &world, later).is_err_and(|until| until < later + INTERVAL));
    // Its token ends after an hour and is renewed ten minutes earlier at the most.
    let before_the_renewal = noon() + minutes(49);
    let until = rest_at(&mut life, &world, before_the_renewal).unwrap_err();
    assert!(until < noon() + minutes(54), "{until}");
    assert!(rest_at(&mut life, &world, noon() + minutes(55)).is_ok());
    world.handshake = Ok(consent::ended(crate::auth::grant::GrantEnd::Revoked));
    assert!(rest_at(&mut life, &world, later).is_ok());
}

impl Life {
    fn status(&mut self) -> &mut crds::JiraConnectionStatus {
        self.connection.status.as_mut().unwrap()
    }

    /// Has the status claim something else, as another operator might have left it.
    fn claims(&mut self, about: About, status: &str, reason: &str) {
        let conditions = &mut self.status().conditions;
        let mut claim = conditions[0].clone();
        (claim.type_, claim.status, claim.reason) = (about.as_str().into(), status.into(), reason.into());
        conditions.retain(|condition| condition.type_ != claim.type_);
        conditions.push(claim);
    }
}
