//! Sees what becomes of every connection and binding, as anybody else at the API server does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::{StreamExt, pin_mut};
use kube::{
    Api, Client,
    core::Object,
    runtime::{WatchStreamExt, watcher},
};
use serde::{Deserialize, Serialize};
use tests::stage::Kind;
use tokio::{sync::Notify, task::JoinSet};

use super::estate::{Plot, resource};

/// What stands in a status, as far as it is looked at here.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    pub observed_generation: Option<i64>,
    pub conditions: Vec<Condition>,
    pub credentials: Credentials,
    pub last_handled_requested_at: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Condition {
    pub r#type: String,
    pub status: String,
    pub reason: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Credentials {
    pub observed: Vec<Observed>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    pub resource_version: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Ignored {}

type Watched = Object<Ignored, Status>;

/// An object as it was seen last.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub generation: Option<i64>,
    pub status: Status,
    /// When it came to look so.
    pub at: Option<Instant>,
    /// How often it was seen to change since it was there.
    pub changes: usize,
}

impl Seen {
    /// Status and reason of `Ready`, for the present spec.
    pub fn ready(&self) -> Option<(&str, &str)> {
        let status = &self.status;
        let condition = status.conditions.iter().find(|condition| condition.r#type == "Ready")?;
        (status.observed_generation == self.generation)
            .then_some((condition.status.as_str(), condition.reason.as_str()))
    }

    /// Whether it is ready.
    pub fn is_ready(&self) -> bool {
        self.ready().is_some_and(|(status, _)| status == "True")
    }

    /// `resourceVersion` of the Secret in use, as the status tells it.
    pub fn secret(&self) -> Option<&str> {
        Some(self.status.credentials.observed.first()?.resource_version.as_str())
    }
}

type Objects = HashMap<(Kind, String, String), Seen>;

#[derive(Default)]
struct Shared {
    objects: Mutex<Objects>,
    changed: Notify,
}

impl Shared {
    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches both kinds until it is dropped.
pub struct Observer {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Observer {
    /// Begins to watch; returns when everything that is there was seen.
    pub async fn start(client: &Client) -> Self {
        let shared = Arc::<Shared>::default();
        let mut tasks = JoinSet::new();
        let mut listed = Vec::new();
        for kind in [Kind::Connection, Kind::Binding] {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let api = Api::all_with(client.clone(), &resource(kind));
            tasks.spawn(follow(kind, api, Arc::clone(&shared), sender));
            listed.push(receiver);
        }
        for listed in listed {
            listed.await.unwrap();
        }
        Self { shared, _tasks: tasks }
    }

    /// An object as it was seen last.
    pub fn get(&self, kind: Kind, plot: &Plot) -> Seen {
        let key = (kind, plot.namespace.clone(), plot.name.clone());
        self.shared.objects().get(&key).cloned().unwrap_or_default()
    }

    /// How often objects were seen to change, by all who write.
    pub fn changes(&self) -> usize {
        self.shared.objects().values().map(|seen| seen.changes).sum()
    }

    /// Waits until an object is as wanted, and returns when it became so.
    pub async fn until(&self, kind: Kind, plot: &Plot, wanted: impl Fn(&Seen) -> bool) -> Instant {
        self.until_within(Duration::from_secs(60), kind, plot, wanted).await
    }

    /// Like [`until`](Self::until), with a limit of its own.
    pub async fn until_within(
        &self,
        limit: Duration,
        kind: Kind,
        plot: &Plot,
        wanted: impl Fn(&Seen) -> bool,
    ) -> Instant {
        let waiting = async {
            loop {
                let changed = self.shared.changed.notified();
                let seen = self.get(kind, plot);
                if wanted(&seen) {
                    return seen.at.unwrap_or_else(Instant::now);
                }
                // A change between the look and the wait is not missed for long.
                _ = tokio::time::timeout(Duration::from_millis(20), changed).await;
            }
        };
        let outcome = tokio::time::timeout(limit, waiting).await;
        outcome.unwrap_or_else(|_| panic!("{kind:?} {} is not as wanted: {:?}", plot.name, self.get(kind, plot)))
    }

    /// Waits until both objects of every plot are ready, and returns when the last one became so.
    pub async fn until_all_ready(&self, plots: &[Plot], limit: Duration) -> Instant {
        let mut open: Vec<_> =
            plots.iter().flat_map(|plot| [(Kind::Connection, plot), (Kind::Binding, plot)]).collect();
        let mut last = Instant::now();
        let started = Instant::now();
        loop {
            {
                let objects = self.shared.objects();
                open.retain(|(kind, plot)| {
                    let seen = objects.get(&(*kind, plot.namespace.clone(), plot.name.clone()));
                    let Some(seen) = seen.filter(|seen| seen.is_ready()) else { return true };
                    last = last.max(seen.at.unwrap_or(last));
                    false
                });
            }
            let Some((kind, plot)) = open.first() else { return last };
            assert!(
                started.elapsed() < limit,
                "{} objects are not ready after {limit:?}, {kind:?} {} among them: {:?}",
                open.len(),
                plot.name,
                self.get(*kind, plot)
            );
            // Each look costs processor time that the measured need.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn follow(kind: Kind, api: Api<Watched>, shared: Arc<Shared>, listed: tokio::sync::oneshot::Sender<()>) {
    let mut listed = Some(listed);
    let events = watcher(api, watcher::Config::default()).default_backoff();
    pin_mut!(events);
    while let Some(event) = events.next().await {
        let (object, change) = match event {
            Ok(watcher::Event::InitApply(object)) => (object, 0),
            Ok(watcher::Event::Apply(object)) => (object, 1),
            Ok(watcher::Event::InitDone) => {
                listed.take().into_iter().for_each(|listed| listed.send(()).unwrap());
                continue;
            }
            Ok(watcher::Event::Init | watcher::Event::Delete(_)) => continue,
            Err(error) => {
                eprintln!("the observer's watch failed and goes on: {error}");
                continue;
            }
        };
        note(kind, object, change, &shared);
        shared.changed.notify_waiters();
    }
}

fn note(kind: Kind, object: Watched, change: usize, shared: &Shared) {
    let (namespace, name) = (object.metadata.namespace.unwrap_or_default(), object.metadata.name.unwrap_or_default());
    let status = object.status.unwrap_or_default();
    let mut objects = shared.objects();
    let seen = objects.entry((kind, namespace, name)).or_default();
    if seen.at.is_none() || seen.status != status || seen.generation != object.metadata.generation {
        seen.at = Some(Instant::now());
    }
    seen.changes += change;
    (seen.generation, seen.status) = (object.metadata.generation, status);
}
