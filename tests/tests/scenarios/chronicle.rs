//! Every revision of every connection and binding, as the API server told it, and whether each kept the rules of the API.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    api::DynamicObject,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::Value;

use tests::stage::Kind;

use super::{row::broken_rules, scene::resource};

/// One revision of an object.
#[derive(Clone, Debug)]
pub(crate) struct Revision {
    /// When it was seen.
    pub(crate) at: Instant,
    /// The object.
    pub(crate) object: Value,
}

#[derive(Debug, Default)]
struct Pages {
    revisions: HashMap<String, Vec<Revision>>,
    gone: HashSet<String>,
    broken: HashMap<String, Vec<String>>,
}

/// What was seen, by `metadata.uid`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chronicle(Arc<Mutex<Pages>>);

impl Chronicle {
    /// Follows both kinds until the runtime that this is called on ends.
    pub(crate) fn begin(client: &Client) -> Self {
        let chronicle = Self::default();
        for kind in [Kind::Connection, Kind::Binding] {
            let api = Api::<DynamicObject>::all_with(client.clone(), &resource(kind));
            tokio::spawn(chronicle.clone().follow(api, kind));
        }
        chronicle
    }

    async fn follow(self, api: Api<DynamicObject>, kind: Kind) {
        let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => self.note(kind, &object),
                Ok(watcher::Event::Delete(object)) => _ = self.pages().gone.insert(object.uid().unwrap_or_default()),
                Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
                Err(error) => eprintln!("the chronicle's watch failed and is tried again: {error}"),
            }
        }
    }

    fn note(&self, kind: Kind, object: &DynamicObject) {
        let (uid, value) = (object.uid().unwrap_or_default(), serde_json::to_value(object).unwrap());
        let broken = broken_rules(kind, &value);
        let mut pages = self.pages();
        pages.broken.entry(uid.clone()).or_default().extend(broken);
        pages.revisions.entry(uid).or_default().push(Revision { at: Instant::now(), object: value });
    }

    /// The revisions of an object, oldest first.
    pub(crate) fn revisions(&self, uid: &str) -> Vec<Revision> {
        self.pages().revisions.get(uid).cloned().unwrap_or_default()
    }

    /// Whether the object was deleted.
    pub(crate) fn is_gone(&self, uid: &str) -> bool {
        self.pages().gone.contains(uid)
    }

    /// Rules of the API that a revision broke.
    pub(crate) fn broken_rules(&self, uid: &str) -> Vec<String> {
        self.pages().broken.get(uid).cloned().unwrap_or_default()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
