//! Issues, as far as creating and reading one needs.

use serde_json::{Value, json};

use super::super::instance::Issue;
use super::super::message::{Reply, Request};
use super::{Visit, no_issue};

impl Visit<'_> {
    pub(super) fn create_issue(&mut self, request: &Request) -> Reply {
        if self.is_cloud() && self.caller.account.is_none() {
            return self.unauthenticated();
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let project = &body["fields"]["project"];
        let Some(wanted) = project["key"].as_str().or_else(|| project["id"].as_str()) else {
            return Reply::field_error(400, "project", "Specify a valid project ID or key");
        };
        let Some(summary) = body["fields"]["summary"].as_str().filter(|summary| !summary.is_empty()) else {
            return Reply::field_error(400, "summary", "You must specify a summary of the issue.");
        };
        let allowed = self.visible(wanted).filter(|project| self.has(project, "CREATE_ISSUES"));
        let Some(key) = allowed.map(|project| project.key.clone()) else {
            return Reply::field_error(400, "project", "You cannot create issues in this project.");
        };
        let assignee = match self.assignee(&body["fields"]["assignee"]) {
            Ok(assignee) => assignee,
            Err(refusal) => return refusal,
        };
        let id = self.next_issue_id();
        let Some(project) = self.site.instance.project_mut(&key) else {
            return no_issue();
        };
        let issue_key = format!("{key}-{}", project.issues.len() + 1);
        let summary = summary.to_owned();
        project.issues.push(Issue { id, key: issue_key.clone(), summary, assignee, security_level: None });
        let link = self.link(&format!("issue/{id}"));
        Reply::json(201, &json!({"id": id.to_string(), "key": issue_key, "self": link}))
    }

    /// Id of the account that a new issue shall be assigned to: Cloud goes by `id` or `accountId`, Data Center by `name`.
    fn assignee(&self, wanted: &Value) -> Result<Option<String>, Reply> {
        let accounts = &self.site.instance.accounts;
        let found = match (wanted, self.is_cloud()) {
            (Value::Null, _) => return Ok(None),
            (_, true) => wanted["id"]
                .as_str()
                .or_else(|| wanted["accountId"].as_str())
                .map(|id| accounts.iter().find(|account| account.id == id)),
            (_, false) => wanted["name"].as_str().map(|name| accounts.iter().find(|account| account.name == name)),
        };
        match found.flatten() {
            Some(account) => Ok(Some(account.id.clone())),
            None => Err(Reply::field_error(
                400,
                "assignee",
                "The user cannot be found, or issues cannot be assigned to it.",
            )),
        }
    }

    fn next_issue_id(&self) -> u64 {
        let ids = self.site.instance.projects.iter().flat_map(|project| &project.issues).map(|issue| issue.id);
        ids.max().unwrap_or(10_000) + 1
    }

    pub(super) fn show_issue(&self, id_or_key: &str) -> Reply {
        let Some((project, issue)) = self.visible_issue(id_or_key) else {
            return no_issue();
        };
        let level = issue.security_level.map(|level| json!({"id": level.to_string()}));
        let project = json!({"id": project.id.to_string(), "key": project.key});
        let link = self.link(&format!("issue/{}", issue.id));
        let assignee = issue.assignee.as_deref().and_then(|id| self.site.instance.account(id));
        let assignee = assignee.map(|account| self.user(account));
        let fields = json!({"summary": issue.summary, "project": project, "assignee": assignee, "security": level});
        Reply::json(200, &json!({"id": issue.id.to_string(), "key": issue.key, "self": link, "fields": fields}))
    }
}
