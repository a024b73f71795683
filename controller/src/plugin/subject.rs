//! Which object a person means.

use std::{fmt, str::FromStr};

/// The two kinds of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `JiraConnection`.
    Connection,
    /// `WorkspaceBinding`.
    Binding,
}

impl Kind {
    /// As it stands in a manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "JiraConnection",
            Self::Binding => "WorkspaceBinding",
        }
    }
}

/// Text that names none of the two kinds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of this API: write connection or binding")]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;

    /// Reads a kind as kubectl knows it: singular, plural, short name, with or without the group.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.to_ascii_lowercase();
        match lower.strip_suffix(".issuetracking.dev").unwrap_or(&lower) {
            "connection" | "connections" | "jiraconnection" | "jiraconnections" | "jc" => Ok(Self::Connection),
            "binding" | "bindings" | "workspacebinding" | "workspacebindings" | "wsb" => Ok(Self::Binding),
            _ => Err(UnknownKind(text.to_owned())),
        }
    }
}

/// An object of the namespace at hand: `NAME` means a connection, `binding/NAME` a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

/// Why a text names no object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubject {
    /// The part before the slash is no kind.
    #[error(transparent)]
    Kind(#[from] UnknownKind),
    /// There is no name.
    #[error("the name is empty")]
    Empty,
    /// A connection was expected.
    #[error("this is about a JiraConnection, and a {} was named", .0.as_str())]
    OtherKind(Kind),
}

impl FromStr for Subject {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = match text.split_once('/') {
            None => (Kind::Connection, text),
            Some((kind, name)) => (kind.parse()?, name),
        };
        if name.is_empty() {
            return Err(InvalidSubject::Empty);
        }
        Ok(Self { kind, name: name.to_owned() })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

/// Name of a connection, with or without its kind before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionName(pub String);

impl FromStr for ConnectionName {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse()? {
            Subject { kind: Kind::Connection, name } => Ok(Self(name)),
            Subject { kind, .. } => Err(InvalidSubject::OtherKind(kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("acme", Kind::Connection, "acme")]
    #[case("connection/acme", Kind::Connection, "acme")]
    #[case("jc/acme", Kind::Connection, "acme")]
    #[case("jiraconnection.issuetracking.dev/acme", Kind::Connection, "acme")]
    #[case("binding/web", Kind::Binding, "web")]
    #[case("WorkspaceBinding/web", Kind::Binding, "web")]
    #[case("wsb/web", Kind::Binding, "web")]
    fn kubectl_s_ways_to_name_an_object_are_known(#[case] text: &str, #[case] kind: Kind, #[case] name: &str) {
        assert_eq!(text.parse(), Ok(Subject { kind, name: name.to_owned() }));
    }

    #[rstest]
    #[case("pod/web", "\"pod\" is no kind of this API: write connection or binding")]
    #[case("binding/", "the name is empty")]
    #[case("", "the name is empty")]
    fn anything_else_is_explained(#[case] text: &str, #[case] message: &str) {
        assert_eq!(text.parse::<Subject>().unwrap_err().to_string(), message);
    }

    #[test]
    fn a_connection_is_not_a_binding() {
        let message = "this is about a JiraConnection, and a WorkspaceBinding was named";
        assert_eq!("binding/web".parse::<ConnectionName>().unwrap_err().to_string(), message);
    }
}
