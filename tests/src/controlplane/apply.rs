//! Server-side apply of YAML with objects of any kind.

use std::time::{Duration, Instant};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
    core::{GroupVersionKind, TypeMeta},
    discovery::{self, ApiCapabilities, ApiResource, Scope},
    error::DiscoveryError,
    runtime::wait::{await_condition, conditions},
};
use serde::Deserialize;

use super::Error;

/// The owner of the applied fields.
const FIELD_MANAGER: &str = "controlplane";

/// How long a new kind may take until it is served.
const SERVED_LIMIT: Duration = Duration::from_secs(20);

/// Failure to apply objects.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// There is no client to apply them with.
    #[error(transparent)]
    ControlPlane(#[from] Box<Error>),
    /// The text is not YAML, or a document of it is no object.
    #[error("document {document} is no Kubernetes object")]
    Yaml {
        /// Place of the document in the text, from 1.
        document: usize,
        /// What is wrong with it.
        source: serde_yaml::Error,
    },
    /// A document lacks what every object has.
    #[error("document {document} has no {field}")]
    FieldMissing {
        /// Place of the document in the text, from 1.
        document: usize,
        /// The missing field.
        field: &'static str,
    },
    /// The API server does not know the kind, or refused the object.
    #[error("{kind} {name} cannot be applied")]
    Refused {
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
    /// A definition is stored, but cannot be watched until its kind is served.
    #[error("CustomResourceDefinition {name} cannot be watched")]
    Watch {
        /// Name of the definition.
        name: String,
        /// What went wrong.
        source: Box<kube::runtime::wait::Error>,
    },
    /// A definition is stored, but its kind is not served.
    #[error("CustomResourceDefinition {name} is not established within {} s", SERVED_LIMIT.as_secs())]
    NotEstablished {
        /// Name of the definition.
        name: String,
    },
}

/// Applies the documents of a YAML text in their order. Empty documents are skipped.
pub(super) async fn apply(client: &Client, yaml: &str) -> Result<Vec<DynamicObject>, ApplyError> {
    let mut applied = Vec::new();
    for (index, document) in serde_yaml::Deserializer::from_str(yaml).enumerate() {
        let document_number = index + 1;
        let parsed = Option::<DynamicObject>::deserialize(document)
            .map_err(|source| ApplyError::Yaml { document: document_number, source })?;
        if let Some(object) = parsed {
            applied.push(apply_object(client, object, document_number).await?);
        }
    }
    Ok(applied)
}

async fn apply_object(client: &Client, object: DynamicObject, document: usize) -> Result<DynamicObject, ApplyError> {
    let types = object.types.clone().ok_or(ApplyError::FieldMissing { document, field: "kind" })?;
    let name = object.metadata.name.clone().ok_or(ApplyError::FieldMissing { document, field: "metadata.name" })?;
    let refused =
        |source| ApplyError::Refused { kind: types.kind.clone(), name: name.clone(), source: Box::new(source) };

    let (resource, capabilities) = served(client, &types).await.map_err(refused)?;
    let api: Api<DynamicObject> = match (capabilities.scope, object.namespace()) {
        (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
        (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(client.clone(), &namespace, &resource),
        (Scope::Namespaced, None) => Api::namespaced_with(client.clone(), "default", &resource),
    };
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let started = Instant::now();
    let applied = loop {
        match api.patch(&name, &params, &Patch::Apply(&object)).await {
            Err(error) if is_unrouted(&error) && started.elapsed() < SERVED_LIMIT => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            outcome => break outcome.map_err(refused)?,
        }
    };
    if resource.group == "apiextensions.k8s.io" && resource.kind == "CustomResourceDefinition" {
        wait_until_established(client, &name).await?;
    }
    Ok(applied)
}

/// How the API server serves a kind. It learns a new kind a moment after its definition is established, and says 404 until then.
async fn served(client: &Client, types: &TypeMeta) -> Result<(ApiResource, ApiCapabilities), kube::Error> {
    let kind = GroupVersionKind::try_from(types)
        .map_err(|source| kube::Error::Discovery(DiscoveryError::InvalidGroupVersion(source.to_string())))?;
    let started = Instant::now();
    loop {
        match discovery::pinned_kind(client, &kind).await {
            Err(error) if is_unknown(&error) && started.elapsed() < SERVED_LIMIT => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            outcome => return outcome,
        }
    }
}

fn is_unknown(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.is_not_found(),
        kube::Error::Discovery(error) => !matches!(error, DiscoveryError::InvalidGroupVersion(_)),
        _ => false,
    }
}

/// Whether the path itself is unknown. Discovery may tell of a new kind a moment before its path is served; a missing
/// namespace is a 404 as well, with a `Status` that names it, and no waiting mends that.
fn is_unrouted(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    status.is_not_found() && status.details.as_ref().is_none_or(|details| details.name.is_empty())
}

async fn wait_until_established(client: &Client, name: &str) -> Result<(), ApplyError> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let established = await_condition(api, name, conditions::is_crd_established());
    match tokio::time::timeout(SERVED_LIMIT, established).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(source)) => Err(ApplyError::Watch { name: name.to_owned(), source: Box::new(source) }),
        Err(_) => Err(ApplyError::NotEstablished { name: name.to_owned() }),
    }
}
