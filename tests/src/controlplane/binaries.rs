//! Where the programs of the control plane come from: the directory that `KUBEBUILDER_ASSETS` names, else a cache that is filled
//! by building the pinned Go modules.

use std::{
    env, fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use self::build::Build;

mod build;

/// The Go module that pins the programs.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/controlplane");
const GO_MOD: &str = include_str!("../../controlplane/go.mod");
const GO_SUM: &str = include_str!("../../controlplane/go.sum");

/// Names the directory with ready-made programs, as it does for the other users of these programs in tests.
const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// Failure to find or build the programs.
#[derive(Debug, thiserror::Error)]
pub enum BinariesError {
    /// There is no `go` to build with.
    #[error(
        "{missing} must be built, but there is no `go` on the PATH; install Go, or set KUBEBUILDER_ASSETS to a directory that \
         holds {missing}"
    )]
    GoMissing {
        /// Names of the programs that are neither in `KUBEBUILDER_ASSETS` nor in the cache.
        missing: String,
    },
    /// `go build` failed.
    #[error("`go build` of {program} failed ({status}); its output ends:\n{output}")]
    Build {
        /// Name of the program.
        program: &'static str,
        /// Exit status in the words of the operating system.
        status: String,
        /// The last lines of the output.
        output: String,
    },
    /// Neither `XDG_CACHE_HOME` nor `HOME` says where a cache may be kept.
    #[error("there is no place for a cache: set XDG_CACHE_HOME or HOME to an absolute path")]
    CacheMissing,
    /// A file of the cache cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Cache {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Paths of the programs.
#[derive(Debug)]
pub(super) struct Binaries {
    pub(super) etcd: PathBuf,
    pub(super) apiserver: PathBuf,
    pub(super) controller_manager: PathBuf,
    pub(super) kubectl: PathBuf,
}

/// A program of the control plane.
#[derive(Clone, Copy, Debug)]
struct Program {
    name: &'static str,
    package: &'static str,
}

const ETCD: Program = Program { name: "etcd", package: "go.etcd.io/etcd/server/v3" };
const APISERVER: Program = Program { name: "kube-apiserver", package: "k8s.io/kubernetes/cmd/kube-apiserver" };
const CONTROLLER_MANAGER: Program =
    Program { name: "kube-controller-manager", package: "k8s.io/kubernetes/cmd/kube-controller-manager" };
const KUBECTL: Program = Program { name: "kubectl", package: "k8s.io/kubernetes/cmd/kubectl" };

impl Binaries {
    /// Finds all programs, and builds those that are nowhere to be found, which blocks for minutes.
    pub(super) fn locate() -> Result<Self, BinariesError> {
        let assets = env::var_os(ASSETS).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = cache()?;
        let path = |program: Program| {
            assets
                .iter()
                .map(|directory| directory.join(program.name))
                .find(|path| path.is_file())
                .unwrap_or_else(|| cache.join(program.name))
        };
        let missing: Vec<_> = [ETCD, APISERVER, CONTROLLER_MANAGER, KUBECTL]
            .into_iter()
            .filter(|program| !path(*program).is_file())
            .collect();
        if !missing.is_empty() {
            fill(&cache, &missing)?;
        }
        Ok(Self {
            etcd: path(ETCD),
            apiserver: path(APISERVER),
            controller_manager: path(CONTROLLER_MANAGER),
            kubectl: path(KUBECTL),
        })
    }
}

/// The directory of programs that were built from these modules with these flags.
fn cache() -> Result<PathBuf, BinariesError> {
    let home = |variable: &str| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let root = home("XDG_CACHE_HOME")
        .or_else(|| home("HOME").map(|home| home.join(".cache")))
        .ok_or(BinariesError::CacheMissing)?;
    Ok(root.join("jira-connection-operator/controlplane").join(key()))
}

fn key() -> String {
    let mut digest = Sha256::new();
    for part in [GO_MOD, GO_SUM, &build::arguments().join(" "), env::consts::OS, env::consts::ARCH] {
        digest.update(part);
        digest.update([0]);
    }
    digest.finalize().iter().take(8).fold(String::new(), |key, byte| format!("{key}{byte:02x}"))
}

/// Builds programs into the cache. Concurrent callers wait for the first, and then find what it has built.
fn fill(cache: &Path, missing: &[Program]) -> Result<(), BinariesError> {
    fs::create_dir_all(cache).map_err(|source| failure("create", cache, source))?;
    let _lock = lock(&cache.join("lock"))?;
    remove_partial(cache)?;
    let missing: Vec<_> = missing.iter().filter(|program| !cache.join(program.name).is_file()).collect();
    for (index, program) in missing.iter().enumerate() {
        let step = format!("{} ({} of {})", program.name, index + 1, missing.len());
        Build { program: **program, step, cache }.run().map_err(|error| name_all(error, &missing))?;
    }
    Ok(())
}

/// Holds the lock until the file is dropped.
fn lock(path: &Path) -> Result<fs::File, BinariesError> {
    let file = fs::File::create(path).map_err(|source| failure("open", path, source))?;
    if file.try_lock().is_err() {
        say("waiting for another process that builds the control plane");
        file.lock().map_err(|source| failure("lock", path, source))?;
    }
    Ok(file)
}

/// Removes what builds that were killed have left behind.
fn remove_partial(cache: &Path) -> Result<(), BinariesError> {
    let entries = fs::read_dir(cache).map_err(|source| failure("list", cache, source))?;
    for entry in entries {
        let path = entry.map_err(|source| failure("list", cache, source))?.path();
        if path.extension().is_some_and(|extension| extension == build::PARTIAL) {
            fs::remove_file(&path).map_err(|source| failure("remove", &path, source))?;
        }
    }
    Ok(())
}

/// One missing `go` is reported with all programs it is needed for.
fn name_all(error: BinariesError, missing: &[&Program]) -> BinariesError {
    match error {
        BinariesError::GoMissing { .. } => {
            let names: Vec<_> = missing.iter().map(|program| program.name).collect();
            BinariesError::GoMissing { missing: names.join(", ") }
        }
        other => other,
    }
}

fn failure(action: &'static str, path: &Path, source: io::Error) -> BinariesError {
    BinariesError::Cache { action, path: path.to_owned(), source }
}

/// Writes a line of progress past the capture of test output, which would hide it until the test fails.
fn say(line: &str) {
    // Progress that nobody can read is no reason to fail.
    let _ = writeln!(io::stderr(), "controlplane: {line}");
}
