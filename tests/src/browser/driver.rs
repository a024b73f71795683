//! chromedriver, which starts Chromium and speaks `WebDriver`.

use std::{
    io,
    path::PathBuf,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use super::Error;

/// Runs a program for as long as its standard input is open.
const SCRIPT: &str = include_str!("../operator/supervise.sh");

/// Pause between two looks at the process.
const POLL: Duration = Duration::from_millis(10);

/// How long it may take to start, or to end.
const LIMIT: Duration = Duration::from_secs(30);

/// How often it is started before that counts as failed.
const ATTEMPTS: u32 = 5;

/// How Chromium is started.
const FLAGS: [&str; 13] = [
    "--headless=new",
    // Without it Chromium refuses to run as root, as it does in containers. It shows nothing but pages of the tests.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    // Chromium ends with the pipe, so with chromedriver, whatever ends that.
    "--remote-debugging-pipe",
    // Any other name would be a request to the outside, by a page or by Chromium itself.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--lang=en-US",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
];

/// A running chromedriver. It ends, and Chromium with it, when this is dropped or its process ends.
#[derive(Debug)]
pub(super) struct Driver {
    port: u16,
    chromium: PathBuf,
    /// Holds the other end of the shell's standard input.
    shell: Child,
    /// Kept open: a driver that cannot write would end.
    _output: Lines<BufReader<ChildStdout>>,
    /// Home, profile and temporary files. Removed after the processes.
    _home: TempDir,
}

impl Driver {
    /// Starts it at a free port.
    pub(super) async fn start() -> Result<Self, Error> {
        // It looks for a port that is free for IPv4 and IPv6, and ends when another process takes it meanwhile.
        for _ in 1..ATTEMPTS {
            match Self::start_once().await {
                Err(Error::NotStarted { .. }) => {}
                outcome => return outcome,
            }
        }
        Self::start_once().await
    }

    async fn start_once() -> Result<Self, Error> {
        let (chromium, chromedriver) = (program("chromium")?, program("chromedriver")?);
        let home = tempfile::Builder::new().prefix("browser-").tempdir();
        let home = home.map_err(|source| Error::System { action: "make a directory", source })?;
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "chromedriver"])
            .arg(chromedriver)
            .arg("--port=0")
            .env("HOME", home.path())
            .env("TMPDIR", home.path())
            .env("XDG_CONFIG_HOME", home.path())
            .env("XDG_CACHE_HOME", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|source| Error::System { action: "start sh", source })?;
        let Some(output) = shell.stdout.take() else {
            return Err(Error::NotStarted { output: String::new() });
        };
        let mut output = BufReader::new(output).lines();
        let port = port(&mut output).await?;
        Ok(Self { port, chromium, shell, _output: output, _home: home })
    }

    /// Where it listens.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The capabilities (W3C `WebDriver`, 7) of a session that trusts the certificate of this pin.
    pub(super) fn capabilities(&self, pin: &str) -> Map<String, Value> {
        let trust = format!("--ignore-certificate-errors-spki-list={pin}");
        let arguments: Vec<&str> = FLAGS.into_iter().chain([trust.as_str()]).collect();
        let all = [
            ("browserName", json!("chrome")),
            // The tests wait for what they expect: some pages go on by themselves, some wait for a Jira that is slow on purpose.
            ("pageLoadStrategy", json!("none")),
            ("goog:chromeOptions", json!({ "binary": self.chromium, "args": arguments })),
        ];
        all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Drop for Driver {
    /// Waits until chromedriver is gone, so that its files can be removed.
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let started = Instant::now();
        while matches!(self.shell.try_wait(), Ok(None)) && started.elapsed() < LIMIT {
            thread::sleep(POLL);
        }
    }
}

/// The port that it announces.
async fn port(output: &mut Lines<BufReader<ChildStdout>>) -> Result<u16, Error> {
    let mut written = String::new();
    while let Ok(Ok(Some(line))) = timeout(LIMIT, output.next_line()).await {
        let number = line.split_once("on port ").map(|(_, rest)| rest.trim_end_matches('.'));
        // The first line has the port that was asked for, which is 0.
        if let Some(port) = number.and_then(|number| number.parse().ok()).filter(|port| *port != 0) {
            return Ok(port);
        }
        written.push_str(&line);
        written.push('\n');
    }
    Err(Error::NotStarted { output: written })
}

/// Where a program is.
fn program(name: &'static str) -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file());
    let remedy = "install it, on Debian by `apt-get install chromium chromium-driver`";
    found.ok_or(Error::Missing { program: name, remedy })
}

/// For a process that cannot be started because it is not there.
pub(super) fn missing(program: &'static str, remedy: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| match source.kind() {
        io::ErrorKind::NotFound => Error::Missing { program, remedy },
        _ => Error::System { action: "start a program", source },
    }
}
