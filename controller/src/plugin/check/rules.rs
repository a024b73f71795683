//! The CEL rules of the CRDs, evaluated without an API server.

use kube_cel::{ErrorKind, Validator};
use serde_json::Value;

use super::finding::Fault;

/// Holds an object against the rules of its schema. A rule that cannot be evaluated here becomes a note: it is left to the API
/// server. Rules on changes are left to it too, because there is nothing to compare with.
pub(super) fn examine(schema: &Value, object: &Value) -> Vec<Fault> {
    let Err(errors) = Validator::new().validate(schema, object, None) else {
        return Vec::new();
    };
    let fault = |error: kube_cel::ValidationError| match error.kind {
        ErrorKind::ValidationFailure => Fault::problem(error.field_path, error.message),
        _ => Fault::note(error.field_path, format!("the rule {} is left to the API server", error.rule)),
    };
    errors.into_iter().map(fault).collect()
}
