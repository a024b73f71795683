//! The pages as a browser meets them, without a socket: an API server that answers from memory stands behind them.

use std::{
    cell::RefCell,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, Response, StatusCode, header},
};
use crds::JiraConnection;
use kube::{Client, client, core::DeserializeGuard, runtime::reflector, runtime::watcher::Event};
use rstest::rstest;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::{
    auth::authorization_secret::{
        APPLICATION_URL, ATTEMPT, BROWSER_HASH, CONSUMER_KEY, CONSUMER_NAME, KEY_HASH, OUTCOME, PUBLIC_KEY,
    },
    telemetry,
    watch::{StoredConnection, Stores},
    web::{Pages, PublicUrl, router},
};

/// What the API server remembers.
#[derive(Default)]
struct Memory {
    /// The one Secret, as JSON.
    secret: Option<Value>,
    /// How many writes it refuses because somebody else was faster.
    races: usize,
    /// Bodies of the writes that it took.
    written: Vec<Value>,
}

#[derive(Clone, Default)]
struct ApiServer(Arc<Mutex<Memory>>);

impl ApiServer {
    fn with<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stores the Secret of `team/acme` with this data.
    fn store(&self, entries: &[(&str, &str)]) {
        let owner = json!({ "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection", "name": "acme", "uid": "c-1", "controller": true });
        self.with(|memory| {
            memory.secret = Some(json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": { "namespace": "team", "name": "acme.jira-authorization", "uid": "s-1", "resourceVersion": "1", "ownerReferences": [owner] },
                "data": data(entries),
            }));
        });
    }

    /// Changes the data as the reconciler does.
    fn change(&self, entries: &[(&str, &str)], removed: &[&str]) {
        self.with(|memory| {
            let secret = memory.secret.as_mut().unwrap();
            let kept = secret["data"].as_object_mut().unwrap();
            kept.retain(|name, _| !removed.contains(&name.as_str()));
            for (name, value) in data(entries) {
                kept.insert(name, json!(value));
            }
            advance(secret);
        });
    }

    fn holds(&self, key: &str) -> Option<String> {
        let stored = self.with(|memory| memory.secret.as_ref().unwrap()["data"][key].clone());
        let ByteString(bytes) = serde_json::from_value::<Option<_>>(stored).unwrap()?;
        Some(String::from_utf8(bytes).unwrap())
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let service = service_fn(move |request: Request<client::Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let path = parts.uri.path();
                let answer = if path == "/api/v1/namespaces/team/secrets/acme.jira-authorization" {
                    server.answer(parts.method.as_str(), &body)
                } else {
                    failure(404)
                };
                Ok::<_, io::Error>(answer)
            }
        });
        Client::new(service, "default")
    }

    fn answer(&self, method: &str, body: &[u8]) -> Response<Body> {
        self.with(|memory| {
            if memory.secret.is_none() {
                return failure(404);
            }
            if method == "PATCH" {
                let patch: Value = serde_json::from_slice(body).unwrap();
                if 0 < memory.races {
                    memory.races -= 1;
                    advance(memory.secret.as_mut().unwrap());
                }
                let secret = memory.secret.as_mut().unwrap();
                let same = |field: &str| patch["metadata"][field] == secret["metadata"][field];
                if !same("uid") || !same("resourceVersion") {
                    return failure(409);
                }
                for (name, value) in patch["data"].as_object().unwrap() {
                    secret["data"][name] = value.clone();
                }
                advance(secret);
                memory.written.push(patch);
            }
            let text = memory.secret.as_ref().unwrap().to_string();
            Response::builder().header(header::CONTENT_TYPE, "application/json").body(Body::from(text)).unwrap()
        })
    }
}

fn advance(secret: &mut Value) {
    let version: u64 = secret["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    secret["metadata"]["resourceVersion"] = json!((version + 1).to_string());
}

fn failure(code: u16) -> Response<Body> {
    let reason = if code == 404 { "NotFound" } else { "Conflict" };
    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "reason": reason, "code": code });
    Response::builder().status(code).body(Body::from(status.to_string())).unwrap()
}

/// The pages with the connection `team/acme`, and the API server behind them.
struct Stage {
    router: Router,
    server: ApiServer,
    /// Keeps the store.
    _writer: reflector::store::Writer<StoredConnection>,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The pair of a cookie that the answer sets.
    fn cookie(&self) -> String {
        self.header(header::SET_COOKIE).split(';').next().unwrap().to_owned()
    }
}

const OAUTH2: &str = r#"{ "oauth2AuthorizationCode": { "clientSecretRef": { "name": "app" } } }"#;
const OAUTH1: &str = r#"{ "oauth1": { "consumerKey": "key", "consumerName": "name" } }"#;
const TOKEN: &str = r#"{ "personalAccessToken": { "tokenSecretRef": { "name": "a", "key": "b" } } }"#;
const AT: &str = "/p/connections/team/acme";

impl Stage {
    fn new(auth: &str, status: &Value) -> Self {
        Self::at("https://operator.example/p", auth, status)
    }

    fn at(url: &str, auth: &str, status: &Value) -> Self {
        let connection: JiraConnection =
            serde_json::from_value(connection(&serde_json::from_str(auth).unwrap(), status)).unwrap();
        let mut writer = reflector::store::Writer::default();
        writer.apply_watcher_event(&Event::Apply(DeserializeGuard(Ok(connection))));
        let stores = Stores {
            connections: writer.as_reader(),
            bindings: reflector::store::Writer::default().as_reader(),
            namespaces: reflector::store::Writer::default().as_reader(),
            relations: std::sync::Arc::default(),
        };
        let server = ApiServer::default();
        let pages = Pages {
            public_url: PublicUrl::parse(url).unwrap(),
            atlassian_auth_url: "https://auth.example".parse().unwrap(),
            stores,
            client: server.client(),
        };
        Self { router: router(pages), server, _writer: writer }
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.into()).unwrap() }
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        let request = Request::get(path).header(header::HOST, "operator.example").header(header::COOKIE, cookie);
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, cookie: &str, form: &str) -> Answer {
        let request = Request::post(path)
            .header(header::HOST, "operator.example")
            .header(header::COOKIE, cookie)
            .header("sec-fetch-site", "same-origin")
            .header(header::ORIGIN, "null")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.ask(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// A Secret with an open attempt for the key.
    fn prepare(&self, return_by: &str) {
        let deadline = Timestamp::now() + std::time::Duration::from_secs(900);
        let attempt = attempt(KEY, deadline, return_by);
        self.server.store(&[(KEY_HASH, Hash::of(KEY).as_str()), (ATTEMPT, &attempt)]);
    }

    /// The browser's cookie after it has pressed the button.
    async fn begin(&self) -> String {
        let begun = self.post(&format!("{AT}/start"), "", &format!("key={KEY}")).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
        assert_eq!(begun.header(header::LOCATION), format!("{AT}/attempt"));
        begun.cookie()
    }
}

fn granted() -> Value {
    json!({
        "state": "Interrupted",
        "account": { "id": "JIRAUSER1", "displayName": "Fake Bot", "type": "ServiceAccount" },
        "permissions": { "missing": [{ "permission": "CREATE_ISSUES", "projects": ["WEB"] }], "unknown": [], "total": 1 },
        "conditions": [{ "type": "Ready", "status": "False", "reason": "PermissionsMissing", "message": "Grant it.", "lastTransitionTime": "2026-01-01T12:00:00Z" }],
    })
}

#[tokio::test]
async fn a_person_authorises_by_callback() {
    let stage = Stage::new(OAUTH2, &granted());
    stage.prepare("Callback");

    let start = stage.get(&format!("{AT}?key={KEY}"), "").await;
    assert_eq!(start.status, StatusCode::OK);
    for shown in ["team", "acme", "https://jira.example/jira", "Data Center", "Grant it.", "Fake Bot (service account)"]
    {
        assert!(start.text.contains(shown), "{shown} is missing:\n{}", start.text);
    }
    assert!(stage.server.with(|memory| memory.written.is_empty()), "GET consumes nothing");

    let cookie = stage.begin().await;
    let onward = stage.get(&format!("{AT}/attempt"), &cookie).await;
    assert_eq!(onward.header(header::REFRESH), format!("0; url={AUTHORIZE}"));
    assert!(onward.text.contains(AUTHORIZE));

    let back = stage.get(&format!("/p/callback?code=c0de&state={STATE}"), &cookie).await;
    assert_eq!(
        (back.status, back.header(header::LOCATION)),
        (StatusCode::SEE_OTHER, "/p/connections/team/acme/result")
    );
    let answer = stage.server.holds("answer").unwrap();
    assert_eq!(answer, json!({ "type": "code", "state": STATE, "code": "c0de" }).to_string());

    stage.server.change(
        &[(OUTCOME, &outcome(KEY, "Granted", "Authorised as Fake Bot."))],
        &[KEY_HASH, ATTEMPT, BROWSER_HASH, "answer"],
    );
    let result = stage.get(&format!("{AT}/result"), &cookie).await;
    for shown in ["Authorised as Fake Bot.", "CREATE_ISSUES on WEB", "https://jira.example/jira", "Fake Bot"] {
        assert!(result.text.contains(shown), "{shown} is missing:\n{}", result.text);
    }
    let keys = stage.server.with(|memory| {
        let writes = memory.written.iter().map(|patch| patch["data"].as_object().unwrap());
        writes.flat_map(|data| data.keys().cloned()).collect::<Vec<_>>()
    });
    assert_eq!(keys, ["browserHash", "answer"], "own keys only");
}

#[tokio::test]
async fn a_person_authorises_by_code() {
    let stage = Stage::new(OAUTH1, &Value::Null);
    stage.prepare("Code");
    let deadline = Timestamp::now() + std::time::Duration::from_secs(600);
    let at_jira =
        attempt(KEY, deadline, "Code").replace("/rest/oauth2/latest/authorize", "/plugins/servlet/oauth/authorize");
    let link =
        [(APPLICATION_URL, "https://operator.example/p"), (CONSUMER_KEY, "consumer"), (CONSUMER_NAME, "Operator")];
    stage
        .server
        .change(&[&link[..], &[(PUBLIC_KEY, "-----BEGIN PUBLIC KEY-----\nAAAA\n"), (ATTEMPT, &at_jira)]].concat(), &[]);

    let start = stage.post(AT, "", &format!("key={KEY}")).await;
    for shown in
        ["Generate URL", "https://operator.example/p<", "consumer", "Operator", "-----BEGIN PUBLIC KEY-----\nAAAA"]
    {
        assert!(start.text.contains(shown), "{shown} is missing:\n{}", start.text);
    }
    assert_eq!(start.text.matches("data-copies").count(), 4);

    let cookie = stage.begin().await;
    let page = stage.get(&format!("{AT}/attempt"), &cookie).await;
    assert!(
        page.text.contains("https://jira.example/jira/plugins/servlet/oauth/authorize") && page.text.contains("Verify")
    );
    assert_eq!(page.header(header::REFRESH), "", "the person decides when to go");

    let unreadable = stage.post(&format!("{AT}/verify"), &cookie, "code=two+words").await;
    assert_eq!(unreadable.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(stage.server.holds("verificationCode"), None);

    let verified = stage.post(&format!("{AT}/verify"), &cookie, "code=+aBc123+").await;
    assert_eq!(verified.header(header::LOCATION), format!("{AT}/result"));
    assert_eq!(stage.server.holds("verificationCode").as_deref(), Some("aBc123"));

    let again = stage.post(&format!("{AT}/verify"), &cookie, "code=other").await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(stage.server.holds("verificationCode").as_deref(), Some("aBc123"), "recorded once");
}

#[rstest]
#[case::code("code", "c0de")]
#[case::error("error", "access_denied")]
#[tokio::test]
async fn a_replayed_callback_changes_nothing(#[case] name: &str, #[case] value: &str) {
    let stage = Stage::new(OAUTH2, &Value::Null);
    stage.prepare("Callback");
    let cookie = stage.begin().await;
    stage.get(&format!("/p/callback?{name}={value}&state={STATE}"), &cookie).await;
    let recorded = stage.server.holds("answer");
    assert!(recorded.is_some());
    let replayed = stage.get(&format!("/p/callback?code=other&state={STATE}"), &cookie).await;
    assert_eq!(replayed.status, StatusCode::CONFLICT);
    assert!(replayed.text.contains("Already used") && replayed.text.contains(&format!("{AT}/result")));
    assert_eq!(stage.server.holds("answer"), recorded);
}

#[tokio::test]
async fn a_second_browser_can_neither_begin_nor_answer() {
    let stage = Stage::new(OAUTH2, &Value::Null);
    stage.prepare("Callback");
    let cookie = stage.begin().await;
    let bound = stage.server.holds(BROWSER_HASH);

    let second = stage.post(&format!("{AT}/start"), "", &format!("key={KEY}")).await;
    assert!(second.status == StatusCode::FORBIDDEN && second.text.contains("Started in another browser"));
    let answered = stage.get(&format!("/p/callback?code=c&state={STATE}"), "").await;
    assert!(answered.status == StatusCode::FORBIDDEN && answered.text.contains("Started in another browser"));
    assert_eq!((stage.server.holds("answer"), stage.server.holds(BROWSER_HASH)), (None, bound));

    let first = stage.post(&format!("{AT}/start"), &cookie, &format!("key={KEY}")).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER, "the first one goes on");
    assert_eq!(first.header(header::SET_COOKIE), "", "with the cookie that it has");
}

#[tokio::test]
async fn nobody_learns_which_connections_exist() {
    let (known, without_person) = (Stage::new(OAUTH2, &Value::Null), Stage::new(TOKEN, &Value::Null));
    known.prepare("Callback");
    without_person.prepare("Callback");
    let unnamed = |answer: Answer, name: &str| (answer.status, answer.text.replace(name, "acme"));
    for form in ["", "key=wrong", "key="] {
        let expected = unnamed(known.post(AT, "", form).await, "acme");
        assert_eq!(unnamed(without_person.post(AT, "", form).await, "acme"), expected, "{form}: no person is needed");
        assert_eq!(
            unnamed(known.post("/p/connections/team/bogus", "", form).await, "bogus"),
            expected,
            "{form}: unknown"
        );
        assert!(!expected.1.contains("jira.example"), "{form}");
        let start = unnamed(known.post(&format!("{AT}/start"), "", form).await, "acme");
        assert_eq!(start, expected, "{form}: the button");
    }
    let callback = |name: &str| format!("/p/callback?code=c&state=team.{name}.F0RGED");
    let expected = unnamed(known.get(&callback("acme"), "").await, "acme");
    assert_eq!(expected.0, StatusCode::FORBIDDEN);
    assert_eq!(unnamed(known.get(&callback("bogus"), "").await, "bogus"), expected);
    assert_eq!(unnamed(without_person.get(&callback("acme"), "").await, "acme"), expected);
}

#[tokio::test]
async fn a_secret_that_leads_elsewhere_leads_nowhere() {
    let stage = Stage::new(OAUTH2, &Value::Null);
    stage.prepare("Callback");
    let planted = stage.server.holds(ATTEMPT).unwrap().replace("jira.example", "evil.test");
    stage.server.change(&[(ATTEMPT, &planted)], &[]);
    let begun = stage.post(&format!("{AT}/start"), "", &format!("key={KEY}")).await;
    assert_eq!((begun.status, begun.header(header::LOCATION)), (StatusCode::BAD_GATEWAY, ""));
    assert!(!begun.text.contains("evil.test"));
    assert_eq!(stage.server.holds(BROWSER_HASH), None, "nothing has begun");

    stage.prepare("Callback");
    let cookie = stage.begin().await;
    stage.server.change(&[(ATTEMPT, &planted)], &[]);
    let onward = stage.get(&format!("{AT}/attempt"), &cookie).await;
    assert_eq!((onward.status, onward.header(header::REFRESH)), (StatusCode::BAD_GATEWAY, ""));
    assert!(!onward.text.contains("evil.test"));
}

#[tokio::test]
async fn a_planted_secret_is_as_good_as_none() {
    let stage = Stage::new(OAUTH2, &Value::Null);
    stage.prepare("Callback");
    stage.server.with(|memory| memory.secret.as_mut().unwrap()["metadata"]["ownerReferences"][0]["uid"] = json!("c-0"));
    let begun = stage.post(&format!("{AT}/start"), "", &format!("key={KEY}")).await;
    assert_eq!(begun.status, StatusCode::FORBIDDEN);
    assert!(stage.server.with(|memory| memory.written.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_write_is_not_overwritten() {
    let stage = Stage::new(OAUTH2, &Value::Null);
    stage.prepare("Callback");
    stage.server.with(|memory| memory.races = 3);
    let cookie = stage.begin().await;
    stage.server.with(|memory| memory.races = 2);
    let back = stage.get(&format!("/p/callback?code=c&state={STATE}"), &cookie).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);

    let stage = Stage::new(OAUTH2, &Value::Null);
    stage.prepare("Callback");
    stage.server.with(|memory| memory.races = usize::MAX);
    let begun = stage.post(&format!("{AT}/start"), "", &format!("key={KEY}")).await;
    assert_eq!(begun.status, StatusCode::SERVICE_UNAVAILABLE, "at some time it gives up");
    assert_eq!(stage.server.holds(BROWSER_HASH), None);
}

#[tokio::test(start_paused = true)]
async fn without_a_reconciler_the_page_says_so_and_keeps_the_key() {
    let stage = Stage::new(OAUTH2, &Value::Null);
    stage.server.store(&[(KEY_HASH, Hash::of(KEY).as_str())]);
    let begun = stage.post(&format!("{AT}/start"), "", &format!("key={KEY}")).await;
    assert_eq!(begun.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        begun.text.contains("The operator is not ready for it") && begun.text.contains(&format!("value=\"{KEY}\""))
    );

    stage.prepare("Callback");
    let cookie = stage.begin().await;
    stage.get(&format!("/p/callback?code=c&state={STATE}"), &cookie).await;
    let pending = stage.get(&format!("{AT}/result"), &cookie).await;
    assert_eq!(pending.status, StatusCode::OK);
    assert!(pending.text.contains("Check again") && pending.text.contains("start again"));
}

#[rstest]
#[case("Refused", "Refused at Jira")]
#[case("Expired", "Nobody came back in time")]
#[case("Unusable", "What was granted cannot be used")]
#[case("Failed", "The authorisation failed")]
#[tokio::test]
async fn a_bad_end_says_what_happened_and_what_to_do(#[case] result: &str, #[case] title: &str) {
    let stage = Stage::new(OAUTH2, &Value::Null);
    let ended = outcome(KEY, result, "The site https://other.example was granted.");
    stage.server.store(&[(OUTCOME, &ended)]);
    let begun = stage.post(&format!("{AT}/start"), "", &format!("key={KEY}")).await;
    for shown in
        [title, "The site https://other.example was granted.", "role=\"alert\"", "kubectl jira authorize acme -n team"]
    {
        assert!(begun.text.contains(shown), "{shown} is missing:\n{}", begun.text);
    }
}

#[tokio::test]
async fn every_answer_is_guarded() {
    let stage = Stage::new(OAUTH2, &granted());
    stage.prepare("Callback");
    let cookie = stage.begin().await;
    let start = stage.get(&format!("{AT}?key={KEY}"), "").await;
    let style = start.text.split('"').find(|part| part.contains("/assets/style.")).unwrap().to_owned();
    let mut answers = vec![start, stage.get(&style, "").await];
    for path in [
        AT,
        "/p/connections/team/acme/attempt",
        "/p/callback",
        "/",
        "/connections/team/acme",
        "/p/connections/%2e%2e/x",
        "/p/assets/x",
    ] {
        answers.push(stage.get(path, &cookie).await);
    }
    answers.push(stage.post(&format!("{AT}/verify"), &cookie, "code=x").await);
    answers.push(stage.post("/p/callback", &cookie, "").await);
    answers.push(stage.ask(Request::get(AT).header(header::HOST, "evil.test").body(Body::empty()).unwrap()).await);
    answers
        .push(stage.ask(Request::post(AT).header(header::HOST, "operator.example").body(Body::empty()).unwrap()).await);
    for answer in &answers {
        let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        assert_eq!(answer.header(header::CONTENT_SECURITY_POLICY), policy);
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(answer.header(header::X_FRAME_OPTIONS), "DENY");
        assert_eq!(answer.header(header::REFERRER_POLICY), "no-referrer");
        assert_eq!(answer.header(header::STRICT_TRANSPORT_SECURITY), "max-age=31536000");
        assert!(!answer.text.contains("<style") && !answer.text.contains("style=") && !answer.text.contains("onclick"));
    }
    let (assets, pages): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.header(header::CONTENT_TYPE).starts_with("text/css"));
    assert!(assets.len() == 1 && assets[0].header(header::CACHE_CONTROL).contains("immutable"));
    assert!(pages.iter().all(|page| page.header(header::CACHE_CONTROL) == "no-store"));
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 400, 404, 404, 404, 404, 400, 405, 421, 403]);
    let foreign = &answers[11].text;
    assert!(!foreign.contains("evil.test") && !foreign.contains('<'), "{foreign}");
}

#[tokio::test]
async fn on_localhost_the_cookie_and_the_headers_do_without_tls() {
    let stage = Stage::at("http://localhost:8082", OAUTH2, &Value::Null);
    stage.prepare("Callback");
    let request = Request::post("/connections/team/acme/start")
        .header(header::HOST, "localhost:8082")
        .header(header::ORIGIN, "http://localhost:8082")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let begun = stage.ask(request.body(Body::from(format!("key={KEY}"))).unwrap()).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER);
    assert!(!begun.header(header::SET_COOKIE).contains("Secure") && !begun.cookie().starts_with("__Host-"));
    assert_eq!(begun.header(header::STRICT_TRANSPORT_SECURITY), "");
}

/// Markup, quotes, and characters that turn text around, in whatever somebody else may have written.
const HOSTILE: &str = "\"'><script>alert(1)</script>\u{202e}&amp;";

#[tokio::test]
async fn nothing_that_others_wrote_becomes_markup() {
    let status = json!({
        "state": "Authorized",
        "account": { "id": "x", "displayName": HOSTILE, "type": "Unknown" },
        "permissions": { "missing": [{ "permission": HOSTILE, "projects": [HOSTILE] }], "unknown": [], "total": 1 },
        "conditions": [{ "type": "Ready", "status": "False", "reason": "X", "message": HOSTILE, "lastTransitionTime": "2026-01-01T12:00:00Z" }],
    });
    let stage = Stage::new(OAUTH1, &status);
    let hash = Hash::of(HOSTILE);
    let ended = outcome(KEY, "Granted", HOSTILE);
    let link = [(APPLICATION_URL, HOSTILE), (CONSUMER_KEY, HOSTILE), (CONSUMER_NAME, HOSTILE), (PUBLIC_KEY, HOSTILE)];
    stage.server.store(&[&link[..], &[(KEY_HASH, hash.as_str()), (OUTCOME, &ended)]].concat());
    let key = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect::<String>();
    let answers = [
        stage.get(&format!("{AT}?key={key}"), "").await,
        stage.get(&format!("{AT}?key={KEY}"), "").await,
        stage.get(&format!("/p/connections/team/{key}"), "").await,
        stage.get(&format!("/p/callback?state={key}&code={key}"), "").await,
        stage.get(&format!("/p/{key}"), "").await,
    ];
    assert!(answers[0].text.contains("&#60;script&#62;"), "{}", answers[0].text);
    assert!(answers[1].text.contains("What was granted"), "{}", answers[1].text);
    for answer in &answers {
        assert_eq!(answer.text.matches("<script").count(), 1, "only our own: {}", answer.text);
        assert!(!answer.text.contains("alert(1)</script>"));
        // The visitor's own key is given back to him as it was.
        assert!(!answer.text.replace("value=\"", "").contains("turned") && !answer.text.contains("\"'>"));
    }
    assert!(!answers[1].text.contains('\u{202e}'), "what turns text around is left out");
}

thread_local! {
    /// Log lines of the test of this thread.
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What base64 makes of a text within another one, for each of the three ways it can fall on the groups of three bytes.
fn base64(text: &str) -> [String; 3] {
    use ::base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
    [0, 1, 2].map(|skipped| {
        let rest = &text.as_bytes()[skipped..];
        BASE64_STANDARD_NO_PAD.encode(&rest[..rest.len() / 3 * 3])
    })
}

/// Keeps the log lines of a thread, which is that of one test.
struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_line_holds_a_key_a_code_or_a_state() {
    // For the whole process: whether a line is written at all is remembered for all threads.
    tracing_subscriber::fmt().with_env_filter(telemetry::quiet("trace").unwrap()).with_writer(|| Lines).init();
    let cookie = async {
        let stage = Stage::new(OAUTH2, &Value::Null);
        stage.prepare("Callback");
        stage.get(&format!("{AT}?key={KEY}"), "").await;
        stage.post(AT, "", "key=another-secret-key").await;
        let cookie = stage.begin().await;
        stage.get(&format!("{AT}/attempt"), &cookie).await;
        stage.get(&format!("/p/callback?code=c0de-of-jira&state={STATE}"), &cookie).await;
        stage.get(&format!("/p/callback?code=c0de-of-jira&state={STATE}"), "").await;
        stage.server.with(|memory| memory.secret.as_mut().unwrap()["data"]["answer"] = json!(7));
        assert_eq!(stage.get(&format!("{AT}/result"), &cookie).await.status, StatusCode::SERVICE_UNAVAILABLE);
        cookie
    }
    .await;
    let lines = String::from_utf8(LINES.take()).unwrap();
    assert!(lines.contains("recorded for the authorisation of a connection"), "{lines}");
    assert!(lines.contains("cannot be read or written"), "{lines}");
    let cookie = cookie.split_once('=').unwrap().1;
    for secret in [KEY, "another-secret-key", "c0de-of-jira", "R4ND0M", cookie] {
        assert!(!lines.contains(secret), "{secret} is in the log:\n{lines}");
        let encoded = base64(secret).into_iter().any(|form| lines.contains(&form));
        assert!(!encoded, "{secret} is in the log in base64:\n{lines}");
    }
}
