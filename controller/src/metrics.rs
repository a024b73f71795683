//! Counters and gauges, in the OpenMetrics format. Labels have few values, or are the name of an object and vanish with it;
//! none holds text from outside the cluster.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError, atomic::AtomicU64},
};

use k8s_openapi::jiff::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{jira::Network, proof::ConnectionName};

/// The two kinds that are reconciled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Kind {
    /// `JiraConnection`.
    JiraConnection,
    /// `WorkspaceBinding`.
    WorkspaceBinding,
}

/// What a pass came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// It concluded, with good or bad news.
    Concluded,
    /// It failed on our side.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PassLabels {
    kind: Kind,
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    endpoint: &'static str,
    outcome: &'static str,
}

/// How a credential can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum End {
    /// At a time that nothing moves.
    Fixed,
    /// If nobody renews it any more.
    Idle,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    namespace: String,
    connection: String,
    end: End,
}

/// When the credential of a connection ends, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CredentialEnds {
    /// The end that nothing moves.
    pub fixed: Option<Timestamp>,
    /// The end if nobody renews it any more.
    pub idle: Option<Timestamp>,
}

/// Counters and gauges of the operator.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    passes: Family<PassLabels, Counter>,
    seconds: Histogram,
    watch_failures: Family<WatchLabels, Counter>,
    requests: Family<RequestLabels, Gauge<u64, AtomicU64>>,
    refused: Gauge,
    ends: Family<EndLabels, Gauge>,
    leader: Gauge,
    refused_by_connection: Mutex<HashMap<ConnectionName, usize>>,
}

/// Bounds of the duration of a pass, in seconds: a pass without requests takes microseconds, one request to Jira tens to
/// hundreds of milliseconds, and a request may take up to 60 seconds.
const SECONDS: [f64; 10] = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("jira_operator");
        let (passes, watch_failures, requests) = (Family::default(), Family::default(), Family::default());
        let (seconds, refused, leader) = (Histogram::new(SECONDS), Gauge::default(), Gauge::default());
        registry.register("passes", "Passes over an object, by kind and outcome", passes.clone());
        registry.register("pass_seconds", "Duration of a pass over a connection, in seconds", seconds.clone());
        registry.register(
            "watch_failures",
            "Watches that failed and were tried again, by kind",
            watch_failures.clone(),
        );
        registry.register(
            "jira_requests",
            "Requests to Jira since the start, by endpoint and outcome",
            requests.clone(),
        );
        registry.register(
            "bindings_refused",
            "Bindings that name a connection which does not allow them",
            refused.clone(),
        );
        let ends = Family::default();
        registry.register(
            "credential_end_timestamp_seconds",
            "When the credential of a connection ends, in seconds since 1970: for good, or if nobody renews it",
            ends.clone(),
        );
        registry.register("leader", "1 while this replica works, 0 while it stands by for another", leader.clone());
        let refused_by_connection = Mutex::default();
        Self { registry, passes, seconds, watch_failures, requests, refused, ends, leader, refused_by_connection }
    }
}

impl Metrics {
    /// Counts a pass.
    pub fn passed(&self, kind: Kind, outcome: Outcome) {
        self.passes.get_or_create(&PassLabels { kind, outcome }).inc();
    }

    /// Notes how long a pass over a connection took.
    pub fn took(&self, seconds: f64) {
        self.seconds.observe(seconds);
    }

    /// Counts a failure of a watch.
    pub fn watch_failed(&self, kind: &'static str) {
        self.watch_failures.get_or_create(&WatchLabels { kind }).inc();
    }

    /// Notes how many bindings a connection refuses.
    pub fn refused(&self, connection: ConnectionName, count: usize) {
        let mut refused = self.refused_by_connection.lock().unwrap_or_else(PoisonError::into_inner);
        match count {
            0 => _ = refused.remove(&connection),
            count => _ = refused.insert(connection, count),
        }
        self.refused.set(i64::try_from(refused.values().sum::<usize>()).unwrap_or(i64::MAX));
    }

    /// Notes when the credential of a connection ends.
    pub fn credential_ends(&self, (namespace, connection): &ConnectionName, ends: CredentialEnds) {
        for (end, at) in [(End::Fixed, ends.fixed), (End::Idle, ends.idle)] {
            let labels = EndLabels { namespace: namespace.clone(), connection: connection.clone(), end };
            match at {
                Some(at) => _ = self.ends.get_or_create(&labels).set(at.as_second()),
                None => _ = self.ends.remove(&labels),
            }
        }
    }

    /// Notes whether this replica works.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Forgets a connection that was deleted.
    pub fn forget(&self, connection: &ConnectionName) {
        self.refused(connection.clone(), 0);
        self.credential_ends(connection, CredentialEnds::default());
    }

    /// Everything, as a scraper reads it.
    ///
    /// # Errors
    /// When the text cannot be written, which memory alone can cause.
    pub fn expose(&self, network: &Network) -> Result<String, std::fmt::Error> {
        for (endpoint, outcome, count) in network.tally() {
            let labels = RequestLabels { endpoint: endpoint.template(), outcome: outcome.label() };
            self.requests.get_or_create(&labels).set(count);
        }
        let mut exposition = String::new();
        text::encode(&mut exposition, &self.registry)?;
        Ok(exposition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(metrics: &Metrics) -> String {
        let mut exposition = String::new();
        text::encode(&mut exposition, &metrics.registry).unwrap();
        exposition
    }

    #[test]
    fn the_ends_of_a_credential_are_shown_and_vanish_with_the_connection() {
        let (metrics, name) = (Metrics::default(), ("platform".to_owned(), "acme".to_owned()));
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        metrics.credential_ends(&name, CredentialEnds { fixed: at(1_800_000_000), idle: at(1_790_000_000) });
        let line = |end: &str, second: u64| {
            format!(
                "jira_operator_credential_end_timestamp_seconds{{namespace=\"platform\",connection=\"acme\",end=\"{end}\"}} {second}"
            )
        };
        let shown = text_of(&metrics);
        assert!(
            shown.contains(&line("Fixed", 1_800_000_000)) && shown.contains(&line("Idle", 1_790_000_000)),
            "{shown}"
        );
        metrics.credential_ends(&name, CredentialEnds { fixed: None, idle: at(1_790_000_000) });
        assert!(!text_of(&metrics).contains("Fixed"));
        metrics.forget(&name);
        assert!(!text_of(&metrics).contains("acme"));
    }
}
