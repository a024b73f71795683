//! The operator is killed at every step of a renewal, before and after each outside effect.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use hyper::Method;
use serde_json::json;
use tests::{
    gateway::{Fate, Trap, Way},
    jira::{self, Fault, Rule},
    scene::{Protocol, Scene},
};
use tokio::time::{Instant, sleep_until};

use super::house::{End, House, at_authorization, at_grant};

/// How long the network holds a request back: until its repetition is stored for sure.
const OVERDUE: Duration = Duration::from_secs(60);

/// Where the operator dies. `There`: the effect has not happened; `Back`: it has, and the operator does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Reading what a person has brought.
    Attempt(Way),
    /// Reading the grant.
    Grant(Way),
    /// Claiming it.
    Claim(Way),
    /// The same, and the clock of the dead process was an hour ahead.
    ClaimAhead,
    /// The last look at the claim.
    Look(Way),
    /// Sending the old token.
    Send(Way),
    /// The answer was lost on the way, and the repetition is claimed.
    Again,
    /// Storing the new token.
    Store(Way),
    /// Using it.
    Use,
}

const STEPS: [Step; 15] = [
    Step::Attempt(Way::There),
    Step::Attempt(Way::Back),
    Step::Grant(Way::There),
    Step::Grant(Way::Back),
    Step::Claim(Way::There),
    Step::Claim(Way::Back),
    Step::ClaimAhead,
    Step::Look(Way::There),
    Step::Look(Way::Back),
    Step::Send(Way::There),
    Step::Send(Way::Back),
    Step::Again,
    Step::Store(Way::There),
    Step::Store(Way::Back),
    Step::Use,
];

impl Step {
    /// Whether the operator waits for Jira, which it does only for so long.
    fn is_at_jira(self) -> bool {
        match self {
            Self::Send(_) | Self::Use => true,
            Self::Attempt(_)
            | Self::Grant(_)
            | Self::Claim(_)
            | Self::ClaimAhead
            | Self::Look(_)
            | Self::Again
            | Self::Store(_) => false,
        }
    }

    /// What has to come of it: only where Jira gives each token once, and the answer died with the process, it is lost.
    fn expected(self, protocol: Protocol) -> End {
        match (protocol, self) {
            (Protocol::Center | Protocol::Old, Self::Send(Way::Back) | Self::Again | Self::Store(Way::There)) => {
                End::AnswerLost
            }
            _ => End::Works,
        }
    }

    /// Lets the operator come as far as this.
    async fn reach(self, house: &House, scene: &Scene) {
        let hold = |method, way| at_grant(scene, method, Fate::Hold(way)).times(1);
        let claim = |way| hold(Method::PATCH, way).giving("claim");
        match self {
            Self::Attempt(way) => {
                let read = at_authorization(scene, Method::GET, Fate::Hold(way)).metadata_only(false);
                spring(house, scene, house.gateway.set(read)).await;
            }
            Self::Grant(way) => {
                let read = hold(Method::GET, way).metadata_only(false);
                spring(house, scene, house.gateway.set(read)).await;
            }
            Self::Claim(way) => spring(house, scene, house.gateway.set(claim(way))).await,
            Self::ClaimAhead => {
                spring(house, scene, house.gateway.set(claim(Way::Back))).await;
                let mut claim = scene.owned("grant").await.unwrap()["claim"].clone();
                let made_at: k8s_openapi::jiff::Timestamp = serde_json::from_value(claim["madeAt"].clone()).unwrap();
                claim["madeAt"] = json!(made_at + Duration::from_secs(3600));
                scene.write("grant", json!({ "claim": claim.to_string() })).await;
            }
            Self::Look(way) => {
                let look = hold(Method::GET, way).metadata_only(true);
                spring(house, scene, house.gateway.set(look)).await;
            }
            Self::Send(Way::There) => self.strike(house, scene, Fault::NeverAnswer).await,
            Self::Send(Way::Back) => self.strike(house, scene, Fault::HoldAnswer).await,
            Self::Again => {
                let again = house.gateway.set(claim(Way::There).from_nth(2));
                self.strike(house, scene, Fault::LoseAnswer).await;
                again.struck(1).await;
            }
            Self::Store(way) => {
                let store = hold(Method::PATCH, way).giving("grant");
                spring(house, scene, house.gateway.set(store)).await;
            }
            Self::Use => {
                let store = house.gateway.set(hold(Method::PATCH, Way::Back).giving("grant"));
                house.expire(scene).await;
                store.struck(1).await;
                let mark = jira::shared().journal().mark();
                let rule = Rule::every(Fault::NeverAnswer).on("/rest/api");
                jira::shared().fault(&scene.site.name, rule).unwrap();
                store.release();
                let used = || scene.site.requests(mark).iter().any(|entry| entry.status.is_none());
                house.until(scene, "use of the new token", used).await;
            }
        }
    }

    async fn strike(self, house: &House, scene: &Scene, fault: Fault) {
        let mark = jira::shared().journal().mark();
        let (target, path) = scene.token_endpoint();
        let rule = Rule::every(fault).on(path).of_client(&scene.client()).first(1);
        jira::shared().fault(&target, rule).unwrap();
        house.expire(scene).await;
        house.until_token_request(scene, mark, 1).await;
    }
}

async fn spring(house: &House, scene: &Scene, trap: Trap) {
    house.expire(scene).await;
    tokio::time::timeout(Duration::from_secs(30), trap.struck(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_step_of_a_renewal_an_operator_loses_nothing_that_can_be_kept() {
    let house = House::open("refresh").await;
    let signed = [
        Step::Claim(Way::Back),
        Step::Send(Way::There),
        Step::Send(Way::Back),
        Step::Store(Way::There),
        Step::Store(Way::Back),
    ];
    let cases = STEPS.into_iter().flat_map(|step| [(Protocol::Cloud, step), (Protocol::Center, step)]);
    let cases = cases.chain(signed.into_iter().map(|step| (Protocol::Old, step)));
    let scenes = house.scenes(cases, House::authorised).await;

    for at_jira in [false, true] {
        let now = scenes.iter().filter(|(_, step)| step.is_at_jira() == at_jira);
        join_all(now.map(|(scene, step)| step.reach(&house, scene))).await;
    }
    house.crash(scenes.iter().map(|(scene, _)| scene)).await;

    let outcomes = join_all(scenes.iter().map(async |(scene, step)| {
        let end = house.end(scene, step).await;
        if end == End::Works {
            house.renews(scene, step).await;
        }
        house.audit(scene, step).await;
        end
    }));
    let outcomes = outcomes.await;
    for ((scene, step), end) in scenes.iter().zip(&outcomes) {
        println!("{:<8} {:<16} {end:?}", format!("{:?}", scene.protocol), format!("{step:?}"));
    }
    for ((scene, step), end) in scenes.iter().zip(outcomes) {
        assert_eq!(end, step.expected(scene.protocol), "{step:?} on {:?}", scene.protocol);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_arrives_after_its_successor_was_stored_harms_nothing() {
    let house = House::open("overdue").await;
    let protocols = [Protocol::Cloud, Protocol::Center, Protocol::Old];
    let scenes = house.scenes(protocols.map(|protocol| (protocol, ())), House::authorised).await;
    let mark = jira::shared().journal().mark();
    for (scene, ()) in &scenes {
        let (target, path) = scene.token_endpoint();
        let overdue = Fault::Overdue { millis: u64::try_from(OVERDUE.as_millis()).unwrap() };
        jira::shared().fault(&target, Rule::every(overdue).on(path).of_client(&scene.client()).first(1)).unwrap();
        house.expire(scene).await;
    }
    let arrival = Instant::now() + OVERDUE;
    join_all(scenes.iter().map(async |(scene, ())| {
        // Sent and lost, sent again and stored; then the first one arrives.
        assert_eq!(house.end(scene, &"overdue").await, End::Works, "{:?}", scene.protocol);
        assert!(Instant::now() < arrival, "{:?}: the repetition took too long for this test", scene.protocol);
        house.audit(scene, &"overdue").await;
        sleep_until(arrival).await;
        house.until_token_request(scene, mark, 3).await;
        let shown: BTreeSet<_> = scene.token_requests(mark).into_iter().filter_map(|entry| entry.presented).collect();
        assert_eq!(shown.len(), 1, "{:?}: the token was the same each time", scene.protocol);
        assert_eq!(house.ledger.late(scene).len(), 1, "{:?}: only what was held back is late", scene.protocol);
        house.renews(scene, &"overdue").await;
        assert_eq!(house.ledger.late(scene).len(), 1, "{:?}", scene.protocol);
    }))
    .await;
}
