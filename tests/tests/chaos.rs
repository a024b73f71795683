//! Everything around the operator falls, by turns and at the same time, while people go about their work; in the end it says
//! what it would say had nothing fallen.
//!
//! A *round* is a seed: a dozen small worlds, what people do in each, what ails their Jiras, and what befalls operator and
//! cluster meanwhile. [`reader`] judges the end. The other tests are about single faults.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "chaos/act.rs"]
mod act;
#[path = "chaos/ailment.rs"]
mod ailment;
#[path = "chaos/cut.rs"]
mod cut;
#[path = "chaos/disturbance.rs"]
mod disturbance;
#[path = "chaos/ground.rs"]
mod ground;
#[path = "chaos/limit.rs"]
mod limit;
#[path = "chaos/lock_out.rs"]
mod lock_out;
#[path = "chaos/lost_second.rs"]
mod lost_second;
#[path = "chaos/outage.rs"]
mod outage;
#[path = "chaos/plan.rs"]
mod plan;
#[path = "chaos/reader.rs"]
mod reader;
#[path = "chaos/round.rs"]
mod round;
#[path = "chaos/world.rs"]
mod world;

/// Whether faults are tried at their full length: where `CHAOS_SECONDS` says how long rounds are tried.
fn full() -> bool {
    std::env::var_os("CHAOS_SECONDS").is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_a_jira_are_the_trouble_of_its_connections_alone() {
    let ground = ground::Ground::open("jiras").await;
    futures::join!(
        cut::an_answer_that_ends_at_any_byte_is_no_answer_and_never_another_one(&ground),
        limit::a_jira_that_asks_for_an_hour_of_peace_is_left_in_peace_whoever_asks(&ground),
    );
}
