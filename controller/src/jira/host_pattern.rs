//! Which hosts may be contacted.

use std::{fmt, str::FromStr};

use thiserror::Error;
use url::{Host, Url};

use super::authority::Authority;

/// A host, or a group of hosts, that connections may point to: `*`, `*.acme.example`, `jira.acme.example`,
/// `jira.acme.example:8443`, `10.1.2.3`, `[fd00::1]:8443`.
///
/// `*.acme.example` is every name below `acme.example` at any depth, without `acme.example` itself. A pattern without a
/// port fits every port. Case does not matter, and names in other scripts are compared in punycode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// The part after `*`, with its dot.
    Below(String),
    One(String),
}

/// Why a text is no host pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidHostPattern {
    /// Nothing there.
    #[error("a host pattern must not be empty: write a host, *.domain or *")]
    Empty,
    /// A scheme, a path or a user name.
    #[error("a host pattern is a host with an optional port, without https://, path or user name")]
    NotAHost,
    /// `*` elsewhere than as the whole first label.
    #[error("* may stand alone or as the first label of a name, as in *.acme.example")]
    Wildcard,
    /// A port that is no number from 1 to 65535.
    #[error("the port of a host pattern is a number from 1 to 65535")]
    Port,
}

impl HostPattern {
    /// Whether a site's host is this host, or one of this group.
    #[must_use]
    pub fn admits(&self, site: &super::Site) -> bool {
        self.fits(site.authority())
    }

    pub(super) fn fits(&self, authority: &Authority) -> bool {
        let host = match &self.hosts {
            Hosts::All => true,
            // An address has no names below it.
            Hosts::Below(suffix) => {
                authority.address.is_none()
                    && authority.host.strip_suffix(suffix.as_str()).is_some_and(|label| !label.is_empty())
            }
            Hosts::One(name) => *name == authority.host,
        };
        host && self.port.is_none_or(|port| port == authority.port)
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHostPattern;

    fn from_str(text: &str) -> Result<Self, InvalidHostPattern> {
        if text.is_empty() {
            return Err(InvalidHostPattern::Empty);
        }
        let (host, port) = split_port(text)?;
        let hosts = match host.strip_prefix('*') {
            Some("") => Hosts::All,
            Some(domain) => {
                let domain = domain.strip_prefix('.').ok_or(InvalidHostPattern::Wildcard)?;
                match normalised(domain)? {
                    Host::Domain(name) => Hosts::Below(format!(".{name}")),
                    Host::Ipv4(_) | Host::Ipv6(_) => return Err(InvalidHostPattern::Wildcard),
                }
            }
            None => Hosts::One(normalised(host)?.to_string()),
        };
        Ok(Self { hosts, port })
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), InvalidHostPattern> {
    match text.rsplit_once(':') {
        // The colon belongs to an IPv6 address.
        Some((_, after)) if after.contains(']') => Ok((text, None)),
        Some((host, port)) if port.bytes().all(|it| it.is_ascii_digit()) => {
            let port = port.parse().ok().filter(|it| *it != 0).ok_or(InvalidHostPattern::Port)?;
            Ok((host, Some(port)))
        }
        Some((_, after)) if after.starts_with("//") => Err(InvalidHostPattern::NotAHost),
        Some(_) => Err(InvalidHostPattern::Port),
        None => Ok((text, None)),
    }
}

/// Reads a host the way the host of a [`Site`](super::Site) is read, so that the two can be compared as text.
fn normalised(host: &str) -> Result<Host<String>, InvalidHostPattern> {
    if host.contains('*') {
        return Err(InvalidHostPattern::Wildcard);
    }
    if host.is_empty() || host.ends_with('.') || host.contains(['/', '\\', '@', '?', '#', '%']) {
        return Err(InvalidHostPattern::NotAHost);
    }
    if host.chars().any(|it| it.is_control() || it.is_whitespace()) {
        return Err(InvalidHostPattern::NotAHost);
    }
    let url = Url::parse(&format!("https://{host}")).map_err(|_| InvalidHostPattern::NotAHost)?;
    url.host().map(|it| it.to_owned()).ok_or(InvalidHostPattern::NotAHost)
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts {
            Hosts::All => f.write_str("*")?,
            Hosts::Below(suffix) => write!(f, "*{suffix}")?,
            Hosts::One(name) => f.write_str(name)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Authority, HostPattern, InvalidHostPattern};
    use rstest::rstest;
    use url::Url;

    #[rstest]
    #[case("*", "https://anything.test:8443", true)]
    #[case("*:443", "https://anything.test", true)]
    #[case("*:443", "https://anything.test:8443", false)]
    #[case("*.acme.example", "https://jira.acme.example", true)]
    #[case("*.acme.example", "https://a.b.acme.example:8443", true)]
    #[case("*.acme.example", "https://acme.example", false)]
    #[case("*.acme.example", "https://evilacme.example", false)]
    #[case("*.acme.example", "https://jira.acme.example.evil.test", false)]
    #[case("*.ACME.example", "https://JIRA.acme.example", true)]
    #[case("jira.acme.example", "https://jira.acme.example", true)]
    #[case("jira.acme.example", "https://jira.acme.example:8443", true)]
    #[case("jira.acme.example", "https://x.jira.acme.example", false)]
    #[case("jira.acme.example:8443", "https://jira.acme.example:8443", true)]
    #[case("jira.acme.example:8443", "https://jira.acme.example", false)]
    #[case("jíra.example", "https://xn--jra-rma.example", true)]
    #[case("10.1.2.3", "https://10.1.2.3", true)]
    #[case("10.1.2.3", "https://167838211", true)]
    #[case("[fd00::1]:8443", "https://[fd00:0::1]:8443", true)]
    #[case("[fd00::1]", "https://[fd00::1]", true)]
    fn a_pattern_fits_or_not(#[case] pattern: HostPattern, #[case] url: Url, #[case] fits: bool) {
        assert_eq!(pattern.fits(&Authority::of(&url).unwrap()), fits);
    }

    #[rstest]
    #[case("", InvalidHostPattern::Empty)]
    #[case("https://jira.acme.example", InvalidHostPattern::NotAHost)]
    #[case("jira.acme.example/jira", InvalidHostPattern::NotAHost)]
    #[case("user@jira.acme.example", InvalidHostPattern::NotAHost)]
    #[case("jira acme", InvalidHostPattern::NotAHost)]
    #[case("jira.acme.example.", InvalidHostPattern::NotAHost)]
    #[case("*.", InvalidHostPattern::NotAHost)]
    #[case("*acme.example", InvalidHostPattern::Wildcard)]
    #[case("jira.*.example", InvalidHostPattern::Wildcard)]
    #[case("*.*", InvalidHostPattern::Wildcard)]
    #[case("*.10.0.0.1", InvalidHostPattern::Wildcard)]
    #[case("jira.acme.example:", InvalidHostPattern::Port)]
    #[case("jira.acme.example:0", InvalidHostPattern::Port)]
    #[case("jira.acme.example:65536", InvalidHostPattern::Port)]
    #[case("jira.acme.example:https", InvalidHostPattern::Port)]
    fn what_is_no_pattern_is_refused(#[case] text: &str, #[case] fault: InvalidHostPattern) {
        assert_eq!(text.parse::<HostPattern>(), Err(fault));
    }

    #[rstest]
    #[case("*")]
    #[case("*.acme.example:8443")]
    #[case("jira.acme.example")]
    fn a_pattern_is_shown_as_it_was_written(#[case] text: &str) {
        assert_eq!(text.parse::<HostPattern>().unwrap().to_string(), text);
    }
}
