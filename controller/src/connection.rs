//! One pass over a `JiraConnection`: gather and decide take turns, then act, then report.

mod act;
pub mod custody;
pub mod decide;
pub mod facts;
pub mod farewell;
pub mod finding;
pub(crate) mod gather;
pub mod handshake;
pub mod material;
pub mod memory;
pub mod reason;
pub mod reference;
pub mod references;
mod report;
pub(crate) mod secrets;
pub mod settings;
pub mod turns;
pub mod wallet;

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use crds::{JiraConnection, JiraConnectionStatus};
use kube::{
    ResourceExt,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::controller::Action,
};
use tracing::Instrument;

use self::{
    decide::{Next, Rest, View, plan::Plan},
    memory::Memory,
    reason::Reason,
};
use crate::{
    auth::key_pair::{InvalidKey, MakingFault},
    condition::{About, Claim, Truth},
    contained::Panicked,
    context::Context,
    kubernetes::status,
    proof::ConnectionName,
    telemetry,
    watch::Cause,
};

/// How long the first check of a spec may take before the status says that it is under way.
const SILENT: Duration = Duration::from_secs(2);

/// What went wrong on our side; it ends in backoff. What is wrong on the user's side is a condition.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object is not what the schema says.
    #[error("the stored object does not match the schema")]
    Invalid(#[source] Box<InvalidObject>),
    /// A Secret or ConfigMap could not be read.
    #[error("reading {what}")]
    Read {
        /// Which.
        what: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// The status could not be written.
    #[error("writing the status")]
    WriteStatus(#[source] Box<kube::Error>),
    /// A Secret that the operator makes could not be written.
    #[error("writing Secret {name}")]
    WriteSecret {
        /// Which.
        name: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// The finalizer could not be written.
    #[error("writing the finalizer")]
    WriteFinalizer(#[source] Box<kube::Error>),
    /// A key pair could not be made.
    #[error("making a key pair")]
    MakeKeyPair(#[source] MakingFault),
    /// A key pair could not be put into the form in which it is stored.
    #[error("encoding a key pair")]
    WriteKeyPair(#[source] InvalidKey),
    /// The system has no randomness to give.
    #[error("no randomness")]
    Randomness(#[source] getrandom::Error),
    /// The object was deleted, perhaps made anew, during the pass.
    #[error("the object is gone")]
    Gone,
    /// A question came before what it needs was known.
    #[error("a question was asked before its time")]
    NothingToAskWith,
    /// The pass panicked; the panic hook has printed where.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

/// One pass.
///
/// # Errors
/// When the API server does not answer, or the object cannot be read.
pub async fn reconcile(object: Arc<DeserializeGuard<JiraConnection>>, ctx: Arc<Context>) -> Result<Action, Error> {
    let name = (object.namespace().unwrap_or_default(), object.name_any());
    let _turn = ctx.turns.take(&name).await;
    let mut memory = ctx.memories.take(&name, object.uid().as_ref(), ctx.now());
    // As it is now, after the memory was taken: a status that the store shows by then is not remembered any more.
    let latest = ctx.stores.latest_connection(&object);
    let mut connection = latest.0.clone().map_err(|invalid| Error::Invalid(Box::new(invalid)))?;
    if connection.metadata.deletion_timestamp.is_some() {
        farewell::take(&connection, &ctx).await?;
        return Ok(Action::await_change());
    }
    let started = Instant::now();
    status::prefer_written(&mut connection, memory.written.as_deref());
    let outdated = ctx.memories.take_outdated(&name);
    memory.facts.begin(connection.metadata.generation, outdated, ctx.now());

    let span = telemetry::pass("JiraConnection", &name.0, &name.1);
    let outcome = pass(&mut connection, &mut memory, &ctx).instrument(span).await;
    if outcome.is_err() {
        // The pass may have failed before it read what had changed.
        ctx.memories.outdate(name.clone(), outdated);
    }
    if memory.facts.asked_at.is_some_and(|asked| memory.facts.began <= asked) {
        ctx.metrics.checked(connection.spec.deployment, started.elapsed());
    }
    memory.facts.end();
    ctx.memories.keep(name.clone(), memory);
    if ctx.stores.connection_uid(&name).is_none() {
        // Deleted during the pass: what the watch forgot must not come back, least of all the secrets.
        forget(&name, &ctx);
    }
    if outcome.is_ok() {
        ctx.backoff.forget(&name);
    }
    outcome
}

/// A pass because a person waits for it. What comes later is left to the other queue.
///
/// # Errors
/// As [`reconcile`].
pub async fn attend(object: Arc<DeserializeGuard<JiraConnection>>, ctx: Arc<Context>) -> Result<Action, Error> {
    let name = (object.namespace().unwrap_or_default(), object.name_any());
    Box::pin(reconcile(object, Arc::clone(&ctx))).await?;
    ctx.wakes.connection(&name, Cause::Change);
    Ok(Action::await_change())
}

/// Forgets everything about a connection that was deleted.
pub fn forget(name: &ConnectionName, ctx: &Context) {
    ctx.memories.forget(name);
    for secret in references::owned(&name.1) {
        ctx.own_writes.forget(&name.0, &secret);
    }
    ctx.loans.forget(name);
    ctx.proofs.forget(name);
    ctx.metrics.forget(name);
    ctx.backoff.forget(name);
}

/// How a pass ends.
enum End {
    /// With something to carry out.
    Plan(Box<Plan>),
    /// With everything as it stands.
    Rest(Rest),
}

async fn pass(connection: &mut JiraConnection, memory: &mut Memory, ctx: &Context) -> Result<Action, Error> {
    let plan = match conclude(connection, memory, ctx).await? {
        End::Plan(plan) => plan,
        End::Rest(rest) => return Ok(report::rest(connection, rest, ctx)),
    };
    let applied = act::run(connection, *plan, memory, ctx).await?;
    report::publish(connection, &applied, memory, ctx).await
}

/// Asks until there is nothing left to ask. A first check that takes long says so in between.
async fn conclude(connection: &mut JiraConnection, memory: &mut Memory, ctx: &Context) -> Result<End, Error> {
    let first =
        connection.status.as_ref().and_then(|status| status.observed_generation) != connection.metadata.generation;
    if !first {
        return ask(connection, memory, ctx).await;
    }
    let subject = connection.clone();
    let told = {
        let mut asking = pin!(ask(&subject, memory, ctx));
        if let Ok(end) = tokio::time::timeout(SILENT, asking.as_mut()).await {
            return end;
        }
        // Announced while Jira is still being asked; the check itself goes on undisturbed.
        let (end, told) = tokio::join!(asking, report::progressing(&subject, ctx));
        end?;
        told?
    };
    connection.status = Some(told.1.clone());
    memory.written = Some(Box::new(told));
    // Every answer is in the facts now: this concludes against the status just written, and asks nothing more.
    ask(connection, memory, ctx).await
}

async fn ask(connection: &JiraConnection, memory: &mut Memory, ctx: &Context) -> Result<End, Error> {
    let settings = ctx.settings.of(&connection.spec);
    let application_url = act::application_url(connection, ctx);
    loop {
        let view = View {
            connection,
            settings: &settings,
            application_url: &application_url,
            facts: &memory.facts,
            now: memory.facts.began,
        };
        match decide::next(view) {
            Next::Conclude(plan) => return Ok(End::Plan(plan)),
            Next::Rest(rest) => return Ok(End::Rest(rest)),
            Next::Ask(question) => {
                let span = telemetry::question(question.label());
                let answer = gather::answer(question, connection, memory, ctx).instrument(span).await?;
                memory.facts.record(answer, ctx.now());
            }
        }
    }
}

/// The claims of a check that is under way; what stood before and is not ours to doubt yet is kept.
fn progress(before: &JiraConnectionStatus) -> Vec<Claim> {
    let message = "The connection is being checked.";
    let unknown = |about| Claim::new(about, Truth::Unknown, Reason::Progressing.as_str(), message);
    let kept =
        before.conditions.iter().filter_map(Claim::standing).filter(|claim| {
            !matches!(claim.about, About::Ready | About::Authorized | About::Reconciling | About::Stalled)
        });
    let mut claims = vec![unknown(About::Ready), unknown(About::Authorized)];
    claims.extend(kept);
    for about in [About::CredentialsResolved, About::Reachable, About::PermissionsGranted] {
        if !claims.iter().any(|claim| claim.about == about) {
            claims.push(Claim::new(about, Truth::Unknown, "NotChecked", "The check did not get that far."));
        }
    }
    claims.push(Claim::new(About::Reconciling, Truth::True, Reason::Progressing.as_str(), message));
    claims
}

/// What the queue does with an error.
#[expect(clippy::needless_pass_by_value, reason = "the signature kube asks for")]
pub fn error_policy(object: Arc<DeserializeGuard<JiraConnection>>, error: &Error, ctx: Arc<Context>) -> Action {
    let name = (object.namespace().unwrap_or_default(), object.name_any());
    match error {
        Error::Invalid(_) | Error::Gone => Action::await_change(),
        Error::Read { .. }
        | Error::WriteStatus(_)
        | Error::WriteSecret { .. }
        | Error::WriteFinalizer(_)
        | Error::MakeKeyPair(_)
        | Error::WriteKeyPair(_)
        | Error::Randomness(_)
        | Error::NothingToAskWith
        | Error::Panicked(_) => Action::requeue(ctx.backoff.next(&name)),
    }
}
