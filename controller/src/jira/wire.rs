//! What really goes over the wire: the module against small servers on the loopback interface.

mod consent;
mod signed;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rstest::rstest;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A certificate authority of one test, with the certificates that it signs.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        Self::named("Fake CA")
    }

    fn named(name: &str) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn pem(&self) -> Vec<u8> {
        self.certificate.pem().into_bytes()
    }

    fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()).unwrap();
        change(&mut params);
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn server(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
        let (certificate, key) = self.sign(names, change);
        ServerConfig::builder().with_no_client_auth().with_single_cert(chain(&certificate), private(&key)).unwrap()
    }

    fn client(&self) -> ClientCertificate {
        let usage = |it: &mut CertificateParams| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (certificate, key) = self.sign(&["operator.test"], usage);
        ClientCertificate { certificate: certificate.pem().into_bytes(), key: key.serialize_pem().into() }
    }
}

fn chain(certificate: &rcgen::Certificate) -> Vec<CertificateDer<'static>> {
    vec![certificate.der().clone()]
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

/// What a server does with each request, in turn; the last one again and again.
#[derive(Clone)]
enum Reply {
    /// Sends this.
    Says(String),
    /// Sends so many bytes of body.
    Floods(usize),
    /// Closes the connection after this.
    Breaks(&'static str),
    /// Sends nothing.
    Hangs,
}

fn json(status: u16, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Says(format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    ))
}

/// A server that keeps what it is sent.
struct Listening {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

impl Listening {
    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The value of a header of the request at this position; header names are sent in lower case.
    fn header(&self, position: usize, name: &str) -> Option<String> {
        let requests = self.requests();
        let lines = requests[position].lines().filter_map(|it| it.split_once(": "));
        lines.filter(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    }

    fn site(&self) -> Site {
        Site::parse(&format!("https://localhost:{}/jira", self.port)).unwrap()
    }
}

async fn serve(tls: ServerConfig, replies: &[Reply]) -> Listening {
    serve_at(TcpListener::bind("127.0.0.1:0").await.unwrap(), tls, replies)
}

fn serve_at(listener: TcpListener, tls: ServerConfig, replies: &[Reply]) -> Listening {
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let connections = Arc::new(Mutex::new(0));
    let (acceptor, replies) = (TlsAcceptor::from(Arc::new(tls)), replies.to_vec());
    tokio::spawn({
        let (requests, connections) = (requests.clone(), connections.clone());
        async move {
            while let Ok((stream, _)) = listener.accept().await {
                *connections.lock().unwrap() += 1;
                let (acceptor, replies, requests) = (acceptor.clone(), replies.clone(), requests.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        converse(stream, &replies, &requests).await;
                    }
                });
            }
        }
    });
    Listening { port, requests, connections }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, replies: &[Reply], requests: &Mutex<Vec<String>>) {
    while let Some(request) = receive(&mut stream).await {
        let position = {
            let mut requests = requests.lock().unwrap();
            requests.push(request);
            (requests.len() - 1).min(replies.len() - 1)
        };
        let sent = match &replies[position] {
            Reply::Says(text) => stream.write_all(text.as_bytes()).await,
            Reply::Floods(length) => {
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
                let body = vec![b' '; *length];
                stream.write_all(&[head.as_bytes(), &body].concat()).await
            }
            Reply::Breaks(text) => {
                stream.write_all(text.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
                return;
            }
            Reply::Hangs => std::future::pending().await,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// One request with its body, as text; `None` at the end of the connection.
async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|it| it.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if length.unwrap_or(0) <= body.len() {
                return Some(text);
            }
        }
        match stream.read_buf(&mut request).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => (),
        }
    }
}

fn config(ca: &Authority) -> NetworkConfig {
    NetworkConfig {
        atlassian_auth_url: "https://auth.example.test".parse().unwrap(),
        atlassian_api_url: "https://api.example.test".parse().unwrap(),
        allowed_hosts: vec!["*".parse().unwrap()],
        denied_networks: Vec::new(),
        extra_ca: ca.pem(),
        proxy: None,
    }
}

fn route(site: Site) -> Route {
    let timeout = Duration::from_secs(10);
    Route { site, headers: Vec::new(), ca: None, client_certificate: None, proxy: None, timeout }
}

fn gate() -> CustomHeader {
    CustomHeader::new("X-Gate", &"fake-gate-secret".into()).unwrap()
}

fn session(base: ApiBase) -> Session {
    Session { base, authorization: Authorization::Bearer("fake-token".into()) }
}

fn cloud_id() -> CloudId {
    "11111111-2222-3333-4444-555555555555".parse().unwrap()
}

/// A Data Center that gives these answers, and a connection to it.
async fn data_center(replies: &[Reply]) -> (Listening, Network, Jira) {
    let ca = Authority::new();
    let server = serve(ca.server(&["localhost"], |_| ()), replies).await;
    let network = Network::new(config(&ca)).unwrap();
    let jira = network.connect(Route { headers: vec![gate()], ..route(server.site()) }).unwrap();
    (server, network, jira)
}

fn server_info(port: u16) -> String {
    format!(
        r#"{{"baseUrl":"https://localhost:{port}/jira","version":"10.3.2","versionNumbers":[10,3,2],"deploymentType":"Server"}}"#
    )
}

const MYSELF: &str = r#"{"key":"JIRAUSER1","name":"fake.bot","displayName":"Fake Bot","active":true}"#;

#[tokio::test]
async fn a_request_carries_what_it_should_and_no_more() {
    let (server, network, jira) = data_center(&[json(200, "Set-Cookie: a=b\r\n", MYSELF)]).await;
    for _ in 0..2 {
        assert_eq!(jira.account(&session(ApiBase::DataCenter)).await.unwrap().id, "JIRAUSER1");
    }
    assert!(server.requests()[0].starts_with("GET /jira/rest/api/2/myself HTTP/1.1\r\n"));
    assert_eq!(server.header(0, "authorization").as_deref(), Some("Bearer fake-token"));
    assert_eq!(server.header(0, "x-gate").as_deref(), Some("fake-gate-secret"));
    assert_eq!(server.header(0, "accept").as_deref(), Some("application/json"));
    assert!(server.header(0, "user-agent").unwrap().starts_with("jira-connection-operator/"));
    for name in ["cookie", "origin", "referer", "x-atlassian-token"] {
        assert_eq!(server.header(1, name), None);
    }
    assert_eq!(network.tally(), [(Endpoint::Myself, OutcomeClass::Answered, 2)]);
}

#[tokio::test]
async fn basic_authentication_is_sent() {
    let (server, _, jira) = data_center(&[json(200, "", MYSELF)]).await;
    let authorization = Authorization::Basic { user: "Aladdin".to_owned(), token: "open sesame".into() };
    jira.account(&Session { base: ApiBase::DataCenter, authorization }).await.unwrap();
    // The example of RFC 7617, section 2.
    assert_eq!(server.header(0, "authorization").as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
}

#[rstest]
#[case::its_own(0, true)]
#[case::of_another_port(1, false)]
#[tokio::test]
async fn discovery_carries_the_headers_and_no_credential(#[case] shift: u16, #[case] same: bool) {
    let ca = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let reported = listener.local_addr().unwrap().port() ^ shift;
    let server = serve_at(listener, ca.server(&["localhost"], |_| ()), &[json(200, "", &server_info(reported))]);
    let jira =
        Network::new(config(&ca)).unwrap().connect(Route { headers: vec![gate()], ..route(server.site()) }).unwrap();
    let problem = Problem::WrongSite { reported: Some(format!("https://localhost:{reported}/jira")) };
    assert_eq!(
        jira.server().await.map(|it| it.deployment),
        if same { Ok(Deployment::DataCenter) } else { Err(problem) }
    );
    assert!(server.requests()[0].starts_with("GET /jira/rest/api/2/serverInfo HTTP/1.1\r\n"));
    assert_eq!(server.header(0, "authorization"), None);
    assert_eq!(server.header(0, "x-gate").as_deref(), Some("fake-gate-secret"));
}

#[tokio::test]
async fn a_cloud_site_may_report_another_base_url() {
    let body = r#"{"baseUrl":"https://example-team.atlassian.net","version":"1001.0.0","deploymentType":"Cloud"}"#;
    let id = r#"{"cloudId":"11111111-2222-3333-4444-555555555555","more":1}"#;
    let (_, _, jira) =
        data_center(&[json(200, "", body), json(200, "", id), json(200, "", r#"{"cloudId":"../x"}"#)]).await;
    assert_eq!(jira.server().await.unwrap().deployment, Deployment::Cloud);
    assert_eq!(jira.cloud_id().await, Ok(cloud_id()));
    assert_eq!(jira.cloud_id().await, Err(Problem::NotJira(Gibberish::Content)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let ca = Authority::new();
    let target = serve(ca.server(&["localhost"], |_| ()), &[json(200, "", MYSELF)]).await;
    let location = format!("Location: https://localhost:{}/login\r\n", target.port);
    let server = serve(ca.server(&["localhost"], |_| ()), &[json(302, &location, "")]).await;
    let jira = Network::new(config(&ca)).unwrap().connect(route(server.site())).unwrap();
    let problem = jira.account(&session(ApiBase::DataCenter)).await.err();
    assert_eq!(problem, Some(Problem::Intercepted(Interceptor::Redirect)));
    assert_eq!((server.requests().len(), target.requests().len()), (1, 0));
}

#[tokio::test]
async fn headers_and_client_certificate_stay_with_the_site() {
    let ca = Authority::new();
    let token = json(200, "", r#"{"access_token":"FAKE.JWT","expires_in":3600,"token_type":"Bearer"}"#);
    let atlassian =
        serve(ca.server(&["localhost"], |_| ()), &[token.clone(), json(200, "", r#"{"accountId":"a1"}"#)]).await;
    let site = serve(ca.server(&["localhost"], |_| ()), &[token]).await;
    let base = |path: &str| format!("https://localhost:{}{path}", atlassian.port).parse().unwrap();
    let config = NetworkConfig { atlassian_auth_url: base("/auth"), atlassian_api_url: base("/"), ..config(&ca) };
    // Atlassian's hosts need not be among the allowed ones.
    let config = NetworkConfig { allowed_hosts: vec![format!("localhost:{}", site.port).parse().unwrap()], ..config };
    let network = Network::new(config).unwrap();
    let route = Route { headers: vec![gate()], client_certificate: Some(ca.client()), ..route(site.site()) };
    let jira = network.connect(route).unwrap();

    let secret = SecretString::from("fake-secret");
    let scopes = ["READ".to_owned(), "WRITE".to_owned()];
    jira.client_credentials(Deployment::Cloud, "fake-client", &secret, &scopes).await.unwrap();
    jira.account(&session(ApiBase::CloudGateway(cloud_id()))).await.unwrap();
    jira.client_credentials(Deployment::DataCenter, "fake-client", &secret, &scopes).await.unwrap();

    let asked = atlassian.requests();
    assert!(asked[0].starts_with("POST /auth/oauth/token HTTP/1.1\r\n"));
    let (_, body) = asked[0].split_once("\r\n\r\n").unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(body).unwrap(),
        serde_json::json!({
            "client_id": "fake-client", "client_secret": "fake-secret", "grant_type": "client_credentials",
        })
    );
    assert_eq!(atlassian.header(0, "x-atlassian-token").as_deref(), Some("no-check"));
    assert!(asked[1].starts_with(&format!("GET /ex/jira/{}/rest/api/3/myself HTTP/1.1\r\n", cloud_id())));
    assert_eq!((atlassian.header(0, "x-gate"), atlassian.header(1, "x-gate")), (None, None));
    assert!(site.requests()[0].starts_with("POST /jira/rest/oauth2/latest/token HTTP/1.1\r\n"));
    assert!(site.requests()[0].ends_with(
        "\r\n\r\ngrant_type=client_credentials&scope=READ+WRITE&client_id=fake-client&client_secret=fake-secret"
    ));
    assert_eq!(site.header(0, "content-type").as_deref(), Some("application/x-www-form-urlencoded"));
    assert_eq!(site.header(0, "x-gate").as_deref(), Some("fake-gate-secret"));
}

#[rstest]
#[case::longest(1024 * 1024 - 2, Problem::NotJira(Gibberish::Content))]
#[case::flood(10 * 1024 * 1024, Problem::NotJira(Gibberish::TooLarge))]
#[tokio::test]
async fn a_long_body_is_cut(#[case] length: usize, #[case] problem: Problem) {
    let (_, _, jira) = data_center(&[Reply::Floods(length)]).await;
    assert_eq!(jira.account(&session(ApiBase::DataCenter)).await, Err(problem));
}

#[rstest]
#[case::silence(Reply::Hangs, Outage::TimedOut)]
#[case::closed_at_once(Reply::Breaks(""), Outage::Interrupted)]
#[case::closed_in_the_head(Reply::Breaks("HTTP/1.1 200 OK\r\nContent-"), Outage::Interrupted)]
#[case::closed_in_the_body(Reply::Breaks("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), Outage::Interrupted)]
#[case::endless_body(Reply::Says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_owned()), Outage::TimedOut)]
#[case::gibberish(Reply::Breaks("what?\r\n\r\n"), Outage::Interrupted)]
#[case::server_error(json(502, "", ""), Outage::ServerError { status: 502 })]
#[tokio::test]
async fn an_outage_is_named(#[case] reply: Reply, #[case] outage: Outage) {
    let ca = Authority::new();
    let server = serve(ca.server(&["localhost"], |_| ()), &[reply]).await;
    let route = Route { timeout: Duration::from_millis(500), ..route(server.site()) };
    let jira = Network::new(config(&ca)).unwrap().connect(route).unwrap();
    assert_eq!(jira.server().await, Err(Problem::Unreachable(outage)));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_name_are_told_apart() {
    let ca = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let network = Network::new(config(&ca)).unwrap();
    let ask = |url: String| network.connect(route(Site::parse(&url).unwrap())).unwrap();
    let closed = ask(format!("https://127.0.0.1:{port}")).server().await;
    assert_eq!(closed, Err(Problem::Unreachable(Outage::NotConnected)));
    let unknown = ask("https://jira.invalid".to_owned()).server().await;
    assert_eq!(unknown, Err(Problem::Unreachable(Outage::NameNotResolved)));
}

#[rstest]
#[case::well(&["localhost"], (2020, 4000), "Other CA", true, None)]
#[case::unknown_issuer(&["localhost"], (2020, 4000), "Other CA", false, Some(TlsFault::UnknownIssuer))]
#[case::issuer_with_another_key(&["localhost"], (2020, 4000), "Fake CA", false, Some(TlsFault::UnknownIssuer))]
#[case::expired(&["localhost"], (2020, 2021), "Other CA", true, Some(TlsFault::Expired))]
#[case::not_yet(&["localhost"], (3000, 4000), "Other CA", true, Some(TlsFault::Expired))]
#[case::other_name(&["other.test"], (2020, 4000), "Other CA", true, Some(TlsFault::NameMismatch))]
#[tokio::test]
async fn a_certificate_is_verified(
    #[case] names: &[&str],
    #[case] years: (i32, i32),
    #[case] operators_ca: &str,
    #[case] trusted: bool,
    #[case] fault: Option<TlsFault>,
) {
    let (ca, other) = (Authority::new(), Authority::named(operators_ca));
    let years = |it: &mut CertificateParams| {
        it.not_before = date_time_ymd(years.0, 1, 1);
        it.not_after = date_time_ymd(years.1, 1, 1);
    };
    let server = serve(ca.server(names, years), &[json(200, "", MYSELF)]).await;
    let network = Network::new(config(&other)).unwrap();
    // Through the connection's own bundle this time.
    let jira = network.connect(Route { ca: trusted.then(|| ca.pem()), ..route(server.site()) }).unwrap();
    let answer = jira.account(&session(ApiBase::DataCenter)).await;
    assert_eq!(answer.err(), fault.map(Problem::Tls));
    assert_eq!(server.requests().len(), usize::from(fault.is_none()));
}

#[rstest]
#[case::shown(true, None)]
#[case::missing(false, Some(Problem::Tls(TlsFault::ClientCertificate)))]
#[tokio::test]
async fn a_client_certificate_is_shown_on_demand(#[case] shown: bool, #[case] problem: Option<Problem>) {
    let ca = Authority::new();
    let mut roots = RootCertStore::empty();
    roots.add(ca.certificate.der().clone()).unwrap();
    let (certificate, key) = ca.sign(&["localhost"], |_| ());
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let tls = ServerConfig::builder().with_client_cert_verifier(verifier);
    let tls = tls.with_single_cert(chain(&certificate), private(&key)).unwrap();
    let server = serve(tls, &[json(200, "", MYSELF)]).await;
    let network = Network::new(config(&ca)).unwrap();
    let jira =
        network.connect(Route { client_certificate: shown.then(|| ca.client()), ..route(server.site()) }).unwrap();
    assert_eq!(jira.account(&session(ApiBase::DataCenter)).await.err(), problem);
}

#[tokio::test]
async fn plain_http_on_the_port_is_a_failed_handshake() {
    let ca = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        }
    });
    let site = Site::parse(&format!("https://localhost:{port}")).unwrap();
    let jira = Network::new(config(&ca)).unwrap().connect(route(site)).unwrap();
    assert_eq!(jira.server().await, Err(Problem::Tls(TlsFault::Handshake)));
}

#[rstest]
#[case::by_name("localhost", "*", &["127.0.0.0/8", "::1/128"])]
#[case::by_mapped_network("localhost", "*", &["::ffff:127.0.0.0/104", "::1/128"])]
#[case::by_address("127.0.0.1", "*", &["127.0.0.0/8"])]
#[case::by_mapped_address("[::ffff:127.0.0.1]", "*", &["127.0.0.0/8"])]
#[case::by_disguised_address("2130706433", "*", &["127.0.0.0/8"])]
#[case::by_pattern("localhost", "jira.acme.example", &[])]
#[tokio::test]
async fn a_host_that_is_not_allowed_gets_nothing(#[case] host: &str, #[case] allowed: &str, #[case] denied: &[&str]) {
    let ca = Authority::new();
    let server = serve(ca.server(&["localhost", "127.0.0.1"], |_| ()), &[json(200, "", MYSELF)]).await;
    let network = Network::new(NetworkConfig {
        allowed_hosts: vec![allowed.parse().unwrap()],
        denied_networks: denied.iter().map(|it| it.parse().unwrap()).collect(),
        ..config(&ca)
    })
    .unwrap();
    let site = Site::parse(&format!("https://{host}:{}", server.port)).unwrap();
    assert_eq!(network.allows(&site), allowed == "*");
    let jira = network.connect(route(site)).unwrap();
    assert_eq!(jira.account(&session(ApiBase::DataCenter)).await, Err(Problem::HostNotAllowed));
    let secret = SecretString::from("fake-secret");
    let token = jira.client_credentials(Deployment::DataCenter, "fake-client", &secret, &[]).await;
    assert_eq!(token.err(), Some(Problem::HostNotAllowed));
    assert_eq!(*server.connections.lock().unwrap(), 0);
}

#[tokio::test]
async fn nothing_is_asked_of_atlassian_for_a_site_that_is_not_allowed() {
    let ca = Authority::new();
    let atlassian = serve(ca.server(&["localhost"], |_| ()), &[json(200, "", "{}")]).await;
    let config = NetworkConfig {
        atlassian_auth_url: format!("https://localhost:{}", atlassian.port).parse().unwrap(),
        allowed_hosts: Vec::new(),
        ..config(&ca)
    };
    let jira = Network::new(config).unwrap().connect(route(Site::parse("https://jira.test").unwrap())).unwrap();
    let token = jira.client_credentials(Deployment::Cloud, "fake-client", &"fake-secret".into(), &[]).await;
    assert_eq!(token.err(), Some(Problem::HostNotAllowed));
    assert_eq!(*atlassian.connections.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_pause_is_obeyed_by_every_connection_of_the_host() {
    let ca = Authority::new();
    let replies = [json(429, "Retry-After: 60\r\n", ""), json(200, "", MYSELF)];
    let server = serve(ca.server(&["localhost"], |_| ()), &replies).await;
    let network = Network::new(config(&ca)).unwrap();
    let (first, second) =
        (network.connect(route(server.site())).unwrap(), network.connect(route(server.site())).unwrap());
    let session = session(ApiBase::DataCenter);
    let wait = |problem| match problem {
        Err(Problem::RateLimited { retry_after, reach: LimitReach::Host }) => retry_after.unwrap(),
        it => panic!("{it:?}"),
    };
    assert_eq!(wait(first.account(&session).await), Duration::from_secs(60));
    assert!(wait(second.account(&session).await) <= Duration::from_secs(60));
    assert_eq!(server.requests().len(), 1);
    let sent = (Endpoint::Myself, OutcomeClass::RateLimited, 1);
    assert_eq!(network.tally(), [(Endpoint::Myself, OutcomeClass::Unsent, 1), sent]);
}

#[rstest]
#[case::cloud("X-RateLimit-NearLimit: true\r\n", true)]
#[case::data_center("X-RateLimit-Limit: 50\r\nX-RateLimit-Remaining: 3\r\n", true)]
#[case::plenty("X-RateLimit-Limit: 50\r\nX-RateLimit-Remaining: 49\r\nRetry-After: 0\r\n", false)]
#[case::no_limit("", false)]
#[tokio::test]
async fn a_good_answer_may_say_that_little_is_left(#[case] headers: &str, #[case] scarce: bool) {
    let (server, network, jira) = data_center(&[json(200, headers, MYSELF)]).await;
    jira.account(&session(ApiBase::DataCenter)).await.unwrap();
    let left: Vec<_> = network.budgets().into_iter().map(|it| (it.host, it.scarce)).collect();
    assert_eq!(left, [(format!("localhost:{}", server.port), scarce)]);
}

#[tokio::test]
async fn connections_with_equal_settings_share_their_tcp_connections() {
    let ca = Authority::new();
    let server = serve(ca.server(&["localhost"], |_| ()), &[json(200, "", MYSELF)]).await;
    let network = Network::new(config(&ca)).unwrap();
    for _ in 0..20 {
        let jira = network.connect(route(server.site())).unwrap();
        jira.account(&session(ApiBase::DataCenter)).await.unwrap();
    }
    assert_eq!((server.requests().len(), *server.connections.lock().unwrap()), (20, 1));
}

/// A proxy that forwards everything, or answers with this status; and what it was asked.
async fn proxy(status: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(Mutex::new(Vec::new()));
    tokio::spawn({
        let requests = requests.clone();
        async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let requests = requests.clone();
                tokio::spawn(async move {
                    let request = receive(&mut stream).await.unwrap();
                    let target = request.split(' ').nth(1).unwrap().to_owned();
                    requests.lock().unwrap().push(request);
                    stream.write_all(format!("HTTP/1.1 {status} X\r\n\r\n").as_bytes()).await.unwrap();
                    if status == 200 {
                        let mut onward = TcpStream::connect(target).await.unwrap();
                        drop(copy_bidirectional(&mut stream, &mut onward).await);
                    }
                });
            }
        }
    });
    (port, requests)
}

#[rstest]
#[case::forwards(200, None)]
#[case::wants_another_login(407, Some(Problem::Unreachable(Outage::Proxy)))]
#[case::refuses(403, Some(Problem::Unreachable(Outage::Proxy)))]
#[tokio::test]
async fn a_proxy_sees_the_host_and_no_header(#[case] status: u16, #[case] problem: Option<Problem>) {
    let ca = Authority::new();
    let server = serve(ca.server(&["localhost"], |_| ()), &[json(200, "", MYSELF)]).await;
    let (port, requests) = proxy(status).await;
    let proxy = Proxy::parse(&format!("http://localhost:{port}"), Some("u".into()), Some("p".into())).unwrap();
    let route = Route { proxy: Some(proxy), headers: vec![gate()], ..route(server.site()) };
    let jira = Network::new(config(&ca)).unwrap().connect(route).unwrap();
    assert_eq!(jira.account(&session(ApiBase::DataCenter)).await.err(), problem);
    let seen = requests.lock().unwrap()[0].to_ascii_lowercase();
    assert!(seen.starts_with(&format!("connect localhost:{} http/1.1", server.port)));
    assert!(seen.contains("proxy-authorization: basic dtpw"));
    assert!(!seen.contains("fake-"));
}

#[tokio::test]
async fn a_missing_proxy_is_not_a_missing_jira() {
    let ca = Authority::new();
    let proxy = Proxy::parse("http://proxy.invalid:3128", None, None).unwrap();
    let site = Site::parse("https://jira.test").unwrap();
    let jira = Network::new(config(&ca)).unwrap().connect(Route { proxy: Some(proxy), ..route(site) }).unwrap();
    assert_eq!(jira.server().await, Err(Problem::Unreachable(Outage::Proxy)));
}

#[rstest]
#[case::proxy_by_name("http://localhost", "https://jira.test", &["*"], &["127.0.0.0/8", "::1/128"])]
#[case::proxy_by_address("http://127.0.0.1", "https://jira.test", &["*"], &["127.0.0.0/8"])]
#[case::proxy_by_pattern("http://localhost", "https://jira.test", &["jira.test"], &[])]
#[case::target_by_address("http://localhost", "https://169.254.169.254", &["*"], &["169.254.0.0/16"])]
#[case::target_by_name("http://127.0.0.1", "https://localhost", &["*"], &["::1/128", "127.0.0.2/31", "127.0.0.0/31"])]
#[tokio::test]
async fn a_proxy_is_no_way_around_the_rules(
    #[case] proxy_host: &str,
    #[case] site: &str,
    #[case] allowed: &[&str],
    #[case] denied: &[&str],
) {
    let ca = Authority::new();
    let (port, requests) = proxy(200).await;
    let network = Network::new(NetworkConfig {
        allowed_hosts: allowed.iter().map(|it| it.parse().unwrap()).collect(),
        denied_networks: denied.iter().map(|it| it.parse().unwrap()).collect(),
        ..config(&ca)
    })
    .unwrap();
    let proxy = Proxy::parse(&format!("{proxy_host}:{port}"), None, None).unwrap();
    let jira = network.connect(Route { proxy: Some(proxy), ..route(Site::parse(site).unwrap()) }).unwrap();
    assert_eq!(jira.server().await, Err(Problem::HostNotAllowed));
    assert_eq!(requests.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn the_operators_proxy_may_be_anywhere() {
    let ca = Authority::new();
    let (port, requests) = proxy(403).await;
    let network = Network::new(NetworkConfig {
        allowed_hosts: vec!["jira.test".parse().unwrap()],
        denied_networks: vec!["127.0.0.0/8".parse().unwrap()],
        proxy: Some(Proxy::parse(&format!("http://127.0.0.1:{port}"), None, None).unwrap()),
        ..config(&ca)
    })
    .unwrap();
    let jira = network.connect(route(Site::parse("https://jira.test").unwrap())).unwrap();
    assert_eq!(jira.server().await, Err(Problem::Unreachable(Outage::Proxy)));
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_malformed_is_named() {
    let (ca, other) = (Authority::new(), Authority::new());
    let network = Network::new(config(&ca)).unwrap();
    let site = || Site::parse("https://jira.test").unwrap();
    let fault = |route: Route| network.connect(route).err();
    let with_ca = |pem: &[u8]| fault(Route { ca: Some(pem.to_vec()), ..route(site()) });
    let with_pair = |certificate: Vec<u8>, key: SecretString| {
        fault(Route { client_certificate: Some(ClientCertificate { certificate, key }), ..route(site()) })
    };
    let (ours, theirs) = (ca.client(), other.client());
    assert_eq!(with_ca(b"gibberish"), Some(RouteFault::CaNotPem));
    assert_eq!(with_ca(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"), Some(RouteFault::CaNotPem));
    assert_eq!(
        with_ca(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        Some(RouteFault::CaMalformed)
    );
    assert_eq!(with_pair(b"gibberish".to_vec(), ours.key.clone()), Some(RouteFault::ClientCertificateNotPem));
    assert_eq!(with_pair(ours.certificate.clone(), "x".into()), Some(RouteFault::ClientCertificateKeyNotPem));
    assert_eq!(with_pair(ours.certificate.clone(), theirs.key), Some(RouteFault::ClientCertificateMismatch));
    assert_eq!(with_pair(ours.certificate, ours.key), None);
    assert_eq!(with_ca(&ca.pem()), None);
}

#[rstest]
#[case("http://auth.atlassian.com")]
#[case("https://user@auth.atlassian.com")]
#[case("https://auth.atlassian.com/?x")]
#[tokio::test]
async fn the_operator_does_not_start_with_an_unsafe_url_of_atlassian(#[case] url: &str) {
    let ca = Authority::new();
    let config = NetworkConfig { atlassian_auth_url: url.parse().unwrap(), ..config(&ca) };
    assert_eq!(Network::new(config).err(), Some(NetworkFault::AtlassianUrl));
    let config = NetworkConfig { extra_ca: b"gibberish".to_vec(), ..super::wire::config(&ca) };
    assert_eq!(Network::new(config).err(), Some(NetworkFault::ExtraCa(RouteFault::CaNotPem)));
}

#[tokio::test]
async fn a_token_that_no_header_can_carry_is_not_sent() {
    let (server, _, jira) = data_center(&[json(200, "", MYSELF)]).await;
    let authorization = Authorization::Bearer("fake-token\n".into());
    let problem = jira.account(&Session { base: ApiBase::DataCenter, authorization }).await;
    assert_eq!(problem, Err(Problem::Rejected(Rejection::Unauthorized)));
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn projects_of_a_data_center_are_asked_one_by_one() {
    let missing = json(404, "", r#"{"errorMessages":["No project could be found with key 'B'."],"errors":{}}"#);
    let found = json(200, "", r#"{"id":"10000","key":"A","name":"First"}"#);
    let (server, _, jira) = data_center(&[found, missing]).await;
    let projects = jira.projects(&session(ApiBase::DataCenter), &["A", "B", "../C"]).await.unwrap();
    assert_eq!(projects.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), ["A"]);
    let lines: Vec<String> = server.requests().iter().map(|it| it.lines().next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["GET /jira/rest/api/2/project/A HTTP/1.1", "GET /jira/rest/api/2/project/B HTTP/1.1"]);
}

#[tokio::test]
async fn projects_of_a_cloud_site_are_searched_by_fifty() {
    let page = json(200, "", r#"{"startAt":0,"isLast":true,"values":[{"id":"10000","key":"K0","name":"First"}]}"#);
    let (server, _, jira) = data_center(&[page, json(404, "", r#"{"errorMessages":[],"errors":{}}"#)]).await;
    let keys: Vec<String> = (0..51).map(|it| format!("K{it}")).collect();
    assert_eq!(jira.projects(&session(ApiBase::CloudSite), &keys).await.unwrap().len(), 1);
    let queries: Vec<usize> = server.requests().iter().map(|it| it.matches("&keys=").count()).collect();
    assert_eq!(queries, [50, 1]);
    assert!(
        server.requests()[0]
            .starts_with("GET /jira/rest/api/3/project/search?maxResults=50&status=live&status=archived&keys=K0&")
    );
}

#[tokio::test]
async fn permissions_are_asked_in_the_dialect_of_the_deployment() {
    let (server, _, jira) =
        data_center(&[json(200, "", r#"{"permissions":{"BROWSE_PROJECTS":{"havePermission":true}}}"#)]).await;
    jira.permissions(&session(ApiBase::DataCenter), Some("EX")).await.unwrap();
    jira.permissions(&session(ApiBase::CloudSite), None).await.unwrap();
    let requests = server.requests();
    assert!(requests[0].starts_with("GET /jira/rest/api/2/mypermissions?projectKey=EX HTTP/1.1"));
    assert!(
        requests[1]
            .starts_with("GET /jira/rest/api/3/mypermissions?permissions=BROWSE_PROJECTS%2CDELETE_ALL_COMMENTS%2C")
    );
    assert!(!requests[1].contains("EDIT_ISSUE%2C"));
    assert_eq!(jira.permissions(&session(ApiBase::DataCenter), Some("a/b")).await, Err(Problem::NotFound));
    assert_eq!(server.requests().len(), 2);
}

#[rstest]
#[case::nothing(0, 0, 0, 0)]
#[case::global_alone(1, 0, 0, 1)]
#[case::no_permission_to_check(0, 0, 5, 0)]
#[case::thousand(1, 1, 1000, 1)]
#[case::more(1, 1, 2001, 3)]
#[tokio::test]
async fn bulk_checks_are_cut_to_a_thousand_projects(
    #[case] global: usize,
    #[case] permissions: usize,
    #[case] projects: u64,
    #[case] count: usize,
) {
    let (server, _, jira) =
        data_center(&[json(200, "", r#"{"globalPermissions":["USER_PICKER"],"projectPermissions":[]}"#)]).await;
    let (global, permissions) = (vec!["USER_PICKER".to_owned(); global], vec!["EDIT_ISSUES".to_owned(); permissions]);
    let ids: Vec<u64> = (0..projects).collect();
    let granted = jira.check_permissions(&session(ApiBase::CloudSite), &global, &permissions, &ids).await.unwrap();
    let requests = server.requests();
    assert_eq!((granted.global.len(), granted.projects.len(), requests.len()), (global.len(), 0, count));
    assert_eq!(
        requests.iter().filter(|it| it.contains(r#""globalPermissions":["USER_PICKER"]"#)).count(),
        global.len()
    );
    assert!(requests.iter().all(|it| it.starts_with("POST /jira/rest/api/3/permissions/check HTTP/1.1")));
}

const NO_RIGHT: (u16, &str) = (403, r#"{"errorMessages":["No."],"errors":{}}"#);
const LEVELS: (u16, &str) = (200, r#"{"levels":[{"id":"10021","name":"Internal"}]}"#);
const NO_LEVELS: (u16, &str) = (200, r#"{"levels":[]}"#);
const HIDDEN: (u16, &str) = (404, r#"{"errorMessages":["No project."],"errors":{}}"#);

#[rstest]
#[case::no_scheme(&[(200, "{}")], Ok(IssueSecurity::NotConfigured))]
#[case::scheme_without_levels(&[NO_LEVELS], Ok(IssueSecurity::NotConfigured))]
#[case::scheme_missing_or_hidden(&[HIDDEN], Ok(IssueSecurity::Unknown))]
#[case::administrator_and_member(&[LEVELS, LEVELS], Ok(IssueSecurity::Visible))]
#[case::administrator_alone(&[LEVELS, NO_LEVELS], Ok(IssueSecurity::Unknown))]
#[case::member_alone(&[NO_RIGHT, LEVELS], Ok(IssueSecurity::Visible))]
#[case::neither(&[NO_RIGHT, NO_LEVELS], Ok(IssueSecurity::Unknown))]
#[case::nothing_known(&[NO_RIGHT, HIDDEN], Ok(IssueSecurity::Unknown))]
#[case::gibberish(&[(200, "[]")], Err(Problem::NotJira(Gibberish::Content)))]
#[case::gibberish_after(&[NO_RIGHT, (200, "{}")], Err(Problem::NotJira(Gibberish::Content)))]
#[case::unauthorized(&[(401, r#"{"message":"No","status-code":401}"#)], Err(Problem::Rejected(Rejection::Unauthorized)))]
#[tokio::test]
async fn issue_security_is_told_as_far_as_it_is_known(
    #[case] answers: &[(u16, &str)],
    #[case] expected: Result<IssueSecurity, Problem>,
) {
    let replies: Vec<Reply> = answers.iter().map(|(status, body)| json(*status, "", body)).collect();
    let (server, _, jira) = data_center(&replies).await;
    assert_eq!(jira.issue_security(&session(ApiBase::DataCenter), "EX").await, expected);
    assert_eq!(server.requests().len(), answers.len());
}

#[test]
fn debug_shows_no_secret() {
    let session = Session {
        base: ApiBase::DataCenter,
        authorization: Authorization::Basic { user: "bot@example.test".to_owned(), token: "fake-token".into() },
    };
    let certificate = ClientCertificate { certificate: b"fake-certificate".to_vec(), key: "fake-key".into() };
    let route = Route {
        headers: vec![gate()],
        client_certificate: Some(certificate),
        proxy: Proxy::parse("http://proxy.test", Some("fake-user".into()), Some("fake-password".into())).ok(),
        ..route(Site::parse("https://jira.test").unwrap())
    };
    let shown = format!("{session:?} {route:?}");
    assert!(!shown.contains("fake-") && !shown.contains("bot@"), "{shown}");
}

#[tokio::test]
async fn debug_of_a_jira_shows_its_site() {
    let ca = Authority::new();
    let jira = Network::new(config(&ca)).unwrap().connect(route(Site::parse("https://jira.test").unwrap())).unwrap();
    let shown = format!("{jira:?}");
    assert!(shown.contains("jira.test") && shown.ends_with(", .. }"), "{shown}");
}
