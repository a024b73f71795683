//! Both kinds as an admin meets them in kubectl.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rstest::rstest;
use serde_json::{Value, json};
use tests::controlplane::{ControlPlane, ControllerManager, Options};

use super::{
    examples,
    server::{
        Kind::{self, JiraConnection, WorkspaceBinding},
        Server, control_plane, crd_folder,
    },
};

/// How long a new kind may take until kubectl knows its fields: the API server publishes them in its own time.
const PUBLISHED_LIMIT: Duration = Duration::from_secs(30);

/// What kubectl writes, or what it complains of.
async fn outcome(control_plane: &ControlPlane, arguments: &[&str]) -> Result<String, String> {
    let output = control_plane.kubectl().args(arguments).output().await.unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    // A warning is a complaint, too.
    if output.status.success() && complaint.is_empty() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(complaint)
    }
}

async fn kubectl(control_plane: &ControlPlane, arguments: &[&str]) -> String {
    match outcome(control_plane, arguments).await {
        Ok(output) => output,
        Err(complaint) => panic!("kubectl {}: {complaint}", arguments.join(" ")),
    }
}

/// Applies a folder and asserts what kubectl says of each object.
async fn apply(control_plane: &ControlPlane, folder: &Path, options: &[&str], objects: usize, said: &str) {
    let folder = folder.to_str().unwrap();
    let arguments = [&["apply", "--filename", folder], options].concat();
    let output = kubectl(control_plane, &arguments).await;
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines.len(), objects, "{output}");
    assert!(lines.iter().all(|line| line.ends_with(said)), "{said}: {output}");
}

/// Writes statuses as an operator does soon. The schema's default is not stored before the first write after creation, which
/// would otherwise be the second apply.
async fn observe(control_plane: &ControlPlane, folder: &Path) {
    let folder = folder.to_str().unwrap();
    let status = json!({ "status": { "observedGeneration": 1 } }).to_string();
    let arguments = ["patch", "--filename", folder, "--subresource=status", "--type=merge", "--patch", &status];
    kubectl(control_plane, &arguments).await;
}

async fn versions(control_plane: &ControlPlane) -> String {
    let versions = "jsonpath={.items[*].metadata.resourceVersion}";
    kubectl(control_plane, &["get", "crd,jc,wsb", "--output", versions]).await
}

#[rstest]
#[case::by_the_client(&[], "created", "unchanged")]
#[case::by_the_server(&["--server-side"], "serverside-applied", "serverside-applied")]
#[tokio::test]
async fn an_empty_cluster_takes_crds_and_objects_and_a_second_apply_changes_nothing(
    #[case] options: &[&str],
    #[case] first: &str,
    #[case] second: &str,
) {
    let controller_manager = ControllerManager::Omit;
    let control_plane = ControlPlane::start(Options { controller_manager }).await.unwrap();
    let crds = crd_folder();
    let objects = JiraConnection.examples().len() + WorkspaceBinding.examples().len();

    apply(&control_plane, &crds, options, 2, first).await;
    let established = ["wait", "--for=condition=Established", "--timeout=30s", "--filename", crds.to_str().unwrap()];
    kubectl(&control_plane, &established).await;
    apply(&control_plane, &examples::folder(), options, objects, first).await;
    observe(&control_plane, &examples::folder()).await;
    let before = versions(&control_plane).await;

    apply(&control_plane, &crds, options, 2, second).await;
    apply(&control_plane, &examples::folder(), options, objects, second).await;
    assert_eq!(versions(&control_plane).await, before);

    control_plane.stop().await.unwrap();
}

/// A misspelt field is told at once, and is not dropped in silence.
#[tokio::test]
async fn a_field_that_does_not_exist_is_refused_by_name() {
    let control_plane = control_plane().await;
    let connection = JiraConnection.with(json!({ "tls": { "insecureSkipVerify": true } }));
    let file = control_plane.directory().join("misspelt.json");
    std::fs::write(&file, connection.to_string()).unwrap();

    let complaint = outcome(control_plane, &["apply", "--filename", file.to_str().unwrap()]).await.unwrap_err();
    assert!(complaint.contains("unknown field \"spec.tls.insecureSkipVerify\""), "{complaint}");
}

async fn explain(control_plane: &ControlPlane, arguments: &[&str]) -> String {
    let started = Instant::now();
    let arguments = [&["explain"], arguments].concat();
    loop {
        match outcome(control_plane, &arguments).await {
            Ok(output) => return output,
            Err(complaint) => assert!(started.elapsed() < PUBLISHED_LIMIT, "{complaint}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn names(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.push(name.clone());
                names(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
    }
}

#[rstest]
#[case(JiraConnection, "jiraconnections")]
#[case(WorkspaceBinding, "workspacebindings")]
#[tokio::test]
async fn explain_names_every_field(#[case] kind: Kind, #[case] resource: &str) {
    let explained = explain(control_plane().await, &[resource, "--recursive"]).await;
    let words: Vec<_> = explained.split_whitespace().collect();
    let mut fields = Vec::new();
    names(&kind.full_status(), &mut fields);
    kind.examples().iter().for_each(|example| names(&example["spec"], &mut fields));
    // The keys of this map are the user's.
    fields.retain(|field| field != "team");
    let missing: Vec<_> = fields.iter().filter(|field| !words.contains(&field.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?} in {explained}");
}

#[rstest]
#[case("jc", "A proven connection to one Jira")]
#[case("jc.spec.url", "Only https")]
#[case("jc.spec.deletionPolicy", "What happens to the grant at Jira when this object is deleted. Absent: `Keep`.")]
#[case("jc.spec.allowedWorkspaces.credential", "Absent: `None`.")]
#[case("jc.status.state", "`NotAuthorized`: a person must act.")]
#[case("wsb", "Says which workspace uses which Jira projects")]
#[case("wsb.spec.workspace", "Cannot be changed.")]
#[tokio::test]
async fn explain_tells_what_a_field_means(#[case] field: &str, #[case] text: &str) {
    let explained = explain(control_plane().await, &[field]).await;
    let one_line = explained.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(one_line.contains(text), "{explained}");
}

/// The cells of a table of kubectl, which stand at least three spaces apart.
fn cells(line: &str) -> Vec<&str> {
    line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

/// A stored object with a full status, and how kubectl shows it, without its age.
async fn table(kind: Kind, options: &[&str]) -> (Vec<String>, Vec<String>) {
    let server = Server::new().await;
    let example = kind.examples().swap_remove(0);
    server.create(kind, example.clone()).await.unwrap();
    let name = example["metadata"]["name"].as_str().unwrap();
    server.change_status(kind, name, &kind.full_status()).await;

    let arguments = [&["get", kind.as_str(), "--namespace", &server.namespace], options].concat();
    let output = kubectl(control_plane().await, &arguments).await;
    let lines: Vec<_> = output.lines().map(cells).collect();
    let [header, row] = lines.as_slice() else {
        panic!("{output}");
    };
    assert_eq!(header.len(), row.len(), "{output}");
    let aged = header.iter().position(|title| *title == "AGE").unwrap();
    let mut row: Vec<_> = row.iter().map(ToString::to_string).collect();
    assert!(row[aged].ends_with('s'), "{output}");
    row[aged] = String::from("(age)");
    (header.iter().map(ToString::to_string).collect(), row)
}

#[rstest]
#[case::of_connections(
    JiraConnection,
    &[],
    &["NAME", "READY", "STATE", "REASON", "BINDINGS", "AGE"],
    &["acme", "False", "Interrupted", "PermissionsMissing", "4", "(age)"],
)]
#[case::of_connections_with_all_columns(
    JiraConnection,
    &["--output", "wide"],
    &[
        "NAME", "READY", "STATE", "REASON", "BINDINGS", "AGE", "URL", "DEPLOYMENT", "VERSION", "ACCOUNT", "MISSING", "EXPIRES",
        "MESSAGE",
    ],
    &[
        "acme", "False", "Interrupted", "PermissionsMissing", "4", "(age)", "https://jira.acme.example/jira", "DataCenter",
        "9.12.4", "Jira Bot", "CREATE_ISSUES on WEB", "2027-01-31", "The account lacks CREATE_ISSUES on WEB.",
    ],
)]
#[case::of_bindings(
    WorkspaceBinding,
    &[],
    &["NAME", "READY", "STATE", "CONNECTION", "WORKSPACE", "PROJECTS", "REASON", "AGE"],
    &[
        "web-accessibility", "False", "Interrupted", "acme", "web-accessibility", "WEB, APP +98", "ProjectNotFound", "(age)",
    ],
)]
#[case::of_bindings_with_all_columns(
    WorkspaceBinding,
    &["--output", "wide"],
    &["NAME", "READY", "STATE", "CONNECTION", "WORKSPACE", "PROJECTS", "REASON", "AGE", "MISSING", "MESSAGE"],
    &[
        "web-accessibility", "False", "Interrupted", "acme", "web-accessibility", "WEB, APP +98", "ProjectNotFound", "(age)",
        "CREATE_ISSUES on WEB", "There is no project APP.",
    ],
)]
#[tokio::test]
async fn table_shows(#[case] kind: Kind, #[case] options: &[&str], #[case] titles: &[&str], #[case] cells: &[&str]) {
    let (header, row) = table(kind, options).await;
    assert_eq!(header, titles);
    assert_eq!(row, cells);
}

#[rstest]
#[case("jc", &["jiraconnection.issuetracking.dev/example"])]
#[case("jiraconnection", &["jiraconnection.issuetracking.dev/example"])]
#[case("jiraconnections", &["jiraconnection.issuetracking.dev/example"])]
#[case("wsb", &["workspacebinding.issuetracking.dev/example"])]
#[case("workspacebinding", &["workspacebinding.issuetracking.dev/example"])]
#[case("workspacebindings", &["workspacebinding.issuetracking.dev/example"])]
#[case("issuetracking", &["jiraconnection.issuetracking.dev/example", "workspacebinding.issuetracking.dev/example"])]
#[tokio::test]
async fn objects_are_found_by(#[case] resource: &str, #[case] expected: &[&str]) {
    let server = Server::new().await;
    for kind in [JiraConnection, WorkspaceBinding] {
        server.create(kind, kind.smallest()).await.unwrap();
    }
    let arguments = ["get", resource, "--namespace", &server.namespace, "--output", "name"];
    let output = kubectl(control_plane().await, &arguments).await;
    let mut found: Vec<_> = output.lines().collect();
    found.sort_unstable();
    assert_eq!(found, expected);
}

/// What `kubectl wait` and pipelines rely on.
#[rstest]
#[tokio::test]
async fn a_condition_can_be_waited_for(#[values(JiraConnection, WorkspaceBinding)] kind: Kind) {
    let server = Server::new().await;
    server.create(kind, kind.smallest()).await.unwrap();
    server.change_status(kind, "example", &kind.full_status()).await;
    let object = format!("{}/example", kind.as_str());
    let arguments = ["wait", "--for=condition=Ready=false", "--timeout=10s", &object, "--namespace", &server.namespace];
    assert!(kubectl(control_plane().await, &arguments).await.contains("condition met"));
}
