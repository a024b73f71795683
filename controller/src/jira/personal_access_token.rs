//! The personal access tokens of an account, for the forecast of their end.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use super::{Jira, endpoint::Endpoint, problem::Problem, server::time, session::Session};

/// One personal access token of the account. Jira does not tell which of them a request was made with: with exactly one it is
/// that one, and with several the one that was used last is a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonalAccessToken {
    /// When it ends; `None` for one that never does, or whose end cannot be read.
    pub ends_at: Option<Timestamp>,
    /// When it was last used, as far as Jira has noticed.
    pub last_used_at: Option<Timestamp>,
}

impl Jira {
    /// Asks for the account's own personal access tokens: `GET /rest/pat/latest/tokens`, on Data Center 8.14 and later.
    ///
    /// # Errors
    /// [`Problem::MethodUnavailable`] where Jira is older. Else any [`Problem`] of an exchange.
    pub async fn personal_access_tokens(&self, session: &Session) -> Result<Vec<PersonalAccessToken>, Problem> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Token {
            expiring_at: Option<String>,
            last_accessed_at: Option<String>,
        }
        let tokens: Vec<Token> = self.get(session, Endpoint::PersonalAccessTokens, "", &[]).await?.read()?;
        let moment = |text: Option<String>| text.as_deref().and_then(time);
        let token = |it: Token| PersonalAccessToken {
            ends_at: moment(it.expiring_at),
            last_used_at: moment(it.last_accessed_at),
        };
        Ok(tokens.into_iter().map(token).collect())
    }
}
