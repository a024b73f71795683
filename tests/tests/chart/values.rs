//! The values: wrong ones are refused in words, the schema describes them all, and each flag of the operator is among them.

use std::{collections::BTreeSet, fs};

use rstest::rstest;
use serde::Deserialize;
use serde_json::Value;
use tests::{
    chart::{CHART, Error, template},
    operator,
};
use tokio::{process::Command, sync::OnceCell};

use super::rows::EVERYTHING;

#[rstest]
#[case::unknown("replica: 2", "additional properties 'replica' not allowed")]
#[case::unknown_deep("pages: { publicURL: x }", "at '/pages': additional properties 'publicURL' not allowed")]
#[case::of_a_wrong_type("replicas: two", "at '/replicas': got string, want integer")]
#[case::below("concurrency: 0", "at '/concurrency': minimum: got 0, want 1")]
#[case::no_duration("checkInterval: often", "at '/checkInterval': 'often' does not match pattern")]
#[case::no_network(
    "clusterNetworks: { pods: [10.0.0.1] }",
    "at '/clusterNetworks/pods/0': '10.0.0.1' does not match pattern"
)]
#[case::no_format("log: { format: XML }", "at '/log/format': value must be one of 'Human', 'Json'")]
#[case::plain_address("pages: { publicUrl: 'http://operator.acme.example' }", "at '/pages/publicUrl'")]
#[case::password_in_the_open("proxy: { url: 'http://user:word@proxy.example:3128' }", "at '/proxy/url'")]
#[case::subject_without_a_namespace(
    "authorisers: [{ namespace: a, connection: b, subjects: [{ kind: ServiceAccount, name: c }] }]",
    "missing property 'namespace'"
)]
#[case::authoriser_without_a_connection("authorisers: [{ namespace: a }]", "missing property 'connection'")]
#[case::two_writers("replicas: 2\nleaderElection: { enabled: false }", "would all work at once")]
#[case::two_proxies(
    "proxy: { url: 'http://a:1', secretKeyRef: { name: b } }",
    "proxy: give url or secretKeyRef, not both"
)]
#[case::two_authorities(
    "extraCA: { configMapKeyRef: { name: a }, secretKeyRef: { name: b } }",
    "extraCA: give configMapKeyRef or secretKeyRef"
)]
#[case::ingress_to_nothing(
    "pages: { ingress: { enabled: true } }",
    "pages.publicUrl: an ingress or a route needs the address"
)]
#[case::route_from_nowhere(
    "pages: { publicUrl: 'https://a.example', httpRoute: { enabled: true } }",
    "name the gateway"
)]
#[case::writing_viewers("userRoles: { adminAggregatesTo: [view] }", "whoever may view must not write")]
#[case::no_account("serviceAccount: { create: false }", "name the account that the operator runs as")]
#[case::no_image("image: { repository: '' }", "none is published, so build one")]
#[tokio::test]
async fn wrong_values_are_refused_in_words(#[case] values: &str, #[case] words: &str) {
    let set = ["--set", "image.repository=operator"];
    let set = if values.contains("repository") { &[][..] } else { &set };
    let refused = template("a", "a", values, set).await.unwrap_err();
    let Error::Helm { output, .. } = refused else { panic!("{refused}") };
    assert!(output.contains(words), "{output}");
}

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(format!("{CHART}/values.schema.json")).unwrap()).unwrap()
}

fn defaults() -> Value {
    serde_yaml::from_str(&fs::read_to_string(format!("{CHART}/values.yaml")).unwrap()).unwrap()
}

#[test]
fn the_schema_describes_every_value_and_allows_no_other() {
    fn walk(path: &str, schema: &Value, default: &Value, faults: &mut Vec<String>) {
        if schema["description"].as_str().is_none_or(str::is_empty) {
            faults.push(format!("{path}: no description"));
        }
        if let Some(items) = schema.get("items") {
            walk(&format!("{path}[]"), items, &Value::Null, faults);
        }
        let Some(properties) = schema["properties"].as_object() else { return };
        if schema["additionalProperties"] != false {
            faults.push(format!("{path}: allows unknown values"));
        }
        for (name, property) in properties {
            let path = format!("{path}/{name}");
            // Items of lists have no default, and `global` is helm's.
            if !default.is_null() && default.get(name).is_none() && name != "global" {
                faults.push(format!("{path}: not in values.yaml"));
            }
            walk(&path, property, default.get(name).unwrap_or(&Value::Null), faults);
        }
    }
    let mut faults = Vec::new();
    walk("", &schema(), &defaults(), &mut faults);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What the operator says of its flags.
async fn usage() -> &'static str {
    static USAGE: OnceCell<String> = OnceCell::const_new();
    let ask = async || {
        let program = operator::build().await.unwrap();
        let output = Command::new(program).arg("--help").output().await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    USAGE.get_or_init(ask).await
}

/// Names of flags at the beginning of lines.
fn flags(text: &str) -> BTreeSet<&str> {
    let words = text.lines().filter_map(|line| {
        let line = line.trim_start();
        ["--", "-h, --", "-V, --"].iter().find_map(|begin| line.strip_prefix(begin))
    });
    words.filter_map(|line| line.split(|c: char| !(c.is_ascii_lowercase() || c == '-')).next()).collect()
}

/// The arguments of the container.
async fn arguments(values: &str, set: &[&str]) -> Vec<String> {
    let shown = [&["--show-only=templates/deployment.yaml"], set].concat();
    let rendered = template("a", "a", values, &shown).await.unwrap();
    let deployment: Value =
        serde_yaml::Deserializer::from_str(&rendered).map(|it| Value::deserialize(it).unwrap()).next().unwrap();
    let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
    arguments.iter().map(|it| it.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_flag_of_the_operator_has_a_value() {
    let arguments = arguments(EVERYTHING, &[]).await.join("\n");
    let offered = flags(&arguments);
    let missing: Vec<_> = flags(usage().await).into_iter().filter(|flag| !offered.contains(flag)).collect();
    // The first is no setting, and the second ends the program.
    assert_eq!(missing, ["help", "version"]);
}

#[tokio::test]
async fn the_operator_knows_every_flag_that_it_is_given() {
    let arguments = arguments(EVERYTHING, &[]).await.join("\n");
    let known = flags(usage().await);
    let unknown: Vec<_> = flags(&arguments).into_iter().filter(|flag| !known.contains(flag)).collect();
    assert!(unknown.is_empty(), "{unknown:?} are not among {known:?}");
}

#[tokio::test]
async fn the_defaults_are_those_of_the_operator() {
    let arguments = arguments("", &["--set", "image.repository=operator"]).await;
    let usage: Vec<_> = usage().await.split_whitespace().collect();
    let usage = usage.join(" ");
    // The log is for machines here.
    for argument in arguments.iter().filter(|it| !it.starts_with("--log-format") && !it.starts_with("--lease")) {
        let Some((flag, value)) = argument.split_once('=') else { continue };
        let described = usage.split(&format!("{flag} <")).nth(1).unwrap_or_else(|| panic!("{flag}: {usage}"));
        assert!(
            described.split("[default: ").nth(1).unwrap().starts_with(&format!("{value}]")),
            "{argument}: {described}"
        );
    }
}

#[tokio::test]
async fn pods_and_services_are_denied_besides_the_defaults() {
    let defaults = arguments("", &["--set", "image.repository=operator"]).await;
    let more = arguments(EVERYTHING, &[]).await;
    let denied = |arguments: &[String]| {
        arguments.iter().find_map(|it| it.strip_prefix("--denied-networks=").map(str::to_owned)).unwrap()
    };
    assert_eq!(denied(&more), format!("{},10.244.0.0/16,fd00:10:244::/56,10.96.0.0/12", denied(&defaults)));
}
