//! Collects what is known about a binding: its connection, both sides' consent, what the connection has proven and lends, and what
//! stands where the projected Secret shall be.

use std::sync::Arc;

use crds::{JiraConnection, WorkspaceBinding};
use kube::ResourceExt;

use super::{
    Error,
    decide::Reason,
    facts::{Admission, Facts, Lent},
    memory::Memory,
    projection::{SECRET_TYPE, Standing},
};
use crate::{
    acceptance::{self, Acceptance},
    condition::{self, About, Truth},
    context::Context,
    kubernetes::owned_secret::{Found, OwnedSecret, Owner},
    lending::Terms,
    proof::{ConnectionName, Proof},
    wish,
};

/// What is known now, and the Secret that was found if it is the binding's own.
///
/// # Errors
/// When the API server does not answer.
pub(super) async fn facts(
    binding: &WorkspaceBinding,
    memory: &Memory,
    ctx: &Context,
) -> Result<(Facts, Option<OwnedSecret>), Error> {
    let admission = admission(binding, ctx);
    let (secret, own) = secret(binding, &admission, ctx).await?;
    let facts = Facts { admission, secret, waiting_since: memory.waiting_since, concluded: memory.concluded };
    Ok((facts, own))
}

fn admission(binding: &WorkspaceBinding, ctx: &Context) -> Admission {
    let name = acceptance::named_connection(binding);
    let labels = ctx.stores.namespace_labels(&binding.namespace().unwrap_or_default());
    let Some(connection) = ctx.stores.connection(&name) else {
        return Admission::Refused;
    };
    match acceptance::judge(&connection, binding, labels.as_ref()) {
        Acceptance::Refused => Admission::Refused,
        Acceptance::Accepted { credential } => {
            let present = |proof: &Arc<Proof>| {
                connection.metadata.uid.as_ref() == Some(&proof.uid)
                    && connection.metadata.generation == proof.generation
            };
            let proof = ctx.proofs.get(&name).filter(present);
            let lent = lent(&connection, &name, proof.as_deref(), ctx);
            let announced = is_announced(&connection);
            Admission::Accepted { terms: Terms::of(&connection, credential), lent, proof, announced }
        }
    }
}

/// Whether a connection says that the first check of its present spec is under way.
#[must_use]
pub fn is_announced(connection: &JiraConnection) -> bool {
    connection.status.as_ref().is_some_and(|status| {
        status.observed_generation == connection.metadata.generation
            && condition::is(&status.conditions, About::Ready, Truth::Unknown)
    })
}

/// Whether the status of a binding is a verdict on its present spec, and nobody has wished for another one since.
#[must_use]
pub fn is_weighed(binding: &WorkspaceBinding) -> bool {
    let annotations = binding.metadata.annotations.as_ref();
    binding.status.as_ref().is_some_and(|status| {
        let ready = condition::find(&status.conditions, About::Ready);
        let (requested, reconcile) = (&status.last_handled_requested_at, &status.last_handled_reconcile_at);
        let wished = wish::is_unanswered(annotations, requested.as_ref(), reconcile.as_ref());
        status.observed_generation == binding.metadata.generation
            && condition::is(&status.conditions, About::Accepted, Truth::True)
            && ready.is_some_and(|ready| ready.reason != Reason::ConnectionNotReady.as_str())
            && !wished
    })
}

fn lent(connection: &JiraConnection, name: &ConnectionName, proof: Option<&Proof>, ctx: &Context) -> Option<Lent> {
    let loan = ctx.loans.get(name)?;
    let present =
        connection.metadata.uid.as_ref() == Some(&loan.uid) && connection.metadata.generation == loan.generation;
    let cloud_id = proof.and_then(|proof| proof.cloud_id.as_ref()?.parse().ok());
    present.then(|| Lent {
        certificates: loan.certificates.clone(),
        token: loan.token.is_some(),
        cloud_api: cloud_id.map(|id| ctx.network.cloud_api(&id)),
    })
}

async fn secret(
    binding: &WorkspaceBinding,
    admission: &Admission,
    ctx: &Context,
) -> Result<(Standing, Option<OwnedSecret>), Error> {
    let name = (binding.namespace().unwrap_or_default(), binding.name_any());
    let wanted = binding.spec.projection.as_ref().map(|projection| projection.secret_name.as_str());
    let wanted = wanted.filter(|_| binding.spec.suspend != Some(true) && *admission != Admission::Refused);
    ctx.concerns.want(&name, wanted);
    let Some(wanted) = wanted else {
        return Ok((Standing::Absent, None));
    };
    let owner = Owner::of(binding).ok_or(Error::Gone)?;
    read(&owner, wanted, ctx).await
}

/// What stands under a name, and the Secret if it is the binding's own.
///
/// # Errors
/// When the API server does not answer.
pub(super) async fn read(owner: &Owner, name: &str, ctx: &Context) -> Result<(Standing, Option<OwnedSecret>), Error> {
    let found = owner.read(&ctx.client, name).await;
    let found = found.map_err(|source| Error::ReadSecret { name: name.to_owned(), source: Box::new(source) })?;
    Ok(match found {
        Found::Absent => (Standing::Absent, None),
        Found::Owned(own) if own.kind == SECRET_TYPE => (Standing::Own, Some(own)),
        Found::Former => (Standing::Former, None),
        // One of another type was not made by the operator, whatever it says of its owner.
        Found::Owned(_) | Found::Foreign => (Standing::Foreign, None),
    })
}
