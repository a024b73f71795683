//! Writes a binding's status, if it says something new, and one Event for a flip of `Ready`.

use std::time::Duration;

use crds::{WorkspaceBinding, WorkspaceBindingStatus};
use kube::{ResourceExt, runtime::controller::Action};

use super::{
    Error,
    act::Applied,
    decide::{Statement, Word},
    memory::Memory,
};
use crate::{
    condition::{self, About, Truth},
    context::Context,
    kubernetes::{
        events::{Note, Tone},
        status::{ApplyError, Novelty},
    },
};

/// Publishes what was carried out and says when to come back.
///
/// # Errors
/// When the API server does not take the status.
pub(super) async fn publish(
    binding: &WorkspaceBinding,
    applied: Applied,
    memory: &mut Memory,
    ctx: &Context,
) -> Result<Action, Error> {
    let now = ctx.now();
    let Statement { claims, details, wake } = match applied.word() {
        Word::Keep { awaiting, wake } => {
            memory.waiting_since = awaiting.then(|| memory.waiting_since.unwrap_or(now));
            return Ok(action(wake.map(|wake| wake.duration_since(now).unsigned_abs())));
        }
        Word::Say(statement) => *statement,
    };
    memory.waiting_since = None;
    let before = binding.status.clone().unwrap_or_default();
    let ours: Vec<_> = before.conditions.iter().filter(|it| condition::is_ours(it)).cloned().collect();
    let conditions = condition::merge(&ours, &claims, binding.metadata.generation, now);
    let desired = WorkspaceBindingStatus { conditions, ..details };
    let current = WorkspaceBindingStatus { conditions: ours, ..before };
    if desired != current {
        let place = ctx.statuses.place(Novelty::after(current.observed_generation)).await;
        let version = ctx.statuses.apply(place, binding, &desired).await.map_err(|error| match error {
            ApplyError::Gone => Error::Gone,
            ApplyError::Refused(source) => Error::WriteStatus(source),
        })?;
        if let Some(note) = flip(&current, &desired) {
            let Note { reason, text, .. } = &note;
            tracing::info!(namespace = binding.namespace(), name = binding.name_any(), reason, text, "binding turned");
            ctx.events.publish(binding, note);
        }
        memory.written = Some(Box::new((version, desired)));
    }
    Ok(action(wake.map(|wake| wake.duration_since(now).unsigned_abs())))
}

fn action(wait: Option<Duration>) -> Action {
    wait.map_or_else(Action::await_change, |wait| Action::requeue(wait.max(Duration::from_millis(100))))
}

fn flip(before: &WorkspaceBindingStatus, after: &WorkspaceBindingStatus) -> Option<Note> {
    let ready = condition::find(&after.conditions, About::Ready)?;
    let was = condition::find(&before.conditions, About::Ready).map(|was| was.status.as_str());
    if was == Some(ready.status.as_str()) || ready.status == Truth::Unknown.as_str() {
        return None;
    }
    let tone = if ready.status == Truth::True.as_str() { Tone::Normal } else { Tone::Warning };
    Some(Note { tone, reason: ready.reason.clone(), text: ready.message.clone() })
}
