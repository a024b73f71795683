//! A Kubernetes control plane on this machine: etcd, kube-apiserver and kube-controller-manager as real processes.
//!
//! [`shared`] is the control plane of a test suite, where each test takes a [namespace](ControlPlane::namespace) of its own;
//! [`ControlPlane::start`] makes one that a test can also [break](ControlPlane::kill). Either is gone when its process is,
//! whatever ended the process.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use axum::http::{Request, Uri};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{Namespace, ServiceAccount},
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DynamicObject, ObjectMeta, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::{process::Command, sync::OnceCell};

pub use self::{
    apply::ApplyError,
    audit::{Audit, AuditError, AuditEvent, AuditMark},
    component::Component,
    error::Error,
};
use self::{
    binaries::Binaries,
    certificates::{Certificates, Identity},
    component::{AUDIT_LOG, DATA},
    kubeconfig::Credential,
    supervisor::Supervisor,
};
use crate::log::tail;

mod apply;
mod audit;
mod binaries;
mod certificates;
mod command_line;
mod component;
mod error;
mod kubeconfig;
mod port;
mod supervisor;

const AUDIT_POLICY: &str = include_str!("controlplane/audit-policy.yaml");

/// How long the control plane may take until it serves.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// Pause between two looks at whether it serves.
const READY_POLL: Duration = Duration::from_millis(100);

/// How many lines of a component's log an error carries.
const LOG_LINES: usize = 30;

/// Lifetime of the tokens of service accounts, in seconds: longer than any test or demonstration.
const TOKEN_SECONDS: i64 = 365 * 24 * 60 * 60;

/// How often an API server is started that finds its port taken by somebody who was faster.
const START_TRIALS: usize = 3;

/// What a control plane consists of.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether controllers act on the objects.
    pub controller_manager: ControllerManager,
}

/// Whether kube-controller-manager is part of the control plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ControllerManager {
    /// It runs: namespaces are emptied and removed, garbage is collected, cluster roles are aggregated, service accounts and
    /// their root certificates, quotas, deployments, replica sets and jobs are looked after. Nothing runs a pod.
    #[default]
    Run,
    /// It does not run: deleted namespaces stay, and pods need a service account that is made by hand.
    Omit,
}

/// A running control plane, which ends when this is dropped or its process ends.
///
/// It holds nothing that is bound to an asynchronous runtime, so it can be shared between tests that have one each.
#[derive(Debug)]
pub struct ControlPlane {
    binaries: Binaries,
    supervisor: Supervisor,
    /// Certificate that the API server is verified with, as PEM.
    authority: String,
    port: u16,
    kubeconfig: PathBuf,
}

/// The control plane of this process: the first call starts it, and it ends with the process.
///
/// # Panics
///
/// When it cannot be started. The reason is the same for all callers: nothing is tried twice.
pub async fn shared() -> &'static ControlPlane {
    static SHARED: OnceCell<Result<ControlPlane, Error>> = OnceCell::const_new();
    match SHARED.get_or_init(|| ControlPlane::start(Options::default())).await {
        Ok(control_plane) => control_plane,
        Err(error) => panic!("the shared control plane does not start: {}", error.chain()),
    }
}

impl ControlPlane {
    /// Starts a control plane and waits until it serves. On a machine that never did, this builds the programs first, which
    /// takes minutes and is reported on standard error.
    ///
    /// # Errors
    ///
    /// When the programs can neither be found nor built, or a component does not come up; the error then carries the end of
    /// its log, and nothing is left running.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let binaries = match tokio::task::spawn_blocking(Binaries::locate).await {
            Ok(located) => located?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        let certificates = Certificates::generate()?;
        let directory = tempfile::Builder::new()
            .prefix("controlplane-")
            .tempdir()
            .map_err(|source| Error::Write { path: std::env::temp_dir(), source })?;
        write_files(directory.path(), &certificates)?;
        let supervisor =
            Supervisor::spawn(directory).map_err(|source| Error::Supervisor { action: "start", source })?;

        let mut control_plane = Self {
            binaries,
            kubeconfig: supervisor.directory().join("kubeconfig"),
            supervisor,
            authority: certificates.authority,
            port: 0,
        };
        control_plane.run(Component::Etcd).await?;
        control_plane.run_apiserver(&certificates.administrator, &certificates.controller_manager).await?;
        match options.controller_manager {
            ControllerManager::Run => control_plane.restart(Component::ControllerManager).await?,
            ControllerManager::Omit => {}
        }
        Ok(control_plane)
    }

    /// Ends all components, removes their files, and returns when that is done.
    ///
    /// # Errors
    ///
    /// When they are not gone within 20 seconds.
    pub async fn stop(self) -> Result<(), Error> {
        self.supervisor.stop().await.map_err(|source| Error::Supervisor { action: "stop", source })
    }

    /// The directory with the logs and all other files, which vanishes with the control plane. Each component's log is
    /// `NAME.log`, such as `kube-apiserver.log`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.supervisor.directory()
    }

    /// Base URL of the API server, such as `https://127.0.0.1:20443`.
    #[must_use]
    pub fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The kubeconfig of a user without limits.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client of the user without limits, for the runtime of the caller.
    ///
    /// # Errors
    ///
    /// When the kubeconfig cannot be read.
    pub async fn client(&self) -> Result<Client, Error> {
        client(self.kubeconfig()).await
    }

    /// Makes a namespace whose name is unique and starts with `prefix`, and returns the name.
    ///
    /// # Errors
    ///
    /// When the API server refuses it.
    pub async fn namespace(&self, prefix: &str) -> Result<String, Error> {
        self.labelled_namespace(prefix, &[]).await
    }

    /// Like [`namespace`](Self::namespace), with labels as pairs of key and value.
    ///
    /// # Errors
    ///
    /// When the API server refuses it.
    pub async fn labelled_namespace(&self, prefix: &str, labels: &[(&str, &str)]) -> Result<String, Error> {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let namespace = Namespace {
            metadata: ObjectMeta {
                generate_name: Some(format!("{prefix}-")),
                labels: Some(labels),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let api = Api::<Namespace>::all(self.client().await?);
        let created = api.create(&PostParams::default(), &namespace).await?;
        Ok(created.name_any())
    }

    /// Writes a kubeconfig that acts as a service account, which is created if absent, in a namespace that exists. The token is
    /// valid for a year.
    ///
    /// # Errors
    ///
    /// When the API server refuses the account or the token, or the file cannot be written.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf, Error> {
        let api = Api::<ServiceAccount>::namespaced(self.client().await?, namespace);
        let account = ServiceAccount {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            ..ServiceAccount::default()
        };
        match api.create(&PostParams::default(), &account).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            created => drop(created?),
        }
        let request = TokenRequest {
            spec: TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() },
            ..TokenRequest::default()
        };
        let token = api
            .create_token_request(name, &PostParams::default(), &request)
            .await?
            .status
            .ok_or_else(|| Error::TokenMissing { namespace: namespace.to_owned(), name: name.to_owned() })?
            .token;
        let path = self.directory().join(format!("{namespace}-{name}.kubeconfig"));
        let text = kubeconfig::kubeconfig(&self.server(), &self.authority, namespace, &Credential::Token(&token));
        write(&path, &text)?;
        Ok(path)
    }

    /// Applies all objects of a YAML text server-side, in their order, as the user without limits, and returns them as they
    /// then are. An object without a namespace, of a kind that has one, goes to `default`. After a
    /// `CustomResourceDefinition` it waits until its kind is served, so that objects of the kind can follow.
    ///
    /// # Errors
    ///
    /// When the text is not YAML, or the API server refuses an object.
    pub async fn apply_yaml(&self, yaml: &str) -> Result<Vec<DynamicObject>, ApplyError> {
        apply::apply(&self.client().await.map_err(Box::new)?, yaml).await
    }

    /// A `kubectl` that acts as the user without limits and reads no settings of the person at the machine.
    #[must_use]
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(&self.binaries.kubectl);
        command
            .env("KUBECONFIG", self.kubeconfig())
            .env("KUBERC", "off")
            // What it has learnt of another server at the same port is wrong here.
            .env("KUBECACHEDIR", self.directory().join("kubectl-cache"))
            .kill_on_drop(true);
        command
    }

    /// The log of all requests.
    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit::new(self.directory().join(AUDIT_LOG))
    }

    /// Ends a component with SIGKILL, as a fault. Its data and its address stay.
    ///
    /// # Errors
    ///
    /// When it is not gone within 20 seconds.
    pub async fn kill(&self, component: Component) -> Result<(), Error> {
        let killed = self.supervisor.kill(component.name()).await;
        killed.map_err(|source| Error::Supervisor { action: "kill a component", source })
    }

    /// Starts a component anew, with its data and at its address, after ending it if it runs. Waits until the control plane
    /// serves.
    ///
    /// # Errors
    ///
    /// When the component does not come up, or the API server does not serve because another component is down.
    pub async fn restart(&self, component: Component) -> Result<(), Error> {
        self.kill(component).await?;
        self.run(component).await?;
        match component {
            Component::Etcd | Component::Apiserver => self.wait_until_ready(Component::Apiserver, readyz).await,
            Component::ControllerManager => self.wait_until_ready(component, has_default_service_account).await,
        }
    }

    /// Keeps a copy of all data, as a crash of the machine at this moment would leave them to the next start: the store writes
    /// without waiting for the disk, and stands still while it is copied.
    ///
    /// # Errors
    ///
    /// When the store cannot be stopped, or its files cannot be copied.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let failed = |source| Error::Supervisor { action: "keep a copy of the data", source };
        let copy = tempfile::Builder::new().prefix("snapshot-").tempdir_in(self.directory()).map_err(failed)?;
        self.supervisor.pause(Component::Etcd.name()).await.map_err(failed)?;
        let copied = copy_data(&self.data(), copy.path()).await;
        self.supervisor.resume(Component::Etcd.name()).map_err(failed)?;
        copied.map_err(failed)?;
        Ok(Snapshot(copy))
    }

    /// Lets store and API server crash, and starts them anew with the data of a snapshot: whatever was written since is lost.
    ///
    /// # Errors
    ///
    /// When the files cannot be copied, or a component does not come up.
    pub async fn crash_back_to(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let failed = |source| Error::Supervisor { action: "put a copy of the data back", source };
        self.kill(Component::Apiserver).await?;
        self.kill(Component::Etcd).await?;
        fs::remove_dir_all(self.data()).map_err(failed)?;
        copy_data(&snapshot.0.path().join(DATA), self.directory()).await.map_err(failed)?;
        self.run(Component::Etcd).await?;
        self.restart(Component::Apiserver).await
    }

    fn data(&self) -> PathBuf {
        self.directory().join(DATA)
    }

    async fn run(&self, component: Component) -> Result<(), Error> {
        let command_line = component.command_line(&self.binaries, self.port);
        let started = self.supervisor.start(component.name(), &command_line).await;
        started.map_err(|source| Error::Supervisor { action: "start a component", source })
    }

    /// Starts the API server at a free port, and at another one if it was not free after all.
    async fn run_apiserver(&mut self, administrator: &Identity, controllers: &Identity) -> Result<(), Error> {
        let mut trial = 1;
        loop {
            self.port = port::free().ok_or(Error::NoFreePort)?;
            self.write_kubeconfig("kubeconfig", administrator)?;
            self.write_kubeconfig("controller-manager.kubeconfig", controllers)?;
            self.run(Component::Apiserver).await?;
            match self.wait_until_ready(Component::Apiserver, readyz).await {
                Err(Error::Ended { component: Component::Apiserver, log, .. })
                    if trial < START_TRIALS && log.contains("address already in use") =>
                {
                    trial += 1;
                }
                outcome => return outcome,
            }
        }
    }

    fn write_kubeconfig(&self, name: &str, identity: &Identity) -> Result<(), Error> {
        let credential = Credential::Certificate(identity);
        let text = kubeconfig::kubeconfig(&self.server(), &self.authority, "default", &credential);
        write(&self.directory().join(name), &text)
    }

    /// Waits for a component, or for the end of any.
    async fn wait_until_ready(&self, component: Component, ready: impl AsyncFn(&Client) -> bool) -> Result<(), Error> {
        let client = self.client().await?;
        let started = Instant::now();
        loop {
            self.check_running(component)?;
            // A server that is coming up may accept a connection and not answer.
            if tokio::time::timeout(Duration::from_secs(5), ready(&client)).await == Ok(true) {
                return Ok(());
            }
            if started.elapsed() > READY_LIMIT {
                return Err(Error::NotReady { component, log: self.log_tail(component) });
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    /// Fails when the component, or the store it depends on, has ended.
    fn check_running(&self, component: Component) -> Result<(), Error> {
        for component in [Component::Etcd, component] {
            if let Some(status) = self.supervisor.exit_status(component.name()) {
                return Err(Error::Ended { component, status, log: self.log_tail(component) });
            }
        }
        Ok(())
    }

    fn log_tail(&self, component: Component) -> String {
        let path = self.directory().join(format!("{component}.log"));
        match fs::read(&path) {
            Ok(log) => tail(&String::from_utf8_lossy(&log), LOG_LINES),
            Err(error) => format!("({} cannot be read: {error})", path.display()),
        }
    }
}

/// A client of the user that a kubeconfig file names, for the runtime of the caller.
///
/// # Errors
///
/// When the file cannot be read or is no kubeconfig.
pub async fn client(kubeconfig: &Path) -> Result<Client, Error> {
    // Fails if the process has a provider already, which is then as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let failure = |source| Error::Kubeconfig { path: kubeconfig.to_owned(), source: Box::new(source) };
    let text = Kubeconfig::read_from(kubeconfig).map_err(failure)?;
    let config = Config::from_custom_kubeconfig(text, &KubeConfigOptions::default()).await.map_err(failure)?;
    Ok(Client::try_from(config)?)
}

/// All data of a control plane at one moment. Removed when this is dropped.
#[derive(Debug)]
pub struct Snapshot(tempfile::TempDir);

/// Copies a directory of the store into another. Its files have holes, which stay holes.
async fn copy_data(from: &Path, into: &Path) -> io::Result<()> {
    let status = Command::new("cp").args(["-a", "--sparse=always"]).args([from, into]).status().await?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("cp ended with {status}"))) }
}

async fn readyz(client: &Client) -> bool {
    let mut request = Request::new(Vec::new());
    *request.uri_mut() = Uri::from_static("/readyz");
    client.request_text(request).await.is_ok()
}

/// The controllers work once the first of their objects is there.
async fn has_default_service_account(client: &Client) -> bool {
    Api::<ServiceAccount>::namespaced(client.clone(), "default").get("default").await.is_ok()
}

fn write_files(directory: &Path, certificates: &Certificates) -> Result<(), Error> {
    let files = [
        ("ca.crt", certificates.authority.as_str()),
        ("server.crt", &certificates.server.certificate),
        ("server.key", &certificates.server.key),
        ("service-account.key", &certificates.service_accounts.private),
        ("service-account.pub", &certificates.service_accounts.public),
        ("audit-policy.yaml", AUDIT_POLICY),
    ];
    files.iter().try_for_each(|(name, text)| write(&directory.join(name), text))
}

/// Writes a file that only its owner may read: most of them are secret.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}
