//! The values in force for a connection, with the operator's defaults filled in.

use crds::{Duration, JiraConnectionSpec, connection::status::Effective};

/// Longest time for one request, unless the spec says otherwise.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How long Jira may be unreachable, unless the spec says otherwise.
const GRACE: Duration = Duration::from_secs(120);

/// The shortest and the longest time between two checks that the API takes. An object that was stored before the rule was in force may say
/// something else.
pub const INTERVALS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));
/// The same for the time for one request.
const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The same for how long Jira may be unreachable.
const GRACES: (Duration, Duration) = (Duration::from_secs(0), Duration::from_secs(3600));

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
        let within = |wanted: Option<Duration>, default, (least, most)| wanted.unwrap_or(default).clamp(least, most);
        Effective {
            interval: within(checks.interval, self.interval, INTERVALS),
            timeout: within(checks.timeout, TIMEOUT, TIMEOUTS),
            grace: within(checks.grace, GRACE, GRACES),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::absent(json!({}), ["5m0s", "15s", "2m0s"])]
    #[case::as_declared(json!({ "interval": "1h", "timeout": "30s", "grace": "0s" }), ["1h0m0s", "30s", "0s"])]
    #[case::too_short(json!({ "interval": "1s", "timeout": "1ms" }), ["1m0s", "1s", "2m0s"])]
    #[case::too_long(json!({ "interval": "999999h", "timeout": "100000h0.172h", "grace": "2h" }), ["24h0m0s", "1m0s", "1h0m0s"])]
    fn what_is_in_force_is_within_what_the_api_takes(#[case] checks: serde_json::Value, #[case] expected: [&str; 3]) {
        let spec = serde_json::from_value(json!({
            "url": "https://jira.example", "deployment": "Cloud", "checks": checks,
            "auth": { "oauth2ClientCredentials": { "clientSecretRef": { "name": "client" } } },
        }));
        let effective = Settings { interval: Duration::from_secs(300) }.of(&spec.unwrap());
        let shown = [effective.interval, effective.timeout, effective.grace].map(|it| it.to_string());
        assert_eq!(shown, expected);
    }
}
