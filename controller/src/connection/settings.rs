//! The values in force for a connection, with the operator's defaults filled in.

use crds::{Duration, JiraConnectionSpec, connection::status::Effective};

/// Longest time for one request, unless the spec says otherwise.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How long Jira may be unreachable, unless the spec says otherwise.
const GRACE: Duration = Duration::from_secs(120);

/// The operator's defaults.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Time between two checks, unless the spec says otherwise.
    pub interval: Duration,
}

impl Settings {
    /// The values in force for one connection.
    #[must_use]
    pub fn of(&self, spec: &JiraConnectionSpec) -> Effective {
        let checks = spec.checks.unwrap_or_default();
        Effective {
            interval: checks.interval.unwrap_or(self.interval),
            timeout: checks.timeout.unwrap_or(TIMEOUT),
            grace: checks.grace.unwrap_or(GRACE),
        }
    }
}
