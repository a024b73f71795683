//! The operator is started anew while everything is ready: it shall be back at work at once, and disturb nobody.

use std::time::{Duration, Instant};

use kube::{
    Api,
    api::{DynamicObject, ListParams},
};
use tests::stage::Kind;

use super::{
    estate::{Estate, resource},
    observer::Observer,
    rig::Rig,
    table::{Figure, Row},
    traffic::Count,
};

/// How long is looked at what it does.
const LOOK: Duration = Duration::from_secs(20);

/// Where time is short.
const GLANCE: Duration = Duration::from_secs(4);

/// Time between two checks of every connection.
const INTERVAL: Duration = Duration::from_secs(300);

/// Measures a restart.
pub async fn measure(rig: &Rig, observer: &Observer, estate: &Estate, quick: bool) -> Row {
    let look = if quick { GLANCE } else { LOOK };
    let list = list(rig).await;
    let count = Count::begin(rig, observer).await;
    let ready = rig.start().await;
    tokio::time::sleep(look).await;
    let processor = rig.process().processor_time();
    let traffic = count.end(rig, observer, 0).await;
    let size = estate.plots.len() as f64;
    let share = look.as_secs_f64() / INTERVAL.as_secs_f64();
    let figures = vec![
        Figure::of("ready for work, s", ready.as_secs_f64(), 2).at_most(1.0 + list.as_secs_f64()),
        Figure::of("listing both kinds takes, s", list.as_secs_f64(), 2),
        Figure::count("status writes", traffic.connection_writes + traffic.binding_writes).at_most(0.0),
        Figure::count("Events", traffic.events).at_most(0.0),
        Figure::count("other requests to the API server", traffic.others).at_most(0.0),
        Figure::of("Secrets read for each connection", traffic.reads as f64 / size, 3).at_most(1.0),
        // Twice the even share: what is spread by chance comes in clusters.
        Figure::of("checks soon after for each connection", traffic.checks as f64 / size, 3).at_most(2.0 * share),
        Figure::of("processor time until then, s", processor.as_secs_f64(), 2),
        Figure::of("memory at the peak, MiB", rig.process().peak(), 1),
    ];
    Row { case: estate.plots.len().to_string(), figures }
}

/// How long the API server takes to list everything.
async fn list(rig: &Rig) -> Duration {
    let started = Instant::now();
    for kind in [Kind::Connection, Kind::Binding] {
        let api: Api<DynamicObject> = Api::all_with(rig.client.clone(), &resource(kind));
        api.list(&ListParams::default()).await.unwrap();
    }
    started.elapsed()
}
