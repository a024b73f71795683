//! Runs a Jira simulator from a scenario file until it is told to end, or until its standard input closes.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tests::jira::{Scenario, Simulator};
use tokio::signal::unix::{SignalKind, signal};

/// Runs a Jira simulator.
#[derive(Debug, Parser)]
struct Arguments {
    /// YAML file with the simulator's options and instances
    #[arg(long, value_name = "FILE")]
    world: PathBuf,
    /// File to write the simulator's certificate authority to, as PEM
    #[arg(long, value_name = "FILE")]
    ca_out: PathBuf,
    /// File to write the addresses to, as JSON, when all listeners are open; standard output otherwise
    #[arg(long, value_name = "FILE")]
    addresses_out: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("cannot read or write {path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("the world file: {0}")]
    World(#[from] serde_yaml::Error),
    #[error(transparent)]
    Simulator(#[from] tests::jira::Error),
    #[error("cannot write addresses: {0}")]
    Addresses(#[from] serde_json::Error),
    #[error("cannot wait for signals: {0}")]
    Signal(std::io::Error),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("jira-simulator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Error> {
    let file = |source| Error::File { path: arguments.world.clone(), source };
    let world = std::fs::read_to_string(&arguments.world).map_err(file)?;
    let scenario: Scenario = serde_yaml::from_str(&world)?;
    let simulator = Simulator::play(scenario)?;
    write(&arguments.ca_out, simulator.ca_pem())?;
    let addresses = serde_json::to_string_pretty(&simulator.addresses())?;
    match &arguments.addresses_out {
        Some(path) => write(path, &addresses)?,
        None => println!("{addresses}"),
    }
    end().await?;
    simulator.stop();
    Ok(())
}

/// Writes a file so that readers never see half of it.
fn write(path: &PathBuf, content: &str) -> Result<(), Error> {
    let file = |source| Error::File { path: path.clone(), source };
    let mut unfinished = path.clone().into_os_string();
    unfinished.push(".unfinished");
    std::fs::write(&unfinished, content).map_err(file)?;
    std::fs::rename(&unfinished, path).map_err(file)
}

/// Waits for SIGINT, SIGTERM, or the end of standard input.
async fn end() -> Result<(), Error> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signal)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signal)?;
    let (sender, input_closed) = tokio::sync::oneshot::channel();
    // Reading standard input cannot be interrupted, so the thread is left behind when a signal comes first.
    std::thread::spawn(move || sender.send(std::io::copy(&mut std::io::stdin(), &mut std::io::sink())));
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        // An input that cannot be read is as closed as one that has ended.
        _ = input_closed => {}
    }
    Ok(())
}
