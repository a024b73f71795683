//! Projects.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Jira,
    endpoint::Endpoint,
    problem::{Gibberish, Problem},
    session::Session,
    text::clean,
};

/// Keys in one search: Jira's limit (Jira Cloud REST, "Get projects paginated").
const KEYS_PER_SEARCH: usize = 50;

/// The longest project key that is asked for, in bytes: Jira's column.
const LONGEST_KEY: usize = 255;

/// A project that the account can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Jira's number for it, which survives a change of key.
    pub id: u64,
    /// Its key today, cleaned. Differs from the one asked for where the project was moved.
    pub key: String,
    /// Its name, cleaned; may be empty.
    pub name: String,
    /// Whether it is archived, and so read-only.
    pub archived: bool,
}

impl Jira {
    /// Asks for one project by its key: `GET project/{key}`.
    ///
    /// # Errors
    /// [`Problem::NotFound`] where it is missing or hidden, and without asking where no project can have this key. Else
    /// any [`Problem`] of an exchange.
    pub async fn project(&self, session: &Session, key: &str) -> Result<Project, Problem> {
        check(key)?;
        self.get(session, Endpoint::Project, key, &[]).await?.read::<Found>()?.into_project()
    }

    /// Asks for several projects by key. Those that are missing or hidden are left out; the order is Jira's.
    ///
    /// Cloud: one request for each 50 keys, which finds archived projects as well. Data Center: one for each key, as its
    /// list of projects has neither filter nor pages.
    ///
    /// # Errors
    /// Any [`Problem`] of an exchange but [`Problem::NotFound`]; the first one ends it.
    pub async fn projects<K: AsRef<str> + Sync>(&self, session: &Session, keys: &[K]) -> Result<Vec<Project>, Problem> {
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).filter(|it| check(it).is_ok()).collect();
        let mut projects = Vec::new();
        if session.base.is_cloud() {
            for keys in keys.chunks(KEYS_PER_SEARCH) {
                projects.extend(self.search(session, keys).await?);
            }
            return Ok(projects);
        }
        for key in keys {
            match self.project(session, key).await {
                Ok(project) => projects.push(project),
                Err(Problem::NotFound) => (),
                Err(problem) => return Err(problem),
            }
        }
        Ok(projects)
    }

    async fn search(&self, session: &Session, keys: &[&str]) -> Result<Vec<Project>, Problem> {
        #[derive(Deserialize)]
        struct Page {
            values: Vec<Found>,
        }
        // Each key has at most one project, so one page holds them all.
        let mut query = vec![("maxResults", "50"), ("status", "live"), ("status", "archived")];
        query.extend(keys.iter().map(|it| ("keys", *it)));
        match self.get(session, Endpoint::ProjectSearch, "", &query).await {
            Ok(answer) => answer.read::<Page>()?.values.into_iter().map(Found::into_project).collect(),
            // One of the two ways in which Jira says that there is no match.
            Err(Problem::NotFound) => Ok(Vec::new()),
            Err(problem) => Err(problem),
        }
    }
}

/// Lets through what can be a project key, or a project's number. It becomes part of a path.
pub(super) fn check(key: &str) -> Result<(), Problem> {
    let possible =
        (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
    if possible { Ok(()) } else { Err(Problem::NotFound) }
}

#[derive(Deserialize)]
struct Found {
    id: Value,
    key: String,
    name: Option<String>,
    archived: Option<bool>,
}

impl Found {
    fn into_project(self) -> Result<Project, Problem> {
        let id = number(&self.id).ok_or(Problem::NotJira(Gibberish::Content))?;
        let name = clean(self.name.as_deref().unwrap_or_default());
        Ok(Project { id, key: clean(&self.key), name, archived: self.archived == Some(true) })
    }
}

/// Jira writes a project's id as text in projects and as a number in permissions.
pub(super) fn number(id: &Value) -> Option<u64> {
    id.as_u64().or_else(|| id.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{Found, Gibberish, Problem, Project, check};
    use rstest::rstest;

    #[rstest]
    #[case::text(r#"{"id":"10000","key":"EX","name":"Fake","archived":false}"#, 10000, "Fake", false)]
    #[case::number(r#"{"id":10000,"key":"EX","name":null}"#, 10000, "", false)]
    #[case::archived(r#"{"id":"7","key":"EX","name":"A\u202eB","archived":true,"archivedDate":"x"}"#, 7, "AB", true)]
    fn a_project_is_read(#[case] body: &str, #[case] id: u64, #[case] name: &str, #[case] archived: bool) {
        let found: Found = serde_json::from_str(body).unwrap();
        let expected = Project { id, key: "EX".to_owned(), name: name.to_owned(), archived };
        assert_eq!(found.into_project(), Ok(expected));
    }

    #[rstest]
    #[case(r#"{"id":"x","key":"EX"}"#)]
    #[case(r#"{"id":-1,"key":"EX"}"#)]
    #[case(r#"{"id":null,"key":"EX"}"#)]
    fn an_id_is_a_number(#[case] body: &str) {
        let found: Found = serde_json::from_str(body).unwrap();
        assert_eq!(found.into_project(), Err(Problem::NotJira(Gibberish::Content)));
    }

    #[rstest]
    #[case("EX", true)]
    #[case("EX_2", true)]
    #[case("10000", true)]
    #[case("", false)]
    #[case("../x", false)]
    #[case("..", false)]
    #[case("a/b", false)]
    #[case("a?b", false)]
    #[case("Ä", false)]
    fn a_key_stays_inside_its_path(#[case] key: &str, #[case] possible: bool) {
        assert_eq!(check(key).is_ok(), possible);
    }
}
