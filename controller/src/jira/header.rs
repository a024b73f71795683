//! Headers that a gateway in front of a Jira demands.

use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// The longest header value, in bytes. Tomcat, which carries Jira Data Center, reads 8 KiB of headers by default.
const LONGEST_VALUE: usize = 8 * 1024;

/// The longest header name, in bytes.
const LONGEST_NAME: usize = 256;

/// Names that a connection may not set: they belong to the credential, to the connection between two hosts (RFC 9110,
/// 7.6.1) or to the request itself, or open the metadata services of cloud providers.
const REFUSED: [&str; 25] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "metadata",
    "metadata-flavor",
    "origin",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-atlassian-token",
    "x-metadata-token",
    "x-real-ip",
];

/// Beginnings of names that a connection may not set.
const REFUSED_BEGINNINGS: [&str; 3] = ["proxy-", "x-aws-", "x-forwarded-"];

/// A header that goes with every request to the connection's own Jira, and nowhere else. `Debug` hides the value.
#[derive(Clone, Debug)]
pub struct CustomHeader {
    name: HeaderName,
    value: HeaderValue,
}

/// Why a header cannot be sent. Never holds the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidHeader {
    /// No name of RFC 9110, 5.1, or longer than 256 bytes.
    #[error("the name is not a header name")]
    Name,
    /// A name that connections may not set.
    #[error("this header may not be set by a connection")]
    Refused,
    /// Nothing to send.
    #[error("the value is empty")]
    Empty,
    /// A value with a line break, often the one at the end of the file that a Secret was made from.
    #[error("the value contains a line break: store it without one, also at the end")]
    LineBreak,
    /// A value with other control characters, with characters beyond ASCII, or with a space at an end.
    #[error("the value may contain visible ASCII characters, and spaces between them, only")]
    Value,
    /// A value of more than 8 KiB.
    #[error("the value is longer than {LONGEST_VALUE} bytes")]
    TooLong,
}

impl CustomHeader {
    /// Checks name and value; see [`InvalidHeader`] for what is refused. The name's case does not matter.
    ///
    /// # Errors
    /// [`InvalidHeader`] for the first rule that name or value breaks.
    pub fn new(name: &str, value: &SecretString) -> Result<Self, InvalidHeader> {
        if LONGEST_NAME < name.len() {
            return Err(InvalidHeader::Name);
        }
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| InvalidHeader::Name)?;
        if REFUSED.contains(&name.as_str()) || REFUSED_BEGINNINGS.iter().any(|it| name.as_str().starts_with(it)) {
            return Err(InvalidHeader::Refused);
        }
        let mut value = checked(value.expose_secret())?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }

    /// The name, in lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    pub(super) fn parts(&self) -> (&HeaderName, &HeaderValue) {
        (&self.name, &self.value)
    }
}

fn checked(value: &str) -> Result<HeaderValue, InvalidHeader> {
    if value.is_empty() {
        return Err(InvalidHeader::Empty);
    }
    if LONGEST_VALUE < value.len() {
        return Err(InvalidHeader::TooLong);
    }
    if value.contains(['\r', '\n']) {
        return Err(InvalidHeader::LineBreak);
    }
    let visible = value.bytes().all(|it| it == b' ' || it.is_ascii_graphic());
    if !visible || value.starts_with(' ') || value.ends_with(' ') {
        return Err(InvalidHeader::Value);
    }
    HeaderValue::from_str(value).map_err(|_| InvalidHeader::Value)
}

#[cfg(test)]
mod tests {
    use super::{CustomHeader, InvalidHeader};
    use rstest::rstest;

    #[rstest]
    #[case::cloudflare("CF-Access-Client-Id", "0123456789abcdef.access", Ok("cf-access-client-id"))]
    #[case::inner_space("X-Gate", "Token abc=", Ok("x-gate"))]
    #[case::authorization("Authorization", "x", Err(InvalidHeader::Refused))]
    #[case::host("HOST", "x", Err(InvalidHeader::Refused))]
    #[case::cookie("Cookie", "x", Err(InvalidHeader::Refused))]
    #[case::proxy("Proxy-Authorization", "x", Err(InvalidHeader::Refused))]
    #[case::proxy_anything("proxy-x", "x", Err(InvalidHeader::Refused))]
    #[case::forwarded("X-Forwarded-For", "x", Err(InvalidHeader::Refused))]
    #[case::google_metadata("Metadata-Flavor", "Google", Err(InvalidHeader::Refused))]
    #[case::azure_metadata("Metadata", "true", Err(InvalidHeader::Refused))]
    #[case::aws_metadata("X-aws-ec2-metadata-token", "x", Err(InvalidHeader::Refused))]
    #[case::connection("Connection", "close", Err(InvalidHeader::Refused))]
    #[case::framing("Transfer-Encoding", "chunked", Err(InvalidHeader::Refused))]
    #[case::length("Content-Length", "1", Err(InvalidHeader::Refused))]
    #[case::upgrade("Upgrade", "x", Err(InvalidHeader::Refused))]
    #[case::empty_name("", "x", Err(InvalidHeader::Name))]
    #[case::space_in_name("X Gate", "x", Err(InvalidHeader::Name))]
    #[case::colon_in_name("X-Gate:", "x", Err(InvalidHeader::Name))]
    #[case::empty_value("X-Gate", "", Err(InvalidHeader::Empty))]
    #[case::line_break_at_the_end("X-Gate", "abc\n", Err(InvalidHeader::LineBreak))]
    #[case::smuggled_header("X-Gate", "abc\r\nHost: evil", Err(InvalidHeader::LineBreak))]
    #[case::tab("X-Gate", "a\tb", Err(InvalidHeader::Value))]
    #[case::control("X-Gate", "a\u{0}b", Err(InvalidHeader::Value))]
    #[case::not_ascii("X-Gate", "ä", Err(InvalidHeader::Value))]
    #[case::space_at_the_end("X-Gate", "abc ", Err(InvalidHeader::Value))]
    fn the_grammar_holds(#[case] name: &str, #[case] value: &str, #[case] expected: Result<&str, InvalidHeader>) {
        let header = CustomHeader::new(name, &value.into());
        assert_eq!(header.as_ref().map(CustomHeader::name).map_err(|it| *it), expected);
    }

    #[rstest]
    #[case(8192, true)]
    #[case(8193, false)]
    fn a_value_has_at_most_8_kib(#[case] length: usize, #[case] accepted: bool) {
        assert_eq!(CustomHeader::new("X-Gate", &"a".repeat(length).into()).is_ok(), accepted);
    }

    #[test]
    fn debug_hides_the_value() {
        let header = CustomHeader::new("X-Gate", &"fake-secret".into()).unwrap();
        assert!(!format!("{header:?}").contains("fake-secret"));
    }
}
