//! Collects what is known about a binding: its connection, both sides' consent, what the connection has proven.

use crds::WorkspaceBinding;
use kube::ResourceExt;

use super::{
    facts::{Admission, Facts},
    memory::Memory,
};
use crate::{
    acceptance::{self, Acceptance},
    context::Context,
};

/// What is known now.
pub(super) fn facts(binding: &WorkspaceBinding, memory: &Memory, ctx: &Context) -> Facts {
    Facts {
        admission: admission(binding, ctx),
        waiting_since: memory.waiting_since,
        concluded: memory.concluded.clone(),
    }
}

fn admission(binding: &WorkspaceBinding, ctx: &Context) -> Admission {
    let name = acceptance::named_connection(binding);
    let labels = ctx.stores.namespace_labels(&binding.namespace().unwrap_or_default());
    let Some(connection) = ctx.stores.connection(&name) else {
        return Admission::Refused;
    };
    match acceptance::judge(&connection, binding, labels.as_ref()) {
        Acceptance::Refused => Admission::Refused,
        Acceptance::Accepted { .. } => {
            let present = |proof: &std::sync::Arc<crate::proof::Proof>| {
                connection.metadata.uid.as_ref() == Some(&proof.uid)
                    && connection.metadata.generation == proof.generation
            };
            Admission::Accepted { proof: ctx.proofs.get(&name).filter(present) }
        }
    }
}
