//! How each watch stands: whether it has been listed, and whether the API server still lets it see.

use std::{collections::BTreeMap, fmt, sync::Arc};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Client, ResourceExt, core::PartialObjectMeta, runtime::watcher};
use tokio::sync::watch;

use crate::{metrics::Metrics, reach::NamespaceName};

/// The kind whose watch tells which namespaces exist.
pub const NAMESPACE: &str = "Namespace";

/// One watch: of a kind, in the whole cluster or in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watched {
    kind: &'static str,
    namespace: Option<NamespaceName>,
}

impl Watched {
    /// Whether an object is one of those that this watch shows. A namespace belongs to itself.
    pub fn covers(&self, object: &impl ResourceExt) -> bool {
        let Some(namespace) = &self.namespace else { return true };
        object.namespace().unwrap_or_else(|| object.name_any()) == namespace.as_ref()
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            None => f.write_str(self.kind),
            Some(namespace) if self.kind == NAMESPACE => write!(f, "{NAMESPACE} {namespace}"),
            Some(namespace) => write!(f, "{} in namespace {namespace}", self.kind),
        }
    }
}

/// What keeps a watch from seeing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The API server refuses it: with this status, a right is missing or the token is not accepted.
    Refused(u16),
    /// Anything else, such as an API server that is out of reach.
    Failed,
}

impl Trouble {
    fn of(error: &watcher::Error) -> Self {
        let status = match error {
            watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            | watcher::Error::WatchError(status) => status,
            watcher::Error::InitialListFailed(_)
            | watcher::Error::WatchStartFailed(_)
            | watcher::Error::WatchFailed(_)
            | watcher::Error::NoResourceVersion => return Self::Failed,
        };
        match status.code {
            code @ (401 | 403) => Self::Refused(code),
            _ => Self::Failed,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    listed: bool,
    trouble: Option<Trouble>,
}

#[derive(Debug, Default)]
struct View {
    watches: BTreeMap<Watched, Standing>,
    /// Whether each namespace that is watched by its name exists, as far as that is known.
    namespaces: BTreeMap<NamespaceName, bool>,
}

impl View {
    /// Whether there is nothing to see because there is no such namespace. Whether there is one is another watch's matter.
    fn is_void(&self, watched: &Watched) -> bool {
        let exists = watched.namespace.as_ref().and_then(|namespace| self.namespaces.get(namespace));
        watched.kind != NAMESPACE && exists == Some(&false)
    }

    fn is_listed(&self) -> bool {
        self.watches.iter().all(|(watched, standing)| standing.listed || self.is_void(watched))
    }

    /// What is in the way of seeing, one line for each watch.
    fn obstacles(&self) -> Vec<String> {
        let looked_for = self.watches.iter().filter(|(watched, _)| !self.is_void(watched));
        let obstacle = |(watched, standing): (&Watched, &Standing)| match standing {
            Standing { trouble: Some(Trouble::Refused(status)), .. } => Some(format!(
                "the API server refuses to list or watch {watched} ({status}): a right of the operator is missing"
            )),
            Standing { trouble: Some(Trouble::Failed), .. } => {
                Some(format!("the watch of {watched} failed and is tried again"))
            }
            Standing { listed: false, trouble: None } => Some(format!("waiting for the first listing of {watched}")),
            Standing { listed: true, trouble: None } => None,
        };
        looked_for.filter_map(obstacle).collect()
    }
}

/// How all watches stand. Clones share one state.
#[derive(Clone, Debug)]
pub struct Sights {
    view: Arc<watch::Sender<View>>,
    metrics: Arc<Metrics>,
}

impl Sights {
    /// No watch yet.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { view: Arc::default(), metrics }
    }

    /// A watch that begins.
    #[must_use]
    pub fn begin(&self, kind: &'static str, namespace: Option<NamespaceName>) -> Sight {
        let watched = Watched { kind, namespace };
        self.view.send_modify(|view| _ = view.watches.insert(watched.clone(), Standing::default()));
        Sight { watched: Arc::new(watched), sights: self.clone() }
    }

    /// Waits until every watch has been listed once. Those in a namespace that does not exist are not waited for: nothing is there.
    pub async fn listed(&self) {
        self.until(View::is_listed).await;
    }

    /// Why the operator does not see everything that it watches, one line for each watch; empty if it does.
    #[must_use]
    pub fn obstacles(&self) -> Vec<String> {
        self.view.borrow().obstacles()
    }

    async fn until(&self, seen: impl Fn(&View) -> bool) {
        // The sender lives as long as this, so the wait ends by what is waited for.
        _ = self.view.subscribe().wait_for(seen).await;
    }
}

/// How one watch stands.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Which watch it is.
    pub watched: Arc<Watched>,
    sights: Sights,
}

impl Sight {
    /// A client that notes when the API server answers the watch as it should. The stream of a watch tells of failures, and after
    /// one goes on in silence until something changes.
    #[must_use]
    pub fn client(&self, client: &Client) -> Client {
        let (sight, inner) = (self.clone(), client.clone());
        let noting = tower::service_fn(move |request| {
            let (sight, inner) = (sight.clone(), inner.clone());
            async move {
                let response = inner.send(request).await?;
                if response.status().is_success() {
                    sight.mend();
                }
                Ok::<_, kube::Error>(response)
            }
        });
        Client::new(noting, client.default_namespace())
    }

    /// The watch begins to list. If it does so again, changes in between may have been missed, and it costs the API server more.
    pub fn lists(&self) {
        if self.sights.view.borrow().watches.get(&self.watched).is_some_and(|standing| standing.listed) {
            self.sights.metrics.watch_restarted(self.watched.kind);
            tracing::info!(of = %self.watched, "the watch lists everything anew");
        }
    }

    /// The watch has been listed.
    pub fn listed(&self) {
        self.change(|standing| standing.listed = true);
    }

    /// The watch failed and is tried again. The log tells the first of several failures in a row.
    pub fn lose(&self, error: &watcher::Error) {
        self.sights.metrics.watch_failed(self.watched.kind);
        let void = self.sights.view.borrow().is_void(&self.watched);
        let before = self.change(|standing| standing.trouble = Some(Trouble::of(error)));
        let (error, of): (&dyn std::error::Error, _) = (error, &self.watched);
        if void || before.trouble.is_some() {
            tracing::debug!(error, %of, "the watch failed again");
        } else {
            tracing::warn!(error, %of, "the watch failed and is tried again");
        }
    }

    fn mend(&self) {
        if self.change(|standing| standing.trouble = None).trouble.is_some() {
            tracing::info!(of = %self.watched, "the watch works again");
        }
    }

    /// Waits until the namespace of this watch exists, or may exist because nobody looks for it by its name.
    pub async fn possible(&self) {
        let Some(namespace) = self.watched.namespace.clone() else { return };
        self.sights.until(|view| view.namespaces.get(&namespace).copied().unwrap_or(false)).await;
    }

    /// Notes whether the namespace that this watch is about exists.
    pub fn exists(&self, exists: bool) {
        let Some(namespace) = self.watched.namespace.clone() else { return };
        let mut before = None;
        self.sights.view.send_modify(|view| before = view.namespaces.insert(namespace.clone(), exists));
        match (before, exists) {
            (None | Some(true), false) => {
                tracing::warn!(%namespace, "the namespace does not exist: nothing is done in it until it does");
            }
            (Some(false), true) => tracing::info!(%namespace, "the namespace exists now"),
            (None | Some(true), true) | (Some(false), false) => {}
        }
    }

    /// Changes how it stands, and returns how it stood.
    fn change(&self, change: impl FnOnce(&mut Standing)) -> Standing {
        let mut before = Standing::default();
        self.sights.view.send_modify(|view| {
            let standing = view.watches.entry(Watched::clone(&self.watched)).or_default();
            before = *standing;
            change(standing);
        });
        before
    }
}

/// Reads from the events of a watch of one namespace, by its name, whether that exists.
pub fn existence(sight: Sight) -> impl FnMut(&watcher::Event<PartialObjectMeta<Namespace>>) + Send + use<> {
    let mut found = false;
    move |event| match event {
        watcher::Event::Init => found = false,
        watcher::Event::InitApply(_) => found = true,
        watcher::Event::InitDone => sight.exists(found),
        watcher::Event::Apply(_) => sight.exists(true),
        watcher::Event::Delete(_) => sight.exists(false),
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use kube::core::Status;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn refused(code: u16) -> watcher::Error {
        watcher::Error::InitialListFailed(kube::Error::Api(Box::new(
            Status::failure("no", "Forbidden").with_code(code),
        )))
    }

    fn begin() -> (Sights, Sight) {
        let sights = Sights::new(Arc::default());
        let sight = sights.begin("Secret", Some("team-a".parse().unwrap()));
        (sights, sight)
    }

    fn listed(sights: &Sights) -> bool {
        sights.listed().now_or_never().is_some()
    }

    /// What happens to a watch.
    #[derive(Clone, Copy, Debug)]
    enum Turn {
        Listed,
        Lost(u16),
        Answered,
        Exists(bool),
    }

    const WAITING: &str = "waiting for the first listing of Secret in namespace team-a";
    const REFUSED: &str =
        "the API server refuses to list or watch Secret in namespace team-a (403): a right of the operator is missing";
    const FAILED: &str = "the watch of Secret in namespace team-a failed and is tried again";

    #[rstest]
    #[case::new(&[], &[WAITING])]
    #[case::listed(&[Turn::Listed], &[])]
    #[case::refused(&[Turn::Lost(403)], &[REFUSED])]
    #[case::refused_later(&[Turn::Listed, Turn::Lost(403)], &[REFUSED])]
    #[case::failed(&[Turn::Lost(500)], &[FAILED])]
    #[case::answered_again(&[Turn::Listed, Turn::Lost(500), Turn::Answered], &[])]
    #[case::answered_and_not_listed(&[Turn::Lost(500), Turn::Answered], &[WAITING])]
    #[case::no_namespace(&[Turn::Exists(false)], &[])]
    #[case::no_namespace_any_more(&[Turn::Exists(true), Turn::Listed, Turn::Lost(403), Turn::Exists(false)], &[])]
    #[case::namespace_that_came(&[Turn::Exists(false), Turn::Exists(true)], &[WAITING])]
    fn a_watch_that_does_not_see_is_told_with_what_it_does_not_see(#[case] turns: &[Turn], #[case] obstacles: &[&str]) {
        let (sights, sight) = begin();
        for turn in turns {
            match *turn {
                Turn::Listed => sight.listed(),
                Turn::Lost(code) => sight.lose(&refused(code)),
                Turn::Answered => sight.mend(),
                Turn::Exists(exists) => sight.exists(exists),
            }
        }
        assert_eq!(sights.obstacles(), obstacles);
    }

    #[test]
    fn the_first_listing_is_waited_for_where_there_is_something_to_list() {
        let (sights, secrets) = begin();
        let namespace = sights.begin(NAMESPACE, Some("team-a".parse().unwrap()));
        secrets.exists(false);
        assert!(!listed(&sights), "whether the namespace exists must be listed");
        assert_eq!(sights.obstacles(), ["waiting for the first listing of Namespace team-a"]);
        namespace.listed();
        assert!(listed(&sights));
        secrets.exists(true);
        assert!(!listed(&sights));
        secrets.listed();
        assert!(listed(&sights));
    }

    #[test]
    fn a_watch_of_a_namespace_begins_when_that_exists_and_one_of_the_cluster_at_once() {
        let (sights, sight) = begin();
        let possible = |sight: &Sight| sight.possible().now_or_never().is_some();
        assert!(!possible(&sight), "not known yet");
        sight.exists(false);
        assert!(!possible(&sight));
        sight.exists(true);
        assert!(possible(&sight));
        assert!(possible(&sights.begin("Secret", None)));
    }

    #[rstest]
    #[case::not_there(&["Init", "InitDone"], Some(false))]
    #[case::there(&["Init", "InitApply", "InitDone"], Some(true))]
    #[case::made_later(&["Init", "InitDone", "Apply"], Some(true))]
    #[case::deleted(&["Init", "InitApply", "InitDone", "Delete"], Some(false))]
    #[case::vanished_during_a_gap(&["Init", "InitApply", "InitDone", "Init", "InitDone"], Some(false))]
    #[case::not_listed_yet(&["Init"], None)]
    fn the_watch_of_a_namespace_tells_whether_it_exists(#[case] events: &[&str], #[case] exists: Option<bool>) {
        let (sights, sight) = begin();
        let namespace: PartialObjectMeta<Namespace> =
            serde_json::from_value(json!({ "metadata": { "name": "team-a" } })).unwrap();
        let mut read = existence(sight);
        for event in events {
            read(&match *event {
                "Init" => watcher::Event::Init,
                "InitApply" => watcher::Event::InitApply(namespace.clone()),
                "InitDone" => watcher::Event::InitDone,
                "Apply" => watcher::Event::Apply(namespace.clone()),
                _ => watcher::Event::Delete(namespace.clone()),
            });
        }
        assert_eq!(sights.view.borrow().namespaces.values().next().copied(), exists);
    }
}
