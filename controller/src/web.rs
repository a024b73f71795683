//! The pages on which a person authorises a connection: they record into its authorization Secret, and nothing else.
//!
//! ```text
//!   GET  …/connections/{namespace}/{name}?key=K   what would be authorised            consumes nothing
//!   POST …/connections/{namespace}/{name}         the same, with a key from a form    consumes nothing
//!   POST …/connections/{namespace}/{name}/start   browserHash ─▶ Secret, cookie ─▶ browser
//!   GET  …/connections/{namespace}/{name}/attempt onward to Jira, or the code of OAuth 1.0a
//!   POST …/connections/{namespace}/{name}/verify  verificationCode ─▶ Secret
//!   GET  …/callback                               answer ─▶ Secret
//!   GET  …/connections/{namespace}/{name}/result  what the reconciler made of it
//! ```
//!
//! Any replica serves them: all that is known stands in the Secret, the cookie and the connection's status. Each page is a
//! pure decision (`decide` in its module) between reading and writing. See [`authorization_secret`](crate::auth::authorization_secret)
//! for the protocol.

mod asset;
mod attempt;
mod callback;
mod case;
mod cookie;
mod destination;
mod form;
mod guard;
mod page;
mod patience;
mod place;
pub mod public_url;
mod result;
pub mod server;
mod start;
mod turnaway;
mod verify;
mod visit;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{get, post},
};
use kube::Client;
use url::Url;

pub use self::public_url::{InvalidPublicUrl, PublicUrl};
#[cfg(any(test, fuzzing))]
pub(crate) use self::{callback::answer, cookie::BrowserCookie, form::Fields, place::Place};
use crate::watch::Stores;

/// What the pages share.
pub struct Pages {
    /// Where browsers find them.
    pub public_url: PublicUrl,
    /// Atlassian's authorization server for Cloud.
    pub atlassian_auth_url: Url,
    /// Objects as the watches see them.
    pub stores: Stores,
    /// For reading and patching authorization Secrets.
    pub client: Client,
}

/// The pages below the path of the public URL. Whatever else is asked for is answered with a page that says so.
pub fn router(pages: Pages) -> Router {
    let pages = Arc::new(pages);
    let at = |path: &str| format!("{}{path}", pages.public_url.prefix());
    let connection = |path: &str| at(&format!("/connections/{{namespace}}/{{name}}{path}"));
    Router::new()
        .route(&connection(""), get(start::look).post(start::unlock))
        .route(&connection("/start"), post(start::begin))
        .route(&connection("/attempt"), get(attempt::look))
        .route(&connection("/verify"), post(verify::record))
        .route(&connection("/result"), get(result::look))
        .route(&at("/callback"), get(callback::record))
        .route(&at("/assets/{name}"), get(asset::serve))
        .fallback(guard::no_page)
        .method_not_allowed_fallback(guard::no_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&pages), guard::guard))
        .with_state(pages)
}

#[cfg(test)]
mod tests;
