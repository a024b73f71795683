//! One-line summaries for columns and messages. They stay the same as long as what they tell does.

use std::collections::{BTreeMap, BTreeSet};

use crds::jira::{PermissionKey, ProjectKey};

/// How many names a list shows before it counts.
const SHOWN: usize = 5;

/// Permissions that are missing, with the projects on which they are; no project means a global permission.
pub type Missing = BTreeMap<PermissionKey, BTreeSet<ProjectKey>>;

/// `WEB, APP +98`
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} +{more}"),
    }
}

/// `USER_PICKER (global); ADD_COMMENTS, CREATE_ISSUES on WEB, APP`: every permission is named, and those that are missing on
/// the same projects stand together.
#[must_use]
pub fn lacking(missing: &Missing) -> String {
    let mut by_projects: BTreeMap<&BTreeSet<ProjectKey>, Vec<&str>> = BTreeMap::new();
    for (permission, projects) in missing {
        by_projects.entry(projects).or_default().push(permission.as_ref());
    }
    let group = |(projects, permissions): (&BTreeSet<ProjectKey>, Vec<&str>)| {
        let permissions = permissions.join(", ");
        if projects.is_empty() {
            return format!("{permissions} (global)");
        }
        format!("{permissions} on {}", listed(projects.iter().map(ProjectKey::as_ref)))
    };
    by_projects.into_iter().map(group).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[], "")]
    #[case(&["WEB"], "WEB")]
    #[case(&["A", "B", "C", "D", "E"], "A, B, C, D, E")]
    #[case(&["A", "B", "C", "D", "E", "F", "G"], "A, B, C, D, E +2")]
    fn a_long_list_is_counted(#[case] names: &[&str], #[case] expected: &str) {
        assert_eq!(listed(names.iter().copied()), expected);
    }

    #[rstest]
    #[case::nothing(&[], "")]
    #[case::global(&[("USER_PICKER", &[] as &[&str])], "USER_PICKER (global)")]
    #[case::one(&[("CREATE_ISSUES", &["WEB"] as &[&str])], "CREATE_ISSUES on WEB")]
    #[case::same_projects_stand_together(&[("A", &["WEB"] as &[&str]), ("B", &["WEB"])], "A, B on WEB")]
    #[case::other_projects_apart(&[("A", &["WEB"] as &[&str]), ("B", &["APP", "WEB"])], "B on APP, WEB; A on WEB")]
    fn every_missing_permission_is_named(#[case] missing: &[(&str, &[&str])], #[case] expected: &str) {
        let projects = |keys: &[&str]| keys.iter().copied().map(ProjectKey::from).collect();
        let missing: Missing = missing.iter().map(|(key, on)| (PermissionKey::from(*key), projects(on))).collect();
        assert_eq!(lacking(&missing), expected);
    }
}
