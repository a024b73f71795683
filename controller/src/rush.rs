//! Whether somebody waits for news while there is much else to tell.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Counts the changes that are worked on. The clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Rush(Arc<AtomicUsize>);

/// A change that is worked on, until this is dropped.
#[derive(Debug)]
pub struct Hurry(Rush);

impl Rush {
    /// One more.
    #[must_use]
    pub fn begin(&self) -> Hurry {
        self.0.fetch_add(1, Ordering::Relaxed);
        Hurry(self.clone())
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        let Self(rush) = self;
        rush.0.fetch_sub(1, Ordering::Relaxed);
    }
}
