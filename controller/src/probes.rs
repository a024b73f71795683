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

use crate::{context::Context, kubernetes::lease::Leadership};

/// Whether the operator has seen everything it watches.
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

/// `/healthz` and `/readyz`. The process is healthy while it answers. It is ready once every watch has been listed, and while it
/// works or could take over: a standby is ready, one that hears nothing of the Lease or may not write it is not, and says why.
pub fn probes(readiness: Readiness, leadership: Leadership) -> Router {
    let ready = async move || {
        if !readiness.get() {
            return (StatusCode::SERVICE_UNAVAILABLE, "waiting for the first listing of every watch\n".to_owned());
        }
        match leadership.exclusion() {
            Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            None => (StatusCode::OK, "ready\n".to_owned()),
        }
    };
    Router::new().route("/healthz", get(async || "alive\n")).route("/readyz", get(ready))
}

/// `/metrics`.
pub fn exposition(ctx: Arc<Context>) -> Router {
    let expose = async move || match ctx.metrics.exposition(&ctx) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    Router::new().route("/metrics", get(expose))
}
