//! What a browser sends to the pages.

use axum::http::{HeaderMap, HeaderValue, header::COOKIE};
use k8s_openapi::jiff::Timestamp;

use super::{assert_undisclosed, lines, text};
use crate::{
    auth::authorization_secret::Answer,
    web::{BrowserCookie, Fields, Place, PublicUrl, answer},
};

/// Whatever a query, a form, a path and a cookie say: an answer of Jira shows no code, a place is one that Kubernetes allows, and a
/// cookie that is read can be written.
///
/// The first line is a path, the second one the `Cookie` header, the rest a query or a form.
pub fn visit(bytes: &[u8]) {
    let [path, cookie, query] = lines(text(bytes));
    if let Some(answer) = answer(&Fields::of_query(Some(query))) {
        let shown = format!("{answer:?}");
        match &answer {
            Answer::Code { code: secret, .. } | Answer::Verifier { oauth_verifier: secret, .. } => {
                assert_undisclosed(secret, &shown, &[answer.state().as_str()]);
            }
            Answer::Refused { error, error_description, .. } => {
                assert!(error.len() <= 128, "an error of {} bytes", error.len());
                let description = error_description.as_deref().unwrap_or_default();
                assert!(description.chars().count() <= 512 && !description.contains(char::is_control));
            }
        }
        Place::of(answer.state()).iter().for_each(assert_safe);
    }
    let (namespace, name) = path.split_once('/').unwrap_or_default();
    let Some(place) = Place::parse(namespace, name) else { return };
    assert_safe(&place);
    let Ok(value) = HeaderValue::from_str(cookie) else { return };
    let url = PublicUrl::parse("https://pages.example").expect("a constant URL");
    let headers = HeaderMap::from_iter([(COOKIE, value)]);
    if let Some(cookie) = BrowserCookie::read(&headers, &place, &url) {
        let written = cookie.header(&place, &url, (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH));
        written.expect("a cookie that was read can be written");
    }
}

/// Asserts that a place can stand in a path and in a command line.
fn assert_safe(place: &Place) {
    let safe = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    assert!(place.namespace().bytes().chain(place.name().bytes()).all(safe), "{place:?}");
}
