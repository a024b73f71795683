//! Logs: one line per event, for people or as JSON.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

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
    let parsed = quiet(filter)?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    match format {
        LogFormat::Human => subscriber.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
    Ok(())
}

/// The lines that a filter lets through, without those that no filter should.
pub(crate) fn quiet(filter: &str) -> Result<EnvFilter, InvalidFilter> {
    // The verifier calls an untrusted certificate an error of its own; here it is somebody's condition. The client prints an
    // answer of the API server that it cannot read, and that may be a Secret; the error is returned all the same.
    let quiet = format!("{filter},rustls_platform_verifier=off,kube_client::client=off");
    EnvFilter::try_new(quiet).map_err(|source| InvalidFilter { filter: filter.to_owned(), source })
}
