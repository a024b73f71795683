//! Sockets: accepting, TLS, HTTP/1.1, and connections that are cut on purpose.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::Error;
use super::instance::{Scheme, Transport};
use super::message::{Cut, Reply, Request};

/// TLS settings; `None` for plain http.
type Tls = Option<Arc<ServerConfig>>;
/// What answers requests.
type Serve = Arc<dyn Fn(Request) -> Reply + Send + Sync>;
type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Size of the pieces in which filler is sent, in bytes.
const PIECE: usize = 65_536;
/// Time for the first part of a body to leave before the connection is cut.
const FLUSH: Duration = Duration::from_millis(50);

/// An open listener. Dropping it closes the socket and all its connections.
pub(super) struct Listener {
    address: SocketAddr,
    scheme: Scheme,
    host: Option<String>,
    tls: watch::Sender<Tls>,
}

impl Listener {
    /// Listens; connections are accepted from the return on.
    ///
    /// `accepted` counts them.
    pub(super) fn open(
        runtime: &Handle,
        transport: &Transport,
        tls: Tls,
        serve: Serve,
        accepted: Arc<AtomicU64>,
    ) -> Result<Self, Error> {
        let socket = std::net::TcpListener::bind((transport.address, transport.port))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let _context = runtime.enter();
        let socket = TcpListener::from_std(socket)?;
        let (tls, settings) = watch::channel(tls);
        runtime.spawn(accept(socket, settings, serve, accepted));
        Ok(Self { address, scheme: transport.scheme, host: transport.host.clone(), tls })
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Https => "https",
            Scheme::Http => "http",
        };
        match &self.host {
            Some(host) => format!("{scheme}://{host}:{}", self.address.port()),
            None => format!("{scheme}://{}", self.address),
        }
    }

    /// Speaks otherwise from now on: idle connections end at once, others after the answer they are waiting for.
    pub(super) fn change(&mut self, transport: &Transport, tls: Tls) {
        self.scheme = transport.scheme;
        self.host.clone_from(&transport.host);
        self.tls.send_replace(tls);
    }
}

async fn accept(socket: TcpListener, mut settings: watch::Receiver<Tls>, serve: Serve, count: Arc<AtomicU64>) {
    loop {
        tokio::select! {
            changed = settings.changed() => if changed.is_err() { return },
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => {
                    count.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(connection(stream, settings.clone(), Arc::clone(&serve)));
                }
                // Out of descriptors, or the peer is gone already: neither ends the listener.
                Err(_) => tokio::time::sleep(FLUSH).await,
            },
        }
    }
}

async fn connection(stream: TcpStream, mut settings: watch::Receiver<Tls>, serve: Serve) {
    let tls = settings.borrow_and_update().clone();
    let Some(tls) = tls else {
        return converse(stream, settings, serve).await;
    };
    let stream = tokio::select! {
        _ = settings.changed() => return,
        handshake = TlsAcceptor::from(tls).accept(stream) => handshake,
    };
    // A handshake that fails is the client's to report.
    if let Ok(stream) = stream {
        converse(stream, settings, serve).await;
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(stream: S, mut settings: watch::Receiver<Tls>, serve: Serve) {
    let listener = settings.clone();
    let service = service_fn(|request| respond(request, Arc::clone(&serve), listener.clone()));
    let conversation = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut conversation = std::pin::pin!(conversation);
    tokio::select! {
        // An error here is a connection cut by either side, which each side has noticed.
        _ = conversation.as_mut() => return,
        changed = settings.changed() => if changed.is_err() { return },
    }
    conversation.as_mut().graceful_shutdown();
    tokio::select! {
        _ = conversation => {}
        Err(_) = closed(settings) => {}
    }
}

/// Waits until the listener is dropped.
async fn closed(mut settings: watch::Receiver<Tls>) -> Result<Infallible, watch::error::RecvError> {
    loop {
        settings.changed().await?;
    }
}

async fn respond(
    request: hyper::Request<Incoming>,
    serve: Serve,
    listener: watch::Receiver<Tls>,
) -> Result<Response<Body>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    // A request on a kept connection may overtake the news that the listener is gone.
    if listener.has_changed().is_err() {
        return Err(std::io::Error::other("the listener is closed"));
    }
    let request = Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body,
    };
    let reply = serve(request.clone());
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    match reply.cut {
        Some(Cut::BeforeAnswer) => Err(std::io::Error::other("cut on purpose")),
        Some(Cut::Never) => std::future::pending().await,
        Some(Cut::Again(after)) => {
            // Apart from the connection, which may be closed meanwhile.
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                serve(request);
            });
            std::future::pending().await
        }
        Some(Cut::InBody(_)) | None => response(&reply),
    }
}

fn response(reply: &Reply) -> Result<Response<Body>, std::io::Error> {
    let mut response = Response::new(body(reply));
    *response.status_mut() = StatusCode::from_u16(reply.status).map_err(std::io::Error::other)?;
    for (name, value) in &reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(std::io::Error::other)?;
        response.headers_mut().append(name, HeaderValue::from_str(value).map_err(std::io::Error::other)?);
    }
    if let Some(Cut::InBody(_)) = reply.cut {
        response.headers_mut().insert("content-length", HeaderValue::from(reply.content().len()));
    }
    Ok(response)
}

fn body(reply: &Reply) -> Body {
    if let Some(Cut::InBody(after)) = reply.cut {
        let begin = Bytes::copy_from_slice(reply.content().get(..after).unwrap_or_default());
        let end = stream::once(async {
            tokio::time::sleep(FLUSH).await;
            Err(std::io::Error::other("cut on purpose"))
        });
        return StreamBody::new(stream::iter([Ok(Frame::data(begin))]).chain(end)).boxed_unsync();
    }
    if reply.padding > 0 {
        return padded(reply);
    }
    Full::new(Bytes::copy_from_slice(reply.content())).map_err(|never| match never {}).boxed_unsync()
}

/// The body with filler as its first member; bodies that are no objects get white space in front.
fn padded(reply: &Reply) -> Body {
    let content = reply.content();
    let (opening, filler, closing) = match content.strip_prefix(b"{") {
        Some(rest) if rest.starts_with(b"}") => ("{\"filler\":\"", b'a', [b"\"", rest].concat()),
        Some(rest) => ("{\"filler\":\"", b'a', [b"\",", rest].concat()),
        None => ("", b' ', content.to_vec()),
    };
    let piece = Bytes::from(vec![filler; PIECE]);
    let pieces = std::iter::repeat_n(piece, reply.padding.div_ceil(PIECE));
    let parts = std::iter::once(Bytes::from_static(opening.as_bytes())).chain(pieces).chain([Bytes::from(closing)]);
    StreamBody::new(stream::iter(parts.map(|part| Ok(Frame::data(part))))).boxed_unsync()
}
