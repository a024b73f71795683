//! What is announced of an object, and what became of it.

use std::{fmt, str::FromStr};

use crds::{Condition, JiraConnection, State, WorkspaceBinding};
use kube::ResourceExt;

/// A kind of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `JiraConnection`.
    JiraConnection,
    /// `WorkspaceBinding`.
    WorkspaceBinding,
}

impl Kind {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JiraConnection => "JiraConnection",
            Self::WorkspaceBinding => "WorkspaceBinding",
        }
    }
}

/// The condition `Ready` and the state of an object:
/// `JiraConnection platform/acme Ready=True reason=ConnectionVerified state=Authorized`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Kind of the object.
    pub kind: Kind,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Status of the condition `Ready`: `True`, `False` or `Unknown`.
    pub ready: String,
    /// Reason of the condition `Ready`.
    pub reason: String,
    /// `status.state`; absent if the object has none.
    pub state: Option<String>,
}

/// A text that announces no outcome.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not of the form KIND NAMESPACE/NAME Ready=STATUS reason=REASON [state=STATE]")]
pub struct InvalidOutcome {
    text: String,
}

impl FromStr for Outcome {
    type Err = InvalidOutcome;

    fn from_str(text: &str) -> Result<Self, InvalidOutcome> {
        let invalid = || InvalidOutcome { text: text.to_owned() };
        let mut words = text.split_whitespace();
        let mut word = || words.next().ok_or_else(invalid);
        let kind = match word()? {
            "JiraConnection" => Kind::JiraConnection,
            "WorkspaceBinding" => Kind::WorkspaceBinding,
            _ => return Err(invalid()),
        };
        let (namespace, name) = word()?.split_once('/').ok_or_else(invalid)?;
        let ready = word()?.strip_prefix("Ready=").ok_or_else(invalid)?;
        let reason = word()?.strip_prefix("reason=").ok_or_else(invalid)?;
        let state = words.next().map(|word| word.strip_prefix("state=").ok_or_else(invalid)).transpose()?;
        let known = ["Authorized", "Interrupted", "NotAuthorized"];
        if words.next().is_some()
            || !["True", "False", "Unknown"].contains(&ready)
            || state.is_some_and(|state| !known.contains(&state))
        {
            return Err(invalid());
        }
        Ok(Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ready: ready.to_owned(),
            reason: reason.to_owned(),
            state: state.map(str::to_owned),
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name, ready, reason, state } = self;
        write!(formatter, "{} {namespace}/{name} Ready={ready} reason={reason}", kind.as_str())?;
        state.iter().try_for_each(|state| write!(formatter, " state={state}"))
    }
}

/// An object of the operator as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its outcome.
    pub outcome: Outcome,
    /// Message of the condition `Ready`.
    pub message: String,
}

impl Seen {
    /// What the status of a connection says of its present spec. Absent as long as it says nothing of it.
    #[must_use]
    pub fn connection(connection: &JiraConnection) -> Option<Self> {
        let status = connection.status.as_ref()?;
        let current = status.observed_generation == connection.metadata.generation;
        current.then(|| seen(Kind::JiraConnection, connection, &status.conditions, status.state))?
    }

    /// What the status of a binding says of its present spec. Absent as long as it says nothing of it.
    #[must_use]
    pub fn binding(binding: &WorkspaceBinding) -> Option<Self> {
        let status = binding.status.as_ref()?;
        let current = status.observed_generation == binding.metadata.generation;
        current.then(|| seen(Kind::WorkspaceBinding, binding, &status.conditions, status.state))?
    }
}

fn seen<K: ResourceExt>(kind: Kind, object: &K, conditions: &[Condition], state: Option<State>) -> Option<Seen> {
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
    let state = state.map(|state| match state {
        State::Authorized => "Authorized",
        State::Interrupted => "Interrupted",
        State::NotAuthorized => "NotAuthorized",
    });
    Some(Seen {
        outcome: Outcome {
            kind,
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            ready: ready.status.clone(),
            reason: ready.reason.clone(),
            state: state.map(str::to_owned),
        },
        message: ready.message.clone(),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::with_state("JiraConnection platform/acme Ready=True reason=ConnectionVerified state=Authorized")]
    #[case::without_state("WorkspaceBinding web/site Ready=False reason=NotPermitted")]
    fn an_outcome_is_read_as_it_is_written(#[case] text: &str) {
        assert_eq!(text.parse::<Outcome>().unwrap().to_string(), text);
    }

    #[rstest]
    #[case::kind("Secret platform/acme Ready=True reason=ConnectionVerified")]
    #[case::namespace("JiraConnection acme Ready=True reason=ConnectionVerified")]
    #[case::status("JiraConnection platform/acme Ready=Perhaps reason=ConnectionVerified")]
    #[case::reason("JiraConnection platform/acme Ready=True")]
    #[case::state("JiraConnection platform/acme Ready=True reason=ConnectionVerified state=Good")]
    #[case::more("JiraConnection platform/acme Ready=True reason=A state=Authorized and=more")]
    fn what_announces_nothing_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<Outcome>(), Err(InvalidOutcome { text: text.to_owned() }));
    }

    fn connection(observed: i64) -> JiraConnection {
        let condition = |about: &str, reason: &str| {
            serde_json::json!({ "type": about, "status": "True", "reason": reason, "message": "As it should be.",
                "lastTransitionTime": "2026-11-01T10:00:00Z" })
        };
        serde_json::from_value(serde_json::json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
            "metadata": { "namespace": "platform", "name": "acme", "generation": 2 },
            "spec": { "url": "https://jira.example", "deployment": "Cloud", "auth": {} },
            "status": { "observedGeneration": observed, "state": "Authorized",
                "conditions": [condition("Authorized", "IdentityProven"), condition("Ready", "ConnectionVerified")] },
        }))
        .unwrap()
    }

    #[test]
    fn a_status_is_seen_by_its_condition_ready() {
        let seen = Seen::connection(&connection(2)).unwrap();
        let expected = "JiraConnection platform/acme Ready=True reason=ConnectionVerified state=Authorized";
        assert_eq!(seen.outcome.to_string(), expected);
    }

    #[test]
    fn a_status_of_an_earlier_spec_is_not_seen() {
        assert_eq!(Seen::connection(&connection(1)), None);
    }
}
