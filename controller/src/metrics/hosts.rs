//! Requests to Jira, and what of the budget of each host is left, as they stand when somebody asks.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{
    catalogue::{self, register},
    empty,
};
use crate::jira::{Endpoint, HostBudget, OutcomeClass};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    endpoint: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HostLabels {
    host: String,
}

pub(super) fn registry(requests: &[(Endpoint, OutcomeClass, u64)], budgets: &[HostBudget]) -> Registry {
    let mut registry = empty();
    let counted = Family::<RequestLabels, Counter>::default();
    for (endpoint, outcome, count) in requests {
        let labels = RequestLabels { endpoint: endpoint.template(), outcome: outcome.label() };
        counted.get_or_create(&labels).inc_by(*count);
    }
    register(&mut registry, &catalogue::JIRA_REQUESTS, counted);
    let (available, in_flight) = (Family::<HostLabels, Gauge>::default(), Family::<HostLabels, Gauge>::default());
    let scarce = Family::<HostLabels, Gauge>::default();
    let pause = Family::<HostLabels, Gauge<f64, AtomicU64>>::default();
    for budget in budgets {
        let labels = HostLabels { host: budget.host.clone() };
        available.get_or_create(&labels).set(i64::from(budget.available));
        in_flight.get_or_create(&labels).set(i64::from(budget.in_flight));
        scarce.get_or_create(&labels).set(i64::from(budget.scarce));
        pause.get_or_create(&labels).set(budget.pause.as_secs_f64());
    }
    register(&mut registry, &catalogue::HOST_AVAILABLE, available);
    register(&mut registry, &catalogue::HOST_IN_FLIGHT, in_flight);
    register(&mut registry, &catalogue::HOST_PAUSE, pause);
    register(&mut registry, &catalogue::HOST_SCARCE, scarce);
    registry
}
