//! Files taken apart into objects.

use serde::Deserialize;
use serde_json::Value;

use super::finding::{Fault, Finding};

/// One object, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Manifest {
    /// The file as it was named.
    pub file: String,
    /// Number of the document in the file, from 1.
    pub document: usize,
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// Namespace, with the default filled in. Of no meaning for kinds that have none.
    pub namespace: String,
    /// Name; empty if it has none.
    pub name: String,
    /// The whole object.
    pub value: Value,
}

impl Manifest {
    /// API group; empty for the core group.
    pub(super) fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Whether the operator's API defines it.
    pub(super) fn is_ours(&self) -> bool {
        self.group() == crds::GROUP
    }

    /// Whether it is an object of this kind in the core group.
    pub(super) fn is_core(&self, kind: &str) -> bool {
        self.group().is_empty() && self.kind == kind
    }

    /// A fault as a finding about this object.
    pub(super) fn finding(&self, fault: Fault) -> Finding {
        let Fault { field, severity, reason, message } = fault;
        let object = format!("{} {}/{}", self.kind, self.namespace, self.name);
        Finding { file: self.file.clone(), document: self.document, object, field, severity, reason, message }
    }
}

/// What a file holds.
pub(super) struct Reading {
    pub manifests: Vec<Manifest>,
    pub findings: Vec<Finding>,
}

/// Takes a text apart. Empty documents count and are left out; lists are taken apart too.
pub(super) fn read(file: &str, text: &str, namespace: &str) -> Reading {
    let mut reading = Reading { manifests: Vec::new(), findings: Vec::new() };
    for (document, read) in (1..).zip(serde_yaml::Deserializer::from_str(text)) {
        let mut tell = |fault: Fault| {
            let Fault { field, severity, reason, message } = fault;
            reading.findings.push(Finding {
                file: file.to_owned(),
                document,
                object: String::new(),
                field,
                severity,
                reason,
                message,
            });
        };
        // By way of YAML's own value, which refuses keys that occur twice.
        let value = serde_yaml::Value::deserialize(read)
            .map_err(|error| error.to_string())
            .and_then(|value| serde_json::to_value(value).map_err(|error| error.to_string()));
        match value {
            Ok(Value::Null) => {}
            Ok(value) if value["kind"].is_string() && value["apiVersion"].is_string() => {
                add(&mut reading.manifests, file, document, namespace, value);
            }
            Ok(_) => tell(Fault::note("", "this is no manifest: kind and apiVersion are not given; it is left out")),
            Err(error) => {
                tell(Fault::problem("", format!("this is no YAML: {error}; the rest of the file is not checked")));
                break;
            }
        }
    }
    reading
}

fn add(manifests: &mut Vec<Manifest>, file: &str, document: usize, namespace: &str, mut value: Value) {
    if value["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) && value["items"].is_array() {
        if let Value::Array(items) = value["items"].take() {
            for item in items.into_iter().filter(|item| item["kind"].is_string()) {
                add(manifests, file, document, namespace, item);
            }
        }
        return;
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let given = text(&value["metadata"]["namespace"]);
    manifests.push(Manifest {
        file: file.to_owned(),
        document,
        api_version: text(&value["apiVersion"]),
        kind: text(&value["kind"]),
        namespace: if given.is_empty() { namespace.to_owned() } else { given },
        name: text(&value["metadata"]["name"]),
        value,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::check::finding::Severity;

    #[test]
    fn documents_are_counted_with_empty_ones_and_lists_taken_apart() {
        let text = "---\n# nothing\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: x}\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}\n";
        let reading = read("f.yaml", text, "default");
        let found: Vec<_> =
            reading.manifests.iter().map(|it| (it.document, it.namespace.as_str(), it.name.as_str())).collect();
        assert_eq!(found, [(2, "x", "a"), (3, "default", "b"), (3, "default", "c")]);
        assert_eq!(reading.findings, []);
    }

    #[test]
    fn what_is_no_manifest_is_told_with_its_place() {
        let reading = read("f.yaml", "a: 1\n---\nb: [\n", "default");
        let found: Vec<_> = reading.findings.iter().map(|it| (it.place(), it.severity)).collect();
        assert_eq!(found, [("f.yaml:1".to_owned(), Severity::Note), ("f.yaml:2".to_owned(), Severity::Problem)]);
    }

    #[test]
    fn a_key_that_occurs_twice_is_a_problem() {
        let reading = read("f.yaml", "apiVersion: v1\nkind: Secret\nkind: Secret\n", "default");
        assert_eq!(reading.manifests, []);
        assert!(reading.findings[0].message.contains("duplicate"), "{:?}", reading.findings);
    }
}
