//! Tokens by OAuth 1.0a: the request token, the access token, and the later ones of its session.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    future::Future,
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use url::{Url, form_urlencoded};

use super::{
    Jira,
    answer::Answer,
    authorization::{Proof, Signer},
    endpoint::Endpoint,
    exchange::{Call, Payload, Unrenewed},
    problem::{Gibberish, Problem},
    session::Party,
};
use crate::auth::oauth1::OUT_OF_BAND;

/// Lifetime of an access token whose answer names none: Jira's default, 5 years.
const USUAL_LIFETIME: Duration = Duration::from_secs(157_680_000);

/// The longest lifetime that is believed, 20 years.
const LONGEST_LIFETIME: Duration = Duration::from_secs(4 * 157_680_000);

/// The longest token that is believed, in bytes. Jira's have 32 characters.
const LONGEST_TOKEN: usize = 1024;

/// Temporary credentials (RFC 5849, 2.1): what a person is asked to allow. Jira forgets them after 10 minutes.
#[derive(Clone, Debug)]
pub struct RequestToken {
    /// The token. Worthless without the private key.
    pub token: SecretString,
}

/// Token credentials (RFC 5849, 2.3) with the session that later ones come from.
#[derive(Clone, Debug)]
pub struct SessionToken {
    /// The token. Worthless without the private key.
    pub token: SecretString,
    /// How long it is good for, from when it was received; at most 20 years.
    pub lifetime: Duration,
    /// Brings the next token. Absent where Jira gave none.
    pub session_handle: Option<SecretString>,
    /// How long the session lasts, from when this was received; at most 20 years. `None` where Jira does not say.
    pub session_lifetime: Option<Duration>,
}

impl Jira {
    /// Asks for a request token, with a signer that has no token yet. A person is sent back to `callback`; without one Jira
    /// shows a verification code instead.
    ///
    /// # Errors
    /// [`Problem::LinksUnavailable`], [`Problem::ClockSkew`], [`Problem::WrongSite`] and [`Problem::OAuth1`] as the endpoint
    /// says; [`Problem::NotJira`] for an answer without a token, or without `oauth_callback_confirmed=true`: a server of
    /// before OAuth 1.0a would let somebody else's consent be slipped in. Else any [`Problem`] of an exchange.
    pub async fn request_token(&self, signer: &Signer, callback: Option<&Url>) -> Result<RequestToken, Problem> {
        let callback = callback.map_or(OUT_OF_BAND, Url::as_str);
        let step = vec![("oauth_callback", SecretString::from(callback))];
        let answer = self.exchange_for_person(self.step(Endpoint::RequestToken, signer, step)).await?;
        let mut fields = Fields::read(&answer)?;
        if fields.take("oauth_callback_confirmed").as_deref() != Some("true") {
            return Err(Problem::NotJira(Gibberish::Content));
        }
        Ok(RequestToken { token: fields.token("oauth_token")? })
    }

    /// Asks for the access token, with a signer that has the request token, once a person has allowed access. `verifier` is
    /// what came back through the callback, or what the person has copied.
    ///
    /// # Errors
    /// [`Problem::OAuth1`] as the endpoint says: nobody has answered yet, the person has refused, the verifier is wrong, the
    /// request token is older than 10 minutes. Else as for [`Self::request_token`].
    pub async fn access_token(&self, signer: &Signer, verifier: &SecretString) -> Result<SessionToken, Problem> {
        let step = vec![("oauth_verifier", verifier.clone())];
        read(&self.exchange_for_person(self.step(Endpoint::OAuth1AccessToken, signer, step)).await?)
    }

    /// Asks for the next access token of a session, with a signer that has the present one, which is over then.
    ///
    /// `last_look` is awaited when the host's budget has let the request through, immediately before it is sent.
    ///
    /// # Errors
    /// [`Unrenewed::Withheld`] where the last look said no; nothing was sent then. Else as for [`Self::access_token`].
    pub async fn renew_session(
        &self,
        signer: &Signer,
        session_handle: &SecretString,
        last_look: impl Future<Output = bool> + Send,
    ) -> Result<SessionToken, Unrenewed> {
        let step = vec![("oauth_session_handle", session_handle.clone())];
        let answer = self.exchange_after(self.step(Endpoint::OAuth1AccessToken, signer, step), last_look).await?;
        Ok(read(&answer)?)
    }

    fn step<'a>(&self, endpoint: Endpoint, signer: &'a Signer, step: Vec<(&'static str, SecretString)>) -> Call<'a> {
        let url = self.site().url(endpoint.template());
        let proof = Proof::Step(signer, step);
        Call { endpoint, party: Party::DataCenter, url, proof, payload: Payload::Empty }
    }
}

fn read(answer: &Answer) -> Result<SessionToken, Problem> {
    let mut fields = Fields::read(answer)?;
    Ok(SessionToken {
        token: fields.token("oauth_token")?,
        lifetime: fields.lifetime("oauth_expires_in")?.unwrap_or(USUAL_LIFETIME),
        session_handle: fields.optional_token("oauth_session_handle")?,
        session_lifetime: fields.lifetime("oauth_authorization_expires_in")?,
    })
}

/// The fields of an answer in form encoding (RFC 5849, 2.1). Has no `Debug`: they are tokens.
struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Each field comes once; of what comes twice nobody can say which is meant.
    fn read(answer: &Answer) -> Result<Self, Problem> {
        let mut fields = BTreeMap::new();
        for (name, value) in decoded(&answer.body) {
            match fields.entry(name) {
                Entry::Vacant(entry) => _ = entry.insert(value),
                Entry::Occupied(_) => return Err(Problem::NotJira(Gibberish::Content)),
            }
        }
        Ok(Self(fields))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn token(&mut self, name: &str) -> Result<SecretString, Problem> {
        self.optional_token(name)?.ok_or(Problem::NotJira(Gibberish::Content))
    }

    fn optional_token(&mut self, name: &str) -> Result<Option<SecretString>, Problem> {
        let Some(token) = self.take(name).map(SecretString::from) else {
            return Ok(None);
        };
        let text = token.expose_secret();
        let plain = !text.is_empty() && text.len() <= LONGEST_TOKEN && text.bytes().all(|it| it.is_ascii_graphic());
        if plain { Ok(Some(token)) } else { Err(Problem::NotJira(Gibberish::Content)) }
    }

    /// Seconds.
    fn lifetime(&mut self, name: &str) -> Result<Option<Duration>, Problem> {
        let Some(seconds) = self.take(name) else {
            return Ok(None);
        };
        let seconds = seconds.trim().parse().map_err(|_| Problem::NotJira(Gibberish::Content))?;
        Ok(Some(Duration::from_secs(seconds).min(LONGEST_LIFETIME)))
    }
}

/// The pairs of a form as OAuth 1.0a writes it: a plus sign is one, and no space (RFC 5849, 3.6).
pub(super) fn decoded(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body.trim_ascii()).replace('+', "%2B");
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn answer(body: &str) -> Answer {
        Answer { status: 200, headers: reqwest::header::HeaderMap::new(), body: body.into() }
    }

    const FIVE_YEARS: u64 = 157_680_000;

    #[rstest]
    #[case::as_jira_says(
        "oauth_token=FAKE-ACC&oauth_token_secret=FAKE&oauth_expires_in=157680000&oauth_session_handle=FAKE-SH&oauth_authorization_expires_in=160272000",
        "FAKE-ACC",
        FIVE_YEARS,
        Some("FAKE-SH"),
        Some(160_272_000)
    )]
    #[case::without_a_session("oauth_token=FAKE-ACC&oauth_token_secret=", "FAKE-ACC", FIVE_YEARS, None, None)]
    #[case::escaped("oauth_token=a%2Bb+c%3D&oauth_expires_in=60\n", "a+b+c=", 60, None, None)]
    #[case::endless(
        "oauth_token=a&oauth_expires_in=18446744073709551615&oauth_authorization_expires_in=18446744073709551615",
        "a",
        4 * FIVE_YEARS,
        None,
        Some(4 * FIVE_YEARS)
    )]
    #[case::over_already("oauth_token=a&oauth_expires_in=0", "a", 0, None, None)]
    fn a_session_token_is_read(
        #[case] body: &str,
        #[case] token: &str,
        #[case] lifetime: u64,
        #[case] handle: Option<&str>,
        #[case] session: Option<u64>,
    ) {
        let read = read(&answer(body)).unwrap();
        assert_eq!((read.token.expose_secret(), read.lifetime.as_secs()), (token, lifetime));
        assert_eq!(read.session_handle.as_ref().map(ExposeSecret::expose_secret), handle);
        assert_eq!(read.session_lifetime.map(|it| it.as_secs()), session);
        assert!(!format!("{read:?}").contains("FAKE"));
    }

    #[rstest]
    #[case::nothing("")]
    #[case::json(r#"{"oauth_token":"a"}"#)]
    #[case::empty_token("oauth_token=")]
    #[case::token_with_a_line_break("oauth_token=a%0D%0AHost:+evil")]
    #[case::two_tokens("oauth_token=a&oauth_token=b")]
    #[case::endless_token(&format!("oauth_token={}", "a".repeat(1025)))]
    #[case::negative_lifetime("oauth_token=a&oauth_expires_in=-1")]
    #[case::lifetime_in_words("oauth_token=a&oauth_authorization_expires_in=never")]
    #[case::broken_handle("oauth_token=a&oauth_session_handle=%00")]
    fn what_holds_no_usable_token_is_refused(#[case] body: &str) {
        assert_eq!(read(&answer(body)).err(), Some(Problem::NotJira(Gibberish::Content)));
    }
}
