//! A real Chromium, driven over `WebDriver`: what a person sees, hears and types.
//!
//! Each [`Browser`] is a process with a profile of its own, which trusts one certificate authority besides the system's and
//! resolves no name but `localhost`. It needs `chromium`, `chromedriver` and, once, `npm` on the `PATH`.

mod axe;
mod driver;
mod focus;
mod layout;
mod outline;
mod trust;

use std::{
    future::Future,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use thirtyfour::{
    Key, WebDriver, WindowHandle,
    error::{WebDriverError, WebDriverResult},
    prelude::By,
};

use self::driver::Driver;
pub use self::{axe::Violation, focus::Focus, layout::Overflow};

/// How long a page may take to become what a test expects: longer than the operator's pages wait for its leader.
const LIMIT: Duration = Duration::from_secs(20);

/// Pause between two looks at a page.
const POLL: Duration = Duration::from_millis(30);

/// Why there is no browser.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not installed.
    #[error("there is no `{program}` on the PATH; {remedy}")]
    Missing {
        /// The program.
        program: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A file or a process of the browser cannot be made.
    #[error("cannot {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// chromedriver ended, or said nothing of a port.
    #[error("chromedriver did not start; it wrote:\n{output}")]
    NotStarted {
        /// What it wrote.
        output: String,
    },
    /// npm failed.
    #[error("`npm {command}` failed ({status}); it wrote:\n{output}")]
    Npm {
        /// Its arguments.
        command: String,
        /// Exit status in the words of the operating system.
        status: String,
        /// What it wrote.
        output: String,
    },
    /// There is no place for a cache.
    #[error("there is no place for axe-core")]
    Cache(#[from] crate::go::Error),
    /// What should be trusted is no certificate.
    #[error("not a certificate: {0}")]
    Authority(String),
    /// chromedriver refuses the session.
    #[error("chromedriver gives no session")]
    Session(#[from] WebDriverError),
}

/// What the person prefers (CSS Media Queries 5, `prefers-color-scheme`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark text on light ground.
    Light,
    /// Light text on dark ground.
    Dark,
}

impl Scheme {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Light, Self::Dark];

    /// As CSS has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// Whose colours a page has (CSS Media Queries 5, `forced-colors`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// Its own.
    Own,
    /// Those that the person has set for all pages, as in the contrast themes of Windows.
    Forced,
}

/// Whether pages may run scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripts {
    /// They may.
    Allowed,
    /// They may not. Those of the test still run.
    Forbidden,
}

/// A browser with one window, which ends when this is dropped.
#[derive(Debug)]
pub struct Browser {
    session: WebDriver,
    axe: String,
    /// After the session, which ends by means of it.
    _driver: Driver,
}

impl Browser {
    /// Starts one that trusts this certificate authority, given as PEM. The window is 800 CSS pixels wide.
    ///
    /// # Errors
    ///
    /// When something is not installed, or does not start.
    pub async fn open(authority: &str) -> Result<Self, Error> {
        let pin = trust::pin(authority)?;
        let axe = axe::source().await?;
        let driver = Driver::start().await?;
        // Talks plain http to chromedriver; but its client is made with TLS all the same, for which there has to be a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let session = WebDriver::new(driver.url(), driver.capabilities(&pin)).await?;
        let browser = Self { session, axe, _driver: driver };
        browser.prefer(Scheme::Light, Colours::Own).await;
        browser.resize(800, 700, 1.0).await;
        Ok(browser)
    }

    /// Ends it and waits until it is gone.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub async fn close(self) {
        good("the end of the browser", self.session.clone().quit().await);
    }

    /// Opens an address, and waits until the page is there.
    ///
    /// # Panics
    ///
    /// When it is not.
    pub async fn visit(&self, url: &str) {
        good("an address", self.session.goto(url).await);
        self.until("the page is loaded", async || Ok(self.state().await? == "complete")).await;
    }

    /// Waits until a page whose title begins so is complete.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub async fn arrive(&self, title: &str) {
        let there = async || Ok(self.session.title().await?.starts_with(title) && self.state().await? == "complete");
        self.until(title, there).await;
    }

    async fn state(&self) -> WebDriverResult<String> {
        self.session.execute("return document.readyState", Vec::new()).await?.convert()
    }

    /// Waits until something holds. What a page in transit cannot answer does not hold yet.
    async fn until<F: Future<Output = WebDriverResult<bool>>>(&self, what: &str, holds: impl Fn() -> F) {
        let started = Instant::now();
        loop {
            let answer = holds().await;
            if matches!(answer, Ok(true)) {
                return;
            }
            if LIMIT < started.elapsed() {
                let (title, text) = (self.session.title().await, self.script("return document.body?.innerText").await);
                panic!("{what:?} is not so after {} s: {answer:?}\nOn the page {title:?}: {text}", LIMIT.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until an element is there and visible, and clicks it as with a mouse: what covers it would be in the way.
    ///
    /// # Panics
    ///
    /// When there is none, or something covers it.
    pub async fn click(&self, selector: &str) {
        self.until(selector, async || {
            self.session.find(By::Css(selector)).await?.click().await?;
            Ok(true)
        })
        .await;
    }

    /// Chooses an option of a list by its value or text, with the mouse.
    ///
    /// # Panics
    ///
    /// When there is no such list or option.
    pub async fn choose(&self, selector: &str, wanted: &str) {
        self.until(selector, async || {
            let list = self.session.find(By::Css(selector)).await?;
            for option in list.find_all(By::Css("option")).await? {
                if option.value().await?.as_deref() == Some(wanted) || option.text().await? == wanted {
                    option.click().await?;
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await;
    }

    /// Types into a field that is visible.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub async fn fill(&self, selector: &str, text: &str) {
        self.until(selector, async || {
            self.session.find(By::Css(selector)).await?.send_keys(text).await?;
            Ok(true)
        })
        .await;
    }

    /// Presses and releases a key, whatever has the focus.
    ///
    /// # Panics
    ///
    /// When the browser does not take it.
    pub async fn press(&self, key: Key) {
        good("a key", self.session.action_chain().key_down(key.clone()).key_up(key).perform().await);
    }

    /// Types a text, whatever has the focus.
    ///
    /// # Panics
    ///
    /// When the browser does not take it.
    pub async fn type_text(&self, text: &str) {
        good("a text", self.session.action_chain().send_keys(text).perform().await);
    }

    /// What is read of an element, as it is rendered.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub async fn text(&self, selector: &str) -> String {
        let element = good(selector, self.session.find(By::Css(selector)).await);
        good(selector, element.text().await)
    }

    /// Title of the page.
    ///
    /// # Panics
    ///
    /// When there is no page.
    pub async fn title(&self) -> String {
        good("the title", self.session.title().await)
    }

    /// Address of the page.
    ///
    /// # Panics
    ///
    /// When there is no page.
    pub async fn address(&self) -> String {
        good("the address", self.session.current_url().await).into()
    }

    /// Runs a script with `return` in the page and returns what it does.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub async fn script(&self, script: &str) -> Value {
        self.script_with(script, Vec::new()).await
    }

    async fn script_with(&self, script: &str, arguments: Vec<Value>) -> Value {
        good("a script", self.session.execute(script, arguments).await).json().clone()
    }

    /// Goes into a frame of the page.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub async fn enter_frame(&self, selector: &str) {
        let frame = good(selector, self.session.find(By::Css(selector)).await);
        good(selector, frame.enter_frame().await);
    }

    /// Goes back to the page as a whole.
    ///
    /// # Panics
    ///
    /// When there is no page.
    pub async fn leave_frame(&self) {
        good("the page", self.session.enter_default_frame().await);
    }

    /// The tab that is looked at.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub async fn tab(&self) -> WindowHandle {
        good("the tab", self.session.window().await)
    }

    /// Waits until there is a tab besides this one, and looks at it.
    ///
    /// # Panics
    ///
    /// When none is opened.
    pub async fn follow_tab(&self, from: &WindowHandle) {
        self.until("another tab is open", async || {
            let tabs = self.session.windows().await?;
            let Some(other) = tabs.into_iter().find(|tab| tab != from) else { return Ok(false) };
            self.session.switch_to_window(other).await?;
            Ok(true)
        })
        .await;
    }

    /// Closes this tab and looks at that one.
    ///
    /// # Panics
    ///
    /// When one of them is not there.
    pub async fn return_to_tab(&self, tab: WindowHandle) {
        good("the tab", self.session.close_window().await);
        good("the tab", self.session.switch_to_window(tab).await);
    }

    /// Shows pages as to a person with these preferences, from now on.
    ///
    /// # Panics
    ///
    /// When the browser cannot.
    pub async fn prefer(&self, scheme: Scheme, colours: Colours) {
        let forced = match colours {
            Colours::Own => "none",
            Colours::Forced => "active",
        };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme.as_str() },
            { "name": "forced-colors", "value": forced },
            // What moves would be half-way when it is looked at.
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Gives the page this much room in CSS pixels, each of which is `zoom` pixels of the screen wide: 320 × 256 at 4 is a screen
    /// of 1280 × 1024 at 400 %.
    ///
    /// # Panics
    ///
    /// When the browser cannot.
    pub async fn resize(&self, width: u32, height: u32, zoom: f64) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": zoom, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Allows or forbids the scripts of pages that are opened from now on.
    ///
    /// # Panics
    ///
    /// When the browser cannot.
    pub async fn run_scripts(&self, scripts: Scripts) {
        let forbidden = json!({ "value": scripts == Scripts::Forbidden });
        self.devtools("Emulation.setScriptExecutionDisabled", forbidden).await;
    }

    /// Lets a page of this origin use the clipboard, as a person who is asked does.
    ///
    /// # Panics
    ///
    /// When the browser cannot.
    pub async fn permit_clipboard(&self, origin: &str) {
        let permissions = json!(["clipboardReadWrite", "clipboardSanitizedWrite"]);
        self.devtools("Browser.grantPermissions", json!({ "origin": origin, "permissions": permissions })).await;
    }

    /// What the clipboard holds, read by the page.
    ///
    /// # Panics
    ///
    /// When the page may not read it.
    pub async fn clipboard(&self) -> String {
        let script =
            "navigator.clipboard.readText().then(arguments[0], error => arguments[0](`not readable: ${error}`))";
        let text = good("the clipboard", self.session.execute_async(script, Vec::new()).await);
        good("the clipboard", text.convert())
    }

    /// The page as PNG, a pixel for a CSS pixel: from its top as far as it goes, or at most so many pixels.
    ///
    /// # Panics
    ///
    /// When the browser cannot.
    pub async fn picture(&self, most: Option<u32>) -> Vec<u8> {
        let script = "const it = document.documentElement; return [it.scrollWidth, Math.min(it.offsetHeight, arguments[0] ?? Infinity)]";
        let size = self.script_with(script, vec![json!(most)]).await;
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let wanted = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let taken = self.devtools("Page.captureScreenshot", wanted).await;
        let encoded = taken["data"].as_str().unwrap_or_default();
        good("a picture", base64::Engine::decode(&base64::prelude::BASE64_STANDARD, encoded))
    }

    /// What axe-core finds wrong with the page: rules of WCAG 2.0 to 2.2, A and AA, and its best practices.
    ///
    /// # Panics
    ///
    /// When axe-core does not run.
    pub async fn violations(&self) -> Vec<Violation> {
        if self.script("return typeof axe === 'undefined'").await == true {
            self.script(&self.axe).await;
        }
        let found = good("axe-core", self.session.execute_async(axe::RUN, Vec::new()).await);
        axe::violations(found.json())
    }

    /// What assistive technology is told of the page, a line for each element that it announces.
    ///
    /// # Panics
    ///
    /// When the browser does not tell.
    pub async fn outline(&self) -> Vec<String> {
        outline::of(&self.devtools("Accessibility.getFullAXTree", json!({})).await)
    }

    /// What has the focus, and how that is shown. `None` when nothing has.
    ///
    /// # Panics
    ///
    /// When the browser does not tell.
    pub async fn focus(&self) -> Option<Focus> {
        good("the focus", serde_json::from_value(self.script(focus::SCRIPT).await))
    }

    /// What does not fit into the width of the page, or is cut.
    ///
    /// # Panics
    ///
    /// When the browser does not tell.
    pub async fn overflow(&self) -> Vec<Overflow> {
        good("the layout", serde_json::from_value(self.script(layout::SCRIPT).await))
    }

    /// A command of the Chrome `DevTools` Protocol.
    async fn devtools(&self, method: &str, parameters: Value) -> Value {
        good(method, self.session.cdp().send_raw(method, parameters).await)
    }
}

impl Drop for Browser {
    /// After a panic nobody ends the session, and this cannot wait for chromedriver to do it: killing that ends Chromium as well.
    fn drop(&mut self) {
        let _ = self.session.clone().leak();
    }
}

/// What a test cannot go on without.
fn good<T, E: std::fmt::Debug>(what: &str, outcome: Result<T, E>) -> T {
    match outcome {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error:?}"),
    }
}
