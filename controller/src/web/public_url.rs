//! Where people's browsers, and Jira's redirects, find the pages.

use std::{fmt, str::FromStr};

use thiserror::Error;
use url::{Host, Url};

/// The longest public URL that is accepted, in bytes: Jira takes at most 450 characters with `/callback`.
const LONGEST: usize = 400;

/// Base URL of the pages, normalised: `https://operator.example/prefix`, without a slash at its end. `http` only for
/// `localhost`, `127.0.0.1` and `[::1]`, which `kubectl port-forward` listens on. No user-info, query or fragment.
///
/// Its `Display` is that form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(Url);

/// Why a text is no base URL of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidPublicUrl {
    /// Longer than 400 bytes.
    #[error("the URL is longer than {LONGEST} bytes: Jira would not take the callback URL that is made of it")]
    TooLong,
    /// Spaces, line breaks, control characters or backslashes.
    #[error("the URL contains a space, a line break, a control character or a backslash: remove it")]
    Characters,
    /// Neither https nor http.
    #[error("the URL must start with https://, or with http:// for localhost")]
    Scheme,
    /// http for a host that others can reach.
    #[error("http:// is accepted for localhost, 127.0.0.1 and [::1] only: use https:// for every other host")]
    Plain,
    /// Not a URL at all.
    #[error("this is not a URL: write it like https://operator.example.com/jira-connections or http://localhost:8082")]
    Malformed,
    /// Port 0.
    #[error("port 0 cannot be contacted: leave the port out or give the real one")]
    Port,
    /// `user@` or `user:password@`.
    #[error("the URL contains a user name or password: remove it")]
    UserInfo,
    /// A query, even an empty one.
    #[error("the URL contains a query (?…): remove it")]
    Query,
    /// A fragment, even an empty one.
    #[error("the URL contains a fragment (#…): remove it")]
    Fragment,
    /// A path that is no plain prefix.
    #[error("the path may consist of letters, digits, '-', '.', '_' and '~', in segments divided by single slashes")]
    Prefix,
}

impl PublicUrl {
    /// Reads and normalises the base URL.
    ///
    /// # Errors
    /// [`InvalidPublicUrl`], whose text says what to change.
    pub fn parse(text: &str) -> Result<Self, InvalidPublicUrl> {
        if LONGEST < text.len() {
            return Err(InvalidPublicUrl::TooLong);
        }
        // The URL standard drops line breaks and tabs, and reads a backslash as a slash.
        if text.chars().any(|it| it.is_control() || it.is_whitespace() || it == '\\') {
            return Err(InvalidPublicUrl::Characters);
        }
        let (scheme, rest) = text.split_once("://").ok_or(InvalidPublicUrl::Scheme)?;
        if !["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(InvalidPublicUrl::Scheme);
        }
        // The URL standard would skip further slashes, and leaves no trace of an empty user name.
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() {
            return Err(InvalidPublicUrl::Malformed);
        }
        if authority.contains('@') {
            return Err(InvalidPublicUrl::UserInfo);
        }
        Self::normalised(Url::parse(text).map_err(|_| InvalidPublicUrl::Malformed)?)
    }

    fn normalised(mut url: Url) -> Result<Self, InvalidPublicUrl> {
        if url.query().is_some() {
            return Err(InvalidPublicUrl::Query);
        }
        if url.fragment().is_some() {
            return Err(InvalidPublicUrl::Fragment);
        }
        if url.port() == Some(0) {
            return Err(InvalidPublicUrl::Port);
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            return Err(InvalidPublicUrl::Plain);
        }
        let prefix = url.path().trim_end_matches('/').to_owned();
        if !prefix.split('/').skip(1).all(is_plain_segment) {
            return Err(InvalidPublicUrl::Prefix);
        }
        url.set_path(&prefix);
        Ok(Self(url))
    }

    /// The path that every page is below: `/jira-connections`, or the empty string.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// Scheme, host and port in the form of a browser's `Origin` (RFC 6454, 6.1).
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Whether browsers reach the pages by TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether a `Host` header (RFC 9110, 7.2) names this host and port. A default port may be left out.
    #[must_use]
    pub fn answers_to(&self, host: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        if host.is_empty() || !host.bytes().all(plain) {
            return false;
        }
        let Ok(asked) = Url::parse(&format!("{}://{host}/", self.0.scheme())) else { return false };
        asked.host() == self.0.host() && asked.port_or_known_default() == self.0.port_or_known_default()
    }

    /// An address below the public URL; `path` starts with a slash.
    #[must_use]
    pub fn below(&self, path: &str) -> String {
        format!("{self}{path}")
    }

    /// Where Jira sends the browser when the person has decided: the redirect URI to register at Jira.
    #[must_use]
    pub fn callback(&self) -> String {
        self.below("/callback")
    }

    /// Address of the page of one connection, without a key.
    #[must_use]
    pub fn page(&self, namespace: &str, connection: &str) -> String {
        self.below(&format!("/connections/{namespace}/{connection}"))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address == std::net::Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
        None => false,
    }
}

fn is_plain_segment(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.prefix())
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::{InvalidPublicUrl, PublicUrl};

    #[rstest]
    #[case::root("https://operator.example", "https://operator.example")]
    #[case::slash_at_the_end("https://operator.example/", "https://operator.example")]
    #[case::prefix("https://operator.example/some/prefix/", "https://operator.example/some/prefix")]
    #[case::port("https://operator.example:8443/a", "https://operator.example:8443/a")]
    #[case::default_port("HTTPS://Operator.Example:443", "https://operator.example")]
    #[case::port_forward("http://localhost:8082", "http://localhost:8082")]
    #[case::loopback("http://127.0.0.1:8082/x", "http://127.0.0.1:8082/x")]
    #[case::loopback_of_six("http://[::1]:8082", "http://[::1]:8082")]
    #[case::tls_on_localhost("https://localhost:8443", "https://localhost:8443")]
    #[case::dot_segments("https://operator.example/a/../b", "https://operator.example/b")]
    fn a_public_url_is_normalised(#[case] text: &str, #[case] normal: &str) {
        assert_eq!(PublicUrl::parse(text).unwrap().to_string(), normal);
    }

    #[rstest]
    #[case("http://operator.example", InvalidPublicUrl::Plain)]
    #[case("http://localhost.example", InvalidPublicUrl::Plain)]
    #[case("http://10.0.0.1", InvalidPublicUrl::Plain)]
    #[case("ftp://localhost", InvalidPublicUrl::Scheme)]
    #[case("operator.example", InvalidPublicUrl::Scheme)]
    #[case("", InvalidPublicUrl::Scheme)]
    #[case("https://", InvalidPublicUrl::Malformed)]
    #[case("https:///operator.example", InvalidPublicUrl::Malformed)]
    #[case("https://operator.example:0", InvalidPublicUrl::Port)]
    #[case("https://a:b@operator.example", InvalidPublicUrl::UserInfo)]
    #[case("https://@operator.example", InvalidPublicUrl::UserInfo)]
    #[case("https://operator.example?", InvalidPublicUrl::Query)]
    #[case("https://operator.example/#", InvalidPublicUrl::Fragment)]
    #[case("https://operator.example//a", InvalidPublicUrl::Prefix)]
    #[case("https://operator.example/{a}", InvalidPublicUrl::Prefix)]
    #[case("https://operator.example/a%2Fb", InvalidPublicUrl::Prefix)]
    #[case("https://operator.example/a;b", InvalidPublicUrl::Prefix)]
    #[case(" https://operator.example", InvalidPublicUrl::Characters)]
    #[case("https://operator.example\r\nX: y", InvalidPublicUrl::Characters)]
    fn what_is_no_public_url_is_refused(#[case] text: &str, #[case] fault: InvalidPublicUrl) {
        assert_eq!(PublicUrl::parse(text), Err(fault));
    }

    #[test]
    fn an_endless_url_is_refused() {
        let text = format!("https://operator.example/{}", "a".repeat(400));
        assert_eq!(PublicUrl::parse(&text), Err(InvalidPublicUrl::TooLong));
    }

    #[rstest]
    #[case::same("https://operator.example", "operator.example", true)]
    #[case::other_case("https://operator.example", "Operator.EXAMPLE", true)]
    #[case::default_port("https://operator.example", "operator.example:443", true)]
    #[case::other_port("https://operator.example", "operator.example:80", false)]
    #[case::port("http://localhost:8082", "localhost:8082", true)]
    #[case::port_missing("http://localhost:8082", "localhost", false)]
    #[case::another_name_of_the_same("http://localhost:8082", "127.0.0.1:8082", false)]
    #[case::six("http://[::1]:8082", "[::1]:8082", true)]
    #[case::longer("https://operator.example", "operator.example.evil.test", false)]
    #[case::user("https://operator.example", "evil@operator.example", false)]
    #[case::path("https://operator.example", "operator.example/x", false)]
    #[case::dot("https://operator.example", "operator.example.", false)]
    #[case::empty("https://operator.example", "", false)]
    fn the_host_header_has_to_name_the_public_url(#[case] url: &str, #[case] host: &str, #[case] same: bool) {
        assert_eq!(PublicUrl::parse(url).unwrap().answers_to(host), same);
    }

    #[test]
    fn the_addresses_are_below_the_prefix() {
        let url = PublicUrl::parse("https://operator.example/p").unwrap();
        assert_eq!((url.prefix(), url.origin().as_str()), ("/p", "https://operator.example"));
        assert_eq!(url.callback(), "https://operator.example/p/callback");
        assert_eq!(url.page("team", "acme"), "https://operator.example/p/connections/team/acme");
        assert_eq!(PublicUrl::parse("http://localhost:1").unwrap().prefix(), "");
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own_normal_form(text in "https?://(localhost|[a-z0-9.@:-]{1,20})(/[a-zA-Z0-9.%/?#{}-]{0,20})?") {
            if let Ok(url) = PublicUrl::parse(&text) {
                prop_assert_eq!(PublicUrl::parse(&url.to_string()).unwrap(), url);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = PublicUrl::parse(&text);
            let _ = PublicUrl::parse(&format!("https://{text}"));
            let _ = PublicUrl::parse("https://operator.example").unwrap().answers_to(&text);
        }
    }
}
