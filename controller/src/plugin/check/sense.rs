//! What objects say of each other: bindings of connections, connections of Secrets. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crds::{JiraConnection, WorkspaceBinding, connection::allowed_workspaces::NamespacesFrom};

use super::{
    finding::{Fault, Finding},
    manifest::Manifest,
};
use crate::{
    acceptance::{Acceptance, Labels, judge, named_connection},
    connection::material::ReferentKind,
    lending::{Terms, wants_token},
    plugin::need::{Need, candidate, needs},
};

/// An object with its place.
pub(super) struct Placed<'a, K> {
    pub manifest: &'a Manifest,
    pub object: K,
}

/// Examines what the objects say of each other.
pub(super) fn examine(
    manifests: &[Manifest],
    connections: &[Placed<'_, JiraConnection>],
    bindings: &[Placed<'_, WorkspaceBinding>],
) -> Vec<Finding> {
    let mut findings = twice(manifests);
    let labels = labels(manifests);
    for connection in connections {
        let faults = needs(&connection.object.spec).into_iter().chain(candidate(&connection.object.spec));
        let faults = faults.filter_map(|need| held(&need, &connection.manifest.namespace, manifests));
        findings.extend(faults.map(|fault| connection.manifest.finding(fault)));
    }
    for binding in bindings {
        let faults = bound(&binding.object, connections, &labels);
        findings.extend(faults.into_iter().map(|fault| binding.manifest.finding(fault)));
    }
    findings
}

/// Objects of our kinds that are there twice.
fn twice(manifests: &[Manifest]) -> Vec<Finding> {
    let mut first: BTreeMap<(&str, &str, &str), &Manifest> = BTreeMap::new();
    let mut findings = Vec::new();
    for manifest in manifests.iter().filter(|manifest| manifest.is_ours() && !manifest.name.is_empty()) {
        let identity = (manifest.kind.as_str(), manifest.namespace.as_str(), manifest.name.as_str());
        match first.get(&identity) {
            Some(earlier) => {
                let message = format!("the same object is at {}:{} already", earlier.file, earlier.document);
                findings.push(manifest.finding(Fault::problem("", message)));
            }
            None => {
                first.insert(identity, manifest);
            }
        }
    }
    findings
}

/// Labels of the namespaces that are among the files. Kubernetes labels each with its own name.
pub(super) fn labels(manifests: &[Manifest]) -> BTreeMap<&str, Labels> {
    let of = |manifest: &Manifest| {
        let given = manifest.value["metadata"]["labels"].as_object().into_iter().flatten();
        let mut labels: Labels =
            given.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
        labels.insert("kubernetes.io/metadata.name".to_owned(), manifest.name.clone());
        labels
    };
    let namespaces = manifests.iter().filter(|manifest| manifest.is_core("Namespace"));
    namespaces.map(|manifest| (manifest.name.as_str(), of(manifest))).collect()
}

/// Whether an object that is among the files has the keys that it needs. Others usually come from elsewhere.
fn held(need: &Need, namespace: &str, manifests: &[Manifest]) -> Option<Fault> {
    let (kind, fields) = match need.referent.kind {
        ReferentKind::Secret => ("Secret", ["data", "stringData"]),
        ReferentKind::ConfigMap => ("ConfigMap", ["data", "binaryData"]),
    };
    let manifest = manifests.iter().find(|manifest| {
        manifest.is_core(kind) && manifest.name == need.referent.name && manifest.namespace == namespace
    })?;
    let present: BTreeSet<_> = fields
        .into_iter()
        .filter_map(|field| manifest.value[field].as_object())
        .flat_map(|keys| keys.keys().map(String::as_str))
        .collect();
    let missing: Vec<_> = need.keys.iter().filter(|key| !present.contains(key.as_str())).map(String::as_str).collect();
    (!missing.is_empty()).then(|| {
        let place = format!("{}:{}", manifest.file, manifest.document);
        Fault::problem(&need.field, format!("{} at {place} has no {}", need.referent, missing.join(" and no ")))
    })
}

fn bound(
    binding: &WorkspaceBinding,
    connections: &[Placed<'_, JiraConnection>],
    labels: &BTreeMap<&str, Labels>,
) -> Vec<Fault> {
    const FIELD: &str = "spec.connectionRef";
    let (namespace, name) = named_connection(binding);
    let found = connections.iter().find(|it| it.manifest.namespace == namespace && it.manifest.name == name);
    let Some(connection) = found else {
        let message = format!("JiraConnection {namespace}/{name} is not among the files");
        // Where the files hold connections, one that they do not hold is more likely a slip than somebody else's.
        let fault = if connections.is_empty() {
            Fault::note(FIELD, format!("{message}, so whether it allows this binding is not checked"))
        } else {
            Fault::problem(FIELD, format!("{message}: correct the reference, or add the file"))
        };
        return vec![fault];
    };
    let home = binding.metadata.namespace.as_deref().unwrap_or_default();
    let known = labels.get(home);
    match judge(&connection.object, binding, known) {
        Acceptance::Accepted { credential } => {
            projection(binding, Terms::of(&connection.object, credential)).into_iter().collect()
        }
        Acceptance::Refused if known.is_none() && by_labels(&connection.object, binding) => {
            vec![Fault::note(
                FIELD,
                format!(
                    "whether JiraConnection {namespace}/{name} allows this binding depends on the labels of Namespace {home}, which is not among the files"
                ),
            )]
        }
        Acceptance::Refused => vec![Fault::problem(
            FIELD,
            format!(
                "JiraConnection {namespace}/{name} does not allow this binding: no entry of its spec.allowedWorkspaces fits namespace {home}, workspace {} and all projects",
                binding.spec.workspace
            ),
        )],
    }
}

/// Whether the connection would allow the binding if the labels of its namespace fitted.
fn by_labels(connection: &JiraConnection, binding: &WorkspaceBinding) -> bool {
    matches!(judge(&generous(connection), binding, None), Acceptance::Accepted { .. })
}

/// The connection as it would be if every label fitted.
pub(super) fn generous(connection: &JiraConnection) -> JiraConnection {
    let mut generous = connection.clone();
    for entry in generous.spec.allowed_workspaces.iter_mut().flatten() {
        if entry.namespaces.from == NamespacesFrom::Selector {
            entry.namespaces.from = NamespacesFrom::All;
        }
    }
    generous
}

/// What stands against the access token that an application wants.
fn projection(binding: &WorkspaceBinding, terms: Terms) -> Option<Fault> {
    let obstacle = terms.obstacle().filter(|_| wants_token(binding))?;
    Some(Fault::problem("spec.projection.credential", format!("there will be no access token, because {obstacle}")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::plugin::check::{examination::examine, manifest::read};

    const PLATFORM: &str = "
apiVersion: issuetracking.dev/v1alpha1
kind: JiraConnection
metadata: { name: acme, namespace: platform }
spec:
  url: https://jira.example
  deployment: DataCenter
  auth: { personalAccessToken: { tokenSecretRef: { name: pat, key: token } } }
  allowedWorkspaces:
  - namespaces: { from: Selector, selector: { matchLabels: { team: web } } }
    workspaces: { from: All }
    projects: { from: List, list: [WEB] }
";

    const BINDING: &str = "
apiVersion: issuetracking.dev/v1alpha1
kind: WorkspaceBinding
metadata: { name: web, namespace: team-web }
spec:
  connectionRef: { name: acme, namespace: platform }
  workspace: web
  projects: [{ key: WEB }]
";

    const NAMESPACE: &str = "{ apiVersion: v1, kind: Namespace, metadata: { name: team-web, labels: { team: web } } }";
    const STRANGER: &str = "{ apiVersion: v1, kind: Namespace, metadata: { name: team-web, labels: { team: app } } }";
    const SECRET: &str =
        "{ apiVersion: v1, kind: Secret, metadata: { name: pat, namespace: platform }, stringData: { token: x } }";
    const ANOTHER_KEY: &str =
        "{ apiVersion: v1, kind: Secret, metadata: { name: pat, namespace: platform }, data: { password: eA== } }";
    const ANOTHER_NAMESPACE: &str =
        "{ apiVersion: v1, kind: Secret, metadata: { name: pat, namespace: team-web }, data: { password: eA== } }";

    #[rstest]
    #[case::everything_fits(&[PLATFORM, NAMESPACE, BINDING, SECRET], &[])]
    #[case::labels_do_not_fit(&[PLATFORM, STRANGER, BINDING], &["3 problem spec.connectionRef: JiraConnection platform/acme does not allow this binding"])]
    #[case::labels_not_known(&[PLATFORM, BINDING], &["2 note spec.connectionRef: whether JiraConnection platform/acme allows this binding depends on the labels"])]
    #[case::alone(&[BINDING], &["1 note spec.connectionRef: JiraConnection platform/acme is not among the files"])]
    #[case::twice(&[PLATFORM, PLATFORM], &["2 problem : the same object is at f:1 already"])]
    #[case::key_missing(&[PLATFORM, ANOTHER_KEY], &["1 problem spec.auth.personalAccessToken.tokenSecretRef: Secret pat at f:2 has no token"])]
    #[case::somebody_else_s_secret(&[PLATFORM, ANOTHER_NAMESPACE], &[])]
    fn objects_are_held_against_each_other(#[case] documents: &[&str], #[case] expected: &[&str]) {
        assert_findings(&documents.join("\n---\n"), expected);
    }

    #[rstest]
    #[case::wrong_name(BINDING.replace("name: acme", "name: acne"), "problem spec.connectionRef: JiraConnection platform/acne is not among the files")]
    #[case::another_project(BINDING.replace("key: WEB", "key: APP"), "problem spec.connectionRef: JiraConnection platform/acme does not allow")]
    #[case::a_token(BINDING.to_owned() + "  projection: { secretName: s, credential: AccessToken }\n", "problem spec.projection.credential: there will be no access token, because the connection's entry does not allow one")]
    fn a_binding_must_fit_its_connection(#[case] binding: String, #[case] expected: &str) {
        let text = [PLATFORM, NAMESPACE, &binding].join("\n---\n");
        assert_findings(&text, &[&format!("3 {expected}")]);
    }

    fn assert_findings(text: &str, expected: &[&str]) {
        let reading = read("f", text, "default");
        assert_eq!(reading.findings, []);
        let found: Vec<_> = examine(&reading.manifests)
            .findings
            .iter()
            .map(|it| format!("{} {} {}: {}", it.document, it.severity.as_str(), it.field, it.message))
            .collect();
        let fits =
            found.len() == expected.len() && found.iter().zip(expected).all(|(found, start)| found.starts_with(start));
        assert!(fits, "{expected:#?} expected, found {found:#?}");
    }
}
