//! Requests in somebody's name, and what the API server makes of them.

use std::{
    fmt,
    time::{Duration, Instant},
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tests::{
    chart::{CHART, helm},
    controlplane::{self, ControlPlane},
    tools::Tools,
};
use tokio::process::Command;

/// Far above what it takes, so that a loaded machine is no failure.
const LIMIT: Duration = Duration::from_secs(40);

pub(crate) async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(started.elapsed() < LIMIT, "{what} within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A `helm` with the rights of the administrator of a control plane.
pub(crate) async fn installer(control_plane: &ControlPlane) -> Command {
    let mut command = Tools::locate().await.unwrap().helm();
    command.env("KUBECONFIG", control_plane.kubeconfig());
    command
}

/// Installs the chart as a release whose name is that of its namespace, and returns the notes.
pub(crate) async fn install(control_plane: &ControlPlane, name: &str, values: &str) -> String {
    let mut command = installer(control_plane).await;
    command.args(["install", name, CHART, "--namespace", name, "--values", "-", "--set", "image.repository=operator"]);
    helm(command, values).await.unwrap()
}

/// A client of a user, who exists by being named.
pub(crate) async fn user(name: &str, groups: &[&str]) -> Client {
    let kubeconfig = Kubeconfig::read_from(controlplane::shared().await.kubeconfig()).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.auth_info.impersonate = Some(name.to_owned());
    config.auth_info.impersonate_groups = Some(groups.iter().map(|group| (*group).to_owned()).collect());
    Client::try_from(config).unwrap()
}

/// What the API server made of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    /// RBAC does not allow it.
    Forbidden,
    /// An admission policy does not allow it, in these words.
    Denied(String),
    /// Something else is wrong.
    Failed(String),
}

/// A request: a verb of RBAC, and the path of a collection or an object.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) verb: &'static str,
    pub(crate) path: String,
    pub(crate) body: Value,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.path)
    }
}

/// Without a body.
pub(crate) fn act(verb: &'static str, path: impl Into<String>) -> Act {
    Act { verb, path: path.into(), body: json!({}) }
}

impl Act {
    pub(crate) fn with(self, body: Value) -> Self {
        Self { body, ..self }
    }

    /// Group, resource with subresource, and verb, as in a rule of a role.
    pub(crate) fn rule(&self) -> (String, String, String) {
        let path = self.path.split('?').next().unwrap();
        let mut words = path.trim_start_matches('/').split('/').collect::<Vec<_>>();
        let group = match words.remove(0) {
            "api" => "",
            _ => words.remove(0),
        };
        // The version.
        words.remove(0);
        if words[0] == "namespaces" && words.len() > 2 {
            words.drain(..2);
        }
        let resource = match words[..] {
            [resource, _, subresource] => format!("{resource}/{subresource}"),
            _ => words[0].to_owned(),
        };
        (group.to_owned(), resource, self.verb.to_owned())
    }

    pub(crate) async fn by(&self, client: &Client) -> Answer {
        let (method, query, kind) = match self.verb {
            "get" | "list" => ("GET", "", "application/json"),
            // The shortest watch there is.
            "watch" => ("GET", "watch=true&timeoutSeconds=1", "application/json"),
            "create" => ("POST", "", "application/json"),
            "update" => ("PUT", "", "application/json"),
            "patch" => ("PATCH", "", "application/merge-patch+json"),
            "apply" => ("PATCH", "fieldManager=chart&force=true", "application/apply-patch+yaml"),
            "delete" | "deletecollection" => ("DELETE", "", "application/json"),
            verb => panic!("no such verb: {verb}"),
        };
        let body = match method {
            "GET" => Vec::new(),
            // A body, even an empty one, would take the place of the query.
            "DELETE" if self.body == json!({}) => Vec::new(),
            "PUT" => serde_json::to_vec(&self.replacement(client).await).unwrap(),
            _ => serde_json::to_vec(&self.body).unwrap(),
        };
        let separator = if self.path.contains('?') { "&" } else { "?" };
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}{separator}{query}", self.path))
            .header("content-type", kind)
            .body(body)
            .unwrap();
        match client.request_text(request).await {
            Ok(_) => Answer::Done,
            Err(kube::Error::Api(status)) if status.message.contains("ValidatingAdmissionPolicy") => {
                Answer::Denied(status.message.clone())
            }
            Err(kube::Error::Api(status)) if status.is_forbidden() => Answer::Forbidden,
            Err(error) => Answer::Failed(format!("{error:?}")),
        }
    }
}

impl Act {
    /// What is there, with the fields of the body, if it can be read: an update says which version it replaces.
    async fn replacement(&self, client: &Client) -> Value {
        let request = http::Request::get(&self.path).body(Vec::new()).unwrap();
        let Ok(mut object) = client.request::<Value>(request).await else { return self.body.clone() };
        for (field, value) in self.body.as_object().into_iter().flatten().filter(|(field, _)| *field != "metadata") {
            object[field] = value.clone();
        }
        object
    }
}

/// Fails with all requests that were answered otherwise.
pub(crate) async fn assert_all(client: &Client, acts: &[Act], expected: impl Fn(&Answer) -> bool) {
    let mut wrong = Vec::new();
    for act in acts {
        let answer = act.by(client).await;
        if !expected(&answer) {
            wrong.push(format!("{act}: {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A namespace with the connection `acme`, the binding `web`, the Secrets `credential` and `acme.jira-authorization`, and the
/// ConfigMap `ca`. The CRDs must be there.
pub(crate) async fn furnished(prefix: &str) -> String {
    let control_plane = controlplane::shared().await;
    let namespace = control_plane.namespace(prefix).await.unwrap();
    furnish(&namespace).await;
    namespace
}

/// The uids of the connection `acme` and the binding `web` of a furnished namespace.
pub(crate) async fn uids(namespace: &str) -> [String; 2] {
    let client = controlplane::shared().await.client().await.unwrap();
    let uid = async |object: &str| {
        let path = format!("/apis/issuetracking.dev/v1alpha1/namespaces/{namespace}/{object}");
        let object: Value = client.request(http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap();
        object["metadata"]["uid"].as_str().unwrap().to_owned()
    };
    [uid("jiraconnections/acme").await, uid("workspacebindings/web").await]
}

pub(crate) async fn furnish(namespace: &str) {
    let yaml = format!(
        "
apiVersion: issuetracking.dev/v1alpha1
kind: JiraConnection
metadata: {{ name: acme, namespace: {namespace} }}
spec:
  url: https://jira.acme.example
  deployment: DataCenter
  auth: {{ personalAccessToken: {{ tokenSecretRef: {{ name: credential, key: token }} }} }}
---
apiVersion: issuetracking.dev/v1alpha1
kind: WorkspaceBinding
metadata: {{ name: web, namespace: {namespace} }}
# Suspended, so that no operator at work minds a Secret that a test makes in its name.
spec: {{ connectionRef: {{ name: acme }}, workspace: web, projects: [{{ key: WEB }}], suspend: true }}
---
apiVersion: v1
kind: Secret
metadata: {{ name: credential, namespace: {namespace} }}
---
apiVersion: v1
kind: Secret
metadata: {{ name: acme.jira-authorization, namespace: {namespace} }}
type: issuetracking.dev/authorization
---
apiVersion: v1
kind: ConfigMap
metadata: {{ name: ca, namespace: {namespace} }}
"
    );
    controlplane::shared().await.apply_yaml(&yaml).await.unwrap();
}
