//! Fixtures of verdicts: objects as the state machine leaves them, each with what the tools that judge objects must make of it.
//!
//! They are written here, from the real `decide`, and held against the tools' own code by the suite `verdicts` of `tests`.

use std::{collections::BTreeSet, fs, path::PathBuf};

use kube::Resource;
use serde::Serialize;

/// What the kstatus convention makes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Kstatus {
    /// As it shall be.
    Current,
    /// On its way.
    InProgress,
    /// Stuck until somebody helps.
    Failed,
}

/// Whether somebody has switched the object off, and the operator knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    On,
    Off,
}

/// An object with the verdicts that it must get.
pub(crate) struct Fixture<K> {
    /// Name of the object and of the file.
    pub(crate) name: &'static str,
    pub(crate) kstatus: Kstatus,
    pub(crate) switch: Switch,
    pub(crate) object: K,
}

/// The file of a fixture.
#[derive(Serialize)]
struct Document<'a, K> {
    expected: Expected,
    object: &'a K,
}

/// What each tool must say, in its own words. `helm` is what `helm install --wait` does, `kubectlWait` what
/// `kubectl wait --for=condition=Ready` does.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    kstatus: Kstatus,
    flux: Kstatus,
    argocd: &'static str,
    helm: &'static str,
    kubectl_wait: &'static str,
}

impl Expected {
    fn of(kstatus: Kstatus, switch: Switch) -> Self {
        let (health, helm, kubectl_wait) = match kstatus {
            Kstatus::Current => ("Healthy", "Succeeds", "Succeeds"),
            Kstatus::InProgress => ("Progressing", "Waits", "Waits"),
            Kstatus::Failed => ("Degraded", "Fails", "Waits"),
        };
        let argocd = match switch {
            Switch::On => health,
            Switch::Off => "Suspended",
        };
        Self { kstatus, flux: kstatus, argocd, helm, kubectl_wait }
    }
}

/// Writes all fixtures anew.
const UPDATE: &str = "make fixtures";

impl<K: Resource + Clone + Serialize> Fixture<K> {
    fn text(&self) -> String {
        let mut object = self.object.clone();
        let meta = object.meta_mut();
        meta.name = Some(self.name.to_owned());
        meta.uid = None;
        let expected = Expected::of(self.kstatus, self.switch);
        format!(
            "# Written from the operator's code by `{UPDATE}`.\n{}",
            serde_yaml::to_string(&Document { expected, object: &object }).unwrap()
        )
    }
}

/// Asserts that a folder of `tests/fixtures/verdicts` holds these fixtures and no others. With `UPDATE_FIXTURES` in the
/// environment, it is made so first.
pub(crate) fn assert_written<K: Resource + Clone + Serialize>(folder: &str, fixtures: &[Fixture<K>]) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/verdicts")).join(folder);
    let path = |fixture: &Fixture<K>| folder.join(format!("{}.yaml", fixture.name));
    let wanted: BTreeSet<_> = fixtures.iter().map(path).collect();
    assert_eq!(wanted.len(), fixtures.len(), "two fixtures have one name");
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for stale in present(&folder).difference(&wanted) {
            fs::remove_file(stale).unwrap();
        }
        for fixture in fixtures {
            fs::write(path(fixture), fixture.text()).unwrap();
        }
    }
    let differs = |fixture: &&Fixture<K>| fs::read_to_string(path(fixture)).ok() != Some(fixture.text());
    let drifted: Vec<_> = fixtures.iter().filter(differs).map(|fixture| fixture.name).collect();
    let found = present(&folder);
    let stale: Vec<_> = found.difference(&wanted).collect();
    assert!(
        drifted.is_empty() && stale.is_empty(),
        "fixtures in {} differ from what the code says: {drifted:?}; files that nothing writes: {stale:?}. If the code is right, run \
         `{UPDATE}`",
        folder.display()
    );
}

fn present(folder: &PathBuf) -> BTreeSet<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}
