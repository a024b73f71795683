//! Writes the manifests of `config/` anew from the chart.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Parser;

/// Writes rbac.yaml and install.yaml anew from the chart.
#[derive(Debug, Parser)]
struct Args {
    /// Directory of the files.
    directory: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Args { directory } = Args::parse();
    let manifests = match tests::chart::manifests().await {
        Ok(manifests) => manifests,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    for manifest in manifests {
        let path = directory.join(manifest.name);
        if let Err(error) = fs::write(&path, manifest.text) {
            eprintln!("cannot write {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
