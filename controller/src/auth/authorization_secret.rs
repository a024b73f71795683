//! The Secret `<connection>.jira-authorization`: how a person, the pages and the reconciler hand an authorisation to each
//! other.
//!
//! | key | written by | what it is |
//! | --- | --- | --- |
//! | `page` | reconciler | address of the connection's page, without a key |
//! | `authorizeAt` | reconciler | the last value of the annotation `issuetracking.dev/authorizeAt` that was passed on to people |
//! | `applicationUrl`, `consumerKey`, `consumerName`, `publicKey` | reconciler | OAuth 1.0a: what to paste into Jira's application link |
//! | `keyHash` | person | hash of a fresh [`Key`]; a new one asks for a new attempt |
//! | `returnBy` | person | OAuth 1.0a: [`ReturnBy`]; absent means a callback where the operator has pages, else a code |
//! | `attempt` | reconciler | an [`Attempt`] for that hash |
//! | `browserHash` | page | hash of the cookie of the browser that started the attempt |
//! | `answer` | page | an [`Answer`]: what Jira's callback brought |
//! | `verificationCode` | person or page | OAuth 1.0a: the code that Jira showed |
//! | `outcome` | reconciler | an [`Outcome`]: how the last attempt ended |
//! | `revoke` | person | when he asked to end the grant, RFC 3339; the reconciler removes it when that is done |
//! | `revoked` | reconciler | a [`Revocation`]: how the last such wish was carried out |
//!
//! Whoever may write this Secret may authorise the connection and end its grant; the API server's audit log names who did. The reconciler
//! removes `keyHash`, `returnBy`, `attempt`, `browserHash`, `answer` and `verificationCode` when the attempt ends.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use k8s_openapi::{ByteString, jiff::Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Type of the Secret.
pub const SECRET_TYPE: &str = "issuetracking.dev/authorization";

/// Address of the connection's page, without a key.
pub const PAGE: &str = "page";
/// The last value of the annotation that asks a person to authorise again.
pub const AUTHORIZE_AT: &str = "authorizeAt";
/// OAuth 1.0a: application URL to enter in Jira.
pub const APPLICATION_URL: &str = "applicationUrl";
/// OAuth 1.0a: consumer key to enter in Jira.
pub const CONSUMER_KEY: &str = "consumerKey";
/// OAuth 1.0a: consumer name to enter in Jira.
pub const CONSUMER_NAME: &str = "consumerName";
/// OAuth 1.0a: public key to enter in Jira, PEM.
pub const PUBLIC_KEY: &str = "publicKey";
/// Hash of the key that a person made: 64 lower-case hexadecimal digits.
pub const KEY_HASH: &str = "keyHash";
/// How the answer of OAuth 1.0a shall come back: `Callback` or `Code`.
pub const RETURN_BY: &str = "returnBy";
/// The attempt under way, JSON.
pub const ATTEMPT: &str = "attempt";
/// Hash of the cookie of the browser that started the attempt.
pub const BROWSER_HASH: &str = "browserHash";
/// What Jira's callback brought, JSON.
pub const ANSWER: &str = "answer";
/// The code that Jira showed, plain text.
pub const VERIFICATION_CODE: &str = "verificationCode";
/// How the last attempt ended, JSON.
pub const OUTCOME: &str = "outcome";
/// When a person asked to end the grant, RFC 3339. The reconciler revokes it at Jira, deletes it, removes this key and
/// writes [`REVOKED`].
pub const REVOKE: &str = "revoke";
/// How the last wish to end the grant was carried out, JSON.
pub const REVOKED: &str = "revoked";

/// Keys that belong to one attempt and go with it.
pub const OF_AN_ATTEMPT: [&str; 6] = [KEY_HASH, RETURN_BY, ATTEMPT, BROWSER_HASH, ANSWER, VERIFICATION_CODE];

/// The longest value that is read, in bytes: many times what Jira or the operator writes.
const LONGEST: usize = 16 * 1024;

/// Name of the Secret of a connection.
#[must_use]
pub fn secret_name(connection: &str) -> String {
    format!("{connection}.jira-authorization")
}

/// 32 bytes from the system's source of randomness, in base64url without padding.
///
/// # Errors
/// When the system has no randomness to give.
pub fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// What opens the page of one attempt: made by a person's program, known to nobody else. `Debug` hides it.
#[derive(Clone, Debug)]
pub struct Key(SecretString);

impl Key {
    /// A fresh one.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn fresh() -> Result<Self, getrandom::Error> {
        Ok(Self(SecretString::from(random()?)))
    }

    /// The key that somebody presents, whatever it is.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(SecretString::from(text))
    }

    /// Its text, for the link to the page.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Its hash, for the Secret.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(self.expose())
    }
}

/// SHA-256 of a text, as 64 lower-case hexadecimal digits. Comparing two tells nothing about the texts by its duration
/// that hashing has not blurred.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hash(String);

impl Hash {
    /// The hash of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        Self(digest.iter().fold(String::with_capacity(64), |text, byte| format!("{text}{byte:02x}")))
    }

    /// Reads a hash that somebody wrote; surrounding white space is not his fault. `None` if it is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(Self(text))
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How the answer of OAuth 1.0a comes back. OAuth 2.0 always uses a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReturnBy {
    /// Jira sends the browser to the operator's pages.
    Callback,
    /// Jira shows a verification code, which the person brings (`oauth_callback=oob`).
    Code,
}

impl ReturnBy {
    /// As it stands in the Secret.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Callback => "Callback",
            Self::Code => "Code",
        }
    }
}

/// The `state` of an attempt: which connection it is for, and a random part. `{namespace}.{name}.{random}`: a namespace
/// has no dot, and neither has the random part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct State(String);

impl State {
    /// A fresh one.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn fresh(namespace: &str, connection: &str) -> Result<Self, getrandom::Error> {
        Ok(Self(format!("{namespace}.{connection}.{}", random()?)))
    }

    /// The state that a callback brought. `None` if it has not the form of one.
    #[must_use]
    pub fn presented(text: &str) -> Option<Self> {
        let (namespace, rest) = text.split_once('.')?;
        let (name, random) = rest.rsplit_once('.')?;
        let named =
            |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-.".contains(&it));
        let usable = named(namespace) && named(name) && !random.is_empty() && text.len() <= 512;
        usable.then(|| Self(text.to_owned()))
    }

    /// Namespace and name of the connection.
    #[must_use]
    pub fn connection(&self) -> (&str, &str) {
        let (namespace, rest) = self.0.split_once('.').unwrap_or_default();
        let (name, _) = rest.rsplit_once('.').unwrap_or_default();
        (namespace, name)
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An attempt to authorise, made by the reconciler for one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Hash of the key that it was made for.
    pub key_hash: Hash,
    /// What the answer must carry.
    pub state: State,
    /// Where the person's browser has to go.
    pub authorization_url: String,
    /// When the attempt is over: 15 minutes after it began, 10 for OAuth 1.0a.
    pub deadline: Timestamp,
    /// How the answer comes back.
    pub return_by: ReturnBy,
}

/// What Jira's callback brought. `Debug` hides codes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Answer {
    /// OAuth 2.0: `code` and `state` (RFC 6749, 4.1.2).
    #[serde(rename_all = "camelCase")]
    Code {
        /// The state.
        state: State,
        /// The authorization code.
        code: String,
    },
    /// OAuth 1.0a: `oauth_token` and `oauth_verifier` (RFC 5849, 2.2).
    #[serde(rename_all = "camelCase")]
    Verifier {
        /// The state.
        state: State,
        /// The request token.
        oauth_token: String,
        /// The verification code.
        oauth_verifier: String,
    },
    /// OAuth 2.0: `error` in place of a code (RFC 6749, 4.1.2.1).
    #[serde(rename_all = "camelCase")]
    Refused {
        /// The state.
        state: State,
        /// `access_denied`, `invalid_scope` and the like.
        error: String,
        /// In Jira's words, cut and cleaned by whoever shows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error_description: Option<String>,
    },
}

impl Answer {
    /// The state that it carries.
    #[must_use]
    pub fn state(&self) -> &State {
        match self {
            Self::Code { state, .. } | Self::Verifier { state, .. } | Self::Refused { state, .. } => state,
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Code { .. } => "Code([REDACTED])",
            Self::Verifier { .. } => "Verifier([REDACTED])",
            Self::Refused { .. } => "Refused",
        })
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Hash of the key that the attempt was made for.
    pub key_hash: Hash,
    /// How it ended.
    pub result: OutcomeResult,
    /// What happened and what to do next, for the person.
    pub message: String,
}

/// How an attempt can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutcomeResult {
    /// The new grant is proven and in use.
    Granted,
    /// The person, or an admin's rule, refused at Jira.
    Refused,
    /// Nobody came back in time.
    Expired,
    /// The grant does not cover the site, or belongs to an account that cannot be used.
    Unusable,
    /// Jira or the network stood in the way.
    Failed,
}

/// How a wish to end the grant was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revocation {
    /// When it was carried out.
    pub at: Timestamp,
    /// What happened and what is left to do, for the person: Jira may have been out of reach, or there was no grant.
    pub message: String,
}

/// The content of the Secret. What cannot be read is absent: it is made anew, or was never good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizationSecret {
    /// Address of the connection's page.
    pub page: Option<String>,
    /// The last wish that a person authorises again.
    pub authorize_at: Option<String>,
    /// OAuth 1.0a: what to paste into Jira.
    pub link: Option<ApplicationLink>,
    /// Hash of the key that a person made.
    pub key_hash: Option<Hash>,
    /// How the answer shall come back.
    pub return_by: Option<ReturnBy>,
    /// The attempt under way.
    pub attempt: Option<Attempt>,
    /// Hash of the cookie of the browser that started it.
    pub browser_hash: Option<Hash>,
    /// What Jira's callback brought.
    pub answer: Option<Answer>,
    /// The code that Jira showed.
    pub verification_code: Option<VerificationCode>,
    /// How the last attempt ended.
    pub outcome: Option<Outcome>,
    /// When a person asked to end the grant, and it is not done yet.
    pub revoke: Option<Timestamp>,
    /// How the last wish to end the grant was carried out.
    pub revoked: Option<Revocation>,
}

/// What to paste into Jira's application link: *Create incoming link* of a *Generic Application*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationLink {
    /// Application URL.
    pub application_url: String,
    /// Consumer key.
    pub consumer_key: String,
    /// Consumer name.
    pub consumer_name: String,
    /// Public key, PEM.
    pub public_key: String,
}

/// A verification code as somebody typed it, without white space around it. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct VerificationCode(String);

impl VerificationCode {
    /// Reads a code. `None` if it cannot be one: empty, longer than 255 bytes, or not in visible ASCII.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let usable = !text.is_empty() && text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_graphic());
        usable.then(|| Self(text.to_owned()))
    }

    /// Its text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for VerificationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerificationCode([REDACTED])")
    }
}

impl AuthorizationSecret {
    /// Reads the data of the Secret.
    #[must_use]
    pub fn read(data: &BTreeMap<String, ByteString>) -> Self {
        let text = |key: &str| {
            let ByteString(bytes) = data.get(key).filter(|ByteString(bytes)| bytes.len() <= LONGEST)?;
            std::str::from_utf8(bytes).ok()
        };
        Self {
            page: text(PAGE).map(str::to_owned),
            authorize_at: text(AUTHORIZE_AT).map(str::to_owned),
            link: link(text),
            key_hash: text(KEY_HASH).and_then(Hash::read),
            return_by: text(RETURN_BY).and_then(|text| match text.trim() {
                "Callback" => Some(ReturnBy::Callback),
                "Code" => Some(ReturnBy::Code),
                _ => None,
            }),
            attempt: text(ATTEMPT).and_then(json),
            browser_hash: text(BROWSER_HASH).and_then(Hash::read),
            answer: text(ANSWER).and_then(json),
            verification_code: text(VERIFICATION_CODE).and_then(VerificationCode::read),
            outcome: text(OUTCOME).and_then(json),
            revoke: text(REVOKE).and_then(|text| text.trim().parse().ok()),
            revoked: text(REVOKED).and_then(json),
        }
    }

    /// The attempt under way, if it is for the key that was asked for last and not over at `now`.
    #[must_use]
    pub fn open_attempt(&self, now: Timestamp) -> Option<&Attempt> {
        let asked = self.key_hash.as_ref()?;
        self.attempt.as_ref().filter(|attempt| attempt.key_hash == *asked && now < attempt.deadline)
    }
}

fn link<'a>(text: impl Fn(&str) -> Option<&'a str>) -> Option<ApplicationLink> {
    Some(ApplicationLink {
        application_url: text(APPLICATION_URL)?.to_owned(),
        consumer_key: text(CONSUMER_KEY)?.to_owned(),
        consumer_name: text(CONSUMER_NAME)?.to_owned(),
        public_key: text(PUBLIC_KEY)?.to_owned(),
    })
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn data(entries: &[(&str, &str)]) -> BTreeMap<String, ByteString> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), ByteString((*value).into()))).collect()
    }

    #[test]
    fn a_key_is_fresh_each_time_and_known_by_its_hash() {
        let (one, other) = (Key::fresh().unwrap(), Key::fresh().unwrap());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.hash(), Key::presented(one.expose()).hash());
        assert!(!format!("{one:?}").contains(one.expose()));
        // `printf %s key | sha256sum`, so that plain tools can start an attempt.
        let sum = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";
        assert_eq!(Key::presented("key").hash().as_str(), sum);
    }

    #[rstest]
    #[case::plain("team-web.acme.r4ndom", Some(("team-web", "acme")))]
    #[case::dots_in_the_name("team-web.acme.eu.r4ndom", Some(("team-web", "acme.eu")))]
    #[case::no_random_part("team-web.acme.", None)]
    #[case::no_name("team-web..x", None)]
    #[case::too_short("team-web.acme", None)]
    #[case::path("../etc.acme.x", None)]
    #[case::empty("", None)]
    fn a_state_names_its_connection(#[case] text: &str, #[case] connection: Option<(&str, &str)>) {
        assert_eq!(State::presented(text).as_ref().map(State::connection), connection);
    }

    #[test]
    fn a_fresh_state_is_read_back() {
        let state = State::fresh("team-web", "acme.eu").unwrap();
        assert_eq!(State::presented(state.as_str()).unwrap().connection(), ("team-web", "acme.eu"));
    }

    #[test]
    fn what_cannot_be_read_is_absent() {
        let long = "x".repeat(LONGEST + 1);
        let secret = AuthorizationSecret::read(&data(&[
            (KEY_HASH, "not a hash"),
            (RETURN_BY, "Pigeon"),
            (ATTEMPT, "{"),
            (ANSWER, &long),
            (VERIFICATION_CODE, "two words"),
            (CONSUMER_KEY, "alone"),
            (REVOKE, "now"),
            (REVOKED, "yes"),
        ]));
        assert_eq!(secret, AuthorizationSecret::default());
    }

    #[test]
    fn an_attempt_is_open_until_its_deadline_and_for_its_own_key_only() {
        let noon: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let key = Key::presented("key");
        let attempt = Attempt {
            key_hash: key.hash(),
            state: State::fresh("a", "b").unwrap(),
            authorization_url: "https://jira.example/authorize".into(),
            deadline: noon,
            return_by: ReturnBy::Callback,
        };
        let written = serde_json::to_string(&attempt).unwrap();
        let secret = AuthorizationSecret::read(&data(&[(KEY_HASH, key.hash().as_str()), (ATTEMPT, &written)]));
        let second = std::time::Duration::from_secs(1);
        assert_eq!(secret.open_attempt(noon - second), Some(&attempt));
        assert_eq!(secret.open_attempt(noon), None);
        let other = AuthorizationSecret { key_hash: Some(Hash::of("other")), ..secret };
        assert_eq!(other.open_attempt(noon - second), None);
    }

    #[test]
    fn a_wish_to_end_the_grant_and_its_fulfilment_are_read() {
        let noon: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let done = r#"{"at":"2026-01-01T12:00:00Z","message":"The grant is gone."}"#;
        let secret = AuthorizationSecret::read(&data(&[(REVOKE, "2026-01-01T12:00:00Z\n"), (REVOKED, done)]));
        assert_eq!(secret.revoke, Some(noon));
        assert_eq!(secret.revoked, Some(Revocation { at: noon, message: "The grant is gone.".into() }));
        assert_eq!(serde_json::to_string(&secret.revoked).unwrap(), done);
    }

    #[test]
    fn an_answer_is_stored_in_a_stable_form_and_hides_its_code() {
        let state = State::presented("a.b.c").unwrap();
        let answer = Answer::Code { state, code: "s3cret".into() };
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(text, r#"{"type":"code","state":"a.b.c","code":"s3cret"}"#);
        assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer);
        assert!(!format!("{answer:?}").contains("s3cret"));
    }
}
