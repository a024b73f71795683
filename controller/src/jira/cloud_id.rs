//! The name of a Cloud site at Atlassian's gateway.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// The id of a Cloud site: a UUID (RFC 9562, section 4) in lower case, such as `11111111-2222-3333-4444-555555555555`.
///
/// It becomes part of a path, so nothing else is accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloudId(String);

/// The text is no UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a cloud id is a UUID such as 11111111-2222-3333-4444-555555555555")]
pub struct InvalidCloudId;

impl CloudId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CloudId {
    type Err = InvalidCloudId;

    fn from_str(text: &str) -> Result<Self, InvalidCloudId> {
        let groups = text.split('-').map(str::len);
        let hexadecimal = text.bytes().all(|it| it == b'-' || it.is_ascii_hexdigit());
        if !hexadecimal || !groups.eq([8, 4, 4, 4, 12]) {
            return Err(InvalidCloudId);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for CloudId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{CloudId, InvalidCloudId};
    use rstest::rstest;

    #[test]
    fn a_uuid_is_taken_in_lower_case() {
        let id: CloudId = "1324A887-45DB-1BF4-1E99-EF0FF456D421".parse().unwrap();
        assert_eq!(id.as_str(), "1324a887-45db-1bf4-1e99-ef0ff456d421");
    }

    #[rstest]
    #[case("")]
    #[case("----")]
    #[case("../../../oauth")]
    #[case("1324a887-45db-1bf4-1e99-ef0ff456d42/")]
    #[case("1324a887-45db-1bf4-1e99-ef0ff456d4211")]
    #[case("1324a88745db1bf41e99ef0ff456d421")]
    #[case("1324a887-45db-1bf4-1e99-ef0ff456d42é")]
    fn anything_else_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<CloudId>(), Err(InvalidCloudId));
    }
}
