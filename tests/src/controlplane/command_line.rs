//! A program with its arguments, as a shell script.

use std::{ffi::OsString, os::unix::ffi::OsStrExt, path::Path};

/// A program and its arguments.
#[derive(Debug)]
pub(super) struct CommandLine(Vec<OsString>);

impl CommandLine {
    /// The program at a path, without arguments yet.
    pub(super) fn new(program: &Path) -> Self {
        Self(vec![program.into()])
    }

    /// Appends `--name=value`.
    pub(super) fn flag(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.0.push(format!("--{name}={}", value.as_ref()).into());
        self
    }

    /// A script that becomes the program, so that the process id of the shell is that of the program.
    pub(super) fn script(&self) -> Vec<u8> {
        let mut script = b"exec".to_vec();
        for word in &self.0 {
            script.extend_from_slice(b" '");
            for byte in word.as_bytes() {
                match byte {
                    b'\'' => script.extend_from_slice(br"'\''"),
                    other => script.push(*other),
                }
            }
            script.push(b'\'');
        }
        script.push(b'\n');
        script
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("v1", "--flag=v1\n")]
    #[case::blank("a  b", "--flag=a  b\n")]
    #[case::quote("it's '$HOME'", "--flag=it's '$HOME'\n")]
    #[case::empty("", "--flag=\n")]
    fn a_shell_passes_the_argument_on_unchanged(#[case] value: &str, #[case] seen: &str) {
        let command_line = CommandLine::new(Path::new("printf")).flag("flag", value);
        let script = String::from_utf8(command_line.script()).unwrap().replace("'printf'", r"'printf' '%s\n'");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), seen);
    }
}
