//! How one connection reaches its Jira.

use std::{
    fmt,
    hash::{Hash, Hasher},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use super::{header::CustomHeader, proxy::Proxy, site::Site};

/// How one connection reaches its Jira. All of it comes from the resource and its Secrets.
#[derive(Clone, Debug)]
pub struct Route {
    /// The Jira.
    pub site: Site,
    /// Sent with every request to the site's own host, and to no other host. Of two equal names the later one counts.
    pub headers: Vec<CustomHeader>,
    /// Further certificate authorities as a PEM bundle; `None` where the system's and the operator's are enough.
    pub ca: Option<Vec<u8>>,
    /// Shown to the site when it asks for a client certificate, and to no other host.
    pub client_certificate: Option<ClientCertificate>,
    /// Replaces the operator-wide proxy; `None` keeps that one, if there is one.
    pub proxy: Option<Proxy>,
    /// Time for one exchange, from name resolution to the last byte of the answer. The time that a request waits for its
    /// turn in the host's budget is not part of it.
    pub timeout: Duration,
}

/// A certificate and its key, for sites that ask for one (mTLS). `Debug` hides both.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate, followed by its intermediates, as PEM.
    pub certificate: Vec<u8>,
    /// The private key as PEM: PKCS #8, PKCS #1 or SEC1, not encrypted.
    pub key: SecretString,
}

/// What is malformed in a [`Route`]. Never holds any of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum RouteFault {
    /// The CA bundle has no `BEGIN CERTIFICATE` block, or one that is broken.
    #[error("the CA bundle is not a list of certificates in PEM form")]
    CaNotPem,
    /// A block of the CA bundle is no X.509 certificate that can be trusted.
    #[error("the CA bundle contains a block that is no X.509 certificate")]
    CaMalformed,
    /// The client certificate has no `BEGIN CERTIFICATE` block, or one that is broken.
    #[error("the client certificate is not in PEM form")]
    ClientCertificateNotPem,
    /// The key of the client certificate has no usable private key block. Encrypted keys are not usable.
    #[error("the key of the client certificate is not an unencrypted private key in PEM form")]
    ClientCertificateKeyNotPem,
    /// The two do not belong together, or are of a kind that TLS cannot use here.
    #[error("the client certificate and its key do not fit together, or are of an unsupported kind")]
    ClientCertificateMismatch,
    /// The proxy cannot be used.
    #[error("the proxy cannot be used")]
    ProxyMalformed,
}

impl PartialEq for ClientCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.certificate == other.certificate && self.key.expose_secret() == other.key.expose_secret()
    }
}

impl Eq for ClientCertificate {}

impl Hash for ClientCertificate {
    /// Without the key: equal certificates with different keys are told apart by `eq`.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.certificate.hash(state);
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}
