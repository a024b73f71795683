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
    /// Asked with a credential.
    Rest,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 11] = [
        Self::ServerInfo,
        Self::TenantInfo,
        Self::CloudToken,
        Self::DataCenterToken,
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
            Self::CloudToken | Self::DataCenterToken => Purpose::Token,
            Self::Myself
            | Self::Project
            | Self::ProjectSearch
            | Self::MyPermissions
            | Self::PermissionsCheck
            | Self::IssueSecurityLevelScheme
            | Self::SecurityLevel => Purpose::Rest,
        }
    }
}
