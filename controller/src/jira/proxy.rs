//! An outbound HTTP proxy.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use url::Url;

use super::authority::Authority;

/// An HTTP proxy that tunnels to the Jira with CONNECT (RFC 9110, 9.3.6), so that it sees the Jira's host and port, and
/// neither headers nor bodies. `Debug` shows scheme, host and port.
#[derive(Clone)]
pub struct Proxy {
    url: Url,
    authority: Authority,
    login: Option<Login>,
}

#[derive(Clone)]
struct Login {
    username: SecretString,
    password: SecretString,
}

/// Why a text is no proxy. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidProxy {
    /// Not a URL with a host.
    #[error("the proxy is not a URL: write it like http://proxy.example.com:3128")]
    Malformed,
    /// Neither `http` nor `https`.
    #[error("the proxy's URL must start with http:// or https://")]
    Scheme,
    /// User name or password inside the URL.
    #[error("the proxy's URL contains a user name or password: give them separately")]
    UserInfo,
    /// More than scheme, host and port.
    #[error("the proxy's URL has a path, query or fragment: scheme, host and port are all it may have")]
    Path,
    /// A password alone.
    #[error("the proxy has a password but no user name")]
    PasswordAlone,
    /// A user name that Basic authentication cannot carry (RFC 7617, section 2).
    #[error("the proxy's user name contains a colon or a control character")]
    Username,
    /// A password that Basic authentication cannot carry (RFC 7617, section 2).
    #[error("the proxy's password contains a control character, perhaps a line break at its end")]
    Password,
}

impl Proxy {
    /// Reads a proxy's URL, such as `http://proxy.example.com:3128`; without a port it is 80, or 443 for `https`.
    /// A user name without a password goes with an empty one.
    ///
    /// # Errors
    /// [`InvalidProxy`] for the first rule that one of the three breaks.
    pub fn parse(
        url: &str,
        username: Option<SecretString>,
        password: Option<SecretString>,
    ) -> Result<Self, InvalidProxy> {
        let url = Url::parse(url.trim_end()).map_err(|_| InvalidProxy::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidProxy::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidProxy::UserInfo);
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidProxy::Path);
        }
        let authority = Authority::of(&url).filter(|it| it.port != 0).ok_or(InvalidProxy::Malformed)?;
        Ok(Self { url, authority, login: login(username, password)? })
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The proxy as reqwest wants it.
    pub(super) fn to_reqwest(&self) -> Result<reqwest::Proxy, reqwest::Error> {
        let proxy = reqwest::Proxy::all(self.url.clone())?;
        Ok(match &self.login {
            Some(login) => proxy.basic_auth(login.username.expose_secret(), login.password.expose_secret()),
            None => proxy,
        })
    }

    /// What makes two proxies the same one.
    fn identity(&self) -> (&Url, Option<(&str, &str)>) {
        let login = self.login.as_ref().map(|it| (it.username.expose_secret(), it.password.expose_secret()));
        (&self.url, login)
    }
}

fn login(username: Option<SecretString>, password: Option<SecretString>) -> Result<Option<Login>, InvalidProxy> {
    let Some(username) = username.filter(|it| !it.expose_secret().is_empty()) else {
        return if password.is_none() { Ok(None) } else { Err(InvalidProxy::PasswordAlone) };
    };
    let password = password.unwrap_or_default();
    if username.expose_secret().contains(|it: char| it == ':' || it.is_control()) {
        return Err(InvalidProxy::Username);
    }
    if password.expose_secret().contains(char::is_control) {
        return Err(InvalidProxy::Password);
    }
    Ok(Some(Login { username, password }))
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Proxy {}

impl Hash for Proxy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidProxy, Proxy};
    use rstest::rstest;

    #[rstest]
    #[case("http://proxy.test:3128", None, None, Ok("proxy.test:3128"))]
    #[case("http://proxy.test", None, None, Ok("proxy.test:80"))]
    #[case("https://Proxy.test/", Some("u"), Some("p:w"), Ok("proxy.test:443"))]
    #[case("http://[::1]:3128\n", Some("u"), None, Ok("[::1]:3128"))]
    #[case("proxy.test", None, None, Err(InvalidProxy::Malformed))]
    #[case("http://", None, None, Err(InvalidProxy::Malformed))]
    #[case("http://proxy.test:0", None, None, Err(InvalidProxy::Malformed))]
    #[case("proxy.test:3128", None, None, Err(InvalidProxy::Scheme))]
    #[case("socks5://proxy.test:1080", None, None, Err(InvalidProxy::Scheme))]
    #[case("http://u:p@proxy.test", None, None, Err(InvalidProxy::UserInfo))]
    #[case("http://proxy.test/x", None, None, Err(InvalidProxy::Path))]
    #[case("http://proxy.test/?x", None, None, Err(InvalidProxy::Path))]
    #[case("http://proxy.test", None, Some("p"), Err(InvalidProxy::PasswordAlone))]
    #[case("http://proxy.test", Some("a:b"), Some("p"), Err(InvalidProxy::Username))]
    #[case("http://proxy.test", Some("a\n"), Some("p"), Err(InvalidProxy::Username))]
    #[case("http://proxy.test", Some("a"), Some("p\n"), Err(InvalidProxy::Password))]
    fn a_proxy_is_read_or_refused(
        #[case] url: &str,
        #[case] username: Option<&str>,
        #[case] password: Option<&str>,
        #[case] expected: Result<&str, InvalidProxy>,
    ) {
        let proxy = Proxy::parse(url, username.map(Into::into), password.map(Into::into));
        assert_eq!(proxy.map(|it| it.authority().to_string()), expected.map(str::to_owned));
    }

    #[test]
    fn another_password_is_another_proxy_and_neither_is_shown() {
        let proxy =
            |password: &str| Proxy::parse("http://p.test", Some("fake-user".into()), Some(password.into())).unwrap();
        assert_eq!(proxy("one"), proxy("one"));
        assert_ne!(proxy("one"), proxy("two"));
        assert_eq!(format!("{:?}", proxy("one")), r#"Proxy { url: "http://p.test/", .. }"#);
    }
}
