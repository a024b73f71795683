//! A credential that shall replace the one in use: proven first, then used.

use crds::connection::status::ActiveCredential;

use super::{Stop, refusal, schedule, view::View};
use crate::{
    condition::{self, About},
    connection::{
        facts::{Question, Seen},
        finding::Finding,
    },
};

/// Reason of `CredentialsResolved` while Jira does not accept the candidate.
pub(super) const REJECTED: &str = "CandidateRejected";

/// Reason of `CredentialsResolved` while the candidate's Secret cannot be used.
pub(super) const UNUSABLE: &str = "CandidateUnusable";

/// Makes sure that the candidate was tried. Whatever comes of that, the connection goes on.
pub(super) fn tried(view: &View<'_>) -> Result<(), Stop> {
    if !matches!(view.facts.candidate_material, Some(Ok(()))) || refused_before(view) {
        return Ok(());
    }
    match &view.facts.candidate {
        None => Err(Stop::Ask(Question::Candidate)),
        Some(seen) if may_try_again(view, seen) => Err(Stop::Ask(Question::Candidate)),
        Some(_) => Ok(()),
    }
}

/// What was not answered is asked again; what was refused is not, unless a person asks for it.
fn may_try_again(view: &View<'_>, seen: &Seen<()>) -> bool {
    let Err(problem) = &seen.outcome else {
        return false;
    };
    if seen.pass == view.facts.pass {
        return false;
    }
    if problem.is_passing() {
        return schedule::again(view, problem, seen).is_some_and(|again| again <= view.now);
    }
    refusal::may_try_once(view, Some(seen.at))
}

/// Whether the status tells that this very candidate was refused before a restart.
fn refused_before(view: &View<'_>) -> bool {
    let told = condition::find(view.previous_conditions(), About::CredentialsResolved);
    view.facts.candidate.is_none()
        && told.is_some_and(|told| told.reason == REJECTED)
        && view.same_material()
        && !refusal::asked_for_a_check(view)
}

/// What is wrong with the candidate: a reason and a sentence.
pub(super) fn fault(view: &View<'_>) -> Option<(&'static str, String)> {
    if let Some(Err(fault)) = &view.facts.candidate_material {
        return Some((UNUSABLE, format!("The candidate cannot be used, and the primary stays in use. {fault}")));
    }
    if refused_before(view) {
        let told = condition::find(view.previous_conditions(), About::CredentialsResolved)?;
        return Some((REJECTED, told.message.clone()));
    }
    let problem = view.facts.candidate.as_ref()?.outcome.as_ref().err()?;
    let found = Finding::problem(problem, view.host(), None);
    Some((REJECTED, format!("The candidate is not proven, and the primary stays in use. {}", found.message)))
}

/// Whether a refusal of the credential in use can be answered by going back to the primary.
pub(super) fn may_fall_back(view: &View<'_>) -> bool {
    view.facts.active() == ActiveCredential::Candidate
        && view.facts.candidate.as_ref().is_some_and(|seen| seen.pass != view.facts.pass)
}
