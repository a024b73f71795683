//! A person with a browser: opens pages over HTTP, reads them, and fills in and submits the forms it was given.
//!
//! It knows of the simulator no more than a browser does: the authority, the pages, and the ids in them. It has
//! cookies, sends `Referer`, `Origin` and `Accept` as browsers do, and runs no scripts.

mod document;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, COOKIE, LOCATION, ORIGIN, REFERER, SET_COOKIE, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, Response};
use url::Url;

use self::document::{Document, Form};
use super::Simulator;

/// Redirects and pages in a row after which a person gives up.
const PATIENCE: usize = 10;

/// Why a person got no further. URLs are left out: they hold codes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The browser could not be made, or got no answer.
    #[error("no answer")]
    Http(#[source] reqwest::Error),
    /// A link, a form or a redirect led to something that is no URL.
    #[error("not a URL: {0}")]
    Url(#[from] url::ParseError),
    /// A page says that something was refused.
    #[error("the page {title:?} with status {status}: {reason}")]
    Refused {
        /// Status.
        status: u16,
        /// Title of the page.
        title: String,
        /// Text of its element `error`.
        reason: String,
    },
    /// A page lacks what was to be clicked, chosen or read.
    #[error("the page {title:?} has no {wanted}")]
    Lacking {
        /// Title of the page.
        title: String,
        /// What was looked for.
        wanted: String,
    },
    /// A redirect without a target, or too many in a row.
    #[error("a redirect leads nowhere")]
    Nowhere,
    /// The click led to a further page, where it should have led away from the site.
    #[error("the click led to the page {title:?} and not to a callback")]
    NoCallback {
        /// Title of the page.
        title: String,
    },
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

/// A page in the browser.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where it is.
    pub url: Url,
    /// Status of the answer.
    pub status: u16,
    /// The HTML.
    pub html: String,
    document: Document,
}

impl Page {
    /// Title.
    #[must_use]
    pub fn title(&self) -> &str {
        self.document.title.trim()
    }

    /// Text of the element of this id.
    #[must_use]
    pub fn text(&self, id: &str) -> Option<&str> {
        self.document.texts.get(id).map(|text| text.trim())
    }

    /// Values and texts of the options of the choice of this id.
    #[must_use]
    pub fn options(&self, id: &str) -> Vec<(&str, &str)> {
        let selects = self.document.forms.iter().flat_map(|form| &form.selects);
        let options = selects.filter(|select| select.id == id).flat_map(|select| &select.options);
        options.map(|option| (option.value.as_str(), option.text.trim())).collect()
    }

    fn lacks(&self, wanted: &str) -> Error {
        Error::Lacking { title: self.title().to_owned(), wanted: wanted.to_owned() }
    }

    /// The form with this button.
    fn form(&self, button: &str) -> Option<&Form> {
        self.document.forms.iter().find(|form| form.buttons.iter().any(|present| present.id == button))
    }

    fn refusal(&self) -> Error {
        let reason = self.text("error").unwrap_or_default().to_owned();
        Error::Refused { status: self.status, title: self.title().to_owned(), reason }
    }
}

/// Where a click leads.
#[derive(Debug, Clone)]
pub enum Landing {
    /// To a page of the same site.
    Page(Page),
    /// To a URL of another site, which was not opened.
    Elsewhere(String),
}

#[derive(Debug)]
struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
}

/// A person with a browser.
#[derive(Debug)]
pub struct Person {
    http: Client,
    authorities: Vec<Certificate>,
    account: String,
    site: Option<String>,
    cookies: Mutex<Vec<Cookie>>,
}

impl Person {
    /// A person who signs in with this account id, in a fresh browser that trusts the simulator's authority.
    ///
    /// # Errors
    ///
    /// When the browser cannot be made.
    pub fn new(simulator: &Simulator, account: &str) -> Result<Self, Error> {
        let authorities = vec![Certificate::from_pem(simulator.ca_pem().as_bytes())?];
        let http = browser(&authorities)?;
        Ok(Self { http, authorities, account: account.to_owned(), site: None, cookies: Mutex::default() })
    }

    /// The same person, whose browser trusts a further authority, given as PEM: for pages of the client itself.
    ///
    /// # Errors
    ///
    /// When it is no certificate.
    pub fn trusting(mut self, authority: &str) -> Result<Self, Error> {
        self.authorities.push(Certificate::from_pem(authority.as_bytes())?);
        Ok(Self { http: browser(&self.authorities)?, ..self })
    }

    /// The same person, who picks this Cloud site where there is a choice: its URL or Cloud id.
    #[must_use]
    pub fn on_site(self, site: &str) -> Self {
        Self { site: Some(site.trim_end_matches('/').to_owned()), ..self }
    }

    /// Opens a URL, signs in where asked to, and clicks *Accept* or *Allow*. Returns the callback URL with what the
    /// site added to it. It is not opened.
    ///
    /// # Errors
    ///
    /// When a page refuses, or lacks what a consent needs.
    pub async fn consent(&self, authorize_url: &str) -> Result<String, Error> {
        self.callback(authorize_url, "accept").await
    }

    /// As [`Person::consent`], but clicks *Deny*.
    ///
    /// # Errors
    ///
    /// Those of [`Person::consent`].
    pub async fn deny(&self, authorize_url: &str) -> Result<String, Error> {
        self.callback(authorize_url, "deny").await
    }

    /// Opens a URL, signs in where asked to, clicks *Allow*, and reads the verification code from the page.
    ///
    /// # Errors
    ///
    /// Those of [`Person::consent`]; and when there is no code on the page, or no page but a redirect.
    pub async fn verification_code(&self, authorize_url: &str) -> Result<String, Error> {
        let page = self.consent_page(authorize_url, "accept").await?;
        match self.decide(&page, "accept").await? {
            Landing::Page(page) => {
                page.text("verification-code").map(str::to_owned).ok_or_else(|| page.lacks("verification code"))
            }
            Landing::Elsewhere(_) => Err(page.lacks("verification code, but a callback")),
        }
    }

    /// Opens a URL and signs in where asked to, until a page has the button of this id.
    ///
    /// # Errors
    ///
    /// When a page refuses, or has neither the button nor a choice of accounts.
    pub async fn consent_page(&self, authorize_url: &str, button: &str) -> Result<Page, Error> {
        let mut page = self.open(authorize_url).await?;
        for _ in 0..PATIENCE {
            if page.status >= 400 {
                return Err(page.refusal());
            }
            if page.form(button).is_some() {
                return Ok(page);
            }
            if page.options("account").is_empty() {
                return Err(page.lacks(button));
            }
            page = self.sign_in(&page).await?;
        }
        Err(Error::Nowhere)
    }

    /// Opens a URL and follows redirects to a page, whatever its status.
    ///
    /// # Errors
    ///
    /// When there is no answer, or redirects lead nowhere.
    pub async fn open(&self, url: &str) -> Result<Page, Error> {
        let mut url = Url::parse(url)?;
        for _ in 0..PATIENCE {
            let response = self.send(Method::GET, &url, None, None).await?;
            match target(&response)? {
                Some(next) => url = next,
                None => return page(response).await,
            }
        }
        Err(Error::Nowhere)
    }

    /// Clicks the button of this id, with choices and inputs as they are given: element id and value. Other choices
    /// keep their first option. Redirects are followed within the site.
    ///
    /// # Errors
    ///
    /// When the page lacks the button or a choice, or there is no answer.
    pub async fn click(&self, page: &Page, button: &str, choices: &[(&str, &str)]) -> Result<Landing, Error> {
        let form = page.form(button).ok_or_else(|| page.lacks(button))?;
        let fields = filled(page, form, button, choices)?;
        let action = page.url.join(&form.action)?;
        let mut response = if form.method == "post" {
            self.send(Method::POST, &action, Some(&page.url), Some(&fields)).await?
        } else {
            let mut action = action;
            action.query_pairs_mut().clear().extend_pairs(&fields);
            self.send(Method::GET, &action, Some(&page.url), None).await?
        };
        for _ in 0..PATIENCE {
            let Some(next) = target(&response)? else {
                return Ok(Landing::Page(self::page(response).await?));
            };
            if next.origin() != page.url.origin() {
                return Ok(Landing::Elsewhere(next.into()));
            }
            response = self.send(Method::GET, &next, Some(&page.url), None).await?;
        }
        Err(Error::Nowhere)
    }

    async fn callback(&self, authorize_url: &str, button: &str) -> Result<String, Error> {
        let page = self.consent_page(authorize_url, button).await?;
        match self.decide(&page, button).await? {
            Landing::Elsewhere(url) => Ok(url),
            Landing::Page(page) if page.status >= 400 => Err(page.refusal()),
            Landing::Page(page) => Err(Error::NoCallback { title: page.title().to_owned() }),
        }
    }

    async fn sign_in(&self, page: &Page) -> Result<Page, Error> {
        let form = page.document.forms.iter().find(|form| form.selects.iter().any(|select| select.id == "account"));
        let button = form.and_then(|form| form.buttons.first()).ok_or_else(|| page.lacks("button to sign in"))?;
        match self.click(page, &button.id, &[("account", &self.account)]).await? {
            Landing::Page(page) => Ok(page),
            Landing::Elsewhere(url) => self.open(&url).await,
        }
    }

    /// Clicks a button of a consent page; on Cloud a site is picked, the only one unless the person knows which.
    async fn decide(&self, page: &Page, button: &str) -> Result<Landing, Error> {
        let sites = page.options("site");
        let picked = match (&self.site, sites.as_slice()) {
            (_, []) => None,
            (None, [(only, _)]) => Some(*only),
            (None, _) => return Err(page.lacks("single site; name the one to pick")),
            (Some(wanted), _) => {
                let found = sites.iter().find(|(value, text)| value == wanted || text == wanted);
                Some(found.ok_or_else(|| page.lacks("such site to pick"))?.0)
            }
        };
        let choices: Vec<_> = picked.map(|site| ("site", site)).into_iter().collect();
        self.click(page, button, &choices).await
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        from: Option<&Url>,
        fields: Option<&[(String, String)]>,
    ) -> Result<Response, Error> {
        let mut request = self
            .http
            .request(method, url.clone())
            .header(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
            .header(USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64) a person");
        // The default policy of browsers: all of it on the same site, otherwise the origin alone.
        if let Some(from) = from {
            let origin = from.origin().ascii_serialization();
            let same = from.origin() == url.origin();
            request = request.header(REFERER, if same { from.as_str() } else { &origin });
            if fields.is_some() {
                request = request.header(ORIGIN, origin);
            }
        }
        if let Some(cookies) = self.cookies_for(url) {
            request = request.header(COOKIE, cookies);
        }
        if let Some(fields) = fields {
            request = request.form(fields);
        }
        let response = request.send().await?;
        self.keep_cookies(&response);
        Ok(response)
    }

    /// Cookies know hosts and paths, but no ports.
    fn cookies_for(&self, url: &Url) -> Option<String> {
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let meant =
            |cookie: &&Cookie| Some(cookie.host.as_str()) == url.host_str() && url.path().starts_with(&cookie.path);
        let pairs: Vec<_> =
            cookies.iter().filter(meant).map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn keep_cookies(&self, response: &Response) {
        let host = response.url().host_str().unwrap_or_default();
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        for value in response.headers().get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let mut parts = value.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let attributes: Vec<_> = parts.map(|part| part.split_once('=').unwrap_or((part, ""))).collect();
            let attribute = |wanted: &str| {
                attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
            };
            let path = attribute("Path").unwrap_or("/").to_owned();
            cookies.retain(|cookie| cookie.host != host || cookie.name != name || cookie.path != path);
            if attribute("Max-Age").is_none_or(|age| age != "0") {
                cookies.push(Cookie { host: host.to_owned(), path, name: name.to_owned(), value: value.to_owned() });
            }
        }
    }
}

fn browser(authorities: &[Certificate]) -> Result<Client, Error> {
    // The process may have a provider already, and any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder().redirect(Policy::none()).timeout(Duration::from_secs(10));
    Ok(builder.tls_certs_only(authorities.iter().cloned()).build()?)
}

/// Where a redirect leads; `None` when the answer is none.
fn target(response: &Response) -> Result<Option<Url>, Error> {
    if !response.status().is_redirection() {
        return Ok(None);
    }
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).ok_or(Error::Nowhere)?;
    Ok(Some(response.url().join(location)?))
}

async fn page(response: Response) -> Result<Page, Error> {
    let (url, status) = (response.url().clone(), response.status().as_u16());
    let html = response.text().await?;
    let document = Document::read(&html);
    Ok(Page { url, status, html, document })
}

/// The fields that a form submits when a button is clicked.
fn filled(page: &Page, form: &Form, button: &str, choices: &[(&str, &str)]) -> Result<Vec<(String, String)>, Error> {
    let chosen = |id: &str| choices.iter().find(|(wanted, _)| *wanted == id).map(|(_, value)| *value);
    let inputs =
        form.inputs.iter().map(|input| (input.name.clone(), chosen(&input.id).unwrap_or(&input.value).to_owned()));
    let mut fields: Vec<_> = inputs.collect();
    for select in &form.selects {
        let option = match chosen(&select.id) {
            Some(value) => select.options.iter().find(|option| option.value == value),
            None => select.options.first(),
        };
        let option = option.ok_or_else(|| page.lacks(&format!("such option of {}", select.id)))?;
        fields.push((select.name.clone(), option.value.clone()));
    }
    let clicked = form.buttons.iter().find(|present| present.id == button && !present.name.is_empty());
    fields.extend(clicked.map(|button| (button.name.clone(), button.value.clone())));
    Ok(fields)
}
