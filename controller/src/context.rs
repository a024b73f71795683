//! What every pass shares. Built in one place, the composition root.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::Client;

use crate::{
    auth::keeping::Holder,
    backoff::Backoff,
    binding::{concerns::Concerns, memory::Memories as BindingMemories},
    connection::{memory::Memories, settings::Settings, turns::Turns},
    instance::Instances,
    jira::Network,
    kubernetes::{events::Events, lease::Leadership, own_writes::OwnWrites, status::Statuses},
    lending::Loans,
    metrics::Metrics,
    proof::Proofs,
    rush::Rush,
    watch::{Stores, Wakes},
    web::PublicUrl,
};

/// What every pass shares.
pub struct Context {
    /// For reading and writing Secrets. It sends no write while the lease is not ours.
    pub client: Client,
    /// For writing statuses, by way of the same.
    pub statuses: Statuses,
    /// Whether this replica may write, and for how long it surely may: to be asked right before a refresh token is sent.
    pub leadership: Leadership,
    /// Whether something that has changed is worked on.
    pub rush: Rush,
    /// For reaching Jira.
    pub network: Network,
    /// For telling about transitions.
    pub events: Events,
    /// Objects as the watches see them.
    pub stores: Stores,
    /// For waking the other controller.
    pub wakes: Wakes,
    /// Which connections lead to the same Jira.
    pub instances: Instances,
    /// What the connections have proven.
    pub proofs: Proofs,
    /// What the connections lend to their bindings.
    pub loans: Loans,
    /// Whose turn it is, by connection.
    pub turns: Turns,
    /// What is remembered of connections.
    pub memories: Memories,
    /// What is remembered of bindings.
    pub bindings: BindingMemories,
    /// Which Secrets concern which binding.
    pub concerns: Concerns,
    /// Secrets that stand as the operator wrote them.
    pub own_writes: OwnWrites,
    /// Failures of ours, by connection.
    pub backoff: Backoff<(String, String)>,
    /// Failures of ours, by binding.
    pub binding_backoff: Backoff<(String, String)>,
    /// Defaults for connections.
    pub settings: Settings,
    /// The name under which this process claims the renewal of a grant.
    pub holder: Holder,
    /// Whether a Secret must name the hosts that it may be used for.
    pub requires_released_secrets: bool,
    /// Where people find the pages. Absent: there are none, and no callback.
    pub public_url: Option<PublicUrl>,
    /// Counters and gauges.
    pub metrics: Arc<Metrics>,
}

impl Context {
    /// The present time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
