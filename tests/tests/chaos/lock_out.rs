//! Jira demands a login in the browser: nothing that befalls makes the operator ask once more.

use std::time::Duration;

use serde_json::json;
use tests::{
    jira::{Fault, Mutation, Rule},
    stage::{ACCOUNT, Kind, Stage, Way},
};
use tokio::time::sleep;

use super::{disturbance::Disturbance, full, ground::Ground};

/// How long it is listened whether anything is asked.
const QUIET: Duration = Duration::from_secs(2);

async fn ask(stage: &Stage, value: &str) {
    let wish = json!({ "metadata": { "annotations": { crds::REQUESTED_AT: value } } });
    stage.merge(Kind::Connection, "acme", wish).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_lock_out_signal_neither_a_crash_nor_a_partition_nor_a_wish_sends_another_request() {
    let ground = Ground::open("lock-out").await;
    let stage = &ground.stage;
    let site = stage.connect("acme", Way::PersonalAccessToken, &["WEB"]).await;
    stage.until_ready(Kind::Connection, "acme").await;
    // Jira says so to those who show a credential.
    stage.simulator().fault(&site.name, Rule::every(Fault::Captcha).on("/rest/api/2/myself")).unwrap();
    ask(stage, "first").await;
    stage.until_reason(Kind::Connection, "acme", "AccountLocked").await;
    let since = stage.simulator().journal().mark();
    let time = Duration::from_secs(if full() { 60 } else { 1 });
    let disturbances = [
        Disturbance::KilledReplicas,
        Disturbance::Partition(time),
        Disturbance::JumpingClock(-600, Duration::from_secs(1)),
        Disturbance::JumpingClock(600, Duration::from_secs(1)),
    ];
    for (number, disturbance) in disturbances.into_iter().enumerate() {
        disturbance.befall(&ground).await;
        ground.replicas.leader().await;
        ask(stage, &format!("again-{number}")).await;
        sleep(QUIET).await;
        assert_eq!(site.requests(since), [], "after {disturbance:?}");
    }
    stage.simulator().heal(&site.name).unwrap();
    let token = json!({ "token": format!("{}-new", site.token()) });
    let credential = json!({ "type": "PersonalAccessToken", "token": token["token"] });
    let credential = serde_json::from_value(credential).unwrap();
    let added = Mutation::AddCredential { account: ACCOUNT.to_owned(), credential };
    stage.simulator().mutate(&site.name, &added).unwrap();
    stage.secret("acme", token).await;
    stage.until_ready(Kind::Connection, "acme").await;
}
