//! Manifests, as `kubectl jira check` reads them.

use super::text;
use crate::plugin::check;

/// Whatever a file holds, what is found in it is told in lines that a terminal can show; and objects without a finding can be read.
pub fn manifests(bytes: &[u8]) {
    check::law::manifests(text(bytes));
}
