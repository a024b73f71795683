//! What a measurement runs on: a control plane, a simulator and an operator of its own.

use std::time::{Duration, Instant};

use kube::Client;
use tests::{
    controlplane::{ControlPlane, ControllerManager, Options},
    jira::Simulator,
    operator::{Operator, Settings},
};

use super::{Arguments, process::Process};

/// Controllers would share the processors and act on nothing here.
const OPTIONS: Options = Options { controller_manager: ControllerManager::Omit };

/// A control plane, a simulator and an operator.
pub struct Rig {
    /// Dropped first: it runs against the others.
    pub operator: Operator,
    pub simulator: Simulator,
    pub control_plane: ControlPlane,
    pub client: Client,
}

impl Rig {
    /// Starts everything but the operator, which is only installed.
    pub async fn build(arguments: &Arguments) -> Self {
        let control_plane = ControlPlane::start(OPTIONS).await.unwrap();
        let simulator = Simulator::start(tests::jira::Options::default()).unwrap();
        let mut settings = Settings::for_simulator(&control_plane, &simulator);
        settings.program = arguments.program();
        settings.arguments.clone_from(&arguments.operator_arguments);
        let operator = Operator::prepare(settings).await.unwrap();
        let client = control_plane.client().await.unwrap();
        Self { operator, simulator, control_plane, client }
    }

    /// Starts the operator, or starts it anew, and returns how long it took until it was ready for work.
    pub async fn start(&self) -> Duration {
        self.operator.kill().await.unwrap();
        let started = Instant::now();
        self.operator.restart().await.unwrap();
        started.elapsed()
    }

    /// The operator's process.
    pub fn process(&self) -> Process {
        Process(self.operator.process_id().unwrap())
    }

    /// The memory of an operator that has nothing to do, in MiB.
    pub async fn base(&self) -> f64 {
        self.start().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.process().peak()
    }
}
