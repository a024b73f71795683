//! Events: what `kubectl describe` shows of a transition. Best effort.

use kube::{
    Client, Resource, ResourceExt,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use crate::condition::clip;

/// Longest note that the API server takes, in bytes.
const NOTE_BYTES: usize = 1024;

/// Whether an Event is news to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Good or neutral.
    Normal,
    /// Something to look at.
    Warning,
}

/// What an Event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its tone.
    pub tone: Tone,
    /// Its reason, in CamelCase.
    pub reason: String,
    /// Its text.
    pub text: String,
}

/// Publishes Events in the operator's name.
#[derive(Clone)]
pub struct Events {
    client: Client,
    reporter: Reporter,
}

impl Events {
    /// Events sent with `client`.
    #[must_use]
    pub fn new(client: Client, instance: Option<String>) -> Self {
        Self { client, reporter: Reporter { controller: super::FIELD_MANAGER.into(), instance } }
    }

    /// Tells about one transition. A failure is logged and never fails the pass.
    pub async fn publish<K: Resource<DynamicType = ()>>(&self, about: &K, note: &Note) {
        // A Recorder merges by everything except the text and resends the first text, so each transition gets its own.
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        let type_ = match note.tone {
            Tone::Normal => EventType::Normal,
            Tone::Warning => EventType::Warning,
        };
        let event = Event {
            type_,
            reason: note.reason.clone(),
            note: Some(clip(&note.text, NOTE_BYTES).to_owned()),
            action: "Reconcile".into(),
            secondary: None,
        };
        if let Err(error) = recorder.publish(&event, &about.object_ref(&())).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, reason = event.reason, name = about.name_any(), "event not published");
        }
    }
}
