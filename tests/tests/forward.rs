//! A person authorises through a port-forward: the browser talks to `kubectl jira`, that to the API server, that to the node,
//! and the node to the operator's pages.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use tests::{
    jira,
    node::Node,
    operator::{Operator, Settings},
    plugin::{self, Running},
    scene::{self, NAME, Protocol, Scene},
    stage::{ACCOUNT, Kind, Stage},
};
use tokio::{net::TcpListener, process::Command};

/// Where the operator's own port is, which nobody but the node dials: the public address has another.
async fn inner_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn authorize(kubeconfig: &Path, scene: &Scene, operator: &str) -> Running {
    let mut command = Command::new(plugin::path().await);
    let words = ["authorize", NAME, "--namespace", &scene.stage.namespace, "--operator-namespace", operator];
    command.env_clear().env("KUBECONFIG", kubeconfig).args(words);
    Running::start(command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_authorises_through_a_port_forward() {
    let stage = Stage::without_operator("forward").await;
    let (control_plane, port) = (stage.control_plane, inner_port().await);
    let settings = Settings::for_simulator(control_plane, jira::shared());
    let pages = [format!("--public-url={}", scene::public_url()), format!("--pages-address=127.0.0.1:{port}")];
    let _operator = Operator::start(Settings { arguments: pages.to_vec(), ..settings }).await.unwrap();

    let home = control_plane.namespace("operator").await.unwrap();
    // An account for the pod: the one that every namespace gets may not be there yet.
    control_plane.service_account_kubeconfig(&home, "operator").await.unwrap();
    let node = Node::start(&stage.client, "node").await;
    node.run(&home, "operator-0", port).await;

    let scene = Scene::on(stage, Protocol::Cloud, |_| {}, |_| {});
    scene.connect().await;
    let mut running = authorize(control_plane.kubeconfig(), &scene, &home).await;
    let address = running.line(scene::public_url()).await;
    let person = scene.person(ACCOUNT);
    let page = person.open(&address).await.unwrap();
    person.click(&page, "start", &[]).await.unwrap();
    let attempt = scene.owned("authorization").await.unwrap()["attempt"].clone();
    let callback = person.consent(attempt["authorizationUrl"].as_str().unwrap()).await.unwrap();
    let result = person.open(&callback).await.unwrap();
    assert_eq!(result.status, 200, "{result:?}");

    let ended = running.end().await.expect(0);
    assert!(ended.stdout.contains("Granted"), "{ended:?}");
    scene.stage.until_ready(Kind::Connection, NAME).await;
}
