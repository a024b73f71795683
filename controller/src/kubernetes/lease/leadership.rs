//! Whether this replica may write, and for how long it surely may.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::{Method, Request};
use kube::client::Body;
use tokio::time::Instant;
use tower::filter::FilterLayer;

/// A write of a replica that does not hold the lease. It was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not sent: this replica does not hold the lease, and only its holder may write")]
pub struct NotLeading;

/// Whether this replica may write. Clones share one state, which the election changes.
#[derive(Clone, Debug)]
pub struct Leadership(Arc<Mutex<Standing>>);

#[derive(Debug)]
enum Standing {
    /// There is no election: this replica is the only one.
    Undisputed,
    /// This replica does not hear of the Lease, or may not write it. Why, in a sentence.
    Excluded(String),
    /// Another one may have the lease; this one would take it.
    Candidate,
    /// The lease is ours until then.
    Leading { until: Instant },
    /// It was ours and is not any more. There is no way back: the process ends.
    Over,
}

impl Leadership {
    /// Without an election: the one replica leads for ever.
    #[must_use]
    pub fn undisputed() -> Self {
        Self(Arc::new(Mutex::new(Standing::Undisputed)))
    }

    /// Before the first answer about the Lease.
    pub(super) fn unheard() -> Self {
        Self(Arc::new(Mutex::new(Standing::Excluded("the Lease was not read yet".to_owned()))))
    }

    /// Whether the lease is ours now and surely stays ours for more than `needed`, even if it cannot be renewed once more.
    /// Always true without an election. To be asked right before something is sent that must not be sent by two replicas, such
    /// as a refresh token, with the longest time that the sending and what depends on it may take.
    ///
    /// What *surely* rests on: the end is the moment *before* the last successful renewal was sent, plus the duration that it
    /// announced. The API server stored the renewal later than that, another replica saw it later still, and it waits for the
    /// whole duration from when it saw it. So whoever comes next begins after this end, whatever the wall clocks say; only
    /// the *rates* of two monotonic clocks have to agree, which they do to some milliseconds within a lease of 15 seconds. A renewal
    /// without an answer counts as none.
    ///
    /// What it means for pauses: a process that is stopped (SIGSTOP, a frozen cgroup, no CPU for a while) *before* it asks is
    /// told the truth afterwards, because the clock went on without it. A pause *between* the answer and the sending
    /// is seen by nobody: `needed` does not cover it, and whatever is sent then is late. So the call and the sending belong next to
    /// each other, without an `.await` in between, and whatever must hold even then needs a guard at the receiving side, such
    /// as a claim by compare-and-swap. Neither helps against a machine that is suspended as a whole, where this clock (`CLOCK_MONOTONIC`
    /// on Linux) stands still, nor against a person who edits the Lease.
    #[must_use]
    pub fn holds_for(&self, needed: Duration) -> bool {
        match *self.standing() {
            Standing::Undisputed => true,
            Standing::Leading { until } => until.saturating_duration_since(Instant::now()) > needed,
            Standing::Excluded(_) | Standing::Candidate | Standing::Over => false,
        }
    }

    /// Why this replica could neither lead nor take over; `None` if it could. For readiness.
    #[must_use]
    pub fn exclusion(&self) -> Option<String> {
        match &*self.standing() {
            Standing::Excluded(why) => Some(why.clone()),
            Standing::Over => Some("the lease was given up; the process ends".to_owned()),
            Standing::Undisputed | Standing::Candidate | Standing::Leading { .. } => None,
        }
    }

    /// A layer of a client that sends a request which changes something only while the lease is ours, and answers
    /// [`NotLeading`] otherwise. Requests that read pass.
    ///
    /// A pass that was paused for longer than the lease goes on where it was, perhaps before anybody has told it
    /// that its time is over; this is what it meets.
    #[must_use]
    pub fn fence(&self) -> FilterLayer<impl Fn(Request<Body>) -> Result<Request<Body>, NotLeading> + Clone + use<>> {
        let leadership = self.clone();
        FilterLayer::new(move |request: Request<Body>| {
            let reads = matches!(*request.method(), Method::GET | Method::HEAD);
            if reads || leadership.holds_for(Duration::ZERO) { Ok(request) } else { Err(NotLeading) }
        })
    }

    pub(super) fn exclude(&self, why: String) {
        *self.standing() = Standing::Excluded(why);
    }

    pub(super) fn stand_by(&self) {
        *self.standing() = Standing::Candidate;
    }

    pub(super) fn lead_until(&self, until: Instant) {
        *self.standing() = Standing::Leading { until };
    }

    pub(super) fn end(&self) {
        *self.standing() = Standing::Over;
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        // Each write replaces the whole value, so a panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[rstest]
    #[case::right_away(0, 14_999, true)]
    #[case::the_end_itself_is_the_next_ones(0, 15_000, false)]
    #[case::later(10_000, 4_999, true)]
    #[case::too_late_for_this(10_000, 5_000, false)]
    #[case::the_last_moment(14_999, 0, true)]
    #[case::over(15_000, 0, false)]
    #[case::long_over(60_000, 0, false)]
    #[tokio::test(start_paused = true)]
    async fn a_lease_holds_for_what_is_left_of_it(#[case] passed: u64, #[case] needed: u64, #[case] holds: bool) {
        let leadership = Leadership::unheard();
        leadership.lead_until(Instant::now() + 15 * SECOND);
        tokio::time::advance(Duration::from_millis(passed)).await;
        assert_eq!(leadership.holds_for(Duration::from_millis(needed)), holds);
    }

    #[test]
    fn only_a_leader_holds_and_only_the_excluded_and_the_former_are_unfit() {
        let leadership = Leadership::unheard();
        let seen = |leadership: &Leadership| (leadership.holds_for(Duration::ZERO), leadership.exclusion().is_none());
        assert_eq!(seen(&leadership), (false, false), "before the first answer");
        leadership.stand_by();
        assert_eq!(seen(&leadership), (false, true), "standing by");
        leadership.lead_until(Instant::now() + SECOND);
        assert_eq!(seen(&leadership), (true, true), "leading");
        leadership.end();
        assert_eq!(seen(&leadership), (false, false), "afterwards");
        leadership.exclude("forbidden".to_owned());
        assert_eq!(leadership.exclusion().as_deref(), Some("forbidden"));
        assert_eq!(seen(&Leadership::undisputed()), (true, true), "without an election");
        assert!(Leadership::undisputed().holds_for(Duration::MAX));
    }
}
