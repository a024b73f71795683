//! What the account may do.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Jira,
    answer::Answer,
    endpoint::Endpoint,
    exchange::Payload,
    problem::{Gibberish, Problem},
    project::{check, number},
    session::Session,
};

/// Projects in one bulk check: Jira's limit (Jira Cloud REST, "Get bulk permissions").
const PROJECTS_PER_CHECK: usize = 1000;

/// How often a bulk check is made again without the keys that Jira complained of, before only known keys are asked for.
const ROUNDS: usize = 3;

/// The longest permission key that is believed, in bytes.
const LONGEST_KEY: usize = 255;

/// Keys of before Jira 7 and what they are called since. A Data Center's answer holds both, a very old one's the former.
const LEGACY: [(&str, &str); 8] = [
    ("BROWSE", "BROWSE_PROJECTS"),
    ("COMMENT_DELETE_ALL", "DELETE_ALL_COMMENTS"),
    ("COMMENT_ISSUE", "ADD_COMMENTS"),
    ("CREATE_ATTACHMENT", "CREATE_ATTACHMENTS"),
    ("CREATE_ISSUE", "CREATE_ISSUES"),
    ("EDIT_ISSUE", "EDIT_ISSUES"),
    ("PROJECT_ADMIN", "ADMINISTER_PROJECTS"),
    ("TRANSITION_ISSUE", "TRANSITION_ISSUES"),
];

/// Keys that have never changed. With the new ones of [`LEGACY`] they are what Cloud is asked for.
const UNCHANGED: [&str; 3] = ["ADMINISTER", "SET_ISSUE_SECURITY", "USER_PICKER"];

/// What the account was granted of what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantedPermissions {
    /// Keys that were asked for and that this Jira does not know.
    pub unrecognized: BTreeSet<String>,
    /// Keys of the global permissions that are granted.
    pub global: BTreeSet<String>,
    /// Keys of the granted project permissions, by the project's id. A project without any is absent, as is one that
    /// does not exist or is hidden: Jira does not tell them apart.
    pub projects: BTreeMap<u64, BTreeSet<String>>,
}

impl Jira {
    /// Asks for the account's permissions, in one project or, without one, anywhere: `GET mypermissions`.
    ///
    /// Gives the keys that are granted, in their names since Jira 7. On Data Center these are all, also those of
    /// plug-ins; on Cloud, which has [`Jira::check_permissions`] for many projects, the ones that the operator knows.
    ///
    /// # Errors
    /// [`Problem::NotFound`] where the project is missing or hidden, and without asking where no project can have this
    /// key. [`Problem::NotJira`] where the answer grants and denies nothing at all. Else any [`Problem`] of an exchange.
    pub async fn permissions(&self, session: &Session, project_key: Option<&str>) -> Result<BTreeSet<String>, Problem> {
        let known;
        let mut query = Vec::new();
        if let Some(key) = project_key {
            check(key)?;
            query.push(("projectKey", key));
        }
        if session.base.is_cloud() {
            known = LEGACY.map(|(_, key)| key).into_iter().chain(UNCHANGED).collect::<Vec<_>>().join(",");
            query.push(("permissions", known.as_str()));
        }
        parse_own(&self.get(session, Endpoint::MyPermissions, "", &query).await?)
    }

    /// Asks which of these permissions the account has, globally and in these projects: `POST permissions/check`, which
    /// only Cloud has. One request for each 1000 projects, and none where nothing is asked for. Keys that this Jira does
    /// not know spoil a whole request, so it is made again without them.
    ///
    /// # Errors
    /// [`Problem::Unexpected`] of status 400 where Jira does not say which key is at fault. Else any [`Problem`] of an
    /// exchange.
    pub async fn check_permissions(
        &self,
        session: &Session,
        global: &[String],
        permissions: &[String],
        project_ids: &[u64],
    ) -> Result<GrantedPermissions, Problem> {
        let mut unrecognized = BTreeSet::new();
        for round in 0..=ROUNDS {
            let known = |key: &&String| !unrecognized.contains(*key) && (round < ROUNDS || is_known(key));
            let asked: Vec<String> = permissions.iter().filter(known).cloned().collect();
            match self.check_once(session, global, &asked, project_ids).await? {
                Checked::Granted(granted) => {
                    unrecognized.extend(permissions.iter().filter(|key| !asked.contains(key)).cloned());
                    return Ok(GrantedPermissions { unrecognized, ..granted });
                }
                Checked::Unrecognized(keys) => unrecognized.extend(keys),
            }
        }
        Err(Problem::Unexpected { status: 400 })
    }

    async fn check_once(
        &self,
        session: &Session,
        global: &[String],
        permissions: &[String],
        project_ids: &[u64],
    ) -> Result<Checked, Problem> {
        let asked: BTreeSet<u64> =
            if permissions.is_empty() { BTreeSet::new() } else { project_ids.iter().copied().collect() };
        let ids: Vec<u64> = asked.iter().copied().collect();
        let mut granted = GrantedPermissions::default();
        let chunks = ids.chunks(PROJECTS_PER_CHECK).map(Some).collect::<Vec<_>>();
        let chunks = if chunks.is_empty() && !global.is_empty() { vec![None] } else { chunks };
        for (position, ids) in chunks.into_iter().enumerate() {
            // The global ones are the same for every project.
            let global = if position == 0 { global } else { &[] };
            let projects = ids.map(|ids| json!([{ "permissions": permissions, "projects": ids }]));
            let body =
                json!({ "globalPermissions": global, "projectPermissions": projects.unwrap_or_else(|| json!([])) });
            let answer = self.rest(session, Endpoint::PermissionsCheck, "", &[], Payload::Json(body)).await?;
            if answer.status == 400 {
                return unrecognized(&answer, permissions).map(Checked::Unrecognized);
            }
            add_bulk(&mut granted, &answer, global, permissions, &asked)?;
        }
        Ok(Checked::Granted(granted))
    }
}

/// What one bulk check came to.
enum Checked {
    Granted(GrantedPermissions),
    /// Nothing was checked, because Jira does not know these keys.
    Unrecognized(BTreeSet<String>),
}

/// The keys among `permissions` that a 400 complains of: `{"errors": {"NO_SUCH_KEY": "Unrecognized permission"}}`.
fn unrecognized(answer: &Answer, permissions: &[String]) -> Result<BTreeSet<String>, Problem> {
    let body = answer.object();
    let errors = body.get("errors").and_then(Value::as_object);
    let keys: BTreeSet<_> =
        errors.into_iter().flat_map(Map::keys).filter(|key| permissions.contains(key)).cloned().collect();
    if keys.is_empty() { Err(Problem::Unexpected { status: 400 }) } else { Ok(keys) }
}

/// Whether every Jira since 7 knows the key.
fn is_known(key: &str) -> bool {
    LEGACY.iter().any(|(_, today)| *today == key) || UNCHANGED.contains(&key)
}

fn parse_own(answer: &Answer) -> Result<BTreeSet<String>, Problem> {
    #[derive(Deserialize)]
    struct Own {
        permissions: Map<String, Value>,
    }
    let Own { permissions } = answer.read()?;
    let said: BTreeMap<&str, bool> = permissions
        .iter()
        .filter(|(key, _)| key.len() <= LONGEST_KEY && key.bytes().all(|it| it.is_ascii_graphic()))
        .filter_map(|(key, it)| Some((key.as_str(), it.get("havePermission")?.as_bool()?)))
        .collect();
    // Jira lists what is denied as well, so an empty list is no answer.
    if said.is_empty() {
        return Err(Problem::NotJira(Gibberish::Content));
    }
    Ok(said
        .iter()
        .filter(|(_, granted)| **granted)
        .filter_map(|(key, _)| today(key, &said))
        .map(str::to_owned)
        .collect())
}

/// The name of a permission since Jira 7; `None` for an old name where the answer has the new one too.
fn today<'a>(key: &'a str, said: &BTreeMap<&str, bool>) -> Option<&'a str> {
    match LEGACY.iter().find(|(old, _)| *old == key) {
        None => Some(key),
        Some((_, new)) => (!said.contains_key(new)).then_some(*new),
    }
}

/// Adds what was both granted and asked for; an answer that grants more is not believed.
fn add_bulk(
    granted: &mut GrantedPermissions,
    answer: &Answer,
    global: &[String],
    permissions: &[String],
    asked: &BTreeSet<u64>,
) -> Result<(), Problem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Bulk {
        global_permissions: Vec<String>,
        project_permissions: Vec<BulkProjects>,
    }
    #[derive(Deserialize)]
    struct BulkProjects {
        permission: String,
        #[serde(default)]
        projects: Vec<Value>,
    }
    let bulk: Bulk = answer.read()?;
    granted.global.extend(bulk.global_permissions.into_iter().filter(|it| global.contains(it)));
    for it in bulk.project_permissions.into_iter().filter(|it| permissions.contains(&it.permission)) {
        for id in it.projects.iter().filter_map(number).filter(|id| asked.contains(id)) {
            granted.projects.entry(id).or_default().insert(it.permission.clone());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Answer, Gibberish, GrantedPermissions, Problem, add_bulk, parse_own};
    use rstest::rstest;
    use std::collections::{BTreeMap, BTreeSet};

    fn answer(body: &str) -> Answer {
        Answer { status: 200, headers: reqwest::header::HeaderMap::new(), body: body.into() }
    }

    #[rstest]
    #[case::both_generations(
        r#"{"permissions":{"EDIT_ISSUES":{"key":"EDIT_ISSUES","havePermission":true},
            "EDIT_ISSUE":{"key":"EDIT_ISSUE","havePermission":true,"deprecatedKey":true},
            "ADD_COMMENTS":{"havePermission":false},"COMMENT_ISSUE":{"havePermission":true,"deprecatedKey":true}}}"#,
        &["EDIT_ISSUES"]
    )]
    #[case::old_generation_alone(
        r#"{"permissions":{"BROWSE":{"havePermission":true},"COMMENT_ISSUE":{"havePermission":true},
            "CREATE_ISSUE":{"havePermission":false},"USER_PICKER":{"havePermission":true}}}"#,
        &["ADD_COMMENTS", "BROWSE_PROJECTS", "USER_PICKER"]
    )]
    #[case::plug_in(r#"{"permissions":{"com.example.fake__do":{"havePermission":true}}}"#, &["com.example.fake__do"])]
    #[case::nothing_granted(r#"{"permissions":{"BROWSE_PROJECTS":{"havePermission":false}}}"#, &[])]
    #[case::unreadable_entries(r#"{"permissions":{"A":7,"B":{"havePermission":"yes"},"C\n":{"havePermission":true},"D":{"havePermission":true}}}"#, &["D"])]
    fn granted_keys_are_read(#[case] body: &str, #[case] keys: &[&str]) {
        assert_eq!(parse_own(&answer(body)), Ok(keys.iter().map(|it| (*it).to_owned()).collect()));
    }

    #[rstest]
    #[case(r#"{"permissions":{}}"#)]
    #[case(r#"{"permissions":{"BROWSE_PROJECTS":{"id":"10"}}}"#)]
    #[case(r#"{"permissions":[]}"#)]
    #[case("{}")]
    fn an_answer_without_permissions_is_none(#[case] body: &str) {
        assert_eq!(parse_own(&answer(body)), Err(Problem::NotJira(Gibberish::Content)));
    }

    #[test]
    fn a_bulk_answer_grants_what_was_asked_for_and_no_more() {
        let keys = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let mut granted = GrantedPermissions::default();
        let body = r#"{"globalPermissions":["USER_PICKER","ADMINISTER"],"projectPermissions":[
            {"permission":"EDIT_ISSUES","projects":[10001,10009],"issues":[10010]},
            {"permission":"ADD_COMMENTS","projects":[]},{"permission":"CREATE_ISSUES","projects":["10001"]},
            {"permission":"DELETE_ISSUES","projects":[10001]}]}"#;
        let permissions = keys(&["EDIT_ISSUES", "ADD_COMMENTS", "CREATE_ISSUES"]);
        add_bulk(&mut granted, &answer(body), &keys(&["USER_PICKER"]), &permissions, &BTreeSet::from([10001, 10002]))
            .unwrap();
        assert_eq!(granted.global, BTreeSet::from(["USER_PICKER".to_owned()]));
        let first = BTreeSet::from(["CREATE_ISSUES".to_owned(), "EDIT_ISSUES".to_owned()]);
        assert_eq!(granted.projects, BTreeMap::from([(10001, first)]));
    }

    #[rstest]
    #[case("{}")]
    #[case(r#"{"globalPermissions":[]}"#)]
    #[case(r#"{"globalPermissions":[],"projectPermissions":[{}]}"#)]
    fn a_bulk_answer_of_another_shape_is_none(#[case] body: &str) {
        let problem = add_bulk(&mut GrantedPermissions::default(), &answer(body), &[], &[], &BTreeSet::new());
        assert_eq!(problem, Err(Problem::NotJira(Gibberish::Content)));
    }
}
