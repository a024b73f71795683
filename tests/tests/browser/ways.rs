//! The ways in, by clicking, and what goes wrong on them.

use serde_json::json;
use tests::{
    jira::{self, Access, Fault, Mutation, Rule},
    scene::{NAME, Protocol},
    stage::{ACCOUNT, Kind, Way},
};

use super::visit::Visit;

#[tokio::test]
async fn cloud_where_the_account_has_two_sites() {
    let visit = Visit::begin_with("cloud", Protocol::Cloud, |_| {}, |app| app.access = Access::Resource).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    let other = scene.stage.site("other", Way::ApiToken, &["WEB"]);

    // The wrong site first.
    scene.ask("wrong").await;
    visit.open("wrong").await;
    browser.arrive("Authorise acme").await;
    visit.inspect("start").await;
    browser.click("#start").await;
    visit.log_in().await;
    browser.arrive("Operator is requesting access").await;
    browser.choose("#site", &other.url).await;
    browser.click("#accept").await;
    browser.arrive("Error: What was granted cannot be used").await;
    visit.shows(&[other.host(), &scene.site.url]).await;
    visit.inspect("wrong-site").await;

    scene.ask("right").await;
    visit.open("right").await;
    browser.click("#start").await;
    browser.arrive("Operator is requesting access").await;
    browser.choose("#site", &scene.site.url).await;
    browser.click("#accept").await;
    browser.arrive("The connection is authorised").await;
    // What the status said after the first attempt is not what the page says after the second.
    visit.shows(&["Fake Bot", &scene.site.url, "Authorized – everything works"]).await;
    visit.inspect("granted").await;
    scene.stage.until_ready(Kind::Connection, NAME).await;
    visit.end().await;
}

#[tokio::test]
async fn data_center_behind_a_gateway_and_a_context_path() {
    let visit = Visit::begin("gateway", Protocol::Center).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    assert!(scene.site.url.ends_with("/jira"), "{}", scene.site.url);
    scene.ask("a-key").await;
    visit.open("a-key").await;
    browser.arrive("Authorise acme").await;
    visit.inspect("start").await;
    browser.click("#start").await;
    visit.log_in().await;
    browser.arrive("Operator would like to access Jira").await;
    browser.click("#accept").await;
    browser.arrive("The connection is authorised").await;
    visit.shows(&["Fake Bot", &scene.site.url, "Data Center"]).await;
    visit.inspect("granted").await;
    scene.stage.until_ready(Kind::Connection, NAME).await;
    visit.end().await;
}

#[tokio::test]
async fn oauth1_where_jira_shows_a_code() {
    let visit = Visit::begin("code", Protocol::Old).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    scene.ask_for_code("a-key").await;
    visit.open("a-key").await;
    browser.arrive("Authorise acme").await;
    visit.inspect("start").await;
    browser.click("#start").await;
    browser.arrive("Enter Jira's code").await;
    visit.inspect("code").await;

    let pages = browser.tab().await;
    browser.click("a.button").await;
    browser.follow_tab(&pages).await;
    visit.log_in().await;
    browser.arrive("Welcome to Jira").await;
    browser.click("#accept").await;
    browser.arrive("Access approved").await;
    let code = browser.text("#verification-code").await;
    browser.return_to_tab(pages).await;

    // What cannot be a code is found before it is spent.
    browser.fill("#code", "not a code").await;
    browser.click("#verify").await;
    browser.arrive("Error: this cannot be a code").await;
    visit.inspect("unreadable").await;

    browser.fill("#code", &code).await;
    browser.click("#verify").await;
    browser.arrive("The connection is authorised").await;
    visit.inspect("granted").await;
    scene.stage.until_ready(Kind::Connection, NAME).await;
    visit.end().await;
}

#[tokio::test]
async fn oauth1_where_jira_calls_back_and_a_permission_is_missing() {
    let lacking = |instance: &mut jira::Instance| {
        for project in &mut instance.projects {
            project.grants.get_mut(ACCOUNT).unwrap().retain(|permission| permission != "CREATE_ATTACHMENTS");
        }
    };
    let visit = Visit::begin_with("callback", Protocol::Old, lacking, |_| {}).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    scene.ask("a-key").await;
    visit.open("a-key").await;
    browser.click("#start").await;
    visit.log_in().await;
    browser.arrive("Welcome to Jira").await;
    browser.click("#accept").await;
    browser.arrive("Authorised, but permissions are missing").await;
    visit.shows(&["CREATE_ATTACHMENTS on WEB", "Fake Bot"]).await;
    visit.inspect("missing").await;
    scene.until_reason("PermissionsMissing").await;
    visit.end().await;
}

#[tokio::test]
async fn a_refusal_at_jira_is_told_and_undone_with_a_fresh_key() {
    let visit = Visit::begin("refused", Protocol::Cloud).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    scene.ask("first").await;
    visit.open("first").await;
    browser.click("#start").await;
    visit.log_in().await;
    browser.arrive("Operator is requesting access").await;
    browser.click("#deny").await;
    browser.arrive("Error: Refused at Jira").await;
    visit.shows(&[&format!("kubectl jira authorize {NAME} -n {}", scene.stage.namespace)]).await;
    visit.inspect("refused").await;

    scene.ask("second").await;
    visit.open("second").await;
    browser.click("#start").await;
    browser.arrive("Operator is requesting access").await;
    browser.choose("#site", &scene.site.url).await;
    browser.click("#accept").await;
    browser.arrive("The connection is authorised").await;
    visit.end().await;
}

#[tokio::test]
async fn a_person_who_comes_too_late_is_told_so() {
    let visit = Visit::begin("expired", Protocol::Center).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    let mut attempt = scene.ask("late").await;
    visit.open("late").await;
    browser.click("#start").await;
    visit.log_in().await;
    browser.arrive("Operator would like to access Jira").await;

    // The time passes while the person is at Jira.
    attempt["deadline"] = json!("2026-01-01T00:00:00Z");
    scene.write("authorization", json!({ "attempt": attempt.to_string() })).await;
    assert_eq!(scene.outcome("late").await["result"], "Expired");
    browser.click("#accept").await;
    browser.arrive("Error: The link has expired").await;
    visit.shows(&["Nothing was recorded", "kubectl jira authorize"]).await;
    visit.inspect("expired").await;
    visit.open("late").await;
    browser.arrive("Error: Nobody came back in time").await;
    visit.inspect("over").await;

    scene.ask("fresh").await;
    visit.open("fresh").await;
    browser.click("#start").await;
    browser.arrive("Operator would like to access Jira").await;
    browser.click("#accept").await;
    browser.arrive("The connection is authorised").await;
    visit.end().await;
}

#[tokio::test]
async fn a_code_that_comes_too_late_is_told_so() {
    let visit = Visit::begin("late-code", Protocol::Old).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    let mut attempt = scene.ask_for_code("late").await;
    visit.open("late").await;
    browser.click("#start").await;
    browser.arrive("Enter Jira's code").await;
    attempt["deadline"] = json!("2026-01-01T00:00:00Z");
    scene.write("authorization", json!({ "attempt": attempt.to_string() })).await;
    assert_eq!(scene.outcome("late").await["result"], "Expired");
    browser.fill("#code", "abc123").await;
    browser.click("#verify").await;
    browser.arrive("Error: The link has expired").await;
    visit.end().await;
}

#[tokio::test]
async fn a_connection_whose_grant_was_revoked_is_authorised_again() {
    let visit = Visit::begin("revoked", Protocol::Center).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    scene.ask("first").await;
    visit.open("first").await;
    browser.click("#start").await;
    visit.log_in().await;
    browser.arrive("Operator would like to access Jira").await;
    browser.click("#accept").await;
    browser.arrive("The connection is authorised").await;
    scene.stage.until_ready(Kind::Connection, NAME).await;

    scene.mutate(&Mutation::RevokeGrants(scene.whose()));
    scene.wish("1").await;
    scene.until_reason("GrantRevoked").await;
    scene.ask("again").await;
    visit.open("again").await;
    browser.arrive("Authorise acme").await;
    visit.shows(&["NotAuthorized – a person has to act", "Fake Bot"]).await;
    visit.inspect("start").await;
    browser.click("#start").await;
    browser.arrive("Operator would like to access Jira").await;
    browser.click("#accept").await;
    browser.arrive("The connection is authorised").await;
    let again = scene.stage.until_ready(Kind::Connection, NAME).await;
    assert_eq!(again.0["status"]["state"], "Authorized");
    visit.end().await;
}

#[tokio::test]
async fn a_jira_that_takes_its_time_leaves_nobody_in_the_dark() {
    let visit = Visit::begin("slow", Protocol::Center).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    let strikes = |fault, path| {
        jira::shared().fault(&scene.site.name, Rule::every(fault).on(path).first(1)).unwrap();
    };
    // An answer without content leaves the browser on the page in between. Its link is for those that do not go by themselves.
    let nothing = json!({ "type": "Status", "status": 204 });
    strikes(serde_json::from_value(nothing).unwrap(), "/rest/oauth2/latest/authorize");
    scene.ask("a-key").await;
    visit.open("a-key").await;
    browser.click("#start").await;
    browser.arrive("Going to Jira").await;
    visit.inspect("onward").await;
    browser.click("a.button").await;
    visit.log_in().await;
    browser.arrive("Operator would like to access Jira").await;

    strikes(Fault::Slow { millis: 12_000 }, "/rest/oauth2/latest/token");
    browser.click("#accept").await;
    browser.arrive("The operator is still at work").await;
    visit.inspect("pending").await;
    browser.click("a.button").await;
    browser.arrive("The connection is authorised").await;
    visit.end().await;
}

#[tokio::test]
async fn a_key_is_asked_for_where_there_is_none_or_a_wrong_one() {
    let visit = Visit::begin("locked", Protocol::Cloud).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    scene.ask("the-key").await;
    let address = scene.page("the-key").split_once('?').unwrap().0.to_owned();
    browser.visit(&address).await;
    browser.arrive("A key is needed").await;
    visit.inspect("locked").await;
    browser.fill("#key", "another-key").await;
    browser.click("button").await;
    browser.arrive("Error: this key opens nothing").await;
    assert!(!browser.text("main").await.contains(&scene.site.url), "the page tells nothing without the key");
    visit.inspect("wrong-key").await;
    browser.fill("#key", " the-key ").await;
    browser.click("button").await;
    browser.arrive("Authorise acme").await;
    assert!(!browser.address().await.contains("the-key"), "a key that is typed stands in no address");

    browser.visit(&address.replace("/connections/", "/nowhere/")).await;
    browser.arrive("Error: No page here").await;
    visit.inspect("no-page").await;
    visit.end().await;
}
