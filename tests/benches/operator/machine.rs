//! The machine that was measured on.

use std::{fmt, fs, thread};

use serde::Serialize;

/// Facts about the machine at the start of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Processors that this process may use.
    pub processors: usize,
    /// Name of the processor.
    pub model: String,
    /// Version of the kernel.
    pub kernel: String,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// Processes that wanted to run, on average over the last minute: what else the machine was busy with.
    pub load: f64,
}

impl Machine {
    /// Looks into `/proc`.
    pub fn look() -> Self {
        let line = |path: &str, name: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let found = text.lines().find_map(|line| line.strip_prefix(name));
            found.unwrap_or_default().trim_start_matches([' ', '\t', ':']).to_owned()
        };
        let first = |text: String| text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
        Self {
            processors: thread::available_parallelism().map_or(1, usize::from),
            model: line("/proc/cpuinfo", "model name"),
            kernel: line("/proc/sys/kernel/osrelease", ""),
            memory_gib: first(line("/proc/meminfo", "MemTotal")) / f64::from(1 << 20),
            load: first(line("/proc/loadavg", "")),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processors, model, kernel, memory_gib, load } = self;
        write!(f, "{processors} processors ({model}), {memory_gib:.0} GiB, Linux {kernel}, load {load:.1} at the start")
    }
}
