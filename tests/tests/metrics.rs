//! What the operator measures, and what is alerted upon and shown of it, judged by Prometheus' own code.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use rstest::rstest;
use serde_json::{Value, json};
use tests::{
    stage::{Kind, Stage, Way, operator},
    tools,
};
use tokio::io::AsyncWriteExt;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const RULES: &str = "charts/jira-connection-operator/files/alerts.yaml";

/// How long objects may take to vanish, on a machine with other work.
const LIMIT: Duration = Duration::from_secs(30);

/// What the alerts are tried with.
const CASES: &str = "tests/fixtures/alerts.yaml";

fn text(file: &str) -> String {
    fs::read_to_string(format!("{ROOT}/{file}")).unwrap()
}

fn yaml(file: &str) -> Value {
    serde_yaml::from_str(&text(file)).unwrap()
}

/// Runs promtool in the repository; what it says if it finds fault.
async fn promtool(arguments: &[&str], input: &str) -> Result<(), String> {
    let mut command = tools::promtool().await.unwrap();
    command.args(arguments).current_dir(ROOT).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().unwrap();
    running.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = running.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

#[tokio::test]
async fn prometheus_accepts_the_rules() {
    assert_eq!(promtool(&["check", "rules", "--lint=all", "--lint-fatal", RULES], "").await, Ok(()));
}

#[tokio::test]
async fn alerts_fire_when_they_should_and_then_only() {
    assert_eq!(promtool(&["test", "rules", CASES], "").await, Ok(()));
}

#[tokio::test]
async fn a_case_that_expects_something_else_fails() {
    let cases = text(CASES).replace("../../charts", &format!("{ROOT}/charts"));
    let wrong = cases.replace("severity: \"critical\"", "severity: \"info\"");
    assert_ne!(cases, wrong);
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    fs::write(file.path(), wrong).unwrap();
    let found = promtool(&["test", "rules", file.path().to_str().unwrap()], "").await;
    assert!(found.as_ref().is_err_and(|said| said.contains("JiraOperatorAbsent")), "{found:?}");
}

fn alerts() -> BTreeSet<String> {
    let rules = yaml(RULES);
    let rules = rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    rules.map(|rule| rule["alert"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent() {
    let cases = yaml(CASES);
    let tries = cases["tests"].as_array().unwrap().iter().flat_map(|case| case["alert_rule_test"].as_array().unwrap());
    let mut seen: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for one in tries {
        let fires = !one["exp_alerts"].as_array().unwrap().is_empty();
        seen.entry(one["alertname"].as_str().unwrap().to_owned()).or_default().insert(fires);
    }
    let both = BTreeSet::from([true, false]);
    assert_eq!(seen, alerts().into_iter().map(|alert| (alert, both.clone())).collect());
}

/// The names in backticks that begin the rows of the tables of a page.
fn rows(page: &str) -> BTreeSet<String> {
    let names = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_alert_is_explained() {
    assert_eq!(rows(&text("docs/alerts.md")), alerts());
}

/// Names of metrics in a text, without what Prometheus adds to the name of a histogram.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let words = words.filter(|word| word.starts_with("jira_operator_"));
    words
        .map(|word| {
            ["_bucket", "_sum", "_count"].iter().find_map(|it| word.strip_suffix(it)).unwrap_or(word).to_owned()
        })
        .collect()
}

#[rstest]
#[case::alerts(RULES)]
#[case::dashboard("charts/jira-connection-operator/files/dashboard.json")]
#[case::cases(CASES)]
fn what_is_shown_and_alerted_upon_is_measured(#[case] file: &str) {
    let (asked, measured) = (named(&text(file)), rows(&text("docs/metrics.md")));
    assert!(asked.len() >= 10, "{asked:?}");
    let unknown: Vec<_> = asked.difference(&measured).collect();
    assert!(unknown.is_empty(), "{file} asks for {unknown:?}, which docs/metrics.md does not have");
}

/// The same in the older format, which is the one that promtool reads: there a counter is declared by its full name.
fn older_format(exposition: &str) -> String {
    let counters: BTreeSet<_> =
        exposition.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut text = String::new();
    for line in exposition.lines().filter(|line| *line != "# EOF") {
        let declared = line.strip_prefix("# ").and_then(|rest| {
            let mut words = rest.splitn(3, ' ');
            let (word, name, rest) = (words.next()?, words.next()?, words.next()?);
            counters.contains(name).then(|| format!("# {word} {name}_total {rest}"))
        });
        text.push_str(declared.as_deref().unwrap_or(line));
        text.push('\n');
    }
    text
}

#[tokio::test]
async fn a_scrape_is_as_prometheus_wants_it_and_says_what_the_reference_says() {
    let stage = Stage::open("scraped").await;
    stage.connect("acme", Way::PersonalAccessToken, &["WEB"]).await;
    let reference = json!({ "connectionRef": { "name": "acme" }, "workspace": "web", "projects": [{ "key": "WEB" }] });
    stage.apply(Kind::Binding, "web", reference).await;
    stage.until_ready(Kind::Connection, "acme").await;
    stage.until_ready(Kind::Binding, "web").await;
    let scrape = operator().await.metrics().await.unwrap();
    assert_eq!(promtool(&["check", "metrics"], &older_format(&scrape)).await, Ok(()), "{scrape}");

    let undocumented: Vec<_> =
        named(&scrape.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n"))
            .difference(&rows(&text("docs/metrics.md")))
            .cloned()
            .collect();
    assert!(undocumented.is_empty(), "{undocumented:?}");
    let of = format!("namespace=\"{}\"", stage.namespace);
    for series in [
        format!("jira_operator_connection_ready{{{of},connection=\"acme\"}} 1"),
        format!(
            "jira_operator_connection_state{{{of},connection=\"acme\",state=\"Authorized\",reason=\"ConnectionVerified\"}} 1"
        ),
        format!("jira_operator_connection_bindings{{{of},connection=\"acme\",accepted=\"true\"}} 1"),
        format!("jira_operator_binding_ready{{{of},binding=\"web\"}} 1"),
    ] {
        assert!(scrape.lines().any(|line| line == series), "no {series} in\n{scrape}");
    }

    stage.delete(Kind::Binding, "web").await;
    stage.delete(Kind::Connection, "acme").await;
    let started = Instant::now();
    while operator().await.metrics().await.unwrap().contains(&of) {
        assert!(started.elapsed() < LIMIT, "series outlive their objects");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
