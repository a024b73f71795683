//! The person's terminal: answers to standard output, remarks and questions to standard error.

use std::io::{self, IsTerminal, Write};

use tokio::sync::oneshot;

use super::{error::Error, palette::Palette};
use crate::jira::clean;

/// The person's terminal.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    /// Colours of the answers.
    pub palette: Palette,
}

impl Console {
    /// That of this process.
    #[must_use]
    pub fn of_the_process() -> Self {
        Self { palette: Palette::of_the_terminal() }
    }

    /// Prints a line, or several, of the answer.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn say(self, text: &str) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Error::Output)
    }

    /// Prints a remark, which is no part of the answer.
    pub fn remark(self, text: &str) {
        eprintln!("{text}");
    }

    /// Whether somebody sits at standard input.
    #[must_use]
    pub fn is_attended(self) -> bool {
        io::stdin().is_terminal()
    }

    /// Asks for one line. `None` at the end of the input.
    ///
    /// # Errors
    /// When standard input cannot be read.
    pub async fn ask(self, question: &str) -> Result<Option<String>, Error> {
        if self.is_attended() {
            eprint!("{question} ");
        }
        let (sender, line) = oneshot::channel();
        // A thread of its own: the runtime would wait for a reading one at its end, although nobody needs the line any more.
        std::thread::spawn(move || {
            let mut text = String::new();
            let read = io::stdin().read_line(&mut text);
            // Nobody waits for the line any more where this fails.
            drop(sender.send(read.map(|length| (length > 0).then_some(text))));
        });
        match line.await {
            Ok(read) => read.map_err(Error::Input),
            Err(_) => Ok(None),
        }
    }
}

/// A text from outside without characters that steer a terminal or disguise what is written; line breaks stay.
#[must_use]
pub fn visible(text: &str) -> String {
    let shown = |it: &char| matches!(it, '\n' | ' ') || !clean(it.encode_utf8(&mut [0; 4])).is_empty();
    text.chars().filter(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn a_text_from_outside_cannot_steer_the_terminal() {
        assert_eq!(visible("a\u{1b}]0;x\u{7}b\r\n\u{202e}c"), "a]0;xb\nc");
    }
}
