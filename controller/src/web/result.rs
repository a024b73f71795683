//! The last page: what the reconciler made of Jira's answer.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use crds::{JiraConnection, State as ConnectionState};
use k8s_openapi::jiff::Timestamp;

use super::{
    Pages,
    attempt::{self, Standing},
    case::Case,
    cookie::BrowserCookie,
    page,
    patience::Patience,
    turnaway::Turnaway,
    visit::Visit,
};
use crate::auth::authorization_secret::{AuthorizationSecret, Outcome, OutcomeResult};

/// How far an attempt has come, for the browser that began it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// It is over.
    Over(&'a Outcome),
    /// The reconciler has Jira's answer to work on.
    Working,
    /// The person has not decided at Jira yet.
    AtJira,
    /// It will not be known.
    No(Turnaway),
}

/// Decides how far the attempt of this browser has come.
#[must_use]
pub fn decide<'a>(secret: &'a AuthorizationSecret, cookie: &BrowserCookie, now: Timestamp) -> Progress<'a> {
    if let Some(outcome) = secret.outcome.as_ref().filter(|outcome| outcome.key_hash == *cookie.key_hash()) {
        return Progress::Over(outcome);
    }
    match attempt::decide(secret, cookie, now) {
        Standing::Answered => Progress::Working,
        Standing::AtJira(_) => Progress::AtJira,
        Standing::No(turnaway) => Progress::No(turnaway),
    }
}

/// Whether the connection's status speaks of the new grant already. The outcome is stored first.
fn is_told(connection: &JiraConnection, outcome: &Outcome) -> bool {
    let state = connection.status.as_ref().and_then(|status| status.state);
    match outcome.result {
        OutcomeResult::Granted => !matches!(state, None | Some(ConnectionState::NotAuthorized)),
        OutcomeResult::Refused | OutcomeResult::Expired | OutcomeResult::Unusable | OutcomeResult::Failed => true,
    }
}

/// `GET …/connections/{namespace}/{name}/result`
pub async fn look(State(pages): State<Arc<Pages>>, visit: Visit) -> Response {
    match show(&pages, &visit).await {
        Ok(response) => response,
        Err(turnaway) => pages.turn_away(turnaway, Some(&visit.place)),
    }
}

async fn show(pages: &Pages, visit: &Visit) -> Result<Response, Turnaway> {
    let cookie = visit.cookie.as_ref().ok_or(Turnaway::NotUnderWay)?;
    let patience = Patience::begin();
    loop {
        let case = Case::open(pages, &visit.place).await?.ok_or(Turnaway::NotUnderWay)?;
        match decide(&case.secret, cookie, Timestamp::now()) {
            Progress::Over(outcome) => {
                if is_told(&case.connection, outcome) || !patience.lasts().await {
                    return Ok(pages.outcome(&case, outcome));
                }
            }
            Progress::Working => {
                if !patience.lasts().await {
                    return Ok(pages.pending(&case));
                }
            }
            Progress::AtJira => return Ok(page::see_other(&pages.address(&visit.place, "/attempt"))),
            Progress::No(turnaway) => return Err(turnaway),
        }
    }
}
