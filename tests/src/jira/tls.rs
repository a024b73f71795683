//! The simulator's certificate authority and the certificates of its listeners.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;

use super::Error;
use super::instance::{Certificate, ClientCertificate, Scheme, Transport};

/// A certificate and its key, both as PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key (PKCS #8).
    pub key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Identity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// An authority of the simulator's own, made at its start.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(super) fn generate() -> Result<Self, Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = named("Jira simulator authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let pem = issuer.pem();
        Ok(Self { issuer, pem })
    }

    /// The authority's certificate as PEM.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// A client certificate for mutual TLS.
    pub(super) fn client(&self, name: &str) -> Result<Identity, Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = named(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// TLS settings of a listener; `None` for plain http.
    pub(super) fn server(&self, transport: &Transport) -> Result<Option<Arc<ServerConfig>>, Error> {
        match transport.scheme {
            Scheme::Http => return Ok(None),
            Scheme::Https => {}
        }
        let (chain, key) = self.certificate(transport)?;
        let provider = Arc::new(ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = match transport.client_certificate {
            ClientCertificate::NotAsked => builder.with_no_client_auth(),
            ClientCertificate::Required => {
                let mut roots = rustls::RootCertStore::empty();
                let pem = transport.client_ca.as_deref().unwrap_or(&self.pem);
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    roots.add(certificate?)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Arc::new(config)))
    }

    fn certificate(
        &self,
        transport: &Transport,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
        let own = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), transport.address.to_string()];
        let names = match transport.certificate {
            Certificate::OtherHost => vec!["other.example.test".to_owned()],
            Certificate::Trusted | Certificate::SelfSigned | Certificate::Expired => {
                own.into_iter().chain(transport.host.clone()).collect()
            }
        };
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = named("Jira simulator");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if transport.certificate == Certificate::Expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate()?;
        let certificate = match transport.certificate {
            Certificate::SelfSigned => params.self_signed(&key)?,
            Certificate::Trusted | Certificate::Expired | Certificate::OtherHost => {
                params.signed_by(&key, &self.issuer)?
            }
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        // The authority as well, which most servers leave out: a browser that knows it by its key alone has to see it.
        Ok((vec![certificate.der().clone(), self.issuer.as_ref().der().clone()], key))
    }
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}
