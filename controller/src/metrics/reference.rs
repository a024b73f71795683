//! The reference of metrics, written from what the operator registers.

use std::{collections::BTreeSet, fmt::Write};

use super::catalogue::ALL;
use crate::jira::OutcomeClass;

const HEAD: &str = "# Metrics

What the operator tells at `/metrics` of `--metrics-address` (port 8080), in the OpenMetrics format. This page is written from
the operator's code by `make docs`. [Alerts](alerts.md) says what to do when one of the chart's alerts fires; a dashboard for Grafana
comes with the chart as well.

The series of connections, bindings and credentials are told by the replica that works, never by one that stands by. They have a label
`namespace`, which is the object's: a scraper has to keep it, as the chart's ServiceMonitor does with `honorLabels: true`.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
";

const LABELS: &str = "
| label | values |
| --- | --- |
";

/// Every metric and every label, as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for metric in &ALL {
        let (name, kind, meaning) = (metric.full_name(), metric.kind.as_str(), metric.meaning);
        // Writing into a String cannot fail.
        _ = writeln!(page, "| `{name}` | {kind} | {} | {meaning}. |", listed(metric.labels));
    }
    page.push_str(LABELS);
    let mut told = BTreeSet::new();
    for label in ALL.iter().flat_map(|metric| metric.labels).filter(|label| told.insert(**label)) {
        _ = writeln!(page, "| `{label}` | {} |", values(label));
    }
    page
}

/// `–` for nothing.
fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        return UNTOLD.to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

const UNTOLD: &str = "–";

/// What a label can hold.
fn values(label: &str) -> String {
    match label {
        "namespace" | "connection" | "binding" => "Of the object; the series vanishes with it.".into(),
        "state" => "`Authorized`, `Interrupted`, `NotAuthorized`; `None` before the first verdict.".into(),
        "reason" => "The reason of `Ready`, see [Reasons](reasons.md).".into(),
        "condition" => "The type of the condition, see [Reasons](reasons.md).".into(),
        "accepted" => listed(&["true", "false"]),
        "scope" => listed(&["own_namespace", "other_namespaces"]),
        "end" => listed(&["Fixed", "Idle"]),
        "deployment" => listed(&["Cloud", "DataCenter"]),
        "endpoint" => "The path of Jira's API, with `{key}` and `{version}` where they vary.".into(),
        "host" => "Host and port of a Jira that is in use. Of more than 256, idle ones are left out.".into(),
        "kind" => "A kind of Kubernetes.".into(),
        "outcome" => format!(
            "Of passes {}; of requests {}.",
            listed(&["Concluded", "Failed"]),
            listed(&OutcomeClass::ALL.map(OutcomeClass::label))
        ),
        "version" => "Of the program.".into(),
        _ => UNTOLD.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        assert!(std::fs::read_to_string(path).is_ok_and(|page| page == markdown()), "run `make docs`");
    }

    #[test]
    fn every_label_is_explained() {
        for label in ALL.iter().flat_map(|metric| metric.labels) {
            assert_ne!(values(label), UNTOLD, "{label}");
        }
    }
}
