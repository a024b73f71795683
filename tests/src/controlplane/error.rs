//! Why a control plane does not start or cannot be used.

use std::{error::Error as _, io, path::PathBuf};

use super::{Component, READY_LIMIT, port};
use crate::go;

/// Failure to start or use a control plane.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The programs are not there and cannot be built.
    #[error(transparent)]
    Binaries(#[from] go::Error),
    /// A key or certificate cannot be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A file of the control plane cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The shell that runs the components cannot be started or does not answer.
    #[error("the shell that runs the components cannot {action}")]
    Supervisor {
        /// What it was to do.
        action: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// A component ended before it served.
    #[error("{component} ended with status {status} before it was ready; its log ends:\n{log}")]
    Ended {
        /// The component.
        component: Component,
        /// Exit status in the words of the shell: 128 + signal for a signal.
        status: String,
        /// The last lines of its log.
        log: String,
    },
    /// The components run, but do not serve.
    #[error("{component} was not ready within {} s; its log ends:\n{log}", READY_LIMIT.as_secs())]
    NotReady {
        /// The component that was waited for.
        component: Component,
        /// The last lines of its log.
        log: String,
    },
    /// All loopback ports that were tried are taken.
    #[error("there is no free loopback port in {}..{}", port::RANGE.start, port::RANGE.end)]
    NoFreePort,
    /// A kubeconfig of the control plane cannot be used.
    #[error("cannot use the kubeconfig {}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<kube::config::KubeconfigError>,
    },
    /// The API server refused a request or did not answer.
    #[error("request to the API server failed")]
    Request(#[source] Box<kube::Error>),
    /// The API server issued no token.
    #[error("the API server issued no token for service account {namespace}/{name}")]
    TokenMissing {
        /// Namespace of the service account.
        namespace: String,
        /// Name of the service account.
        name: String,
    },
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Request(Box::new(error))
    }
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
