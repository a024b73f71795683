//! The HTTP clients that connections share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Certificate, Client, Identity, redirect};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::{
    denied_networks::{DeniedNetworks, Resolver},
    proxy::Proxy,
    route::{ClientCertificate, RouteFault},
};

/// How long a client that nobody asks for is kept. Longer than the usual time between two checks, as building one means
/// reading the system's certificates; short enough that replaced certificates do not pile up.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// Idle TCP connections kept for each host: as many as a host's budget lets be used at once.
const POOL: usize = 8;

/// What a request passes through on its way out.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Egress {
    /// Nothing.
    Direct,
    /// A proxy that a connection names; it obeys the same host rules as a Jira.
    Connection(Proxy),
    /// The proxy that the operator's owner chose; no rule limits where it may be.
    Operator(Proxy),
}

/// Everything that makes two clients differ. Time limits and headers do not, they belong to a request.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Settings {
    pub(super) ca: Option<Vec<u8>>,
    pub(super) client_certificate: Option<ClientCertificate>,
    pub(super) egress: Egress,
}

/// One client, and with it one pool of TCP connections, for all connections with equal [`Settings`].
pub(super) struct Clients {
    /// Trusted by every client, besides the system's.
    extra_ca: Vec<CertificateDer<'static>>,
    denied: Arc<DeniedNetworks>,
    shared: Mutex<HashMap<Settings, Shared>>,
}

struct Shared {
    client: Client,
    used: Instant,
}

impl Clients {
    pub(super) fn new(extra_ca: Vec<CertificateDer<'static>>, denied: Arc<DeniedNetworks>) -> Self {
        Self { extra_ca, denied, shared: Mutex::default() }
    }

    /// The client for these settings: the one in use, or a new one.
    pub(super) fn get(&self, settings: &Settings) -> Result<Client, RouteFault> {
        if let Some(client) = self.known(settings) {
            return Ok(client);
        }
        let client = self.build(settings)?;
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        // Another task may have been faster.
        let entry = shared.entry(settings.clone()).or_insert_with(|| Shared { client, used: Instant::now() });
        Ok(entry.client.clone())
    }

    fn known(&self, settings: &Settings) -> Option<Client> {
        let now = Instant::now();
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|_, it| now.duration_since(it.used) < IDLE);
        let entry = shared.get_mut(settings)?;
        entry.used = now;
        Some(entry.client.clone())
    }

    fn build(&self, settings: &Settings) -> Result<Client, RouteFault> {
        let mut trusted = self.extra_ca.clone();
        if let Some(ca) = &settings.ca {
            trusted.extend(certificates(ca)?);
        }
        // The system's certificates are trusted as well; these come on top, and are enough where the system has none.
        let trusted = trusted.iter().map(|it| Certificate::from_der(it)).collect::<Result<Vec<_>, _>>();
        let mut builder = Client::builder()
            .tls_certs_merge(trusted.map_err(|_| RouteFault::CaMalformed)?)
            .https_only(true)
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(POOL)
            .user_agent(concat!("jira-connection-operator/", env!("CARGO_PKG_VERSION")));
        if let Some(it) = &settings.client_certificate {
            builder = builder.identity(identity(it)?);
        }
        builder = match &settings.egress {
            // Also keeps the environment's proxy variables out.
            Egress::Direct => builder.no_proxy().dns_resolver(Resolver(Arc::clone(&self.denied))),
            // Only the proxy's name is resolved here.
            Egress::Connection(proxy) => {
                builder.proxy(proxied(proxy)?).dns_resolver(Resolver(Arc::clone(&self.denied)))
            }
            Egress::Operator(proxy) => builder.proxy(proxied(proxy)?),
        };
        builder.build().map_err(|_| match settings.client_certificate {
            Some(_) => RouteFault::ClientCertificateMismatch,
            None => RouteFault::CaMalformed,
        })
    }

    /// The networks that no request may reach.
    pub(super) fn denied(&self) -> &DeniedNetworks {
        &self.denied
    }
}

fn proxied(proxy: &Proxy) -> Result<reqwest::Proxy, RouteFault> {
    proxy.to_reqwest().map_err(|_| RouteFault::ProxyMalformed)
}

/// Reads a PEM bundle of certificates, and makes sure that each of them can be an anchor of trust.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, RouteFault> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| RouteFault::CaNotPem)?;
    if certificates.is_empty() {
        return Err(RouteFault::CaNotPem);
    }
    let mut store = RootCertStore::empty();
    for it in &certificates {
        store.add(it.clone()).map_err(|_| RouteFault::CaMalformed)?;
    }
    Ok(certificates)
}

/// Joins certificate and key, which come from two keys of a Secret.
fn identity(it: &ClientCertificate) -> Result<Identity, RouteFault> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&it.certificate)
        .collect::<Result<_, _>>()
        .map_err(|_| RouteFault::ClientCertificateNotPem)?;
    if chain.is_empty() {
        return Err(RouteFault::ClientCertificateNotPem);
    }
    let key = it.key.expose_secret().as_bytes();
    PrivateKeyDer::from_pem_slice(key).map_err(|_| RouteFault::ClientCertificateKeyNotPem)?;
    Identity::from_pem(&[key, b"\n", it.certificate.as_slice()].concat())
        .map_err(|_| RouteFault::ClientCertificateMismatch)
}
