//! How long a lease lasts, and how often it is renewed.

use std::time::Duration;

/// Longest lease. After a crash nobody works for this long, and more than an hour of that is surely a slip of the pen.
const LONGEST: Duration = Duration::from_secs(3600);

/// Periods that do not fit together. The names are those of the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPeriods {
    /// The API takes whole seconds, and at least one.
    #[error("--lease-duration must be whole seconds, 1s to 1h")]
    Duration,
    /// A leader that gives up only when its lease is over would still work while another one does.
    #[error("--lease-renew-deadline must be shorter than --lease-duration")]
    RenewDeadline,
    /// One failed attempt would be enough to lose the lease.
    #[error("--lease-retry-period must be longer than 0 and at most half of --lease-renew-deadline")]
    RetryPeriod,
}

/// How long a lease lasts, and how often it is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    duration: Duration,
    renew_deadline: Duration,
    retry_period: Duration,
}

impl Periods {
    /// `duration` is how long others wait after the last sign of life of a leader, `renew_deadline` how long a leader tries to
    /// renew before it gives up, `retry_period` the pause between two requests about the Lease.
    ///
    /// # Errors
    /// When one does not fit the others: then two replicas might work at once, or a single lost request would end a term.
    pub fn new(duration: Duration, renew_deadline: Duration, retry_period: Duration) -> Result<Self, InvalidPeriods> {
        if duration.is_zero() || duration.subsec_nanos() != 0 || duration > LONGEST {
            return Err(InvalidPeriods::Duration);
        }
        if renew_deadline >= duration {
            return Err(InvalidPeriods::RenewDeadline);
        }
        if retry_period.is_zero() || retry_period > renew_deadline / 2 {
            return Err(InvalidPeriods::RetryPeriod);
        }
        Ok(Self { duration, renew_deadline, retry_period })
    }

    /// How long others wait after the last sign of life of a leader.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// The same for `spec.leaseDurationSeconds`.
    #[must_use]
    pub fn duration_seconds(&self) -> i32 {
        // At most 3600, see `new`.
        i32::try_from(self.duration.as_secs()).unwrap_or(i32::MAX)
    }

    /// How long a leader tries to renew before it gives up.
    #[must_use]
    pub fn renew_deadline(&self) -> Duration {
        self.renew_deadline
    }

    /// Pause between two requests about the Lease.
    #[must_use]
    pub fn retry_period(&self) -> Duration {
        self.retry_period
    }

    /// How long one request may take: a connection that hangs leaves time for a second attempt.
    #[must_use]
    pub fn attempt_limit(&self) -> Duration {
        self.renew_deadline / 2
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::the_defaults(15_000, 10_000, 2_000, Ok(()))]
    #[case::the_shortest(1_000, 999, 1, Ok(()))]
    #[case::no_duration(0, 0, 0, Err(InvalidPeriods::Duration))]
    #[case::a_part_of_a_second(1_500, 1_000, 100, Err(InvalidPeriods::Duration))]
    #[case::too_long(3_601_000, 10_000, 2_000, Err(InvalidPeriods::Duration))]
    #[case::giving_up_too_late(15_000, 15_000, 2_000, Err(InvalidPeriods::RenewDeadline))]
    #[case::no_pause(15_000, 10_000, 0, Err(InvalidPeriods::RetryPeriod))]
    #[case::one_attempt_only(15_000, 10_000, 5_001, Err(InvalidPeriods::RetryPeriod))]
    fn periods_fit_together(
        #[case] duration: u64,
        #[case] renew_deadline: u64,
        #[case] retry_period: u64,
        #[case] expected: Result<(), InvalidPeriods>,
    ) {
        let [duration, renew_deadline, retry_period] =
            [duration, renew_deadline, retry_period].map(Duration::from_millis);
        assert_eq!(Periods::new(duration, renew_deadline, retry_period).map(drop), expected);
    }
}
