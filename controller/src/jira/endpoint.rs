//! The addresses that the operator asks.

/// An address of Jira or of Atlassian that the operator asks. Few and fixed, so it can be a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// What a Jira says about itself, to anybody.
    ServerInfo,
    /// The cloud id of a site, for anybody. Cloud only.
    TenantInfo,
    /// Atlassian's token endpoint, on `auth.atlassian.com`.
    CloudToken,
    /// Data Center's token endpoint.
    DataCenterToken,
    /// Where Data Center takes tokens back (RFC 7009).
    DataCenterRevoke,
    /// Data Center's temporary credentials of OAuth 1.0a (RFC 5849, 2.1).
    RequestToken,
    /// Data Center's token credentials of OAuth 1.0a (RFC 5849, 2.3), first ones and later ones.
    OAuth1AccessToken,
    /// The Cloud sites that a token is good for, on `api.atlassian.com`.
    AccessibleResources,
    /// The caller's personal access tokens. Data Center only.
    PersonalAccessTokens,
    /// Who is asking.
    Myself,
    /// One project.
    Project,
    /// Several projects by key. Cloud only.
    ProjectSearch,
    /// The caller's permissions, at most in one project.
    MyPermissions,
    /// The caller's permissions in up to 1000 projects. Cloud only.
    PermissionsCheck,
    /// The issue security scheme of a project, for its administrators.
    IssueSecurityLevelScheme,
    /// The issue security levels that the caller may set in a project.
    SecurityLevel,
}

/// What an endpoint is for, which decides how its refusals are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Asked without a credential, to find out what is there.
    Discovery,
    /// Asked for a token.
    Token,
    /// Asked for a token, by a signed request of OAuth 1.0a; answers are forms, not JSON.
    SignedToken,
    /// Asked with a credential.
    Rest,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 16] = [
        Self::ServerInfo,
        Self::TenantInfo,
        Self::CloudToken,
        Self::DataCenterToken,
        Self::DataCenterRevoke,
        Self::RequestToken,
        Self::OAuth1AccessToken,
        Self::AccessibleResources,
        Self::PersonalAccessTokens,
        Self::Myself,
        Self::Project,
        Self::ProjectSearch,
        Self::MyPermissions,
        Self::PermissionsCheck,
        Self::IssueSecurityLevelScheme,
        Self::SecurityLevel,
    ];

    /// The path below the base URL, with `{version}` (2 on Data Center, 3 on Cloud) and `{key}` (a project's) where they
    /// vary. A Cloud gateway's base URL ends in `/ex/jira/{cloudId}`.
    #[must_use]
    pub fn template(self) -> &'static str {
        match self {
            Self::ServerInfo => "/rest/api/2/serverInfo",
            Self::TenantInfo => "/_edge/tenant_info",
            Self::CloudToken => "/oauth/token",
            Self::DataCenterToken => "/rest/oauth2/latest/token",
            Self::DataCenterRevoke => "/rest/oauth2/latest/revoke",
            Self::RequestToken => "/plugins/servlet/oauth/request-token",
            Self::OAuth1AccessToken => "/plugins/servlet/oauth/access-token",
            Self::AccessibleResources => "/oauth/token/accessible-resources",
            Self::PersonalAccessTokens => "/rest/pat/latest/tokens",
            Self::Myself => "/rest/api/{version}/myself",
            Self::Project => "/rest/api/{version}/project/{key}",
            Self::ProjectSearch => "/rest/api/{version}/project/search",
            Self::MyPermissions => "/rest/api/{version}/mypermissions",
            Self::PermissionsCheck => "/rest/api/{version}/permissions/check",
            Self::IssueSecurityLevelScheme => "/rest/api/{version}/project/{key}/issuesecuritylevelscheme",
            Self::SecurityLevel => "/rest/api/{version}/project/{key}/securitylevel",
        }
    }

    pub(super) fn purpose(self) -> Purpose {
        match self {
            Self::ServerInfo | Self::TenantInfo => Purpose::Discovery,
            Self::CloudToken | Self::DataCenterToken | Self::DataCenterRevoke => Purpose::Token,
            Self::RequestToken | Self::OAuth1AccessToken => Purpose::SignedToken,
            Self::AccessibleResources
            | Self::PersonalAccessTokens
            | Self::Myself
            | Self::Project
            | Self::ProjectSearch
            | Self::MyPermissions
            | Self::PermissionsCheck
            | Self::IssueSecurityLevelScheme
            | Self::SecurityLevel => Purpose::Rest,
        }
    }
}
