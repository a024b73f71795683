//! The plugin as a package of krew, by krew's own code.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use tests::go::{Module, Program};

use super::program;

const KREW: Program = Program { name: "krew", package: "sigs.k8s.io/krew/cmd/krew" };
const VALIDATE: Program =
    Program { name: "validate-krew-manifest", package: "sigs.k8s.io/krew/cmd/validate-krew-manifest" };

/// Where the programs are.
static CACHE: LazyLock<PathBuf> = LazyLock::new(|| match Module::new("krew").build(&[KREW, VALIDATE]) {
    Ok(cache) => cache,
    Err(error) => panic!("krew cannot be built: {error}"),
});

/// Packs the program of the test run, and gives manifest and archive.
async fn packed(folder: &Path) -> (PathBuf, PathBuf) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../krew/pack.sh");
    let mut command = Command::new(script);
    command.arg(program::path().await).arg(folder).arg("https://downloads.example/kubectl-jira");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut archives = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let archive = archives.find(|path| path.extension().is_some_and(|it| it == "gz")).unwrap();
    (folder.join("jira.yaml"), archive)
}

#[tokio::test]
async fn the_manifest_is_as_krew_s_index_demands() {
    let folder = tempfile::tempdir().unwrap();
    let (manifest, _) = packed(folder.path()).await;
    let judge = |manifest: &Path| {
        let mut command = Command::new(CACHE.join(VALIDATE.name));
        command.arg("-manifest").arg(manifest).arg("-skip-install").output().unwrap()
    };
    let judged = judge(&manifest);
    assert!(judged.status.success(), "{judged:?}");

    let text = fs::read_to_string(&manifest).unwrap();
    assert!(!text.contains('@'), "every place is filled: {text}");
    fs::write(&manifest, text.replace("version: \"v", "version: \"")).unwrap();
    assert!(!judge(&manifest).status.success(), "the judge would find a fault");
}

#[tokio::test]
async fn krew_installs_the_archive_and_the_program_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (manifest, archive) = packed(folder.path()).await;
    let root = folder.path().join("root");
    let mut krew = Command::new(CACHE.join(KREW.name));
    let value = |name: &str, path: &Path| format!("--{name}={}", path.display());
    krew.args(["install".to_owned(), value("manifest", &manifest), value("archive", &archive)]);
    let installed = krew.env("KREW_ROOT", &root).output().unwrap();
    assert!(installed.status.success(), "{installed:?}");
    assert_eq!(fs::read_dir(root.join("store/jira")).unwrap().count(), 1, "one version");

    let mut jira = Command::new(root.join("bin/kubectl-jira"));
    let version = jira.arg("--version").output().unwrap();
    assert!(version.stdout.starts_with(b"kubectl-jira "), "{version:?}");
}
