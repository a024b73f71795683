//! What a finding means for `Ready`, after grace and patience.

use std::time::Duration;

use crds::State;
use k8s_openapi::jiff::Timestamp;

use super::view::View;
use crate::{
    condition::{About, Claim, Truth},
    connection::{
        finding::Finding,
        reason::{Reason, Row},
    },
    moment,
};

/// How long a missing Secret is waited for before the connection stalls.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a finding means for `Ready`, after grace and patience.
pub(super) struct Verdict {
    pub(super) ready: Claim,
    pub(super) state: Option<State>,
    pub(super) progress: Progress,
    /// The moment at which grace or patience runs out.
    pub(super) boundary: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Settled,
    Reconciling,
    Stalled,
    /// As it was before.
    Kept,
}

impl Verdict {
    pub(super) fn of(view: &View<'_>, finding: &Finding) -> Self {
        let ready = |status, reason: &str| Claim::new(About::Ready, status, reason, finding.message.clone());
        let reason = finding.reason.as_str();
        let plain = |status, state, progress| Self {
            ready: ready(status, reason),
            state: Some(state),
            progress,
            boundary: None,
        };
        match finding.reason.row() {
            Row::Proven => plain(Truth::True, State::Authorized, Progress::Settled),
            Row::Pending => Self {
                ready: ready(Truth::Unknown, reason),
                state: None,
                progress: Progress::Reconciling,
                boundary: None,
            },
            Row::Awaiting => plain(Truth::False, State::NotAuthorized, Progress::Reconciling),
            Row::Refused if finding.again.is_some() => plain(Truth::False, State::NotAuthorized, Progress::Reconciling),
            Row::Refused => plain(Truth::False, State::NotAuthorized, Progress::Stalled),
            Row::Lacking | Row::Misfit => plain(Truth::False, State::Interrupted, Progress::Stalled),
            Row::Unresolved => Self::unresolved(view, ready(Truth::False, reason)),
            Row::Outage => Self::outage(view, ready(Truth::False, reason), finding),
            Row::Limited => Self::limited(view, ready(Truth::False, reason)),
            Row::Suspended => Self::suspended(view, ready(Truth::Unknown, reason)),
        }
    }

    fn unresolved(view: &View<'_>, ready: Claim) -> Self {
        let since = view.since(About::CredentialsResolved, Truth::False);
        let end = moment::after(since, PATIENCE);
        let (progress, boundary) =
            if view.now < end { (Progress::Reconciling, Some(end)) } else { (Progress::Stalled, None) };
        Self { ready, state: Some(State::Interrupted), progress, boundary }
    }

    fn outage(view: &View<'_>, ready: Claim, finding: &Finding) -> Self {
        let end = moment::after(view.since(About::Reachable, Truth::False), view.grace());
        if view.was_ready() && view.now < end {
            let message = format!("{} What was proven before still counts during the grace period.", finding.message);
            let ready = Claim::new(About::Ready, Truth::True, "InterruptedInGrace", message);
            return Self { ready, state: Some(State::Authorized), progress: Progress::Settled, boundary: Some(end) };
        }
        Self { ready, state: Some(State::Interrupted), progress: Progress::Reconciling, boundary: None }
    }

    fn limited(view: &View<'_>, ready: Claim) -> Self {
        let end = moment::after(view.since(About::RateLimited, Truth::True), view.grace());
        let state = view.previous_status().and_then(|status| status.state);
        match view.standing(About::Ready) {
            _ if view.now >= end => {
                Self { ready, state: Some(State::Interrupted), progress: Progress::Reconciling, boundary: None }
            }
            Some(unchanged) => Self { ready: unchanged, state, progress: Progress::Kept, boundary: Some(end) },
            None => Self {
                ready: Claim { status: Truth::Unknown, reason: Reason::Progressing.as_str().into(), ..ready },
                state,
                progress: Progress::Reconciling,
                boundary: Some(end),
            },
        }
    }

    fn suspended(view: &View<'_>, ready: Claim) -> Self {
        let state = view.previous_status().and_then(|status| status.state);
        match view.standing(About::Ready).filter(|_| view.only_suspension_changed()) {
            Some(unchanged) => Self { ready: unchanged, state, progress: Progress::Kept, boundary: None },
            None => Self { ready, state, progress: Progress::Reconciling, boundary: None },
        }
    }
}
