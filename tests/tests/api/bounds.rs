//! Every bound of the schemas, at every place where a type with bounds is used.

use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::{Value, json};

use super::{
    definition::places,
    server::{
        Kind::{self, JiraConnection, WorkspaceBinding},
        Server,
    },
};

/// A value beyond a bound, and what its refusal says. `None` takes the field away.
struct Violation {
    value: Option<Value>,
    text: String,
}

impl Violation {
    fn new(value: impl Into<Value>, text: impl Into<String>) -> Self {
        Self { value: Some(value.into()), text: text.into() }
    }

    /// All violations of the schema of a field that holds a value now.
    fn of(schema: &Value, held: &Value) -> Vec<Self> {
        let mut violations = vec![Self::new(12.5, "must be of type")];
        if let Some(most) = schema["maxLength"].as_u64() {
            let text = "a".repeat(usize::try_from(most).unwrap() + 1);
            violations.push(Self::new(text, format!("may not be more than {most} bytes")));
        }
        if schema["minLength"].is_u64() {
            violations.push(Self::new("", "chars long"));
        }
        if schema["pattern"].is_string() {
            violations.push(Self::new("*:* ", "should match '^"));
        }
        if schema["format"].is_string() {
            violations.push(Self::new("soon", "must be of type date-time"));
        }
        if schema["enum"].is_array() {
            violations.push(Self::new("Nonesuch", "supported values: "));
        }
        if let Some(most) = schema["maxItems"].as_u64() {
            let items: Value = (0..=most).map(|_| held[0].clone()).collect();
            violations.push(Self::new(items, format!("must have at most {most} items")));
        }
        if schema["minItems"].is_u64() {
            violations.push(Self::new(json!([]), "should have at least 1 items"));
        }
        violations
    }
}

/// A field of an example: where it stands, in the three ways to say so.
struct Field {
    /// JSON pointer (RFC 6901).
    pointer: String,
    /// As a refusal names it: `spec.headers[0].name`.
    name: String,
    /// As the schema has it: `spec.headers[].name`.
    path: String,
}

fn fields(within: &Field, value: &Value, found: &mut Vec<Field>) {
    let Field { pointer, name, path } = within;
    let below: Vec<_> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(field, value)| (field.clone(), format!(".{field}"), format!(".{field}"), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(n, value)| (n.to_string(), format!("[{n}]"), "[]".to_owned(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (token, name_token, path_token, value) in below {
        let field = Field {
            pointer: format!("{pointer}/{token}"),
            name: format!("{name}{name_token}"),
            path: format!("{path}{path_token}"),
        };
        fields(&field, value, found);
        found.push(field);
    }
}

fn of_spec(object: &Value) -> Vec<Field> {
    let spec = Field { pointer: "/spec".to_owned(), name: "spec".to_owned(), path: "spec".to_owned() };
    let mut found = Vec::new();
    fields(&spec, &object["spec"], &mut found);
    found.push(spec);
    found
}

async fn assert_refused(server: &Server, kind: Kind, example: &Value, field: &Field, violation: Violation) {
    let mut object = example.clone();
    let (parent, token) = field.pointer.rsplit_once('/').unwrap();
    match violation.value {
        Some(value) => *object.pointer_mut(&field.pointer).unwrap() = value,
        None => drop(object.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(token)),
    }
    let Err(refusal) = server.dry_run(kind, object).await else {
        panic!("{}: accepted despite {:?}", field.name, violation.text);
    };
    refusal.assert(&field.name, &violation.text);
}

#[rstest]
#[case(JiraConnection, 250)]
#[case(WorkspaceBinding, 40)]
#[tokio::test]
async fn every_bound_is_kept_and_its_refusal_names_the_field(#[case] kind: Kind, #[case] least: usize) {
    let server = Server::in_default().await;
    let schemas: BTreeMap<_, _> = places(kind).into_iter().map(|place| (place.path, place.schema)).collect();
    let mut refused = 0;
    for example in kind.examples() {
        for field in of_spec(&example) {
            // A map has no schema for each of its keys.
            let Some(schema) = schemas.get(&field.path) else {
                continue;
            };
            let mut violations = Violation::of(schema, example.pointer(&field.pointer).unwrap());
            let parent = field.path.rsplit_once('.').and_then(|(parent, name)| Some((schemas.get(parent)?, name)));
            if parent.is_some_and(|(parent, name)| {
                parent["required"].as_array().is_some_and(|all| all.contains(&name.into()))
            }) {
                violations.push(Violation { value: None, text: "Required value".to_owned() });
            }
            for violation in violations {
                assert_refused(&server, kind, &example, &field, violation).await;
                refused += 1;
            }
        }
    }
    assert!(refused >= least, "only {refused} bounds were found");
}
