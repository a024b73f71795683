//! Everything that is examined in a set of manifests.

use std::{collections::BTreeMap, sync::LazyLock};

use crds::{JiraConnection, WorkspaceBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use regex::Regex;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    finding::{Fault, Finding, Severity},
    manifest::Manifest,
    rules, schema,
    sense::{self, Placed},
};

/// The version that is known here.
const API_VERSION: &str = "issuetracking.dev/v1alpha1";

/// Longest name of an object (Kubernetes, "Object Names and IDs").
const LONGEST_NAME: usize = 253;

/// A DNS subdomain (RFC 1123), as names of objects must be.
const NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// Fields of an object beside `spec`.
const FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// What is found in a set of manifests, and what of it can be worked with.
pub(super) struct Examination<'a> {
    pub(super) findings: Vec<Finding>,
    pub(super) sound: Sound<'a>,
}

/// The objects that are as the schema says.
#[derive(Default)]
pub(super) struct Sound<'a> {
    pub(super) connections: Vec<Placed<'a, JiraConnection>>,
    pub(super) bindings: Vec<Placed<'a, WorkspaceBinding>>,
}

/// Examines each object for itself, then what they say of each other.
pub(super) fn examine(manifests: &[Manifest]) -> Examination<'_> {
    let mut findings = Vec::new();
    let Sound { mut connections, mut bindings } = Sound::default();
    for manifest in manifests.iter().filter(|manifest| manifest.is_ours()) {
        let schema = SCHEMAS.get(manifest.kind.as_str()).filter(|_| manifest.api_version == API_VERSION);
        let Some(schema) = schema else {
            let message = format!(
                "{} {} is not known here: there are JiraConnection and WorkspaceBinding of {API_VERSION}",
                manifest.api_version, manifest.kind
            );
            findings.push(manifest.finding(Fault::problem("", message)));
            continue;
        };
        let mut value = manifest.value.clone();
        schema::prune(schema, &mut value);
        let faults = alone(manifest, &value, schema);
        let sound = faults.iter().all(|fault| fault.severity == Severity::Note);
        findings.extend(faults.into_iter().map(|fault| manifest.finding(fault)));
        if !sound {
            continue;
        }
        let parsed = match manifest.kind.as_str() {
            "JiraConnection" => {
                parse::<JiraConnection>(manifest, value).map(|object| connections.push(Placed { manifest, object }))
            }
            _ => parse::<WorkspaceBinding>(manifest, value).map(|object| bindings.push(Placed { manifest, object })),
        };
        if let Err(error) = parsed {
            findings.push(manifest.finding(Fault::problem("", error)));
        }
    }
    findings.extend(sense::examine(manifests, &connections, &bindings));
    Examination { findings, sound: Sound { connections, bindings } }
}

/// Schemas by kind.
pub(super) static SCHEMAS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let schema = |crd: &CustomResourceDefinition| {
        let versions = serde_json::to_value(&crd.spec.versions).unwrap_or_default();
        (crd.spec.names.kind.clone(), versions[0]["schema"]["openAPIV3Schema"].clone())
    };
    crds::definition::all().iter().map(schema).collect()
});

/// An object for itself. Rules are evaluated only where the schema is kept, as the API server does.
fn alone(manifest: &Manifest, value: &Value, schema: &Value) -> Vec<Fault> {
    let mut faults = head(manifest);
    match value.get("spec") {
        None => faults.push(Fault::problem("spec", "is required")),
        Some(spec) => faults.extend(schema::examine(&schema["properties"]["spec"], spec, "spec")),
    }
    if faults.is_empty() {
        faults.extend(rules::examine(schema, value));
    }
    faults
}

fn head(manifest: &Manifest) -> Vec<Fault> {
    let mut faults = Vec::new();
    let unknown = manifest.value.as_object().into_iter().flatten().map(|(field, _)| field);
    for field in unknown.filter(|field| !FIELDS.contains(&field.as_str())) {
        faults.push(Fault::problem(field, "there is no such field beside spec"));
    }
    let generated = manifest.value["metadata"]["generateName"].is_string();
    let is_name = |name: &str| name.len() <= LONGEST_NAME && Regex::new(NAME).is_ok_and(|regex| regex.is_match(name));
    if manifest.name.is_empty() && !generated {
        faults.push(Fault::problem("metadata.name", "is required"));
    } else if !manifest.name.is_empty() && !is_name(&manifest.name) {
        let message = "must be lower-case letters, digits, - and ., beginning and ending with a letter or digit";
        faults.push(Fault::problem("metadata.name", message));
    }
    faults
}

/// The object with its namespace filled in.
fn parse<K: DeserializeOwned>(manifest: &Manifest, mut value: Value) -> Result<K, String> {
    value["metadata"]["namespace"] = manifest.namespace.clone().into();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("status");
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}
