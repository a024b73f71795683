//! The Secret `<connection>.jira-grant`: what the operator alone reads and writes.
//!
//! | key | what it is |
//! | --- | --- |
//! | `grant` | the [`Grant`] in use |
//! | `candidate` | a [`Grant`] that a person has just given, until it is proven |
//! | `claim` | a [`Claim`]: somebody is renewing the grant |
//! | `ended` | an [`EndedGrant`]: the last grant is over |
//! | `preparation` | a [`Preparation`]: the secret half of the attempt under way |
//! | `privateKey` | OAuth 1.0a: the key pair that the operator made, PEM; survives the loss of a grant |
//!
//! All but the key are JSON. The Secret is made for the first attempt and goes with the connection.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    authorization_secret::State,
    grant::{EndedGrant, Grant, exposed_option},
    keeping::Claim,
};

/// Type of the Secret.
pub const SECRET_TYPE: &str = "issuetracking.dev/grant";

/// The grant in use.
pub const GRANT: &str = "grant";
/// A grant that is not proven yet.
pub const CANDIDATE: &str = "candidate";
/// Who is renewing.
pub const CLAIM: &str = "claim";
/// The mark of a grant that is over.
pub const ENDED: &str = "ended";
/// The secret half of an attempt.
pub const PREPARATION: &str = "preparation";
/// The private key that the operator made.
pub const PRIVATE_KEY: &str = "privateKey";

/// Name of the Secret of a connection.
#[must_use]
pub fn secret_name(connection: &str) -> String {
    format!("{connection}.jira-grant")
}

/// What only the operator may know of an attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preparation {
    /// The attempt that it belongs to.
    pub state: State,
    /// OAuth 2.0: where Jira was asked to send the person back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// OAuth 2.0: the code verifier (RFC 7636, 4.1).
    #[serde(default, with = "exposed_option", skip_serializing_if = "Option::is_none")]
    pub code_verifier: Option<SecretString>,
    /// OAuth 1.0a: the request token.
    #[serde(default, with = "exposed_option", skip_serializing_if = "Option::is_none")]
    pub request_token: Option<SecretString>,
}

/// A value that may be there, and may be no good.
#[derive(Clone, Debug, Default)]
pub enum Slot<T> {
    /// There is none.
    #[default]
    Absent,
    /// As the operator wrote it.
    Present(T),
    /// Somebody else has changed it.
    Unreadable,
}

impl<T> Slot<T> {
    /// The value, if it can be read.
    #[must_use]
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Unreadable => None,
        }
    }
}

/// The content of the Secret.
#[derive(Clone, Debug, Default)]
pub struct GrantSecret {
    /// The grant in use.
    pub grant: Slot<Grant>,
    /// A grant that is not proven yet.
    pub candidate: Slot<Grant>,
    /// Who is renewing. What cannot be read is nobody's word.
    pub claim: Option<Claim>,
    /// The mark of a grant that is over.
    pub ended: Option<EndedGrant>,
    /// The secret half of the attempt under way.
    pub preparation: Option<Preparation>,
    /// The private key that the operator made, PEM.
    pub private_key: Option<SecretString>,
}

impl GrantSecret {
    /// Reads the data of the Secret.
    #[must_use]
    pub fn read(data: &BTreeMap<String, ByteString>) -> Self {
        Self {
            grant: slot(data, GRANT),
            candidate: slot(data, CANDIDATE),
            claim: slot(data, CLAIM).present().cloned(),
            ended: slot(data, ENDED).present().cloned(),
            preparation: slot(data, PREPARATION).present().cloned(),
            private_key: data
                .get(PRIVATE_KEY)
                .and_then(|ByteString(bytes)| std::str::from_utf8(bytes).ok())
                .map(SecretString::from),
        }
    }
}

fn slot<T: DeserializeOwned>(data: &BTreeMap<String, ByteString>, key: &str) -> Slot<T> {
    match data.get(key) {
        None => Slot::Absent,
        Some(ByteString(bytes)) => serde_json::from_slice(bytes).map_or(Slot::Unreadable, Slot::Present),
    }
}

/// A value as it is stored.
///
/// # Panics
/// Never: the types of this Secret have no maps with other keys than text, and nothing that fails to serialise.
pub fn stored<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain structs of text, numbers and times serialise")
}

/// A private key as it is stored.
#[must_use]
pub fn stored_key(pem: &SecretString) -> Vec<u8> {
    pem.expose_secret().as_bytes().to_vec()
}
