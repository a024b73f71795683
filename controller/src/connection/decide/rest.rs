//! What an operator that has just taken over need not ask Jira at once.
//!
//! A restart tells nothing about Jira. Where everything that can be known without Jira is as the status says, the status stands, and
//! each connection waits for a moment of its own within one interval, instead of all of them asking together. Which version of a
//! ConfigMap was used the status does not say: one that changed while no operator ran is tried in the same time.

use crds::connection::status::Bindings;
use k8s_openapi::jiff::Timestamp;

use super::{
    claims::{duplicate, expiring},
    consent,
    details::bindings,
    refusal, schedule,
    view::View,
};
use crate::{
    condition::{self, About, Truth},
    connection::{handshake::AttemptStanding, reason::Reason},
    lending::Borrowing,
};

/// Until when the status is left as it stands, and Jira is asked nothing. `None`: it is time for a check.
pub(super) fn until(view: &View<'_>) -> Option<Timestamp> {
    let taken_up = view.facts.taken_up?;
    let rested = proven(view) && unchanged(view) && !wanted(view);
    let end = taken_up + schedule::interval(view).mul_f64(schedule::share(view));
    let due = consent::renewal_due(view).map_or(end, |due| due.min(end));
    (rested && view.now < due).then_some(due)
}

/// Whether the status says of this spec that all is well, and nothing besides.
fn proven(view: &View<'_>) -> bool {
    let is = |about, truth| condition::is(view.previous_conditions(), about, truth);
    let good = [About::Authorized, About::CredentialsResolved, About::Reachable, About::PermissionsGranted];
    let bad = [About::Reconciling, About::Stalled, About::RateLimited, About::Suspended];
    let verified = view.standing(About::Ready).is_some_and(|ready| ready.reason == Reason::ConnectionVerified.as_str());
    view.was_ready()
        && verified
        && good.into_iter().all(|about| is(about, Truth::True))
        && !bad.into_iter().any(|about| is(about, Truth::True))
}

/// Whether what can be known without Jira is still what the status says.
fn unchanged(view: &View<'_>) -> bool {
    let status = view.previous_status();
    let same_claim = |about, claim| view.standing(about) == claim;
    let counted: Option<Bindings> = status.and_then(|status| status.bindings);
    view.same_material()
        && view.facts.candidate_material.is_none()
        && status.is_some_and(|status| status.effective.as_ref() == Some(view.settings))
        && counted == bindings(view)
        && same_claim(About::DuplicateInstance, duplicate(view))
        && same_claim(About::CredentialsExpiring, expiring(view))
}

/// Whether somebody waits for a check: a person, a binding, or an application that borrows a token.
fn wanted(view: &View<'_>) -> bool {
    let asked = view.facts.demand.as_ref().is_none_or(|it| it.unproven > 0 || it.borrowing != Borrowing::Nothing);
    let handshake = view.facts.known_handshake();
    let under_way = handshake.is_some_and(|it| it.attempt != AttemptStanding::None);
    let overdue = handshake.is_some_and(|it| it.held().is_none_or(|held| !consent::is_fresh(view, held)));
    asked || under_way || overdue || refusal::asked_for_a_check(view)
}
