//! Serves the pages to browsers: HTTP/1.1, with a bound for everything that a visitor could draw out.

use std::{io, panic::AssertUnwindSafe, time::Duration};

use axum::Router;
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};

/// What a visitor may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at the same time. Further ones wait until one of them ends.
    pub connections: usize,
    /// Time for the head of a request, from the end of the one before.
    pub head: Duration,
    /// Time for a connection as a whole: for slow readers, and for those who send one request after another.
    pub connection: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let (head, connection) = (Duration::from_secs(10), Duration::from_mins(1));
        Self { connections: 512, head, connection }
    }
}

/// The longest head of a request, in bytes. Hyper answers 431 to a longer one, or 414 to its first line.
const HEAD_BYTES: usize = 16 * 1024;

/// How long nothing is accepted when the system has no socket to give.
const RESPITE: Duration = Duration::from_millis(200);

/// Serves `router` at `listener` for good. All connections are driven by this one future; one that panics ends alone.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits) {
    let mut connections = FuturesUnordered::new();
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept(), if connections.len() < limits.connections => Some(accepted),
            Some(()) = connections.next() => None,
        };
        match accepted {
            None => {}
            Some(Ok((stream, _))) => connections.push(connection(stream, router.clone(), limits)),
            Some(Err(error)) => {
                report(&error);
                tokio::time::sleep(RESPITE).await;
            }
        }
    }
}

fn report(error: &io::Error) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, "the page server cannot accept connections");
}

async fn connection(stream: TcpStream, router: Router, limits: Limits) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_BYTES);
    let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // What goes wrong here is the visitor's: broken off, malformed, too slow. His browser knows.
    match AssertUnwindSafe(tokio::time::timeout(limits.connection, served)).catch_unwind().await {
        Ok(_) => {}
        // The hook has printed where.
        Err(_) => tracing::error!("a page panicked"),
    }
}
