//! Every reason that a status can have is explained, with what to do, and is shown by a fixture.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::fixture::Fixture;

/// Where an Event stands in the reference: none of its reasons is in a status.
const EVENT: &str = "Event";

/// Rows of tables of a page that tell a reason in the second column and what to do in the fourth: remedy and place by reason.
fn explained(page: &str) -> BTreeMap<String, (String, String)> {
    let text = fs::read_to_string(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(page)).unwrap();
    let row = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [place, reason, _, remedy] = cells[..] else { return None };
        let reason = reason.strip_prefix('`')?.strip_suffix('`')?;
        Some((reason.to_owned(), (remedy.to_owned(), place.to_owned())))
    };
    text.lines().filter(|line| line.starts_with('|')).filter_map(row).collect()
}

/// Reasons of all conditions of all fixtures.
fn shown() -> BTreeSet<String> {
    let fixtures = Fixture::all();
    let conditions = fixtures.iter().flat_map(Fixture::conditions);
    conditions.map(|condition| condition["reason"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_reason_is_explained_with_what_to_do_and_shown() {
    let (of_ready, others) = (explained("README.md"), explained("docs/reasons.md"));
    assert!(of_ready.len() >= 30 && others.len() >= 15, "{of_ready:#?} {others:#?}");
    let explained: BTreeMap<_, _> = of_ready.into_iter().chain(others).collect();
    let shown = shown();
    let silent: Vec<_> =
        shown.iter().filter(|reason| explained.get(*reason).is_none_or(|(it, _)| it.len() < 5)).collect();
    assert!(silent.is_empty(), "nobody says what to do about {silent:?}");
    let of_status = explained.iter().filter(|(_, (_, place))| place != EVENT);
    let unseen: Vec<_> = of_status.map(|(reason, _)| reason).filter(|reason| !shown.contains(*reason)).collect();
    assert!(unseen.is_empty(), "no fixture shows {unseen:?}");
}
