//! One request to the API server, as far as rules look at it.

use std::time::Instant;

use hyper::{Method, header::ACCEPT, http::request::Parts};
use k8s_openapi::ByteString;
use serde_json::Value;

/// What a request does with a resource, as far as that makes a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Follows the changes of a collection.
    Watch,
    /// Reads a collection, page by page, as one who is going to watch it does.
    List,
    /// Reads one thing.
    Read,
    /// Changes something.
    Write,
}

impl Verb {
    fn of(parts: &Parts) -> Self {
        let asked = |name: &str| parts.uri.query().is_some_and(|query| query.split('&').any(|it| it.starts_with(name)));
        match parts.method {
            Method::GET if asked("watch=") => Self::Watch,
            Method::GET if asked("limit=") => Self::List,
            Method::GET => Self::Read,
            _ => Self::Write,
        }
    }
}

/// One request to the API server. `Debug` shows no body.
pub struct Call {
    /// Method.
    pub method: Method,
    /// Path without query.
    pub path: String,
    /// Whether only metadata was asked for (`PartialObjectMetadata`).
    pub metadata_only: bool,
    /// What it does with the resource.
    pub verb: Verb,
    /// When it was read, before it is forwarded.
    pub received: Instant,
    body: Value,
}

impl Call {
    pub(super) fn of(parts: &Parts, body: &[u8]) -> Self {
        let accepted = parts.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            verb: Verb::of(parts),
            received: Instant::now(),
            metadata_only: accepted.contains("PartialObjectMetadata"),
            // What is no JSON, a watch's empty body above all, has no keys.
            body: serde_json::from_slice(body).unwrap_or_default(),
        }
    }

    /// The value that a write of a Secret gives to a key. Absent when it leaves the key alone or removes it.
    #[must_use]
    pub fn given(&self, key: &str) -> Option<Vec<u8>> {
        let value = self.body["data"].get(key).filter(|value| value.is_string())?.clone();
        serde_json::from_value::<ByteString>(value).ok().map(|ByteString(bytes)| bytes)
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Call").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}
