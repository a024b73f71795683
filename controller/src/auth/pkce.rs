//! Proof key for code exchange (RFC 7636): a code is worthless to whoever does not know the verifier.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::authorization_secret::random;

/// A fresh code verifier: 43 characters from 32 random bytes (RFC 7636, 4.1). Kept until the code is exchanged.
///
/// # Errors
/// When the system has no randomness to give.
pub fn verifier() -> Result<SecretString, getrandom::Error> {
    random().map(SecretString::from)
}

/// The code challenge of a verifier by the method `S256` (RFC 7636, 4.2). It is no secret.
#[must_use]
pub fn challenge(verifier: &SecretString) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        // RFC 7636, appendix B.
        let verifier = SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn a_verifier_is_long_enough_and_another_one_each_time() {
        let (one, other) = (verifier().unwrap(), verifier().unwrap());
        let unreserved = |it: u8| it.is_ascii_alphanumeric() || b"-._~".contains(&it);
        assert_eq!(one.expose_secret().len(), 43);
        assert!(one.expose_secret().bytes().all(unreserved));
        assert_ne!(one.expose_secret(), other.expose_secret());
    }
}
