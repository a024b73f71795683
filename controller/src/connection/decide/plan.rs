//! What a pass concludes: conditions to claim, details to show, when to look again, what to tell the bindings.

use std::time::Duration;

use crds::{JiraConnection, JiraConnectionStatus};
use k8s_openapi::jiff::Timestamp;

use super::{
    claims::claims,
    consent,
    details::{details, fixed_end},
    lacking::Lacking,
    proof::proof,
    refusal, schedule,
    verdict::Verdict,
    view::View,
};
use crate::{
    condition::{self, About, Claim},
    connection::{
        facts::{Identity, Seen},
        finding::Finding,
        reason::{Reason, Row},
    },
    metrics::CredentialEnds,
    proof::Proof,
};

/// Whether a finding holds back further requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Every question was answered; what is found wanting is asked for again at the usual time.
    None,
    /// A question could not be answered, or the answer forbids to go on.
    Lasting,
}

/// What a pass concludes.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The conditions to claim.
    pub claims: Vec<Claim>,
    /// The status without its conditions.
    pub details: JiraConnectionStatus,
    /// When to look again. `None`: only after a change.
    pub wake: Option<Timestamp>,
    /// What the bindings may rely on.
    pub proof: Proof,
    /// When the credential ends.
    pub ends: CredentialEnds,
    /// Trouble that holds back further requests to Jira.
    pub trouble: Option<Finding>,
}

impl Plan {
    /// The status that this plan makes of the present one, at `now`.
    #[must_use]
    pub fn status(&self, connection: &JiraConnection, now: Timestamp) -> JiraConnectionStatus {
        let before = connection.status.as_ref().map_or(&[][..], |status| &status.conditions);
        let conditions = condition::merge(before, &self.claims, connection.metadata.generation, now);
        JiraConnectionStatus { conditions, ..self.details.clone() }
    }

    /// A name for tests and logs: the reason of `Ready`.
    #[must_use]
    pub fn label(&self) -> &str {
        self.claims.iter().find(|claim| claim.about == About::Ready).map_or("", |claim| &claim.reason)
    }
}

/// What follows from a finding.
pub(super) fn conclude(view: View<'_>, finding: Finding, trouble: Trouble) -> Plan {
    let verdict = Verdict::of(&view, &finding);
    let claims = claims(&view, &finding, &verdict);
    let details = details(&view, &finding, &verdict);
    let proof = proof(&view, &claims, &details);
    let early = [verdict.boundary, wish(&view, &finding), consent::attempt_due(&view)].into_iter().flatten();
    let wake = early.chain(finding.again).min();
    let lasting = trouble == Trouble::Lasting
        && !matches!(finding.reason.row(), Row::Suspended | Row::Unresolved | Row::Awaiting);
    Plan { claims, details, wake, proof, ends: ends(&view), trouble: lasting.then_some(finding) }
}

/// When the credential ends, as far as it is known.
pub(super) fn ends(view: &View<'_>) -> CredentialEnds {
    CredentialEnds { fixed: fixed_end(view), idle: consent::idle_end(view) }
}

fn wish(view: &View<'_>, finding: &Finding) -> Option<Timestamp> {
    (finding.reason.row() == Row::Refused).then(|| refusal::wish_granted_at(view)).flatten()
}

/// Holds what was granted against what is required.
pub(super) fn weigh(view: &View<'_>) -> Finding {
    let lacking = Lacking::of(view);
    let again = next_look(view);
    if !lacking.missing.is_empty() {
        let message = format!(
            "The account lacks {}. Ask an admin of Jira to grant what is missing; the check goes on by itself.",
            lacking.sentence(),
        );
        return Finding { again, ..Finding::new(Reason::PermissionsMissing, message) };
    }
    let host = view.host();
    let message = match view.facts.known_identity() {
        Some(Identity::Known(account)) => {
            let name = if account.display_name.is_empty() { &account.id } else { &account.display_name };
            format!("Jira at {host} accepts the credential of {name}.")
        }
        Some(Identity::Untold) | None => {
            format!("Jira at {host} accepts the credential, and does not tell whose it is.")
        }
    };
    Finding { again, ..Finding::new(Reason::ConnectionVerified, message) }
}

/// The first moment at which an answer that is needed grows too old.
fn next_look(view: &View<'_>) -> Option<Timestamp> {
    fn dues<'a, T: 'a>(
        view: &'a View<'_>,
        slots: impl IntoIterator<Item = &'a Seen<T>>,
        period: Duration,
    ) -> impl Iterator<Item = Timestamp> {
        slots.into_iter().map(move |seen| schedule::due(view, seen, period))
    }
    let (facts, interval) = (view.facts, schedule::interval(view));
    let wanted = facts.demand.as_ref().map(|demand| view.wanted_projects(demand)).unwrap_or_default();
    let found: Vec<_> = wanted.iter().filter(|key| view.present(key).is_some()).collect();
    dues(view, &facts.identity, interval)
        .chain(dues(view, facts.global.iter().filter(|_| view.requires_global()), interval))
        .chain(dues(view, found.iter().filter_map(|key| facts.grants.get(*key)), interval))
        .chain(dues(view, &facts.server, schedule::LOOK))
        .chain(dues(view, &facts.cloud_id, schedule::LOOK))
        .chain(dues(view, wanted.iter().filter_map(|key| facts.projects.get(key)), schedule::LOOK))
        .chain(dues(view, found.iter().filter_map(|key| facts.issue_security.get(*key)), schedule::LOOK))
        .chain(consent::renewal_due(view))
        .min()
}
