//! Which Secrets stand as the operator itself wrote them last: a watch that shows such a write tells nothing new.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// `metadata.resourceVersion` of the operator's own last write, by namespace and name of the Secret.
#[derive(Debug, Default)]
pub struct OwnWrites(Mutex<HashMap<(String, String), String>>);

impl OwnWrites {
    /// Notes a write, by the version that it returned.
    pub fn note(&self, namespace: &str, secret: &str, version: &str) {
        let mut own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        own.insert((namespace.to_owned(), secret.to_owned()), version.to_owned());
    }

    /// Whether a Secret at `version` stands as the operator wrote it last.
    #[must_use]
    pub fn are(&self, namespace: &str, secret: &str, version: &str) -> bool {
        let own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        own.get(&(namespace.to_owned(), secret.to_owned())).is_some_and(|written| written == version)
    }

    /// Forgets a Secret that the operator does not look after any more.
    pub fn forget(&self, namespace: &str, secret: &str) {
        let mut own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        own.remove(&(namespace.to_owned(), secret.to_owned()));
    }
}
