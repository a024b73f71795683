//! Objects in which every field of the API occurs.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::server::Kind;

/// The files of the examples.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/examples"))
}

impl Kind {
    /// Together they hold every field of the spec.
    pub(crate) fn examples(self) -> Vec<Value> {
        let text = match self {
            Self::JiraConnection => include_str!("examples/connection.yaml"),
            Self::WorkspaceBinding => include_str!("examples/binding.yaml"),
        };
        serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap()).collect()
    }

    /// A status with every field.
    pub(crate) fn full_status(self) -> Value {
        match self {
            Self::JiraConnection => connection_status(),
            Self::WorkspaceBinding => binding_status(),
        }
    }
}

fn condition(about: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": about,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": 1,
        "lastTransitionTime": "2026-11-01T10:00:00Z",
    })
}

fn connection_status() -> Value {
    let missing = json!([{ "permission": "CREATE_ISSUES", "projects": ["WEB"] }]);
    json!({
        "observedGeneration": 1,
        "state": "Interrupted",
        "conditions": [
            condition("Authorized", "True", "Proven", "Jira knows the account."),
            condition("Ready", "False", "PermissionsMissing", "The account lacks CREATE_ISSUES on WEB."),
        ],
        "account": { "id": "JIRAUSER10100", "displayName": "Jira Bot", "type": "ServiceAccount" },
        "defaultAssignee": "JIRAUSER10100",
        "server": { "deployment": "DataCenter", "version": "9.12.4", "cloudId": "11111111-2222-3333-4444-555555555555" },
        "permissions": { "missing": missing, "unknown": missing, "total": 2 },
        "issueSecurity": [{ "project": "WEB", "visibility": "NotConfigured" }],
        "authorization": {
            "secretName": "acme.jira-authorization",
            "method": "OAuth1",
            "applicationUrl": "https://jira-operator.example",
            "consumerKey": "OauthKey",
            "consumerName": "Example",
            "publicKey": "-----BEGIN PUBLIC KEY-----",
        },
        "credentials": {
            "active": "Primary",
            "expiresAt": "2027-01-31",
            "observed": [{ "name": "acme-oauth", "resourceVersion": "812" }],
        },
        "bindings": { "accepted": 4, "namespaces": 2 },
        "effective": { "interval": "5m0s", "timeout": "15s", "grace": "2m0s" },
        "missingSummary": "CREATE_ISSUES on WEB",
        "lastHandledReconcileAt": "2026-11-01T10:00:00Z",
        "lastHandledRequestedAt": "once",
    })
}

fn binding_status() -> Value {
    json!({
        "observedGeneration": 1,
        "state": "Interrupted",
        "conditions": [condition("Ready", "False", "ProjectNotFound", "There is no project APP.")],
        "connection": {
            "url": "https://jira.acme.example/jira",
            "deployment": "DataCenter",
            "defaultAssignee": "JIRAUSER10100",
        },
        "projects": [{
            "key": "WEB",
            "id": "10001",
            "name": "Web",
            "missing": ["CREATE_ISSUES"],
            "issueSecurity": "Visible",
        }],
        "projectsSummary": "WEB, APP +98",
        "missingSummary": "CREATE_ISSUES on WEB",
        "binding": { "name": "web-jira" },
        "lastHandledReconcileAt": "2026-11-01T10:00:00Z",
        "lastHandledRequestedAt": "once",
    })
}
