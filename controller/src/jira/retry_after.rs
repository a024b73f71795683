//! How long an answer asks to wait.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use k8s_openapi::jiff::{Timestamp, fmt::rfc2822};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Until when the current limit holds, as an RFC 3339 time. Cloud, with 429 only.
const RESET: &str = "x-ratelimit-reset";

/// Seconds between two refills of the caller's bucket. Data Center.
const INTERVAL: &str = "x-ratelimit-interval-seconds";

/// `true` where less than a fifth of a limit is left. Cloud.
const NEAR: &str = "x-ratelimit-nearlimit";

/// Requests that are left of the limit.
const REMAINING: &str = "x-ratelimit-remaining";

/// Requests that the limit allows: in its period on Cloud, at once on Data Center.
const LIMIT: &str = "x-ratelimit-limit";

/// The longest wait that is taken from an answer: Cloud's quotas are reset by the hour. A host that asks for more is asked again
/// then, and may say so once more.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// How long an answer of status 429 or 503 asks to wait; at most an hour.
///
/// From `Retry-After`, as seconds or as a date (RFC 9110, 10.2.3); else from `X-RateLimit-Reset`, Cloud's date; else from
/// `X-RateLimit-Interval-Seconds` of Data Center. `None` where all are absent, unreadable, past or `0`, which Data Center
/// sends on healthy answers as well.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    after(headers, now())
}

/// Like [`retry_after`], without the headers that also come with answers that are no refusal.
pub(super) fn demanded(headers: &HeaderMap) -> Option<Duration> {
    demanded_at(headers, now())
}

/// Whether an answer says that little of the limit is left: less than a fifth, as Cloud counts when it says so itself.
pub(super) fn is_scarce(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let number = |name: &str| text(name)?.trim().parse::<u64>().ok();
    let near = text(NEAR).is_some_and(|it| it.trim().eq_ignore_ascii_case("true"));
    let few =
        number(REMAINING).zip(number(LIMIT)).is_some_and(|(remaining, limit)| remaining.saturating_mul(5) < limit);
    near || few
}

fn after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let reset = || text(RESET)?.trim().parse().ok().and_then(|it| until(it, now));
    demanded_at(headers, now).or_else(reset).or_else(|| seconds(text(INTERVAL)?))
}

fn demanded_at(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let date = || rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok();
    seconds(text).or_else(|| until(date()?, now))
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.trim().parse().ok()?;
    (0 < seconds).then(|| Duration::from_secs(seconds).min(LONGEST))
}

/// Rounded up, so that the time is not a moment too short.
fn until(then: Timestamp, now: Timestamp) -> Option<Duration> {
    let seconds = then.as_second().checked_sub(now.as_second())?;
    u64::try_from(seconds).ok().filter(|it| 0 < *it).map(|it| Duration::from_secs(it).min(LONGEST))
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).ok().and_then(|it| Timestamp::from_second(it).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, after, is_scarce, retry_after};
    use k8s_openapi::jiff::Timestamp;
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
    use rstest::rstest;
    use std::time::Duration;

    #[rstest]
    #[case::seconds(&[("retry-after", "7")], Some(7))]
    #[case::spaces(&[("retry-after", " 7 ")], Some(7))]
    #[case::zero_of_a_healthy_data_center(&[("retry-after", "0")], None)]
    #[case::negative(&[("retry-after", "-1")], None)]
    #[case::an_hour(&[("retry-after", "3600")], Some(3600))]
    #[case::more(&[("retry-after", "3601")], Some(3600))]
    #[case::huge(&[("retry-after", "18446744073709551615")], Some(3600))]
    #[case::too_huge(&[("retry-after", "18446744073709551616")], None)]
    #[case::fraction(&[("retry-after", "1.5")], None)]
    #[case::date(&[("retry-after", "Fri, 02 Jan 2026 03:04:12 GMT")], Some(7))]
    #[case::past_date(&[("retry-after", "Fri, 02 Jan 2026 03:04:05 GMT")], None)]
    #[case::nonsense(&[("retry-after", "tomorrow")], None)]
    #[case::not_text(&[("retry-after", "\u{fc}")], None)]
    #[case::reset(&[("x-ratelimit-reset", "2026-01-02T03:05:05Z")], Some(60))]
    #[case::reset_behind_zero(&[("retry-after", "0"), ("x-ratelimit-reset", "2026-01-02T03:05:05Z")], Some(60))]
    #[case::the_demand_comes_first(&[("retry-after", "7"), ("x-ratelimit-reset", "2026-01-02T03:05:05Z")], Some(7))]
    #[case::reset_of_a_day(&[("x-ratelimit-reset", "2026-01-03T03:04:05Z")], Some(3600))]
    #[case::interval(&[("x-ratelimit-interval-seconds", "60")], Some(60))]
    #[case::interval_of_a_day(&[("x-ratelimit-interval-seconds", "86400")], Some(3600))]
    #[case::nothing(&[], None)]
    fn the_wait_is_read(#[case] headers: &[(&'static str, &str)], #[case] seconds: Option<u64>) {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(after(&map(headers), now), seconds.map(Duration::from_secs));
    }

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let value = |value: &str| HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect()
    }

    #[rstest]
    #[case::said(&[("x-ratelimit-nearlimit", "true")], true)]
    #[case::denied(&[("x-ratelimit-nearlimit", "false")], false)]
    #[case::a_fifth(&[("x-ratelimit-limit", "50"), ("x-ratelimit-remaining", "10")], false)]
    #[case::less(&[("x-ratelimit-limit", "50"), ("x-ratelimit-remaining", "9")], true)]
    #[case::none(&[("x-ratelimit-limit", "50"), ("x-ratelimit-remaining", "0")], true)]
    #[case::of_nothing(&[("x-ratelimit-limit", "0"), ("x-ratelimit-remaining", "0")], false)]
    #[case::half_of_it(&[("x-ratelimit-remaining", "0")], false)]
    #[case::nonsense(&[("x-ratelimit-limit", "many"), ("x-ratelimit-remaining", "few")], false)]
    #[case::nothing(&[], false)]
    fn scarcity_is_read(#[case] headers: &[(&'static str, &str)], #[case] scarce: bool) {
        assert_eq!(is_scarce(&map(headers)), scarce);
    }

    #[test]
    fn a_date_is_compared_with_the_clock() {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("retry-after"),
            HeaderValue::from_static("Thu, 31 Dec 9998 00:00:00 GMT"),
        )]);
        assert_eq!(retry_after(&headers), Some(LONGEST));
    }
}
