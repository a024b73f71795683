//! What a restart of the operator must not do: lengthen a wait, send a refused credential, write or tell what stands already.

use std::time::Duration;

use serde_json::json;
use tests::{jira::Fault, stage::Kind};

use super::{
    jira::Jira,
    row::{
        Progress::{Reconciling, Stalled},
        binding,
        connection::{in_grace, interrupted, proven, refused, unresolved},
    },
    scene::{AT_ONCE, Scene, operator},
    subject::QUIET,
};

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60 + 1)
}

#[tokio::test]
async fn a_restart_lengthens_no_wait_and_repeats_nothing() {
    let scene = Scene::alone(Jira::center()).await;
    let (steady_jira, rejected_jira, captcha, failing) =
        (Jira::center(), Jira::cloud(), Jira::center(), Jira::center());
    let (twice, late) = (Jira::center(), Jira::center());
    captcha.fails(Fault::Captcha);
    // Its turn after a restart comes within a day, so not while anybody looks.
    let rarely = json!({ "checks": { "interval": "24h" } });
    let steady = scene.neighbour("steady", &steady_jira, Some("pat"), rarely).await;
    let rejected = scene.neighbour("rejected", &rejected_jira, Some("nobody"), json!({})).await;
    let locked = scene.neighbour("locked", &captcha, Some("pat"), json!({})).await;
    let graced = scene.neighbour("graced", &failing, Some("pat"), json!({})).await;
    let young = scene.neighbour("young", &twice, Some("nobody"), json!({})).await;
    let old = scene.neighbour("old", &late, Some("nobody"), json!({})).await;
    let waiting = scene.neighbour("waiting", &Jira::center(), None, json!({})).await;
    let spec = json!({ "connectionRef": { "name": "none" }, "workspace": "web", "projects": [{ "key": "WEB" }] });
    let unbound = scene.create(Kind::Binding, &scene.stage.namespace, "unbound", spec).await;
    let spec = json!({ "connectionRef": { "name": "steady" }, "workspace": "web", "projects": [{ "key": "WEB" }] });
    let bound = scene.create(Kind::Binding, &scene.stage.namespace, "bound", spec).await;

    steady.becomes(&proven()).await;
    bound.becomes(&binding::proven()).await;
    steady.shows("its binding", |status| status["bindings"]["accepted"] == 1).await;
    rejected.becomes(&refused("CredentialsRejected", Stalled)).await;
    locked.becomes(&refused("AccountLocked", Stalled)).await;
    graced.becomes(&proven()).await;
    failing.fails(Fault::Unwell { status: 500 });
    graced.is_requested("now").await;
    graced.becomes(&in_grace("Unreachable")).await;
    for bearer in [&young, &old] {
        bearer.becomes(&refused("CredentialsRejected", Reconciling)).await;
    }
    waiting.becomes(&unresolved("SecretNotFound", Reconciling)).await;
    unbound.becomes(&binding::not_permitted(Reconciling)).await;

    operator().await.stop().await.unwrap();
    for (subject, age) in [(&rejected, 6), (&locked, 6), (&graced, 2), (&old, 10), (&waiting, 2), (&unbound, 2)] {
        subject.ages(minutes(age)).await;
    }
    let kept = [&steady, &bound, &rejected, &locked, &young];
    let mut versions = Vec::new();
    for subject in kept {
        versions.push(subject.version().await);
    }
    let mark = Jira::mark();
    operator().await.restart().await.unwrap();

    graced.becomes_within(AT_ONCE, &interrupted("Unreachable")).await;
    waiting.becomes_within(AT_ONCE, &unresolved("SecretNotFound", Stalled)).await;
    unbound.becomes_within(AT_ONCE, &binding::not_permitted(Stalled)).await;
    old.becomes_within(AT_ONCE, &refused("CredentialsRejected", Stalled)).await;
    old.asks(mark, "/myself", 1).await;
    tokio::time::sleep(QUIET * 2).await;
    for (subject, version) in kept.iter().zip(&versions) {
        assert_eq!(subject.version().await, *version, "{}", subject.account());
    }
    for subject in [&steady, &rejected, &locked, &young] {
        assert_eq!(subject.asked(mark), [""; 0], "{}", subject.account());
    }
    // What stands is looked at in its turn within the interval, or when somebody asks.
    steady.is_requested("now").await;
    steady.shows("the echo", |status| status["lastHandledRequestedAt"] == "now").await;
    assert!(steady.asked(mark).iter().any(|asked| asked.ends_with("/myself")), "{}", steady.account());
    scene.tells(&steady, &["ConnectionVerified"]).await;
    scene.tells(&rejected, &["CredentialsRejected"]).await;

    // A wish allows one send of a rejected credential, in both forms, and the next one no sooner than five minutes later.
    rejected.is_requested("first").await;
    rejected.shows("the echo", |status| status["lastHandledRequestedAt"] == "first").await;
    rejected.becomes(&refused("CredentialsRejected", Stalled)).await;
    let sent = rejected.asked(mark).iter().filter(|asked| asked.ends_with("/myself")).count();
    assert_eq!(sent, 2, "{}", rejected.account());
    rejected.is_requested("second").await;
    rejected.rests().await;
    assert_eq!(rejected.status()["lastHandledRequestedAt"], "first");

    // The account was unlocked, and somebody says so.
    captcha.heal();
    locked.is_requested("unlocked").await;
    let status = locked.becomes_within(AT_ONCE, &proven()).await;
    assert_eq!(status["lastHandledRequestedAt"], "unlocked");
}
