//! What holds for every request and every answer, whatever page is asked for.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
            X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Pages, public_url::PublicUrl, turnaway::Turnaway};

/// The longest path and query that are looked at, in bytes: Jira's callback has one or two thousand.
const LONGEST: usize = 8 * 1024;

/// Nothing but our own stylesheet, script and icon; forms go to ourselves; no frames in either direction. Forms do not
/// lead to Jira even by a redirect: browsers hold `form-action` against every redirect that follows a form, and behind
/// Jira's own address there may be a login at any host. That is why the page of the attempt stands in between.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets a request through that is meant for these pages, and gives every answer its headers.
pub async fn guard(State(pages): State<Arc<Pages>>, request: Request, next: Next) -> Response {
    let url = &pages.public_url;
    let mut response = match refusal(&request, url) {
        Some(Refusal::Misdirected) => misdirected(),
        Some(Refusal::Page(turnaway)) => pages.turn_away(turnaway, None),
        None => next.run(request).await,
    };
    protect(response.headers_mut(), url);
    response
}

/// Why a request is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// It is meant for another host.
    Misdirected,
    /// A page says why.
    Page(Turnaway),
}

fn refusal(request: &Request, url: &PublicUrl) -> Option<Refusal> {
    if !is_for(request, url) {
        return Some(Refusal::Misdirected);
    }
    if request.uri().path_and_query().is_some_and(|asked| LONGEST < asked.as_str().len()) {
        return Some(Refusal::Page(Turnaway::LongAddress));
    }
    let safe = [Method::GET, Method::HEAD].contains(request.method());
    (!safe && !is_from_us(request.headers(), url)).then_some(Refusal::Page(Turnaway::CrossSite))
}

/// Whether the request names the host of the public URL, once, and the target, where it names one, does as well
/// (RFC 9112, 3.2.2). Else a page of ours could be reached by a name that somebody else controls.
fn is_for(request: &Request, url: &PublicUrl) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none()).and_then(|host| host.to_str().ok());
    let target = request.uri().authority().map(axum::http::uri::Authority::as_str);
    host.is_some_and(|host| url.answers_to(host)) && target.is_none_or(|target| url.answers_to(target))
}

/// Whether one of our own pages has sent the form. `Sec-Fetch-Site` (W3C Fetch Metadata) tells it; older browsers tell
/// only the `Origin`. With our `Referrer-Policy` the `Origin` of our own forms is `null`, so where the former speaks,
/// `null` does not speak against it.
fn is_from_us(headers: &HeaderMap, url: &PublicUrl) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    let own = url.origin();
    match (text(SEC_FETCH_SITE), text(ORIGIN)) {
        (Some(site), None | Some("null")) => site == "same-origin",
        (Some(site), Some(origin)) => site == "same-origin" && origin == own,
        (None, origin) => origin == Some(own.as_str()),
    }
}

/// No page: what is shown at a foreign name should not look like ours. The name asked for is not repeated.
fn misdirected() -> Response {
    let text = "This server answers for the host of its public URL only. The operator's --public-url has to be the \
                address in the browser, and an ingress has to pass the header Host on.\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

fn protect(headers: &mut HeaderMap, url: &PublicUrl) {
    let always = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if url.is_https() {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    // Assets have set theirs: they hold nothing of anybody.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// For addresses without a page.
pub async fn no_page(State(pages): State<Arc<Pages>>) -> Response {
    pages.turn_away(Turnaway::NoPage, None)
}

/// For pages that are not asked for in this way.
pub async fn no_method(State(pages): State<Arc<Pages>>) -> Response {
    pages.turn_away(Turnaway::Method, None)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use rstest::rstest;

    use super::*;

    fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Request {
        let begin = Request::builder().method(method).uri(target);
        headers.iter().fold(begin, |request, (name, value)| request.header(*name, *value)).body(Body::empty()).unwrap()
    }

    const OURS: (&str, &str) = ("host", "operator.example");
    const CROSS: Option<Refusal> = Some(Refusal::Page(Turnaway::CrossSite));

    #[rstest]
    #[case::ours("GET", "/", &[OURS], None)]
    #[case::foreign("GET", "/", &[("host", "evil.test")], Some(Refusal::Misdirected))]
    #[case::two_hosts("GET", "/", &[OURS, ("host", "evil.test")], Some(Refusal::Misdirected))]
    #[case::no_host("GET", "/", &[], Some(Refusal::Misdirected))]
    #[case::foreign_target("GET", "http://evil.test/", &[OURS], Some(Refusal::Misdirected))]
    #[case::own_target("GET", "https://operator.example/", &[OURS], None)]
    #[case::forwarded_host_counts_for_nothing("GET", "/", &[("host", "evil.test"), ("x-forwarded-host", "operator.example")], Some(Refusal::Misdirected))]
    #[case::own_form("POST", "/", &[OURS, ("sec-fetch-site", "same-origin"), ("origin", "null")], None)]
    #[case::own_form_with_origin("POST", "/", &[OURS, ("sec-fetch-site", "same-origin"), ("origin", "https://operator.example")], None)]
    #[case::old_browser("POST", "/", &[OURS, ("origin", "https://operator.example")], None)]
    #[case::other_site("POST", "/", &[OURS, ("sec-fetch-site", "cross-site"), ("origin", "null")], CROSS)]
    #[case::neighbour("POST", "/", &[OURS, ("sec-fetch-site", "same-site")], CROSS)]
    #[case::nobody("POST", "/", &[OURS, ("sec-fetch-site", "none")], CROSS)]
    #[case::lie("POST", "/", &[OURS, ("sec-fetch-site", "same-origin"), ("origin", "https://evil.test")], CROSS)]
    #[case::other_origin("POST", "/", &[OURS, ("origin", "https://evil.test")], CROSS)]
    #[case::other_scheme("POST", "/", &[OURS, ("origin", "http://operator.example")], CROSS)]
    #[case::no_origin("POST", "/", &[OURS, ("origin", "null")], CROSS)]
    #[case::silent("POST", "/", &[OURS], CROSS)]
    #[case::delete("DELETE", "/", &[OURS], CROSS)]
    fn only_what_is_meant_for_us_is_let_through(
        #[case] method: &str,
        #[case] target: &str,
        #[case] headers: &[(&str, &str)],
        #[case] expected: Option<Refusal>,
    ) {
        let url = PublicUrl::parse("https://operator.example").unwrap();
        assert_eq!(refusal(&request(method, target, headers), &url), expected);
    }

    #[test]
    fn an_endless_address_is_refused() {
        let url = PublicUrl::parse("https://operator.example").unwrap();
        let target = format!("/callback?code={}", "a".repeat(LONGEST));
        assert_eq!(refusal(&request("GET", &target, &[OURS]), &url), Some(Refusal::Page(Turnaway::LongAddress)));
    }
}
