//! Rounds, one after the other, until the time is over.
//!
//! `SEED` repeats one round in full. Without it, rounds of the file of seeds are repeated, and fresh ones tried, for
//! `CHAOS_SECONDS`; where that is not set, there is one short round, for `make test`. `CHAOS_RECORD=1` adds fresh ones to
//! the file, and repeats none.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, future::join_all, stream};
use tests::{
    dice::{self, Dice},
    jira::{self, Mark},
    scene::{Protocol, Scene},
};
use tokio::time::sleep;

use super::{
    ground::Ground,
    plan::{Life, Plan, Scale},
    reader::{self, Bookmark},
    world::{PERSON, Weather, World},
};

/// The rounds that were run, each with the seed, the number of its worlds, and the digest of their end.
const SEEDS: &str = include_str!("seeds");

/// The same to write to.
const SEEDS_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chaos/seeds");

/// How long the last word on everything may take once all is calm: counts of bindings are written alone at most once a minute,
/// a claim of a dead process is waited for, and a watch that failed for long is tried again only now and then.
const SETTLE: Duration = Duration::from_secs(120);

/// How many worlds are made at the same time.
const AT_ONCE: usize = 6;

/// How much more memory the operator may hold at the end than after the first round, in bytes.
const GROWTH: u64 = 24 << 20;

const POLL: Duration = Duration::from_millis(500);

/// A line of the file of seeds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    seed: u64,
    worlds: usize,
    digest: String,
}

impl Record {
    fn all() -> Vec<Self> {
        let lines = SEEDS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(Self::parse).collect()
    }

    fn parse(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap_or_else(|| panic!("the file of seeds has the line {line:?}"));
        Self { seed: word().parse().unwrap(), worlds: word().parse().unwrap(), digest: word().to_owned() }
    }
}

/// Whether fresh rounds are added to the file of seeds. Then no round is repeated.
fn is_recording() -> bool {
    std::env::var_os("CHAOS_RECORD").is_some()
}

/// Adds a round to the file of seeds, where that is wanted.
fn record(Record { seed, worlds, digest }: &Record) {
    if is_recording() {
        let mut file = fs::OpenOptions::new().append(true).open(SEEDS_FILE).unwrap();
        writeln!(file, "{seed} {worlds} {digest}").unwrap();
    }
}

/// Worlds of this life, made side by side.
async fn made(ground: &Ground, lives: &[Life]) -> Vec<World> {
    stream::iter(lives.iter().map(|life| World::new(ground, life))).buffered(AT_ONCE).collect().await
}

/// Lets everything happen, and then everything get well.
async fn storm(ground: &Ground, plan: &Plan, worlds: &mut [World]) {
    let deeds = worlds.iter_mut().zip(&plan.worlds).map(|(world, life)| world.live(ground, life, Weather::Rough));
    let disturbances = async {
        for (pause, disturbance) in &plan.disturbances {
            sleep(*pause).await;
            let started = Instant::now();
            disturbance.befall(ground).await;
            println!("    {disturbance:?} took {:.1} s", started.elapsed().as_secs_f32());
        }
    };
    futures::join!(join_all(deeds), disturbances);
    worlds.iter().for_each(World::heal);
    ground.gateway.clear();
    ground.replicas.leader().await;
}

/// Waits until everything says its last word, which is that of the twins, and returns what the twins say.
async fn settled(ground: &Ground, worlds: &[World], twins: &[World]) -> Vec<BTreeMap<String, serde_json::Value>> {
    let started = Instant::now();
    let each = worlds.iter().zip(twins).map(async |(world, twin)| {
        loop {
            let all = [world.objects().await, twin.objects().await].concat();
            let finals = all.iter().all(|(_, _, seen)| reader::is_final(seen));
            let (end, fair) = (reader::essence(world).await, reader::essence(twin).await);
            if finals && end == fair {
                return fair;
            }
            if SETTLE < started.elapsed() {
                let different: Vec<_> = end.iter().filter(|(name, status)| fair.get(*name) != Some(*status)).collect();
                let unfinished: Vec<_> = all.iter().filter(|(_, _, seen)| !reader::is_final(seen)).collect();
                let expected: Vec<_> = different.iter().map(|(name, _)| fair.get(*name)).collect();
                let told = ground.told(&world.stage.namespace);
                panic!(
                    "{} differs from {}: {different:#?}\nundisturbed: {expected:#?}\nunfinished: {unfinished:#?}\n{told}",
                    world.stage.namespace, twin.stage.namespace
                );
            }
            sleep(POLL).await;
        }
    });
    join_all(each).await
}

/// Where an answer of a Data Center got lost, a person authorises again. Returns in how many worlds.
async fn authorised_again(ground: &Ground, worlds: &[World], mark: Mark) -> usize {
    let each = worlds.iter().map(async |world| match &world.scene {
        Some(scene) if is_lost(ground, scene, mark).await => {
            scene.admit(&format!("again-{mark:?}")).await;
            1
        }
        Some(_) | None => 0,
    });
    join_all(each).await.into_iter().sum()
}

/// Whether a grant was lost. That is a failure unless Jira gave an answer that nobody received, and gives it only once.
async fn is_lost(ground: &Ground, scene: &Scene, mark: Mark) -> bool {
    let started = Instant::now();
    loop {
        let seen = scene.now().await;
        // Within the grace it is not known yet: a claim that a dead process has left is waited for.
        if reader::is_final(&seen) && seen.reason() == "ConnectionVerified" {
            return false;
        }
        if reader::is_final(&seen) && seen.reason() == "GrantRevoked" {
            let message = seen.message();
            assert!(message.contains("was lost") && message.contains("kubectl jira authorize"), "{message}");
            let (protocol, lost) = (scene.protocol, ground.ledger.lost(scene, mark));
            assert!(protocol != Protocol::Cloud && lost, "{} on {protocol:?}: {message}", scene.stage.namespace);
            return true;
        }
        let told = ground.told(&scene.stage.namespace);
        assert!(started.elapsed() < SETTLE, "{PERSON} does not come to rest: {:#}\n{told}", seen.0["status"]);
        sleep(POLL).await;
    }
}

/// One round. Returns the digest of its end.
async fn round(ground: &Ground, plan: &Plan) -> String {
    let (from, mark, started) = (Bookmark::at_the_end(ground).await, jira::shared().journal().mark(), Instant::now());
    let mut worlds = made(ground, &plan.worlds).await;
    println!("  {} worlds after {:.1} s", worlds.len(), started.elapsed().as_secs_f32());
    storm(ground, plan, &mut worlds).await;
    println!("  calm after {:.1} s", started.elapsed().as_secs_f32());
    for world in &mut worlds {
        world.mend().await;
        world.ask().await;
    }
    let again = authorised_again(ground, &worlds, mark).await;
    let mut twins = made(ground, &plan.worlds).await;
    join_all(twins.iter_mut().zip(&plan.worlds).map(async |(twin, life)| {
        twin.live(ground, life, Weather::Fair).await;
        twin.mend().await;
        twin.ask().await;
    }))
    .await;
    println!("  twins after {:.1} s", started.elapsed().as_secs_f32());
    // The twins have bound since.
    for world in &mut worlds {
        world.ask().await;
    }
    let ends = settled(ground, &worlds, &twins).await;
    println!("  settled after {:.1} s, {again} authorised again", started.elapsed().as_secs_f32());
    reader::judge(ground, &worlds, from).await;
    for world in worlds.iter().chain(&twins) {
        world.end().await;
    }
    reader::digested(&ends)
}

/// Which rounds are run, one after the other.
fn rounds(scale: Scale) -> impl Iterator<Item = (u64, Option<String>)> {
    let records = if scale == Scale::Full { Record::all() } else { Vec::new() };
    let mut dice = Dice::new(dice::seed());
    let asked = dice::given_seed().filter(|_| scale == Scale::Full);
    let known = move |seed: u64| records.iter().find(|record| record.seed == seed).map(|record| record.digest.clone());
    let all = Record::all();
    let mut number = 0;
    let next = move || {
        number += 1;
        if let Some(asked) = asked {
            return (number == 1).then_some(asked);
        }
        // By turns one that was run before and a fresh one.
        let old = (scale == Scale::Full && number % 2 == 1 && !all.is_empty() && !is_recording()).then(|| {
            let index = usize::try_from(dice.seed() % (all.len() as u64)).unwrap();
            all[index].seed
        });
        Some(old.unwrap_or_else(|| dice.seed() >> 24))
    };
    std::iter::from_fn(next).map(move |seed| (seed, known(seed)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_the_end_is_that_of_an_undisturbed_life() {
    let seconds = std::env::var("CHAOS_SECONDS").ok().map(|text| text.parse().unwrap());
    let full = seconds.is_some() || dice::given_seed().is_some();
    let (scale, limit) =
        if full { (Scale::Full, Duration::from_secs(seconds.unwrap_or(0))) } else { (Scale::Short, Duration::ZERO) };
    let started = Instant::now();
    let ground = Ground::open("chaos").await;
    let (mut base, mut scenarios) = (None, 0);
    for (seed, known) in rounds(scale) {
        let plan = Plan::thrown(seed, scale);
        let names: Vec<_> = plan.disturbances.iter().map(|(_, disturbance)| disturbance.name()).collect();
        println!("SEED={seed} {names:?}");
        let digest = round(&ground, &plan).await;
        let memory = ground.replicas.memory().await;
        println!("SEED={seed} ends in {digest}; the operator holds {} KiB", memory >> 10);
        assert!(known.as_ref().is_none_or(|known| *known == digest), "SEED={seed} has ended in {known:?} before");
        base = base.or(Some(memory));
        scenarios += plan.worlds.len();
        if scale == Scale::Full && known.is_none() {
            record(&Record { seed, worlds: plan.worlds.len(), digest });
        }
        if limit <= started.elapsed() {
            break;
        }
    }
    println!("{scenarios} scenarios in {} s", started.elapsed().as_secs());
    let orphaned = Instant::now();
    let mut orphans = reader::orphans(&ground.stage).await;
    while !orphans.is_empty() {
        assert!(orphaned.elapsed() < SETTLE, "Secrets without their connection: {orphans:?}");
        sleep(POLL).await;
        orphans = reader::orphans(&ground.stage).await;
    }
    let memory = ground.replicas.memory().await;
    assert!(memory < base.unwrap_or_default() + GROWTH, "memory has grown from {base:?} to {memory}");
}

#[test]
fn a_seed_says_all_that_will_happen() {
    let plan = |seed| format!("{:?}", Plan::thrown(seed, Scale::Full));
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7), plan(8));
}

#[test]
fn no_seed_is_recorded_twice() {
    let mut seeds: Vec<_> = Record::all().into_iter().map(|record| (record.seed, record.worlds)).collect();
    let count = seeds.len();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), count);
}
