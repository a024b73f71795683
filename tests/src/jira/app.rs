//! Apps of Cloud's OAuth 2.0 (3LO), as the developer console has them.

use serde::{Deserialize, Serialize};

use super::Error;
use super::link::callback_problem;

/// A 3LO app. It belongs to no site: people consent to it for one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct App {
    /// Client id; unique in a simulator.
    pub client_id: String,
    /// Client secret.
    pub secret: String,
    /// Name on the consent page. Absent: the client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The one registered callback URL: https, or http to this machine; without a fragment.
    pub callback_url: String,
    /// Scopes enabled in the console; `offline_access` is always allowed and not listed.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What one consent covers.
    #[serde(default)]
    pub access: Access,
    /// How `accessible-resources` lists the sites of a grant.
    #[serde(default)]
    pub resources: Resources,
    /// What is said about a refresh token that is dead.
    #[serde(default)]
    pub dead_refresh_token: DeadRefreshToken,
    /// How long things live.
    #[serde(default)]
    pub lifetimes: Lifetimes,
}

/// The console's setting *Access type*.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// One site is picked. Sites of earlier grants that are still alive stay in, and are listed before it.
    #[default]
    Resource,
    /// All sites of the account; the picked one is listed last.
    Account,
}

/// How `accessible-resources` lists the sites of a grant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resources {
    /// Each site once.
    #[default]
    Once,
    /// Each site twice under the same id: first with scopes of another product, then with Jira's.
    Twice,
    /// None at all, though the token is good.
    Nothing,
}

/// What the token endpoint says about a refresh token that is expired, spent, revoked or unknown; always with 403.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeadRefreshToken {
    /// `invalid_grant`, "Unknown or invalid refresh token."
    #[default]
    InvalidGrant,
    /// `unauthorized_client`, "`refresh_token` is invalid".
    UnauthorizedClient,
}

/// Lifetimes of one app's grants, in seconds of the simulator's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Lifetimes {
    /// Of an authorization code. Atlassian documents none.
    pub code_seconds: u32,
    /// Of an access token. Absent: that of the simulator's options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_seconds: Option<u32>,
    /// How long a refresh token that was rotated can still be used.
    pub reuse_leeway_seconds: u32,
    /// Of a grant without a refresh.
    pub idle_seconds: u32,
    /// Of a grant from consent on, whatever the refreshes.
    pub absolute_seconds: u32,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            code_seconds: 300,
            access_token_seconds: None,
            reuse_leeway_seconds: 600,
            idle_seconds: 90 * 86_400,
            absolute_seconds: 365 * 86_400,
        }
    }
}

impl App {
    /// Name for people.
    #[must_use]
    pub fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.client_id)
    }

    /// Refuses what the console would not take.
    pub(super) fn validate(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::App { client_id: self.client_id.clone(), reason });
        if self.client_id.is_empty() || self.client_id.contains('/') || self.secret.is_empty() {
            return refuse("client id or secret is empty, or the id contains a slash".to_owned());
        }
        if let Some(problem) = callback_problem(&self.callback_url) {
            return refuse(problem);
        }
        if self.scopes.iter().any(|scope| scope.is_empty() || scope.contains(' ') || scope == "offline_access") {
            return refuse("a scope is empty, has a space, or is offline_access, which is not ticked here".to_owned());
        }
        Ok(())
    }
}
