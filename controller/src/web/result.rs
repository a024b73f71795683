//! The last page: what the reconciler made of Jira's answer.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use crds::{JiraConnection, State as ConnectionState};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::Instant;

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

/// How long the status of a connection that was in use before may take to speak of the new grant: one check of Jira, and a write.
const LAG: Duration = Duration::from_secs(2);

/// What one answer has seen, by which it tells a status that speaks of the new grant from the one before: the outcome is stored
/// first, and a status that stays the same is not written.
struct Vigil {
    /// `metadata.resourceVersion` of the connection at the first look.
    version: Option<String>,
    /// When the outcome was there first.
    over: Option<Instant>,
}

impl Vigil {
    fn begin(connection: &JiraConnection) -> Self {
        Self { version: connection.resource_version(), over: None }
    }

    /// Whether the status speaks of what the outcome says.
    fn is_told(&mut self, connection: &JiraConnection, outcome: &Outcome) -> bool {
        match outcome.result {
            OutcomeResult::Granted => {}
            OutcomeResult::Refused | OutcomeResult::Expired | OutcomeResult::Unusable | OutcomeResult::Failed => {
                return true;
            }
        }
        let over = *self.over.get_or_insert_with(Instant::now);
        match connection.status.as_ref().and_then(|status| status.state) {
            None | Some(ConnectionState::NotAuthorized) => false,
            Some(ConnectionState::Authorized | ConnectionState::Interrupted) => {
                connection.resource_version() != self.version || LAG <= over.elapsed()
            }
        }
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
    let mut vigil = None;
    loop {
        let case = Case::open(pages, &visit.place).await?.ok_or(Turnaway::NotUnderWay)?;
        let vigil = vigil.get_or_insert_with(|| Vigil::begin(&case.connection));
        match decide(&case.secret, cookie, Timestamp::now()) {
            Progress::Over(outcome) => {
                if vigil.is_told(&case.connection, outcome) || !patience.lasts().await {
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
