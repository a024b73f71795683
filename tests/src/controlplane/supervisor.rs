//! The shell process that owns the components of a control plane.
//!
//! A program cannot clean up after its own SIGKILL, so the components are children of a shell that does: it ends them when the
//! pipe on its standard input closes, which the kernel does however the program at the other end has come to its end.

use std::{
    fs, io,
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::command_line::CommandLine;

const SCRIPT: &str = include_str!("supervisor.sh");

/// How long the shell may take to kill the components and remove their directory.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Pause between two looks at a process or at a file of the shell.
const POLL: Duration = Duration::from_millis(20);

/// The supervising shell and the directory it removes at the end.
#[derive(Debug)]
pub(super) struct Supervisor {
    directory: PathBuf,
    shell: Mutex<Shell>,
}

#[derive(Debug)]
struct Shell {
    process: Child,
    /// Absent once the shell has been told to stop.
    commands: Option<ChildStdin>,
}

impl Supervisor {
    /// Starts the shell, which owns `directory` from here on.
    pub(super) fn spawn(directory: TempDir) -> io::Result<Self> {
        let mut process = Command::new("sh")
            .args(["-c", SCRIPT, "controlplane"])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.path().join("supervisor.log"))?)
            // Ctrl-C goes to the process group in the foreground of the terminal, which this is not part of.
            .process_group(0)
            .spawn()?;
        let commands = process.stdin.take();
        let shell = Mutex::new(Shell { process, commands });
        Ok(Self { directory: directory.keep(), shell })
    }

    /// The directory in which the components run and keep their files.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Starts a component. Returns when the process exists, which says nothing on whether it stays.
    pub(super) async fn start(&self, component: &str, command_line: &CommandLine) -> io::Result<()> {
        self.remove(&format!("{component}.exit"))?;
        fs::write(self.directory.join(format!("{component}.sh")), command_line.script())?;
        self.command("start", component)?;
        let pid = self.directory.join(format!("{component}.pid"));
        self.wait_for(|| pid.exists() || self.exit_status(component).is_some()).await
    }

    /// Ends a component with SIGKILL and waits until it is gone. A component that does not run is left alone.
    pub(super) async fn kill(&self, component: &str) -> io::Result<()> {
        let pid = self.directory.join(format!("{component}.pid"));
        if !pid.exists() {
            return Ok(());
        }
        self.command("kill", component)?;
        self.wait_for(|| self.exit_status(component).is_some()).await
    }

    /// Lets a component that runs run no further, and waits until it stands still.
    pub(super) async fn pause(&self, component: &str) -> io::Result<()> {
        self.command("stop", component)?;
        let pid = fs::read_to_string(self.directory.join(format!("{component}.pid")))?;
        let stat = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
        // The third word is the state of the process, `T` when it was stopped; the second is its name, in parentheses.
        let stopped = || fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "));
        self.wait_for(stopped).await
    }

    /// Lets a component go on after [`pause`](Self::pause).
    pub(super) fn resume(&self, component: &str) -> io::Result<()> {
        self.command("cont", component)
    }

    /// The exit status in the words of the shell (128 + signal for a signal) once the component has ended. Absent while it
    /// runs and before it was started.
    pub(super) fn exit_status(&self, component: &str) -> Option<String> {
        let status = fs::read_to_string(self.directory.join(format!("{component}.exit"))).ok()?;
        Some(status.trim().to_owned())
    }

    /// Ends all components, removes the directory, and returns when that is done.
    pub(super) async fn stop(&self) -> io::Result<()> {
        self.shell().commands = None;
        let started = Instant::now();
        while self.shell().process.try_wait()?.is_none() {
            if started.elapsed() > STOP_LIMIT {
                return Err(io::ErrorKind::TimedOut.into());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    fn command(&self, action: &str, component: &str) -> io::Result<()> {
        match &mut self.shell().commands {
            Some(commands) => writeln!(commands, "{action} {component}"),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn remove(&self, file: &str) -> io::Result<()> {
        match fs::remove_file(self.directory.join(file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn wait_for(&self, reached: impl Fn() -> bool) -> io::Result<()> {
        let started = Instant::now();
        while !reached() {
            if self.shell().process.try_wait()?.is_some() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            if started.elapsed() > STOP_LIMIT {
                return Err(io::ErrorKind::TimedOut.into());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    fn shell(&self) -> MutexGuard<'_, Shell> {
        // A panic between two writes leaves nothing half done here: the guarded values are a process and a pipe.
        self.shell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Supervisor {
    /// Waits for the shell, so that the control plane is gone when its owner is. The shell goes on by itself if this gives up.
    fn drop(&mut self) {
        let mut shell = self.shell();
        shell.commands = None;
        let started = Instant::now();
        while matches!(shell.process.try_wait(), Ok(None)) && started.elapsed() < STOP_LIMIT {
            thread::sleep(POLL);
        }
    }
}
