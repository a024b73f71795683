//! What is wrong with the Secrets and ConfigMaps that a connection refers to.

use std::fmt;

/// A Secret or ConfigMap of the connection's namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Referent {
    /// Which kind.
    pub kind: ReferentKind,
    /// Its name.
    pub name: String,
}

/// Kinds that a connection refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReferentKind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

impl fmt::Display for Referent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ReferentKind::Secret => "Secret",
            ReferentKind::ConfigMap => "ConfigMap",
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// Why what a connection refers to cannot be used. Says which key; never what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaterialFault {
    /// The object does not exist.
    Missing(Referent),
    /// The object has no such key.
    KeyMissing {
        /// The object.
        referent: Referent,
        /// The key.
        key: String,
    },
    /// The value cannot be used.
    Malformed {
        /// The object.
        referent: Referent,
        /// The key.
        key: String,
        /// What is wrong with it, and how it should be.
        fault: String,
    },
    /// The Secret's annotation does not name the host of this connection.
    NotReleased {
        /// The Secret.
        referent: Referent,
        /// The host that it would have to name.
        host: String,
    },
}

impl fmt::Display for MaterialFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(referent) => write!(f, "{referent} does not exist. Create it in this namespace."),
            Self::KeyMissing { referent, key } => {
                write!(f, "{referent} has no key {key}. Add the key, or correct the reference.")
            }
            Self::Malformed { referent, key, fault } => write!(f, "Key {key} of {referent} cannot be used: {fault}."),
            Self::NotReleased { referent, host } => write!(
                f,
                "{referent} is not released for {host}. Its owner can release it with the annotation {}: {host}.",
                crds::RELEASED_HOSTS
            ),
        }
    }
}
