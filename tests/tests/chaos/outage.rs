//! Jiras are down for a while, and come back to many who have waited.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, future::join_all, stream};
use serde_json::json;
use tests::{
    jira::{Entry, Fault, Rule},
    stage::{Kind, Site, Way},
};
use tokio::time::sleep;

use super::{full, ground::Ground};

/// What the operator asks of one host at most, as its contract says: so many requests a second, and two seconds' worth at once.
const PER_SECOND: usize = 20;
const AT_ONCE: usize = 40;

/// What the journal's clock may add: requests are noted when they are answered.
const SLACK: usize = 10;

/// How long the last connection may take to come back: the longest backoff, with its jitter.
const BACK: Duration = Duration::from_secs(400);

#[derive(Clone, Copy, Debug)]
struct Extent {
    sites: usize,
    connections_each: usize,
    outage: Duration,
}

fn extent() -> Extent {
    if full() {
        Extent { sites: 20, connections_each: 50, outage: Duration::from_secs(45) }
    } else {
        Extent { sites: 2, connections_each: 40, outage: Duration::from_secs(6) }
    }
}

/// The most requests within any time of this length.
fn most_within(requests: &[Entry], time: Duration) -> usize {
    let times: Vec<_> = requests.iter().map(|entry| entry.elapsed_millis).collect();
    let window = u64::try_from(time.as_millis()).unwrap();
    let counts = times.iter().map(|begin| times.iter().filter(|it| (*begin..begin + window).contains(*it)).count());
    counts.max().unwrap_or_default()
}

async fn until_ready(ground: &Ground, sites: &[Site], extent: Extent) {
    let (stage, started) = (&ground.stage, Instant::now());
    loop {
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for seen in stage.list(Kind::Connection).await {
            *reasons.entry(seen.reason().to_owned()).or_default() += 1;
        }
        if reasons.get("ConnectionVerified") == Some(&(sites.len() * extent.connections_each)) {
            return println!("all ready after {:.1} s", started.elapsed().as_secs_f32());
        }
        assert!(started.elapsed() < BACK, "{reasons:?}\n{}", ground.told(&stage.namespace));
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_an_outage_ends_nobody_asks_faster_than_the_budget_and_everything_works_again() {
    let (ground, extent) = (Ground::open("outage").await, extent());
    let stage = &ground.stage;
    let sites: Vec<_> = (0..extent.sites)
        .map(|number| stage.site(&format!("site-{number}"), Way::PersonalAccessToken, &["WEB"]))
        .collect();
    join_all(sites.iter().map(async |site| {
        let name = &site.name;
        stage.secret(name, site.credential()).await;
        let connections = (0..extent.connections_each).map(|number| {
            let mut spec = site.spec(name);
            spec["checks"] = json!({ "interval": "1m", "timeout": "3s", "grace": "0s" });
            (format!("{name}-{number}"), spec)
        });
        let applied = connections.map(async |(name, spec)| stage.apply(Kind::Connection, &name, spec).await);
        stream::iter(applied).buffer_unordered(2).collect::<Vec<_>>().await;
    }))
    .await;
    until_ready(&ground, &sites, extent).await;

    let down = stage.simulator().journal().mark();
    for site in &sites {
        stage.simulator().fault(&site.name, Rule::every(Fault::CutBeforeAnswer)).unwrap();
    }
    // Somebody is worried, so that the outage is noticed at once.
    let wish = json!({ "metadata": { "annotations": { crds::REQUESTED_AT: "worried" } } });
    join_all(sites.iter().map(async |site| {
        for number in 0..extent.connections_each {
            stage.merge(Kind::Connection, &format!("{}-{number}", site.name), wish.clone()).await;
        }
    }))
    .await;
    sleep(extent.outage).await;
    let up = stage.simulator().journal().mark();
    for site in &sites {
        stage.simulator().heal(&site.name).unwrap();
    }
    until_ready(&ground, &sites, extent).await;

    let mut most = [0, 0, 0];
    for site in &sites {
        let (in_it, after) = (site.requests(down), site.requests(up));
        let during = in_it.len() - after.len();
        let [second, ten] = [Duration::from_secs(1), Duration::from_secs(10)].map(|time| most_within(&after, time));
        assert!(second <= PER_SECOND + AT_ONCE + SLACK, "{second} requests in a second");
        assert!(ten <= 10 * PER_SECOND + AT_ONCE + SLACK, "{ten} requests in ten seconds");
        // Each tries after 5, 10, 20 … seconds, every time once, and hears from nobody.
        let tries = usize::try_from((extent.outage.as_secs() / 5 + 2).ilog2()).unwrap() + 2;
        assert!(during <= extent.connections_each * tries, "{during} requests into the void");
        most = [most[0].max(second), most[1].max(ten), most[2].max(during)];
    }
    println!("at one Jira: {} requests in a second, {} in ten, {} while it was down", most[0], most[1], most[2]);
}
