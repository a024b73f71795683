//! Where one Jira is.

use std::{fmt, str::FromStr};

use thiserror::Error;
use url::Url;

use super::authority::Authority;

/// The longest base URL that is accepted, in bytes.
const LONGEST: usize = 2048;

/// Base URL of one Jira, normalised: `https`, lower-case host in punycode, a port only where it is not 443, and the
/// context path without a slash at its end. No user-info, query or fragment.
///
/// Two sites are equal exactly when they are the same Jira by URL: `https://Jira.Example:443/jira/` is
/// `https://jira.example/jira`. Its `Display` is that form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    url: Url,
    authority: Authority,
}

/// Why a text is no base URL of a Jira.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidSite {
    /// Longer than 2048 bytes, as it is given or in its normal form.
    #[error("the URL is longer than {LONGEST} bytes")]
    TooLong,
    /// Spaces, line breaks, control characters or backslashes.
    #[error("the URL contains a space, a line break, a control character or a backslash: remove it")]
    Characters,
    /// Another scheme, or none.
    #[error("the URL must start with https://: nothing else is accepted")]
    NotHttps,
    /// Not a URL at all.
    #[error("this is not a URL: write it like https://jira.example.com or https://example.com/jira")]
    Malformed,
    /// Port 0.
    #[error("port 0 cannot be contacted: leave the port out or give the real one")]
    Port,
    /// `user@` or `user:password@`.
    #[error("the URL contains a user name or password: remove it, credentials belong into a Secret")]
    UserInfo,
    /// A query, even an empty one.
    #[error("the URL contains a query (?…): give the base URL of Jira alone")]
    Query,
    /// A fragment, even an empty one.
    #[error("the URL contains a fragment (#…): give the base URL of Jira alone")]
    Fragment,
    /// A host that ends in a dot.
    #[error("the host name ends in a dot: remove the dot")]
    TrailingDot,
    /// `//` inside the path.
    #[error("the path of the URL contains an empty segment (//): give the context path as Jira's base URL has it")]
    EmptySegment,
}

impl Site {
    /// Reads and normalises a base URL.
    ///
    /// # Errors
    /// [`InvalidSite`], whose text says what to change. The URL itself is not part of the text, as it may hold a password.
    pub fn parse(text: &str) -> Result<Self, InvalidSite> {
        if LONGEST < text.len() {
            return Err(InvalidSite::TooLong);
        }
        // The URL standard drops line breaks and tabs, and reads a backslash as a slash.
        if text.chars().any(|it| it.is_control() || it.is_whitespace() || it == '\\') {
            return Err(InvalidSite::Characters);
        }
        let rest =
            text.split_at_checked("https://".len()).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("https://"));
        let (_, rest) = rest.ok_or(InvalidSite::NotHttps)?;
        // The URL standard would skip further slashes, and leaves no trace of an empty user name.
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() {
            return Err(InvalidSite::Malformed);
        }
        if authority.contains('@') {
            return Err(InvalidSite::UserInfo);
        }
        Self::normalised(Url::parse(text).map_err(|_| InvalidSite::Malformed)?)
    }

    fn normalised(mut url: Url) -> Result<Self, InvalidSite> {
        if url.query().is_some() {
            return Err(InvalidSite::Query);
        }
        if url.fragment().is_some() {
            return Err(InvalidSite::Fragment);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        if path.contains("//") {
            return Err(InvalidSite::EmptySegment);
        }
        url.set_path(&path);
        // Characters that are escaped take more room then, and what is stored in this form is read again.
        if LONGEST < url.as_str().len() {
            return Err(InvalidSite::TooLong);
        }
        let authority = Authority::of(&url).ok_or(InvalidSite::Malformed)?;
        if authority.port == 0 {
            return Err(InvalidSite::Port);
        }
        if authority.host.ends_with('.') {
            return Err(InvalidSite::TrailingDot);
        }
        Ok(Self { url, authority })
    }

    /// Host name or IP address, in lower case; an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.authority.host
    }

    /// TCP port, 443 where the URL names none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.authority.port
    }

    /// Context path: `/jira`, or the empty string where Jira is at the root.
    #[must_use]
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// Scheme, host and port without the context path, in the form of a browser's `Origin` (RFC 6454, 6.1).
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// An address below this Jira: the context path, then `path`, which starts with a slash.
    ///
    /// What would end the path (`?`, `#`) is percent-encoded; dot segments are resolved.
    #[must_use]
    pub fn url(&self, path: &str) -> Url {
        below(&self.url, path)
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }
}

/// `base` with `path` appended to its path. `Url::join` would put an absolute path in place of the context path.
pub(super) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path())
    }
}

impl FromStr for Site {
    type Err = InvalidSite;

    fn from_str(text: &str) -> Result<Self, InvalidSite> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidSite, Site};
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain("https://jira.example.test", "https://jira.example.test")]
    #[case::slash_at_the_end("https://jira.example.test/", "https://jira.example.test")]
    #[case::context_path("https://example.test/jira", "https://example.test/jira")]
    #[case::context_path_with_slash("https://example.test/a/jira//", "https://example.test/a/jira")]
    #[case::case_of_scheme_and_host("HTTPS://Jira.Example.TEST/Jira", "https://jira.example.test/Jira")]
    #[case::default_port("https://jira.example.test:443", "https://jira.example.test")]
    #[case::other_port("https://jira.example.test:8443/jira", "https://jira.example.test:8443/jira")]
    #[case::international("https://jíra.example.test", "https://xn--jra-rma.example.test")]
    #[case::dot_segments("https://example.test/a/../jira", "https://example.test/jira")]
    #[case::encoded_dot_segments("https://example.test/a/%2e%2E/jira", "https://example.test/jira")]
    #[case::address_in_disguise("https://2130706433/", "https://127.0.0.1")]
    #[case::short_address("https://127.1", "https://127.0.0.1")]
    #[case::six("https://[0:0:0:0:0:0:0:1]:8443", "https://[::1]:8443")]
    fn a_base_url_is_normalised(#[case] text: &str, #[case] normal: &str) {
        assert_eq!(Site::parse(text).unwrap().to_string(), normal);
        assert_eq!(Site::parse(text), Site::parse(normal));
    }

    #[rstest]
    #[case("http://jira.example.test", InvalidSite::NotHttps)]
    #[case("jira.example.test", InvalidSite::NotHttps)]
    #[case("https:/jira.example.test", InvalidSite::NotHttps)]
    #[case("ftp://jira.example.test", InvalidSite::NotHttps)]
    #[case("", InvalidSite::NotHttps)]
    #[case("é", InvalidSite::NotHttps)]
    #[case("https://", InvalidSite::Malformed)]
    #[case("https:///jira.example.test", InvalidSite::Malformed)]
    #[case("https://?a", InvalidSite::Malformed)]
    #[case("https://[::1", InvalidSite::Malformed)]
    #[case("https://jira.example.test:99999", InvalidSite::Malformed)]
    #[case("https://999.1.1.1", InvalidSite::Malformed)]
    #[case("https://jira.example.test:0", InvalidSite::Port)]
    #[case("https://user@jira.example.test", InvalidSite::UserInfo)]
    #[case("https://user:secret@jira.example.test", InvalidSite::UserInfo)]
    #[case("https://@jira.example.test", InvalidSite::UserInfo)]
    #[case("https://jira.example.test?", InvalidSite::Query)]
    #[case("https://jira.example.test/jira?os_authType=basic", InvalidSite::Query)]
    #[case("https://jira.example.test/#", InvalidSite::Fragment)]
    #[case("https://jira.example.test./jira", InvalidSite::TrailingDot)]
    #[case("https://jira.example.test//jira", InvalidSite::EmptySegment)]
    #[case("https://jira.exa\nmple.test", InvalidSite::Characters)]
    #[case(" https://jira.example.test", InvalidSite::Characters)]
    #[case("https://jira.example.test\\@evil.test", InvalidSite::Characters)]
    fn what_is_no_base_url_is_refused(#[case] text: &str, #[case] fault: InvalidSite) {
        assert_eq!(Site::parse(text), Err(fault));
    }

    #[rstest]
    #[case::at_most("a", 2048 - 15, true)]
    #[case::one_more("a", 2048 - 14, false)]
    #[case::as_long_when_escaped("ü", (2048 - 15) / 6, true)]
    #[case::longer_when_escaped("ü", (2048 - 15) / 6 + 1, false)]
    fn an_endless_url_is_refused(#[case] letter: &str, #[case] count: usize, #[case] good: bool) {
        let site = Site::parse(&format!("https://a.test/{}", letter.repeat(count)));
        assert_eq!(site.as_ref().err(), (!good).then_some(&InvalidSite::TooLong));
        assert!(site.is_err() || Site::parse(&site.as_ref().unwrap().to_string()) == site);
    }

    #[test]
    fn the_parts_are_told_apart() {
        let site = Site::parse("https://Example.test:8443/jira/").unwrap();
        assert_eq!((site.host(), site.port(), site.path()), ("example.test", 8443, "/jira"));
        assert_eq!(site.origin(), "https://example.test:8443");
        assert_eq!(Site::parse("https://example.test").unwrap().path(), "");
    }

    #[rstest]
    #[case("https://h.test/jira", "/rest/api/2/serverInfo", "https://h.test/jira/rest/api/2/serverInfo")]
    #[case("https://h.test", "/rest/api/2/serverInfo", "https://h.test/rest/api/2/serverInfo")]
    #[case("https://h.test/jira", "/a?b#c", "https://h.test/jira/a%3Fb%23c")]
    fn the_context_path_is_kept(#[case] site: &str, #[case] path: &str, #[case] url: &str) {
        assert_eq!(Site::parse(site).unwrap().url(path).as_str(), url);
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own_normal_form(text in "https://[a-z0-9.@:\\[\\]-]{1,20}(/[a-zA-Z0-9.%/?#-]{0,20})?") {
            if let Ok(site) = Site::parse(&text) {
                prop_assert_eq!(Site::parse(&site.to_string()).unwrap(), site);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = Site::parse(&text);
            let _ = Site::parse(&format!("https://{text}"));
        }
    }
}
