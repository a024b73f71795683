//! Cloud OAuth 2.0 (3LO): consent, the token endpoint, families of refresh tokens, and where tokens reach.

use std::time::Duration;

use form_urlencoded::Serializer;
use reqwest::Client;
use rstest::rstest;
use serde_json::{Value, json};
use tests::jira::{self, App, Fault, Mutation, Person, Rule, Simulator, Whose, digest, person, shared};

use crate::{CLOUD, client, plain};

const CALLBACK: &str = "https://operator.example.test/callback";
const SCOPES: &str = "read:jira-user read:jira-work offline_access";
/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn app(client_id: &str) -> App {
    serde_json::from_value(json!({"clientId": client_id, "secret": "hushed", "name": "The Operator",
        "callbackUrl": CALLBACK, "scopes": ["read:jira-user", "read:jira-work", "write:jira-work"]}))
    .unwrap()
}

/// A simulator with two sites of one account, an app, and a client without a browser.
struct World {
    simulator: Simulator,
    http: Client,
    /// URLs of the sites `first` and `second`.
    urls: [String; 2],
}

type Changes<'a> = &'a [(&'a str, Option<&'a str>)];

fn changed<'a>(fields: &[(&'a str, &'a str)], changes: Changes<'a>) -> Vec<(&'a str, &'a str)> {
    let kept = fields.iter().copied().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    kept.chain(changes.iter().filter_map(|(name, value)| Some((*name, (*value)?)))).collect()
}

fn field(callback: &str, name: &str) -> Option<String> {
    let query = callback.split_once('?').unwrap().1;
    let mut fields = form_urlencoded::parse(query.as_bytes());
    fields.find(|(present, _)| present == name).map(|(_, value)| value.into_owned())
}

impl World {
    fn new(change: impl FnOnce(&mut App)) -> Self {
        let mut app = app("app");
        change(&mut app);
        let options = jira::Options { apps: vec![app], ..jira::Options::default() };
        let simulator = Simulator::start(options).unwrap();
        let urls = ["first", "second"]
            .map(|name| simulator.add(serde_yaml::from_str(&CLOUD.replace("NAME", name)).unwrap()).unwrap());
        Self { http: client(&simulator), simulator, urls }
    }

    fn authorize_url(&self, changes: Changes) -> String {
        let fields = [
            ("audience", "api.atlassian.com"),
            ("client_id", "app"),
            ("scope", SCOPES),
            ("redirect_uri", CALLBACK),
            ("state", "a state & more"),
            ("response_type", "code"),
            ("prompt", "consent"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let query = Serializer::new(String::new()).extend_pairs(changed(&fields, changes)).finish();
        format!("{}/authorize?{query}", self.simulator.auth_url())
    }

    fn person(&self) -> Person {
        Person::new(&self.simulator, "bot").unwrap().on_site(&self.urls[0])
    }

    async fn code(&self) -> String {
        field(&self.person().consent(&self.authorize_url(&[])).await.unwrap(), "code").unwrap()
    }

    async fn token(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        let body: serde_json::Map<_, _> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let request = self.http.post(format!("{}/oauth/token", self.simulator.auth_url())).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn exchange(&self, code: &str, changes: Changes<'_>) -> (u16, Value) {
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", "app"),
            ("client_secret", "hushed"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.token(&changed(&fields, changes)).await
    }

    async fn refresh(&self, token: &str, changes: Changes<'_>) -> (u16, Value) {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", "app"),
            ("client_secret", "hushed"),
            ("refresh_token", token),
        ];
        self.token(&changed(&fields, changes)).await
    }

    /// Access token and refresh token.
    async fn granted(&self) -> (String, String) {
        pair(self.exchange(&self.code().await, &[]).await)
    }

    async fn gateway(&self, site: &str, path: &str, token: &str) -> u16 {
        let url = format!("{}/ex/jira/{site}-id/rest/api/3/{path}", self.simulator.api_url());
        self.http.get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
    }

    async fn resources(&self, token: &str) -> (u16, Value) {
        let url = format!("{}/oauth/token/accessible-resources", self.simulator.api_url());
        let answer = self.http.get(url).bearer_auth(token).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

fn pair((status, body): (u16, Value)) -> (String, String) {
    assert_eq!(status, 200, "{body}");
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

fn dead() -> (u16, Value) {
    (403, json!({"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}))
}

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn consent_gives_tokens_for_the_site_that_was_picked() {
    let world = World::new(|_| ());
    let callback = world.person().consent(&world.authorize_url(&[])).await.unwrap();
    assert!(callback.starts_with(CALLBACK));
    assert_eq!(field(&callback, "state").unwrap(), "a state & more");
    let (status, body) = world.exchange(&field(&callback, "code").unwrap(), &[]).await;
    assert_eq!(
        (status, &body["expires_in"], &body["token_type"], &body["scope"]),
        (200, &json!(3600), &json!("Bearer"), &json!(SCOPES))
    );
    let (access, _) = pair((status, body));
    assert_eq!(world.gateway("first", "myself", &access).await, 200);
    assert_eq!(world.gateway("first", "mypermissions?permissions=EDIT_ISSUES", &access).await, 200);
    assert_eq!(world.gateway("second", "myself", &access).await, 401, "another site was picked");
    let site = world.http.get(format!("{}/rest/api/3/myself", world.urls[0])).bearer_auth(&access);
    let site = site.send().await.unwrap();
    assert_eq!(site.status().as_u16(), 403);
    assert!(site.text().await.unwrap().contains("Failed to parse Connect Session Auth Token"));
    let scopes = ["read:jira-user", "read:jira-work"];
    let (status, listed) = world.resources(&access).await;
    assert_eq!((status, listed.as_array().unwrap().len()), (200, 1));
    assert_eq!(
        (&listed[0]["id"], &listed[0]["url"], &listed[0]["scopes"]),
        (&json!("first-id"), &json!(world.urls[0]), &json!(scopes))
    );
}

#[tokio::test]
async fn a_token_has_only_the_scopes_that_were_consented_to() {
    let world = World::new(|_| ());
    let url = world.authorize_url(&[("scope", Some("read:jira-work"))]);
    let code = field(&world.person().consent(&url).await.unwrap(), "code").unwrap();
    let (status, body) = world.exchange(&code, &[]).await;
    assert_eq!((status, body.get("refresh_token")), (200, None), "there is no refresh token without offline_access");
    let access = body["access_token"].as_str().unwrap();
    assert_eq!(world.gateway("first", "project/WEB", access).await, 200);
    assert_eq!(world.gateway("first", "myself", access).await, 401);
}

#[rstest]
#[case::audience("audience", Some("jira"), "audience")]
#[case::no_audience("audience", None, "audience")]
#[case::an_unknown_app("client_id", Some("x"), "client_id")]
#[case::a_scope_that_is_not_enabled("scope", Some("read:jira-work manage:jira-webhook"), "manage:jira-webhook")]
#[case::no_scope("scope", None, "scope")]
#[case::another_callback("redirect_uri", Some("https://operator.example.test/callback/"), "redirect_uri")]
#[case::no_callback("redirect_uri", None, "redirect_uri")]
#[case::no_state("state", None, "state")]
#[case::another_response_type("response_type", Some("token"), "response_type")]
#[case::another_prompt("prompt", Some("none"), "prompt")]
#[case::a_plain_challenge("code_challenge_method", Some("plain"), "code_challenge")]
#[case::a_method_without_a_challenge("code_challenge", None, "code_challenge")]
#[tokio::test]
async fn a_bad_request_is_a_page_and_no_redirect(#[case] name: &str, #[case] value: Option<&str>, #[case] part: &str) {
    let world = World::new(|_| ());
    let refused = world.person().consent(&world.authorize_url(&[(name, value)])).await;
    let Err(person::Error::Refused { status: 400, reason, .. }) = refused else { panic!("{refused:?}") };
    assert!(reason.contains(part), "{reason}");
}

#[tokio::test]
async fn a_parameter_may_not_be_repeated() {
    let world = World::new(|_| ());
    let url = format!("{}&scope=read%3Ajira-work", world.authorize_url(&[]));
    assert!(matches!(world.person().consent(&url).await, Err(person::Error::Refused { status: 400, .. })));
}

#[tokio::test]
async fn a_refusal_goes_back_as_access_denied() {
    let world = World::new(|_| ());
    let callback = world.person().deny(&world.authorize_url(&[])).await.unwrap();
    assert_eq!(
        (field(&callback, "error").as_deref(), field(&callback, "state").as_deref(), field(&callback, "code")),
        (Some("access_denied"), Some("a state & more"), None)
    );
}

#[rstest]
#[case::another_callback(&[("redirect_uri", Some("https://operator.example.test/"))])]
#[case::another_verifier(&[("code_verifier", Some(CHALLENGE))])]
#[case::no_verifier(&[("code_verifier", None)])]
#[tokio::test]
async fn a_code_needs_its_callback_and_its_verifier(#[case] changes: Changes<'_>) {
    let world = World::new(|_| ());
    let (status, body) = world.exchange(&world.code().await, changes).await;
    assert_eq!((status, &body["error"]), (403, &json!("invalid_grant")));
}

#[tokio::test]
async fn a_code_serves_once_and_not_for_ever() {
    let world = World::new(|_| ());
    let code = world.code().await;
    pair(world.exchange(&code, &[]).await);
    assert_eq!(world.exchange(&code, &[]).await.0, 403);
    let code = world.code().await;
    world.simulator.clock().advance(Duration::from_secs(301));
    assert_eq!(world.exchange(&code, &[]).await.0, 403);
}

#[tokio::test]
async fn without_a_challenge_there_is_no_verifier() {
    let world = World::new(|_| ());
    let url = world.authorize_url(&[("code_challenge", None), ("code_challenge_method", None)]);
    let code = field(&world.person().consent(&url).await.unwrap(), "code").unwrap();
    pair(world.exchange(&code, &[("code_verifier", None)]).await);
}

#[tokio::test]
async fn a_wrong_secret_is_access_denied_and_ends_nothing() {
    let world = World::new(|_| ());
    let denied = (401, json!({"error": "access_denied", "error_description": "Unauthorized"}));
    let code = world.code().await;
    assert_eq!(world.exchange(&code, &[("client_secret", Some("x"))]).await, denied);
    let (_, token) = pair(world.exchange(&code, &[]).await);
    assert_eq!(world.refresh(&token, &[("client_secret", Some("x"))]).await, denied);
    assert_eq!(world.refresh(&token, &[("client_id", Some("x"))]).await, denied);
    pair(world.refresh(&token, &[]).await);
}

#[tokio::test]
async fn an_app_cannot_use_what_another_was_granted() {
    let world = World::new(|_| ());
    world.simulator.register(app("other")).unwrap();
    let other: Changes = &[("client_id", Some("other"))];
    let code = world.code().await;
    assert_eq!(world.exchange(&code, other).await.0, 403);
    let (_, token) = pair(world.exchange(&code, &[]).await);
    assert_eq!(world.refresh(&token, other).await, dead());
    pair(world.refresh(&token, &[]).await);
}

#[tokio::test]
async fn forms_are_taken_as_well_as_json() {
    let world = World::new(|_| ());
    let (_, token) = world.granted().await;
    let form =
        [("grant_type", "refresh_token"), ("client_id", "app"), ("client_secret", "hushed"), ("refresh_token", &token)];
    let request = world.http.post(format!("{}/oauth/token", world.simulator.auth_url())).form(&form);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn a_rotated_refresh_token_serves_for_ten_more_minutes_and_then_kills_its_family() {
    let world = World::new(|_| ());
    let (access, first) = world.granted().await;
    let (_, second) = pair(world.refresh(&first, &[]).await);
    assert_ne!(first, second);
    assert_eq!(world.gateway("first", "myself", &access).await, 200, "access tokens that are out go on");
    world.simulator.clock().advance(Duration::from_secs(590));
    let (access, third) = pair(world.refresh(&first, &[]).await);
    pair(world.refresh(&second, &[]).await);
    world.simulator.clock().advance(Duration::from_secs(11));
    assert_eq!(world.refresh(&first, &[]).await, dead());
    assert_eq!(world.refresh(&third, &[]).await, dead(), "the newest token is dead with its family");
    assert_eq!(world.gateway("first", "myself", &access).await, 401);
}

#[tokio::test]
async fn a_grant_ends_after_ninety_days_without_a_refresh() {
    let world = World::new(|_| ());
    let (_, token) = world.granted().await;
    world.simulator.clock().advance(89 * DAY);
    let (_, token) = pair(world.refresh(&token, &[]).await);
    world.simulator.clock().advance(90 * DAY);
    assert_eq!(world.refresh(&token, &[]).await, dead());
}

#[tokio::test]
async fn a_grant_ends_after_a_year_whatever_the_refreshes() {
    let world = World::new(|_| ());
    let (_, mut token) = world.granted().await;
    for _ in 0..4 {
        world.simulator.clock().advance(89 * DAY);
        (_, token) = pair(world.refresh(&token, &[]).await);
    }
    world.simulator.clock().advance(9 * DAY);
    assert_eq!(world.refresh(&token, &[]).await, dead());
}

#[tokio::test]
async fn a_dead_refresh_token_may_be_an_unauthorized_client() {
    let world = World::new(|app| app.dead_refresh_token = jira::DeadRefreshToken::UnauthorizedClient);
    let expected = json!({"error": "unauthorized_client", "error_description": "refresh_token is invalid"});
    assert_eq!(world.refresh("unknown", &[]).await, (403, expected));
}

fn ids(listed: &Value) -> Vec<&str> {
    listed.as_array().unwrap().iter().map(|site| site["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn sites_of_earlier_consents_are_listed_first() {
    let world = World::new(|_| ());
    world.granted().await;
    let person = world.person().on_site("second-id");
    let code = field(&person.consent(&world.authorize_url(&[])).await.unwrap(), "code").unwrap();
    let (access, _) = pair(world.exchange(&code, &[]).await);
    let (_, listed) = world.resources(&access).await;
    assert_eq!(ids(&listed), ["first-id", "second-id"]);
    assert_eq!(world.gateway("first", "myself", &access).await, 200);
}

#[rstest]
#[case::each_once(jira::Resources::Once, &["second-id", "first-id"])]
#[case::each_twice(jira::Resources::Twice, &["second-id", "second-id", "first-id", "first-id"])]
#[case::none(jira::Resources::Nothing, &[])]
#[tokio::test]
async fn an_account_level_app_reaches_all_sites(#[case] resources: jira::Resources, #[case] expected: &[&str]) {
    let world = World::new(|app| {
        app.access = jira::Access::Account;
        app.resources = resources;
    });
    let (access, _) = world.granted().await;
    let (status, listed) = world.resources(&access).await;
    assert_eq!((status, ids(&listed)), (200, expected.to_vec()));
    if let [_, _, other, ours] = listed.as_array().unwrap().as_slice() {
        assert_ne!(other["scopes"], ours["scopes"], "the entries of one site differ by their scopes");
    }
}

#[tokio::test]
async fn a_site_that_is_gone_leaves_a_good_token_without_sites() {
    let world = World::new(|_| ());
    let (access, _) = world.granted().await;
    world.simulator.remove("first").unwrap();
    assert_eq!(world.resources(&access).await, (200, json!([])));
}

#[rstest]
#[case::consents_of_the_account(Mutation::RevokeGrants(Whose::account("bot")), 401, 403)]
#[case::consents_to_the_app(Mutation::RevokeGrants(Whose::client("app")), 401, 403)]
#[case::consents_of_others(Mutation::RevokeGrants(Whose::account("admin")), 200, 200)]
#[case::access_tokens(Mutation::ExpireAccessTokens(Whose::default()), 401, 200)]
#[case::refresh_tokens(Mutation::ExpireRefreshTokens(Whose::default()), 200, 403)]
#[case::the_user(
    Mutation::SetAccountStatus { account: "bot".into(), status: jira::AccountStatus::Inactive },
    401,
    403
)]
#[tokio::test]
async fn something_is_taken_away(#[case] mutation: Mutation, #[case] call: u16, #[case] refreshed: u16) {
    let world = World::new(|_| ());
    let (access, token) = world.granted().await;
    world.simulator.mutate("second", &mutation).unwrap();
    assert_eq!(world.gateway("first", "myself", &access).await, 200, "the grant does not reach the other site");
    world.simulator.mutate("first", &mutation).unwrap();
    assert_eq!(world.gateway("first", "myself", &access).await, call);
    assert_eq!(world.resources(&access).await.0, call);
    assert_eq!(world.refresh(&token, &[]).await.0, refreshed);
}

#[rstest]
#[case::a_lost_answer(Fault::LoseAnswer, true)]
#[case::a_held_answer(Fault::HoldAnswer, true)]
#[case::a_limit(Fault::RateLimited { retry_after: 1, reason: None }, false)]
#[case::an_unwell_host(Fault::Unwell { status: 503 }, false)]
#[case::no_answer_and_no_effect(Fault::NeverAnswer, false)]
#[tokio::test]
async fn a_fault_at_the_token_endpoint_rotates_or_does_not(#[case] fault: Fault, #[case] rotates: bool) {
    let world = World::new(|_| ());
    let (_, token) = world.granted().await;
    let mark = world.simulator.journal().mark();
    world.simulator.fault("auth", Rule::every(Fault::LoginPage).of_client("another")).unwrap();
    world.simulator.fault("auth", Rule::every(fault).on("/oauth/token").of_client("app").first(1)).unwrap();
    let form =
        [("grant_type", "refresh_token"), ("client_id", "app"), ("client_secret", "hushed"), ("refresh_token", &token)];
    let request = world.http.post(format!("{}/oauth/token", world.simulator.auth_url())).form(&form);
    let struck = request.timeout(Duration::from_millis(500)).send().await;
    assert!(struck.is_err() || struck.unwrap().status().as_u16() != 200);
    let seen = world.simulator.journal().since(mark);
    assert_eq!(seen[0].presented, Some(digest(token.as_bytes())));
    assert_eq!(seen[0].issued.is_some(), rotates);
    world.simulator.clock().advance(Duration::from_secs(601));
    let (status, body) = world.refresh(&token, &[]).await;
    assert_eq!(status, if rotates { 403 } else { 200 }, "{body}");
}

#[tokio::test]
async fn token_requests_of_a_grant_count_for_its_site() {
    let world = World::new(|_| ());
    let mark = world.simulator.journal().mark();
    let (_, token) = world.granted().await;
    pair(world.refresh(&token, &[]).await);
    let seen = world.simulator.journal().of("first", mark);
    let seen: Vec<_> = seen.iter().filter(|entry| entry.path == "/oauth/token").collect();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].issued, seen[1].presented);
    assert!(seen[1].issued.is_some() && seen[1].issued != seen[1].presented);
}

#[tokio::test]
async fn apps_are_registered_at_run_time() {
    let world = World::new(|_| ());
    let control = world.simulator.control_url().to_owned();
    let call = async |method: reqwest::Method, path: &str, body: Value| {
        let answer = world.http.request(method, format!("{control}{path}")).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (get, post, put, delete) =
        (reqwest::Method::GET, reqwest::Method::POST, reqwest::Method::PUT, reqwest::Method::DELETE);
    assert_eq!(call(post.clone(), "/apps", json!(app("late"))).await.0, 200);
    assert_eq!(call(post.clone(), "/apps", json!(app("late"))).await.0, 409);
    assert_eq!(call(get.clone(), "/apps", json!({})).await.1.as_array().unwrap().len(), 2);
    let mut renamed = json!(app("late"));
    renamed["name"] = json!("Other");
    assert_eq!(call(put, "/apps/late", renamed.clone()).await, (200, renamed));
    let code = world.person().consent(&world.authorize_url(&[("client_id", Some("late"))])).await.unwrap();
    let code = field(&code, "code").unwrap();
    let (_, token) = pair(world.exchange(&code, &[("client_id", Some("late"))]).await);
    let whose = json!({"type": "ExpireRefreshTokens", "client": "other"});
    assert_eq!(call(post.clone(), "/instances/first/mutations", whose).await.0, 200);
    let slip = json!({"type": "RevokeGrants", "cleint": "other"});
    assert_eq!(call(post.clone(), "/instances/first/mutations", slip).await.0, 400, "a slip is not all consents");
    let (_, token) = pair(world.refresh(&token, &[("client_id", Some("late"))]).await);
    assert_eq!(call(delete, "/apps/late", json!({})).await.0, 200);
    assert_eq!(call(get, "/apps/late", json!({})).await.0, 404);
    assert_eq!(world.refresh(&token, &[("client_id", Some("late"))]).await.0, 401);
    let mut wrong = json!(app("wrong"));
    wrong["callbackUrl"] = json!("http://operator.example.test/");
    assert_eq!(call(post, "/apps", wrong).await.0, 400);
}

#[test]
fn a_world_file_has_apps() {
    let text = format!("options:\n  apps:\n    - {{ clientId: filed, secret: s, callbackUrl: '{CALLBACK}' }}\n");
    let scenario: jira::Scenario = serde_yaml::from_str(&text).unwrap();
    let simulator = Simulator::play(scenario).unwrap();
    assert_eq!(simulator.app("filed").unwrap().lifetimes, jira::Lifetimes::default());
}

#[tokio::test]
async fn somebody_without_an_account_on_a_site_cannot_pick_it() {
    let (name, _) = plain(CLOUD);
    let mut late = app(&name);
    late.secret = "other".to_owned();
    shared().register(late).unwrap();
    let query = [
        ("audience", "api.atlassian.com"),
        ("client_id", &name),
        ("scope", "read:jira-user"),
        ("redirect_uri", CALLBACK),
        ("state", "s"),
        ("response_type", "code"),
        ("prompt", "consent"),
    ];
    let query = Serializer::new(String::new()).extend_pairs(query).finish();
    let url = format!("{}/authorize?{query}", shared().auth_url());
    let person = Person::new(shared(), "bot").unwrap().on_site("nowhere-id");
    assert!(matches!(person.consent(&url).await, Err(person::Error::Lacking { .. })));
    let stranger = Person::new(shared(), "stranger").unwrap();
    assert!(matches!(stranger.consent(&url).await, Err(person::Error::Lacking { .. })));
    Person::new(shared(), "bot").unwrap().on_site(&format!("{name}-id")).consent(&url).await.unwrap();
}
