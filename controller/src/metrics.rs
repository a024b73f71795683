//! Counters and gauges, in the OpenMetrics format. Labels have few values, or are the name of an object or of a Jira's host and
//! vanish with it; none holds text from outside the cluster.
//!
//! What has happened is counted here. What stands is read when somebody asks: of objects in `objects.rs`, of hosts in `hosts.rs`.
//! Every metric is declared in `catalogue.rs`, from which the reference in the docs is written.

mod catalogue;
mod hosts;
mod objects;
pub mod reference;

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use self::catalogue::register;
use crate::{context::Context, proof::ConnectionName};

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
struct CheckLabels {
    deployment: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
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

/// What the operator has counted since its start.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    passes: Family<PassLabels, Counter>,
    checks: Family<CheckLabels, Histogram>,
    watch_failures: Family<WatchLabels, Counter>,
    watch_restarts: Family<WatchLabels, Counter>,
    ends: Family<EndLabels, Gauge>,
    leader: Gauge,
}

/// Bounds of the duration of a check, in seconds: one request to Jira takes tens to hundreds of milliseconds, a check two of them
/// or, on Data Center, one more for each project; a request may take up to 60 seconds, and wait 30 for its turn.
const SECONDS: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

fn empty() -> Registry {
    Registry::with_prefix(catalogue::PREFIX)
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = empty();
        let (passes, ends, leader) = (Family::default(), Family::default(), Gauge::default());
        let (watch_failures, watch_restarts) = (Family::default(), Family::default());
        let checks = Family::new_with_constructor(seconds as fn() -> Histogram);
        let build = Family::<BuildLabels, Gauge>::default();
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        register(&mut registry, &catalogue::BUILD, build);
        register(&mut registry, &catalogue::LEADER, leader.clone());
        register(&mut registry, &catalogue::PASSES, passes.clone());
        register(&mut registry, &catalogue::CHECKS, checks.clone());
        register(&mut registry, &catalogue::WATCH_FAILURES, watch_failures.clone());
        register(&mut registry, &catalogue::WATCH_RESTARTS, watch_restarts.clone());
        register(&mut registry, &catalogue::CREDENTIAL_END, ends.clone());
        Self { registry, passes, checks, watch_failures, watch_restarts, ends, leader }
    }
}

impl Metrics {
    /// Counts a pass.
    pub fn passed(&self, kind: Kind, outcome: Outcome) {
        self.passes.get_or_create(&PassLabels { kind, outcome }).inc();
    }

    /// Notes how long a check of a connection took: a pass in which Jira was asked.
    pub fn checked(&self, deployment: crds::jira::Deployment, took: Duration) {
        let labels = CheckLabels { deployment: deployment.as_str() };
        self.checks.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts a failure of a watch.
    pub fn watch_failed(&self, kind: &'static str) {
        self.watch_failures.get_or_create(&WatchLabels { kind }).inc();
    }

    /// Counts that a watch had to list everything anew.
    pub fn watch_restarted(&self, kind: &'static str) {
        self.watch_restarts.get_or_create(&WatchLabels { kind }).inc();
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

    /// Forgets a connection that was deleted.
    pub fn forget(&self, connection: &ConnectionName) {
        self.credential_ends(connection, CredentialEnds::default());
    }

    /// Everything, as a scraper reads it. A replica that stands by says nothing of objects: the one that works does.
    ///
    /// # Errors
    /// When the text cannot be written, which memory alone can cause.
    pub fn exposition(&self, ctx: &Context) -> Result<String, std::fmt::Error> {
        let leads = ctx.leadership.holds_for(Duration::ZERO);
        self.leader.set(i64::from(leads));
        let hosts = hosts::registry(&ctx.network.tally(), &ctx.network.budgets());
        if !leads {
            return encoded(&[&self.registry, &hosts]);
        }
        let (connections, bindings) = (ctx.stores.connections.state(), ctx.stores.bindings.state());
        let objects = objects::registry(&connections, &bindings, |name| ctx.instances.sharing(name));
        encoded(&[&self.registry, &hosts, &objects])
    }
}

fn encoded(registries: &[&Registry]) -> Result<String, std::fmt::Error> {
    let mut exposition = String::new();
    for registry in registries {
        text::encode_registry(&mut exposition, registry)?;
    }
    text::encode_eof(&mut exposition)?;
    Ok(exposition)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let text_of = |metrics: &Metrics| encoded(&[&metrics.registry]).unwrap();
        let shown = text_of(&metrics);
        assert!(
            shown.contains(&line("Fixed", 1_800_000_000)) && shown.contains(&line("Idle", 1_790_000_000)),
            "{shown}"
        );
        metrics.credential_ends(&name, CredentialEnds { fixed: None, idle: at(1_790_000_000) });
        assert!(!text_of(&metrics).contains("end=\"Fixed\""));
        metrics.forget(&name);
        assert!(!text_of(&metrics).contains("acme"));
    }
}
