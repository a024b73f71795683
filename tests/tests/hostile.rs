//! Bad input: each gets a clear condition, and does no harm to the operator, to other connections or to other hosts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hostile {
    mod arbitrary;
}

use std::{collections::BTreeMap, process::Output, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use rstest::rstest;
use serde_json::{Value, json};
use tests::{
    jira::{self, Certificate, Fault, Instance, Mark, Mutation, Rule},
    operator::{self, Operator, Settings},
    stage::{ACCOUNT, Kind, Seen, Site, Stage, WORKSPACE_PERMISSIONS, Way, email, operator, project},
};

/// Merges a JSON merge patch (RFC 7386) into a spec.
fn with(mut spec: Value, patch: Value) -> Value {
    fn merge(target: &mut Value, patch: Value) {
        match patch {
            Value::Object(fields) => {
                if !target.is_object() {
                    *target = json!({});
                }
                for (field, value) in fields {
                    merge(&mut target[field], value);
                }
            }
            plain => *target = plain,
        }
    }
    merge(&mut spec, patch);
    spec
}

/// Asserts that `Ready` has this reason and that its message has these words.
#[track_caller]
fn assert_says(seen: &Seen, reason: &str, words: &[&str]) {
    assert_eq!(seen.reason(), reason, "{}", seen.message());
    for word in words {
        assert!(seen.message().contains(word), "{word:?} is not in {:?}", seen.message());
    }
    let longest = seen.0["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["message"].as_str())
        .map(str::len)
        .max();
    assert!(longest < Some(1024), "{seen:?}");
}

/// Asserts that things have calmed down: nothing is written any more, and each Jira is asked no more than backoff allows.
async fn assert_calm(stage: &Stage, sites: &[&Site]) {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (mark, audit) = (stage.simulator().journal().mark(), stage.mark().await);
    tokio::time::sleep(Duration::from_secs(6)).await;
    for site in sites {
        let requests = site.requests(mark).len();
        assert!(requests <= 8, "{}: {requests} requests in 6 s", site.name);
    }
    let calls = stage.audit(audit).await;
    assert!(calls.writes() <= 1, "{:#?}", calls.0);
    assert_alive(operator().await);
}

fn assert_alive(operator: &Operator) {
    assert!(operator.is_running());
    let output = operator.output();
    let panic = output.lines().find(|line| line.contains("panicked"));
    assert_eq!(panic, None);
}

fn header(secret: &str, key: &str) -> Value {
    json!({ "headers": [{ "name": "X-Gate", "valueFrom": { "secretKeyRef": { "name": secret, "key": key } } }] })
}

fn bundle(kind: &str, name: &str, key: &str) -> Value {
    json!({ "tls": { "caRef": { "kind": kind, "name": name, "key": key } } })
}

fn token(secret: &str, key: &str) -> Value {
    json!({ "auth": { "personalAccessToken": { "tokenSecretRef": { "name": secret, "key": key } } } })
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_named_with_its_key() {
    let stage = Stage::open("secrets").await;
    let site = stage.site("jira", Way::PersonalAccessToken, &["WEB"]);
    stage.secret("good", site.credential()).await;
    let text = json!({
        "empty": "", "trailing": "value\n", "inner": "va\nlue", "accented": "välue", "spaced": "va lue", "long": "x".repeat(900_000),
        "words": "no certificate", "url": "proxy.example.test:3128",
    });
    stage.secret("bad", text).await;
    stage.secret("proxy-words", json!({ "url": "not-a-proxy" })).await;
    stage.secret("proxy-scheme", json!({ "url": "socks5://proxy.example.test:1080" })).await;
    stage.secret("proxy-user", json!({ "url": "http://user:word@proxy.example.test:1" })).await;
    stage.secret("proxy-password", json!({ "url": "http://127.0.0.1:1", "password": "alone" })).await;
    let garbage: Vec<u8> = (0..=255).collect();
    stage
        .binary_secret("garbage", json!({ "token": STANDARD.encode(&garbage), "ca.crt": STANDARD.encode(garbage) }))
        .await;
    let identity = stage.simulator().client_certificate("fake").unwrap();
    let other = stage.simulator().client_certificate("other").unwrap();
    stage.secret("no-key", json!({ "tls.crt": identity.certificate })).await;
    stage.secret("wrong-key", json!({ "tls.crt": identity.certificate, "tls.key": other.key })).await;
    stage.secret("key-words", json!({ "tls.crt": identity.certificate, "tls.key": "no key" })).await;
    stage
        .config_map(
            "bundles",
            json!({ "words": "no certificate", "empty": "", "half": &stage.simulator().ca_pem()[..200] }),
        )
        .await;
    let client = |name: &str| json!({ "tls": { "clientCertificateSecretRef": { "name": name } } });
    let proxy = |name: &str| json!({ "proxySecretRef": { "name": name } });

    let (missing, invalid) = ("SecretNotFound", "SecretInvalid");
    let cases: Vec<(Value, &str, Vec<&str>)> = vec![
        (token("absent", "token"), missing, vec!["Secret absent", "does not exist"]),
        (token("good", "absent"), missing, vec!["Secret good", "absent"]),
        (token("bad", "empty"), invalid, vec!["empty of Secret bad", "is empty"]),
        (token("bad", "trailing"), invalid, vec!["trailing of Secret bad", "ends with a line break"]),
        (token("bad", "inner"), invalid, vec!["inner of Secret bad", "several lines"]),
        (token("bad", "accented"), invalid, vec!["accented of Secret bad", "ASCII"]),
        (token("bad", "spaced"), invalid, vec!["spaced of Secret bad", "spaces"]),
        (token("bad", "long"), invalid, vec!["long of Secret bad", "longer than"]),
        (token("garbage", "token"), invalid, vec!["token of Secret garbage", "UTF-8"]),
        (header("absent", "id"), missing, vec!["Secret absent", "does not exist"]),
        (header("bad", "absent"), missing, vec!["Secret bad", "absent"]),
        (header("bad", "empty"), invalid, vec!["empty of Secret bad", "empty"]),
        (header("bad", "trailing"), invalid, vec!["trailing of Secret bad", "line break"]),
        (header("bad", "inner"), invalid, vec!["inner of Secret bad", "line break"]),
        (header("bad", "accented"), invalid, vec!["accented of Secret bad", "ASCII"]),
        (header("bad", "long"), invalid, vec!["long of Secret bad", "longer than"]),
        (header("garbage", "token"), invalid, vec!["token of Secret garbage"]),
        (bundle("ConfigMap", "absent", "ca.crt"), missing, vec!["ConfigMap absent", "does not exist"]),
        (bundle("ConfigMap", "bundles", "absent"), missing, vec!["ConfigMap bundles", "absent"]),
        (bundle("ConfigMap", "bundles", "words"), invalid, vec!["words of ConfigMap bundles", "PEM"]),
        (bundle("ConfigMap", "bundles", "empty"), invalid, vec!["empty of ConfigMap bundles", "empty"]),
        (bundle("ConfigMap", "bundles", "half"), invalid, vec!["half of ConfigMap bundles"]),
        (bundle("Secret", "garbage", "ca.crt"), invalid, vec!["ca.crt of Secret garbage"]),
        (client("absent"), missing, vec!["Secret absent", "does not exist"]),
        (client("no-key"), missing, vec!["Secret no-key", "tls.key"]),
        (client("key-words"), invalid, vec!["tls.key of Secret key-words", "PEM"]),
        (client("wrong-key"), invalid, vec!["Secret wrong-key", "do not"]),
        (proxy("absent"), missing, vec!["Secret absent", "does not exist"]),
        (proxy("good"), missing, vec!["Secret good", "url"]),
        (proxy("proxy-words"), invalid, vec!["url of Secret proxy-words", "not a URL"]),
        (proxy("bad"), invalid, vec!["url of Secret bad", "http"]),
        (proxy("proxy-scheme"), invalid, vec!["url of Secret proxy-scheme", "http"]),
        (proxy("proxy-user"), invalid, vec!["url of Secret proxy-user", "user name or password"]),
        (proxy("proxy-password"), invalid, vec!["Secret proxy-password", "no user name"]),
    ];
    for (number, (patch, ..)) in cases.iter().enumerate() {
        stage.apply(Kind::Connection, &format!("case-{number}"), with(site.spec("good"), patch.clone())).await;
    }
    for (number, (_, reason, words)) in cases.iter().enumerate() {
        let seen = stage.until(Kind::Connection, &format!("case-{number}"), "concluded", concluded).await;
        assert_says(&seen, reason, words);
        assert!(seen.is("Reconciling") && !seen.is("Stalled"), "{seen:?}");
        assert_eq!(seen.condition("CredentialsResolved").unwrap()["status"], "False", "{seen:?}");
        assert_eq!(seen.0["status"]["state"], "Interrupted", "{seen:?}");
    }
    assert_eq!(site.requests(Mark::default()), [], "something was sent");
    assert_calm(&stage, &[]).await;
    // Mending is noticed at once.
    stage.secret("absent", json!({ "token": site.token() })).await;
    stage.until_ready(Kind::Connection, "case-0").await;
}

/// A conclusion, good or bad.
fn concluded(seen: &Seen) -> bool {
    seen.is_observed() && !["", "Progressing"].contains(&seen.reason())
}

#[rstest]
#[case("Connection")]
#[case("Transfer-Encoding")]
#[case("TE")]
#[case("Upgrade")]
#[case("Host")]
#[case("Authorization")]
#[case("Proxy-Anything")]
#[case("X-Forwarded-For")]
#[case("Metadata-Flavor")]
#[case("X Gate")]
#[case("X-Gate:")]
#[case("X-Gate\r\nHost")]
#[tokio::test]
async fn a_header_that_is_not_the_connection_s_to_set_is_refused_at_once(#[case] name: &str) {
    let stage = Stage::open("header").await;
    let source = json!({ "secretKeyRef": { "name": "gate", "key": "id" } });
    let spec = json!({
        "url": "https://jira.example.test", "deployment": "DataCenter",
        "auth": { "personalAccessToken": { "tokenSecretRef": { "name": "token", "key": "token" } } },
        "headers": [{ "name": name, "valueFrom": source }],
    });
    let refused = stage.try_apply(Kind::Connection, "acme", spec).await;
    assert!(matches!(&refused, Err(kube::Error::Api(status)) if status.code == 422), "{refused:?}");
}

/// An answer of something in front of a Jira, or of one that has gone mad.
fn answer(content_type: &str, body: impl Into<String>) -> Fault {
    Fault::Status {
        status: 200,
        body: body.into(),
        content_type: Some(content_type.to_owned()),
        headers: BTreeMap::from([("X-AREQUESTID".to_owned(), "1x1x1".to_owned())]),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the cases read as a table")]
fn says(body: Value) -> Fault {
    answer("application/json", body.to_string())
}

const JSON: &str = "application/json";

#[tokio::test]
async fn an_answer_that_no_jira_gives_is_told_and_does_no_harm() {
    let stage = Stage::open("answers").await;
    let (info, me, web, mine) =
        ("/rest/api/2/serverInfo", "/rest/api/2/myself", "/rest/api/2/project/WEB", "/rest/api/2/mypermissions");
    let security = "/rest/api/2/project/WEB/issuesecuritylevelscheme";
    let deep = |brackets: usize| format!("{}{}", "[".repeat(brackets), "]".repeat(brackets));
    let cannot = ["does not answer as Jira does", "cannot be read"];
    let mad = |path, body: Value| (path, says(body), "NotJira", &cannot[..]);
    let yes = json!({ "BROWSE_PROJECTS": { "havePermission": "yes" } });
    let cases = vec![
        (info, Fault::HugeBody { megabytes: 10 }, "NotJira", &["too large"][..]),
        (me, Fault::HugeBody { megabytes: 10 }, "NotJira", &["too large"]),
        (info, Fault::LoginPage, "BlockedByProxy", &["web page", "spec.headers"]),
        (me, Fault::LoginPage, "BlockedByProxy", &["web page", "spec.headers"]),
        (info, Fault::InvalidJson, "NotJira", &cannot),
        (me, Fault::InvalidJson, "NotJira", &cannot),
        (mine, Fault::InvalidJson, "NotJira", &cannot),
        (info, Fault::WrongContentType { content_type: "text/plain".to_owned() }, "NotJira", &["not declared as JSON"]),
        (mine, Fault::EmptyPermissions, "NotJira", &cannot),
        (info, answer(JSON, ""), "NotJira", &cannot),
        (info, answer(JSON, "\u{0}\u{1}"), "NotJira", &cannot),
        (info, answer(JSON, "{\"version\":\"9.12.4\"} garbage"), "NotJira", &cannot),
        (info, answer(JSON, deep(100_000)), "NotJira", &cannot),
        (me, answer(JSON, format!("{{\"key\":{}}}", deep(100_000))), "NotJira", &cannot),
        (me, answer(JSON, format!("{}1{}", "{\"key\":".repeat(50_000), "}".repeat(50_000))), "NotJira", &cannot),
        mad(info, json!([])),
        mad(info, json!({})),
        mad(info, json!({ "version": 9 })),
        mad(info, json!({ "version": ["9.12.4"], "deploymentType": 7 })),
        mad(info, json!({ "version": "9.12.4", "deploymentType": { "a": 1 } })),
        mad(me, json!({})),
        mad(me, json!({ "key": 17 })),
        mad(me, json!({ "key": "", "name": "" })),
        mad(me, json!({ "key": "x".repeat(100_000) })),
        mad(me, json!({ "key": "a\u{0}b" })),
        mad(me, json!({ "key": "a", "active": "no" })),
        mad(me, json!({ "key": "a\u{202e}b" })),
        mad(web, json!({ "id": -1, "key": "WEB" })),
        mad(web, json!({ "id": 1.5, "key": "WEB" })),
        mad(web, json!({ "id": "18446744073709551616", "key": "WEB" })),
        mad(web, json!({ "id": { "a": 1 }, "key": "WEB" })),
        (web, answer(JSON, "{\"id\": 1e999, \"key\": \"WEB\"}"), "NotJira", &cannot),
        mad(web, json!({ "id": "10001" })),
        mad(web, json!({ "id": "10001", "key": 5 })),
        mad(mine, json!([])),
        mad(mine, json!({ "permissions": [] })),
        mad(mine, json!({ "permissions": { "BROWSE_PROJECTS": 5 } })),
        mad(mine, json!({ "permissions": yes })),
        mad(security, json!([])),
        mad(security, json!({ "levels": 5 })),
        (me, Fault::CutInBody { after: 20 }, "Unreachable", &["broke off"]),
        (me, Fault::CutBeforeAnswer, "Unreachable", &["Check Jira's health"]),
        (me, Fault::NeverAnswer, "Unreachable", &["within the timeout", "spec.checks.timeout"]),
        (info, Fault::Redirect { location: "http://[".to_owned(), status: None }, "BlockedByProxy", &["redirects"]),
        (me, Fault::Redirect { location: "//".repeat(4_000), status: Some(308) }, "BlockedByProxy", &["redirects"]),
        (me, Fault::EmptyBody { status: 204 }, "NotJira", &["not declared as JSON"]),
        (me, Fault::EmptyBody { status: 418 }, "NotJira", &["418"]),
    ];
    let mut sites = Vec::new();
    for (number, (path, fault, ..)) in cases.iter().enumerate() {
        let name = format!("case-{number}");
        let site = stage.site(&name, Way::PersonalAccessToken, &["WEB"]);
        // Before the project's own resource could strike that of its security scheme.
        stage.simulator().fault(&site.name, Rule::every(fault.clone()).on(path)).unwrap();
        stage.secret(&name, site.credential()).await;
        let patch = json!({ "permissions": { "projects": ["WEB"] }, "checks": { "timeout": "1s" } });
        stage.apply(Kind::Connection, &name, with(site.spec(&name), patch)).await;
        sites.push(site);
    }
    let bystander = stage.connect("bystander", Way::PersonalAccessToken, &["WEB"]).await;
    let mut wrong = Vec::new();
    for (number, (path, fault, reason, words)) in cases.iter().enumerate() {
        let seen = stage.until(Kind::Connection, &format!("case-{number}"), "concluded", concluded).await;
        if seen.reason() != *reason || words.iter().any(|word| !seen.message().contains(word)) {
            let fault: String = format!("{fault:?}").chars().take(200).collect();
            wrong.push(format!("case {number}, {path}: {} {:?} after {fault}", seen.reason(), seen.message()));
        }
    }
    assert_eq!(wrong, [""; 0]);
    stage.until_ready(Kind::Connection, "bystander").await;
    let sites: Vec<_> = sites.iter().chain([&bystander]).collect();
    assert_calm_within(&stage, &sites, sites.len()).await;
}

/// Like [`assert_calm`] for connections that are tried again: their number of status writes is still bounded.
async fn assert_calm_within(stage: &Stage, sites: &[&Site], writes: usize) {
    let (mark, audit) = (stage.simulator().journal().mark(), stage.mark().await);
    tokio::time::sleep(Duration::from_secs(6)).await;
    for site in sites {
        let requests = site.requests(mark).len();
        assert!(requests <= 10, "{}: {requests} requests in 6 s", site.name);
    }
    let calls = stage.audit(audit).await;
    assert!(calls.writes() <= writes, "{} writes: {:#?}", calls.writes(), calls.0);
    assert_alive(operator().await);
}

/// Characters that make a text look like another one, and controls.
const INVISIBLE: [char; 6] = ['\u{202e}', '\u{2066}', '\u{200f}', '\u{7}', '\u{1b}', '\u{feff}'];

#[tokio::test]
async fn text_of_jira_is_stripped_and_cut_before_it_is_shown() {
    let stage = Stage::open("text").await;
    let nasty = format!("gpj\u{202e}\u{2066}\u{200f}exe\u{7}\u{1b}[31m\u{feff}\n{}", "ä".repeat(100_000));
    let site = stage.site_with("jira", Way::PersonalAccessToken, &["WEB"], |instance| {
        instance.account_mut(ACCOUNT).unwrap().display_name.clone_from(&nasty);
        instance.project_mut("WEB").unwrap().name = Some(nasty.clone());
    });
    stage.secret("acme", site.credential()).await;
    stage
        .apply(Kind::Connection, "acme", with(site.spec("acme"), json!({ "permissions": { "projects": ["WEB"] } })))
        .await;
    let spec = json!({ "connectionRef": { "name": "acme" }, "workspace": "web", "projects": [{ "key": "WEB" }] });
    stage.apply(Kind::Binding, "web", spec).await;
    for kind in [Kind::Connection, Kind::Binding] {
        let name = if kind == Kind::Connection { "acme" } else { "web" };
        let seen = stage.until_ready(kind, name).await;
        let status = seen.0["status"].to_string();
        assert!(status.contains("gpjexe"), "{status}");
        assert_eq!(status.find(INVISIBLE), None, "{status}");
        assert!(!status.contains("\\u"), "{status}");
        assert!(status.len() < 8_000, "{}", status.len());
    }
    let events = Value::from(stage.events().await).to_string();
    assert_eq!(events.find(INVISIBLE), None);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_apart() {
    let stage = Stage::open("tls").await;
    let cases = [
        ("self-signed", Certificate::SelfSigned, "unknown authority"),
        ("expired", Certificate::Expired, "has expired"),
        ("other-host", Certificate::OtherHost, "another name"),
    ];
    for (name, certificate, _) in cases {
        let site = stage
            .site_with(name, Way::PersonalAccessToken, &[], |instance| instance.transport.certificate = certificate);
        stage.secret(name, site.credential()).await;
        stage.apply(Kind::Connection, name, site.spec(name)).await;
    }
    for (name, _, words) in cases {
        let seen = stage.until(Kind::Connection, name, "concluded", concluded).await;
        assert_says(&seen, "TLSFailed", &[words]);
        assert!(seen.is("Stalled"), "{seen:?}");
    }
    assert_calm(&stage, &[]).await;
}

#[rstest]
#[case::same_path(true)]
#[case::login(false)]
#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed(
    #[case] same_path: bool,
    #[values("serverInfo", "myself")] resource: &str,
) {
    let stage = Stage::open("redirect").await;
    let other = stage.site("other", Way::PersonalAccessToken, &["WEB"]);
    let site = stage.site("jira", Way::PersonalAccessToken, &["WEB"]);
    let path = format!("/rest/api/2/{resource}");
    let location = if same_path { format!("{}{path}", other.url) } else { format!("{}/login.jsp", other.url) };
    stage.simulator().fault(&site.name, Rule::every(Fault::Redirect { location, status: None }).on(&path)).unwrap();
    stage.secret("acme", site.credential()).await;
    stage.apply(Kind::Connection, "acme", site.spec("acme")).await;
    let seen = stage.until(Kind::Connection, "acme", "concluded", concluded).await;
    if same_path {
        assert_says(&seen, "WrongSite", &[&other.url, "spec.url"]);
    } else {
        assert_says(&seen, "BlockedByProxy", &["redirects"]);
    }
    assert_eq!(other.requests(Mark::default()), []);
}

#[tokio::test]
async fn what_is_deleted_while_in_use_is_missed_and_welcomed_back() {
    let stage = Stage::open("deleted").await;
    let site = stage.site("jira", Way::PersonalAccessToken, &["WEB"]);
    stage.secret("acme", site.credential()).await;
    stage.config_map("ca", json!({ "ca.crt": stage.simulator().ca_pem() })).await;
    stage.apply(Kind::Connection, "acme", with(site.spec("acme"), bundle("ConfigMap", "ca", "ca.crt"))).await;
    let spec = json!({ "connectionRef": { "name": "acme" }, "workspace": "web", "projects": [{ "key": "WEB" }] });
    stage.apply(Kind::Binding, "web", spec).await;
    stage.until_ready(Kind::Binding, "web").await;
    for (kind, name) in [("Secret", "acme"), ("ConfigMap", "ca")] {
        stage.remove(kind, name).await;
        let seen = stage.until_reason(Kind::Connection, "acme", "SecretNotFound").await;
        assert_says(&seen, "SecretNotFound", &[&format!("{kind} {name}"), "does not exist"]);
        stage.until_reason(Kind::Binding, "web", "ConnectionNotReady").await;
        assert_calm(&stage, &[&site]).await;
        match kind {
            "Secret" => stage.secret(name, site.credential()).await,
            _ => stage.config_map(name, json!({ "ca.crt": stage.simulator().ca_pem() })).await,
        }
        stage.until_ready(Kind::Connection, "acme").await;
        stage.until_ready(Kind::Binding, "web").await;
    }
}

#[tokio::test]
async fn a_connection_made_anew_during_a_check_gets_nothing_of_the_former_one() {
    let stage = Stage::open("anew").await;
    let (old, new) =
        (stage.site("old", Way::PersonalAccessToken, &[]), stage.site("new", Way::PersonalAccessToken, &[]));
    stage.simulator().fault(&old.name, Rule::every(Fault::Slow { millis: 1_500 })).unwrap();
    for site in [&old, &new] {
        stage.secret(&site.name, site.credential()).await;
    }
    stage.apply(Kind::Connection, "acme", old.spec(&old.name)).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!old.requests(Mark::default()).is_empty(), "the check is not under way");
    stage.delete(Kind::Connection, "acme").await;
    stage
        .simulator()
        .update(&new.name, |it| it.account_mut(ACCOUNT).unwrap().display_name = "Newcomer".to_owned())
        .unwrap();
    stage.apply(Kind::Connection, "acme", new.spec(&new.name)).await;
    let seen = stage.until_ready(Kind::Connection, "acme").await;
    assert_eq!(seen.0["status"]["account"]["displayName"], "Newcomer", "{:#}", seen.0);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = stage.get(Kind::Connection, "acme").await;
    assert_eq!(after.0["status"]["account"]["displayName"], "Newcomer");
    assert!(after.is("Ready"), "{after:?}");
    let mixed = |entry: &jira::Entry| entry.carried("authorization", &format!("Bearer {}", old.token()));
    assert!(!new.requests(Mark::default()).iter().any(mixed));
    assert_alive(operator().await);
}

#[rstest]
#[case(Way::PersonalAccessToken)]
#[case(Way::ApiToken)]
#[tokio::test]
async fn a_permission_that_jira_does_not_know_harms_its_own_binding_only(#[case] way: Way) {
    let stage = Stage::open("unknown").await;
    stage.connect("acme", way, &["WEB", "APP", "LOW"]).await;
    let low = Mutation::Revoke {
        project: "LOW".to_owned(),
        account: ACCOUNT.to_owned(),
        permissions: vec!["CREATE_ISSUES".to_owned()],
    };
    stage.simulator().mutate(&format!("{}-acme", stage.namespace), &low).unwrap();
    let binding =
        |projects: Value| json!({ "connectionRef": { "name": "acme" }, "workspace": "web", "projects": projects });
    stage.apply(Kind::Binding, "good", binding(json!([{ "key": "WEB" }]))).await;
    stage.until_ready(Kind::Binding, "good").await;

    let odd = json!([{ "key": "APP", "permissions": ["BROWSE_PROJECTS", "NO_SUCH_PERMISSION"] }]);
    stage.apply(Kind::Binding, "odd", binding(odd)).await;
    stage.apply(Kind::Binding, "lacking", binding(json!([{ "key": "LOW" }]))).await;
    let odd = stage
        .until(Kind::Binding, "odd", "concluded", |seen| concluded(seen) && seen.reason() != "ConnectionNotReady")
        .await;
    println!("{way:?}: {} {}", odd.reason(), odd.message());
    assert!(odd.0["status"].to_string().contains("NO_SUCH_PERMISSION"), "{odd:?}");
    let lacking = stage.until(Kind::Binding, "lacking", "concluded", concluded).await;
    assert_says(&lacking, "PermissionsMissing", &["CREATE_ISSUES", "LOW"]);
    let good = stage.get(Kind::Binding, "good").await;
    assert!(good.is("Ready") && good.is("PermissionsGranted"), "{good:?}");
    let connection = stage.get(Kind::Connection, "acme").await;
    assert!(connection.is("Ready") && connection.is("PermissionsGranted"), "{connection:?}");
    assert_calm(&stage, &[]).await;
}

#[tokio::test]
async fn two_connections_to_one_host_do_not_disturb_each_other() {
    let stage = Stage::open("twins").await;
    let site = stage.site("jira", Way::PersonalAccessToken, &["WEB"]);
    stage.secret("good", site.credential()).await;
    stage.secret("bad", json!({ "token": "wrong" })).await;
    for (name, secret) in [("one", "good"), ("two", "good"), ("three", "bad")] {
        stage.apply(Kind::Connection, name, site.spec(secret)).await;
    }
    for name in ["one", "two"] {
        let reported = |seen: &Seen| seen.is_observed() && seen.is("Ready") && seen.is("DuplicateInstance");
        stage.until(Kind::Connection, name, "ready and reported", reported).await;
    }
    let bad = stage.until_reason(Kind::Connection, "three", "CredentialsRejected").await;
    assert_says(&bad, "CredentialsRejected", &["401", "Secret"]);
    assert_calm(&stage, &[&site]).await;
}

#[rstest]
#[case(json!(-5))]
#[case(json!(0))]
#[case(json!(1e308))]
#[case(json!("soon"))]
#[case(json!([1]))]
#[tokio::test]
async fn an_absurd_lifetime_of_a_token_makes_no_loop(#[case] expires_in: Value) {
    let stage = Stage::alone("lifetime").await;
    let site = stage.site("jira", Way::ClientCredentials, &["WEB"]);
    let body = json!({ "access_token": "fake", "token_type": "Bearer", "expires_in": expires_in });
    stage.simulator().fault("auth", Rule::every(says(body))).unwrap();
    stage.secret("acme", site.credential()).await;
    stage.apply(Kind::Connection, "acme", site.spec("acme")).await;
    let seen = stage.until(Kind::Connection, "acme", "concluded", concluded).await;
    println!("{expires_in}: {} {}", seen.reason(), seen.message());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let asked = stage.simulator().journal().of("auth", Mark::default());
    let asked = asked.iter().filter(|entry| entry.status == Some(200)).count();
    stage.simulator().heal("auth").unwrap();
    // Once for each case so far, once more where the new token is refused at the gateway, and once for a second try.
    assert!(asked <= 15, "{asked} token requests");
    assert_alive(operator().await);
}

/// Keys of the longest kind, 64 characters each.
fn long_keys(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("P{}{number:03}", "X".repeat(60))).collect()
}

#[tokio::test]
async fn the_largest_connection_and_binding_work_and_stay_small() {
    let stage = Stage::open("largest").await;
    let keys = long_keys(100);
    let site = stage.site_with("jira", Way::ApiToken, &[], |instance| {
        let described = keys.iter().zip(10_001..).map(|(key, id)| serde_json::from_value(project(id, key)).unwrap());
        instance.projects = described.collect();
    });
    let name = "c".repeat(200);
    stage.secret(&"s".repeat(253), site.credential()).await;
    let spec = with(site.spec(&"s".repeat(253)), json!({ "permissions": { "projects": keys } }));
    let spec = with(spec, json!({ "allowedWorkspaces": allowances(&stage.namespace, &keys) }));
    stage.apply(Kind::Connection, &name, spec).await;
    let projects: Vec<_> = keys.iter().map(|key| json!({ "key": key, "permissions": many_permissions() })).collect();
    let binding = json!({ "connectionRef": { "name": name, "namespace": stage.namespace }, "workspace": "w".repeat(128), "projects": projects });
    stage.apply(Kind::Binding, &"b".repeat(200), binding).await;

    let connection = stage.until_ready(Kind::Connection, &name).await;
    assert_bounded(&connection);
    assert_eq!(connection.0["status"]["issueSecurity"].as_array().unwrap().len(), 50);
    let bound = stage.until_ready(Kind::Binding, &"b".repeat(200)).await;
    assert_bounded(&bound);
    assert_eq!(bound.0["status"]["projects"].as_array().unwrap().len(), 50);
    assert!(bound.0["status"]["projectsSummary"].as_str().unwrap().ends_with("+95"), "{bound:?}");

    // Now everything is missing everywhere, which has the most to say.
    let take = |instance: &mut Instance| {
        instance.projects.iter_mut().for_each(|project| {
            project.grants.insert(ACCOUNT.to_owned(), vec!["BROWSE_PROJECTS".to_owned()]);
        });
    };
    stage.simulator().update(&site.name, take).unwrap();
    stage.merge(Kind::Connection, &name, json!({ "metadata": { "annotations": { crds::REQUESTED_AT: "now" } } })).await;
    let connection = stage.until_reason(Kind::Connection, &name, "PermissionsMissing").await;
    assert_bounded(&connection);
    assert_eq!(connection.0["status"]["permissions"]["total"], 600, "{connection:?}");
    let bound = stage.until(Kind::Binding, &"b".repeat(200), "not ready", |seen| !seen.is("Ready")).await;
    assert_bounded(&bound);
    assert_alive(operator().await);
}

/// As many entries as there may be; the last one fits.
fn allowances(namespace: &str, keys: &[String]) -> Vec<Value> {
    let entry = |from: Value, namespace: &str| {
        json!({
            "namespaces": { "from": "List", "list": [namespace] },
            "workspaces": { "from": "List", "list": from },
            "projects": { "from": "List", "list": keys },
        })
    };
    let others = (0..63).map(|number| entry(json!([format!("{}{number}", "w".repeat(100))]), &"n".repeat(63)));
    others.chain([entry(json!(["w".repeat(128)]), namespace)]).collect()
}

fn many_permissions() -> Vec<&'static str> {
    WORKSPACE_PERMISSIONS.to_vec()
}

/// Asserts the bounds of a status: lists, texts, and the object as a whole.
fn assert_bounded(seen: &Seen) {
    fn lists(value: &Value, at: &str) {
        match value {
            Value::Array(entries) => {
                assert!(entries.len() <= 50, "{at} has {} entries", entries.len());
                for entry in entries {
                    lists(entry, at);
                }
            }
            Value::Object(fields) => fields.iter().for_each(|(name, field)| lists(field, &format!("{at}.{name}"))),
            Value::String(text) => assert!(text.len() <= 1024, "{at} has {} bytes", text.len()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    lists(&seen.0["status"], "status");
    let size = seen.0["status"].to_string().len();
    println!("a status of {size} bytes");
    assert!(size < 48 * 1024, "{size} bytes");
}

#[tokio::test]
async fn as_many_headers_as_there_may_be_are_sent() {
    let stage = Stage::open("headers").await;
    let names: Vec<_> = (0..16).map(|number| format!("X-{}-{number:02}", "g".repeat(120))).collect();
    let site = stage.site_with("jira", Way::PersonalAccessToken, &["WEB"], |instance| {
        if let jira::Deployment::DataCenter(center) = &mut instance.deployment {
            center.gateway_headers = names.iter().map(|name| (name.clone(), format!("value of {name}"))).collect();
        }
    });
    let data: BTreeMap<_, _> =
        names.iter().enumerate().map(|(number, name)| (format!("key-{number}"), format!("value of {name}"))).collect();
    stage.secret("gate", json!(data)).await;
    stage.secret("acme", site.credential()).await;
    let headers: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(number, name)| json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": "gate", "key": format!("key-{number}") } } }))
        .collect();
    stage.apply(Kind::Connection, "acme", with(site.spec("acme"), json!({ "headers": headers }))).await;
    assert_bounded(&stage.until_ready(Kind::Connection, "acme").await);
}

/// Runs the operator's program until it ends.
async fn run(arguments: &[&str]) -> Output {
    let program = operator::build().await.unwrap();
    let ended = tokio::process::Command::new(program)
        .args(arguments)
        .env("KUBECONFIG", "/nonexistent")
        .kill_on_drop(true)
        .output();
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap().unwrap()
}

#[rstest]
#[case::interval_of_no_form(&["--check-interval=soon"], &["check-interval", "soon"])]
#[case::interval_out_of_bounds(&["--check-interval=1s"], &["--check-interval", "1m", "24h"])]
#[case::host_pattern(&["--allowed-hosts=https://jira.example.test/x"], &["allowed-hosts"])]
#[case::network(&["--denied-networks=loopback"], &["denied-networks", "loopback"])]
#[case::auth_url(&["--atlassian-auth-url=auth"], &["atlassian-auth-url"])]
#[case::auth_url_without_tls(&["--atlassian-auth-url=http://auth.example.test"], &["https"])]
#[case::absent_bundle(&["--extra-ca=/nonexistent/ca.pem"], &["--extra-ca", "/nonexistent/ca.pem"])]
#[case::bundle_of_no_pem(&["--extra-ca=/etc/hostname"], &["CA"])]
#[case::proxy(&["--proxy=proxy"], &["--proxy", "http://"])]
#[case::proxy_login(&["--proxy=http://fake-user:fake-word@proxy.example.test:1"], &["--proxy", "user name or password"])]
#[case::concurrency(&["--concurrency=0"], &["concurrency"])]
#[case::log_level(&["--log-level=a=b=c"], &["--log-level"])]
#[case::address(&["--metrics-address=localhost"], &["metrics-address"])]
#[case::unknown(&["--no-such-flag"], &["--no-such-flag"])]
#[case::no_cluster(&["--metrics-address=127.0.0.1:0", "--probe-address=127.0.0.1:0"], &["KUBECONFIG"])]
#[tokio::test]
async fn a_bad_flag_is_told_and_ends_the_operator(#[case] arguments: &[&str], #[case] words: &[&str]) {
    let output = run(arguments).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{error}");
    assert!(!error.contains("fake-word") && !error.contains("panicked"), "{error}");
    for word in words {
        assert!(error.contains(word), "{word} is not in {error}");
    }
}

/// The operator of this test alone; the one of the others rests meanwhile.
async fn other_operator(change: impl FnOnce(&mut Settings<'_>)) -> Operator {
    operator().await.kill().await.unwrap();
    let mut settings = Settings::for_simulator(tests::controlplane::shared().await, jira::shared());
    change(&mut settings);
    Operator::start(settings).await.unwrap()
}

#[tokio::test]
async fn a_host_that_is_not_allowed_is_not_contacted_and_nothing_is_told_of_it() {
    let stage = Stage::alone("allowed").await;
    let allowed = stage.site("allowed", Way::PersonalAccessToken, &[]);
    let refused = stage.site("refused", Way::PersonalAccessToken, &[]);
    let down = stage.site("down", Way::PersonalAccessToken, &[]);
    stage.simulator().remove(&down.name).unwrap();
    let untrusted = stage
        .site_with("untrusted", Way::PersonalAccessToken, &[], |it| it.transport.certificate = Certificate::SelfSigned);
    let other = other_operator(|settings| settings.allowed_hosts = vec![allowed.host().to_owned()]).await;
    for (name, site) in [("allowed", &allowed), ("refused", &refused), ("down", &down), ("untrusted", &untrusted)] {
        stage.secret(name, site.credential()).await;
        stage.apply(Kind::Connection, name, site.spec(name)).await;
    }
    let nowhere = with(refused.spec("refused"), json!({ "url": "https://no-such-host.example.test" }));
    stage.apply(Kind::Connection, "nowhere", nowhere).await;
    stage.until_ready(Kind::Connection, "allowed").await;
    let mut messages = Vec::new();
    for name in ["refused", "down", "untrusted", "nowhere"] {
        let seen = stage.until(Kind::Connection, name, "concluded", concluded).await;
        assert_says(&seen, "HostNotAllowed", &["may not contact"]);
        assert!(seen.is("Stalled"), "{seen:?}");
        messages.push(seen.message().to_owned());
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(refused.requests(Mark::default()), []);
    assert_alive(&other);
    other.stop().await.unwrap();
    operator().await.restart().await.unwrap();
}

#[tokio::test]
async fn a_denied_network_is_not_contacted_by_whatever_name() {
    let stage = Stage::alone("denied").await;
    let site = stage.site("jira", Way::PersonalAccessToken, &[]);
    let denied = operator::DENIED_NETWORKS
        .map(str::to_owned)
        .into_iter()
        .chain(["127.0.0.0/8".to_owned(), "::1/128".to_owned()]);
    let other = other_operator(|settings| settings.denied_networks = denied.collect()).await;
    stage.secret("acme", site.credential()).await;
    let port = site.host().rsplit(':').next().unwrap();
    let hosts = ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0x7f000001"];
    for (number, host) in hosts.into_iter().enumerate() {
        let url = format!("https://{host}:{port}/jira");
        let name = format!("host-{number}");
        stage.apply(Kind::Connection, &name, with(site.spec("acme"), json!({ "url": url }))).await;
        let seen = stage.until(Kind::Connection, &name, "concluded", concluded).await;
        assert_says(&seen, "HostNotAllowed", &["may not contact"]);
    }
    // Nor through a proxy in a denied network.
    stage.secret("proxy", json!({ "url": "http://127.0.0.1:1" })).await;
    let proxied = json!({ "url": "https://jira.example.test", "proxySecretRef": { "name": "proxy" } });
    stage.apply(Kind::Connection, "proxied", with(site.spec("acme"), proxied)).await;
    let seen = stage.until(Kind::Connection, "proxied", "concluded", concluded).await;
    assert_says(&seen, "HostNotAllowed", &["may not contact"]);
    assert_eq!(site.requests(Mark::default()), []);
    assert_alive(&other);
    other.stop().await.unwrap();
    operator().await.restart().await.unwrap();
}

#[tokio::test]
async fn a_secret_goes_only_to_the_hosts_that_it_is_released_for() {
    let stage = Stage::alone("released").await;
    let site = stage.site("jira", Way::PersonalAccessToken, &[]);
    let released = async |name: &str, hosts: Option<&str>| {
        stage.secret(name, site.credential()).await;
        if let Some(hosts) = hosts {
            stage
                .merge_core("Secret", name, json!({ "metadata": { "annotations": { crds::RELEASED_HOSTS: hosts } } }))
                .await;
        }
        stage.apply(Kind::Connection, name, site.spec(name)).await;
    };
    released("own", Some(site.host())).await;
    released("other", Some("jira.example.test")).await;
    released("nothing", Some("")).await;
    released("absent", None).await;
    stage.until_ready(Kind::Connection, "own").await;
    stage.until_ready(Kind::Connection, "absent").await;
    for name in ["other", "nothing"] {
        let seen = stage.until(Kind::Connection, name, "concluded", concluded).await;
        assert_says(&seen, "SecretNotReleased", &[&format!("Secret {name}"), crds::RELEASED_HOSTS]);
        assert!(seen.is("Stalled"), "{seen:?}");
    }
    // Releasing it acts at once; so does taking it back.
    let annotate = async |name: &str, hosts: &str| {
        stage
            .merge_core("Secret", name, json!({ "metadata": { "annotations": { crds::RELEASED_HOSTS: hosts } } }))
            .await;
    };
    annotate("other", &format!("jira.example.test, {}", site.host())).await;
    stage.until_ready(Kind::Connection, "other").await;
    annotate("own", "jira.example.test").await;
    stage.until_reason(Kind::Connection, "own", "SecretNotReleased").await;

    let mark = stage.simulator().journal().mark();
    let other = other_operator(|settings| settings.arguments.push("--require-released-secrets".to_owned())).await;
    stage.until_reason(Kind::Connection, "absent", "SecretNotReleased").await;
    let token = format!("Bearer {}", site.token());
    let ready = stage.get(Kind::Connection, "other").await;
    assert!(ready.is("Ready"), "{ready:?}");
    assert!(site.requests(mark).iter().filter(|entry| entry.carried("authorization", &token)).count() <= 4);
    assert_alive(&other);
    other.stop().await.unwrap();
    operator().await.restart().await.unwrap();
}

#[tokio::test]
async fn a_namespace_of_the_longest_name_is_served() {
    let stage = Stage::open("long").await;
    let digest = jira::digest(stage.namespace.as_bytes());
    let longest = format!("{digest}{}", "n".repeat(63 - digest.len()));
    let namespace = Namespace {
        metadata: ObjectMeta { name: Some(longest.clone()), ..ObjectMeta::default() },
        ..Namespace::default()
    };
    Api::<Namespace>::all(stage.client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
    let home = stage.connect("acme", Way::ApiToken, &["WEB"]).await;
    assert!(!email(&home.name).is_empty());
    let entry =
        json!([{ "namespaces": { "from": "All" }, "workspaces": { "from": "All" }, "projects": { "from": "All" } }]);
    stage.apply(Kind::Connection, "acme", with(home.spec("acme"), json!({ "allowedWorkspaces": entry }))).await;
    let guest = stage.within(&longest);
    let reference = json!({ "name": "acme", "namespace": stage.namespace });
    guest
        .apply(
            Kind::Binding,
            "web",
            json!({ "connectionRef": reference, "workspace": "web", "projects": [{ "key": "WEB" }] }),
        )
        .await;
    guest.until_ready(Kind::Binding, "web").await;
}
