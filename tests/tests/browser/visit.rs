//! A person at a browser, with a connection to authorise.

use tests::{
    browser::{Browser, Colours, Scheme},
    jira::{self, App, Instance},
    scene::{Protocol, Scene},
    stage::ACCOUNT,
};

use super::pictures;

/// A person at a browser, with a connection to authorise.
pub struct Visit {
    pub scene: Scene,
    pub browser: Browser,
    name: &'static str,
}

impl Visit {
    /// A connection that waits for a person, and a fresh browser.
    pub async fn begin(name: &'static str, protocol: Protocol) -> Self {
        Self::begin_with(name, protocol, |_| {}, |_| {}).await
    }

    /// The same, where the instance and, on Cloud, the app are changed first.
    pub async fn begin_with(
        name: &'static str,
        protocol: Protocol,
        change: impl FnOnce(&mut Instance),
        change_app: impl FnOnce(&mut App),
    ) -> Self {
        let scene = Scene::open_with("platform", protocol, change, change_app).await;
        let waiting = scene.connect().await;
        if protocol == Protocol::Old {
            scene.link(&waiting.0["status"]);
        }
        let browser = Browser::open(jira::shared().ca_pem()).await.unwrap();
        Self { scene, browser, name }
    }

    /// The page of the operator that is shown: a person who uses a screen reader or prefers dark finds nothing to complain of.
    pub async fn inspect(&self, page: &str) {
        for scheme in Scheme::ALL {
            self.browser.prefer(scheme, Colours::Own).await;
            pictures::take(&self.browser, &format!("{}-{page}-{}", self.name, scheme.as_str())).await;
            let violations = self.browser.violations().await;
            assert!(violations.is_empty(), "{page} in {}: {violations:#?}", scheme.as_str());
        }
        self.browser.prefer(Scheme::Light, Colours::Own).await;
    }

    /// Opens the page for a key by its link.
    pub async fn open(&self, key: &str) {
        self.browser.visit(&self.scene.page(key)).await;
    }

    /// Logs in at Jira, which asks for it once.
    pub async fn log_in(&self) {
        self.browser.arrive("Log in").await;
        self.browser.choose("#account", ACCOUNT).await;
        self.browser.click("#login").await;
    }

    /// What the page has to tell is there to be read.
    pub async fn shows(&self, words: &[&str]) {
        let text = self.browser.text("main").await;
        for word in words {
            assert!(text.contains(word), "{word:?} is not on the page:\n{text}");
        }
    }

    /// Ends the browser.
    pub async fn end(self) {
        self.browser.close().await;
    }
}
