//! Logs: one line per event, for people or as JSON. And the spans of traces, which go elsewhere and only where that is compiled in.

#[cfg(feature = "otel")]
pub mod traces;

use std::io::{IsTerminal, stderr};

use clap::ValueEnum;
use tracing::{Span, Subscriber, field::Empty};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt::MakeWriter, layer::SubscriberExt, registry::LookupSpan, util::SubscriberInitExt,
};

/// Target of the spans that traces are made of. They are no part of the log, and what they hold is said here alone.
pub const TRACES: &str = "controller::traces";

/// One pass over an object.
#[must_use]
pub fn pass(kind: &'static str, namespace: &str, name: &str) -> Span {
    tracing::info_span!(target: TRACES, "pass", kind, namespace, name)
}

/// The answer to one question of a pass.
#[must_use]
pub fn question(label: &'static str) -> Span {
    tracing::info_span!(target: TRACES, "question", label)
}

/// One request to Jira, with the wait for its turn: the template of its route and its host, but no URL. How it ended is recorded
/// as `outcome`, and its status as `status`.
#[must_use]
pub fn request(route: &'static str, host: &str) -> Span {
    tracing::info_span!(target: TRACES, "request", route, host, outcome = Empty, status = Empty)
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

/// Text that is no filter of log lines.
#[derive(Debug, thiserror::Error)]
#[error(
    "--log-level {filter:?} cannot be understood: give a level such as info, or targets such as info,controller=debug"
)]
pub struct InvalidFilter {
    filter: String,
    source: tracing_subscriber::filter::ParseError,
}

/// What is told of the operator's work, until this is dropped.
#[must_use]
#[derive(Debug)]
pub struct Telemetry {
    #[cfg(feature = "otel")]
    _traces: Option<traces::Traces>,
}

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter of log lines is none.
    #[error(transparent)]
    Filter(#[from] InvalidFilter),
    /// Traces are asked for and cannot be sent.
    #[cfg(feature = "otel")]
    #[error(transparent)]
    Traces(#[from] traces::Error),
}

/// Begins to log to standard error, and to send traces if that is compiled in and the environment asks for it.
///
/// # Errors
/// [`Error`] if the filter is none, or traces cannot be sent.
pub fn init(format: LogFormat, filter: &str) -> Result<Telemetry, Error> {
    let lines = subscriber(format, quiet(filter)?, stderr, stderr().is_terminal());
    #[cfg(feature = "otel")]
    {
        let traces = traces::Traces::from_environment()?;
        lines.with(traces.as_ref().map(traces::Traces::layer)).init();
        Ok(Telemetry { _traces: traces })
    }
    #[cfg(not(feature = "otel"))]
    {
        lines.init();
        Ok(Telemetry {})
    }
}

/// What writes log lines.
fn subscriber<W>(
    format: LogFormat,
    filter: EnvFilter,
    writer: W,
    colours: bool,
) -> impl Subscriber + for<'span> LookupSpan<'span> + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Human => Box::new(lines.with_ansi(colours)),
        LogFormat::Json => Box::new(lines.json().flatten_event(true)),
    };
    Registry::default().with(lines.with_filter(filter))
}

/// The lines that a filter lets through, without those that no filter should.
pub(crate) fn quiet(filter: &str) -> Result<EnvFilter, InvalidFilter> {
    // The verifier calls an untrusted certificate an error of its own; here it is somebody's condition. The client prints an
    // answer of the API server that it cannot read, and that may be a Secret; the error is returned all the same.
    let quiet = format!("{filter},rustls_platform_verifier=off,kube_client::client=off,{TRACES}=off");
    EnvFilter::try_new(quiet).map_err(|source| InvalidFilter { filter: filter.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use rstest::rstest;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of a verdict whose text is foul, and of a request.
    fn logged(format: LogFormat, filter: &str) -> Vec<String> {
        let page = Page::default();
        let pages = page.clone();
        let subscriber = subscriber(format, quiet(filter).unwrap(), move || pages.clone(), false);
        tracing::subscriber::with_default(subscriber, || {
            let text = "first line\nsecond \u{1b}[31mline";
            tracing::info!(namespace = "platform", name = "acme", reason = "Unreachable", text, "connection turned");
            tracing::debug!(endpoint = "/rest/api/{version}/myself", "asked Jira");
        });
        let written = page.0.lock().unwrap().clone();
        String::from_utf8(written).unwrap().lines().map(ToOwned::to_owned).collect()
    }

    #[rstest]
    #[case::usual("info", 1)]
    #[case::requests("debug", 2)]
    #[case::requests_of_ours("warn,controller=debug", 2)]
    #[case::trouble_alone("warn", 0)]
    fn what_is_logged_is_one_line_each(#[case] filter: &str, #[case] lines: usize) {
        for format in [LogFormat::Human, LogFormat::Json] {
            let logged = logged(format, filter);
            assert_eq!(logged.len(), lines, "{logged:?}");
            assert!(logged.iter().all(|line| !line.contains('\u{1b}')), "{logged:?}");
        }
    }

    #[test]
    fn programs_read_every_field_at_the_top() {
        let line: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json, "info")[0]).unwrap();
        let fields = ["level", "message", "namespace", "name", "reason"].map(|field| line[field].as_str().unwrap());
        assert_eq!(fields, ["INFO", "connection turned", "platform", "acme", "Unreachable"]);
        assert!(line["timestamp"].is_string() && line["text"].as_str().unwrap().contains('\n'), "{line}");
    }
}
