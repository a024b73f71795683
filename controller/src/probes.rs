//! The operator's own HTTP endpoints: `/healthz`, `/readyz`, `/metrics`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};

use crate::{jira::Network, metrics::Metrics};

/// Whether the operator has seen everything it watches and works on it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says so.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// `/healthz` and `/readyz`. The process is healthy while it answers; it is ready once every watch has been listed.
pub fn probes(readiness: Readiness) -> Router {
    let ready = async move || {
        if readiness.get() {
            return (StatusCode::OK, "ready\n");
        }
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for the first listing of every watch\n")
    };
    Router::new().route("/healthz", get(async || "alive\n")).route("/readyz", get(ready))
}

/// `/metrics`.
pub fn exposition(metrics: Arc<Metrics>, network: Network) -> Router {
    let expose = async move || match metrics.expose(&network) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    Router::new().route("/metrics", get(expose))
}
