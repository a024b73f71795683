//! Composition root: builds everything once, starts it, and stops it. The only file that spawns.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use futures::{FutureExt, StreamExt, TryStreamExt, future::Shared};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::{
    Client, Config, Resource, ResourceExt,
    api::DynamicObject,
    client::ClientBuilder,
    core::PartialObjectMeta,
    runtime::{
        controller::{self, Action},
        reflector::{self, ObjectRef},
        watcher,
    },
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};

use crate::{
    arguments::{Args, InvalidNetwork},
    auth::keeping::Holder,
    backoff::Backoff,
    binding,
    connection::{
        self,
        material::ReferentKind,
        settings::{INTERVALS, Settings},
        turns::Turns,
    },
    contained::contained,
    context::Context,
    instance::Instances,
    kubernetes::{
        events::{Delivery, Events},
        lease::{self, Candidate, InvalidPeriods, Leadership, LeaseName, Lost, Periods},
        own_writes::OwnWrites,
        status::Statuses,
    },
    lending::Loans,
    metrics::{Kind, Metrics, Outcome},
    probes,
    proof::Proofs,
    reach::Reach,
    rush::Rush,
    watch::{
        self, Backlog, Cause, Places, Queues, Sights, StoredBinding, StoredConnection, Stores, Switchboard, Wakes,
    },
    web::{self, Pages},
};

/// Why the operator did not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The check interval is out of bounds.
    #[error("--check-interval must be between 1m and 24h")]
    CheckInterval,
    /// The periods of the lease do not fit together.
    #[error(transparent)]
    Periods(#[from] InvalidPeriods),
    /// The operating system has no random numbers.
    #[error("cannot make an identity for the election of the leader")]
    Identity(#[from] getrandom::Error),
    /// Another replica works now, or may.
    #[error("leadership was lost; this process ends at once, so that nothing that it had begun goes on")]
    Leadership(#[source] Box<Lost>),
    /// No request can be sent with the flags of the network.
    #[error(transparent)]
    Network(#[from] InvalidNetwork),
    /// No API server was found, or it could not be reached.
    #[error("no Kubernetes API server: set KUBECONFIG, or run in a cluster")]
    Client(#[source] Box<kube::Error>),
    /// An address is taken or cannot be used.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A part of the operator that never ends has ended.
    #[error("the {part} ended unexpectedly")]
    Ended {
        /// Which part.
        part: &'static str,
    },
}

/// How long passes under way may take when the operator stops: within the 10 seconds that a pod is given at least.
const PATIENCE: Duration = Duration::from_secs(8);

/// How many connections for which a person waits are worked on at the same time. Most of such a pass is waiting, and a Jira
/// that does not answer holds its place until the timeout: few places would let everybody wait for a handful of dead Jiras.
const URGENT_AT_ONCE: u16 = 64;

/// How many connections are worked on because of a change while the places for all others are taken.
const CHANGES_AT_ONCE: u16 = 32;

/// A future that resolves when the operator shall stop.
type Stop = Shared<futures::future::BoxFuture<'static, ()>>;

/// Runs until `stop` resolves and the passes then under way are finished. With an election of the leader, it works only while the
/// lease is its own, and gives the lease back at the end.
///
/// # Errors
/// When it cannot start, a part of it ends by itself, or the lease is lost.
pub async fn run(args: Args, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    let stop: Stop = stop.boxed().shared();
    let settings = settings(&args)?;
    let network = args.network.network()?;
    let periods = periods(&args)?;
    let config = Config::infer().await.map_err(|source| Error::Client(Box::new(kube::Error::InferConfig(source))))?;
    let candidate = args.leader_election.then(|| candidate(&args, periods, &config)).transpose()?;
    let leadership = candidate.as_ref().map_or_else(Leadership::undisputed, Candidate::leadership);
    // Unlike the passes, the pages write on every replica: nothing but what a person has just decided.
    let pages_client = Client::try_from(config.clone()).map_err(|source| Error::Client(Box::new(source)))?;
    let client = fenced(config, &leadership)?;
    let metrics = Arc::new(Metrics::default());
    let watches = Watches::new(Reach::new(args.watch_namespaces.iter().cloned()), Arc::clone(&metrics));

    let mut servers = JoinSet::new();
    let probes = probes::probes(watches.sights.clone(), leadership.clone());
    serve(&mut servers, args.probe_address, "probes", probes).await?;

    let (wakes, mut queues) = Wakes::new();
    let (events, delivery) = Events::new(client.clone(), hostname());
    let rush = Rush::default();
    let ctx = Arc::new(Context {
        events,
        statuses: Statuses::new(client.clone(), rush.clone()),
        rush,
        client,
        leadership,
        network,
        stores: watches.stores.clone(),
        wakes,
        instances: Instances::default(),
        proofs: Proofs::default(),
        loans: Loans::default(),
        turns: Turns::default(),
        memories: connection::memory::Memories::default(),
        bindings: binding::memory::Memories::default(),
        concerns: binding::concerns::Concerns::default(),
        own_writes: OwnWrites::default(),
        backoff: Backoff::default(),
        binding_backoff: Backoff::default(),
        settings,
        requires_released_secrets: args.require_released_secrets,
        public_url: args.public_url.clone(),
        holder: Holder(lease::identity(hostname().as_deref())?),
        metrics,
    });
    serve(&mut servers, args.metrics_address, "metrics", probes::exposition(Arc::clone(&ctx))).await?;
    serve_pages(&mut servers, &args, ctx.stores.clone(), pages_client).await?;
    let mut watching = JoinSet::new();
    let sights = watches.start(&mut watching, &ctx);
    let (mut leading, (resign, resigned)) = (JoinSet::new(), oneshot::channel());

    let working = async {
        tokio::select! {
            () = stop.clone() => return Ok(()),
            () = sights.listed() => {}
        }
        tracing::info!("every watch is listed");
        let Some(candidate) = candidate else {
            work(queues, delivery, &ctx, args.concurrency, stop.clone()).await;
            return Ok(());
        };
        let term = tokio::select! {
            () = stop.clone() => return Ok(()),
            term = stand_by(&mut queues, candidate.win()) => term,
        };
        wake_all(&ctx);
        // Apart from the passes, so that none of them can keep the lease from being renewed.
        leading.spawn(term.serve(resigned.map(|_| ())));
        tokio::select! {
            () = work(queues, delivery, &ctx, args.concurrency, stop.clone()) => Ok(()),
            Some(ended) = leading.join_next() => Err(match ended {
                Ok(Err(lost)) => Error::Leadership(Box::new(lost)),
                Ok(Ok(())) | Err(_) => Error::Ended { part: "election of the leader" },
            }),
        }
    };
    let outcome = tokio::select! {
        outcome = working => outcome,
        () = async { stop.clone().await; tokio::time::sleep(PATIENCE).await } => {
            tracing::warn!("stopped with passes still under way");
            Ok(())
        }
        _ = servers.join_next() => Err(Error::Ended { part: "HTTP server" }),
        _ = watching.join_next() => Err(Error::Ended { part: "watches" }),
    };
    // No pass is under way any more: the others may begin. If nobody listens, there is no lease to give back.
    _ = resign.send(());
    while leading.join_next().await.is_some() {}
    outcome
}

fn periods(args: &Args) -> Result<Periods, InvalidPeriods> {
    Periods::new(args.lease_duration.into(), args.lease_renew_deadline.into(), args.lease_retry_period.into())
}

fn candidate(args: &Args, periods: Periods, config: &Config) -> Result<Candidate, Error> {
    let client = Client::try_from(config.clone()).map_err(|source| Error::Client(Box::new(source)))?;
    let namespace = args.lease_namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let lease = LeaseName { namespace, name: args.lease_name.clone() };
    Ok(Candidate::new(client, lease, lease::identity(hostname().as_deref())?, periods))
}

/// The client of the passes, which writes only while the lease is ours.
fn fenced(config: Config, leadership: &Leadership) -> Result<Client, Error> {
    let client = ClientBuilder::try_from(config).map_err(|source| Error::Client(Box::new(source)))?;
    Ok(client.with_layer(&leadership.fence()).build())
}

/// Waits for the lease. What is woken meanwhile is not kept, or the queues would grow for as long as another replica works.
async fn stand_by<T>(queues: &mut Queues, won: impl Future<Output = T>) -> T {
    let mut won = pin!(won);
    loop {
        tokio::select! {
            term = &mut won => return term,
            Some(_) = queues.connections.next() => {}
            Some(_) = queues.urgent.next() => {}
            Some(_) = queues.bindings.next() => {}
        }
    }
}

/// Puts every object into the queue, as at a start. What changes from now on is woken by its watch.
fn wake_all(ctx: &Context) {
    for connection in ctx.stores.connections.state() {
        ctx.wakes.connection(&(connection.namespace().unwrap_or_default(), connection.name_any()), Cause::Presence);
    }
    for binding in ctx.stores.bindings.state() {
        ctx.wakes.binding(&binding.namespace().unwrap_or_default(), &binding.name_any());
    }
}

fn settings(args: &Args) -> Result<Settings, Error> {
    let (shortest, longest) = INTERVALS;
    if !(shortest..=longest).contains(&args.check_interval) {
        return Err(Error::CheckInterval);
    }
    Ok(Settings { interval: args.check_interval })
}

/// The name of the pod, as Kubernetes sets it; Events say who reported them.
fn hostname() -> Option<String> {
    std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty())
}

async fn serve(
    servers: &mut JoinSet<()>,
    address: SocketAddr,
    what: &'static str,
    router: Router,
) -> Result<(), Error> {
    let listener = listen(address, what).await?;
    servers.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, what, "the server ended");
        }
    });
    Ok(())
}

/// The pages, where the operator has a public URL. Any replica serves them, as they write nothing but a person's answer.
async fn serve_pages(servers: &mut JoinSet<()>, args: &Args, stores: Stores, client: Client) -> Result<(), Error> {
    let Some(public_url) = args.public_url.clone() else { return Ok(()) };
    let pages = Pages { public_url, atlassian_auth_url: args.network.atlassian_auth_url.clone(), stores, client };
    let listener = listen(args.pages_address, "pages").await?;
    servers.spawn(web::server::serve(listener, web::router(pages), web::server::Limits::default()));
    Ok(())
}

async fn listen(address: SocketAddr, what: &'static str) -> Result<TcpListener, Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, what, "listening");
    Ok(listener)
}

/// The watches before they start: what they reach, and the writing ends of the stores.
struct Watches {
    reach: Reach,
    sights: Sights,
    stores: Stores,
    connections: reflector::store::Writer<StoredConnection>,
    bindings: reflector::store::Writer<StoredBinding>,
    namespaces: reflector::store::Writer<PartialObjectMeta<Namespace>>,
}

impl Watches {
    fn new(reach: Reach, metrics: Arc<Metrics>) -> Self {
        let (connections, bindings) = (reflector::store::Writer::default(), reflector::store::Writer::default());
        let namespaces = reflector::store::Writer::default();
        let stores = Stores {
            connections: connections.as_reader(),
            bindings: bindings.as_reader(),
            namespaces: namespaces.as_reader(),
            relations: Arc::default(),
        };
        Self { reach, sights: Sights::new(metrics), stores, connections, bindings, namespaces }
    }

    /// Starts every watch, and returns how they stand.
    fn start(self, tasks: &mut JoinSet<()>, ctx: &Arc<Context>) -> Sights {
        let Self { reach, sights, stores: _, connections, bindings, namespaces } = self;
        let (board, client) = (Switchboard(Arc::clone(ctx)), &ctx.client);

        let switch = board.clone();
        let tell = move |change: watch::Change<_>| switch.namespace(&change);
        tasks.spawn(watch::follow(watch::namespaces(&reach, &sights, client), namespaces, tell));

        let switch = board.clone();
        let tell = move |change: watch::Change<_>| switch.connection(&change);
        tasks.spawn(watch::follow(watch::objects(&reach, &sights, client, "JiraConnection"), connections, tell));

        let switch = board.clone();
        let tell = move |change: watch::Change<_>| switch.binding(&change);
        tasks.spawn(watch::follow(watch::objects(&reach, &sights, client, "WorkspaceBinding"), bindings, tell));

        let switch = board.clone();
        let tell = move |told: watch::Told<'_>| switch.told(ReferentKind::Secret, told);
        tasks.spawn(watch::notice(watch::metadata::<Secret>(&reach, &sights, client, "Secret"), tell));

        let tell = move |told: watch::Told<'_>| board.told(ReferentKind::ConfigMap, told);
        tasks.spawn(watch::notice(watch::metadata::<ConfigMap>(&reach, &sights, client, "ConfigMap"), tell));
        sights
    }
}

/// Works on the queues until `stop` resolves and the passes under way are finished.
async fn work(queues: Queues, delivery: Delivery, ctx: &Arc<Context>, concurrency: u16, stop: Stop) {
    let places = Places::new(concurrency.into(), ctx.rush.clone());
    let backlog = Backlog::new(queues.connections, places.clone());
    let connections = controller::applier(
        |object, ctx: Arc<Context>| contained(connection::reconcile(object, ctx)).boxed(),
        connection::error_policy,
        Arc::clone(ctx),
        ctx.stores.connections.clone(),
        backlog.map(Ok::<_, watcher::Error>).take_until(stop.clone()),
        controller::Config::default().concurrency(concurrency.saturating_add(CHANGES_AT_ONCE)),
    );
    let urgent = controller::applier(
        |object, ctx: Arc<Context>| contained(connection::attend(object, ctx)).boxed(),
        connection::error_policy,
        Arc::clone(ctx),
        ctx.stores.connections.clone(),
        queues.urgent.map(Ok::<_, watcher::Error>).take_until(stop.clone()),
        controller::Config::default().concurrency(URGENT_AT_ONCE),
    );
    let bindings = controller::applier(
        |object, ctx: Arc<Context>| contained(binding::reconcile(object, ctx)).boxed(),
        binding::error_policy,
        Arc::clone(ctx),
        ctx.stores.bindings.clone(),
        queues.bindings.map(Ok::<_, watcher::Error>).take_until(stop),
        controller::Config::default().concurrency(concurrency),
    );
    let (finished, end) = oneshot::channel();
    let passes = async {
        futures::join!(
            connections.into_stream().for_each(async |outcome| {
                if let Some(object) = object(&outcome) {
                    places.give_back(&object);
                }
                note(Kind::JiraConnection, outcome, &ctx.metrics);
            }),
            urgent.into_stream().for_each(async |outcome| note(Kind::JiraConnection, outcome, &ctx.metrics)),
            bindings.into_stream().for_each(async |outcome| note(Kind::WorkspaceBinding, outcome, &ctx.metrics)),
        );
        // Dropped: the last pass has told what there is to tell.
        drop(finished);
    };
    futures::join!(passes, delivery.run(end.map(|_: Result<(), _>| ())));
}

/// The object of a pass that has ended.
fn object<K, E>(outcome: &Result<(ObjectRef<K>, Action), controller::Error<E, watcher::Error>>) -> Option<ObjectRef<K>>
where
    K: Resource<DynamicType = ()>,
    E: std::error::Error + 'static,
{
    let named = |found: &ObjectRef<DynamicObject>| {
        ObjectRef::new(&found.name).within(found.namespace.as_deref().unwrap_or_default())
    };
    match outcome {
        Ok((object, _)) => Some(object.clone()),
        Err(controller::Error::ObjectNotFound(object) | controller::Error::ReconcilerFailed(_, object)) => {
            Some(named(object))
        }
        Err(controller::Error::QueueError(_) | controller::Error::RunnerError(_)) => None,
    }
}

fn note<K: Resource, E: std::error::Error + 'static>(
    kind: Kind,
    outcome: Result<(ObjectRef<K>, Action), controller::Error<E, watcher::Error>>,
    metrics: &Metrics,
) {
    match outcome {
        Ok(_) => metrics.passed(kind, Outcome::Concluded),
        // Deleted between the wake and the pass: nothing to do.
        Err(controller::Error::ObjectNotFound(_)) => {}
        Err(error) => {
            metrics.passed(kind, Outcome::Failed);
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, ?kind, "a pass did not conclude and is tried again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_queues_of_a_standby_stay_empty_and_what_is_woken_afterwards_is_kept() {
        let (wakes, mut queues) = Wakes::new();
        let busy = async {
            for number in 0..1_000 {
                let cause = if number % 2 == 0 { Cause::Change } else { Cause::Presence };
                wakes.connection(&("web".to_owned(), number.to_string()), cause);
                wakes.binding("web", &number.to_string());
                tokio::task::yield_now().await;
            }
            // A quiet time before the lease is won, so that nothing depends on which of them is looked at first.
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            "won"
        };
        assert_eq!(stand_by(&mut queues, busy).await, "won");
        wakes.binding("web", "later");
        assert!(queues.connections.next().now_or_never().is_none());
        let bindings: Vec<_> = std::iter::from_fn(|| queues.bindings.try_recv().ok()).map(|wake| wake.name).collect();
        assert_eq!(bindings, ["later"]);
    }
}
