//! The operator: watches connections and bindings, proves them against Jira, writes what it found into their status.
//!
//! `watch → gather → decide → act → report`, one way. See `ARCHITECTURE.md`.

pub mod acceptance;
pub mod app;
pub mod arguments;
pub mod auth;
pub mod backoff;
pub mod binding;
pub mod condition;
pub mod connection;
pub mod contained;
pub mod context;
#[cfg(test)]
mod fixture;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod instance;
pub mod jira;
pub mod kubernetes;
pub mod lending;
#[cfg(test)]
mod manual;
pub mod metrics;
pub mod moment;
pub mod plugin;
pub mod probes;
pub mod proof;
pub mod reach;
pub mod relations;
pub mod rewind;
pub mod rush;
pub mod spec_digest;
pub mod summary;
pub mod telemetry;
pub mod watch;
pub mod web;
pub mod wish;
