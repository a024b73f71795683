//! Colours, which say nothing that the words beside them do not say.

use std::io::IsTerminal;

/// Whether colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// No colours.
    Plain,
    /// ANSI colours.
    Coloured,
}

/// What a colour stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing.
    Plain,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Not known.
    Doubtful,
}

impl Palette {
    /// Colours where standard output is a terminal that wants them: `NO_COLOR` and `TERM=dumb` say no.
    #[must_use]
    pub fn of_the_terminal() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        if std::io::stdout().is_terminal() && !unwanted { Self::Coloured } else { Self::Plain }
    }

    /// A text in a tone.
    #[must_use]
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match (self, tone) {
            (Self::Plain, _) | (Self::Coloured, Tone::Plain) => return text.to_owned(),
            (Self::Coloured, Tone::Good) => 32,
            (Self::Coloured, Tone::Bad) => 31,
            (Self::Coloured, Tone::Doubtful) => 33,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
