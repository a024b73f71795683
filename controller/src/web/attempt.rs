//! The page of an attempt that this browser has begun: onward to Jira, or the code that Jira shows.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use k8s_openapi::jiff::Timestamp;

use super::{
    Pages, case::Case, cookie::BrowserCookie, destination::Destination, page, turnaway::Turnaway, visit::Visit,
};
use crate::auth::authorization_secret::{Attempt, AuthorizationSecret, OutcomeResult};

/// Where a browser stands with an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// The person has to decide at Jira.
    AtJira(&'a Attempt),
    /// Jira's answer is recorded: the result is due.
    Answered,
    /// It cannot go on.
    No(Turnaway),
}

/// Decides where the browser with this cookie stands.
#[must_use]
pub fn decide<'a>(secret: &'a AuthorizationSecret, cookie: &BrowserCookie, now: Timestamp) -> Standing<'a> {
    match ending(secret, cookie) {
        Some(OutcomeResult::Expired) => return Standing::No(Turnaway::Expired),
        Some(OutcomeResult::Granted | OutcomeResult::Refused | OutcomeResult::Unusable | OutcomeResult::Failed) => {
            return Standing::Answered;
        }
        None => {}
    }
    if secret.browser_hash.as_ref() != Some(&cookie.hash()) {
        return Standing::No(Turnaway::NotUnderWay);
    }
    if secret.key_hash.as_ref() != Some(cookie.key_hash()) {
        return Standing::No(Turnaway::Replaced);
    }
    if secret.answer.is_some() || secret.verification_code.is_some() {
        return Standing::Answered;
    }
    match &secret.attempt {
        Some(attempt) if attempt.key_hash != *cookie.key_hash() => Standing::No(Turnaway::Replaced),
        Some(attempt) if attempt.deadline <= now => Standing::No(Turnaway::Expired),
        Some(attempt) => Standing::AtJira(attempt),
        None => Standing::No(Turnaway::NotUnderWay),
    }
}

/// How the attempt of this browser has ended, if it has.
pub(super) fn ending(secret: &AuthorizationSecret, cookie: &BrowserCookie) -> Option<OutcomeResult> {
    let outcome = secret.outcome.as_ref().filter(|outcome| outcome.key_hash == *cookie.key_hash());
    outcome.map(|outcome| outcome.result)
}

/// `GET …/connections/{namespace}/{name}/attempt`
pub async fn look(State(pages): State<Arc<Pages>>, visit: Visit) -> Response {
    match show(&pages, &visit).await {
        Ok(response) => response,
        Err(turnaway) => pages.turn_away(turnaway, Some(&visit.place)),
    }
}

async fn show(pages: &Pages, visit: &Visit) -> Result<Response, Turnaway> {
    let cookie = visit.cookie.as_ref().ok_or(Turnaway::NotUnderWay)?;
    let case = Case::open(pages, &visit.place).await?.ok_or(Turnaway::NotUnderWay)?;
    match decide(&case.secret, cookie, Timestamp::now()) {
        Standing::AtJira(attempt) => at_jira(pages, &case, attempt),
        Standing::Answered => Ok(page::see_other(&pages.address(&visit.place, "/result"))),
        Standing::No(turnaway) => Err(turnaway),
    }
}

/// The page of an attempt whose answer is not there yet.
fn at_jira(pages: &Pages, case: &Case, attempt: &Attempt) -> Result<Response, Turnaway> {
    let destination =
        Destination::of(&attempt.authorization_url, &case.connection, case.protocol, &pages.atlassian_auth_url)
            .ok_or(Turnaway::ForeignAddress)?;
    Ok(pages.attempt(case, attempt, &destination, page::Code::NotGiven))
}
