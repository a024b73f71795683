//! The watches themselves: what the API server is asked for, in the whole cluster or in one namespace after the other.

use futures::{
    FutureExt, Stream, StreamExt, TryStreamExt,
    future::ready,
    stream::{self, BoxStream},
};
use k8s_openapi::{NamespaceResourceScope, api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, Resource,
    core::PartialObjectMeta,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;

use super::{
    Signal,
    sight::{NAMESPACE, Sight, Sights, existence},
};
use crate::{
    reach::{NamespaceName, Reach},
    rewind::{newest, until_rewound},
};

/// What can be watched: a kind that is known when this is compiled.
pub trait Watchable: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static {}

impl<K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static> Watchable for K {}

/// Watches whole objects of a kind.
pub fn objects<K>(
    reach: &Reach,
    sights: &Sights,
    client: &Client,
    kind: &'static str,
) -> impl Stream<Item = Signal<K>> + Send + use<K>
where
    K: Watchable + Resource<Scope = NamespaceResourceScope>,
{
    // Nobody here reads who manages which field, and it is the largest part of an object.
    within(reach, sights, client, kind, |metadata| metadata.managed_fields = None)
}

/// Watches the metadata of a kind whose content is none of the operator's business, or is read one by one.
pub fn metadata<K>(
    reach: &Reach,
    sights: &Sights,
    client: &Client,
    kind: &'static str,
) -> impl Stream<Item = Signal<PartialObjectMeta<K>>> + Send + use<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + std::fmt::Debug + Send + 'static,
{
    within(reach, sights, client, kind, shorten)
}

/// Watches namespaces, each by its name where they are given: that is what a right on single names allows.
pub fn namespaces(
    reach: &Reach,
    sights: &Sights,
    client: &Client,
) -> impl Stream<Item = Signal<PartialObjectMeta<Namespace>>> + Send + use<> {
    let watch = |namespace: Option<NamespaceName>| {
        let config = namespace.as_ref().map_or_else(watcher::Config::default, |namespace| {
            watcher::Config::default().fields(&format!("metadata.name={namespace}"))
        });
        let sight = sights.begin(NAMESPACE, namespace);
        let api = Api::<PartialObjectMeta<Namespace>>::all(sight.client(client));
        signals(sight.clone(), watched(api, config).inspect_ok(existence(sight)), shorten)
    };
    together(reach.parts().into_iter().map(watch).collect())
}

fn within<K>(
    reach: &Reach,
    sights: &Sights,
    client: &Client,
    kind: &'static str,
    shorten: fn(&mut ObjectMeta),
) -> impl Stream<Item = Signal<K>> + Send + use<K>
where
    K: Watchable + Resource<Scope = NamespaceResourceScope>,
{
    let watch = |namespace: Option<NamespaceName>| {
        let sight = sights.begin(kind, namespace.clone());
        let client = sight.client(client);
        let api = match namespace {
            None => Api::<K>::all(client),
            Some(namespace) => Api::namespaced(client, namespace.as_ref()),
        };
        let possible = sight.clone();
        // Before there is the namespace there is no Role in it, and every attempt would be refused.
        let possible = async move { possible.possible().await };
        let events = possible.map(|()| watched(api, watcher::Config::default())).flatten_stream();
        signals(sight, events, shorten)
    };
    together(reach.parts().into_iter().map(watch).collect())
}

/// One watch, which goes on after each failure, and ends where nothing that it has shown counts any more.
fn watched<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + use<K>
where
    K: Watchable,
{
    let selector = config.field_selector.clone();
    let events = watcher(api.clone(), config).default_backoff();
    until_rewound(events, move || newest(api.clone(), selector.clone()))
}

/// All watches of one kind as one stream, which ends as soon as one of them does.
fn together<K: Send + 'static>(
    watches: Vec<BoxStream<'static, Signal<K>>>,
) -> impl Stream<Item = Signal<K>> + Send + use<K> {
    let ending = watches.into_iter().map(|signals| signals.map(Some).chain(stream::once(ready(None))).boxed());
    stream::select_all(ending).take_while(|signal| ready(signal.is_some())).filter_map(ready)
}

fn signals<K: Resource + Send + 'static>(
    sight: Sight,
    events: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
    shorten: fn(&mut ObjectMeta),
) -> BoxStream<'static, Signal<K>> {
    let events = events.modify(move |object| shorten(object.meta_mut()));
    events.map(move |event| (sight.clone(), event)).boxed()
}

fn shorten(metadata: &mut ObjectMeta) {
    metadata.managed_fields = None;
    metadata.annotations = None;
}
