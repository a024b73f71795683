//! The plugin as kubectl starts it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;

use super::{
    program,
    scene::{ACME, Scene, condition, control_plane, spec, token, viewer},
};

#[tokio::test]
async fn kubectl_finds_the_plugin_and_passes_its_exit_status_on() {
    let scene = Scene::open(viewer()).await;
    let status =
        json!({ "state": "Interrupted", "conditions": [condition("Ready", "False", "Unreachable", "No answer.")] });
    scene.object("JiraConnection", ACME, spec(token()), Some(status)).await;
    let mut kubectl = control_plane().await.kubectl();
    let folder = program::path().await.parent().unwrap().to_owned();
    kubectl.env("PATH", folder).env("KUBECONFIG", &scene.kubeconfig).args(["jira", "status", ACME]);
    let output = kubectl.output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text.contains("Next: No answer."), "{output:?}");
}

#[tokio::test]
async fn kubectl_completes_with_the_script_of_the_docs() {
    let docs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/kubectl-jira.md")).unwrap();
    let start = docs.find("#!/bin/sh").unwrap();
    let script = docs[start..].split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubectl_complete-jira");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();

    let program = program::path().await;
    let folders = [folder.path(), program.parent().unwrap(), Path::new("/bin")];
    let mut kubectl = control_plane().await.kubectl();
    kubectl.env("PATH", std::env::join_paths(folders).unwrap()).args(["__complete", "jira", "authorize", "--p"]);
    let output = kubectl.output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("--print\t") && text.contains("\n--port\t"), "{text}");
}
