//! Small windows, large letters, and colours that are not ours.

use serde_json::Value;
use tests::{
    browser::{Browser, Colours, Focus, Scheme},
    scene::{NAME, Protocol, public_url},
};
use thirtyfour::Key;

use super::{pictures, visit::Visit};

/// The borders of what can be pressed or filled in, and the ground that they are on.
const BORDERS: &str = r"
    const seen = it => it.getClientRects().length > 0;
    return [...document.querySelectorAll('button, a.button, input[type=text], .notice')].filter(seen).map(it => {
        const style = getComputedStyle(it);
        return {
            element: it.localName + ': ' + it.textContent.trim().slice(0, 30),
            width: style.borderTopStyle === 'none' ? 0 : parseFloat(style.borderTopWidth),
            border: style.borderTopColor, text: style.color, fill: style.backgroundColor,
            ground: getComputedStyle(document.querySelector('main')).backgroundColor,
        };
    });
";

/// Presses Tab, once more where the focus leaves the page and comes in again.
async fn next_focus(browser: &Browser) -> Focus {
    for _ in 0..2 {
        browser.press(Key::Tab).await;
        if let Some(focus) = browser.focus().await {
            return focus;
        }
    }
    panic!("nothing takes the focus on {}", browser.title().await);
}

/// All pages of a connection that can be had without Jira: start, code, error, key, and none at all.
async fn each_page(name: &'static str, look: impl AsyncFn(&Browser, &str)) {
    let visit = Visit::begin(name, Protocol::Old).await;
    let (scene, browser) = (&visit.scene, &visit.browser);
    scene.ask_for_code("a-key").await;
    visit.open("a-key").await;
    browser.arrive("Authorise acme").await;
    look(browser, "start").await;
    browser.click("#start").await;
    browser.arrive("Enter Jira's code").await;
    look(browser, "code").await;
    browser.fill("#code", "not a code").await;
    browser.click("#verify").await;
    browser.arrive("Error: this cannot be a code").await;
    look(browser, "unreadable").await;
    // A word that Jira never gave: the attempt fails, and the result says so.
    browser.fill("#code", "wrong1").await;
    browser.click("#verify").await;
    browser.arrive("Error: ").await;
    look(browser, "failed").await;
    let address = format!("{}/connections/{}/{NAME}", public_url(), scene.stage.namespace);
    browser.visit(&address).await;
    browser.arrive("A key is needed").await;
    look(browser, "locked").await;
    browser.visit(&format!("{}/callback", public_url())).await;
    browser.arrive("Error: Not an answer from Jira").await;
    look(browser, "not-an-answer").await;
    visit.end().await;
}

#[tokio::test]
async fn nothing_is_cut_on_a_narrow_screen_or_at_400_percent() {
    each_page("reflow", async |browser, page| {
        // WCAG 2.2, 1.4.10: 320 CSS pixels, which is a phone, or 1280 pixels at 400 %.
        for (width, height, zoom) in [(320, 640, 1.0), (320, 256, 4.0)] {
            browser.resize(width, height, zoom).await;
            if zoom < 2.0 {
                pictures::take(browser, &format!("reflow-{page}")).await;
            }
            let overflow = browser.overflow().await;
            assert!(overflow.is_empty(), "{page} at {width} pixels, zoom {zoom}: {overflow:#?}");
        }
    })
    .await;
}

#[tokio::test]
async fn buttons_and_focus_stay_visible_in_forced_colours() {
    each_page("forced", async |browser, page| {
        for scheme in Scheme::ALL {
            browser.prefer(scheme, Colours::Forced).await;
            pictures::take(browser, &format!("forced-{page}-{}", scheme.as_str())).await;
            let borders = browser.script(BORDERS).await;
            for it in borders.as_array().unwrap() {
                assert!(1.0 <= it["width"].as_f64().unwrap() && it["border"] != it["ground"], "{page}: {it}");
                assert_ne!(it["text"], it["fill"], "{page}: {it}");
            }
            assert_eq!(browser.script("return matchMedia('(forced-colors: active)').matches").await, Value::Bool(true));
            let focus = next_focus(browser).await;
            assert!(2.0 <= focus.ring_width && focus.ring_colour != focus.ground, "{page}: {focus:?}");
        }
        browser.prefer(Scheme::Light, Colours::Own).await;
    })
    .await;
}
