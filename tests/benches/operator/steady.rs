//! When nothing happens: what the operator uses up, and what it asks of whom.
//!
//! The operator has no clock that could be turned, so an hour is not waited for: the shortest interval between two checks that the
//! API allows is a fifth of the usual one, and one of it passes. An hour at the usual interval has twelve.

use std::time::Duration;

use serde_json::json;
use tests::stage::Kind;

use super::{
    Arguments,
    estate::{Estate, Hosts, each},
    observer::Observer,
    rig::Rig,
    table::{Figure, Row, Table},
    traffic::Count,
};

/// An interval of a minute with the most that its spread adds.
const WINDOW: Duration = Duration::from_secs(66);

/// Where time is short.
const GLANCE: Duration = Duration::from_secs(8);

/// How long what comes after the last object is ready may take, where time is short: counts of bindings, and Events. Otherwise it is an
/// interval: good news is told 20 times a second, and the second check asks what the first has left for later, once a day.
const SETTLE: Duration = Duration::from_secs(6);

/// Checks of each connection in an hour, at the usual interval of five minutes.
const CHECKS_AN_HOUR: f64 = 12.0;

/// Measures.
pub async fn measure(arguments: &Arguments) -> Table {
    let mut rows = Vec::new();
    for size in arguments.sizes_or(&[20], &[1_000, 10_000]) {
        rows.push(row(arguments, size).await);
    }
    let title = "all are ready and nothing happens but one check of each".to_owned();
    Table { name: "steady", title, rows, remarks: Vec::new() }
}

async fn row(arguments: &Arguments, size: usize) -> Row {
    let rig = Rig::build(arguments).await;
    let estate = Estate::create(&rig.client, &rig.simulator, size, Hosts::Many).await;
    let often = json!({ "spec": { "checks": { "interval": "1m" } } });
    each(&estate.plots, async |plot| estate.merge(Kind::Connection, plot, often.clone()).await).await;
    let observer = Observer::start(&rig.client).await;
    rig.start().await;
    let limit = Duration::from_secs(60) + Duration::from_millis(100) * u32::try_from(size).unwrap();
    observer.until_all_ready(&estate.plots, limit).await;
    let (settle, window) = if arguments.quick { (SETTLE, GLANCE) } else { (WINDOW, WINDOW) };
    tokio::time::sleep(settle).await;

    let process = rig.process();
    let (count, before) = (Count::begin(&rig, &observer).await, process.processor_time());
    tokio::time::sleep(window).await;
    let processor = process.processor_time().saturating_sub(before);
    let traffic = count.end(&rig, &observer, 0).await;

    let checks = traffic.checks.max(1) as f64;
    let mut figures = vec![
        Figure::count("status writes", traffic.connection_writes + traffic.binding_writes).at_most(0.0),
        Figure::count("Events", traffic.events).at_most(0.0),
        Figure::count("Secrets read", traffic.reads).at_most(0.0),
        Figure::count("other requests to the API server", traffic.others).at_most(0.0),
        Figure::count("watches begun anew", traffic.watches),
        Figure::of("checks of each connection", traffic.checks as f64 / size as f64, 2),
        Figure::of("processor time, % of one", 100.0 * processor.as_secs_f64() / window.as_secs_f64(), 2),
        Figure::of("memory, MiB", process.memory(), 1),
    ];
    if 0 < traffic.checks {
        figures.extend([
            Figure::of("requests to Jira for each check", traffic.jira as f64 / checks, 2).at_most(2.0),
            Figure::of("TCP connections to Jira for each check", traffic.connections as f64 / checks, 2),
            Figure::of("processor time, ms for each check", 1000.0 * processor.as_secs_f64() / checks, 3),
            Figure::of(
                "processor time in an hour at 5m, s",
                processor.as_secs_f64() / checks * size as f64 * CHECKS_AN_HOUR,
                0,
            ),
        ]);
    }
    Row { case: size.to_string(), figures }
}
