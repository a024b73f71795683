//! Host and port of a server.

use std::{fmt, net::IpAddr};

use url::{Host, Url};

/// Host and port of a server, in the form of the URL standard: lower case, punycode, IP addresses in their one form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Authority {
    /// Name or address; an IPv6 address in brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The address, when the host is one and no name.
    pub(super) address: Option<IpAddr>,
}

impl Authority {
    /// Host and port of an `http` or `https` URL; `None` for URLs without a host or a known port.
    pub(super) fn of(url: &Url) -> Option<Self> {
        let host = url.host()?;
        Some(Self { host: host.to_string(), port: url.port_or_known_default()?, address: address_of(&host) })
    }
}

fn address_of(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(it) => Some(IpAddr::V4(*it)),
        Host::Ipv6(it) => Some(IpAddr::V6(*it)),
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
