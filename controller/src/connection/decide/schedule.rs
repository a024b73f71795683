//! When to ask again: intervals with jitter, backoff, and holding back after trouble.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use crds::connection::auth::Method;
use k8s_openapi::jiff::Timestamp;

use super::{TOKEN_MARGIN, refusal, view::View};
use crate::{
    connection::{
        facts::{Seen, TokenEnd},
        finding::{self, Finding},
        handshake::HeldGrant,
        reason::Row,
    },
    jira::Problem,
    lending::Borrowing,
};

/// How often version, site, projects and issue security are looked at.
pub(super) const LOOK: Duration = Duration::from_secs(24 * 3600);

/// First wait after an outage; it doubles with each failure.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// Longest wait after an outage.
const LAST_RETRY: Duration = Duration::from_secs(300);

/// Longest time that a renewed grant is left alone, whatever its token's end.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// Shortest life of a token that is replaced ahead of its end. One that ends sooner is asked for at each check.
const SHORTEST_LIFE: Duration = Duration::from_secs(10);

/// How long before its end a token is renewed at the earliest.
const LONGEST_AHEAD: Duration = Duration::from_secs(24 * 3600);

/// Time between two checks.
pub(super) fn interval(view: &View<'_>) -> Duration {
    view.settings.interval.into()
}

/// When an answer of `at` has to be renewed: a `period` later, spread by a tenth either way so that connections that
/// began together drift apart.
pub(super) fn due<T>(view: &View<'_>, seen: &Seen<T>, period: Duration) -> Timestamp {
    seen.at + period.mul_f64(0.9 + 0.2 * fraction(view, seen))
}

/// When to ask again after a problem. `None`: not without a change.
pub(super) fn again<T>(view: &View<'_>, problem: &Problem, seen: &Seen<T>) -> Option<Timestamp> {
    match finding::reason(problem).row() {
        Row::Outage => Some(seen.at + backoff(view, seen)),
        Row::Limited => Some(seen.at + asked_wait(problem).unwrap_or_else(|| backoff(view, seen))),
        Row::Lacking | Row::Misfit => Some(due(view, seen, interval(view))),
        Row::Proven | Row::Pending | Row::Awaiting | Row::Unresolved | Row::Refused | Row::Suspended => None,
    }
}

fn asked_wait(problem: &Problem) -> Option<Duration> {
    match problem {
        Problem::RateLimited { retry_after, .. } => *retry_after,
        _ => None,
    }
}

fn backoff<T>(view: &View<'_>, seen: &Seen<T>) -> Duration {
    let doublings = seen.failures.saturating_sub(1).min(16);
    let wait = FIRST_RETRY.saturating_mul(1 << doublings).min(LAST_RETRY);
    wait.mul_f64(0.8 + 0.4 * fraction(view, seen))
}

/// When a grant is to be renewed: a sixth of its token's life before the end, a day at most, spread so that the grants of
/// one hour are not renewed together. What nothing can renew is used to its end.
pub(super) fn renewal(view: &View<'_>, held: &HeldGrant) -> Timestamp {
    if !held.renewable {
        return held.token_ends_at;
    }
    held.token_ends_at - ahead(view, life(held), held.renewals)
}

/// When a token of client credentials that applications hold is to be replaced: as early as a grant is renewed, so that the
/// next one has reached them when it ends. `None` where nobody borrows it.
pub(super) fn replacement(view: &View<'_>) -> Option<Timestamp> {
    let borrowed = view.facts.demand.as_ref().is_some_and(|demand| demand.borrowing == Borrowing::Token);
    if !borrowed || !matches!(view.spec().auth.method(), Some(Method::OAuth2ClientCredentials(_))) {
        return None;
    }
    let seen = view.facts.token.as_ref()?;
    let TokenEnd(end) = *seen.outcome.as_ref().ok()?;
    let life = Duration::try_from(end.duration_since(seen.at)).unwrap_or_default();
    (SHORTEST_LIFE <= life).then(|| end - ahead(view, life, seen.number))
}

/// How long ahead of its end a token is followed by the next one. `number` tells it from those before.
fn ahead(view: &View<'_>, life: Duration, number: u64) -> Duration {
    let mut hasher = DefaultHasher::new();
    (&view.connection.metadata.uid, number).hash(&mut hasher);
    (life / 6).min(LONGEST_AHEAD).mul_f64(0.6 + 0.4 * spread(&hasher))
}

/// How long before its end the token of a grant is no longer used for a new check.
pub(super) fn margin(held: &HeldGrant) -> Duration {
    (life(held) / 12).min(TOKEN_MARGIN)
}

/// Shortest time between two renewals of a grant.
pub(super) fn rest(held: &HeldGrant) -> Duration {
    (life(held) / 2).min(LONGEST_REST)
}

fn life(held: &HeldGrant) -> Duration {
    Duration::try_from(held.token_ends_at.duration_since(held.token_given_at)).unwrap_or_default()
}

/// A number in `0.0..1.0` that differs between objects and stays.
pub(super) fn share(view: &View<'_>) -> f64 {
    let mut hasher = DefaultHasher::new();
    view.connection.metadata.uid.hash(&mut hasher);
    spread(&hasher)
}

/// A number in `0.0..1.0` that differs between objects and answers, and is the same for the same facts.
fn fraction<T>(view: &View<'_>, seen: &Seen<T>) -> f64 {
    let mut hasher = DefaultHasher::new();
    view.connection.metadata.uid.hash(&mut hasher);
    (seen.at.as_nanosecond(), seen.number).hash(&mut hasher);
    spread(&hasher)
}

fn spread(hasher: &DefaultHasher) -> f64 {
    f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or(u32::MAX)) / (f64::from(u32::MAX) + 1.0)
}

/// The last trouble, as long as it forbids to ask Jira anything: a wake for another reason must not shorten a backoff.
pub(super) fn held_back(view: &View<'_>) -> Option<Finding> {
    let last = view.facts.trouble.as_ref()?;
    let holds = match last.reason.row() {
        Row::Outage | Row::Misfit | Row::Lacking => !refusal::asked_for_a_check(view),
        // A wish does not widen Jira's budget.
        Row::Limited => true,
        Row::Refused => !refusal::may_try_once(view, refusal::last_sent(view)),
        Row::Proven | Row::Pending | Row::Awaiting | Row::Unresolved | Row::Suspended => false,
    };
    // When a bearer is tried again counts from the status, as it would after a restart.
    let again = last.again.map(|again| refusal::next_try(view, last).unwrap_or(again));
    let waits = again.is_none_or(|again| view.now < again);
    (holds && waits).then(|| Finding { again, ..last.clone() })
}
