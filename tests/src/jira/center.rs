//! Jira Data Center and Server.

use std::fmt::Write as _;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::fault::Credentials;
use super::instance::{BasicAuthentication, Credential, GatewayRefusal, Principal, Probe, RefusedBearer, XsrfCheck};
use super::limit::Decision;
use super::message::{Authorization, Reply, Request};
use super::rest::{Caller, Entitlement, Visit};
use super::world::{Arrival, Holder, Served, Site};
use super::{login, oauth, provider, signed};

/// What credentials prove.
enum Proof {
    Known(Caller),
    /// Nothing; with the `X-Seraph-LoginReason`.
    Nobody(&'static str),
    Refused(Reply),
}

/// First version with personal access tokens.
const TOKENS_SINCE: (u32, u32) = (8, 14);
/// First version with OAuth 2.0 incoming links.
const OAUTH2_SINCE: (u32, u32) = (8, 22);
/// First version that does not take basic authentication by default.
const BASIC_OFF_SINCE: (u32, u32) = (11, 0);

/// Whether an installation has at least this version.
pub(super) fn at_least(site: &Site, wanted: (u32, u32)) -> bool {
    let version = site.center().map(|center| center.version.as_str()).unwrap_or_default();
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= wanted
}

/// The answer of the gateway in front when one of its headers is missing or wrong.
pub(super) fn gateway_refusal(site: &Site, request: &Request, path: &str) -> Option<Reply> {
    let demanded = &site.center()?.gateway_headers;
    // A person's browser passes the gateway by its own sign-in, on pages only.
    if is_page(path) && request.wants_page() {
        return None;
    }
    if demanded.iter().all(|(name, value)| request.header(name) == Some(value)) {
        return None;
    }
    Some(match site.instance.switches.gateway_refusal {
        GatewayRefusal::Redirect => Reply::new(302)
            .header("Location", "https://team.cloudflareaccess.com/cdn-cgi/access/login/jira.example.test"),
        GatewayRefusal::Forbidden => Reply::html(403, "Forbidden. You do not have permission to view this."),
    })
}

/// Whether people meet this path in their browser.
fn is_page(path: &str) -> bool {
    let pages = ["/login.jsp", provider::AUTHORIZE, provider::CONSENT, "/plugins/servlet/oauth/authorize"];
    pages.contains(&path)
}

/// The node whose turn it is.
fn node(site: &Site) -> &str {
    let nodes = site.center().map(|center| center.nodes.as_slice()).unwrap_or_default();
    let turn = usize::try_from(site.requests).unwrap_or(0) % nodes.len().max(1);
    nodes.get(turn).map_or("", String::as_str)
}

/// Adds the headers that every answer of Data Center has.
pub(super) fn decorated(site: &Site, request: &Request, reply: Reply, account: Option<&str>) -> Reply {
    let name = account.and_then(|id| site.instance.account(id)).map(|account| account.name.as_str());
    let reason = if account.is_some() { "OK" } else { "OUT" };
    let session = oauth::random();
    let reply = reply
        .header("X-AREQUESTID", &format!("1000x{}x1", site.requests))
        .header("X-ASESSIONID", session.get(..6).unwrap_or_default())
        .header("X-ANODEID", node(site))
        .header("X-AUSERNAME", &percent_encoded(name.unwrap_or("anonymous")))
        .default_header("X-Seraph-LoginReason", reason);
    // A session that is known goes on; everybody else gets a new one, which is nobody's.
    let reply = match login::session(site, request) {
        Some(_) => reply,
        None => reply.default_session_cookie(login::COOKIE, &session, site.instance.transport.scheme),
    };
    if reply.status == 401 {
        return reply
            .default_header("WWW-Authenticate", &format!("OAuth realm=\"{}\"", percent_encoded(&site.base_url())));
    }
    reply
}

fn percent_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Answers a request.
pub(super) fn serve(site: &mut Site, arrival: &Arrival) -> Served {
    let nobody = Served::nobody;
    let segments: Vec<&str> = arrival.path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["rest", "applinks", "1.0" | "latest", "manifest"] if signed::available(site) => {
            nobody(manifest(site, arrival.request))
        }
        ["plugins", "servlet", "oauth", endpoint] if signed::available(site) => {
            let served = signed::servlet(site, arrival, endpoint);
            served.unwrap_or_else(|| nobody(unknown(site, arrival.path)))
        }
        ["plugins", "servlet", "oauth2", "consent"] if at_least(site, OAUTH2_SINCE) => provider::consent(site, arrival),
        ["login.jsp"] => login::page(site, arrival.request),
        ["rest", "oauth2", "latest" | "1.0", endpoint @ ..] => provider(site, arrival, endpoint),
        ["rest", "api", "2" | "latest", resource @ ..] => rest(site, arrival, resource),
        ["rest", "pat", "latest" | "1.0", "tokens"] if at_least(site, TOKENS_SINCE) => tokens(site, arrival),
        _ => nobody(unknown(site, arrival.path)),
    }
}

fn unknown(site: &Site, path: &str) -> Reply {
    if path.starts_with("/rest/") {
        let message = format!("null for uri: {}{path}", site.base_url());
        return Reply::json(404, &json!({"message": message, "status-code": 404}));
    }
    Reply::html(404, "Oops, you've found a dead link.")
}

fn probe_refusal(probe: Probe) -> Option<Reply> {
    match probe {
        Probe::Answered => None,
        Probe::Unauthorized => Some(Reply::unauthenticated()),
        Probe::Forbidden => Some(Reply::html(403, "Forbidden")),
        Probe::NotFound => Some(Reply::html(404, "Not found")),
    }
}

fn manifest(site: &Site, request: &Request) -> Reply {
    let (Some(center), None) = (site.center(), probe_refusal(site.instance.switches.manifest)) else {
        return probe_refusal(site.instance.switches.manifest).unwrap_or_else(|| Reply::new(404));
    };
    let switches = &site.instance.switches;
    let (base, build) = (site.base_url(), super::rest::build_number(&center.version));
    if request.header("accept").is_some_and(|accept| accept.contains("application/json")) {
        return Reply::json(
            200,
            &json!({"id": center.server_id, "name": center.title, "typeId": switches.manifest_type,
                    "version": center.version, "buildNumber": build, "applinksVersion": "9.1.4",
                    "inboundAuthenticationTypes": switches.authentication_types,
                    "outboundAuthenticationTypes": switches.authentication_types, "publicSignup": false,
                    "url": base, "iconUrl": format!("{base}/favicon.ico")}),
        );
    }
    let types = |direction: &str| {
        switches.authentication_types.iter().fold(String::new(), |mut text, name| {
            // Writing to a string cannot fail.
            let _ = write!(text, "<{direction}AuthenticationTypes>{name}</{direction}AuthenticationTypes>");
            text
        })
    };
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><manifest>\
         <id>{}</id><name>{}</name><typeId>{}</typeId>\
         <version>{}</version><buildNumber>{build}</buildNumber><applinksVersion>9.1.4</applinksVersion>{}{}\
         <publicSignup>false</publicSignup><url>{base}</url><iconUrl>{base}/favicon.ico</iconUrl></manifest>",
        center.server_id,
        center.title.replace('&', "&amp;").replace('<', "&lt;"),
        switches.manifest_type,
        center.version,
        types("inbound"),
        types("outbound"),
    );
    Reply::new(200).header("Content-Type", "application/xml;charset=UTF-8").body(body)
}

fn provider(site: &mut Site, arrival: &Arrival, endpoint: &[&str]) -> Served {
    let nobody = Served::nobody;
    if !at_least(site, OAUTH2_SINCE) {
        return nobody(unknown(site, arrival.path));
    }
    match (arrival.request.method.as_str(), endpoint) {
        ("GET", [".well-known", "oauth-authorization-server"]) => {
            let hidden = probe_refusal(site.instance.switches.oauth_metadata);
            nobody(hidden.unwrap_or_else(|| oauth::metadata(site)))
        }
        ("GET" | "POST", ["authorize"]) | ("POST", ["token" | "revoke"]) => {
            oauth::insecure(site).map_or_else(|| secured(site, arrival, endpoint), nobody)
        }
        _ => nobody(unknown(site, arrival.path)),
    }
}

/// Endpoints of the provider that need https.
fn secured(site: &mut Site, arrival: &Arrival, endpoint: &[&str]) -> Served {
    match (arrival.request.method.as_str(), endpoint) {
        ("POST", ["token"]) => {
            // The token request is not made as anybody: the account belongs in the journal of later calls only.
            let issue = oauth::center_token(site, arrival.request, arrival.now);
            Served { issued: issue.refresh_token, ..Served::nobody(issue.reply) }
        }
        ("POST", ["revoke"]) => Served::nobody(provider::revoke(site, arrival.request)),
        ("POST", _) => provider::decided(site, arrival),
        _ => provider::authorize(site, arrival),
    }
}

fn tokens(site: &mut Site, arrival: &Arrival) -> Served {
    let caller = match prove(site, arrival) {
        Proof::Refused(reply) => return Served::nobody(reply),
        Proof::Nobody(reason) => {
            let reply = Reply::unauthenticated().header("X-Seraph-LoginReason", reason);
            return Served::nobody(reply);
        }
        Proof::Known(caller) => caller,
    };
    if let Entitlement::ServiceAccount(_) = caller.entitlement {
        let reply = Reply::errors(site.instance.switches.scope_refusal_status, "Not available to service accounts.");
        return Served::known(reply, caller.account);
    }
    let account = caller.account.as_deref().and_then(|id| site.instance.account(id));
    let moment = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let listed = account.into_iter().flat_map(|account| &account.credentials).enumerate();
    let listed: Vec<Value> = listed
        .filter_map(|(place, credential)| match credential {
            Credential::PersonalAccessToken { name, created_at, expiring_at, .. } => Some(json!({
                "id": place + 1, "name": name, "createdAt": moment(created_at.unwrap_or(Timestamp::UNIX_EPOCH)),
                "lastAccessedAt": moment(arrival.now), "expiringAt": expiring_at.map(moment)})),
            Credential::ApiToken { .. }
            | Credential::ClientCredentials { .. }
            | Credential::AccessToken { .. }
            | Credential::Password { .. } => None,
        })
        .collect();
    Served::known(Reply::json(200, &Value::Array(listed)), caller.account)
}

fn rest(site: &mut Site, arrival: &Arrival, resource: &[&str]) -> Served {
    let caller = match prove(site, arrival) {
        Proof::Refused(reply) => return Served::nobody(reply),
        Proof::Nobody(reason) => {
            let reply = visit(site, arrival, resource, Caller::anonymous());
            return Served::nobody(reply.header("X-Seraph-LoginReason", reason));
        }
        Proof::Known(caller) => caller,
    };
    let account = caller.account.clone();
    let limit = site.instance.rate_limit.clone().filter(|_| resource != ["serverInfo"]);
    let Some(limit) = limit else {
        return Served::known(visit(site, arrival, resource, caller), account);
    };
    let key = format!("{} {}", account.as_deref().unwrap_or_default(), node(site));
    let (reply, remaining, wait) = match site.buckets.take(key, &limit, arrival.now) {
        Decision::Over { retry_after } => (Reply::limited(retry_after, None, limit.limit, ""), 0, retry_after),
        Decision::Allowed { remaining } => (visit(site, arrival, resource, caller), remaining, 0),
    };
    let reply = reply
        .header("X-RateLimit-Limit", &limit.limit.to_string())
        .header("X-RateLimit-Remaining", &remaining.to_string())
        .header("X-RateLimit-Interval-Seconds", &limit.interval_seconds.to_string())
        .header("X-RateLimit-FillRate", &limit.fill_rate.to_string())
        .header("Retry-After", &wait.to_string());
    Served::known(reply, account)
}

fn visit(site: &mut Site, arrival: &Arrival, resource: &[&str], caller: Caller) -> Reply {
    let request = arrival.request;
    let writes = !["GET", "HEAD", "OPTIONS"].contains(&request.method.as_str());
    if writes && looks_forged(request) && site.instance.switches.xsrf_check == XsrfCheck::Browsers {
        return Reply::new(403).header("Content-Type", "text/plain").body("XSRF check failed".to_owned());
    }
    let rank = match &caller.entitlement {
        Entitlement::CenterScopes(scopes) | Entitlement::ServiceAccount(scopes) => Some(oauth::rank(scopes)),
        Entitlement::Full | Entitlement::Scopes(_) => None,
    };
    if rank.is_some_and(|rank| rank < if writes { 2 } else { 1 }) {
        let status = site.instance.switches.scope_refusal_status;
        return Reply::errors(status, "The scope of the token does not allow this.");
    }
    Visit { site, caller, version: "2", now: arrival.now }.center(request, resource)
}

fn looks_forged(request: &Request) -> bool {
    let browser = request.header("user-agent").is_some_and(|agent| agent.starts_with("Mozilla"));
    let excused = request.header("x-atlassian-token").is_some_and(|value| value.eq_ignore_ascii_case("no-check"));
    (browser || request.header("origin").is_some()) && !excused
}

fn prove(site: &mut Site, arrival: &Arrival) -> Proof {
    match arrival.distortion.credentials {
        Credentials::Heeded => {}
        Credentials::Ignored => return Proof::Nobody("AUTHENTICATED_FAILED"),
        Credentials::Stripped => return Proof::Nobody("OUT"),
    }
    match arrival.request.authorization() {
        Authorization::Signed(_) if signed::available(site) => match signed::call(site, arrival) {
            Ok(account) => Proof::Known(Caller::user(&account)),
            Err(reply) => Proof::Refused(reply),
        },
        Authorization::Basic { user, password } => basic(site, &user, &password),
        Authorization::Bearer(token) if at_least(site, TOKENS_SINCE) => bearer(site, &token, arrival.now),
        // A version without bearer tokens does not look at them.
        Authorization::Absent | Authorization::Other | Authorization::Signed(_) | Authorization::Bearer(_) => {
            Proof::Nobody("OUT")
        }
    }
}

fn basic(site: &mut Site, user: &str, given: &str) -> Proof {
    let off = match site.instance.switches.basic_authentication {
        BasicAuthentication::ByVersion => at_least(site, BASIC_OFF_SINCE),
        BasicAuthentication::On => false,
        BasicAuthentication::Off => true,
    };
    let failure = "Basic Authentication Failure - Reason : AUTHENTICATED_FAILED";
    if off {
        let reply = Reply::html(site.instance.switches.basic_refusal_status, "Basic authentication is disabled");
        return Proof::Refused(reply.header("X-Seraph-LoginReason", "AUTHENTICATED_FAILED"));
    }
    let allowed = site.center().map_or(u32::MAX, |center| center.captcha_after);
    if site.failures.get(user).is_some_and(|failures| *failures >= allowed) {
        let login = format!("{}/login.jsp", site.base_url());
        return Proof::Refused(Reply::captcha(site.instance.switches.captcha_status, &login));
    }
    let right = |credential: &Credential| matches!(credential, Credential::Password { password } if password == given);
    let found = site.holder(|account, credential| account.name == user && right(credential));
    let Some(id) = found.map(|(account, _)| account.id.clone()) else {
        *site.failures.entry(user.to_owned()).or_default() += 1;
        return Proof::Refused(Reply::html(401, failure).header("X-Seraph-LoginReason", "AUTHENTICATED_FAILED"));
    };
    site.failures.remove(user);
    Proof::Known(Caller::user(&id))
}

fn bearer(site: &Site, given: &str, now: Timestamp) -> Proof {
    match caller(site, given, now) {
        Some(caller) => Proof::Known(caller),
        None => match site.instance.switches.refused_bearer {
            RefusedBearer::Unauthorized => {
                Proof::Refused(Reply::unauthenticated().header("X-Seraph-LoginReason", "AUTHENTICATED_FAILED"))
            }
            RefusedBearer::Anonymous => Proof::Nobody("OUT"),
        },
    }
}

/// Whom a living bearer stands for.
fn caller(site: &Site, given: &str, now: Timestamp) -> Option<Caller> {
    let alive = |end: &Option<Timestamp>| end.is_none_or(|end| end > now);
    let held = site.holder(|_, credential| match credential {
        Credential::PersonalAccessToken { token, expiring_at: end, .. }
        | Credential::AccessToken { token, expires_at: end, .. } => token == given && alive(end),
        Credential::ApiToken { .. } | Credential::ClientCredentials { .. } | Credential::Password { .. } => false,
    });
    let deaf =
        site.center().is_some_and(|center| center.nodes_without_access_tokens.iter().any(|name| name == node(site)));
    let oauth2 = at_least(site, OAUTH2_SINCE) && !deaf;
    match held {
        Some((account, Credential::PersonalAccessToken { .. })) => return Some(Caller::user(&account.id)),
        Some((account, Credential::AccessToken { scopes, .. })) if oauth2 => {
            return Some(Caller::of_center(&account.id, account.principal, scopes.clone()));
        }
        _ => {}
    }
    if !oauth2 {
        return None;
    }
    if let Some((account, scopes)) = provider::bearer(site, given, now) {
        return Some(Caller::of_center(&account, Principal::User, scopes));
    }
    let token = site.tokens.get(given).filter(|token| token.expires_at > now)?;
    let Holder::Client(client_id) = &token.holder else {
        return None;
    };
    let account = site.client(client_id)?;
    Some(Caller::of_center(&account.id, account.principal, token.scopes.clone()))
}

impl Caller {
    fn of_center(account: &str, principal: Principal, scopes: Vec<String>) -> Self {
        let entitlement = match principal {
            Principal::User => Entitlement::CenterScopes(scopes),
            Principal::ServiceAccount => Entitlement::ServiceAccount(scopes),
        };
        Self { account: Some(account.to_owned()), entitlement, client: None }
    }
}
