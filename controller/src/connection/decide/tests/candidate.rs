//! Two credentials: the candidate is proven before it replaces the primary.

use crds::connection::status::ActiveCredential;

use super::*;

fn rotating() -> Life {
    let key = |name: &str| json!({ "name": name, "key": "token" });
    let auth = json!({ "personalAccessToken": { "tokenSecretRef": key("secret"), "candidateSecretRef": key("next") } });
    Life::of(&auth, "DataCenter")
}

fn world(candidate: Result<(), Problem>) -> World {
    World { candidate_material: Some(Ok(())), candidate, ..center() }
}

fn rejected() -> Problem {
    Problem::Rejected(Rejection::Unauthorized)
}

/// A connection whose candidate Jira refuses.
pub(super) fn refused() -> Life {
    let mut life = rotating();
    life.pass(&world(Err(rejected())), noon());
    life
}

/// A connection whose candidate has no Secret.
pub(super) fn missing() -> Life {
    let mut life = rotating();
    life.pass(&World { candidate_material: Some(Err(missing_secret())), ..center() }, noon());
    life
}

impl Life {
    fn active(&self) -> Option<ActiveCredential> {
        self.connection.status.as_ref()?.credentials.as_ref()?.active
    }

    fn resolved(&self) -> (&str, &str) {
        let found = condition::find(self.conditions(), About::CredentialsResolved).unwrap();
        (&found.status, &found.reason)
    }
}

#[test]
fn a_candidate_that_jira_accepts_is_used_from_then_on() {
    let mut life = rotating();
    life.pass(&world(Ok(())), noon());
    assert_eq!((life.reason(), life.active()), ("ConnectionVerified", Some(ActiveCredential::Candidate)));
    let asked: Vec<_> =
        life.asked.iter().filter(|it| matches!(it, Question::Candidate | Question::Identity(_))).collect();
    assert!(matches!(asked[..], [Question::Candidate, Question::Identity(_)]), "{asked:?}");
    life.pass(&world(Ok(())), noon() + minutes(6));
    assert!(!life.asked.contains(&Question::Candidate), "{:?}", life.asked);
}

#[test]
fn a_candidate_that_jira_refuses_leaves_the_primary_in_use_and_is_not_sent_again() {
    let mut life = refused();
    assert_eq!((life.reason(), life.active()), ("ConnectionVerified", Some(ActiveCredential::Primary)));
    assert_eq!(life.resolved(), ("True", "CandidateRejected"));
    for (restart, later) in [(false, minutes(6)), (true, minutes(12))] {
        if restart {
            life.restart();
        }
        life.pass(&world(Err(rejected())), noon() + later);
        assert!(!life.asked.contains(&Question::Candidate), "{:?}", life.asked);
        assert_eq!(life.resolved(), ("True", "CandidateRejected"));
    }
    life.wish("1");
    life.pass(&world(Ok(())), noon() + minutes(20));
    assert_eq!(life.active(), Some(ActiveCredential::Candidate));
}

#[test]
fn a_candidate_that_could_not_be_tried_is_tried_again() {
    let mut life = rotating();
    let out = world(Err(Problem::Unreachable(Outage::TimedOut)));
    life.pass(&out, noon());
    assert_eq!(life.active(), Some(ActiveCredential::Primary));
    life.pass(&world(Ok(())), noon() + minutes(1));
    assert_eq!(life.active(), Some(ActiveCredential::Candidate));
}

#[test]
fn a_candidate_whose_secret_is_missing_harms_nobody() {
    let life = missing();
    assert_eq!((life.reason(), life.resolved()), ("ConnectionVerified", ("True", "CandidateUnusable")));
}

#[test]
fn a_candidate_that_is_refused_later_gives_way_to_the_primary() {
    let mut life = rotating();
    life.pass(&world(Ok(())), noon());
    let mut refusals = World { at_site: Err(rejected()), ..world(Err(rejected())) };
    life.pass(&refusals, noon() + minutes(6));
    assert!(life.asked.contains(&Question::Candidate), "{:?}", life.asked);
    refusals.at_site = Ok(identity("bot"));
    life.pass(&refusals, noon() + minutes(12));
    assert_eq!((life.reason(), life.active()), ("ConnectionVerified", Some(ActiveCredential::Primary)));
}

#[test]
fn a_candidate_may_belong_to_another_account() {
    let mut life = rotating();
    life.pass(&World { candidate_material: None, ..center() }, noon());
    life.read = None;
    life.facts.material = None;
    life.pass(&World { at_site: Ok(identity("successor")), ..world(Ok(())) }, noon() + minutes(6));
    assert_eq!(life.reason(), "ConnectionVerified");
    assert_eq!(life.connection.status.unwrap().account.unwrap().id, "successor");
}
