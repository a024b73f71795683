//! Which Secrets concern which binding: the one that it wants, and those that it controls. Names only.
//!
//! What is wanted is noted by the passes; what is controlled is told by the watch, so a Secret that was made for a binding is
//! found again after a restart, whatever the binding says by then.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::memory::BindingName;

/// Which Secrets concern which binding.
#[derive(Debug, Default)]
pub struct Concerns(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// Name of the Secret that a binding wants.
    wanted: HashMap<BindingName, String>,
    /// Names of the bindings that want a Secret, by its namespace and name.
    wanting: HashMap<(String, String), BTreeSet<String>>,
    /// Names of the Secrets that a binding of this name controls.
    held: HashMap<BindingName, BTreeSet<String>>,
}

impl Concerns {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes which Secret a binding wants. To be called before it is read, so that no change after that is missed.
    pub fn want(&self, binding: &BindingName, secret: Option<&str>) {
        self.noted().want(binding, secret);
    }

    /// The bindings that want a Secret of this name, whatever stands there.
    #[must_use]
    pub fn wanting(&self, namespace: &str, secret: &str) -> BTreeSet<String> {
        let of = (namespace.to_owned(), secret.to_owned());
        self.noted().wanting.get(&of).cloned().unwrap_or_default()
    }

    /// All bindings that want a Secret.
    #[must_use]
    pub fn all_wanting(&self) -> Vec<BindingName> {
        self.noted().wanted.keys().cloned().collect()
    }

    /// Notes that a binding controls a Secret.
    pub fn hold(&self, binding: &BindingName, secret: &str) {
        self.noted().held.entry(binding.clone()).or_default().insert(secret.to_owned());
    }

    /// Notes that a binding does not control a Secret any more.
    pub fn lose(&self, binding: &BindingName, secret: &str) {
        let mut noted = self.noted();
        if let Some(held) = noted.held.get_mut(binding) {
            held.remove(secret);
            if held.is_empty() {
                noted.held.remove(binding);
            }
        }
    }

    /// The Secrets that a binding controls, as far as was seen.
    #[must_use]
    pub fn held(&self, binding: &BindingName) -> BTreeSet<String> {
        self.noted().held.get(binding).cloned().unwrap_or_default()
    }

    /// Forgets a binding that was deleted. Its Secrets are Kubernetes' to remove.
    pub fn forget(&self, binding: &BindingName) {
        let mut noted = self.noted();
        noted.want(binding, None);
        noted.held.remove(binding);
    }
}

impl Noted {
    fn want(&mut self, binding: &BindingName, secret: Option<&str>) {
        let (namespace, name) = binding;
        let before = self.wanted.get(binding).map(String::as_str);
        if before == secret {
            return;
        }
        if let Some(before) = self.wanted.remove(binding) {
            let of = (namespace.clone(), before);
            if let Some(wanting) = self.wanting.get_mut(&of) {
                wanting.remove(name);
                if wanting.is_empty() {
                    self.wanting.remove(&of);
                }
            }
        }
        if let Some(secret) = secret {
            self.wanted.insert(binding.clone(), secret.to_owned());
            self.wanting.entry((namespace.clone(), secret.to_owned())).or_default().insert(name.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(name: &str) -> BindingName {
        ("web".into(), name.into())
    }

    #[test]
    fn who_wants_another_secret_wants_the_one_before_no_more() {
        let concerns = Concerns::default();
        for name in ["a", "b"] {
            concerns.want(&binding(name), Some("jira"));
        }
        concerns.want(&binding("a"), Some("other"));
        assert_eq!(concerns.wanting("web", "jira"), BTreeSet::from(["b".to_owned()]));
        assert_eq!(concerns.wanting("web", "other"), BTreeSet::from(["a".to_owned()]));
        concerns.forget(&binding("b"));
        concerns.want(&binding("a"), None);
        assert!(concerns.all_wanting().is_empty() && concerns.wanting("web", "jira").is_empty());
    }

    #[test]
    fn what_is_held_is_known_until_it_is_lost() {
        let concerns = Concerns::default();
        concerns.hold(&binding("a"), "one");
        concerns.hold(&binding("a"), "two");
        concerns.lose(&binding("a"), "one");
        assert_eq!(concerns.held(&binding("a")), BTreeSet::from(["two".to_owned()]));
        concerns.lose(&binding("a"), "two");
        assert!(concerns.held(&binding("a")).is_empty());
    }
}
