//! What the schemas need beyond what is derived from the types.

use schemars::Schema;
use serde_json::{Map, Value};

/// Name of a Secret, a ConfigMap or one of our own kinds (RFC 1123 subdomain, as `metadata.name` of these kinds requires).
pub(crate) const OBJECT_NAME: &str = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";

/// Name of a namespace (RFC 1123 label).
pub(crate) const NAMESPACE_NAME: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// Name of a workspace.
pub(crate) const WORKSPACE_NAME: &str = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$";

/// Value of a label, as Kubernetes allows them. May be empty.
pub(crate) const LABEL_VALUE: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";

/// Key of a label, as Kubernetes allows them.
pub(crate) const LABEL_KEY: &str = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";

/// Turns an enumeration with documented variants into a plain `enum`.
///
/// Derived, it is a `oneOf` of constants. Optional fields of that form lose their own description to the enumeration's.
pub(crate) fn plain_enum(schema: &mut Schema) {
    let Some(Value::Array(variants)) = schema.remove("oneOf") else {
        return;
    };
    let names = variants.iter().filter_map(|variant| variant.get("const").cloned());
    let plain = Map::from_iter([("type".to_owned(), "string".into()), ("enum".to_owned(), names.collect())]);
    schema.ensure_object().extend(plain);
}
