//! Whole authorisations in a real Chromium: a person clicks, types and looks, the operator serves its pages from a real control
//! plane, and Jira is the simulator. Each page that is met is tried by axe-core, in light and dark, and its picture is taken.
//!
//! With `UPDATE_PICTURES=1` the pictures that the documentation shows are written into `docs/pictures`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "browser/defence.rs"]
mod defence;
#[path = "browser/keyboard.rs"]
mod keyboard;
#[path = "browser/pictures.rs"]
mod pictures;
#[path = "browser/reflow.rs"]
mod reflow;
#[path = "browser/visit.rs"]
mod visit;
#[path = "browser/ways.rs"]
mod ways;
