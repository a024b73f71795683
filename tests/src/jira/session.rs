//! Browser sessions: who is signed in on the pages of a host.

use std::collections::BTreeMap;

use super::oauth::random;

/// The sessions of one host, by the value of their cookie.
#[derive(Debug, Default)]
pub(super) struct Sessions(BTreeMap<String, String>);

impl Sessions {
    /// Signs an account in and returns the value of the cookie.
    pub(super) fn open(&mut self, account: &str) -> String {
        let value = random();
        self.0.insert(value.clone(), account.to_owned());
        value
    }

    /// Id of the account that a cookie stands for.
    pub(super) fn account(&self, cookie: Option<&str>) -> Option<&str> {
        self.0.get(cookie?).map(String::as_str)
    }
}
