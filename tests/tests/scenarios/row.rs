//! Rows of the state tables: the state, and all conditions with status and reason.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use tests::stage::Kind;

/// Marks the values of all Secrets, so that one that leaks is found.
pub(crate) const SECRET_MARK: &str = "sesame";

/// Domain of all e-mail addresses.
const MAIL_DOMAIN: &str = "@example.test";

/// A row of a state table. Two rows are equal if nothing that a reader acts on differs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Row {
    state: Option<String>,
    /// Status and reason by type.
    conditions: BTreeMap<String, String>,
}

impl Row {
    /// A row with these conditions: pairs of a type, and of its status and reason in one.
    pub(crate) fn new(state: Option<&str>, conditions: &[(&str, &str)]) -> Self {
        let conditions = conditions.iter().map(|(about, claim)| ((*about).to_owned(), (*claim).to_owned()));
        Self { state: state.map(str::to_owned), conditions: conditions.collect() }
    }

    /// The row that a status shows.
    pub(crate) fn of(status: &Value) -> Self {
        let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        let conditions = status["conditions"].as_array().into_iter().flatten().map(|condition| {
            (text(condition, "type"), format!("{} {}", text(condition, "status"), text(condition, "reason")))
        });
        Self { state: status["state"].as_str().map(str::to_owned), conditions: conditions.collect() }
    }

    /// The same with another or a further condition.
    pub(crate) fn with(mut self, about: &str, claim: &str) -> Self {
        self.conditions.insert(about.to_owned(), claim.to_owned());
        self
    }

    /// The same without a state.
    pub(crate) fn without_state(self) -> Self {
        Self { state: None, ..self }
    }

    /// The same with another state.
    pub(crate) fn in_state(self, state: &str) -> Self {
        Self { state: Some(state.to_owned()), ..self }
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.state.as_deref().unwrap_or("no state"))?;
        self.conditions.iter().try_for_each(|(about, claim)| write!(f, " {about}={}", claim.replace(' ', "/")))
    }
}

/// Whether `Reconciling` or `Stalled` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Reconciling,
    Stalled,
}

impl Progress {
    const fn about(self) -> &'static str {
        match self {
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }
}

const NOT_CHECKED: &str = "Unknown NotChecked";

/// Rows of a connection.
pub(crate) mod connection {
    use super::{NOT_CHECKED, Progress, Row};

    fn row(state: &str, ready: &str, authorized: &str, resolved: &str, reachable: &str, permissions: &str) -> Row {
        let conditions = [
            ("Ready", ready),
            ("Authorized", authorized),
            ("CredentialsResolved", resolved),
            ("Reachable", reachable),
            ("PermissionsGranted", permissions),
        ];
        Row::new(Some(state), &conditions)
    }

    /// Everything holds.
    pub(crate) fn proven() -> Row {
        let authorized = "True IdentityProven";
        row("Authorized", "True ConnectionVerified", authorized, "True Resolved", "True Answering", "True Granted")
    }

    /// The first check takes its time.
    pub(crate) fn progressing() -> Row {
        let unknown = "Unknown Progressing";
        let conditions = [
            ("Ready", unknown),
            ("Authorized", unknown),
            ("CredentialsResolved", NOT_CHECKED),
            ("Reachable", NOT_CHECKED),
            ("PermissionsGranted", NOT_CHECKED),
            ("Reconciling", "True Progressing"),
        ];
        Row::new(None, &conditions)
    }

    /// A Secret, ConfigMap or key is missing or malformed.
    pub(crate) fn unresolved(reason: &str, progress: Progress) -> Row {
        let (no, unknown) = (format!("False {reason}"), format!("Unknown {reason}"));
        row("Interrupted", &no, &unknown, &no, NOT_CHECKED, NOT_CHECKED)
            .with(progress.about(), &format!("True {reason}"))
    }

    /// The identity is not proven.
    pub(crate) fn refused(reason: &str, progress: Progress) -> Row {
        let no = format!("False {reason}");
        row("NotAuthorized", &no, &no, "True Resolved", "True Answering", NOT_CHECKED)
            .with(progress.about(), &format!("True {reason}"))
    }

    /// The token lacks a scope.
    pub(crate) fn scope_missing() -> Row {
        let (no, authorized) = ("False ScopeMissing", "True IdentityProven");
        row("Interrupted", no, authorized, "True Resolved", "True Answering", NOT_CHECKED)
            .with("Stalled", "True ScopeMissing")
    }

    /// A permission that the connection itself requires is missing.
    pub(crate) fn lacking() -> Row {
        let (no, authorized) = ("False PermissionsMissing", "True IdentityProven");
        row("Interrupted", no, authorized, "True Resolved", "True Answering", no)
            .with("Stalled", "True PermissionsMissing")
    }

    /// Out of reach, and forgiven.
    pub(crate) fn in_grace(reason: &str) -> Row {
        proven().with("Ready", "True InterruptedInGrace").with("Reachable", &format!("False {reason}"))
    }

    /// Out of reach after grace, or never proven.
    pub(crate) fn interrupted(reason: &str) -> Row {
        let (no, unknown) = (format!("False {reason}"), format!("Unknown {reason}"));
        row("Interrupted", &no, &unknown, "True Resolved", &no, NOT_CHECKED)
            .with("Reconciling", &format!("True {reason}"))
    }

    /// Something does not fit together, though Jira answers.
    pub(crate) fn misfit(reason: &str) -> Row {
        let (no, unknown) = (format!("False {reason}"), format!("Unknown {reason}"));
        row("Interrupted", &no, &unknown, "True Resolved", "True Answering", NOT_CHECKED)
            .with("Stalled", &format!("True {reason}"))
    }

    /// TLS fails.
    pub(crate) fn tls_failed() -> Row {
        misfit("TLSFailed").with("Reachable", "False TLSFailed")
    }
}

/// Rows of a binding.
pub(crate) mod binding {
    use super::{NOT_CHECKED, Progress, Row};

    /// Accepted and proven.
    pub(crate) fn proven() -> Row {
        let conditions = [
            ("Ready", "True BindingVerified"),
            ("Accepted", "True Accepted"),
            ("Authorized", "True ConnectionVerified"),
            ("PermissionsGranted", "True Granted"),
        ];
        Row::new(Some("Authorized"), &conditions)
    }

    /// Refused, or no such connection.
    pub(crate) fn not_permitted(progress: Progress) -> Row {
        let conditions = [
            ("Ready", "False NotPermitted"),
            ("Accepted", "False NotPermitted"),
            ("Authorized", NOT_CHECKED),
            ("PermissionsGranted", NOT_CHECKED),
            (progress.about(), "True NotPermitted"),
        ];
        Row::new(None, &conditions)
    }

    /// The connection is not proven.
    pub(crate) fn not_ready(state: &str, progress: Progress) -> Row {
        let authorized = match state {
            "NotAuthorized" => "False ConnectionNotReady",
            _ => "Unknown ConnectionNotReady",
        };
        let conditions = [
            ("Ready", "False ConnectionNotReady"),
            ("Accepted", "True Accepted"),
            ("Authorized", authorized),
            ("PermissionsGranted", NOT_CHECKED),
            (progress.about(), "True ConnectionNotReady"),
        ];
        Row::new(Some(state), &conditions)
    }

    /// All is well but for the projected Secret.
    pub(crate) fn unprojected(reason: &str, progress: Progress) -> Row {
        proven().with("Ready", &format!("False {reason}")).with(progress.about(), &format!("True {reason}"))
    }

    /// A permission or a project is missing.
    pub(crate) fn lacking(reason: &str) -> Row {
        let no = format!("False {reason}");
        proven()
            .in_state("Interrupted")
            .with("Ready", &no)
            .with("PermissionsGranted", &no)
            .with("Stalled", &format!("True {reason}"))
    }
}

/// The rules that every revision keeps, and this one does not.
pub(crate) fn broken_rules(kind: Kind, object: &Value) -> Vec<String> {
    let status = &object["status"];
    if status["observedGeneration"] == -1 || status.is_null() {
        return Vec::new();
    }
    let row = Row::of(status);
    let always: &[&str] = match kind {
        Kind::Connection => &["Ready", "Authorized", "CredentialsResolved", "Reachable", "PermissionsGranted"],
        Kind::Binding => &["Ready", "Accepted", "Authorized", "PermissionsGranted"],
    };
    let mut broken: Vec<String> = Vec::new();
    let mut rule = |kept: bool, rule: &str| {
        if !kept {
            broken.push(format!("{rule}: {row:?}"));
        }
    };
    let has = |about: &str| row.conditions.contains_key(about);
    for about in always {
        rule(has(about), &format!("{about} is always present"));
    }
    rule(!(has("Reconciling") && has("Stalled")), "Reconciling and Stalled are never present together");
    let ready = row.conditions.get("Ready").map(String::as_str).unwrap_or_default();
    let moving = has("Reconciling") || has("Stalled") || has("Suspended");
    rule(ready.starts_with("True ") || moving, "what is not ready is reconciling or stalled");
    rule(
        !ready.starts_with("True ") || !(has("Reconciling") || has("Stalled")),
        "what is ready is neither reconciling nor stalled",
    );
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let about = condition["type"].as_str().unwrap_or_default();
        let message = condition["message"].as_str().unwrap_or_default();
        let same = condition["observedGeneration"] == status["observedGeneration"];
        rule(same, &format!("{about} has the generation of the status"));
        rule(!message.is_empty() && message.len() <= 1024, &format!("{about} has a message of at most 1024 bytes"));
        rule(!message.contains(MAIL_DOMAIN), &format!("{about} holds no e-mail address"));
    }
    rule(!status.to_string().contains(SECRET_MARK), "no secret is in the status");
    broken
}
