//! Access tokens by OAuth 2.0.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Jira,
    answer::Answer,
    endpoint::Endpoint,
    exchange::{Call, Payload},
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

impl Jira {
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
        let call = match deployment {
            Deployment::Cloud => self.cloud_token(json!({
                "grant_type": "client_credentials",
                "client_id": client_id,
                "client_secret": client_secret.expose_secret(),
            })),
            Deployment::DataCenter => {
                let mut fields = vec![
                    ("grant_type", "client_credentials".to_owned()),
                    ("client_id", client_id.to_owned()),
                    ("client_secret", client_secret.expose_secret().to_owned()),
                ];
                if !scopes.is_empty() {
                    fields.push(("scope", scopes.join(" ")));
                }
                self.data_center_token(fields)
            }
        };
        parse(&self.exchange(call).await?)
    }

    fn cloud_token(&self, body: Value) -> Call<'static> {
        let endpoint = Endpoint::CloudToken;
        let url = self.connection.network.auth_server(endpoint.template());
        Call { endpoint, party: Party::AuthServer, url, authorization: None, payload: Payload::Json(body) }
    }

    /// Data Center answers a JSON body with 500, and reads the client's secret from the form, not from a header.
    fn data_center_token(&self, fields: Vec<(&'static str, String)>) -> Call<'static> {
        let endpoint = Endpoint::DataCenterToken;
        let url = self.site().url(endpoint.template());
        Call { endpoint, party: Party::DataCenter, url, authorization: None, payload: Payload::Form(fields) }
    }
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<Value>,
}

fn parse(answer: &Answer) -> Result<AccessToken, Problem> {
    let grant: Grant = answer.read()?;
    let token = SecretString::from(grant.access_token);
    let sendable = !token.expose_secret().is_empty() && token.expose_secret().bytes().all(|it| it.is_ascii_graphic());
    // RFC 6749, 7.1: a token of an unknown type must not be used.
    let bearer = grant.token_type.is_none_or(|it| it.eq_ignore_ascii_case("bearer"));
    if !sendable || !bearer {
        return Err(Problem::NotJira(Gibberish::Content));
    }
    let lifetime = match grant.expires_in {
        None | Some(Value::Null) => USUAL_LIFETIME,
        Some(value) => lifetime(&value).ok_or(Problem::NotJira(Gibberish::Content))?,
    };
    Ok(AccessToken { secret: token, lifetime: lifetime.min(LONGEST_LIFETIME) })
}

/// Seconds, as a number or as a number in quotes.
fn lifetime(value: &Value) -> Option<Duration> {
    let seconds = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::{Answer, Gibberish, Problem, parse};
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
        let token = parse(&answer(body)).unwrap();
        assert_eq!((token.secret.expose_secret(), token.lifetime.as_secs()), ("FAKE.JWT", seconds));
        assert!(!format!("{token:?}").contains("FAKE"));
    }

    #[rstest]
    #[case("{}")]
    #[case(r#"{"access_token":""}"#)]
    #[case(r#"{"access_token":"a\r\nHost: evil"}"#)]
    #[case(r#"{"access_token":"a","token_type":"mac"}"#)]
    #[case(r#"{"access_token":"a","expires_in":-1}"#)]
    #[case(r#"{"access_token":"a","expires_in":[]}"#)]
    #[case(r#"{"access_token":7}"#)]
    fn what_holds_no_usable_token_is_refused(#[case] body: &str) {
        assert_eq!(parse(&answer(body)).err(), Some(Problem::NotJira(Gibberish::Content)));
    }
}
