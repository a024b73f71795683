//! What a connection lends to its bindings for their projected Secrets: certificates to trust and, where both sides want it,
//! a short-lived access token.
//!
//! As with [`proof`](crate::proof), the connection controller publishes and the binding controller reads. A proof holds no
//! secret and may be printed; a loan may hold one, and shows none of it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crds::{
    JiraConnection, WorkspaceBinding,
    connection::{allowed_workspaces::ProjectedCredential, auth::Method},
    jira::Deployment,
};
use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::proof::ConnectionName;

/// Whether a connection lends an access token to a binding that it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// It does.
    Lends,
    /// Its entry for the binding does not allow it.
    NotAllowed,
    /// Its method has none: what is stored for it lasts, and is never given away.
    NoShortLivedToken,
    /// What stands in front of its Jira demands headers or a client certificate, and those are never given away.
    NeedsMore,
}

impl Terms {
    /// What an entry of `connection` that allows `credential` comes to.
    #[must_use]
    pub fn of(connection: &JiraConnection, allowed: ProjectedCredential) -> Self {
        if allowed == ProjectedCredential::None {
            return Self::NotAllowed;
        }
        match connection.spec.auth.method() {
            Some(Method::OAuth2AuthorizationCode(_) | Method::OAuth2ClientCredentials(_)) => {}
            Some(Method::PersonalAccessToken(_) | Method::ApiToken(_) | Method::OAuth1(_)) | None => {
                return Self::NoShortLivedToken;
            }
        }
        let certificate = connection.spec.tls.as_ref().and_then(|tls| tls.client_certificate_secret_ref.as_ref());
        let guarded = certificate.is_some() || connection.spec.headers.as_ref().is_some_and(|it| !it.is_empty());
        match connection.spec.deployment {
            Deployment::DataCenter if guarded => Self::NeedsMore,
            // On Cloud tokens are used at Atlassian's gateway, where neither is sent.
            Deployment::DataCenter | Deployment::Cloud => Self::Lends,
        }
    }

    /// Why there is no token, and what to do, as it follows a "because". `None` where there is one.
    #[must_use]
    pub const fn obstacle(self) -> Option<&'static str> {
        match self {
            Self::Lends => None,
            Self::NotAllowed => Some(
                "the connection's entry does not allow one: it needs credential: AccessToken there, or remove spec.projection.credential",
            ),
            Self::NoShortLivedToken => Some(
                "the connection's method has no short-lived one, as only OAuth 2.0 has: remove spec.projection.credential, or have the method changed",
            ),
            Self::NeedsMore => Some(
                "the connection's Jira demands custom headers or a client certificate as well, and those are never given away: remove spec.projection.credential",
            ),
        }
    }
}

/// What a binding borrows. In order: a loan for who borrows more does for who borrows less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Borrowing {
    /// Nothing: it wants no Secret.
    #[default]
    Nothing,
    /// Certificates.
    Certificates,
    /// Certificates and an access token.
    Token,
}

impl Borrowing {
    /// What `binding` borrows on these terms.
    #[must_use]
    pub fn of(binding: &WorkspaceBinding, terms: Terms) -> Self {
        match &binding.spec.projection {
            None => Self::Nothing,
            Some(_) if wants_token(binding) && terms == Terms::Lends => Self::Token,
            Some(_) => Self::Certificates,
        }
    }
}

/// Whether the application wants an access token.
#[must_use]
pub fn wants_token(binding: &WorkspaceBinding) -> bool {
    let projection = binding.spec.projection.as_ref();
    projection.and_then(|projection| projection.credential) == Some(ProjectedCredential::AccessToken)
}

/// An access token, until its end.
#[derive(Clone, Debug)]
pub struct LentToken {
    /// The token.
    pub secret: SecretString,
    /// When it ends.
    pub ends_at: Timestamp,
}

/// What a connection lends, while it is proven.
#[derive(Clone, Debug)]
pub struct Loan {
    /// `metadata.uid` of the connection.
    pub uid: String,
    /// `metadata.generation` of the connection.
    pub generation: Option<i64>,
    /// Certificates of authorities, PEM, that are to be trusted besides the public ones. `None`: those are enough.
    pub certificates: Option<Arc<str>>,
    /// The token, if some binding borrows one.
    pub token: Option<LentToken>,
}

impl PartialEq for Loan {
    fn eq(&self, other: &Self) -> bool {
        let token = |loan: &Self| {
            loan.token.as_ref().map(|token| (token.secret.expose_secret().to_owned(), token.ends_at)).unzip()
        };
        (&self.uid, self.generation, &self.certificates, token(self))
            == (&other.uid, other.generation, &other.certificates, token(other))
    }
}

/// The loans of all connections. Lost at a restart without harm.
#[derive(Debug, Default)]
pub struct Loans(Mutex<HashMap<ConnectionName, Arc<Loan>>>);

impl Loans {
    /// Publishes what a connection lends, or that it lends nothing; tells whether that is new.
    pub fn publish(&self, connection: &ConnectionName, loan: Option<Loan>) -> bool {
        let mut loans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if loans.get(connection).map(AsRef::as_ref) == loan.as_ref() {
            return false;
        }
        match loan {
            Some(loan) => loans.insert(connection.clone(), Arc::new(loan)),
            None => loans.remove(connection),
        };
        true
    }

    /// What a connection lends.
    #[must_use]
    pub fn get(&self, connection: &ConnectionName) -> Option<Arc<Loan>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(connection).cloned()
    }

    /// Forgets a connection that was deleted.
    pub fn forget(&self, connection: &ConnectionName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(connection);
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn connection(deployment: &str, auth: &Value, more: &Value) -> JiraConnection {
        let mut spec = json!({ "url": "https://jira.example", "deployment": deployment, "auth": auth });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
            "metadata": { "name": "acme", "namespace": "platform" }, "spec": spec,
        }))
        .unwrap()
    }

    fn client() -> Value {
        json!({ "oauth2ClientCredentials": { "clientSecretRef": { "name": "client" } } })
    }

    fn headers() -> Value {
        json!({ "headers": [{ "name": "X-Gate", "valueFrom": { "secretKeyRef": { "name": "gate", "key": "id" } } }] })
    }

    #[rstest]
    #[case::client_credentials("Cloud", &client(), &json!({}), Terms::Lends)]
    #[case::of_a_data_center("DataCenter", &client(), &json!({}), Terms::Lends)]
    #[case::a_persons_grant("Cloud", &json!({ "oauth2AuthorizationCode": { "clientSecretRef": { "name": "app" } } }), &json!({}), Terms::Lends)]
    #[case::api_token("Cloud", &json!({ "apiToken": { "email": "a@example.test", "tokenSecretRef": { "name": "t", "key": "t" } } }), &json!({}), Terms::NoShortLivedToken)]
    #[case::personal_access_token("DataCenter", &json!({ "personalAccessToken": { "tokenSecretRef": { "name": "t", "key": "t" } } }), &json!({}), Terms::NoShortLivedToken)]
    #[case::oauth1("DataCenter", &json!({ "oauth1": { "consumerKey": "k", "consumerName": "n" } }), &json!({}), Terms::NoShortLivedToken)]
    #[case::behind_a_gateway("DataCenter", &client(), &headers(), Terms::NeedsMore)]
    #[case::behind_mtls("DataCenter", &client(), &json!({ "tls": { "clientCertificateSecretRef": { "name": "mtls" } } }), Terms::NeedsMore)]
    #[case::headers_never_reach_the_gateway_of_cloud("Cloud", &client(), &headers(), Terms::Lends)]
    fn a_token_is_lent_where_it_is_short_lived_and_does(
        #[case] deployment: &str,
        #[case] auth: &Value,
        #[case] more: &Value,
        #[case] expected: Terms,
    ) {
        let connection = connection(deployment, auth, more);
        assert_eq!(Terms::of(&connection, ProjectedCredential::AccessToken), expected);
        assert_eq!(Terms::of(&connection, ProjectedCredential::None), Terms::NotAllowed);
    }

    fn loan(token: &str) -> Loan {
        let token = LentToken { secret: token.into(), ends_at: "2026-11-24T12:00:00Z".parse().unwrap() };
        Loan { uid: "u-1".into(), generation: Some(1), certificates: None, token: Some(token) }
    }

    #[test]
    fn a_loan_is_told_once_and_never_shown() {
        let (loans, acme) = (Loans::default(), ("platform".to_owned(), "acme".to_owned()));
        let told: Vec<_> = [Some(loan("one")), Some(loan("one")), Some(loan("two")), None, None]
            .map(|loan| loans.publish(&acme, loan))
            .to_vec();
        assert_eq!(told, [true, false, true, true, false]);
        assert!(!format!("{:?}", loan("canary")).contains("canary"));
    }
}
