//! Moments that others have written, and what comes after them.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

/// The moment so long after `at`; the last one that there is where that is beyond it. For an `at` of a Secret or of a status, into
/// which anybody with the right to it may write the end of time.
#[must_use]
pub fn after(at: Timestamp, time: Duration) -> Timestamp {
    at.checked_add(time).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::soon(Timestamp::UNIX_EPOCH, 1, "1970-01-01T00:00:01Z".parse().unwrap())]
    #[case::beyond(Timestamp::MAX, 1, Timestamp::MAX)]
    #[case::far_beyond(Timestamp::UNIX_EPOCH, u64::MAX, Timestamp::MAX)]
    fn nothing_comes_after_the_end_of_time(#[case] at: Timestamp, #[case] seconds: u64, #[case] expected: Timestamp) {
        assert_eq!(after(at, Duration::from_secs(seconds)), expected);
    }
}
