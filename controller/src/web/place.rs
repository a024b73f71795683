//! Which connection a page is about.

use crate::{auth::authorization_secret::State, proof::ConnectionName};

/// Namespace and name of a connection as a visitor gave them. Both are names that Kubernetes allows, so they are safe in
/// an address, a command line and a path of the API server; whether there is such a connection is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    namespace: String,
    name: String,
}

impl Place {
    /// A place of these names. `None` if they are no RFC 1123 label and RFC 1123 subdomain of at most 200 characters.
    #[must_use]
    pub fn parse(namespace: &str, name: &str) -> Option<Self> {
        let usable = is_label(namespace) && name.len() <= 200 && name.split('.').all(is_label);
        usable.then(|| Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// The place that a state names. `None` as in [`parse`](Self::parse).
    #[must_use]
    pub fn of(state: &State) -> Option<Self> {
        let (namespace, name) = state.connection();
        Self::parse(namespace, name)
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key of the store of connections.
    #[must_use]
    pub fn connection(&self) -> ConnectionName {
        (self.namespace.clone(), self.name.clone())
    }
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 63 && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::Place;

    #[rstest]
    #[case::plain("team-web", "acme", true)]
    #[case::dots_in_the_name("team-web", "acme.eu-1", true)]
    #[case::dots_in_the_namespace("team.web", "acme", false)]
    #[case::climbing("..", "acme", false)]
    #[case::climbing_name("team", "..", false)]
    #[case::slash("team", "a/b", false)]
    #[case::shell("team", "$(reboot)", false)]
    #[case::markup("team", "<script>", false)]
    #[case::line_break("team", "a\r\nb", false)]
    #[case::capital("Team", "acme", false)]
    #[case::empty("", "acme", false)]
    #[case::empty_name("team", "", false)]
    fn only_names_of_kubernetes_are_a_place(#[case] namespace: &str, #[case] name: &str, #[case] usable: bool) {
        assert_eq!(Place::parse(namespace, name).is_some(), usable);
    }

    #[test]
    fn long_names_are_none() {
        assert_eq!(Place::parse(&"a".repeat(64), "acme"), None);
        assert_eq!(Place::parse("team", &"a.".repeat(101)), None);
    }
}
