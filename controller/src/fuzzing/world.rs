//! Where questions are asked without a network: answers come from a script, and the clock stands still.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};
use url::Url;

use crate::jira::{Network, NetworkConfig, rehearsal};

/// The longest that a course of questions may wait, by its own clock: for turns, and for nothing that an answer asks for.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// One for all: a client that nobody has used before takes long to build, since it reads which authorities the system trusts.
static WORLD: LazyLock<Mutex<(Network, Runtime)>> = LazyLock::new(|| {
    rustls::crypto::ring::default_provider().install_default().ok();
    let url = |text| Url::parse(text).expect("a constant URL");
    let config = NetworkConfig {
        atlassian_auth_url: url("https://auth.atlassian.example"),
        atlassian_api_url: url("https://api.atlassian.example"),
        allowed_hosts: vec!["*".parse().expect("a constant pattern")],
        denied_networks: Vec::new(),
        extra_ca: Vec::new(),
        proxy: None,
    };
    let network = Network::new(config).expect("a network without certificates of its own");
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    Mutex::new((network, runtime.expect("a runtime without threads")))
});

/// Runs a course of questions, which are answered as the script says, and asserts that it waits no longer than it may.
pub(super) fn run(script: &[u8], course: impl AsyncFnOnce(&Network)) {
    let world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    let (network, runtime) = &*world;
    runtime.block_on(async {
        rehearsal::rehearse(script);
        let begun = Instant::now();
        course(network).await;
        assert!(begun.elapsed() < PATIENCE, "an answer has made a question wait for {:?}", begun.elapsed());
        rehearsal::end();
        network.forget_limits();
    });
}
