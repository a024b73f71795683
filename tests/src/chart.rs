//! The chart, rendered by helm, and the manifests of `config/` that are generated from it.

use std::{collections::BTreeSet, io, process::Stdio};

use serde::Deserialize;
use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{go, tools::Tools};

/// Directory of the chart.
pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/jira-connection-operator");

/// Name of the release that the manifests of `config/` are rendered as, and of its namespace.
pub const RELEASE: &str = "jira-connection-operator";

/// Values of the manifests of `config/`. The image has no registry: whoever applies them names one.
const VALUES: &str = "image: { repository: jira-connection-operator }";

/// What tells that helm looks after an object, which is not so when it is applied by kubectl.
const HELM_LABELS: [&str; 2] = ["app.kubernetes.io/managed-by: Helm", "helm.sh/chart: "];

/// The templates of the operator's account and its rights.
const RIGHTS: [&str; 3] = ["serviceaccount", "clusterrole", "leaserole"];

/// The namespace of the operator, which a chart does not make: helm's `--create-namespace` does.
const NAMESPACE: &str = "\
apiVersion: v1
kind: Namespace
metadata:
  name: jira-connection-operator
  labels:
    # The operator needs no privilege on its node.
    pod-security.kubernetes.io/enforce: restricted
";

/// Failure to render the chart.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no helm.
    #[error(transparent)]
    Tools(#[from] go::Error),
    /// Helm cannot be run.
    #[error("cannot run helm")]
    Run(#[source] io::Error),
    /// Helm refused.
    #[error("`helm {command}` failed:\n{output}")]
    Helm {
        /// Its subcommand.
        command: String,
        /// What it said.
        output: String,
    },
}

/// Runs helm with values on its standard input and returns what it writes.
///
/// # Errors
///
/// When it cannot be run, or refuses.
pub async fn helm(mut command: Command, values: &str) -> Result<String, Error> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(Error::Run)?;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(values.as_bytes()).await {
            // It refused its arguments before it read the values, and says so.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            written => written.map_err(Error::Run)?,
        }
    }
    let output = child.wait_with_output().await.map_err(Error::Run)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let subcommand = command.as_std().get_args().next().map(|it| it.to_string_lossy().into_owned());
    Err(Error::Helm {
        command: subcommand.unwrap_or_default(),
        output: text(&output.stdout) + text(&output.stderr).as_str(),
    })
}

/// Renders the chart as `helm template` does, without the CRDs unless `arguments` ask for them.
///
/// # Errors
///
/// When the values are refused.
pub async fn template(release: &str, namespace: &str, values: &str, arguments: &[&str]) -> Result<String, Error> {
    let mut command = Tools::locate().await?.helm();
    command.args(["template", release, CHART, "--namespace", namespace, "--values", "-"]).args(arguments);
    helm(command, values).await
}

/// The namespace of the operator, and what the chart renders of an account of this name in it, with its rights and what confines them:
/// for the cluster, or for a few namespaces, which must exist when it is applied. The Lease has the same name.
///
/// # Errors
///
/// When the chart cannot be rendered.
pub async fn rights(account: &str, namespaces: &[&str]) -> Result<String, Error> {
    let values = format!("{VALUES}\nfullnameOverride: {account}\nwatchNamespaces: [{}]", namespaces.join(", "));
    let more = if namespaces.is_empty() { &["ownsecrets"][..] } else { &["ownsecrets", "role"] };
    let shown: Vec<_> = RIGHTS.iter().chain(more).map(|name| format!("--show-only=templates/{name}.yaml")).collect();
    let shown: Vec<_> = shown.iter().map(String::as_str).collect();
    Ok(format!("{NAMESPACE}{}", template(RELEASE, RELEASE, &values, &shown).await?))
}

/// One verb on one resource, as a rule of a role grants it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// Where a Role grants it. Absent: everywhere, by a `ClusterRole`.
    pub namespace: Option<String>,
    /// Group of the API; empty for the core group.
    pub group: String,
    /// Plural of the resource, with its subresource: `jiraconnections/status`.
    pub resource: String,
    /// Verb of RBAC.
    pub verb: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
}

/// Every right that the roles in a YAML text grant.
///
/// # Panics
///
/// When the text is no YAML, or a rule is not for resources.
#[must_use]
pub fn granted(yaml: &str) -> BTreeSet<Right> {
    let mut granted = BTreeSet::new();
    for document in serde_yaml::Deserializer::from_str(yaml) {
        let object = Value::deserialize(document).unwrap_or_else(|error| panic!("{error} in:\n{yaml}"));
        let rules: Vec<Rule> = match object.get("rules") {
            Some(rules) => serde_json::from_value(rules.clone()).unwrap_or_else(|error| panic!("{error} in {rules}")),
            None => continue,
        };
        let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
        for Rule { api_groups, resources, verbs } in rules {
            for (group, resource) in api_groups.iter().flat_map(|group| resources.iter().map(move |it| (group, it))) {
                granted.extend(verbs.iter().map(|verb| Right {
                    namespace: namespace.clone(),
                    group: group.clone(),
                    resource: resource.clone(),
                    verb: verb.clone(),
                }));
            }
        }
    }
    granted
}

/// A file of `config/` that is generated from the chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the file.
    pub name: &'static str,
    /// Its text.
    pub text: String,
}

/// The generated files of `config/`.
///
/// # Errors
///
/// When the chart cannot be rendered.
pub async fn manifests() -> Result<[Manifest; 2], Error> {
    let rights = RIGHTS.map(|template| format!("--show-only=templates/{template}.yaml"));
    let rights = template(RELEASE, RELEASE, VALUES, &rights.each_ref().map(String::as_str)).await?;
    let everything = template(RELEASE, RELEASE, VALUES, &["--include-crds"]).await?;
    Ok([
        Manifest { name: "rbac.yaml", text: manifest(RBAC_HEAD, &rights) },
        Manifest { name: "install.yaml", text: manifest(INSTALL_HEAD, &everything) },
    ])
}

const RBAC_HEAD: &str = "\
# What the operator may do in a cluster, and nothing else. Apply it as it is:
#
#   kubectl apply -f config/rbac.yaml
#
# The operator then runs as the ServiceAccount below. It writes nothing but the status of its own two kinds, Events, one Lease in
# its own namespace, and the Secrets that it makes for connections. docs/rights.md explains each line.
#
# Generated from charts/jira-connection-operator by `make install-yaml`. Change the chart instead.
";

const INSTALL_HEAD: &str = "\
# Everything that the chart installs by default, for those who use no helm:
#
#   kubectl apply -f config/install.yaml
#
# The Deployment names an image without a registry. docs/installing.md says how to give it yours.
#
# Generated from charts/jira-connection-operator by `make install-yaml`. Change the chart instead.
";

/// A file with a head, the namespace, and rendered objects without the traces of helm.
fn manifest(head: &str, rendered: &str) -> String {
    let lines = rendered.lines().filter(|line| !HELM_LABELS.iter().any(|label| line.trim_start().starts_with(label)));
    let mut text = format!("{head}{NAMESPACE}");
    for line in lines.map(str::trim_end) {
        if line == "---" {
            // Helm puts an empty line after each object.
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_tells_nothing_of_helm() {
        let rendered = "---\nmetadata:\n  labels:\n    a: b\n\n---\n    app.kubernetes.io/managed-by: Helm\n    helm.sh/chart: x-1\n";
        let text = manifest("# Head\n", rendered);
        assert_eq!(text, format!("# Head\n{NAMESPACE}---\nmetadata:\n  labels:\n    a: b\n---\n"));
    }
}
