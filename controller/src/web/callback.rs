//! Where Jira sends the browser when the person has decided.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use k8s_openapi::jiff::Timestamp;

use super::{
    Pages, attempt,
    case::{Case, Entry, Protocol, Recorded},
    cookie::BrowserCookie,
    form::Fields,
    page,
    patience::Patience,
    place::Place,
    turnaway::Turnaway,
};
use crate::auth::authorization_secret::{Answer, AuthorizationSecret, OutcomeResult, ReturnBy, State as AttemptState};

/// The longest code, token or verifier that is recorded, in bytes.
const LONGEST: usize = 4096;

/// The longest description of an error that is recorded, in characters.
const LONGEST_DESCRIPTION: usize = 512;

/// Reads what Jira's redirect carries: exactly one of `code` (RFC 6749, 4.1.2), `error` (4.1.2.1) and
/// `oauth_token` with `oauth_verifier` (RFC 5849, 2.2), each once, and always the state. `None` for anything else.
#[must_use]
pub fn answer(fields: &Fields) -> Option<Answer> {
    let value = |name: &str| fields.sole(name).filter(|value| is_value(value)).map(str::to_owned);
    let state = AttemptState::presented(&value("state")?)?;
    let verifies = fields.has("oauth_token") || fields.has("oauth_verifier");
    match (fields.has("code"), fields.has("error"), verifies) {
        (true, false, false) => Some(Answer::Code { state, code: value("code")? }),
        (false, true, false) => {
            let error_description = fields.sole("error_description").map(described).filter(|text| !text.is_empty());
            Some(Answer::Refused {
                state,
                error: value("error").filter(|error| error.len() <= 128)?,
                error_description,
            })
        }
        (false, false, true) => {
            let (oauth_token, oauth_verifier) = (value("oauth_token")?, value("oauth_verifier")?);
            Some(Answer::Verifier { state, oauth_token, oauth_verifier })
        }
        _ => None,
    }
}

/// Visible ASCII, as both RFCs have it.
fn is_value(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn described(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(LONGEST_DESCRIPTION).collect()
}

/// Decides whether an answer is recorded. The state says whether a visitor may be told anything at all.
///
/// # Errors
/// Why it is not.
pub fn decide(
    secret: &AuthorizationSecret,
    protocol: Protocol,
    answer: &Answer,
    cookie: Option<&BrowserCookie>,
    now: Timestamp,
) -> Result<(), Turnaway> {
    let Some(attempt) = secret.attempt.as_ref().filter(|attempt| attempt.state == *answer.state()) else {
        return Err(match cookie.and_then(|cookie| attempt::ending(secret, cookie)) {
            // The reconciler ends an attempt as soon as its time is over.
            Some(OutcomeResult::Expired) => Turnaway::Expired,
            Some(OutcomeResult::Granted | OutcomeResult::Refused | OutcomeResult::Unusable | OutcomeResult::Failed) => {
                Turnaway::AlreadyUsed
            }
            None => Turnaway::NotUnderWay,
        });
    };
    let bound = secret.browser_hash.as_ref().ok_or(Turnaway::NotUnderWay)?;
    if cookie.is_none_or(|cookie| cookie.hash() != *bound) {
        return Err(Turnaway::OtherBrowser);
    }
    if secret.answer.is_some() || secret.verification_code.is_some() {
        return Err(Turnaway::AlreadyUsed);
    }
    if secret.key_hash.as_ref() != Some(&attempt.key_hash) {
        return Err(Turnaway::Replaced);
    }
    if attempt.deadline <= now {
        return Err(Turnaway::Expired);
    }
    let fits = match (answer, protocol) {
        (Answer::Code { .. } | Answer::Refused { .. }, Protocol::OAuth2)
        | (Answer::Verifier { .. } | Answer::Refused { .. }, Protocol::OAuth1) => true,
        (Answer::Code { .. }, Protocol::OAuth1) | (Answer::Verifier { .. }, Protocol::OAuth2) => false,
    };
    if fits && attempt.return_by == ReturnBy::Callback { Ok(()) } else { Err(Turnaway::NotAnAnswer) }
}

/// `GET …/callback`
pub async fn record(State(pages): State<Arc<Pages>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let answer = answer(&Fields::of_query(query.as_deref()));
    let Some((place, answer)) = answer.and_then(|answer| Some((Place::of(answer.state())?, answer))) else {
        return pages.turn_away(Turnaway::NotAnAnswer, None);
    };
    let cookie = BrowserCookie::read(&headers, &place, &pages.public_url);
    match store(&pages, &place, &answer, cookie.as_ref()).await {
        Ok(()) => page::see_other(&pages.address(&place, "/result")),
        Err(turnaway) => pages.turn_away(turnaway, Some(&place)),
    }
}

async fn store(pages: &Pages, place: &Place, answer: &Answer, cookie: Option<&BrowserCookie>) -> Result<(), Turnaway> {
    let patience = Patience::begin();
    loop {
        let case = Case::open(pages, place).await?.ok_or(Turnaway::NotUnderWay)?;
        decide(&case.secret, case.protocol, answer, cookie, Timestamp::now())?;
        match case.record(pages, &Entry::Answer(answer)).await? {
            Recorded::Written => return Ok(()),
            Recorded::Changed if patience.lasts().await => {}
            Recorded::Changed => return Err(Turnaway::Unavailable),
        }
    }
}
