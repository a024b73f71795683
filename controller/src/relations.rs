//! Who names whom, so that a change finds those that it concerns without a look at everybody.
//!
//! Kept beside the [stores](crate::watch::Stores), by the watches alone. It may be a moment behind them, never for longer: whoever
//! is found here is looked up there, and whoever is not found yet is woken when it is.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use crate::{connection::material::Referent, proof::ConnectionName};

/// Who names whom.
#[derive(Debug, Default)]
pub struct Relations {
    /// Bindings by the connection that they name, by namespace and name.
    pub bindings: Index<ConnectionName, (String, String)>,
    /// Names of connections by the Secret or ConfigMap of their namespace that they refer to.
    pub connections: Index<(String, Referent), String>,
}

/// Names by what they name.
#[derive(Debug)]
pub struct Index<Key, Name>(Mutex<HashMap<Key, Vec<Name>>>);

impl<Key, Name> Default for Index<Key, Name> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Key: Eq + Hash, Name: Clone + PartialEq> Index<Key, Name> {
    /// Notes what `name` names `now`, and forgets what it named `before`.
    pub fn replace(&self, name: &Name, before: impl IntoIterator<Item = Key>, now: impl IntoIterator<Item = Key>) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in before {
            if let Entry::Occupied(mut naming) = names.entry(key) {
                naming.get_mut().retain(|it| it != name);
                if naming.get().is_empty() {
                    naming.remove();
                }
            }
        }
        for key in now {
            let naming = names.entry(key).or_default();
            if !naming.contains(name) {
                // Most are named once, and there are many of them.
                naming.reserve_exact(1);
                naming.push(name.clone());
            }
        }
    }

    /// Those that name `key`.
    #[must_use]
    pub fn naming(&self, key: &Key) -> Vec<Name> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_names_something_is_found_until_it_names_something_else() {
        let index = Index::default();
        index.replace(&"web", [], ["acme", "shared"]);
        index.replace(&"app", [], ["shared"]);
        assert_eq!(index.naming(&"shared"), ["web", "app"]);
        index.replace(&"web", ["acme", "shared"], ["acme"]);
        assert_eq!((index.naming(&"acme"), index.naming(&"shared")), (vec!["web"], vec!["app"]));
        index.replace(&"web", ["acme"], ["acme"]);
        assert_eq!(index.naming(&"acme"), ["web"], "a second look changes nothing");
    }

    #[test]
    fn nothing_is_kept_of_what_nobody_names() {
        let index = Index::default();
        index.replace(&"web", [], ["acme"]);
        index.replace(&"web", ["acme", "other"], []);
        assert_eq!(index.0.lock().unwrap().len(), 0);
    }
}
