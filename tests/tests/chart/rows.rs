//! A matrix of values. What each row renders is checked against the schemas of two versions of Kubernetes, and by the API server.

use std::{collections::BTreeSet, fs};

use rstest::rstest;
use serde::Deserialize;
use serde_json::Value;
use tempfile::NamedTempFile;
use tests::{
    chart::{CHART, helm, template},
    controlplane,
    tools::Tools,
};
use tokio::sync::OnceCell;

use super::schemas::{Schemas, Version, define_foreign_kinds};

/// Every value with another one than the default, where that can be.
pub(super) const EVERYTHING: &str = r#"
image: { repository: registry.acme.example/operator, digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", pullPolicy: Always }
imagePullSecrets: [{ name: pull }]
replicas: 3
leaderElection: { enabled: true, leaseName: lease, leaseDuration: 30s, renewDeadline: 20s, retryPeriod: 5s }
watchNamespaces: [team-a, team-b]
allowedHosts: [jira.acme.example, "*.atlassian.net"]
clusterNetworks: { pods: [10.244.0.0/16, "fd00:10:244::/56"], services: [10.96.0.0/12] }
requireReleasedSecrets: true
checkInterval: 10m
concurrency: 8
atlassian: { authUrl: "https://auth.atlassian.example", apiUrl: "https://api.atlassian.example" }
log: { format: Human, level: "info,controller=debug" }
proxy: { url: "http://proxy.acme.example:3128" }
extraCA: { configMapKeyRef: { name: ca, key: bundle.pem } }
extraEnv: [{ name: RUST_BACKTRACE, value: "1" }]
ports: { metrics: 9080, probes: 9081, pages: 9082 }
pages:
  publicUrl: https://operator.acme.example/jira/
  service: { port: 8080, annotations: { team: platform } }
  ingress: { enabled: true, className: nginx, annotations: { team: platform }, tlsSecretName: pages-tls }
  httpRoute: { enabled: true, annotations: { team: platform }, parentRefs: [{ name: gateway, namespace: gateways }] }
networkPolicy:
  metricsFrom: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: monitoring } } }]
  pagesFrom: [{ podSelector: { matchLabels: { app: ingress } } }]
  dnsTo: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: kube-system } } }]
  apiServer: { cidrs: [192.0.2.10/32], ports: [6443] }
  jiraPorts: [443, 8443]
  extraEgress: [{ ports: [{ port: 3128 }] }]
serviceAccount: { annotations: { team: platform } }
userRoles: { adminAggregatesTo: [admin, edit] }
authorisers:
  - { namespace: platform, connection: acme }
  - namespace: platform
    connection: other
    subjects:
      - { kind: User, name: "ann@acme.example" }
      - { kind: Group, name: jira-admins }
      - { kind: ServiceAccount, name: bot, namespace: platform }
admission: { entitlement: { enabled: true } }
metrics:
  serviceMonitor: { enabled: true, interval: 15s, labels: { release: prometheus } }
  prometheusRule: { enabled: true, labels: { release: prometheus } }
  dashboard: { enabled: true, annotations: { folder: Jira } }
argoCD: { health: { enabled: true } }
resources: { requests: { cpu: 100m, memory: 128Mi }, limits: { memory: 512Mi } }
podDisruptionBudget: { maxUnavailable: "50%" }
podAnnotations: { team: platform }
podLabels: { team: platform }
priorityClassName: system-cluster-critical
nodeSelector: { kubernetes.io/os: linux }
tolerations: [{ key: dedicated, operator: Exists }]
affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: kubernetes.io/arch, operator: In, values: [amd64, arm64] }] }] } } }
nameOverride: jira
fullnameOverride: jira-operator
"#;

/// Makes the namespaces that rows name.
async fn namespaces() {
    static MADE: OnceCell<()> = OnceCell::const_new();
    let make = async || {
        let namespaces = ["team-a", "team-b", "platform"]
            .map(|name| format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{ name: {name} }}\n"));
        controlplane::shared().await.apply_yaml(&namespaces.concat()).await.unwrap();
    };
    MADE.get_or_init(make).await;
}

/// Kubeconform passes over files of another extension.
fn manifest_file(text: &str) -> NamedTempFile {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    fs::write(file.path(), text).unwrap();
    file
}

fn kinds(rendered: &str) -> BTreeSet<String> {
    serde_yaml::Deserializer::from_str(rendered)
        .map(|document| Value::deserialize(document).unwrap())
        .filter_map(|object| Some(object["kind"].as_str()?.to_owned()))
        .collect()
}

#[rstest]
#[case::default("", &["ClusterRole", "Deployment", "NetworkPolicy", "ValidatingAdmissionPolicy"], &["ConfigMap", "Ingress", "PodDisruptionBudget", "PrometheusRule"])]
#[case::everything(EVERYTHING, &["ConfigMap", "HTTPRoute", "Ingress", "PodDisruptionBudget", "PrometheusRule", "ServiceMonitor"], &[])]
#[case::one_namespace("watchNamespaces: [team-a]", &["Role"], &[])]
#[case::several_replicas("replicas: 2", &["PodDisruptionBudget"], &[])]
#[case::stopped("replicas: 0", &["Deployment"], &["PodDisruptionBudget"])]
#[case::without_a_lease("leaderElection: { enabled: false }", &["Deployment"], &["Role"])]
#[case::pages_behind_a_port_forward("pages: { publicUrl: 'http://localhost:8082' }", &["Service"], &["Ingress", "HTTPRoute"])]
#[case::pages_behind_an_ingress("pages: { publicUrl: 'https://a.example', ingress: { enabled: true } }", &["Ingress"], &["HTTPRoute"])]
#[case::pages_behind_a_gateway("pages: { publicUrl: 'https://a.example', httpRoute: { enabled: true, parentRefs: [{ name: g }] } }", &["HTTPRoute"], &["Ingress"])]
#[case::rights_from_elsewhere("rbac: { create: false }\nuserRoles: { create: false }\nserviceAccount: { create: false, name: other }", &["Deployment"], &["ClusterRole", "Role", "ServiceAccount"])]
#[case::no_policies("admission: { ownSecrets: { enabled: false } }\nnetworkPolicy: { enabled: false }", &["Deployment"], &["ValidatingAdmissionPolicy", "NetworkPolicy"])]
#[case::health_for_argo_cd("argoCD: { health: { enabled: true } }", &["ConfigMap"], &[])]
#[case::proxy_with_a_password("proxy: { secretKeyRef: { name: proxy } }", &["Deployment"], &[])]
#[case::ca_from_a_secret("extraCA: { secretKeyRef: { name: ca } }", &["Deployment"], &[])]
#[case::nothing_denied("deniedNetworks: []", &["NetworkPolicy"], &[])]
#[case::internet_protocol_six("listenHost: '[::]'\nclusterNetworks: { pods: ['fd00::/48'] }", &["Deployment"], &[])]
#[tokio::test]
async fn what_is_rendered_is_valid(#[case] values: &str, #[case] present: &[&str], #[case] absent: &[&str]) {
    let schemas = Schemas::get().await;
    let namespace = controlplane::shared().await.namespace("row").await.unwrap();
    let set = ["--set", "image.repository=operator"];
    let set = if values.contains("repository") { &[][..] } else { &set };
    let rendered = template("row", &namespace, values, set).await.unwrap();
    let kinds = kinds(&rendered);
    assert!(present.iter().all(|kind| kinds.contains(*kind)), "{present:?} in {kinds:?}");
    assert!(!absent.iter().any(|kind| kinds.contains(*kind)), "{absent:?} not in {kinds:?}");

    let file = manifest_file(&rendered);
    for version in [Version::Oldest, Version::Newest] {
        let mut kubeconform = Tools::locate().await.unwrap().kubeconform();
        kubeconform.args(["-strict", "-schema-location", &schemas.location(version)]).arg(file.path());
        let output = kubeconform.output().await.unwrap();
        assert!(output.status.success(), "{version:?}: {}", String::from_utf8_lossy(&output.stdout));
    }

    namespaces().await;
    define_foreign_kinds().await;
    let mut kubectl = controlplane::shared().await.kubectl();
    kubectl.args(["apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename"]).arg(file.path());
    let output = kubectl.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A schema that lets everything pass would prove nothing.
#[rstest]
#[case::misspelt(
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: a }\nspec: { replica: 1, selector: {}, template: {} }"
)]
#[case::misspelt_deep(
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: a }\nspec: { podSelector: {}, egress: [{ port: [] }] }"
)]
#[case::of_a_wrong_type("apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec: { ports: [{ port: http }] }")]
#[case::of_an_unknown_kind("apiVersion: v1\nkind: Servce\nmetadata: { name: a }")]
#[tokio::test]
async fn a_manifest_that_does_not_fit_is_refused(#[case] manifest: &str) {
    let schemas = Schemas::get().await;
    let file = manifest_file(manifest);
    for version in [Version::Oldest, Version::Newest] {
        let mut kubeconform = Tools::locate().await.unwrap().kubeconform();
        kubeconform.args(["-strict", "-schema-location", &schemas.location(version)]).arg(file.path());
        assert!(!kubeconform.output().await.unwrap().status.success(), "{version:?}");
    }
}

#[rstest]
#[case::default("")]
#[case::everything(EVERYTHING)]
#[tokio::test]
async fn lint_finds_no_fault(#[case] values: &str) {
    let mut lint = Tools::locate().await.unwrap().helm();
    lint.args(["lint", "--strict", CHART, "--values", "-"]);
    let output = helm(lint, values).await.unwrap();
    assert!(output.contains("0 chart(s) failed"), "{output}");
}
