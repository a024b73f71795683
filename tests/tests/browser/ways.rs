//! The ways in, by clicking.

use tests::{
    jira::Access,
    scene::{NAME, Protocol},
    stage::{Kind, Way},
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
    let shown = browser.text("main").await;
    assert!(shown.contains(other.host()) && shown.contains(&scene.site.url), "both sites are named: {shown}");
    visit.inspect("wrong-site").await;

    scene.ask("right").await;
    visit.open("right").await;
    browser.click("#start").await;
    browser.arrive("Operator is requesting access").await;
    browser.choose("#site", &scene.site.url).await;
    browser.click("#accept").await;
    browser.arrive("The connection is authorised").await;
    let shown = browser.text("main").await;
    for told in ["Fake Bot", &scene.site.url, "Authorized"] {
        assert!(shown.contains(told), "{told:?} is not on the page: {shown}");
    }
    visit.inspect("granted").await;
    scene.stage.until_ready(Kind::Connection, NAME).await;
    visit.browser.close().await;
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
    browser.click("#accept").await;
    browser.arrive("The connection is authorised").await;
    visit.inspect("granted").await;
    scene.stage.until_ready(Kind::Connection, NAME).await;
    visit.browser.close().await;
}
