//! A connection that a person can authorise, and its authorization Secret: read anew for every look, written by own keys.

use crds::{JiraConnection, connection::auth::Method};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{Pages, place::Place, turnaway::Turnaway};
use crate::auth::authorization_secret::{
    ANSWER, Answer, AuthorizationSecret, BROWSER_HASH, Hash, VERIFICATION_CODE, VerificationCode, secret_name,
};

/// Name by which the API server remembers what the pages have written.
const FIELD_MANAGER: &str = "jira-connection-operator-pages";

/// The protocol of a connection that needs a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OAuth 2.0 authorization code.
    OAuth2,
    /// OAuth 1.0a.
    OAuth1,
}

impl Protocol {
    /// The protocol of a connection. `None` if its method needs nobody.
    #[must_use]
    pub fn of(connection: &JiraConnection) -> Option<Self> {
        match connection.spec.auth.method()? {
            Method::OAuth2AuthorizationCode(_) => Some(Self::OAuth2),
            Method::OAuth1(_) => Some(Self::OAuth1),
            Method::OAuth2ClientCredentials(_) | Method::PersonalAccessToken(_) | Method::ApiToken(_) => None,
        }
    }
}

/// A connection that a person can authorise, with its authorization Secret as it is now.
#[derive(Clone, Debug)]
pub struct Case {
    /// Which connection.
    pub place: Place,
    /// The connection as the watch shows it.
    pub connection: JiraConnection,
    /// Its protocol.
    pub protocol: Protocol,
    /// What the Secret holds.
    pub secret: AuthorizationSecret,
    /// `metadata.uid` and `metadata.resourceVersion` of the Secret: what a write must find unchanged.
    uid: String,
    version: String,
}

/// What a page records into the Secret.
#[derive(Debug)]
pub enum Entry<'a> {
    /// Which browser has started the attempt.
    Browser(&'a Hash),
    /// What Jira's callback brought.
    Answer(&'a Answer),
    /// The code that Jira showed.
    Code(&'a VerificationCode),
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored.
    Written,
    /// The Secret is not what it was when it was read; nothing was written.
    Changed,
}

impl Case {
    /// Reads the case of a place. `None` if there is no such connection, if nobody can authorise it, or if the Secret is
    /// missing or not the connection's: which of them, nobody is told.
    ///
    /// # Errors
    /// [`Turnaway::Unavailable`] if the API server does not answer; the log says why.
    pub async fn open(pages: &Pages, place: &Place) -> Result<Option<Self>, Turnaway> {
        // Read even for a connection that does not exist, so that the time of an answer does not tell which do.
        let secrets: Api<Secret> = Api::namespaced(pages.client.clone(), place.namespace());
        let found = secrets.get_opt(&secret_name(place.name())).await.map_err(|error| unavailable(place, &error))?;
        let connection = pages.stores.connection(&place.connection());
        Ok(connection.zip(found).and_then(|(connection, secret)| Self::of(place, connection, secret)))
    }

    fn of(place: &Place, connection: JiraConnection, secret: Secret) -> Option<Self> {
        let ends = connection.metadata.deletion_timestamp.is_some() || secret.metadata.deletion_timestamp.is_some();
        if ends || !is_owned(&secret, &connection) {
            return None;
        }
        Some(Self {
            place: place.clone(),
            protocol: Protocol::of(&connection)?,
            uid: secret.uid()?,
            version: secret.resource_version()?,
            secret: AuthorizationSecret::read(&secret.data.unwrap_or_default()),
            connection,
        })
    }

    /// Writes one entry, and nothing else, into the Secret as it was read.
    ///
    /// # Errors
    /// [`Turnaway::Unavailable`] if the API server does not answer; the log says why.
    pub async fn record(&self, pages: &Pages, entry: &Entry<'_>) -> Result<Recorded, Turnaway> {
        let (key, value) = entry.stored();
        let patch = json!({
            "metadata": { "uid": self.uid, "resourceVersion": self.version },
            "data": { key: ByteString(value.into_bytes()) },
        });
        let secrets: Api<Secret> = Api::namespaced(pages.client.clone(), self.place.namespace());
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        match secrets.patch(&secret_name(self.place.name()), &params, &Patch::Merge(patch)).await {
            Ok(_) => {
                let (namespace, name) = (self.place.namespace(), self.place.name());
                tracing::info!(namespace, name, key, "recorded for the authorisation of a connection");
                Ok(Recorded::Written)
            }
            // 409: another version, or another Secret of this name. 404: none any more.
            Err(kube::Error::Api(refusal)) if [404, 409].contains(&refusal.code) => Ok(Recorded::Changed),
            Err(error) => Err(unavailable(&self.place, &error)),
        }
    }
}

impl Entry<'_> {
    /// Key and value in the Secret.
    fn stored(&self) -> (&'static str, String) {
        match self {
            Self::Browser(hash) => (BROWSER_HASH, hash.as_str().to_owned()),
            Self::Answer(answer) => (ANSWER, json!(answer).to_string()),
            Self::Code(code) => (VERIFICATION_CODE, code.expose().to_owned()),
        }
    }
}

/// Whether the Secret was made for this very connection. One that somebody has put in its place is as good as none.
fn is_owned(secret: &Secret, connection: &JiraConnection) -> bool {
    let owners = secret.metadata.owner_references.iter().flatten();
    let mut controllers = owners.filter(|owner| owner.controller == Some(true));
    controllers.any(|owner| {
        let group = owner.api_version.split_once('/').map(|(group, _)| group);
        group == Some(crds::GROUP)
            && owner.kind == "JiraConnection"
            && Some(&owner.uid) == connection.metadata.uid.as_ref()
    })
}

/// Logs why the API server did not do it.
fn unavailable(place: &Place, error: &kube::Error) -> Turnaway {
    let (namespace, name) = (place.namespace(), place.name());
    let what = "the authorization Secret cannot be read or written";
    match error {
        // Such an error quotes what it stumbled over, which is part of the Secret.
        kube::Error::SerdeError(_) => tracing::warn!(namespace, name, "{what}: the answer cannot be read"),
        error => {
            let error: &dyn std::error::Error = error;
            tracing::warn!(error, namespace, name, "{what}");
        }
    }
    Turnaway::Unavailable
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn connection(auth: &Value) -> JiraConnection {
        serde_json::from_value(json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
            "metadata": { "namespace": "team", "name": "acme", "uid": "u1" },
            "spec": { "url": "https://jira.example", "deployment": "DataCenter", "auth": auth },
        }))
        .unwrap()
    }

    fn interactive() -> JiraConnection {
        connection(&json!({ "oauth2AuthorizationCode": { "clientSecretRef": { "name": "app" } } }))
    }

    fn secret(owner: &Value) -> Secret {
        let metadata =
            json!({ "name": "acme.jira-authorization", "uid": "s1", "resourceVersion": "1", "ownerReferences": owner });
        serde_json::from_value(json!({ "metadata": metadata })).unwrap()
    }

    fn owner(change: &Value) -> Value {
        let mut owner = json!({ "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection", "name": "acme", "uid": "u1", "controller": true });
        owner.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!([owner])
    }

    #[rstest]
    #[case::ours(owner(&json!({})), true)]
    #[case::later_version(owner(&json!({ "apiVersion": "issuetracking.dev/v1" })), true)]
    #[case::planted(json!([]), false)]
    #[case::of_a_former_one(owner(&json!({ "uid": "u0" })), false)]
    #[case::mere_owner(owner(&json!({ "controller": false })), false)]
    #[case::another_kind(owner(&json!({ "kind": "WorkspaceBinding" })), false)]
    #[case::another_group(owner(&json!({ "apiVersion": "evil.dev/v1" })), false)]
    fn only_a_secret_of_this_very_connection_counts(#[case] owner: Value, #[case] counts: bool) {
        let place = Place::parse("team", "acme").unwrap();
        assert_eq!(Case::of(&place, interactive(), secret(&owner)).is_some(), counts);
    }

    #[test]
    fn what_is_being_deleted_is_gone() {
        let place = Place::parse("team", "acme").unwrap();
        let mut ending = interactive();
        ending.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T12:00:00Z")).unwrap();
        let ours = || secret(&owner(&json!({})));
        assert!(Case::of(&place, ending, ours()).is_none());
        let mut ending = ours();
        ending.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T12:00:00Z")).unwrap();
        assert!(Case::of(&place, interactive(), ending).is_none());
    }

    #[rstest]
    #[case::code(json!({ "oauth2AuthorizationCode": { "clientSecretRef": { "name": "app" } } }), Some(Protocol::OAuth2))]
    #[case::link(json!({ "oauth1": { "consumerKey": "k", "consumerName": "n" } }), Some(Protocol::OAuth1))]
    #[case::token(json!({ "personalAccessToken": { "tokenSecretRef": { "name": "a", "key": "b" } } }), None)]
    #[case::none(json!({}), None)]
    fn only_some_methods_need_a_person(#[case] auth: Value, #[case] protocol: Option<Protocol>) {
        assert_eq!(Protocol::of(&connection(&auth)), protocol);
    }
}
