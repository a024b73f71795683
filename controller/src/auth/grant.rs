//! What a person has granted: the tokens, where they may be sent, and until when.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::authorization_secret::Hash;
use crate::{jira::Deployment, moment};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A refresh token that nobody uses ends after 90 days, on Cloud and on Data Center.
const IDLE: Duration = DAY.saturating_mul(90);

/// A consent on Cloud ends after 365 days, however often it is refreshed.
const CONSENT: Duration = DAY.saturating_mul(365);

/// A grant as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The only place where it may be sent.
    pub site: GrantSite,
    /// Client id, or consumer key, that it was given to.
    pub client: String,
    /// Id of the account that gave it, once that was proven. `None` also where Jira does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// OAuth 2.0: the redirect URI of the consent. Data Center wants it again at each renewal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// Hash of the state of the attempt that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Hash>,
    /// When the person consented.
    pub consented_at: Timestamp,
    /// When the tokens were renewed last.
    pub renewed_at: Timestamp,
    /// How often they were renewed: tells two states of one grant apart without looking at tokens.
    pub renewals: u64,
    /// The tokens.
    pub tokens: Tokens,
}

/// Where a grant may be sent: one Jira, which does not change when the connection's `url` does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "deployment", rename_all = "camelCase")]
pub enum GrantSite {
    /// A Data Center, by its normalised base URL.
    DataCenter {
        /// Scheme, host, port and context path.
        url: String,
    },
    /// A Cloud site, by its id.
    #[serde(rename_all = "camelCase")]
    Cloud {
        /// The id.
        cloud_id: String,
    },
}

impl GrantSite {
    /// How that Jira is operated.
    #[must_use]
    pub const fn deployment(&self) -> Deployment {
        match self {
            Self::DataCenter { .. } => Deployment::DataCenter,
            Self::Cloud { .. } => Deployment::Cloud,
        }
    }
}

/// The tokens of a grant. `Debug` hides them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "protocol")]
pub enum Tokens {
    /// OAuth 2.0.
    #[serde(rename = "OAuth2", rename_all = "camelCase")]
    OAuth2 {
        /// Goes with each request.
        #[serde(with = "exposed")]
        access_token: SecretString,
        /// When it ends.
        ends_at: Timestamp,
        /// Brings the next ones. Absent where the scopes did not ask for it.
        #[serde(default, with = "exposed_option", skip_serializing_if = "Option::is_none")]
        refresh_token: Option<SecretString>,
    },
    /// OAuth 1.0a.
    #[serde(rename = "OAuth1", rename_all = "camelCase")]
    OAuth1 {
        /// Names the grant in each signed request; worthless without the private key.
        #[serde(with = "exposed")]
        token: SecretString,
        /// When it ends.
        ends_at: Timestamp,
        /// Brings the next one. Absent where Jira gave none.
        #[serde(default, with = "exposed_option", skip_serializing_if = "Option::is_none")]
        session_handle: Option<SecretString>,
        /// When the session ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_ends_at: Option<Timestamp>,
    },
}

impl Grant {
    /// When the token that goes with each request ends.
    #[must_use]
    pub fn token_ends_at(&self) -> Timestamp {
        match &self.tokens {
            Tokens::OAuth2 { ends_at, .. } | Tokens::OAuth1 { ends_at, .. } => *ends_at,
        }
    }

    /// Whether it can be renewed without a person.
    #[must_use]
    pub fn is_renewable(&self) -> bool {
        match &self.tokens {
            Tokens::OAuth2 { refresh_token, .. } => refresh_token.is_some(),
            Tokens::OAuth1 { session_handle, .. } => session_handle.is_some(),
        }
    }

    /// The end that no renewal moves. `None` where there is none.
    #[must_use]
    pub fn final_end(&self) -> Option<Timestamp> {
        match (&self.tokens, &self.site) {
            (
                Tokens::OAuth2 { ends_at, refresh_token: None, .. }
                | Tokens::OAuth1 { ends_at, session_handle: None, .. },
                _,
            ) => Some(*ends_at),
            (Tokens::OAuth2 { .. }, GrantSite::Cloud { .. }) => Some(moment::after(self.consented_at, CONSENT)),
            (Tokens::OAuth2 { .. }, GrantSite::DataCenter { .. }) => None,
            (Tokens::OAuth1 { session_ends_at, .. }, _) => *session_ends_at,
        }
    }

    /// When it ends if nobody renews it any more. Moves with each renewal.
    #[must_use]
    pub fn idle_end(&self) -> Option<Timestamp> {
        match &self.tokens {
            Tokens::OAuth2 { refresh_token: Some(_), .. } => Some(moment::after(self.renewed_at, IDLE)),
            Tokens::OAuth2 { refresh_token: None, .. } | Tokens::OAuth1 { .. } => None,
        }
    }

    /// The same grant with the tokens that a renewal at `now` brought.
    #[must_use]
    pub fn renewed(&self, tokens: Tokens, now: Timestamp) -> Self {
        Self { tokens, renewed_at: now, renewals: self.renewals.saturating_add(1), ..self.clone() }
    }

    /// Whether `other` holds the very same tokens.
    #[must_use]
    pub fn has_tokens_of(&self, other: &Self) -> bool {
        let secrets = |tokens: &Tokens| match tokens {
            Tokens::OAuth2 { access_token, refresh_token, .. } => {
                [Some(access_token.clone()), refresh_token.clone()].map(exposed_text)
            }
            Tokens::OAuth1 { token, session_handle, .. } => {
                [Some(token.clone()), session_handle.clone()].map(exposed_text)
            }
        };
        secrets(&self.tokens) == secrets(&other.tokens)
    }
}

fn exposed_text(secret: Option<SecretString>) -> Option<String> {
    secret.map(|secret| secret.expose_secret().to_owned())
}

/// Tokens leave their wrapper for the Secret, and for it alone.
pub(super) mod exposed {
    use secrecy::{ExposeSecret, SecretString};
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose_secret())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
        String::deserialize(deserializer).map(SecretString::from)
    }
}

/// The same for what may be absent.
pub(super) mod exposed_option {
    use secrecy::{ExposeSecret, SecretString};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature serde asks for")]
    pub fn serialize<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(ExposeSecret::expose_secret).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
    }
}

/// Why a grant is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GrantEnd {
    /// Jira does not accept it any more.
    Revoked,
    /// Jira does not accept it any more, and an answer that may have brought the next tokens was lost.
    AnswerLost,
    /// Its time was over.
    Expired,
    /// A person ended it here.
    SignedOff,
}

/// What is kept of a grant that is over. No tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndedGrant {
    /// Where it could be sent.
    pub site: GrantSite,
    /// When the person had consented.
    pub consented_at: Timestamp,
    /// How often it had been renewed.
    pub renewals: u64,
    /// Why it is over.
    pub end: GrantEnd,
    /// When that was noticed.
    pub at: Timestamp,
}

impl EndedGrant {
    /// What is kept of `grant`, which turned out to be over at `at`.
    #[must_use]
    pub fn of(grant: &Grant, end: GrantEnd, at: Timestamp) -> Self {
        Self { site: grant.site.clone(), consented_at: grant.consented_at, renewals: grant.renewals, end, at }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rstest::rstest;

    use super::*;

    pub(crate) fn noon() -> Timestamp {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    pub(crate) fn oauth2(access: &str, refresh: Option<&str>, ends_at: Timestamp) -> Tokens {
        Tokens::OAuth2 { access_token: access.into(), ends_at, refresh_token: refresh.map(SecretString::from) }
    }

    pub(crate) fn cloud() -> GrantSite {
        GrantSite::Cloud { cloud_id: "11111111-2222-3333-4444-555555555555".into() }
    }

    pub(crate) fn center() -> GrantSite {
        GrantSite::DataCenter { url: "https://jira.example/jira".into() }
    }

    pub(crate) fn grant(site: GrantSite, tokens: Tokens) -> Grant {
        Grant {
            site,
            client: "client".into(),
            account: None,
            redirect_uri: None,
            attempt: None,
            consented_at: noon(),
            renewed_at: noon(),
            renewals: 0,
            tokens,
        }
    }

    fn oauth1(handle: Option<&str>) -> Tokens {
        Tokens::OAuth1 {
            token: "canary-token".into(),
            ends_at: noon() + DAY,
            session_handle: handle.map(SecretString::from),
            session_ends_at: Some(noon() + 2 * DAY),
        }
    }

    #[rstest]
    #[case::cloud(grant(cloud(), oauth2("a", Some("r"), noon())), Some(365), Some(90))]
    #[case::data_center(grant(center(), oauth2("a", Some("r"), noon())), None, Some(90))]
    #[case::without_offline_access(grant(cloud(), oauth2("a", None, noon() + DAY)), Some(1), None)]
    #[case::oauth1(grant(center(), oauth1(Some("h"))), Some(2), None)]
    #[case::oauth1_without_a_session(grant(center(), oauth1(None)), Some(1), None)]
    fn a_grant_has_ends_that_renewal_moves_and_one_that_it_does_not(
        #[case] grant: Grant,
        #[case] final_days: Option<u32>,
        #[case] idle_days: Option<u32>,
    ) {
        assert_eq!(grant.final_end(), final_days.map(|days| noon() + days * DAY));
        assert_eq!(grant.idle_end(), idle_days.map(|days| noon() + days * DAY));
    }

    #[rstest]
    #[case(oauth2("canary-access", Some("canary-refresh"), noon()))]
    #[case(oauth2("canary-access", None, noon()))]
    #[case(oauth1(Some("canary-handle")))]
    fn a_grant_is_stored_whole_and_never_printed(#[case] tokens: Tokens) {
        let before = grant(cloud(), tokens);
        let text = serde_json::to_string(&before).unwrap();
        assert!(text.contains("canary"));
        let after: Grant = serde_json::from_str(&text).unwrap();
        assert!(after.has_tokens_of(&before));
        assert_eq!((&after.site, after.consented_at, after.renewals), (&before.site, noon(), 0));
        assert!(!format!("{after:?}").contains("canary"));
    }

    #[test]
    fn a_grant_of_the_end_of_time_ends_then() {
        let (never, tokens) = (Timestamp::MAX, oauth2("a", Some("r"), noon()));
        let last =
            Grant { consented_at: never, renewed_at: never, renewals: u64::MAX, ..grant(cloud(), tokens.clone()) };
        assert_eq!((last.final_end(), last.idle_end()), (Some(never), Some(never)));
        assert_eq!(last.renewed(tokens, noon()).renewals, u64::MAX);
    }

    #[test]
    fn a_renewal_keeps_all_but_the_tokens() {
        let first = grant(cloud(), oauth2("a1", Some("r1"), noon()));
        let second = first.renewed(oauth2("a2", Some("r2"), noon() + DAY), noon() + DAY);
        assert_eq!((second.renewals, second.consented_at, second.renewed_at), (1, noon(), noon() + DAY));
        assert!(!second.has_tokens_of(&first));
    }
}
