//! Tells the world: the status, if it says something new, and one Event for a flip of `Ready`.
//!
//! In: what was applied. The only writer of `/status`, and the last write of a pass.

use std::time::Duration;

use crds::{Condition, JiraConnection, JiraConnectionStatus, connection::status::ActiveCredential};
use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt, runtime::controller::Action};

use super::{
    Error,
    act::Applied,
    decide::Rest,
    memory::{Memory, Written},
};
use crate::{
    condition::{self, About, Truth},
    context::Context,
    kubernetes::{
        events::{Note, Tone},
        status::{ApplyError, Novelty},
    },
};

/// Binding counts that changed alone are gathered for this long, since bindings are often applied together.
const COUNTS_SETTLE: Duration = Duration::from_secs(2);

/// Shortest time between two writes of the binding counts alone.
const COUNTS_AT_MOST_EVERY: Duration = Duration::from_secs(60);

/// Shortest time between two Events about refused bindings.
const REFUSALS_AT_MOST_EVERY: Duration = Duration::from_secs(600);

/// Shortest wait before the next pass, so that a moment that has just passed does not become a loop.
const SHORTEST_WAKE: Duration = Duration::from_millis(100);

/// Publishes what was applied and says when to come back.
///
/// # Errors
/// When the API server does not take the status.
pub(super) async fn publish(
    connection: &JiraConnection,
    applied: &Applied,
    memory: &mut Memory,
    ctx: &Context,
) -> Result<Action, Error> {
    let plan = applied.plan();
    let now = ctx.now();
    let current = ours(connection);
    let desired = plan.status(connection, now);

    let mut wake = plan.wake;
    let (mut note, mut turn) = (None, None);
    match difference(&desired, &current) {
        Difference::None => memory.counts.differ = None,
        Difference::Counts => {
            let due = counts_due(memory, now);
            if now < due {
                wake = Some(wake.map_or(due, |wake| wake.min(due)));
            } else {
                memory.counts.written = Some(now);
                write(connection, desired, memory, ctx).await?;
            }
        }
        Difference::Substance => {
            note = news(&current, &desired);
            turn = line(&current, &desired, note.as_ref());
            write(connection, desired, memory, ctx).await?;
        }
    }
    let refused = memory.facts.demand.as_ref().map_or(0, |demand| demand.refused);
    let name = (connection.namespace().unwrap_or_default(), connection.name_any());
    ctx.metrics.credential_ends(&name, plan.ends);
    if let Some((reason, text)) = turn {
        tracing::info!(
            namespace = connection.namespace(),
            name = connection.name_any(),
            reason,
            text,
            "connection turned"
        );
    }
    if let Some(note) = note.or_else(|| refusals(connection, refused, memory, now)) {
        ctx.events.publish(connection, note);
    }
    Ok(wake.map_or_else(Action::await_change, |wake| Action::requeue(wait(now, wake))))
}

/// Leaves the status as it stands and says when to come back.
pub(super) fn rest(connection: &JiraConnection, rest: Rest, ctx: &Context) -> Action {
    let name = (connection.namespace().unwrap_or_default(), connection.name_any());
    ctx.metrics.credential_ends(&name, rest.ends);
    Action::requeue(wait(ctx.now(), rest.until))
}

/// Says that the first check of this spec is taking its time. Returns what was written, with its `resourceVersion`.
///
/// # Errors
/// When the API server does not take the status.
pub(super) async fn progressing(connection: &JiraConnection, ctx: &Context) -> Result<Written, Error> {
    let before = ours(connection);
    let generation = connection.metadata.generation;
    let conditions = condition::merge(&before.conditions, &super::progress(&before), generation, ctx.now());
    let desired = JiraConnectionStatus { conditions, observed_generation: generation, ..before };
    Ok((apply(connection, &desired, ctx).await?, desired))
}

/// The present status without conditions that others wrote: those are neither compared nor sent.
fn ours(connection: &JiraConnection) -> JiraConnectionStatus {
    let mut status = connection.status.clone().unwrap_or_default();
    status.conditions.retain(condition::is_ours);
    status
}

fn wait(now: Timestamp, wake: Timestamp) -> Duration {
    Duration::try_from(wake.duration_since(now)).unwrap_or_default().max(SHORTEST_WAKE)
}

enum Difference {
    None,
    /// Only how many bindings there are.
    Counts,
    Substance,
}

fn difference(desired: &JiraConnectionStatus, current: &JiraConnectionStatus) -> Difference {
    let without_counts = |status: &JiraConnectionStatus| JiraConnectionStatus { bindings: None, ..status.clone() };
    if desired == current {
        Difference::None
    } else if without_counts(desired) == without_counts(current) && current.bindings.is_some() {
        Difference::Counts
    } else {
        Difference::Substance
    }
}

fn counts_due(memory: &mut Memory, now: Timestamp) -> Timestamp {
    let settled = *memory.counts.differ.get_or_insert(now) + COUNTS_SETTLE;
    memory.counts.written.map_or(settled, |written| settled.max(written + COUNTS_AT_MOST_EVERY))
}

async fn apply(connection: &JiraConnection, desired: &JiraConnectionStatus, ctx: &Context) -> Result<String, Error> {
    let name = (connection.namespace().unwrap_or_default(), connection.name_any());
    let novelty = Novelty::after(connection.status.as_ref().and_then(|status| status.observed_generation));
    let place = ctx.statuses.place(novelty).await;
    // A check takes its time; meanwhile the object may have been deleted and made anew, with another spec.
    if ctx.stores.connection_uid(&name) != connection.metadata.uid {
        return Err(Error::Gone);
    }
    ctx.statuses.apply(place, connection, desired).await.map_err(|error| match error {
        ApplyError::Gone => Error::Gone,
        ApplyError::Refused(source) => Error::WriteStatus(source),
    })
}

async fn write(
    connection: &JiraConnection,
    desired: JiraConnectionStatus,
    memory: &mut Memory,
    ctx: &Context,
) -> Result<(), Error> {
    let version = apply(connection, &desired, ctx).await?;
    memory.counts.differ = None;
    memory.written = Some(Box::new((version, desired)));
    Ok(())
}

/// What the log says of a write, in one line: reason and text of a new verdict, whether or not it is worth an Event, or else the news.
fn line(before: &JiraConnectionStatus, after: &JiraConnectionStatus, note: Option<&Note>) -> Option<(String, String)> {
    let ready = condition::find(&after.conditions, About::Ready)?;
    let same = |was: &Condition| was.status == ready.status && was.reason == ready.reason;
    if condition::find(&before.conditions, About::Ready).is_some_and(same) {
        return note.map(|note| (note.reason.clone(), note.text.clone()));
    }
    Some((ready.reason.clone(), ready.message.clone()))
}

/// What a write is worth an Event for: that `Ready` flipped, or else that another account was pinned. A pass files one Event
/// at most.
fn news(before: &JiraConnectionStatus, after: &JiraConnectionStatus) -> Option<Note> {
    let ready = condition::find(&after.conditions, About::Ready)?;
    let was = condition::find(&before.conditions, About::Ready);
    let flipped = was.is_none_or(|was| was.status != ready.status);
    let awaited = ready.status == Truth::Unknown.as_str();
    if flipped && !awaited {
        let tone = if ready.status == Truth::True.as_str() { Tone::Normal } else { Tone::Warning };
        return Some(Note { tone, reason: ready.reason.clone(), text: ready.message.clone() });
    }
    if let Some(note) = switched(before, after) {
        return Some(note);
    }
    let (old, new) = (before.account.as_ref()?, after.account.as_ref()?);
    (old.id != new.id).then(|| Note {
        tone: Tone::Normal,
        reason: "AccountPinned".into(),
        text: format!("Jira now sees the account {}.", new.display_name.as_deref().unwrap_or(&new.id)),
    })
}

/// The candidate has replaced the primary, or had to give way to it.
fn switched(before: &JiraConnectionStatus, after: &JiraConnectionStatus) -> Option<Note> {
    let active = |status: &JiraConnectionStatus| status.credentials.as_ref()?.active;
    let (tone, text) = match (active(before)?, active(after)?) {
        (ActiveCredential::Primary, ActiveCredential::Candidate) => (
            Tone::Normal,
            "Jira accepts the candidate, and it is in use now. Name it as the primary in spec.auth, then end the old credential.",
        ),
        (ActiveCredential::Candidate, ActiveCredential::Primary) => {
            (Tone::Warning, "The primary credential is in use again.")
        }
        (ActiveCredential::Primary, ActiveCredential::Primary)
        | (ActiveCredential::Candidate, ActiveCredential::Candidate) => return None,
    };
    Some(Note { tone, reason: "CredentialSwitched".into(), text: text.into() })
}

/// Tells the owner of a connection that bindings are refused; who is refused learns nothing.
fn refusals(connection: &JiraConnection, refused: usize, memory: &mut Memory, now: Timestamp) -> Option<Note> {
    let observed = connection.status.as_ref().and_then(|status| status.observed_generation);
    let restarted = memory.refusals.is_none() && memory.facts.pass == 1 && observed == connection.metadata.generation;
    if restarted {
        // Whatever is refused now was refused before the operator started, and was told of then.
        memory.refusals = Some((now, refused));
    }
    let told = memory.refusals.is_some_and(|(at, count)| count == refused || now < at + REFUSALS_AT_MOST_EVERY);
    if refused == 0 || told {
        return None;
    }
    memory.refusals = Some((now, refused));
    let bindings = if refused == 1 { "1 binding names".to_owned() } else { format!("{refused} bindings name") };
    let text = format!("{bindings} this connection and fit no entry of spec.allowedWorkspaces.");
    Some(Note { tone: Tone::Warning, reason: "BindingsRefused".into(), text })
}

#[cfg(test)]
mod tests {
    use crds::{State, connection::status::Bindings};
    use rstest::rstest;

    use super::*;
    use crate::condition::Claim;

    fn noon() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn counts_alone_wait_for_their_neighbours_and_then_for_a_minute() {
        let mut memory = Memory::default();
        assert_eq!(counts_due(&mut memory, noon()), noon() + seconds(2));
        assert_eq!(
            counts_due(&mut memory, noon() + seconds(1)),
            noon() + seconds(2),
            "more bindings do not put it off"
        );
        memory.counts = super::super::memory::Counts { written: Some(noon() + seconds(2)), differ: None };
        assert_eq!(counts_due(&mut memory, noon() + seconds(10)), noon() + seconds(62));
        memory.counts.differ = None;
        assert_eq!(counts_due(&mut memory, noon() + seconds(100)), noon() + seconds(102));
    }

    fn status(state: Option<State>, accepted: Option<i64>) -> JiraConnectionStatus {
        let bindings = accepted.map(|accepted| Bindings { accepted, namespaces: 1 });
        JiraConnectionStatus { state, bindings, ..JiraConnectionStatus::default() }
    }

    #[rstest]
    #[case::same(status(None, Some(1)), status(None, Some(1)), "none")]
    #[case::counts_alone(status(None, Some(2)), status(None, Some(1)), "counts")]
    #[case::first_counts(status(None, Some(0)), status(None, None), "substance")]
    #[case::state(status(Some(State::Authorized), Some(2)), status(None, Some(1)), "substance")]
    fn only_a_difference_in_counts_can_wait(
        #[case] desired: JiraConnectionStatus,
        #[case] current: JiraConnectionStatus,
        #[case] expected: &str,
    ) {
        let found = match difference(&desired, &current) {
            Difference::None => "none",
            Difference::Counts => "counts",
            Difference::Substance => "substance",
        };
        assert_eq!(found, expected);
    }

    fn with_ready(status: Truth, reason: &str) -> JiraConnectionStatus {
        let claims = [Claim::new(About::Ready, status, reason, "text")];
        let conditions = condition::merge(&[], &claims, None, noon());
        JiraConnectionStatus { conditions, ..JiraConnectionStatus::default() }
    }

    #[rstest]
    #[case::first_verdict(JiraConnectionStatus::default(), with_ready(Truth::True, "ConnectionVerified"), Some((Tone::Normal, "ConnectionVerified")))]
    #[case::turned_bad(with_ready(Truth::True, "ConnectionVerified"), with_ready(Truth::False, "Unreachable"), Some((Tone::Warning, "Unreachable")))]
    #[case::other_reason_is_no_flip(
        with_ready(Truth::False, "Unreachable"),
        with_ready(Truth::False, "TLSFailed"),
        None
    )]
    #[case::progress_is_no_news(JiraConnectionStatus::default(), with_ready(Truth::Unknown, "Progressing"), None)]
    fn a_flip_of_ready_is_news(
        #[case] before: JiraConnectionStatus,
        #[case] after: JiraConnectionStatus,
        #[case] expected: Option<(Tone, &str)>,
    ) {
        let note = news(&before, &after);
        assert_eq!(note.as_ref().map(|note| (note.tone, note.reason.as_str())), expected);
    }

    #[rstest]
    #[case::first_verdict(
        JiraConnectionStatus::default(),
        with_ready(Truth::True, "ConnectionVerified"),
        Some("ConnectionVerified")
    )]
    #[case::other_reason(
        with_ready(Truth::False, "Unreachable"),
        with_ready(Truth::False, "TLSFailed"),
        Some("TLSFailed")
    )]
    #[case::grace(
        with_ready(Truth::True, "ConnectionVerified"),
        with_ready(Truth::True, "InterruptedInGrace"),
        Some("InterruptedInGrace")
    )]
    #[case::same_verdict(
        with_ready(Truth::True, "ConnectionVerified"),
        with_ready(Truth::True, "ConnectionVerified"),
        None
    )]
    fn every_new_verdict_is_a_line_of_the_log(
        #[case] before: JiraConnectionStatus,
        #[case] after: JiraConnectionStatus,
        #[case] expected: Option<&str>,
    ) {
        let line = line(&before, &after, news(&before, &after).as_ref());
        assert_eq!(line.as_ref().map(|(reason, _)| reason.as_str()), expected);
    }

    #[test]
    fn news_without_a_new_verdict_is_a_line_as_well() {
        let verified = with_ready(Truth::True, "ConnectionVerified");
        let note = Note { tone: Tone::Normal, reason: "AccountPinned".into(), text: "Jira now sees Bot.".into() };
        let line = line(&verified, &verified, Some(&note));
        assert_eq!(line, Some(("AccountPinned".into(), "Jira now sees Bot.".into())));
    }

    fn connection(generation: i64, observed: Option<i64>) -> JiraConnection {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
            "metadata": { "name": "acme", "namespace": "platform", "generation": generation },
            "spec": { "url": "https://jira.example", "deployment": "Cloud", "auth": {} },
            "status": { "observedGeneration": observed },
        }))
        .unwrap()
    }

    #[test]
    fn refusals_are_told_when_their_number_changes_and_at_most_every_ten_minutes() {
        let (connection, mut memory) = (connection(1, None), Memory::default());
        let mut told = |refused, at| refusals(&connection, refused, &mut memory, at).map(|note| note.text);
        assert!(told(1, noon()).is_some_and(|text| text.starts_with("1 binding names")));
        assert_eq!(told(1, noon() + seconds(3600)), None, "the same is not told twice");
        assert_eq!(told(2, noon() + seconds(60)), None, "too soon");
        assert!(told(2, noon() + seconds(601)).is_some_and(|text| text.starts_with("2 bindings name")));
    }

    #[test]
    fn a_restart_does_not_repeat_refusals() {
        let (connection, mut memory) = (connection(1, Some(1)), Memory::default());
        memory.facts.pass = 1;
        assert_eq!(refusals(&connection, 3, &mut memory, noon()), None);
        memory.facts.pass = 2;
        assert_eq!(refusals(&connection, 3, &mut memory, noon() + seconds(3600)), None);
    }
}
