//! Programs that are built once from Go modules of this repository, each of which pins versions, into a cache of the user.

use std::{
    env, fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use self::build::Build;

mod build;

/// Failure to find or build programs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no `go` to build with.
    #[error("{missing} must be built, but there is no `go` on the PATH; {remedy}")]
    GoMissing {
        /// Names of the programs that are not in the cache.
        missing: String,
        /// What to do, such as `install Go`.
        remedy: &'static str,
    },
    /// `go` failed.
    #[error("`go {command}` of {subject} failed ({status}); its output ends:\n{output}")]
    Go {
        /// What it was to do: `build` or `mod download`.
        command: &'static str,
        /// What it was to be done to, such as the name of the program.
        subject: String,
        /// Exit status in the words of the operating system.
        status: String,
        /// The last lines of the output.
        output: String,
    },
    /// Neither `XDG_CACHE_HOME` nor `HOME` says where a cache may be kept.
    #[error("there is no place for a cache: set XDG_CACHE_HOME or HOME to an absolute path")]
    CacheMissing,
    /// A file of the cache cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Cache {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// A program that a module builds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    /// Name of its file.
    pub(crate) name: &'static str,
    /// Import path of its package.
    pub(crate) package: &'static str,
}

/// A Go module of this repository.
#[derive(Debug)]
pub(crate) struct Module {
    /// Names its cache, and begins the lines of progress.
    pub(crate) name: &'static str,
    /// Directory of `go.mod`.
    pub(crate) directory: &'static str,
    /// Text of `go.mod`.
    pub(crate) go_mod: &'static str,
    /// Text of `go.sum`.
    pub(crate) go_sum: &'static str,
    /// Flags of `go build` for the linker.
    pub(crate) linker_flags: String,
    /// What to do where there is no `go`.
    pub(crate) remedy: &'static str,
}

impl Module {
    /// The directory of programs that were built from this module with these flags.
    pub(crate) fn cache(&self) -> Result<PathBuf, Error> {
        let home = |variable: &str| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        let root = home("XDG_CACHE_HOME")
            .or_else(|| home("HOME").map(|home| home.join(".cache")))
            .ok_or(Error::CacheMissing)?;
        Ok(root.join("jira-connection-operator").join(self.name).join(self.key()))
    }

    /// Builds programs into the cache, which blocks for minutes. Concurrent callers wait for the first, and then find what it has
    /// built.
    pub(crate) fn build(&self, missing: &[Program]) -> Result<(), Error> {
        let cache = &self.cache()?;
        fs::create_dir_all(cache).map_err(|source| failure("create", cache, source))?;
        let _lock = self.lock(&cache.join("lock"))?;
        remove_partial(cache)?;
        let missing: Vec<_> = missing.iter().filter(|program| !cache.join(program.name).is_file()).collect();
        for (index, program) in missing.iter().enumerate() {
            let step = format!("{} ({} of {})", program.name, index + 1, missing.len());
            let build = Build { module: self, program: **program, step, cache };
            build.run().map_err(|error| name_all(error, &missing))?;
        }
        Ok(())
    }

    /// The arguments of `go` that decide what comes out, so they are part of the key of the cache.
    fn arguments(&self) -> [&str; 6] {
        ["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", &self.linker_flags]
    }

    fn key(&self) -> String {
        let mut digest = Sha256::new();
        for part in [self.go_mod, self.go_sum, &self.arguments().join(" "), env::consts::OS, env::consts::ARCH] {
            digest.update(part);
            digest.update([0]);
        }
        digest.finalize().iter().take(8).fold(String::new(), |key, byte| format!("{key}{byte:02x}"))
    }

    /// Holds the lock until the file is dropped.
    fn lock(&self, path: &Path) -> Result<fs::File, Error> {
        let file = fs::File::create(path).map_err(|source| failure("open", path, source))?;
        if file.try_lock().is_err() {
            self.say(&format!("waiting for another process that builds programs of tests/{}", self.name));
            file.lock().map_err(|source| failure("lock", path, source))?;
        }
        Ok(file)
    }

    /// Writes a line of progress past the capture of test output, which would hide it until the test fails.
    fn say(&self, line: &str) {
        // Progress that nobody can read is no reason to fail.
        let _ = writeln!(io::stderr(), "{}: {line}", self.name);
    }
}

/// Removes what builds that were killed have left behind.
fn remove_partial(cache: &Path) -> Result<(), Error> {
    let entries = fs::read_dir(cache).map_err(|source| failure("list", cache, source))?;
    for entry in entries {
        let path = entry.map_err(|source| failure("list", cache, source))?.path();
        if path.extension().is_some_and(|extension| extension == build::PARTIAL) {
            fs::remove_file(&path).map_err(|source| failure("remove", &path, source))?;
        }
    }
    Ok(())
}

/// One missing `go` is reported with all programs it is needed for.
fn name_all(error: Error, missing: &[&Program]) -> Error {
    match error {
        Error::GoMissing { remedy, .. } => {
            let names: Vec<_> = missing.iter().map(|program| program.name).collect();
            Error::GoMissing { missing: names.join(", "), remedy }
        }
        other => other,
    }
}

fn failure(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Cache { action, path: path.to_owned(), source }
}
