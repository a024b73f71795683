//! One pass over a `WorkspaceBinding`: gather, decide, act, report. What it needs is in memory but for the projected Secret, so it
//! asks nothing.

mod act;
pub mod concerns;
pub mod decide;
pub mod facts;
mod gather;
pub mod memory;
pub mod projection;
mod report;

use std::sync::Arc;

use crds::WorkspaceBinding;
use kube::{
    ResourceExt,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::controller::Action,
};
use tracing::Instrument;

pub use self::gather::{is_announced, is_weighed};
use self::memory::{BindingName, Memory};
use crate::{contained::Panicked, context::Context, kubernetes::status, spec_digest::SpecDigest, telemetry};

/// What went wrong on our side; it ends in backoff.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object is not what the schema says.
    #[error("the stored object does not match the schema")]
    Invalid(#[source] Box<InvalidObject>),
    /// The status could not be written.
    #[error("writing the status")]
    WriteStatus(#[source] Box<kube::Error>),
    /// A Secret could not be read.
    #[error("reading Secret {name}")]
    ReadSecret {
        /// Which.
        name: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// A projected Secret could not be written or removed.
    #[error("writing Secret {name}")]
    WriteSecret {
        /// Which.
        name: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// Somebody else has written a Secret since it was read.
    #[error("somebody else has written Secret {name} meanwhile")]
    Overtaken {
        /// Which.
        name: String,
    },
    /// The object was deleted during the pass.
    #[error("the object is gone")]
    Gone,
    /// The pass panicked; the panic hook has printed where.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

/// One pass.
///
/// # Errors
/// When the API server does not answer, or the object cannot be read.
pub async fn reconcile(object: Arc<DeserializeGuard<WorkspaceBinding>>, ctx: Arc<Context>) -> Result<Action, Error> {
    let name = (object.namespace().unwrap_or_default(), object.name_any());
    let mut memory = ctx.bindings.take(&name, object.uid().as_ref());
    // As for connections: first the memory, then the store.
    let latest = ctx.stores.latest_binding(&object);
    let mut binding = latest.0.clone().map_err(|invalid| Error::Invalid(Box::new(invalid)))?;
    if binding.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    status::prefer_written(&mut binding, memory.written.as_deref());
    let span = telemetry::pass("WorkspaceBinding", &name.0, &name.1);
    let outcome = pass(&binding, &mut memory, &ctx).instrument(span).await;
    ctx.bindings.keep(name.clone(), memory);
    if !ctx.stores.has_binding(&name) {
        // Deleted during the pass: what the watch forgot must not come back.
        forget(&name, &ctx);
    }
    if outcome.is_ok() {
        ctx.binding_backoff.forget(&name);
    }
    outcome
}

async fn pass(binding: &WorkspaceBinding, memory: &mut Memory, ctx: &Context) -> Result<Action, Error> {
    let (facts, own) = gather::facts(binding, memory, ctx).await?;
    let plan = decide::plan(binding, &facts, ctx.now());
    let concludes = plan.word.concludes();
    let applied = act::run(binding, plan, own, ctx).await?;
    let action = report::publish(binding, applied, memory, ctx).await?;
    if concludes {
        memory.concluded = Some(SpecDigest::of_binding(&binding.spec));
    }
    Ok(action)
}

/// Forgets everything about a binding that was deleted.
pub fn forget(name: &BindingName, ctx: &Context) {
    for secret in ctx.concerns.held(name) {
        ctx.own_writes.forget(&name.0, &secret);
    }
    ctx.concerns.forget(name);
    ctx.bindings.forget(name);
    ctx.binding_backoff.forget(name);
}

/// What the queue does with an error.
#[expect(clippy::needless_pass_by_value, reason = "the signature kube asks for")]
pub fn error_policy(object: Arc<DeserializeGuard<WorkspaceBinding>>, error: &Error, ctx: Arc<Context>) -> Action {
    let name = (object.namespace().unwrap_or_default(), object.name_any());
    match error {
        Error::Invalid(_) | Error::Gone => Action::await_change(),
        Error::WriteStatus(_)
        | Error::ReadSecret { .. }
        | Error::WriteSecret { .. }
        | Error::Overtaken { .. }
        | Error::Panicked(_) => Action::requeue(ctx.binding_backoff.next(&name)),
    }
}
