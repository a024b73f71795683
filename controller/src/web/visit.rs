//! What a request to a connection's page says of itself: which connection, and which browser.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
    response::Response,
};

use super::{Pages, cookie::BrowserCookie, place::Place, turnaway::Turnaway};

/// Which connection is asked for, and by which browser.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The connection.
    pub place: Place,
    /// The cookie of that connection.
    pub cookie: Option<BrowserCookie>,
}

impl FromRequestParts<Arc<Pages>> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, pages: &Arc<Pages>) -> Result<Self, Response> {
        let named = Path::<(String, String)>::from_request_parts(parts, pages).await.ok();
        let place = named.and_then(|Path((namespace, name))| Place::parse(&namespace, &name));
        let place = place.ok_or_else(|| pages.turn_away(Turnaway::NoPage, None))?;
        let cookie = BrowserCookie::read(&parts.headers, &place, &pages.public_url);
        Ok(Self { place, cookie })
    }
}
