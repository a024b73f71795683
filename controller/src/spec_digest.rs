//! Whether a spec says what another one said, without keeping that one.

use crds::{JiraConnectionSpec, WorkspaceBindingSpec};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// SHA-256 of what a spec says, `suspend` aside: small, since it is remembered for every object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecDigest([u8; 32]);

impl SpecDigest {
    /// Of a connection.
    #[must_use]
    pub fn of_connection(spec: &JiraConnectionSpec) -> Self {
        Self::of(&JiraConnectionSpec { suspend: None, ..spec.clone() })
    }

    /// Of a binding.
    #[must_use]
    pub fn of_binding(spec: &WorkspaceBindingSpec) -> Self {
        Self::of(&WorkspaceBindingSpec { suspend: None, ..spec.clone() })
    }

    fn of(spec: &impl Serialize) -> Self {
        let json =
            serde_json::to_vec(spec).expect("a spec has string keys alone, and nothing in it refuses to be written");
        Self(Sha256::digest(json).into())
    }
}
