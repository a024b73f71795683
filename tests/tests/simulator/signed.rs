//! OAuth 1.0a of Data Center. Requests are signed by the `openssl` program, and their base strings are built here, so
//! that nothing of the simulator proves itself.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use tests::jira::person::Landing;
use tests::jira::{self, Fault, Instance, Mutation, OauthProblem, Person, Rule, Simulator, Whose, digest, shared};

use crate::{Answer, As, CENTER, added, client, get, plain};

const CALLBACK: &str = "https://operator.example.test/callback";
const USER: &str = "JIRAUSER10100";

/// An RSA key of OpenSSL.
struct Key {
    file: PathBuf,
    public: String,
}

fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut program = Command::new("openssl");
    program.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = program.spawn().expect("these tests need the program openssl");
    running.stdin.take().unwrap().write_all(input).unwrap();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

impl Key {
    fn generate(directory: &Path, name: &str) -> Self {
        let file = directory.join(name);
        let path = file.to_str().unwrap();
        openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path], b"");
        let public = String::from_utf8(openssl(&["pkey", "-in", path, "-pubout"], b"")).unwrap();
        Self { file, public }
    }

    fn sign(&self, text: &str) -> String {
        STANDARD.encode(openssl(&["dgst", "-sha1", "-sign", self.file.to_str().unwrap()], text.as_bytes()))
    }
}

/// The key of the consumer `operator`, and another one.
fn keys() -> &'static [Key; 2] {
    static KEYS: OnceLock<([Key; 2], tempfile::TempDir)> = OnceLock::new();
    let (keys, _) = KEYS.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        (["ours", "another"].map(|name| Key::generate(directory.path(), name)), directory)
    });
    keys
}

fn consumer(key: &str) -> jira::Consumer {
    jira::Consumer {
        key: key.to_owned(),
        name: "The <Operator>".to_owned(),
        public_key: keys()[0].public.clone(),
        url: "https://operator.example.test".to_owned(),
    }
}

fn consuming(change: impl FnOnce(&mut Instance)) -> (String, String) {
    added(CENTER, |instance| {
        instance.center_mut().unwrap().consumers = vec![consumer("operator"), consumer("second")];
        change(instance);
    })
}

fn encoded(text: &str) -> String {
    let unreserved = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes()
        .map(|byte| if unreserved(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A request that is going to be signed.
struct Call<'a> {
    method: Method,
    /// URL that it is sent to.
    url: String,
    /// URL that is signed, without query.
    signed_url: String,
    query: Vec<(&'a str, &'a str)>,
    parameters: BTreeMap<String, String>,
    key: &'a Key,
}

impl Call<'_> {
    fn new(method: Method, url: &str, parameters: &[(&str, &str)]) -> Self {
        static NONCE: AtomicU32 = AtomicU32::new(0);
        let nonce = format!("nonce-{}", NONCE.fetch_add(1, Ordering::Relaxed));
        let timestamp = shared().clock().now().as_second().to_string();
        let common = [
            ("oauth_consumer_key", "operator"),
            ("oauth_nonce", nonce.as_str()),
            ("oauth_signature_method", "RSA-SHA1"),
            ("oauth_timestamp", timestamp.as_str()),
            ("oauth_version", "1.0"),
        ];
        let parameters = common.iter().chain(parameters).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (url, parameters) = (url.to_owned(), parameters.collect());
        Self { method, signed_url: url.clone(), url, query: Vec::new(), parameters, key: &keys()[0] }
    }

    fn request_token(url: &str, callback: &str) -> Self {
        let url = format!("{url}/plugins/servlet/oauth/request-token");
        Self::new(Method::POST, &url, &[("oauth_callback", callback)])
    }

    fn access_token(url: &str, parameters: &[(&str, &str)]) -> Self {
        Self::new(Method::POST, &format!("{url}/plugins/servlet/oauth/access-token"), parameters)
    }

    fn myself(url: &str, token: &str) -> Self {
        Self::new(Method::GET, &format!("{url}/rest/api/2/myself"), &[("oauth_token", token)])
    }

    /// Changes a parameter; `None` leaves it out.
    fn with(mut self, name: &str, value: Option<&str>) -> Self {
        self.parameters.remove(name);
        self.parameters.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    fn base_string(&self) -> String {
        let own = self.parameters.iter().map(|(name, value)| (encoded(name), encoded(value)));
        let query = self.query.iter().map(|(name, value)| (encoded(name), encoded(value)));
        let mut pairs: Vec<_> = own.chain(query).collect();
        pairs.sort();
        let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}&{}&{}", self.method, encoded(&self.signed_url), encoded(&pairs.join("&")))
    }

    fn header(&self) -> String {
        let signature = self.key.sign(&self.base_string());
        let parameters = self.parameters.iter().map(|(name, value)| format!("{name}=\"{}\"", encoded(value)));
        let parameters: Vec<_> = parameters.chain([format!("oauth_signature=\"{}\"", encoded(&signature))]).collect();
        format!("OAuth {}", parameters.join(", "))
    }

    async fn send(&self) -> Answer {
        self.send_with(&self.header()).await
    }

    async fn send_with(&self, header: &str) -> Answer {
        let request = client(shared()).request(self.method.clone(), &self.url).query(&self.query);
        let response = request.header("Authorization", header).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }
}

fn fields(answer: &Answer) -> BTreeMap<String, String> {
    form_urlencoded::parse(answer.text.as_bytes()).into_owned().collect()
}

fn problem(answer: &Answer) -> (u16, String) {
    (answer.status, fields(answer).remove("oauth_problem").unwrap_or_default())
}

async fn request_token(url: &str, callback: &str) -> String {
    let answer = Call::request_token(url, callback).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    fields(&answer)["oauth_token"].clone()
}

fn authorize_url(url: &str, token: &str) -> String {
    format!("{url}/plugins/servlet/oauth/authorize?oauth_token={token}")
}

fn person() -> Person {
    Person::new(shared(), USER).unwrap()
}

/// Fields of the access token that a consent with a verification code gives.
async fn granted(url: &str) -> BTreeMap<String, String> {
    let token = request_token(url, "oob").await;
    let verifier = person().verification_code(&authorize_url(url, &token)).await.unwrap();
    let answer = Call::access_token(url, &[("oauth_token", &token), ("oauth_verifier", &verifier)]).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    fields(&answer)
}

async fn renew(url: &str, held: &BTreeMap<String, String>) -> Answer {
    let (token, handle) = (&held["oauth_token"], &held["oauth_session_handle"]);
    Call::access_token(url, &[("oauth_token", token), ("oauth_session_handle", handle)]).send().await
}

#[tokio::test]
async fn consent_with_a_callback_gives_a_token_of_that_user() {
    let (_, url) = consuming(|_| ());
    let answer = Call::request_token(&url, CALLBACK).send().await;
    assert!(answer.header("Content-Type").starts_with("text/plain"));
    let given = fields(&answer);
    assert_eq!((given.len(), given["oauth_callback_confirmed"].as_str()), (3, "true"));
    let token = given["oauth_token"].as_str();
    let callback = person().consent(&authorize_url(&url, token)).await.unwrap();
    let query = callback.strip_prefix(&format!("{CALLBACK}?oauth_token={token}&oauth_verifier=")).unwrap();
    let answer = Call::access_token(&url, &[("oauth_token", token), ("oauth_verifier", query)]).send().await;
    let given = fields(&answer);
    let lives = (given["oauth_expires_in"].as_str(), given["oauth_authorization_expires_in"].as_str());
    assert_eq!((given.len(), lives), (5, ("157680000", "160272000")));
    let mut call = Call::myself(&url, &given["oauth_token"]);
    call.query = vec![("expand", "groups & roles"), ("a", "1+1")];
    let answer = call.send().await;
    assert_eq!((answer.status, answer.header("X-AUSERNAME")), (200, "fake+bot"));
    assert_eq!(answer.json()["key"], json!(USER));
}

#[rstest]
#[case::before_everything_else("7.13.0")]
#[case::before_incoming_links("8.13.9")]
#[case::the_newest("11.3.0")]
#[tokio::test]
async fn the_verification_code_is_shown_on_every_version(#[case] version: &str) {
    let (_, url) = consuming(|instance| instance.center_mut().unwrap().version = version.to_owned());
    let held = granted(&url).await;
    assert_eq!(Call::myself(&url, &held["oauth_token"]).send().await.status, 200);
}

#[tokio::test]
async fn a_renewal_ends_the_old_token_at_once() {
    let (name, url) = consuming(|_| ());
    let held = granted(&url).await;
    let mark = shared().journal().mark();
    let next = fields(&renew(&url, &held).await);
    assert_eq!(next.len(), 5);
    assert_eq!(problem(&Call::myself(&url, &held["oauth_token"]).send().await), (401, "token_rejected".into()));
    assert_eq!(Call::myself(&url, &next["oauth_token"]).send().await.status, 200);
    assert_eq!(problem(&renew(&url, &held).await), (401, "token_rejected".into()));
    let seen = shared().journal().of(&name, mark);
    let digests = [&held, &next].map(|fields| Some(digest(fields["oauth_session_handle"].as_bytes())));
    assert_eq!((&seen[0].presented, &seen[0].issued), (&digests[0], &digests[1]));
    assert_eq!((&seen[3].presented, &seen[3].issued), (&digests[0], &None));
    assert!(seen.iter().all(|entry| entry.client.as_deref() == Some("operator")));
}

#[tokio::test]
async fn a_refusal_is_told_to_the_consumer() {
    let (_, url) = consuming(|_| ());
    let token = request_token(&url, CALLBACK).await;
    let callback = person().deny(&authorize_url(&url, &token)).await.unwrap();
    assert_eq!(callback, format!("{CALLBACK}?oauth_token={token}&oauth_verifier=denied"));
    let exchange = Call::access_token(&url, &[("oauth_token", &token), ("oauth_verifier", "denied")]).send().await;
    assert_eq!(problem(&exchange), (401, "permission_denied".into()));
    let token = request_token(&url, "oob").await;
    let page = person().consent_page(&authorize_url(&url, &token), "deny").await.unwrap();
    let Landing::Page(page) = person().click(&page, "deny", &[]).await.unwrap() else { panic!("a redirect") };
    assert_eq!(page.status, 403, "another browser has no session");
    let person = person();
    let page = person.consent_page(&authorize_url(&url, &token), "deny").await.unwrap();
    let Landing::Page(page) = person.click(&page, "deny", &[]).await.unwrap() else { panic!("a redirect") };
    assert_eq!((page.status, page.text("verification-code")), (200, None));
}

#[rstest]
#[case::an_unknown_consumer("oauth_consumer_key", Some("nobody"), 401, "consumer_key_unknown")]
#[case::no_consumer("oauth_consumer_key", None, 400, "parameter_absent")]
#[case::no_nonce("oauth_nonce", None, 400, "parameter_absent")]
#[case::no_timestamp("oauth_timestamp", None, 400, "parameter_absent")]
#[case::no_method("oauth_signature_method", None, 400, "parameter_absent")]
#[case::no_callback("oauth_callback", None, 400, "parameter_absent")]
#[case::a_relative_callback("oauth_callback", Some("/callback"), 400, "parameter_rejected")]
#[case::a_timestamp_that_is_none("oauth_timestamp", Some("now"), 400, "parameter_rejected")]
#[case::an_old_timestamp("oauth_timestamp", Some("1700000000"), 400, "timestamp_refused")]
#[case::a_symmetric_method("oauth_signature_method", Some("HMAC-SHA1"), 400, "signature_method_rejected")]
#[case::another_version("oauth_version", Some("2.0"), 400, "version_rejected")]
#[case::no_version("oauth_version", None, 200, "")]
#[tokio::test]
async fn a_request_token_is_refused(
    #[case] name: &str,
    #[case] value: Option<&str>,
    #[case] status: u16,
    #[case] expected: &str,
) {
    let (_, url) = consuming(|_| ());
    let answer = Call::request_token(&url, CALLBACK).with(name, value).send().await;
    assert_eq!(problem(&answer), (status, expected.into()), "{answer:?}");
    if expected == "parameter_absent" {
        assert_eq!(fields(&answer)["oauth_parameters_absent"], name);
    }
    assert_eq!(answer.header("WWW-Authenticate").contains(&format!("oauth_problem=\"{expected}\"")), status != 200);
}

#[rstest]
#[case::almost_five_minutes_ago(-290, 200)]
#[case::almost_five_minutes_ahead(290, 200)]
#[case::more_than_five_minutes_ago(-310, 400)]
#[case::more_than_five_minutes_ahead(310, 400)]
#[tokio::test]
async fn timestamps_may_be_five_minutes_off(#[case] seconds: i64, #[case] status: u16) {
    let (_, url) = consuming(|_| ());
    let timestamp = (shared().clock().now().as_second() + seconds).to_string();
    let answer = Call::request_token(&url, CALLBACK).with("oauth_timestamp", Some(&timestamp)).send().await;
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(fields(&answer).contains_key("oauth_acceptable_timestamps"), status == 400);
}

#[tokio::test]
async fn an_unknown_consumer_is_told_in_body_and_challenge() {
    let (_, url) = plain(CENTER);
    let answer = Call::request_token(&url, CALLBACK).send().await;
    assert_eq!((answer.status, answer.text.as_str()), (401, "oauth_problem=consumer_key_unknown"));
    let expected = format!("OAuth realm=\"{}\", oauth_problem=\"consumer_key_unknown\"", encoded(&url));
    assert_eq!(answer.header("WWW-Authenticate"), expected);
}

#[tokio::test]
async fn a_wrong_signature_is_answered_with_the_servers_base_string() {
    let (_, url) = consuming(|_| ());
    let mut call = Call::request_token(&url, CALLBACK);
    call.key = &keys()[1];
    let answer = call.send().await;
    let given = fields(&answer);
    assert_eq!(problem(&answer), (401, "signature_invalid".into()));
    assert_eq!(given["oauth_signature_base_string"], call.base_string());
    assert_eq!(given["oauth_signature_method"], "RSA-SHA1");
    assert!(given.contains_key("oauth_signature"));
    assert!(answer.text.starts_with("oauth_problem=signature_invalid&oauth_signature="));
}

#[tokio::test]
async fn a_request_serves_once() {
    let (_, url) = consuming(|_| ());
    let call = Call::request_token(&url, CALLBACK);
    let header = call.header();
    assert_eq!(call.send_with(&header).await.status, 200);
    assert_eq!(problem(&call.send_with(&header).await), (401, "nonce_used".into()));
    let twice = header.replace("oauth_version=", "oauth_nonce=\"x\", oauth_version=");
    assert_eq!(problem(&call.send_with(&twice).await), (400, "parameter_rejected".into()));
}

#[tokio::test]
async fn an_exchange_needs_the_decision_and_its_verifier() {
    let (_, url) = consuming(|_| ());
    let token = request_token(&url, "oob").await;
    let exchange = async |parameters: &[(&str, &str)]| problem(&Call::access_token(&url, parameters).send().await);
    let right = [("oauth_token", token.as_str()), ("oauth_verifier", "early")];
    assert_eq!(exchange(&right).await, (401, "permission_unknown".into()));
    let verifier = person().verification_code(&authorize_url(&url, &token)).await.unwrap();
    assert_eq!(exchange(&right).await, (401, "token_rejected".into()), "a wrong verifier");
    assert_eq!(exchange(&right[..1]).await, (400, "parameter_absent".into()));
    assert_eq!(exchange(&[("oauth_token", "x"), ("oauth_verifier", "x")]).await, (401, "token_rejected".into()));
    let right = [("oauth_token", token.as_str()), ("oauth_verifier", verifier.as_str())];
    let other = Call::access_token(&url, &right).with("oauth_consumer_key", Some("second")).send().await;
    assert_eq!(problem(&other), (401, "token_rejected".into()), "the token of another consumer");
    assert_eq!(problem(&Call::myself(&url, &token).send().await), (401, "token_rejected".into()));
    assert_eq!(exchange(&right).await, (200, String::new()));
    assert_eq!(exchange(&right).await, (401, "token_rejected".into()), "a request token serves once");
    assert!(person().consent(&authorize_url(&url, &token)).await.is_err());
}

#[tokio::test]
async fn lives_end() {
    let (_, url) = consuming(|instance| instance.center_mut().unwrap().request_token_seconds = 0);
    let token = request_token(&url, "oob").await;
    assert!(person().verification_code(&authorize_url(&url, &token)).await.is_err());
    let exchange = Call::access_token(&url, &[("oauth_token", &token), ("oauth_verifier", "x")]).send().await;
    assert_eq!(problem(&exchange), (401, "token_expired".into()));
    let (name, url) = consuming(|instance| instance.center_mut().unwrap().signed_token_seconds = 0);
    let held = granted(&url).await;
    assert_eq!(problem(&Call::myself(&url, &held["oauth_token"]).send().await), (401, "token_expired".into()));
    let wrong = [("oauth_token", held["oauth_token"].as_str()), ("oauth_session_handle", "x")];
    assert_eq!(problem(&Call::access_token(&url, &wrong).send().await), (401, "token_rejected".into()));
    assert_eq!(problem(&Call::access_token(&url, &wrong[..1]).send().await), (400, "parameter_absent".into()));
    let held = fields(&renew(&url, &held).await);
    shared().mutate(&name, &Mutation::ExpireRefreshTokens(Whose::client("operator"))).unwrap();
    assert_eq!(problem(&renew(&url, &held).await), (401, "permission_denied".into()), "the session is over");
}

#[rstest]
#[case::consents_of_the_account(Mutation::RevokeGrants(Whose::account(USER)), "token_rejected", "token_rejected")]
#[case::consents_of_others(Mutation::RevokeGrants(Whose::client("second")), "", "")]
#[case::access_tokens(Mutation::ExpireAccessTokens(Whose::default()), "token_expired", "")]
#[case::sessions(Mutation::ExpireRefreshTokens(Whose::default()), "", "permission_denied")]
#[case::the_consumer(
    Mutation::RemoveConsumer { key: "operator".into() },
    "consumer_key_unknown",
    "consumer_key_unknown"
)]
#[tokio::test]
async fn something_is_taken_away(#[case] mutation: Mutation, #[case] call: &str, #[case] renewal: &str) {
    let (name, url) = consuming(|_| ());
    let held = granted(&url).await;
    shared().mutate(&name, &mutation).unwrap();
    let status = |problem: &str| if problem.is_empty() { 200 } else { 401 };
    let answer = Call::myself(&url, &held["oauth_token"]).send().await;
    assert_eq!((answer.status, problem(&answer).1.as_str()), (status(call), call));
    assert_eq!(problem(&renew(&url, &held).await), (status(renewal), renewal.into()));
}

#[tokio::test]
async fn a_revoked_token_may_be_said_to_be_revoked() {
    let (name, url) = consuming(|instance| instance.switches.revoked_token = jira::RevokedToken::Revoked);
    let held = granted(&url).await;
    shared().mutate(&name, &Mutation::RevokeGrants(Whose::default())).unwrap();
    assert_eq!(problem(&Call::myself(&url, &held["oauth_token"]).send().await), (401, "token_revoked".into()));
}

#[tokio::test]
async fn a_token_of_a_deactivated_user_is_refused_without_a_problem() {
    let (name, url) = consuming(|_| ());
    let held = granted(&url).await;
    let status = Mutation::SetAccountStatus { account: USER.into(), status: jira::AccountStatus::Inactive };
    shared().mutate(&name, &status).unwrap();
    let answer = Call::myself(&url, &held["oauth_token"]).send().await;
    assert_eq!((answer.status, answer.text.contains("oauth_problem")), (401, false));
    assert!(answer.header("WWW-Authenticate").starts_with("OAuth realm=\""));
}

#[rstest]
#[case::mapped(jira::SignedCallRefusal::Mapped, 400)]
#[case::always_401(jira::SignedCallRefusal::Unauthorized, 401)]
#[tokio::test]
async fn a_refused_call_has_a_switchable_status(#[case] switch: jira::SignedCallRefusal, #[case] status: u16) {
    let (_, url) = consuming(|instance| instance.switches.signed_call_refusal = switch);
    let answer = Call::myself(&url, "x").with("oauth_timestamp", Some("1")).send().await;
    assert_eq!(problem(&answer), (status, "timestamp_refused".into()));
}

#[rstest]
#[case::as_jira_sees_it("https://jira.example.test:8443/tracker", jira::RequestSeenAs::Received, 200)]
#[case::a_port_that_is_implied("https://jira.example.test/tracker", jira::RequestSeenAs::Received, 401)]
#[case::without_the_context_path("https://jira.example.test:8443", jira::RequestSeenAs::Received, 401)]
#[case::a_scheme_the_connector_does_not_know(
    "https://jira.example.test:8443/tracker",
    jira::RequestSeenAs::Insecure,
    401
)]
#[case::the_scheme_that_it_sees("http://jira.example.test:8443/tracker", jira::RequestSeenAs::Insecure, 200)]
#[tokio::test]
async fn the_url_is_signed_as_jira_sees_it(
    #[case] signed: &str,
    #[case] seen: jira::RequestSeenAs,
    #[case] status: u16,
) {
    let (_, url) = consuming(|instance| {
        instance.center_mut().unwrap().base_url = Some("https://jira.example.test:8443/tracker".to_owned());
        instance.switches.request_seen_as = seen;
    });
    let mut call = Call::request_token(&url, CALLBACK);
    call.signed_url = format!("{signed}/plugins/servlet/oauth/request-token");
    let answer = call.send().await;
    assert_eq!(answer.status, status, "{answer:?}");
    if status == 401 {
        let base_string = fields(&answer)["oauth_signature_base_string"].clone();
        assert!(
            base_string.contains(&encoded("://jira.example.test:8443/tracker/plugins/servlet/oauth/request-token"))
        );
    }
}

#[tokio::test]
async fn without_application_links_there_is_nothing_of_it() {
    let (_, url) = consuming(|instance| instance.switches.application_links = jira::ApplicationLinks::Unavailable);
    assert_eq!(Call::request_token(&url, CALLBACK).send().await.status, 404);
    assert_eq!(get(&authorize_url(&url, "x"), As::Nobody).await.status, 404);
    assert_eq!(get(&format!("{url}/rest/applinks/1.0/manifest"), As::Nobody).await.status, 404);
    let mut call = Call::myself(&url, "x");
    call.url = format!("{url}/rest/api/2/serverInfo");
    let answer = call.send().await;
    assert_eq!((answer.status, answer.header("X-AUSERNAME")), (200, "anonymous"));
}

#[tokio::test]
async fn a_consumer_is_pasted_at_run_time() {
    let (name, url) = plain(CENTER);
    assert_eq!(problem(&Call::request_token(&url, "oob").send().await), (401, "consumer_key_unknown".into()));
    let mut wrong = consumer("operator");
    wrong.public_key = "-----BEGIN PRIVATE KEY-----\nFAKE\n-----END PRIVATE KEY-----\n".to_owned();
    let refused = shared().mutate(&name, &Mutation::AddConsumer { consumer: wrong });
    assert!(matches!(refused, Err(jira::Error::Instance { .. })), "{refused:?}");
    let mut other = consumer("operator");
    other.public_key.clone_from(&keys()[1].public);
    shared().mutate(&name, &Mutation::AddConsumer { consumer: other }).unwrap();
    assert_eq!(problem(&Call::request_token(&url, "oob").send().await), (401, "signature_invalid".into()));
    shared().mutate(&name, &Mutation::RemoveConsumer { key: "operator".into() }).unwrap();
    let pasted = json!({"type": "AddConsumer", "consumer": {"key": "operator", "name": "Operator",
        "publicKey": keys()[0].public, "url": "https://operator.example.test"}});
    let control = format!("{}/instances/{name}/mutations", shared().control_url());
    assert_eq!(client(shared()).post(control).json(&pasted).send().await.unwrap().status().as_u16(), 200);
    granted(&url).await;
}

#[rstest]
#[case::a_lost_answer(Fault::LoseAnswer, true)]
#[case::an_unwell_jira(Fault::Unwell { status: 503 }, false)]
#[tokio::test]
async fn a_fault_at_a_renewal_ends_the_token_or_does_not(#[case] fault: Fault, #[case] ends: bool) {
    let (name, url) = consuming(|_| ());
    let held = granted(&url).await;
    shared().fault(&name, Rule::every(fault).on("/plugins/servlet/oauth/access-token").first(1)).unwrap();
    let right =
        [("oauth_token", held["oauth_token"].as_str()), ("oauth_session_handle", &held["oauth_session_handle"])];
    let call = Call::access_token(&url, &right);
    let struck = client(shared()).post(&call.url).header("Authorization", call.header()).send().await;
    assert!(struck.is_err() || struck.unwrap().status().as_u16() == 503);
    assert_eq!(renew(&url, &held).await.status, if ends { 401 } else { 200 });
}

#[rstest]
#[case(OauthProblem::VersionRejected, 400)]
#[case(OauthProblem::ParameterAbsent, 400)]
#[case(OauthProblem::ParameterRejected, 400)]
#[case(OauthProblem::TimestampRefused, 400)]
#[case(OauthProblem::SignatureMethodRejected, 400)]
#[case(OauthProblem::NonceUsed, 401)]
#[case(OauthProblem::TokenUsed, 401)]
#[case(OauthProblem::TokenExpired, 401)]
#[case(OauthProblem::TokenRevoked, 401)]
#[case(OauthProblem::TokenRejected, 401)]
#[case(OauthProblem::SignatureInvalid, 401)]
#[case(OauthProblem::ConsumerKeyUnknown, 401)]
#[case(OauthProblem::ConsumerKeyRejected, 401)]
#[case(OauthProblem::AdditionalAuthorizationRequired, 401)]
#[case(OauthProblem::PermissionUnknown, 401)]
#[case(OauthProblem::PermissionDenied, 401)]
#[case(OauthProblem::ConsumerKeyRefused, 503)]
#[case(OauthProblem::UserRefused, 503)]
#[tokio::test]
async fn every_problem_can_be_injected(#[case] injected: OauthProblem, #[case] status: u16) {
    let (name, url) = consuming(|_| ());
    shared().fault(&name, Rule::every(Fault::OauthProblem { problem: injected })).unwrap();
    let answer = Call::request_token(&url, CALLBACK).send().await;
    let code = serde_json::to_value(injected).unwrap();
    assert_eq!((answer.status, json!(problem(&answer).1)), (status, code.clone()));
    assert_eq!(code, json!(injected.code()));
    assert!(answer.headers.contains_key("X-AREQUESTID"));
}

/// Sends the requests of the vectors to a Jira that sees itself at their URL, at their time.
#[tokio::test]
async fn the_vectors_are_verified_on_the_wire() {
    let vectors: Value = serde_json::from_str(include_str!("../../data/oauth1-vectors.json")).unwrap();
    let options = jira::Options { now: Some("2023-11-14T22:13:20Z".parse().unwrap()), ..jira::Options::default() };
    let simulator = Simulator::start(options).unwrap();
    let http = client(&simulator);
    let mut sent = 0;
    for vector in vectors["vectors"].as_array().unwrap() {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let request = &vector["request"];
        let path = request["url"].as_str().unwrap().strip_prefix("https://jira.example.test/jira");
        let header = text(&vector["expected"]["authorization_header"]);
        let (Some(path), Some(header), Some(method)) = (path, header, text(&request["method"])) else { continue };
        if !header.contains("test-consumer-key") || !path.starts_with('/') {
            continue;
        }
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
        // Some vectors have one nonce, so each gets a Jira of its own.
        let mut instance: Instance = serde_yaml::from_str(&CENTER.replace("NAME", &format!("v{sent}"))).unwrap();
        let center = instance.center_mut().unwrap();
        center.base_url = Some("https://jira.example.test/jira".to_owned());
        center.consumers.push(jira::Consumer {
            key: "test-consumer-key".to_owned(),
            public_key: vectors["test_key"]["public_key_spki_pem"].as_str().unwrap().to_owned(),
            ..consumer("x")
        });
        let url = simulator.add(instance).unwrap();
        let mut call = http.request(method, format!("{url}{path}")).header("Authorization", &header);
        if let Some(kind) = text(&request["content_type"]) {
            call = call.header("Content-Type", kind).body(text(&request["body"]).unwrap_or_default());
        }
        let answer = call.timeout(Duration::from_secs(5)).send().await.unwrap();
        let (status, body) = (answer.status().as_u16(), answer.text().await.unwrap());
        // The signature is right, so that only the token remains to be refused.
        let proven = status == 200 && path.ends_with("/request-token") || body == "oauth_problem=token_rejected";
        assert!(proven, "{}: {status} {body}", vector["name"]);
        sent += 1;
    }
    assert!(sent >= 15, "{sent} vectors were sent");
}
