//! The grant of a person: whether there is one, whether it may be used here, and when it has to be renewed.

use std::time::Duration;

use crds::{connection::auth::Method, jira::Deployment};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::{Stop, schedule, view::View};
use crate::{
    auth::grant::{EndedGrant, GrantEnd, GrantSite},
    connection::{
        facts::{Question, Seen},
        finding::Finding,
        handshake::{self, AttemptStanding, GrantStanding, Handshake, HandshakeFault, HeldGrant, Step},
        reason::{Reason, Row},
    },
    jira::{OAuth1Problem, Problem, Rejection, Site},
};

/// How soon owned Secrets are looked at again where the watch should have told and has not.
const LOOKED_AT_AGAIN: Duration = Duration::from_secs(10);

/// Makes sure that it is known how grant and attempt stand, and ends what needs no Jira.
pub(super) fn known(view: &View<'_>, method: Method<'_>) -> Result<(), Stop> {
    if handshake::protocol(method).is_none() {
        return Ok(());
    }
    let handshake = match &view.facts.handshake {
        None => return Err(Stop::Ask(Question::Handshake)),
        Some(Err(fault)) => return Err(Stop::Found(in_the_way(view, fault))),
        Some(Ok(handshake)) => handshake,
    };
    match handshake.step(view.now) {
        Some(step @ (Step::Lapse | Step::SignOff)) if may_take(view, step) => Err(Stop::Ask(Question::Step(step))),
        Some(Step::KeyPair | Step::Begin | Step::Exchange | Step::Prove | Step::Lapse | Step::SignOff) | None => Ok(()),
    }
}

fn in_the_way(view: &View<'_>, fault: &HandshakeFault) -> Finding {
    match fault {
        HandshakeFault::Foreign { secret } => Finding::new(
            Reason::SecretConflict,
            format!(
                "Secret {secret} exists and is not this connection's own. Delete or rename it: the operator needs that name."
            ),
        ),
        HandshakeFault::Former { secret } => Finding {
            again: Some(view.now + LOOKED_AT_AGAIN),
            ..Finding::new(
                Reason::Progressing,
                format!(
                    "Secret {secret} of a former connection of this name is still there. It is waited for until Kubernetes has removed it."
                ),
            )
        },
    }
}

/// Whether a person has just done something that outweighs an earlier refusal.
pub(super) fn a_person_acts(view: &View<'_>) -> bool {
    let Some(step) = view.facts.known_handshake().and_then(|handshake| handshake.step(view.now)) else {
        return false;
    };
    // What was written just now, or was begun and could not be finished.
    let news = view.facts.handshake_pass == view.facts.pass;
    may_take(view, step) && (news || last(view, step).is_some_and(|seen| seen.outcome.is_err()))
}

/// Makes sure that there is a grant for this Jira; takes the steps that lead to one.
pub(super) fn given(view: &View<'_>, method: Method<'_>) -> Result<(), Stop> {
    let Some(handshake) = view.facts.known_handshake() else {
        return Ok(());
    };
    let needs_keys = matches!(method, Method::OAuth1(oauth1) if oauth1.private_key_secret_ref.is_none());
    if needs_keys && handshake.public_key.is_none() {
        return take(view, Step::KeyPair, handshake);
    }
    if let Some(step) = handshake.step(view.now) {
        take(view, step, handshake)?;
    }
    usable(view, method, handshake).map(|_| ())
}

/// Asks for a step, unless it has to wait. A connection that has a grant goes on with it meanwhile.
fn take(view: &View<'_>, step: Step, handshake: &Handshake) -> Result<(), Stop> {
    if may_take(view, step) {
        return Err(Stop::Ask(Question::Step(step)));
    }
    match last(view, step) {
        Some(seen) if handshake.held().is_none() => {
            seen.outcome.as_ref().copied().map_err(|problem| view.failed(problem, seen))
        }
        Some(_) | None => Ok(()),
    }
}

fn last<'a>(view: &View<'a>, step: Step) -> Option<&'a Seen<()>> {
    view.facts.steps.get(&step)
}

fn may_take(view: &View<'_>, step: Step) -> bool {
    let Some(seen) = last(view, step) else {
        return true;
    };
    if seen.pass == view.facts.pass {
        return false;
    }
    taken_again(view, seen) <= view.now
}

/// When a step may be taken once more: after an outage by its backoff. Any other end was the end of that attempt, and
/// what a person has written since is another one.
fn taken_again(view: &View<'_>, seen: &Seen<()>) -> Timestamp {
    let outage = seen.outcome.as_ref().err().filter(|problem| problem.is_passing());
    match outage.and_then(|problem| schedule::again(view, problem, seen)) {
        Some(again) => again,
        None if seen.pass < view.facts.handshake_pass => view.now,
        None => seen.at + LOOKED_AT_AGAIN,
    }
}

/// When the attempt is to be looked at again: at its deadline, or when a step may be taken once more.
pub(super) fn attempt_due(view: &View<'_>) -> Option<Timestamp> {
    let handshake = view.facts.known_handshake()?;
    let due = match &handshake.attempt {
        AttemptStanding::Open { deadline } if view.now < *deadline => Some(*deadline),
        _ => Some(taken_again(view, last(view, handshake.step(view.now)?)?)),
    };
    due.filter(|due| view.now < *due)
}

/// The grant, if it may be used for this connection.
fn usable<'a>(view: &View<'_>, method: Method<'_>, handshake: &'a Handshake) -> Result<&'a HeldGrant, Stop> {
    let required = |message: String| Err(Stop::Found(Finding::new(Reason::AuthorizationRequired, message)));
    let how = how(view);
    let held = match &handshake.grant {
        GrantStanding::None => {
            if let Some(found) = stumbled(view, handshake) {
                return Err(Stop::Found(found));
            }
            return required(format!("Nobody has authorised this connection yet. {how}"));
        }
        GrantStanding::Unreadable => {
            return required(format!(
                "Somebody has changed the Secret in which the operator keeps the grant, so that it cannot be read. {how}"
            ));
        }
        GrantStanding::Ended(ended) => return Err(Stop::Found(over(view, ended))),
        GrantStanding::Held(held) => held,
    };
    if !is_for_this_jira(view, held) {
        return required(format!(
            "The grant was given for another Jira than spec.url names now, and is not sent there. {how}"
        ));
    }
    match method {
        Method::OAuth1(oauth1) if oauth1.consumer_key != held.client => {
            required(format!("The grant was given to another consumer key than spec.auth.oauth1 names now. {how}"))
        }
        _ => Ok(held),
    }
}

/// What ended the last attempt, if it will end the next one as well.
fn stumbled(view: &View<'_>, handshake: &Handshake) -> Option<Finding> {
    if handshake.step(view.now).is_some() {
        return None;
    }
    let latest = view.facts.steps.values().max_by_key(|seen| seen.number)?;
    let problem = latest.outcome.as_ref().err()?;
    let found = Finding::problem(problem, view.host(), None);
    (found.reason.row() == Row::Misfit || found.reason == Reason::ClientSecretRejected).then_some(found)
}

/// What a person does to authorise.
pub(super) fn how(view: &View<'_>) -> String {
    let (name, namespace) = (view.connection.name_any(), view.connection.namespace().unwrap_or_default());
    format!("Authorise it with: kubectl jira authorize {name} -n {namespace}")
}

fn over(view: &View<'_>, ended: &EndedGrant) -> Finding {
    let how = how(view);
    match ended.end {
        GrantEnd::Revoked => Finding::new(
            Reason::GrantRevoked,
            format!(
                "Jira does not accept the grant any more: somebody revoked it, or used it elsewhere, as a restored backup does. {how}"
            ),
        ),
        GrantEnd::AnswerLost => Finding::new(
            Reason::GrantRevoked,
            format!("An answer of Jira that renewed the grant was lost, and Jira gives it only once. {how}"),
        ),
        GrantEnd::Expired => Finding::new(Reason::GrantExpired, format!("The time of the grant is over. {how}")),
        GrantEnd::SignedOff => Finding::new(
            Reason::AuthorizationRequired,
            format!("The grant was ended here on somebody's request. {how}"),
        ),
    }
}

fn is_for_this_jira(view: &View<'_>, held: &HeldGrant) -> bool {
    match (&held.site, view.spec().deployment) {
        (GrantSite::DataCenter { url }, Deployment::DataCenter) => {
            Site::parse(&view.spec().url).is_ok_and(|site| site.to_string() == *url)
        }
        (GrantSite::Cloud { cloud_id }, Deployment::Cloud) => {
            view.facts.known_cloud_id().is_some_and(|known| known.to_string() == *cloud_id)
        }
        (GrantSite::DataCenter { .. }, Deployment::Cloud) | (GrantSite::Cloud { .. }, Deployment::DataCenter) => false,
    }
}

/// Whether the token of a grant lasts, and need not be renewed yet.
pub(super) fn is_fresh(view: &View<'_>, held: &HeldGrant) -> bool {
    view.now < schedule::renewal(view, held) && lasts(view, held)
}

fn lasts(view: &View<'_>, held: &HeldGrant) -> bool {
    view.now + schedule::margin(held) < held.token_ends_at
}

/// Renews the grant ahead of its token's end, and when the token turned out to be spent.
pub(super) fn renewed(view: &View<'_>) -> Result<(), Stop> {
    let Some(held) = view.facts.known_handshake().and_then(Handshake::held) else {
        return Ok(());
    };
    if is_fresh(view, held) {
        return Ok(());
    }
    let lasts = lasts(view, held);
    match &view.facts.renewal {
        Some(seen) if seen.pass == view.facts.pass => match &seen.outcome {
            Err(problem) if !lasts => Err(view.failed(problem, seen)),
            // A token that still lasts carries the connection over trouble at the token endpoint.
            Ok(()) | Err(_) => Ok(()),
        },
        // What has just been renewed is not renewed again, however soon it ends.
        Some(seen) if seen.outcome.is_ok() && view.now < seen.at + schedule::rest(held) => Ok(()),
        Some(seen) if lasts && seen.outcome.as_ref().is_err_and(|problem| must_wait(view, problem, seen)) => Ok(()),
        Some(_) | None => Err(Stop::Ask(Question::Token)),
    }
}

/// Whether what has failed is not to be tried again yet.
pub(super) fn must_wait(view: &View<'_>, problem: &Problem, seen: &Seen<()>) -> bool {
    schedule::again(view, problem, seen).is_none_or(|again| view.now < again)
}

/// When the grant is to be renewed, or a token to be replaced, or that is to be tried again.
pub(super) fn renewal_due(view: &View<'_>) -> Option<Timestamp> {
    let planned = match view.facts.known_handshake() {
        Some(handshake) => schedule::renewal(view, handshake.held()?),
        None => schedule::replacement(view)?,
    };
    let due = match &view.facts.renewal {
        Some(seen) if planned <= view.now => match &seen.outcome {
            // A token that ends as soon as it is given is renewed for each check, and not in between.
            Ok(()) => None,
            Err(problem) => schedule::again(view, problem, seen),
        },
        Some(_) | None => Some(planned),
    };
    due.filter(|due| view.now < *due)
}

/// When the grant ends if nobody renews it any more.
pub(super) fn idle_end(view: &View<'_>) -> Option<Timestamp> {
    view.facts.known_handshake()?.held()?.idle_end
}

/// Whether an answer says that the token, not the grant, is at its end.
pub(super) const fn tells_of_a_spent_token(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::Rejected(Rejection::Unauthorized)
            | Problem::OAuth1(OAuth1Problem::TokenExpired | OAuth1Problem::TokenRejected)
    )
}

/// Whether a renewal may mend a refused token: it is from an earlier pass, and none was tried in this one.
pub(super) fn may_be_spent(view: &View<'_>, handshake: &Handshake) -> bool {
    let tried = view.facts.renewal.as_ref().is_some_and(|seen| seen.pass == view.facts.pass);
    handshake.held().is_some_and(|held| held.renewable) && !tried
}

/// What a refused identity comes to: with a grant, other words than with a credential from a Secret.
pub(super) fn refused<T>(view: &View<'_>, problem: &Problem, seen: &Seen<T>) -> Stop {
    let unrenewed = view.facts.renewal.as_ref().filter(|renewal| renewal.pass == view.facts.pass);
    if let Some(renewal) = unrenewed
        && let Err(cause) = &renewal.outcome
    {
        return view.failed(cause, renewal);
    }
    let stop = view.failed(problem, seen);
    match (stop, view.facts.known_handshake()) {
        (Stop::Found(found), Some(_)) if found.reason == Reason::CredentialsRejected => {
            let message = format!(
                "{} does not accept the token of the grant: the consent was withdrawn, or the account was deactivated. {}",
                view.host(),
                how(view)
            );
            Stop::Found(Finding { message, ..found })
        }
        (stop, _) => stop,
    }
}
