//! Answers of Jira and of Atlassian.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};

use super::{CANARY, RSA_KEY, assert_hidden, assert_undisclosed, world};
use crate::{
    auth::key_pair::KeyPair,
    connection::finding::Finding,
    jira::{
        ApiBase, Authorization, ClientCredentials, Deployment, Jira, Network, Problem, Route, Session, Signer, Site,
        TokenSet, Unrenewed, choose,
    },
};

/// The longest wait that an answer may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// The longest lifetime of a token that is believed.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

static KEY: LazyLock<Arc<KeyPair>> =
    LazyLock::new(|| Arc::new(KeyPair::from_pem(&RSA_KEY.into()).expect("a constant key")));

/// Whatever is answered to whatever is asked (statuses, `Retry-After` and rate limits, CAPTCHA, bodies of REST, OAuth 2.0 and OAuth
/// 1.0a), a problem is short, can be shown to anybody, and asks for a bounded wait. See
/// [`rehearse`](crate::jira::rehearsal::rehearse) for how answers are written.
pub fn answers(script: &[u8]) {
    if script.windows(CANARY.len()).any(|it| it == CANARY.as_bytes()) {
        // Who has the secret already may say it.
        return;
    }
    for course in [Course::DataCenter, Course::Cloud, Course::Consents] {
        world::run(script, async |network| course.run(&jira(network)).await);
    }
}

fn jira(network: &Network) -> Jira {
    let route = Route {
        site: Site::parse("https://jira.example/jira").expect("a constant URL"),
        headers: Vec::new(),
        ca: None,
        client_certificate: None,
        proxy: None,
        timeout: Duration::from_secs(15),
    };
    network.connect(route).expect("a plain route")
}

/// Questions in a row.
#[derive(Clone, Copy)]
enum Course {
    DataCenter,
    Cloud,
    Consents,
}

impl Course {
    async fn run(self, jira: &Jira) {
        let base = match self {
            Self::DataCenter => ApiBase::DataCenter,
            Self::Cloud => ApiBase::CloudSite,
            Self::Consents => return consents(jira).await,
        };
        let authorization = Authorization::Bearer(SecretString::from(CANARY));
        rest(jira, &Session { base, authorization }).await;
    }
}

async fn rest(jira: &Jira, session: &Session) {
    let permissions = ["BROWSE_PROJECTS".to_owned(), "CREATE_ISSUES".to_owned()];
    let problems = [
        jira.server().await.err(),
        jira.cloud_id().await.err(),
        jira.account(session).await.err(),
        jira.projects(session, &["WEB", "APP"]).await.err(),
        jira.permissions(session, None).await.err(),
        jira.permissions(session, Some("WEB")).await.err(),
        jira.check_permissions(session, &permissions, &permissions, &[10_000]).await.err(),
        jira.issue_security(session, "WEB").await.err(),
        jira.personal_access_tokens(session).await.err(),
    ];
    problems.iter().flatten().for_each(assert_fit);
}

async fn consents(jira: &Jira) {
    let hidden = SecretString::from(CANARY);
    let client = ClientCredentials { id: "client", secret: &hidden };
    let mut problems = Vec::new();
    for deployment in [Deployment::Cloud, Deployment::DataCenter] {
        let redirect = "https://pages.example/callback";
        let exchanged = jira.exchange_code(deployment, client, &hidden, &hidden, redirect).await;
        problems.extend(exchanged.map(|tokens| assert_sound(&tokens)).err());
        let renewed = jira.refresh(deployment, client, &hidden, redirect, async { true }).await;
        match renewed.map(|tokens| assert_sound(&tokens)) {
            Ok(()) => {}
            Err(Unrenewed::Problem(problem)) => problems.push(problem),
            Err(Unrenewed::Withheld) => panic!("nobody has withheld it"),
        }
        problems.extend(jira.client_credentials(deployment, "client", &hidden, &[]).await.err());
    }
    problems.extend(jira.revoke(client, &hidden).await.err());
    match jira.accessible_resources(&hidden).await {
        Ok(covered) => problems.extend(choose(jira.site(), None, &covered).err()),
        Err(problem) => problems.push(problem),
    }
    let signer = Signer { consumer_key: "operator".into(), key: Arc::clone(&KEY), token: None };
    problems.extend(jira.request_token(&signer, None).await.err());
    problems.extend(jira.access_token(&signer, &hidden).await.err());
    problems.iter().for_each(assert_fit);
}

fn assert_fit(problem: &Problem) {
    let message = Finding::problem(problem, "jira.example", None).message;
    assert_hidden(&format!("{problem:?} {message}"));
    assert!(message.len() < 4 * 1024, "a message holds what Jira wrote: {message}");
    assert!(!message.contains(char::is_control), "a message holds what no terminal should: {message:?}");
    if let Problem::RateLimited { retry_after: Some(wait), .. } = problem {
        assert!(*wait <= LONGEST_WAIT, "an answer asks for a wait of {wait:?}");
    }
}

fn assert_sound(tokens: &TokenSet) {
    assert!(tokens.access.lifetime <= LONGEST_LIFETIME, "a token that lives for {:?}", tokens.access.lifetime);
    let scopes: Vec<_> = tokens.scopes.iter().map(String::as_str).collect();
    assert_undisclosed(tokens.access.secret.expose_secret(), &format!("{tokens:?}"), &scopes);
}
