//! What must hold for whatever is in a file, for the fuzzer and its corpus. See `fuzzing`.

use serde_json::Value;

use super::{DEFAULT_NAMESPACE, examination, finding::Severity, live::supply, manifest, schema};

/// Examines a text as `check` examines a file, and as a file of headers and one of a credential.
pub(crate) fn manifests(text: &str) {
    let read = manifest::read("file", text, DEFAULT_NAMESPACE);
    let examined = examination::examine(&read.manifests);
    let found: Vec<_> = read.findings.iter().chain(&examined.findings).collect();
    let ours = read.manifests.iter().filter(|manifest| manifest.is_ours()).count();
    let sound = examined.sound.connections.len() + examined.sound.bindings.len();
    assert!(sound <= ours, "more is sound than there is");
    let problems = found.iter().filter(|finding| finding.severity == Severity::Problem).count();
    assert!(sound == ours || 0 < problems, "an object is left out, and nobody is told why");
    supply::read(text);
}

/// What is wrong with a part of an object of this kind, `spec` or `status`, by its schema. Rules are left out.
pub(crate) fn faults(kind: &str, part: &str, value: &Value) -> Vec<String> {
    let schema = &examination::SCHEMAS[kind]["properties"][part];
    schema::examine(schema, value, part)
        .into_iter()
        .map(|fault| format!("{}: {}", fault.field, fault.message))
        .collect()
}
