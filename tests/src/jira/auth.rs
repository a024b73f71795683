//! Atlassian's auth host: sign-in, consent to 3LO apps, and the grants that come of it.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::app::{Access, App, DeadRefreshToken, Resources};
use super::clock::after;
use super::instance::{Account, AccountStatus, AccountType, Scheme};
use super::message::{Fields, Reply, Request};
use super::mutation::Whose;
use super::oauth::{self, random};
use super::page::{Button, Form, Page, Select, accounts, decision, is_local, with_query};
use super::pkce::Challenge;
use super::session::Sessions;
use super::world::{Holder, Outcome, Site, Token, World};

/// Name of the session cookie.
const COOKIE: &str = "cloud.session.token";
/// The scope that yields a refresh token.
const OFFLINE: &str = "offline_access";

/// What the auth host knows.
#[derive(Debug, Default)]
pub(super) struct AuthHost {
    /// Apps by client id.
    pub(super) apps: BTreeMap<String, App>,
    /// Access tokens that were issued.
    pub(super) tokens: BTreeMap<String, Token>,
    /// Clients that have used up their hourly points, and until when.
    pub(super) exhausted: BTreeMap<String, Timestamp>,
    sessions: Sessions,
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
    state: String,
    challenge: Challenge,
    account: String,
}

#[derive(Debug)]
struct Code {
    asked: Asked,
    /// Cloud id of the site that was picked.
    site: String,
    consented_at: Timestamp,
    expires_at: Timestamp,
}

/// One consent, and the family of refresh tokens that came of it.
#[derive(Debug)]
pub(super) struct Grant {
    client_id: String,
    account: String,
    /// Cloud ids; the one that was picked stands last.
    sites: Vec<String>,
    scopes: Vec<String>,
    consented_at: Timestamp,
    refreshed_at: Timestamp,
    state: GrantState,
    /// Refresh tokens, each with the moment when it was first rotated.
    refresh_tokens: BTreeMap<String, Option<Timestamp>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GrantState {
    Alive,
    /// Access tokens that are out still work.
    NoMoreRefreshes,
    Dead,
}

impl Grant {
    /// Scopes for the API.
    fn api_scopes(&self) -> Vec<String> {
        self.scopes.iter().filter(|scope| *scope != OFFLINE).cloned().collect()
    }
}

impl AuthHost {
    /// Account and client of a living grant that reaches a site.
    pub(super) fn reach(&self, number: usize, cloud_id: &str) -> Option<(&str, &str)> {
        let grant = self.grants.get(number).filter(|grant| grant.state != GrantState::Dead)?;
        let reaches = grant.sites.iter().any(|site| site == cloud_id);
        reaches.then_some((grant.account.as_str(), grant.client_id.as_str()))
    }

    fn concerned<'a>(
        &'a mut self,
        whose: &'a Whose,
        cloud_id: &'a str,
    ) -> impl Iterator<Item = (usize, &'a mut Grant)> {
        let grants = self.grants.iter_mut().enumerate();
        grants.filter(move |(_, grant)| {
            whose.covers(&grant.account, &grant.client_id) && grant.sites.iter().any(|site| site == cloud_id)
        })
    }

    /// Ends grants that reach a site, with all their tokens.
    pub(super) fn revoke(&mut self, whose: &Whose, cloud_id: &str) {
        self.concerned(whose, cloud_id).for_each(|(_, grant)| grant.state = GrantState::Dead);
        self.codes.retain(|_, code| code.site != cloud_id || !whose.covers(&code.asked.account, &code.asked.client_id));
    }

    /// Ends access tokens of grants that reach a site.
    pub(super) fn forget_access_tokens(&mut self, whose: &Whose, cloud_id: &str) {
        let numbers: Vec<usize> = self.concerned(whose, cloud_id).map(|(number, _)| number).collect();
        self.tokens.retain(|_, token| match token.holder {
            Holder::Grant(number) => !numbers.contains(&number),
            Holder::Client(_) => true,
        });
    }

    /// Ends refresh tokens of grants that reach a site.
    pub(super) fn forget_refresh_tokens(&mut self, whose: &Whose, cloud_id: &str) {
        let alive = self.concerned(whose, cloud_id).filter(|(_, grant)| grant.state == GrantState::Alive);
        alive.for_each(|(_, grant)| grant.state = GrantState::NoMoreRefreshes);
    }

    /// Ends everything of an app.
    pub(super) fn forget_app(&mut self, client_id: &str) {
        self.apps.remove(client_id);
        self.asked.retain(|_, asked| asked.client_id != client_id);
        self.codes.retain(|_, code| code.asked.client_id != client_id);
        let gone = self.grants.iter_mut().filter(|grant| grant.client_id == client_id);
        gone.for_each(|grant| grant.state = GrantState::Dead);
    }
}

/// Answers a request.
pub(super) fn serve(world: &mut World, request: &Request, now: Timestamp) -> Outcome {
    let page = Outcome::unattributed;
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/authorize") => authorize(world, request),
        ("POST", "/authorize") => decided(world, request, now),
        ("GET" | "POST", "/login") => login(world, request),
        (_, "/authorize" | "/login") => page(Page::refusal(405, "Something went wrong", "Method not allowed.")),
        _ => oauth::cloud_token(world, request, now),
    }
}

fn cloud_sites(world: &World) -> impl Iterator<Item = &Site> {
    world.sites.values().filter(|site| site.instance.cloud_id().is_some())
}

fn is_person(account: &Account) -> bool {
    account.status == AccountStatus::Active && account.account_type == AccountType::Atlassian
}

/// Sites that an account is active on, in the order of their names.
fn sites_of<'a>(world: &'a World, account: &'a str) -> impl Iterator<Item = &'a Site> {
    cloud_sites(world).filter(move |site| site.instance.account(account).is_some_and(is_person))
}

/// Account id of the session that a request belongs to.
fn session(world: &World, request: &Request) -> Option<String> {
    let account = world.auth.sessions.account(request.cookie(COOKIE))?;
    sites_of(world, account).next().map(|_| account.to_owned())
}

fn something_went_wrong(reason: &str) -> Outcome {
    Outcome::unattributed(Page::refusal(400, "Something went wrong", reason))
}

/// The consent page, after a detour over the sign-in page.
fn authorize(world: &mut World, request: &Request) -> Outcome {
    let fields = request.query_fields();
    let asked = match asked(world, &fields) {
        Ok(asked) => asked,
        Err(reason) => return something_went_wrong(&reason),
    };
    let here = format!("{}?{}", request.path, request.query.as_deref().unwrap_or_default());
    let sign_in = with_query("/login", &[("continue", &here)]);
    let Some(account) = session(world, request) else {
        return Outcome::unattributed(Reply::redirect(&sign_in));
    };
    let Some(app) = world.auth.apps.get(&asked.client_id) else {
        return something_went_wrong("The app is unknown.");
    };
    let shown = sites_of(world, &account).find_map(|site| site.instance.account(&account));
    let shown = shown.map_or(account.as_str(), |shown| match (&shown.email, shown.display_name.as_str()) {
        (Some(email), _) => email,
        (None, "") => &shown.id,
        (None, name) => name,
    });
    let options = sites_of(world, &account)
        .filter_map(|site| Some((site.instance.cloud_id()?.to_owned(), site.base_url())))
        .collect();
    let id = random();
    let page = Page::new(&format!("{} is requesting access to your Atlassian account", app.title()))
        .element("p", Some("user"), &format!("Signed in as {shown}."))
        .link("switch-account", &sign_in, "Use another account")
        .element("p", None, &format!("{} would like to:", app.title()))
        .list("scopes", &asked.scopes)
        .form(&Form {
            action: "/authorize",
            hidden: vec![("request", &id)],
            select: Some(Select { name: "site", label: "Use app on", options }),
            buttons: decision("Accept"),
        });
    world.auth.asked.insert(id, Asked { account: account.clone(), ..asked });
    Outcome { account: Some(account), ..Outcome::unattributed(page.reply(200)) }
}

/// The request, when there is nothing wrong with it; for no error is anybody sent to the redirect URL.
fn asked(world: &World, fields: &Fields) -> Result<Asked, String> {
    let refuse = |reason: &str| Err(reason.to_owned());
    if let Some(twin) = fields.twin() {
        return refuse(&format!("{twin} is repeated."));
    }
    let Some(app) = world.auth.apps.get(fields.text("client_id")) else {
        return refuse("The client_id is unknown.");
    };
    if fields.text("redirect_uri") != app.callback_url {
        return refuse("The redirect_uri is not the callback URL of the app.");
    }
    for (name, wanted) in [("audience", "api.atlassian.com"), ("response_type", "code"), ("prompt", "consent")] {
        if fields.text(name) != wanted {
            return refuse(&format!("{name} must be {wanted}."));
        }
    }
    let Some(state) = fields.get("state") else {
        return refuse("state is missing.");
    };
    let scopes: Vec<String> =
        fields.text("scope").split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    if scopes.is_empty() {
        return refuse("scope is missing.");
    }
    if let Some(scope) = scopes.iter().find(|scope| *scope != OFFLINE && !app.scopes.contains(scope)) {
        return refuse(&format!("The scope {scope} is not enabled for the app."));
    }
    // Plain challenges prove nothing to somebody who reads the request.
    let challenge = match Challenge::of(fields) {
        Some(challenge @ (Challenge::Absent | Challenge::S256(_))) => challenge,
        Some(Challenge::Plain(_)) | None => return refuse("The code_challenge must be one of S256."),
    };
    Ok(Asked {
        client_id: app.client_id.clone(),
        redirect_uri: app.callback_url.clone(),
        scopes,
        state: state.to_owned(),
        challenge,
        account: String::new(),
    })
}

/// What somebody decided on the consent page.
fn decided(world: &mut World, request: &Request, now: Timestamp) -> Outcome {
    let form = Fields(request.form());
    let Some(account) = session(world, request) else {
        return something_went_wrong("You are not signed in.");
    };
    let id = form.text("request");
    if world.auth.asked.get(id).is_none_or(|asked| asked.account != account) {
        return something_went_wrong("This request is over. Start again.");
    }
    let Some(asked) = world.auth.asked.remove(id) else {
        return something_went_wrong("This request is over. Start again.");
    };
    let answered = |reply| Outcome { account: Some(account.clone()), ..Outcome::unattributed(reply) };
    if form.get("decision") != Some("accept") {
        let description = "User did not authorize the request";
        let fields = [("error", "access_denied"), ("error_description", description), ("state", &asked.state)];
        return answered(Reply::redirect(&with_query(&asked.redirect_uri, &fields)));
    }
    let picked = sites_of(world, &account).find(|site| site.instance.cloud_id() == form.get("site"));
    let Some((name, site)) = picked.and_then(|site| Some((site.instance.name.clone(), site.instance.cloud_id()?)))
    else {
        return something_went_wrong("Pick a site on which you have an account.");
    };
    let Some(app) = world.auth.apps.get(&asked.client_id) else {
        return something_went_wrong("The app is unknown.");
    };
    let expires_at = after(now, Duration::from_secs(app.lifetimes.code_seconds.into()));
    let (value, site) = (random(), site.to_owned());
    let target = with_query(&asked.redirect_uri, &[("code", &value), ("state", &asked.state)]);
    world.auth.codes.insert(value, Code { asked, site, consented_at: now, expires_at });
    Outcome { instance: Some(name), ..answered(Reply::redirect(&target)) }
}

/// The sign-in page. Who somebody is, is chosen from a list.
fn login(world: &mut World, request: &Request) -> Outcome {
    let people = || cloud_sites(world).flat_map(|site| &site.instance.accounts).filter(|account| is_person(account));
    if request.method == "GET" {
        let target = request.parameter("continue").unwrap_or_default();
        let page = Page::new("Log in to continue").form(&Form {
            action: "/login",
            hidden: vec![("continue", &target)],
            select: Some(accounts(people())),
            buttons: vec![Button { id: "login", label: "Continue", decision: None }],
        });
        return Outcome::unattributed(page.reply(200));
    }
    let form = Fields(request.form());
    let Some(account) = people().find(|account| account.id == form.text("account")).map(|account| account.id.clone())
    else {
        return something_went_wrong("There is no such account, or it is not active.");
    };
    let Some(target) = form.get("continue").filter(|target| is_local(target)) else {
        return something_went_wrong("There is nowhere to continue to.");
    };
    let cookie = world.auth.sessions.open(&account);
    let reply = Reply::redirect(target).session_cookie(COOKIE, &cookie, Scheme::Https);
    Outcome { account: Some(account), ..Outcome::unattributed(reply) }
}

/// The answer to dead refresh tokens.
fn dead(app: &App) -> Reply {
    match app.dead_refresh_token {
        DeadRefreshToken::InvalidGrant => Reply::oauth_error(403, "invalid_grant", "Unknown or invalid refresh token."),
        DeadRefreshToken::UnauthorizedClient => {
            Reply::oauth_error(403, "unauthorized_client", "refresh_token is invalid")
        }
    }
}

/// The app whose secret a token request knows.
fn proven<'a>(world: &'a World, fields: &Fields) -> Option<&'a App> {
    let app = world.auth.apps.get(fields.text("client_id"))?;
    (fields.get("client_secret") == Some(&app.secret)).then_some(app)
}

fn unproven(world: &World) -> Reply {
    Reply::oauth_error(world.options.wrong_secret_status, "access_denied", "Unauthorized")
}

/// `grant_type=authorization_code`.
pub(super) fn exchange(world: &mut World, fields: &Fields, now: Timestamp) -> Outcome {
    let Some(app) = proven(world, fields).cloned() else {
        return Outcome::unattributed(unproven(world));
    };
    let invalid = Outcome::unattributed(Reply::oauth_error(403, "invalid_grant", "Invalid authorization code"));
    let value = fields.text("code");
    if world.auth.codes.get(value).is_none_or(|code| code.asked.client_id != app.client_id) {
        return invalid;
    }
    // Whatever is wrong with the rest of the request, the code has been seen and is spent.
    let Some(code) = world.auth.codes.remove(value) else {
        return invalid;
    };
    let fits = code.expires_at > now
        && fields.text("redirect_uri") == code.asked.redirect_uri
        && code.asked.challenge.met_by(fields.get("code_verifier"))
        && sites_of(world, &code.asked.account).next().is_some();
    if !fits {
        return invalid;
    }
    let Asked { client_id, account, scopes, .. } = code.asked;
    let sites = reached(world, &app, &account, code.site);
    let number = world.auth.grants.len();
    world.auth.grants.push(Grant {
        client_id,
        account,
        sites,
        scopes,
        consented_at: code.consented_at,
        refreshed_at: now,
        state: GrantState::Alive,
        refresh_tokens: BTreeMap::new(),
    });
    issued(world, &app, number, now)
}

/// Cloud ids that a new grant reaches; the one that was picked stands last.
fn reached(world: &World, app: &App, account: &str, picked: String) -> Vec<String> {
    let earlier = world.auth.grants.iter().filter(|grant| grant.state != GrantState::Dead);
    let earlier = earlier.filter(|grant| grant.client_id == app.client_id && grant.account == account);
    let known: Vec<&str> = match app.access {
        Access::Resource => earlier.flat_map(|grant| &grant.sites).map(String::as_str).collect(),
        Access::Account => sites_of(world, account).filter_map(|site| site.instance.cloud_id()).collect(),
    };
    let mut sites: Vec<String> = Vec::new();
    for site in known {
        if site != picked && sites.iter().all(|listed| listed != site) {
            sites.push(site.to_owned());
        }
    }
    sites.push(picked);
    sites
}

/// `grant_type=refresh_token`.
pub(super) fn refresh(world: &mut World, fields: &Fields, now: Timestamp) -> Outcome {
    let Some(app) = proven(world, fields).cloned() else {
        return Outcome::unattributed(unproven(world));
    };
    let given = fields.text("refresh_token");
    let held = |grant: &Grant| grant.client_id == app.client_id && grant.refresh_tokens.contains_key(given);
    let Some(number) = world.auth.grants.iter().position(held) else {
        return Outcome::unattributed(dead(&app));
    };
    let instance = instance_of(world, number);
    let deactivated = is_deactivated(world, number);
    let over = |since: Timestamp, seconds: u32| after(since, Duration::from_secs(seconds.into())) <= now;
    let Some(grant) = world.auth.grants.get_mut(number) else {
        return Outcome::unattributed(dead(&app));
    };
    let lives = &app.lifetimes;
    let spent = grant.refresh_tokens.get(given).copied().flatten();
    if spent.is_some_and(|since| over(since, lives.reuse_leeway_seconds)) {
        // Somebody else may have the newest token: nobody of the family is believed any more.
        grant.state = GrantState::Dead;
    }
    let ended = grant.state != GrantState::Alive
        || over(grant.refreshed_at, lives.idle_seconds)
        || over(grant.consented_at, lives.absolute_seconds)
        || deactivated;
    if ended {
        return Outcome { instance, ..Outcome::unattributed(dead(&app)) };
    }
    grant.refreshed_at = now;
    grant.refresh_tokens.insert(given.to_owned(), spent.or(Some(now)));
    issued(world, &app, number, now)
}

/// Whether the account of a grant is known on sites of the grant, but active on none.
fn is_deactivated(world: &World, number: usize) -> bool {
    let Some(grant) = world.auth.grants.get(number) else {
        return false;
    };
    let reached = cloud_sites(world).filter(|site| grant.sites.iter().any(|id| site.instance.cloud_id() == Some(id)));
    let known: Vec<_> = reached.filter_map(|site| site.instance.account(&grant.account)).collect();
    !known.is_empty() && known.iter().all(|account| account.status == AccountStatus::Inactive)
}

/// Name of the instance that was picked for a grant.
fn instance_of(world: &World, number: usize) -> Option<String> {
    let picked = world.auth.grants.get(number)?.sites.last()?;
    let site = cloud_sites(world).find(|site| site.instance.cloud_id() == Some(picked))?;
    Some(site.instance.name.clone())
}

fn issued(world: &mut World, app: &App, number: usize, now: Timestamp) -> Outcome {
    let instance = instance_of(world, number);
    let seconds = app.lifetimes.access_token_seconds.unwrap_or(world.options.access_token_seconds);
    let Some(grant) = world.auth.grants.get_mut(number) else {
        return Outcome::unattributed(dead(app));
    };
    let access_token = oauth::json_web_token();
    let mut body = json!({"access_token": access_token, "expires_in": seconds, "scope": grant.scopes.join(" "),
                          "token_type": "Bearer"});
    let issued = grant.scopes.iter().any(|scope| scope == OFFLINE).then(random);
    if let Some(refresh_token) = &issued {
        body["refresh_token"] = json!(refresh_token);
        grant.refresh_tokens.insert(refresh_token.clone(), None);
    }
    let expires_at = after(now, Duration::from_secs(seconds.into()));
    let token = Token { holder: Holder::Grant(number), scopes: grant.api_scopes(), expires_at };
    world.auth.tokens.insert(access_token, token);
    let reply = Reply::json(200, &body).header("Cache-Control", "no-store");
    Outcome { instance, issued, ..Outcome::unattributed(reply) }
}

/// Sites in `accessible-resources` for a token of a grant; `None` when the grant has ended.
pub(super) fn resources(world: &World, number: usize) -> Option<Vec<Value>> {
    let grant = world.auth.grants.get(number).filter(|grant| grant.state != GrantState::Dead)?;
    let app = world.auth.apps.get(&grant.client_id)?;
    if is_deactivated(world, number) {
        return None;
    }
    let listed = grant.sites.iter().filter_map(|id| {
        let site = sites_of(world, &grant.account).find(|site| site.instance.cloud_id() == Some(id))?;
        let entry = |scopes: &[String]| {
            json!({"id": id, "name": site.instance.name, "url": site.base_url(), "scopes": scopes,
                   "avatarUrl": format!("{}/avatar.png", site.origin)})
        };
        let other_product = || entry(&["read:confluence-content.all".to_owned()]);
        Some(match app.resources {
            Resources::Once => vec![entry(&grant.api_scopes())],
            Resources::Twice => vec![other_product(), entry(&grant.api_scopes())],
            Resources::Nothing => Vec::new(),
        })
    });
    Some(listed.flatten().collect())
}
