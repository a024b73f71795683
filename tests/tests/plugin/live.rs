//! `kubectl jira check --live` against the simulator: what the operator would find, found before anything is applied.

use std::{fs, path::PathBuf};

use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{
    jira::{self, Mutation},
    operator::DENIED_NETWORKS,
    stage::{self, ACCOUNT, Site, Way},
};
use tokio::process::Command;

use super::program::{self, Ended, Running};

/// A Jira of its own, and manifests that are not applied anywhere.
struct Draft {
    site: Site,
    folder: TempDir,
}

impl Draft {
    fn of(name: &str, way: Way) -> Self {
        let url = jira::shared().add(stage::instance(name, way, &["WEB"])).unwrap();
        let draft = Self { site: Site { name: name.to_owned(), url, way }, folder: tempfile::tempdir().unwrap() };
        draft.write("connection.yaml", &draft.connection(|_| {}));
        draft
    }

    fn connection(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut spec = self.site.spec("credential");
        change(&mut spec);
        json!({ "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
            "metadata": { "name": "acme", "namespace": "platform" }, "spec": spec })
        .to_string()
    }

    fn bind(&self, project: &str) {
        let binding = json!({ "apiVersion": "issuetracking.dev/v1alpha1", "kind": "WorkspaceBinding",
            "metadata": { "name": "web", "namespace": "platform" },
            "spec": { "connectionRef": { "name": "acme" }, "workspace": "web", "projects": [{ "key": project }] } });
        self.write("binding.yaml", &binding.to_string());
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn mutate(&self, mutation: Value) {
        let mutation: Mutation = serde_json::from_value(mutation).unwrap();
        jira::shared().mutate(&self.site.name, &mutation).unwrap();
    }

    /// The command, told of the simulator as an operator would be.
    async fn command(&self, words: &[&str]) -> Command {
        let simulator = jira::shared();
        let mut command = Command::new(program::path().await);
        command.env_clear().args(["check", "--live", "-f"]).arg(self.folder.path());
        command.args(["--atlassian-auth-url", simulator.auth_url(), "--atlassian-api-url", simulator.api_url()]);
        command.args(["--denied-networks", &DENIED_NETWORKS.join(",")]).args(words);
        command
    }

    /// Asks with this credential, and with trust in the simulator's authority.
    async fn ask(&self, credential: &str, words: &[&str]) -> Ended {
        let file = self.write("credential", credential);
        let authority = self.write("ca.pem", jira::shared().ca_pem());
        let mut command = self.command(words).await;
        command.arg("--credential-file").arg(file).arg("--ca-file").arg(authority);
        let ended = Running::start(command).end().await;
        let secret = self.site.token();
        assert!(!ended.stdout.contains(&secret) && !ended.stderr.contains(&secret), "{ended:?}");
        ended
    }

    /// A credential as people keep it in a file, with the line break of an editor.
    fn credential(&self) -> String {
        match self.site.way {
            Way::PersonalAccessToken | Way::ApiToken | Way::ScopedApiToken => format!("{}\n", self.site.token()),
            Way::ClientCredentials => self.site.credential().to_string(),
        }
    }
}

#[track_caller]
fn expect_line(ended: &Ended, words: &str) {
    assert!(ended.stdout.lines().any(|line| line.contains(words)), "{words:?} is not in {ended:#?}");
}

#[rstest]
#[case::personal_access_token("live-pat", Way::PersonalAccessToken)]
#[case::api_token("live-api-token", Way::ApiToken)]
#[case::scoped_api_token("live-scoped", Way::ScopedApiToken)]
#[case::client_credentials("live-client", Way::ClientCredentials)]
#[tokio::test]
async fn a_good_credential_is_proven_with_each_method(#[case] name: &str, #[case] way: Way) {
    let draft = Draft::of(name, way);
    draft.bind("WEB");
    let ended = draft.ask(&draft.credential(), &[]).await.expect(0);
    let host = draft.site.host();
    let connection = "connection.yaml:1: ok: JiraConnection platform/acme: ConnectionVerified: ";
    expect_line(&ended, &format!("{connection}Jira at {host} accepts the credential of Fake Bot."));
    expect_line(&ended, "binding.yaml:1: ok: WorkspaceBinding platform/web: BindingVerified: ");
    expect_line(&ended, "2 objects of issuetracking.dev checked, 0 problems");
}

#[tokio::test]
async fn a_client_may_stand_in_lines_and_come_by_standard_input() {
    let draft = Draft::of("live-lines", Way::ClientCredentials);
    let authority = draft.write("ca.pem", jira::shared().ca_pem());
    let mut command = draft.command(&["--credential-file", "-", "-o", "json"]).await;
    command.arg("--ca-file").arg(authority);
    let mut running = Running::start(command);
    running.type_in(&format!("clientId: live-lines-client\nclientSecret: {}\n", draft.site.token())).await;
    let ended = running.end().await.expect(0);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let finding = &report["findings"][0];
    assert_eq!((&finding["severity"], &finding["reason"]), (&json!("Good"), &json!("ConnectionVerified")));
}

#[tokio::test]
async fn a_wrong_token_is_sent_once_and_the_remedy_named() {
    let draft = Draft::of("live-wrong", Way::PersonalAccessToken);
    draft.bind("WEB");
    let mark = jira::shared().journal().mark();
    let ended = draft.ask("not-the-token", &[]).await.expect(1);
    expect_line(&ended, "problem: JiraConnection platform/acme: CredentialsRejected: ");
    expect_line(&ended, "does not accept the credential (401). Put a valid one into the Secret");
    assert!(!ended.stdout.contains("WorkspaceBinding"), "what was not found out is not told: {ended:?}");
    let sent =
        draft.site.requests(mark).iter().filter(|it| it.carried("authorization", "Bearer not-the-token")).count();
    assert_eq!(sent, 1);
}

#[tokio::test]
async fn what_the_account_lacks_on_the_projects_of_bindings_is_named() {
    let draft = Draft::of("live-lacking", Way::PersonalAccessToken);
    draft.bind("WEB");
    draft.mutate(json!({ "type": "Revoke", "project": "WEB", "account": ACCOUNT, "permissions": ["CREATE_ISSUES"] }));
    // What the connection itself lacks does not hide what the binding lacks.
    draft.mutate(json!({ "type": "RevokeGlobal", "account": ACCOUNT, "permissions": ["USER_PICKER"] }));
    let ended = draft.ask(&draft.credential(), &[]).await.expect(1);
    expect_line(&ended, "JiraConnection platform/acme: PermissionsMissing: The account lacks USER_PICKER (global).");
    expect_line(&ended, "WorkspaceBinding platform/web: PermissionsMissing: The account lacks CREATE_ISSUES on WEB.");
}

#[tokio::test]
async fn a_project_that_jira_does_not_show_is_named() {
    let draft = Draft::of("live-project", Way::ApiToken);
    draft.bind("GONE");
    let ended = draft.ask(&draft.credential(), &[]).await.expect(1);
    expect_line(&ended, "ok: JiraConnection platform/acme: ConnectionVerified: ");
    expect_line(&ended, "WorkspaceBinding platform/web: ProjectNotFound: Jira shows no usable project GONE");
}

#[tokio::test]
async fn an_authority_that_nobody_named_is_not_trusted() {
    let draft = Draft::of("live-untrusted", Way::PersonalAccessToken);
    let stranger = jira::Simulator::start(jira::Options::default()).unwrap();
    let authority = draft.write("ca.pem", stranger.ca_pem());
    let credential = draft.write("credential", &draft.credential());
    let mut command = draft.command(&[]).await;
    command.arg("--credential-file").arg(credential).arg("--ca-file").arg(authority);
    let ended = Running::start(command).end().await.expect(1);
    expect_line(&ended, "TLSFailed: The certificate of ");
    expect_line(&ended, "Give its CA in spec.tls.caRef.");
}

#[tokio::test]
async fn headers_and_certificates_of_the_spec_come_from_files() {
    let draft = Draft::of("live-headers", Way::PersonalAccessToken);
    let spec = draft.connection(|spec| {
        spec["headers"] =
            json!([{ "name": "X-Gate", "valueFrom": { "secretKeyRef": { "name": "gate", "key": "id" } } }]);
        spec["tls"] = json!({ "caRef": { "kind": "ConfigMap", "name": "ca", "key": "ca.crt" } });
    });
    draft.write("connection.yaml", &spec);
    let ended = draft.ask(&draft.credential(), &[]).await.expect(1);
    expect_line(&ended, "spec.headers[0].valueFrom.secretKeyRef: Jira cannot be asked without id of Secret gate");

    let mark = jira::shared().journal().mark();
    let headers = draft.write("headers", "X-Gate: pass-me\n");
    draft.ask(&draft.credential(), &["--headers-file", headers.to_str().unwrap()]).await.expect(0);
    let requests = draft.site.requests(mark);
    assert!(!requests.is_empty() && requests.iter().all(|it| it.carried("x-gate", "pass-me")), "{requests:?}");
}

#[rstest]
#[case::of_the_connection("live-proxy", json!({ "name": "proxy" }))]
#[case::of_the_operator("live-proxy-for-all", Value::Null)]
#[tokio::test]
async fn the_proxy_is_the_one_that_is_given(#[case] name: &str, #[case] reference: Value) {
    let draft = Draft::of(name, Way::PersonalAccessToken);
    draft.write("connection.yaml", &draft.connection(|spec| spec["proxySecretRef"] = reference));
    let mark = jira::shared().journal().mark();
    // Nobody listens there.
    let ended = draft.ask(&draft.credential(), &["--proxy", "http://127.0.0.1:9"]).await.expect(1);
    expect_line(&ended, "Unreachable: The outbound proxy does not forward to ");
    assert_eq!(draft.site.requests(mark), []);
}

#[tokio::test]
async fn a_secret_among_the_files_serves_too() {
    let draft = Draft::of("live-secret", Way::PersonalAccessToken);
    let secret = json!({ "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "credential", "namespace": "platform" }, "stringData": draft.site.credential() });
    draft.write("secret.yaml", &secret.to_string());
    let authority = draft.write("ca.pem", jira::shared().ca_pem());
    let mut command = draft.command(&[]).await;
    command.arg("--ca-file").arg(authority);
    Running::start(command).end().await.expect(0);
}

#[tokio::test]
async fn the_rules_on_hosts_are_the_operator_s() {
    let draft = Draft::of("live-hosts", Way::PersonalAccessToken);
    let mark = jira::shared().journal().mark();
    let named = draft.ask(&draft.credential(), &["--allowed-hosts", "jira.example"]).await.expect(1);
    expect_line(&named, "HostNotAllowed: The operator may not contact the host of spec.url.");
    let credential = draft.write("credential", &draft.credential());
    let mut command = Command::new(program::path().await);
    command.env_clear().args(["check", "--live", "-f"]).arg(draft.folder.path());
    command
        .arg("--credential-file")
        .arg(credential)
        .arg("--ca-file")
        .arg(draft.write("ca.pem", jira::shared().ca_pem()));
    let denied = Running::start(command).end().await.expect(1);
    expect_line(&denied, "HostNotAllowed: ");
    assert_eq!(draft.site.requests(mark), []);
}

#[rstest]
#[case::oauth2(json!({ "oauth2AuthorizationCode": { "clientSecretRef": { "name": "app" } } }), "9.12.4", 0, "note: JiraConnection platform/acme: AuthorizationRequired: Jira 9.12.4 answers, is what spec.deployment says, and has the version for the method. The rest needs a person")]
#[case::oauth2_too_old(json!({ "oauth2AuthorizationCode": { "clientSecretRef": { "name": "app" } } }), "8.20.0", 1, "AuthMethodUnsupported: Jira 8.20.0 has no OAuth 2.0 for incoming links")]
#[case::oauth1(json!({ "oauth1": { "consumerKey": "k", "consumerName": "n" } }), "8.20.0", 0, "offers application links, whose incoming link is made with the values that authorize shows")]
#[tokio::test]
async fn a_method_that_needs_a_person_is_checked_as_far_as_it_goes_without(
    #[case] auth: Value,
    #[case] version: &str,
    #[case] status: i32,
    #[case] words: &str,
) {
    let method = auth.as_object().unwrap().keys().next().unwrap().to_ascii_lowercase();
    let draft = Draft::of(&format!("live-{method}-{status}"), Way::PersonalAccessToken);
    jira::shared()
        .update(&draft.site.name, |instance| {
            let jira::Deployment::DataCenter(center) = &mut instance.deployment else { panic!("a Data Center") };
            version.clone_into(&mut center.version);
        })
        .unwrap();
    draft.write("connection.yaml", &draft.connection(|spec| spec["auth"] = auth));
    let authority = draft.write("ca.pem", jira::shared().ca_pem());
    let mut command = draft.command(&[]).await;
    command.arg("--ca-file").arg(authority);
    let ended = Running::start(command).end().await.expect(status);
    expect_line(&ended, words);
}

#[tokio::test]
async fn without_application_links_oauth1_cannot_be_used() {
    let draft = Draft::of("live-no-links", Way::PersonalAccessToken);
    jira::shared()
        .update(&draft.site.name, |instance| {
            instance.switches.application_links = serde_json::from_value(json!("Unavailable")).unwrap();
        })
        .unwrap();
    let auth = json!({ "oauth1": { "consumerKey": "k", "consumerName": "n" } });
    draft.write("connection.yaml", &draft.connection(|spec| spec["auth"] = auth));
    let mut command = draft.command(&[]).await;
    command.arg("--ca-file").arg(draft.write("ca.pem", jira::shared().ca_pem()));
    expect_line(&Running::start(command).end().await.expect(1), "ApplicationLinksUnavailable: ");
}

#[tokio::test]
async fn nothing_is_sent_where_it_is_not_clear_what_and_whither() {
    let draft = Draft::of("live-unclear", Way::PersonalAccessToken);
    let mark = jira::shared().journal().mark();
    let other = draft.connection(|_| {}).replace("\"acme\"", "\"other\"");
    draft.write("other.yaml", &other);
    let token = draft.credential();
    draft.ask(&token, &[]).await.expect_error(2, "the files hold 2 connections");
    draft.ask(&token, &["--connection", "third"]).await.expect_error(2, "correct --connection");
    draft.ask(&token, &["-f", "-", "--headers-file", "-"]).await.expect_error(2, "standard input can be read once");
    fs::remove_file(draft.folder.path().join("other.yaml")).unwrap();
    draft.write("broken.yaml", &other.replace("DataCenter", "Server"));
    let broken = draft.ask(&token, &[]).await.expect(1);
    assert!(broken.stderr.contains("Jira is not asked before the problems in the files are mended."), "{broken:?}");
    assert_eq!(draft.site.requests(mark), []);

    fs::remove_file(draft.folder.path().join("broken.yaml")).unwrap();
    let client = Draft::of("live-half-client", Way::ClientCredentials);
    client.ask("a-token", &[]).await.expect_error(2, "the credential is no OAuth client");
    let mut alone = Command::new(program::path().await);
    alone.env_clear().args(["check", "-f", "x", "--credential-file", "y"]);
    Running::start(alone).end().await.expect(2);
}
