//! The way from an object to Jira, link by link.

use serde::Serialize;

use crate::plugin::{
    console::visible,
    palette::{Palette, Tone},
    table::{Cell, table},
};

/// The whole way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// In the order in which one depends on the one before.
    pub links: Vec<Link>,
}

/// One link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// What it is.
    pub about: String,
    /// Whether it holds.
    pub standing: Standing,
    /// What is known of it.
    pub finding: String,
    /// What to do; empty where nothing is to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

/// Whether a link holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Standing {
    /// It holds.
    Holds,
    /// It does not.
    Broken,
    /// The caller cannot see it, or it was not reached.
    Unknown,
}

impl Link {
    /// One that holds.
    pub fn holds(about: impl Into<String>, finding: impl Into<String>) -> Self {
        Self { about: about.into(), standing: Standing::Holds, finding: finding.into(), remedy: String::new() }
    }

    /// One that does not.
    pub fn broken(about: impl Into<String>, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { about: about.into(), standing: Standing::Broken, finding: finding.into(), remedy: remedy.into() }
    }

    /// One that is not known.
    pub fn unknown(about: impl Into<String>, finding: impl Into<String>) -> Self {
        Self { about: about.into(), standing: Standing::Unknown, finding: finding.into(), remedy: String::new() }
    }
}

impl Chain {
    /// The first link that is broken.
    #[must_use]
    pub fn broken(&self) -> Option<&Link> {
        self.links.iter().find(|link| link.standing == Standing::Broken)
    }

    /// For people.
    #[must_use]
    pub fn text(&self, palette: Palette) -> String {
        let first = self.broken();
        let row = |link: &Link| {
            let standing = match link.standing {
                Standing::Holds => Cell::toned(Tone::Good, "ok"),
                Standing::Broken => Cell::toned(Tone::Bad, "BROKEN"),
                Standing::Unknown => Cell::toned(Tone::Doubtful, "unknown"),
            };
            vec![standing, visible(&link.about).into(), visible(&link.finding).into()]
        };
        let rows: Vec<_> = self.links.iter().map(row).collect();
        let end = match first {
            None => "Nothing is broken.".to_owned(),
            Some(link) if link.remedy.is_empty() => {
                format!("First broken: {}. {}", visible(&link.about), visible(&link.finding))
            }
            Some(link) => format!("First broken: {}. {}", visible(&link.about), visible(&link.remedy)),
        };
        format!("{}\n\n{end}", table(&rows, palette))
    }
}
