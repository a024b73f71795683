//! A release from its installation to its end.

use std::fs;

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Namespace, Pod},
        policy::v1::PodDisruptionBudget,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;
use tests::{
    chart::{CHART, helm},
    controlplane,
};
use tokio::sync::OnceCell;

use super::act::{Answer, act, eventually, furnish, install, installer};

/// The names of the CRDs.
const DEFINITIONS: [&str; 2] = ["jiraconnections.issuetracking.dev", "workspacebindings.issuetracking.dev"];

/// Defines the operator's kinds from the chart's folder, once, so that tests can make objects before they install the chart.
pub(super) async fn define_own_kinds() {
    static DEFINED: OnceCell<()> = OnceCell::const_new();
    let define = async || {
        for kind in ["jiraconnections", "workspacebindings"] {
            let yaml = fs::read_to_string(format!("{CHART}/crds/{kind}.yaml")).unwrap();
            controlplane::shared().await.apply_yaml(&yaml).await.unwrap();
        }
    };
    DEFINED.get_or_init(define).await;
}

/// The namespace demands restricted pods, so a pod that is made is one. Nothing runs it.
#[tokio::test]
async fn a_release_is_installed_upgraded_and_uninstalled_and_leaves_connections_alone() {
    let control_plane = controlplane::shared().await;
    define_own_kinds().await;
    let client = control_plane.client().await.unwrap();
    let name = control_plane.namespace("jira-connection-operator").await.unwrap();
    let restricted = json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces.patch(&name, &PatchParams::default(), &Patch::Merge(restricted)).await.unwrap();
    furnish(&name).await;

    let notes = install(control_plane, &name, "").await;
    for words in [
        format!("kubectl rollout status deployment/{name} -n {name}"),
        "allowedHosts is empty".to_owned(),
        "clusterNetworks is empty".to_owned(),
    ] {
        assert!(notes.contains(&words), "{words}: {notes}");
    }
    let pods = Api::<Pod>::namespaced(client.clone(), &name);
    let made = async |count: usize| {
        let listed = pods.list(&ListParams::default()).await.unwrap().items;
        (listed.len() == count).then_some(())
    };
    eventually("the pod is made", async || made(1).await).await;
    let budgets = Api::<PodDisruptionBudget>::namespaced(client.clone(), &name);
    assert!(budgets.get_opt(&name).await.unwrap().is_none());

    let mut upgrade = installer(control_plane).await;
    upgrade.args(["upgrade", &name, CHART, "--namespace", &name, "--reset-then-reuse-values", "--set", "replicas=2"]);
    helm(upgrade, "").await.unwrap();
    let deployment = Api::<Deployment>::namespaced(client.clone(), &name).get(&name).await.unwrap();
    assert_eq!(deployment.spec.unwrap().replicas, Some(2));
    assert!(budgets.get_opt(&name).await.unwrap().is_some());

    let mut uninstall = installer(control_plane).await;
    uninstall.args(["uninstall", &name, "--namespace", &name]);
    helm(uninstall, "").await.unwrap();
    let deployments = Api::<Deployment>::namespaced(client.clone(), &name);
    eventually("the deployment is gone", async || deployments.get_opt(&name).await.unwrap().is_none().then_some(()))
        .await;
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    for definition in DEFINITIONS {
        assert!(definitions.get(definition).await.unwrap().metadata.deletion_timestamp.is_none(), "{definition}");
    }
    let connection = act("get", format!("/apis/issuetracking.dev/v1alpha1/namespaces/{name}/jiraconnections/acme"));
    assert_eq!(connection.by(&client).await, Answer::Done);
}

/// Helm leaves CRDs alone in an upgrade, so the documentation has people apply those of the new chart.
#[tokio::test]
async fn the_definitions_that_helm_shows_can_be_applied_over_those_that_it_installed() {
    let control_plane = controlplane::shared().await;
    define_own_kinds().await;
    let mut show = installer(control_plane).await;
    show.args(["show", "crds", CHART]);
    let definitions = helm(show, "").await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), definitions).unwrap();
    let mut kubectl = control_plane.kubectl();
    kubectl.args(["apply", "--server-side", "--force-conflicts", "--filename"]).arg(file.path());
    let output = kubectl.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let applied = String::from_utf8(output.stdout).unwrap();
    for definition in DEFINITIONS {
        assert!(applied.contains(definition), "{applied}");
    }
}
