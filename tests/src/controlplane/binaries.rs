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
        let module = module();
        let cache = module.cache()?;
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
            module.build(&missing)?;
        }
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
    Module {
        name: "controlplane",
        directory: concat!(env!("CARGO_MANIFEST_DIR"), "/controlplane"),
        go_mod: GO_MOD,
        go_sum: include_str!("../../controlplane/go.sum"),
        linker_flags: format!(
            "-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={} -X {package}.gitMinor={}",
            numbers.next().unwrap_or_default(),
            numbers.next().unwrap_or_default(),
        ),
        remedy: "install Go, or set KUBEBUILDER_ASSETS to a directory that holds what is missing",
    }
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
        assert!(module().linker_flags.contains(&format!(".gitMinor={}", numbers[1])));
    }
}
