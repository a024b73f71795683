//! The OAuth 2.0 provider of Data Center for incoming links: consent in the browser, codes, rotating tokens.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::clock::after;
use super::instance::{AccountStatus, RefreshRedirectUri};
use super::link::IncomingLink;
use super::login;
use super::message::{Fields, Reply, Request};
use super::mutation::Whose;
use super::oauth::{SCOPES, random, rank_of};
use super::page::{Form, Page, decision, with_query};
use super::pkce::Challenge;
use super::world::{Arrival, Served, Site};

/// Where people decide, below the context path.
pub(super) const CONSENT: &str = "/plugins/servlet/oauth2/consent";
/// Where a client sends them, and where their decision goes.
pub(super) const AUTHORIZE: &str = "/rest/oauth2/latest/authorize";

/// What people were asked and what came of it.
#[derive(Debug, Default)]
pub(super) struct Provider {
    /// Requests on consent pages, by the id in the page.
    asked: BTreeMap<String, Asked>,
    codes: BTreeMap<String, Code>,
    grants: Vec<Grant>,
}

/// A request for consent, waiting for its person.
#[derive(Debug, Clone)]
struct Asked {
    client_id: String,
    redirect_uri: String,
    scopes: Vec<String>,
    state: Option<String>,
    challenge: Challenge,
    account: String,
}

impl Asked {
    /// The redirect URL with an outcome and the client's state.
    fn callback(&self, outcome: &[(&str, &str)]) -> String {
        let state = self.state.as_deref().map(|state| ("state", state));
        with_query(&self.redirect_uri, &outcome.iter().copied().chain(state).collect::<Vec<_>>())
    }
}

#[derive(Debug)]
struct Code {
    asked: Asked,
    expires_at: Timestamp,
    state: CodeState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CodeState {
    Fresh,
    /// An attempt that failed used it up.
    Burnt,
    /// It was exchanged for the grant of this number.
    Exchanged(usize),
}

/// One consent and its present pair of tokens.
#[derive(Debug)]
struct Grant {
    client_id: String,
    account: String,
    redirect_uri: String,
    scopes: Vec<String>,
    access: Option<Secret>,
    refresh: Option<Secret>,
}

#[derive(Debug)]
struct Secret {
    value: String,
    expires_at: Timestamp,
}

impl Secret {
    fn is(&self, given: &str, now: Timestamp) -> bool {
        self.value == given && self.expires_at > now
    }
}

/// An answer of the token endpoint, and the refresh token that it gives out.
#[derive(Debug)]
pub(super) struct Issue {
    pub(super) reply: Reply,
    pub(super) refresh_token: Option<String>,
}

impl From<Reply> for Issue {
    fn from(reply: Reply) -> Self {
        Self { reply, refresh_token: None }
    }
}

impl Provider {
    /// Account id and scopes behind a living access token of a link that exists.
    pub(super) fn access(&self, given: &str, now: Timestamp) -> Option<(&str, &str, &[String])> {
        let grant = self.grants.iter().find(|grant| grant.access.as_ref().is_some_and(|held| held.is(given, now)))?;
        Some((&grant.client_id, &grant.account, &grant.scopes))
    }

    /// Ends grants altogether.
    pub(super) fn revoke(&mut self, whose: &Whose) {
        self.forget_access_tokens(whose);
        self.forget_refresh_tokens(whose);
        self.codes.retain(|_, code| !whose.covers(&code.asked.account, &code.asked.client_id));
        self.asked.retain(|_, asked| !whose.covers(&asked.account, &asked.client_id));
    }

    /// Forgets everything of clients that are gone.
    pub(super) fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.asked.retain(|_, asked| is_there(&asked.client_id));
        self.codes.retain(|_, code| is_there(&code.asked.client_id));
        let gone = self.grants.iter_mut().filter(|grant| !is_there(&grant.client_id));
        gone.for_each(|grant| (grant.access, grant.refresh) = (None, None));
    }

    /// Ends access tokens only.
    pub(super) fn forget_access_tokens(&mut self, whose: &Whose) {
        let concerned = self.grants.iter_mut().filter(|grant| whose.covers(&grant.account, &grant.client_id));
        concerned.for_each(|grant| grant.access = None);
    }

    /// Ends refresh tokens only.
    pub(super) fn forget_refresh_tokens(&mut self, whose: &Whose) {
        let concerned = self.grants.iter_mut().filter(|grant| whose.covers(&grant.account, &grant.client_id));
        concerned.for_each(|grant| grant.refresh = None);
    }
}

fn link_of<'a>(site: &'a Site, client_id: &str) -> Option<&'a IncomingLink> {
    site.center()?.incoming_links.iter().find(|link| link.client_id == client_id)
}

/// Whether an account can act through a grant.
fn is_active(site: &Site, account: &str) -> bool {
    site.instance.account(account).is_some_and(|account| account.status == AccountStatus::Active)
}

/// `GET` of the authorization endpoint.
pub(super) fn authorize(site: &mut Site, arrival: &Arrival) -> Served {
    let fields = arrival.request.query_fields();
    let link = match recognised(site, &fields) {
        Ok(link) => link.clone(),
        Err(reason) => return Served::nobody(Page::refusal(400, "Authorization failed", reason)),
    };
    let redirect_uri = fields.text("redirect_uri").to_owned();
    let refused = |error: &str, description: &str| {
        let error = [("error", error), ("error_description", description)];
        let state = fields.get("state").map(|state| ("state", state));
        let fields: Vec<_> = error.into_iter().chain(state).collect();
        Served::nobody(Reply::redirect(&with_query(&redirect_uri, &fields)))
    };
    if fields.get("response_type") != Some("code") {
        return refused("unsupported_response_type", "The response type must be code");
    }
    let Some(scopes) = scopes(&fields, &link) else {
        return refused("invalid_scope", "The scope is unknown, or higher than that of the link");
    };
    let Some(challenge) = Challenge::of(&fields) else {
        return refused("invalid_request", "The code challenge is malformed");
    };
    let Some(account) = login::session(site, arrival.request) else {
        return Served::nobody(login::detour(site, arrival.request));
    };
    let state = fields.get("state").map(str::to_owned);
    let asked = Asked { client_id: link.client_id, redirect_uri, scopes, state, challenge, account: account.clone() };
    let id = random();
    let target = with_query(&format!("{}{CONSENT}", site.instance.context_path()), &[("request", &id)]);
    site.provider.asked.insert(id, asked);
    Served::known(Reply::redirect(&target), Some(account))
}

/// The link of a request whose redirect URL is registered. Nobody is sent anywhere before both are proven.
fn recognised<'a>(site: &'a Site, fields: &Fields) -> Result<&'a IncomingLink, &'static str> {
    if fields.twin().is_some() {
        return Err("A parameter is repeated.");
    }
    let link = link_of(site, fields.text("client_id")).ok_or("The client is unknown.")?;
    let redirect_uri = fields.text("redirect_uri");
    if link.redirect_urls.iter().any(|registered| registered == redirect_uri) {
        return Ok(link);
    }
    Err("The redirect URL is not registered for this client.")
}

/// The scopes asked for, or the link's own. `None` when one is unknown or above the link.
fn scopes(fields: &Fields, link: &IncomingLink) -> Option<Vec<String>> {
    let Some(asked) = fields.get("scope") else {
        return Some(vec![link.scope.clone()]);
    };
    let asked: Vec<String> = asked.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    let allowed = |scope: &String| SCOPES.contains(&scope.as_str()) && rank_of(scope) <= rank_of(&link.scope);
    (!asked.is_empty() && asked.iter().all(allowed)).then_some(asked)
}

/// The consent page.
pub(super) fn consent(site: &Site, arrival: &Arrival) -> Served {
    let Some(account) = login::session(site, arrival.request) else {
        return Served::nobody(login::detour(site, arrival.request));
    };
    let id = arrival.request.parameter("request").unwrap_or_default();
    let asked = site.provider.asked.get(&id).filter(|asked| asked.account == account);
    let Some((asked, link)) = asked.and_then(|asked| Some((asked, link_of(site, &asked.client_id)?))) else {
        let reply = Page::refusal(400, "Authorization failed", "This request is over. Start again.");
        return Served::known(reply, Some(account));
    };
    let name = site.instance.account(&account).map_or("", |account| account.name.as_str());
    let page = Page::new(&format!("{} would like to access Jira", link.title()))
        .element("p", Some("user"), &format!("You are logged in as {name}."))
        .element("p", None, "It will be able to:")
        .list("scopes", &asked.scopes)
        .form(&Form {
            action: &format!("{}{AUTHORIZE}", site.instance.context_path()),
            hidden: vec![("request", &id)],
            select: None,
            buttons: decision("Allow"),
        });
    Served::known(page.reply(200), Some(account))
}

/// `POST` of the authorization endpoint: what somebody decided on the consent page.
pub(super) fn decided(site: &mut Site, arrival: &Arrival) -> Served {
    let refused = |reason: &str| Served::nobody(Page::refusal(403, "Authorization failed", reason));
    if !refers_to_consent(site, arrival.request) {
        return refused("The decision does not come from the consent page.");
    }
    let Some(account) = login::session(site, arrival.request) else {
        return refused("You are not logged in.");
    };
    let form = Fields(arrival.request.form());
    let id = form.text("request");
    if site.provider.asked.get(id).is_none_or(|asked| asked.account != account) {
        return refused("This request is over. Start again.");
    }
    let Some(asked) = site.provider.asked.remove(id).filter(|asked| link_of(site, &asked.client_id).is_some()) else {
        return refused("The client is unknown.");
    };
    let target = match form.get("decision") {
        Some("accept") => {
            let code = random();
            let target = asked.callback(&[("code", &code)]);
            let seconds = site.center().map_or(0, |center| center.authorization_code_seconds);
            let expires_at = after(arrival.now, Duration::from_secs(seconds.into()));
            site.provider.codes.insert(code, Code { asked, expires_at, state: CodeState::Fresh });
            target
        }
        _ => asked.callback(&[("error", "access_denied"), ("error_description", "The user denied the request")]),
    };
    Served::known(Reply::redirect(&target), Some(account))
}

fn refers_to_consent(site: &Site, request: &Request) -> bool {
    let referrer = request.header("referer").unwrap_or_default();
    [site.url(), site.base_url()].iter().any(|base| {
        let path = referrer.strip_prefix(base.as_str()).and_then(|rest| rest.strip_prefix(CONSENT));
        path.is_some_and(|rest| rest.is_empty() || rest.starts_with('?'))
    })
}

fn invalid_grant(description: &str) -> Issue {
    Reply::oauth_error(400, "invalid_grant", description).into()
}

/// The token endpoint for a client id that is a link; `None` when it is none. Required fields are there.
pub(super) fn token(site: &mut Site, grant: &str, fields: &Fields, now: Timestamp) -> Option<Issue> {
    let link = link_of(site, fields.text("client_id"))?;
    if fields.get("client_secret") != Some(&link.secret) {
        let status = site.instance.switches.invalid_client_status;
        return Some(Reply::oauth_error(status, "invalid_client", "Invalid client").into());
    }
    Some(match grant {
        "authorization_code" => exchange(site, fields, now),
        "refresh_token" => refresh(site, fields, now),
        _ => Reply::oauth_error(400, "unsupported_grant_type", "Unsupported grant type").into(),
    })
}

fn exchange(site: &mut Site, fields: &Fields, now: Timestamp) -> Issue {
    let Some(code) = site.provider.codes.get_mut(fields.text("code")) else {
        return invalid_grant("The code is unknown");
    };
    if code.asked.client_id != fields.text("client_id") {
        return invalid_grant("The code is unknown");
    }
    if let CodeState::Exchanged(number) = code.state {
        if let Some(grant) = site.provider.grants.get_mut(number) {
            (grant.access, grant.refresh) = (None, None);
        }
        return invalid_grant("The code was used before; its tokens are removed");
    }
    let fits = code.state == CodeState::Fresh
        && code.expires_at > now
        && code.asked.redirect_uri == fields.text("redirect_uri")
        && code.asked.challenge.met_by(fields.get("code_verifier"));
    if !fits {
        code.state = CodeState::Burnt;
        return invalid_grant("The code is expired or used, or redirect URL or verifier differ");
    }
    code.state = CodeState::Burnt;
    let Asked { client_id, account, redirect_uri, scopes, .. } = code.asked.clone();
    if !is_active(site, &account) {
        return invalid_grant("The user is not active");
    }
    let number = site.provider.grants.len();
    if let Some(code) = site.provider.codes.get_mut(fields.text("code")) {
        code.state = CodeState::Exchanged(number);
    }
    site.provider.grants.push(Grant { client_id, account, redirect_uri, scopes, access: None, refresh: None });
    issued(site, number, now)
}

fn refresh(site: &mut Site, fields: &Fields, now: Timestamp) -> Issue {
    let (given, client_id) = (fields.text("refresh_token"), fields.text("client_id"));
    let held = |grant: &Grant| {
        grant.client_id == client_id && grant.refresh.as_ref().is_some_and(|refresh| refresh.is(given, now))
    };
    let Some(number) = site.provider.grants.iter().position(held) else {
        return invalid_grant("The refresh token is unknown, expired or used");
    };
    let Some(grant) = site.provider.grants.get(number).filter(|grant| is_active(site, &grant.account)) else {
        return invalid_grant("The user is not active");
    };
    let fits = match (fields.get("redirect_uri"), site.instance.switches.refresh_redirect_uri) {
        (Some(given), _) => given == grant.redirect_uri,
        (None, RefreshRedirectUri::Demanded) => false,
        (None, RefreshRedirectUri::Optional) => true,
    };
    if !fits {
        return invalid_grant("The redirect URL differs");
    }
    issued(site, number, now)
}

/// A new pair in place of the old one, which ends in the same moment.
fn issued(site: &mut Site, number: usize, now: Timestamp) -> Issue {
    let lives = site.center().map(|center| (center.access_token_seconds, center.refresh_token_seconds));
    let (access_seconds, refresh_seconds) = lives.unwrap_or_default();
    let secret = |seconds: u32| Secret { value: random(), expires_at: after(now, Duration::from_secs(seconds.into())) };
    let (access, refresh) = (secret(access_seconds), secret(refresh_seconds));
    let Some(grant) = site.provider.grants.get_mut(number) else {
        return invalid_grant("The grant is unknown");
    };
    let body = json!({"access_token": access.value, "token_type": "bearer", "expires_in": access_seconds,
                      "refresh_token": refresh.value, "scope": grant.scopes.join(" ")});
    let refresh_token = Some(refresh.value.clone());
    (grant.access, grant.refresh) = (Some(access), Some(refresh));
    Issue { reply: Reply::json(200, &body).header("Cache-Control", "no-store"), refresh_token }
}

/// `POST {base}/rest/oauth2/latest/revoke` (RFC 7009): the token and its partner end. Unknown tokens are no error.
pub(super) fn revoke(site: &mut Site, request: &Request) -> Reply {
    let fields = Fields(request.form());
    if request.content_type() != "application/x-www-form-urlencoded" || fields.get("token").is_none() {
        return Reply::oauth_error(400, "invalid_request", "token is missing");
    }
    let client_id = fields.text("client_id");
    if link_of(site, client_id).is_none_or(|link| fields.get("client_secret") != Some(&link.secret)) {
        let status = site.instance.switches.invalid_client_status;
        return Reply::oauth_error(status, "invalid_client", "Invalid client");
    }
    let given = fields.text("token");
    let is = |held: &Option<Secret>| held.as_ref().is_some_and(|held| held.value == given);
    let held = site.provider.grants.iter_mut().find(|grant| is(&grant.access) || is(&grant.refresh));
    match held {
        Some(grant) if grant.client_id != client_id => {
            return Reply::oauth_error(400, "invalid_grant", "The token is another client's");
        }
        Some(grant) => (grant.access, grant.refresh) = (None, None),
        None => {}
    }
    Reply::new(200).header("Cache-Control", "no-store")
}

/// Whether a living access token is out and may be used: its link exists and its user is active.
pub(super) fn bearer(site: &Site, given: &str, now: Timestamp) -> Option<(String, Vec<String>)> {
    let (client_id, account, scopes) = site.provider.access(given, now)?;
    link_of(site, client_id).filter(|_| is_active(site, account))?;
    Some((account.to_owned(), scopes.to_vec()))
}
