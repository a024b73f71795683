//! What GitOps tools make of objects, by programs made of the tools' own code.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fmt,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use serde_json::Value;

use crate::go::{Module, Program};

const KSTATUS: Program = Program { name: "kstatus", package: "." };
const KUBE_STATE_METRICS: Program = Program { name: "kube-state-metrics", package: "." };
const ARGOCD: Program = Program { name: "argocd", package: "." };

fn built(folder: &'static str, program: Program) -> PathBuf {
    match Module::new(folder).build(&[program]) {
        Ok(cache) => cache.join(program.name),
        Err(error) => panic!("{folder} cannot be built: {error}"),
    }
}

fn kstatus() -> Command {
    static PATH: LazyLock<PathBuf> = LazyLock::new(|| built("verdicts/kstatus", KSTATUS));
    Command::new(&*PATH)
}

fn kube_state_metrics() -> Command {
    static PATH: LazyLock<PathBuf> = LazyLock::new(|| built("verdicts/kube-state-metrics", KUBE_STATE_METRICS));
    Command::new(&*PATH)
}

fn argocd() -> Command {
    static PATH: LazyLock<PathBuf> = LazyLock::new(|| built("verdicts/argocd", ARGOCD));
    Command::new(&*PATH)
}

/// A file of what is shipped for GitOps tools.
#[must_use]
pub fn shipped(file: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../gitops")).join(file)
}

/// The samples that kube-state-metrics makes of each object with the shipped configuration, one a line, by the object's kind and name.
#[must_use]
pub fn samples(objects: &[Value]) -> BTreeMap<String, String> {
    let mut command = kube_state_metrics();
    command.arg(shipped("kube-state-metrics/custom-resource-state.yaml"));
    ask(command, objects)
}

/// What a program says of each object, by its kind and name.
fn ask(mut command: Command, objects: &[Value]) -> BTreeMap<String, String> {
    let mut program = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    program.stdin.take().unwrap().write_all(&serde_json::to_vec(objects).unwrap()).unwrap();
    let output = program.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Who judges.
#[derive(Clone, Debug)]
pub enum Tool {
    /// kstatus of sigs.k8s.io/cli-utils.
    Kstatus,
    /// Flux without settings: its fork of kstatus.
    Flux,
    /// Flux with the shipped `healthCheckExprs`.
    FluxExpressions,
    /// Flux's checker of conditions.
    FluxConditions,
    /// Argo CD with the shipped script.
    ArgoCd,
    /// `helm install --wait`, on the API server of a kubeconfig.
    Helm(PathBuf),
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kstatus => "kstatus",
            Self::Flux => "Flux",
            Self::FluxExpressions => "Flux with healthCheckExprs",
            Self::FluxConditions => "Flux's checker of conditions",
            Self::ArgoCd => "Argo CD",
            Self::Helm(_) => "Helm",
        })
    }
}

impl Tool {
    fn command(&self) -> Command {
        let mut command = match self {
            Self::ArgoCd => argocd(),
            Self::Kstatus | Self::Flux | Self::FluxExpressions | Self::FluxConditions | Self::Helm(_) => kstatus(),
        };
        match self {
            Self::Kstatus => command.arg("status"),
            Self::Flux => command.arg("flux-status"),
            Self::FluxExpressions => command.arg("flux-expressions").arg(shipped("flux/kustomization.yaml")),
            Self::FluxConditions => command.arg("flux-conditions"),
            Self::ArgoCd => command.arg(shipped("argo-cd/health.lua")),
            Self::Helm(kubeconfig) => command.arg("helm").arg(kubeconfig),
        };
        command
    }

    /// The verdict on each object, by its kind and name, joined by a slash.
    #[must_use]
    pub fn verdicts(&self, objects: &[Value]) -> BTreeMap<String, String> {
        ask(self.command(), objects)
    }
}
