//! The cookie that ties an attempt to the browser that started it.
//!
//! One for each connection. Its value is `{key hash}.{random}`: the hash of the key that the attempt is for, and 32 random
//! bytes. While the attempt lasts, the hash of the *whole* value stands in the Secret as `browserHash`, so a value with
//! another key hash in front is another browser's. When the attempt has ended, `browserHash` is gone, and the key hash
//! alone tells whose outcome the Secret holds. That is sound without any state of a replica: a key hash has 256 bits, and
//! is known only to the browser, to the person with the key, and to those who may read the Secret, who can read the
//! outcome there as well.

use std::fmt;

use axum::http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, InvalidHeaderValue},
};
use k8s_openapi::jiff::Timestamp;

use super::{place::Place, public_url::PublicUrl};
use crate::auth::authorization_secret::{Hash, random};

/// How much longer than the attempt the browser keeps the cookie, in seconds: time to read the result.
const AFTERWARDS: i64 = 5 * 60;

/// Length of 32 bytes in base64url without padding.
const RANDOM: usize = 43;

/// The value of the cookie of one connection. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserCookie {
    key_hash: Hash,
    text: String,
}

impl BrowserCookie {
    /// A fresh one for an attempt with this key.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn fresh(key_hash: &Hash) -> Result<Self, getrandom::Error> {
        let text = format!("{}.{}", key_hash.as_str(), random()?);
        Ok(Self { key_hash: key_hash.clone(), text })
    }

    /// The one that a request brings for a connection. `None` if there is none, if it has not the form of one, or if
    /// there are several that differ: then another page of the same host has set one, and which is ours cannot be told.
    #[must_use]
    pub fn read(headers: &HeaderMap, place: &Place, url: &PublicUrl) -> Option<Self> {
        let name = name(place, url);
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
        let value = values.next()?;
        values.all(|other| other == value).then(|| Self::parse(value)).flatten()
    }

    fn parse(text: &str) -> Option<Self> {
        let (hash, random) = text.split_once('.')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let usable = hash.len() == 64 && random.len() == RANDOM && random.bytes().all(plain);
        let key_hash = usable.then(|| Hash::read(hash)).flatten()?;
        Some(Self { key_hash, text: text.to_owned() })
    }

    /// The hash of the key that the attempt is for.
    #[must_use]
    pub fn key_hash(&self) -> &Hash {
        &self.key_hash
    }

    /// What stands in the Secret as `browserHash`.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&self.text)
    }

    /// The header `Set-Cookie` (RFC 6265, 4.1) that gives it to the browser, until some minutes after `deadline`.
    /// On https with the prefix `__Host-`, by which the browser takes it from this host and from no page of another one.
    ///
    /// # Errors
    /// Never for a [`Place`], whose hash is all that varies.
    pub fn header(
        &self,
        place: &Place,
        url: &PublicUrl,
        (now, deadline): (Timestamp, Timestamp),
    ) -> Result<HeaderValue, InvalidHeaderValue> {
        let seconds = (deadline.as_second() - now.as_second()).max(0) + AFTERWARDS;
        let secure = if url.is_https() { "; Secure" } else { "" };
        let (name, text) = (name(place, url), &self.text);
        let line = format!("{name}={text}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        let mut header = HeaderValue::try_from(line)?;
        header.set_sensitive(true);
        Ok(header)
    }
}

impl fmt::Debug for BrowserCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrowserCookie([REDACTED])")
    }
}

/// The name of the cookie of a connection: of fixed length and alphabet, whatever the names of the connection are.
fn name(place: &Place, url: &PublicUrl) -> String {
    let hash = Hash::of(&format!("{}/{}", place.namespace(), place.name()));
    let prefix = if url.is_https() { "__Host-" } else { "" };
    format!("{prefix}jira-authorization-{}", &hash.as_str()[..32])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOON: &str = "2026-01-01T12:00:00Z";

    fn place() -> Place {
        Place::parse("team", "acme").unwrap()
    }

    fn url(text: &str) -> PublicUrl {
        PublicUrl::parse(text).unwrap()
    }

    fn header(cookie: &BrowserCookie, url: &PublicUrl) -> String {
        let noon: Timestamp = NOON.parse().unwrap();
        let deadline = noon + std::time::Duration::from_secs(900);
        cookie.header(&place(), url, (noon, deadline)).unwrap().to_str().unwrap().to_owned()
    }

    fn sent(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, HeaderValue::from_str(line).unwrap())).collect()
    }

    #[rstest]
    #[case::tls(
        "https://operator.example/p",
        "__Host-jira-authorization-",
        "; Path=/; Max-Age=1200; HttpOnly; SameSite=Lax; Secure"
    )]
    #[case::port_forward(
        "http://localhost:8082",
        "jira-authorization-",
        "; Path=/; Max-Age=1200; HttpOnly; SameSite=Lax"
    )]
    fn the_cookie_is_as_strict_as_the_way_allows(#[case] at: &str, #[case] begin: &str, #[case] end: &str) {
        let cookie = BrowserCookie::fresh(&Hash::of("key")).unwrap();
        let line = header(&cookie, &url(at));
        assert!(line.starts_with(begin) && line.ends_with(end), "{line}");
    }

    #[test]
    fn the_browser_brings_back_what_it_was_given() {
        let url = url("https://operator.example");
        let cookie = BrowserCookie::fresh(&Hash::of("key")).unwrap();
        let line = header(&cookie, &url);
        let pair = line.split(';').next().unwrap();
        let read = |lines: &[&str]| BrowserCookie::read(&sent(lines), &place(), &url);
        assert_eq!(read(&[pair]), Some(cookie.clone()));
        assert_eq!(read(&[&format!("a=b; {pair}; c=d")]), Some(cookie.clone()));
        assert_eq!(read(&["a=b", pair, pair]), Some(cookie.clone()));
        let other = BrowserCookie::fresh(&Hash::of("key")).unwrap();
        assert_eq!(read(&[pair, header(&other, &url).split(';').next().unwrap()]), None, "two that differ");
        let elsewhere = Place::parse("team", "other").unwrap();
        assert_eq!(BrowserCookie::read(&sent(&[pair]), &elsewhere, &url), None, "another connection's");
        assert_eq!(cookie.key_hash(), &Hash::of("key"));
        assert_ne!(cookie.hash(), other.hash());
        assert!(!format!("{cookie:?}").contains(Hash::of("key").as_str()));
    }

    #[rstest]
    #[case::empty("")]
    #[case::no_hash("x.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    #[case::no_random_part("2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683.")]
    #[case::too_short("2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683.AAAA")]
    #[case::odd(
        "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683.<AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA>"
    )]
    fn what_has_not_the_form_is_none(#[case] text: &str) {
        assert_eq!(BrowserCookie::parse(text), None);
    }

    #[test]
    fn a_cookie_for_another_key_is_another_browser() {
        let cookie = BrowserCookie::fresh(&Hash::of("key")).unwrap();
        let moved = cookie.text.replace(Hash::of("key").as_str(), Hash::of("other").as_str());
        assert_ne!(BrowserCookie::parse(&moved).unwrap().hash(), cookie.hash());
    }
}
