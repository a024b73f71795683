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
        let (head, connection) = (Duration::from_secs(10), Duration::from_secs(60));
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
    let ended = AssertUnwindSafe(tokio::time::timeout(limits.connection, served)).catch_unwind().await;
    if ended.is_err() {
        // The panic hook has printed where.
        tracing::error!("a page panicked");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        task::JoinHandle,
        time::{Instant, timeout},
    };

    use super::*;

    const LIMITS: Limits =
        Limits { connections: 2, head: Duration::from_millis(300), connection: Duration::from_millis(900) };

    /// Serves, and returns a way to connect. Real time and real sockets: a paused clock would run while bytes are on their way.
    async fn stage() -> (std::net::SocketAddr, JoinHandle<()>) {
        async fn panics() -> &'static str {
            panic!("a page that panics")
        }
        let wait = async || {
            tokio::time::sleep(Duration::from_secs(60)).await;
            "late"
        };
        let router =
            Router::new().route("/", get(async || "here")).route("/panic", get(panics)).route("/wait", get(wait));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (address, tokio::spawn(serve(listener, router, LIMITS)))
    }

    async fn send(address: std::net::SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Everything until the server closes. Resets count as closing.
    async fn rest(mut stream: TcpStream) -> String {
        let mut bytes = Vec::new();
        _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut bytes)).await.expect("the server closes in time");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    #[tokio::test]
    async fn a_head_that_does_not_end_and_an_idle_connection_are_closed() {
        let (address, _server) = stage().await;
        let begun = Instant::now();
        let slow = send(address, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
        let idle = send(address, GET).await;
        assert_eq!(rest(slow).await, "");
        assert!(rest(idle).await.ends_with("here"));
        assert!(begun.elapsed() < LIMITS.connection, "the bound of the head, and not that of the connection");
    }

    #[tokio::test]
    async fn dripping_bytes_win_no_time() {
        let (address, _server) = stage().await;
        let begun = Instant::now();
        let mut stream = send(address, "GET / HTTP/1.1\r\n").await;
        while begun.elapsed() < LIMITS.connection {
            if stream.write_all(b"X-A: b\r\n").await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(begun.elapsed() < LIMITS.connection, "the server has closed");
    }

    #[tokio::test]
    async fn a_connection_lasts_for_a_bounded_time() {
        let (address, _server) = stage().await;
        assert_eq!(rest(send(address, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await).await, "");
    }

    #[tokio::test]
    async fn a_crowd_waits_and_is_served_in_the_end() {
        let (address, _server) = stage().await;
        let mut crowd = Vec::new();
        for _ in 0..LIMITS.connections {
            crowd.push(send(address, "GET /").await);
        }
        let begun = Instant::now();
        assert!(rest(send(address, GET).await).await.ends_with("here"));
        assert!(LIMITS.head / 2 < begun.elapsed(), "it had to wait until one of the crowd was closed");
    }

    #[tokio::test]
    async fn a_panic_ends_its_own_connection_only() {
        let (address, server) = stage().await;
        assert_eq!(rest(send(address, "GET /panic HTTP/1.1\r\nHost: x\r\n\r\n").await).await, "");
        assert!(rest(send(address, GET).await).await.ends_with("here"));
        assert!(!server.is_finished());
    }

    #[tokio::test]
    async fn an_endless_head_is_refused() {
        let (address, _server) = stage().await;
        let answer =
            rest(send(address, &format!("GET / HTTP/1.1\r\nX-Long: {}", "a".repeat(2 * HEAD_BYTES))).await).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}
