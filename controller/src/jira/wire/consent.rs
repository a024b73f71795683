//! Consent by OAuth 2.0: addresses for the browser, codes, refreshes, revocation, and the sites of a token.

use super::*;

const TOKENS: &str =
    r#"{"access_token":"canary-access","refresh_token":"canary-refresh-2","expires_in":3600,"scope":"WRITE"}"#;
const REDIRECT: &str = "https://operator.example.test/callback";

/// A Data Center behind a gateway, and Atlassian's two hosts as one, all asked by one connection.
struct Hosts {
    site: Listening,
    atlassian: Listening,
    network: Network,
    jira: Jira,
}

async fn hosts(site: &[Reply], atlassian: &[Reply]) -> Hosts {
    let ca = super::Authority::new();
    let site = serve(ca.server(&["localhost"], |_| ()), site).await;
    let atlassian = serve(ca.server(&["localhost"], |_| ()), atlassian).await;
    let base = |path: &str| format!("https://localhost:{}{path}", atlassian.port).parse().unwrap();
    let config = NetworkConfig { atlassian_auth_url: base("/auth"), atlassian_api_url: base("/api"), ..config(&ca) };
    let network = Network::new(config).unwrap();
    let route = Route { headers: vec![gate()], client_certificate: Some(ca.client()), ..route(site.site()) };
    let jira = network.connect(route).unwrap();
    Hosts { site, atlassian, network, jira }
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

fn form(request: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body(request).as_bytes()).into_owned().collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_person_is_sent_to_the_page_of_the_deployment() {
    let Hosts { site, atlassian, jira, .. } = hosts(&[Reply::Hangs], &[Reply::Hangs]).await;
    let scopes = [String::from("read:jira-work")];
    let request = AuthorizationRequest {
        client_id: "fake client",
        redirect_uri: REDIRECT,
        scopes: &scopes,
        state: "a+b",
        challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    };
    assert_eq!(
        jira.authorization_url(Deployment::Cloud, &request).as_str(),
        format!(
            "https://localhost:{}/auth/authorize?audience=api.atlassian.com&prompt=consent&response_type=code\
             &client_id=fake%20client&redirect_uri=https%3A%2F%2Foperator.example.test%2Fcallback\
             &scope=read%3Ajira-work%20offline_access&state=a%2Bb\
             &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
            atlassian.port
        )
    );
    let request = AuthorizationRequest { client_id: "fake-client", scopes: &[], state: "s", challenge: "c", ..request };
    assert_eq!(
        jira.authorization_url(Deployment::DataCenter, &request).as_str(),
        format!(
            "https://localhost:{}/jira/rest/oauth2/latest/authorize?response_type=code&client_id=fake-client\
             &redirect_uri=https%3A%2F%2Foperator.example.test%2Fcallback&scope=WRITE&state=s&code_challenge=c\
             &code_challenge_method=S256",
            site.port
        )
    );
    assert_eq!(
        jira.oauth1_authorization_url(&secret("a&b")).as_str(),
        format!("https://localhost:{}/jira/plugins/servlet/oauth/authorize?oauth_token=a%26b", site.port)
    );
    assert_eq!((site.requests(), atlassian.requests()), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn a_code_is_exchanged_in_the_dialect_of_the_deployment() {
    let Hosts { site, atlassian, jira, .. } = hosts(&[json(200, "", TOKENS)], &[json(200, "", TOKENS)]).await;
    let client_secret = secret("canary-secret");
    let client = ClientCredentials { id: "fake-client", secret: &client_secret };
    for deployment in [Deployment::Cloud, Deployment::DataCenter] {
        let (code, verifier) = (secret("canary-code"), secret("canary-verifier"));
        let tokens = jira.exchange_code(deployment, client, &code, &verifier, REDIRECT).await.unwrap();
        assert_eq!(tokens.access.secret.expose_secret(), "canary-access");
        assert_eq!(tokens.refresh.as_ref().map(ExposeSecret::expose_secret), Some("canary-refresh-2"));
        assert_eq!((tokens.scopes.clone(), tokens.access.lifetime), (vec!["WRITE".to_owned()], HOUR));
        assert!(!format!("{client:?} {tokens:?}").contains("canary"));
    }
    let asked = &atlassian.requests()[0];
    assert!(asked.starts_with("POST /auth/oauth/token HTTP/1.1\r\n"));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(body(asked)).unwrap(),
        serde_json::json!({
            "client_id": "fake-client", "client_secret": "canary-secret", "code": "canary-code",
            "code_verifier": "canary-verifier", "grant_type": "authorization_code",
            "redirect_uri": "https://operator.example.test/callback",
        })
    );
    assert_eq!(atlassian.header(0, "x-gate"), None);
    let asked = &site.requests()[0];
    assert!(asked.starts_with("POST /jira/rest/oauth2/latest/token HTTP/1.1\r\n"));
    let expected = [
        ("grant_type", "authorization_code"),
        ("code", "canary-code"),
        ("redirect_uri", REDIRECT),
        ("code_verifier", "canary-verifier"),
        ("client_id", "fake-client"),
        ("client_secret", "canary-secret"),
    ];
    assert_eq!(form(asked), pairs(&expected));
    assert_eq!(site.header(0, "x-gate").as_deref(), Some("fake-gate-secret"));
    assert_eq!(site.header(0, "content-type").as_deref(), Some("application/x-www-form-urlencoded"));
    assert_eq!((site.header(0, "authorization"), atlassian.header(0, "authorization")), (None, None));
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_refresh_is_looked_at_once_more_and_sent_once() {
    let Hosts { site, atlassian, network, jira } = hosts(&[json(200, "", TOKENS)], &[json(200, "", TOKENS)]).await;
    let client_secret = secret("canary-secret");
    let client = ClientCredentials { id: "fake-client", secret: &client_secret };
    let old = secret("canary-refresh-1");
    for deployment in [Deployment::Cloud, Deployment::DataCenter] {
        let withheld = jira.refresh(deployment, client, &old, REDIRECT, async { false }).await;
        assert_eq!(withheld.err(), Some(Unrenewed::Withheld));
    }
    assert_eq!((site.requests().len(), atlassian.requests().len()), (0, 0));

    let looks = Mutex::new(0);
    for deployment in [Deployment::Cloud, Deployment::DataCenter] {
        let look = async {
            *looks.lock().unwrap() += 1;
            true
        };
        let tokens = jira.refresh(deployment, client, &old, REDIRECT, look).await.unwrap();
        assert_eq!(tokens.refresh.as_ref().map(ExposeSecret::expose_secret), Some("canary-refresh-2"));
    }
    assert_eq!(*looks.lock().unwrap(), 2);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(body(&atlassian.requests()[0])).unwrap(),
        serde_json::json!({
            "client_id": "fake-client", "client_secret": "canary-secret", "grant_type": "refresh_token",
            "refresh_token": "canary-refresh-1",
        })
    );
    let expected = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "canary-refresh-1"),
        ("redirect_uri", REDIRECT),
        ("client_id", "fake-client"),
        ("client_secret", "canary-secret"),
    ];
    assert_eq!(form(&site.requests()[0]), pairs(&expected));
    assert_eq!(site.header(0, "x-gate").as_deref(), Some("fake-gate-secret"));
    let tally = network.tally();
    for endpoint in [Endpoint::CloudToken, Endpoint::DataCenterToken] {
        assert!(tally.contains(&(endpoint, OutcomeClass::Unsent, 1)), "{tally:?}");
        assert!(tally.contains(&(endpoint, OutcomeClass::Answered, 1)), "{tally:?}");
    }
}

#[rstest]
#[case::over(json(400, "", r#"{"error":"invalid_grant"}"#), Problem::GrantRevoked)]
#[case::limited(json(429, "Retry-After: 60\r\n", "{}"), Problem::RateLimited { retry_after: Some(Duration::from_secs(60)), reach: LimitReach::Host })]
#[case::no_answer(Reply::Breaks(""), Problem::Unreachable(Outage::Interrupted))]
#[tokio::test]
async fn a_refresh_that_fails_says_why(#[case] reply: Reply, #[case] problem: Problem) {
    let Hosts { site, jira, .. } = hosts(&[reply], &[Reply::Hangs]).await;
    let client_secret = secret("canary-secret");
    let client = ClientCredentials { id: "fake-client", secret: &client_secret };
    let failed = jira.refresh(Deployment::DataCenter, client, &secret("r"), REDIRECT, async { true }).await.err();
    assert_eq!(failed, Some(Unrenewed::Problem(problem)));
    assert_eq!(site.requests().len(), 1);
}

#[tokio::test]
async fn nobody_looks_while_the_host_pauses() {
    let limited = json(429, "Retry-After: 60\r\n", "{}");
    let Hosts { site, jira, .. } = hosts(&[limited], &[Reply::Hangs]).await;
    let client_secret = secret("canary-secret");
    let client = ClientCredentials { id: "fake-client", secret: &client_secret };
    jira.server().await.unwrap_err();
    let look = async { panic!("a look at a request that cannot be sent") };
    let refreshed = jira.refresh(Deployment::DataCenter, client, &secret("r"), REDIRECT, look).await;
    assert!(matches!(refreshed, Err(Unrenewed::Problem(Problem::RateLimited { .. }))));
    assert_eq!(site.requests().len(), 1);
}

#[rstest]
#[case::silent(Reply::Says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()), Ok(()))]
#[case::unknown_already(json(400, "", r#"{"error":"invalid_grant"}"#), Ok(()))]
#[case::wrong_secret(json(401, "", r#"{"error":"invalid_client"}"#), Err(Problem::ClientSecretRejected))]
#[case::no_such_endpoint(json(404, "X-AREQUESTID: 1x1x1\r\n", "{}"), Err(Problem::MethodUnavailable))]
#[tokio::test]
async fn a_token_is_given_back(#[case] reply: Reply, #[case] outcome: Result<(), Problem>) {
    let Hosts { site, jira, .. } = hosts(&[reply], &[Reply::Hangs]).await;
    let client_secret = secret("canary-secret");
    let client = ClientCredentials { id: "fake-client", secret: &client_secret };
    assert_eq!(jira.revoke(client, &secret("canary-refresh")).await, outcome);
    assert!(site.requests()[0].starts_with("POST /jira/rest/oauth2/latest/revoke HTTP/1.1\r\n"));
    let expected = [("token", "canary-refresh"), ("client_id", "fake-client"), ("client_secret", "canary-secret")];
    assert_eq!(form(&site.requests()[0]), pairs(&expected));
    assert_eq!(site.header(0, "x-gate").as_deref(), Some("fake-gate-secret"));
}

#[tokio::test]
async fn the_sites_of_a_token_are_asked_for_at_atlassian() {
    let resources = r#"[
        {"id":"22222222-2222-3333-4444-555555555555","name":"b","url":"https://b.atlassian.net","scopes":["read:jira-work"]},
        {"id":"11111111-2222-3333-4444-555555555555","name":"a","url":"https://a.atlassian.net","scopes":[]},
        {"id":"22222222-2222-3333-4444-555555555555","name":"b","url":"https://b.atlassian.net","scopes":["read:confluence"]},
        {"id":"no-cloud-id","name":"c"}]"#;
    let answers = [json(200, "", resources), json(200, "", "[]"), json(200, "", "{}")];
    let Hosts { site, atlassian, network, jira } = hosts(&[Reply::Hangs], &answers).await;
    let access = secret("canary-access");
    let covered = jira.accessible_resources(&access).await.unwrap();
    let found: Vec<_> = covered.iter().map(|it| (it.cloud_id.as_str(), it.url.as_str())).collect();
    assert_eq!(
        found,
        [
            ("11111111-2222-3333-4444-555555555555", "https://a.atlassian.net"),
            ("22222222-2222-3333-4444-555555555555", "https://b.atlassian.net"),
        ]
    );
    assert_eq!(jira.accessible_resources(&access).await, Ok(Vec::new()));
    assert_eq!(jira.accessible_resources(&access).await, Err(Problem::NotJira(Gibberish::Content)));
    assert!(atlassian.requests()[0].starts_with("GET /api/oauth/token/accessible-resources HTTP/1.1\r\n"));
    assert_eq!(atlassian.header(0, "authorization").as_deref(), Some("Bearer canary-access"));
    assert_eq!((atlassian.header(0, "x-gate"), site.requests().len()), (None, 0));
    assert_eq!(network.tally(), [(Endpoint::AccessibleResources, OutcomeClass::Answered, 3)]);
}

#[tokio::test]
async fn an_account_tells_when_its_personal_access_tokens_end() {
    let tokens = r#"[
        {"id":58,"name":"fake","createdAt":"2026-01-01T00:00:00.000+0000","lastAccessedAt":"2026-02-01T00:00:00.000+0000","expiringAt":"2027-01-01T00:00:00.000+0000"},
        {"id":59,"name":"endless","createdAt":"2026-01-01T00:00:00.000+0000","expiringAt":null}]"#;
    let (server, _, jira) = data_center(&[json(200, "", tokens)]).await;
    let found = jira.personal_access_tokens(&session(ApiBase::DataCenter)).await.unwrap();
    let time = |text: &str| Some(text.parse().unwrap());
    assert_eq!(
        found,
        [
            PersonalAccessToken { ends_at: time("2027-01-01T00:00:00Z"), last_used_at: time("2026-02-01T00:00:00Z") },
            PersonalAccessToken { ends_at: None, last_used_at: None },
        ]
    );
    assert!(server.requests()[0].starts_with("GET /jira/rest/pat/latest/tokens HTTP/1.1\r\n"));
}
