//! What a `JiraConnection` may say.

use rstest::rstest;
use serde_json::{Value, json};

use super::server::{Kind::JiraConnection, assert_accepted, assert_refused};

/// `count` different texts of `length` characters.
fn texts(count: usize, length: usize) -> Value {
    (0..count).map(|n| Value::from(format!("{n:0>length$}"))).collect()
}

fn keys(count: usize) -> Value {
    (0..count).map(|n| Value::from(format!("P{n}"))).collect()
}

fn header(name: &str) -> Value {
    json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": "gateway", "key": "value" } } })
}

fn headers(names: &[&str]) -> Value {
    json!({ "headers": names.iter().map(|name| header(name)).collect::<Value>() })
}

fn numbered_headers(count: usize) -> Value {
    json!({ "headers": (0..count).map(|n| header(&format!("X-Gateway-{n}"))).collect::<Value>() })
}

/// A spec with this method instead of that of the smallest object.
fn auth(deployment: &str, method: &str, details: Value) -> Value {
    let mut auth = json!({ "personalAccessToken": null });
    auth[method] = details;
    json!({ "deployment": deployment, "auth": auth })
}

fn client() -> Value {
    json!({ "clientSecretRef": { "name": "acme-oauth" } })
}

fn client_with(field: &str, value: Value) -> Value {
    let mut client = client();
    client[field] = value;
    client
}

fn consumer() -> Value {
    json!({ "consumerKey": "OauthKey", "consumerName": "Example Consumer" })
}

fn consumer_with(field: &str, value: Value) -> Value {
    let mut consumer = consumer();
    consumer[field] = value;
    consumer
}

fn token() -> Value {
    json!({ "tokenSecretRef": { "name": "token", "key": "token" } })
}

fn token_with(field: &str, value: Value) -> Value {
    let mut token = token();
    token[field] = value;
    token
}

fn api_token() -> Value {
    json!({ "email": "bot@example.com", "tokenSecretRef": { "name": "token", "key": "token" } })
}

fn api_token_with(field: &str, value: Value) -> Value {
    let mut api_token = api_token();
    api_token[field] = value;
    api_token
}

/// A spec with one entry of the allow list, which allows everything but for these fields.
fn allowed(fields: Value) -> Value {
    json!({ "allowedWorkspaces": [entry(fields)] })
}

fn entry(fields: Value) -> Value {
    let mut entry = json!({
        "namespaces": { "from": "All" },
        "workspaces": { "from": "All" },
        "projects": { "from": "All" },
    });
    for (field, value) in fields.as_object().unwrap() {
        entry[field] = value.clone();
    }
    entry
}

fn entries(count: usize) -> Value {
    json!({ "allowedWorkspaces": (0..count).map(|_| entry(json!({}))).collect::<Value>() })
}

fn selected(selector: Value) -> Value {
    allowed(json!({ "namespaces": { "from": "Selector", "selector": selector } }))
}

fn required(requirement: Value) -> Value {
    selected(json!({ "matchExpressions": [requirement] }))
}

fn requirements(count: usize) -> Value {
    let requirement = |n| json!({ "key": format!("label-{n}"), "operator": "Exists" });
    selected(json!({ "matchExpressions": (0..count).map(requirement).collect::<Value>() }))
}

fn labels(count: usize) -> Value {
    let mut labels = json!({});
    for n in 0..count {
        labels[format!("label-{n}")] = "value".into();
    }
    selected(json!({ "matchLabels": labels }))
}

fn listed_namespaces(list: Value) -> Value {
    allowed(json!({ "namespaces": { "from": "List", "list": list } }))
}

fn listed_workspaces(list: Value) -> Value {
    allowed(json!({ "workspaces": { "from": "List", "list": list } }))
}

fn listed_projects(list: Value) -> Value {
    allowed(json!({ "projects": { "from": "List", "list": list } }))
}

fn long_url(length: usize) -> String {
    format!("{:a<length$}", "https://jira.example.com/")
}

#[rstest]
#[case::of_a_host("https://jira.example.com")]
#[case::of_a_single_word("https://jira")]
#[case::of_cloud("https://acme.atlassian.net")]
#[case::with_a_slash_at_the_end("https://jira.example.com/")]
#[case::with_a_context_path("https://jira.example.com/jira")]
#[case::with_a_port("https://jira.example.com:8443")]
#[case::with_the_highest_port("https://jira.example.com:65535")]
#[case::with_port_and_context_path("https://jira.example.com:8443/tools/jira/")]
#[case::with_an_ipv4_address("https://10.1.2.3:8443")]
#[case::with_an_ipv6_address("https://[2001:db8::1]")]
#[case::with_an_ipv6_address_and_port("https://[2001:db8::1]:8443/jira")]
#[case::with_capitals_in_the_host("https://JIRA.Example.com")]
#[case::with_an_encoded_space("https://jira.example.com/a%20b")]
#[case::with_punycode("https://xn--bcher-kva.example")]
#[case::of_the_longest(&long_url(2048))]
#[tokio::test]
async fn url_is_accepted(#[case] url: &str) {
    assert_accepted(JiraConnection, json!({ "url": url })).await;
}

const NOT_HTTPS: &str = "url must start with https://";
const NO_USER: &str = "url must hold no user name and no password: credentials belong in a Secret, see auth";
const NO_QUERY: &str = "url must have no query and no fragment";
const URL_FORM: &str = "url must be https://HOST, optionally with :PORT (1 to 65535) and /CONTEXT-PATH, without spaces";

#[rstest]
#[case::of_plain_http("http://jira.example.com", NOT_HTTPS)]
#[case::with_a_scheme_in_capitals("HTTPS://jira.example.com", NOT_HTTPS)]
#[case::of_another_scheme("ldaps://jira.example.com", NOT_HTTPS)]
#[case::without_scheme("jira.example.com", NOT_HTTPS)]
#[case::with_a_space_in_front(" https://jira.example.com", NOT_HTTPS)]
#[case::that_is_empty("", NOT_HTTPS)]
#[case::with_a_user("https://bot@jira.example.com", NO_USER)]
#[case::with_a_password("https://bot:secret@jira.example.com", NO_USER)]
#[case::with_a_query("https://jira.example.com/?os_authType=basic", NO_QUERY)]
#[case::with_a_fragment("https://jira.example.com/#top", NO_QUERY)]
#[case::without_host("https://", URL_FORM)]
#[case::with_a_path_instead_of_a_host("https:///jira", URL_FORM)]
#[case::with_a_port_instead_of_a_host("https://:8443", URL_FORM)]
#[case::with_a_word_for_a_port("https://jira.example.com:https", URL_FORM)]
#[case::with_an_empty_port("https://jira.example.com:/jira", URL_FORM)]
#[case::with_port_zero("https://jira.example.com:0", URL_FORM)]
#[case::with_a_port_too_high("https://jira.example.com:65536/jira", URL_FORM)]
#[case::with_an_open_bracket("https://[2001:db8::1", URL_FORM)]
#[case::with_a_space_in_the_path("https://jira.example.com/a b", URL_FORM)]
#[case::with_a_space_at_the_end("https://jira.example.com ", URL_FORM)]
#[case::with_a_line_break_at_the_end("https://jira.example.com\n", URL_FORM)]
#[case::with_letters_outside_ascii("https://bücher.example", URL_FORM)]
#[case::with_a_backslash_after_the_host("https://jira.example.com\\evil.example", URL_FORM)]
#[case::that_is_too_long(&long_url(2049), "may not be more than 2048 bytes")]
#[tokio::test]
async fn url_is_refused(#[case] url: &str, #[case] text: &str) {
    assert_refused(JiraConnection, json!({ "url": url }), "spec.url", text).await;
}

#[rstest]
#[case::oauth2_with_consent_on_cloud(auth("Cloud", "oauth2AuthorizationCode", client()))]
#[case::oauth2_with_consent_on_data_center(auth("DataCenter", "oauth2AuthorizationCode", client()))]
#[case::oauth2_with_a_scope(auth("DataCenter", "oauth2AuthorizationCode", client_with("scopes", json!(["WRITE"]))))]
#[case::oauth2_with_32_scopes(auth("Cloud", "oauth2AuthorizationCode", client_with("scopes", texts(32, 128))))]
#[case::oauth2_with_a_candidate(auth("Cloud", "oauth2AuthorizationCode", client_with("candidateSecretRef", json!({ "name": "next" }))))]
#[case::a_service_account_on_cloud(auth("Cloud", "oauth2ClientCredentials", client()))]
#[case::a_service_account_on_data_center(auth("DataCenter", "oauth2ClientCredentials", client()))]
#[case::a_service_account_with_scopes(auth("Cloud", "oauth2ClientCredentials", client_with("scopes", json!(["read:jira-work", "write:jira-work"]))))]
#[case::oauth1(auth("DataCenter", "oauth1", consumer()))]
#[case::oauth1_with_a_key_of_ones_own(auth("DataCenter", "oauth1", consumer_with("privateKeySecretRef", json!({ "name": "key", "key": "tls.key" }))))]
#[case::oauth1_with_the_longest_texts(auth("DataCenter", "oauth1", json!({ "consumerKey": "k".repeat(255), "consumerName": "n".repeat(255) })))]
#[case::a_personal_access_token(auth("DataCenter", "personalAccessToken", token()))]
#[case::a_personal_access_token_with_an_end(auth("DataCenter", "personalAccessToken", token_with("expiresAt", json!("2027-01-31T00:00:00Z"))))]
#[case::a_personal_access_token_with_a_candidate(auth("DataCenter", "personalAccessToken", token_with("candidateSecretRef", json!({ "name": "next", "key": "token" }))))]
#[case::an_api_token(auth("Cloud", "apiToken", api_token()))]
#[case::an_api_token_with_an_end(auth("Cloud", "apiToken", api_token_with("expiresAt", json!("2027-01-31T09:30:00+01:00"))))]
#[case::an_api_token_with_the_longest_email(auth("Cloud", "apiToken", api_token_with("email", json!(format!("{}@example.com", "a".repeat(242))))))]
#[tokio::test]
async fn authentication_is_accepted_by(#[case] spec: Value) {
    assert_accepted(JiraConnection, spec).await;
}

const ONE_METHOD: &str = "exactly one method must be given: oauth2AuthorizationCode, oauth2ClientCredentials, oauth1, \
                          personalAccessToken or apiToken";
const OBJECT_NAME: &str = "should match '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$'";
const DATA_KEY: &str = "should match '^[-._a-zA-Z0-9]+$'";
const SCOPE: &str = "should match '^[!#-\\[\\]-~]+$'";
const EMAIL: &str = "should match '^[^\\s:@]+@[^\\s:@]+$'";

#[rstest]
#[case::nothing(json!({ "auth": null }), "spec.auth", "Required value")]
#[case::no_method(json!({ "auth": { "personalAccessToken": null } }), "spec.auth", ONE_METHOD)]
#[case::two_methods(json!({ "auth": { "oauth1": consumer() } }), "spec.auth", ONE_METHOD)]
#[case::three_methods(json!({ "auth": { "oauth2AuthorizationCode": client(), "oauth2ClientCredentials": client() } }), "spec.auth", ONE_METHOD)]
#[case::an_api_token_on_data_center(
    auth("DataCenter", "apiToken", api_token()),
    "spec.auth.apiToken",
    "apiToken is for deployment: Cloud; Data Center has personalAccessToken"
)]
#[case::a_personal_access_token_on_cloud(json!({ "deployment": "Cloud" }), "spec.auth.personalAccessToken", "personalAccessToken is for deployment: DataCenter; Cloud has apiToken")]
#[case::oauth1_on_cloud(
    auth("Cloud", "oauth1", consumer()),
    "spec.auth.oauth1",
    "oauth1 is for deployment: DataCenter before 8.22; Cloud has oauth2AuthorizationCode"
)]
#[case::a_client_without_secret(auth("Cloud", "oauth2AuthorizationCode", json!({})), "spec.auth.oauth2AuthorizationCode.clientSecretRef", "Required value")]
#[case::a_service_account_without_secret(auth("Cloud", "oauth2ClientCredentials", json!({})), "spec.auth.oauth2ClientCredentials.clientSecretRef", "Required value")]
#[case::a_secret_without_name(auth("Cloud", "oauth2AuthorizationCode", json!({ "clientSecretRef": {} })), "spec.auth.oauth2AuthorizationCode.clientSecretRef.name", "Required value")]
#[case::a_secret_with_an_empty_name(auth("Cloud", "oauth2AuthorizationCode", json!({ "clientSecretRef": { "name": "" } })), "spec.auth.oauth2AuthorizationCode.clientSecretRef.name", "should be at least 1 chars long")]
#[case::a_secret_with_capitals(auth("Cloud", "oauth2AuthorizationCode", json!({ "clientSecretRef": { "name": "Acme" } })), "spec.auth.oauth2AuthorizationCode.clientSecretRef.name", OBJECT_NAME)]
#[case::a_secret_with_a_name_too_long(auth("Cloud", "oauth2ClientCredentials", json!({ "clientSecretRef": { "name": "a".repeat(254) } })), "spec.auth.oauth2ClientCredentials.clientSecretRef.name", "may not be more than 253 bytes")]
#[case::an_empty_list_of_scopes(auth("Cloud", "oauth2AuthorizationCode", client_with("scopes", json!([]))), "spec.auth.oauth2AuthorizationCode.scopes", "should have at least 1 items")]
#[case::no_scope_of_a_service_account(auth("Cloud", "oauth2ClientCredentials", client_with("scopes", json!([]))), "spec.auth.oauth2ClientCredentials.scopes", "should have at least 1 items")]
#[case::too_many_scopes(
    auth("Cloud", "oauth2AuthorizationCode", client_with("scopes", texts(33, 8))),
    "spec.auth.oauth2AuthorizationCode.scopes",
    "must have at most 32 items"
)]
#[case::too_many_scopes_of_a_service_account(
    auth("Cloud", "oauth2ClientCredentials", client_with("scopes", texts(33, 8))),
    "spec.auth.oauth2ClientCredentials.scopes",
    "must have at most 32 items"
)]
#[case::two_scopes_in_one(auth("Cloud", "oauth2AuthorizationCode", client_with("scopes", json!(["READ WRITE"]))), "spec.auth.oauth2AuthorizationCode.scopes[0]", SCOPE)]
#[case::a_quote_in_a_scope(auth("Cloud", "oauth2ClientCredentials", client_with("scopes", json!(["\"READ\""]))), "spec.auth.oauth2ClientCredentials.scopes[0]", SCOPE)]
#[case::an_empty_scope(auth("Cloud", "oauth2AuthorizationCode", client_with("scopes", json!([""]))), "spec.auth.oauth2AuthorizationCode.scopes[0]", "should be at least 1 chars long")]
#[case::a_scope_too_long(
    auth("Cloud", "oauth2AuthorizationCode", client_with("scopes", texts(1, 129))),
    "spec.auth.oauth2AuthorizationCode.scopes[0]",
    "may not be more than 128 bytes"
)]
#[case::a_scope_twice(auth("Cloud", "oauth2AuthorizationCode", client_with("scopes", json!(["READ", "READ"]))), "spec.auth.oauth2AuthorizationCode.scopes[1]", "Duplicate value: \"READ\"")]
#[case::oauth1_without_consumer_key(auth("DataCenter", "oauth1", json!({ "consumerName": "Example" })), "spec.auth.oauth1.consumerKey", "Required value")]
#[case::oauth1_without_consumer_name(auth("DataCenter", "oauth1", json!({ "consumerKey": "key" })), "spec.auth.oauth1.consumerName", "Required value")]
#[case::oauth1_with_an_empty_consumer_key(auth("DataCenter", "oauth1", consumer_with("consumerKey", json!(""))), "spec.auth.oauth1.consumerKey", "should be at least 1 chars long")]
#[case::oauth1_with_an_empty_consumer_name(auth("DataCenter", "oauth1", consumer_with("consumerName", json!(""))), "spec.auth.oauth1.consumerName", "should be at least 1 chars long")]
#[case::oauth1_with_a_space_in_the_consumer_key(auth("DataCenter", "oauth1", consumer_with("consumerKey", json!("a b"))), "spec.auth.oauth1.consumerKey", "should match '^[!-~]+$'")]
#[case::oauth1_with_a_consumer_key_too_long(auth("DataCenter", "oauth1", consumer_with("consumerKey", json!("k".repeat(256)))), "spec.auth.oauth1.consumerKey", "may not be more than 255 bytes")]
#[case::oauth1_with_a_consumer_name_too_long(auth("DataCenter", "oauth1", consumer_with("consumerName", json!("n".repeat(256)))), "spec.auth.oauth1.consumerName", "may not be more than 255 bytes")]
#[case::a_token_without_secret(auth("DataCenter", "personalAccessToken", json!({ "tokenSecretRef": null })), "spec.auth.personalAccessToken.tokenSecretRef", "Required value")]
#[case::a_token_without_key(auth("DataCenter", "personalAccessToken", json!({ "tokenSecretRef": { "name": "token", "key": null } })), "spec.auth.personalAccessToken.tokenSecretRef.key", "Required value")]
#[case::a_token_with_an_empty_key(auth("DataCenter", "personalAccessToken", json!({ "tokenSecretRef": { "name": "token", "key": "" } })), "spec.auth.personalAccessToken.tokenSecretRef.key", "should be at least 1 chars long")]
#[case::a_token_with_a_key_that_no_secret_can_have(auth("DataCenter", "personalAccessToken", json!({ "tokenSecretRef": { "name": "token", "key": "a/b" } })), "spec.auth.personalAccessToken.tokenSecretRef.key", DATA_KEY)]
#[case::a_token_with_a_key_too_long(auth("DataCenter", "personalAccessToken", json!({ "tokenSecretRef": { "name": "token", "key": "a".repeat(254) } })), "spec.auth.personalAccessToken.tokenSecretRef.key", "may not be more than 253 bytes")]
#[case::a_token_with_an_end_that_is_no_time(auth("DataCenter", "personalAccessToken", token_with("expiresAt", json!("next year"))), "spec.auth.personalAccessToken.expiresAt", "must be of type date-time")]
#[case::a_token_with_an_end_too_long(auth("DataCenter", "personalAccessToken", token_with("expiresAt", json!(format!("2027-01-31T00:00:00.{}Z", "0".repeat(64))))), "spec.auth.personalAccessToken.expiresAt", "may not be more than 64 bytes")]
#[case::an_api_token_with_a_day_as_its_end(auth("Cloud", "apiToken", api_token_with("expiresAt", json!("2027-01-31"))), "spec.auth.apiToken.expiresAt", "must be of type date-time")]
#[case::an_api_token_without_secret(auth("Cloud", "apiToken", json!({ "email": "bot@example.com" })), "spec.auth.apiToken.tokenSecretRef", "Required value")]
#[case::an_api_token_without_email(auth("Cloud", "apiToken", token()), "spec.auth.apiToken.email", "Required value")]
#[case::an_api_token_with_a_name_for_an_email(auth("Cloud", "apiToken", api_token_with("email", json!("bot"))), "spec.auth.apiToken.email", EMAIL)]
#[case::an_api_token_with_a_colon_in_the_email(auth("Cloud", "apiToken", api_token_with("email", json!("bot:x@example.com"))), "spec.auth.apiToken.email", EMAIL)]
#[case::an_api_token_with_a_short_email(auth("Cloud", "apiToken", api_token_with("email", json!("a@"))), "spec.auth.apiToken.email", "should be at least 3 chars long")]
#[case::an_api_token_with_an_email_too_long(auth("Cloud", "apiToken", api_token_with("email", json!(format!("{}@example.com", "a".repeat(243))))), "spec.auth.apiToken.email", "may not be more than 254 bytes")]
#[tokio::test]
async fn authentication_is_refused_by(#[case] spec: Value, #[case] field: &str, #[case] text: &str) {
    assert_refused(JiraConnection, spec, field, text).await;
}

#[rstest]
#[case::none(json!({ "headers": [] }))]
#[case::none_on_cloud({
    let mut spec = auth("Cloud", "apiToken", api_token());
    spec["headers"] = json!([]);
    spec
})]
#[case::of_a_gateway(headers(&["CF-Access-Client-Id", "CF-Access-Client-Secret"]))]
#[case::that_only_begin_or_end_like_refused_ones(headers(&["X-Authorization", "Hostname", "X-Host", "Cookie2", "X-Proxy-Token", "Metadata-Id", "Upgrade-Insecure-Requests"]))]
#[case::with_every_character_of_a_token(headers(&["!#$%&*+-.^_`|~09AZaz", "'"]))]
#[case::with_the_longest_name(headers(&[&"h".repeat(128)]))]
#[case::sixteen(numbered_headers(16))]
#[tokio::test]
async fn headers_are_accepted(#[case] spec: Value) {
    assert_accepted(JiraConnection, spec).await;
}

const STEERS: &str =
    "this header steers the request itself and cannot be set: use auth for credentials, proxySecretRef for a proxy";
const HEADER_NAME: &str = "a header name may hold only letters, digits and !#$%&'*+-.^_`|~ (RFC 9110, 5.6.2)";

#[rstest]
#[case::with_seventeen_of_them(numbered_headers(17), "spec.headers", "must have at most 16 items")]
#[case::with_one_twice(headers(&["X-Key", "X-Key"]), "spec.headers[1]", "Duplicate value: {\"name\":\"X-Key\"}")]
#[case::with_one_twice_in_other_case(headers(&["X-Key", "x-KEY"]), "spec.headers", "header names must be unique ignoring case")]
#[case::on_cloud({
    let mut spec = auth("Cloud", "apiToken", api_token());
    spec["headers"] = json!([header("X-Key")]);
    spec
}, "spec.headers", "headers are for deployment: DataCenter only")]
#[case::without_name(json!({ "headers": [{ "valueFrom": header("X")["valueFrom"] }] }), "spec.headers[0].name", "Required value")]
#[case::with_an_empty_name(headers(&[""]), "spec.headers[0].name", "should be at least 1 chars long")]
#[case::with_a_name_too_long(headers(&[&"h".repeat(129)]), "spec.headers[0].name", "may not be more than 128 bytes")]
#[case::with_a_space_in_the_name(headers(&["X Key"]), "spec.headers[0].name", HEADER_NAME)]
#[case::with_a_colon_in_the_name(headers(&["X-Key:"]), "spec.headers[0].name", HEADER_NAME)]
#[case::with_a_line_break_in_the_name(headers(&["X-Key\r\nHost"]), "spec.headers[0].name", HEADER_NAME)]
#[case::with_a_line_break_after_the_name(headers(&["X-Key\n"]), "spec.headers[0].name", HEADER_NAME)]
#[case::with_letters_outside_ascii(headers(&["X-Schlüssel"]), "spec.headers[0].name", HEADER_NAME)]
#[case::without_value(json!({ "headers": [{ "name": "X-Key" }] }), "spec.headers[0].valueFrom", "Required value")]
#[case::with_a_value_from_nowhere(json!({ "headers": [{ "name": "X-Key", "valueFrom": {} }] }), "spec.headers[0].valueFrom.secretKeyRef", "Required value")]
#[case::with_a_value_in_the_open(json!({ "headers": [{ "name": "X-Key", "value": "secret" }] }), "spec.headers[0].valueFrom", "Required value")]
#[tokio::test]
async fn headers_are_refused(#[case] spec: Value, #[case] field: &str, #[case] text: &str) {
    assert_refused(JiraConnection, spec, field, text).await;
}

#[rstest]
#[tokio::test]
async fn a_header_that_steers_the_request_is_refused(
    #[values(
        "Authorization",
        "authorization",
        "AUTHORIZATION",
        "Host",
        "Cookie",
        "Content-Length",
        "Content-Type",
        "Accept",
        "User-Agent",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Expect",
        "Forwarded",
        "Metadata-Flavor",
        "Metadata",
        "X-Atlassian-Token",
        "Proxy-Authorization",
        "Proxy-Connection",
        "proxy-anything",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "x-forwarded-anything",
        "X-aws-ec2-metadata-token",
        "X-AWS-anything"
    )]
    name: &str,
) {
    assert_refused(JiraConnection, headers(&[name]), "spec.headers[0].name", STEERS).await;
}

#[rstest]
#[case::any_entry(entries(1))]
#[case::none(entries(0))]
#[case::sixty_four_entries(entries(64))]
#[case::its_own_namespace(allowed(json!({ "namespaces": { "from": "Same" } })))]
#[case::no_credential(allowed(json!({ "credential": "None" })))]
#[case::an_access_token(allowed(json!({ "credential": "AccessToken" })))]
#[case::one_label(selected(json!({ "matchLabels": { "team": "web" } })))]
#[case::a_label_without_value(selected(json!({ "matchLabels": { "team": "" } })))]
#[case::a_label_with_a_prefix(required(json!({ "key": "example.com/Team_1.a", "operator": "Exists" })))]
#[case::the_most_labels(labels(8))]
#[case::the_most_requirements(requirements(4))]
#[case::labels_in_a_list(required(json!({ "key": "team", "operator": "In", "values": ["web", "app"] })))]
#[case::labels_not_in_a_list(required(json!({ "key": "team", "operator": "NotIn", "values": ["web"] })))]
#[case::the_absence_of_a_label(required(json!({ "key": "team", "operator": "DoesNotExist" })))]
#[case::the_most_values(required(json!({ "key": "team", "operator": "In", "values": texts(16, 63) })))]
#[case::the_longest_key(required(json!({ "key": format!("{}/{}", "a".repeat(253), "b".repeat(63)), "operator": "Exists" })))]
#[case::sixty_four_namespaces(listed_namespaces(texts(64, 63)))]
#[case::thirty_two_workspaces(listed_workspaces(texts(32, 128)))]
#[case::a_hundred_projects(listed_projects(keys(100)))]
#[tokio::test]
async fn an_allow_list_is_accepted_with(#[case] spec: Value) {
    assert_accepted(JiraConnection, spec).await;
}

const NAMESPACES: &str = "spec.allowedWorkspaces[0].namespaces";
const NAMESPACE_LIST: &str = "spec.allowedWorkspaces[0].namespaces.list";
const FIRST_NAMESPACE: &str = "spec.allowedWorkspaces[0].namespaces.list[0]";
const SELECTOR: &str = "spec.allowedWorkspaces[0].namespaces.selector";
const REQUIREMENTS: &str = "spec.allowedWorkspaces[0].namespaces.selector.matchExpressions";
const REQUIREMENT: &str = "spec.allowedWorkspaces[0].namespaces.selector.matchExpressions[0]";
const WORKSPACES: &str = "spec.allowedWorkspaces[0].workspaces";
const PROJECTS: &str = "spec.allowedWorkspaces[0].projects";

const EMPTY_SELECTOR: &str = "an empty selector is refused: to allow every namespace write from: All";
const LIST_OF_LIST: &str = "list belongs to from: List, and must be given there";
const SELECTOR_OF_SELECTOR: &str = "selector belongs to from: Selector, and must be given there";
const VALUES: &str = "values must be given for the operators In and NotIn, and for no other";

#[rstest]
#[case::sixty_five_entries(entries(65), "spec.allowedWorkspaces", "must have at most 64 items")]
#[case::no_namespaces(json!({ "allowedWorkspaces": [{ "workspaces": { "from": "All" }, "projects": { "from": "All" } }] }), NAMESPACES, "Required value")]
#[case::no_workspaces(json!({ "allowedWorkspaces": [{ "namespaces": { "from": "All" }, "projects": { "from": "All" } }] }), WORKSPACES, "Required value")]
#[case::no_projects(json!({ "allowedWorkspaces": [{ "namespaces": { "from": "All" }, "workspaces": { "from": "All" } }] }), PROJECTS, "Required value")]
#[case::another_credential(allowed(json!({ "credential": "RefreshToken" })), "spec.allowedWorkspaces[0].credential", "supported values: \"None\", \"AccessToken\"")]
#[case::namespaces_from_nowhere(allowed(json!({ "namespaces": {} })), "spec.allowedWorkspaces[0].namespaces.from", "Required value")]
#[case::namespaces_from_elsewhere(allowed(json!({ "namespaces": { "from": "Any" } })), "spec.allowedWorkspaces[0].namespaces.from", "supported values: \"Same\", \"All\", \"Selector\", \"List\"")]
#[case::a_selector_that_is_missing(allowed(json!({ "namespaces": { "from": "Selector" } })), NAMESPACES, SELECTOR_OF_SELECTOR)]
#[case::a_selector_beside_all(allowed(json!({ "namespaces": { "from": "All", "selector": { "matchLabels": { "team": "web" } } } })), NAMESPACES, SELECTOR_OF_SELECTOR)]
#[case::an_empty_selector(selected(json!({})), SELECTOR, EMPTY_SELECTOR)]
#[case::a_selector_of_no_labels(selected(json!({ "matchLabels": {} })), SELECTOR, EMPTY_SELECTOR)]
#[case::a_selector_of_no_requirements(selected(json!({ "matchExpressions": [] })), SELECTOR, EMPTY_SELECTOR)]
#[case::a_selector_of_neither(selected(json!({ "matchLabels": {}, "matchExpressions": [] })), SELECTOR, EMPTY_SELECTOR)]
#[case::too_many_labels(
    labels(9),
    "spec.allowedWorkspaces[0].namespaces.selector.matchLabels",
    "must have at most 8 items"
)]
#[case::a_value_that_no_label_can_have(selected(json!({ "matchLabels": { "team": "*" } })), "spec.allowedWorkspaces[0].namespaces.selector.matchLabels.team", "should match '^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$'")]
#[case::a_label_value_too_long(selected(json!({ "matchLabels": { "team": "a".repeat(64) } })), "spec.allowedWorkspaces[0].namespaces.selector.matchLabels.team", "may not be more than 63 bytes")]
#[case::too_many_requirements(requirements(5), REQUIREMENTS, "must have at most 4 items")]
#[case::a_requirement_without_key(required(json!({ "operator": "Exists" })), &format!("{REQUIREMENT}.key"), "Required value")]
#[case::a_requirement_with_an_empty_key(required(json!({ "key": "", "operator": "Exists" })), &format!("{REQUIREMENT}.key"), "should be at least 1 chars long")]
#[case::a_requirement_with_a_key_too_long(required(json!({ "key": "a".repeat(318), "operator": "Exists" })), &format!("{REQUIREMENT}.key"), "may not be more than 317 bytes")]
#[case::a_requirement_with_a_key_that_no_label_can_have(required(json!({ "key": "team web", "operator": "Exists" })), &format!("{REQUIREMENT}.key"), "should match '^([a-z0-9]")]
#[case::a_requirement_without_operator(required(json!({ "key": "team" })), &format!("{REQUIREMENT}.operator"), "Required value")]
#[case::a_requirement_with_another_operator(required(json!({ "key": "team", "operator": "Equals", "values": ["web"] })), &format!("{REQUIREMENT}.operator"), "supported values: \"In\", \"NotIn\", \"Exists\", \"DoesNotExist\"")]
#[case::in_without_values(required(json!({ "key": "team", "operator": "In" })), REQUIREMENT, VALUES)]
#[case::in_with_empty_values(required(json!({ "key": "team", "operator": "In", "values": [] })), REQUIREMENT, VALUES)]
#[case::exists_with_values(required(json!({ "key": "team", "operator": "Exists", "values": ["web"] })), REQUIREMENT, VALUES)]
#[case::too_many_values(required(json!({ "key": "team", "operator": "In", "values": texts(17, 2) })), &format!("{REQUIREMENT}.values"), "must have at most 16 items")]
#[case::a_requirement_with_a_value_too_long(required(json!({ "key": "team", "operator": "In", "values": texts(1, 64) })), &format!("{REQUIREMENT}.values[0]"), "may not be more than 63 bytes")]
#[case::a_requirement_with_a_value_that_no_label_can_have(required(json!({ "key": "team", "operator": "In", "values": ["web*"] })), &format!("{REQUIREMENT}.values[0]"), "should match '^([A-Za-z0-9]")]
#[case::a_list_of_namespaces_that_is_missing(allowed(json!({ "namespaces": { "from": "List" } })), NAMESPACES, LIST_OF_LIST)]
#[case::a_list_of_namespaces_beside_same(allowed(json!({ "namespaces": { "from": "Same", "list": ["web"] } })), NAMESPACES, LIST_OF_LIST)]
#[case::an_empty_list_of_namespaces(listed_namespaces(json!([])), NAMESPACE_LIST, "should have at least 1 items")]
#[case::too_many_namespaces(listed_namespaces(texts(65, 2)), NAMESPACE_LIST, "must have at most 64 items")]
#[case::a_namespace_twice(listed_namespaces(json!(["web", "web"])), "spec.allowedWorkspaces[0].namespaces.list[1]", "Duplicate value: \"web\"")]
#[case::a_namespace_without_name(listed_namespaces(json!([""])), FIRST_NAMESPACE, "should be at least 1 chars long")]
#[case::a_namespace_with_a_name_too_long(
    listed_namespaces(texts(1, 64)),
    FIRST_NAMESPACE,
    "may not be more than 63 bytes"
)]
#[case::a_wildcard_among_namespaces(listed_namespaces(json!(["team-*"])), FIRST_NAMESPACE, "should match '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'")]
#[case::workspaces_from_nowhere(allowed(json!({ "workspaces": {} })), "spec.allowedWorkspaces[0].workspaces.from", "Required value")]
#[case::workspaces_from_elsewhere(allowed(json!({ "workspaces": { "from": "Same" } })), "spec.allowedWorkspaces[0].workspaces.from", "supported values: \"All\", \"List\"")]
#[case::a_list_of_workspaces_that_is_missing(allowed(json!({ "workspaces": { "from": "List" } })), WORKSPACES, LIST_OF_LIST)]
#[case::a_list_of_workspaces_beside_all(allowed(json!({ "workspaces": { "from": "All", "list": ["web"] } })), WORKSPACES, LIST_OF_LIST)]
#[case::an_empty_list_of_workspaces(listed_workspaces(json!([])), "spec.allowedWorkspaces[0].workspaces.list", "should have at least 1 items")]
#[case::too_many_workspaces(
    listed_workspaces(texts(33, 2)),
    "spec.allowedWorkspaces[0].workspaces.list",
    "must have at most 32 items"
)]
#[case::a_workspace_twice(listed_workspaces(json!(["web", "web"])), "spec.allowedWorkspaces[0].workspaces.list[1]", "Duplicate value: \"web\"")]
#[case::a_workspace_without_name(listed_workspaces(json!([""])), "spec.allowedWorkspaces[0].workspaces.list[0]", "should be at least 1 chars long")]
#[case::a_workspace_with_a_name_too_long(
    listed_workspaces(texts(1, 129)),
    "spec.allowedWorkspaces[0].workspaces.list[0]",
    "may not be more than 128 bytes"
)]
#[case::a_wildcard_among_workspaces(listed_workspaces(json!(["*"])), "spec.allowedWorkspaces[0].workspaces.list[0]", "should match '^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$'")]
#[case::projects_from_nowhere(allowed(json!({ "projects": {} })), "spec.allowedWorkspaces[0].projects.from", "Required value")]
#[case::projects_from_elsewhere(allowed(json!({ "projects": { "from": "Selector" } })), "spec.allowedWorkspaces[0].projects.from", "supported values: \"All\", \"List\"")]
#[case::a_list_of_projects_that_is_missing(allowed(json!({ "projects": { "from": "List" } })), PROJECTS, LIST_OF_LIST)]
#[case::a_list_of_projects_beside_all(allowed(json!({ "projects": { "from": "All", "list": ["WEB"] } })), PROJECTS, LIST_OF_LIST)]
#[case::an_empty_list_of_projects(listed_projects(json!([])), "spec.allowedWorkspaces[0].projects.list", "should have at least 1 items")]
#[case::too_many_projects(
    listed_projects(keys(101)),
    "spec.allowedWorkspaces[0].projects.list",
    "must have at most 100 items"
)]
#[case::a_project_twice(listed_projects(json!(["WEB", "WEB"])), "spec.allowedWorkspaces[0].projects.list[1]", "Duplicate value: \"WEB\"")]
#[case::a_project_in_small_letters(listed_projects(json!(["web"])), "spec.allowedWorkspaces[0].projects.list[0]", "should match '^[A-Z][A-Z0-9_]*$'")]
#[tokio::test]
async fn an_allow_list_is_refused_with(#[case] spec: Value, #[case] field: &str, #[case] text: &str) {
    assert_refused(JiraConnection, spec, field, text).await;
}

#[rstest]
#[case::shortest_interval(json!({ "interval": "1m" }))]
#[case::interval_in_seconds(json!({ "interval": "60s" }))]
#[case::interval_of_many_parts(json!({ "interval": "1h30m10s500ms" }))]
#[case::interval_with_a_fraction(json!({ "interval": "1.5h" }))]
#[case::longest_interval(json!({ "interval": "24h" }))]
#[case::longest_interval_in_canonical_form(json!({ "interval": "24h0m0s" }))]
#[case::longest_interval_in_minutes(json!({ "interval": "1440m" }))]
#[case::shortest_timeout(json!({ "timeout": "1s" }))]
#[case::shortest_timeout_in_milliseconds(json!({ "timeout": "1000ms" }))]
#[case::longest_timeout(json!({ "timeout": "60s" }))]
#[case::longest_timeout_in_minutes(json!({ "timeout": "1m" }))]
#[case::shortest_grace(json!({ "grace": "0s" }))]
#[case::longest_grace(json!({ "grace": "1h" }))]
#[case::longest_grace_in_minutes(json!({ "grace": "60m" }))]
#[case::nothing(json!({}))]
#[case::everything(json!({ "interval": "5m", "timeout": "15s", "grace": "2m" }))]
#[tokio::test]
async fn checks_are_accepted_with(#[case] checks: Value) {
    assert_accepted(JiraConnection, json!({ "checks": checks })).await;
}

const INTERVAL: &str = "interval must be between 1m and 24h, written as 90s, 5m or 1h30m";
const TIMEOUT: &str = "timeout must be between 1s and 60s, written as 15s or 1m";
const GRACE: &str = "grace must be between 0s and 1h, written as 90s, 5m or 1h";

#[rstest]
#[case::interval_too_short("interval", json!("59s"), INTERVAL)]
#[case::interval_a_little_too_short("interval", json!("59.999s"), INTERVAL)]
#[case::interval_of_nothing("interval", json!("0s"), INTERVAL)]
#[case::interval_too_long("interval", json!("24h1s"), INTERVAL)]
#[case::interval_much_too_long("interval", json!("999999h999999h9h"), INTERVAL)]
#[case::interval_in_days("interval", json!("5d"), INTERVAL)]
#[case::interval_without_unit("interval", json!("300"), INTERVAL)]
#[case::interval_below_zero("interval", json!("-5m"), INTERVAL)]
#[case::interval_with_a_space("interval", json!("5 m"), INTERVAL)]
#[case::interval_that_is_empty("interval", json!(""), INTERVAL)]
#[case::interval_of_many_digits("interval", json!("99999999999999h"), INTERVAL)]
#[case::interval_too_long_to_read("interval", json!("1h1h1h1h1h1h1h1h1"), "may not be more than 16 bytes")]
#[case::interval_as_a_number("interval", json!(300), "must be of type string")]
#[case::timeout_too_short("timeout", json!("999ms"), TIMEOUT)]
#[case::timeout_too_long("timeout", json!("60.001s"), TIMEOUT)]
#[case::timeout_that_is_no_duration("timeout", json!("soon"), TIMEOUT)]
#[case::grace_too_long("grace", json!("1h0m1s"), GRACE)]
#[case::grace_below_zero("grace", json!("-1s"), GRACE)]
#[case::grace_as_a_number("grace", json!(0), "must be of type string")]
#[tokio::test]
async fn checks_are_refused_with(#[case] field: &str, #[case] value: Value, #[case] text: &str) {
    let spec = json!({ "checks": { field: value } });
    assert_refused(JiraConnection, spec, &format!("spec.checks.{field}"), text).await;
}

#[rstest]
#[case::a_bundle_in_a_config_map(json!({ "tls": { "caRef": { "kind": "ConfigMap", "name": "ca", "key": "ca.crt" } } }))]
#[case::a_bundle_in_a_secret(json!({ "tls": { "caRef": { "kind": "Secret", "name": "ca", "key": "ca.crt" } } }))]
#[case::a_client_certificate(json!({ "tls": { "clientCertificateSecretRef": { "name": "mtls" } } }))]
#[case::a_proxy(json!({ "proxySecretRef": { "name": "egress-proxy" } }))]
#[case::the_global_permission(json!({ "permissions": { "global": "Required" } }))]
#[case::no_global_permission(json!({ "permissions": { "global": "Ignored" } }))]
#[case::a_hundred_projects(json!({ "permissions": { "projects": keys(100) } }))]
#[case::no_projects(json!({ "permissions": { "projects": [] } }))]
#[case::keeping_the_grant(json!({ "deletionPolicy": "Keep" }))]
#[case::revoking_the_grant(json!({ "deletionPolicy": "Revoke" }))]
#[case::suspension(json!({ "suspend": true }))]
#[tokio::test]
async fn is_accepted_with(#[case] spec: Value) {
    assert_accepted(JiraConnection, spec).await;
}

#[rstest]
#[case::no_url(json!({ "url": null }), "spec.url", "Required value")]
#[case::no_deployment(json!({ "deployment": null }), "spec.deployment", "Required value")]
#[case::another_deployment(json!({ "deployment": "Server" }), "spec.deployment", "supported values: \"Cloud\", \"DataCenter\"")]
#[case::a_bundle_of_another_kind(json!({ "tls": { "caRef": { "kind": "Pod", "name": "ca", "key": "ca.crt" } } }), "spec.tls.caRef.kind", "supported values: \"ConfigMap\", \"Secret\"")]
#[case::a_bundle_of_no_kind(json!({ "tls": { "caRef": { "name": "ca", "key": "ca.crt" } } }), "spec.tls.caRef.kind", "Required value")]
#[case::a_bundle_without_name(json!({ "tls": { "caRef": { "kind": "Secret", "key": "ca.crt" } } }), "spec.tls.caRef.name", "Required value")]
#[case::a_bundle_without_key(json!({ "tls": { "caRef": { "kind": "Secret", "name": "ca" } } }), "spec.tls.caRef.key", "Required value")]
#[case::a_bundle_with_a_bad_key(json!({ "tls": { "caRef": { "kind": "Secret", "name": "ca", "key": "ca crt" } } }), "spec.tls.caRef.key", DATA_KEY)]
#[case::a_client_certificate_without_name(json!({ "tls": { "clientCertificateSecretRef": {} } }), "spec.tls.clientCertificateSecretRef.name", "Required value")]
#[case::a_proxy_without_name(json!({ "proxySecretRef": {} }), "spec.proxySecretRef.name", "Required value")]
#[case::a_proxy_of_another_namespace(json!({ "proxySecretRef": { "name": "platform/proxy" } }), "spec.proxySecretRef.name", OBJECT_NAME)]
#[case::another_word_for_the_global_permission(json!({ "permissions": { "global": "Optional" } }), "spec.permissions.global", "supported values: \"Required\", \"Ignored\"")]
#[case::too_many_projects(json!({ "permissions": { "projects": keys(101) } }), "spec.permissions.projects", "must have at most 100 items")]
#[case::a_project_twice(json!({ "permissions": { "projects": ["WEB", "WEB"] } }), "spec.permissions.projects[1]", "Duplicate value: \"WEB\"")]
#[case::a_project_in_small_letters(json!({ "permissions": { "projects": ["web"] } }), "spec.permissions.projects[0]", "should match '^[A-Z][A-Z0-9_]*$'")]
#[case::another_deletion_policy(json!({ "deletionPolicy": "Delete" }), "spec.deletionPolicy", "supported values: \"Keep\", \"Revoke\"")]
#[case::text_for_suspend(json!({ "suspend": "yes" }), "spec.suspend", "must be of type boolean")]
#[tokio::test]
async fn is_refused_with(#[case] spec: Value, #[case] field: &str, #[case] text: &str) {
    assert_refused(JiraConnection, spec, field, text).await;
}
