//! References to a Secret or ConfigMap. None has a namespace: the object's own is meant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{OBJECT_NAME, plain_enum};

/// A Secret of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretReference {
    /// Name of the Secret, in the namespace of this object.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub name: String,
}

/// One key of a Secret of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretKeyReference {
    /// Name of the Secret, in the namespace of this object.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub name: String,
    /// Key within the Secret's data.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// The kinds that may hold a CA bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum BundleKind {
    /// A ConfigMap: a CA bundle is no secret.
    ConfigMap,
    /// A Secret.
    Secret,
}

/// One key of a ConfigMap or Secret of the same namespace, holding a PEM bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BundleReference {
    /// Whether the bundle is in a ConfigMap or in a Secret.
    pub kind: BundleKind,
    /// Name of the ConfigMap or Secret, in the namespace of this object.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub name: String,
    /// Key of the bundle, usually `ca.crt`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}
