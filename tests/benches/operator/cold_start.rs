//! From nothing to everything ready: what it takes the operator, and what it takes the bare client.

use std::time::{Duration, Instant};

use super::{
    Arguments, bare,
    bare::{Bare, Took},
    estate::{Estate, Hosts},
    observer::Observer,
    restart,
    rig::Rig,
    table::{Figure, Row, Table},
    traffic::{Count, Traffic},
};

/// How long what is left may take when all are ready: counts of bindings, and Events.
const SETTLE: Duration = Duration::from_secs(6);

/// How long the operator may take for one connection, before the run is given up.
const LIMIT_EACH: Duration = Duration::from_millis(100);

/// Measures cold starts, and after each a restart.
pub async fn measure(arguments: &Arguments) -> Vec<Table> {
    let (mut cold, mut warm, mut remarks) = (Vec::new(), Vec::new(), Vec::new());
    for size in arguments.sizes_or(&[100], &[100, 1_000, 5_000, 10_000]) {
        let case = Case::run(arguments, size).await;
        println!(
            "{size} connections: ready in {:.2} s, the bare client in {:.2} s",
            case.wall.as_secs_f64(),
            case.bare.wall.as_secs_f64()
        );
        remarks.extend(case.remark());
        cold.push(case.row());
        warm.push(case.restart);
    }
    let title = "a connection, a Secret and a binding each, until all are ready".to_owned();
    vec![
        Table { name: "cold-start", title, rows: cold, remarks },
        Table {
            name: "restart",
            title: "the operator is started anew, and all are ready already".to_owned(),
            rows: warm,
            remarks: Vec::new(),
        },
    ]
}

/// One cold start.
struct Case {
    size: usize,
    wall: Duration,
    processor: Duration,
    base: f64,
    peak: f64,
    /// Memory when it has come to rest, in MiB.
    rest: f64,
    traffic: Traffic,
    bare: Took,
    pace: f64,
    restart: Row,
}

impl Case {
    async fn run(arguments: &Arguments, size: usize) -> Self {
        let rig = Rig::build(arguments).await;
        let base = rig.base().await;
        rig.operator.stop().await.unwrap();
        let estate = Estate::create(&rig.client, &rig.simulator, size, Hosts::Many).await;
        let observer = Observer::start(&rig.client).await;

        let count = Count::begin(&rig, &observer).await;
        let started = Instant::now();
        rig.start().await;
        let limit = Duration::from_secs(60) + LIMIT_EACH * u32::try_from(size).unwrap();
        let ready = observer.until_all_ready(&estate.plots, limit).await;
        let processor = rig.process().processor_time();
        tokio::time::sleep(SETTLE).await;
        let (peak, rest) = (rig.process().peak(), rig.process().memory());
        let traffic = count.end(&rig, &observer, 0).await;

        let restart = restart::measure(&rig, &observer, &estate, arguments.quick).await;
        rig.operator.stop().await.unwrap();
        let client = Bare::new(&rig.control_plane, &rig.simulator, &estate).await;
        estate.reset(&estate.plots).await;
        let took = client.work().await;
        // How quick the machine is, with nobody who looks.
        drop(observer);
        let pace = client.pace().await;
        Self { size, wall: ready - started, processor, base, peak, rest, traffic, bare: took, pace, restart }
    }

    fn remark(&self) -> Option<String> {
        (self.pace < bare::LEAST).then(|| {
            format!(
                "INVALID with {} connections: the bare client manages {:.0} objects/s, and {} are the least for ratios that mean something",
                self.size, self.pace, bare::LEAST
            )
        })
    }

    fn row(&self) -> Row {
        let Self { size, traffic, bare, .. } = self;
        let each = |count: usize| count as f64 / *size as f64;
        let figures = vec![
            Figure::of("time to ready / bare client", self.wall.as_secs_f64() / bare.wall.as_secs_f64(), 2)
                .at_most(1.15),
            Figure::of("time to ready, s", self.wall.as_secs_f64(), 2),
            Figure::of("bare client, s", bare.wall.as_secs_f64(), 2),
            Figure::count("bare client, lanes", bare.lanes),
            Figure::of("bare client, objects/s (read and patch)", self.pace, 0).at_least(bare::LEAST),
            Figure::of("processor time, ms for each", 1000.0 * self.processor.as_secs_f64() / *size as f64, 2),
            Figure::of("bare client, ms for each", 1000.0 * bare.processor.as_secs_f64() / *size as f64, 2),
            Figure::of("status writes for each connection", each(traffic.connection_writes), 3).at_most(2.0),
            Figure::of("status writes for each binding", each(traffic.binding_writes), 3).at_most(1.0),
            Figure::count("most status writes of one object", traffic.most_writes).at_most(2.0),
            Figure::of("status writes that changed nothing", traffic.idle_writes as f64, 0).at_most(0.0),
            Figure::of("Secrets read for each connection", each(traffic.reads), 3).at_most(1.0),
            Figure::of("checks for each connection", each(traffic.checks), 3).at_most(1.0),
            Figure::of("requests to Jira for each connection", each(traffic.jira), 3),
            Figure::of("TCP connections to Jira for each connection", each(traffic.connections), 3),
            Figure::of("Events for each object", each(traffic.events) / 2.0, 3),
            Figure::count("other requests to the API server", traffic.others),
            Figure::of("memory without connections, MiB", self.base, 1).at_most(25.0),
            Figure::of("memory at the peak, MiB", self.peak, 1),
            Figure::of("memory at rest, MiB", self.rest, 1),
            Figure::of("memory at the peak for each, KiB", 1024.0 * (self.peak - self.base) / *size as f64, 1)
                .at_most(8.0),
        ];
        Row { case: size.to_string(), figures }
    }
}
