//! What to send to whoever administers Jira.

use std::collections::{BTreeMap, BTreeSet};

use crds::{JiraConnection, jira::PermissionKey};

use super::grid::{Grid, Place};
use crate::plugin::console::visible;

/// Permissions as Jira's administration calls them, by their keys (Jira Cloud REST, "Permissions").
const NAMES: [(&str, &str); 8] = [
    ("ADD_COMMENTS", "Add Comments"),
    ("BROWSE_PROJECTS", "Browse Projects"),
    ("CREATE_ATTACHMENTS", "Create Attachments"),
    ("CREATE_ISSUES", "Create Issues"),
    ("DELETE_ALL_COMMENTS", "Delete All Comments"),
    ("EDIT_ISSUES", "Edit Issues"),
    ("TRANSITION_ISSUES", "Transition Issues"),
    ("USER_PICKER", "Browse Users and Groups"),
];

/// Whether Jira shows a project to the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sighting {
    Visible,
    Invisible,
}

/// Asks for what is missing. `None` where nothing is.
pub(super) fn to_the_admin(connection: &JiraConnection, grid: &Grid) -> Option<String> {
    let mut global = BTreeSet::new();
    // Projects that lack the same stand in one line.
    let mut on_projects: BTreeMap<(Sighting, BTreeSet<&PermissionKey>), BTreeSet<&str>> = BTreeMap::new();
    for (place, row) in &grid.rows {
        let missing = row.missing();
        match place {
            Place::Global => global.extend(missing),
            Place::Project(_) if missing.is_empty() => {}
            Place::Project(project) => {
                let sighting = if row.invisible { Sighting::Invisible } else { Sighting::Visible };
                on_projects.entry((sighting, missing)).or_default().insert(project.as_ref());
            }
        }
    }
    if global.is_empty() && on_projects.is_empty() {
        return None;
    }
    let mut lines = vec![
        format!("Please grant {} these permissions in {}:", account(connection), visible(&connection.spec.url)),
        String::new(),
    ];
    for ((sighting, keys), projects) in on_projects {
        let remark = match sighting {
            Sighting::Visible => "",
            Sighting::Invisible => " (not visible to the account: hidden, archived, or not there)",
        };
        lines.push(format!("* {}{remark}: {}", noun(&projects), names(&keys)));
    }
    if !global.is_empty() {
        lines.push(format!("* everywhere: {}, as a global permission", names(&global)));
    }
    lines.push(String::new());
    lines.push("Permissions on projects are granted in the projects' permission schemes.".to_owned());
    Some(lines.join("\n"))
}

fn account(connection: &JiraConnection) -> String {
    let account = connection.status.as_ref().and_then(|status| status.account.as_ref());
    match account {
        None => "the account of our integration".to_owned(),
        Some(account) => match &account.display_name {
            Some(name) => format!("the account \"{}\" (id {})", visible(name), visible(&account.id)),
            None => format!("the account with the id {}", visible(&account.id)),
        },
    }
}

fn noun(projects: &BTreeSet<&str>) -> String {
    let noun = if projects.len() == 1 { "project" } else { "projects" };
    format!("{noun} {}", projects.iter().copied().collect::<Vec<_>>().join(", "))
}

fn names(keys: &BTreeSet<&PermissionKey>) -> String {
    let name = |key: &&PermissionKey| {
        let known = NAMES.iter().find(|(known, _)| *known == key.as_ref());
        known.map_or_else(|| key.to_string(), |(key, name)| format!("{name} ({key})"))
    };
    keys.iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::grid::tests::{binding, connection},
        *,
    };

    #[test]
    fn the_text_asks_for_what_is_missing_and_nothing_else() {
        let missing = json!({ "missing": [{ "permission": "USER_PICKER" }, { "permission": "ADD_COMMENTS", "projects": ["WEB"] }], "total": 2 });
        let connection = connection("False", missing);
        let bindings = [binding(
            "one",
            ("False", "ProjectNotFound"),
            json!([{ "key": "APP" }, { "key": "WEB", "id": "1", "missing": ["CREATE_ISSUES"] }]),
        )];
        insta::assert_snapshot!(to_the_admin(&connection, &Grid::of(&connection, &bindings)).unwrap());
    }

    #[test]
    fn nothing_is_asked_for_where_nothing_is_missing() {
        for granted in ["True", "Unknown"] {
            let connection = connection(granted, json!({ "total": 0 }));
            assert_eq!(to_the_admin(&connection, &Grid::of(&connection, &[])), None);
        }
    }
}
