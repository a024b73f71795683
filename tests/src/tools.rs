//! helm and kubeconform, of the versions that the Go module `tests/tools` pins, and promtool, of a module of its own.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{process::Command, sync::OnceCell};

use crate::go::{Error, Module, Program};

const HELM: Program = Program { name: "helm", package: "helm.sh/helm/v4/cmd/helm" };
const KUBECONFORM: Program = Program { name: "kubeconform", package: "github.com/yannh/kubeconform/cmd/kubeconform" };
const PROMTOOL: Program = Program { name: "promtool", package: "github.com/prometheus/prometheus/cmd/promtool" };

/// Leaves out of promtool how Prometheus finds its targets at two dozen vendors, whose clients are most of the program.
const WITHOUT_DISCOVERY: &str = "remove_all_sd";

/// Modules that are pinned for the definitions of kinds that they carry.
const DEFINITIONS: [&str; 2] = ["github.com/prometheus-operator/prometheus-operator", "sigs.k8s.io/gateway-api"];

/// Where helm keeps settings, caches and plugins: in a directory that is never made, so it has none of the person's at the machine.
const HELM_HOMES: [&str; 4] = ["HELM_CONFIG_HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME", "HELM_PLUGINS"];

/// The programs.
#[derive(Debug)]
pub struct Tools {
    directory: PathBuf,
}

impl Tools {
    /// Finds the programs in the cache. On a machine that never did, this builds them first, which takes minutes and is reported
    /// on standard error.
    ///
    /// # Errors
    ///
    /// When they cannot be built. Nothing is tried twice in one process that succeeded.
    pub async fn locate() -> Result<&'static Self, Error> {
        static TOOLS: OnceCell<Tools> = OnceCell::const_new();
        let build = || Module::new("tools").build(&[HELM, KUBECONFORM]);
        TOOLS.get_or_try_init(async || Ok(Self { directory: blocking(build).await? })).await
    }

    /// A `helm` that reads no settings of the person at the machine, and knows no cluster unless it is given one.
    #[must_use]
    pub fn helm(&self) -> Command {
        let mut command = command(&self.directory, HELM);
        for home in HELM_HOMES {
            command.env(home, self.directory.join("helm-home"));
        }
        command.env("KUBECONFIG", self.directory.join("no-kubeconfig"));
        command
    }

    /// A `kubeconform`.
    #[must_use]
    pub fn kubeconform(&self) -> Command {
        command(&self.directory, KUBECONFORM)
    }
}

fn command(directory: &Path, program: Program) -> Command {
    let mut command = Command::new(directory.join(program.name));
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// A `promtool`, which a first call builds as [`Tools::locate`] does.
///
/// # Errors
///
/// When it cannot be built.
pub async fn promtool() -> Result<Command, Error> {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    let build = || Module::new("tools/promtool").tagged(WITHOUT_DISCOVERY).build(&[PROMTOOL]);
    let directory = PROGRAM.get_or_try_init(|| blocking(build)).await?;
    Ok(command(directory, PROMTOOL))
}

/// Directories of the modules that `tests/tools/definitions` pins, by module path. Downloads those that are not there.
///
/// # Errors
///
/// When there is no `go`, or a module cannot be downloaded.
pub async fn definitions() -> Result<HashMap<String, PathBuf>, Error> {
    blocking(|| Module::new("tools/definitions").download(&DEFINITIONS)).await
}

/// Runs what blocks for long beside the tasks.
async fn blocking<T: Send + 'static>(work: fn() -> Result<T, Error>) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
