//! The commands of the documentation install an operator that works.
//!
//! There is no kubelet, so this suite does what one does for the operator's pod, no more: it runs the container's program with the
//! container's arguments and the token of the pod's account, asks the probe that the pod names, and reports what it
//! hears as the pod's status. Helm waits for that, as it does in a cluster.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;
use tests::{
    jira,
    operator::{Operator, Settings},
    stage::{Kind, Stage, Way},
    tools::Tools,
};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Release and namespace that the documentation names, and so the account.
const NAME: &str = "jira-connection-operator";

/// Far above what it takes, so that a loaded machine is no failure.
const LIMIT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(100);

/// Longer than helm takes to see that a Deployment is complete.
const EARLY: Duration = Duration::from_secs(3);

/// The commands of a page that begin so, each with its continued lines joined.
fn commands(page: &str, beginning: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(ROOT).join(page)).unwrap().replace("\\\n", " ");
    text.lines().map(str::trim).filter(|line| line.starts_with(beginning)).map(str::to_owned).collect()
}

/// The one command of a page that begins so.
fn command(page: &str, beginning: &str) -> String {
    let mut found = commands(page, beginning);
    assert_eq!(found.len(), 1, "{beginning} in {page}: {found:?}");
    found.remove(0)
}

/// Runs a line as a person at the root of the repository would.
async fn person(stage: &Stage, line: &str) -> Command {
    let helm = Tools::locate().await.unwrap().helm();
    let mut shell = Command::new("sh");
    let directories = [helm.as_std().get_program(), stage.control_plane.kubectl().as_std().get_program()]
        .map(|program| Path::new(program).parent().unwrap().display().to_string());
    shell
        .args(["-e", "-c", line])
        .current_dir(ROOT)
        .env("PATH", format!("{}:{}", directories.join(":"), std::env::var("PATH").unwrap()))
        .env("KUBECONFIG", stage.control_plane.kubeconfig())
        .env("HELM_CONFIG_HOME", stage.control_plane.directory())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    shell
}

async fn done(shell: Child) -> String {
    let output = timeout(LIMIT, shell.wait_with_output()).await.unwrap().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(output.status.success(), "{said}");
    said
}

fn pods(stage: &Stage) -> Api<Pod> {
    Api::namespaced(stage.client.clone(), NAME)
}

/// The operator's pod, once there is one that is not on its way out.
async fn pod(stage: &Stage, shell: &mut Child) -> Pod {
    let started = Instant::now();
    loop {
        let listed = pods(stage).list(&ListParams::default()).await.unwrap().items;
        let mut made = listed.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        if let Some(pod) = made.next() {
            assert!(made.next().is_none(), "one replica");
            return pod;
        }
        assert!(started.elapsed() < LIMIT && shell.try_wait().unwrap().is_none(), "no pod is made");
        tokio::time::sleep(POLL).await;
    }
}

/// Flags that stand for the place where the program runs: ports that are free here, and the loopback network, where the Jiras are.
const OF_THE_PLACE: [&str; 3] = ["--metrics-address=", "--probe-address=", "--denied-networks="];

/// Runs the program of a pod's container as its kubelet would.
async fn run(stage: &Stage, pod: &Pod) -> Operator {
    let spec = pod.spec.as_ref().unwrap();
    let [container] = &spec.containers[..] else { panic!("one container") };
    let probe = container.readiness_probe.as_ref().unwrap().http_get.as_ref().unwrap();
    assert_eq!(probe.path.as_deref(), Some("/readyz"), "which is what `Operator` waits for");
    let arguments = container.args.clone().unwrap();
    let arguments = arguments.into_iter().filter(|it| !OF_THE_PLACE.iter().any(|flag| it.starts_with(flag))).collect();
    let settings = Settings::for_simulator(stage.control_plane, jira::shared());
    let settings = Settings {
        account: spec.service_account_name.clone().unwrap(),
        // Whatever it may do, the chart has given it.
        rights: json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAME } }).to_string(),
        atlassian_auth_url: None,
        atlassian_api_url: None,
        arguments,
        ..settings
    };
    Operator::start(settings).await.unwrap()
}

/// Reports that the container runs and its probe succeeds.
async fn report_ready(stage: &Stage, pod: &Pod) {
    let container = &pod.spec.as_ref().unwrap().containers[0];
    let condition =
        |kind: &str| json!({ "type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z" });
    let running = json!({
        "name": container.name, "image": container.image, "imageID": "", "ready": true, "restartCount": 0,
        "state": { "running": { "startedAt": "2026-01-01T00:00:00Z" } },
    });
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(condition);
    let status = json!({ "status": { "phase": "Running", "conditions": conditions, "containerStatuses": [running] } });
    let name = pod.metadata.name.as_deref().unwrap();
    pods(stage).patch_status(name, &PatchParams::default(), &Patch::Strategic(status)).await.unwrap();
}

/// Installs with a line of the documentation. Returns the operator, ready, and what helm said.
async fn install(stage: &Stage, line: &str) -> (Operator, String) {
    assert!(line.contains("--wait"), "{line}");
    let mut helm = person(stage, &line.replace("REGISTRY", "registry.acme.example")).await.spawn().unwrap();
    let pod = pod(stage, &mut helm).await;
    let image = pod.spec.as_ref().unwrap().containers[0].image.as_deref().unwrap();
    assert!(image.starts_with("registry.acme.example/jira-connection-operator:"), "{image}");
    assert!(timeout(EARLY, helm.wait()).await.is_err(), "helm does not wait for the operator");
    let operator = run(stage, &pod).await;
    report_ready(stage, &pod).await;
    let said = done(helm).await;
    (operator, said)
}

#[tokio::test]
async fn the_commands_of_the_documentation_install_an_operator_that_makes_connections_ready() {
    let stage = Stage::without_operator("installed").await;

    let (operator, said) = install(&stage, &command("README.md", "helm install")).await;
    assert!(said.contains("STATUS: deployed"), "{said}");
    stage.connect("acme", Way::PersonalAccessToken, &["WEB"]).await;
    let binding = json!({ "connectionRef": { "name": "acme" }, "workspace": "web", "projects": [{ "key": "WEB" }] });
    stage.apply(Kind::Binding, "web", binding).await;
    let wait = command("README.md", "kubectl wait").replace("-n platform", &format!("-n {}", stage.namespace));
    done(person(&stage, &wait).await.spawn().unwrap()).await;
    stage.until_ready(Kind::Binding, "web").await;
    assert_eq!(operator.stop().await.unwrap(), Some(0));

    let page = "docs/installing.md";
    done(person(&stage, &command(page, "helm uninstall")).await.spawn().unwrap()).await;
    assert!(stage.get(Kind::Connection, "acme").await.is("Ready"), "connections stay");

    // Its other values reach the operator: the simulated Jira is none of the allowed hosts.
    let (operator, _) = install(&stage, &command(page, "helm install")).await;
    stage.until_reason(Kind::Connection, "acme", "HostNotAllowed").await;
    // Whoever is told to label the namespace can.
    done(person(&stage, &command(page, "kubectl label namespace")).await.spawn().unwrap()).await;
    assert_eq!(operator.stop().await.unwrap(), Some(0));
}

#[test]
fn a_command_of_several_lines_is_one() {
    let line = command("docs/installing.md", "helm install");
    assert!(line.contains("--create-namespace") && line.ends_with("--wait"), "{line}");
}
