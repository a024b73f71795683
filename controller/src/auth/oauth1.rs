//! Signed requests by OAuth 1.0a (RFC 5849) with RSA-SHA1, the one method that Jira accepts with a public key.
//!
//! ```text
//! method & URL without query & sorted parameters (query, form, protocol)   the base string
//!        │ RSA-SHA1
//!        ▼
//! Authorization: OAuth oauth_consumer_key="…", …, oauth_signature="…"
//! ```
//!
//! Pure: time and nonce come from outside, in a [`Stamp`]. No `realm` is sent, as Jira does not ask for one.

use base64::{Engine, prelude::BASE64_STANDARD};
use k8s_openapi::jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    authorization_secret::random,
    key_pair::{KeyPair, Unsignable},
};

/// The callback of a person who carries the verification code over by hand (RFC 5849, 2.1).
pub const OUT_OF_BAND: &str = "oob";

/// Everything but the unreserved characters is escaped (RFC 5849, 3.6).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What makes one request different from all others (RFC 5849, 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// A random text that no other request of this second has.
    pub nonce: String,
    /// When the request is made. Jira forgives a few minutes.
    pub at: Timestamp,
}

impl Stamp {
    /// A stamp of this moment, with a fresh nonce.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn fresh(at: Timestamp) -> Result<Self, getrandom::Error> {
        Ok(Self { nonce: random()?, at })
    }
}

/// A request, as far as a signature covers it. A body that is no form takes no part (RFC 5849, 3.4.1.3.1).
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// Such as `GET`.
    pub method: &'a str,
    /// With its query, exactly as it is sent.
    pub url: &'a Url,
    /// The fields of a body that is `application/x-www-form-urlencoded`.
    pub form: &'a [(&'a str, &'a str)],
}

/// Who signs, and what the request says beyond itself. `Debug` hides the values.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// Names the application link.
    pub consumer_key: &'a str,
    /// A request token or an access token; absent where there is none yet.
    pub token: Option<&'a SecretString>,
    /// `oauth_callback`, `oauth_verifier`, `oauth_session_handle`: what the step at hand needs.
    pub step: &'a [(&'static str, SecretString)],
}

/// The value of the `Authorization` header that proves `claims` for a request (RFC 5849, 3.5.1).
///
/// # Errors
/// [`Unsignable`].
pub fn authorization(
    key: &KeyPair,
    request: Unsigned<'_>,
    claims: Claims<'_>,
    stamp: &Stamp,
) -> Result<SecretString, Unsignable> {
    let seconds = stamp.at.as_second().to_string();
    let fixed = [
        ("oauth_consumer_key", claims.consumer_key),
        ("oauth_nonce", &stamp.nonce),
        ("oauth_signature_method", "RSA-SHA1"),
        ("oauth_timestamp", &seconds),
        ("oauth_version", "1.0"),
    ];
    let token = claims.token.map(|token| ("oauth_token", token.expose_secret()));
    let step = claims.step.iter().map(|(name, value)| (*name, value.expose_secret()));
    let protocol: Vec<_> = fixed.into_iter().chain(token).chain(step).collect();
    signed(key, request, &protocol)
}

fn signed(key: &KeyPair, request: Unsigned<'_>, protocol: &[(&str, &str)]) -> Result<SecretString, Unsignable> {
    let signature = BASE64_STANDARD.encode(key.sign(base_string(request, protocol).as_bytes())?);
    let all = protocol.iter().copied().chain([("oauth_signature", signature.as_str())]);
    let parts: Vec<_> = all.map(|(name, value)| format!(r#"{}="{}""#, escape(name), escape(value))).collect();
    Ok(SecretString::from(format!("OAuth {}", parts.join(", "))))
}

/// What is signed (RFC 5849, 3.4.1.1).
fn base_string(request: Unsigned<'_>, protocol: &[(&str, &str)]) -> String {
    let method = request.method.to_ascii_uppercase();
    let parameters = normalized(request, protocol);
    format!("{}&{}&{}", escape(&method), escape(&base_uri(request.url)), escape(&parameters))
}

/// Scheme, host, port if it is not the scheme's own, and path (RFC 5849, 3.4.1.2). `Url` has normalised them.
fn base_uri(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// All parameters, escaped, then sorted by their bytes (RFC 5849, 3.4.1.3.2).
fn normalized(request: Unsigned<'_>, protocol: &[(&str, &str)]) -> String {
    let query = request.url.query_pairs().map(|(name, value)| (escape(&name), escape(&value)));
    let rest = request.form.iter().chain(protocol).map(|(name, value)| (escape(name), escape(value)));
    let mut all: Vec<_> = query.chain(rest).collect();
    all.sort_unstable();
    all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests;
