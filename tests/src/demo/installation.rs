//! A control plane, the Jiras of the examples, and the operator between them.

use std::time::{Duration, Instant};

use crds::{JiraConnection, WorkspaceBinding};
use kube::{Api, Client};

use super::{
    Error,
    example::Example,
    outcome::{Kind, Outcome, Seen},
    world::World,
};
use crate::{
    controlplane::ControlPlane,
    operator::{Operator, Settings},
};

/// Pause between two looks at an object.
const POLL: Duration = Duration::from_millis(100);

/// Everything that the examples need.
#[derive(Debug)]
pub struct Installation {
    /// The operator. The first field, so that it ends before what it works on.
    pub operator: Operator,
    /// The Jiras.
    pub world: World,
    /// The control plane.
    pub control_plane: ControlPlane,
}

/// What was announced and did not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What was announced.
    pub announced: Outcome,
    /// What there was at the end. Absent: nothing that speaks of the object as it is.
    pub seen: Option<Seen>,
}

impl Installation {
    /// Starts the operator between a control plane and the Jiras.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn open(control_plane: ControlPlane, world: World) -> Result<Self, Error> {
        let operator = Operator::start(Settings::for_simulator(&control_plane, world.cloud())).await?;
        Ok(Self { operator, world, control_plane })
    }

    /// Applies an example with the simulators in the place of its hosts.
    ///
    /// # Errors
    ///
    /// When the API server refuses an object.
    pub async fn apply(&self, example: &Example) -> Result<(), Error> {
        let fitted = self.world.fit(&example.text)?;
        let applied = self.control_plane.apply_yaml(&fitted).await;
        applied.map(drop).map_err(|source| Error::Apply { file: example.file.clone(), source })
    }

    /// Waits until all outcomes have come, and returns those that have not within `limit`.
    ///
    /// # Errors
    ///
    /// When the API server does not answer.
    pub async fn differences(&self, announced: &[Outcome], limit: Duration) -> Result<Vec<Difference>, Error> {
        let client = self.control_plane.client().await?;
        let started = Instant::now();
        loop {
            let mut differences = Vec::new();
            for announced in announced {
                let seen = look(&client, announced).await?;
                if seen.as_ref().map(|seen| &seen.outcome) != Some(announced) {
                    differences.push(Difference { announced: announced.clone(), seen });
                }
            }
            if differences.is_empty() || started.elapsed() > limit {
                return Ok(differences);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Looks at the object of an outcome.
    ///
    /// # Errors
    ///
    /// When the API server does not answer.
    pub async fn look(&self, announced: &Outcome) -> Result<Option<Seen>, Error> {
        look(&self.control_plane.client().await?, announced).await
    }

    /// Runs `kubectl` as an admin and returns what it prints.
    ///
    /// # Errors
    ///
    /// When it cannot be run or fails.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        let output = self.control_plane.kubectl().args(arguments).output().await.map_err(Error::Kubectl)?;
        if !output.status.success() {
            let output = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Error::KubectlFailed { arguments: arguments.join(" "), output });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Ends everything and returns when that is done.
    ///
    /// # Errors
    ///
    /// When the operator or the control plane does not end.
    pub async fn close(self) -> Result<(), Error> {
        if self.operator.is_running() {
            self.operator.stop().await?;
        }
        drop(self.operator);
        Ok(self.control_plane.stop().await?)
    }
}

async fn look(client: &Client, announced: &Outcome) -> Result<Option<Seen>, Error> {
    let Outcome { namespace, name, .. } = announced;
    let failed = |source| Error::Look(Box::new(source));
    Ok(match announced.kind {
        Kind::JiraConnection => {
            let found =
                Api::<JiraConnection>::namespaced(client.clone(), namespace).get_opt(name).await.map_err(failed)?;
            found.as_ref().and_then(Seen::connection)
        }
        Kind::WorkspaceBinding => {
            let found =
                Api::<WorkspaceBinding>::namespaced(client.clone(), namespace).get_opt(name).await.map_err(failed)?;
            found.as_ref().and_then(Seen::binding)
        }
    })
}
