//! Proof Key for Code Exchange (RFC 7636).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::message::Fields;

/// What the verifier of a code exchange is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// No challenge was given; then no verifier may come either, or a challenge could be stripped unnoticed
    /// (RFC 9700 section 2.1.1).
    Absent,
    Plain(String),
    S256(String),
}

impl Challenge {
    /// Reads `code_challenge` and `code_challenge_method` of an authorization request; `None` when they make no sense.
    pub(super) fn of(fields: &Fields) -> Option<Self> {
        match (fields.get("code_challenge"), fields.get("code_challenge_method")) {
            (None, None) => Some(Self::Absent),
            (Some(challenge), _) if !well_formed(challenge) => None,
            (Some(challenge), None | Some("plain")) => Some(Self::Plain(challenge.to_owned())),
            // A digest of 32 bytes has 43 characters.
            (Some(challenge), Some("S256")) => (challenge.len() == 43).then(|| Self::S256(challenge.to_owned())),
            (_, Some(_)) => None,
        }
    }

    /// Whether the `code_verifier` of a token request answers it.
    pub(super) fn met_by(&self, verifier: Option<&str>) -> bool {
        match (self, verifier) {
            (Self::Absent, None) => true,
            (Self::Absent, Some(_)) | (Self::Plain(_) | Self::S256(_), None) => false,
            (Self::Plain(challenge), Some(verifier)) => well_formed(verifier) && challenge == verifier,
            (Self::S256(challenge), Some(verifier)) => {
                well_formed(verifier) && *challenge == URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
            }
        }
    }
}

/// 43 to 128 unreserved characters (RFC 7636 section 4.1).
fn well_formed(text: &str) -> bool {
    let unreserved = |character: char| character.is_ascii_alphanumeric() || "-._~".contains(character);
    (43..=128).contains(&text.len()) && text.chars().all(unreserved)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The example of RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn challenge(challenge: &str, method: &str) -> Option<Challenge> {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Challenge::of(&Fields(vec![field("code_challenge", challenge), field("code_challenge_method", method)]))
    }

    #[rstest]
    #[case::the_example_of_the_rfc(CHALLENGE, "S256", Some(VERIFIER), true)]
    #[case::another_verifier(CHALLENGE, "S256", Some(CHALLENGE), false)]
    #[case::no_verifier(CHALLENGE, "S256", None, false)]
    #[case::plain_is_the_verifier_itself(VERIFIER, "plain", Some(VERIFIER), true)]
    #[case::no_method_is_plain(VERIFIER, "", Some(VERIFIER), true)]
    #[case::nothing_asked_and_nothing_given("", "", None, true)]
    #[case::a_verifier_that_nobody_asked_for("", "", Some(VERIFIER), false)]
    fn a_verifier_answers_a_challenge(
        #[case] given: &str,
        #[case] method: &str,
        #[case] verifier: Option<&str>,
        #[case] met: bool,
    ) {
        assert_eq!(challenge(given, method).unwrap().met_by(verifier), met);
    }

    #[rstest]
    #[case::a_method_without_a_challenge("", "S256")]
    #[case::an_unknown_method(CHALLENGE, "S512")]
    #[case::a_short_challenge("short", "plain")]
    #[case::a_challenge_with_padding("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=", "S256")]
    fn a_challenge_that_makes_no_sense(#[case] given: &str, #[case] method: &str) {
        assert_eq!(challenge(given, method), None);
    }
}
