//! What the demo prints: plain text that reads well in a terminal and in a log.

use std::{
    io::{self, Write},
    time::Instant,
};

/// Longest line of running text, in characters.
const WIDTH: usize = 110;

/// Prints steps with the time since the start.
#[derive(Debug)]
pub struct Narration {
    started: Instant,
}

impl Default for Narration {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Narration {
    /// One step, with the time since the start.
    ///
    /// # Errors
    ///
    /// When standard output is closed.
    pub fn step(&self, text: &str) -> io::Result<()> {
        print(&format!("[{:5.1} s] {text}\n", self.started.elapsed().as_secs_f64()))
    }

    /// Running text below a step.
    ///
    /// # Errors
    ///
    /// When standard output is closed.
    pub fn text(&self, text: &str) -> io::Result<()> {
        print(&wrapped(text, "          "))
    }

    /// The beginning of a part.
    ///
    /// # Errors
    ///
    /// When standard output is closed.
    pub fn part(&self, title: &str) -> io::Result<()> {
        print(&format!("\n== {title}\n\n"))
    }

    /// A command as a person would type it, and what it printed.
    ///
    /// # Errors
    ///
    /// When standard output is closed.
    pub fn command(&self, line: &str, output: &str) -> io::Result<()> {
        print(&format!("$ {line}\n{}\n\n", output.trim_end()))
    }

    /// Lines as they are.
    ///
    /// # Errors
    ///
    /// When standard output is closed.
    pub fn lines(&self, text: &str) -> io::Result<()> {
        print(&format!("{text}\n"))
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Breaks a text between words, and indents all of its lines.
fn wrapped(text: &str, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(format!("{indent}{word}")),
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_broken_between_words_and_loses_none() {
        let text = "word ".repeat(50);
        let broken = wrapped(&text, "  ");
        assert!(broken.lines().count() > 1);
        assert!(broken.lines().all(|line| line.len() <= WIDTH && line.starts_with("  word")));
        assert_eq!(broken.split_whitespace().count(), 50);
    }

    #[test]
    fn a_short_text_stays_on_one_line() {
        assert_eq!(wrapped("one two", "  "), "  one two\n");
    }
}
