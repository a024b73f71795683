//! The fixtures: objects as the operator leaves them, and the verdicts that they must get.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use serde_json::Value;

/// An object, and what each tool must say of it, by the name of the column.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Fixture {
    pub(crate) expected: BTreeMap<String, String>,
    pub(crate) object: Value,
}

impl Fixture {
    /// All fixtures of both kinds.
    pub(crate) fn all() -> Vec<Self> {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/verdicts"));
        let files = ["jiraconnections", "workspacebindings"].into_iter().flat_map(|kind| {
            fs::read_dir(folder.join(kind)).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        });
        files.map(|text| serde_yaml::from_str(&text).unwrap()).collect()
    }

    /// The fixture of a kind and name.
    pub(crate) fn named(key: &str) -> Self {
        Self::all().into_iter().find(|fixture| fixture.key() == key).unwrap_or_else(|| panic!("no fixture is {key}"))
    }

    pub(crate) fn kind(&self) -> &str {
        self.object["kind"].as_str().unwrap()
    }

    pub(crate) fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap()
    }

    /// Kind and name, joined by a slash.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.kind(), self.name())
    }

    pub(crate) fn generation(&self) -> i64 {
        self.object["metadata"]["generation"].as_i64().unwrap()
    }

    /// Whether the status speaks of the present spec.
    pub(crate) fn is_observed(&self) -> bool {
        self.object["status"]["observedGeneration"].as_i64() == Some(self.generation())
    }

    /// The reason of `Ready`.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.conditions().iter().find(|it| it["type"] == "Ready").and_then(|ready| ready["reason"].as_str())
    }

    pub(crate) fn conditions(&self) -> &[Value] {
        self.object["status"]["conditions"].as_array().map_or(&[], Vec::as_slice)
    }
}
