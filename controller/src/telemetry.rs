//! Logs: one line per event, for people or as JSON.

use std::io::{IsTerminal, stderr};

use clap::ValueEnum;
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, util::SubscriberInitExt};

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

/// Begins to log to standard error.
///
/// # Errors
/// [`InvalidFilter`] if `filter` is none.
pub fn init(format: LogFormat, filter: &str) -> Result<(), InvalidFilter> {
    subscriber(format, quiet(filter)?, stderr, stderr().is_terminal()).init();
    Ok(())
}

fn subscriber<W>(format: LogFormat, filter: EnvFilter, writer: W, colours: bool) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match format {
        LogFormat::Human => Box::new(subscriber.with_ansi(colours).finish()),
        LogFormat::Json => Box::new(subscriber.json().flatten_event(true).finish()),
    }
}

/// The lines that a filter lets through, without those that no filter should.
pub(crate) fn quiet(filter: &str) -> Result<EnvFilter, InvalidFilter> {
    // The verifier calls an untrusted certificate an error of its own; here it is somebody's condition. The client prints an
    // answer of the API server that it cannot read, and that may be a Secret; the error is returned all the same.
    let quiet = format!("{filter},rustls_platform_verifier=off,kube_client::client=off");
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
