//! What is known of a connection's grant, and of the attempt to get a new one. No secrets.

use crds::{connection::auth::Method, connection::status::AuthorizationMethod};
use k8s_openapi::jiff::Timestamp;

use crate::auth::{
    authorization_secret::{ApplicationLink, AuthorizationSecret, Hash},
    grant::{EndedGrant, Grant, GrantSite},
    grant_secret::{GrantSecret, Slot},
};

/// Whether a method needs a person, and which protocol it speaks then.
#[must_use]
pub const fn protocol(method: Method<'_>) -> Option<AuthorizationMethod> {
    match method {
        Method::OAuth2AuthorizationCode(_) => Some(AuthorizationMethod::OAuth2),
        Method::OAuth1(_) => Some(AuthorizationMethod::OAuth1),
        Method::OAuth2ClientCredentials(_) | Method::PersonalAccessToken(_) | Method::ApiToken(_) => None,
    }
}

/// What both owned Secrets say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// How the grant stands.
    pub grant: GrantStanding,
    /// How far the attempt to get a new one has come.
    pub attempt: AttemptStanding,
    /// What the authorization Secret tells a person. `None` while there is no such Secret.
    pub published: Option<Published>,
    /// OAuth 1.0a: the public key in use, PEM.
    pub public_key: Option<String>,
}

/// How a grant stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantStanding {
    /// Nobody has ever given one.
    None,
    /// It is there.
    Held(HeldGrant),
    /// It is over.
    Ended(EndedGrant),
    /// Somebody has changed what the operator wrote.
    Unreadable,
}

/// A grant without its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldGrant {
    /// The only place where it may be sent.
    pub site: GrantSite,
    /// Client id or consumer key that it was given to.
    pub client: String,
    /// Id of the account that gave it.
    pub account: Option<String>,
    /// When the person consented.
    pub consented_at: Timestamp,
    /// How often it was renewed.
    pub renewals: u64,
    /// When the token that goes with each request ends.
    pub token_ends_at: Timestamp,
    /// When that token was given.
    pub token_given_at: Timestamp,
    /// Whether it can be renewed without a person.
    pub renewable: bool,
    /// The end that no renewal moves.
    pub final_end: Option<Timestamp>,
    /// When it ends if nobody renews it any more.
    pub idle_end: Option<Timestamp>,
}

/// How far an attempt has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptStanding {
    /// Nobody wants to authorise.
    None,
    /// A person has asked for one.
    Asked(Hash),
    /// A person is at Jira.
    Open {
        /// When it is over.
        deadline: Timestamp,
    },
    /// The person has come back with an answer.
    Answered,
    /// A grant was given, and is to be proven.
    Given,
    /// A person wants the grant ended.
    SignOff,
}

/// What the authorization Secret tells a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Address of the page.
    pub page: Option<String>,
    /// The last wish that a person authorises again.
    pub authorize_at: Option<String>,
    /// OAuth 1.0a: what to paste into Jira.
    pub link: Option<ApplicationLink>,
}

/// Why the owned Secrets cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeFault {
    /// Somebody else's Secret has the name.
    Foreign {
        /// The name.
        secret: String,
    },
    /// The Secret of a former connection of the same name is still there.
    Former {
        /// The name.
        secret: String,
    },
}

/// A step of the handshake: something to do first, so that there is more to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Make a key pair.
    KeyPair,
    /// Begin the attempt that a person asked for.
    Begin,
    /// Turn the person's answer into a grant.
    Exchange,
    /// Prove a grant that was given, and put it in use.
    Prove,
    /// End an attempt that nobody came back from.
    Lapse,
    /// End the grant.
    SignOff,
}

impl Handshake {
    /// What the two Secrets say; an absent one says nothing.
    #[must_use]
    pub fn read(authorization: Option<&AuthorizationSecret>, grant: &GrantSecret, public_key: Option<String>) -> Self {
        let published = authorization.map(|secret| Published {
            page: secret.page.clone(),
            authorize_at: secret.authorize_at.clone(),
            link: secret.link.clone(),
        });
        Self { grant: standing(grant), attempt: attempt(authorization, grant), published, public_key }
    }

    /// The grant, if there is one.
    #[must_use]
    pub const fn held(&self) -> Option<&HeldGrant> {
        match &self.grant {
            GrantStanding::Held(grant) => Some(grant),
            GrantStanding::None | GrantStanding::Ended(_) | GrantStanding::Unreadable => None,
        }
    }

    /// What there is to do about the attempt at `now`.
    #[must_use]
    pub fn step(&self, now: Timestamp) -> Option<Step> {
        match &self.attempt {
            AttemptStanding::None => None,
            AttemptStanding::Asked(_) => Some(Step::Begin),
            AttemptStanding::Open { deadline } => (*deadline <= now).then_some(Step::Lapse),
            AttemptStanding::Answered => Some(Step::Exchange),
            AttemptStanding::Given => Some(Step::Prove),
            AttemptStanding::SignOff => Some(Step::SignOff),
        }
    }
}

fn standing(secret: &GrantSecret) -> GrantStanding {
    match (&secret.grant, &secret.ended) {
        (Slot::Present(grant), _) => GrantStanding::Held(HeldGrant::from(grant)),
        (Slot::Unreadable, _) => GrantStanding::Unreadable,
        (Slot::Absent, Some(ended)) => GrantStanding::Ended(ended.clone()),
        (Slot::Absent, None) => GrantStanding::None,
    }
}

fn attempt(authorization: Option<&AuthorizationSecret>, grant: &GrantSecret) -> AttemptStanding {
    let Some(authorization) = authorization else {
        return AttemptStanding::None;
    };
    if authorization.revoke.is_some() {
        return AttemptStanding::SignOff;
    }
    // What was given is not lost to a new key: it is proven first.
    if !matches!(grant.candidate, Slot::Absent) {
        return AttemptStanding::Given;
    }
    let Some(asked) = &authorization.key_hash else {
        return AttemptStanding::None;
    };
    match authorization.attempt.as_ref().filter(|attempt| attempt.key_hash == *asked) {
        Some(_) if authorization.answer.is_some() || authorization.verification_code.is_some() => {
            AttemptStanding::Answered
        }
        Some(attempt) => AttemptStanding::Open { deadline: attempt.deadline },
        None => AttemptStanding::Asked(asked.clone()),
    }
}

impl From<&Grant> for HeldGrant {
    fn from(grant: &Grant) -> Self {
        Self {
            site: grant.site.clone(),
            client: grant.client.clone(),
            account: grant.account.clone(),
            consented_at: grant.consented_at,
            renewals: grant.renewals,
            token_ends_at: grant.token_ends_at(),
            token_given_at: grant.renewed_at,
            renewable: grant.is_renewable(),
            final_end: grant.final_end(),
            idle_end: grant.idle_end(),
        }
    }
}
