//! The reasons of `Ready`, and the row of the state table that each stands in.

/// Why a connection is as it is. The `reason` of the conditions; part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Everything holds.
    ConnectionVerified,
    /// No answer yet.
    Progressing,
    /// Nobody has authorised the connection yet.
    AuthorizationRequired,
    /// A Secret or ConfigMap, or a key of one, is not there.
    SecretNotFound,
    /// The content of a Secret or ConfigMap cannot be used.
    SecretInvalid,
    /// Jira does not accept the credential.
    CredentialsRejected,
    /// The credential now belongs to another account.
    AccountChanged,
    /// The grant is gone.
    GrantRevoked,
    /// The time of the grant is over.
    GrantExpired,
    /// The token endpoint refuses the client's id or secret.
    ClientSecretRejected,
    /// Jira demands a login in the browser (CAPTCHA), or has locked the account.
    AccountLocked,
    /// The token lacks a scope.
    ScopeMissing,
    /// A required permission is missing.
    PermissionsMissing,
    /// Jira does not answer.
    Unreachable,
    /// Something in front of Jira answers in its place.
    BlockedByProxy,
    /// What answers is no Jira.
    NotJira,
    /// The TLS handshake fails.
    TlsFailed,
    /// The clocks of the operator and of Jira differ too much.
    ClockSkew,
    /// Jira's OAuth endpoints think that they are not reached by https.
    InsecureTransport,
    /// Another site answers than the one asked for.
    WrongSite,
    /// Jira, or the budget for its host, asks to wait.
    RateLimited,
    /// Jira is operated otherwise than declared.
    DeploymentMismatch,
    /// This Jira does not offer the way to authenticate.
    AuthMethodUnsupported,
    /// This Jira does not offer application links.
    ApplicationLinksUnavailable,
    /// The operator may not contact the host.
    HostNotAllowed,
    /// A Secret is not released for this host.
    SecretNotReleased,
    /// A Secret that the operator must own belongs to somebody else.
    SecretConflict,
    /// Checks are switched off.
    Suspended,
}

/// A row of the state table: what follows from a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// Proven.
    Proven,
    /// The first answer is still awaited.
    Pending,
    /// Never authorised: waiting for a person, however long that takes.
    Awaiting,
    /// Waiting for a Secret or ConfigMap; stalled after two minutes.
    Unresolved,
    /// The identity is not proven; nothing is sent again by itself.
    Refused,
    /// The identity is proven, and something that is required is missing.
    Lacking,
    /// Out of reach; forgiven within the grace period, tried again soon.
    Outage,
    /// Does not fit together; only a change helps, asked again at the usual interval.
    Misfit,
    /// Has to wait.
    Limited,
    /// Switched off.
    Suspended,
}

// A new reason goes before the last one, and into `ALL`.
const _: () = assert!(Reason::ALL.len() == Reason::Suspended as usize + 1, "`Reason::ALL` lacks a reason");

impl Reason {
    /// Every reason, in the order of the reference.
    pub const ALL: [Self; 28] = [
        Self::ConnectionVerified,
        Self::Progressing,
        Self::AuthorizationRequired,
        Self::SecretNotFound,
        Self::SecretInvalid,
        Self::CredentialsRejected,
        Self::AccountChanged,
        Self::GrantRevoked,
        Self::GrantExpired,
        Self::ClientSecretRejected,
        Self::AccountLocked,
        Self::ScopeMissing,
        Self::PermissionsMissing,
        Self::Unreachable,
        Self::BlockedByProxy,
        Self::NotJira,
        Self::TlsFailed,
        Self::ClockSkew,
        Self::InsecureTransport,
        Self::WrongSite,
        Self::RateLimited,
        Self::DeploymentMismatch,
        Self::AuthMethodUnsupported,
        Self::ApplicationLinksUnavailable,
        Self::HostNotAllowed,
        Self::SecretNotReleased,
        Self::SecretConflict,
        Self::Suspended,
    ];

    /// As it stands in the conditions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionVerified => "ConnectionVerified",
            Self::Progressing => "Progressing",
            Self::AuthorizationRequired => "AuthorizationRequired",
            Self::SecretNotFound => "SecretNotFound",
            Self::SecretInvalid => "SecretInvalid",
            Self::CredentialsRejected => "CredentialsRejected",
            Self::AccountChanged => "AccountChanged",
            Self::GrantRevoked => "GrantRevoked",
            Self::GrantExpired => "GrantExpired",
            Self::ClientSecretRejected => "ClientSecretRejected",
            Self::AccountLocked => "AccountLocked",
            Self::ScopeMissing => "ScopeMissing",
            Self::PermissionsMissing => "PermissionsMissing",
            Self::Unreachable => "Unreachable",
            Self::BlockedByProxy => "BlockedByProxy",
            Self::NotJira => "NotJira",
            Self::TlsFailed => "TLSFailed",
            Self::ClockSkew => "ClockSkew",
            Self::InsecureTransport => "InsecureTransport",
            Self::WrongSite => "WrongSite",
            Self::RateLimited => "RateLimited",
            Self::DeploymentMismatch => "DeploymentMismatch",
            Self::AuthMethodUnsupported => "AuthMethodUnsupported",
            Self::ApplicationLinksUnavailable => "ApplicationLinksUnavailable",
            Self::HostNotAllowed => "HostNotAllowed",
            Self::SecretNotReleased => "SecretNotReleased",
            Self::SecretConflict => "SecretConflict",
            Self::Suspended => "Suspended",
        }
    }

    /// The row that it stands in.
    #[must_use]
    pub const fn row(self) -> Row {
        match self {
            Self::ConnectionVerified => Row::Proven,
            Self::Progressing => Row::Pending,
            Self::AuthorizationRequired => Row::Awaiting,
            Self::SecretNotFound | Self::SecretInvalid => Row::Unresolved,
            Self::CredentialsRejected
            | Self::AccountChanged
            | Self::GrantRevoked
            | Self::GrantExpired
            | Self::ClientSecretRejected
            | Self::AccountLocked => Row::Refused,
            Self::ScopeMissing | Self::PermissionsMissing => Row::Lacking,
            Self::Unreachable | Self::BlockedByProxy | Self::NotJira => Row::Outage,
            Self::TlsFailed
            | Self::ClockSkew
            | Self::InsecureTransport
            | Self::WrongSite
            | Self::DeploymentMismatch
            | Self::AuthMethodUnsupported
            | Self::ApplicationLinksUnavailable
            | Self::HostNotAllowed
            | Self::SecretNotReleased
            | Self::SecretConflict => Row::Misfit,
            Self::RateLimited => Row::Limited,
            Self::Suspended => Row::Suspended,
        }
    }
}
