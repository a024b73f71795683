//! What is shipped for GitOps tools can be used as it is.

use std::{fs, os::unix::fs::symlink};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;
use tests::{controlplane, verdict::shipped};

/// An installation of Argo CD, as far as its settings go.
const OVERLAY: &str = "
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: argocd
resources: [argocd-cm.yaml]
components: [argo-cd]
";
const SETTINGS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: { name: argocd-cm, namespace: argocd }
data: { timeout.reconciliation: 180s }
";

#[tokio::test]
async fn the_component_for_argo_cd_adds_the_script_for_both_kinds_to_its_settings() {
    let overlay = TempDir::new().unwrap();
    fs::write(overlay.path().join("kustomization.yaml"), OVERLAY).unwrap();
    fs::write(overlay.path().join("argocd-cm.yaml"), SETTINGS).unwrap();
    symlink(shipped("argo-cd"), overlay.path().join("argo-cd")).unwrap();

    let control_plane = controlplane::shared().await;
    let output = control_plane.kubectl().arg("kustomize").arg(overlay.path()).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let settings: Value = serde_yaml::from_slice(&output.stdout).unwrap();
    let script = fs::read_to_string(shipped("argo-cd/health.lua")).unwrap();
    for kind in ["JiraConnection", "WorkspaceBinding"] {
        let key = format!("resource.customizations.health.{}_{kind}", crds::GROUP);
        assert_eq!(settings["data"][&key].as_str(), Some(script.as_str()), "{key}");
    }
    assert_eq!(settings["data"]["timeout.reconciliation"], "180s", "other settings are kept");
}

#[test]
fn flux_has_expressions_for_both_kinds() {
    let text = fs::read_to_string(shipped("flux/kustomization.yaml")).unwrap();
    let kustomization = Value::deserialize(serde_yaml::Deserializer::from_str(&text)).unwrap();
    let checks = kustomization["spec"]["healthCheckExprs"].as_array().unwrap();
    let kinds: Vec<_> = checks.iter().map(|check| check["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["JiraConnection", "WorkspaceBinding"]);
    assert!(checks.iter().all(|check| check["apiVersion"] == format!("{}/v1alpha1", crds::GROUP)));
}
