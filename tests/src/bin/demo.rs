//! Shows the operator at work with a control plane and Jira simulators of its own.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use clap::Parser;
use tests::demo::{self, Error, Installation, Narration, Verdict};
use tokio::signal::unix::{SignalKind, signal};

/// The exit status of a program that a signal has ended before it was done, as shells have it for SIGINT.
const INTERRUPTED: u8 = 130;

/// Shows the operator at work. On a terminal it then stays up until Ctrl-C; otherwise it ends with 0 if everything came out as
/// announced, and with 1 if not.
#[derive(Parser)]
#[command(name = "demo", version)]
struct Arguments {
    /// End after the last step on a terminal, too
    #[arg(long)]
    exit: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let stays = !arguments.exit && io::stdin().is_terminal();
    match Box::pin(run(stays)).await {
        Ok(code) => code,
        Err(error) => {
            // There is nowhere to report that standard error is closed.
            let _ = writeln!(io::stderr(), "demo: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}

async fn run(stays: bool) -> Result<ExitCode, Error> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut end = std::pin::pin!(async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    });
    let narration = Narration::default();
    let (installation, verdict) = tokio::select! {
        played = demo::run(&narration) => played?,
        // What was started is dropped, and ends with that.
        () = &mut end => return Ok(ExitCode::from(INTERRUPTED)),
    };
    if stays {
        invite(&installation, &narration)?;
        end.await;
        narration.lines("")?;
        narration.step("Ending everything")?;
    }
    installation.close().await?;
    Ok(match verdict {
        Verdict::AsAnnounced => ExitCode::SUCCESS,
        Verdict::Otherwise => ExitCode::FAILURE,
    })
}

fn invite(installation: &Installation, narration: &Narration) -> Result<(), Error> {
    let control_plane = &installation.control_plane;
    narration.part("It stays up until Ctrl-C. In another terminal:")?;
    Ok(narration.lines(&format!(
        "  export KUBECONFIG={}\n  \
           alias kubectl={}\n  \
           kubectl get jiraconnections,workspacebindings -A -o wide\n  \
           kubectl describe jiraconnection operations -n platform\n  \
           kubectl wait jiraconnection/tracker -n platform --for=condition=Ready --timeout=10s\n  \
           kubectl label namespace web team=none --overwrite   # the binding web/accessibility is refused at once\n\n\
         The operator's log is {}",
        control_plane.kubeconfig().display(),
        control_plane.kubectl().as_std().get_program().display(),
        installation.operator.log().display(),
    ))?)
}
