//! What the operator remembers of a binding between two passes. Lost at a restart without harm.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crds::WorkspaceBindingStatus;
use k8s_openapi::jiff::Timestamp;

use crate::{kubernetes::status, spec_digest::SpecDigest};

/// Namespace and name of a binding.
pub type BindingName = (String, String);

/// What the operator remembers of one binding.
#[derive(Debug, Default)]
pub struct Memory {
    /// `metadata.uid` of the object.
    pub uid: Option<String>,
    /// The status written last, behind the `resourceVersion` that the write returned.
    pub written: Option<Box<(String, WorkspaceBindingStatus)>>,
    /// Since when it has been waiting for a word of its connection.
    pub waiting_since: Option<Timestamp>,
    /// The spec that the status speaks of.
    pub concluded: Option<SpecDigest>,
}

/// What the operator remembers of all bindings.
#[derive(Debug, Default)]
pub struct Memories(Mutex<HashMap<BindingName, Memory>>);

impl Memories {
    /// Takes what is remembered of the object `uid`, for one pass. A former object of the same name is forgotten.
    pub fn take(&self, name: &BindingName, uid: Option<&String>) -> Memory {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        kept.filter(|memory| memory.uid.as_ref() == uid)
            .unwrap_or_else(|| Memory { uid: uid.cloned(), ..Memory::default() })
    }

    /// The watch has shown an object as it is in this version: a status that was written before need not be remembered any more.
    pub fn caught_up(&self, name: &BindingName, version: Option<&str>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = kept.get_mut(name) {
            memory.written.take_if(|written| !status::is_older(version, &written.0));
        }
    }

    /// Puts it back after the pass.
    pub fn keep(&self, name: BindingName, memory: Memory) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, memory);
    }

    /// Forgets a binding that was deleted.
    pub fn forget(&self, name: &BindingName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}
