//! How long an answer waits for the reconciler.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long an answer waits for the reconciler: people take it for slow, and no proxy for dead.
const LONGEST: Duration = Duration::from_secs(10);

/// Pause between two looks at the Secret.
const PAUSE: Duration = Duration::from_millis(250);

/// The wait of one answer.
#[derive(Clone, Copy, Debug)]
pub struct Patience(Instant);

impl Patience {
    /// Begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self(Instant::now() + LONGEST)
    }

    /// Waits until it is time for the next look. False, at once, when there is no time for another one.
    pub async fn lasts(self) -> bool {
        if self.0 < Instant::now() + PAUSE {
            return false;
        }
        sleep(PAUSE).await;
        true
    }
}
