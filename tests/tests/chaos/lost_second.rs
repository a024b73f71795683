//! The machine of etcd crashes, and the last second of what it had taken is gone.

use std::time::{Duration, Instant};

use futures::future::join_all;
use rstest::rstest;
use serde_json::json;
use tests::{
    jira::{self, Mutation, Whose},
    scene::{NAME, Protocol, Scene},
    stage::{ACCOUNT, Kind, Way},
};
use tokio::time::sleep;

use super::{
    ground::{Crew, Ground},
    reader,
};

/// How long the operator may take to see that what it knows is not so.
const LIMIT: Duration = Duration::from_secs(90);

const PROTOCOLS: [Protocol; 3] = [Protocol::Cloud, Protocol::Center, Protocol::Old];

async fn established(ground: &Ground, protocol: Protocol) -> Scene {
    let scene = Scene::on(ground.place("lost").await, protocol, |_| {}, |_| {});
    scene.wait_for_a_person(json!({ "interval": "1m", "timeout": "3s" })).await;
    scene.admit("a-key").await;
    scene
}

/// Renews the grant of a scene, and waits until that is stored.
async fn renewed(scene: &Scene) {
    let renewals = async || scene.owned("grant").await.unwrap()["grant"]["renewals"].clone();
    let before = renewals().await;
    scene.mutate(&Mutation::ExpireAccessTokens(Whose::client(&scene.client())));
    scene.wish("in the lost second").await;
    assert_ne!(renewals().await, before, "{:?} is renewed", scene.protocol);
}

#[rstest]
#[case::one_replica(Crew::Alone)]
#[case::two_replicas(Crew::Pair)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_that_loses_the_last_second_ends_those_that_were_renewed_in_it_with_the_remedy_and_harms_no_other(
    #[case] crew: Crew,
) {
    let ground = Ground::open_with("lost-second", crew).await;
    let (mark, stage) = (jira::shared().journal().mark(), &ground.stage);
    let renewing = join_all(PROTOCOLS.map(|protocol| established(&ground, protocol))).await;
    let resting = join_all(PROTOCOLS.map(|protocol| established(&ground, protocol))).await;
    let names = ["rotated", "limited", "untouched"];
    let mut sites = Vec::new();
    for name in names {
        sites.push(stage.connect(name, Way::PersonalAccessToken, &["WEB"]).await);
        stage.merge(Kind::Connection, name, json!({ "spec": { "permissions": { "projects": ["WEB"] } } })).await;
    }
    for name in names {
        stage.until_ready(Kind::Connection, name).await;
    }

    let snapshot = stage.control_plane.snapshot().await.unwrap();
    join_all(renewing.iter().map(renewed)).await;
    let (project, account, permissions) = ("WEB".to_owned(), ACCOUNT.to_owned(), vec!["CREATE_ISSUES".to_owned()]);
    stage.simulator().mutate(&sites[1].name, &Mutation::Revoke { project, account, permissions }).unwrap();
    let wish = json!({ "metadata": { "annotations": { crds::REQUESTED_AT: "in the lost second" } } });
    stage.merge(Kind::Connection, "limited", wish).await;
    stage.until_reason(Kind::Connection, "limited", "PermissionsMissing").await;
    stage.control_plane.crash_back_to(&snapshot).await.unwrap();
    // The operator may have found out again by now what Jira says; the wish of a person nobody repeats.
    let limited = stage.get(Kind::Connection, "limited").await;
    assert!(limited.0["metadata"]["annotations"][crds::REQUESTED_AT].is_null(), "the second is lost: {limited:?}");

    // At once, while versions are given out that the operator has already seen for other things.
    stage.secret("rotated", json!({ "token": "wrong" })).await;
    for (name, reason) in
        [("rotated", "CredentialsRejected"), ("limited", "PermissionsMissing"), ("untouched", "ConnectionVerified")]
    {
        let seen = stage.until_within(LIMIT, Kind::Connection, name, reason, |seen| seen.reason() == reason);
        let started = Instant::now();
        seen.await;
        println!("{name} says {reason} after {:.1} s", started.elapsed().as_secs_f32());
    }
    for scene in &renewing {
        scene.mutate(&Mutation::ExpireAccessTokens(Whose::client(&scene.client())));
        let wish = json!({ "metadata": { "annotations": { crds::REQUESTED_AT: "afterwards" } } });
        scene.stage.merge(Kind::Connection, NAME, wish).await;
    }
    let ends = join_all(renewing.iter().map(async |scene| {
        let started = Instant::now();
        loop {
            let seen = scene.now().await;
            if reader::is_final(&seen) && (seen.is("Ready") || seen.reason() == "GrantRevoked") {
                return seen;
            }
            assert!(started.elapsed() < LIMIT, "{:?}: {seen:#?}", scene.protocol);
            sleep(Duration::from_millis(200)).await;
        }
    }));
    for (scene, seen) in renewing.iter().zip(ends.await) {
        println!("{:?}: {} {}", scene.protocol, seen.reason(), seen.message());
        match scene.protocol {
            // Takes the token before the last for ten minutes.
            Protocol::Cloud => assert!(seen.is("Ready")),
            Protocol::Center | Protocol::Old => {
                assert_eq!(seen.reason(), "GrantRevoked");
                assert!(seen.message().contains("kubectl jira authorize"), "{}", seen.message());
                scene.admit("afterwards").await;
            }
        }
    }
    for scene in &resting {
        renewed(scene).await;
        assert!(scene.now().await.is("Ready"), "{:?} is unharmed", scene.protocol);
        assert_eq!(ground.ledger.late(scene), [0; 0]);
        assert!(!ground.ledger.lost(scene, mark));
    }
}
