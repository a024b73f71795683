//! What the tests of the pages start from: one connection, its authorization Secret, and noon.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, jiff::Timestamp};
use serde_json::{Value, json};

use super::cookie::BrowserCookie;
use crate::auth::authorization_secret::{AuthorizationSecret, Hash, Key};

mod browser;
mod decisions;

/// The key that the person made.
const KEY: &str = "a-fresh-key";

/// The state of the attempt.
const STATE: &str = "team.acme.R4ND0M";

/// Where Data Center asks the person.
const AUTHORIZE: &str = "https://jira.example/jira/rest/oauth2/latest/authorize?state=team.acme.R4ND0M";

fn noon() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn key() -> Key {
    Key::presented(KEY)
}

/// A cookie that the browser of the attempt holds.
fn cookie_for(key: &str) -> BrowserCookie {
    BrowserCookie::fresh(&Hash::of(key)).unwrap()
}

fn attempt(key: &str, deadline: Timestamp, return_by: &str) -> String {
    json!({
        "keyHash": Hash::of(key), "state": STATE, "authorizationUrl": AUTHORIZE, "deadline": deadline, "returnBy": return_by,
    })
    .to_string()
}

fn outcome(key: &str, result: &str, message: &str) -> String {
    json!({ "keyHash": Hash::of(key), "result": result, "message": message }).to_string()
}

/// The data of a Secret, as the API server gives it.
fn data(entries: &[(&str, &str)]) -> BTreeMap<String, ByteString> {
    entries.iter().map(|(name, value)| ((*name).to_owned(), ByteString((*value).into()))).collect()
}

fn secret(entries: &[(&str, &str)]) -> AuthorizationSecret {
    AuthorizationSecret::read(&data(entries))
}

/// A connection `team/acme`, as the watch shows it.
fn connection(auth: &Value, status: &Value) -> Value {
    json!({
        "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
        "metadata": { "namespace": "team", "name": "acme", "uid": "c-1" },
        "spec": { "url": "https://jira.example/jira", "deployment": "DataCenter", "auth": auth },
        "status": status,
    })
}
