//! Sockets and forwarding.

use std::{io, sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Bytes, Frame, Incoming},
    header::{self, HeaderName},
    http::request::Parts,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{
    Shared,
    call::Call,
    rule::{Fate, Trap, Way},
};

type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// What belongs to one connection and not to a request (RFC 9110, 7.6.1), and the length, which the body brings along.
const OF_THE_CONNECTION: [HeaderName; 5] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::TE, header::HOST, header::CONTENT_LENGTH];

pub(super) async fn accept(listener: TcpListener, config: Arc<ServerConfig>, shared: Arc<Shared>) {
    loop {
        // A connection that was gone before it was accepted does not end the listener.
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, TlsAcceptor::from(Arc::clone(&config)), Arc::clone(&shared)));
        }
    }
}

async fn converse(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    // A handshake that fails is the client's to report.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let mut cuts = shared.cuts.subscribe();
    let service = service_fn(move |request| pass(request, Arc::clone(&shared)));
    let conversation = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // An error here is a connection that was cut by either side, which each side has noticed.
        _ = conversation => {}
        _ = cuts.changed() => {}
    }
}

/// An error ends the connection without an answer.
async fn pass(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<Answer> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let call = Arc::new(Call::of(&parts, &body));
    let trap = shared.sprung(&call);
    if let Some(trap) = &trap {
        match trap.fate() {
            Fate::Refuse(status) => {
                trap.tell();
                return refusal(status);
            }
            Fate::Hold(Way::There) | Fate::Cut(Way::There) | Fate::Delay(Way::There, _) => befall(trap).await?,
            Fate::Hold(Way::Back) | Fate::Cut(Way::Back) | Fate::Delay(Way::Back, _) | Fate::End(_) => {}
        }
    }
    // In a task of its own, which goes on when the operator is gone.
    let forwarded = tokio::spawn({
        let (shared, call) = (Arc::clone(&shared), Arc::clone(&call));
        async move {
            let answer = forward(parts, body, &shared).await?;
            (shared.witness)(&call, answer.status().as_u16());
            Ok::<_, io::Error>(answer)
        }
    });
    let answer = forwarded.await.map_err(io::Error::other)??;
    let Some(trap) = trap else { return Ok(answer) };
    match trap.fate() {
        Fate::Hold(Way::Back) | Fate::Cut(Way::Back) | Fate::Delay(Way::Back, _) => {
            befall(&trap).await?;
            Ok(answer)
        }
        Fate::End(after) => {
            trap.tell();
            Ok(answer.map(|body| ended(body, after)))
        }
        Fate::Hold(Way::There) | Fate::Cut(Way::There) | Fate::Delay(Way::There, _) | Fate::Refuse(_) => Ok(answer),
    }
}

/// Carries a fate out that does not depend on the way. An error ends the connection.
async fn befall(trap: &Trap) -> io::Result<()> {
    let gone = || io::Error::from(io::ErrorKind::ConnectionAborted);
    trap.tell();
    match trap.fate() {
        Fate::Hold(_) => trap.let_go().await.then_some(()).ok_or_else(gone),
        Fate::Cut(_) => Err(gone()),
        Fate::Delay(_, time) => {
            tokio::time::sleep(time).await;
            Ok(())
        }
        Fate::Refuse(_) | Fate::End(_) => Ok(()),
    }
}

/// A body that ends properly after so long, as the API server ends a watch.
fn ended(body: UnsyncBoxBody<Bytes, io::Error>, after: Duration) -> UnsyncBoxBody<Bytes, io::Error> {
    let pieces = body.into_data_stream().map_ok(Frame::data).take_until(tokio::time::sleep(after));
    BodyExt::boxed_unsync(StreamBody::new(pieces))
}

async fn forward(parts: Parts, body: Bytes, shared: &Shared) -> io::Result<Answer> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let request = shared
        .client
        .request(parts.method, format!("{}{target}", shared.upstream))
        .headers(of_the_message(parts.headers))
        .body(body);
    let answer = request.send().await.map_err(io::Error::other)?;
    let (status, headers) = (answer.status(), of_the_message(answer.headers().clone()));
    let pieces = answer.bytes_stream().map_ok(Frame::data).map_err(io::Error::other);
    // A watch's answer comes piece by piece, for as long as it is open.
    let mut forwarded = Response::new(BodyExt::boxed_unsync(StreamBody::new(pieces)));
    *forwarded.status_mut() = status;
    *forwarded.headers_mut() = headers;
    Ok(forwarded)
}

fn of_the_message(mut headers: HeaderMap) -> HeaderMap {
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
    headers
}

/// What the API server says when it refuses: a `Status` (`meta/v1`).
fn refusal(status: u16) -> io::Result<Answer> {
    let reason = match status {
        409 => "Conflict",
        401 => "Unauthorized",
        403 => "Forbidden",
        410 => "Expired",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "refused by the gateway", "reason": reason, "code": status,
    });
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {});
    let answer = Response::builder()
        .status(StatusCode::from_u16(status).map_err(io::Error::other)?)
        .header(header::CONTENT_TYPE, "application/json");
    answer.body(BodyExt::boxed_unsync(body)).map_err(io::Error::other)
}
