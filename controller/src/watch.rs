//! What the operator sees of the API server: stores of objects, and who is woken by which change.
//!
//! A store keeps what the watch last showed and nothing else. Secrets and ConfigMaps have none: they are watched by their
//! metadata, and a change only marks the connections that refer to them.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::Hash,
    sync::Arc,
};

use crds::{JiraConnection, WorkspaceBinding, connection::status::ActiveCredential};
use futures::{
    Stream, StreamExt,
    channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded},
    pin_mut,
};
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Resource, ResourceExt,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::{
        reflector::{ObjectRef, Store, store::Writer},
        watcher,
    },
};

use crate::{
    acceptance::{self, Labels},
    binding::{self, memory::BindingName},
    connection::{
        self,
        facts::Outdated,
        material::{Referent, ReferentKind},
        references,
    },
    context::Context,
    kubernetes::owned_secret,
    proof::ConnectionName,
    relations::Relations,
};

use self::sight::Watched;
pub use self::{
    backlog::{Backlog, Cause, Places, Woken},
    sight::{Sight, Sights},
    source::{metadata, namespaces, objects},
};

mod backlog;
mod sight;
mod source;

/// A connection as it was stored, even if it does not fit the schema.
pub type StoredConnection = DeserializeGuard<JiraConnection>;

/// A binding as it was stored, even if it does not fit the schema.
pub type StoredBinding = DeserializeGuard<WorkspaceBinding>;

/// Objects as the watches see them.
#[derive(Clone)]
pub struct Stores {
    /// Connections.
    pub connections: Store<StoredConnection>,
    /// Bindings.
    pub bindings: Store<StoredBinding>,
    /// Namespaces, for their labels.
    pub namespaces: Store<PartialObjectMeta<Namespace>>,
    /// Which of these objects names which, and what else.
    pub relations: Arc<Relations>,
}

impl Stores {
    /// A connection by namespace and name.
    #[must_use]
    pub fn connection(&self, (namespace, name): &ConnectionName) -> Option<JiraConnection> {
        let stored = self.connections.get(&ObjectRef::new(name).within(namespace))?;
        stored.0.as_ref().ok().cloned()
    }

    /// A connection as it is now, or as it was given where it is gone.
    #[must_use]
    pub fn latest_connection(&self, known: &Arc<StoredConnection>) -> Arc<StoredConnection> {
        self.connections.get(&ObjectRef::from_obj(known.as_ref())).unwrap_or_else(|| Arc::clone(known))
    }

    /// A binding as it is now, or as it was given where it is gone.
    #[must_use]
    pub fn latest_binding(&self, known: &Arc<StoredBinding>) -> Arc<StoredBinding> {
        self.bindings.get(&ObjectRef::from_obj(known.as_ref())).unwrap_or_else(|| Arc::clone(known))
    }

    /// `metadata.uid` of a connection.
    #[must_use]
    pub fn connection_uid(&self, (namespace, name): &ConnectionName) -> Option<String> {
        self.connections.get(&ObjectRef::new(name).within(namespace))?.meta().uid.clone()
    }

    /// Whether there is a binding of this namespace and name.
    #[must_use]
    pub fn has_binding(&self, (namespace, name): &BindingName) -> bool {
        self.bindings.get(&ObjectRef::new(name).within(namespace)).is_some()
    }

    /// The bindings that name a connection.
    #[must_use]
    pub fn bindings_of(&self, connection: &ConnectionName) -> Vec<Arc<StoredBinding>> {
        let names = self.relations.bindings.naming(connection);
        let stored = |(namespace, name): BindingName| self.bindings.get(&ObjectRef::new(&name).within(&namespace));
        names.into_iter().filter_map(stored).collect()
    }

    /// The labels of a namespace; `None` if it is not known.
    #[must_use]
    pub fn namespace_labels(&self, namespace: &str) -> Option<Labels> {
        Some(self.namespaces.get(&ObjectRef::new(namespace))?.labels().clone())
    }

    /// Whether a namespace is being deleted.
    #[must_use]
    pub fn is_terminating(&self, namespace: &str) -> bool {
        let known = self.namespaces.get(&ObjectRef::new(namespace));
        known.is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some())
    }

    /// The connections that refer to an object of their namespace.
    fn referring(&self, namespace: &str, referent: Referent) -> Vec<ConnectionName> {
        let names = self.relations.connections.naming(&(namespace.to_owned(), referent));
        names.into_iter().map(|name| (namespace.to_owned(), name)).collect()
    }

    /// The connection for which the operator makes a Secret of this name.
    fn keeping(&self, namespace: &str, secret: &str) -> Option<ConnectionName> {
        let (connection, _) = secret.rsplit_once('.')?;
        let name = (namespace.to_owned(), connection.to_owned());
        let kept = references::owned(connection).iter().any(|owned| owned == secret);
        (kept && self.connection_uid(&name).is_some()).then_some(name)
    }
}

/// Everything that a connection refers to, a candidate included. Nothing of one that does not fit the schema.
fn referents(connection: &StoredConnection) -> Vec<(String, Referent)> {
    let Ok(connection) = &connection.0 else { return Vec::new() };
    let candidate = references::credential(&connection.spec, ActiveCredential::Candidate).map(references::secret);
    let namespace = connection.namespace().unwrap_or_default();
    let all = references::referents(&connection.spec).into_iter().chain(candidate);
    all.map(|referent| (namespace.clone(), referent)).collect()
}

/// The connection that a binding names. None of one that does not fit the schema.
fn named(binding: &StoredBinding) -> Option<ConnectionName> {
    binding.0.as_ref().ok().map(acceptance::named_connection)
}

fn is_announced(connection: &StoredConnection) -> bool {
    connection.0.as_ref().is_ok_and(binding::is_announced)
}

fn name_of<K: ResourceExt>(object: &K) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// Wakes passes.
#[derive(Clone, Debug)]
pub struct Wakes {
    changed: UnboundedSender<ObjectRef<StoredConnection>>,
    present: UnboundedSender<ObjectRef<StoredConnection>>,
    urgent: UnboundedSender<ObjectRef<StoredConnection>>,
    bindings: UnboundedSender<ObjectRef<StoredBinding>>,
}

/// The queues of passes.
pub struct Queues {
    /// Of connections.
    pub connections: Woken<ObjectRef<StoredConnection>>,
    /// Of connections for which a person waits: an authorization code lives for seconds.
    pub urgent: UnboundedReceiver<ObjectRef<StoredConnection>>,
    /// Of bindings.
    pub bindings: UnboundedReceiver<ObjectRef<StoredBinding>>,
}

impl Wakes {
    /// The wakes and the queues that they fill.
    #[must_use]
    pub fn new() -> (Self, Queues) {
        let (changed, changed_queue) = unbounded();
        let (present, present_queue) = unbounded();
        let (urgent, urgent_queue) = unbounded();
        let (bindings, binding_queue) = unbounded();
        let connections = Woken { changed: changed_queue, present: present_queue };
        let queues = Queues { connections, urgent: urgent_queue, bindings: binding_queue };
        (Self { changed, present, urgent, bindings }, queues)
    }

    // A closed queue means that the operator is stopping; nobody is left to be woken.

    /// Wakes the pass of a connection.
    pub fn connection(&self, (namespace, name): &ConnectionName, cause: Cause) {
        let queue = match cause {
            Cause::Change => &self.changed,
            Cause::Presence => &self.present,
        };
        _ = queue.unbounded_send(ObjectRef::new(name).within(namespace));
    }

    /// Wakes the pass of a connection for which a person waits.
    pub fn urgent(&self, (namespace, name): &ConnectionName) {
        _ = self.urgent.unbounded_send(ObjectRef::new(name).within(namespace));
    }

    /// Wakes the pass of a binding.
    pub fn binding(&self, namespace: &str, name: &str) {
        _ = self.bindings.unbounded_send(ObjectRef::new(name).within(namespace));
    }

    /// Wakes the passes of all bindings that name a connection.
    pub fn bindings_of(&self, connection: &ConnectionName, stores: &Stores) {
        for (namespace, name) in stores.relations.bindings.naming(connection) {
            self.binding(&namespace, &name);
        }
    }
}

/// What became of an object.
#[derive(Debug)]
pub enum Change<K> {
    /// It is there; what was known of it before comes first.
    Seen(Option<Arc<K>>, Arc<K>),
    /// It is gone.
    Gone(Arc<K>),
}

/// Namespace and name of an object, what was known of it before, and what is known now.
type SpecChange<'a, K> = ((String, String), Option<&'a K>, Option<&'a K>);

impl<K: Resource> Change<K> {
    /// Why those are woken who are concerned.
    const fn cause(&self) -> Cause {
        match self {
            Self::Seen(None, _) => Cause::Presence,
            Self::Seen(Some(_), _) | Self::Gone(_) => Cause::Change,
        }
    }

    /// Namespace and name, what was known before and what is known now, where the spec may differ.
    fn of_spec(&self) -> Option<SpecChange<'_, K>> {
        let spec = |object: &K| (object.meta().uid.clone(), object.meta().generation);
        match self {
            Self::Seen(Some(before), now) if spec(before) == spec(now) => None,
            Self::Seen(before, now) => Some((name_of(now.as_ref()), before.as_deref(), Some(now))),
            Self::Gone(before) => Some((name_of(before.as_ref()), Some(before), None)),
        }
    }
}

/// What a watch sends, and which one it is.
pub type Signal<K> = (Sight, watcher::Result<watcher::Event<K>>);

/// Follows the watches of one kind: keeps the store and tells each change once, objects that vanished during a gap included.
///
/// Each of several watches lists its own part of the store, so what a listing says is entered change by change.
pub async fn follow<K>(events: impl Stream<Item = Signal<K>>, mut writer: Writer<K>, mut tell: impl FnMut(Change<K>))
where
    K: Resource + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone + Default,
{
    // The store is open from the start: whether it is complete is what the sights tell.
    writer.apply_watcher_event(&watcher::Event::Init);
    writer.apply_watcher_event(&watcher::Event::InitDone);
    let store = writer.as_reader();
    let mut listings: HashMap<Arc<Watched>, Vec<K>> = HashMap::new();
    pin_mut!(events);
    while let Some((sight, event)) = events.next().await {
        match event {
            Ok(watcher::Event::Init) => {
                sight.lists();
                listings.insert(sight.watched, Vec::new());
            }
            Ok(watcher::Event::InitApply(object)) => listings.entry(sight.watched).or_default().push(object),
            Ok(watcher::Event::InitDone) => {
                let listing = listings.remove(&sight.watched).unwrap_or_default();
                let before = store.state().into_iter().filter(|object| sight.watched.covers(object.as_ref()));
                relisted(before.collect(), listing, &mut writer, &store).into_iter().for_each(&mut tell);
                sight.listed();
            }
            Ok(watcher::Event::Apply(object)) => {
                let name = ObjectRef::from_obj(&object);
                let before = store.get(&name);
                entered(&name, before, object, &mut writer, &store).into_iter().for_each(&mut tell);
            }
            Ok(watcher::Event::Delete(object)) => {
                let event = watcher::Event::Delete(object);
                writer.apply_watcher_event(&event);
                if let watcher::Event::Delete(object) = event {
                    tell(Change::Gone(Arc::new(object)));
                }
            }
            Err(error) => sight.lose(&error),
        }
    }
}

/// Enters an object into the store, and tells of it as it is kept there: an object is in memory once.
fn entered<K>(
    name: &ObjectRef<K>,
    before: Option<Arc<K>>,
    object: K,
    writer: &mut Writer<K>,
    store: &Store<K>,
) -> Option<Change<K>>
where
    K: Resource + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone + Default,
{
    writer.apply_watcher_event(&watcher::Event::Apply(object));
    store.get(name).map(|now| Change::Seen(before, now))
}

/// Enters a new listing into the store: what has changed against what was known.
fn relisted<K>(before: Vec<Arc<K>>, listing: Vec<K>, writer: &mut Writer<K>, store: &Store<K>) -> Vec<Change<K>>
where
    K: Resource + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone + Default,
{
    let named = |object: Arc<K>| (ObjectRef::from_obj(object.as_ref()), object);
    let mut known: HashMap<_, _> = before.into_iter().map(named).collect();
    let mut seen = Vec::with_capacity(listing.len());
    for object in listing {
        let name = ObjectRef::from_obj(&object);
        let before = known.remove(&name);
        seen.extend(entered(&name, before, object, writer, store));
    }
    for object in known.values() {
        writer.apply_watcher_event(&watcher::Event::Delete(K::clone(object)));
    }
    known.into_values().map(Change::Gone).chain(seen).collect()
}

/// What a watch of metadata tells of an object.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its `resourceVersion`. `None` if it is gone.
    pub version: Option<&'a str>,
    /// Who controls it.
    pub controller: Option<&'a OwnerReference>,
}

/// What a watch of metadata tells.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// Something of one object.
    Of(Notice<'a>, Cause),
    /// Every object that there is was told of. What was deleted during a gap was not.
    Listed,
}

/// Follows watches of metadata without keeping anything: tells what changed.
pub async fn notice<K>(events: impl Stream<Item = Signal<PartialObjectMeta<K>>>, mut tell: impl FnMut(Told<'_>))
where
    K: Resource<DynamicType = ()>,
{
    pin_mut!(events);
    while let Some((sight, event)) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(object)) => {
                note(&object, object.resource_version().as_deref(), Cause::Change, &mut tell);
            }
            Ok(watcher::Event::InitApply(object)) => {
                note(&object, object.resource_version().as_deref(), Cause::Presence, &mut tell);
            }
            Ok(watcher::Event::Delete(object)) => note(&object, None, Cause::Change, &mut tell),
            Ok(watcher::Event::Init) => sight.lists(),
            Ok(watcher::Event::InitDone) => {
                tell(Told::Listed);
                sight.listed();
            }
            Err(error) => sight.lose(&error),
        }
    }
}

fn note<K: ResourceExt>(object: &K, version: Option<&str>, cause: Cause, tell: &mut impl FnMut(Told<'_>)) {
    let (namespace, name) = name_of(object);
    let controller = owned_secret::controller(object);
    tell(Told::Of(Notice { namespace: &namespace, name: &name, version, controller }, cause));
}

/// Who is woken by which change.
#[derive(Clone)]
pub struct Switchboard(pub Arc<Context>);

impl Switchboard {
    /// A connection was seen or is gone.
    pub fn connection(&self, change: &Change<StoredConnection>) {
        let Context { stores, wakes, instances, memories, .. } = self.0.as_ref();
        if let Some((name, before, now)) = change.of_spec() {
            let referents = |side: Option<&StoredConnection>| side.map(referents).unwrap_or_default();
            stores.relations.connections.replace(&name.1, referents(before), referents(now));
        }
        let (name, present) = match change {
            Change::Seen(_, now) => (name_of(now.as_ref()), now.0.as_ref().ok()),
            Change::Gone(object) => (name_of(object.as_ref()), None),
        };
        for concerned in instances.note(&name, present) {
            wakes.connection(&concerned, change.cause());
        }
        match change {
            Change::Seen(before, now) => {
                let same_object = before.as_deref().filter(|before| before.meta().uid == now.meta().uid);
                memories.caught_up(&name, now.meta().resource_version.as_deref());
                if same_object.is_some_and(|before| !is_announced(before) && is_announced(now)) {
                    wakes.bindings_of(&name, stores);
                }
                if same_object.is_some_and(|before| intent(before) == intent(now.as_ref())) {
                    return;
                }
                wakes.connection(&name, change.cause());
                if same_object.is_none_or(|before| before.meta().generation != now.meta().generation) {
                    wakes.bindings_of(&name, stores);
                }
            }
            Change::Gone(_) => {
                connection::forget(&name, &self.0);
                wakes.bindings_of(&name, stores);
            }
        }
    }

    /// A binding was seen or is gone.
    pub fn binding(&self, change: &Change<StoredBinding>) {
        if let Some((name, before, now)) = change.of_spec() {
            self.0.stores.relations.bindings.replace(&name, before.and_then(named), now.and_then(named));
        }
        match change {
            Change::Seen(before, now) => {
                let same_object = before.as_deref().filter(|before| before.meta().uid == now.meta().uid);
                let (namespace, name) = name_of(now.as_ref());
                self.0.bindings.caught_up(&(namespace.clone(), name.clone()), now.meta().resource_version.as_deref());
                if same_object.is_some_and(|before| intent(before) == intent(now.as_ref())) {
                    return;
                }
                self.0.wakes.binding(&namespace, &name);
                let same_spec = same_object.is_some_and(|before| before.meta().generation == now.meta().generation);
                // A wish for a verdict needs the connection only where nothing of it is known yet.
                if !same_spec || named(now).is_none_or(|connection| self.0.proofs.get(&connection).is_none()) {
                    self.connection_of(now, change.cause());
                }
            }
            Change::Gone(object) => {
                binding::forget(&name_of(object.as_ref()), &self.0);
                self.connection_of(object, change.cause());
            }
        }
    }

    fn connection_of(&self, binding: &StoredBinding, cause: Cause) {
        if let Some(connection) = named(binding) {
            self.0.wakes.connection(&connection, cause);
        }
    }

    /// A namespace was seen or is gone.
    pub fn namespace(&self, change: &Change<PartialObjectMeta<Namespace>>) {
        let namespace = match change {
            Change::Seen(Some(before), now) if before.labels() == now.labels() => return,
            Change::Seen(_, namespace) | Change::Gone(namespace) => namespace.name_any(),
        };
        let stored = self.0.stores.bindings.state();
        let mut connections = HashSet::new();
        for binding in stored.iter().filter(|binding| binding.namespace().as_ref() == Some(&namespace)) {
            if self.is_judged_alike(binding, change) {
                continue;
            }
            self.0.wakes.binding(&namespace, &binding.name_any());
            connections.extend(named(binding));
        }
        for connection in &connections {
            self.0.wakes.connection(connection, change.cause());
        }
    }

    /// Whether other labels of its namespace change nothing for a binding. Its connection wakes it where that one changes.
    fn is_judged_alike(&self, binding: &StoredBinding, change: &Change<PartialObjectMeta<Namespace>>) -> bool {
        let Change::Seen(Some(before), now) = change else { return false };
        let Ok(binding) = &binding.0 else { return true };
        let (namespace, name) = acceptance::named_connection(binding);
        let connection = self.0.stores.connections.get(&ObjectRef::new(&name).within(&namespace));
        let Some(Ok(connection)) = connection.as_deref().map(|stored| &stored.0) else { return true };
        let judged = |labels| acceptance::judge(connection, binding, Some(labels));
        judged(before.labels()) == judged(now.labels())
    }

    /// A Secret or ConfigMap has changed or is gone.
    fn referent(&self, kind: ReferentKind, notice: Notice<'_>, cause: Cause) {
        let Context { stores, memories, own_writes, wakes, .. } = self.0.as_ref();
        let referent = Referent { kind, name: notice.name.to_owned() };
        for connection in stores.referring(notice.namespace, referent) {
            memories.outdate(connection.clone(), Outdated { material: true, handshake: false });
            wakes.connection(&connection, cause);
        }
        if kind != ReferentKind::Secret {
            return;
        }
        let bindings = self.concerned(&notice);
        if notice.version.is_some_and(|it| own_writes.are(notice.namespace, notice.name, it)) {
            return;
        }
        for binding in bindings {
            wakes.binding(notice.namespace, &binding);
        }
        if let Some(connection) = stores.keeping(notice.namespace, notice.name) {
            memories.outdate(connection.clone(), Outdated { material: false, handshake: true });
            wakes.urgent(&connection);
        }
    }

    /// The bindings that want a Secret of this name, and the one that controls it, which is noted.
    fn concerned(&self, notice: &Notice<'_>) -> BTreeSet<String> {
        let concerns = &self.0.concerns;
        let mut names = concerns.wanting(notice.namespace, notice.name);
        if let Some(owner) = notice.controller.filter(|owner| is_binding(owner)) {
            let binding = (notice.namespace.to_owned(), owner.name.clone());
            match notice.version {
                Some(_) => concerns.hold(&binding, notice.name),
                None => concerns.lose(&binding, notice.name),
            }
            names.insert(owner.name.clone());
        }
        names
    }

    /// What a watch of metadata tells.
    pub fn told(&self, kind: ReferentKind, told: Told<'_>) {
        match told {
            Told::Of(notice, cause) => self.referent(kind, notice, cause),
            Told::Listed => self.listed(kind),
        }
    }

    /// Every object of a kind was told of again, but for those that were deleted during a gap: who wants a Secret looks.
    fn listed(&self, kind: ReferentKind) {
        if kind == ReferentKind::Secret {
            for (namespace, name) in self.0.concerns.all_wanting() {
                self.0.wakes.binding(&namespace, &name);
            }
        }
    }
}

fn is_binding(owner: &OwnerReference) -> bool {
    let group = owner.api_version.split('/').next();
    group == Some(crds::GROUP) && owner.kind == WorkspaceBinding::kind(&())
}

/// What of an object is somebody's intent: its own status, and what others note on it, wakes nobody.
fn intent<K: Resource>(object: &K) -> (Option<i64>, bool, [Option<String>; 3]) {
    let meta = object.meta();
    let annotation = |name: &str| meta.annotations.as_ref().and_then(|all| all.get(name)).cloned();
    let wishes = [crds::REQUESTED_AT, crds::FLUX_REQUESTED_AT, crds::AUTHORIZE_AT].map(annotation);
    (meta.generation, meta.deletion_timestamp.is_some(), wishes)
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::{reflector, watcher::Event};
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn map(name: &str, version: &str) -> ConfigMap {
        serde_json::from_value(json!({ "metadata": { "name": name, "namespace": "web", "resourceVersion": version } }))
            .unwrap()
    }

    /// What `follow` tells of `events`, in one line each.
    async fn told(events: Vec<Event<ConfigMap>>) -> Vec<String> {
        let mut lines = Vec::new();
        let version = |map: &ConfigMap| map.metadata.resource_version.clone().unwrap_or_default();
        let tell = |change: Change<ConfigMap>| {
            lines.push(match change {
                Change::Seen(None, now) => format!("new {}@{}", now.name_any(), version(&now)),
                Change::Seen(Some(before), now) => {
                    format!("{}@{} was @{}", now.name_any(), version(&now), version(&before))
                }
                Change::Gone(object) => format!("gone {}", object.name_any()),
            });
        };
        let sight = Sights::new(Arc::default()).begin("ConfigMap", None);
        let events = stream::iter(events.into_iter().map(|event| (sight.clone(), Ok(event))));
        follow(events, reflector::store::Writer::default(), tell).await;
        lines
    }

    fn list(maps: &[(&str, &str)]) -> Vec<Event<ConfigMap>> {
        let listed = maps.iter().map(|(name, version)| Event::InitApply(map(name, version)));
        std::iter::once(Event::Init).chain(listed).chain(std::iter::once(Event::InitDone)).collect()
    }

    #[rstest]
    #[case::first_listing(vec![list(&[("a", "1")])], &["new a@1"])]
    #[case::changed(vec![list(&[("a", "1")]), vec![Event::Apply(map("a", "2"))]], &["new a@1", "a@2 was @1"])]
    #[case::deleted(vec![list(&[("a", "1")]), vec![Event::Delete(map("a", "2"))]], &["new a@1", "gone a"])]
    #[case::deleted_and_made_anew(vec![list(&[("a", "1")]), vec![Event::Delete(map("a", "2")), Event::Apply(map("a", "3"))]], &["new a@1", "gone a", "new a@3"])]
    #[case::vanished_during_a_gap(vec![list(&[("a", "1"), ("b", "2")]), list(&[("b", "2")])], &["new a@1", "new b@2", "gone a", "b@2 was @2"])]
    #[case::appeared_during_a_gap(vec![list(&[]), list(&[("a", "5")])], &["new a@5"])]
    #[case::a_listing_that_broke_off_tells_nothing(vec![list(&[("a", "1")]), vec![Event::Init, Event::InitApply(map("c", "9"))], list(&[("a", "1")])], &["new a@1", "a@1 was @1"])]
    #[tokio::test]
    async fn every_change_is_told_once(#[case] events: Vec<Vec<Event<ConfigMap>>>, #[case] expected: &[&str]) {
        assert_eq!(told(events.into_iter().flatten().collect()).await, expected);
    }

    #[tokio::test]
    async fn a_listing_of_one_namespace_says_nothing_of_another() {
        let sights = Sights::new(Arc::default());
        let sight = |namespace: &str| sights.begin("ConfigMap", Some(namespace.parse().unwrap()));
        let (app, web) = (sight("app"), sight("web"));
        let map = |namespace: &str, name: &str| {
            let mut map = map(name, "1");
            map.metadata.namespace = Some(namespace.to_owned());
            map
        };
        let listing = |sight: &Sight, maps: Vec<ConfigMap>| {
            let listed = maps.into_iter().map(Event::InitApply);
            let events = std::iter::once(Event::Init).chain(listed).chain([Event::InitDone]);
            events.map(|event| (sight.clone(), Ok(event))).collect::<Vec<_>>()
        };
        // Two listings at the same time, and one more of either.
        let (mut events, second) =
            (listing(&app, vec![map("app", "a")]), listing(&web, vec![map("web", "a"), map("web", "b")]));
        events.splice(1..1, second);
        events.extend(listing(&web, vec![map("web", "b")]));
        events.extend(listing(&app, vec![map("app", "a")]));
        let writer = reflector::store::Writer::default();
        let (store, mut gone) = (writer.as_reader(), Vec::new());
        let tell = |change: Change<ConfigMap>| {
            if let Change::Gone(object) = change {
                gone.push(name_of(object.as_ref()));
            }
        };
        follow(stream::iter(events), writer, tell).await;
        assert_eq!(gone, [("web".to_owned(), "a".to_owned())]);
        let mut left: Vec<_> = store.state().iter().map(|map| name_of(map.as_ref())).collect();
        left.sort();
        assert_eq!(left, [("app", "a"), ("web", "b")].map(|(namespace, name)| (namespace.to_owned(), name.to_owned())));
        assert_eq!(sights.obstacles(), Vec::<String>::new());
    }

    #[rstest]
    #[case::status_alone(json!({ "resourceVersion": "2" }), true)]
    #[case::labels(json!({ "labels": { "team": "web" } }), true)]
    #[case::another_annotation(json!({ "annotations": { "note": "x" } }), true)]
    #[case::spec(json!({ "generation": 2 }), false)]
    #[case::a_wish(json!({ "annotations": { "issuetracking.dev/requestedAt": "now" } }), false)]
    #[case::a_wish_of_flux(json!({ "annotations": { "reconcile.fluxcd.io/requestedAt": "now" } }), false)]
    #[case::deletion(json!({ "deletionTimestamp": "2026-11-24T12:00:00Z" }), false)]
    fn only_somebodys_intent_wakes(#[case] change: serde_json::Value, #[case] same: bool) {
        let object = |change: &serde_json::Value| {
            let mut metadata = json!({ "name": "a", "generation": 1, "resourceVersion": "1" });
            metadata.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            serde_json::from_value::<ConfigMap>(json!({ "metadata": metadata })).unwrap()
        };
        assert_eq!(intent(&object(&json!({}))) == intent(&object(&change)), same);
    }
}
