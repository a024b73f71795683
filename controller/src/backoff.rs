//! Backoff per object for failures of ours: the API server does not answer, or refuses a write.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// First wait; it doubles with each failure.
const FIRST: Duration = Duration::from_millis(500);

/// Longest wait.
const LONGEST: Duration = Duration::from_secs(60);

/// Counts the failures of each object.
#[derive(Debug)]
pub struct Backoff<Name>(Mutex<HashMap<Name, u32>>);

impl<Name> Default for Backoff<Name> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Name: Eq + Hash + Clone> Backoff<Name> {
    /// Counts one more failure and tells how long to wait.
    pub fn next(&self, name: &Name) -> Duration {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(name.clone()).or_default();
        let wait = FIRST.saturating_mul(1 << (*count).min(16)).min(LONGEST);
        *count = count.saturating_add(1);
        wait
    }

    /// Forgets the failures of an object, after a success or its deletion.
    pub fn forget(&self, name: &Name) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_begin_anew_after_a_success() {
        let backoff = Backoff::default();
        let waits: Vec<_> = (0..10).map(|_| backoff.next(&"acme")).collect();
        assert_eq!(waits[..3], [FIRST, FIRST * 2, FIRST * 4]);
        assert_eq!(waits[9], LONGEST);
        backoff.forget(&"acme");
        assert_eq!(backoff.next(&"acme"), FIRST);
    }

    #[test]
    fn objects_do_not_wait_for_each_other() {
        let backoff = Backoff::default();
        backoff.next(&"acme");
        backoff.next(&"acme");
        assert_eq!(backoff.next(&"other"), FIRST);
    }
}
