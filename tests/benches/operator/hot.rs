//! One connection that somebody edits a hundred times a second.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::stage::Kind;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Arguments,
    estate::{Estate, Hosts, Plot, Token},
    observer::{Observer, Seen},
    quantile::millis,
    rig::Rig,
    table::{Figure, Row, Table},
    traffic::Count,
};

/// Connections beside it.
const OTHERS: usize = 100;

/// Time between two edits.
const PAUSE: Duration = Duration::from_millis(10);

const SETTLE: Duration = Duration::from_secs(4);

/// Measures.
pub async fn measure(arguments: &Arguments) -> Table {
    let mut rows = Vec::new();
    for edits in arguments.sizes_or(&[200], &[1_000]) {
        rows.push(row(arguments, edits).await);
    }
    let title = format!("edits of one connection, {} ms apart, beside {OTHERS} others", PAUSE.as_millis());
    Table { name: "hot", title, rows, remarks: Vec::new() }
}

async fn row(arguments: &Arguments, edits: usize) -> Row {
    let rig = Rig::build(arguments).await;
    let estate = Estate::create(&rig.client, &rig.simulator, OTHERS + 1, Hosts::Many).await;
    let observer = Observer::start(&rig.client).await;
    rig.start().await;
    observer.until_all_ready(&estate.plots, Duration::from_secs(60)).await;
    tokio::time::sleep(SETTLE).await;
    let (hot, others) = estate.plots.split_first().unwrap();
    // Those with another Jira: the hot one uses up the budget of its own.
    let others: Vec<_> = others.iter().filter(|plot| plot.site != hot.site).collect();

    let quiet = rotations(&estate, &observer, &others, 0, PAUSE * u32::try_from(edits).unwrap() / 4).await;
    let (process, mark) = (rig.process(), rig.simulator.journal().mark());
    let (count, before) = (Count::begin(&rig, &observer).await, process.processor_time());
    let started = Instant::now();
    let (late, busy) = tokio::join!(
        edit(&estate, hot, edits),
        rotations(&estate, &observer, &others, quiet.len(), PAUSE * u32::try_from(edits).unwrap())
    );
    let edited = started.elapsed();
    let last = format!("{}s", timeout(edits - 1));
    let settled = observer.until(Kind::Connection, hot, Seen::is_ready).await;
    tokio::time::sleep(SETTLE).await;
    let processor = process.processor_time().saturating_sub(before);
    let effective = estate.statuses(Kind::Connection).await[&(hot.namespace.clone(), hot.name.clone())].clone();
    let won = effective["effective"]["timeout"] == json!(last);
    let traffic = count.end(&rig, &observer, edits).await;
    let asked = rig.simulator.journal().of(&hot.site, mark).len();
    let [quiet, busy] = [quiet, busy].map(|times| [50, 99].map(|percent| millis(&times, percent)));
    let figures = vec![
        Figure::of("editing took, s", edited.as_secs_f64(), 1),
        Figure::count("edits that came late", late),
        Figure::of("last edit to its status, s", settled.saturating_duration_since(started + edited).as_secs_f64(), 2),
        Figure::count("the last edit won", usize::from(won)).at_least(1.0),
        Figure::count("most status writes of one object", traffic.most_writes).at_most(edits as f64),
        // The budget of a host: 40 at once, and 20 a second.
        Figure::count("requests to its Jira", asked).at_most(40.0 + 20.0 * (edited + SETTLE).as_secs_f64()),
        Figure::of("status writes that changed nothing", traffic.idle_writes as f64, 0).at_most(0.0),
        Figure::of("processor time, s", processor.as_secs_f64(), 2),
        Figure::of("others, Secret to status, p50, ms", busy[0], 1),
        Figure::of("others, p50 / quiet", busy[0] / quiet[0], 2).at_most(2.0),
        Figure::of("others, p99 / quiet", busy[1] / quiet[1], 2).at_most(2.0),
    ];
    Row { case: edits.to_string(), figures }
}

/// A timeout that differs from that of the edit before.
fn timeout(number: usize) -> usize {
    10 + number % 50
}

/// Edits it again and again. Returns how many edits came late.
async fn edit(estate: &Estate, hot: &Plot, edits: usize) -> usize {
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut late = 0;
    for number in 0..edits {
        let due = ticks.tick().await;
        late += usize::from(PAUSE * 5 < due.elapsed());
        let patch = json!({ "spec": { "checks": { "timeout": format!("{}s", timeout(number)) } } });
        estate.merge(Kind::Connection, hot, patch).await;
    }
    late
}

/// Changes Secrets of the others for a time, one after another and after `first` that were changed before. Returns how long each
/// took to show.
async fn rotations(
    estate: &Estate,
    observer: &Observer,
    others: &[&Plot],
    first: usize,
    time: Duration,
) -> Vec<Duration> {
    let started = Instant::now();
    let mut times = Vec::new();
    while started.elapsed() < time {
        let number = first + times.len();
        let plot = others[number % others.len()];
        let token = Token::turn(number, others.len());
        let version = estate.rotate(plot, token).await;
        let told = Instant::now();
        let wanted = |seen: &Seen| seen.is_ready() && seen.secret() == Some(&version);
        times.push(observer.until(Kind::Connection, plot, wanted).await.saturating_duration_since(told));
        tokio::time::sleep(PAUSE * 5).await;
    }
    times
}
