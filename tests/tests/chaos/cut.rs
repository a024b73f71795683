//! An answer ends at every byte that it has.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tests::{
    jira::{Fault, Rule},
    stage::{Kind, Seen, Site, Stage, Way},
};

use super::{full, ground::Ground};

/// How many connections take turns.
const AT_ONCE: usize = 30;

/// Longer than the answer that is cut.
const LONGEST: usize = 600;

/// How long a wish may wait while all are asked at the same time.
const LIMIT: Duration = Duration::from_secs(60);

async fn asked(stage: &Stage, name: &str, value: &str) -> Seen {
    let wish = json!({ "metadata": { "annotations": { crds::REQUESTED_AT: value } } });
    stage.merge(Kind::Connection, name, wish).await;
    let handled = |seen: &Seen| seen.0["status"]["lastHandledRequestedAt"] == value;
    stage.until_within(LIMIT, Kind::Connection, name, "handled", handled).await
}

/// An answer that stops after so many bytes is an answer that did not come: the connection is within its grace, or well.
async fn cut(stage: &Stage, name: &str, site: &Site, after: usize) {
    let rule = Rule::every(Fault::CutInBody { after }).on("/rest/api/2/myself").first(1);
    stage.simulator().fault(&site.name, rule).unwrap();
    let seen = asked(stage, name, &format!("cut-{after}")).await;
    assert!(seen.is("Ready"), "{after} bytes: {:#}", seen.0["status"]);
    assert!(["ConnectionVerified", "InterruptedInGrace"].contains(&seen.reason()), "{after} bytes: {}", seen.reason());
    assert!(seen.is("Authorized"), "{after} bytes: {:#}", seen.0["status"]);
    let seen = asked(stage, name, &format!("whole-{after}")).await;
    assert_eq!(seen.reason(), "ConnectionVerified", "{after} bytes, and then the whole answer");
}

pub async fn an_answer_that_ends_at_any_byte_is_no_answer_and_never_another_one(ground: &Ground) {
    let stage = ground.place("cut").await;
    let names: Vec<_> = (0..AT_ONCE).map(|number| format!("acme-{number}")).collect();
    let sites = join_all(names.iter().map(|name| stage.connect(name, Way::PersonalAccessToken, &[]))).await;
    join_all(names.iter().map(|name| stage.until_ready(Kind::Connection, name))).await;
    let step = if full() { 1 } else { 10 };
    join_all(names.iter().zip(&sites).enumerate().map(async |(number, (name, site))| {
        for after in (number * step..LONGEST).step_by(AT_ONCE * step) {
            cut(&stage, name, site, after).await;
        }
    }))
    .await;
}
