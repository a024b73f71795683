//! The health of both kinds, which the chart carries for Argo CD.

use std::fs;

use serde::Deserialize;
use serde_json::Value;
use tests::{chart::template, controlplane};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gitops/argo-cd/health.lua");

/// Settings of Argo CD that are there already.
const SETTINGS: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: argocd-cm }\ndata: { timeout.reconciliation: 180s }\n";

async fn rendered(namespace: &str) -> String {
    let values = "image: { repository: operator }\nargoCD: { health: { enabled: true } }";
    template("a", namespace, values, &["--show-only=templates/argocd.yaml"]).await.unwrap()
}

fn key(kind: &str) -> String {
    format!("resource.customizations.health.{}_{kind}", crds::GROUP)
}

fn assert_healths(data: &Value) {
    let script = fs::read_to_string(SCRIPT).unwrap();
    for kind in ["JiraConnection", "WorkspaceBinding"] {
        let health = data[key(kind)].as_str();
        assert_eq!(
            health,
            Some(script.as_str()),
            "{kind}: `make install-yaml` copies gitops/argo-cd/health.lua into the chart"
        );
    }
}

#[tokio::test]
async fn the_chart_renders_the_script_for_both_kinds_as_it_is_shipped() {
    let text = rendered("a").await;
    let map = serde_yaml::Deserializer::from_str(&text).map(|it| Value::deserialize(it).unwrap()).next().unwrap();
    assert_eq!(map["data"].as_object().unwrap().len(), 2, "{text}");
    assert_healths(&map["data"]);
}

/// With the commands of docs/gitops.md.
#[tokio::test]
async fn what_the_chart_renders_can_be_merged_into_the_settings_of_argo_cd() {
    let control_plane = controlplane::shared().await;
    let namespace = control_plane.namespace("argocd").await.unwrap();
    let kubectl = async |arguments: &[&str]| {
        let mut command = control_plane.kubectl();
        command.args(["--namespace", &namespace]).args(arguments);
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [("settings.yaml", SETTINGS), ("healths.yaml", &rendered(&namespace).await)] {
        let file = directory.path().join(name);
        fs::write(&file, text).unwrap();
        kubectl(&["apply", "--filename", file.to_str().unwrap()]).await;
    }

    let healths = "a-jira-connection-operator-argo-cd";
    let data = kubectl(&["get", "configmap", healths, "--output", "jsonpath={.data}"]).await;
    let patch = format!("{{\"data\":{data}}}");
    kubectl(&["patch", "configmap", "argocd-cm", "--type", "merge", "--patch", &patch]).await;

    let settings = kubectl(&["get", "configmap", "argocd-cm", "--output", "json"]).await;
    let settings: Value = serde_json::from_str(&settings).unwrap();
    assert_healths(&settings["data"]);
    assert_eq!(settings["data"]["timeout.reconciliation"], "180s", "other settings are kept");
}
