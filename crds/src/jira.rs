//! Words of Jira that the API uses: deployments, project keys, permission keys, what is known of issue security.

use std::{borrow::Borrow, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::plain_enum;

/// How Jira is operated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum Deployment {
    /// Atlassian runs it.
    Cloud,
    /// Its owner runs it, as Data Center or as the former Server.
    DataCenter,
}

impl Deployment {
    /// As people say it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cloud => "Cloud",
            Self::DataCenter => "Data Center",
        }
    }
}

/// Key of a Jira project, such as `WEB`: capital letters, digits and underscores, beginning with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct ProjectKey(#[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Z][A-Z0-9_]*$"))] pub String);

/// Key of a Jira permission, such as `CREATE_ISSUES`. Apps may define more than Jira's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct PermissionKey(
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z][A-Za-z0-9_.:-]*$"))] pub String,
);

/// *Browse users and groups*, the one global permission that a connection needs.
pub const BROWSE_USERS_AND_GROUPS: &str = "USER_PICKER";

/// What a workspace needs on each of its projects unless its binding names something else: *Browse projects, Create
/// issues, Edit issues, Transition issues, Create attachments, Add comments, Delete all comments*.
pub const PROJECT_PERMISSIONS: [&str; 7] = [
    "BROWSE_PROJECTS",
    "CREATE_ISSUES",
    "EDIT_ISSUES",
    "TRANSITION_ISSUES",
    "CREATE_ATTACHMENTS",
    "ADD_COMMENTS",
    "DELETE_ALL_COMMENTS",
];

impl PermissionKey {
    /// The permissions of [`PROJECT_PERMISSIONS`].
    pub fn of_a_workspace() -> impl Iterator<Item = Self> {
        PROJECT_PERMISSIONS.into_iter().map(Self::from)
    }
}

macro_rules! key {
    ($name:ident) => {
        impl From<&str> for $name {
            fn from(key: &str) -> Self {
                Self(key.to_owned())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

key!(ProjectKey);
key!(PermissionKey);

/// Whether the account can see issues that have a security level, as far as Jira lets it be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum IssueSecurityVisibility {
    /// The project has no issue security scheme, so nothing is hidden.
    NotConfigured,
    /// The project has levels, and the account is a member of at least one.
    Visible,
    /// Jira does not say: membership of a level cannot be asked without administrative rights.
    Unknown,
}
