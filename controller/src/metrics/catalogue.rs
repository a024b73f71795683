//! Every metric: its name, its labels and what it means. The reference in the docs is written from here, and a test holds what is
//! exposed against it.

use prometheus_client::registry::{self, Registry};

/// What every name begins with.
pub(super) const PREFIX: &str = "jira_operator";

/// What kind of numbers a metric has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Counter,
    Gauge,
    Histogram,
}

impl Type {
    /// As OpenMetrics calls it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric {
    /// As it is registered: without the prefix, and of a counter without `_total`.
    name: &'static str,
    pub(super) kind: Type,
    pub(super) labels: &'static [&'static str],
    pub(super) meaning: &'static str,
}

impl Metric {
    const fn counter(name: &'static str, labels: &'static [&'static str], meaning: &'static str) -> Self {
        Self { name, kind: Type::Counter, labels, meaning }
    }

    const fn gauge(name: &'static str, labels: &'static [&'static str], meaning: &'static str) -> Self {
        Self { name, kind: Type::Gauge, labels, meaning }
    }

    const fn histogram(name: &'static str, labels: &'static [&'static str], meaning: &'static str) -> Self {
        Self { name, kind: Type::Histogram, labels, meaning }
    }

    /// As scrapers know it.
    pub(super) fn full_name(&self) -> String {
        let suffix = match self.kind {
            Type::Counter => "_total",
            Type::Gauge | Type::Histogram => "",
        };
        format!("{PREFIX}_{}{suffix}", self.name)
    }
}

/// Registers what measures a metric.
pub(super) fn register(registry: &mut Registry, metric: &Metric, measured: impl registry::Metric) {
    registry.register(metric.name, metric.meaning, measured);
}

pub(super) const BUILD: Metric = Metric::gauge("build_info", &["version"], "Always 1; the version of the operator");
pub(super) const LEADER: Metric =
    Metric::gauge("leader", &[], "1 while this replica works, 0 while it stands by for another");
pub(super) const PASSES: Metric =
    Metric::counter("passes", &["kind", "outcome"], "Passes over an object: Failed is a fault on the operator's side");
pub(super) const CHECKS: Metric = Metric::histogram(
    "check_seconds",
    &["deployment"],
    "Duration of a check of a connection, that is of a pass in which Jira was asked",
);
pub(super) const WATCH_FAILURES: Metric =
    Metric::counter("watch_failures", &["kind"], "Watches of the API server that failed and were tried again");
pub(super) const WATCH_RESTARTS: Metric =
    Metric::counter("watch_restarts", &["kind"], "Watches that had to list everything anew after their first listing");
pub(super) const CREDENTIAL_END: Metric = Metric::gauge(
    "credential_end_timestamp_seconds",
    &["namespace", "connection", "end"],
    "When the credential of a connection ends, in seconds since 1970: for good (Fixed), or if nobody renews it (Idle)",
);
pub(super) const JIRA_REQUESTS: Metric =
    Metric::counter("jira_requests", &["endpoint", "outcome"], "Requests to Jira and to Atlassian's hosts");
pub(super) const HOST_AVAILABLE: Metric = Metric::gauge(
    "host_requests_available",
    &["host"],
    "Requests that may go to a host at once, before they are spaced out; shared by all connections",
);
pub(super) const HOST_IN_FLIGHT: Metric =
    Metric::gauge("host_requests_in_flight", &["host"], "Requests to a host that are under way or next in turn");
pub(super) const HOST_PAUSE: Metric = Metric::gauge(
    "host_pause_seconds",
    &["host"],
    "For how long the host, or the site at Atlassian's gateway that asked for the longest wait, is not asked; 0: not at all",
);
pub(super) const HOST_SCARCE: Metric = Metric::gauge(
    "host_scarce",
    &["host"],
    "1 while the host, or a site at Atlassian's gateway, says that less than a fifth of its limit is left, so that requests are spread",
);
pub(super) const CONNECTION_READY: Metric =
    Metric::gauge("connection_ready", &["namespace", "connection"], "1 if the condition Ready is True, else 0");
pub(super) const CONNECTION_STATE: Metric = Metric::gauge(
    "connection_state",
    &["namespace", "connection", "state", "reason"],
    "Always 1; the state, and the reason of Ready, None before the first verdict",
);
pub(super) const CONNECTION_CONDITION: Metric = Metric::gauge(
    "connection_condition",
    &["namespace", "connection", "condition"],
    "Always 1; a condition that is there only while it is true",
);
pub(super) const CONNECTION_BINDINGS: Metric = Metric::gauge(
    "connection_bindings",
    &["namespace", "connection", "accepted"],
    "Bindings that name the connection, by whether it allows them",
);
pub(super) const CONNECTION_DUPLICATES: Metric = Metric::gauge(
    "connection_duplicates",
    &["namespace", "connection", "scope"],
    "Other connections that lead to the same Jira, in the own namespace and in others",
);
pub(super) const BINDING_READY: Metric =
    Metric::gauge("binding_ready", &["namespace", "binding"], "1 if the condition Ready is True, else 0");
pub(super) const BINDING_STATE: Metric = Metric::gauge(
    "binding_state",
    &["namespace", "binding", "state", "reason"],
    "Always 1; the state, and the reason of Ready, None before the first verdict",
);

/// In the order of the reference.
pub(super) const ALL: [Metric; 19] = [
    CONNECTION_READY,
    CONNECTION_STATE,
    CONNECTION_CONDITION,
    CONNECTION_BINDINGS,
    CONNECTION_DUPLICATES,
    CREDENTIAL_END,
    BINDING_READY,
    BINDING_STATE,
    CHECKS,
    JIRA_REQUESTS,
    HOST_AVAILABLE,
    HOST_IN_FLIGHT,
    HOST_PAUSE,
    HOST_SCARCE,
    PASSES,
    LEADER,
    WATCH_FAILURES,
    WATCH_RESTARTS,
    BUILD,
];

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        time::Duration,
    };

    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::{
        jira::{Endpoint, HostBudget, OutcomeClass},
        metrics::{CredentialEnds, Kind, Metrics, Outcome, encoded, hosts, objects},
    };

    /// A sample of every metric.
    fn exposition() -> String {
        let metrics = Metrics::default();
        metrics.passed(Kind::WorkspaceBinding, Outcome::Concluded);
        metrics.checked(crds::jira::Deployment::Cloud, Duration::from_secs(1));
        metrics.watch_failed("Secret");
        metrics.watch_restarted("Secret");
        let ends = CredentialEnds { fixed: Some(Timestamp::UNIX_EPOCH), idle: None };
        metrics.credential_ends(&("platform".into(), "acme".into()), ends);
        let budget = HostBudget {
            host: "jira.example:443".into(),
            available: 40,
            in_flight: 0,
            pause: Duration::from_millis(2500),
            scarce: true,
        };
        let hosts = hosts::registry(&[(Endpoint::Myself, OutcomeClass::Answered, 7)], &[budget]);
        encoded(&[&metrics.registry, &hosts, &objects::tests::sample()]).unwrap()
    }

    /// Type and labels by name, as a scraper reads them.
    fn exposed(exposition: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
        let mut found = BTreeMap::new();
        let types = exposition.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        for (name, kind) in types {
            let samples = exposition.lines().filter_map(|line| line.strip_prefix(name)).filter(|rest| {
                ["", "_total", "_bucket", "_sum", "_count"]
                    .iter()
                    .any(|suffix| rest.strip_prefix(suffix).is_some_and(|rest| rest.starts_with(['{', ' '])))
            });
            let labels = samples.flat_map(|sample| {
                let pairs =
                    sample.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(pairs, _)| pairs);
                pairs
                    .split("\",")
                    .filter_map(|pair| pair.split_once("=\""))
                    .map(|(label, _)| label.to_owned())
                    .collect::<Vec<_>>()
            });
            let labels = labels.filter(|label| label != "le").collect();
            assert_eq!(found.insert(name.to_owned(), (kind.to_owned(), labels)), None, "{name} is exposed twice");
        }
        found
    }

    #[test]
    fn what_is_exposed_is_what_the_reference_says() {
        let exposition = exposition();
        let told = ALL.iter().map(|metric| {
            let labels = metric.labels.iter().map(ToString::to_string).collect();
            (format!("{PREFIX}_{}", metric.name), (metric.kind.as_str().to_owned(), labels))
        });
        assert_eq!(exposed(&exposition), told.collect(), "{exposition}");
        assert!(exposition.contains("jira_operator_host_pause_seconds{host=\"jira.example:443\"} 2.5"), "{exposition}");
        assert!(exposition.ends_with("# EOF\n"), "{exposition}");
    }
}
