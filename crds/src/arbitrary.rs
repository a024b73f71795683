//! Arbitrary specs, made from the schemas themselves: types, enums, lengths, patterns, and of the rules those that say which fields go
//! together. Most, but not all of them, keep the other rules too, which only an API server or `kubectl jira check` can tell.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use proptest::{collection, option, prelude::*, sample, string::string_regex};
use regex::Regex;
use serde_json::{Map, Value};

/// The longest list that is made, where the schema allows more.
const MOST_ITEMS: usize = 3;

/// The longest text without a pattern, where the schema allows more.
const LONGEST: usize = 64;

/// Times as the API server takes them, and as nobody would write them.
const TIMES: [&str; 6] = [
    "2027-01-31T00:00:00Z",
    "2027-01-31t23:59:59.999999999+14:00",
    "0001-01-01T00:00:00-23:59",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2027-02-30T00:00:00+99:99",
];

/// Times that every rule about durations allows, besides those that a pattern makes.
const DURATIONS: [&str; 3] = ["60s", "1m", "0.5m30s"];

/// Addresses of Jira, for the rules about them.
const URLS: [&str; 4] = [
    "https://jira.example",
    "https://ACME.atlassian.net/",
    "https://[::1]:8443/jira",
    "https://a.example:1/..%2f/%00/-",
];

/// Specs that the schema of a kind takes.
///
/// # Panics
/// When the schema uses what this does not know.
pub fn specs(crd: &CustomResourceDefinition) -> BoxedStrategy<Value> {
    let schema = serde_json::to_value(&crd.spec.versions[0].schema).expect("a schema is JSON");
    value("spec", &schema["openAPIV3Schema"]["properties"]["spec"])
}

fn value(name: &str, schema: &Value) -> BoxedStrategy<Value> {
    if let Some(allowed) = schema["enum"].as_array() {
        return sample::select(allowed.clone()).boxed();
    }
    match schema["type"].as_str() {
        Some("boolean") => any::<bool>().prop_map(Value::from).boxed(),
        Some("string") => text(name, schema).prop_map(Value::from).boxed(),
        Some("array") => list(name, schema),
        Some("object") if schema["properties"].is_object() => object(schema),
        Some("object") => map(schema),
        other => panic!("{name}: no values of the type {other:?}"),
    }
}

fn bound(schema: &Value, keyword: &str, otherwise: usize) -> usize {
    schema[keyword].as_u64().map_or(otherwise, |bound| usize::try_from(bound).expect("a length"))
}

fn text(name: &str, schema: &Value) -> BoxedStrategy<String> {
    let (least, most) = (bound(schema, "minLength", 0), bound(schema, "maxLength", LONGEST));
    if schema["format"] == "date-time" {
        return sample::select(&TIMES[..]).prop_map(str::to_owned).boxed();
    }
    let Some(pattern) = schema["pattern"].as_str() else {
        let any = collection::vec(any::<char>(), least..=most.min(LONGEST)).prop_map(String::from_iter);
        return match name {
            "url" => prop_oneof![3 => sample::select(&URLS[..]).prop_map(str::to_owned), 1 => any].boxed(),
            _ => any.boxed(),
        };
    };
    let whole = Regex::new(pattern).expect("a pattern of the schema");
    let inner = pattern.trim_start_matches('^').trim_end_matches('$');
    let matching = string_regex(inner).expect("a pattern of the schema");
    let made = matching.prop_map(move |text| text.chars().take(most).collect::<String>());
    let pattern_of_made = whole.clone();
    let fits = move |text: &String| pattern_of_made.is_match(text) && (least..=most).contains(&text.chars().count());
    let made = made.prop_filter("what is cut may not match any more", fits).boxed();
    let longest = made.clone().prop_map(move |text| stretched(&text, most, &whole));
    match pattern {
        // Of other lengths of time the rules take few.
        pattern if pattern.contains("ms|s|m|h") => {
            prop_oneof![3 => sample::select(&DURATIONS[..]).prop_map(str::to_owned), 1 => made].boxed()
        }
        _ => prop_oneof![7 => made, 1 => longest].boxed(),
    }
}

/// The same text with a character in its middle repeated until it is as long as it may be; the text itself if that does not match.
fn stretched(text: &str, most: usize, pattern: &Regex) -> String {
    let characters: Vec<_> = text.chars().collect();
    let Some(more) = most.checked_sub(characters.len()).filter(|_| !characters.is_empty()) else {
        return text.to_owned();
    };
    let (head, tail) = characters.split_at(characters.len().div_ceil(2));
    let filling = std::iter::repeat_n(head.last(), more).flatten();
    let long: String = head.iter().chain(filling).chain(tail).collect();
    if pattern.is_match(&long) { long } else { text.to_owned() }
}

fn list(name: &str, schema: &Value) -> BoxedStrategy<Value> {
    let (least, most) = (bound(schema, "minItems", 0), bound(schema, "maxItems", MOST_ITEMS));
    let items = collection::vec(value(name, &schema["items"]), least..=most.min(MOST_ITEMS));
    let keys: Vec<_> = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().cloned().collect();
    let kind = schema["x-kubernetes-list-type"].as_str().unwrap_or("atomic").to_owned();
    items
        .prop_map(move |items| match kind.as_str() {
            "set" => distinct(items, Value::to_string),
            "map" => {
                distinct(items, |item| keys.iter().filter_map(|key| Some(item[key.as_str()?].to_string())).collect())
            }
            _ => items.into(),
        })
        .boxed()
}

/// The last of those that have the same identity.
fn distinct(items: Vec<Value>, identity: impl Fn(&Value) -> String) -> Value {
    items.into_iter().map(|item| (identity(&item), item)).collect::<BTreeMap<_, _>>().into_values().collect()
}

fn map(schema: &Value) -> BoxedStrategy<Value> {
    let most = bound(schema, "maxProperties", MOST_ITEMS).min(MOST_ITEMS);
    let entries = collection::btree_map("[a-z]{1,8}", value("", &schema["additionalProperties"]), 0..=most);
    entries.prop_map(|entries| Value::Object(Map::from_iter(entries))).boxed()
}

fn object(schema: &Value) -> BoxedStrategy<Value> {
    let properties = schema["properties"].as_object().expect("properties");
    let required = |name: &String| schema["required"].as_array().is_some_and(|it| it.contains(&name.as_str().into()));
    let rules: Vec<_> = schema["x-kubernetes-validations"].as_array().into_iter().flatten().cloned().collect();
    let rules: Vec<_> = rules.iter().filter_map(|rule| rule["rule"].as_str()).map(str::to_owned).collect();
    if rules.iter().any(|rule| rule.ends_with(".size() == 1")) {
        let one = |(name, schema): (&String, &Value)| {
            let name = name.clone();
            value(&name, schema).prop_map(move |value| Value::Object(Map::from_iter([(name.clone(), value)]))).boxed()
        };
        return proptest::strategy::Union::new(properties.iter().map(one)).boxed();
    }
    let companions: Vec<_> = rules.iter().filter_map(|rule| companion(rule)).collect();
    // What a rule asks for is made always, and taken away where the rule does not ask for it.
    let made = |name: &String| required(name) || companions.iter().any(|(.., companion)| companion == name);
    let fields: Vec<_> = properties
        .iter()
        .map(|(name, schema)| {
            let value = value(name, schema);
            let field = if made(name) { value.prop_map(Some).boxed() } else { option::of(value).boxed() };
            (Just(name.clone()), field)
        })
        .collect();
    fields
        .prop_map(move |fields| {
            let given = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
            let mut object: Map<_, _> = given.collect();
            for (field, wanted, companion) in &companions {
                if object.get(field).and_then(Value::as_str) != Some(wanted) {
                    object.remove(companion);
                }
            }
            Value::Object(object)
        })
        .boxed()
}

/// Field, value and other field of a rule that one field is there exactly where another one has a value.
fn companion(rule: &str) -> Option<(String, String, String)> {
    let form = Regex::new(r"^\(self\.(\w+) == '(\w+)'\) == has\(self\.(\w+)\)$").expect("a constant pattern");
    let (_, [field, value, companion]) = form.captures(rule)?.extract();
    Some((field.to_owned(), value.to_owned(), companion.to_owned()))
}
