//! The signature against vectors that were made without this code; see their `description` and `source`.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rsa::{
    PublicKey,
    pkcs1v15::{Signature, VerifyingKey},
    pkcs8::DecodePublicKey,
    signature::Verifier,
};
use serde::Deserialize;
use sha1::Sha1;

use super::*;

#[derive(Deserialize)]
struct Collection {
    test_key: TestKey,
    vectors: Vec<Vector>,
    negative: Vec<Negative>,
}

#[derive(Deserialize)]
struct TestKey {
    private_key_pkcs8_pem: String,
    public_key_spki_pem: String,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    request: Request,
    expected: Expected,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    url: String,
    content_type: Option<String>,
    body: Option<String>,
    oauth_params: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Expected {
    base_string_uri: String,
    normalized_parameters: String,
    signature_base_string: String,
    signature: Option<String>,
    authorization_header: Option<String>,
}

#[derive(Deserialize)]
struct Negative {
    name: String,
    signature_of: String,
    server_base_string: String,
}

fn vectors() -> Collection {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

fn key() -> KeyPair {
    KeyPair::from_pem(&vectors().test_key.private_key_pkcs8_pem.into()).unwrap()
}

impl Request {
    fn form(&self) -> Vec<(String, String)> {
        let is_form = self.content_type.as_deref() == Some("application/x-www-form-urlencoded");
        let body = self.body.as_deref().filter(|_| is_form).unwrap_or_default();
        url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
    }
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn parts(header: &str) -> BTreeSet<&str> {
    header.strip_prefix("OAuth ").unwrap().split(", ").filter(|part| !part.starts_with("realm=")).collect()
}

#[test]
fn every_vector_is_signed_as_others_sign_it() {
    let (key, vectors) = (key(), vectors().vectors);
    assert_eq!(vectors.len(), 29);
    for Vector { name, request, expected } in vectors {
        let (form, protocol) = (request.form(), borrowed(&request.oauth_params));
        let form = borrowed(&form);
        let url = Url::parse(&request.url).unwrap();
        let unsigned = Unsigned { method: &request.method, url: &url, form: &form };
        assert_eq!(base_uri(&url), expected.base_string_uri, "{name}");
        assert_eq!(normalized(unsigned, &protocol), expected.normalized_parameters, "{name}");
        assert_eq!(base_string(unsigned, &protocol), expected.signature_base_string, "{name}");
        let header = signed(&key, unsigned, &protocol).unwrap();
        if let (Some(signature), Some(expected)) = (expected.signature, expected.authorization_header) {
            assert_eq!(parts(header.expose_secret()), parts(&expected), "{name}");
            let made = key.sign(base_string(unsigned, &protocol).as_bytes()).unwrap();
            assert_eq!(BASE64_STANDARD.encode(made), signature, "{name}");
        }
    }
}

#[test]
fn a_signature_is_worth_nothing_where_the_server_sees_another_request() {
    let vectors = vectors();
    let public = PublicKey::from_public_key_pem(&vectors.test_key.public_key_spki_pem).unwrap();
    let verifying = VerifyingKey::<Sha1>::new(public);
    for Negative { name, signature_of, server_base_string } in &vectors.negative {
        let signed = vectors.vectors.iter().find(|vector| vector.name == *signature_of).unwrap();
        let signature = BASE64_STANDARD.decode(signed.expected.signature.as_ref().unwrap()).unwrap();
        let signature = Signature::try_from(signature.as_slice()).unwrap();
        verifying.verify(signed.expected.signature_base_string.as_bytes(), &signature).unwrap();
        assert!(verifying.verify(server_base_string.as_bytes(), &signature).is_err(), "{name}");
    }
}

#[test]
fn a_header_carries_the_claims_and_the_stamp() {
    let url = Url::parse("https://jira.example.test/jira/plugins/servlet/oauth/access-token").unwrap();
    let request = Unsigned { method: "POST", url: &url, form: &[] };
    let token = SecretString::from("a token");
    let step = [("oauth_verifier", SecretString::from("aBc&123"))];
    let claims = Claims { consumer_key: "operator", token: Some(&token), step: &step };
    let stamp = Stamp { nonce: "n-1".into(), at: Timestamp::from_second(1_700_000_000).unwrap() };
    let header = authorization(&key(), request, claims, &stamp).unwrap();
    let parts = parts(header.expose_secret());
    for part in [
        r#"oauth_consumer_key="operator""#,
        r#"oauth_nonce="n-1""#,
        r#"oauth_signature_method="RSA-SHA1""#,
        r#"oauth_timestamp="1700000000""#,
        r#"oauth_token="a%20token""#,
        r#"oauth_verifier="aBc%26123""#,
        r#"oauth_version="1.0""#,
    ] {
        assert!(parts.contains(part), "{part} is missing in {parts:?}");
    }
    assert_eq!(parts.len(), 8);
    assert!(!format!("{claims:?} {header:?}").contains("aBc"));
}

#[test]
fn two_stamps_of_one_moment_differ() {
    let at = Timestamp::from_second(1_700_000_000).unwrap();
    let (one, other) = (Stamp::fresh(at).unwrap(), Stamp::fresh(at).unwrap());
    assert_eq!(one.at, other.at);
    assert_ne!(one.nonce, other.nonce);
}

proptest! {
    #[test]
    fn an_escaped_text_is_read_back_and_holds_no_reserved_character(text in ".*") {
        let escaped = escape(&text);
        prop_assert!(escaped.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._~%".contains(&it)));
        prop_assert_eq!(percent_encoding::percent_decode_str(&escaped).decode_utf8().unwrap(), text);
    }

    #[test]
    fn the_order_of_parameters_does_not_matter(pairs in prop::collection::vec(("[a-c]{1,2}", "[a-c =&+%]{0,3}"), 0..6)) {
        let url = Url::parse("https://jira.example.test/").unwrap();
        let forward: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let backward: Vec<_> = forward.iter().rev().copied().collect();
        let of = |form| base_string(Unsigned { method: "POST", url: &url, form }, &[]);
        prop_assert_eq!(of(&forward), of(&backward));
    }
}
