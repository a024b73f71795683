//! Access tokens by OAuth 2.0.

use std::{future::Future, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Jira,
    answer::Answer,
    authorization::Proof,
    endpoint::Endpoint,
    exchange::{Call, Payload, Unrenewed},
    problem::{Gibberish, Problem},
    server::Deployment,
    session::Party,
};

/// Lifetime of a token whose answer names none (RFC 6749, 5.1, allows that): Atlassian's default on both deployments.
const USUAL_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The longest lifetime that is believed. A token that lives longer is asked for again a little earlier than needed.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// An access token, to be sent as [`Authorization::Bearer`](super::Authorization::Bearer).
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The token.
    pub secret: SecretString,
    /// How long it is good for, from when it was received; at most a day. Zero is possible.
    pub lifetime: Duration,
}

/// What an OAuth 2.0 client proves itself with. `Debug` hides the secret.
#[derive(Clone, Copy, Debug)]
pub struct ClientCredentials<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its secret.
    pub secret: &'a SecretString,
}

/// What a consent, or a refresh, brings. `Debug` hides the tokens.
#[derive(Clone, Debug)]
pub struct TokenSet {
    /// Goes with each request.
    pub access: AccessToken,
    /// Brings the next ones, once. Absent where Cloud was not asked for `offline_access`, and where a refresh gave no new one:
    /// then the former one stays good (RFC 6749, 6).
    pub refresh: Option<SecretString>,
    /// The scopes that the answer names; empty where it names none, which means those that were asked for (RFC 6749, 5.1).
    pub scopes: Vec<String>,
}

impl Jira {
    /// Exchanges the code that a person's consent brought (RFC 6749, 4.1.3). A code is good once, on Data Center for seconds.
    ///
    /// `verifier` is the code verifier that belongs to the challenge, `redirect_uri` the one that the person was sent with.
    ///
    /// # Errors
    /// [`Problem::GrantRevoked`] where the code is spent or too old, or the redirect URI another one; then a person has to
    /// consent again. Else as for [`Self::client_credentials`].
    pub async fn exchange_code(
        &self,
        deployment: Deployment,
        client: ClientCredentials<'_>,
        code: &SecretString,
        verifier: &SecretString,
        redirect_uri: &str,
    ) -> Result<TokenSet, Problem> {
        let grant = [
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier.expose_secret()),
        ];
        token_set(&self.exchange_for_person(self.token_call(deployment, client, &grant)).await?)
    }

    /// Exchanges a refresh token for new tokens (RFC 6749, 6). The old ones are over then: on Data Center at once, on Cloud
    /// after 10 minutes.
    ///
    /// `last_look` is awaited when the host's budget has let the request through, immediately before it is sent.
    ///
    /// # Errors
    /// [`Unrenewed::Withheld`] where the last look said no; nothing was sent then. [`Problem::GrantRevoked`] where the refresh
    /// token is spent, too old or revoked. Else as for [`Self::client_credentials`].
    pub async fn refresh(
        &self,
        deployment: Deployment,
        client: ClientCredentials<'_>,
        refresh_token: &SecretString,
        redirect_uri: &str,
        last_look: impl Future<Output = bool> + Send,
    ) -> Result<TokenSet, Unrenewed> {
        let mut grant = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())];
        match deployment {
            Deployment::Cloud => {}
            // Data Center was seen to compare it here too, and to say no more than `invalid_grant`.
            Deployment::DataCenter => grant.push(("redirect_uri", redirect_uri)),
        }
        let answer = self.exchange_after(self.token_call(deployment, client, &grant), last_look).await?;
        Ok(token_set(&answer)?)
    }

    /// Gives an access token or refresh token back to a Data Center (RFC 7009). For Cloud no such endpoint is documented.
    ///
    /// A token that Jira does not know any more is given back already.
    ///
    /// # Errors
    /// [`Problem::MethodUnavailable`] where Jira has no such endpoint, [`Problem::ClientSecretRejected`]. Else any [`Problem`]
    /// of an exchange.
    pub async fn revoke(&self, client: ClientCredentials<'_>, token: &SecretString) -> Result<(), Problem> {
        let endpoint = Endpoint::DataCenterRevoke;
        let fields = [("token", token.expose_secret())].into_iter().chain(client.fields());
        let call = Call {
            endpoint,
            party: Party::DataCenter,
            url: self.site().url(endpoint.template()),
            proof: Proof::None,
            payload: Payload::Form(fields.map(|(name, value)| (name, value.to_owned())).collect()),
        };
        match self.exchange(call).await {
            Ok(_) | Err(Problem::GrantRevoked) => Ok(()),
            Err(problem) => Err(problem),
        }
    }

    /// A request to the token endpoint of the deployment, in its dialect.
    fn token_call(
        &self,
        deployment: Deployment,
        client: ClientCredentials<'_>,
        grant: &[(&'static str, &str)],
    ) -> Call<'static> {
        let fields = grant.iter().copied().chain(client.fields()).map(|(name, value)| (name, value.to_owned()));
        match deployment {
            Deployment::Cloud => {
                self.cloud_token(fields.map(|(name, value)| (name.to_owned(), Value::String(value))).collect())
            }
            Deployment::DataCenter => self.data_center_token(fields.collect()),
        }
    }

    /// Asks for a token as a service account, by the client credentials grant (RFC 6749, 4.4).
    ///
    /// Cloud is asked at Atlassian's authorization server, in JSON and without scopes, as the credential itself fixes
    /// them there. Data Center is asked below the site, in a form, with `scopes` joined by spaces.
    ///
    /// # Errors
    /// [`Problem::ClientSecretRejected`], [`Problem::GrantRevoked`], [`Problem::GrantTypeUnsupported`],
    /// [`Problem::ScopeMissing`], [`Problem::MethodUnavailable`] and [`Problem::InsecureTransport`] as the endpoint
    /// says; [`Problem::NotJira`] for a success without a bearer token. Else any [`Problem`] of an exchange.
    pub async fn client_credentials(
        &self,
        deployment: Deployment,
        client_id: &str,
        client_secret: &SecretString,
        scopes: &[String],
    ) -> Result<AccessToken, Problem> {
        let client = ClientCredentials { id: client_id, secret: client_secret };
        let scope = scopes.join(" ");
        let mut grant = vec![("grant_type", "client_credentials")];
        match deployment {
            Deployment::Cloud => {}
            Deployment::DataCenter if scopes.is_empty() => {}
            Deployment::DataCenter => grant.push(("scope", &scope)),
        }
        Ok(token_set(&self.exchange_for_person(self.token_call(deployment, client, &grant)).await?)?.access)
    }

    fn cloud_token(&self, body: Map<String, Value>) -> Call<'static> {
        let endpoint = Endpoint::CloudToken;
        let url = self.connection.network.auth_server(endpoint.template());
        Call {
            endpoint,
            party: Party::AuthServer,
            url,
            proof: Proof::None,
            payload: Payload::Json(Value::Object(body)),
        }
    }

    /// Data Center answers a JSON body with 500, and reads the client's secret from the form, not from a header.
    fn data_center_token(&self, fields: Vec<(&'static str, String)>) -> Call<'static> {
        let endpoint = Endpoint::DataCenterToken;
        let url = self.site().url(endpoint.template());
        Call { endpoint, party: Party::DataCenter, url, proof: Proof::None, payload: Payload::Form(fields) }
    }
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<Value>,
    refresh_token: Option<String>,
    scope: Option<Value>,
}

impl ClientCredentials<'_> {
    fn fields(&self) -> [(&'static str, &str); 2] {
        [("client_id", self.id), ("client_secret", self.secret.expose_secret())]
    }
}

fn is_sendable(token: &SecretString) -> bool {
    let token = token.expose_secret();
    !token.is_empty() && token.bytes().all(|it| it.is_ascii_graphic())
}

fn token_set(answer: &Answer) -> Result<TokenSet, Problem> {
    let grant: Grant = answer.read()?;
    let token = SecretString::from(grant.access_token);
    let refresh = grant.refresh_token.map(SecretString::from);
    let sendable = is_sendable(&token) && refresh.as_ref().is_none_or(is_sendable);
    // RFC 6749, 7.1: a token of an unknown type must not be used.
    let bearer = grant.token_type.is_none_or(|it| it.eq_ignore_ascii_case("bearer"));
    if !sendable || !bearer {
        return Err(Problem::NotJira(Gibberish::Content));
    }
    let lifetime = match grant.expires_in {
        None | Some(Value::Null) => USUAL_LIFETIME,
        Some(value) => lifetime(&value).ok_or(Problem::NotJira(Gibberish::Content))?,
    };
    let scopes = grant.scope.as_ref().and_then(Value::as_str).unwrap_or_default();
    Ok(TokenSet {
        access: AccessToken { secret: token, lifetime: lifetime.min(LONGEST_LIFETIME) },
        refresh,
        scopes: scopes.split_whitespace().map(str::to_owned).collect(),
    })
}

/// Seconds, as a number or as a number in quotes.
fn lifetime(value: &Value) -> Option<Duration> {
    let seconds = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::{Answer, Gibberish, Problem, token_set};
    use rstest::rstest;
    use secrecy::ExposeSecret;

    fn answer(body: &str) -> Answer {
        Answer { status: 200, headers: reqwest::header::HeaderMap::new(), body: body.into() }
    }

    #[rstest]
    #[case::cloud(r#"{"access_token":"FAKE.JWT","expires_in":3600,"token_type":"Bearer"}"#, 3600)]
    #[case::data_center(r#"{"access_token":"FAKE.JWT","token_type":"bearer","expires_in":120,"scope":"WRITE"}"#, 120)]
    #[case::in_quotes(r#"{"access_token":"FAKE.JWT","expires_in":"60"}"#, 60)]
    #[case::not_said(r#"{"access_token":"FAKE.JWT"}"#, 3600)]
    #[case::over_already(r#"{"access_token":"FAKE.JWT","expires_in":0}"#, 0)]
    #[case::endless(r#"{"access_token":"FAKE.JWT","expires_in":18446744073709551615}"#, 86400)]
    fn a_token_is_read(#[case] body: &str, #[case] seconds: u64) {
        let token = token_set(&answer(body)).unwrap().access;
        assert_eq!((token.secret.expose_secret(), token.lifetime.as_secs()), ("FAKE.JWT", seconds));
        assert!(!format!("{token:?}").contains("FAKE"));
    }

    #[rstest]
    #[case::cloud(r#"{"access_token":"FAKE.JWT","refresh_token":"FAKE-REFRESH-1","scope":"read:jira-work offline_access"}"#, Some("FAKE-REFRESH-1"), &["read:jira-work", "offline_access"])]
    #[case::data_center(r#"{"access_token":"FAKE","refresh_token":"FAKE-REFRESH-1","scope":"WRITE"}"#, Some("FAKE-REFRESH-1"), &["WRITE"])]
    #[case::without_refresh(r#"{"access_token":"FAKE","refresh_token":null,"scope":[]}"#, None, &[])]
    fn what_a_consent_brings_is_read(#[case] body: &str, #[case] refresh: Option<&str>, #[case] scopes: &[&str]) {
        let tokens = token_set(&answer(body)).unwrap();
        assert_eq!(tokens.refresh.as_ref().map(ExposeSecret::expose_secret), refresh);
        assert_eq!(tokens.scopes, scopes);
        assert!(!format!("{tokens:?}").contains("FAKE"));
    }

    #[rstest]
    #[case("{}")]
    #[case(r#"{"access_token":""}"#)]
    #[case(r#"{"access_token":"a\r\nHost: evil"}"#)]
    #[case(r#"{"access_token":"a","token_type":"mac"}"#)]
    #[case(r#"{"access_token":"a","expires_in":-1}"#)]
    #[case(r#"{"access_token":"a","expires_in":[]}"#)]
    #[case(r#"{"access_token":7}"#)]
    #[case(r#"{"access_token":"a","refresh_token":""}"#)]
    #[case(r#"{"access_token":"a","refresh_token":"a\nb"}"#)]
    #[case(r#"{"access_token":"a","refresh_token":{}}"#)]
    fn what_holds_no_usable_token_is_refused(#[case] body: &str) {
        assert_eq!(token_set(&answer(body)).err(), Some(Problem::NotJira(Gibberish::Content)));
    }
}
