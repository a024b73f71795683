//! A store that has gone back in time: a crash without its last writes, or a restored backup.
//!
//! A watch that is resumed then names a version that has not been given out yet, again, and the API server tells it nothing until
//! that version has passed: what people change meanwhile would never be seen. Statuses that were written and forgotten would
//! be taken for true.

use std::{pin::Pin, time::Duration};

use futures::{Stream, StreamExt, stream};
use kube::{Api, ResourceExt, api::ListParams, runtime::watcher};

/// Pause between two questions to an API server that does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// The newest version of a resource that the API server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newest {
    /// It does not answer.
    Unanswered,
    /// It does not answer the operator, which lacks a right by now.
    Refused,
    /// It says nothing that could be compared.
    Unknown,
    /// This one. Versions are numbers that grow
    /// (<https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>).
    Version(u64),
}

/// Asks for the newest version, by the shortest list that is read from the store itself. `fields` restricts it to what the operator
/// may list; the version is the store's all the same.
pub async fn newest<K>(api: Api<K>, fields: Option<String>) -> Newest
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let parameters = ListParams { field_selector: fields, ..ListParams::default().limit(1) };
    match api.list_metadata(&parameters).await {
        Ok(list) => number(list.metadata.resource_version.as_deref()).map_or(Newest::Unknown, Newest::Version),
        Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => Newest::Refused,
        Err(_) => Newest::Unanswered,
    }
}

/// Passes the events of a watch on. Ends after a failure of the watch if the API server then knows no version as new as one that
/// it has shown before: whoever follows has to begin anew, with nothing remembered.
pub fn until_rewound<K, Answer>(
    events: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send,
    ask: impl Fn() -> Answer,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>>
where
    K: ResourceExt,
    Answer: Future<Output = Newest>,
{
    let watch = Watch { events: Box::pin(events), shown: 0, state: State::Sound };
    stream::unfold((watch, ask), async |(mut watch, ask)| {
        let event = match watch.state {
            State::Sound => watch.events.next().await,
            State::Failed => watch.recover(&ask).await,
        }?;
        watch.note(&event);
        Some((event, (watch, ask)))
    })
}

/// Whether the last event was a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Sound,
    Failed,
}

struct Watch<Events> {
    events: Pin<Box<Events>>,
    /// The newest version of an object that was shown.
    shown: u64,
    state: State,
}

impl<K, Events> Watch<Events>
where
    K: ResourceExt,
    Events: Stream<Item = watcher::Result<watcher::Event<K>>>,
{
    /// The next event after a failure, once the API server has said how it stands; `None` if it has gone back.
    ///
    /// Where a right is missing to find out, the watch goes on meanwhile and says so itself. It may also be resumed in silence, so
    /// the question is put again until it is answered.
    async fn recover<Answer: Future<Output = Newest>>(&mut self, ask: impl Fn() -> Answer) -> Option<Events::Item> {
        loop {
            match ask().await {
                Newest::Version(newest) if newest < self.shown => {
                    tracing::error!(
                        "the API server has gone back behind what it has shown, as after a restored backup"
                    );
                    return None;
                }
                Newest::Version(_) | Newest::Unknown => break,
                Newest::Unanswered => tokio::time::sleep(PAUSE).await,
                Newest::Refused => {
                    if let Ok(event) = tokio::time::timeout(PAUSE, self.events.next()).await {
                        return event;
                    }
                }
            }
        }
        self.state = State::Sound;
        self.events.next().await
    }

    fn note(&mut self, event: &watcher::Result<watcher::Event<K>>) {
        match event {
            Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object) | watcher::Event::Delete(object)) => {
                let version = number(object.resource_version().as_deref());
                self.shown = self.shown.max(version.unwrap_or_default());
            }
            Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
            Err(_) => self.state = State::Failed,
        }
    }
}

fn number(version: Option<&str>) -> Option<u64> {
    version?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::watcher::Event;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn seen(version: &str) -> Event<ConfigMap> {
        let map = json!({ "metadata": { "name": "a", "namespace": "web", "resourceVersion": version } });
        Event::Apply(serde_json::from_value(map).unwrap())
    }

    /// How many events of a watch that fails after version 7 are passed on, where the API server answers so, one after the other.
    #[rstest]
    #[case::nothing_has_happened(&[Newest::Version(7)], 3)]
    #[case::others_have_gone_on(&[Newest::Version(9)], 3)]
    #[case::the_last_write_is_gone(&[Newest::Version(6)], 2)]
    #[case::asked_until_it_answers(&[Newest::Version(6), Newest::Unanswered, Newest::Unanswered], 2)]
    #[case::no_number(&[Newest::Unknown], 3)]
    #[case::refused_until_the_right_is_given_again(&[Newest::Version(8), Newest::Refused], 3)]
    #[tokio::test(start_paused = true)]
    async fn a_watch_ends_when_what_it_has_shown_is_gone(#[case] answers: &[Newest], #[case] passed: usize) {
        let answers = Mutex::new(answers.to_vec());
        let ask = || std::future::ready(answers.lock().unwrap().pop().unwrap());
        let events =
            until_rewound(stream::iter([Ok(seen("7")), Err(watcher::Error::NoResourceVersion), Ok(seen("8"))]), ask);
        assert_eq!(events.count().await, passed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_resumed_in_silence_while_a_right_is_missing_ends_when_the_answer_comes() {
        let answers = Mutex::new(vec![Newest::Version(6), Newest::Refused, Newest::Refused]);
        let ask = || std::future::ready(answers.lock().unwrap().pop().unwrap());
        let shown = stream::iter([Ok(seen("7")), Err(watcher::Error::NoResourceVersion)]);
        let events = until_rewound(shown.chain(stream::pending()), ask);
        assert_eq!(tokio::time::timeout(PAUSE * 10, events.count()).await, Ok(2));
    }

    #[tokio::test]
    async fn nothing_is_asked_while_the_watch_goes_on() {
        let ask = || -> std::future::Ready<Newest> { panic!("asked without need") };
        let events = until_rewound(stream::iter(["7", "6", "8"].map(|version| Ok(seen(version)))), ask);
        assert_eq!(events.count().await, 3);
    }
}
