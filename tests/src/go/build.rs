//! One run of `go build`.

use std::{
    fs,
    fs::File,
    io::{Read, Seek},
    path::Path,
    process::{self, Child, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use super::{Error, Module, OUTPUT_LINES, Program, failure};
use crate::log::tail;

/// Extension of a program that is still being written.
pub(super) const PARTIAL: &str = "partial";

/// Time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(15);

/// Time between two looks at the running build.
const POLL: Duration = Duration::from_millis(100);

/// A program to be built into the cache.
pub(super) struct Build<'a> {
    pub(super) module: &'a Module,
    pub(super) program: Program,
    /// The program and its place among all that are built, for the lines of progress.
    pub(super) step: String,
    pub(super) cache: &'a Path,
}

impl Build<'_> {
    /// Builds the program and moves it into its place once it is complete.
    pub(super) fn run(&self) -> Result<(), Error> {
        self.module.say(&format!("building {} with go, once for {}", self.step, self.cache.display()));
        let partial = self.cache.join(format!("{}-{}.{PARTIAL}", self.program.name, process::id()));
        let started = Instant::now();
        let mut output =
            tempfile::tempfile().map_err(|source| failure("create a file in", Path::new("TMPDIR"), source))?;
        let status = self.wait(self.spawn(&partial, &output)?, started)?;
        if !status.success() {
            return Err(self.error(status, &mut output));
        }
        let place = self.cache.join(self.program.name);
        fs::rename(&partial, &place).map_err(|source| failure("create", &place, source))?;
        self.module.say(&format!("built {} in {} s", self.step, started.elapsed().as_secs()));
        Ok(())
    }

    fn spawn(&self, partial: &Path, output: &File) -> Result<Child, Error> {
        let stderr = output.try_clone().map_err(|source| failure("write", partial, source))?;
        self.module
            .go(&self.module.arguments())
            .arg("-o")
            .arg(partial)
            .arg(self.program.package)
            .env("CGO_ENABLED", "0")
            .stderr(stderr)
            .spawn()
            .map_err(|source| self.module.not_run(self.program.name.to_owned(), source))
    }

    fn wait(&self, mut go: Child, started: Instant) -> Result<ExitStatus, Error> {
        let mut said = started;
        loop {
            if let Some(status) = go.try_wait().map_err(|source| failure("wait for", Path::new("go"), source))? {
                return Ok(status);
            }
            if said.elapsed() >= PROGRESS {
                said = Instant::now();
                self.module.say(&format!("building {}: {} s", self.step, started.elapsed().as_secs()));
            }
            thread::sleep(POLL);
        }
    }

    fn error(&self, status: ExitStatus, output: &mut File) -> Error {
        let mut text = String::new();
        let output = match output.rewind().and_then(|()| output.read_to_string(&mut text)) {
            Ok(_) => tail(&text, OUTPUT_LINES),
            Err(error) => format!("(cannot be read: {error})"),
        };
        Error::Go { command: "build", subject: self.program.name, status: status.to_string(), output }
    }
}
