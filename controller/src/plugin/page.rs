//! The operator's page of a connection: its address, the link that opens it, and how this machine reaches it.

use url::{Host, Url};

use crate::auth::authorization_secret::Key;

/// Address of a page, fit for a link with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page(Url);

/// How a page is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// At its address, from anywhere.
    Direct,
    /// At this port of the own machine, by a port-forward.
    Loopback {
        /// The port that the address names.
        port: u16,
    },
}

impl Page {
    /// Reads an address. `None` if a key must not be sent there: it is neither https nor on the own machine, or it carries
    /// user-info, a query or a fragment.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let url = Url::parse(text.trim()).ok()?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.has_host();
        let safe = match url.scheme() {
            "https" => true,
            "http" => is_loopback(&url),
            _ => false,
        };
        (plain && safe).then_some(Self(url))
    }

    /// The link that opens the page for one attempt.
    #[must_use]
    pub fn link(&self, key: &Key) -> Url {
        let mut link = self.0.clone();
        link.query_pairs_mut().append_pair("key", key.expose());
        link
    }

    /// How it is reached.
    #[must_use]
    pub fn reach(&self) -> Reach {
        match self.0.port_or_known_default() {
            Some(port) if is_loopback(&self.0) => Reach::Loopback { port },
            Some(_) | None => Reach::Direct,
        }
    }

    /// Its address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::public("https://jira-operator.example/authorize/platform/acme", Reach::Direct)]
    #[case::public_with_port("https://jira-operator.example:8443/a", Reach::Direct)]
    #[case::localhost("http://localhost:8082/authorize/platform/acme", Reach::Loopback { port: 8082 })]
    #[case::v4("http://127.0.0.1:8082/", Reach::Loopback { port: 8082 })]
    #[case::v6("http://[::1]:8082/", Reach::Loopback { port: 8082 })]
    #[case::without_port("http://localhost/", Reach::Loopback { port: 80 })]
    #[case::tls_on_the_own_machine("https://localhost/", Reach::Loopback { port: 443 })]
    #[case::private_is_not_loopback("https://10.0.0.1/", Reach::Direct)]
    fn the_address_says_how_the_page_is_reached(#[case] text: &str, #[case] reach: Reach) {
        assert_eq!(Page::read(text).unwrap().reach(), reach);
    }

    #[rstest]
    #[case::plain_http("http://jira-operator.example/")]
    #[case::looks_like_localhost("http://localhost.example/")]
    #[case::another_scheme("file:///etc/passwd")]
    #[case::script("javascript:alert(1)")]
    #[case::user_info("https://jira@evil.example/")]
    #[case::query("https://jira-operator.example/?next=x")]
    #[case::fragment("https://jira-operator.example/#x")]
    #[case::no_url("jira-operator.example")]
    fn a_key_is_sent_nowhere_else(#[case] text: &str) {
        assert_eq!(Page::read(text), None);
    }

    #[test]
    fn the_link_is_the_address_with_the_key() {
        let page = Page::read("https://op.example/prefix/authorize/platform/acme").unwrap();
        let link = page.link(&Key::presented("a-key_"));
        assert_eq!(link.as_str(), "https://op.example/prefix/authorize/platform/acme?key=a-key_");
    }
}
