//! `status`: how a connection stands and what to do next.

use std::fmt::Write;

use crds::{
    Condition, JiraConnection, State,
    connection::status::{Account, AccountKind, ActiveCredential, Bindings, Effective, Permissions},
    jira::Deployment,
};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use super::{
    arguments::Status,
    authorization::{Consent, method, now},
    cluster::Cluster,
    console::{Console, visible},
    error::Error,
    format::Format,
    palette::{Palette, Tone},
    table::{Cell, table},
    verdict::Verdict,
};
use crate::condition::{About, find};

/// Conditions with advice for a connection that works, the most urgent first.
const ADVICE: [About; 4] =
    [About::CredentialsExpiring, About::DuplicateInstance, About::Deprecated, About::PersonalAccount];

/// How a connection stands, for people and programs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// `True`, `False` or `Unknown`, as the condition `Ready` has it.
    pub ready: String,
    /// State; absent before the first verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Reason of `Ready`.
    pub reason: String,
    /// Message of `Ready`.
    pub message: String,
    /// What to do next.
    pub next: String,
    /// Base URL of Jira.
    pub url: String,
    /// How Jira is operated, as declared.
    pub deployment: Deployment,
    /// Version of Jira.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The field of `spec.auth` that is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'static str>,
    /// The account that Jira sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// Which credential is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<ActiveCredential>,
    /// Day on which the credential ends, `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Bindings that use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bindings: Option<Bindings>,
    /// Permissions that it lacks itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// The same in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// How it is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks: Option<Effective>,
    /// Whether the operator has looked at the present spec.
    pub observed: bool,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Its conditions.
    pub conditions: Vec<Condition>,
}

impl Summary {
    /// Of a connection.
    #[must_use]
    pub fn of(connection: &JiraConnection) -> Self {
        let status = connection.status.clone().unwrap_or_default();
        let ready = find(&status.conditions, About::Ready);
        let credentials = status.credentials.unwrap_or_default();
        let mut summary = Self {
            name: connection.name_any(),
            namespace: connection.namespace().unwrap_or_default(),
            ready: ready.map_or_else(|| "Unknown".to_owned(), |ready| ready.status.clone()),
            state: status.state,
            reason: ready.map(|ready| ready.reason.clone()).unwrap_or_default(),
            message: ready.map(|ready| ready.message.clone()).unwrap_or_default(),
            next: String::new(),
            url: connection.spec.url.clone(),
            deployment: connection.spec.deployment,
            version: status.server.and_then(|server| server.version),
            method: method(connection).map(|(method, _)| method),
            account: status.account,
            credential: credentials.active,
            expires_at: credentials.expires_at,
            bindings: status.bindings,
            permissions: status.permissions,
            missing: status.missing_summary.filter(|line| !line.is_empty()),
            checks: status.effective,
            observed: status.observed_generation.is_some()
                && status.observed_generation == connection.metadata.generation,
            suspended: connection.spec.suspend == Some(true),
            conditions: status.conditions,
        };
        summary.next = summary.next_step(method(connection).map(|(_, consent)| consent));
        summary
    }

    /// Whether the connection is usable as it is now declared.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of(self.ready == "True")
    }

    fn next_step(&self, consent: Option<Consent>) -> String {
        let Self { name, namespace, .. } = self;
        if self.suspended {
            return format!("It is suspended and not checked. To go on: kubectl jira resume {name} -n {namespace}");
        }
        if !self.observed {
            return "The operator has not looked at this spec yet. If it stays so, look whether the operator runs."
                .into();
        }
        if self.ready == "True" {
            let advice = ADVICE.into_iter().find_map(|about| find(&self.conditions, about));
            return advice.map_or_else(|| "Nothing.".into(), |advice| advice.message.clone());
        }
        let refused = self.state == Some(State::NotAuthorized) && consent == Some(Consent::ByPerson);
        if refused {
            return format!("{} Run: kubectl jira authorize {name} -n {namespace}", self.message)
                .trim_start()
                .to_owned();
        }
        self.message.clone()
    }

    /// For people. `now` is what ages are counted to.
    #[must_use]
    pub fn text(&self, format: Format, palette: Palette, now: Timestamp) -> String {
        let facts: Vec<Vec<Cell>> = self.facts().into_iter().map(|(name, value)| vec![name.into(), value]).collect();
        let mut text =
            format!("JiraConnection {} in namespace {}\n\n{}", self.name, self.namespace, table(&facts, palette));
        if !self.conditions.is_empty() {
            // Writing into a String cannot fail.
            _ = write!(text, "\n\n{}", table(&self.condition_rows(format, now), palette));
        }
        _ = write!(text, "\n\nNext: {}", visible(&self.next));
        text
    }

    fn facts(&self) -> Vec<(&'static str, Cell)> {
        let shown = |text: String| Cell::from(visible(&text));
        let state = self.state.map_or("–", State::as_str);
        let ready = match self.reason.as_str() {
            "" => self.ready.clone(),
            reason => format!("{} ({reason})", self.ready),
        };
        let version = self.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        let mut facts = vec![
            ("State", state.into()),
            ("Ready", Cell::toned(tone(&self.ready), ready)),
            ("Site", shown(format!("{} ({}{version})", self.url, self.deployment.as_str()))),
        ];
        facts.extend(self.account.as_ref().map(|account| ("Account", shown(account_line(account)))));
        facts.extend(self.method.map(|method| ("Method", method.into())));
        facts.extend(self.credential_line().map(|line| ("Credential", line.into())));
        let bindings = self.bindings.map(|it| format!("{} accepted, from {} namespaces", it.accepted, it.namespaces));
        facts.extend(bindings.map(|line| ("Bindings", line.into())));
        let checks = self
            .checks
            .map(|checks| format!("every {}, timeout {}, grace {}", checks.interval, checks.timeout, checks.grace));
        facts.extend(checks.map(|line| ("Checks", line.into())));
        facts.extend(self.missing.clone().map(|line| ("Missing", Cell::toned(Tone::Bad, visible(&line)))));
        if self.suspended {
            facts.push(("Suspended", Cell::toned(Tone::Doubtful, "yes")));
        }
        if !self.observed {
            facts.push((
                "Observed",
                Cell::toned(Tone::Doubtful, "no: the status speaks of an earlier spec, or of none"),
            ));
        }
        facts
    }

    fn credential_line(&self) -> Option<String> {
        let active = self.credential.map(|active| match active {
            ActiveCredential::Primary => "the referenced one".to_owned(),
            ActiveCredential::Candidate => "the candidate".to_owned(),
        });
        let ends = self.expires_at.as_ref().map(|day| format!("ends {day}"));
        let parts: Vec<_> = active.into_iter().chain(ends).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    fn condition_rows(&self, format: Format, now: Timestamp) -> Vec<Vec<Cell>> {
        let mut head: Vec<Cell> = ["CONDITION", "STATUS", "REASON", "SINCE"].map(Cell::from).to_vec();
        if format == Format::Wide {
            head.push("MESSAGE".into());
        }
        let row = |condition: &Condition| {
            let mut row: Vec<Cell> = vec![
                visible(&condition.type_).into(),
                visible(&condition.status).into(),
                visible(&condition.reason).into(),
                age(condition.last_transition_time.0, now).into(),
            ];
            if format == Format::Wide {
                row.push(visible(&condition.message).into());
            }
            row
        };
        std::iter::once(head).chain(self.conditions.iter().map(row)).collect()
    }
}

fn account_line(account: &Account) -> String {
    let kind = match account.kind {
        AccountKind::ServiceAccount => "service account",
        AccountKind::Personal => "personal account",
        AccountKind::Unknown => "kind of account not known",
    };
    match &account.display_name {
        Some(name) => format!("{name} (id {}, {kind})", account.id),
        None => format!("{} ({kind})", account.id),
    }
}

/// The tone of a condition's status where `True` is good.
pub(super) fn tone(status: &str) -> Tone {
    match status {
        "True" => Tone::Good,
        "False" => Tone::Bad,
        _ => Tone::Doubtful,
    }
}

/// Time since then in its largest unit, as kubectl's tables show ages: `12s`, `5m`, `3h`, `2d`.
fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = (now.as_second() - since.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Says how a connection stands.
///
/// # Errors
/// When it does not exist or may not be read.
pub async fn run(arguments: &Status, cluster: &Cluster, console: Console) -> Result<Verdict, Error> {
    let summary = Summary::of(&cluster.connection(&arguments.name.0).await?);
    match arguments.output.document(&summary)? {
        Some(document) => console.say(&document)?,
        None => console.say(&summary.text(arguments.output, console.palette, now()))?,
    }
    Ok(summary.verdict())
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "tables of JSON read better without a reference before each value")]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn condition(about: &str, status: &str, reason: &str, message: &str) -> Value {
        json!({ "type": about, "status": status, "reason": reason, "message": message,
            "observedGeneration": 2, "lastTransitionTime": "2026-01-01T11:55:00Z" })
    }

    fn connection(auth: Value, status: Value) -> JiraConnection {
        serde_json::from_value(json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
            "metadata": { "name": "acme", "namespace": "platform", "generation": 2 },
            "spec": { "url": "https://jira.acme.example/jira", "deployment": "DataCenter", "auth": auth },
            "status": status,
        }))
        .unwrap()
    }

    fn pat() -> Value {
        json!({ "personalAccessToken": { "tokenSecretRef": { "name": "pat", "key": "token" } } })
    }

    fn oauth2() -> Value {
        json!({ "oauth2AuthorizationCode": { "clientSecretRef": { "name": "app" } } })
    }

    fn ready() -> JiraConnection {
        connection(
            pat(),
            json!({
                "observedGeneration": 2, "state": "Authorized",
                "conditions": [
                    condition("Ready", "True", "ConnectionVerified", "Jira knows the account."),
                    condition("Authorized", "True", "Proven", "Jira knows the account."),
                ],
                "account": { "id": "JIRAUSER10100", "displayName": "Jira\u{1b}[31m Bot", "type": "ServiceAccount" },
                "server": { "deployment": "DataCenter", "version": "9.12.4" },
                "credentials": { "active": "Primary", "expiresAt": "2027-01-31" },
                "bindings": { "accepted": 4, "namespaces": 2 },
                "effective": { "interval": "5m0s", "timeout": "15s", "grace": "2m0s" },
            }),
        )
    }

    fn unauthorized() -> JiraConnection {
        connection(
            oauth2(),
            json!({
                "observedGeneration": 2, "state": "NotAuthorized",
                "conditions": [condition("Ready", "False", "GrantRevoked", "The grant is gone.")],
            }),
        )
    }

    fn lacking() -> JiraConnection {
        connection(
            pat(),
            json!({
                "observedGeneration": 2, "state": "Interrupted", "missingSummary": "CREATE_ISSUES on WEB",
                "conditions": [condition("Ready", "False", "PermissionsMissing", "The account lacks CREATE_ISSUES on WEB. Have it granted.")],
            }),
        )
    }

    #[rstest]
    #[case::ready("ready", ready(), Verdict::Good)]
    #[case::unauthorized("unauthorized", unauthorized(), Verdict::Bad)]
    #[case::lacking("lacking", lacking(), Verdict::Bad)]
    #[case::new("new", connection(pat(), json!({ "observedGeneration": -1 })), Verdict::Bad)]
    fn the_summary_says_how_it_stands_and_what_to_do(
        #[case] name: &str,
        #[case] connection: JiraConnection,
        #[case] verdict: Verdict,
    ) {
        let summary = Summary::of(&connection);
        assert_eq!(summary.verdict(), verdict);
        let noon = "2026-01-01T12:00:00Z".parse().unwrap();
        insta::assert_snapshot!(name, summary.text(Format::Wide, Palette::Plain, noon));
    }

    #[test]
    fn a_suspended_connection_says_how_to_go_on() {
        let mut connection = ready();
        connection.spec.suspend = Some(true);
        let summary = Summary::of(&connection);
        assert!(summary.next.contains("kubectl jira resume acme -n platform"), "{}", summary.next);
    }

    #[rstest]
    #[case::nothing(&[], "Nothing.")]
    #[case::one_of_two(&["DuplicateInstance"], "About DuplicateInstance.")]
    #[case::the_more_urgent(&["DuplicateInstance", "CredentialsExpiring"], "About CredentialsExpiring.")]
    fn a_connection_that_works_passes_on_advice(#[case] conditions: &[&str], #[case] next: &str) {
        let mut connection = ready();
        let of = |about: &&str| condition(about, "True", "Because", &format!("About {about}."));
        let more: Vec<Condition> = serde_json::from_value(conditions.iter().map(of).collect()).unwrap();
        connection.status.as_mut().unwrap().conditions.extend(more);
        assert_eq!(Summary::of(&connection).next, next);
    }

    #[test]
    fn programs_get_every_field() {
        insta::assert_snapshot!(Format::Yaml.document(&Summary::of(&ready())).unwrap().unwrap());
    }

    #[rstest]
    #[case(0, "0s")]
    #[case(119, "119s")]
    #[case(120, "2m")]
    #[case(7_199, "119m")]
    #[case(7_200, "2h")]
    #[case(172_800, "2d")]
    #[case(-5, "0s")]
    fn ages_are_as_kubectl_s(#[case] seconds: i64, #[case] expected: &str) {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(age(at(1_000_000), at(1_000_000 + seconds)), expected);
    }
}
