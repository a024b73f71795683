//! What a candidate has seen of the Lease, and whether it may take it. Knows no client and reads no clock.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::LeaseSpec;
use tokio::time::Instant;

/// What to do about the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// Nobody holds it, or its holder has shown no sign of life for as long as it promised to.
    Take,
    /// This one holds it.
    Wait {
        /// Identity of the holder.
        holder: String,
    },
}

/// The Lease as it was when it last changed, and since when it has not.
///
/// The times *in* a Lease come from wall clocks of other machines and are compared with nothing. That they change is what counts.
#[derive(Debug, Default)]
pub(super) struct Observation(Option<Seen>);

#[derive(Debug)]
struct Seen {
    spec: LeaseSpec,
    presence: Presence,
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    There,
    Vanished,
}

impl Observation {
    /// Takes in what a look has found, `None` if there is no Lease, and says what `identity` may do. `now` must not lie before the
    /// answer of the API server: what it shows was stored earlier, so the wait that begins now ends late rather than early.
    ///
    /// That a known Lease vanishes is a change as well, and is waited out: its holder does not know yet, and need not be the one that
    /// was seen last. One that announces no duration lasts for `usual`.
    pub(super) fn look(&mut self, found: Option<&LeaseSpec>, identity: &str, usual: Duration, now: Instant) -> Advice {
        match (&mut self.0, found) {
            (None, None) => return Advice::Take,
            (Some(Seen { presence: Presence::Vanished, .. }), None) => {}
            (Some(seen), None) => {
                seen.presence = Presence::Vanished;
                seen.since = now;
            }
            (Some(seen), Some(spec)) if seen.presence == Presence::There && seen.spec == *spec => {}
            (seen, Some(spec)) => *seen = Some(Seen { spec: spec.clone(), presence: Presence::There, since: now }),
        }
        let Some(seen) = &self.0 else { return Advice::Take };
        let (holder, lasts) = match seen.presence {
            Presence::There => (holder(&seen.spec), lasts(&seen.spec, usual)),
            // Whoever held it at the end may have announced more than the one before, but not less than is usual.
            Presence::Vanished => (Some("somebody, perhaps: it was deleted"), lasts(&seen.spec, usual).max(usual)),
        };
        match holder {
            // Identities are made anew at each start, so an own one is our write whose answer was lost.
            Some(holder) if holder != identity && now < seen.since + lasts => {
                Advice::Wait { holder: holder.to_owned() }
            }
            Some(_) | None => Advice::Take,
        }
    }
}

/// Who holds it; a released one has no holder.
pub(super) fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

fn lasts(spec: &LeaseSpec, usual: Duration) -> Duration {
    let announced = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    announced.filter(|seconds| *seconds > 0).map_or(usual, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp};
    use rstest::rstest;

    use super::*;

    const USUAL: Duration = Duration::from_secs(15);
    const GONE: &str = "somebody, perhaps: it was deleted";

    /// A Lease of `holder` that was renewed at this second of 1970 by the clock of the holder.
    fn spec(holder: &str, renewed: i64, seconds: Option<i32>) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()).filter(|holder| holder != "nobody"),
            lease_duration_seconds: seconds,
            renew_time: Some(MicroTime(Timestamp::from_second(renewed).unwrap())),
            ..LeaseSpec::default()
        }
    }

    fn told(advice: &Advice) -> &str {
        match advice {
            Advice::Take => "take",
            Advice::Wait { holder } => holder,
        }
    }

    /// Each look: at which second of ours, at what, and what is advised.
    #[rstest]
    #[case::there_is_none(&[(0, None, "take")])]
    #[case::released(&[(0, Some(spec("nobody", 0, Some(1))), "take")])]
    #[case::released_in_the_old_way(&[(0, Some(spec("", 0, Some(1))), "take")])]
    #[case::held_and_renewed(&[(0, Some(spec("other", 1, Some(15))), "other"), (14, Some(spec("other", 2, Some(15))), "other"), (28, Some(spec("other", 2, Some(15))), "other")])]
    #[case::silent_for_its_duration(&[(0, Some(spec("other", 1, Some(15))), "other"), (14, Some(spec("other", 1, Some(15))), "other"), (15, Some(spec("other", 1, Some(15))), "take")])]
    #[case::its_own_duration_counts(&[(0, Some(spec("other", 1, Some(30))), "other"), (29, Some(spec("other", 1, Some(30))), "other"), (30, Some(spec("other", 1, Some(30))), "take")])]
    #[case::without_a_duration(&[(0, Some(spec("other", 1, None)), "other"), (15, Some(spec("other", 1, None)), "take")])]
    #[case::with_an_impossible_duration(&[(0, Some(spec("other", 1, Some(-1))), "other"), (15, Some(spec("other", 1, Some(-1))), "take")])]
    #[case::its_clock_is_a_day_slow(&[(90_000, Some(spec("other", 1, Some(15))), "other")])]
    #[case::its_clock_runs_backwards(&[(0, Some(spec("other", 100, Some(15))), "other"), (14, Some(spec("other", 1, Some(15))), "other"), (28, Some(spec("other", 1, Some(15))), "other")])]
    #[case::another_one_took_it(&[(0, Some(spec("other", 1, Some(15))), "other"), (15, Some(spec("third", 1, Some(15))), "third")])]
    #[case::our_own_write_without_an_answer(&[(0, Some(spec("me", 1, Some(15))), "take")])]
    #[case::vanished(&[(0, Some(spec("other", 1, Some(15))), "other"), (14, None, GONE), (28, None, GONE), (29, None, "take")])]
    #[case::vanished_after_its_release(&[(0, Some(spec("nobody", 1, Some(1))), "take"), (1, None, GONE), (16, None, "take")])]
    #[case::vanished_and_made_anew(&[(0, Some(spec("other", 1, Some(15))), "other"), (14, None, GONE), (16, Some(spec("other", 1, Some(15))), "other"), (30, Some(spec("other", 1, Some(15))), "other"), (31, Some(spec("other", 1, Some(15))), "take")])]
    fn a_lease_is_taken_when_its_holder_must_have_stopped(#[case] looks: &[(u64, Option<LeaseSpec>, &str)]) {
        let (mut observation, start) = (Observation::default(), Instant::now());
        for (second, found, expected) in looks {
            let now = start + Duration::from_secs(*second);
            let advice = observation.look(found.as_ref(), "me", USUAL, now);
            assert_eq!(told(&advice), *expected, "at second {second}");
        }
    }
}
