//! What an answer means.
//!
//! Statuses alone say little: the same 403 is a missing right, a CAPTCHA, an IP allow-list or a gateway. The order in
//! which the signs are looked at decides; [`classify`] is that order.

use serde_json::{Map, Value};
use url::Url;

use super::{
    answer::{Answer, Media},
    endpoint::{Endpoint, Purpose},
    oauth_problem,
    problem::{Gibberish, Interceptor, LimitReach, OAuth1Problem, Outage, Problem, Rejection},
    retry_after::{demanded, retry_after},
    session::Party,
    site::Site,
    text::clean,
};

/// Headers that Jira or Atlassian's edge sets, and nothing in front of them does.
const SIGNS: [&str; 8] = [
    "x-arequestid",
    "x-asessionid",
    "x-anodeid",
    "x-ausername",
    "x-aaccountid",
    "x-seraph-loginreason",
    "atl-traceid",
    "atl-request-id",
];

/// What was asked, and of whom.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) party: &'a Party,
    /// The address that was asked.
    pub(super) url: &'a Url,
}

/// Lets an answer through that can be what was asked for, and names the problem of every other one.
pub(super) fn classify(question: Question<'_>, answer: &Answer) -> Result<(), Problem> {
    if let Some(problem) = overriding(question, answer) {
        return Err(problem);
    }
    if answer.media() == Media::Html
        && let Some(problem) = page(question, answer)
    {
        return Err(problem);
    }
    if question.endpoint.purpose() == Purpose::Token
        && let Some(problem) = refused_token(question, answer)
    {
        return Err(problem);
    }
    if let Some(problem) = oauth_problem::told(question, answer) {
        return Err(problem);
    }
    match answer.status {
        200..=299 => success(question, answer),
        401 => Err(unauthorized(question, answer)),
        403 => Err(forbidden(question, answer)),
        404 => Err(missing(question, answer)),
        // The bulk check names the keys that it does not know, and that is an answer.
        400 if question.endpoint == Endpoint::PermissionsCheck && !answer.object().is_empty() => Ok(()),
        status @ 500..=599 => Err(Problem::Unreachable(Outage::ServerError { status })),
        status => Err(Problem::Unexpected { status }),
    }
}

/// What counts before anything else: redirects, a CAPTCHA, a rate limit.
fn overriding(question: Question<'_>, answer: &Answer) -> Option<Problem> {
    match answer.status {
        300..=399 => Some(redirect(question, answer)),
        _ if wants_captcha(answer) => Some(Problem::CaptchaRequired),
        429 => Some(Problem::RateLimited { retry_after: retry_after(&answer.headers), reach: reach(answer) }),
        503 => {
            demanded(&answer.headers).map(|it| Problem::RateLimited { retry_after: Some(it), reach: LimitReach::Host })
        }
        _ => None,
    }
}

/// A redirect to the same path elsewhere shows Jira's own base URL; any other one leads to a login page or away.
fn redirect(question: Question<'_>, answer: &Answer) -> Problem {
    let target = answer.header("location").and_then(|it| question.url.join(it).ok());
    let base = target.filter(|_| question.party.is_site()).and_then(|it| base_of(question, &it));
    match base {
        Some(base) => Problem::WrongSite { reported: Some(clean(&base)) },
        None => Problem::Intercepted(Interceptor::Redirect),
    }
}

/// What comes before the asked path in the target of a redirect; `None` where the target has another path, or is what
/// was asked (a gateway that wants its cookie back).
pub(super) fn base_of(question: Question<'_>, target: &Url) -> Option<String> {
    let fixed = question.endpoint.template().split("/{").next()?;
    let (base, rest) = target.path().split_once(fixed)?;
    let same_path = question.url.path().ends_with(&format!("{fixed}{rest}"));
    let elsewhere = target.origin() != question.url.origin() || target.path() != question.url.path();
    (matches!(target.scheme(), "http" | "https") && same_path && elsewhere)
        .then(|| format!("{}{base}", target.origin().ascii_serialization()))
}

fn wants_captcha(answer: &Answer) -> bool {
    answer.says("x-authentication-denied-reason", "CAPTCHA_CHALLENGE")
        || answer.says("x-seraph-loginreason", "AUTHENTICATION_DENIED")
}

/// Only the hourly quota of an OAuth client is shared by all sites; `jira-quota-tenant-based`, `jira-burst-based` and
/// `jira-per-issue-on-write` end at the site.
fn reach(answer: &Answer) -> LimitReach {
    if answer.says("ratelimit-reason", "jira-quota-global-based") { LimitReach::Client } else { LimitReach::Host }
}

/// HTML where JSON was due. `None` where the status says enough.
fn page(question: Question<'_>, answer: &Answer) -> Option<Problem> {
    match answer.status {
        200..=299 => Some(Problem::Intercepted(Interceptor::Page)),
        401 | 403 if refused_credential(question, answer) => None,
        401 | 403 if !signed(answer) => Some(Problem::Intercepted(Interceptor::Page)),
        404 if question.endpoint.purpose() == Purpose::Rest && !signed(answer) => {
            Some(Problem::Intercepted(Interceptor::Page))
        }
        _ => None,
    }
}

/// The `error` of a token endpoint, whatever its status: 400, 401 and 403 have all been seen with the same error. A 5xx
/// is left out, as it says nothing about the grant.
fn refused_token(question: Question<'_>, answer: &Answer) -> Option<Problem> {
    if 500 <= answer.status {
        return None;
    }
    let body = answer.object();
    if body.contains_key("access_token") {
        return None;
    }
    match body.get("error").and_then(Value::as_str) {
        // Cloud says `access_denied` for a wrong client secret; at the token endpoint no user has refused anything.
        Some("invalid_client" | "access_denied") => Some(Problem::ClientSecretRejected),
        Some("invalid_grant" | "unauthorized_client") => Some(Problem::GrantRevoked),
        Some("unsupported_grant_type") => Some(Problem::GrantTypeUnsupported),
        Some("invalid_scope") => Some(Problem::ScopeMissing),
        // Data Center's refusal of plain http comes as an error collection, not as an OAuth error.
        None if answer.status == 400 && *question.party == Party::DataCenter && is_field_collection(&body) => {
            Some(Problem::InsecureTransport)
        }
        Some(_) | None => None,
    }
}

fn is_field_collection(body: &Map<String, Value>) -> bool {
    body.contains_key("fieldErrors") || body.get("errors").is_some_and(Value::is_array)
}

fn success(question: Question<'_>, answer: &Answer) -> Result<(), Problem> {
    if question.endpoint.purpose() == Purpose::Rest && as_nobody(answer) {
        return Err(Problem::Rejected(Rejection::Anonymous));
    }
    match answer.media() {
        Media::Json => Ok(()),
        // An answer in form encoding, and one that has nothing to say (RFC 7009, 2.2).
        Media::Other
            if question.endpoint.purpose() == Purpose::SignedToken
                || question.endpoint == Endpoint::DataCenterRevoke =>
        {
            Ok(())
        }
        Media::Html => Err(Problem::Intercepted(Interceptor::Page)),
        Media::Other => Err(Problem::NotJira(Gibberish::ContentType)),
    }
}

/// Whether the call was answered, but not for the one whose credential went with it.
fn as_nobody(answer: &Answer) -> bool {
    answer.header("x-ausername").is_some_and(|it| it.trim().eq_ignore_ascii_case("anonymous"))
        || answer.says("x-seraph-loginreason", "AUTHENTICATED_FAILED")
}

/// Whether Jira says, in a header or on its error page, that it looked at the credential and found it wrong.
fn refused_credential(question: Question<'_>, answer: &Answer) -> bool {
    let failed = b"AUTHENTICATED_FAILED";
    question.endpoint.purpose() == Purpose::Rest
        && (answer.says("x-seraph-loginreason", "AUTHENTICATED_FAILED")
            || answer.body.windows(failed.len()).any(|it| it == failed))
}

fn unauthorized(question: Question<'_>, answer: &Answer) -> Problem {
    match question.endpoint.purpose() {
        Purpose::Discovery | Purpose::Token | Purpose::SignedToken if !signed(answer) && question.party.is_site() => {
            Problem::Intercepted(Interceptor::Refusal)
        }
        Purpose::Discovery | Purpose::Token => Problem::Unexpected { status: 401 },
        // Jira without a word about the cause: so it answers where the link's incoming part was not filled in.
        Purpose::SignedToken => Problem::OAuth1(OAuth1Problem::ConsumerUnknown),
        Purpose::Rest if says_scope(&answer.object()) => Problem::ScopeMissing,
        // Nothing stands in front of Atlassian's own gateway.
        Purpose::Rest if !question.party.is_site() || signed(answer) || refused_credential(question, answer) => {
            Problem::Rejected(Rejection::Unauthorized)
        }
        Purpose::Rest => Problem::Intercepted(Interceptor::Refusal),
    }
}

/// `{"code":401,"message":"Unauthorized; scope does not match"}`, from Cloud's gateway.
fn says_scope(body: &Map<String, Value>) -> bool {
    let message = body.get("message").and_then(Value::as_str).unwrap_or_default();
    message.to_ascii_lowercase().contains("scope does not match")
}

fn forbidden(question: Question<'_>, answer: &Answer) -> Problem {
    if question.endpoint.purpose() != Purpose::Rest {
        return Problem::Intercepted(Interceptor::Refusal);
    }
    if refused_credential(question, answer) {
        return Problem::Rejected(Rejection::Unauthorized);
    }
    if as_nobody(answer) {
        return Problem::Rejected(Rejection::Anonymous);
    }
    let body = answer.object();
    if body.contains_key("errorMessages") {
        return Problem::Forbidden;
    }
    match question.party {
        // A Bearer token that belongs to the gateway was sent to the site's own host.
        Party::Site | Party::CloudSite if is_connect_refusal(&body) => Problem::WrongSite { reported: None },
        Party::Site | Party::DataCenter if signed(answer) => Problem::Forbidden,
        // So Atlassian says that a token is over, where it is asked what the token is good for.
        Party::ApiHost => Problem::Rejected(Rejection::Unauthorized),
        // On Cloud an IP allow-list, which lets the token endpoint through; on Data Center a gateway.
        Party::Site | Party::DataCenter | Party::CloudSite | Party::Gateway(_) | Party::AuthServer => {
            Problem::Intercepted(Interceptor::Refusal)
        }
    }
}

fn is_connect_refusal(body: &Map<String, Value>) -> bool {
    body.get("error").and_then(Value::as_str).is_some_and(|it| it.contains("Connect Session Auth Token"))
}

fn missing(question: Question<'_>, answer: &Answer) -> Problem {
    match question.endpoint {
        Endpoint::ServerInfo | Endpoint::TenantInfo => Problem::NotJira(Gibberish::Missing),
        Endpoint::DataCenterToken | Endpoint::DataCenterRevoke => Problem::MethodUnavailable,
        Endpoint::RequestToken | Endpoint::OAuth1AccessToken => Problem::LinksUnavailable,
        Endpoint::CloudToken | Endpoint::AccessibleResources => Problem::Unexpected { status: 404 },
        // What exists may be hidden from nobody and visible to the account.
        _ if as_nobody(answer) => Problem::Rejected(Rejection::Anonymous),
        Endpoint::PersonalAccessTokens => Problem::MethodUnavailable,
        // The gateway also says 404 for an unknown site, and for a token that is past its end.
        Endpoint::Myself if question.party.is_site() => Problem::NotJira(Gibberish::Missing),
        Endpoint::Myself
        | Endpoint::Project
        | Endpoint::ProjectSearch
        | Endpoint::MyPermissions
        | Endpoint::PermissionsCheck
        | Endpoint::IssueSecurityLevelScheme
        | Endpoint::SecurityLevel => Problem::NotFound,
    }
}

/// Whether anything in the answer shows that Jira, or Atlassian's edge, gave it.
fn signed(answer: &Answer) -> bool {
    if SIGNS.iter().any(|it| answer.headers.contains_key(*it)) || answer.says("server", "AtlassianEdge") {
        return true;
    }
    // Data Center adds the realm to each 401.
    let challenged = ["OAuth realm=", "oauth_problem="].iter().any(|it| answer.says("www-authenticate", it));
    if challenged || answer.body.starts_with(b"Client must be authenticated") {
        return true;
    }
    let body = answer.object();
    let coded = body.contains_key("code") || body.contains_key("status-code");
    body.contains_key("errorMessages") || (coded && body.contains_key("message"))
}

/// Whether the base URL that a Jira gives for itself is the site: scheme, host, port and context path.
pub(super) fn is_same_site(site: &Site, base_url: &str) -> bool {
    Site::parse(base_url.trim()).is_ok_and(|it| it == *site)
}

#[cfg(test)]
mod tests {
    use super::{Question, classify, is_same_site};
    use crate::jira::{
        Gibberish, Interceptor, LimitReach, OAuth1Problem, Outage, Problem, Rejection, Site, answer::Answer,
        endpoint::Endpoint, session::Party,
    };
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};
    use rstest::rstest;
    use std::time::Duration;
    use url::Url;

    const JSON: (&str, &str) = ("content-type", "application/json;charset=UTF-8");
    const HTML: (&str, &str) = ("content-type", "text/html;charset=UTF-8");
    const JIRA: (&str, &str) = ("x-arequestid", "1x1x1");
    const EDGE: (&str, &str) = ("server", "AtlassianEdge");
    const ERRORS: &str = r#"{"errorMessages":["No."],"errors":{}}"#;
    const COMPLAINT: &str = r#"{"message":"Client must be authenticated to access this resource.","status-code":401}"#;

    const UNAUTHORIZED: Problem = Problem::Rejected(Rejection::Unauthorized);
    const ANONYMOUS: Problem = Problem::Rejected(Rejection::Anonymous);
    const PAGE: Problem = Problem::Intercepted(Interceptor::Page);
    const REFUSAL: Problem = Problem::Intercepted(Interceptor::Refusal);
    const REDIRECT: Problem = Problem::Intercepted(Interceptor::Redirect);

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let pairs = headers.iter().map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        });
        Answer { status, headers: pairs.collect(), body: body.into() }
    }

    fn judge(endpoint: Endpoint, party: &Party, answer: &Answer) -> Option<Problem> {
        let path = endpoint.template().replace("{version}", "2").replace("{key}", "EX");
        let url = Url::parse(&format!("https://jira.example.test/jira{path}")).unwrap();
        classify(Question { endpoint, party, url: &url }, answer).err()
    }

    fn gateway() -> Party {
        Party::Gateway("11111111-2222-3333-4444-555555555555".parse().unwrap())
    }

    fn limited(seconds: Option<u64>, reach: LimitReach) -> Problem {
        Problem::RateLimited { retry_after: seconds.map(Duration::from_secs), reach }
    }

    fn wrong_site(reported: &str) -> Problem {
        Problem::WrongSite { reported: Some(reported.to_owned()) }
    }

    fn server_error(status: u16) -> Problem {
        Problem::Unreachable(Outage::ServerError { status })
    }

    /// Asked with a credential, below a Data Center's base URL.
    #[rstest]
    #[case::well(200, &[JSON, JIRA, ("x-ausername", "fake.bot")], "{}", None)]
    #[case::retry_after_zero_on_a_healthy_answer(200, &[JSON, ("retry-after", "0")], "{}", None)]
    #[case::other_json(200, &[("content-type", "application/problem+json")], "{}", None)]
    #[case::json_without_content_type(200, &[], " {}", None)]
    #[case::anonymous_success(200, &[JSON, ("x-ausername", "anonymous")], "{}", Some(ANONYMOUS))]
    #[case::failed_login_success(200, &[JSON, ("x-seraph-loginreason", "AUTHENTICATED_FAILED")], "{}", Some(ANONYMOUS))]
    #[case::single_sign_on_page(200, &[HTML], "<html>", Some(PAGE))]
    #[case::single_sign_on_page_by_a_plug_in(200, &[HTML, JIRA], "<html>", Some(PAGE))]
    #[case::page_without_content_type(200, &[], "<!doctype html>", Some(PAGE))]
    #[case::xml(200, &[("content-type", "application/xml")], "<a/>", Some(Problem::NotJira(Gibberish::ContentType)))]
    #[case::nothing(204, &[], "", Some(Problem::NotJira(Gibberish::ContentType)))]
    #[case::login_redirect(302, &[("location", "https://sso.example.test/login?to=/rest/api/2/myself")], "", Some(REDIRECT))]
    #[case::login_redirect_on_the_host(302, &[("location", "/jira/login.jsp")], "", Some(REDIRECT))]
    #[case::cloudflare(302, &[("location", "https://team.cloudflareaccess.com/cdn-cgi/access/login/x")], "", Some(REDIRECT))]
    #[case::redirect_to_itself(302, &[("location", "/jira/rest/api/2/myself?cookie=1")], "", Some(REDIRECT))]
    #[case::redirect_without_target(307, &[], "", Some(REDIRECT))]
    #[case::redirect_with_captcha(302, &[("x-authentication-denied-reason", "CAPTCHA_CHALLENGE")], "", Some(REDIRECT))]
    #[case::other_host(301, &[("location", "https://new.example.test/jira/rest/api/2/myself")], "", Some(wrong_site("https://new.example.test/jira")))]
    #[case::other_scheme(308, &[("location", "http://jira.example.test/jira/rest/api/2/myself")], "", Some(wrong_site("http://jira.example.test/jira")))]
    #[case::other_context_path(302, &[("location", "/rest/api/2/myself")], "", Some(wrong_site("https://jira.example.test")))]
    #[case::captcha(403, &[HTML, ("x-authentication-denied-reason", "CAPTCHA_CHALLENGE; login-url=https://jira.example.test/jira/login.jsp")], "<html>", Some(Problem::CaptchaRequired))]
    #[case::locked_out(401, &[("x-seraph-loginreason", "AUTHENTICATION_DENIED")], "", Some(Problem::CaptchaRequired))]
    #[case::captcha_before_rate_limit(429, &[("x-seraph-loginreason", "AUTHENTICATION_DENIED"), ("retry-after", "7")], "", Some(Problem::CaptchaRequired))]
    #[case::limited(429, &[("retry-after", "7")], "", Some(limited(Some(7), LimitReach::Host)))]
    #[case::limited_without_a_time(429, &[("retry-after", "0")], "", Some(limited(None, LimitReach::Host)))]
    #[case::limited_by_a_page(429, &[HTML, ("retry-after", "7")], "<html>", Some(limited(Some(7), LimitReach::Host)))]
    #[case::busy(503, &[("retry-after", "7")], "", Some(limited(Some(7), LimitReach::Host)))]
    #[case::down(503, &[("retry-after", "0")], "", Some(server_error(503)))]
    #[case::down_with_limits_listed(503, &[("x-ratelimit-interval-seconds", "60")], "", Some(server_error(503)))]
    #[case::empty_502(502, &[], "", Some(server_error(502)))]
    #[case::page_502(502, &[HTML], "<html>", Some(server_error(502)))]
    #[case::unwell(500, &[JSON, JIRA], ERRORS, Some(server_error(500)))]
    #[case::failed_basic(401, &[HTML, ("x-seraph-loginreason", "AUTHENTICATED_FAILED")], "<html>", Some(UNAUTHORIZED))]
    #[case::failed_basic_by_body(401, &[HTML], "<html>Basic Authentication Failure - Reason : AUTHENTICATED_FAILED", Some(UNAUTHORIZED))]
    #[case::failed_basic_403(403, &[HTML, ("x-seraph-loginreason", "AUTHENTICATED_FAILED")], "<html>", Some(UNAUTHORIZED))]
    #[case::dead_token(401, &[JSON, JIRA, ("www-authenticate", r#"OAuth realm="x""#)], COMPLAINT, Some(UNAUTHORIZED))]
    #[case::dead_token_as_anonymous(401, &[JSON, ("x-ausername", "anonymous")], COMPLAINT, Some(UNAUTHORIZED))]
    #[case::dead_token_by_body(401, &[JSON], COMPLAINT, Some(UNAUTHORIZED))]
    #[case::dead_token_by_realm(401, &[("www-authenticate", "OAuth realm=\"x\"")], "", Some(UNAUTHORIZED))]
    #[case::gateway_page_401(401, &[HTML], "<html>Log in", Some(PAGE))]
    #[case::gateway_page_403(403, &[HTML], "<html>Forbidden", Some(PAGE))]
    #[case::gateway_401(401, &[("www-authenticate", "Basic realm=\"gate\"")], "", Some(REFUSAL))]
    #[case::gateway_403(403, &[], "", Some(REFUSAL))]
    #[case::gateway_json(403, &[JSON], r#"{"message":"blocked"}"#, Some(REFUSAL))]
    #[case::right_missing(403, &[JSON, JIRA], ERRORS, Some(Problem::Forbidden))]
    #[case::right_missing_through_a_proxy(403, &[JSON], ERRORS, Some(Problem::Forbidden))]
    #[case::stripped_authorization(403, &[JSON, ("x-ausername", "anonymous")], ERRORS, Some(ANONYMOUS))]
    #[case::stripped_authorization_404(404, &[JSON, ("x-ausername", "anonymous")], ERRORS, Some(ANONYMOUS))]
    #[case::cross_site_check(403, &[("content-type", "text/plain"), JIRA], "XSRF check failed", Some(Problem::Forbidden))]
    #[case::bad_request(400, &[JSON, JIRA], ERRORS, Some(Problem::Unexpected { status: 400 }))]
    #[case::bad_request_page(400, &[HTML], "<html>", Some(Problem::Unexpected { status: 400 }))]
    #[case::gone(410, &[JSON], ERRORS, Some(Problem::Unexpected { status: 410 }))]
    #[case::strange_status(999, &[], "", Some(Problem::Unexpected { status: 999 }))]
    #[case::not_even_myself(404, &[JSON, JIRA], "{}", Some(Problem::NotJira(Gibberish::Missing)))]
    #[case::page_404(404, &[HTML], "<html>", Some(PAGE))]
    fn the_account_of_a_data_center(
        #[case] status: u16,
        #[case] headers: &[(&str, &str)],
        #[case] body: &str,
        #[case] problem: Option<Problem>,
    ) {
        assert_eq!(judge(Endpoint::Myself, &Party::DataCenter, &answer(status, headers, body)), problem);
    }

    #[rstest]
    #[case::project(Endpoint::Project, Party::DataCenter, 404, &[JSON, JIRA], ERRORS, Problem::NotFound)]
    #[case::project_on_an_error_page(Endpoint::Project, Party::DataCenter, 404, &[HTML, JIRA], "<html>", Problem::NotFound)]
    #[case::gateway_without_the_site(Endpoint::Myself, gateway(), 404, &[], "", Problem::NotFound)]
    #[case::scope(Endpoint::Myself, gateway(), 401, &[JSON], r#"{"code":401,"message":"Unauthorized; scope does not match"}"#, Problem::ScopeMissing)]
    #[case::dead_at_gateway(Endpoint::Myself, gateway(), 401, &[JSON], r#"{"code":401,"message":"Unauthorized"}"#, UNAUTHORIZED)]
    #[case::dead_at_gateway_without_words(Endpoint::Myself, gateway(), 401, &[], "", UNAUTHORIZED)]
    #[case::plain_text_of_a_site(Endpoint::Myself, Party::CloudSite, 401, &[("content-type", "text/plain")], "Client must be authenticated to access this resource.", UNAUTHORIZED)]
    #[case::site_edge(Endpoint::Myself, Party::CloudSite, 401, &[EDGE], "", UNAUTHORIZED)]
    #[case::dead_api_token(Endpoint::ProjectSearch, Party::CloudSite, 200, &[JSON, ("x-seraph-loginreason", "AUTHENTICATED_FAILED")], "{}", ANONYMOUS)]
    #[case::dead_api_token_and_hidden_project(Endpoint::Project, Party::CloudSite, 404, &[JSON, ("x-seraph-loginreason", "AUTHENTICATED_FAILED")], ERRORS, ANONYMOUS)]
    #[case::ip_allow_list_at_site(Endpoint::Myself, Party::CloudSite, 403, &[EDGE, ("content-type", "text/plain")], "", REFUSAL)]
    #[case::ip_allow_list_at_gateway(Endpoint::Myself, gateway(), 403, &[JSON, EDGE], r#"{"code":403,"message":"IP"}"#, REFUSAL)]
    #[case::admin_resource(Endpoint::IssueSecurityLevelScheme, gateway(), 403, &[JSON], ERRORS, Problem::Forbidden)]
    #[case::bearer_at_the_site(Endpoint::Myself, Party::CloudSite, 403, &[JSON], r#"{"error":"Failed to parse Connect Session Auth Token"}"#, Problem::WrongSite { reported: None })]
    #[case::quota_of_the_client(Endpoint::Myself, gateway(), 429, &[("ratelimit-reason", "jira-quota-global-based"), ("retry-after", "600")], "", limited(Some(600), LimitReach::Client))]
    #[case::quota_of_the_tenant(Endpoint::Myself, gateway(), 429, &[("ratelimit-reason", "jira-quota-tenant-based"), ("retry-after", "600")], "", limited(Some(600), LimitReach::Host))]
    #[case::burst(Endpoint::Myself, gateway(), 429, &[("ratelimit-reason", "jira-burst-based")], "", limited(None, LimitReach::Host))]
    #[case::gateway_redirect(Endpoint::Myself, gateway(), 302, &[("location", "https://x.test/rest/api/2/myself")], "", REDIRECT)]
    #[case::no_server_info(Endpoint::ServerInfo, Party::Site, 404, &[], "", Problem::NotJira(Gibberish::Missing))]
    #[case::no_server_info_page(Endpoint::ServerInfo, Party::Site, 404, &[HTML], "<html>", Problem::NotJira(Gibberish::Missing))]
    #[case::no_cloud(Endpoint::TenantInfo, Party::Site, 404, &[HTML, JIRA], "<html>", Problem::NotJira(Gibberish::Missing))]
    #[case::server_info_page(Endpoint::ServerInfo, Party::Site, 200, &[HTML], "<html>", PAGE)]
    #[case::server_info_refused(Endpoint::ServerInfo, Party::Site, 403, &[JSON], r#"{"error":"no"}"#, REFUSAL)]
    #[case::server_info_unauthorized(Endpoint::ServerInfo, Party::Site, 401, &[], "", REFUSAL)]
    #[case::server_info_unauthorized_by_jira(Endpoint::ServerInfo, Party::Site, 401, &[JIRA], "", Problem::Unexpected { status: 401 })]
    #[case::resources_of_a_dead_token(Endpoint::AccessibleResources, Party::ApiHost, 401, &[JSON], r#"{"code":401,"message":"Unauthorized"}"#, UNAUTHORIZED)]
    #[case::resources_of_a_revoked_token(Endpoint::AccessibleResources, Party::ApiHost, 403, &[JSON], r#"{"code":403,"message":"Forbidden"}"#, UNAUTHORIZED)]
    #[case::resources_without_the_scope(Endpoint::AccessibleResources, Party::ApiHost, 401, &[JSON], r#"{"code":401,"message":"Unauthorized; scope does not match"}"#, Problem::ScopeMissing)]
    #[case::resources_page(Endpoint::AccessibleResources, Party::ApiHost, 403, &[HTML], "<html>", PAGE)]
    #[case::resources_gone(Endpoint::AccessibleResources, Party::ApiHost, 404, &[JSON], "{}", Problem::Unexpected { status: 404 })]
    #[case::no_personal_access_tokens(Endpoint::PersonalAccessTokens, Party::DataCenter, 404, &[JSON, JIRA], "{}", Problem::MethodUnavailable)]
    #[case::personal_access_tokens_of_nobody(Endpoint::PersonalAccessTokens, Party::DataCenter, 404, &[JSON, ("x-ausername", "anonymous")], "{}", ANONYMOUS)]
    #[case::revoked_by_an_old_jira(Endpoint::DataCenterRevoke, Party::DataCenter, 404, &[HTML, JIRA], "<html>", Problem::MethodUnavailable)]
    #[case::revoked_by_a_stranger(Endpoint::DataCenterRevoke, Party::DataCenter, 401, &[JSON], r#"{"error":"invalid_client"}"#, Problem::ClientSecretRejected)]
    #[case::revoked_without_https(Endpoint::DataCenterRevoke, Party::DataCenter, 400, &[JSON, JIRA], r#"{"errors":["https"],"fieldErrors":{}}"#, Problem::InsecureTransport)]
    #[case::revoked_at_a_gateway(Endpoint::DataCenterRevoke, Party::DataCenter, 200, &[HTML], "<html>", PAGE)]
    fn other_questions(
        #[case] endpoint: Endpoint,
        #[case] party: Party,
        #[case] status: u16,
        #[case] headers: &[(&str, &str)],
        #[case] body: &str,
        #[case] problem: Problem,
    ) {
        assert_eq!(judge(endpoint, &party, &answer(status, headers, body)), Some(problem));
    }

    #[test]
    fn nobody_is_asked_as_nobody() {
        let anonymous = answer(200, &[JSON, ("x-ausername", "anonymous")], "{}");
        assert_eq!(judge(Endpoint::ServerInfo, &Party::Site, &anonymous), None);
    }

    #[rstest]
    #[case::well(200, &[JSON], r#"{"access_token":"a"}"#, None)]
    #[case::wrong_secret(401, &[JSON], r#"{"error":"invalid_client"}"#, Some(Problem::ClientSecretRejected))]
    #[case::wrong_secret_400(400, &[JSON], r#"{"error":"invalid_client"}"#, Some(Problem::ClientSecretRejected))]
    #[case::wrong_secret_on_cloud(401, &[JSON], r#"{"error":"access_denied","error_description":"Unauthorized"}"#, Some(Problem::ClientSecretRejected))]
    #[case::grant_over(400, &[JSON], r#"{"error":"invalid_grant"}"#, Some(Problem::GrantRevoked))]
    #[case::grant_over_on_cloud(403, &[JSON], r#"{"error":"invalid_grant"}"#, Some(Problem::GrantRevoked))]
    #[case::grant_over_as_client(403, &[JSON], r#"{"error":"unauthorized_client"}"#, Some(Problem::GrantRevoked))]
    #[case::error_with_success(200, &[JSON], r#"{"error":"invalid_grant"}"#, Some(Problem::GrantRevoked))]
    #[case::error_with_5xx(500, &[JSON], r#"{"error":"invalid_grant"}"#, Some(server_error(500)))]
    #[case::grant_type(400, &[JSON], r#"{"error":"unsupported_grant_type"}"#, Some(Problem::GrantTypeUnsupported))]
    #[case::scope(400, &[JSON], r#"{"error":"invalid_scope"}"#, Some(Problem::ScopeMissing))]
    #[case::our_bug(400, &[JSON], r#"{"error":"invalid_request"}"#, Some(Problem::Unexpected { status: 400 }))]
    #[case::our_bug_in_the_encoding(500, &[HTML, JIRA], "@FormParam", Some(server_error(500)))]
    #[case::plain_http(400, &[JSON, JIRA], r#"{"errors":["https"],"fieldErrors":{}}"#, Some(Problem::InsecureTransport))]
    #[case::other_400(400, &[JSON, JIRA], ERRORS, Some(Problem::Unexpected { status: 400 }))]
    #[case::too_old(404, &[HTML, JIRA], "<html>", Some(Problem::MethodUnavailable))]
    #[case::too_old_json(404, &[JSON], "{}", Some(Problem::MethodUnavailable))]
    #[case::gateway(403, &[HTML], "<html>", Some(PAGE))]
    #[case::gateway_without_words(403, &[], "", Some(REFUSAL))]
    #[case::gateway_401(401, &[], "", Some(REFUSAL))]
    #[case::error_is_no_text(400, &[JSON], r#"{"error":{"a":1}}"#, Some(Problem::Unexpected { status: 400 }))]
    #[case::redirect(302, &[("location", "https://other.test/rest/oauth2/latest/token")], "", Some(wrong_site("https://other.test")))]
    fn the_token_endpoint_of_a_data_center(
        #[case] status: u16,
        #[case] headers: &[(&str, &str)],
        #[case] body: &str,
        #[case] problem: Option<Problem>,
    ) {
        assert_eq!(judge(Endpoint::DataCenterToken, &Party::DataCenter, &answer(status, headers, body)), problem);
    }

    #[rstest]
    #[case::well(200, &[("content-type", "text/plain;charset=UTF-8")], "oauth_token=a", None)]
    #[case::well_as_a_form(200, &[("content-type", "application/x-www-form-urlencoded")], "oauth_token=a", None)]
    #[case::well_without_a_type(200, &[], "oauth_token=a", None)]
    #[case::single_sign_on_page(200, &[HTML, JIRA], "<html>", Some(PAGE))]
    #[case::no_links(404, &[HTML, JIRA], "<html>", Some(Problem::LinksUnavailable))]
    #[case::no_links_without_words(404, &[], "", Some(Problem::LinksUnavailable))]
    #[case::incoming_part_missing(401, &[("www-authenticate", r#"OAuth realm="x""#)], "", Some(Problem::OAuth1(OAuth1Problem::ConsumerUnknown)))]
    #[case::gateway_401(401, &[], "", Some(REFUSAL))]
    #[case::gateway_page(401, &[HTML], "<html>Log in", Some(PAGE))]
    #[case::gateway_403(403, &[], "", Some(REFUSAL))]
    #[case::problem_on_a_page(401, &[HTML, ("www-authenticate", r#"OAuth oauth_problem="token_expired""#)], "<html>", Some(Problem::OAuth1(OAuth1Problem::TokenExpired)))]
    #[case::limited_before_the_problem(503, &[("retry-after", "7")], "oauth_problem=user_refused", Some(limited(Some(7), LimitReach::Host)))]
    #[case::captcha_before_the_problem(401, &[("x-seraph-loginreason", "AUTHENTICATION_DENIED")], "oauth_problem=token_rejected", Some(Problem::CaptchaRequired))]
    #[case::unwell(500, &[HTML, JIRA], "<html>", Some(server_error(500)))]
    #[case::bad_request(400, &[("content-type", "text/plain")], "no", Some(Problem::Unexpected { status: 400 }))]
    #[case::redirect(302, &[("location", "https://other.test/plugins/servlet/oauth/access-token")], "", Some(wrong_site("https://other.test")))]
    #[case::login(302, &[("location", "/jira/login.jsp")], "", Some(REDIRECT))]
    fn the_endpoints_of_oauth1(
        #[case] status: u16,
        #[case] headers: &[(&str, &str)],
        #[case] body: &str,
        #[case] problem: Option<Problem>,
    ) {
        let answer = answer(status, headers, body);
        assert_eq!(judge(Endpoint::OAuth1AccessToken, &Party::DataCenter, &answer), problem);
    }

    #[rstest]
    #[case::silent(200, &[], "")]
    #[case::no_content(204, &[JIRA], "")]
    #[case::words(200, &[("content-type", "text/plain")], "ok")]
    #[case::json(200, &[JSON], "{}")]
    fn a_revocation_needs_no_answer(#[case] status: u16, #[case] headers: &[(&str, &str)], #[case] body: &str) {
        let answer = answer(status, headers, body);
        assert_eq!(judge(Endpoint::DataCenterRevoke, &Party::DataCenter, &answer), None);
    }

    #[rstest]
    #[case("https://jira.example.test/jira", true)]
    #[case("https://JIRA.example.test:443/jira/", true)]
    #[case("http://jira.example.test/jira", false)]
    #[case("https://jira.example.test", false)]
    #[case("https://jira.example.test/Jira", false)]
    #[case("https://jira.example.test:8443/jira", false)]
    #[case("https://other.example.test/jira", false)]
    #[case("gibberish", false)]
    fn a_base_url_is_the_site_or_not(#[case] base_url: &str, #[case] same: bool) {
        assert_eq!(is_same_site(&Site::parse("https://jira.example.test/jira").unwrap(), base_url), same);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(
            status in 100..1000u16,
            content_type in "[ -~]{0,20}",
            location in "[ -~]{0,40}",
            body in proptest::collection::vec(any::<u8>(), 0..200),
            position in 0..Endpoint::ALL.len(),
        ) {
            let mut answer = answer(status, &[("content-type", content_type.trim()), ("location", location.trim())], "");
            answer.body = body;
            for party in [Party::Site, Party::DataCenter, Party::CloudSite, gateway(), Party::ApiHost, Party::AuthServer] {
                let problem = judge(Endpoint::ALL[position], &party, &answer);
                prop_assert!(problem.is_some() || (200..300).contains(&status));
            }
        }
    }
}
