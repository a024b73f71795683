//! The operator as a process: built by cargo, run against a control plane with the rights of `config/rbac.yaml`.
//!
//! An [`Operator`] is gone when it is dropped or its process is, whatever ended the process. It holds nothing that is bound to
//! an asynchronous runtime, so it can be shared between tests that have one each.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{process::Command, sync::OnceCell};

pub use self::machine::Machine;
use self::process::{CommandLine, Output, Process, Signal};
use crate::{
    controlplane::{self, ApplyError, ControlPlane},
    gateway::{self, Gateway},
    jira::Simulator,
};

mod machine;
mod process;

/// Name of the service account of `config/rbac.yaml`, and of its namespace.
const ACCOUNT: &str = "jira-connection-operator";

/// Namespace, service account and rights of the operator.
pub const RBAC: &str = include_str!("../../config/rbac.yaml");

/// The networks that the operator denies by default, without loopback, where the Jira simulator is.
pub const DENIED_NETWORKS: [&str; 8] = [
    "0.0.0.0/8",
    "::/128",
    "169.254.0.0/16",
    "fe80::/10",
    "224.0.0.0/4",
    "ff00::/8",
    "100.100.100.200/32",
    "fd00:ec2::/32",
];

/// How long the operator may take until it is ready.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// How long it may take to end when it is asked to.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Pause between two looks at whether it is ready.
const READY_POLL: Duration = Duration::from_millis(50);

/// How long it may take to answer a request.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How many lines of output an error carries.
const OUTPUT_LINES: usize = 30;

/// Failure to start, end or ask the operator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Cargo cannot be run.
    #[error("cannot run cargo")]
    Cargo(#[source] io::Error),
    /// The operator does not compile.
    #[error("`cargo build` of the operator failed; its output ends:\n{output}")]
    Build {
        /// The last lines of cargo's output.
        output: String,
    },
    /// The CRDs cannot be written as YAML.
    #[error("cannot write the CRDs as YAML")]
    Definition(#[source] serde_yaml::Error),
    /// The API server refused the CRDs or the rights of the operator.
    #[error("cannot install the CRDs and the rights of the operator")]
    Install(#[from] ApplyError),
    /// The API server gave no token for the operator.
    #[error("cannot make a kubeconfig for the operator")]
    Kubeconfig(#[source] Box<controlplane::Error>),
    /// The gateway has no kubeconfig for the operator.
    #[error("cannot make a kubeconfig through the gateway")]
    Gateway(#[from] gateway::Error),
    /// A file of the operator cannot be written.
    #[error("cannot write a file of the operator")]
    Write(#[source] io::Error),
    /// The shell that runs the operator cannot be started or does not listen.
    #[error("the shell that runs the operator failed")]
    Shell(#[source] io::Error),
    /// The operator ended before it was ready.
    #[error("the operator ended with status {} before it was ready; its output ends:\n{output}", status.map_or_else(|| "unknown".to_owned(), |it| it.to_string()))]
    Ended {
        /// Exit status in the words of the shell; absent if it is not known.
        status: Option<i32>,
        /// The last lines of its output.
        output: String,
    },
    /// The operator runs and does not get ready.
    #[error("the operator was not ready within {} s; its output ends:\n{output}", READY_LIMIT.as_secs())]
    NotReady {
        /// The last lines of its output.
        output: String,
    },
    /// The operator went on after SIGTERM, and was killed.
    #[error("the operator did not end within {} s of SIGTERM and was killed; its output ends:\n{output}", STOP_LIMIT.as_secs())]
    NotStopped {
        /// The last lines of its output.
        output: String,
    },
    /// The operator was expected to end by itself and runs.
    #[error("the operator did not end by itself within {} s; its output ends:\n{output}", limit.as_secs())]
    NotEnded {
        /// How long it was waited for.
        limit: Duration,
        /// The last lines of its output.
        output: String,
    },
    /// The operator does not run.
    #[error("the operator does not run")]
    NotRunning,
    /// The operator does not answer.
    #[error("the operator does not answer")]
    Request(#[source] reqwest::Error),
}

/// How an operator is started. Absent values leave the operator its default.
#[derive(Clone, Debug)]
pub struct Settings<'a> {
    /// The control plane that it works on.
    pub control_plane: &'a ControlPlane,
    /// Name of its service account. Several operators have one each where the audit log has to tell them apart.
    pub account: String,
    /// Its namespace and rights, as YAML, which are applied first.
    pub rights: String,
    /// CA certificates in PEM to trust besides the system's.
    pub extra_ca: Option<String>,
    /// Atlassian's authorization server.
    pub atlassian_auth_url: Option<String>,
    /// Atlassian's API gateway.
    pub atlassian_api_url: Option<String>,
    /// Hosts that connections may point to; empty for the default.
    pub allowed_hosts: Vec<String>,
    /// Networks that no connection may lead to.
    pub denied_networks: Vec<String>,
    /// Time between two checks, such as `1m`.
    pub check_interval: Option<String>,
    /// Which log lines. `controller::app` must log at `info`, because its lines tell the addresses.
    pub log_level: Option<String>,
    /// What its machine does to it.
    pub machine: Option<&'a Machine>,
    /// What stands between it and the API server.
    pub gateway: Option<&'a Gateway>,
    /// More arguments.
    pub arguments: Vec<String>,
    /// What is run.
    pub program: Program,
}

/// The program of an operator.
#[derive(Clone, Debug, Default)]
pub enum Program {
    /// Built by cargo with the profile `dev`, for tests.
    #[default]
    Dev,
    /// Built by cargo with the profile `release`, for measurements.
    Release,
    /// There already.
    At(PathBuf),
}

impl<'a> Settings<'a> {
    /// The operator's defaults, but that loopback is not denied.
    #[must_use]
    pub fn new(control_plane: &'a ControlPlane) -> Self {
        Self {
            control_plane,
            account: ACCOUNT.to_owned(),
            rights: RBAC.to_owned(),
            extra_ca: None,
            atlassian_auth_url: None,
            atlassian_api_url: None,
            allowed_hosts: Vec::new(),
            denied_networks: DENIED_NETWORKS.map(str::to_owned).to_vec(),
            check_interval: None,
            log_level: None,
            machine: None,
            gateway: None,
            arguments: Vec::new(),
            program: Program::default(),
        }
    }

    /// Like [`new`](Self::new), with a simulator in the place of Atlassian and its CA trusted.
    #[must_use]
    pub fn for_simulator(control_plane: &'a ControlPlane, simulator: &Simulator) -> Self {
        Self {
            extra_ca: Some(simulator.ca_pem().to_owned()),
            atlassian_auth_url: Some(simulator.auth_url().to_owned()),
            atlassian_api_url: Some(simulator.api_url().to_owned()),
            ..Self::new(control_plane)
        }
    }

    /// With a gateway between it and the API server.
    #[must_use]
    pub fn through(self, gateway: &'a Gateway) -> Self {
        Self { gateway: Some(gateway), ..self }
    }

    /// With a service account of this name, which has the same rights.
    ///
    /// # Panics
    ///
    /// When `config/rbac.yaml` is no YAML.
    #[must_use]
    pub fn as_account(self, account: &str) -> Self {
        Self { account: account.to_owned(), rights: rights_of(account), ..self }
    }

    fn arguments(&self, extra_ca: Option<&Path>) -> Vec<String> {
        let optional = [
            ("extra-ca", extra_ca.map(|path| path.display().to_string())),
            ("atlassian-auth-url", self.atlassian_auth_url.clone()),
            ("atlassian-api-url", self.atlassian_api_url.clone()),
            ("allowed-hosts", Some(self.allowed_hosts.join(",")).filter(|hosts| !hosts.is_empty())),
            ("denied-networks", Some(self.denied_networks.join(","))),
            ("check-interval", self.check_interval.clone()),
            ("log-level", self.log_level.clone()),
            // Any free port: the operator tells in its log which it got.
            ("metrics-address", Some("127.0.0.1:0".to_owned())),
            ("probe-address", Some("127.0.0.1:0".to_owned())),
        ];
        let flags = optional.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value?)));
        flags.chain(self.arguments.iter().cloned()).collect()
    }
}

/// A running operator.
#[derive(Debug)]
pub struct Operator {
    command_line: CommandLine,
    output: Output,
    running: Mutex<Option<Running>>,
    /// Removed at the end.
    directory: TempDir,
}

/// What a start waits for.
#[derive(Clone, Copy, Debug)]
enum Goal {
    Listening,
    Ready,
}

impl Goal {
    async fn is_reached(self, probes: SocketAddr) -> Result<bool, Error> {
        match self {
            Self::Listening => Ok(true),
            Self::Ready => is_ready(probes).await,
        }
    }
}

#[derive(Debug)]
struct Running {
    process: Process,
    probes: SocketAddr,
    metrics: SocketAddr,
}

impl Operator {
    /// Builds the operator, installs the CRDs and its rights, starts it, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When one of these fails. Nothing is left running then.
    pub async fn start(settings: Settings<'_>) -> Result<Self, Error> {
        let operator = Self::prepare(settings).await?;
        operator.run(Goal::Ready).await?;
        Ok(operator)
    }

    /// Like [`start`](Self::start), but waits only until it answers probes.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start) does.
    pub async fn start_unready(settings: Settings<'_>) -> Result<Self, Error> {
        let operator = Self::prepare(settings).await?;
        operator.run(Goal::Listening).await?;
        Ok(operator)
    }

    /// Builds the operator and installs the CRDs and its rights. It runs from [`restart`](Self::restart) on.
    ///
    /// # Errors
    ///
    /// When one of these fails.
    pub async fn prepare(settings: Settings<'_>) -> Result<Self, Error> {
        let program = match &settings.program {
            Program::Dev => build().await?,
            Program::Release => build_with(&["--release"]).await?,
            Program::At(path) => path.clone(),
        };
        install(settings.control_plane, &settings.rights).await?;
        let kubeconfig = settings.control_plane.service_account_kubeconfig(ACCOUNT, &settings.account).await;
        let kubeconfig = kubeconfig.map_err(|source| Error::Kubeconfig(Box::new(source)))?;
        let kubeconfig = settings.gateway.map_or(Ok(kubeconfig.clone()), |gateway| gateway.kubeconfig(&kubeconfig))?;
        let directory = tempfile::Builder::new()
            .prefix("operator-")
            .tempdir_in(settings.control_plane.directory())
            .map_err(Error::Write)?;
        let extra_ca =
            settings.extra_ca.as_ref().map(|pem| write(&directory.path().join("extra-ca.pem"), pem)).transpose()?;
        let command_line = CommandLine {
            program,
            arguments: settings.arguments(extra_ca.as_deref()),
            kubeconfig,
            log: directory.path().join("operator.log"),
            preloaded: settings.machine.map(Machine::preloaded),
        };
        Ok(Self { command_line, output: Output::default(), running: Mutex::default(), directory })
    }

    /// Everything that it has written to standard output and standard error, over all its runs.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// The file with the same text. It vanishes with the operator.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.path().join("operator.log")
    }

    /// Its metrics as `/metrics` shows them.
    ///
    /// # Errors
    ///
    /// When it does not run or does not answer.
    pub async fn metrics(&self) -> Result<String, Error> {
        let address = self.running().as_ref().ok_or(Error::NotRunning)?.metrics;
        let answer = http()?.get(format!("http://{address}/metrics")).send().await.map_err(Error::Request)?;
        answer.error_for_status().map_err(Error::Request)?.text().await.map_err(Error::Request)
    }

    /// Status and text of `/readyz`.
    ///
    /// # Errors
    ///
    /// When it does not run or does not answer.
    pub async fn readiness(&self) -> Result<(u16, String), Error> {
        let answer = http()?.get(format!("http://{}/readyz", self.probe_address()?)).send().await;
        let answer = answer.map_err(Error::Request)?;
        Ok((answer.status().as_u16(), answer.text().await.map_err(Error::Request)?))
    }

    /// Address of `/healthz` and `/readyz`. Another one after each start.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn probe_address(&self) -> Result<SocketAddr, Error> {
        Ok(self.running().as_ref().ok_or(Error::NotRunning)?.probes)
    }

    /// Id of the process, with which the kernel tells what it uses. Another one after each start.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn process_id(&self) -> Result<u32, Error> {
        self.running().as_ref().and_then(|running| running.process.id()).ok_or(Error::NotRunning)
    }

    /// Whether the process is there: not after [`kill`](Self::kill) or [`stop`](Self::stop), nor if it ended by itself.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running().as_ref().is_some_and(|running| !running.process.has_ended())
    }

    /// Ends it with SIGKILL, as a fault, and waits until it is gone. One that does not run is left alone.
    ///
    /// # Errors
    ///
    /// When the shell that runs it does not do it.
    pub async fn kill(&self) -> Result<(), Error> {
        let Some(mut running) = self.take() else { return Ok(()) };
        running.process.signal(Signal::Kill).map_err(Error::Shell)?;
        if !running.process.ended_within(STOP_LIMIT).await {
            return Err(Error::Shell(io::ErrorKind::TimedOut.into()));
        }
        running.process.finish();
        Ok(())
    }

    /// Lets it run no further, with SIGSTOP, as a machine without a free processor does.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn pause(&self) -> Result<(), Error> {
        self.signal(Signal::Stop)
    }

    /// Lets it go on after [`pause`](Self::pause).
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn resume(&self) -> Result<(), Error> {
        self.signal(Signal::Continue)
    }

    fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.running().as_mut().ok_or(Error::NotRunning)?.process.signal(signal).map_err(Error::Shell)
    }

    /// Waits until it has ended by itself, and returns its exit status.
    ///
    /// # Errors
    ///
    /// When it does not run, or did not end in time; it is killed then.
    pub async fn ended(&self, limit: Duration) -> Result<Option<i32>, Error> {
        let running = self.take().ok_or(Error::NotRunning)?;
        if !running.process.ended_within(limit).await {
            drop(running);
            return Err(Error::NotEnded { limit, output: tail(&self.output()) });
        }
        Ok(running.process.finish())
    }

    /// Asks it to end with SIGTERM and returns its exit status, 0 if all is well. It is killed after 10 seconds.
    ///
    /// # Errors
    ///
    /// When it does not run, or had to be killed.
    pub async fn stop(&self) -> Result<Option<i32>, Error> {
        let mut running = self.take().ok_or(Error::NotRunning)?;
        running.process.signal(Signal::Terminate).map_err(Error::Shell)?;
        if !running.process.ended_within(STOP_LIMIT).await {
            drop(running);
            return Err(Error::NotStopped { output: tail(&self.output()) });
        }
        Ok(running.process.finish())
    }

    /// Starts it anew with the same settings, after killing it if it runs, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    pub async fn restart(&self) -> Result<(), Error> {
        self.kill().await?;
        self.run(Goal::Ready).await
    }

    /// Like [`restart`](Self::restart), but waits only until it answers probes.
    ///
    /// # Errors
    ///
    /// When it ends before.
    pub async fn restart_unready(&self) -> Result<(), Error> {
        self.kill().await?;
        self.run(Goal::Listening).await
    }

    async fn run(&self, goal: Goal) -> Result<(), Error> {
        let begin = self.output().len();
        let process = Process::spawn(&self.command_line, &self.output).map_err(Error::Shell)?;
        let started = Instant::now();
        loop {
            let output = self.output.since(begin);
            if process.has_ended() {
                return Err(Error::Ended { status: process.finish(), output: tail(&self.output.since(begin)) });
            }
            if let (Some(probes), Some(metrics)) = (address(&output, "probes"), address(&output, "metrics"))
                && goal.is_reached(probes).await?
            {
                *self.running() = Some(Running { process, probes, metrics });
                return Ok(());
            }
            if started.elapsed() > READY_LIMIT {
                return Err(Error::NotReady { output: tail(&output) });
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    fn take(&self) -> Option<Running> {
        self.running().take()
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        // A panic between two writes leaves nothing half done here: the guarded value is set as a whole.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Builds the operator, once for all operators of this process, and returns the path of its program.
///
/// # Errors
///
/// When cargo cannot be run, or the operator does not compile.
pub async fn build() -> Result<PathBuf, Error> {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    PROGRAM.get_or_try_init(|| build_with(&[])).await.cloned()
}

async fn build_with(arguments: &[&str]) -> Result<PathBuf, Error> {
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_about_a_package(&name.to_string_lossy())) {
        cargo.env_remove(name);
    }
    let output = cargo
        // For the whole workspace, so that the dependencies get the features with which `make build` has built them.
        .args(["build", "--workspace", "--bin", "jira-operator", "--message-format=json-render-diagnostics"])
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .kill_on_drop(true)
        .output()
        .await
        .map_err(Error::Cargo)?;
    let failed = || Error::Build { output: tail(&String::from_utf8_lossy(&output.stderr)) };
    if !output.status.success() {
        return Err(failed());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    messages.lines().find_map(executable).ok_or_else(failed)
}

/// Whether cargo tells a program that it runs about its package in this variable. Build scripts of dependencies look at some of
/// these, and would run again: <https://doc.rust-lang.org/cargo/reference/environment-variables.html#environment-variables-cargo-sets-for-crates>.
fn is_about_a_package(variable: &str) -> bool {
    ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|prefix| variable.starts_with(prefix))
}

/// The program that a message of cargo announces: <https://doc.rust-lang.org/cargo/reference/external-tools.html#artifact-messages>.
fn executable(message: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Artifact {
        executable: Option<PathBuf>,
    }
    serde_json::from_str::<Artifact>(message).ok()?.executable
}

async fn install(control_plane: &ControlPlane, rights: &str) -> Result<(), Error> {
    for definition in crds::definition::all() {
        let yaml = serde_yaml::to_string(&definition).map_err(Error::Definition)?;
        control_plane.apply_yaml(&yaml).await?;
    }
    control_plane.apply_yaml(rights).await?;
    Ok(())
}

/// The rights of `config/rbac.yaml` for another account of the same namespace: everything but the namespace is renamed.
///
/// # Panics
///
/// When the file is no YAML.
#[must_use]
pub fn rights_of(account: &str) -> String {
    let renamed = |name: &mut Value| {
        if let Some(rest) = name.as_str().and_then(|name| name.strip_prefix(ACCOUNT)) {
            *name = Value::String(format!("{account}{rest}"));
        }
    };
    let document = |document| {
        let mut object = Value::deserialize(document).unwrap_or_else(|error| panic!("config/rbac.yaml: {error}"));
        if object["kind"] != "Namespace" {
            renamed(&mut object["metadata"]["name"]);
        }
        if object["kind"].as_str().is_some_and(|kind| kind.ends_with("Binding")) {
            renamed(&mut object["roleRef"]["name"]);
            object["subjects"].as_array_mut().into_iter().flatten().for_each(|subject| renamed(&mut subject["name"]));
        }
        // JSON is YAML.
        object.to_string()
    };
    serde_yaml::Deserializer::from_str(RBAC).map(document).collect::<Vec<_>>().join("\n---\n")
}

fn write(path: &Path, text: &str) -> Result<PathBuf, Error> {
    fs::write(path, text).map_err(Error::Write)?;
    Ok(path.to_owned())
}

fn http() -> Result<reqwest::Client, Error> {
    // Fails if the process has a provider already, which is then as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_LIMIT);
    client.build().map_err(Error::Request)
}

/// Not ready while it does not listen.
async fn is_ready(probes: SocketAddr) -> Result<bool, Error> {
    let answer = http()?.get(format!("http://{probes}/readyz")).send().await;
    Ok(answer.is_ok_and(|answer| answer.status().is_success()))
}

/// The address that a line of the log announces for `what`, in either form of the log.
fn address(output: &str, what: &str) -> Option<SocketAddr> {
    let line = output.lines().find(|line| line.contains("listening") && line.contains(what))?;
    let mut words = line.split(|c: char| !(c.is_ascii_alphanumeric() || ".:[]".contains(c)));
    words.find_map(|word| word.parse().ok())
}

/// The last lines of a text.
fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(OUTPUT_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::human(r#"2026-11-24T04:13:54.123Z  INFO controller::app: listening address=127.0.0.1:4242 what="probes""#)]
    #[case::json(
        r#"{"timestamp":"2026-11-24T04:13:54Z","message":"listening","address":"127.0.0.1:4242","what":"probes"}"#
    )]
    fn the_log_tells_the_address(#[case] line: &str) {
        let output = format!("starting\n{line}\n");
        assert_eq!(address(&output, "probes"), Some(([127, 0, 0, 1], 4242).into()));
        assert_eq!(address(&output, "metrics"), None);
    }

    #[rstest]
    #[case("CARGO_MANIFEST_DIR", true)]
    #[case("CARGO_PKG_NAME", true)]
    #[case("CARGO_HOME", false)]
    #[case("CARGO_TARGET_DIR", false)]
    fn only_what_cargo_tells_of_a_package_is_kept_from_the_build(#[case] variable: &str, #[case] kept: bool) {
        assert_eq!(is_about_a_package(variable), kept);
    }

    #[rstest]
    #[case::program(
        r#"{"reason":"compiler-artifact","executable":"/target/debug/jira-operator"}"#,
        Some("/target/debug/jira-operator")
    )]
    #[case::library(r#"{"reason":"compiler-artifact","executable":null}"#, None)]
    #[case::end(r#"{"reason":"build-finished","success":true}"#, None)]
    fn cargo_tells_where_the_program_is(#[case] message: &str, #[case] path: Option<&str>) {
        assert_eq!(executable(message), path.map(PathBuf::from));
    }
}
