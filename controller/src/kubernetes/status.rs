//! Server-side apply of a status, for the very object that it is about.

use std::fmt::Debug;

use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::{NamespaceResourceScope, object::HasStatus},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::FIELD_MANAGER;
use crate::rush::Rush;

/// Why a status was not written.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The object does not exist any more.
    #[error("the object is gone")]
    Gone,
    /// The API server refused or did not answer.
    #[error("the API server did not take the status")]
    Refused(#[source] Box<kube::Error>),
}

/// How many first words are written at the same time while there is a rush: enough to keep an API server busy that answers within
/// milliseconds, and few enough for it to have time for news.
const FIRST_WORDS_AT_ONCE: usize = 4;

/// What a status is to those who read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// The first word on its object.
    FirstWord,
    /// One in place of another, on which somebody may rely already.
    News,
}

impl Novelty {
    /// What a status comes to where the one before speaks of this generation. The schema's default, -1, speaks of none.
    #[must_use]
    pub fn after(observed_generation: Option<i64>) -> Self {
        if observed_generation.is_some_and(|generation| 0 <= generation) { Self::News } else { Self::FirstWord }
    }
}

/// Writes statuses. An operator that starts has a first word for everything at once: while something that has changed is worked on, those
/// are written a few at a time.
pub struct Statuses {
    client: Client,
    rush: Rush,
    first_words: Semaphore,
}

/// The right to write one status.
pub struct Place<'a>(Option<SemaphorePermit<'a>>);

impl Statuses {
    /// By way of this client.
    #[must_use]
    pub fn new(client: Client, rush: Rush) -> Self {
        Self { client, rush, first_words: Semaphore::new(FIRST_WORDS_AT_ONCE) }
    }

    /// Waits for a place, where one is needed. Whether the object is still the same is to be looked at afterwards.
    pub async fn place(&self, novelty: Novelty) -> Place<'_> {
        // Nobody closes the semaphore, so there is always a permit in the end.
        Place(match novelty {
            Novelty::FirstWord if self.rush.is_on() => self.first_words.acquire().await.ok(),
            Novelty::FirstWord | Novelty::News => None,
        })
    }

    /// Applies a status and returns the object's new `resourceVersion`.
    ///
    /// # Errors
    /// [`ApplyError::Gone`] if the object was deleted, also where another one of its name is there now, [`ApplyError::Refused`]
    /// otherwise.
    pub async fn apply<K>(&self, place: Place<'_>, object: &K, status: &K::Status) -> Result<String, ApplyError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + HasStatus + Clone + DeserializeOwned + Debug,
        K::Status: Serialize,
    {
        let Place(_until_it_is_written) = place;
        let api: Api<K> = Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default());
        let body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": { "uid": object.uid() },
            "status": status,
        });
        let owner = PatchParams::apply(FIELD_MANAGER).force();
        match api.patch_status(&object.name_any(), &owner, &Patch::Apply(body)).await {
            // For custom resources the API server does not hold a status's uid against the object's, so the answer is looked at:
            // the new object's own pass, which its watch wakes, then finds a foreign status and replaces it.
            Ok(written) if written.uid() != object.uid() => Err(ApplyError::Gone),
            Ok(written) => Ok(written.resource_version().unwrap_or_default()),
            Err(kube::Error::Api(refusal)) if refusal.code == 404 => Err(ApplyError::Gone),
            Err(source) => Err(ApplyError::Refused(Box::new(source))),
        }
    }
}

/// Uses the status that was written last where the object from the watch is older than that write.
///
/// Without this, a pass that follows a write at once would compare with a status from before the write.
pub fn prefer_written<K>(object: &mut K, written: Option<&(String, K::Status)>)
where
    K: Resource + HasStatus,
    K::Status: Clone,
{
    let Some((version, status)) = written else { return };
    if is_older(object.meta().resource_version.as_deref(), version) {
        *object.status_mut() = Some(status.clone());
    }
}

/// Whether an object of this `resourceVersion` is from before a write that returned `written`.
#[must_use]
pub fn is_older(version: Option<&str>, written: &str) -> bool {
    let number = |version: &str| version.parse::<u64>().unwrap_or(0);
    version.map_or(0, number) < number(written)
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        io,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use axum::http::{Request, Response};
    use crds::{WorkspaceBinding, WorkspaceBindingStatus};
    use kube::client::Body;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nothing_yet(None, Novelty::FirstWord)]
    #[case::the_default_of_the_schema(Some(-1), Novelty::FirstWord)]
    #[case::another_one(Some(1), Novelty::News)]
    fn a_status_is_news_where_there_was_another(#[case] observed_generation: Option<i64>, #[case] expected: Novelty) {
        assert_eq!(Novelty::after(observed_generation), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn news_is_written_while_first_words_wait_for_each_other_in_a_rush() {
        let written = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&written);
        let silent = tower::service_fn(move |_: Request<Body>| {
            counted.fetch_add(1, Ordering::Relaxed);
            pending::<io::Result<Response<Body>>>()
        });
        let rush = Rush::default();
        let statuses = Arc::new(Statuses::new(Client::new(silent, "default"), rush.clone()));
        let write = async |novelty| {
            let statuses = Arc::clone(&statuses);
            tokio::spawn(async move {
                let binding: WorkspaceBinding = serde_json::from_value(json!({
                    "apiVersion": "issuetracking.dev/v1alpha1", "kind": "WorkspaceBinding",
                    "metadata": { "name": "web", "namespace": "team" },
                    "spec": { "connectionRef": { "name": "acme" }, "workspace": "web", "projects": [{ "key": "WEB" }] },
                }))
                .unwrap();
                let place = statuses.place(novelty).await;
                statuses.apply(place, &binding, &WorkspaceBindingStatus::default()).await.map(drop)
            });
            tokio::time::sleep(Duration::from_secs(1)).await;
            written.load(Ordering::Relaxed)
        };
        let hurry = rush.begin();
        for count in 1..=FIRST_WORDS_AT_ONCE {
            assert_eq!(write(Novelty::FirstWord).await, count);
        }
        assert_eq!(write(Novelty::FirstWord).await, FIRST_WORDS_AT_ONCE, "one more waits");
        assert_eq!(write(Novelty::News).await, FIRST_WORDS_AT_ONCE + 1);
        drop(hurry);
        assert_eq!(write(Novelty::FirstWord).await, FIRST_WORDS_AT_ONCE + 2);
    }
}
