//! Permission keys of both generations.

/// Whether a permission holds for the whole instance or per project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Global,
    Project,
}

impl Reach {
    /// The `type` of a permission in answers.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Global => "GLOBAL",
            Self::Project => "PROJECT",
        }
    }
}

/// A built-in permission.
#[derive(Debug)]
pub(super) struct Permission {
    /// Key of Cloud, and of Data Center from 7.0 on.
    pub(super) key: &'static str,
    /// Key before 7.0, where it differs.
    pub(super) legacy: Option<&'static str>,
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) reach: Reach,
}

const fn global(key: &'static str, id: &'static str, name: &'static str) -> Permission {
    Permission { key, legacy: None, id, name, reach: Reach::Global }
}

const fn project(key: &'static str, id: &'static str, name: &'static str, legacy: Option<&'static str>) -> Permission {
    Permission { key, legacy, id, name, reach: Reach::Project }
}

/// The permissions that the simulator knows.
pub(super) const PERMISSIONS: &[Permission] = &[
    global("ADMINISTER", "0", "Administer Jira"),
    global("SYSTEM_ADMIN", "44", "Jira System Administrators"),
    global("USER_PICKER", "27", "Browse users and groups"),
    global("BULK_CHANGE", "33", "Make bulk changes"),
    global("CREATE_SHARED_OBJECTS", "22", "Share dashboards and filters"),
    global("MANAGE_GROUP_FILTER_SUBSCRIPTIONS", "24", "Manage group filter subscriptions"),
    project("ADMINISTER_PROJECTS", "23", "Administer Projects", Some("PROJECT_ADMIN")),
    project("BROWSE_PROJECTS", "10", "Browse Projects", Some("BROWSE")),
    project("CREATE_ISSUES", "11", "Create Issues", Some("CREATE_ISSUE")),
    project("EDIT_ISSUES", "12", "Edit Issues", Some("EDIT_ISSUE")),
    project("TRANSITION_ISSUES", "46", "Transition Issues", Some("TRANSITION_ISSUE")),
    project("CREATE_ATTACHMENTS", "19", "Create Attachments", Some("CREATE_ATTACHMENT")),
    project("ADD_COMMENTS", "15", "Add Comments", Some("COMMENT_ISSUE")),
    project("DELETE_ALL_COMMENTS", "36", "Delete All Comments", Some("COMMENT_DELETE_ALL")),
    project("SET_ISSUE_SECURITY", "26", "Set Issue Security", None),
    project("ASSIGN_ISSUES", "13", "Assign Issues", Some("ASSIGN_ISSUE")),
    project("ASSIGNABLE_USER", "17", "Assignable User", None),
    project("DELETE_ISSUES", "16", "Delete Issues", Some("DELETE_ISSUE")),
    project("RESOLVE_ISSUES", "14", "Resolve Issues", Some("RESOLVE_ISSUE")),
    project("LINK_ISSUES", "21", "Link Issues", Some("LINK_ISSUE")),
    project("DELETE_OWN_COMMENTS", "37", "Delete Own Comments", Some("COMMENT_DELETE_OWN")),
];

/// The permission of this new-generation key.
pub(super) fn find(key: &str) -> Option<&'static Permission> {
    PERMISSIONS.iter().find(|permission| permission.key == key)
}

/// Whether a key names a global permission.
pub(super) fn is_global(key: &str) -> bool {
    find(key).is_some_and(|permission| permission.reach == Reach::Global)
}

/// Whether a key names a project permission.
pub(super) fn is_project(key: &str) -> bool {
    find(key).is_some_and(|permission| permission.reach == Reach::Project)
}
