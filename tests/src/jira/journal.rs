//! What was asked: every request to every listener but the control endpoint, with hashes in place of values.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Number, from 1 on, in the order of answers.
    pub sequence: u64,
    /// Moment on the simulator's clock.
    pub at: Timestamp,
    /// Milliseconds of real time since the simulator started.
    pub elapsed_millis: u64,
    /// Listener that it came in on: `auth`, `api`, or an instance's name.
    pub listener: String,
    /// Instance that it was meant for: also set for requests at the gateway and for token requests of a known client.
    pub instance: Option<String>,
    /// Method.
    pub method: String,
    /// Path as sent.
    pub path: String,
    /// Query as sent.
    pub query: Option<String>,
    /// Header names in lower case, each with the [`digest`] of every value.
    pub headers: BTreeMap<String, Vec<String>>,
    /// [`digest`] of the body; `None` without a body.
    pub body: Option<String>,
    /// OAuth client id, or consumer key of OAuth 1.0a, that it named.
    pub client: Option<String>,
    /// [`digest`] of the refresh token, or of the session handle of OAuth 1.0a, that a token request presented; also
    /// when a fault kept it from having any effect.
    pub presented: Option<String>,
    /// [`digest`] of the refresh token or session handle that the answer gave out; also when the answer was lost. It
    /// replaces `presented`, so that after one that was received and stored, no earlier one may be presented again.
    pub issued: Option<String>,
    /// Id of the account that it ran as; `None` for anonymous and refused requests.
    pub account: Option<String>,
    /// Status of the answer; `None` when none was given.
    pub status: Option<u16>,
}

impl Entry {
    /// Whether the request carried a header of this name, in any case, with this value.
    #[must_use]
    pub fn carried(&self, name: &str, value: &str) -> bool {
        let values = self.headers.get(&name.to_ascii_lowercase());
        values.is_some_and(|values| values.contains(&digest(value.as_bytes())))
    }

    /// Whether any header of the request had this value.
    #[must_use]
    pub fn carried_anywhere(&self, value: &str) -> bool {
        self.headers.values().flatten().any(|seen| *seen == digest(value.as_bytes()))
    }
}

/// The first 16 hexadecimal digits of the SHA-256 of a value.
#[must_use]
pub fn digest(value: &[u8]) -> String {
    Sha256::digest(value).iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// A place in the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub u64);

/// The requests so far.
#[derive(Debug)]
pub struct Journal {
    started: Instant,
    entries: Mutex<Vec<Entry>>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { started: Instant::now(), entries: Mutex::default() }
    }
}

impl Journal {
    /// The place after the newest entry.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.lock().last().map_or(0, |entry| entry.sequence))
    }

    /// The place at a time, to the millisecond before.
    #[must_use]
    pub fn mark_at(&self, time: Instant) -> Mark {
        let elapsed = time.duration_since(self.started).as_millis();
        let entries = self.lock();
        let before = entries.iter().rev().find(|entry| u128::from(entry.elapsed_millis) < elapsed);
        Mark(before.map_or(0, |entry| entry.sequence))
    }

    /// Entries after a place.
    #[must_use]
    pub fn since(&self, mark: Mark) -> Vec<Entry> {
        self.lock().iter().filter(|entry| entry.sequence > mark.0).cloned().collect()
    }

    /// Entries after a place that were meant for an instance, or came in on its listener; `auth` and `api` name those
    /// listeners.
    #[must_use]
    pub fn of(&self, instance: &str, mark: Mark) -> Vec<Entry> {
        let meant = |entry: &Entry| entry.listener == instance || entry.instance.as_deref() == Some(instance);
        self.lock().iter().filter(|entry| entry.sequence > mark.0 && meant(entry)).cloned().collect()
    }

    /// Adds an entry; sequence and elapsed time are set here.
    pub(super) fn record(&self, mut entry: Entry) {
        let mut entries = self.lock();
        entry.sequence = entries.last().map_or(1, |last| last.sequence + 1);
        entry.elapsed_millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        entries.push(entry);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
