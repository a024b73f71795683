//! Behaviour of Jira that is not certain, or that an admin chooses.

use serde::{Deserialize, Serialize};

/// Choices of one instance. Each default is what is most likely, or most unpleasant for a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Switches {
    /// Both: answer to `issuesecuritylevelscheme` of a project without a scheme.
    pub missing_scheme: MissingScheme,
    /// Both: what somebody who is no admin gets for an archived project.
    pub archived_project: ArchivedProject,
    /// Cloud: `project/search` without a match.
    pub unmatched_search: UnmatchedSearch,
    /// Cloud: permissions in `permissions/check` that hold nowhere.
    pub checked_absence: CheckedAbsence,
    /// Cloud: a classic API token sent to the gateway.
    pub classic_token_at_gateway: ClassicTokenAtGateway,
    /// Cloud: `serverInfo` of the site asked with wrong credentials.
    pub wrong_credentials_at_server_info: WrongCredentialsAtServerInfo,
    /// Data Center: a bearer that is unknown, expired or of a deactivated user.
    pub refused_bearer: RefusedBearer,
    /// Data Center: `mypermissions` without credentials.
    pub anonymous_permissions: Probe,
    /// Data Center: which keys `mypermissions` shows.
    pub permission_generation: PermissionGeneration,
    /// Data Center: the application links manifest.
    pub manifest: Probe,
    /// Data Center: class names in the manifest's `inboundAuthenticationTypes` and `outboundAuthenticationTypes`.
    pub authentication_types: Vec<String>,
    /// Data Center: `typeId` of the manifest.
    pub manifest_type: String,
    /// Data Center: the OAuth metadata document.
    pub oauth_metadata: Probe,
    /// Data Center: whether Jira sees requests as secure.
    pub request_seen_as: RequestSeenAs,
    /// Data Center: whether application links are there: the manifest, and OAuth 1.0a.
    pub application_links: ApplicationLinks,
    /// Data Center: whether a refresh must repeat the redirect URL.
    pub refresh_redirect_uri: RefreshRedirectUri,
    /// Data Center: status of a REST call whose signature or token of OAuth 1.0a is refused.
    pub signed_call_refusal: SignedCallRefusal,
    /// Data Center: what is said about a revoked access token of OAuth 1.0a.
    pub revoked_token: RevokedToken,
    /// Data Center: whether the provider knows the client credentials grant.
    pub client_credentials_grant: ClientCredentialsGrant,
    /// Data Center: status of `invalid_client`.
    pub invalid_client_status: u16,
    /// Data Center: status of a call that the token's scope does not cover.
    pub scope_refusal_status: u16,
    /// Data Center: `myself` of a service account.
    pub service_account_myself: ServiceAccountMyself,
    /// Data Center: whether user and password are accepted.
    pub basic_authentication: BasicAuthentication,
    /// Data Center: status where basic authentication is switched off.
    pub basic_refusal_status: u16,
    /// Data Center: status of a request refused because of a CAPTCHA.
    pub captcha_status: u16,
    /// Data Center: status of REST resources that exist on Cloud only.
    pub absent_resource_status: u16,
    /// Data Center: what the gateway in front answers without its headers.
    pub gateway_refusal: GatewayRefusal,
    /// Data Center: whether writes that look like a browser's are refused.
    pub xsrf_check: XsrfCheck,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            missing_scheme: MissingScheme::default(),
            archived_project: ArchivedProject::default(),
            unmatched_search: UnmatchedSearch::default(),
            checked_absence: CheckedAbsence::default(),
            classic_token_at_gateway: ClassicTokenAtGateway::default(),
            wrong_credentials_at_server_info: WrongCredentialsAtServerInfo::default(),
            refused_bearer: RefusedBearer::default(),
            anonymous_permissions: Probe::default(),
            permission_generation: PermissionGeneration::default(),
            manifest: Probe::default(),
            authentication_types: vec![
                "com.atlassian.applinks.api.auth.types.OAuthAuthenticationProvider".to_owned(),
                "com.atlassian.applinks.api.auth.types.TwoLeggedOAuthAuthenticationProvider".to_owned(),
            ],
            manifest_type: "jira".to_owned(),
            oauth_metadata: Probe::default(),
            request_seen_as: RequestSeenAs::default(),
            application_links: ApplicationLinks::default(),
            refresh_redirect_uri: RefreshRedirectUri::default(),
            signed_call_refusal: SignedCallRefusal::default(),
            revoked_token: RevokedToken::default(),
            client_credentials_grant: ClientCredentialsGrant::default(),
            invalid_client_status: 401,
            scope_refusal_status: 403,
            service_account_myself: ServiceAccountMyself::default(),
            basic_authentication: BasicAuthentication::default(),
            basic_refusal_status: 401,
            captcha_status: 403,
            absent_resource_status: 404,
            gateway_refusal: GatewayRefusal::default(),
            xsrf_check: XsrfCheck::default(),
        }
    }
}

/// A resource that may answer anonymously, or be hidden.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// It answers.
    #[default]
    Answered,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
}

/// Answer where a project has no issue security scheme.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MissingScheme {
    /// 200 with `{}`.
    #[default]
    EmptyObject,
    /// 404.
    NotFound,
}

/// What somebody who is no admin gets for an archived project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArchivedProject {
    /// The project, marked as archived.
    #[default]
    Shown,
    /// 404.
    NotFound,
}

/// A project search without a match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnmatchedSearch {
    /// An empty page.
    #[default]
    EmptyPage,
    /// 404.
    NotFound,
}

/// Permissions of a bulk check that hold nowhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckedAbsence {
    /// Listed with empty lists.
    #[default]
    Listed,
    /// Left out.
    LeftOut,
}

/// A classic API token at the gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClassicTokenAtGateway {
    /// 401.
    #[default]
    Refused,
    /// Works as at the site.
    Accepted,
}

/// `serverInfo` of a Cloud site asked with wrong credentials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WrongCredentialsAtServerInfo {
    /// 401.
    #[default]
    Unauthorized,
    /// Answered as anonymous.
    Anonymous,
}

/// A bearer that Data Center does not accept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusedBearer {
    /// 401.
    #[default]
    Unauthorized,
    /// The request runs as anonymous.
    Anonymous,
}

/// Keys in Data Center's `mypermissions`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PermissionGeneration {
    /// Both generations from 7.0 on, legacy keys only before.
    #[default]
    ByVersion,
    /// Both.
    Both,
    /// Legacy keys only, without marks.
    LegacyOnly,
    /// New keys only.
    NewOnly,
}

/// Whether Jira sees requests as secure (`isSecure()` of the servlet request).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestSeenAs {
    /// As the listener speaks.
    #[default]
    Received,
    /// Never: a proxy ends TLS and the connector was not told.
    Insecure,
}

/// Application links of Data Center.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApplicationLinks {
    /// They are there.
    #[default]
    Available,
    /// 404 for the manifest and for everything of OAuth 1.0a; signed calls run as anonymous.
    Unavailable,
}

/// The redirect URL in a refresh on Data Center. One that is given must always be right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefreshRedirectUri {
    /// `invalid_grant` without it.
    #[default]
    Demanded,
    /// It may be left out.
    Optional,
}

/// A refused REST call of OAuth 1.0a.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignedCallRefusal {
    /// The status that goes with the problem.
    #[default]
    Mapped,
    /// Always 401.
    Unauthorized,
}

/// A revoked access token of OAuth 1.0a.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RevokedToken {
    /// `token_rejected`, as if it had never been.
    #[default]
    Rejected,
    /// `token_revoked`.
    Revoked,
}

/// The client credentials grant on Data Center.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientCredentialsGrant {
    /// For service accounts.
    #[default]
    ServiceAccounts,
    /// Unknown to this version.
    Unsupported,
}

/// What `myself` says to a service account of Data Center, which is no user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceAccountMyself {
    /// The account, as if it were a user.
    #[default]
    Shown,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
}

/// User and password on Data Center.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BasicAuthentication {
    /// On before 11.0, off from there on.
    #[default]
    ByVersion,
    /// On.
    On,
    /// Off.
    Off,
}

/// Answer of the gateway in front of Data Center when its headers are missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum GatewayRefusal {
    /// 302 to its login page.
    #[default]
    Redirect,
    /// 403 with HTML.
    Forbidden,
}

/// Cross-site checks of Data Center.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum XsrfCheck {
    /// Writes with a browser's `User-Agent` or with `Origin`, without `X-Atlassian-Token: no-check`.
    #[default]
    Browsers,
    /// None.
    Never,
}
