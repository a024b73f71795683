//! Whole authorisations on the real control plane: a person with a browser, the operator's pages, and Jira.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "flows/client_secret.rs"]
mod client_secret;
#[path = "flows/lost.rs"]
mod lost;
#[path = "flows/projected.rs"]
mod projected;
#[path = "flows/renewed.rs"]
mod renewed;
#[path = "flows/rotated.rs"]
mod rotated;
#[path = "flows/ways.rs"]
mod ways;
