//! Without a mouse, and without eyes.

use tests::{
    browser::{Browser, Focus},
    scene::{NAME, Protocol},
    stage::{ACCOUNT, Kind},
};
use thirtyfour::Key;

use super::visit::Visit;

/// Presses Tab until the focus is where it was before, or at nothing. Returns what had it, each time seen by the person.
async fn stops(browser: &Browser) -> Vec<String> {
    let mut stops: Vec<String> = Vec::new();
    loop {
        browser.press(Key::Tab).await;
        let Some(focus) = browser.focus().await else { return stops };
        if stops.contains(&focus.label) {
            return stops;
        }
        assert_seen(&focus);
        stops.push(focus.label);
        assert!(stops.len() < 30, "the focus goes on and on: {stops:?}");
    }
}

/// WCAG 2.2, 2.4.7 and 2.4.11: the focus is shown, and nothing is in front of it.
fn assert_seen(focus: &Focus) {
    assert!(focus.in_sight, "out of sight: {focus:?}");
    assert!(2.0 <= focus.ring_width && focus.ring_colour != focus.ground, "no ring: {focus:?}");
}

/// Presses Tab until the element of this label has the focus.
async fn tab_to(browser: &Browser, label: &str) -> Focus {
    for _ in 0..30 {
        browser.press(Key::Tab).await;
        if let Some(focus) = browser.focus().await.filter(|focus| focus.label == label) {
            return focus;
        }
    }
    panic!("{label:?} is not reached with Tab on {}", browser.title().await);
}

#[tokio::test]
async fn the_code_of_oauth1_is_brought_with_the_keyboard_alone() {
    let visit = Visit::begin("keyboard", Protocol::Old).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    scene.ask_for_code("a-key").await;
    visit.open("a-key").await;
    browser.arrive("Authorise acme").await;
    let copies = ["Copy Application URL", "Copy Consumer key", "Copy Consumer name", "Copy Public key"];
    let expected: Vec<&str> =
        ["Skip to content", "the application link", "Generate URL"].into_iter().chain(copies).collect();
    assert_eq!(stops(browser).await, expected, "the order of the start page");

    visit.open("a-key").await;
    browser.arrive("Authorise acme").await;
    tab_to(browser, "Skip to content").await;
    browser.press(Key::Enter).await;
    assert_eq!(browser.focus().await.unwrap().element, "main#content");
    assert_seen(&tab_to(browser, "Generate URL").await);
    browser.press(Key::Enter).await;

    browser.arrive("Enter Jira's code").await;
    let order = ["Skip to content", "Open Jira (in a new tab)", "Verification code", "Verify"];
    assert_eq!(stops(browser).await[..4], order, "the order of the page for the code");
    let pages = browser.tab().await;
    tab_to(browser, "Open Jira (in a new tab)").await;
    browser.press(Key::Enter).await;
    browser.follow_tab(&pages).await;
    browser.arrive("Log in").await;
    tab_to(browser, "Account").await;
    browser.type_text("Fake").await;
    tab_to(browser, "Log in").await;
    browser.press(Key::Enter).await;
    browser.arrive("Welcome to Jira").await;
    tab_to(browser, "Allow").await;
    browser.press(Key::Enter).await;
    browser.arrive("Access approved").await;
    let code = browser.text("#verification-code").await;
    browser.return_to_tab(pages).await;

    tab_to(browser, "Verification code").await;
    browser.type_text("no code").await;
    browser.press(Key::Enter).await;
    browser.arrive("Error: this cannot be a code").await;
    tab_to(browser, "Verification code").await;
    browser.type_text(&code).await;
    browser.press(Key::Enter).await;
    browser.arrive("The connection is authorised").await;
    scene.stage.until_ready(Kind::Connection, NAME).await;
    visit.end().await;
}

#[tokio::test]
async fn a_screen_reader_is_told_what_the_pages_are_about() {
    let visit = Visit::begin("outline", Protocol::Old).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    scene.ask_for_code("a-key").await;
    visit.open("a-key").await;
    browser.arrive("Authorise acme").await;
    let page = |content: &[&str]| {
        let parts = [&["link \"Skip to content\"", "banner", "main"], content, &["contentinfo"]];
        parts.concat().iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()
    };
    let link = [
        "region \"The application link in Jira\"",
        "heading 2 \"The application link in Jira\"",
        "list",
        "button \"Copy Application URL\"",
        "button \"Copy Consumer key\"",
        "button \"Copy Consumer name\"",
        "button \"Copy Public key\"",
        "status",
    ];
    let start = [
        "heading 1 \"Authorise a Jira connection\"",
        "link \"the application link\"",
        "form",
        "button \"Generate URL\"",
    ];
    assert_eq!(browser.outline().await, page(&[&start[..], &link].concat()), "the start page");

    browser.click("#start").await;
    browser.arrive("Enter Jira's code").await;
    let code = [
        "heading 1 \"Bring the code from Jira\"",
        "link \"Open Jira (in a new tab)\"",
        "form",
        "textbox \"Verification code\" required",
        "button \"Verify\"",
    ];
    assert_eq!(browser.outline().await, page(&[&code[..], &link].concat()), "the page for the code");
    browser.fill("#code", "not a code").await;
    browser.click("#verify").await;
    browser.arrive("Error: this cannot be a code").await;
    let problem = "This cannot be a verification code";
    let advice = "A code is one word of letters and digits. Copy it from Jira once more.";
    let (heading, field) = (
        format!("heading 2 {problem:?}"),
        format!("textbox \"Verification code\" described as \"{problem} {advice}\" required invalid"),
    );
    let again = [code[0], "alert", &heading, code[1], code[2], &field, code[4]];
    assert_eq!(browser.outline().await, page(&[&again[..], &link].concat()), "the page for the code, once more");

    let attempt = scene.owned("authorization").await.unwrap()["attempt"].clone();
    let address = attempt["authorizationUrl"].as_str().unwrap();
    let code = scene.person(ACCOUNT).verification_code(address).await.unwrap();
    browser.fill("#code", &code).await;
    browser.click("#verify").await;
    browser.arrive("The connection is authorised").await;
    let result = [
        "heading 1 \"The connection is authorised\"",
        "status",
        "region \"What was granted\"",
        "heading 2 \"What was granted\"",
        "heading 2 \"The connection\"",
    ];
    assert_eq!(browser.outline().await, page(&result), "the result");
    visit.end().await;
}
