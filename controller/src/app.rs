//! Composition root: builds everything once, starts it, and stops it. The only file that spawns.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use futures::{FutureExt, StreamExt, TryStreamExt, future::Shared};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::{
    Api, Client, Resource,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        controller::{self, Action},
        reflector::{self, ObjectRef},
        watcher,
    },
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};

use crate::{
    arguments::Args,
    backoff::Backoff,
    binding,
    connection::{
        self,
        material::{Referent, ReferentKind},
        settings::Settings,
    },
    context::Context,
    jira::{InvalidProxy, Network, NetworkConfig, NetworkFault, Proxy},
    kubernetes::events::Events,
    metrics::{Kind, Metrics, Outcome},
    probes::{self, Readiness},
    proof::Proofs,
    watch::{self, Queues, StoredBinding, StoredConnection, Stores, Switchboard, Wakes},
};

/// Why the operator did not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The check interval is out of bounds.
    #[error("--check-interval must be between 1m and 24h")]
    CheckInterval,
    /// The file of `--extra-ca` could not be read.
    #[error("--extra-ca: cannot read {path}")]
    ExtraCa {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The proxy of `--proxy` cannot be used.
    #[error("--proxy")]
    Proxy(#[source] InvalidProxy),
    /// The network settings do not fit.
    #[error("network settings")]
    Network(#[source] NetworkFault),
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

/// A future that resolves when the operator shall stop.
type Stop = Shared<futures::future::BoxFuture<'static, ()>>;

/// Runs until `stop` resolves and the passes then under way are finished.
///
/// # Errors
/// When it cannot start, or a part of it ends by itself.
pub async fn run(args: Args, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    let stop: Stop = stop.boxed().shared();
    let settings = settings(&args)?;
    let network = network(&args)?;
    let client = Client::try_default().await.map_err(|source| Error::Client(Box::new(source)))?;
    let metrics = Arc::new(Metrics::default());
    let readiness = Readiness::default();

    let mut servers = JoinSet::new();
    serve(&mut servers, args.probe_address, "probes", probes::probes(readiness.clone())).await?;
    serve(&mut servers, args.metrics_address, "metrics", probes::exposition(Arc::clone(&metrics), network.clone()))
        .await?;

    let (wakes, queues) = Wakes::new();
    let watches = Watches::new();
    let ctx = Arc::new(Context {
        events: Events::new(client.clone(), hostname()),
        client,
        network,
        stores: watches.stores.clone(),
        wakes,
        proofs: Proofs::default(),
        memories: connection::memory::Memories::default(),
        bindings: binding::memory::Memories::default(),
        backoff: Backoff::default(),
        binding_backoff: Backoff::default(),
        settings,
        requires_released_secrets: args.require_released_secrets,
        metrics,
    });
    let mut watching = JoinSet::new();
    let listed = watches.start(&mut watching, &ctx);

    let working = async {
        tokio::select! {
            () = stop.clone() => return Ok(()),
            listed = listed => listed.map_err(|_| Error::Ended { part: "watches" })?,
        }
        readiness.set(true);
        tracing::info!("every watch is listed; working");
        work(queues, &ctx, args.concurrency, stop.clone()).await;
        Ok(())
    };
    tokio::select! {
        outcome = working => outcome,
        () = async { stop.clone().await; tokio::time::sleep(PATIENCE).await } => {
            tracing::warn!("stopped with passes still under way");
            Ok(())
        }
        _ = servers.join_next() => Err(Error::Ended { part: "HTTP server" }),
        _ = watching.join_next() => Err(Error::Ended { part: "watches" }),
    }
}

fn settings(args: &Args) -> Result<Settings, Error> {
    let (shortest, longest) = (crds::Duration::from_secs(60), crds::Duration::from_secs(24 * 3600));
    if !(shortest..=longest).contains(&args.check_interval) {
        return Err(Error::CheckInterval);
    }
    Ok(Settings { interval: args.check_interval })
}

fn network(args: &Args) -> Result<Network, Error> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(|source| Error::ExtraCa { path: path.clone(), source });
    let proxy = args.proxy.as_deref().map(|url| Proxy::parse(url, None, None)).transpose().map_err(Error::Proxy)?;
    Network::new(NetworkConfig {
        atlassian_auth_url: args.atlassian_auth_url.clone(),
        atlassian_api_url: args.atlassian_api_url.clone(),
        allowed_hosts: args.allowed_hosts.clone(),
        denied_networks: args.denied_networks.clone(),
        extra_ca: args.extra_ca.as_ref().map(read).transpose()?.unwrap_or_default(),
        proxy,
    })
    .map_err(Error::Network)
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
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, what, "listening");
    servers.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, what, "the server ended");
        }
    });
    Ok(())
}

/// The writing ends of the stores.
struct Watches {
    stores: Stores,
    connections: reflector::store::Writer<StoredConnection>,
    bindings: reflector::store::Writer<StoredBinding>,
    namespaces: reflector::store::Writer<PartialObjectMeta<Namespace>>,
}

impl Watches {
    fn new() -> Self {
        let (connections, bindings) = (reflector::store::Writer::default(), reflector::store::Writer::default());
        let namespaces = reflector::store::Writer::default();
        let stores = Stores {
            connections: connections.as_reader(),
            bindings: bindings.as_reader(),
            namespaces: namespaces.as_reader(),
        };
        Self { stores, connections, bindings, namespaces }
    }

    /// Starts every watch. The future resolves when each has been listed once.
    fn start(
        self,
        tasks: &mut JoinSet<()>,
        ctx: &Arc<Context>,
    ) -> impl Future<Output = Result<(), oneshot::error::RecvError>> + use<> {
        let (board, client, metrics) = (Switchboard(Arc::clone(ctx)), &ctx.client, || Arc::clone(&ctx.metrics));

        let switch = board.clone();
        let tell = move |change: watch::Change<_>| switch.connection(&change);
        tasks.spawn(watch::follow(objects(client), self.connections, "JiraConnection", metrics(), tell));

        let switch = board.clone();
        let tell = move |change: watch::Change<_>| switch.binding(&change);
        tasks.spawn(watch::follow(objects(client), self.bindings, "WorkspaceBinding", metrics(), tell));

        let switch = board.clone();
        let tell = move |change: watch::Change<_>| switch.namespace(&change);
        tasks.spawn(watch::follow(metadata(client), self.namespaces, "Namespace", metrics(), tell));

        let secrets = notice::<Secret>(tasks, ctx, &board, ReferentKind::Secret);
        let maps = notice::<ConfigMap>(tasks, ctx, &board, ReferentKind::ConfigMap);
        let stores = ctx.stores.clone();
        async move {
            secrets.await?;
            maps.await?;
            // A store whose writer is gone belongs to a watch that has ended, which `run` notices by itself.
            _ = stores.connections.wait_until_ready().await;
            _ = stores.bindings.wait_until_ready().await;
            _ = stores.namespaces.wait_until_ready().await;
            Ok(())
        }
    }
}

fn objects<K>(client: &Client) -> impl futures::Stream<Item = watcher::Result<watcher::Event<K>>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    // Nobody here reads who manages which field, and it is the largest part of an object.
    watcher(Api::<K>::all(client.clone()), watcher::Config::default()).default_backoff().modify(|object| {
        object.meta_mut().managed_fields = None;
    })
}

fn metadata<K>(
    client: &Client,
) -> impl futures::Stream<Item = watcher::Result<watcher::Event<PartialObjectMeta<K>>>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let api = Api::<PartialObjectMeta<K>>::all(client.clone());
    watcher(api, watcher::Config::default()).default_backoff().modify(|object| {
        object.meta_mut().managed_fields = None;
        object.meta_mut().annotations = None;
    })
}

fn notice<K>(
    tasks: &mut JoinSet<()>,
    ctx: &Arc<Context>,
    board: &Switchboard,
    kind: ReferentKind,
) -> oneshot::Receiver<()>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let (listed, receiver) = oneshot::channel();
    let board = board.clone();
    let tell = move |namespace: &str, name: &str| board.referent(namespace, &Referent { kind, name: name.to_owned() });
    let label = match kind {
        ReferentKind::Secret => "Secret",
        ReferentKind::ConfigMap => "ConfigMap",
    };
    tasks.spawn(watch::notice(metadata::<K>(&ctx.client), label, Arc::clone(&ctx.metrics), listed, tell));
    receiver
}

/// Works on both queues until `stop` resolves and the passes under way are finished.
async fn work(queues: Queues, ctx: &Arc<Context>, concurrency: u16, stop: Stop) {
    let config = controller::Config::default().concurrency(concurrency);
    let connections = controller::applier(
        |object, ctx: Arc<Context>| connection::reconcile(object, ctx).boxed(),
        connection::error_policy,
        Arc::clone(ctx),
        ctx.stores.connections.clone(),
        queues.connections.map(Ok::<_, watcher::Error>).take_until(stop.clone()),
        config.clone(),
    );
    let bindings = controller::applier(
        |object, ctx: Arc<Context>| binding::reconcile(object, ctx).boxed(),
        binding::error_policy,
        Arc::clone(ctx),
        ctx.stores.bindings.clone(),
        queues.bindings.map(Ok::<_, watcher::Error>).take_until(stop),
        config,
    );
    futures::join!(
        connections.into_stream().for_each(async |outcome| note(Kind::JiraConnection, outcome, &ctx.metrics)),
        bindings.into_stream().for_each(async |outcome| note(Kind::WorkspaceBinding, outcome, &ctx.metrics)),
    );
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
