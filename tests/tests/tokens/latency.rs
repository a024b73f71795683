//! How long it takes from a recorded callback to the token request, also while many other connections start cold.
//!
//! `TOKEN_CALLBACKS` says how many callbacks there are, `TOKEN_COLD` how many other connections, which have the same Jiras.

use std::time::Duration;

use futures::{StreamExt as _, future::join_all, stream};
use serde_json::json;
use tests::{
    jira::Mark,
    scene::{Protocol, Scene},
    stage::{ACCOUNT, Kind},
};

use super::house::House;

/// How many callbacks are waited for at the same time.
const PEOPLE: usize = 10;

/// Callbacks where `TOKEN_CALLBACKS` says nothing.
const CALLBACKS: usize = 20;

/// Other connections where `TOKEN_COLD` says nothing.
const COLD: usize = 60;

/// Of a hundred people, at most one waits longer.
const LIMIT: Duration = Duration::from_secs(2);

fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}

/// Each person authorises anew, as often as needed. Returns what each callback waited for its token request, sorted.
async fn waits(house: &House, scenes: &[(Scene, ())], callbacks: usize, what: &str) -> Vec<Duration> {
    let (mark, answers) = (tests::jira::shared().journal().mark(), house.ledger.answers().len());
    join_all(scenes.iter().enumerate().map(async |(number, (scene, ()))| {
        for round in 0..callbacks.div_ceil(scenes.len()) {
            let key = format!("{what}-{number}-{round}");
            scene.authorise(&scene.person(ACCOUNT), &key).await;
            assert_eq!(scene.outcome(&key).await["result"], "Granted");
        }
    }))
    .await;
    let answers = house.ledger.answers().split_off(answers);
    let wait = |(namespace, at): &(String, k8s_openapi::jiff::Timestamp)| {
        let (scene, ()) = scenes.iter().find(|(scene, ())| scene.stage.namespace == *namespace).unwrap();
        let requests = scene.token_requests(mark.max(Mark::default()));
        // A renewal is no exchange.
        let mut exchanges = requests.iter().filter(|entry| entry.presented.is_none() && entry.issued.is_some());
        let exchange = exchanges.find(|entry| *at <= entry.at).unwrap();
        Duration::try_from(exchange.at.duration_since(*at)).unwrap()
    };
    let mut waits: Vec<_> = answers.iter().map(wait).collect();
    waits.sort_unstable();
    waits
}

fn report(what: &str, waits: &[Duration]) -> Duration {
    // The nearest rank: of a hundred, the second longest is left out by nobody.
    let rank = |percent: usize| waits[(waits.len() * percent).div_ceil(100) - 1];
    let [half, most, all] = [50, 99, 100].map(rank);
    println!("{what:<24} {:>4} callbacks   p50 {half:>9.0?}   p99 {most:>9.0?}   longest {all:>9.0?}", waits.len());
    most
}

/// Connections with a personal access token or an API token, to the Jiras of the scenes.
async fn others(scenes: &[(Scene, ())], count: usize) {
    let made = (0..count).map(async |number| {
        let (scene, ()) = &scenes[number % scenes.len()];
        let name = format!("other-{number}");
        let mut spec = scene.site.spec("other");
        spec["permissions"] = json!({ "projects": ["WEB"] });
        spec["headers"] = scene.spec()["headers"].clone();
        if spec["headers"].is_null() {
            spec.as_object_mut().unwrap().remove("headers");
        }
        scene.stage.apply(Kind::Connection, &name, spec).await;
    });
    stream::iter(made).buffer_unordered(PEOPLE).collect::<Vec<()>>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_is_answered_at_once_also_while_many_connections_start_cold() {
    let (callbacks, cold) = (number("TOKEN_CALLBACKS", CALLBACKS), number("TOKEN_COLD", COLD));
    let house = House::open("latency").await;
    let protocols = [Protocol::Center, Protocol::Cloud].into_iter().cycle().take(PEOPLE.min(callbacks));
    let scenes = house.scenes(protocols.map(|protocol| (protocol, ())), House::authorised).await;
    let quiet = report("quiet", &waits(&house, &scenes, callbacks, "quiet").await);

    for (scene, ()) in &scenes {
        scene.stage.secret("other", scene.site.credential()).await;
    }
    others(&scenes, cold).await;
    let busy = report(&format!("{cold} others start cold"), &waits(&house, &scenes, callbacks, "busy").await);
    let ready = join_all((0..cold).map(async |number| {
        let (scene, ()) = &scenes[number % scenes.len()];
        scene.stage.get(Kind::Connection, &format!("other-{number}")).await.is("Ready")
    }));
    let warm = ready.await.into_iter().filter(|ready| *ready).count();
    println!("{warm} of the {cold} others are ready when the last person is");
    assert!(quiet <= LIMIT && busy <= LIMIT, "p99 is over {LIMIT:?}");
}
