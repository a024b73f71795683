//! OAuth scopes of Cloud per REST resource, as `x-atlassian-oauth2-scopes` in Atlassian's `OpenAPI` file lists them.

/// What a token needs for one resource: one classic scope, or all of the granular ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    classic: &'static str,
    granular: &'static [&'static str],
}

const PROJECT: Demand = Demand {
    classic: "read:jira-work",
    granular: &[
        "read:issue-type:jira",
        "read:project:jira",
        "read:project.property:jira",
        "read:user:jira",
        "read:application-role:jira",
        "read:avatar:jira",
        "read:group:jira",
        "read:issue-type-hierarchy:jira",
        "read:project-category:jira",
        "read:project-version:jira",
        "read:project.component:jira",
    ],
};

impl Demand {
    /// Whether the scopes of a token cover the resource.
    pub(super) fn met_by(self, scopes: &[String]) -> bool {
        let has = |wanted: &&str| scopes.iter().any(|scope| scope == wanted);
        has(&self.classic) || self.granular.iter().all(has)
    }
}

/// The demand of a resource, whose path is given below `/rest/api/{version}`. `None`: no scope is needed.
pub(super) fn demand(method: &str, path: &[&str]) -> Option<Demand> {
    let found = match (method, path) {
        ("GET", ["myself"]) => Demand {
            classic: "read:jira-user",
            granular: &["read:application-role:jira", "read:group:jira", "read:user:jira", "read:avatar:jira"],
        },
        ("GET", ["mypermissions"]) | ("POST", ["permissions", "check"]) => {
            Demand { classic: "read:jira-work", granular: &["read:permission:jira"] }
        }
        ("POST", ["permissions", "project"]) => {
            Demand { classic: "read:jira-work", granular: &["read:permission:jira", "read:project:jira"] }
        }
        ("GET", ["permissions"]) => {
            Demand { classic: "manage:jira-configuration", granular: &["read:permission:jira"] }
        }
        ("GET", ["project", _, "issuesecuritylevelscheme"]) => Demand {
            classic: "read:jira-work",
            granular: &["read:issue-security-level:jira", "read:issue-security-scheme:jira"],
        },
        ("GET", ["project", _, "securitylevel"]) => {
            Demand { classic: "read:jira-work", granular: &["read:issue-security-level:jira"] }
        }
        ("GET", ["project", _]) => PROJECT,
        ("GET", ["user", "search"]) => Demand {
            classic: "read:jira-user",
            granular: &[
                "read:user:jira",
                "read:user.property:jira",
                "read:application-role:jira",
                "read:avatar:jira",
                "read:group:jira",
            ],
        },
        ("POST", ["issue"]) => Demand {
            classic: "write:jira-work",
            granular: &[
                "write:issue:jira",
                "write:comment:jira",
                "write:comment.property:jira",
                "write:attachment:jira",
                "read:issue:jira",
            ],
        },
        ("GET", ["issue", _]) => Demand {
            classic: "read:jira-work",
            granular: &[
                "read:issue-meta:jira",
                "read:issue-security-level:jira",
                "read:issue.vote:jira",
                "read:issue.changelog:jira",
                "read:avatar:jira",
                "read:issue:jira",
                "read:status:jira",
                "read:user:jira",
                "read:field-configuration:jira",
            ],
        },
        _ => return None,
    };
    Some(found)
}
