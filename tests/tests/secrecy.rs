//! What is secret stays secret: whatever happens, nothing of it is printed, written to the API server or sent elsewhere.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use tests::{
    canary::forms,
    jira::{self, Certificate, ClientCertificate, Fault, Rule},
    stage::{self, ACCOUNT, Kind, Seen, Site, Stage, Way, email, operator},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// A value that occurs nowhere by itself, and that looks different in base64 and in a form.
fn canary(owner: &str, what: &str) -> String {
    let digest = jira::digest(format!("{owner} {what}").as_bytes());
    format!("{digest}/+{digest}=")
}

/// Everything that people or programs can see of the operator, by where it stands.
async fn visible(stage: &Stage) -> BTreeMap<&'static str, String> {
    let list = async |group: &str, version: &str, kind: &str, plural: &str| {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        let api: Api<DynamicObject> = Api::all_with(stage.client.clone(), &resource);
        api.list(&ListParams::default()).await.unwrap().items
    };
    let statuses = async |kind: Kind| {
        let objects = list(crds::GROUP, "v1alpha1", kind.as_str(), kind.plural()).await;
        objects.iter().map(|object| object.data["status"].to_string()).collect::<Vec<_>>().join("\n")
    };
    let events = list("events.k8s.io", "v1", "Event", "events").await;
    BTreeMap::from([
        ("output", operator().await.output()),
        ("metrics", operator().await.metrics().await.unwrap()),
        ("connections", statuses(Kind::Connection).await),
        ("bindings", statuses(Kind::Binding).await),
        ("events", serde_json::to_string(&events).unwrap()),
        ("processes", command_lines()),
    ])
}

/// Command lines and environments of all operators of this machine.
fn command_lines() -> String {
    let mut text = String::new();
    for process in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        // A process may end while it is looked at, and threads of the kernel have neither.
        let read = |file: &str| fs::read(process.path().join(file)).unwrap_or_default();
        let command_line = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        if command_line.contains("jira-operator") {
            text.push_str(&command_line);
            text.push_str(&String::from_utf8_lossy(&read("environ")));
        }
    }
    assert!(text.contains("--metrics-address"), "{text}");
    text
}

/// Asserts that none of the values is to be seen in any form.
fn assert_unseen(seen: &BTreeMap<&'static str, String>, values: &[String], places: &[&str]) {
    for value in values {
        for form in forms(value) {
            for place in places {
                let text = &seen[place];
                if let Some(at) = text.find(&form) {
                    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
                    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
                    panic!("{value} is in {place} as {form}: {}", &text[line..end]);
                }
            }
        }
    }
}

const PLACES: [&str; 6] = ["output", "metrics", "connections", "bindings", "events", "processes"];

/// Where people look: no addresses and no words of Jira's answers stand there.
const STATUSES: [&str; 3] = ["connections", "bindings", "events"];

/// Words of answers that are no secret and belong into no status.
const BODY: &str = "words-of-an-answer-5d1f";

/// A Jira and a connection to it, each of its secrets a canary.
struct Subject {
    name: String,
    site: Site,
    secrets: Vec<String>,
}

impl Subject {
    /// Makes the Jira and the Secrets, and returns the spec.
    async fn prepare(stage: &Stage, name: &str, way: Way) -> (Self, Value) {
        let token = canary(&stage.namespace, &format!("{name} token"));
        let (client, gate) = (format!("{token}client"), canary(&stage.namespace, &format!("{name} gate")));
        let site = stage.site_with(name, way, &["WEB"], |instance| {
            let mutated = instance.account_mut(ACCOUNT).unwrap();
            for credential in &mut mutated.credentials {
                match credential {
                    jira::Credential::PersonalAccessToken { token: stored, .. }
                    | jira::Credential::ApiToken { token: stored, .. } => stored.clone_from(&token),
                    jira::Credential::ClientCredentials { client_id, secret, .. } => {
                        client_id.clone_from(&client);
                        secret.clone_from(&token);
                    }
                    other => panic!("{other:?} is of no way of these"),
                }
            }
            if let jira::Deployment::DataCenter(center) = &mut instance.deployment {
                center.gateway_headers.insert("X-Gate".to_owned(), gate.clone());
            }
        });
        let mut spec = site.spec(name);
        spec["checks"]["timeout"] = json!("1s");
        spec["permissions"] = json!({ "projects": ["WEB"] });
        let mut data =
            json!({ "token": token, "clientId": client, "clientSecret": token, "unused": canary(name, "unused") });
        if way == Way::PersonalAccessToken {
            data["gate"] = json!(gate);
            let reference = json!({ "secretKeyRef": { "name": name, "key": "gate" } });
            spec["headers"] = json!([{ "name": "X-Gate", "valueFrom": reference }]);
        }
        stage.secret(name, data).await;
        let secrets = vec![token, client, gate, canary(name, "unused")];
        (Self { name: name.to_owned(), site, secrets }, spec)
    }
}

/// Something that goes wrong at a Jira, with the secrets echoed wherever an answer has room for them.
fn breakages(echo: &str, elsewhere: &str) -> Vec<(&'static str, Fault)> {
    let headers = BTreeMap::from([
        ("X-Echo".to_owned(), echo.to_owned()),
        ("WWW-Authenticate".to_owned(), format!("OAuth realm=\"{echo}\"")),
        ("Set-Cookie".to_owned(), format!("echo={echo}")),
        ("X-AUSERNAME".to_owned(), echo.to_owned()),
        ("X-AREQUESTID".to_owned(), echo.to_owned()),
    ]);
    let answer = |status, content_type: &str, body: String| Fault::Status {
        status,
        body,
        content_type: Some(content_type.to_owned()),
        headers: headers.clone(),
    };
    let json = |status, body: Value| answer(status, "application/json", body.to_string());
    let errors = json!({ "errorMessages": [echo, BODY], "message": echo, "errors": { echo: echo }, "error": echo });
    let absurd = json!({
        "version": echo, "versionNumbers": echo, "baseUrl": format!("https://{echo}/{BODY}"), "deploymentType": echo,
        "cloudId": echo, "key": [echo], "accountId": { "id": echo }, "permissions": { echo: echo }, "values": echo,
    });
    let redirect = |location: String| Fault::Redirect { location, status: None };
    vec![
        ("unauthorized", json(401, errors.clone())),
        ("forbidden", json(403, errors.clone())),
        ("not-found", json(404, errors.clone())),
        ("teapot", json(418, errors.clone())),
        ("limited", json(429, errors.clone())),
        ("unwell", json(500, errors.clone())),
        ("down", answer(503, "text/html", format!("<html>{echo} {BODY}</html>"))),
        ("page", answer(200, "text/html", format!("<html>{echo} {BODY}</html>"))),
        ("refusing-page", answer(403, "text/html", format!("<html>{echo} {BODY}</html>"))),
        ("no-json", answer(200, "application/json", format!("{{\"version\": \"{echo} {BODY}"))),
        ("absurd", json(200, absurd)),
        ("plain-text", answer(200, "text/plain", format!("{echo} {BODY}"))),
        ("login", redirect(format!("{elsewhere}/login?echo={echo}&words={BODY}"))),
        ("silent", Fault::NeverAnswer),
        ("cut", Fault::CutInBody { after: 10 }),
    ]
}

async fn open(prefix: &str) -> Stage {
    stage::operator_with(|settings| settings.log_level = Some("trace".to_owned())).await;
    Stage::open(prefix).await
}

/// A conclusion, good or bad.
fn concluded(seen: &Seen) -> bool {
    let waits = seen.is("RateLimited");
    seen.is_observed() && (waits || !["", "Progressing"].contains(&seen.reason()))
}

fn short(way: Way) -> &'static str {
    match way {
        Way::PersonalAccessToken => "center",
        Way::ApiToken => "token",
        Way::ScopedApiToken => "scoped",
        Way::ClientCredentials => "client",
    }
}

const WAYS: [Way; 4] = [Way::PersonalAccessToken, Way::ApiToken, Way::ScopedApiToken, Way::ClientCredentials];

#[tokio::test]
async fn no_answer_of_jira_makes_a_secret_visible() {
    let stage = open("answers").await;
    let elsewhere = stage.site("elsewhere", Way::PersonalAccessToken, &[]);
    let mut subjects = Vec::new();
    for way in WAYS {
        let (good, spec) = Subject::prepare(&stage, short(way), way).await;
        stage.apply(Kind::Connection, &good.name, spec).await;
        subjects.push(good);
        for (position, (fault, _)) in breakages("", "").iter().enumerate() {
            for path in ["", "myself", "mypermissions"] {
                let name = format!("{}-{fault}-{path}", short(way)).trim_end_matches('-').to_owned();
                let (subject, spec) = Subject::prepare(&stage, &name, way).await;
                let echo = subject.secrets.join(" ");
                let broken = breakages(&echo, &elsewhere.url).swap_remove(position).1;
                let paths = match path {
                    "" => vec![String::new()],
                    "mypermissions" => {
                        ["2", "3"].map(|version| format!("/rest/api/{version}/{}", permissions(way))).to_vec()
                    }
                    resource => ["2", "3"].map(|version| format!("/rest/api/{version}/{resource}")).to_vec(),
                };
                for path in paths {
                    stage.simulator().fault(&subject.site.name, Rule::every(broken.clone()).on(&path)).unwrap();
                }
                stage.apply(Kind::Connection, &name, spec).await;
                subjects.push(subject);
            }
        }
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for subject in &subjects {
        let seen = stage.until(Kind::Connection, &subject.name, "concluded", concluded).await;
        *reasons.entry(seen.reason().to_owned()).or_default() += 1;
    }
    println!("{} connections: {reasons:?}", subjects.len());
    for way in WAYS {
        // A limit that the broken ones have met may reach this one as well, for as long as it lasts.
        stage.until_ready(Kind::Connection, short(way)).await;
    }

    let seen = visible(&stage).await;
    let secrets: Vec<_> = subjects.iter().flat_map(|subject| subject.secrets.clone()).collect();
    assert_unseen(&seen, &secrets, &PLACES);
    let addresses: Vec<_> = subjects.iter().map(|subject| email(&subject.site.name)).collect();
    assert_unseen(&seen, &addresses, &STATUSES);
    assert_unseen(&seen, &[BODY.to_owned()], &STATUSES);
    assert_stayed_home(&stage, &subjects);
    assert_eq!(elsewhere.requests(jira::Mark::default()), []);
}

/// The resource that tells permissions.
fn permissions(way: Way) -> &'static str {
    match way {
        Way::PersonalAccessToken => "mypermissions",
        Way::ApiToken | Way::ScopedApiToken | Way::ClientCredentials => "permissions/check",
    }
}

/// Asserts that values of headers went to their own Jira alone, and bearers there or to Atlassian's gateway.
fn assert_stayed_home(stage: &Stage, subjects: &[Subject]) {
    let journal = stage.simulator().journal().since(jira::Mark::default());
    for subject in subjects {
        let [token, _, gate, _] = subject.secrets.as_slice() else { panic!("four secrets") };
        for entry in &journal {
            let own = entry.listener == subject.site.name;
            assert!(own || !entry.carried_anywhere(gate), "{} sent its header away: {entry:?}", subject.name);
            let basic = STANDARD.encode(format!("{}:{token}", email(&subject.site.name)));
            let carried = entry.carried("authorization", &format!("Bearer {token}"))
                || entry.carried("authorization", &format!("Basic {basic}"));
            let gateway = entry.listener == "api" && entry.instance.as_deref() == Some(&subject.site.name);
            let cloud = subject.site.way != Way::PersonalAccessToken;
            assert!(!carried || own || (gateway && cloud), "{} sent its token away: {entry:?}", subject.name);
        }
    }
}

#[tokio::test]
async fn no_refusal_of_the_token_endpoint_makes_a_secret_visible() {
    let stage = open("tokens").await;
    let faults = breakages("", "").len();
    let mut subjects = Vec::new();
    for position in 0..faults {
        let (subject, spec) = Subject::prepare(&stage, &format!("client-{position}"), Way::ClientCredentials).await;
        subjects.push((subject, spec));
    }
    for (position, (subject, spec)) in subjects.iter().enumerate() {
        let broken = breakages(&subject.secrets.join(" "), stage.simulator().api_url()).swap_remove(position).1;
        // The other tests of this binary meet the fault as well, and are none the worse for it: they await conclusions.
        stage.simulator().fault("auth", Rule::every(broken).on("/oauth/token").first(1)).unwrap();
        stage.apply(Kind::Connection, &subject.name, spec.clone()).await;
        stage.until(Kind::Connection, &subject.name, "concluded", concluded).await;
        stage.simulator().heal("auth").unwrap();
    }
    let seen = visible(&stage).await;
    let secrets: Vec<_> = subjects.iter().flat_map(|(subject, _)| subject.secrets.clone()).collect();
    assert_unseen(&seen, &secrets, &PLACES);
    assert_unseen(&seen, &[BODY.to_owned()], &STATUSES);
}

/// What a proxy does with those who ask for a tunnel.
#[derive(Clone, Copy, Debug)]
enum Doorman {
    Tunnels,
    Refuses(u16),
    Babbles,
}

/// A proxy on a free port. It echoes what it was asked with where it refuses.
async fn proxy(doorman: Doorman) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, doorman));
        }
    });
    format!("http://{address}")
}

async fn serve(mut client: TcpStream, doorman: Doorman) -> std::io::Result<()> {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        asked.push(client.read_u8().await?);
    }
    let asked = String::from_utf8_lossy(&asked).into_owned();
    let login = asked.lines().find_map(|line| line.split_once("Basic ")).map_or("", |(_, login)| login);
    let echo = String::from_utf8(STANDARD.decode(login).unwrap()).unwrap();
    match doorman {
        Doorman::Tunnels => {
            let target = asked.split(' ').nth(1).unwrap_or_default();
            let mut server = TcpStream::connect(target).await?;
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            copy_bidirectional(&mut client, &mut server).await?;
        }
        Doorman::Refuses(status) => {
            let answer = format!(
                "HTTP/1.1 {status} {echo}\r\nProxy-Authenticate: Basic realm=\"{echo}\"\r\nContent-Length: {}\r\n\r\n{echo}",
                echo.len()
            );
            client.write_all(answer.as_bytes()).await?;
        }
        Doorman::Babbles => client.write_all(format!("{echo} {login}\r\n\r\n").as_bytes()).await?,
    }
    Ok(())
}

#[tokio::test]
async fn no_proxy_and_no_handshake_makes_a_secret_visible() {
    let stage = open("transport").await;
    let mut secrets = Vec::new();
    let doormen = [
        ("tunnel", Doorman::Tunnels, "ConnectionVerified"),
        ("proxy-auth", Doorman::Refuses(407), "Unreachable"),
        ("proxy-forbids", Doorman::Refuses(403), "Unreachable"),
        ("proxy-down", Doorman::Refuses(502), "Unreachable"),
        ("proxy-babbles", Doorman::Babbles, "Unreachable"),
    ];
    for (name, doorman, _) in doormen {
        let (subject, mut spec) = Subject::prepare(&stage, name, Way::PersonalAccessToken).await;
        let (user, password) = (canary(name, "user"), canary(name, "password"));
        let login = json!({ "url": proxy(doorman).await, "username": user, "password": password });
        stage.secret(&format!("{name}-proxy"), login).await;
        spec["proxySecretRef"] = json!({ "name": format!("{name}-proxy") });
        stage.apply(Kind::Connection, name, spec).await;
        // What the login header holds: both together.
        secrets.extend(subject.secrets.into_iter().chain([format!("{user}:{password}"), user, password]));
    }

    let handshakes = [
        ("mutual", Certificate::Trusted, true, "ConnectionVerified"),
        ("no-client-certificate", Certificate::Trusted, false, "TLSFailed"),
        ("self-signed", Certificate::SelfSigned, true, "TLSFailed"),
        ("expired", Certificate::Expired, true, "TLSFailed"),
        ("other-host", Certificate::OtherHost, true, "TLSFailed"),
    ];
    for (name, certificate, shows_its_own, _) in handshakes {
        let (subject, mut spec) = Subject::prepare(&stage, name, Way::PersonalAccessToken).await;
        let wanted = |instance: &mut jira::Instance| {
            instance.transport.certificate = certificate;
            instance.transport.client_certificate = ClientCertificate::Required;
        };
        stage.simulator().update(&subject.site.name, wanted).unwrap();
        let identity = stage.simulator().client_certificate(name).unwrap();
        let key_line = identity.key.lines().nth(1).unwrap().to_owned();
        stage.secret(&format!("{name}-tls"), json!({ "tls.crt": identity.certificate, "tls.key": identity.key })).await;
        // The authority's own key lies beside its certificate, as some tools leave it.
        let authority_key = canary(name, "authority");
        let bundle = json!({ "ca.crt": stage.simulator().ca_pem(), "ca.key": authority_key });
        stage.secret(&format!("{name}-ca"), bundle).await;
        spec["tls"] = json!({ "caRef": { "kind": "Secret", "name": format!("{name}-ca"), "key": "ca.crt" } });
        if shows_its_own {
            spec["tls"]["clientCertificateSecretRef"] = json!({ "name": format!("{name}-tls") });
        }
        stage.apply(Kind::Connection, name, spec).await;
        secrets.extend(subject.secrets.into_iter().chain([key_line, authority_key]));
    }

    let proxied = doormen.map(|(name, _, reason)| (name, reason));
    for (name, reason) in proxied.into_iter().chain(handshakes.map(|(name, _, _, reason)| (name, reason))) {
        stage.until_reason(Kind::Connection, name, reason).await;
    }
    assert_unseen(&visible(&stage).await, &secrets, &PLACES);
}

#[tokio::test]
async fn no_malformed_secret_is_quoted() {
    let stage = open("malformed").await;
    let mut secrets = Vec::new();
    let line_break = canary(&stage.namespace, "line break");
    let no_pem = canary(&stage.namespace, "no pem");
    let no_url = canary(&stage.namespace, "no url");
    let logged_in = canary(&stage.namespace, "logged in").replace('/', "");
    secrets.extend([&line_break, &no_pem, &no_url, &logged_in].map(Clone::clone));
    let site = stage.site("jira", Way::PersonalAccessToken, &[]);
    stage.secret("good", site.credential()).await;
    let bad = json!({
        "token": format!("{line_break}\n"), "pem": no_pem, "tls.crt": no_pem, "tls.key": no_pem,
        "url": format!("http://{no_url}:{no_url}"),
    });
    stage.secret("bad", bad).await;
    stage.secret("bad-proxy", json!({ "url": format!("http://{logged_in}:{logged_in}@127.0.0.1:1") })).await;
    let cases = [
        (
            "token",
            json!({ "auth": { "personalAccessToken": { "tokenSecretRef": { "name": "bad", "key": "token" } } } }),
        ),
        (
            "header",
            json!({ "headers": [{ "name": "X-Gate", "valueFrom": { "secretKeyRef": { "name": "bad", "key": "token" } } }] }),
        ),
        ("bundle", json!({ "tls": { "caRef": { "kind": "Secret", "name": "bad", "key": "pem" } } })),
        ("certificate", json!({ "tls": { "clientCertificateSecretRef": { "name": "bad" } } })),
        ("proxy", json!({ "proxySecretRef": { "name": "bad" } })),
        ("proxy-login", json!({ "proxySecretRef": { "name": "bad-proxy" } })),
    ];
    for (name, change) in &cases {
        let mut spec = site.spec("good");
        for (field, value) in change.as_object().unwrap() {
            spec[field] = value.clone();
        }
        stage.apply(Kind::Connection, name, spec).await;
    }
    for (name, _) in cases {
        stage.until_reason(Kind::Connection, name, "SecretInvalid").await;
    }
    assert_eq!(site.requests(jira::Mark::default()), []);
    assert_unseen(&visible(&stage).await, &secrets, &PLACES);
}
