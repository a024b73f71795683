//! Durations as Kubernetes writes them: `90s`, `5m`, `1h30m`.

use std::{fmt, str::FromStr, time};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time, written as in Go and `metav1.Duration`: numbers with the units `h`, `m`, `s`, `ms`.
///
/// Prints in Go's canonical form, so that `5m` comes back as `5m0s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(time::Duration);

/// Text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidDuration(String);

impl fmt::Display for InvalidDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no duration: write numbers with units, such as 90s, 5m or 1h30m", self.0)
    }
}

impl std::error::Error for InvalidDuration {}

impl Duration {
    /// Whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(time::Duration::from_secs(seconds))
    }
}

impl From<Duration> for time::Duration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

impl From<time::Duration> for Duration {
    fn from(duration: time::Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Duration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidDuration(text.to_owned());
        if text == "0" {
            return Ok(Self::from_secs(0));
        }
        let mut total = 0.0_f64;
        let mut rest = text;
        while !rest.is_empty() {
            let unit_at = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(invalid)?;
            let (number, tail) = rest.split_at(unit_at);
            let unit_end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_end);
            let seconds = match unit {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(invalid()),
            };
            if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit() || c == '.') {
                return Err(invalid());
            }
            total += number.parse::<f64>().map_err(|_| invalid())? * seconds;
            rest = tail;
        }
        if text.is_empty() {
            return Err(invalid());
        }
        time::Duration::try_from_secs_f64(total).map(Self).map_err(|_| invalid())
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        match millis {
            0 => write!(f, "{seconds}s"),
            _ => write!(f, "{}s", format!("{seconds}.{millis:03}").trim_end_matches('0')),
        }
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 16, "pattern": r"^([0-9]{1,6}(\.[0-9]{1,6})?(ms|s|m|h))+$" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::Duration;

    #[rstest]
    #[case("5m", "5m0s")]
    #[case("90s", "1m30s")]
    #[case("1h", "1h0m0s")]
    #[case("1h30m", "1h30m0s")]
    #[case("1.5s", "1.5s")]
    #[case("250ms", "0.25s")]
    #[case("0s", "0s")]
    fn prints_in_canonical_form(#[case] text: &str, #[case] canonical: &str) {
        assert_eq!(text.parse::<Duration>().unwrap().to_string(), canonical);
    }

    #[rstest]
    #[case("")]
    #[case("5")]
    #[case("m")]
    #[case("-5m")]
    #[case("5 m")]
    #[case("5d")]
    #[case("1e9h")]
    #[case("NaNs")]
    #[case("99999999999999999999h")]
    fn refuses_what_is_no_duration(#[case] text: &str) {
        assert!(text.parse::<Duration>().is_err());
    }

    proptest! {
        /// What the schema lets through must be readable, or the whole object would not be.
        #[test]
        fn whatever_the_schema_takes_can_be_read(text in r"([0-9]{1,6}(\.[0-9]{1,6})?(ms|s|m|h)){1,4}") {
            prop_assert!(text.parse::<Duration>().is_ok());
        }

        #[test]
        fn what_is_printed_reads_back_as_the_same(seconds in 0_u64..1_000_000) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(duration.to_string().parse::<Duration>().unwrap(), duration);
        }
    }
}
