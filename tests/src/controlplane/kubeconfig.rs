//! Kubeconfig files of the control plane's users.

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::certificates::Identity;

/// What a client presents to the API server.
pub(super) enum Credential<'a> {
    /// A client certificate with its key.
    Certificate(&'a Identity),
    /// A bearer token.
    Token(&'a str),
}

/// The text of a kubeconfig with one context. It holds everything by value, so that the file can be copied elsewhere.
///
/// `server` is the base URL of the API server, `authority` the PEM certificate it is verified with.
pub(super) fn kubeconfig(server: &str, authority: &str, namespace: &str, credential: &Credential<'_>) -> String {
    let user = match credential {
        Credential::Certificate(identity) => json!({
            "client-certificate-data": base64(&identity.certificate),
            "client-key-data": base64(&identity.key),
        }),
        Credential::Token(token) => json!({ "token": token }),
    };
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "local",
        "clusters": [{
            "name": "local",
            "cluster": { "server": server, "certificate-authority-data": base64(authority) },
        }],
        "users": [{ "name": "local", "user": user }],
        "contexts": [{ "name": "local", "context": { "cluster": "local", "user": "local", "namespace": namespace } }],
    });
    // JSON is YAML, and every reader of kubeconfig files takes YAML.
    format!("{config:#}\n")
}

fn base64(pem: &str) -> Value {
    // The API type whose JSON form is base64.
    json!(ByteString(pem.as_bytes().to_vec()))
}
