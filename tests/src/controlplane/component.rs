//! The command lines of the components. They run in the directory of the control plane, so their files are relative to it.

use std::fmt;

use super::{binaries::Binaries, command_line::CommandLine};

/// Base name of the API server's log of requests.
pub(super) const AUDIT_LOG: &str = "audit.log";

/// Base name of the directory of the store.
pub(super) const DATA: &str = "etcd";

/// Socket of etcd, which requires the form host:port also of the name of a file. A socket in a directory of its owner keeps
/// the data, secrets included, from the other users of the machine, and cannot collide with another control plane.
const ETCD_CLIENT: &str = "unix://client:0";
const ETCD_PEER: &str = "unix://peer:0";

/// The issuer in the tokens of service accounts.
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// The controllers that act on API objects alone. Those that need nodes, volumes or a cloud have nothing to do here.
const CONTROLLERS: &[&str] = &[
    "clusterrole-aggregation-controller",
    "deployment-controller",
    "disruption-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "replicaset-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "validatingadmissionpolicy-status-controller",
];

/// A process of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// etcd, the store of the API server.
    Etcd,
    /// kube-apiserver.
    Apiserver,
    /// kube-controller-manager.
    ControllerManager,
}

impl Component {
    /// The program's name, which also names the files of the component.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Apiserver => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
        }
    }

    /// The command that runs the component, for an API server at a loopback port.
    pub(super) fn command_line(self, binaries: &Binaries, port: u16) -> CommandLine {
        match self {
            Self::Etcd => etcd(binaries),
            Self::Apiserver => apiserver(binaries, port),
            Self::ControllerManager => controller_manager(binaries),
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

fn etcd(binaries: &Binaries) -> CommandLine {
    CommandLine::new(&binaries.etcd)
        .flag("data-dir", DATA)
        .flag("listen-client-urls", ETCD_CLIENT)
        .flag("advertise-client-urls", ETCD_CLIENT)
        .flag("listen-peer-urls", ETCD_PEER)
        .flag("initial-advertise-peer-urls", ETCD_PEER)
        .flag("initial-cluster", format!("default={ETCD_PEER}"))
        // The data need not survive a crash of the machine.
        .flag("unsafe-no-fsync", "true")
        .flag("log-level", "warn")
}

fn apiserver(binaries: &Binaries, port: u16) -> CommandLine {
    CommandLine::new(&binaries.apiserver)
        .flag("etcd-servers", ETCD_CLIENT)
        .flag("bind-address", "127.0.0.1")
        .flag("secure-port", port.to_string())
        .flag("advertise-address", "127.0.0.1")
        // Would publish the advertised address as an endpoint, which must not be a loopback address.
        .flag("endpoint-reconciler-type", "none")
        .flag("service-cluster-ip-range", "10.0.0.0/24")
        .flag("tls-cert-file", "server.crt")
        .flag("tls-private-key-file", "server.key")
        .flag("client-ca-file", "ca.crt")
        .flag("authorization-mode", "RBAC")
        .flag("service-account-issuer", ISSUER)
        .flag("service-account-key-file", "service-account.pub")
        .flag("service-account-signing-key-file", "service-account.key")
        .flag("audit-policy-file", "audit-policy.yaml")
        .flag("audit-log-path", AUDIT_LOG)
        // Megabytes: a log that is rotated would lose the reader's place.
        .flag("audit-log-maxsize", "100000")
        .flag("max-requests-inflight", "3000")
        .flag("max-mutating-requests-inflight", "1000")
        .flag("allow-privileged", "true")
        .flag("profiling", "false")
}

fn controller_manager(binaries: &Binaries) -> CommandLine {
    CommandLine::new(&binaries.controller_manager)
        .flag("kubeconfig", "controller-manager.kubeconfig")
        .flag("controllers", CONTROLLERS.join(","))
        .flag("use-service-account-credentials", "true")
        .flag("service-account-private-key-file", "service-account.key")
        .flag("root-ca-file", "ca.crt")
        .flag("leader-elect", "false")
        // Serves nothing: there is nobody to read its metrics.
        .flag("secure-port", "0")
        .flag("profiling", "false")
}
