//! Whether the account can see issues with a security level.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Jira,
    answer::Answer,
    endpoint::Endpoint,
    problem::{Gibberish, Problem},
    project::check,
    session::Session,
};

/// What can be known about issue-level security in one project.
///
/// There is no permission for seeing a level, only membership in it, and no resource that lists memberships. What an
/// account may *set*, though, it is a member of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IssueSecurity {
    /// The project has no levels, so none hides an issue.
    NotConfigured,
    /// The account is a member of at least one level. Issues of other levels may still be hidden.
    Visible,
    /// Jira does not say.
    Unknown,
}

impl Jira {
    /// Finds out what can be known about issue security in a project that the account can see. One or two requests:
    /// the project's scheme, which only its administrators may read, then the levels that the account may set.
    ///
    /// A 404 for the scheme is [`IssueSecurity::Unknown`]: it may mean that there is none, which Jira does not document.
    ///
    /// # Errors
    /// Any [`Problem`] of an exchange but [`Problem::Forbidden`] and [`Problem::NotFound`].
    pub async fn issue_security(&self, session: &Session, project_key: &str) -> Result<IssueSecurity, Problem> {
        if check(project_key).is_err() {
            return Ok(IssueSecurity::Unknown);
        }
        match self.get(session, Endpoint::IssueSecurityLevelScheme, project_key, &[]).await {
            Ok(answer) if has_levels(&answer, Absent::MeansNone)? => (),
            Ok(_) => return Ok(IssueSecurity::NotConfigured),
            Err(Problem::Forbidden) => (),
            Err(Problem::NotFound) => return Ok(IssueSecurity::Unknown),
            Err(problem) => return Err(problem),
        }
        match self.get(session, Endpoint::SecurityLevel, project_key, &[]).await {
            Ok(answer) if has_levels(&answer, Absent::IsGibberish)? => Ok(IssueSecurity::Visible),
            // No scheme, no right to set a level, or member of none.
            Ok(_) | Err(Problem::Forbidden | Problem::NotFound) => Ok(IssueSecurity::Unknown),
            Err(problem) => Err(problem),
        }
    }
}

/// How an answer without `levels` is read.
#[derive(Clone, Copy)]
enum Absent {
    MeansNone,
    IsGibberish,
}

fn has_levels(answer: &Answer, absent: Absent) -> Result<bool, Problem> {
    #[derive(Deserialize)]
    struct Scheme {
        levels: Option<Vec<Value>>,
    }
    // serde would take an array for the struct.
    let object = answer.body.trim_ascii_start().starts_with(b"{");
    match (answer.read::<Scheme>()?.levels, absent) {
        (Some(levels), _) if object => Ok(!levels.is_empty()),
        (None, Absent::MeansNone) if object => Ok(false),
        (_, _) => Err(Problem::NotJira(Gibberish::Content)),
    }
}
