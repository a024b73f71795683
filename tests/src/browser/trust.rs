//! Which certificates a browser trusts besides those of the system.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustls::{
    pki_types::{CertificateDer, pem::PemObject},
    server::ParsedCertificate,
};
use sha2::{Digest, Sha256};

use super::Error;

/// The pin of a certificate, given as PEM: the SHA-256 of its public key (RFC 7469, 2.4) in base64, by which Chromium trusts
/// every chain that has it.
pub(super) fn pin(certificate: &str) -> Result<String, Error> {
    let read = CertificateDer::from_pem_slice(certificate.as_bytes());
    let certificate = read.map_err(|error| Error::Authority(error.to_string()))?;
    let parsed = ParsedCertificate::try_from(&certificate).map_err(|error| Error::Authority(error.to_string()))?;
    Ok(BASE64_STANDARD.encode(Sha256::digest(parsed.subject_public_key_info())))
}
