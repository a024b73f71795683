//! The three states of a connection, and of what depends on it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::plain_enum;

/// What the last proof of a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum State {
    /// Everything works.
    Authorized,
    /// Something failed between the operator and Jira, or a permission is missing. It is tried again without anybody's help.
    Interrupted,
    /// Jira does not accept the credential, or none was ever given. A person must act.
    NotAuthorized,
}

impl State {
    /// As it stands in the resource.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorized => "Authorized",
            Self::Interrupted => "Interrupted",
            Self::NotAuthorized => "NotAuthorized",
        }
    }
}
