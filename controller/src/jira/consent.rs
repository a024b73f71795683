//! Where a person is sent to allow access: addresses for a browser, never asked by the operator itself.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Jira, server::Deployment};

/// Scopes of a Cloud grant that names none: reading and writing of issues, reading of users, and a refresh token
/// (<https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/>).
const CLOUD_SCOPES: [&str; 4] = ["read:jira-user", "read:jira-work", "write:jira-work", OFFLINE_ACCESS];

/// Yields a refresh token on Cloud. Data Center gives one anyway, and does not know this scope.
const OFFLINE_ACCESS: &str = "offline_access";

/// Scope of a Data Center grant that names none. It includes `READ`.
const DATA_CENTER_SCOPES: [&str; 1] = ["WRITE"];

/// What is asked of a person by OAuth 2.0 (RFC 6749, 4.1.1, and RFC 7636, 4.3).
#[derive(Clone, Copy, Debug)]
pub struct AuthorizationRequest<'a> {
    /// Id of the app (Cloud) or of the incoming link (Data Center).
    pub client_id: &'a str,
    /// Where Jira sends the browser back to; byte for byte as registered with Jira.
    pub redirect_uri: &'a str,
    /// What is asked for. Empty: what a connection needs. On Cloud `offline_access` is added where it is missing.
    pub scopes: &'a [String],
    /// Comes back with the answer, and ties it to this request.
    pub state: &'a str,
    /// The code challenge by `S256`.
    pub challenge: &'a str,
}

impl Jira {
    /// The page where a person allows access by OAuth 2.0. It holds no secret.
    #[must_use]
    pub fn authorization_url(&self, deployment: Deployment, request: &AuthorizationRequest<'_>) -> Url {
        let mut url = match deployment {
            Deployment::Cloud => self.connection.network.auth_server("/authorize"),
            Deployment::DataCenter => self.site().url("/rest/oauth2/latest/authorize"),
        };
        {
            let mut query = url.query_pairs_mut();
            if deployment == Deployment::Cloud {
                query.append_pair("audience", "api.atlassian.com").append_pair("prompt", "consent");
            }
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", request.client_id)
                .append_pair("redirect_uri", request.redirect_uri)
                .append_pair("scope", &scopes(deployment, request.scopes).join(" "))
                .append_pair("state", request.state)
                .append_pair("code_challenge", request.challenge)
                .append_pair("code_challenge_method", "S256");
        }
        // Both notations of a space are right in a query; Atlassian's examples have this one. A plus sign is `%2B` here.
        let query = url.query().map(|query| query.replace('+', "%20"));
        url.set_query(query.as_deref());
        url
    }

    /// The page where a person allows access by OAuth 1.0a (RFC 5849, 2.2). It names the request token, which is worthless
    /// without the private key.
    #[must_use]
    pub fn oauth1_authorization_url(&self, request_token: &SecretString) -> Url {
        let mut url = self.site().url("/plugins/servlet/oauth/authorize");
        url.query_pairs_mut().append_pair("oauth_token", request_token.expose_secret());
        url
    }
}

fn scopes(deployment: Deployment, asked: &[String]) -> Vec<&str> {
    let asked = || asked.iter().map(String::as_str);
    match deployment {
        Deployment::Cloud if asked().len() == 0 => CLOUD_SCOPES.to_vec(),
        Deployment::Cloud => {
            let missing = (!asked().any(|scope| scope == OFFLINE_ACCESS)).then_some(OFFLINE_ACCESS);
            asked().chain(missing).collect()
        }
        Deployment::DataCenter if asked().len() == 0 => DATA_CENTER_SCOPES.to_vec(),
        Deployment::DataCenter => asked().collect(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::cloud(Deployment::Cloud, &[], "read:jira-user read:jira-work write:jira-work offline_access")]
    #[case::cloud_named(Deployment::Cloud, &["read:jira-work"], "read:jira-work offline_access")]
    #[case::cloud_named_in_full(Deployment::Cloud, &["offline_access", "read:me"], "offline_access read:me")]
    #[case::data_center(Deployment::DataCenter, &[], "WRITE")]
    #[case::data_center_named(Deployment::DataCenter, &["READ"], "READ")]
    fn a_grant_asks_for_what_it_needs(#[case] deployment: Deployment, #[case] asked: &[&str], #[case] expected: &str) {
        let asked: Vec<_> = asked.iter().map(ToString::to_string).collect();
        assert_eq!(scopes(deployment, &asked).join(" "), expected);
    }
}
