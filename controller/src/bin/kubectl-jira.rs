//! `kubectl jira`: arguments, TLS provider, run.

use std::process::ExitCode;

use clap::Parser;
use controller::plugin::{self, arguments::Arguments, console::Console};
use rustls::crypto::ring;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Before any TLS client exists: the first one would otherwise pick a provider, or panic.
    if ring::default_provider().install_default().is_err() {
        eprintln!("error: another TLS provider is already installed");
        return ExitCode::FAILURE;
    }
    match plugin::run(arguments, Console::of_the_process()).await {
        Ok(verdict) => verdict.exit_status().into(),
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_status().into()
        }
    }
}
