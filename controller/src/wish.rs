//! Wishes for a check now: two annotations, and their echo in the status.

use std::collections::BTreeMap;

/// Longest echo, in characters.
const LONGEST: usize = 128;

/// An annotation's value as the status echoes it: cut, and without control characters.
#[must_use]
pub fn echo(annotations: Option<&BTreeMap<String, String>>, name: &str) -> Option<String> {
    let value = annotations?.get(name)?;
    Some(value.chars().filter(|c| !c.is_control()).take(LONGEST).collect())
}

/// Whether the object asks for something that the status does not echo yet.
#[must_use]
pub fn is_open(annotations: Option<&BTreeMap<String, String>>, name: &str, handled: Option<&String>) -> bool {
    echo(annotations, name).is_some_and(|wish| Some(&wish) != handled)
}

/// Whether somebody wishes for a check that the status does not echo yet: `requested` is its echo of our annotation, `reconcile` that of
/// Flux's.
#[must_use]
pub fn is_unanswered(
    annotations: Option<&BTreeMap<String, String>>,
    requested: Option<&String>,
    reconcile: Option<&String>,
) -> bool {
    is_open(annotations, crds::REQUESTED_AT, requested) || is_open(annotations, crds::FLUX_REQUESTED_AT, reconcile)
}
