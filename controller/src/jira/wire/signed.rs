//! Signed requests by OAuth 1.0a, verified as Jira would: over what really arrived.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;
use rsa::{
    PublicKey,
    pkcs1v15::{Signature, VerifyingKey},
    pkcs8::DecodePublicKey,
    signature::Verifier,
};
use sha1::Sha1;

use base64::{Engine, prelude::BASE64_STANDARD};

use super::*;
use crate::auth::key_pair::KeyPair as SigningPair;

fn signer(token: Option<&str>) -> Signer {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../../auth/oauth1/vectors.json")).unwrap();
    let pem = vectors["test_key"]["private_key_pkcs8_pem"].as_str().unwrap();
    let key = Arc::new(SigningPair::from_pem(&pem.into()).unwrap());
    Signer { consumer_key: "operator".to_owned(), key, token: token.map(SecretString::from) }
}

fn text(status: u16, body: &str) -> Reply {
    let length = body.len();
    Reply::Says(format!(
        "HTTP/1.1 {status} X\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

/// The protocol parameters of a request that arrived, after its signature was verified against the address on its first line.
fn verified(server: &Listening, position: usize) -> BTreeMap<String, String> {
    let header = server.header(position, "authorization").unwrap();
    let decode = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let mut parameters: BTreeMap<String, String> = header
        .strip_prefix("OAuth ")
        .unwrap()
        .split(", ")
        .map(|part| part.split_once('=').unwrap())
        .map(|(name, value)| (decode(name), decode(value.trim_matches('"'))))
        .collect();
    let signature = BASE64_STANDARD.decode(parameters.remove("oauth_signature").unwrap()).unwrap();
    let request = server.requests()[position].clone();
    let (method, rest) = request.split_once(' ').unwrap();
    let target = rest.split_once(' ').unwrap().0;
    let url = url::Url::parse(&format!("https://localhost:{}{target}", server.port)).unwrap();
    let encode = |text: &str| {
        let unreserved = |it: &u8| it.is_ascii_alphanumeric() || b"-._~".contains(it);
        text.bytes()
            .map(|it| if unreserved(&it) { char::from(it).to_string() } else { format!("%{it:02X}") })
            .collect::<String>()
    };
    let all: BTreeSet<_> = url
        .query_pairs()
        .map(|(name, value)| (encode(&name), encode(&value)))
        .chain(parameters.iter().map(|(name, value)| (encode(name), encode(value))))
        .collect();
    let joined = all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let address = format!("https://localhost:{}{}", server.port, url.path());
    let base_string = format!("{method}&{}&{}", encode(&address), encode(&joined));
    let public = PublicKey::from_public_key_pem(signer(None).key.public_pem()).unwrap();
    let signature = Signature::try_from(signature.as_slice()).unwrap();
    VerifyingKey::<Sha1>::new(public).verify(base_string.as_bytes(), &signature).expect("the signature is right");
    parameters
}

fn of<'a>(parameters: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    parameters.get(name).map(String::as_str)
}

const SESSION: &str = "oauth_token=canary-access&oauth_token_secret=canary&oauth_expires_in=157680000&oauth_session_handle=canary-handle&oauth_authorization_expires_in=160272000";

#[tokio::test]
async fn a_grant_is_made_and_renewed_in_four_signed_steps() {
    let replies = [
        text(200, "oauth_token=canary-request&oauth_token_secret=canary&oauth_callback_confirmed=true"),
        text(200, SESSION),
        text(200, SESSION),
        json(200, "", MYSELF),
    ];
    let (server, network, jira) = data_center(&replies).await;
    let callback = "https://operator.example.test/callback?a=b".parse().unwrap();
    let request = jira.request_token(&signer(None), Some(&callback)).await.unwrap();
    let with_request = signer(None).with_token(request.token.clone());
    let session = jira.access_token(&with_request, &"aBc 123".into()).await.unwrap();
    let with_access = with_request.with_token(session.token.clone());
    let handle = session.session_handle.clone().unwrap();
    let renewed = jira.renew_session(&with_access, &handle, async { true }).await.unwrap();
    let authorization = Authorization::Signed(with_access.with_token(renewed.token.clone()));
    let account = jira.account(&Session { base: ApiBase::DataCenter, authorization: authorization.clone() }).await;
    assert_eq!(account.unwrap().id, "JIRAUSER1");

    let steps: Vec<_> = (0..4).map(|position| verified(&server, position)).collect();
    assert_eq!(of(&steps[0], "oauth_callback"), Some(callback.as_str()));
    assert_eq!((of(&steps[0], "oauth_token"), steps[0].len()), (None, 6));
    assert_eq!(of(&steps[1], "oauth_token"), Some("canary-request"));
    assert_eq!(of(&steps[1], "oauth_verifier"), Some("aBc 123"));
    assert_eq!(of(&steps[2], "oauth_token"), Some("canary-access"));
    assert_eq!(of(&steps[2], "oauth_session_handle"), Some("canary-handle"));
    assert_eq!((of(&steps[3], "oauth_token"), steps[3].len()), (Some("canary-access"), 6));
    let nonces: BTreeSet<_> = steps.iter().map(|step| of(step, "oauth_nonce").unwrap()).collect();
    assert_eq!(nonces.len(), 4);
    for step in &steps {
        assert_eq!(of(step, "oauth_consumer_key"), Some("operator"));
        let seconds: i64 = of(step, "oauth_timestamp").unwrap().parse().unwrap();
        assert!((k8s_openapi::jiff::Timestamp::now().as_second() - seconds).abs() < 60);
    }
    for (position, path) in ["request-token", "access-token", "access-token"].into_iter().enumerate() {
        let request = &server.requests()[position];
        assert!(request.starts_with(&format!("POST /jira/plugins/servlet/oauth/{path} HTTP/1.1\r\n")), "{request}");
        assert!(request.ends_with("\r\n\r\n"), "a body would have to be signed: {request}");
        assert_eq!(server.header(position, "x-gate").as_deref(), Some("fake-gate-secret"));
        assert_eq!(server.header(position, "cookie"), None);
    }
    let printed = format!("{request:?} {session:?} {renewed:?} {with_access:?} {authorization:?}");
    assert!(!printed.contains("canary"), "{printed}");
    assert_eq!(
        network.tally(),
        [
            (Endpoint::RequestToken, OutcomeClass::Answered, 1),
            (Endpoint::OAuth1AccessToken, OutcomeClass::Answered, 2),
            (Endpoint::Myself, OutcomeClass::Answered, 1),
        ]
    );
}

#[tokio::test]
async fn without_a_callback_a_verification_code_is_shown() {
    let (server, _, jira) =
        data_center(&[text(200, "oauth_token=a&oauth_token_secret=b&oauth_callback_confirmed=true")]).await;
    jira.request_token(&signer(None), None).await.unwrap();
    assert_eq!(of(&verified(&server, 0), "oauth_callback"), Some("oob"));
}

#[rstest]
#[case::not_confirmed("oauth_token=a&oauth_token_secret=b")]
#[case::denied("oauth_token=a&oauth_token_secret=b&oauth_callback_confirmed=false")]
#[case::without_a_token("oauth_callback_confirmed=true")]
#[tokio::test]
async fn a_request_token_needs_a_confirmed_callback(#[case] body: &str) {
    let (_, _, jira) = data_center(&[text(200, body)]).await;
    let problem = jira.request_token(&signer(None), None).await.err();
    assert_eq!(problem, Some(Problem::NotJira(Gibberish::Content)));
}

#[tokio::test]
async fn a_signature_covers_the_query() {
    let permissions = r#"{"permissions":{"BROWSE_PROJECTS":{"havePermission":true}}}"#;
    let (server, _, jira) = data_center(&[json(200, "", permissions)]).await;
    let authorization = Authorization::Signed(signer(Some("canary-access")));
    let session = Session { base: ApiBase::DataCenter, authorization };
    jira.permissions(&session, Some("EX")).await.unwrap();
    assert!(server.requests()[0].lines().next().unwrap().contains('?'));
    assert_eq!(of(&verified(&server, 0), "oauth_token"), Some("canary-access"));
}

#[rstest]
#[case::accepted_then(&[text(401, "oauth_problem=nonce_used"), json(200, "", MYSELF)], None, 2)]
#[case::again_and_again(&[text(401, "oauth_problem=nonce_used")], Some(Problem::OAuth1(OAuth1Problem::NonceUsed)), 2)]
#[case::other_problem(&[text(401, "oauth_problem=token_rejected")], Some(Problem::OAuth1(OAuth1Problem::TokenRejected)), 1)]
#[tokio::test]
async fn a_used_nonce_is_replaced_once(
    #[case] replies: &[Reply],
    #[case] problem: Option<Problem>,
    #[case] requests: usize,
) {
    let (server, _, jira) = data_center(replies).await;
    let authorization = Authorization::Signed(signer(Some("canary-access")));
    assert_eq!(jira.account(&Session { base: ApiBase::DataCenter, authorization }).await.err(), problem);
    let nonces: BTreeSet<_> =
        (0..requests).map(|position| of(&verified(&server, position), "oauth_nonce").unwrap().to_owned()).collect();
    assert_eq!((server.requests().len(), nonces.len()), (requests, requests));
}

#[tokio::test]
async fn a_renewal_is_withheld_by_the_last_look_and_never_repeated() {
    let (server, _, jira) = data_center(&[text(401, "oauth_problem=nonce_used")]).await;
    let signer = signer(Some("canary-access"));
    let renewed = jira.renew_session(&signer, &"canary-handle".into(), async { false }).await.err();
    assert_eq!((renewed, server.requests().len()), (Some(Unrenewed::Withheld), 0));
    // A replayed request may have taken effect: a second one needs a second look.
    let renewed = jira.renew_session(&signer, &"canary-handle".into(), async { true }).await.err();
    assert_eq!(renewed, Some(Unrenewed::Problem(Problem::OAuth1(OAuth1Problem::NonceUsed))));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_jira_without_links_says_so() {
    let page = "HTTP/1.1 404 X\r\nContent-Type: text/html\r\nX-AREQUESTID: 1x1x1\r\nContent-Length: 6\r\n\r\n<html>";
    let (_, _, jira) = data_center(&[Reply::Says(page.to_owned())]).await;
    assert_eq!(jira.request_token(&signer(None), None).await.err(), Some(Problem::LinksUnavailable));
}

#[tokio::test]
async fn what_a_problem_is_told_with_is_forgotten() {
    let body = "oauth_problem=signature_invalid&oauth_signature=canary-signature&oauth_signature_base_string=POST%26http%253A%252F%252Fjira.internal%253A8080%252Fjira%252Fplugins%252Fservlet%252Foauth%252Frequest-token%26oauth_token%253Dcanary-token";
    let (_, _, jira) = data_center(&[text(401, body)]).await;
    let problem = jira.request_token(&signer(None), None).await.unwrap_err();
    assert_eq!(problem, Problem::WrongSite { reported: Some("http://jira.internal:8080/jira".to_owned()) });
}

/// Futures of the last look must not keep a pass from moving between threads.
#[tokio::test]
async fn a_renewal_can_be_spawned() {
    let (_, _, jira) = data_center(&[text(200, SESSION)]).await;
    let renewed =
        tokio::spawn(
            async move { jira.renew_session(&signer(Some("a")), &"canary-handle".into(), async { true }).await },
        );
    assert_eq!(renewed.await.unwrap().unwrap().token.expose_secret(), "canary-access");
}
