//! What an answer comes to, for the exit status.

use super::palette::Tone;

/// What an answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As hoped: exit status 0.
    Good,
    /// Otherwise: exit status 1.
    Bad,
}

impl Verdict {
    /// Its exit status.
    #[must_use]
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Bad => 1,
        }
    }

    /// The tone to say it in.
    #[must_use]
    pub const fn tone(self) -> Tone {
        match self {
            Self::Good => Tone::Good,
            Self::Bad => Tone::Bad,
        }
    }

    /// Good if it holds.
    #[must_use]
    pub const fn of(good: bool) -> Self {
        if good { Self::Good } else { Self::Bad }
    }
}
