//! Token buckets.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::clock::after;
use super::instance::RateLimit;

/// The buckets of one instance by whatever is counted.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    filled: BTreeMap<String, (u32, Timestamp)>,
}

/// What a bucket says to one more request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Allowed { remaining: u32 },
    Over { retry_after: u32 },
}

impl Buckets {
    /// Takes one request out of a bucket, after it was filled up to now.
    pub(super) fn take(&mut self, key: String, limit: &RateLimit, now: Timestamp) -> Decision {
        let interval = i64::from(limit.interval_seconds.max(1));
        let (tokens, since) = self.filled.entry(key).or_insert((limit.limit, now));
        let intervals = (now.as_second() - since.as_second()).max(0) / interval;
        let fresh = u32::try_from(intervals).unwrap_or(u32::MAX).saturating_mul(limit.fill_rate);
        *tokens = tokens.saturating_add(fresh).min(limit.limit);
        if intervals > 0 {
            let whole = Duration::from_secs(u64::try_from(intervals.saturating_mul(interval)).unwrap_or(0));
            *since = after(*since, whole);
        }
        let Some(remaining) = tokens.checked_sub(1) else {
            let left = interval - (now.as_second() - since.as_second());
            return Decision::Over { retry_after: u32::try_from(left).unwrap_or(1).max(1) };
        };
        *tokens = remaining;
        Decision::Allowed { remaining }
    }
}
