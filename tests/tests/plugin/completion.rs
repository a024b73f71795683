//! `kubectl jira completion`, and what kubectl asks for.

use rstest::rstest;
use tokio::process::Command;

use super::program;

#[rstest]
#[case("bash", "-o default kubectl-jira")]
#[case("zsh", "#compdef kubectl-jira")]
#[case("fish", "complete -c kubectl-jira")]
#[tokio::test]
async fn each_shell_gets_its_script_without_a_cluster(#[case] shell: &str, #[case] words: &str) {
    let output = Command::new(program::path().await).env_clear().args(["completion", shell]).output().await.unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains(words));
}

#[tokio::test]
async fn kubectl_is_told_what_may_follow() {
    let program = program::path().await;
    let output = Command::new(program).env_clear().args(["complete-words", "--", "auth"]).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("authorize\t") && text.ends_with("\n:4\n"), "{text}");
}
