//! The CRDs as Kubernetes takes them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::json;

use crate::{JiraConnection, WorkspaceBinding};

/// Both CRDs, in the order in which they are applied.
#[must_use]
pub fn all() -> [CustomResourceDefinition; 2] {
    [finished(JiraConnection::crd()), finished(WorkspaceBinding::crd())]
}

fn finished(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let schemas =
        crd.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    for schema in schemas {
        tidy(schema);
        default_to_unobserved(schema);
    }
    crd
}

/// Takes back that optional fields may be `null`, which derived schemas allow, and puts each paragraph of a description on one line.
///
/// A stored `null` would be neither absent, so that rules on the presence of a field see it, nor anything that has a meaning.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(values) = &mut schema.enum_ {
        values.retain(|JSON(value)| !value.is_null());
    }
    schema.description = schema.description.as_deref().map(unwrapped);
    for property in schema.properties.iter_mut().flatten().map(|(_, property)| property) {
        tidy(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy(values);
    }
}

fn unwrapped(description: &str) -> String {
    let paragraphs = description.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// Gives `status` the default `{observedGeneration: -1}`.
///
/// Tools that judge an object by comparing `observedGeneration` with `generation` take one without status for finished.
fn default_to_unobserved(schema: &mut JSONSchemaProps) {
    if let Some(status) = schema.properties.as_mut().and_then(|properties| properties.get_mut("status")) {
        status.default = Some(JSON(json!({ "observedGeneration": -1 })));
    }
}
