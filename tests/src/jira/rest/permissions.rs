//! `mypermissions`, `permissions/check` and `permissions/project`.

use serde_json::{Map, Value, json};

use super::super::center::at_least;
use super::super::instance::{CheckedAbsence, PermissionGeneration, Probe, Project};
use super::super::message::{Reply, Request};
use super::super::permission::{PERMISSIONS, Permission, find, is_global, is_project};
use super::{Caller, Visit, no_issue, no_project};

/// Most projects and most issues in one bulk check.
const MOST_IDS: usize = 1000;

fn entry(permission: &Permission, key: &str, held: bool) -> Value {
    json!({"id": permission.id, "key": key, "name": permission.name, "type": permission.reach.word(),
           "description": permission.name, "havePermission": held})
}

fn unrecognized(key: &str) -> Reply {
    Reply::field_error(400, key, "Unrecognized permission")
}

/// Strings of a JSON list, without empty ones and nulls; `None` when it holds something else.
fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    let items = match value {
        None | Some(Value::Null) => return Some(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return None,
    };
    let meant = items.iter().filter(|item| !item.is_null() && item.as_str() != Some(""));
    meant.map(|item| item.as_str().map(str::to_owned)).collect()
}

/// Numbers of a JSON list, without nulls and empty strings; `None` when it holds something else.
fn numbers(value: Option<&Value>) -> Option<Vec<u64>> {
    let items = match value {
        None | Some(Value::Null) => return Some(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return None,
    };
    let meant = items.iter().filter(|item| !item.is_null() && item.as_str() != Some(""));
    meant.map(|item| item.as_u64().or_else(|| item.as_str()?.parse().ok())).collect()
}

/// One entry of a bulk check's `projectPermissions`.
struct Question {
    permissions: Vec<String>,
    projects: Vec<u64>,
    issues: Vec<u64>,
}

fn question(value: &Value) -> Option<Question> {
    let object = value.as_object()?;
    Some(Question {
        permissions: texts(object.get("permissions"))?,
        projects: numbers(object.get("projects"))?,
        issues: numbers(object.get("issues"))?,
    })
}

impl Visit<'_> {
    /// The project that `mypermissions` is asked about; `None` without context.
    fn context(&self, request: &Request) -> Result<Option<&Project>, Reply> {
        let issue = request.parameter("issueId").or_else(|| request.parameter("issueKey"));
        if let Some(issue) = issue {
            return self.visible_issue(&issue).map(|(project, _)| Some(project)).ok_or_else(no_issue);
        }
        let id = request.parameter("projectId");
        if !self.is_cloud() && id.as_ref().is_some_and(|id| id.parse::<u64>().is_err()) {
            return Err(Reply::errors(400, "The project id is not a number."));
        }
        match id.or_else(|| request.parameter("projectKey")) {
            Some(project) => self.visible(&project).map(Some).ok_or_else(|| no_project(&project)),
            None => Ok(None),
        }
    }

    pub(super) fn cloud_my_permissions(&self, request: &Request) -> Reply {
        let asked = request.parameter("permissions").unwrap_or_default();
        let asked: Vec<&str> = asked.split(',').map(str::trim).filter(|key| !key.is_empty()).collect();
        if asked.is_empty() {
            return Reply::errors(400, "The 'permissions' query parameter is required.");
        }
        if let Some(key) = asked.iter().find(|key| find(key).is_none()) {
            return unrecognized(key);
        }
        if request.parameter("commentId").is_some() && asked != ["BROWSE_PROJECTS"] {
            return Reply::errors(400, "Only BROWSE_PROJECTS can be checked for a comment.");
        }
        let context = match self.context(request) {
            Ok(context) => context,
            Err(reply) => return reply,
        };
        let known = asked.iter().filter_map(|key| find(key));
        let answers: Map<String, Value> = known
            .map(|permission| {
                let held = self.holds(permission.key, context);
                (permission.key.to_owned(), entry(permission, permission.key, held))
            })
            .collect();
        Reply::json(200, &json!({"permissions": answers}))
    }

    pub(super) fn center_my_permissions(&self, request: &Request) -> Reply {
        if self.caller.account.is_none() {
            match self.site.instance.switches.anonymous_permissions {
                Probe::Answered => {}
                Probe::Unauthorized => return Reply::unauthenticated(),
                Probe::Forbidden => return Reply::errors(403, "Forbidden"),
                Probe::NotFound => return Reply::errors(404, "Not found"),
            }
        }
        let context = match self.context(request) {
            Ok(context) => context,
            Err(reply) => return reply,
        };
        let generation = match self.site.instance.switches.permission_generation {
            PermissionGeneration::ByVersion if at_least(self.site, (7, 0)) => PermissionGeneration::Both,
            PermissionGeneration::ByVersion => PermissionGeneration::LegacyOnly,
            chosen => chosen,
        };
        let mut answers = Map::new();
        for permission in PERMISSIONS {
            let held = self.holds(permission.key, context);
            if generation != PermissionGeneration::LegacyOnly || permission.legacy.is_none() {
                answers.insert(permission.key.to_owned(), entry(permission, permission.key, held));
            }
            let Some(legacy) = permission.legacy.filter(|_| generation != PermissionGeneration::NewOnly) else {
                continue;
            };
            let mut old = entry(permission, legacy, held);
            if generation == PermissionGeneration::Both {
                old["deprecatedKey"] = json!(true);
            }
            answers.insert(legacy.to_owned(), old);
        }
        Reply::json(200, &json!({"permissions": answers}))
    }

    pub(super) fn permissions_check(&mut self, request: &Request) -> Reply {
        let Ok(Value::Object(body)) = serde_json::from_slice(&request.body) else {
            return Reply::errors(400, "Invalid request payload. Refer to the REST API documentation and try again.");
        };
        if let Some(account) = body.get("accountId").and_then(Value::as_str)
            && self.caller.account.as_deref() != Some(account)
        {
            if !self.has_global("ADMINISTER") {
                return Reply::errors(403, "Only Jira administrators can perform this operation.");
            }
            if self.site.instance.account(account).is_none() {
                return Reply::field_error(400, "accountId", "The account does not exist.");
            }
            self.caller = Caller::user(account);
        }
        let empty = Vec::new();
        let asked = body.get("projectPermissions").and_then(Value::as_array).unwrap_or(&empty);
        let questions: Option<Vec<Question>> = asked.iter().map(question).collect();
        let (Some(globals), Some(questions)) = (texts(body.get("globalPermissions")), questions) else {
            return Reply::errors(400, "Invalid request payload. Refer to the REST API documentation and try again.");
        };
        match refusal(&globals, &questions) {
            Some(reply) => reply,
            None => self.checked(globals, &questions),
        }
    }

    fn checked(&self, globals: Vec<String>, questions: &[Question]) -> Reply {
        let held: Vec<String> = globals.into_iter().filter(|key| self.has_global(key)).collect();
        let mut answers = Vec::new();
        for question in questions {
            for key in &question.permissions {
                let project = |id: &u64| self.visible(&id.to_string()).is_some_and(|project| self.has(project, key));
                let issue =
                    |id: &u64| self.visible_issue(&id.to_string()).is_some_and(|(project, _)| self.has(project, key));
                let projects: Vec<u64> = question.projects.iter().copied().filter(project).collect();
                let issues: Vec<u64> = question.issues.iter().copied().filter(issue).collect();
                let nowhere = projects.is_empty() && issues.is_empty();
                if nowhere && self.site.instance.switches.checked_absence == CheckedAbsence::LeftOut {
                    continue;
                }
                answers.push(json!({"permission": key, "projects": projects, "issues": issues}));
            }
        }
        Reply::json(200, &json!({"globalPermissions": held, "projectPermissions": answers}))
    }

    pub(super) fn permitted_projects(&self, request: &Request) -> Reply {
        if self.caller.account.is_none() {
            return self.unauthenticated();
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let Some(asked) = texts(body.get("permissions")).filter(|asked| !asked.is_empty()) else {
            return Reply::errors(400, "At least one permission is required.");
        };
        if let Some(key) = asked.iter().find(|key| !is_project(key)) {
            return unrecognized(key);
        }
        let browsed = |project: &&Project| self.has(project, "BROWSE_PROJECTS");
        let all = |project: &&Project| asked.iter().all(|key| self.has(project, key));
        let found = self.site.instance.projects.iter().filter(browsed).filter(all);
        let found: Vec<Value> = found.map(|project| json!({"id": project.id, "key": project.key})).collect();
        Reply::json(200, &json!({"projects": found}))
    }
}

/// What is wrong with a bulk check.
fn refusal(globals: &[String], questions: &[Question]) -> Option<Reply> {
    if let Some(key) = globals.iter().find(|key| !is_global(key)) {
        return Some(unrecognized(key));
    }
    if let Some(key) = questions.iter().flat_map(|question| &question.permissions).find(|key| !is_project(key)) {
        return Some(unrecognized(key));
    }
    if questions.iter().any(|question| question.permissions.is_empty()) {
        return Some(Reply::errors(400, "At least one project permission is required."));
    }
    let total = |ids: fn(&Question) -> usize| questions.iter().map(ids).sum::<usize>();
    if total(|question| question.projects.len()) > MOST_IDS || total(|question| question.issues.len()) > MOST_IDS {
        return Some(Reply::errors(400, "No more than 1000 projects and 1000 issues can be checked at once."));
    }
    None
}
