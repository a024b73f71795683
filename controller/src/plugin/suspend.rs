//! `suspend` and `resume`: switch the checks of an object off and on.

use crds::{JiraConnection, WorkspaceBinding};
use kube::{ResourceExt, api::Patch};
use serde_json::{Value, json};

use super::{
    arguments::Suspend,
    checked::Checked,
    cluster::{Cluster, merge},
    console::{Console, visible},
    error::Error,
    subject::{Kind, Subject},
    verdict::Verdict,
};

/// Which way to switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// No more checks.
    Off,
    /// Checks again.
    On,
}

/// Switches the checks of an object.
///
/// # Errors
/// When it does not exist or may not be changed.
pub async fn run(arguments: &Suspend, switch: Switch, cluster: &Cluster, console: Console) -> Result<Verdict, Error> {
    match &arguments.subject {
        Subject { kind: Kind::Connection, name } => turn::<JiraConnection>(name, switch, cluster, console).await,
        Subject { kind: Kind::Binding, name } => turn::<WorkspaceBinding>(name, switch, cluster, console).await,
    }
}

async fn turn<K: Checked>(name: &str, switch: Switch, cluster: &Cluster, console: Console) -> Result<Verdict, Error> {
    // The field is taken away rather than set to false, so that the object is again as it was before.
    let (value, done) = match switch {
        Switch::Off => (Value::Bool(true), "suspended"),
        Switch::On => (Value::Null, "resumed"),
    };
    let kind = K::KIND.as_str();
    let patch = Patch::Merge(json!({ "spec": { "suspend": value } }));
    let api = cluster.all::<K>();
    let object = api.patch(name, &merge(), &patch).await;
    let object = object.map_err(|error| Error::api(format!("changing spec.suspend of {kind} {name}"), error))?;
    console.say(&format!("{kind} {name} {done}"))?;
    if let Some(owner) = owner(&object) {
        console.remark(&format!(
            "It is managed by {}, which will undo this. To make it last, change spec.suspend where that takes it from.",
            visible(&owner)
        ));
    }
    Ok(Verdict::Good)
}

/// Who will undo what is changed by hand: the tool that keeps the object as its source says.
fn owner(object: &impl ResourceExt) -> Option<String> {
    let (labels, annotations) = (object.labels(), object.annotations());
    let flux = |kind: &str, prefix: &str| {
        let name = labels.get(&format!("{prefix}.toolkit.fluxcd.io/name"))?;
        let namespace = labels.get(&format!("{prefix}.toolkit.fluxcd.io/namespace"));
        let place = namespace.map_or_else(|| name.clone(), |namespace| format!("{namespace}/{name}"));
        Some(format!("Flux ({kind} {place})"))
    };
    let argo = || {
        let tracked = annotations.get("argocd.argoproj.io/tracking-id").and_then(|id| id.split(':').next());
        let name = tracked.or_else(|| labels.get("argocd.argoproj.io/instance").map(String::as_str))?;
        Some(format!("Argo CD (Application {name})"))
    };
    let helm = || {
        let release = annotations.get("meta.helm.sh/release-name");
        let managed = labels.get("app.kubernetes.io/managed-by").is_some_and(|tool| tool == "Helm");
        match release {
            Some(release) => Some(format!("Helm (release {release}) at its next upgrade")),
            None => managed.then(|| "Helm at its next upgrade".to_owned()),
        }
    };
    flux("Kustomization", "kustomize").or_else(|| flux("HelmRelease", "helm")).or_else(argo).or_else(helm)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::by_hand(json!({}), json!({}), None)]
    #[case::flux(json!({ "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system" }), json!({}), Some("Flux (Kustomization flux-system/apps)"))]
    #[case::flux_before_its_helm(json!({ "helm.toolkit.fluxcd.io/name": "jira", "app.kubernetes.io/managed-by": "Helm" }), json!({ "meta.helm.sh/release-name": "jira" }), Some("Flux (HelmRelease jira)"))]
    #[case::argo(json!({}), json!({ "argocd.argoproj.io/tracking-id": "jira:issuetracking.dev/JiraConnection:platform/acme" }), Some("Argo CD (Application jira)"))]
    #[case::argo_by_label(json!({ "argocd.argoproj.io/instance": "jira" }), json!({}), Some("Argo CD (Application jira)"))]
    #[case::helm(json!({ "app.kubernetes.io/managed-by": "Helm" }), json!({ "meta.helm.sh/release-name": "jira" }), Some("Helm (release jira) at its next upgrade"))]
    #[case::another_tool(json!({ "app.kubernetes.io/managed-by": "somebody" }), json!({}), None)]
    fn who_undoes_a_change_is_known_by_labels(
        #[case] labels: Value,
        #[case] annotations: Value,
        #[case] expected: Option<&str>,
    ) {
        let object: WorkspaceBinding = serde_json::from_value(json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "WorkspaceBinding",
            "metadata": { "name": "web", "labels": labels, "annotations": annotations },
            "spec": { "connectionRef": { "name": "acme" }, "workspace": "web", "projects": [{ "key": "WEB" }] },
        }))
        .unwrap();
        assert_eq!(owner(&object).as_deref(), expected);
    }
}
