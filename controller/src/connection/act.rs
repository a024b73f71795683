//! Carries out a plan: tells the bindings what was proven.
//!
//! In: a plan. Out: the same plan, applied. The status is built from an [`Applied`] and from nothing else.

use crds::JiraConnection;
use kube::ResourceExt;

use super::{decide::plan::Plan, memory::Memory};
use crate::context::Context;

/// A plan that was carried out.
#[derive(Debug)]
pub(super) struct Applied(Plan);

impl Applied {
    pub(super) fn plan(&self) -> &Plan {
        &self.0
    }
}

/// Carries out a plan.
pub(super) fn run(connection: &JiraConnection, plan: Plan, memory: &mut Memory, ctx: &Context) -> Applied {
    let name = (connection.namespace().unwrap_or_default(), connection.name_any());
    memory.facts.trouble.clone_from(&plan.trouble);
    memory.facts.concluded = Some(connection.spec.clone());
    memory.facts.retain_projects(|key| plan.proof.projects.contains_key(key));
    if ctx.proofs.publish(name.clone(), plan.proof.clone()) {
        ctx.wakes.bindings_of(&name, &ctx.stores);
    }
    Applied(plan)
}
