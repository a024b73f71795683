//! A local control plane, a Jira simulator, a browser, and the suites that run the operator against both.

pub mod browser;
pub mod canary;
pub mod chart;
pub mod controlplane;
pub mod demo;
pub mod dice;
pub mod gateway;
pub mod go;
pub mod jira;
pub mod ledger;
mod log;
pub mod node;
pub mod operator;
pub mod plugin;
pub mod replicas;
pub mod scene;
pub mod stage;
pub mod tools;
pub mod verdict;
