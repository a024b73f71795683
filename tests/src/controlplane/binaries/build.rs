//! One run of `go build`.

use std::{
    fs,
    fs::File,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
    process::{self, Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{BinariesError, GO_MOD, MODULE, Program, failure, say};

/// Extension of a program that is still being written.
pub(super) const PARTIAL: &str = "partial";

/// Time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(15);

/// Time between two looks at the running build.
const POLL: Duration = Duration::from_millis(100);

/// How many lines of a failed build's output are reported.
const OUTPUT_LINES: usize = 30;

/// A program to be built into the cache.
pub(super) struct Build<'a> {
    pub(super) program: Program,
    /// The program and its place among all that are built, for the lines of progress.
    pub(super) step: String,
    pub(super) cache: &'a Path,
}

impl Build<'_> {
    /// Builds the program and moves it into its place once it is complete.
    pub(super) fn run(&self) -> Result<(), BinariesError> {
        say(&format!("building {} with go, once for {}", self.step, self.cache.display()));
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
        say(&format!("built {} in {} s", self.step, started.elapsed().as_secs()));
        Ok(())
    }

    fn spawn(&self, partial: &Path, output: &File) -> Result<Child, BinariesError> {
        let stderr = output.try_clone().map_err(|source| failure("write", partial, source))?;
        Command::new("go")
            .args(arguments())
            .arg("-o")
            .arg(partial)
            .arg(self.program.package)
            .current_dir(MODULE)
            .env("CGO_ENABLED", "0")
            // A workspace around this one must not change the pinned versions.
            .env("GOWORK", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => BinariesError::GoMissing { missing: self.program.name.to_owned() },
                _ => failure("run", &PathBuf::from("go"), source),
            })
    }

    fn wait(&self, mut go: Child, started: Instant) -> Result<ExitStatus, BinariesError> {
        let mut said = started;
        loop {
            if let Some(status) = go.try_wait().map_err(|source| failure("wait for", Path::new("go"), source))? {
                return Ok(status);
            }
            if said.elapsed() >= PROGRESS {
                said = Instant::now();
                say(&format!("building {}: {} s", self.step, started.elapsed().as_secs()));
            }
            thread::sleep(POLL);
        }
    }

    fn error(&self, status: ExitStatus, output: &mut File) -> BinariesError {
        let mut text = String::new();
        let output = match output.rewind().and_then(|()| output.read_to_string(&mut text)) {
            Ok(_) => super::super::tail(&text, OUTPUT_LINES),
            Err(error) => format!("(cannot be read: {error})"),
        };
        BinariesError::Build { program: self.program.name, status: status.to_string(), output }
    }
}

/// The arguments of `go` that decide what comes out, so they are part of the key of the cache.
pub(super) fn arguments() -> Vec<String> {
    let version = kubernetes_version();
    let mut numbers = version.trim_start_matches('v').split('.');
    let package = "k8s.io/component-base/version";
    let flags = format!(
        "-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={} -X {package}.gitMinor={}",
        numbers.next().unwrap_or_default(),
        numbers.next().unwrap_or_default(),
    );
    ["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", &flags].map(String::from).to_vec()
}

/// The version of Kubernetes that `go.mod` pins, with its leading v.
fn kubernetes_version() -> &'static str {
    GO_MOD
        .lines()
        .filter_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "))
        .find_map(|rest| rest.split_whitespace().next())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_binaries_is_the_pinned_one() {
        let version = kubernetes_version();
        let numbers: Vec<u32> =
            version.strip_prefix('v').unwrap().split('.').map(|part| part.parse().unwrap()).collect();
        assert_eq!(numbers.len(), 3, "{version}");
        assert!(arguments().iter().any(|argument| argument.contains(&format!(".gitMinor={}", numbers[1]))));
    }
}
