//! A local control plane, a Jira simulator, a browser, and the suites that run the operator against both.

pub mod browser;
pub mod chart;
pub mod controlplane;
pub mod demo;
pub mod gateway;
pub mod go;
pub mod jira;
mod log;
pub mod node;
pub mod operator;
pub mod plugin;
pub mod scene;
pub mod stage;
pub mod tools;
pub mod verdict;
