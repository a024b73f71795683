//! The CRDs themselves: their files, their schemas, and what the API server makes of them.

use std::{collections::BTreeSet, fs};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt};
use rstest::rstest;
use serde_json::{Value, json};

use super::server::{
    Kind::{self, JiraConnection, WorkspaceBinding},
    Server, control_plane, crd_folder,
};

/// Well below the 262,144 bytes of annotations in which client-side apply keeps a copy.
const MOST_BYTES: usize = 60_000;

#[test]
fn the_files_are_what_the_types_say_and_small() {
    let crds = crds::definition::all();
    let files = fs::read_dir(crd_folder()).unwrap().count();
    assert_eq!(files, crds.len(), "there is another file beside the CRDs");
    for crd in crds {
        let file = crd_folder().join(format!("{}.yaml", crd.spec.names.plural));
        let text = fs::read_to_string(&file).unwrap();
        assert!(text == serde_yaml::to_string(&crd).unwrap(), "{}: run `make crds`", crd.name_any());
        assert!(text.len() < MOST_BYTES, "{} has {} bytes", crd.name_any(), text.len());
    }
}

#[tokio::test]
async fn both_kinds_are_established_and_their_schemas_structural() {
    let api = Api::<CustomResourceDefinition>::all(control_plane().await.client().await.unwrap());
    for crd in crds::definition::all() {
        let stored = api.get(&crd.name_any()).await.unwrap();
        let conditions = stored.status.unwrap().conditions.unwrap();
        let status = |about: &str| {
            let condition = conditions.iter().find(|condition| condition.type_ == about);
            condition.map(|condition| condition.status.as_str())
        };
        assert_eq!(status("Established"), Some("True"));
        assert_eq!(status("NamesAccepted"), Some("True"));
        assert_eq!(status("NonStructuralSchema"), None);
    }
}

/// A place of a schema: its path, such as `spec.headers[].name`, and what stands there.
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) schema: Value,
}

impl Place {
    fn is_in(&self, root: &str) -> bool {
        self.path.starts_with(root)
    }

    fn is_property(&self) -> bool {
        !self.path.ends_with(']') && !self.path.ends_with('}')
    }

    /// Whether it is part of `metav1.Condition`, which is Kubernetes' own.
    fn is_in_condition(&self) -> bool {
        self.path.starts_with("status.conditions[]")
    }
}

pub(crate) fn places(kind: Kind) -> Vec<Place> {
    let index = match kind {
        JiraConnection => 0,
        WorkspaceBinding => 1,
    };
    let crd = serde_json::to_value(&crds::definition::all()[index]).unwrap();
    assert_eq!(crd["spec"]["names"]["kind"], kind.as_str());
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut found = Vec::new();
    for part in ["spec", "status"] {
        walk(part.to_owned(), &schema["properties"][part], &mut found);
    }
    found
}

fn walk(path: String, schema: &Value, found: &mut Vec<Place>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(format!("{path}.{name}"), property, found);
    }
    if schema["items"].is_object() {
        walk(format!("{path}[]"), &schema["items"], found);
    }
    if schema["additionalProperties"].is_object() {
        walk(format!("{path}{{}}"), &schema["additionalProperties"], found);
    }
    let schema = schema.clone();
    found.push(Place { path, schema });
}

/// Asserts that a condition holds at every place that it is asked of.
#[track_caller]
fn assert_everywhere(kind: Kind, asked: impl Fn(&Place) -> bool, holds: impl Fn(&Value) -> bool) {
    let asked: Vec<_> = places(kind).into_iter().filter(asked).collect();
    assert!(!asked.is_empty());
    let failing: Vec<_> = asked.iter().filter(|place| !holds(&place.schema)).map(|place| &place.path).collect();
    assert!(failing.is_empty(), "{failing:?}");
}

fn has(field: &str) -> impl Fn(&Value) -> bool {
    move |schema| schema.get(field).is_some()
}

fn is_of(type_: &str) -> impl Fn(&Place) -> bool {
    move |place| place.is_in("spec") && place.schema["type"] == type_
}

#[rstest]
fn every_field_is_described(#[values(JiraConnection, WorkspaceBinding)] kind: Kind) {
    assert_everywhere(kind, Place::is_property, |schema| {
        let description = schema["description"].as_str().unwrap_or_default();
        description.len() >= 10 && description.ends_with('.') && !description.contains("Auto-generated")
    });
}

#[rstest]
fn no_field_of_the_spec_has_a_default(#[values(JiraConnection, WorkspaceBinding)] kind: Kind) {
    assert_everywhere(kind, |place| place.is_in("spec"), |schema| !has("default")(schema));
}

#[rstest]
fn the_only_default_of_the_status_says_that_nothing_was_observed(
    #[values(JiraConnection, WorkspaceBinding)] kind: Kind,
) {
    let mut places = places(kind);
    let status = places.pop().unwrap();
    assert_eq!((status.path.as_str(), &status.schema["default"]), ("status", &json!({ "observedGeneration": -1 })));
    assert!(places.iter().all(|place| !has("default")(&place.schema)));
}

#[rstest]
fn every_text_of_the_spec_is_bounded(#[values(JiraConnection, WorkspaceBinding)] kind: Kind) {
    assert_everywhere(kind, is_of("string"), |schema| has("maxLength")(schema) || has("enum")(schema));
}

#[rstest]
fn every_list_of_the_spec_is_bounded(#[values(JiraConnection, WorkspaceBinding)] kind: Kind) {
    assert_everywhere(kind, is_of("array"), |schema| has("maxItems")(schema) && has("x-kubernetes-list-type")(schema));
}

#[test]
fn every_map_of_the_spec_is_bounded() {
    let is_map = |place: &Place| place.is_in("spec") && has("additionalProperties")(&place.schema);
    assert_everywhere(JiraConnection, is_map, has("maxProperties"));
    assert!(!places(WorkspaceBinding).iter().any(is_map));
}

#[rstest]
fn every_list_of_the_status_but_the_conditions_is_atomic_and_has_at_most_50_entries(
    #[values(JiraConnection, WorkspaceBinding)] kind: Kind,
) {
    let is_list = |place: &Place| place.is_in("status.") && place.schema["type"] == "array";
    assert_everywhere(
        kind,
        |place| is_list(place) && place.path != "status.conditions",
        |schema| schema["maxItems"] == 50 && schema["x-kubernetes-list-type"] == "atomic",
    );
    assert_everywhere(
        kind,
        |place| is_list(place) && place.path == "status.conditions",
        |schema| schema["x-kubernetes-list-map-keys"] == json!(["type"]),
    );
}

#[rstest]
fn nothing_may_be_null(#[values(JiraConnection, WorkspaceBinding)] kind: Kind) {
    let no_null = |schema: &Value| {
        let values = schema["enum"].as_array();
        !has("nullable")(schema) && !values.into_iter().flatten().any(Value::is_null)
    };
    assert_everywhere(kind, |place| !place.is_in_condition(), no_null);
}

/// The paths of all fields of a value, in the form of [`Place::path`], with the value's own.
fn paths(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    found.insert(path.to_owned());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| paths(&format!("{path}.{name}"), value, found)),
        Value::Array(items) => items.iter().for_each(|item| paths(&format!("{path}[]"), item, found)),
        _ => {}
    }
}

#[rstest]
fn the_examples_hold_every_field(#[values(JiraConnection, WorkspaceBinding)] kind: Kind) {
    let mut held = BTreeSet::new();
    for example in kind.examples() {
        paths("spec", &example["spec"], &mut held);
    }
    paths("status", &kind.full_status(), &mut held);
    let missing: Vec<_> = places(kind)
        .into_iter()
        .map(|place| place.path)
        .filter(|path| !path.ends_with("{}") && !held.contains(path))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// JSON pointers (RFC 6901) to the fields and to the list items within a value.
#[derive(Default)]
struct Pointers {
    fields: Vec<(String, String)>,
    items: Vec<String>,
}

impl Pointers {
    fn collect(&mut self, pointer: &str, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.fields.push((pointer.to_owned(), name.clone()));
                    self.collect(&format!("{pointer}/{name}"), value);
                }
            }
            Value::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    self.items.push(format!("{pointer}/{n}"));
                    self.collect(&format!("{pointer}/{n}"), item);
                }
            }
            _ => {}
        }
    }

    fn of_spec(object: &Value) -> Self {
        let mut pointers = Self::default();
        pointers.collect("/spec", &object["spec"]);
        pointers
    }
}

/// What comes of an object: the stored spec, or the fields that a refusal names.
async fn outcome(server: &Server, kind: Kind, object: Value) -> Result<Value, BTreeSet<String>> {
    match server.dry_run(kind, object).await {
        Ok(stored) => Ok(stored["spec"].clone()),
        Err(refusal) => Err(refusal.causes.into_iter().map(|(field, _)| field).collect()),
    }
}

#[rstest]
#[tokio::test]
async fn a_field_that_is_null_is_as_if_it_were_absent(#[values(JiraConnection, WorkspaceBinding)] kind: Kind) {
    let server = Server::in_default().await;
    for example in kind.examples() {
        for (parent, field) in Pointers::of_spec(&example).fields {
            let (mut null, mut absent) = (example.clone(), example.clone());
            null.pointer_mut(&parent).unwrap()[&field] = Value::Null;
            absent.pointer_mut(&parent).unwrap().as_object_mut().unwrap().remove(&field);
            let with_null = outcome(&server, kind, null).await;
            assert_eq!(with_null, outcome(&server, kind, absent).await, "{parent}/{field}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_list_item_that_is_null_is_refused(#[values(JiraConnection, WorkspaceBinding)] kind: Kind) {
    let server = Server::in_default().await;
    for example in kind.examples() {
        for item in Pointers::of_spec(&example).items {
            let mut object = example.clone();
            *object.pointer_mut(&item).unwrap() = Value::Null;
            let outcome = outcome(&server, kind, object).await;
            assert!(outcome.is_err(), "{item}: {outcome:?}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_new_object_has_the_default_status(
    #[values(JiraConnection, WorkspaceBinding)] kind: Kind,
    #[values(json!({}), json!(null), json!({ "state": "Authorized" }))] status: Value,
) {
    let mut object = kind.smallest();
    object["status"] = status;
    let created = Server::new().await.create(kind, object).await.unwrap();
    assert_eq!(created["status"], json!({ "observedGeneration": -1 }));
}

#[rstest]
#[tokio::test]
async fn every_example_passes_through_the_types_and_the_api_server_unchanged(
    #[values(JiraConnection, WorkspaceBinding)] kind: Kind,
) {
    let server = Server::in_default().await;
    for example in kind.examples() {
        let typed = match kind {
            JiraConnection => through::<crds::JiraConnectionSpec>(&example["spec"]),
            WorkspaceBinding => through::<crds::WorkspaceBindingSpec>(&example["spec"]),
        };
        let mut expected = example["spec"].clone();
        if let Some(checks) = expected.get_mut("checks") {
            // Written in canonical form.
            *checks = json!({ "interval": "5m0s", "timeout": "15s", "grace": "2m0s" });
        }
        assert_eq!(typed, expected);
        let stored = server.dry_run(kind, example.clone()).await.unwrap();
        assert_eq!(stored["spec"], example["spec"]);
    }
}

fn through<T: serde::Serialize + serde::de::DeserializeOwned>(value: &Value) -> Value {
    let typed: T = serde_json::from_value(value.clone()).unwrap();
    serde_json::to_value(typed).unwrap()
}

#[rstest]
#[tokio::test]
async fn a_status_with_every_field_passes_through_the_types_and_the_api_server_unchanged(
    #[values(JiraConnection, WorkspaceBinding)] kind: Kind,
) {
    let full = kind.full_status();
    let typed = match kind {
        JiraConnection => through::<crds::JiraConnectionStatus>(&full),
        WorkspaceBinding => through::<crds::WorkspaceBindingStatus>(&full),
    };
    assert_eq!(typed, full);

    let server = Server::new().await;
    server.create(kind, kind.smallest()).await.unwrap();
    let stored = server.change_status(kind, "example", &full).await;
    assert_eq!(stored["status"], full);
    assert_eq!(stored["metadata"]["generation"], 1);
}
