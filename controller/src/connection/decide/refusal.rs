//! Lock-out safety: what is done, and not done, while an identity is not proven.
//!
//! A rejected credential is not sent again until it, or the spec, changes or a person asks. What is remembered for that
//! stands in the status, so a restart forgets nothing. A bearer locks nobody out: it is tried three times first.

use std::time::Duration;

use crds::{
    JiraConnectionStatus,
    connection::{auth::Method, status::Observed},
};
use k8s_openapi::jiff::Timestamp;

use super::{consent, view::View};
use crate::{
    condition::{self, About, Truth},
    connection::{
        facts::{Identity, Seen},
        finding::Finding,
        handshake::Handshake,
        reason::{Reason, Row},
    },
    moment, wish,
};

/// When a bearer that was refused is tried again, counted from the first refusal.
const BEARER_RETRIES: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(600)];

/// Shortest time between two sends of a refused credential that a person asks for.
const ASKED_AT_MOST_EVERY: Duration = Duration::from_secs(300);

/// Whether somebody has asked for a check that has not been answered yet.
pub(super) fn asked_for_a_check(view: &View<'_>) -> bool {
    let (annotations, status) = (view.connection.metadata.annotations.as_ref(), view.connection.status.as_ref());
    wish::is_unanswered(
        annotations,
        status.and_then(|it| it.last_handled_requested_at.as_ref()),
        status.and_then(|it| it.last_handled_reconcile_at.as_ref()),
    )
}

/// Whether a person's wish allows to send a refused credential once more now.
pub(super) fn may_try_once(view: &View<'_>, last_sent: Option<Timestamp>) -> bool {
    let long_ago = last_sent.is_none_or(|sent| moment::after(sent, ASKED_AT_MOST_EVERY) <= view.now);
    asked_for_a_check(view) && long_ago
}

/// When a refused credential was sent last: as this process knows, or as the status tells one that was started since.
pub(super) fn last_sent(view: &View<'_>) -> Option<Timestamp> {
    view.facts.asked_before.or_else(|| view.connection.status.as_ref().and_then(latest_transition))
}

/// The refusal that the status tells of, if it is of this spec and these values: what a restarted operator goes by.
pub(super) fn remembered(view: &View<'_>) -> Option<Finding> {
    if view.facts.trouble.is_some() {
        return None;
    }
    let status = view.connection.status.as_ref()?;
    let authorized = condition::find(&status.conditions, About::Authorized)?;
    let reason = Reason::ALL.into_iter().find(|reason| reason.as_str() == authorized.reason)?;
    if authorized.status != Truth::False.as_str() || reason.row() != Row::Refused || !same_basis(view, status) {
        return None;
    }
    if may_try_once(view, latest_transition(status)) {
        return None;
    }
    let found = Finding::new(reason, authorized.message.clone());
    if condition::is(&status.conditions, About::Stalled, Truth::True) {
        return Some(found);
    }
    let since = refused_since(status)?;
    let again = BEARER_RETRIES.into_iter().map(|retry| moment::after(since, retry)).find(|retry| view.now < *retry)?;
    Some(Finding { again: Some(again), ..found })
}

/// Whether a bearer that was refused for this reason is tried again: one bad node of a cluster may have refused it.
pub(in crate::connection) const fn is_retried(reason: Reason) -> bool {
    matches!(reason, Reason::CredentialsRejected | Reason::AccountChanged)
}

/// When a bearer that was refused in an earlier pass is tried again, by what the status says now. `None` for other troubles.
pub(super) fn next_try(view: &View<'_>, trouble: &Finding) -> Option<Timestamp> {
    let sent = view.facts.asked_before.filter(|_| is_retried(trouble.reason))?;
    retry_after(view, sent)
}

fn retry_after(view: &View<'_>, sent: Timestamp) -> Option<Timestamp> {
    let status = view.connection.status.as_ref().filter(|status| same_basis(view, status));
    let since = status.and_then(refused_since).unwrap_or(sent);
    BEARER_RETRIES.into_iter().map(|retry| moment::after(since, retry)).find(|retry| sent < *retry)
}

/// Plans the next try of a bearer that was refused at `sent`; anything else is not tried again.
pub(super) fn tried_again(view: &View<'_>, found: Finding, sent: Timestamp) -> Finding {
    let bearer = matches!(
        view.spec().auth.method(),
        Some(
            Method::PersonalAccessToken(_)
                | Method::OAuth2ClientCredentials(_)
                | Method::OAuth2AuthorizationCode(_)
                | Method::OAuth1(_)
        )
    );
    if !is_retried(found.reason) || !bearer {
        return found;
    }
    let status = view.connection.status.as_ref().filter(|status| same_basis(view, status));
    let settled = status.is_some_and(|status| {
        condition::is(&status.conditions, About::Authorized, Truth::False)
            && condition::is(&status.conditions, About::Stalled, Truth::True)
    });
    if settled {
        return found;
    }
    Finding { again: retry_after(view, sent), ..found }
}

/// The same credential must stay the same account; a changed credential or spec may bring another.
pub(super) fn unless_pinned(view: &View<'_>, identity: &Identity, seen: &Seen<Identity>) -> Option<Finding> {
    let Identity::Known(account) = identity else {
        return None;
    };
    let message = if let Some(handshake) = view.facts.known_handshake() {
        let pinned = handshake.held()?.account.as_ref().filter(|pinned| **pinned != account.id)?;
        format!(
            "The same grant now belongs to another account than {pinned}. Find out who changed that in Jira. {}",
            consent::how(view)
        )
    } else {
        let status = view.connection.status.as_ref().filter(|status| same_basis(view, status))?;
        let pinned = status.account.as_ref().filter(|pinned| pinned.id != account.id)?;
        let name = pinned.display_name.as_deref().unwrap_or(&pinned.id);
        format!(
            "The same credential now belongs to another account than {name}. If that is meant, put a new credential into the Secret; otherwise find out who changed it."
        )
    };
    Some(tried_again(view, Finding::new(Reason::AccountChanged, message), seen.at))
}

/// When a person's wish that came too early can be granted.
pub(super) fn wish_granted_at(view: &View<'_>) -> Option<Timestamp> {
    let sent = view.facts.asked_at.or_else(|| view.connection.status.as_ref().and_then(latest_transition));
    asked_for_a_check(view).then(|| sent.map_or(view.now, |sent| moment::after(sent, ASKED_AT_MOST_EVERY)))
}

/// Whether the status speaks of this generation and of the credential that is in use now.
fn same_basis(view: &View<'_>, status: &JiraConnectionStatus) -> bool {
    let Some(Ok(observed)) = &view.facts.material else {
        return false;
    };
    let version =
        |all: &[Observed], name: &str| all.iter().find(|one| one.name == name).map(|one| one.resource_version.clone());
    let same_values = match (view.credential_name(), view.facts.known_handshake()) {
        (Some(name), _) => {
            let told = status.credentials.as_ref();
            let known = told.and_then(|credentials| version(&credentials.observed, name));
            let same_choice = told.is_some_and(|told| told.active == Some(view.facts.active()));
            known.is_some() && known == version(observed, name) && same_choice
        }
        // A key pair of the operator's own does not change.
        (None, Some(_)) => true,
        (None, None) => false,
    };
    let granted_at = view.facts.known_handshake().and_then(Handshake::held).map(|held| held.consented_at);
    let refused_at = condition::since(&status.conditions, About::Authorized, Truth::False);
    let same_grant = granted_at.is_none_or(|granted_at| refused_at.is_none_or(|refused_at| granted_at <= refused_at));
    status.observed_generation == view.connection.metadata.generation && same_values && same_grant
}

/// When the present series of refusals began.
fn refused_since(status: &JiraConnectionStatus) -> Option<Timestamp> {
    let refused = condition::since(&status.conditions, About::Authorized, Truth::False)?;
    // A credential that follows a stalled one begins a series of its own, which shows in the flip of `Reconciling`.
    let trying = condition::since(&status.conditions, About::Reconciling, Truth::True);
    Some(trying.map_or(refused, |trying| trying.max(refused)))
}

fn latest_transition(status: &JiraConnectionStatus) -> Option<Timestamp> {
    let relevant = [About::Authorized, About::Reconciling, About::Stalled];
    relevant
        .into_iter()
        .filter_map(|about| condition::find(&status.conditions, about))
        .map(|it| it.last_transition_time.0)
        .max()
}
