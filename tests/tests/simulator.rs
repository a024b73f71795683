//! The Jira simulator against what Jira is known to answer, one row per behaviour.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method};
use rstest::rstest;
use serde_json::{Value, json};
use tests::jira::{self, Fault, Instance, Mutation, Rule, Simulator, shared};

mod simulator {
    mod consent;
    mod pages;
    mod provider;
    mod signed;
}

const CLOUD: &str = r"
name: NAME
deployment: { type: Cloud, cloudId: NAME-id }
accounts:
  - id: bot
    displayName: Bot
    email: bot@example.test
    globalPermissions: [USER_PICKER]
    credentials:
      - { type: ApiToken, token: classic }
      - { type: ApiToken, token: old, expiresAt: 2001-01-01T00:00:00Z }
      - { type: ApiToken, token: scoped, scopes: ['read:jira-user', 'read:jira-work'] }
      - { type: ApiToken, token: granular, scopes: ['read:permission:jira', 'read:project:jira'] }
      - { type: AccessToken, token: late, scopes: ['read:jira-user'], expiresAt: 2001-01-01T00:00:00Z }
  - id: admin
    email: admin@example.test
    globalPermissions: [ADMINISTER]
    credentials: [{ type: ApiToken, token: master }]
  - id: poor
    email: poor@example.test
    credentials: [{ type: ApiToken, token: poor }]
  - id: service
    accountType: app
    appType: service
    credentials:
      - { type: ClientCredentials, clientId: NAME-client, secret: right, scopes: ['read:jira-user'] }
projects:
  - id: 10001
    key: WEB
    formerKeys: [OLDWEB]
    lead: bot
    grants: { bot: [BROWSE_PROJECTS, CREATE_ISSUES, EDIT_ISSUES], poor: [BROWSE_PROJECTS] }
    issues: [{ id: 20001, key: WEB-1 }]
  - { id: 10002, key: HID, grants: { admin: [BROWSE_PROJECTS] } }
  - id: 10003
    key: SEC
    securityScheme:
      { id: 30000, name: Scheme, defaultLevel: 30001, levels: [{ id: 30001, name: Inner, members: [bot] }] }
    grants:
      bot: [BROWSE_PROJECTS, ADMINISTER_PROJECTS, SET_ISSUE_SECURITY]
      poor: [BROWSE_PROJECTS]
      admin: [BROWSE_PROJECTS]
    issues: [{ id: 20002, key: SEC-1, securityLevel: 30001 }]
  - { id: 10004, key: ARC, state: Archived, grants: { bot: [BROWSE_PROJECTS] } }
";

const CENTER: &str = r"
name: NAME
deployment: { type: DataCenter, version: '9.12.4', contextPath: /jira, nodes: [left, right] }
accounts:
  - id: JIRAUSER10100
    name: fake bot
    displayName: Fake Bot
    email: bot@example.test
    credentials:
      - { type: PersonalAccessToken, token: pat, name: fake, expiringAt: 2090-01-01T00:00:00Z }
      - { type: PersonalAccessToken, token: old, expiringAt: 2001-01-01T00:00:00Z }
      - { type: Password, password: word }
      - { type: AccessToken, token: reader, scopes: [READ] }
      - { type: AccessToken, token: writer, scopes: [WRITE] }
      - { type: ClientCredentials, clientId: incoming, secret: right, scopes: [WRITE] }
  - id: gone
    name: gone
    status: Inactive
    credentials: [{ type: PersonalAccessToken, token: gone }]
  - id: robot
    name: robot
    principal: ServiceAccount
    credentials: [{ type: ClientCredentials, clientId: robot, secret: right, scopes: [READ, WRITE] }]
projects:
  - { id: 10001, key: WEB, grants: { JIRAUSER10100: [BROWSE_PROJECTS, CREATE_ISSUES], robot: [BROWSE_PROJECTS] } }
  - { id: 10002, key: HID }
  - { id: 10003, key: ARC, state: Archived, grants: { JIRAUSER10100: [BROWSE_PROJECTS] } }
";

/// Credentials of a request.
#[derive(Debug, Clone, Copy)]
enum As {
    Nobody,
    User(&'static str, &'static str),
    Bearer(&'static str),
    Malformed,
}

const BOT: As = As::User("bot@example.test", "classic");
const POOR: As = As::User("poor@example.test", "poor");
const ADMIN: As = As::User("admin@example.test", "master");
const DEAD: As = As::User("bot@example.test", "dead");
const EXPIRED: As = As::User("bot@example.test", "old");
const SCOPED: As = As::User("bot@example.test", "scoped");
const PAT: As = As::Bearer("pat");

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

fn client(simulator: &Simulator) -> Client {
    // Another test of this process may have installed it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ca = Certificate::from_pem(simulator.ca_pem().as_bytes()).unwrap();
    Client::builder().tls_certs_only([ca]).redirect(Policy::none()).timeout(Duration::from_secs(5)).build().unwrap()
}

async fn send(method: &str, url: &str, who: As, body: Option<&str>, headers: &[(&str, &str)]) -> Answer {
    sent(method, url, who, body, headers).await.unwrap()
}

async fn sent(
    method: &str,
    url: &str,
    who: As,
    body: Option<&str>,
    headers: &[(&str, &str)],
) -> Result<Answer, reqwest::Error> {
    let mut request = client(shared()).request(Method::from_bytes(method.as_bytes()).unwrap(), url);
    request = match who {
        As::Nobody => request,
        As::User(user, password) => request.basic_auth(user, Some(password)),
        As::Bearer(token) => request.bearer_auth(token),
        As::Malformed => request.header("Authorization", "nonsense"),
    };
    if let Some(body) = body {
        request = request.body(body.to_owned()).header("Content-Type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, text: response.text().await? })
}

async fn get(url: &str, who: As) -> Answer {
    send("GET", url, who, None, &[]).await
}

/// Adds an instance of its own name to the shared simulator and returns name and URL.
fn added(template: &str, change: impl FnOnce(&mut Instance)) -> (String, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("i{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut instance: Instance = serde_yaml::from_str(&template.replace("NAME", &name)).unwrap();
    change(&mut instance);
    let url = shared().add(instance).unwrap();
    (name, url)
}

fn plain(template: &str) -> (String, String) {
    added(template, |_| ())
}

fn switched(template: &str, name: &str, value: &str) -> (String, String) {
    added(template, |instance| {
        let mut switches = serde_json::to_value(&instance.switches).unwrap();
        switches[name] = value.parse::<u16>().map_or_else(|_| json!(value), |number| json!(number));
        instance.switches = serde_json::from_value(switches).unwrap();
    })
}

fn gateway(name: &str) -> String {
    format!("{}/ex/jira/{name}-id", shared().api_url())
}

#[rstest]
#[case::the_cloud_id_is_public("/_edge/tenant_info", As::Nobody, 200, "-id\"")]
#[case::server_info_version_2_is_public("/rest/api/2/serverInfo", As::Nobody, 200, "\"deploymentType\":\"Cloud\"")]
#[case::server_info_version_3_is_public("/rest/api/3/serverInfo", As::Nobody, 200, "\"deploymentType\":\"Cloud\"")]
#[case::server_info_minds_wrong_credentials("/rest/api/3/serverInfo", DEAD, 401, "Client must be authenticated")]
#[case::no_application_links("/rest/applinks/1.0/manifest", As::Nobody, 404, "")]
#[case::no_oauth_provider("/rest/oauth2/latest/.well-known/oauth-authorization-server", As::Nobody, 404, "")]
#[case::a_bearer_is_taken_for_connect(
    "/rest/api/3/myself",
    As::Bearer("x"),
    403,
    "Failed to parse Connect Session Auth Token"
)]
#[case::a_scoped_token_is_refused("/rest/api/3/myself", SCOPED, 401, "Client must be authenticated")]
#[case::a_classic_token_works("/rest/api/3/myself", BOT, 200, "\"accountId\":\"bot\"")]
#[case::an_expired_token_is_refused("/rest/api/3/myself", EXPIRED, 401, "Client must be authenticated")]
#[case::myself_needs_credentials(
    "/rest/api/3/myself",
    As::Nobody,
    401,
    "Client must be authenticated to access this resource."
)]
#[case::permissions_are_mandatory("/rest/api/3/mypermissions", BOT, 400, "errorMessages")]
#[case::an_unknown_permission_is_refused(
    "/rest/api/3/mypermissions?permissions=FLY",
    BOT,
    400,
    "Unrecognized permission"
)]
#[case::a_legacy_permission_is_refused("/rest/api/3/mypermissions?permissions=EDIT_ISSUE", BOT, 400, "EDIT_ISSUE")]
#[case::a_hidden_project_has_no_permissions(
    "/rest/api/3/mypermissions?permissions=EDIT_ISSUES&projectKey=HID",
    BOT,
    404,
    "HID"
)]
#[case::anonymous_permissions_are_false(
    "/rest/api/3/mypermissions?permissions=EDIT_ISSUES",
    As::Nobody,
    200,
    "\"havePermission\":false"
)]
#[case::a_permission_is_held_in_its_project(
    "/rest/api/3/mypermissions?permissions=EDIT_ISSUES&projectKey=WEB",
    BOT,
    200,
    "\"havePermission\":true"
)]
#[case::a_permission_is_held_there_only(
    "/rest/api/3/mypermissions?permissions=EDIT_ISSUES&projectKey=SEC",
    BOT,
    200,
    "\"havePermission\":false"
)]
#[case::the_id_wins_over_the_key(
    "/rest/api/3/mypermissions?permissions=EDIT_ISSUES&projectKey=WEB&projectId=10003",
    BOT,
    200,
    "\"havePermission\":false"
)]
#[case::without_context_anywhere_counts(
    "/rest/api/3/mypermissions?permissions=EDIT_ISSUES",
    BOT,
    200,
    "\"havePermission\":true"
)]
#[case::a_comment_takes_browse_projects_only(
    "/rest/api/3/mypermissions?permissions=EDIT_ISSUES&commentId=1",
    BOT,
    400,
    "errorMessages"
)]
#[case::a_missing_project("/rest/api/3/project/NOPE", BOT, 404, "No project could be found with key 'NOPE'.")]
#[case::a_missing_project_id("/rest/api/3/project/99", BOT, 404, "No project could be found with id '99'.")]
#[case::a_hidden_project("/rest/api/3/project/HID", BOT, 404, "No project could be found with key 'HID'.")]
#[case::a_visible_project_has_a_text_id("/rest/api/3/project/WEB", BOT, 200, "\"id\":\"10001\"")]
#[case::a_moved_key_leads_to_the_new_one("/rest/api/3/project/OLDWEB", BOT, 200, "\"key\":\"WEB\"")]
#[case::an_archived_project_says_so("/rest/api/3/project/ARC", BOT, 200, "\"archived\":true")]
#[case::search_leaves_out_archived_projects("/rest/api/3/project/search?keys=ARC", BOT, 200, "\"total\":0")]
#[case::search_finds_by_key("/rest/api/3/project/search?keys=WEB&keys=SEC&keys=HID", BOT, 200, "\"total\":2")]
#[case::search_refuses_unknown_actions("/rest/api/3/project/search?action=fly", BOT, 400, "action")]
#[case::a_scheme_is_for_admins("/rest/api/3/project/SEC/issuesecuritylevelscheme", BOT, 200, "\"id\":30000")]
#[case::a_scheme_is_for_jira_admins(
    "/rest/api/3/project/SEC/issuesecuritylevelscheme",
    ADMIN,
    200,
    "\"defaultSecurityLevelId\":30001"
)]
#[case::a_scheme_is_forbidden_to_others("/rest/api/3/project/SEC/issuesecuritylevelscheme", POOR, 403, "errorMessages")]
#[case::a_hidden_project_has_no_scheme("/rest/api/3/project/HID/issuesecuritylevelscheme", BOT, 404, "No project")]
#[case::levels_have_text_ids("/rest/api/3/project/SEC/securitylevel", BOT, 200, "\"id\":\"30001\"")]
#[case::levels_need_the_right_to_set_them("/rest/api/3/project/SEC/securitylevel", POOR, 200, "{\"levels\":[]}")]
#[case::an_issue_of_a_level_is_for_members("/rest/api/3/issue/SEC-1", BOT, 200, "\"key\":\"SEC-1\"")]
#[case::an_issue_of_a_level_is_hidden_from_others("/rest/api/3/issue/SEC-1", POOR, 404, "Issue does not exist")]
#[case::users_need_the_right_to_browse_them("/rest/api/3/user/search?query=bot", POOR, 200, "[]")]
#[case::users_are_found("/rest/api/3/user/search?query=bot", BOT, 200, "\"accountId\":\"bot\"")]
#[case::an_unknown_resource("/rest/api/3/nothing", BOT, 404, "")]
#[tokio::test]
async fn a_cloud_site_answers(#[case] path: &str, #[case] who: As, #[case] status: u16, #[case] part: &str) {
    let (_, url) = plain(CLOUD);
    let answer = get(&format!("{url}{path}"), who).await;
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.text.contains(part), "{answer:?}");
    for name in ["atl-traceid", "atl-request-id", "x-arequestid"] {
        assert!(!answer.header(name).is_empty(), "{name}");
    }
}

#[rstest]
#[case::search("/rest/api/3/project/search", "\"total\":0")]
#[case::permissions("/rest/api/3/mypermissions?permissions=EDIT_ISSUES", "\"havePermission\":false")]
#[tokio::test]
async fn a_dead_api_token_runs_as_anonymous_on_open_resources(#[case] path: &str, #[case] part: &str) {
    let (_, url) = plain(CLOUD);
    for who in [DEAD, EXPIRED] {
        let answer = get(&format!("{url}{path}"), who).await;
        assert_eq!((answer.status, answer.header("X-Seraph-LoginReason")), (200, "AUTHENTICATED_FAILED"));
        assert!(answer.text.contains(part), "{answer:?}");
    }
}

#[tokio::test]
async fn missing_and_hidden_projects_have_the_same_bytes() {
    for (template, version, who) in [(CLOUD, 3, BOT), (CENTER, 2, PAT)] {
        let (name, url) = plain(template);
        let hidden = get(&format!("{url}/rest/api/{version}/project/HID"), who).await;
        shared().mutate(&name, &Mutation::RemoveProject { project: "HID".into() }).unwrap();
        let missing = get(&format!("{url}/rest/api/{version}/project/HID"), who).await;
        assert_eq!((hidden.status, hidden.text), (missing.status, missing.text));
    }
}

#[rstest]
#[case::grants_are_listed(BOT, json!({"globalPermissions": ["USER_PICKER", "ADMINISTER"], "projectPermissions":
    [{"permissions": ["EDIT_ISSUES", "SET_ISSUE_SECURITY"], "projects": [10001, 10002, 10003, 99],
      "issues": [20001, 20002]}]}), 200,
    json!({"globalPermissions": ["USER_PICKER"], "projectPermissions": [
        {"permission": "EDIT_ISSUES", "projects": [10001], "issues": [20001]},
        {"permission": "SET_ISSUE_SECURITY", "projects": [10003], "issues": [20002]}]}))]
#[case::nulls_and_empty_texts_are_ignored(BOT, json!({"globalPermissions": [null, "", "USER_PICKER"]}), 200,
    json!({"globalPermissions": ["USER_PICKER"], "projectPermissions": []}))]
#[case::anonymous_callers_hold_nothing(As::Nobody, json!({"globalPermissions": ["USER_PICKER"]}), 200,
    json!({"globalPermissions": [], "projectPermissions": []}))]
#[case::unknown_keys_are_named(BOT, json!({"globalPermissions": ["PERMISSION_123"]}), 400,
    json!({"errorMessages": [], "errors": {"PERMISSION_123": "Unrecognized permission"}}))]
#[case::other_accounts_are_for_admins(BOT, json!({"accountId": "poor"}), 403,
    json!({"errorMessages": ["Only Jira administrators can perform this operation."], "errors": {}}))]
#[case::admins_ask_for_others(ADMIN, json!({"accountId": "poor", "projectPermissions":
    [{"permissions": ["BROWSE_PROJECTS"], "projects": [10001]}]}), 200,
    json!({"globalPermissions": [], "projectPermissions":
        [{"permission": "BROWSE_PROJECTS", "projects": [10001], "issues": []}]}))]
#[tokio::test]
async fn a_bulk_check_answers(#[case] who: As, #[case] body: Value, #[case] status: u16, #[case] expected: Value) {
    let (_, url) = plain(CLOUD);
    let url = format!("{url}/rest/api/3/permissions/check");
    let answer = send("POST", &url, who, Some(&body.to_string()), &[]).await;
    assert_eq!((answer.status, answer.json()), (status, expected));
}

#[rstest]
#[case::too_many_projects(json!({"projectPermissions": [{"permissions": ["EDIT_ISSUES"],
    "projects": (0..1001).collect::<Vec<u32>>()}]}))]
#[case::too_many_issues(json!({"projectPermissions": [{"permissions": ["EDIT_ISSUES"],
    "issues": (0..1001).collect::<Vec<u32>>()}]}))]
#[case::keys_in_place_of_ids(json!({"projectPermissions": [{"permissions": ["EDIT_ISSUES"], "projects": ["WEB"]}]}))]
#[case::no_permission(json!({"projectPermissions": [{"permissions": [], "projects": [10001]}]}))]
#[tokio::test]
async fn a_bulk_check_is_refused(#[case] body: Value) {
    let (_, url) = plain(CLOUD);
    let answer = send("POST", &format!("{url}/rest/api/3/permissions/check"), BOT, Some(&body.to_string()), &[]).await;
    assert_eq!(answer.status, 400, "{answer:?}");
}

#[tokio::test]
async fn a_bulk_check_may_leave_out_what_holds_nowhere() {
    let body = json!({"projectPermissions": [{"permissions": ["ADD_COMMENTS"], "projects": [10001]}]}).to_string();
    for (switch, listed) in [("Listed", 1), ("LeftOut", 0)] {
        let (_, url) = switched(CLOUD, "checkedAbsence", switch);
        let answer = send("POST", &format!("{url}/rest/api/3/permissions/check"), BOT, Some(&body), &[]).await;
        assert_eq!(answer.json()["projectPermissions"].as_array().unwrap().len(), listed);
    }
}

#[tokio::test]
async fn permitted_projects_are_those_where_all_permissions_hold() {
    let (_, url) = plain(CLOUD);
    let url = format!("{url}/rest/api/3/permissions/project");
    let body = json!({"permissions": ["BROWSE_PROJECTS", "EDIT_ISSUES"]}).to_string();
    assert_eq!(
        send("POST", &url, BOT, Some(&body), &[]).await.json(),
        json!({"projects": [{"id": 10001, "key": "WEB"}]})
    );
    assert_eq!(send("POST", &url, As::Nobody, Some(&body), &[]).await.status, 401);
}

#[rstest]
#[case::an_absent_scheme_is_empty(
    CLOUD,
    "missingScheme",
    "EmptyObject",
    "/rest/api/3/project/WEB/issuesecuritylevelscheme",
    200
)]
#[case::an_absent_scheme_is_missing(
    CLOUD,
    "missingScheme",
    "NotFound",
    "/rest/api/3/project/WEB/issuesecuritylevelscheme",
    404
)]
#[case::an_archived_project_is_missing(CLOUD, "archivedProject", "NotFound", "/rest/api/3/project/ARC", 404)]
#[case::an_unmatched_search_is_missing(
    CLOUD,
    "unmatchedSearch",
    "NotFound",
    "/rest/api/3/project/search?keys=NOPE",
    404
)]
#[tokio::test]
async fn a_cloud_switch_works(
    #[case] template: &str,
    #[case] switch: &str,
    #[case] value: &str,
    #[case] path: &str,
    #[case] status: u16,
) {
    let (name, url) = switched(template, switch, value);
    let grant = Mutation::Grant {
        project: "WEB".into(),
        account: "bot".into(),
        permissions: vec!["ADMINISTER_PROJECTS".into()],
    };
    shared().mutate(&name, &grant).unwrap();
    assert_eq!(get(&format!("{url}{path}"), BOT).await.status, status);
}

async fn cloud_token(name: &str, secret: &str) -> Answer {
    let body =
        json!({"grant_type": "client_credentials", "client_id": format!("{name}-client"), "client_secret": secret});
    send("POST", &format!("{}/oauth/token", shared().auth_url()), As::Nobody, Some(&body.to_string()), &[]).await
}

#[tokio::test]
async fn cloud_client_credentials_give_an_access_token_without_a_refresh_token() {
    let (name, _) = plain(CLOUD);
    let answer = cloud_token(&name, "right").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((&answer.json()["expires_in"], &answer.json()["token_type"]), (&json!(3600), &json!("Bearer")));
    assert_eq!(answer.json().get("refresh_token"), None);
    let bearer = answer.json()["access_token"].as_str().unwrap().to_owned().leak();
    let url = gateway(&name);
    let myself = get(&format!("{url}/rest/api/3/myself"), As::Bearer(bearer)).await;
    assert_eq!((myself.status, &myself.json()["appType"]), (200, &json!("service")));
    let outside = get(&format!("{url}/rest/api/3/mypermissions?permissions=EDIT_ISSUES"), As::Bearer(bearer)).await;
    assert_eq!(
        (outside.status, outside.json()),
        (401, json!({"code": 401, "message": "Unauthorized; scope does not match"}))
    );
    let sites = get(&format!("{}/oauth/token/accessible-resources", shared().api_url()), As::Bearer(bearer)).await;
    assert_eq!(sites.json()[0]["id"], json!(format!("{name}-id")));
    let revoke = Mutation::RevokeCredential { credential: format!("{name}-client") };
    shared().mutate(&name, &revoke).unwrap();
    assert_eq!(get(&format!("{url}/rest/api/3/myself"), As::Bearer(bearer)).await.status, 401);
}

#[tokio::test]
async fn a_wrong_cloud_secret_is_access_denied() {
    let (name, _) = plain(CLOUD);
    let answer = cloud_token(&name, "wrong").await;
    assert_eq!(
        (answer.status, answer.json()),
        (401, json!({"error": "access_denied", "error_description": "Unauthorized"}))
    );
}

#[tokio::test]
async fn the_cloud_token_endpoint_takes_forms_too() {
    let (name, _) = plain(CLOUD);
    let form = format!("grant_type=client_credentials&client_id={name}-client&client_secret=right");
    let url = format!("{}/oauth/token", shared().auth_url());
    let answer = client(shared()).post(url).header("Content-Type", "application/x-www-form-urlencoded").body(form);
    assert_eq!(answer.send().await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn a_cloud_access_token_ends_with_the_clock() {
    let simulator = Simulator::start(jira::Options::default()).unwrap();
    simulator.add(serde_yaml::from_str(&CLOUD.replace("NAME", "lone")).unwrap()).unwrap();
    let http = client(&simulator);
    let body = json!({"grant_type": "client_credentials", "client_id": "lone-client", "client_secret": "right"});
    let answer = http.post(format!("{}/oauth/token", simulator.auth_url())).json(&body).send().await.unwrap();
    let token = answer.json::<Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned();
    let myself = format!("{}/ex/jira/lone-id/rest/api/3/myself", simulator.api_url());
    let status = async || http.get(&myself).bearer_auth(&token).send().await.unwrap().status().as_u16();
    assert_eq!(status().await, 200);
    simulator.clock().advance(Duration::from_secs(3601));
    assert_eq!(status().await, 401);
    simulator.fault("lone", Rule::every(Fault::ExpiredTokenNotFound)).unwrap();
    assert_eq!(status().await, 404);
}

#[rstest]
#[case::no_credentials(As::Nobody, "/rest/api/3/myself", 401, "{\"code\":401,\"message\":\"Unauthorized\"}")]
#[case::a_dead_bearer(As::Bearer("dead"), "/rest/api/3/serverInfo", 401, "{\"code\":401,\"message\":\"Unauthorized\"}")]
#[case::a_scoped_token_as_basic(SCOPED, "/rest/api/3/myself", 200, "\"accountId\":\"bot\"")]
#[case::a_scoped_token_as_bearer(As::Bearer("scoped"), "/rest/api/3/myself", 200, "\"accountId\":\"bot\"")]
#[case::a_missing_scope(As::Bearer("granular"), "/rest/api/3/myself", 401, "scope does not match")]
#[case::all_granular_scopes(As::Bearer("granular"), "/rest/api/3/mypermissions?permissions=EDIT_ISSUES", 200, "true")]
#[case::some_granular_scopes(As::Bearer("granular"), "/rest/api/3/project/WEB", 401, "scope does not match")]
#[case::no_scope_needed(As::Bearer("granular"), "/rest/api/3/serverInfo", 200, "Cloud")]
#[case::a_classic_token(BOT, "/rest/api/3/myself", 401, "Unauthorized")]
#[case::an_expired_access_token(As::Bearer("late"), "/rest/api/3/myself", 401, "Unauthorized")]
#[tokio::test]
async fn the_gateway_answers(#[case] who: As, #[case] path: &str, #[case] status: u16, #[case] part: &str) {
    let (name, _) = plain(CLOUD);
    let answer = get(&format!("{}{path}", gateway(&name)), who).await;
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.text.contains(part), "{answer:?}");
}

#[tokio::test]
async fn an_unknown_cloud_id_is_404() {
    let url = format!("{}/ex/jira/nowhere/rest/api/3/myself", shared().api_url());
    assert_eq!(get(&url, As::Bearer("x")).await.status, 404);
}

#[tokio::test]
async fn an_allow_list_refuses_rest_calls_and_not_token_requests() {
    let (name, url) = plain(CLOUD);
    shared().fault(&name, Rule::every(Fault::IpAllowList)).unwrap();
    assert_eq!(cloud_token(&name, "right").await.status, 200);
    assert_eq!(get(&format!("{}/rest/api/3/myself", gateway(&name)), SCOPED).await.status, 403);
    assert_eq!(get(&format!("{url}/rest/api/3/myself"), BOT).await.status, 403);
    assert_eq!(get(&format!("{url}/_edge/tenant_info"), As::Nobody).await.status, 200);
}

#[tokio::test]
async fn an_injected_limit_says_why_and_until_when() {
    let simulator =
        Simulator::start(jira::Options { now: Some("2026-01-02T03:04:05Z".parse().unwrap()), ..Default::default() });
    let simulator = simulator.unwrap();
    let url = simulator.add(serde_yaml::from_str(&CLOUD.replace("NAME", "limited")).unwrap()).unwrap();
    let fault = Fault::RateLimited { retry_after: 7, reason: Some("jira-burst-based".into()) };
    simulator.fault("limited", Rule::every(fault)).unwrap();
    let answer = client(&simulator).get(format!("{url}/rest/api/3/myself")).send().await.unwrap();
    let headers =
        ["Retry-After", "RateLimit-Reason", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];
    let values = headers.map(|name| answer.headers()[name].to_str().unwrap());
    assert_eq!(values, ["7", "jira-burst-based", "100", "0", "2026-01-02T03:04:12Z"]);
}

#[tokio::test]
async fn an_exhausted_client_is_limited_on_all_its_sites_until_the_full_hour() {
    let simulator =
        Simulator::start(jira::Options { now: Some("2026-01-02T03:40:00Z".parse().unwrap()), ..Default::default() });
    let simulator = simulator.unwrap();
    let http = client(&simulator);
    for name in ["one", "two"] {
        let shared_client = CLOUD.replace("NAME-client", "both").replace("NAME", name);
        simulator.add(serde_yaml::from_str(&shared_client).unwrap()).unwrap();
    }
    let body = json!({"grant_type": "client_credentials", "client_id": "both", "client_secret": "right"});
    let answer = http.post(format!("{}/oauth/token", simulator.auth_url())).json(&body).send().await.unwrap();
    let token = answer.json::<Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned();
    let ask = async |name: &str| {
        let url = format!("{}/ex/jira/{name}-id/rest/api/3/myself", simulator.api_url());
        http.get(url).bearer_auth(&token).send().await.unwrap()
    };
    simulator.exhaust_quota("both");
    for name in ["one", "two"] {
        let answer = ask(name).await;
        assert_eq!(answer.status().as_u16(), 429);
        assert_eq!(answer.headers()["RateLimit-Reason"], "jira-quota-global-based");
        assert_eq!(answer.headers()["X-RateLimit-Reset"], "2026-01-02T04:00:00Z");
    }
    simulator.clock().advance(Duration::from_secs(1201));
    assert_eq!(ask("one").await.status().as_u16(), 200);
}

#[rstest]
#[case::server_info_is_public("/rest/api/2/serverInfo", As::Nobody, 200, "\"deploymentType\":\"Server\"")]
#[case::there_is_no_version_3("/rest/api/3/serverInfo", As::Nobody, 404, "")]
#[case::there_is_no_tenant("/_edge/tenant_info", As::Nobody, 404, "")]
#[case::the_manifest_is_xml("/rest/applinks/1.0/manifest", As::Nobody, 200, "<typeId>jira</typeId>")]
#[case::the_provider_has_metadata(
    "/rest/oauth2/latest/.well-known/oauth-authorization-server",
    As::Nobody,
    200,
    "client_credentials"
)]
#[case::a_token_works("/rest/api/2/myself", PAT, 200, "\"key\":\"JIRAUSER10100\"")]
#[case::a_token_reads_its_own_end("/rest/pat/latest/tokens", PAT, 200, "\"expiringAt\":\"2090-01-01T00:00:00.000Z\"")]
#[case::an_expired_token_is_refused("/rest/api/2/myself", As::Bearer("old"), 401, "Client must be authenticated")]
#[case::an_unknown_token_is_refused(
    "/rest/api/2/serverInfo",
    As::Bearer("nonsense"),
    401,
    "Client must be authenticated"
)]
#[case::a_deactivated_user_is_refused("/rest/api/2/myself", As::Bearer("gone"), 401, "Client must be authenticated")]
#[case::myself_needs_credentials(
    "/rest/api/2/myself",
    As::Nobody,
    401,
    "{\"message\":\"Client must be authenticated to access this resource.\",\"status-code\":401}"
)]
#[case::projects_are_empty_for_anonymous("/rest/api/2/project", As::Nobody, 200, "[]")]
#[case::a_malformed_authorization_is_anonymous("/rest/api/2/project", As::Malformed, 200, "[]")]
#[case::projects_are_a_bare_array("/rest/api/2/project", PAT, 200, "[{")]
#[case::archived_projects_can_be_listed("/rest/api/2/project?includeArchived=true", PAT, 200, "\"archived\":true")]
#[case::permissions_are_not_filtered("/rest/api/2/mypermissions?permissions=FLY", PAT, 200, "\"SET_ISSUE_SECURITY\"")]
#[case::a_bad_project_id("/rest/api/2/mypermissions?projectId=WEB", PAT, 400, "errorMessages")]
#[case::an_unknown_project(
    "/rest/api/2/mypermissions?projectKey=NOPE",
    PAT,
    404,
    "No project could be found with key 'NOPE'."
)]
#[case::a_hidden_project("/rest/api/2/project/HID", PAT, 404, "No project could be found with key 'HID'.")]
#[case::there_is_no_project_search("/rest/api/2/project/search", PAT, 404, "")]
#[case::there_is_no_bulk_check("/rest/api/2/permissions/check", PAT, 404, "")]
#[case::there_are_no_permitted_projects("/rest/api/2/permissions/project", PAT, 404, "")]
#[case::there_is_no_new_search("/rest/api/2/search/jql", PAT, 404, "")]
#[case::a_right_password_works("/rest/api/2/myself", As::User("fake bot", "word"), 200, "fake bot")]
#[case::a_wrong_password_is_refused(
    "/rest/api/2/myself",
    As::User("fake bot", "x"),
    401,
    "Basic Authentication Failure - Reason : AUTHENTICATED_FAILED"
)]
#[case::a_read_scope_reads("/rest/api/2/myself", As::Bearer("reader"), 200, "fake bot")]
#[tokio::test]
async fn data_center_answers(#[case] path: &str, #[case] who: As, #[case] status: u16, #[case] part: &str) {
    let (_, url) = plain(CENTER);
    let answer = get(&format!("{url}{path}"), who).await;
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.text.contains(part), "{answer:?}");
    for name in ["X-AREQUESTID", "X-ASESSIONID", "X-ANODEID", "X-AUSERNAME"] {
        assert!(!answer.header(name).is_empty(), "{name}");
    }
    assert!(!answer.headers.contains_key("X-RateLimit-Limit"));
    let challenge = answer.header("WWW-Authenticate");
    assert_eq!(challenge.starts_with("OAuth realm=\"https%3A%2F%2F"), status == 401, "{answer:?}");
}

#[tokio::test]
async fn data_center_says_whom_a_request_ran_as() {
    let (_, url) = plain(CENTER);
    let url = format!("{url}/rest/api/2/serverInfo");
    let known = get(&url, PAT).await;
    assert_eq!((known.header("X-AUSERNAME"), known.header("X-Seraph-LoginReason")), ("fake+bot", "OK"));
    let unknown = get(&url, As::Nobody).await;
    assert_eq!((unknown.header("X-AUSERNAME"), unknown.header("X-Seraph-LoginReason")), ("anonymous", "OUT"));
}

#[tokio::test]
async fn data_center_shows_both_generations_of_permissions() {
    let (name, url) = plain(CENTER);
    let url = format!("{url}/rest/api/2/mypermissions?projectKey=WEB");
    let both = get(&url, PAT).await.json();
    let (new, legacy) = (&both["permissions"]["CREATE_ISSUES"], &both["permissions"]["CREATE_ISSUE"]);
    assert_eq!((&new["havePermission"], new.get("deprecatedKey")), (&json!(true), None));
    assert_eq!((&legacy["havePermission"], &legacy["deprecatedKey"]), (&json!(true), &json!(true)));
    shared().mutate(&name, &Mutation::SetVersion { version: "6.4.0".into() }).unwrap();
    let user = As::User("fake bot", "word");
    let old = get(&url, user).await.json();
    assert_eq!(old["permissions"].get("CREATE_ISSUES"), None);
    assert_eq!(old["permissions"]["CREATE_ISSUE"].get("deprecatedKey"), None);
}

#[rstest]
#[case::a_dead_token_may_run_as_anonymous("refusedBearer", "Anonymous", As::Bearer("dead"), "/rest/api/2/project", 200)]
#[case::anonymous_permissions_may_be_refused(
    "anonymousPermissions",
    "Unauthorized",
    As::Nobody,
    "/rest/api/2/mypermissions",
    401
)]
#[case::a_manifest_may_be_refused("manifest", "Forbidden", As::Nobody, "/rest/applinks/1.0/manifest", 403)]
#[case::a_manifest_may_be_missing("manifest", "NotFound", As::Nobody, "/rest/applinks/1.0/manifest", 404)]
#[case::metadata_may_be_missing(
    "oauthMetadata",
    "NotFound",
    As::Nobody,
    "/rest/oauth2/latest/.well-known/oauth-authorization-server",
    404
)]
#[case::basic_may_be_off("basicAuthentication", "Off", As::User("fake bot", "word"), "/rest/api/2/myself", 401)]
#[case::absent_resources_may_be_405("absentResourceStatus", "405", PAT, "/rest/api/2/permissions/check", 405)]
#[tokio::test]
async fn a_data_center_switch_works(
    #[case] switch: &str,
    #[case] value: &str,
    #[case] who: As,
    #[case] path: &str,
    #[case] status: u16,
) {
    let (_, url) = switched(CENTER, switch, value);
    assert_eq!(get(&format!("{url}{path}"), who).await.status, status);
}

#[tokio::test]
async fn server_info_of_a_site_may_not_mind_wrong_credentials() {
    let (_, url) = switched(CLOUD, "wrongCredentialsAtServerInfo", "Anonymous");
    let answer = get(&format!("{url}/rest/api/3/serverInfo"), DEAD).await;
    assert_eq!((answer.status, answer.header("X-Seraph-LoginReason")), (200, "AUTHENTICATED_FAILED"));
}

#[tokio::test]
async fn the_gateway_may_take_classic_tokens() {
    let (name, _) = switched(CLOUD, "classicTokenAtGateway", "Accepted");
    let url = format!("{}/rest/api/3/myself", gateway(&name));
    assert_eq!(get(&url, BOT).await.status, 200);
    assert_eq!(get(&url, As::Bearer("classic")).await.status, 401);
}

#[rstest]
#[case::shown("Shown", 200)]
#[case::unauthorized("Unauthorized", 401)]
#[case::forbidden("Forbidden", 403)]
#[case::missing("NotFound", 404)]
#[tokio::test]
async fn a_service_account_may_have_no_myself(#[case] value: &str, #[case] status: u16) {
    let (_, url) = switched(CENTER, "serviceAccountMyself", value);
    let token = center_token(&url, "grant_type=client_credentials&client_id=robot&client_secret=right").await.json();
    let who = As::Bearer(token["access_token"].as_str().unwrap().to_owned().leak());
    assert_eq!(get(&format!("{url}/rest/api/2/myself"), who).await.status, status);
    assert_eq!(get(&format!("{url}/rest/api/2/project/WEB"), who).await.status, 200);
}

#[rstest]
#[case::no_such_grant("clientCredentialsGrant", "Unsupported", "right", 400, "unsupported_grant_type")]
#[case::another_status("invalidClientStatus", "400", "wrong", 400, "invalid_client")]
#[tokio::test]
async fn the_data_center_token_endpoint_has_switches(
    #[case] switch: &str,
    #[case] value: &str,
    #[case] secret: &str,
    #[case] status: u16,
    #[case] error: &str,
) {
    let (_, url) = switched(CENTER, switch, value);
    let form = format!("grant_type=client_credentials&client_id=robot&client_secret={secret}");
    let answer = center_token(&url, &form).await;
    assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(error)));
}

#[tokio::test]
async fn permissions_may_have_new_keys_only() {
    let (_, url) = switched(CENTER, "permissionGeneration", "NewOnly");
    let answer = get(&format!("{url}/rest/api/2/mypermissions"), PAT).await.json();
    assert!(
        answer["permissions"].get("CREATE_ISSUES").is_some() && answer["permissions"].get("CREATE_ISSUE").is_none()
    );
}

#[tokio::test]
async fn a_manifest_may_list_no_authentication_types() {
    let (_, url) = added(CENTER, |instance| instance.switches.authentication_types.clear());
    let answer = get(&format!("{url}/rest/applinks/1.0/manifest"), As::Nobody).await;
    assert!(answer.text.contains("<manifest>") && !answer.text.contains("AuthenticationTypes"), "{answer:?}");
}

#[tokio::test]
async fn outside_the_context_path_there_is_no_jira() {
    let (_, url) = plain(CENTER);
    let answer = get(&format!("{}/rest/api/2/serverInfo", url.strip_suffix("/jira").unwrap()), As::Nobody).await;
    assert_eq!((answer.status, answer.header("X-AREQUESTID")), (404, ""));
}

#[rstest]
#[case::no_tokens_before_8_14("8.13.9", PAT, "/rest/api/2/project", 200)]
#[case::no_token_list_before_8_14("8.13.9", As::User("fake bot", "word"), "/rest/pat/latest/tokens", 404)]
#[case::tokens_from_8_14("8.14.0", PAT, "/rest/api/2/myself", 200)]
#[case::no_provider_before_8_22(
    "8.21.0",
    As::Nobody,
    "/rest/oauth2/latest/.well-known/oauth-authorization-server",
    404
)]
#[case::no_access_tokens_before_8_22("8.21.0", As::Bearer("writer"), "/rest/api/2/myself", 401)]
#[case::no_basic_from_11("11.0.0", As::User("fake bot", "word"), "/rest/api/2/myself", 401)]
#[tokio::test]
async fn versions_gate_features(#[case] version: &str, #[case] who: As, #[case] path: &str, #[case] status: u16) {
    let (name, url) = plain(CENTER);
    shared().mutate(&name, &Mutation::SetVersion { version: version.into() }).unwrap();
    let answer = get(&format!("{url}{path}"), who).await;
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(version != "8.13.9" || status != 200 || answer.header("X-AUSERNAME") == "anonymous", "{answer:?}");
}

#[tokio::test]
async fn the_manifest_is_json_when_asked_for() {
    let (_, url) = plain(CENTER);
    let url = format!("{url}/rest/applinks/1.0/manifest");
    let answer = send("GET", &url, As::Nobody, None, &[("Accept", "application/json")]).await;
    assert_eq!((&answer.json()["typeId"], &answer.json()["buildNumber"]), (&json!("jira"), &json!(9_120_004)));
}

#[tokio::test]
async fn failed_passwords_end_in_a_captcha_even_for_the_right_one() {
    let (name, url) = plain(CENTER);
    let url = format!("{url}/rest/api/2/myself");
    for _ in 0..3 {
        let answer = get(&url, As::User("fake bot", "x")).await;
        assert_eq!((answer.status, answer.header("X-Seraph-LoginReason")), (401, "AUTHENTICATED_FAILED"));
    }
    let locked = get(&url, As::User("fake bot", "word")).await;
    assert_eq!((locked.status, locked.header("X-Seraph-LoginReason")), (403, "AUTHENTICATION_DENIED"));
    let reason = locked.header("X-Authentication-Denied-Reason");
    assert!(
        reason.starts_with("CAPTCHA_CHALLENGE; login-url=https://") && reason.ends_with("/jira/login.jsp"),
        "{reason}"
    );
    assert_eq!(get(&url, PAT).await.status, 200);
    shared().unlock(&name, "fake bot").unwrap();
    assert_eq!(get(&url, As::User("fake bot", "word")).await.status, 200);
}

async fn center_token(url: &str, form: &str) -> Answer {
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let response = client(shared()).post(format!("{url}/rest/oauth2/latest/token")).header(headers[0].0, headers[0].1);
    let response = response.body(form.to_owned()).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

#[rstest]
#[case::no_grant_type("client_id=robot&client_secret=right", 400, "invalid_request")]
#[case::no_client_id("grant_type=client_credentials&client_secret=right", 400, "invalid_request")]
#[case::no_secret_in_the_form("grant_type=client_credentials&client_id=robot", 401, "invalid_client")]
#[case::a_wrong_secret("grant_type=client_credentials&client_id=robot&client_secret=x", 401, "invalid_client")]
#[case::an_incoming_link(
    "grant_type=client_credentials&client_id=incoming&client_secret=right",
    400,
    "unsupported_grant_type"
)]
#[case::an_unknown_grant("grant_type=password&client_id=robot&client_secret=right", 400, "unsupported_grant_type")]
#[case::a_cloud_scope(
    "grant_type=client_credentials&client_id=robot&client_secret=right&scope=read%3Ajira-work",
    400,
    "invalid_scope"
)]
#[case::an_admin_scope(
    "grant_type=client_credentials&client_id=robot&client_secret=right&scope=ADMIN",
    400,
    "invalid_scope"
)]
#[tokio::test]
async fn the_data_center_token_endpoint_refuses(#[case] form: &str, #[case] status: u16, #[case] error: &str) {
    let (_, url) = plain(CENTER);
    let answer = center_token(&url, form).await;
    assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(error)));
}

#[tokio::test]
async fn a_json_body_at_the_data_center_token_endpoint_is_500() {
    let (_, url) = plain(CENTER);
    let answer = send("POST", &format!("{url}/rest/oauth2/latest/token"), As::Nobody, Some("{}"), &[]).await;
    assert_eq!(answer.status, 500);
    assert!(answer.text.contains("@FormParam"));
}

#[tokio::test]
async fn an_insecure_request_or_base_url_has_no_oauth() {
    let (_, insecure) = switched(CENTER, "requestSeenAs", "Insecure");
    let (_, plain_base) = added(CENTER, |instance| {
        if let jira::Deployment::DataCenter(center) = &mut instance.deployment {
            center.base_url = Some("http://jira.example.test".into());
        }
    });
    for url in [insecure, plain_base] {
        let answer = center_token(&url, "grant_type=client_credentials&client_id=robot&client_secret=right").await;
        assert_eq!(answer.status, 400);
        assert!(answer.json()["errors"].is_array() && answer.json()["fieldErrors"].is_object());
    }
}

#[tokio::test]
async fn a_service_account_of_data_center_gets_a_token_for_rest_only() {
    let (name, url) = plain(CENTER);
    let form = "grant_type=client_credentials&client_id=robot&client_secret=right&scope=READ%20WRITE";
    let answer = center_token(&url, form).await;
    assert_eq!((answer.status, answer.header("Cache-Control")), (200, "no-store"));
    let body = answer.json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("bearer"), &json!(3600), &json!("READ WRITE"))
    );
    assert_eq!(body.get("refresh_token"), None);
    let who = As::Bearer(body["access_token"].as_str().unwrap().to_owned().leak());
    assert_eq!(get(&format!("{url}/rest/api/2/project/WEB"), who).await.status, 200);
    assert_eq!(get(&format!("{url}/rest/pat/latest/tokens"), who).await.status, 403);
    assert_eq!(get(&format!("{url}/rest/api/2/project/WEB/issuesecuritylevelscheme"), who).await.status, 403);
    shared().mutate(&name, &Mutation::RevokeCredential { credential: "robot".into() }).unwrap();
    assert_eq!(get(&format!("{url}/rest/api/2/project/WEB"), who).await.status, 401);
}

#[tokio::test]
async fn a_read_scope_does_not_write() {
    let body = json!({"fields": {"project": {"key": "WEB"}, "summary": "s"}}).to_string();
    for (switch, status) in [("403", 403), ("401", 401)] {
        let (_, url) = switched(CENTER, "scopeRefusalStatus", switch);
        let url = format!("{url}/rest/api/2/issue");
        assert_eq!(send("POST", &url, As::Bearer("reader"), Some(&body), &[]).await.status, status);
        assert_eq!(send("POST", &url, As::Bearer("writer"), Some(&body), &[]).await.status, 201);
    }
}

#[tokio::test]
async fn a_write_that_looks_like_a_browsers_is_refused() {
    let (_, url) = plain(CENTER);
    let url = format!("{url}/rest/api/2/issue");
    let body = json!({"fields": {"project": {"key": "WEB"}, "summary": "s"}}).to_string();
    let browser = ("User-Agent", "Mozilla/5.0");
    assert_eq!(send("POST", &url, PAT, Some(&body), &[browser]).await.status, 403);
    assert_eq!(send("POST", &url, PAT, Some(&body), &[browser, ("X-Atlassian-Token", "no-check")]).await.status, 201);
}

#[tokio::test]
async fn a_node_without_access_tokens_refuses_half_of_the_calls() {
    let (_, url) = added(CENTER, |instance| {
        if let jira::Deployment::DataCenter(center) = &mut instance.deployment {
            center.nodes_without_access_tokens = vec!["left".into()];
        }
    });
    let mut seen = Vec::new();
    for _ in 0..4 {
        let answer = get(&format!("{url}/rest/api/2/myself"), As::Bearer("writer")).await;
        assert_eq!(answer.status == 401, answer.header("X-ANODEID") == "left");
        seen.push(answer.status);
    }
    assert_eq!(seen.iter().filter(|status| **status == 200).count(), 2);
}

#[tokio::test]
async fn data_center_limits_per_account_and_node() {
    let (_, url) = added(CENTER, |instance| {
        instance.rate_limit = Some(jira::RateLimit { limit: 1, fill_rate: 1, interval_seconds: 3600 });
    });
    let info = get(&format!("{url}/rest/api/2/serverInfo"), PAT).await;
    assert!(!info.headers.contains_key("X-RateLimit-Limit"));
    let mut seen = Vec::new();
    for _ in 0..4 {
        let answer = get(&format!("{url}/rest/api/2/myself"), PAT).await;
        assert_eq!((answer.header("X-RateLimit-Limit"), answer.header("X-RateLimit-Remaining")), ("1", "0"));
        let wait: u32 = answer.header("Retry-After").parse().unwrap();
        assert_eq!(wait == 0, answer.status == 200);
        seen.push(answer.status);
    }
    assert_eq!(seen, [200, 200, 429, 429]);
}

#[tokio::test]
async fn cloud_limits_per_account_and_resource() {
    let (_, url) = added(CLOUD, |instance| {
        instance.rate_limit = Some(jira::RateLimit { limit: 6, fill_rate: 6, interval_seconds: 3600 });
    });
    let url = format!("{url}/rest/api/3/myself");
    let mut near = Vec::new();
    for _ in 0..6 {
        near.push(get(&url, BOT).await.headers.contains_key("X-RateLimit-NearLimit"));
    }
    assert_eq!(near, [false, false, false, false, true, true]);
    let over = get(&url, BOT).await;
    assert_eq!((over.status, over.header("RateLimit-Reason")), (429, "jira-burst-based"));
    assert_eq!(get(&url, POOR).await.status, 200);
}

#[rstest]
#[case::a_status(json!({"type": "Status", "status": 502, "body": "bad", "contentType": "text/html"}), 502, "bad")]
#[case::an_unwell_jira(json!({"type": "Unwell", "status": 500}), 500, "errorMessages")]
#[case::a_login_page(json!({"type": "LoginPage"}), 200, "<html>")]
#[case::a_redirect(json!({"type": "Redirect", "location": "https://sso.example.test/"}), 302, "")]
#[case::anonymous(json!({"type": "Anonymous"}), 401, "Client must be authenticated")]
#[case::stripped(json!({"type": "StripAuthorization"}), 401, "Client must be authenticated")]
#[case::a_captcha(json!({"type": "Captcha"}), 403, "AUTHENTICATION_DENIED")]
#[case::a_limit(json!({"type": "RateLimited", "retryAfter": 7, "reason": "jira-burst-based"}), 429, "Rate limit")]
#[case::unavailable(json!({"type": "Unavailable", "retryAfter": 7}), 503, "errorMessages")]
#[case::an_empty_body(json!({"type": "EmptyBody", "status": 403}), 403, "")]
#[case::a_slow_answer(json!({"type": "Slow", "millis": 20}), 200, "fake bot")]
#[case::a_huge_body(json!({"type": "HugeBody", "megabytes": 1}), 200, "fake bot")]
#[case::another_content_type(json!({"type": "WrongContentType", "contentType": "text/plain"}), 200, "fake bot")]
#[case::headers(json!({"type": "Headers", "set": {"X-AUSERNAME": "anonymous"}}), 200, "fake bot")]
#[tokio::test]
async fn a_fault_strikes(#[case] fault: Value, #[case] status: u16, #[case] part: &str) {
    let (name, url) = plain(CENTER);
    let fault: Fault = serde_json::from_value(fault).unwrap();
    let front =
        matches!(fault, Fault::Status { .. } | Fault::LoginPage | Fault::Redirect { .. } | Fault::EmptyBody { .. });
    shared().fault(&name, Rule::every(fault).on("/rest/api/2/myself").first(1)).unwrap();
    let struck = get(&format!("{url}/rest/api/2/myself"), PAT).await;
    assert_eq!(struck.status, status, "{struck:?}");
    assert!(struck.text.contains(part));
    assert_eq!(struck.headers.contains_key("X-AREQUESTID"), !front);
    assert_eq!(get(&format!("{url}/rest/api/2/myself"), PAT).await.status, 200);
}

#[tokio::test]
async fn a_huge_body_is_still_json() {
    let (name, url) = plain(CENTER);
    shared().fault(&name, Rule::every(Fault::HugeBody { megabytes: 2 })).unwrap();
    let answer = get(&format!("{url}/rest/api/2/myself"), PAT).await;
    assert!(answer.text.len() > 2 * 1_048_576);
    assert_eq!(answer.json()["name"], json!("fake bot"));
}

#[rstest]
#[case::before_the_answer(Fault::CutBeforeAnswer, 1)]
#[case::after_the_effect(Fault::LoseAnswer, 2)]
#[case::in_the_body(Fault::CutInBody { after: 5 }, 2)]
#[tokio::test]
async fn a_connection_is_cut(#[case] fault: Fault, #[case] next: u32) {
    let (name, url) = plain(CENTER);
    shared().fault(&name, Rule { method: Some("POST".into()), ..Rule::every(fault).first(1) }).unwrap();
    let body = json!({"fields": {"project": {"key": "WEB"}, "summary": "s"}}).to_string();
    let url = format!("{url}/rest/api/2/issue");
    assert!(sent("POST", &url, PAT, Some(&body), &[]).await.is_err());
    let created = send("POST", &url, PAT, Some(&body), &[]).await;
    assert_eq!(created.json()["key"], json!(format!("WEB-{next}")));
}

#[tokio::test]
async fn an_answer_may_never_come() {
    let (name, url) = plain(CENTER);
    shared().fault(&name, Rule::every(Fault::NeverAnswer)).unwrap();
    let request = client(shared()).get(format!("{url}/rest/api/2/myself")).timeout(Duration::from_secs(1));
    assert!(request.send().await.unwrap_err().is_timeout());
    let entries = shared().journal().of(&name, jira::Mark::default());
    assert_eq!(entries.iter().map(|entry| entry.status).collect::<Vec<_>>(), [None]);
}

#[tokio::test]
async fn bodies_are_spoiled() {
    let (name, url) = plain(CENTER);
    let url = format!("{url}/rest/api/2/mypermissions");
    shared().fault(&name, Rule::every(Fault::InvalidJson).first(1)).unwrap();
    assert!(serde_json::from_str::<Value>(&get(&url, PAT).await.text).is_err());
    shared().fault(&name, Rule::every(Fault::EmptyPermissions)).unwrap();
    assert_eq!(get(&url, PAT).await.json(), json!({"permissions": {}}));
    shared().heal(&name).unwrap();
    assert!(get(&url, PAT).await.json()["permissions"].as_object().unwrap().len() > 10);
}

#[rstest]
#[case::both(&[("CF-Access-Client-Id", "id"), ("CF-Access-Client-Secret", "hushed")], 200)]
#[case::one(&[("CF-Access-Client-Id", "id")], 302)]
#[case::a_wrong_one(&[("CF-Access-Client-Id", "id"), ("CF-Access-Client-Secret", "x")], 302)]
#[tokio::test]
async fn a_gateway_wants_its_headers(#[case] headers: &[(&str, &str)], #[case] status: u16) {
    let (name, url) = added(CENTER, |instance| {
        if let jira::Deployment::DataCenter(center) = &mut instance.deployment {
            let wanted = [("CF-Access-Client-Id", "id"), ("CF-Access-Client-Secret", "hushed")];
            center.gateway_headers = wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        }
    });
    let answer = send("GET", &format!("{url}/rest/api/2/myself"), PAT, None, headers).await;
    assert_eq!(answer.status, status);
    assert_eq!(answer.headers.contains_key("X-AREQUESTID"), status == 200);
    let entry = &shared().journal().of(&name, jira::Mark::default())[0];
    assert!(entry.carried("cf-access-client-id", "id"));
    assert!(!serde_json::to_string(entry).unwrap().contains("hushed"));
}

#[rstest]
#[case::self_signed("SelfSigned")]
#[case::expired("Expired")]
#[case::another_host("OtherHost")]
#[tokio::test]
async fn a_bad_certificate_is_refused_by_clients(#[case] certificate: &str) {
    let (name, url) = plain(CENTER);
    let url = format!("{url}/rest/api/2/serverInfo");
    assert_eq!(get(&url, As::Nobody).await.status, 200);
    let certificate = serde_json::from_value(json!(certificate)).unwrap();
    shared().mutate(&name, &Mutation::SetCertificate { certificate }).unwrap();
    assert!(sent("GET", &url, As::Nobody, None, &[]).await.unwrap_err().is_connect());
    assert_eq!(shared().journal().of(&name, jira::Mark::default()).len(), 1);
}

#[tokio::test]
async fn changing_the_certificate_ends_kept_connections() {
    let (name, url) = plain(CENTER);
    let http = client(shared());
    let ask = async || http.get(format!("{url}/rest/api/2/serverInfo")).send().await;
    assert!(ask().await.is_ok());
    shared().mutate(&name, &Mutation::SetCertificate { certificate: jira::Certificate::Expired }).unwrap();
    let mut refused = false;
    for _ in 0..50 {
        // The end of the kept connection may reach the client a moment later.
        tokio::time::sleep(Duration::from_millis(20)).await;
        refused = refused || ask().await.is_err_and(|error| error.is_connect());
    }
    assert!(refused);
}

#[tokio::test]
async fn a_client_certificate_is_demanded() {
    let (_, url) = added(CENTER, |instance| {
        instance.transport.client_certificate = jira::ClientCertificate::Required;
    });
    let url = format!("{url}/rest/api/2/serverInfo");
    assert!(sent("GET", &url, As::Nobody, None, &[]).await.is_err());
    let identity = shared().client_certificate("operator").unwrap();
    let identity = reqwest::Identity::from_pem(format!("{}{}", identity.key, identity.certificate).as_bytes()).unwrap();
    let ca = Certificate::from_pem(shared().ca_pem().as_bytes()).unwrap();
    let known = Client::builder().tls_certs_only([ca]).identity(identity).build().unwrap();
    assert_eq!(known.get(&url).send().await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn plain_http_is_possible() {
    let (_, url) = added(CENTER, |instance| instance.transport.scheme = jira::Scheme::Http);
    assert!(url.starts_with("http://"));
    assert_eq!(get(&format!("{url}/rest/api/2/serverInfo"), As::Nobody).await.status, 200);
}

#[tokio::test]
async fn a_credential_can_change_its_account() {
    let (name, url) = plain(CENTER);
    let moved = Mutation::MoveCredential { credential: "pat".into(), account: "robot".into() };
    shared().mutate(&name, &moved).unwrap();
    assert_eq!(get(&format!("{url}/rest/api/2/myself"), PAT).await.json()["name"], json!("robot"));
}

#[tokio::test]
async fn requests_are_counted_per_instance_and_say_whom_they_ran_as() {
    let (name, _) = plain(CLOUD);
    let (other, other_url) = plain(CENTER);
    let mark = shared().journal().mark();
    cloud_token(&name, "right").await;
    get(&format!("{}/rest/api/3/myself", gateway(&name)), SCOPED).await;
    get(&format!("{other_url}/rest/api/2/myself"), PAT).await;
    let seen: Vec<_> = shared()
        .journal()
        .of(&name, mark)
        .into_iter()
        .map(|entry| (entry.listener, entry.account, entry.status))
        .collect();
    let entry = |listener: &str, account: &str| (listener.to_owned(), Some(account.to_owned()), Some(200));
    assert_eq!(seen, [entry("auth", "service"), entry("api", "bot")]);
    let seen = shared().journal().of(&other, mark);
    assert_eq!((seen.len(), seen[0].account.as_deref()), (1, Some("JIRAUSER10100")));
    assert!(seen[0].carried("Authorization", "Bearer pat") && seen[0].carried_anywhere("Bearer pat"));
}

#[rstest]
#[case::an_unknown_permission("[BROWSE_PROJECTS, CREATE_ISSUES]", "[FLY]")]
#[case::an_unknown_account("JIRAUSER10100: [", "nobody: [")]
#[case::a_doubled_project("key: HID", "key: WEB")]
#[case::a_bad_context_path("contextPath: /jira", "contextPath: jira/")]
#[case::a_reserved_name("name: NAME", "name: auth")]
#[test]
fn a_contradictory_description_is_refused(#[case] right: &str, #[case] wrong: &str) {
    let instance = serde_yaml::from_str(&CENTER.replace(right, wrong).replace("NAME", "wrong")).unwrap();
    assert!(matches!(shared().add(instance), Err(jira::Error::Instance { .. })));
}

#[tokio::test]
async fn the_control_endpoint_does_what_the_methods_do() {
    let simulator = Simulator::start(jira::Options::default()).unwrap();
    let http = client(&simulator);
    let control = simulator.control_url().to_owned();
    let call = async |method: &str, path: &str, body: Value| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let response = http.request(method, format!("{control}{path}")).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let instance: Instance = serde_yaml::from_str(&CENTER.replace("NAME", "dc")).unwrap();
    let (status, added) = call("POST", "/instances", json!(instance)).await;
    assert_eq!(status, 200, "{added}");
    let url = added["url"].as_str().unwrap().to_owned();
    let ask = async || {
        http.get(format!("{url}/rest/api/2/myself")).bearer_auth("pat").send().await.unwrap().status().as_u16()
    };
    assert_eq!(call("POST", "/instances", json!(instance)).await.0, 409);
    assert_eq!(call("GET", "/addresses", json!({})).await.1["instances"]["dc"], json!(url));
    assert_eq!(call("GET", "/instances/dc", json!({})).await.1, json!(instance));
    assert_eq!(ask().await, 200);
    let fault = json!({"fault": {"type": "EmptyBody", "status": 502}, "path": "/rest/api/2/", "first": 1});
    assert_eq!(call("POST", "/faults/dc", fault).await.0, 200);
    assert_eq!((ask().await, ask().await), (502, 200));
    assert_eq!(call("DELETE", "/faults/dc", json!({})).await, (200, json!([])));
    let revoke = json!({"type": "RevokeCredential", "credential": "pat"});
    assert_eq!(call("POST", "/instances/dc/mutations", revoke.clone()).await.0, 200);
    assert_eq!(call("POST", "/instances/dc/mutations", revoke).await.0, 404);
    assert_eq!(ask().await, 401);
    assert_eq!(call("PUT", "/instances/dc", json!(instance)).await.0, 200);
    assert_eq!(ask().await, 200);
    let (_, journal) = call("GET", "/journal?instance=dc&since=2", json!({})).await;
    assert_eq!(journal.as_array().unwrap().len(), 3);
    assert_eq!(call("PUT", "/clock", json!({"now": "2091-01-01T00:00:00Z"})).await.0, 200);
    assert_eq!(ask().await, 401);
    assert_eq!(call("GET", "/nothing", json!({})).await.0, 404);
    assert_eq!(call("DELETE", "/instances/dc", json!({})).await.0, 200);
    assert!(http.get(&url).send().await.is_err());
    let authority = simulator.ca_pem().to_owned();
    simulator.stop();
    // Whoever gets the freed port may answer there, but without this simulator's authority.
    if let Ok(answer) = http.get(format!("{control}/ca")).send().await {
        assert_ne!(answer.text().await.unwrap(), authority);
    }
}

#[tokio::test]
async fn a_removed_instance_answers_nothing_on_a_kept_connection() {
    for _ in 0..50 {
        let (name, url) = plain(CENTER);
        let http = client(shared());
        assert!(http.get(&url).send().await.is_ok());
        shared().remove(&name).unwrap();
        assert!(http.get(&url).send().await.is_err());
    }
}
