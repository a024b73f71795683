//! The demo, and what the suite of the examples shares with it: an [`Installation`] on which the files of `examples/` are
//! applied, and the outcome that each announces is awaited.

mod example;
mod installation;
mod live;
mod narration;
mod outcome;
mod show;
mod world;

use std::{error::Error as _, io};

pub use self::{
    example::{Example, ExampleError},
    installation::{Difference, Installation},
    live::{LiveChange, Turn},
    narration::Narration,
    outcome::{InvalidOutcome, Kind, Outcome, Seen},
    show::{Verdict, run},
    world::{World, WorldError},
};
use crate::{
    controlplane::{self, ApplyError},
    operator,
};

/// Failure of the demo itself. What came out otherwise than announced is a [`Difference`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control plane does not start or end.
    #[error(transparent)]
    ControlPlane(#[from] controlplane::Error),
    /// The simulators do not start, or do not know what an example speaks of.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The operator does not start or end.
    #[error(transparent)]
    Operator(#[from] operator::Error),
    /// The examples cannot be read.
    #[error(transparent)]
    Example(#[from] ExampleError),
    /// An announcement of the demo itself cannot be understood.
    #[error(transparent)]
    Outcome(#[from] InvalidOutcome),
    /// The API server refused an example.
    #[error("examples/{file} cannot be applied")]
    Apply {
        /// Name of the file.
        file: String,
        /// What was refused.
        source: ApplyError,
    },
    /// The API server does not answer.
    #[error("cannot look at an object")]
    Look(#[source] Box<kube::Error>),
    /// kubectl cannot be run.
    #[error("cannot run kubectl")]
    Kubectl(#[source] io::Error),
    /// kubectl failed.
    #[error("`kubectl {arguments}` failed: {output}")]
    KubectlFailed {
        /// Its arguments.
        arguments: String,
        /// What it said.
        output: String,
    },
    /// Standard output is closed.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

impl Error {
    /// The message with those of its sources, which say what is behind it.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    }
}
