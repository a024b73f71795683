//! What an admin of Data Center enters under *Application links*.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::oauth::SCOPES;
use super::signature::PublicKey;

/// An incoming link of an external application: a client of the OAuth 2.0 provider. It belongs to no account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IncomingLink {
    /// Client id; unique among the links of an instance.
    pub client_id: String,
    /// Client secret.
    pub secret: String,
    /// Name on the consent page. Absent: the client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Redirect URLs: absolute, without a fragment, at most 450 characters, https or http to this machine.
    pub redirect_urls: Vec<String>,
    /// The highest scope that it can get: `READ`, `WRITE`, `ADMIN` or `SYSTEM_ADMIN`.
    pub scope: String,
}

impl IncomingLink {
    /// Name for people.
    #[must_use]
    pub fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.client_id)
    }

    /// What Jira would not take.
    pub(super) fn problem(&self) -> Option<String> {
        if self.client_id.is_empty() || self.secret.is_empty() {
            return Some("an incoming link without client id or secret".to_owned());
        }
        if !SCOPES.contains(&self.scope.as_str()) {
            return Some(format!("{} is not a scope of an incoming link", self.scope));
        }
        if self.redirect_urls.is_empty() {
            return Some(format!("the incoming link {} has no redirect URL", self.client_id));
        }
        self.redirect_urls.iter().find_map(|url| callback_problem(url))
    }
}

/// A consumer of OAuth 1.0a: the incoming half of a link of type *Generic Application*, as an admin pastes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Consumer {
    /// Consumer key; unique among the consumers of an instance.
    pub key: String,
    /// Consumer name, shown on the page where people allow access.
    pub name: String,
    /// Public key: PEM of an RSA `SubjectPublicKeyInfo`.
    pub public_key: String,
    /// URL of the application, from the first screen of the form.
    #[serde(default)]
    pub url: String,
}

impl Consumer {
    /// What Jira would not take.
    pub(super) fn problem(&self) -> Option<String> {
        if self.key.is_empty() || self.name.is_empty() {
            return Some("a consumer without key or name".to_owned());
        }
        let error = PublicKey::read(&self.public_key).err()?;
        Some(format!("the public key of the consumer {}: {error}", self.key))
    }
}

/// Why a URL cannot be a callback.
pub(super) fn callback_problem(text: &str) -> Option<String> {
    let Ok(url) = Url::parse(text) else {
        return Some(format!("{text} is not an absolute URL"));
    };
    if text.len() > 450 || url.fragment().is_some() {
        return Some(format!("{text} has a fragment or more than 450 characters"));
    }
    match url.scheme() {
        "https" => None,
        "http" if is_here(&url) => None,
        _ => Some(format!("{text} is neither https nor http to this machine")),
    }
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}
