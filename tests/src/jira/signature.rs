//! Signatures of OAuth 1.0a (RFC 5849 section 3): the base string, and RSA-SHA1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ring::signature::{RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use spki::SubjectPublicKeyInfoRef;
use spki::der::Decode as _;

/// All but the unreserved characters (RFC 5849 section 3.6).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// `rsaEncryption` (RFC 8017).
const RSA: &str = "1.2.840.113549.1.1.1";

/// Percent-encodes as OAuth 1.0a wants it.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Parameters in `Authorization` after the scheme, decoded (RFC 5849 section 3.5.1). What is no parameter is left out.
pub(super) fn header_parameters(value: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let parameter = |part: &str| {
        let (name, value) = part.trim().split_once('=')?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        Some((decoded(name), decoded(value)))
    };
    value.split(',').filter_map(parameter).collect()
}

/// A request as it is signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signable<'a> {
    pub(super) method: &'a str,
    /// Scheme, host and port as the server sees them.
    pub(super) origin: &'a str,
    /// Path as sent, with the context path.
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// A form body; empty for any other body.
    pub(super) form: &'a [u8],
    /// Parameters of the header.
    pub(super) parameters: &'a [(String, String)],
}

impl Signable<'_> {
    /// The base string (RFC 5849 section 3.4.1).
    pub(super) fn base_string(&self) -> String {
        let method = self.method.to_ascii_uppercase();
        format!("{method}&{}&{}", encoded(&self.uri()), encoded(&self.normalized_parameters()))
    }

    /// Scheme and host in lower case, and no port that the scheme implies (section 3.4.1.2).
    fn uri(&self) -> String {
        let origin = self.origin.to_ascii_lowercase();
        let implied = match origin.split_once("://") {
            Some(("http", _)) => ":80",
            Some(("https", _)) => ":443",
            Some(_) | None => "",
        };
        let origin = origin.strip_suffix(implied).unwrap_or(&origin);
        let path = if self.path.is_empty() { "/" } else { self.path };
        format!("{origin}{path}")
    }

    /// All parameters but realm and signature, encoded, then sorted (sections 3.4.1.3.1 and 3.4.1.3.2).
    fn normalized_parameters(&self) -> String {
        let header = self.parameters.iter().filter(|(name, _)| !["realm", "oauth_signature"].contains(&name.as_str()));
        let header = header.map(|(name, value)| (encoded(name), encoded(value)));
        let rest = [self.query.as_bytes(), self.form].into_iter().flat_map(form_urlencoded::parse);
        let rest = rest.map(|(name, value)| (encoded(&name), encoded(&value)));
        let mut pairs: Vec<_> = header.chain(rest).collect();
        pairs.sort();
        pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }
}

/// Why a text is no public key of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no PEM of a `SubjectPublicKeyInfo`.
    #[error("it is not PEM between BEGIN PUBLIC KEY and END PUBLIC KEY")]
    Pem,
    /// Something else is in it.
    #[error("the PEM holds no SubjectPublicKeyInfo")]
    Structure,
    /// The key is for another algorithm.
    #[error("it is no RSA key")]
    Algorithm,
}

/// An RSA public key.
#[derive(Debug, Clone)]
pub(super) struct PublicKey(Vec<u8>);

impl PublicKey {
    /// Reads PEM of a `SubjectPublicKeyInfo`.
    pub(super) fn read(pem: &str) -> Result<Self, KeyError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::Pem)?;
        let info = SubjectPublicKeyInfoRef::from_der(&der).map_err(|_| KeyError::Structure)?;
        if info.algorithm.oid.to_string() != RSA {
            return Err(KeyError::Algorithm);
        }
        info.subject_public_key.as_bytes().map(|key| Self(key.to_vec())).ok_or(KeyError::Structure)
    }

    /// Whether a signature in base64 is one of this key over a text, by RSASSA-PKCS1-v1_5 with SHA-1.
    pub(super) fn verifies(&self, text: &str, signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else {
            return false;
        };
        let key = UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        key.verify(text.as_bytes(), &signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Collection {
        test_key: Key,
        vectors: Vec<Vector>,
        negative: Vec<Negative>,
    }

    #[derive(Deserialize)]
    struct Key {
        public_key_spki_pem: String,
    }

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        request: Signed,
        expected: Expected,
    }

    #[derive(Deserialize)]
    struct Signed {
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
        serde_json::from_str(include_str!("../../data/oauth1-vectors.json")).unwrap()
    }

    /// Splits a URL into origin, path and query without touching any of them.
    fn parts(url: &str) -> (&str, &str, &str) {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let host = address.find("://").unwrap() + 3;
        let path = address[host..].find('/').map_or(address.len(), |place| host + place);
        (&address[..path], &address[path..], query)
    }

    #[test]
    fn base_strings_are_those_of_the_vectors() {
        for Vector { name, request, expected } in vectors().vectors {
            let (origin, path, query) = parts(&request.url);
            let is_form = request.content_type.as_deref() == Some("application/x-www-form-urlencoded");
            let form = request.body.filter(|_| is_form).unwrap_or_default();
            let parameters = match &expected.authorization_header {
                Some(header) => header_parameters(header.strip_prefix("OAuth ").unwrap()),
                None => request.oauth_params.clone(),
            };
            let signable = Signable {
                method: &request.method,
                origin,
                path,
                query,
                form: form.as_bytes(),
                parameters: &parameters,
            };
            assert_eq!(signable.uri(), expected.base_string_uri, "{name}");
            assert_eq!(signable.normalized_parameters(), expected.normalized_parameters, "{name}");
            assert_eq!(signable.base_string(), expected.signature_base_string, "{name}");
            let mut read: Vec<_> = parameters
                .into_iter()
                .filter(|(parameter, _)| !["realm", "oauth_signature"].contains(&parameter.as_str()))
                .collect();
            let mut given = request.oauth_params;
            read.sort();
            given.sort();
            assert_eq!(read, given, "{name}");
        }
    }

    #[test]
    fn signatures_of_the_vectors_verify_and_no_others() {
        let vectors = vectors();
        let key = PublicKey::read(&vectors.test_key.public_key_spki_pem).unwrap();
        let signatures: Vec<_> =
            vectors.vectors.iter().filter_map(|vector| Some((vector, vector.expected.signature.as_deref()?))).collect();
        assert!(signatures.len() > 20);
        for (vector, signature) in &signatures {
            assert!(key.verifies(&vector.expected.signature_base_string, signature), "{}", vector.name);
            assert!(!key.verifies(&format!("{} ", vector.expected.signature_base_string), signature));
        }
        for negative in vectors.negative {
            let (_, signature) = signatures.iter().find(|(vector, _)| vector.name == negative.signature_of).unwrap();
            assert!(!key.verifies(&negative.server_base_string, signature), "{}", negative.name);
        }
    }

    #[test]
    fn only_rsa_keys_in_pem_are_taken() {
        let other = rcgen::KeyPair::generate().unwrap();
        assert_eq!(PublicKey::read(&other.public_key_pem()).unwrap_err(), KeyError::Algorithm);
        for text in [&other.serialize_pem(), "", "FAKE-KEY"] {
            assert_eq!(PublicKey::read(text).unwrap_err(), KeyError::Pem);
        }
    }
}
