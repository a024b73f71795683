//! Secrets that the operator makes for a connection or a binding.
//!
//! They are made by create, and changed and deleted with the uid and the resourceVersion that were read, never by apply: two
//! writers cannot both believe that they have written. A Secret that is not the owner's own is never touched.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::json;

use super::FIELD_MANAGER;

/// A connection or a binding, as far as its Secrets are concerned.
#[derive(Clone, Debug)]
pub struct Owner {
    namespace: String,
    name: String,
    reference: OwnerReference,
}

/// What stands under the name of an owned Secret.
#[derive(Clone, Debug)]
pub enum Found {
    /// Nothing.
    Absent,
    /// The owner's own.
    Owned(OwnedSecret),
    /// Of a former owner of the same kind and name: the garbage collector is about to remove it.
    Former,
    /// Somebody else's.
    Foreign,
}

/// An owned Secret as it was read or written last. `Debug` shows no data.
#[derive(Clone)]
pub struct OwnedSecret {
    name: String,
    uid: String,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// `type`, such as `Opaque`.
    pub kind: String,
    /// Whether Kubernetes lets nobody change the data any more.
    pub immutable: bool,
    /// The data.
    pub data: BTreeMap<String, ByteString>,
}

impl std::fmt::Debug for OwnedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnedSecret").field("name", &self.name).field("version", &self.version).finish_non_exhaustive()
    }
}

/// New values by key; `None` removes the key.
pub type Changes<K = &'static str> = BTreeMap<K, Option<Vec<u8>>>;

/// Why a Secret was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteFault {
    /// Somebody else has written it, made it or removed it meanwhile. Read it again.
    #[error("somebody else has written the Secret meanwhile")]
    Overtaken,
    /// The API server did not do it.
    #[error(transparent)]
    Refused(Box<kube::Error>),
}

impl From<kube::Error> for WriteFault {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) if status.is_conflict() || status.is_already_exists() || status.is_not_found() => {
                Self::Overtaken
            }
            _ => Self::Refused(Box::new(error)),
        }
    }
}

impl Owner {
    /// The owner that `object` is. `None` for one that was never stored.
    #[must_use]
    pub fn of<K: Resource<DynamicType = ()>>(object: &K) -> Option<Self> {
        Some(Self {
            namespace: object.namespace()?,
            name: object.name_any(),
            reference: object.controller_owner_ref(&())?,
        })
    }

    /// Namespace of the owner and of its Secrets.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Name of the owner.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn api(&self, client: &Client) -> Api<Secret> {
        Api::namespaced(client.clone(), &self.namespace)
    }

    /// Reads what stands under `name`.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn read(&self, client: &Client, name: &str) -> Result<Found, kube::Error> {
        let found = self.api(client).get_opt(name).await?;
        Ok(found.map_or(Found::Absent, |secret| self.recognise(secret)))
    }

    /// `metadata.resourceVersion` of what stands under `name`.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn version(&self, client: &Client, name: &str) -> Result<Option<String>, kube::Error> {
        let found = self.api(client).get_metadata_opt(name).await?;
        Ok(found.and_then(|secret| secret.metadata.resource_version))
    }

    /// Tells whose a Secret is.
    #[must_use]
    pub fn recognise(&self, secret: Secret) -> Found {
        match controller(&secret) {
            Some(owner) if owner.uid == self.reference.uid => Found::Owned(OwnedSecret::from(secret)),
            Some(owner) if owner.kind == self.reference.kind && owner.name == self.name => Found::Former,
            Some(_) | None => Found::Foreign,
        }
    }

    /// Makes a Secret of the type `kind`.
    ///
    /// # Errors
    /// [`WriteFault::Overtaken`] if there is one of that name by now.
    pub async fn create(
        &self,
        client: &Client,
        name: &str,
        kind: &str,
        data: BTreeMap<String, ByteString>,
    ) -> Result<OwnedSecret, WriteFault> {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some(BTreeMap::from([(MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned())])),
                owner_references: Some(vec![self.reference.clone()]),
                ..ObjectMeta::default()
            },
            type_: Some(kind.to_owned()),
            data: Some(data),
            ..Secret::default()
        };
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        Ok(OwnedSecret::from(self.api(client).create(&params, &secret).await?))
    }

    /// Changes some keys of a Secret that nobody has written since it was read.
    ///
    /// # Errors
    /// [`WriteFault::Overtaken`] if somebody has.
    pub async fn change<K: AsRef<str>>(
        &self,
        client: &Client,
        secret: &OwnedSecret,
        changes: &Changes<K>,
    ) -> Result<OwnedSecret, WriteFault> {
        let data: serde_json::Map<_, _> = changes
            .iter()
            .map(|(key, value)| (key.as_ref().to_owned(), json!(value.clone().map(ByteString))))
            .collect();
        let patch = json!({
            "metadata": { "uid": secret.uid, "resourceVersion": secret.version },
            "data": data,
        });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let written = self.api(client).patch(&secret.name, &params, &Patch::Merge(&patch)).await?;
        Ok(OwnedSecret::from(written))
    }

    /// Deletes a Secret that nobody has written since it was read.
    ///
    /// # Errors
    /// [`WriteFault::Overtaken`] if somebody has, or has deleted it.
    pub async fn remove(&self, client: &Client, secret: &OwnedSecret) -> Result<(), WriteFault> {
        let preconditions =
            Preconditions { uid: Some(secret.uid.clone()), resource_version: Some(secret.version.clone()) };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        self.api(client).delete(&secret.name, &params).await?;
        Ok(())
    }
}

/// The owner that an object is controlled by.
#[must_use]
pub fn controller<K: ResourceExt>(object: &K) -> Option<&OwnerReference> {
    object.owner_references().iter().find(|owner| owner.controller == Some(true))
}

/// The label that says who looks after an object.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

impl From<Secret> for OwnedSecret {
    fn from(secret: Secret) -> Self {
        Self {
            name: secret.name_any(),
            uid: secret.metadata.uid.unwrap_or_default(),
            version: secret.metadata.resource_version.unwrap_or_default(),
            kind: secret.type_.unwrap_or_default(),
            immutable: secret.immutable.unwrap_or_default(),
            data: secret.data.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crds::JiraConnection;
    use rstest::rstest;
    use serde_json::Value;

    use super::*;

    fn connection() -> JiraConnection {
        serde_json::from_value(json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
            "metadata": { "name": "acme", "namespace": "platform", "uid": "u-1" },
            "spec": { "url": "https://jira.example", "deployment": "Cloud", "auth": {} },
        }))
        .unwrap()
    }

    fn owner(kind: &str, name: &str, uid: &str, controller: bool) -> Value {
        json!({ "apiVersion": "issuetracking.dev/v1alpha1", "kind": kind, "name": name, "uid": uid, "controller": controller })
    }

    #[rstest]
    #[case::own(vec![owner("JiraConnection", "acme", "u-1", true)], "Owned")]
    #[case::of_a_former_object(vec![owner("JiraConnection", "acme", "u-0", true)], "Former")]
    #[case::of_another_connection(vec![owner("JiraConnection", "other", "u-2", true)], "Foreign")]
    #[case::of_another_kind(vec![owner("ConfigMap", "acme", "u-3", true)], "Foreign")]
    #[case::owned_but_not_controlled(vec![owner("JiraConnection", "acme", "u-1", false)], "Foreign")]
    #[case::planted_without_an_owner(vec![], "Foreign")]
    fn a_secret_is_recognised_by_its_controller(#[case] owners: Vec<Value>, #[case] expected: &str) {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": { "name": "acme.jira-grant", "namespace": "platform", "ownerReferences": owners },
        }))
        .unwrap();
        let found = Owner::of(&connection()).unwrap().recognise(secret);
        let name = match found {
            Found::Absent => "Absent",
            Found::Owned(_) => "Owned",
            Found::Former => "Former",
            Found::Foreign => "Foreign",
        };
        assert_eq!(name, expected);
    }

    #[test]
    fn no_data_is_printed() {
        let secret: Secret =
            serde_json::from_value(json!({ "metadata": { "name": "a" }, "data": { "grant": "Y2FuYXJ5" } })).unwrap();
        let printed = format!("{:?}", OwnedSecret::from(secret));
        assert!(!printed.contains("grant") && !printed.contains("canary"), "{printed}");
    }
}
