//! The operator as a process: it starts with the rights of `config/rbac.yaml`, ends when asked to, and comes back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use tests::{
    controlplane,
    operator::{Error, Operator, Settings},
};

#[tokio::test]
async fn the_operator_ends_on_sigterm_and_comes_back_after_sigkill() {
    let operator = Operator::start(Settings::new(controlplane::shared().await)).await.unwrap();
    assert!(operator.is_running());
    assert!(operator.metrics().await.unwrap().contains("jira_operator"));
    let first = operator.output();

    operator.kill().await.unwrap();
    assert!(!operator.is_running());
    assert!(matches!(operator.metrics().await, Err(Error::NotRunning)));

    operator.restart().await.unwrap();
    assert!(operator.is_running());
    assert!(operator.output().len() > first.len(), "the output of all runs is kept");
    assert_eq!(std::fs::read_to_string(operator.log()).unwrap(), operator.output());

    assert_eq!(operator.stop().await.unwrap(), Some(0));
    assert!(matches!(operator.stop().await, Err(Error::NotRunning)));
}

#[tokio::test]
async fn an_operator_that_refuses_its_arguments_is_reported_with_what_it_said() {
    let settings = Settings { check_interval: Some("1s".to_owned()), ..Settings::new(controlplane::shared().await) };
    let error = Operator::start(settings).await.unwrap_err();
    let Error::Ended { status, output } = error else { panic!("{error}") };
    assert_eq!(status, Some(1));
    assert!(output.contains("--check-interval must be between 1m and 24h"), "{output}");
}
