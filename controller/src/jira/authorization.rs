//! What a request carries to prove who asks.

use std::{fmt, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use k8s_openapi::jiff::Timestamp;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tracing::error;

use super::problem::{OAuth1Problem, Problem, Rejection};
use crate::auth::{
    key_pair::KeyPair,
    oauth1::{self, Claims, Stamp, Unsigned},
};

/// What one request carries to prove who asks. `Debug` shows the kind alone: the user is an e-mail address on Cloud.
#[derive(Clone)]
pub enum Authorization {
    /// An access token, a personal access token, or a scoped API token (RFC 6750, 2.1).
    Bearer(SecretString),
    /// Name and password, or e-mail address and API token (RFC 7617).
    Basic {
        /// Cloud: the account's e-mail address. Data Center: the user name.
        user: String,
        /// Cloud: the API token. Data Center: the password.
        token: SecretString,
    },
    /// A signature over each request (OAuth 1.0a, RFC 5849).
    Signed(Signer),
}

/// Who signs requests by OAuth 1.0a. Cheap to clone. `Debug` hides key and token.
#[derive(Clone)]
pub struct Signer {
    /// Names the application link in Jira.
    pub consumer_key: String,
    /// Its public half stands in the application link.
    pub key: Arc<KeyPair>,
    /// The request token or access token that the request is made with. `None` before there is one.
    pub token: Option<SecretString>,
}

impl Signer {
    /// The same one with this token.
    #[must_use]
    pub fn with_token(&self, token: SecretString) -> Self {
        Self { token: Some(token), ..self.clone() }
    }
}

/// What proves one request.
pub(super) enum Proof<'a> {
    /// Nothing: anybody may ask, or the body holds the credential.
    None,
    /// What a session is called with.
    Session(&'a Authorization),
    /// A signature that also covers what a step of OAuth 1.0a needs, by the names of RFC 5849.
    Step(&'a Signer, Vec<(&'static str, SecretString)>),
}

impl Proof<'_> {
    /// The value of the `Authorization` header, marked as sensitive. The one place where a secret leaves its wrapper.
    ///
    /// A token that no header can carry, with a line break at its end for example, is rejected without being sent.
    pub(super) fn header(&self, request: Unsigned<'_>, now: Timestamp) -> Result<Option<HeaderValue>, Problem> {
        let value = match self {
            Self::None => return Ok(None),
            Self::Session(Authorization::Bearer(token)) => format!("Bearer {}", token.expose_secret()).into(),
            Self::Session(Authorization::Basic { user, token }) => {
                let pair = BASE64_STANDARD.encode(format!("{user}:{}", token.expose_secret()));
                format!("Basic {pair}").into()
            }
            Self::Session(Authorization::Signed(signer)) => signed(signer, &[], request, now)?,
            Self::Step(signer, step) => signed(signer, step, request, now)?,
        };
        sensitive(&value).map(Some)
    }
}

fn signed(
    signer: &Signer,
    step: &[(&'static str, SecretString)],
    request: Unsigned<'_>,
    now: Timestamp,
) -> Result<SecretString, Problem> {
    let claims = Claims { consumer_key: &signer.consumer_key, token: signer.token.as_ref(), step };
    // Without randomness, or with a broken key, no signature would be right.
    let invalid = Problem::OAuth1(OAuth1Problem::SignatureInvalid);
    let stamp = Stamp::fresh(now).map_err(|fault| {
        error!(%fault, "no nonce for a signed request");
        invalid.clone()
    })?;
    oauth1::authorization(&signer.key, request, claims, &stamp).map_err(|fault| {
        error!(%fault, "no signature for a request");
        invalid
    })
}

fn sensitive(value: &SecretString) -> Result<HeaderValue, Problem> {
    let mut value =
        HeaderValue::from_str(value.expose_secret()).map_err(|_| Problem::Rejected(Rejection::Unauthorized))?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer([REDACTED])",
            Self::Basic { .. } => "Basic([REDACTED])",
            Self::Signed(_) => "Signed([REDACTED])",
        })
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("consumer_key", &self.consumer_key).finish_non_exhaustive()
    }
}
