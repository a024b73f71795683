//! The secrets of one connection, in memory: values of the Secrets in use, and the access token.
//!
//! Nothing here is listed, cached for anybody else or printed. It is read when a check needs it and dropped with the
//! connection.

use std::{fmt, sync::Arc};

use crds::connection::status::{ActiveCredential, Observed};
use litemap::LiteMap;
use secrecy::{ExposeSecret, SecretString};

use super::material::Referent;
use crate::{
    auth::key_pair::KeyPair,
    jira::{Authorization, ClientCredentials, Jira, Signer},
};

/// Values of the referenced objects, by object and key.
pub type Values = LiteMap<(Referent, String), SecretString>;

/// What proves to Jira who is asking.
#[derive(Clone)]
pub enum Credential {
    /// A personal access token.
    Bearer(SecretString),
    /// An e-mail address and an API token.
    Basic {
        /// E-mail address of the account.
        user: String,
        /// The token.
        token: SecretString,
    },
    /// An OAuth 2.0 client that gets access tokens for itself.
    Client {
        /// Client id.
        id: String,
        /// Client secret.
        secret: SecretString,
        /// Scopes to ask for.
        scopes: Vec<String>,
    },
    /// An OAuth 1.0a consumer.
    Consumer {
        /// Consumer key.
        key: String,
        /// Its key pair. `None` until the operator has made one.
        pair: Option<Arc<KeyPair>>,
    },
}

/// The secrets of one connection, and its way to Jira.
pub struct Wallet {
    /// Versions of the objects that the values came from.
    pub observed: Vec<Observed>,
    /// The values in use.
    pub values: Values,
    /// The credential made of them.
    pub primary: Credential,
    /// The one that shall replace it.
    pub candidate: Option<Credential>,
    /// Which of the two is in use.
    pub active: ActiveCredential,
    /// The way to Jira made of them.
    pub jira: Jira,
    /// The access token that the credential got.
    pub access: Option<SecretString>,
}

impl Wallet {
    /// Whether `values` are the ones in use.
    #[must_use]
    pub fn holds(&self, values: &Values) -> bool {
        self.values.len() == values.len()
            && self
                .values
                .iter()
                .zip(values.iter())
                .all(|((mine, held), (theirs, read))| mine == theirs && held.expose_secret() == read.expose_secret())
    }

    /// The credential in use.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        match (self.active, &self.candidate) {
            (ActiveCredential::Candidate, Some(candidate)) => candidate,
            (ActiveCredential::Candidate, None) | (ActiveCredential::Primary, _) => &self.primary,
        }
    }

    /// What a request carries. `None` where an access token has to be asked for first.
    #[must_use]
    pub fn authorization(&self) -> Option<Authorization> {
        match self.credential() {
            Credential::Bearer(token) => Some(Authorization::Bearer(token.clone())),
            Credential::Basic { user, token } => {
                Some(Authorization::Basic { user: user.clone(), token: token.clone() })
            }
            Credential::Client { .. } => self.access.clone().map(Authorization::Bearer),
            Credential::Consumer { .. } => self.signer(Some(self.access.clone()?)).map(Authorization::Signed),
        }
    }

    /// Id and secret of the OAuth 2.0 client.
    #[must_use]
    pub fn client(&self) -> Option<ClientCredentials<'_>> {
        match self.credential() {
            Credential::Client { id, secret, .. } => Some(ClientCredentials { id, secret }),
            Credential::Bearer(_) | Credential::Basic { .. } | Credential::Consumer { .. } => None,
        }
    }

    /// Client id or consumer key: to whom a grant is given.
    #[must_use]
    pub fn client_id(&self) -> Option<String> {
        match self.credential() {
            Credential::Client { id, .. } => Some(id.clone()),
            Credential::Consumer { key, .. } => Some(key.clone()),
            Credential::Bearer(_) | Credential::Basic { .. } => None,
        }
    }

    /// What signs requests of the OAuth 1.0a consumer, with a token or without one.
    #[must_use]
    pub fn signer(&self, token: Option<SecretString>) -> Option<Signer> {
        match self.credential() {
            Credential::Consumer { key, pair: Some(pair) } => {
                Some(Signer { consumer_key: key.clone(), key: Arc::clone(pair), token })
            }
            Credential::Consumer { pair: None, .. }
            | Credential::Bearer(_)
            | Credential::Basic { .. }
            | Credential::Client { .. } => None,
        }
    }

    /// Public key of the OAuth 1.0a consumer, PEM.
    #[must_use]
    pub fn public_key(&self) -> Option<String> {
        match self.credential() {
            Credential::Consumer { pair, .. } => pair.as_ref().map(|pair| pair.public_pem().to_owned()),
            Credential::Bearer(_) | Credential::Basic { .. } | Credential::Client { .. } => None,
        }
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wallet").field("observed", &self.observed).finish_non_exhaustive()
    }
}
