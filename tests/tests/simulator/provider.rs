//! OAuth 2.0 of Data Center for incoming links: consent in the browser, codes, rotation, revocation.

use std::time::Duration;

use form_urlencoded::Serializer;
use reqwest::header::HeaderMap;
use rstest::rstest;
use serde_json::{Value, json};
use tests::jira::{self, Fault, Instance, Mark, Mutation, Person, Rule, Simulator, Whose, digest, person, shared};

use crate::{Answer, As, CENTER, added, center_token, client, get, plain, send};

/// Fields that differ from the right ones; `None` leaves a field out.
type Changes<'a> = &'a [(&'a str, Option<&'a str>)];

const CALLBACK: &str = "https://operator.example.test/callback?from=jira";
const USER: &str = "JIRAUSER10100";
/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn link(scope: &str) -> jira::IncomingLink {
    serde_json::from_value(json!({"clientId": "link", "secret": "hushed", "name": "The <Operator>",
        "redirectUrls": ["http://localhost:1/callback", CALLBACK], "scope": scope}))
    .unwrap()
}

fn linked(change: impl FnOnce(&mut Instance)) -> (String, String) {
    added(CENTER, |instance| {
        let center = instance.center_mut().unwrap();
        center.incoming_links.push(link("WRITE"));
        center.authorization_code_seconds = 60;
        change(instance);
    })
}

/// Fields as a form, with changes.
fn encoded(fields: &[(&str, &str)], changes: Changes<'_>) -> String {
    let mut form = Serializer::new(String::new());
    form.extend_pairs(fields.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name)));
    form.extend_pairs(changes.iter().filter_map(|(name, value)| Some((name, (*value)?))));
    form.finish()
}

fn authorize_url(url: &str, changes: Changes<'_>) -> String {
    let fields = [
        ("client_id", "link"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "WRITE"),
        ("state", "a state & more"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    format!("{url}/rest/oauth2/latest/authorize?{}", encoded(&fields, changes))
}

fn field(callback: &str, name: &str) -> Option<String> {
    let query = callback.split_once('?').unwrap().1;
    let mut fields = form_urlencoded::parse(query.as_bytes());
    fields.find(|(present, _)| present == name).map(|(_, value)| value.into_owned())
}

fn person() -> Person {
    Person::new(shared(), USER).unwrap()
}

async fn code(url: &str) -> String {
    let callback = person().consent(&authorize_url(url, &[])).await.unwrap();
    field(&callback, "code").unwrap()
}

async fn exchange(url: &str, code: &str, changes: Changes<'_>) -> Answer {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("client_id", "link"),
        ("client_secret", "hushed"),
        ("code_verifier", VERIFIER),
    ];
    center_token(url, &encoded(&fields, changes)).await
}

fn refresh_form(token: &str, changes: Changes<'_>) -> String {
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("redirect_uri", CALLBACK),
        ("client_id", "link"),
        ("client_secret", "hushed"),
    ];
    encoded(&fields, changes)
}

async fn refresh(url: &str, token: &str, changes: Changes<'_>) -> Answer {
    center_token(url, &refresh_form(token, changes)).await
}

/// Access token and refresh token.
fn pair(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

async fn granted(url: &str) -> (String, String) {
    pair(&exchange(url, &code(url).await, &[]).await)
}

async fn myself(url: &str, token: &str) -> u16 {
    get(&format!("{url}/rest/api/2/myself"), As::Bearer(token.to_owned().leak())).await.status
}

fn error(answer: &Answer) -> (u16, Value) {
    (answer.status, answer.json()["error"].clone())
}

#[tokio::test]
async fn consent_in_the_browser_gives_tokens_of_that_user() {
    let (_, url) = linked(|_| ());
    let callback = person().consent(&authorize_url(&url, &[])).await.unwrap();
    assert!(callback.starts_with(&format!("{CALLBACK}&")), "a query of the redirect URL is kept");
    assert_eq!(field(&callback, "state").unwrap(), "a state & more");
    let answer = exchange(&url, &field(&callback, "code").unwrap(), &[]).await;
    assert_eq!(answer.header("Cache-Control"), "no-store");
    let body = answer.json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("bearer"), &json!(3600), &json!("WRITE"))
    );
    let (access, _) = pair(&answer);
    let who = As::Bearer(access.leak());
    assert_eq!(get(&format!("{url}/rest/api/2/myself"), who).await.json()["key"], json!(USER));
    let issue = json!({"fields": {"project": {"key": "WEB"}, "summary": "s"}}).to_string();
    assert_eq!(send("POST", &format!("{url}/rest/api/2/issue"), who, Some(&issue), &[]).await.status, 201);
}

#[tokio::test]
async fn a_refresh_ends_the_old_pair_at_once() {
    let (_, url) = linked(|_| ());
    let (access, token) = granted(&url).await;
    let (next_access, next_token) = pair(&refresh(&url, &token, &[]).await);
    assert!(access != next_access && token != next_token);
    assert_eq!((myself(&url, &access).await, myself(&url, &next_access).await), (401, 200));
    assert_eq!(error(&refresh(&url, &token, &[]).await), (400, json!("invalid_grant")));
    assert_eq!(myself(&url, &next_access).await, 200, "an old refresh token does no harm to the new pair");
    pair(&refresh(&url, &next_token, &[]).await);
}

#[tokio::test]
async fn of_refreshes_at_the_same_time_exactly_one_wins() {
    let (_, url) = linked(|_| ());
    let (_, token) = granted(&url).await;
    let answers = futures::future::join_all((0..6).map(|_| refresh(&url, &token, &[]))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400, 400, 400, 400]);
}

#[rstest]
#[case::an_unknown_client("client_id", Some("nobody"), "The client is unknown.")]
#[case::no_client("client_id", None, "The client is unknown.")]
#[case::another_redirect("redirect_uri", Some("https://operator.example.test/callback"), "not registered")]
#[case::a_longer_redirect(
    "redirect_uri",
    Some("https://operator.example.test/callback?from=jira&x=1"),
    "not registered"
)]
#[case::no_redirect("redirect_uri", None, "not registered")]
#[tokio::test]
async fn problems_with_the_client_are_pages(#[case] name: &str, #[case] value: Option<&str>, #[case] part: &str) {
    let (_, url) = linked(|_| ());
    let refused = person().consent(&authorize_url(&url, &[(name, value)])).await;
    let Err(person::Error::Refused { status: 400, reason, .. }) = refused else { panic!("{refused:?}") };
    assert!(reason.contains(part), "{reason}");
}

#[rstest]
#[case::cloud_scopes(&[("scope", Some("read:jira-work offline_access"))], "invalid_scope")]
#[case::a_scope_above_the_link(&[("scope", Some("ADMIN"))], "invalid_scope")]
#[case::another_response_type(&[("response_type", Some("token"))], "unsupported_response_type")]
#[case::an_unknown_challenge_method(&[("code_challenge_method", Some("S512"))], "invalid_request")]
#[tokio::test]
async fn problems_with_the_request_go_back_to_the_client(#[case] changes: Changes<'_>, #[case] error: &str) {
    let (_, url) = linked(|_| ());
    let answer = get(&authorize_url(&url, changes), As::Nobody).await;
    assert_eq!(answer.status, 302, "{answer:?}");
    let callback = answer.header("Location");
    assert!(callback.starts_with(CALLBACK));
    assert_eq!(
        (field(callback, "error").as_deref(), field(callback, "state").as_deref(), field(callback, "code")),
        (Some(error), Some("a state & more"), None)
    );
}

#[tokio::test]
async fn without_a_scope_the_links_own_is_asked_for() {
    let (_, url) = linked(|_| ());
    let callback = person().consent(&authorize_url(&url, &[("scope", None)])).await.unwrap();
    assert_eq!(exchange(&url, &field(&callback, "code").unwrap(), &[]).await.json()["scope"], json!("WRITE"));
}

#[tokio::test]
async fn a_refusal_goes_back_as_access_denied() {
    let (_, url) = linked(|_| ());
    let callback = person().deny(&authorize_url(&url, &[])).await.unwrap();
    assert_eq!(
        (field(&callback, "error").as_deref(), field(&callback, "state").as_deref(), field(&callback, "code")),
        (Some("access_denied"), Some("a state & more"), None)
    );
}

#[tokio::test]
async fn a_decision_must_come_from_the_consent_page_of_that_session() {
    let (_, url) = linked(|_| ());
    let http = client(shared());
    let login = http.post(format!("{url}/login.jsp")).form(&[("account", USER), ("os_destination", "/x")]);
    let login = login.send().await.unwrap();
    let cookie = login.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let asked = http.get(authorize_url(&url, &[])).header("Cookie", &cookie).send().await.unwrap();
    let consent = asked.headers()["location"].to_str().unwrap().to_owned();
    let request = field(&consent, "request").unwrap();
    let page = format!("{}{consent}", url.strip_suffix("/jira").unwrap());
    let decide = async |headers: &[(&str, &str)]| {
        let form = [("request", request.as_str()), ("decision", "accept")];
        let decision = http.post(format!("{url}/rest/oauth2/latest/authorize")).form(&form);
        let decision = headers.iter().fold(decision, |decision, (name, value)| decision.header(*name, *value));
        decision.send().await.unwrap().status().as_u16()
    };
    assert_eq!(decide(&[("Cookie", &cookie)]).await, 403, "no Referer");
    assert_eq!(decide(&[("Cookie", &cookie), ("Referer", "https://other.example.test/")]).await, 403);
    assert_eq!(decide(&[("Referer", &page)]).await, 403, "no session");
    assert_eq!(decide(&[("Cookie", &cookie), ("Referer", &page)]).await, 302);
    assert_eq!(decide(&[("Cookie", &cookie), ("Referer", &page)]).await, 403, "a request is decided once");
}

#[tokio::test]
async fn cookies_of_api_answers_are_no_sessions() {
    let (_, url) = linked(|_| ());
    let (access, _) = granted(&url).await;
    let answer = get(&format!("{url}/rest/api/2/myself"), As::Bearer(access.leak())).await;
    let cookie = answer.header("Set-Cookie").split(';').next().unwrap().to_owned();
    let asked = client(shared()).get(authorize_url(&url, &[])).header("Cookie", cookie).send().await.unwrap();
    assert!(asked.headers()["location"].to_str().unwrap().starts_with("/jira/login.jsp?"));
}

#[rstest]
#[case::an_unknown_code(&[("code", Some("x"))], 400, "invalid_grant")]
#[case::another_redirect(&[("redirect_uri", Some("http://localhost:1/callback"))], 400, "invalid_grant")]
#[case::another_verifier(&[("code_verifier", Some(CHALLENGE))], 400, "invalid_grant")]
#[case::no_verifier(&[("code_verifier", None)], 400, "invalid_grant")]
#[case::no_redirect(&[("redirect_uri", None)], 400, "invalid_request")]
#[case::no_code(&[("code", None)], 400, "invalid_request")]
#[case::a_wrong_secret(&[("client_secret", Some("x"))], 401, "invalid_client")]
#[case::no_secret(&[("client_secret", None)], 401, "invalid_client")]
#[case::an_unknown_client(&[("client_id", Some("x"))], 401, "invalid_client")]
#[case::client_credentials(&[("grant_type", Some("client_credentials"))], 400, "unsupported_grant_type")]
#[tokio::test]
async fn an_exchange_is_refused(#[case] changes: Changes<'_>, #[case] status: u16, #[case] expected: &str) {
    let (_, url) = linked(|_| ());
    let code = code(&url).await;
    assert_eq!(error(&exchange(&url, &code, changes).await), (status, json!(expected)));
    let burnt =
        changes.iter().any(|(name, value)| *name == "code_verifier" || (*name == "redirect_uri" && value.is_some()));
    let again = exchange(&url, &code, &[]).await;
    assert_eq!(again.status, if burnt { 400 } else { 200 }, "a code that was tried with wrong proof is spent");
}

#[tokio::test]
async fn a_secret_in_a_header_is_not_seen() {
    let (_, url) = linked(|_| ());
    let (_, token) = granted(&url).await;
    let request = client(shared()).post(format!("{url}/rest/oauth2/latest/token")).basic_auth("link", Some("hushed"));
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    let answer = request.body(refresh_form(&token, &[("client_secret", None)])).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    pair(&refresh(&url, &token, &[]).await);
}

#[tokio::test]
async fn a_code_lives_ten_seconds_and_serves_once() {
    let (_, url) = linked(|instance| {
        assert_eq!(
            serde_yaml::from_str::<Instance>(CENTER).unwrap().center_mut().unwrap().authorization_code_seconds,
            10
        );
        instance.center_mut().unwrap().authorization_code_seconds = 0;
    });
    let late = code(&url).await;
    assert_eq!(error(&exchange(&url, &late, &[]).await), (400, json!("invalid_grant")));
    let (_, url) = linked(|_| ());
    let code = code(&url).await;
    let (access, token) = pair(&exchange(&url, &code, &[]).await);
    assert_eq!(error(&exchange(&url, &code, &[]).await), (400, json!("invalid_grant")));
    assert_eq!(myself(&url, &access).await, 401, "the tokens of a code that is used again die");
    assert_eq!(error(&refresh(&url, &token, &[]).await), (400, json!("invalid_grant")));
}

#[rstest]
#[case::demanded(jira::RefreshRedirectUri::Demanded, None, 400)]
#[case::optional(jira::RefreshRedirectUri::Optional, None, 200)]
#[case::wrong(jira::RefreshRedirectUri::Optional, Some("http://localhost:1/callback"), 400)]
#[tokio::test]
async fn a_refresh_repeats_the_redirect_url(
    #[case] switch: jira::RefreshRedirectUri,
    #[case] given: Option<&str>,
    #[case] status: u16,
) {
    let (_, url) = linked(|instance| instance.switches.refresh_redirect_uri = switch);
    let (_, token) = granted(&url).await;
    assert_eq!(refresh(&url, &token, &[("redirect_uri", given)]).await.status, status);
}

#[tokio::test]
async fn a_read_link_does_not_write() {
    let (_, url) = linked(|instance| instance.center_mut().unwrap().incoming_links = vec![link("READ")]);
    let callback = person().consent(&authorize_url(&url, &[("scope", Some("READ"))])).await.unwrap();
    let (access, _) = pair(&exchange(&url, &field(&callback, "code").unwrap(), &[]).await);
    assert_eq!(myself(&url, &access).await, 200);
    let issue = json!({"fields": {"project": {"key": "WEB"}, "summary": "s"}}).to_string();
    let who = As::Bearer(access.leak());
    assert_eq!(send("POST", &format!("{url}/rest/api/2/issue"), who, Some(&issue), &[]).await.status, 403);
}

async fn revoke(url: &str, changes: Changes<'_>) -> Answer {
    let body = encoded(&[("client_id", "link"), ("client_secret", "hushed")], changes);
    let request = client(shared()).post(format!("{url}/rest/oauth2/latest/revoke"));
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(body);
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), HeaderMap::new());
    Answer { status, headers, text: response.text().await.unwrap() }
}

#[tokio::test]
async fn revoking_either_token_ends_both() {
    let (_, url) = linked(|_| ());
    for which in ["access", "refresh"] {
        let (access, token) = granted(&url).await;
        let given = if which == "access" { &access } else { &token };
        assert_eq!(revoke(&url, &[("token", Some(given)), ("client_secret", Some("x"))]).await.status, 401);
        assert_eq!(myself(&url, &access).await, 200);
        assert_eq!(revoke(&url, &[("token", Some(given))]).await.status, 200);
        assert_eq!(myself(&url, &access).await, 401);
        assert_eq!(error(&refresh(&url, &token, &[]).await), (400, json!("invalid_grant")));
    }
    assert_eq!(revoke(&url, &[("token", Some("unknown"))]).await.status, 200);
    assert_eq!(error(&revoke(&url, &[]).await), (400, json!("invalid_request")));
}

#[rstest]
#[case::consents_of_the_account(Mutation::RevokeGrants(Whose::account(USER)), 401, (400, "invalid_grant"))]
#[case::consents_to_the_client(Mutation::RevokeGrants(Whose::client("link")), 401, (400, "invalid_grant"))]
#[case::consents_of_others(Mutation::RevokeGrants(Whose::account("robot")), 200, (200, ""))]
#[case::access_tokens(Mutation::ExpireAccessTokens(Whose::default()), 401, (200, ""))]
#[case::refresh_tokens(Mutation::ExpireRefreshTokens(Whose::default()), 200, (400, "invalid_grant"))]
#[case::the_link(Mutation::RemoveLink { client: "link".into() }, 401, (401, "invalid_client"))]
#[case::the_user(
    Mutation::SetAccountStatus { account: USER.into(), status: jira::AccountStatus::Inactive },
    401,
    (400, "invalid_grant")
)]
#[tokio::test]
async fn something_is_taken_away(#[case] mutation: Mutation, #[case] call: u16, #[case] refreshed: (u16, &str)) {
    let (name, url) = linked(|_| ());
    let (access, token) = granted(&url).await;
    shared().mutate(&name, &mutation).unwrap();
    assert_eq!(myself(&url, &access).await, call);
    let answer = refresh(&url, &token, &[]).await;
    assert_eq!((answer.status, answer.json()["error"].as_str().unwrap_or_default()), refreshed);
}

#[tokio::test]
async fn a_link_made_again_knows_nothing_of_the_old_one() {
    let (name, url) = linked(|_| ());
    let (access, token) = granted(&url).await;
    shared().mutate(&name, &Mutation::RemoveLink { client: "link".into() }).unwrap();
    shared().mutate(&name, &Mutation::AddLink { link: link("WRITE") }).unwrap();
    assert_eq!(myself(&url, &access).await, 401);
    assert_eq!(error(&refresh(&url, &token, &[]).await), (400, json!("invalid_grant")));
    granted(&url).await;
}

#[tokio::test]
async fn a_link_cannot_use_what_another_was_granted() {
    let (name, url) = linked(|instance| {
        let other = jira::IncomingLink { client_id: "other".to_owned(), ..link("WRITE") };
        instance.center_mut().unwrap().incoming_links.push(other);
    });
    let other: Changes<'_> = &[("client_id", Some("other"))];
    let code = code(&url).await;
    assert_eq!(error(&exchange(&url, &code, other).await), (400, json!("invalid_grant")));
    let (access, token) = pair(&exchange(&url, &code, &[]).await);
    assert_eq!(error(&refresh(&url, &token, other).await), (400, json!("invalid_grant")));
    let revocation = [("token", Some(token.as_str())), other[0]];
    assert_eq!(error(&revoke(&url, &revocation).await), (400, json!("invalid_grant")));
    assert_eq!(myself(&url, &access).await, 200);
    shared().update(&name, |instance| instance.center_mut().unwrap().incoming_links.remove(0).secret.clear()).unwrap();
    assert_eq!(myself(&url, &access).await, 401, "a link that the description lost is gone");
}

#[tokio::test]
async fn a_code_of_a_user_who_was_deactivated_meanwhile_is_spent() {
    let (name, url) = linked(|_| ());
    let code = code(&url).await;
    let status = |status| Mutation::SetAccountStatus { account: USER.into(), status };
    shared().mutate(&name, &status(jira::AccountStatus::Inactive)).unwrap();
    assert_eq!(error(&exchange(&url, &code, &[]).await), (400, json!("invalid_grant")));
    shared().mutate(&name, &status(jira::AccountStatus::Active)).unwrap();
    let (access, _) = granted(&url).await;
    assert_eq!(error(&exchange(&url, &code, &[]).await), (400, json!("invalid_grant")));
    assert_eq!(myself(&url, &access).await, 200, "no other grant is taken for that of the code");
}

#[tokio::test]
async fn a_request_that_the_network_held_back_takes_effect_when_it_arrives() {
    let (name, url) = linked(|_| ());
    let (access, token) = granted(&url).await;
    let overdue = Rule::every(Fault::Overdue { millis: 300 }).on("/rest/oauth2/latest/token").first(1);
    shared().fault(&name, overdue).unwrap();
    let mark = shared().journal().mark();
    let request = client(shared()).post(format!("{url}/rest/oauth2/latest/token")).timeout(Duration::from_millis(100));
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(refresh_form(&token, &[]));
    assert!(request.send().await.unwrap_err().is_timeout());
    assert_eq!(myself(&url, &access).await, 200, "nothing has happened yet");
    let arrived = || shared().journal().of(&name, mark).into_iter().find(|entry| entry.issued.is_some());
    while arrived().is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(refresh(&url, &token, &[]).await.status, 400, "the token is spent");
}

#[rstest]
#[case::a_lost_answer(Fault::LoseAnswer, 400)]
#[case::a_held_answer(Fault::HoldAnswer, 400)]
#[case::no_answer_and_no_effect(Fault::NeverAnswer, 200)]
#[case::a_cut(Fault::CutBeforeAnswer, 200)]
#[case::an_unwell_jira(Fault::Unwell { status: 500 }, 200)]
#[case::a_proxy(Fault::EmptyBody { status: 502 }, 200)]
#[tokio::test]
async fn a_fault_at_the_token_endpoint_changes_the_grant_or_does_not(#[case] fault: Fault, #[case] again: u16) {
    let (name, url) = linked(|_| ());
    let (_, token) = granted(&url).await;
    let mark = shared().journal().mark();
    let is_lost = again == 400;
    shared().fault(&name, Rule::every(fault).on("/rest/oauth2/latest/token").of_client("link").first(1)).unwrap();
    let request = client(shared()).post(format!("{url}/rest/oauth2/latest/token")).timeout(Duration::from_millis(500));
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(refresh_form(&token, &[]));
    assert!(request.send().await.is_err() || !is_lost);
    assert_eq!(refresh(&url, &token, &[]).await.status, again);
    let seen = shared().journal().of(&name, mark);
    let presented = Some(digest(token.as_bytes()));
    assert!(seen.len() == 2 && seen.iter().all(|entry| entry.presented == presented), "{seen:?}");
    assert_eq!(seen[0].issued.is_some(), is_lost, "what was issued is known, even when the answer was lost");
    assert_eq!(seen[1].issued.is_some(), !is_lost);
    assert!(seen.iter().all(|entry| entry.client.as_deref() == Some("link")));
}

#[tokio::test]
async fn the_journal_says_which_refresh_token_replaced_which() {
    let (name, url) = linked(|_| ());
    let (_, first) = granted(&url).await;
    let (_, second) = pair(&refresh(&url, &first, &[]).await);
    pair(&refresh(&url, &second, &[]).await);
    let seen = shared().journal().of(&name, Mark::default());
    let tokens: Vec<_> = seen.iter().filter(|entry| entry.path.ends_with("/token")).collect();
    let digests = [&first, &second].map(|token| Some(digest(token.as_bytes())));
    assert_eq!((&tokens[0].presented, &tokens[0].issued), (&None, &digests[0]));
    assert_eq!((&tokens[1].presented, &tokens[1].issued), (&digests[0], &digests[1]));
    assert_eq!(tokens[2].presented, digests[1]);
    assert!(!serde_json::to_string(&seen).unwrap().contains(&second));
}

#[tokio::test]
async fn a_gateway_in_front_lets_browsers_pass_to_pages_only() {
    let header = ("X-Gateway".to_owned(), "key".to_owned());
    let (_, url) = linked(|instance| instance.center_mut().unwrap().gateway_headers.extend([header]));
    let code = code(&url).await;
    assert_eq!(exchange(&url, &code, &[]).await.status, 302, "the token endpoint is behind the gateway");
    for path in ["/rest/api/2/serverInfo", "/rest/oauth2/latest/token"] {
        let page = send("GET", &format!("{url}{path}"), As::Nobody, None, &[("Accept", "text/html")]).await;
        assert_eq!(page.status, 302);
    }
    let request = client(shared()).post(format!("{url}/rest/oauth2/latest/token")).header("X-Gateway", "key");
    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", CALLBACK)];
    let form = [form.as_slice(), &[("client_id", "link"), ("client_secret", "hushed"), ("code_verifier", VERIFIER)]];
    assert_eq!(request.form(&form.concat()).send().await.unwrap().status().as_u16(), 200);
}

#[rstest]
#[case::an_old_version("8.21.0", jira::RequestSeenAs::Received, 404)]
#[case::an_insecure_request("8.22.0", jira::RequestSeenAs::Insecure, 400)]
#[case::the_first_version_with_links("8.22.0", jira::RequestSeenAs::Received, 302)]
#[tokio::test]
async fn preconditions_of_consent(#[case] version: &str, #[case] seen: jira::RequestSeenAs, #[case] status: u16) {
    let (_, url) = linked(|instance| {
        instance.center_mut().unwrap().version = version.to_owned();
        instance.switches.request_seen_as = seen;
    });
    assert_eq!(get(&authorize_url(&url, &[]), As::Nobody).await.status, status);
}

#[tokio::test]
async fn a_refresh_token_lives_ninety_days_from_its_own_creation() {
    let simulator = Simulator::start(jira::Options::default()).unwrap();
    let mut instance: Instance = serde_yaml::from_str(&CENTER.replace("NAME", "rolling")).unwrap();
    instance.center_mut().unwrap().incoming_links.push(link("WRITE"));
    let url = simulator.add(instance).unwrap();
    let http = client(&simulator);
    let post = async |form: String| {
        let request = http.post(format!("{url}/rest/oauth2/latest/token"));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(form);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let person = Person::new(&simulator, USER).unwrap();
    let callback = person.consent(&authorize_url(&url, &[])).await.unwrap();
    let code = field(&callback, "code").unwrap();
    let exchange = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", CALLBACK)];
    let client = [("client_id", "link"), ("client_secret", "hushed"), ("code_verifier", VERIFIER)];
    let (status, mut body) = post(encoded(&[exchange.as_slice(), &client].concat(), &[])).await;
    assert_eq!(status, 200, "{body}");
    let day = Duration::from_secs(86_400);
    for _ in 0..5 {
        simulator.clock().advance(89 * day);
        let (status, next) = post(refresh_form(body["refresh_token"].as_str().unwrap(), &[])).await;
        assert_eq!(status, 200, "there is no absolute end: {next}");
        body = next;
    }
    simulator.clock().advance(90 * day);
    let (status, refused) = post(refresh_form(body["refresh_token"].as_str().unwrap(), &[])).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")));
}

#[rstest]
#[case::a_cloud_scope(json!({"scope": "read:jira-work"}))]
#[case::no_redirect(json!({"redirectUrls": []}))]
#[case::a_plain_redirect(json!({"redirectUrls": ["http://operator.example.test/"]}))]
#[case::a_fragment(json!({"redirectUrls": ["https://operator.example.test/#x"]}))]
#[case::a_relative_redirect(json!({"redirectUrls": ["/callback"]}))]
#[tokio::test]
async fn a_link_that_jira_would_not_take(#[case] change: Value) {
    let (name, _) = plain(CENTER);
    let mut wrong = json!(link("WRITE"));
    wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let add = Mutation::AddLink { link: serde_json::from_value(wrong).unwrap() };
    assert!(matches!(shared().mutate(&name, &add), Err(jira::Error::Instance { .. })));
}
