//! The control plane itself: it serves, it can be broken, and nothing of it is left behind.
#![allow(clippy::unwrap_used, reason = "all of this is test code, its functions without #[test] too")]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ObjectMeta, PostParams},
};
use rstest::rstest;
use tempfile::TempDir;
use tests::controlplane::{self, Component, ControlPlane, ControllerManager, Options};

/// Far above what it takes, so that a loaded machine is no failure.
const LIMIT: Duration = Duration::from_secs(30);

fn config_map(name: &str) -> ConfigMap {
    ConfigMap { metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }, ..ConfigMap::default() }
}

async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(started.elapsed() < LIMIT, "{what} within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_administrator_works_with_objects_in_a_namespace_of_the_test() {
    let control_plane = controlplane::shared().await;
    let client = control_plane.client().await.unwrap();
    let name = control_plane.labelled_namespace("objects", &[("team", "a")]).await.unwrap();
    assert!(name.starts_with("objects-"), "{name}");
    let namespace = Api::<Namespace>::all(client.clone()).get(&name).await.unwrap();
    assert_eq!(namespace.labels().get("team").map(String::as_str), Some("a"));

    let maps = Api::<ConfigMap>::namespaced(client, &name);
    maps.create(&PostParams::default(), &config_map("one")).await.unwrap();
    assert_eq!(maps.get("one").await.unwrap().name_any(), "one");
}

#[tokio::test]
async fn namespaces_of_one_prefix_differ() {
    let control_plane = controlplane::shared().await;
    let first = control_plane.namespace("same").await.unwrap();
    let second = control_plane.namespace("same").await.unwrap();
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_service_account_may_do_what_its_role_says_and_is_named_in_the_audit_log() {
    let control_plane = controlplane::shared().await;
    let namespace = control_plane.namespace("account").await.unwrap();
    let kubeconfig = control_plane.service_account_kubeconfig(&namespace, "reader").await.unwrap();
    let reader = Api::<ConfigMap>::namespaced(controlplane::client(&kubeconfig).await.unwrap(), &namespace);
    let mark = control_plane.audit().mark().await.unwrap();

    let refused = reader.list(&kube::api::ListParams::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.is_forbidden()));

    control_plane
        .apply_yaml(&format!(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{ name: reader, namespace: {namespace} }}
rules:
- {{ apiGroups: [''], resources: [configmaps], verbs: [list] }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{ name: reader, namespace: {namespace} }}
roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader }}
subjects:
- {{ kind: ServiceAccount, name: reader, namespace: {namespace} }}
"
        ))
        .await
        .unwrap();
    eventually("the role is in force", async || reader.list(&kube::api::ListParams::default()).await.ok()).await;

    let codes = eventually("the last request is logged", async || {
        let events = control_plane.audit().since(mark).await.unwrap();
        let own: Vec<_> =
            events.into_iter().filter(|event| event.is_by_service_account(&namespace, "reader")).collect();
        own.iter().any(|event| event.code == Some(200)).then_some(own)
    })
    .await;
    assert_eq!(codes[0].code, Some(403));
    for event in &codes {
        assert_eq!(event.verb, "list");
        assert_eq!(event.resource.as_deref(), Some("configmaps"));
        assert_eq!(event.namespace.as_deref(), Some(namespace.as_str()));
        assert_eq!(event.name, None);
    }
}

#[tokio::test]
async fn a_second_kubeconfig_of_a_service_account_is_for_the_same_account() {
    let control_plane = controlplane::shared().await;
    let namespace = control_plane.namespace("account").await.unwrap();
    control_plane.service_account_kubeconfig(&namespace, "twice").await.unwrap();
    control_plane.service_account_kubeconfig(&namespace, "twice").await.unwrap();
    let accounts = Api::<ServiceAccount>::namespaced(control_plane.client().await.unwrap(), &namespace);
    assert_eq!(accounts.get("twice").await.unwrap().name_any(), "twice");
}

#[tokio::test]
async fn a_kind_is_defined_restricted_by_a_policy_and_used_in_one_text() {
    let control_plane = controlplane::shared().await;
    let namespace = control_plane.namespace("kinds").await.unwrap();
    let objects = format!(
        "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{ name: probes.example.org }}
spec:
  group: example.org
  scope: Namespaced
  names: {{ kind: Probe, plural: probes }}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {{ type: object, properties: {{ size: {{ type: integer }} }} }}
---
---
apiVersion: example.org/v1
kind: Probe
metadata: {{ name: small, namespace: {namespace} }}
spec: {{ size: 1 }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{ name: probes.example.org }}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {{ apiGroups: [example.org], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [probes] }}
  validations:
  - expression: object.spec.size < 10
    message: too large
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{ name: probes.example.org }}
spec: {{ policyName: probes.example.org, validationActions: [Deny] }}
"
    );
    let applied = control_plane.apply_yaml(&objects).await.unwrap();
    assert_eq!(applied.len(), 4);
    assert_eq!(applied[1].name_any(), "small");

    let large = format!(
        "apiVersion: example.org/v1\nkind: Probe\nmetadata: {{ name: large, namespace: {namespace} }}\nspec: {{ size: 10 }}"
    );
    let refusal = eventually("the policy is in force", async || {
        control_plane.apply_yaml(&large).await.err().map(|error| format!("{error:?}"))
    })
    .await;
    assert!(refusal.contains("too large"), "{refusal}");
}

#[tokio::test]
async fn a_document_without_a_name_is_refused_with_its_place() {
    let control_plane = controlplane::shared().await;
    let error = control_plane.apply_yaml("apiVersion: v1\nkind: ConfigMap\n").await.unwrap_err();
    assert_eq!(error.to_string(), "document 1 has no metadata.name");
}

#[tokio::test]
async fn controllers_remove_a_deleted_namespace_and_what_an_owner_leaves_behind() {
    let control_plane = controlplane::shared().await;
    let client = control_plane.client().await.unwrap();
    let name = control_plane.namespace("garbage").await.unwrap();
    let maps = Api::<ConfigMap>::namespaced(client.clone(), &name);
    let owner = maps.create(&PostParams::default(), &config_map("owner")).await.unwrap();
    let mut dependent = config_map("dependent");
    dependent.metadata.owner_references = kube::Resource::owner_ref(&owner, &()).map(|reference| vec![reference]);
    maps.create(&PostParams::default(), &dependent).await.unwrap();

    maps.delete("owner", &DeleteParams::default()).await.unwrap();
    eventually("the dependent object is gone", async || {
        maps.get_opt("dependent").await.unwrap().is_none().then_some(())
    })
    .await;

    let namespaces = Api::<Namespace>::all(client);
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
    eventually("the namespace is gone", async || namespaces.get_opt(&name).await.unwrap().is_none().then_some(()))
        .await;
}

#[tokio::test]
async fn kubectl_reaches_the_server_and_both_have_the_same_version() {
    let control_plane = controlplane::shared().await;
    let output = control_plane.kubectl().args(["version", "--output=json"]).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let version: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let server = &version["serverVersion"]["gitVersion"];
    assert!(server.as_str().is_some_and(|text| text.starts_with("v1.")), "{version}");
    assert_eq!(server, &version["clientVersion"]["gitVersion"]);
}

#[rstest]
#[case::etcd(Component::Etcd)]
#[case::apiserver(Component::Apiserver)]
#[tokio::test]
async fn a_component_that_was_killed_comes_back_with_its_data(#[case] component: Component) {
    let options = Options { controller_manager: ControllerManager::Omit };
    let control_plane = ControlPlane::start(options).await.unwrap();
    let client = control_plane.client().await.unwrap();
    let maps = Api::<ConfigMap>::namespaced(client, "default");
    maps.create(&PostParams::default(), &config_map("kept")).await.unwrap();

    control_plane.kill(component).await.unwrap();
    let (params, lost) = (PostParams::default(), config_map("lost"));
    let written = tokio::time::timeout(Duration::from_secs(2), maps.create(&params, &lost)).await;
    assert!(!matches!(written, Ok(Ok(_))), "nothing can be written without {component}");

    control_plane.restart(component).await.unwrap();
    assert_eq!(maps.get("kept").await.unwrap().name_any(), "kept");
    control_plane.stop().await.unwrap();
}

#[tokio::test]
async fn stop_leaves_no_file_and_no_process() {
    let options = Options { controller_manager: ControllerManager::Omit };
    let control_plane = ControlPlane::start(options).await.unwrap();
    let directory = control_plane.directory().to_owned();
    assert_eq!(processes_in(&directory).len(), 2);
    control_plane.stop().await.unwrap();
    assert!(!directory.exists());
    assert_eq!(processes_in(&directory), Vec::<PathBuf>::new());
}

/// How the program that owns a control plane comes to its end.
#[derive(Debug)]
enum End {
    Kill,
    Interrupt,
    StdinEnds,
}

#[rstest]
#[case::killed(End::Kill)]
#[case::interrupted(End::Interrupt)]
#[case::standard_input_ends(End::StdinEnds)]
#[tokio::test]
async fn nothing_is_left_behind_however_the_owner_ends(#[case] end: End) {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_controlplane"))
        .arg("--until-stdin-ends")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(owner.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let kubeconfig = PathBuf::from(line.trim_end());
    let client: Client = controlplane::client(&kubeconfig).await.unwrap();
    client.apiserver_version().await.unwrap();
    let directory = kubeconfig.parent().unwrap().to_owned();
    assert_eq!(processes_in(&directory).len(), 3);

    end_by(&end, &mut owner);

    eventually("the directory and the processes are gone", async || {
        (!directory.exists() && processes_in(&directory).is_empty()).then_some(())
    })
    .await;
    owner.wait().unwrap();
    assert!(client.apiserver_version().await.is_err());
}

fn end_by(end: &End, owner: &mut Child) {
    match end {
        End::Kill => owner.kill().unwrap(),
        End::Interrupt => {
            let kill = Command::new("kill").args(["-INT", &owner.id().to_string()]).status().unwrap();
            assert!(kill.success());
        }
        End::StdinEnds => drop(owner.stdin.take()),
    }
}

/// The programs of the control plane that work in a directory, which the kernel still names when it is removed.
fn processes_in(directory: &Path) -> Vec<PathBuf> {
    let names = ["etcd", "kube-apiserver", "kube-controller-manager"];
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|process| {
            fs::read_link(process.join("cwd"))
                .is_ok_and(|cwd| cwd.to_string_lossy().trim_end_matches(" (deleted)") == directory.to_string_lossy())
        })
        .filter_map(|process| fs::read_link(process.join("exe")).ok())
        .filter(|program| names.iter().any(|name| program.ends_with(name)))
        .collect()
}

/// A machine on which the programs have never been built, with a `go` of the test's making or none.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(TempDir::new().unwrap());
        fs::create_dir(machine.path("bin")).unwrap();
        fs::create_dir(machine.path("assets")).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(self, name: &str, script: &str) -> Self {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// Links a program of the test's machine.
    fn has(self, name: &str) -> Self {
        let path = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|directory| directory.join(name))
            .find(|path| path.is_file())
            .unwrap();
        symlink(path, self.path("bin").join(name)).unwrap();
        self
    }

    fn start(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_controlplane"))
            .env("PATH", self.path("bin"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("KUBEBUILDER_ASSETS", self.path("assets"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

/// What a program that failed has said.
fn complaint(program: Child) -> String {
    let output = program.wait_with_output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

/// Writes a program that fails to the file that `go build -o` names.
const GO: &str = r#"
while [ "$1" != -o ]; do shift; done
echo "$3" >>"${0%/*}/built"
sleep 0.2
printf '#!/bin/sh\necho out of order; exit 3\n' >"$2"
chmod +x "$2"
"#;

#[test]
fn without_go_the_missing_programs_are_named() {
    let machine = Machine::new().program("assets/etcd", "exit 3").program("assets/kubectl", "exit 3");
    let complaint = complaint(machine.start());
    assert!(complaint.contains("kube-apiserver, kube-controller-manager must be built"), "{complaint}");
    assert!(complaint.contains("no `go` on the PATH"), "{complaint}");
}

#[test]
fn a_failed_build_is_reported_with_what_go_said() {
    let machine = Machine::new().program("bin/go", "echo 'no space left on device' >&2; exit 7");
    let complaint = complaint(machine.start());
    assert!(complaint.contains("`go build` of etcd failed (exit status: 7)"), "{complaint}");
    assert!(complaint.contains("no space left on device"), "{complaint}");
}

#[test]
fn concurrent_callers_build_each_program_once() {
    let machine = ["chmod", "cat", "mv", "rm", "sh", "sleep"]
        .into_iter()
        .fold(Machine::new().program("bin/go", GO), Machine::has);
    let callers = [machine.start(), machine.start(), machine.start()];
    for caller in callers {
        let complaint = complaint(caller);
        assert!(complaint.contains("etcd ended with status 3"), "{complaint}");
        assert!(complaint.contains("out of order"), "{complaint}");
    }
    let built = fs::read_to_string(machine.path("bin/built")).unwrap();
    assert_eq!(
        built.lines().collect::<Vec<_>>(),
        [
            "go.etcd.io/etcd/server/v3",
            "k8s.io/kubernetes/cmd/kube-apiserver",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            "k8s.io/kubernetes/cmd/kubectl",
        ]
    );
}
