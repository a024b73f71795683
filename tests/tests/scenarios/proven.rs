//! A connection that works: each credential, what is shown and asked, and what goes with every request.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use serde_json::{Value, json};
use tests::{
    jira::{AppType, ClientCertificate, Fault, Mark, Rule, ServiceAccountMyself},
    stage::Kind,
};

use super::{
    jira::Jira,
    row::connection::{progressing, proven},
    scene::{Scene, merged},
    subject::Subject,
};

const WHOLE_CENTER: [&str; 3] =
    ["GET /rest/api/2/serverInfo", "GET /rest/api/2/myself", "GET /rest/api/2/mypermissions"];

/// Ways in that need nobody at a browser.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    PersonalAccessToken,
    CenterClient,
    CloudClient,
    ClassicApiToken,
    ScopedApiToken,
}

impl Way {
    async fn scene(self) -> (Scene, Value) {
        let scene = match self {
            Self::PersonalAccessToken | Self::CenterClient => Scene::center().await,
            Self::CloudClient | Self::ClassicApiToken | Self::ScopedApiToken => Scene::cloud().await,
        };
        let spec = match self {
            Self::PersonalAccessToken | Self::ClassicApiToken => scene.spec(),
            Self::ScopedApiToken => {
                scene.hold("scoped").await;
                scene.spec()
            }
            Self::CenterClient | Self::CloudClient => {
                scene.client(&scene.jira.secret("secret")).await;
                scene.client_spec()
            }
        };
        (scene, spec)
    }
}

#[rstest]
#[case::personal_access_token(Way::PersonalAccessToken, "JIRAUSER10100", "Unknown", &WHOLE_CENTER)]
#[case::client_of_data_center(Way::CenterClient, "robot", "Unknown", &[
    "GET /rest/api/2/serverInfo", "POST /rest/oauth2/latest/token", "GET /rest/api/2/myself", "GET /rest/api/2/mypermissions",
])]
#[case::client_of_cloud(Way::CloudClient, "robot", "ServiceAccount", &[
    "GET /rest/api/2/serverInfo", "GET /_edge/tenant_info", "auth POST /oauth/token", "api GET /rest/api/3/myself",
    "api POST /rest/api/3/permissions/check",
])]
#[case::classic_api_token(Way::ClassicApiToken, "alice", "Personal", &[
    "GET /rest/api/2/serverInfo", "GET /_edge/tenant_info", "GET /rest/api/3/myself", "POST /rest/api/3/permissions/check",
])]
#[case::scoped_api_token(Way::ScopedApiToken, "alice", "Personal", &[
    "GET /rest/api/2/serverInfo", "GET /_edge/tenant_info", "GET /rest/api/3/myself", "api GET /rest/api/3/myself",
    "api POST /rest/api/3/permissions/check",
])]
#[tokio::test]
async fn everything_holds(#[case] way: Way, #[case] account: &str, #[case] kind: &str, #[case] asked: &[&str]) {
    let (scene, spec) = way.scene().await;
    let row = if kind == "Personal" { proven().with("PersonalAccount", "True PersonalAccount") } else { proven() };
    let connection = scene.connection("acme", spec).await;

    let status = connection.becomes(&row).await;
    assert_eq!(status["account"]["id"], account);
    assert_eq!(status["account"]["type"], kind);
    assert_eq!(status["defaultAssignee"], account);
    assert_eq!(status["effective"], json!({ "interval": "1h0m0s", "timeout": "15s", "grace": "2m0s" }));
    assert_eq!(status["credentials"]["active"], "Primary");
    assert_eq!(status["bindings"], json!({ "accepted": 0, "namespaces": 0 }));
    assert_eq!(scene.jira.asked(Mark::default()), asked);
    connection.rests().await;
    assert_eq!(connection.rows(), [row]);
    scene.tells(&connection, &["ConnectionVerified"]).await;
}

#[rstest]
#[case::data_center(Way::PersonalAccessToken, "/rest/api/2/myself")]
#[case::cloud(Way::CloudClient, "/rest/api/3/myself")]
#[tokio::test]
async fn a_first_check_that_takes_long_says_so_once(#[case] way: Way, #[case] slow: &str) {
    let (scene, spec) = way.scene().await;
    scene.jira.strikes(Rule::every(Fault::Slow { millis: 3000 }).on(slow));
    let audit = scene.stage.mark().await;
    let connection = scene.connection("acme", spec).await;

    connection.becomes(&progressing()).await;
    connection.becomes(&proven()).await;
    assert_eq!(connection.rows(), [progressing(), proven()]);
    assert_eq!(scene.stage.audit(audit).await.status_writes(Kind::Connection, Some("acme")), 2);
    assert_eq!(scene.jira.count(Mark::default(), "/myself"), 1);
    scene.tells(&connection, &["ConnectionVerified"]).await;
}

#[rstest]
#[case::forbidden(ServiceAccountMyself::Forbidden)]
#[case::not_found(ServiceAccountMyself::NotFound)]
#[tokio::test]
async fn a_service_account_that_may_not_ask_who_it_is_can_be_used(#[case] answer: ServiceAccountMyself) {
    let scene = Scene::on(Jira::center_with(|jira| jira.switches.service_account_myself = answer)).await;
    scene.client(&scene.jira.secret("secret")).await;
    let required = json!({ "permissions": { "projects": ["WEB"] } });
    let connection = scene.connection("acme", merged(scene.client_spec(), required)).await;
    let status = connection.becomes(&proven()).await;
    assert_eq!(status["account"], Value::Null);
    assert_eq!(status["defaultAssignee"], Value::Null);
}

#[tokio::test]
async fn custom_headers_go_with_every_request_to_this_jira_and_with_no_other() {
    let value = "sesame-gate-value";
    let gated = Jira::center_with(|jira| {
        if let tests::jira::Deployment::DataCenter(center) = &mut jira.deployment {
            center.gateway_headers.insert("CF-Access-Client-Secret".to_owned(), value.to_owned());
        }
    });
    let scene = Scene::on(gated).await;
    scene.client(&scene.jira.secret("secret")).await;
    scene.stage.secret("gate", json!({ "value": value })).await;
    let source = json!({ "secretKeyRef": { "name": "gate", "key": "value" } });
    let changes = json!({
        "headers": [{ "name": "CF-Access-Client-Secret", "valueFrom": source }],
        "permissions": { "projects": ["WEB"] },
    });
    let connection = scene.connection("acme", merged(scene.client_spec(), changes)).await;
    connection.becomes(&proven()).await;

    let entries = scene.jira.entries(Mark::default());
    assert!(entries.len() >= 5, "{}", connection.account());
    assert!(entries.iter().all(|entry| entry.carried("cf-access-client-secret", value)), "{}", connection.account());
    let elsewhere = Jira::simulator().journal().since(Mark::default()).into_iter();
    let leaks = elsewhere.filter(|entry| entry.listener != scene.jira.name && entry.carried_anywhere(value)).count();
    assert_eq!(leaks, 0);

    let mark = Jira::mark();
    scene.jira.update(|jira| {
        if let tests::jira::Deployment::DataCenter(center) = &mut jira.deployment {
            center.gateway_headers.insert("CF-Access-Client-Secret".to_owned(), "sesame-new-gate".to_owned());
        }
    });
    scene.stage.secret("gate", json!({ "value": "sesame-new-gate" })).await;
    connection.asks(mark, "/myself", 1).await;
    connection.becomes(&proven()).await;
    let renewed = scene.jira.entries(mark);
    assert!(renewed.iter().all(|entry| entry.carried("cf-access-client-secret", "sesame-new-gate")));
}

#[tokio::test]
async fn a_client_certificate_opens_a_jira_that_demands_one() {
    let scene =
        Scene::on(Jira::center_with(|jira| jira.transport.client_certificate = ClientCertificate::Required)).await;
    let connection = scene.connect(json!({})).await;
    connection.becomes(&super::row::connection::tls_failed()).await;
    assert!(connection.message("Ready").contains("clientCertificateSecretRef"), "{}", connection.account());

    let identity = Jira::simulator().client_certificate("operator").unwrap();
    scene.stage.secret("mtls", json!({ "tls.crt": identity.certificate, "tls.key": identity.key })).await;
    connection.change(json!({ "tls": { "clientCertificateSecretRef": { "name": "mtls" } } })).await;
    connection.becomes(&proven()).await;
}

#[rstest]
#[case::soon(5, true)]
#[case::later(100, false)]
#[tokio::test]
async fn a_declared_end_is_told_in_time(#[case] days: i64, #[case] soon: bool) {
    let scene = Scene::center().await;
    let end = Timestamp::now() + SignedDuration::from_hours(24 * days);
    let auth = json!({ "personalAccessToken": { "expiresAt": end.to_string() } });
    let connection = scene.connect(json!({ "auth": auth })).await;
    let row = if soon { proven().with("CredentialsExpiring", "True EndsSoon") } else { proven() };
    let status = connection.becomes(&row).await;
    assert_eq!(status["credentials"]["expiresAt"], end.strftime("%Y-%m-%d").to_string());
}

#[tokio::test]
async fn the_global_permission_can_be_left_out() {
    let scene = Scene::center().await;
    scene.jira.mutate(json!({ "type": "RevokeGlobal", "account": "JIRAUSER10100", "permissions": ["USER_PICKER"] }));
    let connection = scene.connect(json!({ "permissions": { "global": "Ignored" } })).await;
    connection.becomes(&proven()).await;
    assert_eq!(scene.jira.count(Mark::default(), "/mypermissions"), 0);
}

/// What decides what can be known of issue security.
#[derive(Clone, Copy, Debug)]
enum Security {
    NoSchemeAndAdministrator,
    NoScheme,
    MemberOfALevel,
    MemberOfNone,
}

#[rstest]
#[case(Security::NoSchemeAndAdministrator, "NotConfigured")]
#[case(Security::NoScheme, "Unknown")]
#[case(Security::MemberOfALevel, "Visible")]
#[case(Security::MemberOfNone, "Unknown")]
#[tokio::test]
async fn issue_security_is_told_as_far_as_jira_tells(
    #[case] security: Security,
    #[case] visibility: &str,
    #[values(Way::PersonalAccessToken, Way::ClassicApiToken)] way: Way,
) {
    let (scene, spec) = way.scene().await;
    let (account, row) = match way {
        Way::PersonalAccessToken => ("JIRAUSER10100", proven()),
        _ => ("alice", proven().with("PersonalAccount", "True PersonalAccount")),
    };
    scene.jira.update(|jira| {
        let members = match security {
            Security::MemberOfALevel => json!([account]),
            _ => json!([]),
        };
        let scheme = json!({ "id": 30000, "levels": [{ "id": 30001, "members": members }] });
        let project = jira.project_mut("WEB").unwrap();
        let grants = project.grants.get_mut(account).unwrap();
        match security {
            Security::NoSchemeAndAdministrator => grants.push("ADMINISTER_PROJECTS".to_owned()),
            Security::NoScheme => {}
            Security::MemberOfALevel | Security::MemberOfNone => {
                grants.push("SET_ISSUE_SECURITY".to_owned());
                project.security_scheme = Some(serde_json::from_value(scheme).unwrap());
            }
        }
    });
    let connection = scene.connection("acme", merged(spec, json!({ "permissions": { "projects": ["WEB"] } }))).await;
    let status = connection.becomes(&row).await;
    assert_eq!(status["issueSecurity"], json!([{ "project": "WEB", "visibility": visibility }]));
    let binding = scene.bind("web", json!([{ "key": "WEB" }])).await;
    let status = binding.becomes(&super::row::binding::proven()).await;
    assert_eq!(status["projects"][0]["issueSecurity"], visibility);
}

#[tokio::test]
async fn an_agent_of_cloud_is_no_person() {
    let scene = Scene::on(Jira::cloud_with(|jira| {
        jira.account_mut("robot").unwrap().app_type = Some(AppType::Agent);
    }))
    .await;
    scene.client(&scene.jira.secret("secret")).await;
    let connection: Subject = scene.connection("acme", scene.client_spec()).await;
    connection.becomes(&proven()).await;
}

#[tokio::test]
async fn a_wide_connection_names_what_it_knows_of_jira() {
    let scene = Scene::cloud().await;
    scene.client(&scene.jira.secret("secret")).await;
    let connection = scene.connection("acme", scene.client_spec()).await;
    let status = connection.becomes(&proven()).await;
    let cloud_id = Jira::simulator().instance(&scene.jira.name).unwrap().cloud_id().unwrap().to_owned();
    assert_eq!(status["server"]["deployment"], "Cloud");
    assert_eq!(status["server"]["cloudId"], cloud_id);
    assert_eq!(status["credentials"]["observed"].as_array().unwrap().len(), 1, "Secrets only: {status:#}");
    assert_eq!(status["credentials"]["observed"][0]["name"], "client");
}
