//! Programs of the Go modules beside this crate, each built once into a cache, and the modules that those pin.

use std::{
    collections::HashMap,
    env, fs, io,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use self::build::Build;
use crate::log::tail;

mod build;

/// How many lines of what a failed `go` has written are reported.
const OUTPUT_LINES: usize = 30;

/// Failure to build a program, to download a module, or to find a place for it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no `go`.
    #[error("{missing} must be built or downloaded, but there is no `go` on the PATH; {remedy}")]
    GoMissing {
        /// Names of the programs that are not in the cache, or paths of the modules to download.
        missing: String,
        /// What to do, such as `install Go`.
        remedy: &'static str,
    },
    /// `go` failed.
    #[error("`go {command}` of {subject} failed ({status}); its output ends:\n{output}")]
    Go {
        /// What it was to do: `build` or `mod download`.
        command: &'static str,
        /// Name of the program, or folder of the module that pins what to download.
        subject: &'static str,
        /// Exit status in the words of the operating system.
        status: String,
        /// The last lines of the output.
        output: String,
    },
    /// `go mod download` succeeded and has written something else than it documents.
    #[error("`go mod download` of {folder} says what cannot be understood")]
    Answer {
        /// Folder of the module that pins what to download.
        folder: &'static str,
        /// Where it does.
        source: serde_json::Error,
    },
    /// Neither `XDG_CACHE_HOME` nor `HOME` says where a cache may be kept.
    #[error("there is no place for a cache: set XDG_CACHE_HOME or HOME to an absolute path")]
    CacheMissing,
    /// A file of the module or of the cache cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// A program of a Go module.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Name of its file in the cache.
    pub name: &'static str,
    /// The package to build: a path as `go build` takes it, `.` for the module's own.
    pub package: &'static str,
}

/// A Go module that pins, by its `go.mod` and `go.sum`, what programs are built from.
#[derive(Clone, Debug)]
pub struct Module {
    folder: &'static str,
    link: String,
    tags: Option<&'static str>,
    remedy: &'static str,
}

impl Module {
    /// The module in a folder beside this crate's `Cargo.toml`, for example `controlplane`. The cache has a folder of the same
    /// name.
    #[must_use]
    pub fn new(folder: &'static str) -> Self {
        Self { folder, link: "-s -w".into(), tags: None, remedy: "install Go" }
    }

    /// The same with further flags for the linker, such as `-X package.variable=value`.
    #[must_use]
    pub fn linked_with(self, flags: &str) -> Self {
        Self { link: format!("{} {flags}", self.link), ..self }
    }

    /// The same with build tags, separated by commas.
    #[must_use]
    pub fn tagged(self, tags: &'static str) -> Self {
        Self { tags: Some(tags), ..self }
    }

    /// The same with another word on what to do where there is no `go`, which begins in lower case: `install Go` by default.
    #[must_use]
    pub fn remedied_by(self, remedy: &'static str) -> Self {
        Self { remedy, ..self }
    }

    /// The directory of the programs that were built from this module: another one whenever `go.mod`, `go.sum`, a Go file beside
    /// them or a flag is another, and on another platform.
    fn cache(&self) -> Result<PathBuf, Error> {
        Ok(cache(self.folder)?.join(self.key()?))
    }

    /// Builds the programs that are not in the cache, which blocks for minutes, and returns the cache. Concurrent callers wait
    /// for the first, and then find what it has built.
    ///
    /// # Errors
    ///
    /// When there is no `go`, a build fails, or the cache cannot be used.
    pub fn build(&self, programs: &[Program]) -> Result<PathBuf, Error> {
        let cache = self.cache()?;
        let missing = |programs: &[Program]| {
            programs.iter().copied().filter(|program| !cache.join(program.name).is_file()).collect::<Vec<_>>()
        };
        if missing(programs).is_empty() {
            return Ok(cache);
        }
        fs::create_dir_all(&cache).map_err(|source| failure("create", &cache, source))?;
        let _lock = self.lock(&cache.join("lock"))?;
        remove_partial(&cache)?;
        let missing = missing(programs);
        for (index, program) in missing.iter().enumerate() {
            let step = format!("{} ({} of {})", program.name, index + 1, missing.len());
            let build = Build { module: self, program: *program, step, cache: &cache };
            build.run().map_err(|error| name_all(error, &missing))?;
        }
        Ok(cache)
    }

    /// Directories of modules that this module pins, by their paths. Downloads those that are not there, into the cache of `go`.
    ///
    /// # Errors
    ///
    /// When there is no `go`, or a module is not pinned or cannot be downloaded.
    pub fn download(&self, modules: &[&str]) -> Result<HashMap<String, PathBuf>, Error> {
        /// One of the objects that `go help mod download` describes.
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Download {
            path: String,
            dir: PathBuf,
        }
        let mut go = self.go(&["mod", "download", "-json"]);
        // Without it, what is not pinned would be added to go.sum.
        go.args(modules).env("GOFLAGS", "-mod=readonly").stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = go.output();
        let output = output.map_err(|source| self.not_run(modules.join(", "), source))?;
        if !output.status.success() {
            // The objects tell which module failed, and standard error tells what concerns all.
            let text = [output.stdout, output.stderr].concat();
            return Err(Error::Go {
                command: "mod download",
                subject: self.folder,
                status: output.status.to_string(),
                output: tail(&String::from_utf8_lossy(&text), OUTPUT_LINES),
            });
        }
        serde_json::Deserializer::from_slice(&output.stdout)
            .into_iter::<Download>()
            .map(|download| download.map(|it| (it.path, it.dir)))
            .collect::<Result<_, _>>()
            .map_err(|source| Error::Answer { folder: self.folder, source })
    }

    fn directory(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(self.folder)
    }

    /// `go` in the directory of the module, which says nothing unless it is asked to.
    fn go(&self, arguments: &[&str]) -> Command {
        let mut go = Command::new("go");
        go.args(arguments)
            .current_dir(self.directory())
            // A workspace around this one must not change the pinned versions.
            .env("GOWORK", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        go
    }

    /// Why `go` could not be run for `missing`.
    fn not_run(&self, missing: String, source: io::Error) -> Error {
        match source.kind() {
            io::ErrorKind::NotFound => Error::GoMissing { missing, remedy: self.remedy },
            _ => failure("run", Path::new("go"), source),
        }
    }

    fn key(&self) -> Result<String, Error> {
        let folder = self.directory();
        let mut parts = vec![read(&folder.join("go.mod"))?, read(&folder.join("go.sum"))?];
        parts.extend([self.arguments().join(" "), env::consts::OS.into(), env::consts::ARCH.into()].map(String::into));
        for source in sources(&folder)? {
            parts.extend([source.to_string_lossy().into_owned().into(), read(&folder.join(&source))?]);
        }
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part);
            digest.update([0]);
        }
        Ok(digest.finalize().iter().take(8).fold(String::new(), |key, byte| format!("{key}{byte:02x}")))
    }

    /// The arguments of `go` that decide what comes out, so they are part of the key of the cache.
    fn arguments(&self) -> Vec<&str> {
        let mut arguments = vec!["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", &self.link];
        arguments.extend(self.tags.iter().flat_map(|tags| ["-tags", tags]));
        arguments
    }

    /// Holds the lock until the file is dropped.
    fn lock(&self, path: &Path) -> Result<fs::File, Error> {
        let file = fs::File::create(path).map_err(|source| failure("open", path, source))?;
        if file.try_lock().is_err() {
            self.say("waiting for another process that builds from this module");
            file.lock().map_err(|source| failure("lock", path, source))?;
        }
        Ok(file)
    }

    /// Writes a line of progress past the capture of test output, which would hide it until the test fails.
    fn say(&self, line: &str) {
        // Progress that nobody can read is no reason to fail.
        let _ = writeln!(io::stderr(), "{}: {line}", self.folder);
    }
}

/// The Go files at the root of a module, by name.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).map_err(|source| failure("list", folder, source))? {
        let path = PathBuf::from(entry.map_err(|source| failure("list", folder, source))?.file_name());
        if path.extension().is_some_and(|extension| extension == "go") {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(sources)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| failure("read", path, source))
}

/// The user's cache for what is made once, under this name.
pub(crate) fn cache(name: &str) -> Result<PathBuf, Error> {
    let home = |variable: &str| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let root =
        home("XDG_CACHE_HOME").or_else(|| home("HOME").map(|home| home.join(".cache"))).ok_or(Error::CacheMissing)?;
    Ok(root.join("jira-connection-operator").join(name))
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
fn name_all(error: Error, missing: &[Program]) -> Error {
    match error {
        Error::GoMissing { remedy, .. } => {
            let names: Vec<_> = missing.iter().map(|program| program.name).collect();
            Error::GoMissing { missing: names.join(", "), remedy }
        }
        other => other,
    }
}

fn failure(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File { action, path: path.to_owned(), source }
}
