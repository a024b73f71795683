//! What a request carries to prove who asks.

use std::fmt;

use reqwest::{
    RequestBuilder,
    header::{AUTHORIZATION, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};

use super::problem::{Problem, Rejection};

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
}

impl Authorization {
    /// Adds the header. The one place where a secret leaves its wrapper; the header is marked as sensitive.
    ///
    /// A token that no header can carry, with a line break at its end for example, is rejected without being sent.
    pub(super) fn apply(&self, request: RequestBuilder) -> Result<RequestBuilder, Problem> {
        match self {
            Self::Bearer(token) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
                    .map_err(|_| Problem::Rejected(Rejection::Unauthorized))?;
                value.set_sensitive(true);
                Ok(request.header(AUTHORIZATION, value))
            }
            Self::Basic { user, token } => Ok(request.basic_auth(user, Some(token.expose_secret()))),
        }
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer([REDACTED])",
            Self::Basic { .. } => "Basic([REDACTED])",
        })
    }
}
