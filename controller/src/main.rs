//! The operator: arguments, TLS provider, logs, run.

use std::process::ExitCode;

use clap::Parser;
use controller::{app, arguments::Args, telemetry};
use rustls::crypto::ring;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("jira-operator: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    // Before any TLS client exists: the first one would otherwise pick a provider, or panic.
    ring::default_provider().install_default().map_err(|_| "another TLS provider is already installed")?;
    let _telemetry = telemetry::init(args.log_format, &args.log_level)?;
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        tracing::info!("stopping: passes under way are finished first");
    };
    app::run(args, stop).await?;
    Ok(())
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
