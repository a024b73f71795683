//! Runs a control plane for somebody who wants to try things by hand, until Ctrl-C.

use std::{
    io::{self, Write},
    process::ExitCode,
    thread,
};

use clap::Parser;
use tests::controlplane::{ControlPlane, ControllerManager, Options};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// Starts etcd, kube-apiserver and kube-controller-manager on loopback, prints the path of a kubeconfig, and stays until Ctrl-C.
#[derive(Parser)]
#[command(name = "controlplane", version)]
struct Arguments {
    /// Run no controllers: neither garbage collection nor namespaces, service accounts or deployments are looked after.
    #[arg(long)]
    without_controller_manager: bool,
    /// Stop also when standard input ends, for a program that runs this one.
    #[arg(long)]
    until_stdin_ends: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = Options {
        controller_manager: if arguments.without_controller_manager {
            ControllerManager::Omit
        } else {
            ControllerManager::Run
        },
    };
    match run(options, arguments.until_stdin_ends).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nowhere to report that standard error is closed.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options, until_stdin_ends: bool) -> Result<(), String> {
    let end = end(until_stdin_ends);
    tokio::pin!(end);
    let control_plane = tokio::select! {
        started = ControlPlane::start(options) => started.map_err(|error| error.chain())?,
        // What was started is dropped, and ends with that.
        ended = &mut end => return ended.map_err(|error| error.to_string()),
    };
    announce(&control_plane).map_err(|error| error.to_string())?;
    end.await.map_err(|error| error.to_string())?;
    control_plane.stop().await.map_err(|error| error.chain())
}

/// The path goes to standard output alone, where a script can take it.
fn announce(control_plane: &ControlPlane) -> io::Result<()> {
    writeln!(io::stdout(), "{}", control_plane.kubeconfig().display())?;
    writeln!(
        io::stderr(),
        "The control plane serves at {}. Logs are in {}. In another terminal:\n  export KUBECONFIG={}\n  {} get namespaces\n\
         Ctrl-C stops it and removes its files.",
        control_plane.server(),
        control_plane.directory().display(),
        control_plane.kubeconfig().display(),
        control_plane.kubectl().as_std().get_program().display(),
    )
}

/// Completes when the program is to end.
async fn end(until_stdin_ends: bool) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
        ended = stdin_end(), if until_stdin_ends => ended,
    }
}

async fn stdin_end() -> io::Result<()> {
    let (sender, receiver) = oneshot::channel();
    // A thread of its own: the runtime would not end before a read that it has begun, even after Ctrl-C.
    thread::spawn(move || sender.send(io::copy(&mut io::stdin().lock(), &mut io::sink())));
    match receiver.await {
        Ok(read) => read.map(drop),
        Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
    }
}
