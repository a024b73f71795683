//! Traces, sent by OTLP over HTTP to where the variables of the OpenTelemetry specification say.

use std::fmt;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use super::TRACES;

/// Where the collector is: for everything, or for traces alone. Without either nothing is sent.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// What the operator calls itself, unless `OTEL_SERVICE_NAME` says otherwise.
const SERVICE: &str = "jira-connection-operator";

/// Traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There can be no HTTP client.
    #[error("no HTTP client for traces")]
    Client(#[source] reqwest::Error),
    /// The variables of the environment do not fit together.
    #[error("the variables OTEL_EXPORTER_OTLP_* cannot be used")]
    Exporter(#[source] ExporterBuildError),
}

/// The way out of traces. What is still to be sent is sent when it is dropped.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Prepares what the environment asks for; `None` if it asks for nothing. Must be called within a runtime, which sends.
    ///
    /// # Errors
    /// [`Error`] if it cannot be done.
    pub fn from_environment() -> Result<Option<Self>, Error> {
        if ENDPOINTS.iter().all(|name| std::env::var_os(name).is_none()) {
            return Ok(None);
        }
        let exporter = SpanExporter::builder().with_http().with_http_client(Client::new()?).build();
        exporter.map(|exporter| Some(Self::through(exporter))).map_err(Error::Exporter)
    }

    fn through(exporter: SpanExporter) -> Self {
        let resource = match std::env::var_os("OTEL_SERVICE_NAME") {
            Some(_) => Resource::builder(),
            None => Resource::builder().with_service_name(SERVICE),
        };
        Self(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build())
    }

    /// What makes traces of the spans of [`TRACES`], and of no others: those of libraries hold URLs.
    #[must_use]
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let spans = tracing_opentelemetry::layer().with_tracer(self.0.tracer(SERVICE));
        let spans = spans.with_location(false).with_threads(false);
        spans.with_filter(filter_fn(|metadata| metadata.target() == TRACES && metadata.is_span()))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the last traces are lost");
        }
    }
}

/// Sends on the operator's runtime, while the exporter waits on a thread of its own.
struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

impl Client {
    fn new() -> Result<Self, Error> {
        let http = reqwest::Client::builder().build().map_err(Error::Client)?;
        Ok(Self { http, runtime: Handle::current() })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move {
            let response = http.execute(request).await?;
            let status = response.status();
            Ok::<_, reqwest::Error>((status, response.bytes().await?))
        });
        let (status, body) = sent.await??;
        Ok(Response::builder().status(status).body(body)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::{Router, body, extract::State, routing::post};
    use opentelemetry_otlp::WithExportConfig;
    use tokio::net::TcpListener;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::telemetry;

    type Received = Arc<Mutex<Vec<u8>>>;

    /// A collector that keeps what it is sent.
    async fn collector() -> (String, Received) {
        let received = Received::default();
        let keep = async |State(received): State<Received>, body: body::Bytes| {
            received.lock().unwrap().extend_from_slice(&body);
        };
        let router = Router::new().route("/v1/traces", post(keep)).with_state(received.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (endpoint, received)
    }

    #[test]
    fn spans_of_passes_are_sent_and_those_of_libraries_are_not() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (endpoint, received) = runtime.block_on(collector());
        let _guard = runtime.enter();
        let exporter = SpanExporter::builder().with_http().with_http_client(Client::new().unwrap());
        let traces = Traces::through(exporter.with_endpoint(endpoint).build().unwrap());
        let subscriber = tracing_subscriber::Registry::default().with(traces.layer());
        tracing::subscriber::with_default(subscriber, || {
            let _pass = telemetry::pass("JiraConnection", "platform", "acme").entered();
            let request = telemetry::request("/rest/api/{version}/myself", "jira.example").entered();
            request.record("outcome", "Answered");
            tracing::info_span!(target: "kube_client", "HTTP", url = "https://canary.example").in_scope(|| ());
            tracing::info!("canary of a log line");
        });
        drop(traces);
        let sent = String::from_utf8_lossy(&received.lock().unwrap()).into_owned();
        for expected in ["pass", "acme", "/rest/api/{version}/myself", "Answered", SERVICE] {
            assert!(sent.contains(expected), "{expected} is not in {sent:?}");
        }
        assert!(!sent.contains("canary"), "{sent:?}");
    }
}
