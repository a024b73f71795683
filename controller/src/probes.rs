//! The operator's own HTTP endpoints: `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};

use crate::{context::Context, kubernetes::lease::Leadership, watch::Sights};

/// `/healthz` and `/readyz`. The process is healthy while it answers. It is ready while it sees everything that it watches, and works
/// or could take over: a standby is ready, one that hears nothing of the Lease or may not write it is not. One that is not says why,
/// in one line for each reason.
pub fn probes(sights: Sights, leadership: Leadership) -> Router {
    let ready = async move || {
        let obstacles: Vec<_> = leadership.exclusion().into_iter().chain(sights.obstacles()).collect();
        if obstacles.is_empty() {
            return (StatusCode::OK, "ready\n".to_owned());
        }
        (StatusCode::SERVICE_UNAVAILABLE, obstacles.join("\n") + "\n")
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
