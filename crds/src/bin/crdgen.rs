//! Writes the CRDs as YAML, one file each, or checks that the files hold what the types say.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;

/// Writes the CRDs as YAML, one file each.
#[derive(Parser)]
struct Args {
    /// Folder of the YAML files.
    #[arg(default_value = "charts/jira-connection-operator/crds")]
    folder: PathBuf,
    /// Write nothing; fail if a file differs from what the types say.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let Args { folder, check } = Args::parse();
    let outcome = if check { stale(&folder) } else { write(&folder).map(|()| Vec::new()) };
    match outcome {
        Ok(stale) if stale.is_empty() => ExitCode::SUCCESS,
        Ok(stale) => {
            for path in stale {
                eprintln!("{} is not what the types say: run `make crds`", path.display());
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn files(folder: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let file = |crd: &_| serde_yaml::to_string(crd).map_err(io::Error::other);
    crds::definition::all()
        .iter()
        .map(|crd| Ok((folder.join(format!("{}.yaml", crd.spec.names.plural)), file(crd)?)))
        .collect()
}

fn write(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    files(folder)?.iter().try_for_each(|(path, yaml)| fs::write(path, yaml))
}

fn stale(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let differs = |(path, yaml): &(PathBuf, String)| fs::read_to_string(path).map_or(true, |found| found != *yaml);
    Ok(files(folder)?.into_iter().filter(differs).map(|(path, _)| path).collect())
}
