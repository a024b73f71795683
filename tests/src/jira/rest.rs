//! REST resources of both deployments, seen by one caller.

mod issues;
mod permissions;
mod projects;
mod server;

use k8s_openapi::jiff::Timestamp;

pub(super) use self::server::build_number;
use super::instance::{ANONYMOUS, Issue, Project};
use super::message::{Reply, Request};
use super::oauth;
use super::permission::is_global;
use super::world::Site;

/// Who makes a request.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// Account id; `None` without accepted credentials.
    pub(super) account: Option<String>,
    pub(super) entitlement: Entitlement,
    /// OAuth client of a Cloud access token, which the points quota counts by.
    pub(super) client: Option<String>,
}

/// How much of the account's rights the credential carries.
#[derive(Debug, Clone)]
pub(super) enum Entitlement {
    /// All.
    Full,
    /// Cloud scopes.
    Scopes(Vec<String>),
    /// Data Center scopes of a user's token.
    CenterScopes(Vec<String>),
    /// Data Center scopes of a service account, which is no user.
    ServiceAccount(Vec<String>),
}

impl Caller {
    pub(super) fn anonymous() -> Self {
        Self { account: None, entitlement: Entitlement::Full, client: None }
    }

    pub(super) fn user(account: &str) -> Self {
        Self { account: Some(account.to_owned()), entitlement: Entitlement::Full, client: None }
    }

    pub(super) fn scoped(account: &str, scopes: Vec<String>, client: Option<String>) -> Self {
        Self { account: Some(account.to_owned()), entitlement: Entitlement::Scopes(scopes), client }
    }
}

/// One request of one caller.
pub(super) struct Visit<'a> {
    pub(super) site: &'a mut Site,
    pub(super) caller: Caller,
    /// REST version in the path.
    pub(super) version: &'a str,
    pub(super) now: Timestamp,
}

impl Visit<'_> {
    /// Answers for Cloud; the path is given below `/rest/api/{version}`.
    pub(super) fn cloud(mut self, request: &Request, resource: &[&str]) -> Reply {
        match (request.method.as_str(), resource) {
            ("GET", ["serverInfo"]) => self.server_info(),
            ("GET", ["myself"]) => self.cloud_myself(),
            ("GET", ["mypermissions"]) => self.cloud_my_permissions(request),
            ("POST", ["permissions", "check"]) => self.permissions_check(request),
            ("POST", ["permissions", "project"]) => self.permitted_projects(request),
            ("GET", ["project", "search"]) => self.project_search(request),
            ("GET", ["project", key]) => self.project(key),
            ("GET", ["project", key, "issuesecuritylevelscheme"]) => self.security_scheme(key),
            ("GET", ["project", key, "securitylevel"]) => self.security_levels(key),
            ("GET", ["user", "search"]) => self.users(request.parameter("query").as_deref()),
            ("POST", ["issue"]) => self.create_issue(request),
            ("GET", ["issue", key]) => self.show_issue(key),
            _ => self.absent(resource),
        }
    }

    /// Answers for Data Center; the path is given below `/rest/api/2`.
    pub(super) fn center(mut self, request: &Request, resource: &[&str]) -> Reply {
        let absent = self.site.instance.switches.absent_resource_status;
        match (request.method.as_str(), resource) {
            ("GET", ["serverInfo"]) => self.server_info(),
            ("GET", ["myself"]) => self.center_myself(),
            ("GET", ["mypermissions"]) => self.center_my_permissions(request),
            (_, ["permissions", "check" | "project"] | ["project" | "user", "search"] | ["search", "jql"])
                if resource != ["user", "search"] =>
            {
                match absent {
                    // `project/search` reads as a project whose key is `search`.
                    404 if resource == ["project", "search"] => no_project("search"),
                    404 => self.absent(resource),
                    status => Reply::new(status),
                }
            }
            ("GET", ["project"]) => self.project_list(request),
            ("GET", ["project", key]) => self.project(key),
            ("GET", ["project", key, "issuesecuritylevelscheme"]) => self.security_scheme(key),
            ("GET", ["project", key, "securitylevel"]) => self.security_levels(key),
            ("GET", ["user", "search"]) => match self.caller.account {
                Some(_) => self.users(request.parameter("username").as_deref()),
                None => self.unauthenticated(),
            },
            ("POST", ["issue"]) => self.create_issue(request),
            ("GET", ["issue", key]) => self.show_issue(key),
            _ => self.absent(resource),
        }
    }

    fn absent(&self, resource: &[&str]) -> Reply {
        let uri = format!("{}/rest/api/{}/{}", self.site.base_url(), self.version, resource.join("/"));
        Reply::json(404, &serde_json::json!({"message": format!("null for uri: {uri}"), "status-code": 404}))
    }

    /// The refusal of a resource that anonymous callers cannot have.
    fn unauthenticated(&self) -> Reply {
        match self.site.center() {
            Some(_) => Reply::unauthenticated(),
            None => super::cloud::unauthenticated(),
        }
    }

    fn is_cloud(&self) -> bool {
        self.site.center().is_none()
    }

    /// URL of a resource.
    fn link(&self, resource: &str) -> String {
        format!("{}/rest/api/{}/{resource}", self.site.base_url(), self.version)
    }

    /// Whether the caller holds a global permission.
    fn has_global(&self, key: &str) -> bool {
        let ranks = ["ADMINISTER", "SYSTEM_ADMIN"].iter().position(|admin| *admin == key);
        match &self.caller.entitlement {
            // Non-project actions are granted to service accounts, admin actions never.
            Entitlement::ServiceAccount(_) => return ranks.is_none(),
            Entitlement::CenterScopes(scopes) if ranks.is_some_and(|rank| oauth::rank(scopes) < rank + 3) => {
                return false;
            }
            Entitlement::CenterScopes(_) | Entitlement::Full | Entitlement::Scopes(_) => {}
        }
        let account = self.caller.account.as_deref().and_then(|id| self.site.instance.account(id));
        account.is_some_and(|account| account.global_permissions.iter().any(|held| held == key))
    }

    /// Whether the caller holds a project permission in a project.
    fn has(&self, project: &Project, key: &str) -> bool {
        let service = matches!(self.caller.entitlement, Entitlement::ServiceAccount(_));
        if service && key == "ADMINISTER_PROJECTS" {
            return false;
        }
        granted(project, self.caller.account.as_deref(), key)
    }

    /// Whether the caller holds a permission: a global one, or a project permission in the project or else anywhere.
    fn holds(&self, key: &str, context: Option<&Project>) -> bool {
        if is_global(key) {
            return self.has_global(key);
        }
        match context {
            Some(project) => self.has(project, key),
            None => self.site.instance.projects.iter().any(|project| self.has(project, key)),
        }
    }

    /// The project of this id, key or former key, if the caller may browse it.
    fn visible(&self, id_or_key: &str) -> Option<&Project> {
        let named = |project: &&Project| {
            project.key == id_or_key
                || project.id.to_string() == id_or_key
                || project.former_keys.iter().any(|key| key == id_or_key)
        };
        self.site.instance.projects.iter().find(named).filter(|project| self.has(project, "BROWSE_PROJECTS"))
    }

    /// The issue of this id or key with its project, if the caller may see it.
    fn visible_issue(&self, id_or_key: &str) -> Option<(&Project, &Issue)> {
        let projects = self.site.instance.projects.iter();
        let mut issues = projects.flat_map(|project| project.issues.iter().map(move |issue| (project, issue)));
        let (project, issue) = issues.find(|(_, issue)| issue.key == id_or_key || issue.id.to_string() == id_or_key)?;
        (self.has(project, "BROWSE_PROJECTS") && self.in_level(project, issue.security_level))
            .then_some((project, issue))
    }

    /// Whether the caller is a member of a security level; everybody is in none.
    fn in_level(&self, project: &Project, level: Option<u64>) -> bool {
        let Some(level) = level else {
            return true;
        };
        let levels = project.security_scheme.iter().flat_map(|scheme| &scheme.levels);
        let account = self.caller.account.as_deref();
        levels
            .filter(|known| known.id == level)
            .any(|known| known.members.iter().any(|id| Some(id.as_str()) == account))
    }
}

/// Whether a project permission is granted to an account, or to everybody.
fn granted(project: &Project, account: Option<&str>, key: &str) -> bool {
    let holders = [Some(ANONYMOUS), account];
    let lists = holders.into_iter().flatten().filter_map(|id| project.grants.get(id));
    lists.flatten().any(|held| held == key)
}

/// The answer for projects that do not exist and for hidden ones alike.
fn no_project(id_or_key: &str) -> Reply {
    let by = if id_or_key.parse::<u64>().is_ok() { "id" } else { "key" };
    Reply::errors(404, &format!("No project could be found with {by} '{id_or_key}'."))
}

/// The answer for issues that do not exist and for hidden ones alike.
fn no_issue() -> Reply {
    Reply::errors(404, "Issue does not exist or you do not have permission to see it.")
}
