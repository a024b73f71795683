//! The pages on which a person authorises, served by the real operator over HTTP, with a real API server behind it. The test
//! plays the person, the browser, Jira, and the reconciler, which leaves suspended connections alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{net::SocketAddr, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use reqwest::{Client, Method, StatusCode, header};
use rstest::rstest;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tests::stage::{self, Kind, Stage, operator};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

/// Host of the public URL, which the test reaches at loopback, as an ingress would.
const HOST: &str = "operator.example";

/// Path of the public URL, which the ingress keeps.
const PREFIX: &str = "/jira/connections";

/// Keys of these tests. Each is a word that occurs nowhere else, so that it is found in a log.
const KEY: &str = "k3y-of-a-person";

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Who has made an authorization Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The operator: the connection is its controller.
    Operator,
    /// Somebody who has put one of that name in its place.
    Stranger,
}

/// A connection with its authorization Secret, and the way to its pages.
struct Scene {
    stage: Stage,
    name: &'static str,
    pages: SocketAddr,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: header::HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    #[track_caller]
    fn shows(&self, words: &[&str]) {
        for word in words {
            assert!(self.text.contains(word), "{word:?} is not on the page:\n{}", self.text);
        }
    }
}

const CODE: &str = r#"{ "oauth2AuthorizationCode": { "clientSecretRef": { "name": "app" } } }"#;
const LINK: &str = r#"{ "oauth1": { "consumerKey": "consumer", "consumerName": "Operator" } }"#;

impl Scene {
    /// A suspended connection `acme` to `https://jira.example.test/jira`.
    async fn open(prefix: &str, auth: &str) -> Self {
        let url = format!("--public-url=https://{HOST}{PREFIX}");
        stage::operator_with(|settings| {
            settings.arguments = vec![url, "--pages-address=127.0.0.1:0".to_owned()];
            settings.log_level = Some("controller=trace,hyper=trace,kube=trace,axum=trace,info".to_owned());
        })
        .await;
        let stage = Stage::open(prefix).await;
        let scene = Self { stage, name: "acme", pages: pages().await };
        scene.connect(scene.name, auth).await;
        scene
    }

    /// Applies a connection, its authorization Secret, and waits until the operator knows it.
    async fn connect(&self, name: &str, auth: &str) {
        let auth: Value = serde_json::from_str(auth).unwrap();
        let url = "https://jira.example.test/jira";
        let spec = json!({ "url": url, "deployment": "DataCenter", "auth": auth, "suspend": true });
        self.stage.apply(Kind::Connection, name, spec).await;
        self.stage.until_reason(Kind::Connection, name, "Suspended").await;
        self.make_secret(name, Origin::Operator).await;
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.stage.client.clone(), &self.stage.namespace)
    }

    async fn make_secret(&self, name: &str, origin: Origin) {
        let connection = self.stage.get(Kind::Connection, name).await;
        let owner = json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection", "name": name,
            "uid": connection.0["metadata"]["uid"], "controller": origin == Origin::Operator,
        });
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "issuetracking.dev/authorization",
            "metadata": { "name": format!("{name}.jira-authorization"), "ownerReferences": [owner] },
        });
        let secret = serde_json::from_value(secret).unwrap();
        self.secrets().create(&kube::api::PostParams::default(), &secret).await.unwrap();
    }

    async fn secret(&self) -> Secret {
        self.secrets().get(&format!("{}.jira-authorization", self.name)).await.unwrap()
    }

    async fn holds(&self, key: &str) -> Option<String> {
        let ByteString(bytes) = self.secret().await.data?.remove(key)?;
        Some(String::from_utf8(bytes).unwrap())
    }

    /// Changes the Secret as the person or the reconciler does; `null` removes a key.
    async fn write(&self, data: Value) {
        let encoded = data.as_object().unwrap().iter().map(|(key, value)| {
            let value = value.as_str().map_or(Value::Null, |text| json!(BASE64_STANDARD.encode(text)));
            (key.clone(), value)
        });
        let patch = json!({ "data": encoded.collect::<serde_json::Map<_, _>>() });
        let name = format!("{}.jira-authorization", self.name);
        self.secrets().patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    fn state(&self) -> String {
        format!("{}.{}.st4te-of-an-attempt", self.stage.namespace, self.name)
    }

    /// What the reconciler writes for a key.
    fn attempt(&self, path: &str, return_by: &str, key: &str) -> Value {
        let deadline = k8s_openapi::jiff::Timestamp::now() + Duration::from_secs(900);
        json!({
            "keyHash": hash(key), "state": self.state(), "deadline": deadline, "returnBy": return_by,
            "authorizationUrl": format!("https://jira.example.test/jira{path}?state={}", self.state()),
        })
    }

    /// The person asks, and the reconciler prepares.
    async fn prepare(&self) {
        let attempt = self.attempt("/rest/oauth2/latest/authorize", "Callback", KEY).to_string();
        self.write(json!({ "keyHash": hash(KEY), "attempt": attempt })).await;
    }

    /// The reconciler ends the attempt.
    async fn end(&self, result: &str, message: &str) {
        let outcome = json!({ "keyHash": hash(KEY), "result": result, "message": message }).to_string();
        let gone = Value::Null;
        self.write(json!({ "outcome": outcome, "keyHash": gone, "attempt": gone, "browserHash": gone, "answer": gone, "verificationCode": gone }))
            .await;
    }

    fn page(&self, rest: &str) -> String {
        format!("{PREFIX}/connections/{}/{}{rest}", self.stage.namespace, self.name)
    }

    fn callback(&self, query: &str) -> String {
        format!("{PREFIX}/callback?{query}&state={}", self.state())
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        // Fails if the process has a provider already, which is then as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let request = client.request(method, format!("http://{}{path}", self.pages));
        request.header(header::HOST, HOST).timeout(Duration::from_secs(30))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.send(self.request(Method::GET, path).header(header::COOKIE, cookie)).await
    }

    async fn post(&self, path: &str, cookie: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.request(Method::POST, path).header(header::COOKIE, cookie);
        self.send(request.header("sec-fetch-site", "same-origin").header(header::ORIGIN, "null").form(form)).await
    }

    /// The browser's cookie after the button was pressed.
    async fn begin(&self) -> String {
        let begun = self.post(&self.page("/start"), "", &[("key", KEY)]).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
        begun.cookie()
    }
}

/// Where the pages are: the log tells it, as the port was any free one.
async fn pages() -> SocketAddr {
    let output = operator().await.output();
    let line = output.lines().find(|line| line.contains("listening") && line.contains("pages")).unwrap();
    let mut words = line.split(|c: char| !(c.is_ascii_alphanumeric() || ".:[]".contains(c)));
    words.find_map(|word| word.parse().ok()).unwrap()
}

#[tokio::test]
async fn a_person_authorises_and_only_own_keys_are_written() {
    let scene = Scene::open("pages", CODE).await;
    let status = json!({ "status": {
        "state": "Authorized", "account": { "id": "bot", "displayName": "Fake Bot", "type": "ServiceAccount" } } });
    scene.prepare().await;
    let mark = scene.stage.mark().await;

    let start = scene.get(&scene.page(&format!("?key={KEY}")), "").await;
    start.shows(&["https://jira.example.test/jira", "Data Center", "acme", &scene.stage.namespace, "Nobody yet"]);

    let begun = scene.post(&scene.page("/start"), "", &[("key", KEY)]).await;
    assert_eq!((begun.status, begun.header("location")), (StatusCode::SEE_OTHER, scene.page("/attempt").as_str()));
    let (cookie, attributes) = begun.header("set-cookie").split_once("; ").unwrap();
    assert!(cookie.starts_with("__Host-"));
    let lifetime = attributes.strip_prefix("Path=/; Max-Age=").unwrap();
    let (seconds, rest) = lifetime.split_once("; ").unwrap();
    assert!((1100..=1200).contains(&seconds.parse::<u32>().unwrap()) && rest == "HttpOnly; SameSite=Lax; Secure");

    let onward = scene.get(&scene.page("/attempt"), cookie).await;
    let jira = format!("https://jira.example.test/jira/rest/oauth2/latest/authorize?state={}", scene.state());
    assert_eq!(onward.header("refresh"), format!("0; url={jira}"));
    onward.shows(&[&jira]);

    let back = scene.get(&scene.callback("code=c0de-of-jira"), cookie).await;
    assert_eq!((back.status, back.header("location")), (StatusCode::SEE_OTHER, scene.page("/result").as_str()));
    let answer: Value = serde_json::from_str(&scene.holds("answer").await.unwrap()).unwrap();
    assert_eq!(answer, json!({ "type": "code", "state": scene.state(), "code": "c0de-of-jira" }));

    let secret = scene.secret().await;
    let managers = secret.managed_fields().iter();
    let own: Vec<_> = managers.filter(|it| it.manager.as_deref() == Some("jira-connection-operator-pages")).collect();
    assert_eq!(own.len(), 1);
    let fields = json!({ "f:data": { "f:answer": {}, "f:browserHash": {} } });
    assert_eq!(own[0].fields_v1.as_ref().unwrap().0, fields, "own keys only");
    let calls = scene.stage.audit(mark).await.0;
    let of_secrets = calls.iter().filter(|call| call.resource.as_deref() == Some("secrets"));
    let writes: Vec<_> = of_secrets.filter(|call| call.verb != "get").map(|call| (&*call.verb, call.code)).collect();
    assert_eq!(
        writes,
        [("patch", Some(200)); 2],
        "one write for the browser and one for the answer, with no other right"
    );

    // The page waits while the reconciler is at work.
    let path = scene.page("/result");
    let (result, ()) = tokio::join!(scene.get(&path, cookie), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        scene.end("Granted", "Jira knows the account.").await;
        let api: Api<crds::JiraConnection> = Api::namespaced(scene.stage.client.clone(), &scene.stage.namespace);
        api.patch_status("acme", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    });
    result.shows(&["The connection is authorised", "Jira knows the account.", "Fake Bot (service account)"]);
    let replayed = scene.get(&scene.callback("code=other"), cookie).await;
    assert_eq!(replayed.status, StatusCode::CONFLICT, "also after the end");

    let used = scene.get(&scene.page(&format!("?key={KEY}")), "").await;
    used.shows(&["The connection is authorised"]);
}

#[tokio::test]
async fn a_person_brings_the_code_of_oauth_1() {
    let scene = Scene::open("pages", LINK).await;
    let attempt = scene.attempt("/plugins/servlet/oauth/authorize", "Code", KEY).to_string();
    let key = "-----BEGIN PUBLIC KEY-----\nAAAA\nBBBB\n-----END PUBLIC KEY-----\n";
    scene
        .write(json!({
            "applicationUrl": "https://operator.example", "consumerKey": "consumer", "consumerName": "Operator", "publicKey": key,
            "keyHash": hash(KEY), "returnBy": "Code",
        }))
        .await;

    // The reconciler takes a moment, for which the page waits.
    let path = scene.page("/start");
    let (begun, ()) = tokio::join!(scene.post(&path, "", &[("key", KEY)]), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        scene.write(json!({ "attempt": attempt })).await;
    });
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
    let cookie = begun.cookie();

    let page = scene.get(&scene.page("/attempt"), &cookie).await;
    page.shows(&["/plugins/servlet/oauth/authorize?state=", "Verification code", "Verify", "AAAA\nBBBB", "consumer"]);
    let back = scene.get(&scene.callback("oauth_token=t&oauth_verifier=v"), &cookie).await;
    assert_eq!(back.status, StatusCode::BAD_REQUEST, "a code was due, and no callback");

    let verified = scene.post(&scene.page("/verify"), &cookie, &[("code", " aBc123\n")]).await;
    assert_eq!(verified.status, StatusCode::SEE_OTHER, "{}", verified.text);
    assert_eq!(scene.holds("verificationCode").await.as_deref(), Some("aBc123"));
    scene.end("Failed", "Jira does not know the code.").await;
    scene
        .get(&scene.page("/result"), &cookie)
        .await
        .shows(&["The authorisation failed", "Jira does not know the code."]);
}

#[tokio::test]
async fn of_many_who_press_the_button_one_begins_and_of_many_answers_one_counts() {
    let scene = Scene::open("pages", CODE).await;
    scene.prepare().await;
    let path = scene.page("/start");
    let begun = futures::future::join_all((0..8).map(|_| scene.post(&path, "", &[("key", KEY)]))).await;
    let winners: Vec<_> = begun.iter().filter(|answer| answer.status == StatusCode::SEE_OTHER).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(begun.iter().filter(|answer| answer.status == StatusCode::FORBIDDEN).count(), 7);
    let cookie = winners[0].cookie();
    assert_eq!(scene.holds("browserHash").await.unwrap(), hash(cookie.split_once('=').unwrap().1));

    let paths: Vec<_> = (0..8).map(|it| scene.callback(&format!("code=c0de-{it}"))).collect();
    let answers = futures::future::join_all(paths.iter().map(|path| scene.get(path, &cookie))).await;
    let taken: Vec<_> = (0..8).filter(|it| answers[*it].status == StatusCode::SEE_OTHER).collect();
    assert_eq!(taken.len(), 1);
    assert!(scene.holds("answer").await.unwrap().contains(&format!("c0de-{}", taken[0])));
    assert_eq!(answers.iter().filter(|answer| answer.status == StatusCode::CONFLICT).count(), 7);
}

/// An attack: what an attempt that a person has begun meets, the answer that is due, and words of its page.
#[rstest]
#[case::forged_state(
    "/callback?code=evil&state={namespace}.acme.f0rged",
    StatusCode::FORBIDDEN,
    "Nothing is under way here"
)]
#[case::state_of_nobody(
    "/callback?code=evil&state=nowhere.nothing.f0rged",
    StatusCode::FORBIDDEN,
    "Nothing is under way here"
)]
#[case::no_state("/callback?code=evil", StatusCode::BAD_REQUEST, "Not an answer from Jira")]
#[case::two_states("/callback?code=evil&state={state}&state=x.y.z", StatusCode::BAD_REQUEST, "Not an answer from Jira")]
#[case::header_in_the_code(
    "/callback?code=evil%0d%0aSet-Cookie:%20a=b&state={state}",
    StatusCode::BAD_REQUEST,
    "Not an answer from Jira"
)]
#[case::header_in_the_state(
    "/callback?code=evil&state={state}%0d%0aX:%20y",
    StatusCode::BAD_REQUEST,
    "Not an answer from Jira"
)]
#[case::header_in_the_token(
    "/callback?oauth_token=a%0d%0aX:y&oauth_verifier=v&state={state}",
    StatusCode::BAD_REQUEST,
    "Not an answer from Jira"
)]
#[case::header_in_the_error(
    "/callback?error=a%0d%0aX:y&state={state}",
    StatusCode::BAD_REQUEST,
    "Not an answer from Jira"
)]
#[case::other_protocol(
    "/callback?oauth_token=t&oauth_verifier=evil&state={state}",
    StatusCode::BAD_REQUEST,
    "Not an answer from Jira"
)]
#[case::header_in_the_name("/connections/{namespace}/ac%0d%0aX:%20y", StatusCode::NOT_FOUND, "No page here")]
#[case::climbing_name("/connections/{namespace}/..%2f..%2fsecrets", StatusCode::NOT_FOUND, "No page here")]
#[case::markup_in_the_key(
    "/connections/{namespace}/acme?key=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    StatusCode::FORBIDDEN,
    "This key opens nothing here"
)]
#[case::verify_by_get("/connections/{namespace}/acme/verify?code=evil", StatusCode::METHOD_NOT_ALLOWED, "Not this way")]
#[case::start_by_get("/connections/{namespace}/acme/start?key={key}", StatusCode::METHOD_NOT_ALLOWED, "Not this way")]
#[tokio::test]
async fn a_forged_address_is_refused_and_records_nothing(
    #[case] path: &str,
    #[case] status: StatusCode,
    #[case] words: &str,
) {
    let scene = Scene::open("pages", CODE).await;
    scene.prepare().await;
    let cookie = scene.begin().await;
    let before = scene.secret().await.resource_version();
    let path =
        path.replace("{namespace}", &scene.stage.namespace).replace("{state}", &scene.state()).replace("{key}", KEY);
    let answer = scene.get(&format!("{PREFIX}{path}"), &cookie).await;
    assert_eq!(answer.status, status, "{}", answer.text);
    answer.shows(&[words]);
    assert!(!answer.text.contains("alert(1)</script>") && !answer.headers.contains_key("x"));
    assert_eq!(scene.secret().await.resource_version(), before, "nothing is recorded");
}

#[tokio::test]
async fn a_foreign_host_and_another_site_get_nothing() {
    let scene = Scene::open("pages", CODE).await;
    scene.prepare().await;
    let before = scene.secret().await.resource_version();
    let path = scene.page(&format!("?key={KEY}"));
    for host in ["evil.test", "operator.example.evil.test", "operator.example:8443"] {
        // Takes the place of the right one.
        let foreign = [(header::HOST, host.parse().unwrap())].into_iter().collect();
        let answer = scene.send(scene.request(Method::GET, &path).headers(foreign)).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        assert!(!answer.text.contains("acme"), "{host}: {}", answer.text);
    }
    let stream = raw(
        &scene,
        &format!("GET {path} HTTP/1.1\r\nHost: evil.test\r\nX-Forwarded-Host: {HOST}\r\nConnection: close\r\n\r\n"),
    )
    .await;
    let answer = rest(stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 421") && !answer.contains("evil.test") && !answer.contains("acme"),
        "{answer}"
    );

    for (name, value) in [("origin", "https://evil.test"), ("sec-fetch-site", "cross-site"), ("origin", "null")] {
        let request = scene.request(Method::POST, &scene.page("/start")).header(name, value).form(&[("key", KEY)]);
        let answer = scene.send(request).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        answer.shows(&["Sent from elsewhere"]);
    }
    assert_eq!(scene.secret().await.resource_version(), before, "nothing is recorded");
}

#[tokio::test]
async fn a_link_preview_consumes_nothing_and_no_page_can_be_framed() {
    let scene = Scene::open("pages", CODE).await;
    scene.prepare().await;
    let before = scene.secret().await.resource_version();
    let paths =
        [scene.page(&format!("?key={KEY}")), scene.page("/attempt"), scene.page("/result"), scene.callback("code=c")];
    for path in &paths {
        for method in [Method::GET, Method::HEAD] {
            let answer = scene.send(scene.request(method, path)).await;
            assert!(answer.header("content-security-policy").ends_with("frame-ancestors 'none'"), "{path}");
            assert_eq!(answer.header("x-frame-options"), "DENY");
            assert_eq!(answer.header("cache-control"), "no-store");
            assert_eq!(answer.header("set-cookie"), "");
        }
    }
    assert_eq!(scene.secret().await.resource_version(), before, "nothing is recorded");
    scene.begin().await;
}

#[tokio::test]
async fn a_callback_for_another_connection_is_refused() {
    let scene = Scene::open("pages", CODE).await;
    scene.connect("other", CODE).await;
    scene.prepare().await;
    let cookie = scene.begin().await;
    let other = Scene { stage: scene.stage.within(&scene.stage.namespace), name: "other", pages: scene.pages };
    other.prepare().await;
    let others = other.begin().await;

    // The cookie of one does not open the other, and each state counts for its own connection alone.
    for (path, cookie) in [(scene.callback("code=evil"), &others), (other.callback("code=evil"), &cookie)] {
        let answer = scene.get(&path, cookie).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        answer.shows(&["Started in another browser"]);
    }
    // The state of one as if it were the other's: the Secret of the other does not have it.
    let answer =
        scene.get(&scene.callback("code=evil").replace(".acme.", ".other.").replace("st4te", "0ther"), &others).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!((scene.holds("answer").await, other.holds("answer").await), (None, None));
    let both = format!("{cookie}; {others}");
    assert_eq!(scene.get(&scene.callback("code=good"), &both).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_planted_secret_and_a_foreign_address_lead_nowhere() {
    let scene = Scene::open("pages", CODE).await;
    let attempt = scene.attempt("/rest/oauth2/latest/authorize", "Callback", KEY).to_string();
    for elsewhere in
        ["https://evil.test/", "https://jira.example.test@evil.test/", "https://jira.example.test/jira/../"]
    {
        let planted = attempt.replace("https://jira.example.test/jira/", elsewhere);
        scene.write(json!({ "keyHash": hash(KEY), "attempt": planted })).await;
        let answer = scene.post(&scene.page("/start"), "", &[("key", KEY)]).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::BAD_GATEWAY, ""), "{elsewhere}");
        assert!(!answer.text.contains("evil.test") && answer.header("refresh").is_empty());
    }
    assert_eq!(scene.holds("browserHash").await, None, "nothing has begun");

    scene.secrets().delete("acme.jira-authorization", &kube::api::DeleteParams::default()).await.unwrap();
    scene.make_secret("acme", Origin::Stranger).await;
    scene.prepare().await;
    let before = scene.secret().await.resource_version();
    let answer = scene.post(&scene.page("/start"), "", &[("key", KEY)]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    answer.shows(&["This key opens nothing here"]);
    assert_eq!(scene.secret().await.resource_version(), before, "a foreign Secret is never touched");
}

async fn raw(scene: &Scene, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(scene.pages).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Everything until the server closes. Resets count as closing.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    _ = timeout(Duration::from_secs(30), stream.read_to_end(&mut bytes)).await.expect("the server closes in time");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn large_and_slow_requests_are_cut_off_while_others_are_served() {
    let scene = Scene::open("pages", CODE).await;
    scene.prepare().await;
    let long = scene.post(&scene.page("/start"), "", &[("key", "x".repeat(20_000).as_str())]).await;
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    let long = scene.get(&scene.callback(&format!("code={}", "x".repeat(10_000))), "").await;
    assert_eq!(long.status, StatusCode::URI_TOO_LONG);

    let begun = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..200 {
        slow.push(raw(&scene, &format!("GET {} HTTP/1.1\r\nHost: {HOST}\r\nX-Slow: ", scene.page(""))).await);
    }
    let form = format!(
        "POST {} HTTP/1.1\r\nHost: {HOST}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nkey=",
        scene.page("/start")
    );
    let body = raw(&scene, &form).await;
    let page = scene.get(&scene.page(&format!("?key={KEY}")), "").await;
    assert!(page.status == StatusCode::OK && begun.elapsed() < Duration::from_secs(5), "others are served meanwhile");
    for stream in slow {
        assert_eq!(rest(stream).await, "");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "after ten seconds they are cut off");
    assert!(rest(body).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn the_log_holds_neither_key_nor_code_nor_state() {
    let scene = Scene::open("pages", CODE).await;
    scene.prepare().await;
    scene.get(&scene.page(&format!("?key={KEY}")), "").await;
    scene.post(&scene.page(""), "", &[("key", "k3y-of-nobody")]).await;
    let cookie = scene.begin().await;
    scene.get(&scene.callback("code=c0de-of-jira"), &cookie).await;
    scene.get(&scene.callback("code=c0de-of-jira"), "").await;
    let output = operator().await.output();
    assert!(output.contains("recorded for the authorisation of a connection"), "the log tells of what was recorded");
    for secret in [KEY, "k3y-of-nobody", "c0de-of-jira", "st4te-of-an-attempt", cookie.split_once('=').unwrap().1] {
        assert!(!output.contains(secret), "{secret} is in the log");
    }
}
