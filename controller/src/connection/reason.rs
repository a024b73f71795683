//! The reasons of `Ready`, and the row of the state table that each stands in.

/// Why a connection is as it is. The `reason` of the conditions; part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Everything holds.
    ConnectionVerified,
    /// No answer yet.
    Progressing,
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
    /// The operator may not contact the host.
    HostNotAllowed,
    /// A Secret is not released for this host.
    SecretNotReleased,
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

impl Reason {
    /// Every reason, in the order of the reference.
    pub const ALL: [Self; 23] = [
        Self::ConnectionVerified,
        Self::Progressing,
        Self::SecretNotFound,
        Self::SecretInvalid,
        Self::CredentialsRejected,
        Self::AccountChanged,
        Self::GrantRevoked,
        Self::ClientSecretRejected,
        Self::AccountLocked,
        Self::ScopeMissing,
        Self::PermissionsMissing,
        Self::Unreachable,
        Self::BlockedByProxy,
        Self::NotJira,
        Self::TlsFailed,
        Self::InsecureTransport,
        Self::WrongSite,
        Self::RateLimited,
        Self::DeploymentMismatch,
        Self::AuthMethodUnsupported,
        Self::HostNotAllowed,
        Self::SecretNotReleased,
        Self::Suspended,
    ];

    /// As it stands in the conditions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionVerified => "ConnectionVerified",
            Self::Progressing => "Progressing",
            Self::SecretNotFound => "SecretNotFound",
            Self::SecretInvalid => "SecretInvalid",
            Self::CredentialsRejected => "CredentialsRejected",
            Self::AccountChanged => "AccountChanged",
            Self::GrantRevoked => "GrantRevoked",
            Self::ClientSecretRejected => "ClientSecretRejected",
            Self::AccountLocked => "AccountLocked",
            Self::ScopeMissing => "ScopeMissing",
            Self::PermissionsMissing => "PermissionsMissing",
            Self::Unreachable => "Unreachable",
            Self::BlockedByProxy => "BlockedByProxy",
            Self::NotJira => "NotJira",
            Self::TlsFailed => "TLSFailed",
            Self::InsecureTransport => "InsecureTransport",
            Self::WrongSite => "WrongSite",
            Self::RateLimited => "RateLimited",
            Self::DeploymentMismatch => "DeploymentMismatch",
            Self::AuthMethodUnsupported => "AuthMethodUnsupported",
            Self::HostNotAllowed => "HostNotAllowed",
            Self::SecretNotReleased => "SecretNotReleased",
            Self::Suspended => "Suspended",
        }
    }

    /// The row that it stands in.
    #[must_use]
    pub const fn row(self) -> Row {
        match self {
            Self::ConnectionVerified => Row::Proven,
            Self::Progressing => Row::Pending,
            Self::SecretNotFound | Self::SecretInvalid => Row::Unresolved,
            Self::CredentialsRejected
            | Self::AccountChanged
            | Self::GrantRevoked
            | Self::ClientSecretRejected
            | Self::AccountLocked => Row::Refused,
            Self::ScopeMissing | Self::PermissionsMissing => Row::Lacking,
            Self::Unreachable | Self::BlockedByProxy | Self::NotJira => Row::Outage,
            Self::TlsFailed
            | Self::InsecureTransport
            | Self::WrongSite
            | Self::DeploymentMismatch
            | Self::AuthMethodUnsupported
            | Self::HostNotAllowed
            | Self::SecretNotReleased => Row::Misfit,
            Self::RateLimited => Row::Limited,
            Self::Suspended => Row::Suspended,
        }
    }
}
