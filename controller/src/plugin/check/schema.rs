//! The schemas of the CRDs, as the API server holds objects against them.
//!
//! A structural schema of Kubernetes is not quite a JSON Schema: fields that it does not name are dropped rather than allowed, and
//! lists may be sets and maps. So it is walked here, keyword by keyword.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use regex::Regex;
use serde_json::{Map, Value};

use super::finding::Fault;

/// Takes fields away that are `null`, as the API server does before it looks further: none of our fields may be.
pub(super) fn prune(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let others = Some(&schema["additionalProperties"]).filter(|others| others.is_object());
            let of = |name: &str| schema["properties"].get(name).or(others);
            fields.retain(|name, value| !value.is_null() || of(name).is_none());
            for (name, value) in fields {
                if let Some(schema) = of(name) {
                    prune(schema, value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| prune(&schema["items"], item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Holds a value against a schema.
pub(super) fn examine(schema: &Value, value: &Value, path: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    walk(schema, value, path, &mut faults);
    faults
}

fn walk(schema: &Value, value: &Value, path: &str, faults: &mut Vec<Fault>) {
    if let Some(expected) = schema["type"].as_str()
        && !has_type(value, expected)
    {
        faults.push(Fault::problem(path, format!("must be {}, and is {}", article(expected), article(type_of(value)))));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<_> = allowed.iter().map(plain).collect();
        faults.push(Fault::problem(path, format!("must be one of {}, and is {}", allowed.join(", "), plain(value))));
    }
    match value {
        Value::String(text) => string(schema, text, path, faults),
        Value::Array(items) => array(schema, items, path, faults),
        Value::Object(fields) => object(schema, fields, path, faults),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn string(schema: &Value, text: &str, path: &str, faults: &mut Vec<Fault>) {
    let length = text.chars().count() as u64;
    if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
        faults.push(Fault::problem(path, format!("must have at least {least} characters")));
    }
    if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
        faults.push(Fault::problem(path, format!("may have at most {most} characters, and has {length}")));
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        match Regex::new(pattern) {
            Ok(regex) if regex.is_match(text) => {}
            Ok(_) => {
                let message = format!("must match {pattern}, and {} does not", plain(&text.into()));
                faults.push(Fault::problem(path, message));
            }
            Err(_) => faults.push(Fault::note(path, format!("the pattern {pattern} is left to the API server"))),
        }
    }
    if schema["format"] == "date-time" && text.parse::<Timestamp>().is_err() {
        faults.push(Fault::problem(path, "must be a time as RFC 3339 has it, such as 2027-01-31T00:00:00Z"));
    }
}

fn array(schema: &Value, items: &[Value], path: &str, faults: &mut Vec<Fault>) {
    let length = items.len() as u64;
    if let Some(least) = schema["minItems"].as_u64().filter(|least| length < *least) {
        faults.push(Fault::problem(path, format!("must have at least {least} entries")));
    }
    if let Some(most) = schema["maxItems"].as_u64().filter(|most| length > *most) {
        faults.push(Fault::problem(path, format!("may have at most {most} entries, and has {length}")));
    }
    for (index, item) in items.iter().enumerate() {
        walk(&schema["items"], item, &format!("{path}[{index}]"), faults);
    }
    let identity = |item: &Value| match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => Some(item.to_string()),
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array()?;
            Some(keys.iter().filter_map(Value::as_str).map(|key| item[key].to_string()).collect::<Vec<_>>().join(", "))
        }
        Some(_) | None => None,
    };
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        if let Some(identity) = identity(item)
            && !seen.insert(identity.clone())
        {
            faults.push(Fault::problem(format!("{path}[{index}]"), format!("{identity} is there already")));
        }
    }
}

fn object(schema: &Value, fields: &Map<String, Value>, path: &str, faults: &mut Vec<Fault>) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            faults.push(Fault::problem(join(path, name), "is required"));
        }
    }
    if let Some(most) = schema["maxProperties"].as_u64().filter(|most| fields.len() as u64 > *most) {
        faults.push(Fault::problem(path, format!("may have at most {most} entries, and has {}", fields.len())));
    }
    let (properties, others) = (schema["properties"].as_object(), &schema["additionalProperties"]);
    for (name, value) in fields {
        let path = join(path, name);
        match properties.and_then(|properties| properties.get(name)) {
            Some(schema) => walk(schema, value, &path, faults),
            None if others.is_object() => walk(others, value, &path, faults),
            None => {
                let mut known: Vec<_> = properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                known.sort_unstable();
                faults.push(Fault::problem(path, unknown(name, &known)));
            }
        }
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    let same = |candidate: &&&str| candidate.eq_ignore_ascii_case(name);
    match known.iter().find(same) {
        Some(meant) => format!("there is no such field; {meant} is meant"),
        None => format!("there is no such field; there are {}", known.join(", ")),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn has_type(value: &Value, expected: &str) -> bool {
    match expected {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        expected => type_of(value) == expected,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn article(kind: &str) -> String {
    match kind {
        "null" => "null".to_owned(),
        "array" | "integer" | "object" => format!("an {kind}"),
        kind => format!("a {kind}"),
    }
}

/// A value as a person wrote it, cut.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let cut = crate::condition::clip(&text, 60);
    if cut.len() < text.len() { format!("{cut}…") } else { text }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    /// Keywords that [`walk`] acts on.
    const KNOWN: [&str; 14] = [
        "type",
        "enum",
        "minLength",
        "maxLength",
        "pattern",
        "format",
        "minItems",
        "maxItems",
        "items",
        "required",
        "maxProperties",
        "properties",
        "additionalProperties",
        "x-kubernetes-list-type",
    ];
    /// Keywords that say nothing against an object, or are acted on elsewhere.
    const OTHER: [&str; 4] = ["description", "default", "x-kubernetes-list-map-keys", "x-kubernetes-validations"];

    fn keywords(schema: &Value, found: &mut BTreeSet<String>) {
        let Some(fields) = schema.as_object() else { return };
        for (keyword, value) in fields {
            found.insert(keyword.clone());
            match keyword.as_str() {
                "properties" => value.as_object().unwrap().values().for_each(|schema| keywords(schema, found)),
                "items" | "additionalProperties" => keywords(value, found),
                _ => {}
            }
        }
    }

    #[test]
    fn no_keyword_of_our_schemas_is_passed_over() {
        let mut found = BTreeSet::new();
        for crd in crds::definition::all() {
            let schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
            keywords(&schema["openAPIV3Schema"]["properties"]["spec"], &mut found);
        }
        let unknown: Vec<_> =
            found.iter().filter(|it| !KNOWN.contains(&it.as_str()) && !OTHER.contains(&it.as_str())).collect();
        assert_eq!(unknown, Vec::<&String>::new());
    }

    #[rstest]
    #[case::fields(json!({ "name": null, "on": true }), json!({ "on": true }))]
    #[case::within(json!({ "map": [{ "key": null }], "labels": { "x": null } }), json!({ "map": [{}], "labels": {} }))]
    #[case::entries_of_lists_stay(json!({ "set": [null] }), json!({ "set": [null] }))]
    #[case::unknown_fields_stay(json!({ "other": null }), json!({ "other": null }))]
    fn null_is_as_absent(#[case] mut value: Value, #[case] expected: Value) {
        prune(&schema(), &mut value);
        assert_eq!(value, expected);
    }

    fn schema() -> Value {
        json!({ "type": "object", "required": ["name"], "properties": {
            "name": { "type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$" },
            "kind": { "type": "string", "enum": ["A", "B"] },
            "on": { "type": "boolean" },
            "count": { "type": "integer" },
            "at": { "type": "string", "format": "date-time" },
            "set": { "type": "array", "minItems": 1, "maxItems": 2, "x-kubernetes-list-type": "set", "items": { "type": "string" } },
            "map": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"],
                "items": { "type": "object", "required": ["key"], "properties": { "key": { "type": "string" } } } },
            "labels": { "type": "object", "maxProperties": 1, "additionalProperties": { "type": "string", "maxLength": 3 } },
        } })
    }

    #[rstest]
    #[case::good(json!({ "name": "abc", "kind": "A", "on": true, "count": 1, "at": "2027-01-31T00:00:00Z", "set": ["a", "b"], "map": [{ "key": "a" }], "labels": { "x": "y" } }), &[])]
    #[case::missing(json!({}), &["s.name: is required"])]
    #[case::unknown(json!({ "name": "abc", "Name": 1, "other": 1 }), &["s.Name: there is no such field; name is meant", "s.other: there is no such field; there are at, count, kind, labels, map, name, on, set"])]
    #[case::types(json!({ "name": 1, "on": "true", "count": 1.5, "set": {} }), &["s.count: must be an integer, and is a number", "s.name: must be a string, and is a number", "s.on: must be a boolean, and is a string", "s.set: must be an array, and is an object"])]
    #[case::null(json!({ "name": null }), &["s.name: must be a string, and is null"])]
    #[case::short(json!({ "name": "a" }), &["s.name: must have at least 2 characters"])]
    #[case::characters_not_bytes(json!({ "name": "üüüü" }), &["s.name: must match ^[a-z]+$, and üüüü does not"])]
    #[case::long(json!({ "name": "abcde" }), &["s.name: may have at most 4 characters, and has 5"])]
    #[case::choice(json!({ "name": "abc", "kind": "C" }), &["s.kind: must be one of A, B, and is C"])]
    #[case::time(json!({ "name": "abc", "at": "tomorrow" }), &["s.at: must be a time as RFC 3339 has it, such as 2027-01-31T00:00:00Z"])]
    #[case::few(json!({ "name": "abc", "set": [] }), &["s.set: must have at least 1 entries"])]
    #[case::many_and_twice(json!({ "name": "abc", "set": ["a", "a", "b"] }), &["s.set: may have at most 2 entries, and has 3", "s.set[1]: \"a\" is there already"])]
    #[case::twice_by_key(json!({ "name": "abc", "map": [{ "key": "a" }, { "key": "a" }] }), &["s.map[1]: \"a\" is there already"])]
    #[case::within(json!({ "name": "abc", "map": [{}], "labels": { "x": "long", "y": "z" } }), &["s.labels.x: may have at most 3 characters, and has 4", "s.labels: may have at most 1 entries, and has 2", "s.map[0].key: is required"])]
    fn a_value_is_held_against_each_keyword(#[case] value: Value, #[case] expected: &[&str]) {
        let mut found: Vec<_> =
            examine(&schema(), &value, "s").iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect();
        found.sort();
        assert_eq!(found, expected);
    }
}
