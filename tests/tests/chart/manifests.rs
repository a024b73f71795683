//! The manifests that are generated from the chart, the files that it carries, and what stands beside it.

use std::{fs, path::Path};

use rstest::rstest;
use tests::{chart::manifests, controlplane};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

#[tokio::test]
async fn the_manifests_are_what_the_chart_renders() {
    for manifest in manifests().await.unwrap() {
        let stored = text(&format!("config/{}", manifest.name));
        assert!(stored == manifest.text, "config/{} is out of date: run `make install-yaml`", manifest.name);
    }
}

/// Applies it as its head says, and once more, which changes nothing.
pub(super) async fn apply_install_yaml() {
    let kubectl = async || {
        let mut command = controlplane::shared().await.kubectl();
        command.args(["apply", "--filename", "config/install.yaml"]).current_dir(ROOT);
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    kubectl().await;
    let again = kubectl().await;
    let changed: Vec<_> = again.lines().filter(|line| !line.ends_with(" unchanged")).collect();
    assert!(changed.is_empty(), "{changed:?}");
}

#[tokio::test]
async fn kustomize_names_the_image_of_the_manifests() {
    let directory = tempfile::tempdir_in(ROOT).unwrap();
    let kustomization = "resources: [../config]\nimages: [{ name: jira-connection-operator, newName: registry.acme.example/x, newTag: '1' }]";
    fs::write(directory.path().join("kustomization.yaml"), kustomization).unwrap();
    let output = controlplane::shared().await.kubectl().arg("kustomize").arg(directory.path()).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let objects = String::from_utf8(output.stdout).unwrap();
    assert!(objects.contains("image: registry.acme.example/x:1"), "{objects}");
}

/// The compiler of the image is that of the repository, so that neither is ever tried without the other.
#[rstest]
#[case::compiler("Dockerfile", "ARG RUST_VERSION=", "rust-toolchain.toml", "channel = ")]
#[case::chart("charts/jira-connection-operator/Chart.yaml", "version: ", "Cargo.toml", "version = ")]
#[case::operator("charts/jira-connection-operator/Chart.yaml", "appVersion: ", "Cargo.toml", "version = ")]
fn versions_agree(#[case] one: &str, #[case] one_key: &str, #[case] other: &str, #[case] other_key: &str) {
    let value = |file: &str, key: &str| {
        let text = text(file);
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_matches('"').to_owned()
    };
    assert_eq!(value(one, one_key), value(other, other_key), "{one} and {other}");
}

/// Each line of the operator's roles is explained.
#[tokio::test]
async fn the_documentation_names_every_right_of_the_operator() {
    let documentation = text("docs/rights.md");
    let [rights, _] = manifests().await.unwrap();
    let resources = rights.text.lines().filter_map(|line| line.trim().strip_prefix("resources: ["));
    let mut seen = 0;
    for resource in resources.flat_map(|list| list.trim_end_matches(']').split(", ")) {
        assert!(documentation.contains(&format!("`{resource}`")), "docs/rights.md says nothing of {resource}");
        seen += 1;
    }
    assert!(seen >= 9, "{}", rights.text);
}
