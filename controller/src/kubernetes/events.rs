//! Events: what `kubectl describe` shows of a transition. Best effort.
//!
//! They are sent one after another, apart from the passes: no status waits for an Event, and when thousands of objects turn at
//! once, the API server has its time for their statuses. Good news is also paced, since it comes in thousands when an operator meets a
//! cluster for the first time, and nobody waits for it.

use std::{
    pin::{Pin, pin},
    time::Duration,
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::{
    sync::mpsc::{self, Receiver, Sender, error::TrySendError},
    time::{Instant, sleep_until, timeout},
};

use crate::condition::clip;

/// Longest note that the API server takes, in bytes.
const NOTE_BYTES: usize = 1024;

/// Notes of each tone that may wait to be sent. What comes then is dropped, as client-go does (`maxQueuedEvents`).
const WAITING: usize = 1000;

/// Good news that may be sent at once after a quiet time.
const GOOD_NEWS_AT_ONCE: u32 = 50;

/// Time between two pieces of good news after that.
const GOOD_NEWS_EVERY: Duration = Duration::from_millis(50);

/// How long is spent at the end on what still waits.
const FAREWELL: Duration = Duration::from_secs(2);

/// Whether an Event is news to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Good or neutral.
    Normal,
    /// Something to look at.
    Warning,
}

/// What an Event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its tone.
    pub tone: Tone,
    /// Its reason, in CamelCase.
    pub reason: String,
    /// Its text.
    pub text: String,
}

/// A note, and what it is about.
type Letter = (ObjectReference, Note);

/// Takes Events to be published in the operator's name.
#[derive(Clone, Debug)]
pub struct Events {
    warnings: Sender<Letter>,
    others: Sender<Letter>,
}

/// Sends what [`Events`] has taken, warnings first.
pub struct Delivery {
    client: Client,
    reporter: Reporter,
    warnings: Receiver<Letter>,
    others: Receiver<Letter>,
    /// When all good news that was sent would have been sent at an even pace.
    paced: Instant,
}

impl Events {
    /// Events, and their delivery with `client` in the name of the pod `instance`.
    #[must_use]
    pub fn new(client: Client, instance: Option<String>) -> (Self, Delivery) {
        let reporter = Reporter { controller: super::FIELD_MANAGER.into(), instance };
        let ((warnings, warning_queue), (others, other_queue)) = (mpsc::channel(WAITING), mpsc::channel(WAITING));
        let paced = Instant::now();
        let delivery = Delivery { client, reporter, warnings: warning_queue, others: other_queue, paced };
        (Self { warnings, others }, delivery)
    }

    /// Takes note of one transition, to be told soon. Never waits and never fails a pass.
    pub fn publish<K: Resource<DynamicType = ()>>(&self, about: &K, note: Note) {
        let queue = match note.tone {
            Tone::Warning => &self.warnings,
            Tone::Normal => &self.others,
        };
        match queue.try_send((about.object_ref(&()), note)) {
            Err(TrySendError::Full((about, note))) => {
                tracing::debug!(reason = note.reason, name = about.name, "too many events wait: this one is dropped");
            }
            // Closed: the operator stops.
            Ok(()) | Err(TrySendError::Closed(_)) => {}
        }
    }
}

impl Delivery {
    /// Sends until `end` resolves, and then for a moment what still waits.
    pub async fn run(mut self, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        while let Some(letter) = self.next(end.as_mut()).await {
            self.send(letter).await;
        }
        let rest = async {
            while let Ok(letter) = self.warnings.try_recv().or_else(|_| self.others.try_recv()) {
                self.send(letter).await;
            }
        };
        if timeout(FAREWELL, rest).await.is_err() {
            tracing::warn!("stopped with events still unpublished");
        }
    }

    async fn next(&mut self, end: Pin<&mut impl Future<Output = ()>>) -> Option<Letter> {
        let ahead = self.paced.checked_sub(GOOD_NEWS_EVERY * GOOD_NEWS_AT_ONCE).unwrap_or(self.paced);
        let others = async {
            sleep_until(ahead).await;
            self.others.recv().await
        };
        tokio::select! {
            biased;
            () = end => None,
            letter = self.warnings.recv() => letter,
            letter = others => {
                self.paced = self.paced.max(Instant::now()) + GOOD_NEWS_EVERY;
                letter
            }
        }
    }

    async fn send(&self, (about, note): Letter) {
        // A Recorder merges by everything except the text and resends the first text, so each transition gets its own.
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        let type_ = match note.tone {
            Tone::Normal => EventType::Normal,
            Tone::Warning => EventType::Warning,
        };
        let event = Event {
            type_,
            reason: note.reason,
            note: Some(clip(&note.text, NOTE_BYTES).to_owned()),
            action: "Reconcile".into(),
            secondary: None,
        };
        if let Err(error) = recorder.publish(&event, &about).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, reason = event.reason, name = about.name, "event not published");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::client::Body;

    use super::*;

    fn queues() -> (Events, Delivery) {
        let nobody = tower::service_fn(|_: axum::http::Request<Body>| async {
            Ok::<_, std::io::Error>(axum::http::Response::new(Body::empty()))
        });
        Events::new(Client::new(nobody, "default"), None)
    }

    fn note(tone: Tone, number: usize) -> Note {
        Note { tone, reason: number.to_string(), text: String::new() }
    }

    async fn next(delivery: &mut Delivery) -> String {
        delivery.next(pin!(pending())).await.unwrap().1.reason
    }

    #[tokio::test]
    async fn warnings_go_first() {
        let (events, mut delivery) = queues();
        events.publish(&ConfigMap::default(), note(Tone::Normal, 1));
        events.publish(&ConfigMap::default(), note(Tone::Warning, 2));
        assert_eq!((next(&mut delivery).await, next(&mut delivery).await), ("2".into(), "1".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn good_news_is_paced_after_a_while_and_warnings_are_not() {
        let (events, mut delivery) = queues();
        (0..200).for_each(|number| events.publish(&ConfigMap::default(), note(Tone::Normal, number)));
        let began = Instant::now();
        for _ in 0..=GOOD_NEWS_AT_ONCE {
            next(&mut delivery).await;
        }
        assert!(began.elapsed() < GOOD_NEWS_EVERY, "{:?}", began.elapsed());
        (0..9).for_each(|number| events.publish(&ConfigMap::default(), note(Tone::Warning, number)));
        for number in 0..9 {
            assert_eq!(next(&mut delivery).await, number.to_string());
        }
        assert!(began.elapsed() < GOOD_NEWS_EVERY, "{:?}", began.elapsed());
        for _ in 0..100 {
            next(&mut delivery).await;
        }
        let took = began.elapsed();
        assert!(GOOD_NEWS_EVERY * 99 <= took && took <= GOOD_NEWS_EVERY * 101, "{took:?}");
    }

    #[tokio::test]
    async fn what_is_too_much_is_dropped_and_leaves_room_for_warnings() {
        let (events, mut delivery) = queues();
        (0..2 * WAITING).for_each(|number| events.publish(&ConfigMap::default(), note(Tone::Normal, number)));
        events.publish(&ConfigMap::default(), note(Tone::Warning, 9));
        assert_eq!((next(&mut delivery).await, next(&mut delivery).await), ("9".into(), "0".into()));
        assert_eq!(delivery.others.len(), WAITING - 1);
    }
}
