//! One slow Jira for all connections: its budget is the bound, and shall be used up.

use std::time::{Duration, Instant};

use tests::jira::Entry;

use super::{
    Arguments,
    estate::{Estate, Hosts},
    observer::Observer,
    rig::Rig,
    table::{Figure, Row, Table},
    traffic::Count,
};

/// Time that the Jira takes for each answer, in milliseconds.
const LATENCY: u32 = 200;

/// Requests a second that the operator allows itself at one host, and how many at once after a quiet time.
const BUDGET: (f64, f64) = (20.0, 40.0);

/// Measures.
pub async fn measure(arguments: &Arguments) -> Table {
    let mut rows = Vec::new();
    for size in arguments.sizes_or(&[30], &[100, 1_000]) {
        let rig = Rig::build(arguments).await;
        let estate = Estate::create(&rig.client, &rig.simulator, size, Hosts::One { latency: LATENCY }).await;
        let observer = Observer::start(&rig.client).await;
        let (mark, count) = (rig.simulator.journal().mark(), Count::begin(&rig, &observer).await);
        let started = Instant::now();
        rig.start().await;
        let limit = Duration::from_secs(60) + Duration::from_millis(500) * u32::try_from(size).unwrap();
        let ready = observer.until_all_ready(&estate.plots, limit).await;
        let requests = rig.simulator.journal().since(mark);
        let traffic = count.end(&rig, &observer, 0).await;
        let figures = vec![
            Figure::of("share of the budget that was used", share(&requests), 3).at_least(0.95).at_most(1.02),
            Figure::of("time to ready, s", (ready - started).as_secs_f64(), 1),
            Figure::of("requests to Jira for each connection", requests.len() as f64 / size as f64, 2),
            Figure::of("status writes for each connection", traffic.connection_writes as f64 / size as f64, 3),
            Figure::count("TCP connections to Jira", traffic.connections).at_most(8.0),
            Figure::of("status writes that changed nothing", traffic.idle_writes as f64, 0).at_most(0.0),
            Figure::of("memory at the peak, MiB", rig.process().peak(), 1),
        ];
        rows.push(Row { case: size.to_string(), figures });
    }
    let title = format!("one Jira for all, over TLS, which takes {LATENCY} ms for each answer");
    Table { name: "one-host", title, rows, remarks: Vec::new() }
}

/// Requests that were answered between the first and the last answer, as a share of what the budget allows in that time.
fn share(requests: &[Entry]) -> f64 {
    let (Some(first), Some(last)) = (requests.first(), requests.last()) else { return 0.0 };
    let seconds = (last.elapsed_millis - first.elapsed_millis) as f64 / 1000.0;
    requests.len() as f64 / (BUDGET.1 + BUDGET.0 * seconds)
}
