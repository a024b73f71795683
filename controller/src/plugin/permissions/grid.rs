//! Projects by permissions, from what the statuses say. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crds::{
    JiraConnection, WorkspaceBinding,
    connection::{GlobalPermission, status::PermissionOnProjects},
    jira::{BROWSE_USERS_AND_GROUPS, PROJECT_PERMISSIONS, PermissionKey, ProjectKey},
};
use kube::ResourceExt;
use serde::{Serialize, Serializer, ser::SerializeSeq};

use crate::{
    condition::{About, Truth, find, is},
    plugin::{
        checked::Checked,
        palette::{Palette, Tone},
        table::{Cell, table},
        verdict::Verdict,
    },
};

/// What is known of one permission on one project. The worse is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Grant {
    /// The account has it.
    Granted,
    /// Nobody has said.
    Unknown,
    /// The account lacks it.
    Missing,
}

/// Where a permission is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Everywhere: a global permission.
    Global,
    /// On a project.
    Project(ProjectKey),
}

/// What is asked for at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The permissions.
    pub asked: BTreeMap<PermissionKey, Asked>,
    /// Whether Jira shows the account no such project.
    pub invisible: bool,
}

/// One permission at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What is known of it.
    pub grant: Grant,
    /// Who asks for it: `connection`, or `binding NAMESPACE/NAME`.
    pub by: BTreeSet<String>,
}

impl Row {
    /// The permissions that are missing.
    #[must_use]
    pub fn missing(&self) -> BTreeSet<&PermissionKey> {
        self.asked.iter().filter(|(_, asked)| asked.grant == Grant::Missing).map(|(key, _)| key).collect()
    }
}

/// Everything that a connection and its bindings ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Grid {
    /// By place.
    #[serde(rename = "permissions", serialize_with = "entries")]
    pub rows: BTreeMap<Place, Row>,
}

impl Grid {
    /// Of a connection and the bindings that use it.
    #[must_use]
    pub fn of(connection: &JiraConnection, bindings: &[WorkspaceBinding]) -> Self {
        let mut grid = Self::default();
        grid.own(connection);
        for binding in bindings {
            grid.bound(binding);
        }
        grid
    }

    fn own(&mut self, connection: &JiraConnection) {
        let required = connection.spec.permissions.clone().unwrap_or_default();
        let told = Told::of(connection);
        if required.global != Some(GlobalPermission::Ignored) {
            let key = PermissionKey::from(BROWSE_USERS_AND_GROUPS);
            self.note(Place::Global, key.clone(), told.grant(&key, None), "connection");
        }
        for project in required.projects.iter().flatten() {
            for key in PermissionKey::of_a_workspace() {
                let grant = told.grant(&key, Some(project));
                self.note(Place::Project(project.clone()), key, grant, "connection");
            }
        }
    }

    fn bound(&mut self, binding: &WorkspaceBinding) {
        let asker = format!("binding {}/{}", binding.namespace().unwrap_or_default(), binding.name_any());
        let found = binding.status.as_ref().map_or(&[][..], |status| &status.projects);
        let granted = find(binding.conditions(), About::PermissionsGranted).filter(|_| binding.is_observed());
        let answered = granted.is_some_and(|granted| granted.status != "Unknown");
        // A project may then be archived, of which the status tells no more.
        let unusable = granted.is_some_and(|granted| granted.reason == "ProjectNotFound");
        for project in &binding.spec.projects {
            let status = found.iter().find(|status| status.key == project.key).filter(|_| answered);
            let invisible = unusable && status.is_some_and(|status| status.id.is_none());
            for key in project.required() {
                let grant = match status {
                    None => Grant::Unknown,
                    Some(status) if invisible || status.missing.contains(&key) => Grant::Missing,
                    Some(status) if unusable && status.missing.is_empty() => Grant::Unknown,
                    Some(_) => Grant::Granted,
                };
                self.note(Place::Project(project.key.clone()), key, grant, &asker);
            }
            self.rows.entry(Place::Project(project.key.clone())).or_default().invisible |= invisible;
        }
    }

    fn note(&mut self, place: Place, key: PermissionKey, grant: Grant, asker: &str) {
        let row = self.rows.entry(place).or_default();
        let known = row.asked.entry(key).or_insert_with(|| Asked { grant, by: BTreeSet::new() });
        known.grant = known.grant.max(grant);
        known.by.insert(asker.to_owned());
    }

    /// The worst that is there.
    #[must_use]
    pub fn worst(&self) -> Grant {
        self.rows.values().flat_map(|row| row.asked.values()).map(|asked| asked.grant).max().unwrap_or(Grant::Granted)
    }

    /// Good if everything is granted.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of(self.worst() == Grant::Granted)
    }

    /// For people; `wide` adds who asks.
    #[must_use]
    pub fn text(&self, wide: bool, palette: Palette) -> String {
        let columns = self.columns();
        let mut head: Vec<Cell> = vec!["PROJECT".into()];
        head.extend(columns.iter().map(|key| Cell::from(key.as_ref())));
        if wide {
            head.push("ASKED FOR BY".into());
        }
        let line = |(place, row): (&Place, &Row)| {
            let mut line: Vec<Cell> = vec![name(place, row).into()];
            line.extend(columns.iter().map(|key| match row.asked.get(key).map(|asked| asked.grant) {
                None => Cell::from("-"),
                Some(Grant::Granted) => Cell::toned(Tone::Good, "yes"),
                Some(Grant::Unknown) => Cell::toned(Tone::Doubtful, "?"),
                Some(Grant::Missing) => Cell::toned(Tone::Bad, "MISSING"),
            }));
            if wide {
                let askers: BTreeSet<_> = row.asked.values().flat_map(|asked| &asked.by).map(String::as_str).collect();
                line.push(askers.into_iter().collect::<Vec<_>>().join(", ").into());
            }
            line
        };
        let rows: Vec<_> = std::iter::once(head).chain(self.rows.iter().map(line)).collect();
        table(&rows, palette)
    }

    /// Those of a workspace in their usual order, then the others.
    fn columns(&self) -> Vec<PermissionKey> {
        let asked: BTreeSet<_> = self.rows.values().flat_map(|row| row.asked.keys().cloned()).collect();
        let usual = PROJECT_PERMISSIONS.into_iter().map(PermissionKey::from).filter(|key| asked.contains(key));
        let others = asked.iter().filter(|key| !PROJECT_PERMISSIONS.contains(&key.as_ref())).cloned();
        usual.chain(others).collect()
    }
}

fn name(place: &Place, row: &Row) -> String {
    match place {
        Place::Global => "(global)".to_owned(),
        Place::Project(key) if row.invisible => format!("{key} (not visible)"),
        Place::Project(key) => key.to_string(),
    }
}

/// One entry for each place and permission, as programs read it.
fn entries<S: Serializer>(rows: &BTreeMap<Place, Row>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        project: Option<&'a ProjectKey>,
        permission: &'a PermissionKey,
        grant: Grant,
        asked_by: &'a BTreeSet<String>,
    }
    let mut sequence = serializer.serialize_seq(None)?;
    for (place, row) in rows {
        let project = match place {
            Place::Global => None,
            Place::Project(key) => Some(key),
        };
        for (permission, Asked { grant, by }) in &row.asked {
            sequence.serialize_element(&Entry { project, permission, grant: *grant, asked_by: by })?;
        }
    }
    sequence.end()
}

/// What the status of a connection says of its own permissions.
struct Told<'a> {
    answered: bool,
    missing: &'a [PermissionOnProjects],
    unknown: &'a [PermissionOnProjects],
    /// Whether the lists were cut: what is absent from them may still be missing.
    cut: bool,
}

impl<'a> Told<'a> {
    fn of(connection: &'a JiraConnection) -> Self {
        let conditions = connection.conditions();
        let answered = connection.is_observed()
            && (is(conditions, About::PermissionsGranted, Truth::True)
                || is(conditions, About::PermissionsGranted, Truth::False));
        let permissions = connection.status.as_ref().and_then(|status| status.permissions.as_ref());
        let (missing, unknown, total) = permissions.map_or((&[][..], &[][..], 0), |permissions| {
            (&permissions.missing[..], &permissions.unknown[..], permissions.total)
        });
        let shown: usize = missing.iter().chain(unknown).map(|entry| entry.projects.len().max(1)).sum();
        Self { answered, missing, unknown, cut: i64::try_from(shown).is_ok_and(|shown| shown < total) }
    }

    fn grant(&self, key: &PermissionKey, project: Option<&ProjectKey>) -> Grant {
        let names = |entries: &[PermissionOnProjects]| {
            entries.iter().any(|entry| {
                entry.permission == *key
                    && match project {
                        None => entry.projects.is_empty(),
                        Some(project) => entry.projects.contains(project),
                    }
            })
        };
        if names(self.missing) {
            Grant::Missing
        } else if !self.answered || self.cut || names(self.unknown) {
            Grant::Unknown
        } else {
            Grant::Granted
        }
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "tables of JSON read better without a reference before each value")]
pub(super) mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::plugin::format::Format;

    pub(in crate::plugin::permissions) fn connection(granted: &str, permissions: Value) -> JiraConnection {
        serde_json::from_value(json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
            "metadata": { "name": "acme", "namespace": "platform", "generation": 1 },
            "spec": { "url": "https://jira.example", "deployment": "DataCenter",
                "auth": { "personalAccessToken": { "tokenSecretRef": { "name": "pat", "key": "token" } } },
                "permissions": { "projects": ["WEB"] } },
            "status": { "observedGeneration": 1, "permissions": permissions,
                "account": { "id": "JIRAUSER10100", "displayName": "Jira Bot", "type": "ServiceAccount" },
                "conditions": [{ "type": "PermissionsGranted", "status": granted, "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T12:00:00Z" }] },
        }))
        .unwrap()
    }

    pub(in crate::plugin::permissions) fn binding(
        name: &str,
        granted: (&str, &str),
        projects: Value,
    ) -> WorkspaceBinding {
        let (granted, reason) = granted;
        serde_json::from_value(json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "WorkspaceBinding",
            "metadata": { "name": name, "namespace": "team", "generation": 1 },
            "spec": { "connectionRef": { "name": "acme", "namespace": "platform" }, "workspace": name, "projects": [
                { "key": "APP", "permissions": ["CREATE_ISSUES", "MANAGE_WATCHERS"] }, { "key": "WEB", "permissions": ["CREATE_ISSUES"] },
            ] },
            "status": { "observedGeneration": 1, "projects": projects,
                "conditions": [{ "type": "PermissionsGranted", "status": granted, "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T12:00:00Z" }] },
        }))
        .unwrap()
    }

    fn lacking() -> Grid {
        let missing = json!({ "missing": [{ "permission": "USER_PICKER" }, { "permission": "ADD_COMMENTS", "projects": ["WEB"] }], "total": 2 });
        let found = json!([{ "key": "APP" }, { "key": "WEB", "id": "1", "missing": ["CREATE_ISSUES"] }]);
        Grid::of(
            &connection("False", missing),
            &[
                binding("one", ("False", "ProjectNotFound"), found),
                binding("two", ("Unknown", "NotChecked"), json!([])),
            ],
        )
    }

    #[test]
    fn the_table_shows_the_worst_that_anybody_says() {
        insta::assert_snapshot!(lacking().text(true, Palette::Plain));
        assert_eq!(lacking().worst(), Grant::Missing);
    }

    #[test]
    fn programs_get_one_entry_for_each() {
        insta::assert_snapshot!(Format::Yaml.document(&lacking()).unwrap().unwrap());
    }

    #[rstest]
    #[case::everything_granted("True", json!({ "total": 0 }), Grant::Granted)]
    #[case::not_checked("Unknown", json!({ "total": 0 }), Grant::Unknown)]
    #[case::could_not_be_asked("True", json!({ "unknown": [{ "permission": "ADD_COMMENTS", "projects": ["WEB"] }], "total": 1 }), Grant::Unknown)]
    #[case::cut("False", json!({ "missing": [{ "permission": "X", "projects": ["Y"] }], "total": 2 }), Grant::Unknown)]
    #[case::missing("False", json!({ "missing": [{ "permission": "ADD_COMMENTS", "projects": ["WEB"] }], "total": 1 }), Grant::Missing)]
    fn nothing_counts_as_granted_that_nobody_has_said(
        #[case] granted: &str,
        #[case] permissions: Value,
        #[case] worst: Grant,
    ) {
        assert_eq!(Grid::of(&connection(granted, permissions), &[]).worst(), worst);
    }

    #[rstest]
    #[case::granted(("True", "Granted"), json!([{ "key": "APP", "id": "1" }, { "key": "WEB", "id": "2" }]), Grant::Granted)]
    #[case::not_answered(("Unknown", "NotAnswered"), json!([{ "key": "APP", "id": "1" }, { "key": "WEB", "id": "2" }]), Grant::Unknown)]
    #[case::left_out_of_the_list(("True", "Granted"), json!([{ "key": "APP", "id": "1" }]), Grant::Unknown)]
    #[case::perhaps_archived(("False", "ProjectNotFound"), json!([{ "key": "APP", "id": "1" }, { "key": "WEB", "id": "2" }]), Grant::Unknown)]
    #[case::not_there(("False", "ProjectNotFound"), json!([{ "key": "APP" }, { "key": "WEB", "id": "2" }]), Grant::Missing)]
    #[case::missing(("False", "PermissionsMissing"), json!([{ "key": "APP", "id": "1", "missing": ["CREATE_ISSUES"] }, { "key": "WEB", "id": "2" }]), Grant::Missing)]
    fn a_binding_s_projects_are_told_apart(
        #[case] granted: (&str, &str),
        #[case] projects: Value,
        #[case] worst: Grant,
    ) {
        let connection = connection("True", json!({ "total": 0 }));
        assert_eq!(Grid::of(&connection, &[binding("one", granted, projects)]).worst(), worst);
    }

    #[test]
    fn an_earlier_spec_s_status_counts_for_nothing() {
        let mut connection = connection("True", json!({ "total": 0 }));
        connection.metadata.generation = Some(2);
        assert_eq!(Grid::of(&connection, &[]).worst(), Grant::Unknown);
    }
}
