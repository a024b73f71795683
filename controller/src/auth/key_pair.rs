//! The RSA key pair that OAuth 1.0a signs with.

use std::fmt;

use getrandom::SysRng;
use rsa::{
    PrivateKey,
    pkcs1::DecodeRsaPrivateKey,
    pkcs1v15::SigningKey,
    pkcs8::{self, DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding, spki},
    signature::{SignatureEncoding, Signer},
    traits::PublicKeyParts,
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use thiserror::Error;
use tokio::task::spawn_blocking;

/// Size of a fresh key, and the least that is accepted of a given one, in bits: what Jira's documentation asks for.
const BITS: u32 = 2048;

/// The largest key that is accepted, in bits.
const MOST_BITS: u32 = 8192;

/// The longest text that is looked at, in bytes. A key of 8192 bit has 6,500.
const LONGEST: usize = 16 * 1024;

/// An RSA key pair. Jira knows the public half from the application link. `Debug` shows neither half.
pub struct KeyPair {
    key: SigningKey<Sha1>,
    /// Kept, as encoding it cannot fail any more then.
    public_pem: String,
}

/// Why a text is no private key that can be used. Holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidKey {
    /// No private key block, or one that is broken.
    #[error(
        "this is not a private key in PEM form: it must contain -----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----"
    )]
    NotPem,
    /// A public key or a certificate, and no private key.
    #[error("this is a public key or a certificate: the private key is needed")]
    Public,
    /// A key that a passphrase protects.
    #[error("the private key is encrypted: store it without a passphrase")]
    Encrypted,
    /// An elliptic curve, for example.
    #[error("this is not an RSA key: OAuth 1.0a with Jira needs one")]
    NotRsa,
    /// The numbers do not make up an RSA key.
    #[error("the private key is damaged: make a new one, for example with openssl genrsa 2048")]
    Damaged,
    /// Shorter than 2048 bit.
    #[error("the private key has fewer than {BITS} bits: make a longer one, for example with openssl genrsa 2048")]
    TooShort,
    /// Longer than 8192 bit.
    #[error("the private key has more than {MOST_BITS} bits: make a shorter one, for example with openssl genrsa 2048")]
    TooLong,
}

/// No key pair could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MakingFault {
    /// The system has no randomness to give.
    #[error("no RSA key could be made: the system has no randomness to give")]
    Randomness,
    /// The process is stopping.
    #[error("no RSA key was made: the operator is stopping")]
    Stopping,
}

/// A signature could not be made: the system has no randomness to give, or the key is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the request could not be signed")]
pub struct Unsignable;

impl KeyPair {
    /// Makes a key pair of 2048 bit, on a thread where that holds up nobody: it may take a second.
    ///
    /// # Errors
    /// [`MakingFault`].
    pub async fn generate() -> Result<Self, MakingFault> {
        let made = spawn_blocking(|| PrivateKey::new(&mut SysRng, BITS as usize));
        let key = made.await.map_err(|_| MakingFault::Stopping)?.map_err(|_| MakingFault::Randomness)?;
        Self::of(key).map_err(|_| MakingFault::Randomness)
    }

    /// Reads a private key in PEM form: PKCS #8 (RFC 5208) or PKCS #1 (RFC 8017, A.1.2). What stands around it is left out.
    ///
    /// # Errors
    /// [`InvalidKey`], whose text says what to do.
    pub fn from_pem(pem: &SecretString) -> Result<Self, InvalidKey> {
        let text = pem.expose_secret();
        if LONGEST < text.len() {
            return Err(InvalidKey::NotPem);
        }
        if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(InvalidKey::Encrypted);
        }
        let key = match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
            Ok(PrivateKeyDer::Pkcs8(der)) => {
                PrivateKey::from_pkcs8_der(der.secret_pkcs8_der()).map_err(|fault| pkcs8_fault(&fault))?
            }
            Ok(PrivateKeyDer::Pkcs1(der)) => {
                PrivateKey::from_pkcs1_der(der.secret_pkcs1_der()).map_err(|_| InvalidKey::Damaged)?
            }
            Ok(_) => return Err(InvalidKey::NotRsa),
            Err(_) if text.contains("BEGIN PUBLIC KEY") || text.contains("BEGIN CERTIFICATE") => {
                return Err(InvalidKey::Public);
            }
            Err(_) => return Err(InvalidKey::NotPem),
        };
        Self::of(key)
    }

    fn of(key: PrivateKey) -> Result<Self, InvalidKey> {
        let bits = key.n().as_ref().bit_width_vartime();
        if bits < BITS {
            return Err(InvalidKey::TooShort);
        }
        if MOST_BITS < bits {
            return Err(InvalidKey::TooLong);
        }
        let public_pem = key.as_public_key().to_public_key_pem(LineEnding::LF).map_err(|_| InvalidKey::Damaged)?;
        Ok(Self { key: SigningKey::new(key), public_pem })
    }

    /// The private key as PKCS #8 PEM, to be stored.
    ///
    /// # Errors
    /// [`InvalidKey::Damaged`] where it cannot be encoded.
    pub fn to_pem(&self) -> Result<SecretString, InvalidKey> {
        let pem = self.key.to_pkcs8_pem(LineEnding::LF).map_err(|_| InvalidKey::Damaged)?;
        Ok(SecretString::from(pem.as_str()))
    }

    /// The public key as `SubjectPublicKeyInfo` (RFC 5280, 4.1.2.7) in PEM form, as Jira's form for application links takes
    /// it: `-----BEGIN PUBLIC KEY-----`.
    #[must_use]
    pub fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// The signature of a message: RSASSA-PKCS1-v1_5 with SHA-1 (RFC 8017, 8.2), blinded against timing.
    ///
    /// # Errors
    /// [`Unsignable`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unsignable> {
        self.key.try_sign(message).map(|signature| signature.to_vec()).map_err(|_| Unsignable)
    }
}

fn pkcs8_fault(fault: &pkcs8::Error) -> InvalidKey {
    match fault {
        pkcs8::Error::PublicKey(spki::Error::OidUnknown { .. }) => InvalidKey::NotRsa,
        _ => InvalidKey::Damaged,
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
