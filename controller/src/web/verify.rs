//! The verification code of OAuth 1.0a, as the person brings it.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use k8s_openapi::jiff::Timestamp;

use super::{
    Pages,
    attempt::{self, Standing},
    case::{Case, Entry, Recorded},
    cookie::BrowserCookie,
    destination::Destination,
    form::Fields,
    page,
    patience::Patience,
    turnaway::Turnaway,
    visit::Visit,
};
use crate::auth::authorization_secret::{Attempt, AuthorizationSecret, ReturnBy, VerificationCode};

/// Decides whether a code is recorded.
///
/// # Errors
/// Why it is not.
pub fn decide<'a>(
    secret: &'a AuthorizationSecret,
    cookie: &BrowserCookie,
    now: Timestamp,
) -> Result<&'a Attempt, Turnaway> {
    match attempt::decide(secret, cookie, now) {
        Standing::AtJira(attempt) => match attempt.return_by {
            ReturnBy::Code => Ok(attempt),
            ReturnBy::Callback => Err(Turnaway::NotAnAnswer),
        },
        Standing::Answered => Err(Turnaway::AlreadyUsed),
        Standing::No(turnaway) => Err(turnaway),
    }
}

/// `POST …/connections/{namespace}/{name}/verify` with `code`
pub async fn record(State(pages): State<Arc<Pages>>, visit: Visit, request: Request) -> Response {
    match store(&pages, &visit, request).await {
        Ok(response) => response,
        Err(turnaway) => pages.turn_away(turnaway, Some(&visit.place)),
    }
}

async fn store(pages: &Pages, visit: &Visit, request: Request) -> Result<Response, Turnaway> {
    let cookie = visit.cookie.as_ref().ok_or(Turnaway::NotUnderWay)?;
    let fields = Fields::of_body(request).await?;
    let code = fields.sole("code").and_then(VerificationCode::read);
    let patience = Patience::begin();
    loop {
        let case = Case::open(pages, &visit.place).await?.ok_or(Turnaway::NotUnderWay)?;
        let attempt = decide(&case.secret, cookie, Timestamp::now())?;
        let Some(code) = &code else { return again(pages, &case, attempt) };
        match case.record(pages, &Entry::Code(code)).await? {
            Recorded::Written => return Ok(page::see_other(&pages.address(&visit.place, "/result"))),
            Recorded::Changed if patience.lasts().await => {}
            Recorded::Changed => return Err(Turnaway::Unavailable),
        }
    }
}

/// The same page once more, as what was typed cannot be a code.
fn again(pages: &Pages, case: &Case, attempt: &Attempt) -> Result<Response, Turnaway> {
    let destination =
        Destination::of(&attempt.authorization_url, &case.connection, case.protocol, &pages.atlassian_auth_url)
            .ok_or(Turnaway::ForeignAddress)?;
    Ok(pages.attempt(case, attempt, &destination, page::Code::Unreadable))
}
