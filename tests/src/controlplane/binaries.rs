//! Where the programs of the control plane come from: the directory that `KUBEBUILDER_ASSETS` names, else a cache that is filled
//! by building the pinned Go modules.

use std::{env, path::PathBuf};

use crate::go::{self, Module, Program};

const GO_MOD: &str = include_str!("../../controlplane/go.mod");

/// Names the directory with ready-made programs, as it does for the other users of these programs in tests.
const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// Paths of the programs.
#[derive(Debug)]
pub(super) struct Binaries {
    pub(super) etcd: PathBuf,
    pub(super) apiserver: PathBuf,
    pub(super) controller_manager: PathBuf,
    pub(super) kubectl: PathBuf,
}

const ETCD: Program = Program { name: "etcd", package: "go.etcd.io/etcd/server/v3" };
const APISERVER: Program = Program { name: "kube-apiserver", package: "k8s.io/kubernetes/cmd/kube-apiserver" };
const CONTROLLER_MANAGER: Program =
    Program { name: "kube-controller-manager", package: "k8s.io/kubernetes/cmd/kube-controller-manager" };
const KUBECTL: Program = Program { name: "kubectl", package: "k8s.io/kubernetes/cmd/kubectl" };

impl Binaries {
    /// Finds all programs, and builds those that are nowhere to be found, which blocks for minutes.
    pub(super) fn locate() -> Result<Self, go::Error> {
        let assets = env::var_os(ASSETS).filter(|value| !value.is_empty()).map(PathBuf::from);
        let given =
            |program: Program| assets.iter().map(|directory| directory.join(program.name)).find(|path| path.is_file());
        let all = [ETCD, APISERVER, CONTROLLER_MANAGER, KUBECTL];
        let missing: Vec<_> = all.into_iter().filter(|program| given(*program).is_none()).collect();
        let built = module().build(&missing)?;
        let path = |program: Program| given(program).unwrap_or_else(|| built.join(program.name));
        Ok(Self {
            etcd: path(ETCD),
            apiserver: path(APISERVER),
            controller_manager: path(CONTROLLER_MANAGER),
            kubectl: path(KUBECTL),
        })
    }
}

/// The Go module that pins the programs. They tell the version that it pins.
fn module() -> Module {
    let version = kubernetes_version();
    let mut numbers = version.trim_start_matches('v').split('.');
    let package = "k8s.io/component-base/version";
    Module::new("controlplane")
        .linked_with(&format!(
            "-X {package}.gitVersion={version} -X {package}.gitMajor={} -X {package}.gitMinor={}",
            numbers.next().unwrap_or_default(),
            numbers.next().unwrap_or_default(),
        ))
        .remedied_by("install Go, or set KUBEBUILDER_ASSETS to a directory that holds what is missing")
}

/// The version of Kubernetes that `go.mod` pins, with its leading v.
fn kubernetes_version() -> &'static str {
    GO_MOD
        .lines()
        .filter_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "))
        .find_map(|rest| rest.split_whitespace().next())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_binaries_is_the_pinned_one() {
        let version = kubernetes_version();
        let numbers: Vec<u32> =
            version.strip_prefix('v').unwrap().split('.').map(|part| part.parse().unwrap()).collect();
        assert_eq!(numbers.len(), 3, "{version}");
        assert!(format!("{:?}", module()).contains(&format!(".gitMinor={}", numbers[1])));
    }
}
