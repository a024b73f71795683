//! Which tokens were stored when, as the gateway saw it, against what Jira was shown and gave out.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use hyper::Method;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::{
    gateway::Call,
    jira::{self, Mark, digest},
    scene::Scene,
};

/// A refresh token, or a session handle, that the API server has taken.
#[derive(Clone, Debug)]
struct Stored {
    namespace: String,
    /// Its digest, as the journal has it.
    token: String,
    /// The access token of OAuth 2.0, as a request carries it.
    bearer: Option<String>,
    /// Requests before this came to Jira when the token was surely not stored yet.
    offered: Mark,
    /// Requests after this came to Jira when the token was surely stored.
    since: Mark,
}

/// Everything that was stored, in its order.
#[derive(Debug, Default)]
pub struct Ledger {
    stored: Mutex<Vec<Stored>>,
    answers: Mutex<Vec<(String, Timestamp)>>,
}

impl Ledger {
    /// Takes note of a call that the API server has answered.
    pub fn note(&self, call: &Call, status: u16) {
        if !(200..300).contains(&status) || ![Method::PATCH, Method::POST].contains(&call.method) {
            return;
        }
        let namespace = call.path.split('/').skip_while(|part| *part != "namespaces").nth(1).unwrap_or_default();
        if call.given("answer").is_some() {
            let now = jira::shared().clock().now();
            self.answers.lock().unwrap_or_else(PoisonError::into_inner).push((namespace.to_owned(), now));
        }
        // A candidate is used as well: to be proven.
        for grant in ["candidate", "grant"].into_iter().filter_map(|key| call.given(key)) {
            let grant: Value = serde_json::from_slice(&grant).unwrap();
            let tokens = &grant["tokens"];
            let token = tokens["refreshToken"].as_str().or(tokens["sessionHandle"].as_str()).unwrap();
            let stored = Stored {
                namespace: namespace.to_owned(),
                token: digest(token.as_bytes()),
                bearer: tokens["accessToken"].as_str().map(|token| format!("Bearer {token}")),
                offered: jira::shared().journal().mark_at(call.received),
                since: jira::shared().journal().mark(),
            };
            self.lock().push(stored);
        }
    }

    /// In which namespaces a person's answer was recorded, and when by Jira's clock.
    #[must_use]
    pub fn answers(&self) -> Vec<(String, Timestamp)> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Stored>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, scene: &Scene) -> Vec<Stored> {
        self.lock().iter().filter(|stored| stored.namespace == scene.stage.namespace).cloned().collect()
    }

    /// Numbers of the requests of a connection that showed Jira a token after its successor was stored.
    #[must_use]
    pub fn late(&self, scene: &Scene) -> Vec<u64> {
        let (stored, requests) = (self.of(scene), scene.token_requests(Mark::default()));
        let mut late = Vec::new();
        for (number, newest) in stored.iter().enumerate() {
            let old: BTreeSet<_> =
                stored[..number].iter().map(|it| &it.token).filter(|token| **token != newest.token).collect();
            let shown = requests.iter().filter(|entry| newest.since < Mark(entry.sequence));
            let wrong = shown.filter(|entry| entry.presented.as_ref().is_some_and(|token| old.contains(token)));
            late.extend(wrong.map(|entry| entry.sequence));
        }
        late.sort_unstable();
        late.dedup();
        late
    }

    /// Numbers of the requests of a connection that carried a token before who stored it had learned so.
    #[must_use]
    pub fn early(&self, scene: &Scene) -> Vec<u64> {
        self.before(scene, |stored| stored.since)
    }

    /// Numbers of the requests of a connection that carried a token before it can have been stored: where several operators work, one may
    /// find a token before the other has learned that it is stored.
    #[must_use]
    pub fn too_early_for_anybody(&self, scene: &Scene) -> Vec<u64> {
        self.before(scene, |stored| stored.offered)
    }

    fn before(&self, scene: &Scene, place: impl Fn(&Stored) -> Mark) -> Vec<u64> {
        let requests = scene.site.requests(Mark::default());
        let mut seen = BTreeSet::new();
        let mut early = Vec::new();
        for stored in self.of(scene) {
            // A grant that was a candidate is stored twice.
            let place = place(&stored);
            let Some(bearer) = stored.bearer.filter(|bearer| seen.insert(bearer.clone())) else { continue };
            let carried = requests.iter().filter(|entry| entry.carried("authorization", &bearer));
            early.extend(carried.map(|entry| entry.sequence).filter(|number| Mark(*number) <= place));
        }
        early
    }

    /// Whether Jira has given this connection a token, since `mark`, that never came to be stored.
    #[must_use]
    pub fn lost(&self, scene: &Scene, mark: Mark) -> bool {
        let stored: BTreeSet<_> = self.of(scene).into_iter().map(|it| it.token).collect();
        let issued = scene.token_requests(mark).into_iter().filter_map(|entry| entry.issued);
        issued.into_iter().any(|token| !stored.contains(&token))
    }

    /// The token that was stored last is the one in the Secret: nothing went past the gateway.
    pub async fn is_complete(&self, scene: &Scene) -> bool {
        let grant = scene.owned("grant").await.unwrap();
        let tokens = &grant["grant"]["tokens"];
        let token = tokens["refreshToken"].as_str().or(tokens["sessionHandle"].as_str());
        let last = self.of(scene).last().map(|it| it.token.clone());
        token.is_none_or(|token| last == Some(digest(token.as_bytes()))) && grant["candidate"].is_null()
    }
}
