//! Jira asks to be left alone for an hour.

use std::time::Duration;

use serde_json::json;
use tests::{
    jira::{Fault, Rule},
    stage::{Kind, Way},
};
use tokio::time::sleep;

use super::{full, ground::Ground};

pub async fn a_jira_that_asks_for_an_hour_of_peace_is_left_in_peace_whoever_asks(ground: &Ground) {
    let stage = ground.place("peace").await;
    let site = stage.connect("acme", Way::PersonalAccessToken, &["WEB"]).await;
    stage.until_ready(Kind::Connection, "acme").await;
    let limit = Fault::RateLimited { retry_after: 3_600, reason: None };
    stage.simulator().fault(&site.name, Rule::every(limit)).unwrap();
    let ask = async |value: &str| {
        let wish = json!({ "metadata": { "annotations": { crds::REQUESTED_AT: value } } });
        stage.merge(Kind::Connection, "acme", wish).await;
    };
    ask("first").await;
    stage.until(Kind::Connection, "acme", "limited", |seen| seen.is("RateLimited")).await;
    let since = stage.simulator().journal().mark();
    for number in 0..5 {
        ask(&format!("again-{number}")).await;
        sleep(Duration::from_secs(if full() { 4 } else { 1 })).await;
    }
    assert_eq!(site.requests(since), [], "within the hour");
    assert!(stage.get(Kind::Connection, "acme").await.is("Ready"), "a limit is no failure within the grace");
}
