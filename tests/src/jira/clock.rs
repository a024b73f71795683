//! The clock that decides lifetimes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// A settable clock, which runs on from whatever it was set to.
#[derive(Debug)]
pub struct Clock {
    set: Mutex<(Timestamp, Instant)>,
}

impl Default for Clock {
    fn default() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::starting_at(Timestamp::UNIX_EPOCH.saturating_add(saturating(since)).unwrap_or(Timestamp::MAX))
    }
}

impl Clock {
    /// A clock that shows this moment now.
    #[must_use]
    pub fn starting_at(now: Timestamp) -> Self {
        Self { set: Mutex::new((now, Instant::now())) }
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let (shown, at) = *self.set.lock().unwrap_or_else(PoisonError::into_inner);
        after(shown, at.elapsed())
    }

    /// Makes it show this moment.
    pub fn set(&self, now: Timestamp) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = (now, Instant::now());
    }

    /// Moves it ahead.
    pub fn advance(&self, by: Duration) {
        self.set(after(self.now(), by));
    }
}

/// A moment and a duration later; the last moment there is when that is too far.
pub(super) fn after(moment: Timestamp, by: Duration) -> Timestamp {
    moment.saturating_add(saturating(by)).unwrap_or(Timestamp::MAX)
}

fn saturating(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
