//! What is found in a manifest.

use serde::Serialize;

/// What is found in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding {
    /// The file as it was named.
    pub file: String,
    /// Number of the document in the file, from 1.
    pub document: usize,
    /// Kind, namespace and name of the object; empty where it has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// Path of the field; empty for the object as a whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// How bad it is.
    pub severity: Severity,
    /// The reason under which the operator would tell it, if Jira was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is wrong, and what to do.
    pub message: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Severity {
    /// It will be refused, or will not work.
    Problem,
    /// It cannot be told from the files.
    Note,
    /// Jira was asked, and it is as it shall be.
    Good,
}

impl Severity {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Note => "note",
            Self::Good => "ok",
        }
    }
}

impl Finding {
    /// `FILE:DOCUMENT`
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.file, self.document)
    }

    /// Everything but the place and the severity.
    pub(super) fn words(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or_default();
        let parts = [self.object.as_str(), &self.field, reason, &self.message];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
    }
}

/// What is wrong with a field, before it is known in which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Path of the field.
    pub field: String,
    /// How bad it is.
    pub severity: Severity,
    /// The reason under which the operator would tell it, if Jira was asked.
    pub reason: Option<String>,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Fault {
    pub(super) fn problem(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), severity: Severity::Problem, reason: None, message: message.into() }
    }

    /// What Jira says of an object as a whole.
    pub(super) fn told(severity: Severity, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: String::new(), severity, reason: Some(reason.into()), message: message.into() }
    }

    pub(super) fn note(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), severity: Severity::Note, reason: None, message: message.into() }
    }
}
