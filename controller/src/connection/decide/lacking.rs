//! Permissions that the connection itself requires, held against what is granted.

use std::collections::BTreeSet;

use crds::{
    connection::status::{MOST_ENTRIES, PermissionOnProjects, Permissions},
    jira::{BROWSE_USERS_AND_GROUPS, PermissionKey, ProjectKey},
};

use super::view::View;
use crate::summary::{self, Missing};

/// Permissions that the connection itself requires, and that are not there or not known to be.
#[derive(Default)]
pub(super) struct Lacking {
    pub(super) missing: Missing,
    pub(super) unknown: Missing,
    absent: BTreeSet<ProjectKey>,
}

impl Lacking {
    pub(super) fn of(view: &View<'_>) -> Self {
        let mut lacking = Self::default();
        if view.requires_global() {
            match view.facts.global.as_ref().map(|seen| &seen.outcome) {
                Some(Ok(true)) | None => {}
                Some(Ok(false)) => _ = lacking.missing.entry(BROWSE_USERS_AND_GROUPS.into()).or_default(),
                Some(Err(_)) => _ = lacking.unknown.entry(BROWSE_USERS_AND_GROUPS.into()).or_default(),
            }
        }
        for project in view.own_projects() {
            lacking.weigh_project(view, project);
        }
        lacking
    }

    fn weigh_project(&mut self, view: &View<'_>, project: &ProjectKey) {
        let found = view.facts.projects.get(project).map(|seen| &seen.outcome);
        if matches!(found, Some(Ok(None))) {
            self.absent.insert(project.clone());
        }
        let grant = view.facts.grants.get(project).map(|seen| &seen.outcome);
        for permission in PermissionKey::of_a_workspace() {
            let list = match (found, grant) {
                (Some(Ok(None)), _) => &mut self.missing,
                (_, Some(Ok(granted))) if granted.held.contains(&permission) => continue,
                (_, Some(Ok(grant))) if grant.unrecognized.contains(&permission) => &mut self.unknown,
                (_, Some(Ok(_))) => &mut self.missing,
                (_, Some(Err(_)) | None) => &mut self.unknown,
            };
            list.entry(permission).or_default().insert(project.clone());
        }
    }

    /// `USER_PICKER (global); CREATE_ISSUES on WEB; every permission on OLD (missing or hidden)`
    pub(super) fn sentence(&self) -> String {
        let visible = |(permission, projects): (&PermissionKey, &BTreeSet<ProjectKey>)| {
            let rest: BTreeSet<_> = projects.difference(&self.absent).cloned().collect();
            (projects.is_empty() || !rest.is_empty()).then(|| (permission.clone(), rest))
        };
        let named = summary::lacking(&self.missing.iter().filter_map(visible).collect());
        let absent = summary::listed(self.absent.iter().map(ProjectKey::as_ref));
        match (named.is_empty(), absent.is_empty()) {
            (_, true) => named,
            (true, false) => format!("every permission on {absent} (missing or hidden)"),
            (false, false) => format!("{named}; every permission on {absent} (missing or hidden)"),
        }
    }

    pub(super) fn status(&self) -> Option<Permissions> {
        let total = count(&self.missing) + count(&self.unknown);
        (total > 0).then(|| Permissions { missing: grouped(&self.missing), unknown: grouped(&self.unknown), total })
    }
}

fn count(permissions: &Missing) -> i64 {
    let each = permissions.values().map(|projects| projects.len().max(1));
    i64::try_from(each.sum::<usize>()).unwrap_or(i64::MAX)
}

fn grouped(permissions: &Missing) -> Vec<PermissionOnProjects> {
    let entry = |(permission, projects): (&PermissionKey, &BTreeSet<ProjectKey>)| PermissionOnProjects {
        permission: permission.clone(),
        projects: projects.iter().take(MOST_ENTRIES).cloned().collect(),
    };
    permissions.iter().take(MOST_ENTRIES).map(entry).collect()
}
