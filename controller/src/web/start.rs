//! The first page: what would be authorised, and the button that begins.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, Request, State},
    http::header::SET_COOKIE,
    response::Response,
};
use k8s_openapi::jiff::Timestamp;

use super::{
    Pages,
    case::{Case, Entry, Recorded},
    cookie::BrowserCookie,
    destination::Destination,
    form::Fields,
    page::{self, Lock},
    patience::Patience,
    turnaway::Turnaway,
    visit::Visit,
};
use crate::auth::authorization_secret::{Attempt, AuthorizationSecret, Key, Outcome};

/// The longest key that is hashed, in bytes: six times one of ours.
const LONGEST_KEY: usize = 256;

/// What a key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access<'a> {
    /// It is the key that was asked with last.
    Current,
    /// Its attempt is over.
    Over(&'a Outcome),
    /// It is no key of this connection, or no longer.
    Denied,
}

/// What a key opens.
#[must_use]
pub fn access<'a>(secret: &'a AuthorizationSecret, key: &Key) -> Access<'a> {
    let hash = key.hash();
    if secret.key_hash.as_ref() == Some(&hash) {
        return Access::Current;
    }
    secret.outcome.as_ref().filter(|outcome| outcome.key_hash == hash).map_or(Access::Denied, Access::Over)
}

/// What follows from pressing the button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin<'a> {
    /// The reconciler has not made the attempt yet.
    Wait,
    /// This browser is the first: record it.
    Bind(&'a Attempt),
    /// This browser has begun already, and may go on.
    GoOn,
    /// The attempt is over.
    Over(&'a Outcome),
    /// The key opens nothing.
    Denied,
    /// It cannot go on.
    No(Turnaway),
}

/// Decides what follows from pressing the button with a key.
#[must_use]
pub fn decide<'a>(
    secret: &'a AuthorizationSecret,
    key: &Key,
    cookie: Option<&BrowserCookie>,
    now: Timestamp,
) -> Begin<'a> {
    match access(secret, key) {
        Access::Current => {}
        Access::Over(outcome) => return Begin::Over(outcome),
        Access::Denied => return Begin::Denied,
    }
    let Some(attempt) = secret.attempt.as_ref().filter(|attempt| attempt.key_hash == key.hash()) else {
        return Begin::Wait;
    };
    if attempt.deadline <= now {
        return Begin::No(Turnaway::Expired);
    }
    match (&secret.browser_hash, cookie) {
        (None, _) => Begin::Bind(attempt),
        (Some(bound), Some(cookie)) if *bound == cookie.hash() => Begin::GoOn,
        (Some(_), _) => Begin::No(Turnaway::OtherBrowser),
    }
}

/// `GET …/connections/{namespace}/{name}?key=K`
pub async fn look(State(pages): State<Arc<Pages>>, visit: Visit, RawQuery(query): RawQuery) -> Response {
    let fields = Fields::of_query(query.as_deref());
    let lock = if fields.has("key") { Lock::Failed } else { Lock::Untried };
    show(&pages, &visit, presented(&fields), lock).await
}

/// `POST …/connections/{namespace}/{name}` with `key`: the same page, without the key in an address.
pub async fn unlock(State(pages): State<Arc<Pages>>, visit: Visit, request: Request) -> Response {
    match Fields::of_body(request).await {
        Ok(fields) => show(&pages, &visit, presented(&fields), Lock::Failed).await,
        Err(turnaway) => pages.turn_away(turnaway, Some(&visit.place)),
    }
}

fn presented(fields: &Fields) -> Option<Key> {
    let text = fields.sole("key")?.trim();
    (!text.is_empty() && text.len() <= LONGEST_KEY).then(|| Key::presented(text))
}

/// The page for a key, or the page that asks for one, locked as it is without.
async fn show(pages: &Pages, visit: &Visit, key: Option<Key>, lock: Lock) -> Response {
    let Some(key) = key else { return pages.locked(&visit.place, lock) };
    let case = match Case::open(pages, &visit.place).await {
        Ok(case) => case,
        Err(turnaway) => return pages.turn_away(turnaway, Some(&visit.place)),
    };
    let Some(case) = case else { return pages.locked(&visit.place, Lock::Failed) };
    match access(&case.secret, &key) {
        Access::Current => pages.start(&case, &key, None),
        Access::Over(outcome) => pages.outcome(&case, outcome),
        Access::Denied => pages.locked(&visit.place, Lock::Failed),
    }
}

/// `POST …/connections/{namespace}/{name}/start` with `key`
pub async fn begin(State(pages): State<Arc<Pages>>, visit: Visit, request: Request) -> Response {
    let key = match Fields::of_body(request).await {
        Ok(fields) => presented(&fields),
        Err(turnaway) => return pages.turn_away(turnaway, Some(&visit.place)),
    };
    let Some(key) = key else { return pages.locked(&visit.place, Lock::Failed) };
    match bind(&pages, &visit, &key).await {
        Ok(response) => response,
        Err(turnaway) => pages.turn_away(turnaway, Some(&visit.place)),
    }
}

/// Ties the attempt to the browser as soon as there is one.
async fn bind(pages: &Pages, visit: &Visit, key: &Key) -> Result<Response, Turnaway> {
    let patience = Patience::begin();
    loop {
        let Some(case) = Case::open(pages, &visit.place).await? else {
            return Ok(pages.locked(&visit.place, Lock::Failed));
        };
        let now = Timestamp::now();
        match decide(&case.secret, key, visit.cookie.as_ref(), now) {
            Begin::Wait => {}
            Begin::Bind(attempt) => {
                if let Some(response) = record(pages, &case, attempt, now).await? {
                    return Ok(response);
                }
            }
            Begin::GoOn => return Ok(page::see_other(&pages.address(&visit.place, "/attempt"))),
            Begin::Over(outcome) => return Ok(pages.outcome(&case, outcome)),
            Begin::Denied => return Ok(pages.locked(&visit.place, Lock::Failed)),
            Begin::No(turnaway) => return Err(turnaway),
        }
        if !patience.lasts().await {
            return Ok(pages.start(&case, key, Some(Turnaway::NotPrepared)));
        }
    }
}

/// Records a fresh cookie's hash and sends the browser on. `None` if the Secret has changed meanwhile.
async fn record(pages: &Pages, case: &Case, attempt: &Attempt, now: Timestamp) -> Result<Option<Response>, Turnaway> {
    // Before the browser is bound: an attempt that leads nowhere should not be begun.
    Destination::of(&attempt.authorization_url, &case.connection, case.protocol, &pages.atlassian_auth_url)
        .ok_or(Turnaway::ForeignAddress)?;
    let cookie = BrowserCookie::fresh(&attempt.key_hash).map_err(|_| Turnaway::Unavailable)?;
    match case.record(pages, &Entry::Browser(&cookie.hash())).await? {
        Recorded::Changed => Ok(None),
        Recorded::Written => {
            let header = cookie.header(&case.place, &pages.public_url, (now, attempt.deadline));
            let mut response = page::see_other(&pages.address(&case.place, "/attempt"));
            response.headers_mut().insert(SET_COOKIE, header.map_err(|_| Turnaway::Unavailable)?);
            Ok(Some(response))
        }
    }
}
