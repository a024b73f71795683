//! The machine under an operator, whose wall clock can be set wrong and whose resolver can fail.
//!
//! A small library in C is preloaded into the operator's process: it stands in for two functions of the C library.

use std::{
    fs, io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

const SOURCE: &str = include_str!("machine.c");

/// A machine for any number of operators, which all have its clock and its resolver.
#[derive(Debug)]
pub struct Machine {
    library: PathBuf,
    state: fs::File,
    path: PathBuf,
    /// Removed at the end.
    _directory: TempDir,
}

impl Machine {
    /// A machine that is well. Needs a C compiler, as the simulator's cryptography does.
    ///
    /// # Errors
    ///
    /// When there is none, or a file cannot be written.
    pub fn new() -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("machine-").tempdir()?;
        let library = compiled(directory.path())?;
        let path = directory.path().join("state");
        let state = fs::File::create(&path)?;
        state.write_all_at(&[0; 16], 0)?;
        Ok(Self { library, state, path, _directory: directory })
    }

    /// Sets the wall clock so many seconds ahead of the right time, or behind it. It goes on from there.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn set_clock_off(&self, seconds: i64) -> io::Result<()> {
        self.state.write_all_at(&seconds.to_ne_bytes(), 0)
    }

    /// Lets no name resolve, or every name again.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn set_resolving(&self, resolving: bool) -> io::Result<()> {
        self.state.write_all_at(&i64::from(!resolving).to_ne_bytes(), 8)
    }

    pub(super) fn preloaded(&self) -> [(&'static str, PathBuf); 2] {
        [("LD_PRELOAD", self.library.clone()), ("MACHINE", self.path.clone())]
    }
}

fn compiled(directory: &Path) -> io::Result<PathBuf> {
    let (source, library) = (directory.join("machine.c"), directory.join("machine.so"));
    fs::write(&source, SOURCE)?;
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let output = Command::new(compiler).args(["-shared", "-fPIC", "-O2", "-o"]).args([&library, &source]).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(library)
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    fn seconds(machine: &Machine) -> i64 {
        let output = Command::new("date").arg("+%s").envs(machine.preloaded()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    #[test]
    fn a_clock_is_off_by_as_much_as_it_was_set() {
        let machine = Machine::new().unwrap();
        let now = || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        for off in [600, -600, 0] {
            machine.set_clock_off(off).unwrap();
            assert!((seconds(&machine) - now() - off).abs() < 5, "{off}");
        }
    }

    #[test]
    fn no_name_resolves_while_the_resolver_fails() {
        let machine = Machine::new().unwrap();
        let resolves = || {
            Command::new("getent")
                .args(["ahosts", "localhost"])
                .envs(machine.preloaded())
                .output()
                .unwrap()
                .status
                .success()
        };
        assert!(resolves());
        machine.set_resolving(false).unwrap();
        assert!(!resolves());
    }
}
