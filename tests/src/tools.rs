//! helm and kubeconform, of the versions that the Go module `tests/tools` pins.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde::Deserialize;
use tokio::{process::Command, sync::OnceCell};

use crate::go::{Error, Module, Program};

const HELM: Program = Program { name: "helm", package: "helm.sh/helm/v4/cmd/helm" };
const KUBECONFORM: Program = Program { name: "kubeconform", package: "github.com/yannh/kubeconform/cmd/kubeconform" };

/// The Go module that pins other modules for the definitions of kinds that they carry.
const DEFINITIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/definitions");

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
        TOOLS
            .get_or_try_init(async || match tokio::task::spawn_blocking(build).await {
                Ok(built) => Ok(Self { directory: built? }),
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            })
            .await
    }

    /// A `helm` that reads no settings of the person at the machine, and knows no cluster unless it is given one.
    #[must_use]
    pub fn helm(&self) -> Command {
        let mut command = self.command(HELM);
        for home in HELM_HOMES {
            command.env(home, self.directory.join("helm-home"));
        }
        command.env("KUBECONFIG", self.directory.join("no-kubeconfig"));
        command
    }

    /// A `kubeconform`.
    #[must_use]
    pub fn kubeconform(&self) -> Command {
        self.command(KUBECONFORM)
    }

    fn command(&self, program: Program) -> Command {
        let mut command = Command::new(self.directory.join(program.name));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

fn build() -> Result<PathBuf, Error> {
    let module = Module {
        name: "tools",
        directory: concat!(env!("CARGO_MANIFEST_DIR"), "/tools"),
        go_mod: include_str!("../tools/go.mod"),
        go_sum: include_str!("../tools/go.sum"),
        linker_flags: "-s -w".to_owned(),
        remedy: "install Go",
    };
    let directory = module.cache()?;
    let missing: Vec<_> =
        [HELM, KUBECONFORM].into_iter().filter(|program| !directory.join(program.name).is_file()).collect();
    if !missing.is_empty() {
        module.build(&missing)?;
    }
    Ok(directory)
}

/// Directories of the modules that `tests/tools/definitions` pins, by module path. Downloads those that are not there.
///
/// # Errors
///
/// When there is no `go`, or a module cannot be downloaded.
pub async fn definitions() -> Result<HashMap<String, PathBuf>, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Download {
        path: String,
        dir: PathBuf,
    }
    let output = Command::new("go")
        .args(["mod", "download", "-json"])
        .args(["github.com/prometheus-operator/prometheus-operator", "sigs.k8s.io/gateway-api"])
        .current_dir(DEFINITIONS)
        .env("GOWORK", "off")
        .env("GOFLAGS", "-mod=readonly")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => {
                Error::GoMissing { missing: "definitions of kinds".to_owned(), remedy: "install Go" }
            }
            _ => Error::Cache { action: "run", path: Path::new("go").to_owned(), source },
        })?;
    let failed = |reason: &dyn std::fmt::Display| Error::Go {
        command: "mod download",
        subject: "tests/tools/definitions".to_owned(),
        status: output.status.to_string(),
        output: format!("{reason}\n{}", String::from_utf8_lossy(&output.stdout)),
    };
    if !output.status.success() {
        return Err(failed(&String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter::<Download>()
        .map(|download| download.map(|it| (it.path, it.dir)).map_err(|error| failed(&error)))
        .collect()
}
