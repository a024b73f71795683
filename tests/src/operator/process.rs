//! One run of the operator's program, as the child of a shell that ends it when this process is gone.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, PipeReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const SCRIPT: &str = include_str!("supervise.sh");

/// How long the shell may take to kill the program.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// Pause between two looks at a process.
const POLL: Duration = Duration::from_millis(20);

/// Everything that the program has written, over all its runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Output(Arc<Mutex<String>>);

impl Output {
    /// What was written so far.
    pub(super) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was written after the first `begin` bytes.
    pub(super) fn since(&self, begin: usize) -> String {
        self.text().split_off(begin)
    }

    fn push(&self, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(line);
    }
}

/// How the program is run.
#[derive(Clone, Debug)]
pub(super) struct CommandLine {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) kubeconfig: PathBuf,
    /// File that the output is appended to.
    pub(super) log: PathBuf,
    /// What is preloaded into it: variables of its environment.
    pub(super) preloaded: Option<[(&'static str, PathBuf); 2]>,
}

/// A signal that the program gets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signal {
    /// Ends it at once.
    Kill,
    /// Asks it to end.
    Terminate,
    /// Lets it run no further.
    Stop,
    /// Lets it go on.
    Continue,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Terminate => "TERM",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// The program, which ends when this is dropped or its process ends.
#[derive(Debug)]
pub(super) struct Process {
    shell: Child,
    /// Absent once the shell has been told to end.
    signals: Option<ChildStdin>,
    reader: JoinHandle<()>,
}

impl Process {
    /// Starts the program. Returns when the shell exists, which says nothing on whether the program does.
    pub(super) fn spawn(command_line: &CommandLine, output: &Output) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let log = open(&command_line.log)?;
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "jira-operator"])
            .arg(&command_line.program)
            .args(&command_line.arguments)
            .env("KUBECONFIG", &command_line.kubeconfig)
            .envs(command_line.preloaded.iter().flatten().map(|(name, path)| (name, path)))
            .stdin(std::process::Stdio::piped())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            // Ctrl-C goes to the process group in the foreground of the terminal, which this is not part of.
            .process_group(0);
        // What the person at the machine has set for an operator of theirs is not meant for this one.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("JIRA_OPERATOR_")) {
            command.env_remove(name);
        }
        let mut shell = command.spawn()?;
        // The ends of the pipe that the command still holds would keep the reader from seeing its end.
        drop(command);
        let signals = shell.stdin.take();
        let output = output.clone();
        let reader = thread::spawn(move || read(reader, log, &output));
        Ok(Self { shell, signals, reader })
    }

    /// Sends a signal. One that has ended gets none.
    pub(super) fn signal(&mut self, signal: Signal) -> io::Result<()> {
        match &mut self.signals {
            Some(signals) => writeln!(signals, "{}", signal.name()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Id of the program's process: of the shell's only child. `None` when there is none any more.
    pub(super) fn id(&self) -> Option<u32> {
        let shell = self.shell.id();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// Whether the program has ended and all of its output was read.
    pub(super) fn has_ended(&self) -> bool {
        self.reader.is_finished()
    }

    /// Waits until the program has ended, and tells whether it did within `limit`.
    pub(super) async fn ended_within(&self, limit: Duration) -> bool {
        let started = Instant::now();
        while !self.has_ended() {
            if started.elapsed() > limit {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        true
    }

    /// Kills the program if it still runs. Returns its exit status in the words of the shell: 128 + signal for a signal; absent
    /// when the shell did not end in time or was itself killed.
    pub(super) fn finish(mut self) -> Option<i32> {
        self.end()
    }

    fn end(&mut self) -> Option<i32> {
        self.signals = None;
        let started = Instant::now();
        loop {
            match self.shell.try_wait() {
                Ok(Some(status)) => return status.code(),
                Ok(None) if started.elapsed() < KILL_LIMIT => thread::sleep(POLL),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

impl Drop for Process {
    /// Waits for the shell, so that the operator is gone when its owner is. The shell goes on by itself if this gives up.
    fn drop(&mut self) {
        self.end();
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Reads until the program ends. What cannot be written to the file is still kept in memory.
fn read(pipe: PipeReader, mut log: File, output: &Output) {
    let mut lines = BufReader::new(pipe);
    let mut line = Vec::new();
    while matches!(lines.read_until(b'\n', &mut line), Ok(read) if read > 0) {
        output.push(&String::from_utf8_lossy(&line));
        _ = log.write_all(&line);
        line.clear();
    }
}
