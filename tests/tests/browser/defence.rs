//! What a page does not do for others, and what it does without scripts.

use axum::{Router, response::Html, routing::get};
use serde_json::Value;
use tests::{
    browser::Scripts,
    scene::{NAME, Protocol, public_url},
    stage::Kind,
};
use tokio::net::TcpListener;

use super::visit::Visit;

/// A site that frames a page of the operator, and one of its own. Returns its address.
async fn framing_site(framed: &str) -> String {
    let page = format!(
        "<!doctype html><title>Bait</title><iframe id=ours src='{framed}'></iframe><iframe id=own src=/own></iframe>"
    );
    let own = "<!doctype html><title>Own</title><p>framed by its own site</p>";
    let site = Router::new().route("/", get(async || Html(page))).route("/own", get(async move || Html(own)));
    // Another host than that of the pages, and so another site for cookies and frames.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, site).await.unwrap() });
    format!("http://{address}/")
}

#[tokio::test]
async fn a_page_shows_nothing_in_a_frame_of_another_site() {
    let visit = Visit::begin("framed", Protocol::Cloud).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    scene.ask("a-key").await;
    let page = scene.page("a-key");
    browser.visit(&framing_site(&page).await).await;
    browser.arrive("Bait").await;
    let everything = "return document.documentElement.outerHTML";
    browser.enter_frame("#own").await;
    assert!(browser.script(everything).await.as_str().unwrap().contains("framed by its own site"));
    browser.leave_frame().await;
    browser.enter_frame("#ours").await;
    let shown = browser.script(everything).await;
    for told in [NAME, &scene.stage.namespace, &scene.site.url, "Continue to Jira", "<form"] {
        assert!(!shown.as_str().unwrap().contains(told), "the frame shows {told:?}: {shown}");
    }
    browser.leave_frame().await;

    browser.visit(&page).await;
    browser.arrive("Authorise acme").await;
    visit.shows(&["Continue to Jira"]).await;
    visit.end().await;
}

#[tokio::test]
async fn everything_but_copying_works_without_scripts() {
    let visit = Visit::begin("scriptless", Protocol::Old).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    browser.run_scripts(Scripts::Forbidden).await;
    scene.ask("a-key").await;
    visit.open("a-key").await;
    browser.arrive("Authorise acme").await;
    assert_eq!(visible_copies(&visit).await, 0, "a button that does nothing is not shown");
    browser.click("#start").await;
    visit.log_in().await;
    browser.arrive("Welcome to Jira").await;
    browser.click("#accept").await;
    browser.arrive("The connection is authorised").await;
    scene.stage.until_ready(Kind::Connection, NAME).await;
    visit.end().await;
}

#[tokio::test]
async fn copy_buttons_copy_and_say_so() {
    let visit = Visit::begin("copies", Protocol::Old).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    scene.ask("a-key").await;
    visit.open("a-key").await;
    browser.arrive("Authorise acme").await;
    assert_eq!(visible_copies(&visit).await, 4);
    browser.permit_clipboard(public_url()).await;
    let status = scene.now().await;
    let values = [
        ("application-url", "Application URL", "applicationUrl"),
        ("consumer-key", "Consumer key", "consumerKey"),
        ("consumer-name", "Consumer name", "consumerName"),
        ("public-key", "Public key", "publicKey"),
    ];
    for (id, label, field) in values {
        browser.click(&format!("[data-copies={id}]")).await;
        let copied = browser.clipboard().await;
        let expected = status.0["status"]["authorization"][field].as_str().unwrap().trim();
        assert_eq!(copied, expected, "{label}");
        assert_eq!(browser.text("#copied").await, format!("{label} is copied."));
    }
    visit.end().await;
}

async fn visible_copies(visit: &Visit) -> u64 {
    let script =
        "return [...document.querySelectorAll('[data-copies]')].filter(it => it.getClientRects().length).length";
    match visit.browser.script(script).await {
        Value::Number(number) => number.as_u64().unwrap(),
        other => panic!("not a number: {other}"),
    }
}
