//! The API server does not take the new token.

use std::time::Duration;

use futures::future::join_all;
use hyper::Method;
use tests::{gateway::Fate, jira, scene::Protocol};

use super::house::{End, House, at_grant};

/// How often the new token is not taken.
const REFUSALS: u32 = 20;

/// The same for a status after which kube's client waits and tries again by itself, in ever longer steps.
const DELAYS: u32 = 5;

/// How long the operator may take to try so often.
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_the_api_server_refuses_twenty_times_is_neither_lost_nor_used_before_it_is_stored() {
    let house = House::open("refused").await;
    let refusals = [(500, REFUSALS), (409, REFUSALS), (429, DELAYS)];
    let cases = refusals.into_iter().flat_map(|case| [(Protocol::Cloud, case), (Protocol::Center, case)]);
    let cases = cases.chain([(Protocol::Old, (500, REFUSALS))]);
    let scenes = house.scenes(cases, House::authorised).await;
    join_all(scenes.iter().map(async |(scene, (status, times))| {
        let mark = jira::shared().journal().mark();
        let store = at_grant(scene, Method::PATCH, Fate::Refuse(*status)).giving("grant").times(*times);
        let refused = house.gateway.set(store);
        house.expire(scene).await;
        let enough = tokio::time::timeout(LIMIT, refused.struck(*times)).await;
        assert!(enough.is_ok(), "{status} on {:?}: tried only {} times", scene.protocol, refused.count());
        assert_eq!(house.end(scene, status).await, End::Works, "{status} on {:?}", scene.protocol);
        house.audit(scene, status).await;
        let sent = scene.token_requests(mark).iter().filter(|entry| entry.presented.is_some()).count();
        assert_eq!(sent, 1, "{status} on {:?}: one renewal is enough", scene.protocol);
        assert!(!house.ledger.lost(scene, mark), "{status} on {:?}", scene.protocol);
        house.renews(scene, status).await;
    }))
    .await;
}
