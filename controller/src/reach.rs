//! Which namespaces the operator works in.

use std::{collections::BTreeSet, fmt, str::FromStr};

use thiserror::Error;

/// The longest name of a namespace, in bytes (RFC 1123, a label).
const LONGEST: usize = 63;

/// The name of a namespace: lower-case letters, digits and `-`, at most 63 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceName(String);

/// Why a text is no name of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidNamespaceName {
    /// There is no text.
    #[error("a namespace has a name: give one, or leave the setting out, which means the whole cluster")]
    Empty,
    /// Something that no namespace is called.
    #[error(
        "no namespace is called that: names have lower-case letters, digits and '-', begin and end with a letter or digit, \
         and are at most {LONGEST} long; several are divided by commas, without spaces"
    )]
    Malformed,
}

impl FromStr for NamespaceName {
    type Err = InvalidNamespaceName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(InvalidNamespaceName::Empty);
        }
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = text.bytes().all(|byte| alphanumeric(byte) || byte == b'-')
            && text.bytes().next().is_some_and(alphanumeric)
            && text.bytes().last().is_some_and(alphanumeric)
            && text.len() <= LONGEST;
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidNamespaceName::Malformed) }
    }
}

impl AsRef<str> for NamespaceName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NamespaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which namespaces the operator works in. Whatever is in others does not exist for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All of them.
    Cluster,
    /// These, at least one.
    Namespaces(BTreeSet<NamespaceName>),
}

impl Reach {
    /// These namespaces, or all if there are none.
    pub fn new(namespaces: impl IntoIterator<Item = NamespaceName>) -> Self {
        let namespaces = BTreeSet::from_iter(namespaces);
        if namespaces.is_empty() { Self::Cluster } else { Self::Namespaces(namespaces) }
    }

    /// The parts that are watched one by one: a namespace each, or `None` for the whole cluster at once.
    #[must_use]
    pub fn parts(&self) -> Vec<Option<NamespaceName>> {
        match self {
            Self::Cluster => vec![None],
            Self::Namespaces(namespaces) => namespaces.iter().cloned().map(Some).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn name(text: &str) -> NamespaceName {
        text.parse().unwrap()
    }

    #[rstest]
    #[case::plain("team-a", None)]
    #[case::one_letter("a", None)]
    #[case::digits("2nd", None)]
    #[case::as_long_as_can_be(&"a".repeat(63), None)]
    #[case::too_long(&"a".repeat(64), Some(InvalidNamespaceName::Malformed))]
    #[case::nothing("", Some(InvalidNamespaceName::Empty))]
    #[case::upper_case("Team", Some(InvalidNamespaceName::Malformed))]
    #[case::underscore("team_a", Some(InvalidNamespaceName::Malformed))]
    #[case::dot("team.a", Some(InvalidNamespaceName::Malformed))]
    #[case::space(" team", Some(InvalidNamespaceName::Malformed))]
    #[case::pattern("team-*", Some(InvalidNamespaceName::Malformed))]
    #[case::hyphen_first("-team", Some(InvalidNamespaceName::Malformed))]
    #[case::hyphen_last("team-", Some(InvalidNamespaceName::Malformed))]
    #[case::other_letters("länder", Some(InvalidNamespaceName::Malformed))]
    fn a_namespace_has_a_name_that_kubernetes_accepts(#[case] text: &str, #[case] error: Option<InvalidNamespaceName>) {
        assert_eq!(text.parse::<NamespaceName>().err(), error);
    }

    #[test]
    fn without_names_the_cluster_is_watched_at_once_and_with_names_each_namespace_once() {
        assert_eq!(Reach::new([]).parts(), [None]);
        let twice = Reach::new(["b", "a", "b"].map(name));
        assert_eq!(twice.parts(), [Some(name("a")), Some(name("b"))]);
    }
}
