//! `kubectl jira` as a process: built by cargo, run as a person runs it, and read line by line.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::{path::PathBuf, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
    sync::OnceCell,
    time::timeout,
};

/// Far above what any command takes, so that a loaded machine is no failure.
const LIMIT: Duration = Duration::from_secs(90);

/// What cargo tells a program that it runs about its package; build scripts of dependencies would run again.
const PACKAGE_VARIABLES: [&str; 4] = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_"];

/// Path of the program, which is built first.
pub async fn path() -> PathBuf {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    PROGRAM.get_or_init(build).await.clone()
}

async fn build() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        if PACKAGE_VARIABLES.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            cargo.env_remove(name);
        }
    }
    // For the whole workspace, so that the dependencies get the features with which `make build` has built them.
    let built = cargo
        .args(["build", "--workspace", "--bin", "kubectl-jira"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .await
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    // Beside the folder of the test programs.
    let program = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("kubectl-jira");
    assert!(program.is_file(), "{} is not there", program.display());
    program
}

/// What the program did.
#[derive(Debug)]
pub struct Ended {
    /// Exit status, or -1 if a signal ended it.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

#[expect(
    clippy::return_self_not_must_use,
    clippy::must_use_candidate,
    reason = "often nothing else is asked of what the program did"
)]
impl Ended {
    /// That it ended so; the other outputs are shown if not.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// That it failed so, in one line with these words.
    #[track_caller]
    pub fn expect_error(self, status: i32, words: &str) -> Self {
        let this = self.expect(status);
        let lines: Vec<_> = this.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(lines.len(), 1, "one line says what is wrong: {this:#?}");
        assert!(lines[0].contains(words), "{words:?} is not in {this:#?}");
        assert_eq!(this.stderr.lines().last(), Some(lines[0]), "nothing follows the error: {this:#?}");
        this
    }
}

/// The program while it runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    seen: String,
}

impl Running {
    /// Starts it.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { child, seen: String::new() }
    }

    /// The first line of standard output with these words.
    pub async fn line(&mut self, words: &str) -> String {
        let mut reader = BufReader::with_capacity(1, self.child.stdout.as_mut().unwrap());
        loop {
            let mut line = String::new();
            let read = timeout(LIMIT, reader.read_line(&mut line)).await.unwrap().unwrap();
            assert!(read > 0, "it ended without {words:?}: {}", self.seen);
            self.seen.push_str(&line);
            if line.contains(words) {
                return line.trim_end().to_owned();
            }
        }
    }

    /// Types into its standard input.
    pub async fn type_in(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).await.unwrap();
    }

    /// Waits for its end.
    pub async fn end(self) -> Ended {
        let Self { child, seen } = self;
        let output = timeout(LIMIT, child.wait_with_output()).await.unwrap().unwrap();
        Ended {
            status: output.status.code().unwrap_or(-1),
            stdout: format!("{seen}{}", String::from_utf8(output.stdout).unwrap()),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
