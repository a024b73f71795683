//! Which Secrets and ConfigMaps a connection refers to.

use std::collections::BTreeSet;

use crds::{
    JiraConnectionSpec,
    connection::{auth::Method, status::ActiveCredential},
    reference::BundleKind,
};

use super::material::{Referent, ReferentKind};
use crate::auth::{authorization_secret, grant_secret};

/// Keys of a client secret.
pub(super) const CLIENT_ID: &str = "clientId";
/// Keys of a client secret.
pub(super) const CLIENT_SECRET: &str = "clientSecret";
/// Key of a proxy's address.
pub(super) const PROXY_URL: &str = "url";
/// Key of a proxy's user name.
pub(super) const PROXY_USERNAME: &str = "username";
/// Key of a proxy's password.
pub(super) const PROXY_PASSWORD: &str = "password";

/// A Secret of this name.
#[must_use]
pub fn secret(name: &str) -> Referent {
    Referent { kind: ReferentKind::Secret, name: name.to_owned() }
}

/// The object that holds a CA bundle.
#[must_use]
pub fn bundle(reference: &crds::reference::BundleReference) -> Referent {
    let kind = match reference.kind {
        BundleKind::ConfigMap => ReferentKind::ConfigMap,
        BundleKind::Secret => ReferentKind::Secret,
    };
    Referent { kind, name: reference.name.clone() }
}

/// Every object that a connection's spec names and that a check needs. A candidate is not needed.
#[must_use]
pub fn referents(spec: &JiraConnectionSpec) -> BTreeSet<Referent> {
    let credential = credential(spec, ActiveCredential::Primary).map(secret);
    let headers = spec.headers.iter().flatten().map(|header| secret(&header.value_from.secret_key_ref.name));
    let tls = spec.tls.iter().flat_map(|tls| {
        let client = tls.client_certificate_secret_ref.as_ref().map(|reference| secret(&reference.name));
        tls.ca_ref.as_ref().map(bundle).into_iter().chain(client)
    });
    let proxy = spec.proxy_secret_ref.iter().map(|reference| secret(&reference.name));
    credential.into_iter().chain(headers).chain(tls).chain(proxy).collect()
}

/// Name of the Secret that holds a credential. `None` where the spec names none.
#[must_use]
pub fn credential(spec: &JiraConnectionSpec, which: ActiveCredential) -> Option<&str> {
    match spec.auth.method()? {
        Method::OAuth2AuthorizationCode(method) => {
            chosen(which, Some(&method.client_secret_ref), method.candidate_secret_ref.as_ref())
                .map(|it| it.name.as_str())
        }
        Method::OAuth2ClientCredentials(method) => {
            chosen(which, Some(&method.client_secret_ref), method.candidate_secret_ref.as_ref())
                .map(|it| it.name.as_str())
        }
        Method::PersonalAccessToken(method) => {
            chosen(which, Some(&method.token_secret_ref), method.candidate_secret_ref.as_ref())
                .map(|it| it.name.as_str())
        }
        Method::ApiToken(method) => chosen(which, Some(&method.token_secret_ref), method.candidate_secret_ref.as_ref())
            .map(|it| it.name.as_str()),
        Method::OAuth1(method) => {
            chosen(which, method.private_key_secret_ref.as_ref(), None).map(|it| it.name.as_str())
        }
    }
}

/// One of two references.
pub(super) fn chosen<'a, T>(
    which: ActiveCredential,
    primary: Option<&'a T>,
    candidate: Option<&'a T>,
) -> Option<&'a T> {
    match which {
        ActiveCredential::Primary => primary,
        ActiveCredential::Candidate => candidate,
    }
}

/// Names of the two Secrets that the operator makes for a connection.
#[must_use]
pub fn owned(connection: &str) -> [String; 2] {
    [authorization_secret::secret_name(connection), grant_secret::secret_name(connection)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_reference_of_the_spec_is_watched() {
        let spec: JiraConnectionSpec = serde_json::from_value(json!({
            "url": "https://jira.example", "deployment": "DataCenter",
            "auth": { "personalAccessToken": { "tokenSecretRef": { "name": "pat", "key": "token" } } },
            "headers": [{ "name": "X-Gate", "valueFrom": { "secretKeyRef": { "name": "gate", "key": "id" } } }],
            "tls": { "caRef": { "kind": "ConfigMap", "name": "ca", "key": "ca.crt" }, "clientCertificateSecretRef": { "name": "mtls" } },
            "proxySecretRef": { "name": "proxy" },
        }))
        .unwrap();
        let names: Vec<_> = referents(&spec).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["Secret gate", "Secret mtls", "Secret pat", "Secret proxy", "ConfigMap ca"]);
    }
}
