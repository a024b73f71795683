//! Two operators at once: without an election of the leader, which nobody should do, and with one, of which the first is
//! stopped in the middle of a renewal.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::future::join_all;
use hyper::Method;
use tests::{
    gateway::{Fate, Gateway, Way},
    jira::{self, Fault, Rule},
    operator::{Operator, Settings},
    scene::{Protocol, Scene},
    stage::Stage,
};
use tokio::time::{Instant, sleep};

use super::house::{End, House, at_grant, gateway, settings};

/// How often each connection is renewed while both run.
const ROUNDS: usize = 5;

const LEASE: Duration = Duration::from_secs(4);

/// How long a change of the leader may take.
const CHANGE: Duration = Duration::from_secs(10);

/// How long a connection's Jira is asked nothing before both operators are taken to be at rest.
const REST: Duration = Duration::from_secs(1);

/// Waits until neither operator asks Jira any more. The one that is behind would otherwise find that the token it has just learned of is
/// expired already, which it takes for the end of the grant.
async fn until_nobody_asks(scene: &Scene) {
    let asked = || scene.site.requests(jira::Mark::default()).len();
    let mut before = asked();
    loop {
        sleep(REST).await;
        let now = asked();
        if now == before {
            return;
        }
        before = now;
    }
}

/// A second operator on the stage of a house: pages on any port, as those of the first are in use.
async fn second(stage: &Stage, gateway: &Gateway, more: &[String]) -> Operator {
    let first = settings(stage, gateway);
    let arguments = first.arguments.into_iter().filter(|argument| !argument.starts_with("--pages-address="));
    let arguments = arguments.chain(["--pages-address=127.0.0.1:0".to_owned()]).chain(more.iter().cloned());
    let settings = Settings { arguments: arguments.collect(), ..settings(stage, gateway) };
    Operator::start(settings).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_operators_that_know_nothing_of_each_other_send_no_token_twice() {
    let house = House::open("race").await;
    let protocols = [Protocol::Cloud, Protocol::Center, Protocol::Old];
    let scenes = house.scenes(protocols.into_iter().cycle().take(9).map(|it| (it, ())), House::authorised).await;
    let other_gateway = gateway(&house.stage, &house.ledger);
    let _other = second(&house.stage, &other_gateway, &[]).await;
    for round in 0..ROUNDS {
        join_all(scenes.iter().map(async |(scene, ())| {
            house.expire(scene).await;
            assert_eq!(house.end(scene, &round).await, End::Works, "round {round} on {:?}", scene.protocol);
            house.audit_of_two(scene, &round).await;
            until_nobody_asks(scene).await;
        }))
        .await;
    }
    for (scene, ()) in &scenes {
        let sent = scene.token_requests(jira::Mark::default());
        let shown: Vec<_> = sent.into_iter().filter_map(|entry| entry.presented).collect();
        let distinct: BTreeSet<_> = shown.iter().collect();
        assert_eq!(distinct.len(), shown.len(), "{:?}: a claim is one operator's", scene.protocol);
        assert!(ROUNDS <= shown.len(), "{:?}", scene.protocol);
    }
}

/// Where the leader is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    /// Before the last look reaches the API server.
    BeforeTheLook,
    /// When the answer to it is on its way.
    BeforeItsAnswer,
    /// When the token is at Jira, whose answer is on its way.
    AfterSending,
}

impl Stopped {
    fn expected(self, protocol: Protocol) -> End {
        match (self, protocol) {
            // Jira has acted for a process that may not store the answer any more, and gives it to nobody else.
            (Self::AfterSending, Protocol::Center | Protocol::Old) => End::AnswerLost,
            (Self::BeforeTheLook | Self::BeforeItsAnswer, _) | (Self::AfterSending, Protocol::Cloud) => End::Works,
        }
    }

    /// How often a token is shown to Jira in all.
    fn shown(self) -> usize {
        match self {
            Self::BeforeTheLook | Self::BeforeItsAnswer => 1,
            Self::AfterSending => 2,
        }
    }
}

async fn leads(operator: &Operator) -> bool {
    operator.metrics().await.unwrap().lines().any(|line| line == "jira_operator_leader 1")
}

async fn until_leading(operator: &Operator) {
    let started = Instant::now();
    while !leads(operator).await {
        assert!(started.elapsed() < CHANGE, "does not lead:\n{}", operator.output());
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_stopped_in_the_middle_of_a_renewal_sends_nothing_later() {
    let election = [
        "--leader-election".to_owned(),
        format!("--lease-duration={}s", LEASE.as_secs()),
        "--lease-renew-deadline=3s".to_owned(),
        "--lease-retry-period=400ms".to_owned(),
    ];
    let house = House::open_with("stopped", &election).await;
    until_leading(&house.operator).await;
    let stops = [Stopped::BeforeTheLook, Stopped::BeforeItsAnswer, Stopped::AfterSending];
    let cases = stops.into_iter().flat_map(|stop| [(Protocol::Cloud, stop), (Protocol::Center, stop)]);
    let scenes = house.scenes(cases, House::authorised).await;
    let standby_gateway = Arc::new(gateway(&house.stage, &house.ledger));
    let standby = second(&house.stage, &standby_gateway, &election).await;
    let mark = jira::shared().journal().mark();

    // Those at Jira last, as it is waited for only so long.
    let mut traps = Vec::new();
    for (scene, stop) in &scenes {
        let look = |way| at_grant(scene, Method::GET, Fate::Hold(way)).metadata_only(true).times(1);
        let way = match stop {
            Stopped::BeforeTheLook => Way::There,
            Stopped::BeforeItsAnswer => Way::Back,
            Stopped::AfterSending => continue,
        };
        let trap = house.gateway.set(look(way));
        house.expire(scene).await;
        trap.struck(1).await;
        traps.push(trap);
    }
    for (scene, _) in scenes.iter().filter(|(_, stop)| *stop == Stopped::AfterSending) {
        let (target, path) = scene.token_endpoint();
        let late = Rule::every(Fault::Slow { millis: 3_000 }).on(path).of_client(&scene.client()).first(1);
        jira::shared().fault(&target, late).unwrap();
        house.expire(scene).await;
        house.until_token_request(scene, mark, 1).await;
    }
    house.operator.pause().unwrap();
    until_leading(&standby).await;

    let outcomes = join_all(scenes.iter().map(async |(scene, stop)| house.end(scene, stop).await)).await;
    let shown = |scene: &Scene| scene.token_requests(mark).iter().filter(|it| it.presented.is_some()).count();
    for (scene, stop) in &scenes {
        assert_eq!(shown(scene), stop.shown(), "{stop:?} on {:?}: the second has renewed", scene.protocol);
    }
    traps.iter().for_each(tests::gateway::Trap::release);
    house.operator.resume().unwrap();
    assert_eq!(house.operator.ended(CHANGE).await.unwrap(), Some(1), "it has lost the lease");
    for ((scene, stop), end) in scenes.iter().zip(outcomes) {
        println!("{:<8} {stop:<18?} {end:?}", format!("{:?}", scene.protocol));
        assert_eq!(end, stop.expected(scene.protocol), "{stop:?} on {:?}", scene.protocol);
        assert_eq!(shown(scene), stop.shown(), "{stop:?} on {:?}: nothing was sent later", scene.protocol);
        if end == End::Works {
            house.renews(scene, stop).await;
        }
        house.audit(scene, stop).await;
    }
}
