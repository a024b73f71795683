//! What kube-state-metrics tells of every status with the shipped configuration.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::verdict::samples;

use super::fixture::Fixture;

/// The samples that a fixture must give: what tells them apart, and the number.
fn expected(fixture: &Fixture) -> BTreeSet<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let conditions = fixture.conditions().iter().map(|condition| {
        let number = u8::from(condition["status"] == "True");
        format!("condition {} {} {number}", text(&condition["type"]), text(&condition["reason"]))
    });
    let state = fixture.object["status"]["state"].as_str();
    let states = ["Authorized", "Interrupted", "NotAuthorized"].into_iter();
    let states = states.filter_map(|one| Some(format!("state {one} {}", u8::from(one == state?))));
    let generation = format!("generation {}", fixture.generation());
    let observed = format!("observed_generation {}", fixture.object["status"]["observedGeneration"]);
    conditions.chain(states).chain([generation, observed]).collect()
}

/// The same of the lines of samples, whose names and labels must be those of the object.
fn told(fixture: &Fixture, samples: &str) -> BTreeSet<String> {
    let prefix = format!("kube_{}_", fixture.kind().to_lowercase());
    samples
        .lines()
        .map(|line| {
            let (labelled, number) = line.rsplit_once(' ').unwrap();
            let (name, labels) = labelled.split_once('{').unwrap();
            let metric = name.strip_prefix(&prefix).unwrap_or_else(|| panic!("{line} does not begin with {prefix}"));
            assert_eq!(label(labels, "name"), Some(fixture.name()), "{line}");
            assert_eq!(label(labels, "namespace"), fixture.object["metadata"]["namespace"].as_str(), "{line}");
            let words = [Some(metric), label(labels, "type"), label(labels, "reason"), label(labels, "state")];
            let words = words.into_iter().flatten().chain([number]);
            words.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = labels.split_once(&format!(",{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

#[test]
fn kube_state_metrics_tells_state_conditions_and_generations_of_every_status() {
    let fixtures = Fixture::all();
    let objects: Vec<_> = fixtures.iter().map(|fixture| fixture.object.clone()).collect();
    let samples = samples(&objects);
    for fixture in &fixtures {
        let key = fixture.key();
        assert_eq!(told(fixture, &samples[&key]), expected(fixture), "{key}");
    }
}
