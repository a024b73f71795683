//! What a process uses, as the kernel counts it.

use std::{fs, time::Duration};

/// Ticks in which the kernel counts processor time (`USER_HZ`, the same on every architecture that we know).
const TICKS_A_SECOND: f64 = 100.0;

/// A process of which only the id is known.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// Processor time so far, of the process and the kernel for it.
    pub fn processor_time(self) -> Duration {
        ticks(&format!("/proc/{}/stat", self.0))
    }

    /// Memory now, in MiB (resident set).
    pub fn memory(self) -> f64 {
        self.status("VmRSS:")
    }

    /// The most memory since the start, or since [`forget_peak`](Self::forget_peak), in MiB.
    pub fn peak(self) -> f64 {
        self.status("VmHWM:")
    }

    /// Counts the most memory anew.
    pub fn forget_peak(self) {
        fs::write(format!("/proc/{}/clear_refs", self.0), "5").unwrap();
    }

    fn status(self, name: &str) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

/// Processor time so far of the threads of this process whose name begins so.
pub fn own_threads(name: &str) -> Duration {
    let threads = fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path());
    // A thread may end while it is looked at.
    let named = threads.filter(|thread| fs::read_to_string(thread.join("comm")).is_ok_and(|it| it.starts_with(name)));
    named.map(|thread| ticks(&thread.join("stat").display().to_string())).sum()
}

fn ticks(path: &str) -> Duration {
    let text = fs::read_to_string(path).unwrap_or_default();
    // The name, in parentheses, may hold blanks. User and system time are the 14th and the 15th field.
    let fields: Vec<_> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let count = |field: usize| fields.get(field).and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0);
    Duration::from_secs_f64((count(11) + count(12)) / TICKS_A_SECOND)
}
