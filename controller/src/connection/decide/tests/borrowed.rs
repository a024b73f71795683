//! Access tokens of client credentials that applications hold.

use super::*;
use crate::lending::Borrowing;

fn life() -> Life {
    Life::of(&client(), "Cloud")
}

fn borrowed(borrowing: Borrowing) -> World {
    World { demand: Demand { borrowing, ..Demand::default() }, ..cloud() }
}

/// When another token was asked for within the life of the first one, by waking as the plans say.
fn replacements(borrowing: Borrowing) -> Vec<Timestamp> {
    let (mut life, world) = (life(), borrowed(borrowing));
    let mut wake = life.pass(&world, noon()).wake.unwrap();
    let before = life.connection.status.clone();
    let mut replaced = Vec::new();
    while wake < noon() + minutes(58) {
        let plan = life.pass(&world, wake);
        assert_eq!(life.connection.status, before, "at {wake}");
        if life.asked.contains(&Question::Replacement) {
            replaced.push(wake);
            assert!(matches!(life.asked[..], [Question::Replacement, Question::Identity(_), ..]), "{:?}", life.asked);
        }
        wake = plan.wake.unwrap();
    }
    replaced
}

#[test]
fn a_borrowed_token_is_replaced_ahead_of_its_end_without_a_write() {
    let replaced = replacements(Borrowing::Token);
    assert!(matches!(replaced[..], [at] if noon() + minutes(50) <= at && at <= noon() + minutes(54)), "{replaced:?}");
}

#[rstest]
#[case(Borrowing::Nothing)]
#[case(Borrowing::Certificates)]
fn a_token_that_nobody_borrows_is_used_to_its_end(#[case] borrowing: Borrowing) {
    assert_eq!(replacements(borrowing), []);
}

#[test]
fn a_token_that_lasts_carries_over_trouble_with_the_next_one() {
    let mut life = life();
    life.pass(&borrowed(Borrowing::Token), noon());
    let before = life.connection.status.clone();
    let trouble = World { token: Err(Problem::Unreachable(Outage::TimedOut)), ..borrowed(Borrowing::Token) };
    let plan = life.pass(&trouble, noon() + minutes(55));
    assert!(life.asked.contains(&Question::Replacement), "{:?}", life.asked);
    assert_eq!(life.connection.status, before);
    assert!(plan.wake.is_some_and(|wake| wake <= noon() + minutes(55) + Duration::from_secs(6)), "it is tried again");
    life.pass(&trouble, noon() + minutes(55) + Duration::from_secs(1));
    assert!(!life.asked.contains(&Question::Replacement), "the backoff is kept");
    life.pass(&trouble, noon() + minutes(60));
    assert_eq!(life.reason(), "InterruptedInGrace");
}

#[test]
fn a_token_that_ends_at_once_is_asked_for_by_checks_alone() {
    let (mut life, world) = (life(), borrowed(Borrowing::Token));
    life.pass(&world, noon());
    let ends = Answer::Replacement(Ok(TokenEnd(noon() + Duration::from_secs(2))));
    life.facts.record(ends, noon());
    let plan = life.pass(&world, noon() + Duration::from_secs(1));
    assert!(plan.wake.is_some_and(|wake| noon() + minutes(4) < wake), "{:?}", plan.wake);
}
