//! A TLS reverse proxy between an operator and the API server, which a test lets misbehave.
//!
//! A [`Rule`] names calls and what befalls them: held before they are forwarded, forwarded and the answer held or dropped,
//! refused, delayed. The [`Trap`] that [`Gateway::set`] returns tells when it has struck. Everything else passes as it is,
//! watches as they come. It has an authority of its own, and speaks HTTP/1.1, as kube's client does over TLS; a request that
//! asks for another protocol (`exec`, `port-forward`) is not supported.
//!
//! A call that is forwarded is carried through, even if the operator dies meanwhile: so does a real network.

mod call;
mod proxy;
mod rule;

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::{Value, json};

pub use self::{
    call::{Call, Verb},
    rule::{Fate, Rule, Trap, Way},
};
use crate::controlplane::ControlPlane;

/// Failure to set up a gateway.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate cannot be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A certificate cannot be used.
    #[error("cannot use a certificate")]
    Tls(#[from] rustls::Error),
    /// No port can be had, or a file cannot be read or written.
    #[error("cannot listen, read or write")]
    Io(#[from] io::Error),
    /// The API server's kubeconfig is not what the control plane writes.
    #[error("the kubeconfig {} is not as expected", .0.display())]
    Kubeconfig(PathBuf),
    /// The client that forwards cannot be made.
    #[error("cannot make the client of the API server")]
    Client(#[source] reqwest::Error),
}

/// Told of each call that the API server has answered, with the status of the answer, before the operator learns of it.
type Witness = Box<dyn Fn(&Call, u16) + Send + Sync>;

/// A running gateway. It ends with its last connection's runtime, which is dropped with it.
pub struct Gateway {
    address: SocketAddr,
    authority: String,
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

/// What the connections share with the owner.
struct Shared {
    upstream: String,
    client: reqwest::Client,
    traps: Mutex<Vec<Trap>>,
    /// Each change ends the connections that are open.
    cuts: tokio::sync::watch::Sender<()>,
    witness: Witness,
}

impl Shared {
    fn traps(&self) -> MutexGuard<'_, Vec<Trap>> {
        self.traps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first trap that a call springs.
    fn sprung(&self, call: &Call) -> Option<Trap> {
        self.traps().iter().find(|trap| trap.strikes(call)).cloned()
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gateway").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Starts one in front of a control plane. `witness` is told of each call that was answered, with the status.
    ///
    /// # Errors
    ///
    /// When certificates or a port cannot be had.
    pub fn start(
        control_plane: &ControlPlane,
        witness: impl Fn(&Call, u16) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let identity = Identity::generate()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("api-gateway")
            .enable_all()
            .build()?;
        let shared = Arc::new(Shared {
            upstream: control_plane.server(),
            client: client(control_plane.kubeconfig())?,
            traps: Mutex::default(),
            cuts: tokio::sync::watch::Sender::new(()),
            witness: Box::new(witness),
        });
        let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let listener = {
            let _context = runtime.enter();
            tokio::net::TcpListener::from_std(socket)?
        };
        runtime.spawn(proxy::accept(listener, Arc::new(identity.config), Arc::clone(&shared)));
        Ok(Self { address, authority: identity.authority, shared, runtime: Some(runtime) })
    }

    /// Sets a trap. Of several that a call would spring, the one that was set first strikes.
    #[must_use = "a trap is of use to whoever waits for it"]
    pub fn set(&self, rule: Rule) -> Trap {
        let trap = Trap::new(rule);
        self.shared.traps().push(trap.clone());
        trap
    }

    /// Ends every connection that is open, as a load balancer does that is started anew. Calls that were forwarded are carried
    /// through.
    pub fn cut(&self) {
        self.shared.cuts.send_replace(());
    }

    /// Takes all traps away. What they hold is dropped: the operator sees its connection end.
    pub fn clear(&self) {
        let traps = std::mem::take(&mut *self.shared.traps());
        traps.iter().for_each(Trap::abandon);
    }

    /// Writes a kubeconfig with the same user and another server: this gateway. Returns the new file.
    ///
    /// # Errors
    ///
    /// When the file is not as [`ControlPlane`] writes it, or the new one cannot be written.
    pub fn kubeconfig(&self, of: &Path) -> Result<PathBuf, Error> {
        let unexpected = || Error::Kubeconfig(of.to_owned());
        let mut config: Value = serde_json::from_str(&fs::read_to_string(of)?).map_err(|_| unexpected())?;
        let cluster = config.pointer_mut("/clusters/0/cluster").ok_or_else(unexpected)?;
        *cluster = json!({
            "server": format!("https://{}", self.address),
            "certificate-authority-data": ByteString(self.authority.clone().into_bytes()),
        });
        let path = of.with_extension(format!("gateway-{}.kubeconfig", self.address.port()));
        fs::write(&path, config.to_string())?;
        Ok(path)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The client that forwards; users bring their own credentials.
fn client(kubeconfig: &Path) -> Result<reqwest::Client, Error> {
    let unexpected = || Error::Kubeconfig(kubeconfig.to_owned());
    let config: Value = serde_json::from_str(&fs::read_to_string(kubeconfig)?).map_err(|_| unexpected())?;
    let authority = config.pointer("/clusters/0/cluster/certificate-authority-data").cloned();
    let ByteString(pem) = authority.and_then(|it| serde_json::from_value(it).ok()).ok_or_else(unexpected)?;
    let authority = reqwest::Certificate::from_pem(&pem).map_err(Error::Client)?;
    // Fails if the process has a provider already, which is then as good.
    let _ = ring::default_provider().install_default();
    let client =
        reqwest::Client::builder().no_proxy().tls_certs_only([authority]).redirect(reqwest::redirect::Policy::none());
    client.build().map_err(Error::Client)
}

/// A server's certificate and the authority that signed it.
struct Identity {
    authority: String,
    config: ServerConfig,
}

impl Identity {
    fn generate() -> Result<Self, Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, "gateway authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, "gateway");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { authority: issuer.pem(), config })
    }
}
