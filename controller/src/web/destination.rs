//! Where a browser may be sent: never an open redirect, whoever wrote the Secret.

use crds::{JiraConnection, jira::Deployment};
use url::Url;

use super::case::Protocol;
use crate::jira::Site;

/// The longest address that a browser is sent to, in bytes.
const LONGEST: usize = 4096;

/// An address of a connection's own Jira, or of Atlassian's authorization server, where a person decides.
///
/// `Display` gives it in the form of the URL standard: ASCII, without white space, quotation marks and angle brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(Url);

impl Destination {
    /// Checks the address that the Secret holds. `None` unless scheme, host, port and path are those where this connection's
    /// protocol asks the person: for Data Center below `spec.url`, for Cloud at `atlassian_auth_url`.
    #[must_use]
    pub fn of(text: &str, connection: &JiraConnection, protocol: Protocol, atlassian_auth_url: &Url) -> Option<Self> {
        // The URL standard drops line breaks and tabs, and reads a backslash as a slash.
        let plain = |it: char| it.is_ascii_graphic() && it != '\\';
        if LONGEST < text.len() || !text.chars().all(plain) {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let due = match (connection.spec.deployment, protocol) {
            (Deployment::DataCenter, Protocol::OAuth2) => data_center(connection, "/rest/oauth2/latest/authorize")?,
            (Deployment::DataCenter, Protocol::OAuth1) => data_center(connection, "/plugins/servlet/oauth/authorize")?,
            (Deployment::Cloud, Protocol::OAuth2) => cloud(atlassian_auth_url),
            (Deployment::Cloud, Protocol::OAuth1) => return None,
        };
        let same = url.origin() == due.origin()
            && url.path() == due.path()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none();
        same.then_some(Self(url))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

fn data_center(connection: &JiraConnection, path: &str) -> Option<Url> {
    Some(Site::parse(&connection.spec.url).ok()?.url(path))
}

fn cloud(atlassian_auth_url: &Url) -> Url {
    let mut url = atlassian_auth_url.clone();
    url.set_path(&format!("{}/authorize", atlassian_auth_url.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn connection(deployment: Deployment) -> JiraConnection {
        let spec = json!({
            "url": "https://jira.example:8443/jira", "deployment": deployment,
            "auth": { "oauth2AuthorizationCode": { "clientSecretRef": { "name": "app" } } },
        });
        serde_json::from_value(json!({ "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection", "metadata": {}, "spec": spec })).unwrap()
    }

    fn destination(text: &str, deployment: Deployment, protocol: Protocol) -> Option<Destination> {
        Destination::of(text, &connection(deployment), protocol, &"https://auth.example/".parse().unwrap())
    }

    #[rstest]
    #[case(
        Deployment::DataCenter,
        Protocol::OAuth2,
        "https://jira.example:8443/jira/rest/oauth2/latest/authorize?state=a.b.c"
    )]
    #[case(
        Deployment::DataCenter,
        Protocol::OAuth1,
        "https://JIRA.example:8443/jira/plugins/servlet/oauth/authorize?oauth_token=x"
    )]
    #[case(Deployment::Cloud, Protocol::OAuth2, "https://auth.example/authorize?audience=api.example&prompt=consent")]
    fn the_own_jira_is_a_destination(#[case] deployment: Deployment, #[case] protocol: Protocol, #[case] text: &str) {
        assert!(destination(text, deployment, protocol).is_some());
    }

    #[rstest]
    #[case::other_host("https://evil.test/jira/rest/oauth2/latest/authorize")]
    #[case::longer_host("https://jira.example.evil.test:8443/jira/rest/oauth2/latest/authorize")]
    #[case::user("https://jira.example:8443@evil.test/jira/rest/oauth2/latest/authorize")]
    #[case::user_of_the_right_host("https://a:b@jira.example:8443/jira/rest/oauth2/latest/authorize")]
    #[case::backslash("https://jira.example:8443\\@evil.test/jira/rest/oauth2/latest/authorize")]
    #[case::other_port("https://jira.example/jira/rest/oauth2/latest/authorize")]
    #[case::plain("http://jira.example:8443/jira/rest/oauth2/latest/authorize")]
    #[case::script("javascript:alert(1)")]
    #[case::relative("//evil.test/jira/rest/oauth2/latest/authorize")]
    #[case::outside_the_context_path("https://jira.example:8443/rest/oauth2/latest/authorize")]
    #[case::climbing("https://jira.example:8443/jira/rest/oauth2/latest/authorize/../../../../secure/x")]
    #[case::another_page("https://jira.example:8443/jira/secure/Dashboard.jspa")]
    #[case::longer_path("https://jira.example:8443/jira/rest/oauth2/latest/authorizeme")]
    #[case::other_protocol("https://jira.example:8443/jira/plugins/servlet/oauth/authorize")]
    #[case::fragment("https://jira.example:8443/jira/rest/oauth2/latest/authorize#x")]
    #[case::line_break("https://jira.example:8443/jira/rest/oauth2/latest/authorize?\r\nSet-Cookie: a=b")]
    #[case::cloud("https://auth.example/authorize")]
    #[case::empty("")]
    fn nothing_else_is(#[case] text: &str) {
        assert_eq!(destination(text, Deployment::DataCenter, Protocol::OAuth2), None);
    }

    #[rstest]
    #[case::site_for_cloud("https://jira.example:8443/jira/rest/oauth2/latest/authorize", Protocol::OAuth2)]
    #[case::no_such_protocol("https://auth.example/authorize", Protocol::OAuth1)]
    fn cloud_is_asked_at_atlassian_only(#[case] text: &str, #[case] protocol: Protocol) {
        assert_eq!(destination(text, Deployment::Cloud, protocol), None);
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_begins_as_it_must(text in "(https://jira\\.example:8443/jira/rest/oauth2/latest/authorize)?\\PC{0,40}") {
            if let Some(found) = destination(&text, Deployment::DataCenter, Protocol::OAuth2) {
                let begin = "https://jira.example:8443/jira/rest/oauth2/latest/authorize";
                let rest = found.as_str().strip_prefix(begin).unwrap();
                prop_assert!(rest.is_empty() || rest.starts_with('?'));
                prop_assert!(!rest.contains(['"', '<', '>', ' ', '\n', '\r']));
            }
        }
    }
}
