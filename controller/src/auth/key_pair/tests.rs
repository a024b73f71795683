//! The PEM files beside this one were made for these tests with openssl and are good for nothing else.

use rsa::{
    PublicKey,
    pkcs1v15::{Signature, VerifyingKey},
    pkcs8::DecodePublicKey,
    signature::Verifier,
};
use rstest::rstest;
use serde_json::Value;

use super::*;

const ENCRYPTED: &str = include_str!("encrypted-pkcs8.pem");
const ENCRYPTED_PKCS1: &str = include_str!("encrypted-pkcs1.pem");
const SHORTEST: &str = include_str!("512-bit.pem");
const SHORT: &str = include_str!("1024-bit.pem");
const LONG: &str = include_str!("8208-bit.pem");
const ELLIPTIC: &str = include_str!("elliptic-sec1.pem");

/// A member of `test_key` in the vectors of OAuth 1.0a.
fn vector(name: &str) -> String {
    let vectors: Value = serde_json::from_str(include_str!("../oauth1/vectors.json")).unwrap();
    vectors["test_key"][name].as_str().unwrap().to_owned()
}

fn elliptic_pkcs8() -> String {
    rcgen::KeyPair::generate().unwrap().serialize_pem()
}

/// A PKCS #8 key with a byte of the modulus changed.
fn damaged() -> String {
    vector("private_key_pkcs8_pem").replacen("QDVGflDsPHK8Nlt", "QDVGflDsPHK8NlX", 1)
}

fn read(pem: &str) -> Result<KeyPair, InvalidKey> {
    KeyPair::from_pem(&pem.into())
}

#[rstest]
#[case::pkcs8(vector("private_key_pkcs8_pem"))]
#[case::pkcs1(vector("private_key_pkcs1_pem"))]
#[case::windows_line_ends(vector("private_key_pkcs8_pem").replace('\n', "\r\n"))]
#[case::with_words_around(format!("Bag Attributes\n{}\nend", vector("private_key_pkcs1_pem")))]
fn a_private_key_is_read_in_both_forms(#[case] pem: String) {
    let pair = read(&pem).unwrap();
    assert_eq!(pair.public_pem(), vector("public_key_spki_pem"));
    assert_eq!(read(pair.to_pem().unwrap().expose_secret()).unwrap().public_pem(), pair.public_pem());
    let body = pair.to_pem().unwrap().expose_secret().lines().nth(1).unwrap().to_owned();
    assert!(!format!("{pair:?}").contains(&body) && !format!("{:?}", pair.to_pem()).contains(&body));
}

#[rstest]
#[case::nothing(String::new(), InvalidKey::NotPem)]
#[case::words("secret".to_owned(), InvalidKey::NotPem)]
#[case::cut(vector("private_key_pkcs8_pem")[..400].to_owned(), InvalidKey::NotPem)]
#[case::endless(format!("{}{}", vector("private_key_pkcs8_pem"), " ".repeat(16 * 1024)), InvalidKey::NotPem)]
#[case::public(vector("public_key_spki_pem"), InvalidKey::Public)]
#[case::encrypted(ENCRYPTED.to_owned(), InvalidKey::Encrypted)]
#[case::encrypted_pkcs1(ENCRYPTED_PKCS1.to_owned(), InvalidKey::Encrypted)]
#[case::elliptic(ELLIPTIC.to_owned(), InvalidKey::NotRsa)]
#[case::elliptic_pkcs8(elliptic_pkcs8(), InvalidKey::NotRsa)]
#[case::shortest(SHORTEST.to_owned(), InvalidKey::TooShort)]
#[case::long(LONG.to_owned(), InvalidKey::TooLong)]
#[case::short(SHORT.to_owned(), InvalidKey::TooShort)]
#[case::damaged(damaged(), InvalidKey::Damaged)]
fn what_is_no_usable_private_key_is_refused(#[case] pem: String, #[case] fault: InvalidKey) {
    assert_eq!(read(&pem).err(), Some(fault));
}

#[tokio::test]
async fn a_fresh_key_pair_signs_what_its_public_half_verifies() {
    let pair = KeyPair::generate().await.unwrap();
    let public = PublicKey::from_public_key_pem(pair.public_pem()).unwrap();
    assert_eq!(public.n().as_ref().bit_width_vartime(), 2048);
    let signature = pair.sign(b"message").unwrap();
    let signature = Signature::try_from(signature.as_slice()).unwrap();
    let verifying = VerifyingKey::<Sha1>::new(public);
    verifying.verify(b"message", &signature).unwrap();
    assert!(verifying.verify(b"massage", &signature).is_err());
    let other = KeyPair::generate().await.unwrap();
    assert_ne!(pair.public_pem(), other.public_pem());
}
