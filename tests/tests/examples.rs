//! Every file of `examples/` comes out as it announces, and the live change of the demo turns and turns back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "examples/application.rs"]
mod application;

use std::time::{Duration, Instant};

use tests::{
    controlplane::{ControlPlane, Options},
    demo::{Difference, Example, Installation, LiveChange, World},
};

/// Far above what it takes, so that a loaded machine is no failure.
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_example_comes_out_as_announced_and_a_revoked_token_turns_the_table() {
    let control_plane = ControlPlane::start(Options::default()).await.unwrap();
    let installation = Installation::open(control_plane, World::start().unwrap()).await.unwrap();
    let examples = Example::all().unwrap();
    for example in &examples {
        installation.apply(example).await.unwrap();
    }

    let started = Instant::now();
    for example in &examples {
        let limit = LIMIT.saturating_sub(started.elapsed());
        let differences = installation.differences(&example.outcomes, limit).await.unwrap();
        assert_none(&differences, &example.file, &installation);
    }
    application::pushes_an_issue(&installation).await;
    for change in [LiveChange::Revocation, LiveChange::Rotation] {
        let turn = change.make(&installation).await.unwrap();
        assert_none(&turn.differences, &format!("{change:?}"), &installation);
    }

    let output = installation.operator.output();
    installation.close().await.unwrap();
    let secrets = output.lines().filter(|line| line.contains("not-a-real"));
    assert_eq!(secrets.collect::<Vec<_>>(), Vec::<&str>::new(), "the log of the operator holds secrets");
}

fn assert_none(differences: &[Difference], what: &str, installation: &Installation) {
    assert!(differences.is_empty(), "{what}: {differences:#?}\n{}", installation.operator.output());
}
