//! What one simulated Jira is: its deployment, accounts, credentials, projects and grants.
//!
//! All types are plain data in camel case, so that a world can be written as YAML or sent as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Error;
pub use super::app::{Access, App, DeadRefreshToken, Lifetimes, Resources};
pub use super::link::{Consumer, IncomingLink};
use super::permission;
pub use super::switches::{
    ApplicationLinks, ArchivedProject, BasicAuthentication, CheckedAbsence, ClassicTokenAtGateway,
    ClientCredentialsGrant, GatewayRefusal, MissingScheme, PermissionGeneration, Probe, RefreshRedirectUri,
    RefusedBearer, RequestSeenAs, RevokedToken, ServiceAccountMyself, SignedCallRefusal, Switches, UnmatchedSearch,
    WrongCredentialsAtServerInfo, XsrfCheck,
};

/// Account id under which grants to callers without credentials are written in [`Project::grants`].
pub const ANONYMOUS: &str = "anonymous";

/// One Jira: a Cloud site or a Data Center installation, on a listener of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Instance {
    /// Name by which tests and the control endpoint address it. Unique, and neither `auth` nor `api`.
    pub name: String,
    /// Cloud or Data Center.
    pub deployment: Deployment,
    /// How its listener speaks. Absent: https with a certificate of the simulator's own authority on a free port.
    #[serde(default)]
    pub transport: Transport,
    /// Users and apps.
    #[serde(default)]
    pub accounts: Vec<Account>,
    /// Projects.
    #[serde(default)]
    pub projects: Vec<Project>,
    /// Rate limit of each account. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Behaviour that is not certain in the real product, or that its admins can choose.
    #[serde(default)]
    pub switches: Switches,
}

/// The product line of an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Deployment {
    /// A Jira Cloud site, also reachable through the API gateway.
    Cloud(CloudSite),
    /// Jira Data Center, or the old Server.
    DataCenter(DataCenter),
}

/// A Cloud site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloudSite {
    /// Id in the gateway's paths; unique in a simulator.
    pub cloud_id: String,
    /// `serverTitle` of `serverInfo`.
    #[serde(default = "default_title")]
    pub title: String,
    /// `baseUrl` of `serverInfo`. Absent: the listener's own URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

/// A Data Center installation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataCenter {
    /// Version such as `9.12.4`; decides which features exist.
    pub version: String,
    /// Path of the web application such as `/jira`, or empty for the root.
    #[serde(default)]
    pub context_path: String,
    /// `serverTitle` of `serverInfo`.
    #[serde(default = "default_title")]
    pub title: String,
    /// `baseUrl` of `serverInfo` and of the manifest. Absent: the listener's own URL with the context path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// `id` of the application links manifest: the stable identity of the installation.
    #[serde(default = "default_server_id")]
    pub server_id: String,
    /// Headers without which the gateway in front lets nothing through, name to value.
    #[serde(default)]
    pub gateway_headers: BTreeMap<String, String>,
    /// Names of the cluster nodes, which take turns request by request.
    #[serde(default = "default_nodes")]
    pub nodes: Vec<String>,
    /// Nodes that refuse bearer tokens of the OAuth provider (`enable.access.tokens=false`).
    #[serde(default)]
    pub nodes_without_access_tokens: Vec<String>,
    /// Failed basic authentications of one user after which a CAPTCHA is asked for.
    #[serde(default = "default_captcha_after")]
    pub captcha_after: u32,
    /// Life of an OAuth 2.0 access token in seconds.
    #[serde(default = "default_access_token_seconds")]
    pub access_token_seconds: u32,
    /// Life of an OAuth 2.0 refresh token in seconds, from its own creation on.
    #[serde(default = "default_refresh_token_seconds")]
    pub refresh_token_seconds: u32,
    /// Life of an OAuth 2.0 authorization code in seconds: 10 as documented, 60 as observed.
    #[serde(default = "default_authorization_code_seconds")]
    pub authorization_code_seconds: u32,
    /// Life of an OAuth 1.0a request token in seconds.
    #[serde(default = "default_request_token_seconds")]
    pub request_token_seconds: u32,
    /// Life of an OAuth 1.0a access token in seconds.
    #[serde(default = "default_signed_token_seconds")]
    pub signed_token_seconds: u32,
    /// Life of the session with which an OAuth 1.0a access token is renewed, in seconds from the last renewal on.
    #[serde(default = "default_signed_session_seconds")]
    pub signed_session_seconds: u32,
    /// Incoming links of the OAuth 2.0 provider.
    #[serde(default)]
    pub incoming_links: Vec<IncomingLink>,
    /// Consumers of OAuth 1.0a.
    #[serde(default)]
    pub consumers: Vec<Consumer>,
}

/// How the listener of an instance speaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Transport {
    /// With or without TLS.
    pub scheme: Scheme,
    /// Which certificate is shown; without meaning for plain http.
    pub certificate: Certificate,
    /// Whether a client certificate is demanded; without meaning for plain http.
    pub client_certificate: ClientCertificate,
    /// PEM of the authority that client certificates must come from. Absent: the simulator's own authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<String>,
    /// Loopback address to listen on; fixed when the instance is added.
    pub address: IpAddr,
    /// Port; 0 takes a free one. Fixed when the instance is added.
    pub port: u16,
    /// Host name in the instance's URL. Absent: the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            scheme: Scheme::default(),
            certificate: Certificate::default(),
            client_certificate: ClientCertificate::default(),
            client_ca: None,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            host: None,
        }
    }
}

/// With or without TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scheme {
    /// TLS.
    #[default]
    Https,
    /// No TLS.
    Http,
}

/// Which certificate a TLS listener shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Certificate {
    /// Issued by the simulator's authority for `localhost` and the listener's address.
    #[default]
    Trusted,
    /// The right names, but issued by nobody.
    SelfSigned,
    /// Issued by the simulator's authority, and over since long.
    Expired,
    /// Issued by the simulator's authority for `other.example.test`.
    OtherHost,
}

/// Whether a TLS listener asks for a client certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientCertificate {
    /// Not asked for.
    #[default]
    NotAsked,
    /// The handshake fails without one.
    Required,
}

/// A user or an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Account {
    /// Cloud: `accountId`. Data Center: `key`, such as `JIRAUSER10100`.
    pub id: String,
    /// Data Center: the user name. Cloud has none; it is not shown there.
    #[serde(default)]
    pub name: String,
    /// Name for people.
    #[serde(default)]
    pub display_name: String,
    /// E-mail address. Absent: hidden, shown as null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Cloud: `accountType`.
    #[serde(default)]
    pub account_type: AccountType,
    /// Cloud: `appType`, for apps only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_type: Option<AppType>,
    /// Whether it may sign in.
    #[serde(default)]
    pub status: AccountStatus,
    /// Data Center: whether it is a person's user or a service account of the OAuth provider.
    #[serde(default)]
    pub principal: Principal,
    /// Global permission keys that it holds.
    #[serde(default)]
    pub global_permissions: Vec<String>,
    /// What it can prove itself with.
    #[serde(default)]
    pub credentials: Vec<Credential>,
}

/// `accountType` of a Cloud account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountType {
    /// A person.
    #[default]
    Atlassian,
    /// A program.
    App,
    /// A portal-only customer.
    Customer,
    /// Not known.
    Unknown,
}

/// `appType` of a Cloud account of type `app`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppType {
    /// A service account.
    Service,
    /// An agent.
    Agent,
    /// Not known.
    Unknown,
}

/// Whether an account may sign in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountStatus {
    /// It may.
    #[default]
    Active,
    /// It was deactivated.
    Inactive,
}

/// What a Data Center account is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Principal {
    /// A user of the directory.
    #[default]
    User,
    /// A service account of the OAuth provider: no user, in no permission scheme; grants are its resource restrictions.
    ServiceAccount,
}

/// What an account can prove itself with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Credential {
    /// Data Center personal access token.
    PersonalAccessToken {
        /// The bearer.
        token: String,
        /// Name in the list of tokens.
        #[serde(default)]
        name: String,
        /// Moment of creation. Absent: the Unix epoch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        created_at: Option<Timestamp>,
        /// End. Absent: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expiring_at: Option<Timestamp>,
    },
    /// Cloud API token.
    ApiToken {
        /// User part of Basic. Absent: the account's own address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        /// The token.
        token: String,
        /// Scopes of a scoped token. Absent: a classic token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scopes: Option<Vec<String>>,
        /// End. Absent: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    /// OAuth 2.0 client credentials. On Data Center only those of a service account get the grant.
    ClientCredentials {
        /// Client id; the same one may stand on several Cloud sites.
        client_id: String,
        /// Client secret.
        secret: String,
        /// Scopes that tokens get.
        #[serde(default)]
        scopes: Vec<String>,
    },
    /// A bearer access token that is already out: as if an OAuth 2.0 exchange had happened.
    AccessToken {
        /// The bearer.
        token: String,
        /// Scopes.
        #[serde(default)]
        scopes: Vec<String>,
        /// End. Absent: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    /// Data Center user name and password.
    Password {
        /// The password; the user name is the account's.
        password: String,
    },
}

impl Credential {
    /// What names the credential in mutations: its token, client id or password.
    #[must_use]
    pub fn handle(&self) -> &str {
        match self {
            Self::PersonalAccessToken { token, .. }
            | Self::ApiToken { token, .. }
            | Self::AccessToken { token, .. } => token,
            Self::ClientCredentials { client_id, .. } => client_id,
            Self::Password { password } => password,
        }
    }
}

/// A project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Project {
    /// Numeric id.
    pub id: u64,
    /// Key.
    pub key: String,
    /// Name. Absent: the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Keys that it had before and that still lead to it.
    #[serde(default)]
    pub former_keys: Vec<String>,
    /// Live or archived.
    #[serde(default)]
    pub state: ProjectState,
    /// Account id of the lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<String>,
    /// Who gets new issues.
    #[serde(default)]
    pub assignee_type: AssigneeType,
    /// Issue security scheme. Absent: none attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_scheme: Option<SecurityScheme>,
    /// Project permission keys per account id; [`ANONYMOUS`] stands for everyone without credentials.
    #[serde(default)]
    pub grants: BTreeMap<String, Vec<String>>,
    /// Issues.
    #[serde(default)]
    pub issues: Vec<Issue>,
}

/// Whether a project is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProjectState {
    /// In use.
    #[default]
    Live,
    /// Read-only and out of search.
    Archived,
}

/// Default assignee of a project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AssigneeType {
    /// The lead.
    ProjectLead,
    /// Nobody.
    #[default]
    Unassigned,
}

/// An issue security scheme.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecurityScheme {
    /// Numeric id.
    pub id: u64,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Level of new issues. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_level: Option<u64>,
    /// Levels.
    #[serde(default)]
    pub levels: Vec<SecurityLevel>,
}

/// A level of an issue security scheme.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecurityLevel {
    /// Numeric id, which answers show as a string.
    pub id: u64,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Ids of the accounts that see issues of this level.
    #[serde(default)]
    pub members: Vec<String>,
}

/// An issue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issue {
    /// Numeric id.
    pub id: u64,
    /// Key.
    pub key: String,
    /// Summary.
    #[serde(default)]
    pub summary: String,
    /// Id of the account that it is assigned to. Absent: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// Security level. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_level: Option<u64>,
}

/// A token bucket per account; on Data Center per account and node, on Cloud per account, resource and method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// Size of the bucket.
    pub limit: u32,
    /// Requests added per interval.
    pub fill_rate: u32,
    /// Length of an interval in seconds.
    #[serde(default = "one")]
    pub interval_seconds: u32,
}

fn default_title() -> String {
    "Simulated Jira".to_owned()
}

fn default_server_id() -> String {
    "00000000-1111-2222-3333-444444444444".to_owned()
}

fn default_nodes() -> Vec<String> {
    vec!["node1".to_owned()]
}

fn default_captcha_after() -> u32 {
    3
}

fn default_access_token_seconds() -> u32 {
    3600
}

fn default_refresh_token_seconds() -> u32 {
    90 * 86_400
}

fn default_authorization_code_seconds() -> u32 {
    10
}

fn default_request_token_seconds() -> u32 {
    600
}

fn default_signed_token_seconds() -> u32 {
    5 * 365 * 86_400
}

fn default_signed_session_seconds() -> u32 {
    (5 * 365 + 30) * 86_400
}

fn one() -> u32 {
    1
}

impl Instance {
    /// The account of this id.
    #[must_use]
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    /// The account of this id, to change it.
    pub fn account_mut(&mut self, id: &str) -> Option<&mut Account> {
        self.accounts.iter_mut().find(|account| account.id == id)
    }

    /// The project of this key, to change it.
    pub fn project_mut(&mut self, key: &str) -> Option<&mut Project> {
        self.projects.iter_mut().find(|project| project.key == key)
    }

    /// The Data Center installation, to change it; `None` on Cloud.
    pub fn center_mut(&mut self) -> Option<&mut DataCenter> {
        match &mut self.deployment {
            Deployment::Cloud(_) => None,
            Deployment::DataCenter(center) => Some(center),
        }
    }

    /// The Cloud id; `None` on Data Center.
    #[must_use]
    pub fn cloud_id(&self) -> Option<&str> {
        match &self.deployment {
            Deployment::Cloud(site) => Some(&site.cloud_id),
            Deployment::DataCenter(_) => None,
        }
    }

    /// Context path of Data Center; empty on Cloud.
    #[must_use]
    pub fn context_path(&self) -> &str {
        match &self.deployment {
            Deployment::Cloud(_) => "",
            Deployment::DataCenter(center) => &center.context_path,
        }
    }

    /// Refuses descriptions that contradict themselves, so that a slip in a test is no silent difference.
    pub(super) fn validate(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Instance { name: self.name.clone(), reason });
        if self.name.is_empty() || ["auth", "api"].contains(&self.name.as_str()) || self.name.contains('/') {
            return refuse("the name is empty, reserved or contains a slash".to_owned());
        }
        let path = self.context_path();
        if !path.is_empty() && (!path.starts_with('/') || path.ends_with('/')) {
            return refuse(format!("context path {path} must begin and must not end with a slash"));
        }
        if let Deployment::DataCenter(center) = &self.deployment
            && center.nodes.is_empty()
        {
            return refuse("there is no node".to_owned());
        }
        if let Some(problem) = self.link_problem() {
            return refuse(problem);
        }
        if !self.transport.address.is_loopback() {
            return refuse(format!("{} is not a loopback address", self.transport.address));
        }
        for key in self.accounts.iter().flat_map(|account| &account.global_permissions) {
            if !permission::is_global(key) {
                return refuse(format!("{key} is not a global permission"));
            }
        }
        self.projects.iter().try_for_each(|project| self.validate_project(project))
    }

    /// What Jira would not take of the application links.
    fn link_problem(&self) -> Option<String> {
        let Deployment::DataCenter(center) = &self.deployment else {
            return None;
        };
        let (links, consumers) = (&center.incoming_links, &center.consumers);
        let twins = links.iter().map(|link| &link.client_id).collect::<BTreeSet<_>>().len() < links.len()
            || consumers.iter().map(|consumer| &consumer.key).collect::<BTreeSet<_>>().len() < consumers.len();
        if twins {
            return Some("two incoming links have one client id, or two consumers one key".to_owned());
        }
        let problem = links.iter().find_map(IncomingLink::problem);
        problem.or_else(|| consumers.iter().find_map(Consumer::problem))
    }

    fn validate_project(&self, project: &Project) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Instance { name: self.name.clone(), reason });
        for (account, keys) in &project.grants {
            if account != ANONYMOUS && self.account(account).is_none() {
                return refuse(format!("project {} grants to the unknown account {account}", project.key));
            }
            if let Some(key) = keys.iter().find(|key| !permission::is_project(key)) {
                return refuse(format!("{key} is not a project permission"));
            }
        }
        let twins = self.projects.iter().filter(|other| other.id == project.id || other.key == project.key).count();
        if twins > 1 {
            return refuse(format!("two projects have the key {} or the id {}", project.key, project.id));
        }
        Ok(())
    }
}
