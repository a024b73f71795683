//! Which keys of which Secrets and ConfigMaps a connection needs.

use crds::{JiraConnectionSpec, connection::auth::Method, reference::BundleKind};

use crate::connection::material::{Referent, ReferentKind};

/// Keys of a client secret.
const CLIENT_KEYS: [&str; 2] = ["clientId", "clientSecret"];

/// Keys of a Secret of the type `kubernetes.io/tls`.
const TLS_KEYS: [&str; 2] = ["tls.crt", "tls.key"];

/// Key of a proxy's address.
const PROXY_KEYS: [&str; 1] = ["url"];

/// An object that a field of the spec refers to, and the keys that it must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Path of the field.
    pub field: String,
    /// The object, in the connection's namespace.
    pub referent: Referent,
    /// The keys.
    pub keys: Vec<String>,
}

impl Need {
    fn secret(field: impl Into<String>, name: &str, keys: &[&str]) -> Self {
        let referent = Referent { kind: ReferentKind::Secret, name: name.to_owned() };
        Self { field: field.into(), referent, keys: keys.iter().map(|key| (*key).to_owned()).collect() }
    }
}

/// What a check needs.
#[must_use]
pub fn needs(spec: &JiraConnectionSpec) -> Vec<Need> {
    let credential = spec.auth.method().and_then(|method| match method {
        Method::OAuth2AuthorizationCode(it) => Some(Need::secret(
            "spec.auth.oauth2AuthorizationCode.clientSecretRef",
            &it.client_secret_ref.name,
            &CLIENT_KEYS,
        )),
        Method::OAuth2ClientCredentials(it) => Some(Need::secret(
            "spec.auth.oauth2ClientCredentials.clientSecretRef",
            &it.client_secret_ref.name,
            &CLIENT_KEYS,
        )),
        Method::OAuth1(it) => {
            let key = it.private_key_secret_ref.as_ref()?;
            Some(Need::secret("spec.auth.oauth1.privateKeySecretRef", &key.name, &[&key.key]))
        }
        Method::PersonalAccessToken(it) => {
            let token = &it.token_secret_ref;
            Some(Need::secret("spec.auth.personalAccessToken.tokenSecretRef", &token.name, &[&token.key]))
        }
        Method::ApiToken(it) => {
            let token = &it.token_secret_ref;
            Some(Need::secret("spec.auth.apiToken.tokenSecretRef", &token.name, &[&token.key]))
        }
    });
    let headers = spec.headers.iter().flatten().enumerate().map(|(index, header)| {
        let value = &header.value_from.secret_key_ref;
        Need::secret(format!("spec.headers[{index}].valueFrom.secretKeyRef"), &value.name, &[&value.key])
    });
    let tls = spec.tls.iter().flat_map(|tls| {
        let authority = tls.ca_ref.as_ref().map(|bundle| {
            let kind = match bundle.kind {
                BundleKind::ConfigMap => ReferentKind::ConfigMap,
                BundleKind::Secret => ReferentKind::Secret,
            };
            let referent = Referent { kind, name: bundle.name.clone() };
            Need { field: "spec.tls.caRef".to_owned(), referent, keys: vec![bundle.key.clone()] }
        });
        let own = tls.client_certificate_secret_ref.as_ref();
        let own = own.map(|own| Need::secret("spec.tls.clientCertificateSecretRef", &own.name, &TLS_KEYS));
        authority.into_iter().chain(own)
    });
    let proxy = spec.proxy_secret_ref.iter().map(|proxy| Need::secret("spec.proxySecretRef", &proxy.name, &PROXY_KEYS));
    credential.into_iter().chain(headers).chain(tls).chain(proxy).collect()
}

/// What a rotation would need besides: the credential that shall replace the present one.
#[must_use]
pub fn candidate(spec: &JiraConnectionSpec) -> Option<Need> {
    const FIELD: &str = "candidateSecretRef";
    match spec.auth.method()? {
        Method::OAuth2AuthorizationCode(it) => it.candidate_secret_ref.as_ref().map(|candidate| {
            Need::secret(format!("spec.auth.oauth2AuthorizationCode.{FIELD}"), &candidate.name, &CLIENT_KEYS)
        }),
        Method::OAuth2ClientCredentials(it) => it.candidate_secret_ref.as_ref().map(|candidate| {
            Need::secret(format!("spec.auth.oauth2ClientCredentials.{FIELD}"), &candidate.name, &CLIENT_KEYS)
        }),
        Method::OAuth1(_) => None,
        Method::PersonalAccessToken(it) => it.candidate_secret_ref.as_ref().map(|candidate| {
            Need::secret(format!("spec.auth.personalAccessToken.{FIELD}"), &candidate.name, &[&candidate.key])
        }),
        Method::ApiToken(it) => it
            .candidate_secret_ref
            .as_ref()
            .map(|candidate| Need::secret(format!("spec.auth.apiToken.{FIELD}"), &candidate.name, &[&candidate.key])),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::connection::references::referents;

    #[rstest]
    #[case::oauth2(json!({ "oauth2AuthorizationCode": { "clientSecretRef": { "name": "c" } } }))]
    #[case::client_credentials(json!({ "oauth2ClientCredentials": { "clientSecretRef": { "name": "c" } } }))]
    #[case::oauth1(json!({ "oauth1": { "consumerKey": "k", "consumerName": "n" } }))]
    #[case::oauth1_with_a_key(json!({ "oauth1": { "consumerKey": "k", "consumerName": "n", "privateKeySecretRef": { "name": "c", "key": "k" } } }))]
    #[case::token(json!({ "personalAccessToken": { "tokenSecretRef": { "name": "c", "key": "k" } } }))]
    #[case::api_token(json!({ "apiToken": { "email": "a@b", "tokenSecretRef": { "name": "c", "key": "k" } } }))]
    fn whatever_the_operator_reads_is_needed(#[case] auth: Value) {
        let spec: JiraConnectionSpec = serde_json::from_value(json!({
            "url": "https://jira.example", "deployment": "DataCenter", "auth": auth,
            "headers": [{ "name": "X-Gate", "valueFrom": { "secretKeyRef": { "name": "gate", "key": "id" } } }],
            "tls": { "caRef": { "kind": "ConfigMap", "name": "ca", "key": "ca.crt" }, "clientCertificateSecretRef": { "name": "mtls" } },
            "proxySecretRef": { "name": "proxy" },
        }))
        .unwrap();
        let needed: BTreeSet<_> = needs(&spec).into_iter().map(|need| need.referent).collect();
        assert_eq!(needed, referents(&spec));
        assert!(needs(&spec).iter().all(|need| !need.keys.is_empty()));
    }
}
