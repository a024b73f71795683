//! The Lease that says which replica works: one writes, the others stand by with warm stores.
//!
//! The rules are those of Kubernetes' own components (client-go's `leaderelection`). Every write of the Lease carries the
//! `resourceVersion` it was decided on, so of two replicas that take it at once the API server refuses one. A candidate measures on
//! its own monotonic clock for how long the Lease has not changed, and takes it when that is as long as the holder announced;
//! the wall clocks of other machines decide nothing. A leader renews every retry period and gives up, before the others
//! may begin, when the renew deadline has passed.
//!
//! The election is written here, and not taken from a crate, because of one question that has to be answered right before
//! a refresh token is sent: until *when* is the lease surely ours? [`Leadership::holds_for`] answers it from a monotonic clock.
//! kube-lease-manager 0.13 tells that it leads, not until when; it compares the wall clock of the machine with times that another
//! machine wrote, and it takes an expired Lease with a patch that holds for any version of it, so two can take it one after the
//! other and both write until they look again.
//!
//! A term ends once. A replica that has lost the lease does not go back to standing by: the process ends, and with it everything that
//! was under way, in memory or on the network. Kubernetes starts it again as a standby.

mod leadership;
mod observation;
mod periods;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use self::observation::{Advice, Observation, holder};
pub use self::{
    leadership::{Leadership, NotLeading},
    periods::{InvalidPeriods, Periods},
};
use super::FIELD_MANAGER;

/// How long the release may take when the operator stops. Passes may have used 8 of the 10 seconds that a pod is given.
const RELEASE_LIMIT: Duration = Duration::from_secs(1);

/// Namespace and name of a Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseName {
    /// The operator's own namespace.
    pub namespace: String,
    /// Shared by all replicas of one operator, and by nobody else.
    pub name: String,
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A request about the Lease failed. The message is fit for a probe; what the API server said is the source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rights are missing.
    #[error(
        "not allowed to read or write the Lease {lease}: get, create and update of leases.coordination.k8s.io are needed in its namespace"
    )]
    Forbidden {
        /// Which.
        lease: LeaseName,
        /// What the API server said.
        source: Box<kube::Error>,
    },
    /// The API server cannot be reached, or refuses.
    #[error("the Lease {lease} cannot be read or written")]
    Refused {
        /// Which.
        lease: LeaseName,
        /// What was said.
        source: Box<kube::Error>,
    },
    /// The API server does not answer.
    #[error("no answer about the Lease {lease} within {} ms", limit.as_millis())]
    Silent {
        /// Which.
        lease: LeaseName,
        /// How long it was waited for.
        limit: Duration,
    },
}

/// Why a term ended that nobody had asked to end.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Somebody else has written the Lease.
    #[error("the Lease {lease} is held by {holder} now")]
    Taken {
        /// Which.
        lease: LeaseName,
        /// Identity of the holder, or a word for nobody.
        holder: String,
    },
    /// The renewals failed, or this process did not run for too long.
    #[error("the Lease {lease} was not renewed for {} ms", deadline.as_millis())]
    Unrenewed {
        /// Which.
        lease: LeaseName,
        /// The renew deadline.
        deadline: Duration,
        /// How the last attempt failed; absent if there was none, because the process was paused.
        source: Option<Error>,
    },
}

/// An identity that no other process has, nor this one after a restart: `POD_5f3a9c01d2e4b687`.
///
/// # Errors
/// When the operating system has no random numbers.
pub fn identity(pod: Option<&str>) -> Result<String, getrandom::Error> {
    Ok(format!("{}_{:016x}", pod.unwrap_or("jira-operator"), getrandom::u64()?))
}

/// The way to the Lease in the name of one replica.
#[derive(Clone, Debug)]
struct Access {
    api: Api<Lease>,
    lease: LeaseName,
    identity: String,
    periods: Periods,
}

/// What became of a write.
enum Written {
    /// It is stored, and was sent at this moment at the earliest.
    Stored(Box<Lease>, Instant),
    /// The Lease was made, changed or deleted since it was read.
    Outrun,
}

impl Access {
    async fn read(&self) -> Result<Option<Lease>, Error> {
        self.api.get_opt(&self.lease.name).await.map_err(|source| self.failure(source))
    }

    /// Writes a Lease that was read, or makes a new one. Nothing is stored if it was changed since.
    async fn write(&self, lease: &Lease) -> Result<Written, Error> {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let sent = Instant::now();
        let outcome = match lease.metadata.resource_version {
            Some(_) => self.api.replace(&self.lease.name, &params, lease).await,
            None => self.api.create(&params, lease).await,
        };
        match outcome {
            Ok(stored) => Ok(Written::Stored(Box::new(stored), sent)),
            Err(kube::Error::Api(refusal)) if refusal.is_conflict() || refusal.is_already_exists() => {
                Ok(Written::Outrun)
            }
            // Of a replacement this is the Lease, of a new one the namespace.
            Err(kube::Error::Api(refusal)) if refusal.is_not_found() && lease.metadata.resource_version.is_some() => {
                Ok(Written::Outrun)
            }
            Err(source) => Err(self.failure(source)),
        }
    }

    fn failure(&self, source: kube::Error) -> Error {
        let (lease, source) = (self.lease.clone(), Box::new(source));
        match &*source {
            kube::Error::Api(refusal) if refusal.is_forbidden() => Error::Forbidden { lease, source },
            _ => Error::Refused { lease, source },
        }
    }

    /// `found` with this replica as its holder from now on, or a new one. Labels and annotations of others stay.
    fn taken(&self, found: Option<Lease>) -> Lease {
        let mut lease = found.unwrap_or_else(|| self.new_lease());
        let now = MicroTime(Timestamp::now());
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            // A new Lease has known no other holder.
            let is_first = lease.metadata.resource_version.is_none();
            spec.lease_transitions =
                Some(spec.lease_transitions.map_or(i32::from(!is_first), |it| it.saturating_add(1)));
            spec.acquire_time = Some(now.clone());
            spec.holder_identity = Some(self.identity.clone());
        }
        spec.lease_duration_seconds = Some(self.periods.duration_seconds());
        spec.renew_time = Some(now);
        lease
    }

    fn new_lease(&self) -> Lease {
        Lease {
            metadata: ObjectMeta {
                name: Some(self.lease.name.clone()),
                namespace: Some(self.lease.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: None,
        }
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        lease.spec.as_ref().and_then(holder) == Some(&self.identity)
    }
}

/// A replica that stands by and would work.
#[derive(Debug)]
pub struct Candidate {
    access: Access,
    leadership: Leadership,
    observation: Observation,
    /// When the API server last answered.
    heard: Option<Instant>,
    /// What was logged last: the same is not said every retry period.
    told: Option<String>,
}

/// What an attempt to take the lease came to.
enum Attempt {
    Won(Box<Term>),
    HeldBy(String),
    /// Another candidate was faster; the next look tells which.
    Outrun,
}

impl Candidate {
    /// A replica that stands by. `client` must not be [fenced](Leadership::fence), and should be used for nothing else: renewals
    /// then do not wait behind the requests of passes. `identity` is [one of its own](identity).
    #[must_use]
    pub fn new(client: Client, lease: LeaseName, identity: String, periods: Periods) -> Self {
        let api = Api::namespaced(client, &lease.namespace);
        let access = Access { api, lease, identity, periods };
        let leadership = Leadership::unheard();
        Self { access, leadership, observation: Observation::default(), heard: None, told: None }
    }

    /// What everybody else asks for the state of the election.
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Stands by until the lease is ours. Without contact to the API server, or without rights, it keeps trying, tells the log once
    /// and [readiness](Leadership::exclusion) all the time.
    pub async fn win(mut self) -> Term {
        let limit = self.access.periods.attempt_limit();
        loop {
            let attempt = timeout(limit, self.attempt()).await;
            match attempt.unwrap_or_else(|_| Err(Error::Silent { lease: self.access.lease.clone(), limit })) {
                Ok(Attempt::Won(term)) => {
                    tracing::info!(lease = %self.access.lease, identity = self.access.identity, "leading");
                    return *term;
                }
                Ok(Attempt::HeldBy(holder)) => self.stand_by(&holder),
                Ok(Attempt::Outrun) => {}
                Err(error) => self.fail(&error),
            }
            // Without jitter: few replicas ask, a conflict costs nothing, and so the time of a takeover has a bound.
            sleep(self.access.periods.retry_period()).await;
        }
    }

    async fn attempt(&mut self) -> Result<Attempt, Error> {
        let found = self.access.read().await?;
        let now = Instant::now();
        let spec = found.as_ref().map(|lease| lease.spec.clone().unwrap_or_default());
        let Access { identity, periods, .. } = &self.access;
        match self.observation.look(spec.as_ref(), identity, periods.duration(), now) {
            Advice::Wait { holder } => Ok(Attempt::HeldBy(holder)),
            Advice::Take => match self.access.write(&self.access.taken(found)).await? {
                Written::Stored(lease, sent) => Ok(Attempt::Won(Box::new(self.begin(lease, sent)))),
                Written::Outrun => Ok(Attempt::Outrun),
            },
        }
    }

    fn begin(&self, lease: Box<Lease>, sent: Instant) -> Term {
        let (access, leadership) = (self.access.clone(), self.leadership.clone());
        leadership.lead_until(sent + access.periods.duration());
        Term { access, leadership, lease, renewed: sent }
    }

    fn stand_by(&mut self, holder: &str) {
        self.heard = Some(Instant::now());
        self.leadership.stand_by();
        if self.is_news(format!("held by {holder}")) {
            tracing::info!(lease = %self.access.lease, holder, "standing by");
        }
    }

    fn fail(&mut self, error: &Error) {
        // One request may fail; who has heard nothing for so long could not take over either.
        let patience = self.access.periods.renew_deadline();
        if self.heard.is_none_or(|heard| heard.elapsed() > patience) {
            self.leadership.exclude(error.to_string());
        }
        if self.is_news(error.to_string()) {
            let error: &dyn std::error::Error = error;
            tracing::warn!(error, "not taking part in the election of the leader; it is tried again");
        }
    }

    fn is_news(&mut self, text: String) -> bool {
        let news = self.told.as_ref() != Some(&text);
        self.told = Some(text);
        news
    }
}

/// The time in which the lease is ours.
#[derive(Debug)]
pub struct Term {
    access: Access,
    leadership: Leadership,
    /// As it was stored last.
    lease: Box<Lease>,
    /// When the last successful renewal was sent.
    renewed: Instant,
}

impl Term {
    /// Renews the lease until `resigned` resolves, then releases it, so that another replica takes over at its next look. The
    /// passes must be over by then.
    ///
    /// # Errors
    /// When the lease is lost before. Whatever needs it must be stopped at once; the others may begin as soon as it has expired.
    pub async fn serve(mut self, resigned: impl Future<Output = ()>) -> Result<(), Lost> {
        let lost = tokio::select! {
            lost = self.keep() => Some(lost),
            () = resigned => None,
        };
        self.leadership.end();
        if let Some(lost) = lost {
            return Err(lost);
        }
        self.release().await;
        Ok(())
    }

    async fn keep(&mut self) -> Lost {
        let periods = self.access.periods;
        let mut failure = None;
        loop {
            let deadline = self.renewed + periods.renew_deadline();
            sleep_until(deadline.min(Instant::now() + periods.retry_period())).await;
            // Asked anew after each pause: this process may not have run for longer than it meant to sleep.
            if Instant::now() >= deadline {
                let lease = self.access.lease.clone();
                return Lost::Unrenewed { lease, deadline: periods.renew_deadline(), source: failure };
            }
            let limit = periods.attempt_limit();
            match timeout_at(deadline.min(Instant::now() + limit), self.renew()).await {
                Ok(Ok(None)) => failure = None,
                Ok(Ok(Some(holder))) => return Lost::Taken { lease: self.access.lease.clone(), holder },
                Ok(Err(error)) => failure = Some(self.not_renewed(error)),
                Err(_) => {
                    let lease = self.access.lease.clone();
                    failure = Some(self.not_renewed(Error::Silent { lease, limit }));
                }
            }
        }
    }

    fn not_renewed(&self, error: Error) -> Error {
        let cause: &dyn std::error::Error = &error;
        tracing::warn!(error = cause, lease = %self.access.lease, "the lease was not renewed; it is tried again");
        error
    }

    /// Renews once. Returns the holder if that is somebody else now.
    async fn renew(&mut self) -> Result<Option<String>, Error> {
        if self.store(self.access.taken(Some((*self.lease).clone()))).await? {
            return Ok(None);
        }
        // A person has annotated it, our last write was stored and its answer lost, or another replica has it.
        let found = self.access.read().await?;
        if let Some(lease) = found.as_ref().filter(|lease| !self.access.is_ours(lease)) {
            return Ok(Some(lease.spec.as_ref().and_then(holder).unwrap_or("nobody").to_owned()));
        }
        // Deleted or ours: either way nobody else has it, or this write will not be stored and the next attempt tells who has.
        self.store(self.access.taken(found)).await.map(|_| None)
    }

    /// Whether it was stored.
    async fn store(&mut self, lease: Lease) -> Result<bool, Error> {
        match self.access.write(&lease).await? {
            Written::Stored(lease, sent) => {
                self.lease = lease;
                self.renewed = sent;
                self.leadership.lead_until(sent + self.access.periods.duration());
                Ok(true)
            }
            Written::Outrun => Ok(false),
        }
    }

    async fn release(self) {
        let lease = self.access.lease.clone();
        let released = timeout(RELEASE_LIMIT, self.give_back()).await;
        match released.unwrap_or_else(|_| Err(Error::Silent { lease: lease.clone(), limit: RELEASE_LIMIT })) {
            Ok(()) => tracing::info!(%lease, "released"),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "the lease was not released; another replica takes over when it has expired");
            }
        }
    }

    async fn give_back(self) -> Result<(), Error> {
        let mut lease = *self.lease;
        loop {
            free(&mut lease);
            if let Written::Stored(..) = self.access.write(&lease).await? {
                return Ok(());
            }
            match self.access.read().await? {
                Some(newer) if self.access.is_ours(&newer) => lease = newer,
                Some(_) | None => return Ok(()),
            }
        }
    }
}

/// A Lease without holder, as client-go leaves it: the shortest duration, and the count of its holders.
fn free(lease: &mut Lease) {
    let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
    lease.spec = Some(LeaseSpec {
        lease_duration_seconds: Some(1),
        lease_transitions: transitions,
        renew_time: Some(MicroTime(Timestamp::now())),
        ..LeaseSpec::default()
    });
}
