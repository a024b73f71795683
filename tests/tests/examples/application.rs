//! The Job of `15-application.yaml`, run as the kubelet would: its command, with the Secret as files.

use std::{collections::BTreeMap, fs, path::Path, process::Output};

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Container, PodSpec, Secret},
};
use kube::Api;
use serde_json::Value;
use tests::demo::Installation;
use tokio::process::Command;

const NAMESPACE: &str = "reports";
const SITE: &str = "acme.atlassian.example";
const SUMMARY: &str = "The nightly report failed";

/// Account of the connection.
const SERVICE: &str = "712020:4b9d2c1e-5a77-4c1b-8f43-90c1a2d3e4f5";

/// Runs the Job, and asserts that Jira has got the issue: with the lent token, in the project, assigned to the account.
pub(crate) async fn pushes_an_issue(installation: &Installation) {
    let client = installation.control_plane.client().await.unwrap();
    let job = Api::<Job>::namespaced(client.clone(), NAMESPACE).get("nightly-report").await.unwrap();
    let pod = job.spec.unwrap().template.spec.unwrap();
    let mounted = tempfile::tempdir().unwrap();
    let secrets = Api::<Secret>::namespaced(client, NAMESPACE);
    let token = mount(&pod, &secrets, mounted.path()).await;
    let mark = installation.world.cloud().journal().mark();

    let output = run(&pod.containers[0], mounted.path()).await;
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let created: Value = serde_json::from_slice(&output.stdout).unwrap();

    let entries = installation.world.cloud().journal().of(SITE, mark);
    let pushed: Vec<_> = entries.iter().filter(|entry| entry.path.ends_with("/rest/api/3/issue")).collect();
    let [pushed] = pushed[..] else { panic!("{entries:#?}") };
    assert_eq!((pushed.listener.as_str(), pushed.status), ("api", Some(201)));
    assert!(pushed.carried("Authorization", &format!("Bearer {token}")));
    assert_eq!(pushed.account.as_deref(), Some(SERVICE));

    let jira = installation.world.cloud().instance(SITE).unwrap();
    let web = jira.projects.iter().find(|project| project.key == "WEB").unwrap();
    let issue = web.issues.iter().find(|issue| created["key"] == issue.key).unwrap();
    assert_eq!((issue.summary.as_str(), issue.assignee.as_deref()), (SUMMARY, Some(SERVICE)));
}

/// Where a path of the container is on this machine.
fn inside(root: &Path, path: &str) -> std::path::PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// Writes each Secret that the pod mounts as files, and returns the access token.
async fn mount(pod: &PodSpec, secrets: &Api<Secret>, root: &Path) -> String {
    let mut token = None;
    for mount in pod.containers[0].volume_mounts.iter().flatten() {
        let folder = inside(root, &mount.mount_path);
        fs::create_dir_all(&folder).unwrap();
        let volume = pod.volumes.iter().flatten().find(|volume| volume.name == mount.name).unwrap();
        let Some(source) = &volume.secret else { continue };
        let secret = secrets.get(source.secret_name.as_deref().unwrap()).await.unwrap();
        for (key, value) in secret.data.unwrap() {
            if key == "accessToken" {
                token = Some(String::from_utf8(value.0.clone()).unwrap());
            }
            fs::write(folder.join(key), value.0).unwrap();
        }
    }
    token.unwrap()
}

/// Runs the container's command with its environment, with the folders of the container below `root`.
async fn run(container: &Container, root: &Path) -> Output {
    let here = |text: &str| {
        let mounts = container.volume_mounts.iter().flatten().map(|mount| mount.mount_path.as_str());
        let roots: BTreeMap<_, _> = mounts.map(|path| (path, inside(root, path).display().to_string())).collect();
        roots.iter().fold(text.to_owned(), |text, (path, place)| text.replace(path, place))
    };
    let environment = container.env.iter().flatten().map(|variable| {
        let value = variable.value.clone().unwrap();
        let value = if value.starts_with('/') { inside(root, &value).display().to_string() } else { value };
        (variable.name.clone(), value)
    });
    let (program, arguments) = container.command.as_ref().unwrap().split_first().unwrap();
    // An empty bundle in the place of the public authorities, which sign nothing here.
    let public = root.join("public.crt");
    fs::write(&public, "").unwrap();
    let mut command = Command::new(program);
    command.args(arguments.iter().map(|argument| here(argument)));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("CURL_CA_BUNDLE", public);
    command.envs(environment).kill_on_drop(true).output().await.unwrap()
}
