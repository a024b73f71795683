//! Projects and their issue security.

use serde_json::{Value, json};

use super::super::instance::{ArchivedProject, MissingScheme, Project, ProjectState, SecurityLevel, UnmatchedSearch};
use super::super::message::{Reply, Request};
use super::{Visit, no_project};

/// Most keys, and most ids, in one search.
const MOST_KEYS: usize = 50;
/// Longest page of a search.
const LONGEST_PAGE: usize = 100;

impl Visit<'_> {
    fn project_json(&self, project: &Project) -> Value {
        let name = project.name.as_deref().unwrap_or(&project.key);
        let archived = project.state == ProjectState::Archived;
        let mut shown = json!({
            "self": self.link(&format!("project/{}", project.id)), "id": project.id.to_string(), "key": project.key,
            "name": name, "avatarUrls": {}, "projectTypeKey": "software", "archived": archived,
            "assigneeType": project.assignee_type});
        if self.is_cloud() {
            shown["simplified"] = json!(false);
            shown["style"] = json!("classic");
            shown["isPrivate"] = json!(false);
            shown["deleted"] = json!(false);
        }
        if let Some(lead) = project.lead.as_deref().and_then(|id| self.site.instance.account(id)) {
            shown["lead"] = self.user(lead);
        }
        shown
    }

    pub(super) fn project(&self, id_or_key: &str) -> Reply {
        let hidden = |project: &&Project| {
            project.state == ProjectState::Archived
                && self.site.instance.switches.archived_project == ArchivedProject::NotFound
                && !self.has_global("ADMINISTER")
        };
        match self.visible(id_or_key).filter(|project| !hidden(project)) {
            Some(project) => Reply::json(200, &self.project_json(project)),
            None => no_project(id_or_key),
        }
    }

    /// Data Center's list: a bare array.
    pub(super) fn project_list(&self, request: &Request) -> Reply {
        let archived = request.parameter("includeArchived").as_deref() == Some("true");
        let listed = |project: &&Project| {
            (archived || project.state == ProjectState::Live) && self.has(project, "BROWSE_PROJECTS")
        };
        let projects = self.site.instance.projects.iter().filter(listed);
        Reply::json(200, &projects.map(|project| self.project_json(project)).collect())
    }

    pub(super) fn project_search(&self, request: &Request) -> Reply {
        let (keys, ids) = (request.parameters("keys"), request.parameters("id"));
        if keys.len() > MOST_KEYS || ids.len() > MOST_KEYS {
            return Reply::errors(400, "No more than 50 keys and 50 ids can be searched for.");
        }
        let action = request.parameter("action").unwrap_or_else(|| "view".to_owned());
        let needed: &[&str] = match action.as_str() {
            "view" => &["BROWSE_PROJECTS", "ADMINISTER_PROJECTS"],
            "browse" => &["BROWSE_PROJECTS"],
            "edit" => &["ADMINISTER_PROJECTS"],
            "create" => &["CREATE_ISSUES"],
            _ => return Reply::field_error(400, "action", "The action is not known."),
        };
        let administers = self.has_global("ADMINISTER") && ["view", "edit"].contains(&action.as_str());
        let statuses = request.parameters("status");
        let statuses: Vec<&str> = statuses.iter().flat_map(|status| status.split(',')).collect();
        let matching = |project: &&Project| {
            let state = if project.state == ProjectState::Archived { "archived" } else { "live" };
            (administers || needed.iter().any(|key| self.has(project, key)))
                && (keys.is_empty() || keys.contains(&project.key))
                && (ids.is_empty() || ids.contains(&project.id.to_string()))
                && (statuses.contains(&state) || statuses.is_empty() && state == "live")
        };
        let number = |name: &str| request.parameter(name).and_then(|value| value.parse::<usize>().ok());
        let start = number("startAt").unwrap_or(0);
        let size = number("maxResults").unwrap_or(50).min(LONGEST_PAGE);
        let found: Vec<&Project> = self.site.instance.projects.iter().filter(matching).collect();
        if found.is_empty() && self.site.instance.switches.unmatched_search == UnmatchedSearch::NotFound {
            return Reply::errors(404, "No projects matching the search criteria were found.");
        }
        let page = found.iter().skip(start).take(size).map(|project| self.project_json(project));
        let page: Vec<Value> = page.collect();
        let last = start.saturating_add(size) >= found.len();
        let link = self.link("project/search");
        Reply::json(
            200,
            &json!({"self": link, "startAt": start, "maxResults": size, "total": found.len(), "isLast": last,
                    "values": page}),
        )
    }

    fn level(&self, level: &SecurityLevel) -> Value {
        let link = self.link(&format!("securitylevel/{}", level.id));
        json!({"self": link, "id": level.id.to_string(), "name": level.name, "description": ""})
    }

    pub(super) fn security_scheme(&self, id_or_key: &str) -> Reply {
        if self.caller.account.is_none() {
            return self.unauthenticated();
        }
        let Some(project) = self.visible(id_or_key) else {
            return no_project(id_or_key);
        };
        if !self.has_global("ADMINISTER") && !self.has(project, "ADMINISTER_PROJECTS") {
            return Reply::errors(403, "You do not have permission to administer this project.");
        }
        let Some(scheme) = &project.security_scheme else {
            return match self.site.instance.switches.missing_scheme {
                MissingScheme::EmptyObject => Reply::json(200, &json!({})),
                MissingScheme::NotFound => Reply::errors(404, "The project has no issue security scheme."),
            };
        };
        let levels: Vec<Value> = scheme.levels.iter().map(|level| self.level(level)).collect();
        let mut body = json!({"self": self.link(&format!("issuesecurityschemes/{}", scheme.id)), "id": scheme.id,
                              "name": scheme.name, "description": "", "levels": levels});
        if let Some(level) = scheme.default_level {
            body["defaultSecurityLevelId"] = json!(level);
        }
        Reply::json(200, &body)
    }

    pub(super) fn security_levels(&self, id_or_key: &str) -> Reply {
        let Some(project) = self.visible(id_or_key) else {
            return no_project(id_or_key);
        };
        let settable = self.has(project, "SET_ISSUE_SECURITY");
        let levels = project.security_scheme.iter().flat_map(|scheme| &scheme.levels);
        let levels = levels.filter(|level| settable && self.in_level(project, Some(level.id)));
        let levels: Vec<Value> = levels.map(|level| self.level(level)).collect();
        Reply::json(200, &json!({"levels": levels}))
    }
}
