//! What Jira's OAuth 1.0a provider says is wrong with a signed request.
//!
//! It says so in the body, `oauth_problem=token_rejected&…`, and in the header `WWW-Authenticate: OAuth realm="…",
//! oauth_problem="token_rejected"`. Next to it stand tokens and the consumer key, in the base string that Jira has signed
//! itself: of all that nothing is kept but the problem and Jira's own address.

use percent_encoding::percent_decode_str;
use url::Url;

use super::{
    answer::{Answer, Media},
    classify::{Question, base_of},
    endpoint::Purpose,
    problem::{OAuth1Problem, Problem},
    session_token::decoded,
    text::clean,
};

/// The problem that an answer tells, if it tells one.
pub(super) fn told(question: Question<'_>, answer: &Answer) -> Option<Problem> {
    let asked = match question.endpoint.purpose() {
        Purpose::SignedToken => true,
        Purpose::Rest => question.party.is_site() && 400 <= answer.status,
        Purpose::Discovery | Purpose::Token => false,
    };
    if !asked {
        return None;
    }
    let fields = if answer.media() == Media::Other { decoded(&answer.body) } else { Vec::new() };
    let in_body = |name: &str| fields.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone());
    let code = in_body("oauth_problem").or_else(|| in_header(answer)).filter(|code| !code.is_empty())?;
    let seen = in_body("oauth_signature_base_string");
    Some(problem(question, &code, seen.as_deref()))
}

/// The parameter of the challenge (RFC 9110, 11.6.1), escaped as in a request (RFC 5849, 3.5.1).
fn in_header(answer: &Answer) -> Option<String> {
    let challenges = answer.headers.get_all("www-authenticate").iter().filter_map(|it| it.to_str().ok());
    let mut parts = challenges.flat_map(|it| it.split([',', ' ']));
    let value = parts.find_map(|it| it.trim().strip_prefix("oauth_problem="))?;
    Some(percent_decode_str(value.trim_matches('"')).decode_utf8_lossy().into_owned())
}

fn problem(question: Question<'_>, code: &str, base_string: Option<&str>) -> Problem {
    Problem::OAuth1(match code {
        "timestamp_refused" => return Problem::ClockSkew,
        "signature_invalid" => {
            return elsewhere(question, base_string).unwrap_or(Problem::OAuth1(OAuth1Problem::SignatureInvalid));
        }
        "token_expired" => OAuth1Problem::TokenExpired,
        "token_rejected" | "token_revoked" | "token_used" => OAuth1Problem::TokenRejected,
        "consumer_key_unknown" | "consumer_key_rejected" | "consumer_key_refused" => OAuth1Problem::ConsumerUnknown,
        "nonce_used" => OAuth1Problem::NonceUsed,
        "permission_unknown" => OAuth1Problem::PermissionUnknown,
        "permission_denied" | "user_refused" => OAuth1Problem::PermissionDenied,
        _ => OAuth1Problem::Unacceptable,
    })
}

/// Whether Jira sees the request at another address than it was sent to, as behind a proxy that does not pass on scheme, host,
/// port or context path. The second part of the base string tells (RFC 5849, 3.4.1.1).
fn elsewhere(question: Question<'_>, base_string: Option<&str>) -> Option<Problem> {
    let escaped = base_string?.split('&').nth(1)?;
    let seen = Url::parse(&percent_decode_str(escaped).decode_utf8().ok()?).ok()?;
    let same = seen.origin() == question.url.origin() && seen.path() == question.url.path();
    (!same).then(|| Problem::WrongSite { reported: base_of(question, &seen).map(|base| clean(&base)) })
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};
    use rstest::rstest;

    use super::*;
    use crate::jira::{Endpoint, classify::classify, session::Party};

    fn answer(status: u16, challenge: &str, media: &'static str, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(media));
        if !challenge.is_empty() {
            headers.insert("www-authenticate", HeaderValue::from_str(challenge).unwrap());
        }
        Answer { status, headers, body: body.into() }
    }

    fn judge(endpoint: Endpoint, answer: &Answer) -> Option<Problem> {
        let path = endpoint.template().replace("{version}", "2");
        let url = Url::parse(&format!("https://jira.example.test/jira{path}")).unwrap();
        classify(Question { endpoint, party: &Party::DataCenter, url: &url }, answer).err()
    }

    const REALM: &str = r#"OAuth realm="https%3A%2F%2Fjira.example.test%2Fjira""#;

    #[rstest]
    #[case(400, "version_rejected", Problem::OAuth1(OAuth1Problem::Unacceptable))]
    #[case(400, "parameter_absent", Problem::OAuth1(OAuth1Problem::Unacceptable))]
    #[case(400, "parameter_rejected", Problem::OAuth1(OAuth1Problem::Unacceptable))]
    #[case(400, "signature_method_rejected", Problem::OAuth1(OAuth1Problem::Unacceptable))]
    #[case(401, "additional_authorization_required", Problem::OAuth1(OAuth1Problem::Unacceptable))]
    #[case(401, "a_word_of_an_extension", Problem::OAuth1(OAuth1Problem::Unacceptable))]
    #[case(400, "timestamp_refused", Problem::ClockSkew)]
    #[case(401, "nonce_used", Problem::OAuth1(OAuth1Problem::NonceUsed))]
    #[case(401, "token_used", Problem::OAuth1(OAuth1Problem::TokenRejected))]
    #[case(401, "token_revoked", Problem::OAuth1(OAuth1Problem::TokenRejected))]
    #[case(401, "token_rejected", Problem::OAuth1(OAuth1Problem::TokenRejected))]
    #[case(401, "token_expired", Problem::OAuth1(OAuth1Problem::TokenExpired))]
    #[case(401, "signature_invalid", Problem::OAuth1(OAuth1Problem::SignatureInvalid))]
    #[case(401, "consumer_key_unknown", Problem::OAuth1(OAuth1Problem::ConsumerUnknown))]
    #[case(401, "consumer_key_rejected", Problem::OAuth1(OAuth1Problem::ConsumerUnknown))]
    #[case(503, "consumer_key_refused", Problem::OAuth1(OAuth1Problem::ConsumerUnknown))]
    #[case(401, "permission_unknown", Problem::OAuth1(OAuth1Problem::PermissionUnknown))]
    #[case(401, "permission_denied", Problem::OAuth1(OAuth1Problem::PermissionDenied))]
    #[case(503, "user_refused", Problem::OAuth1(OAuth1Problem::PermissionDenied))]
    fn a_code_is_read_wherever_it_stands(#[case] status: u16, #[case] code: &str, #[case] problem: Problem) {
        let body = format!("oauth_problem={code}&oauth_consumer_key=operator");
        let challenge = format!(r#"{REALM}, oauth_problem="{code}""#);
        let answers = [
            answer(status, "", "text/plain", &body),
            answer(status, REALM, "application/x-www-form-urlencoded;charset=UTF-8", &body),
            answer(status, &challenge, "text/plain", ""),
            answer(status, &challenge, "application/json", r#"{"message":"x","status-code":401}"#),
        ];
        for answer in &answers {
            for endpoint in [Endpoint::RequestToken, Endpoint::OAuth1AccessToken, Endpoint::Myself] {
                assert_eq!(judge(endpoint, answer), Some(problem.clone()), "{endpoint:?}");
            }
        }
    }

    const WRONG_SIGNATURE: Problem = Problem::OAuth1(OAuth1Problem::SignatureInvalid);

    fn at(base: &str) -> Problem {
        Problem::WrongSite { reported: Some(base.to_owned()) }
    }

    #[rstest]
    #[case::as_sent("https://jira.example.test/jira/plugins/servlet/oauth/request-token", WRONG_SIGNATURE)]
    #[case::other_scheme(
        "http://jira.example.test/jira/plugins/servlet/oauth/request-token",
        at("http://jira.example.test/jira")
    )]
    #[case::connectors_port(
        "http://jira.example.test:8080/jira/plugins/servlet/oauth/request-token",
        at("http://jira.example.test:8080/jira")
    )]
    #[case::no_context_path(
        "https://jira.example.test/plugins/servlet/oauth/request-token",
        at("https://jira.example.test")
    )]
    #[case::other_path("https://jira.example.test/elsewhere", Problem::WrongSite { reported: None })]
    #[case::gibberish("what", WRONG_SIGNATURE)]
    fn a_wrong_signature_over_another_address_is_another_site(#[case] seen: &str, #[case] expected: Problem) {
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let base_string = format!("POST&{}&{}", encoded(seen), encoded("oauth_token=canary-token"));
        let body = format!("oauth_problem=signature_invalid&oauth_signature_base_string={}", encoded(&base_string));
        let problem = judge(Endpoint::RequestToken, &answer(401, REALM, "text/plain", &body)).unwrap();
        assert!(!format!("{problem:?}").contains("canary"));
        assert_eq!(problem, expected);
    }

    #[rstest]
    #[case::well(Endpoint::OAuth1AccessToken, 200, "", "oauth_token=a")]
    #[case::a_comment_of_json(Endpoint::Myself, 401, REALM, r#"{"message":"&oauth_problem=token_rejected&"}"#)]
    #[case::success_of_the_rest_api(Endpoint::Myself, 200, "", "oauth_problem=token_rejected")]
    #[case::token_endpoint_of_oauth2(Endpoint::DataCenterToken, 400, "", "oauth_problem=token_rejected")]
    #[case::empty(Endpoint::RequestToken, 401, REALM, "oauth_problem=")]
    fn nothing_else_is_taken_for_one(
        #[case] endpoint: Endpoint,
        #[case] status: u16,
        #[case] challenge: &str,
        #[case] body: &str,
    ) {
        let media = if body.starts_with('{') { "application/json" } else { "text/plain" };
        let url = Url::parse("https://jira.example.test/jira").unwrap();
        let question = Question { endpoint, party: &Party::DataCenter, url: &url };
        assert_eq!(told(question, &answer(status, challenge, media, body)), None);
    }
}
