//! Token endpoints: of Atlassian's auth host, and of the OAuth provider of Data Center.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use rustls::crypto::ring;
use serde_json::{Value, json};

use super::auth;
use super::clock::after;
use super::instance::{Account, ClientCredentialsGrant, Credential, Principal, RequestSeenAs, Scheme};
use super::message::{Authorization, Fields, Reply, Request};
use super::provider::{self, Issue};
use super::world::{Holder, Outcome, Site, Token, World};

/// A fresh random token of 48 hexadecimal digits.
pub(super) fn random() -> String {
    let mut bytes = [0_u8; 24];
    // The system's source of randomness does not fail once it has been seeded; zeros would only make tokens equal.
    let _ = ring::default_provider().secure_random.fill(&mut bytes);
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// A fresh access token that looks like Cloud's, which are JSON Web Tokens.
pub(super) fn json_web_token() -> String {
    format!("eyJhbGciOiJSUzI1NiJ9.{}.{}", random(), random())
}

/// `POST /oauth/token` of the auth host.
pub(super) fn cloud_token(world: &mut World, request: &Request, now: Timestamp) -> Outcome {
    let refused = Outcome::unattributed;
    if request.path != "/oauth/token" {
        return refused(Reply::json(404, &json!({"error": "not_found"})));
    }
    if request.method != "POST" {
        return refused(Reply::json(405, &json!({"error": "method_not_allowed"})));
    }
    let Some(fields) = request.fields() else {
        return refused(Reply::oauth_error(400, "invalid_request", "The body is neither JSON nor a form"));
    };
    match fields.get("grant_type") {
        None => refused(Reply::oauth_error(400, "invalid_request", "Missing required parameter: grant_type")),
        Some("client_credentials") => cloud_client_credentials(world, &fields, now),
        Some("authorization_code") => auth::exchange(world, &fields, now),
        Some("refresh_token") => auth::refresh(world, &fields, now),
        Some(other) => {
            refused(Reply::oauth_error(400, "unsupported_grant_type", &format!("Unsupported grant type: {other}")))
        }
    }
}

fn cloud_client_credentials(world: &mut World, fields: &Fields, now: Timestamp) -> Outcome {
    let (id, secret) = (fields.get("client_id").unwrap_or_default(), fields.get("client_secret").unwrap_or_default());
    let cloud = || world.sites.values().filter(|site| site.instance.cloud_id().is_some());
    let instance = cloud().find(|site| site.client(id).is_some()).map(|site| site.instance.name.clone());
    let proven =
        cloud().find_map(|site| client_scopes(site, id, secret).map(|(account, scopes)| (account.id.clone(), scopes)));
    let Some((account, scopes)) = proven else {
        let reply = Reply::oauth_error(world.options.wrong_secret_status, "access_denied", "Unauthorized");
        return Outcome { instance, ..Outcome::unattributed(reply) };
    };
    let seconds = world.options.access_token_seconds;
    let token = json_web_token();
    let expires_at = after(now, Duration::from_secs(seconds.into()));
    world.auth.tokens.insert(token.clone(), Token { holder: Holder::Client(id.to_owned()), scopes, expires_at });
    let reply = Reply::json(200, &json!({"access_token": token, "expires_in": seconds, "token_type": "Bearer"}));
    let reply = reply.header("Cache-Control", "no-store");
    Outcome { instance, account: Some(account), ..Outcome::unattributed(reply) }
}

/// The active account and the scopes of a client whose secret is right.
fn client_scopes<'a>(site: &'a Site, id: &str, given: &str) -> Option<(&'a Account, Vec<String>)> {
    let (account, credential) = site.holder(|_, credential| match credential {
        Credential::ClientCredentials { client_id, secret, .. } => client_id == id && secret == given,
        _ => false,
    })?;
    match credential {
        Credential::ClientCredentials { scopes, .. } => Some((account, scopes.clone())),
        _ => None,
    }
}

/// `GET /oauth/token/accessible-resources` of the gateway, and the refusal of everything else there.
pub(super) fn accessible_resources(world: &mut World, request: &Request, now: Timestamp) -> Outcome {
    let refused = Outcome::unattributed;
    if (request.method.as_str(), request.path.as_str()) != ("GET", "/oauth/token/accessible-resources") {
        return refused(Reply::json(404, &json!({"code": 404, "message": "Not Found"})));
    }
    let unauthorized = || refused(Reply::json(401, &json!({"code": 401, "message": "Unauthorized"})));
    let Authorization::Bearer(bearer) = request.authorization() else {
        return unauthorized();
    };
    let Some(token) = world.auth.tokens.get(&bearer).filter(|token| token.expires_at > now) else {
        return unauthorized();
    };
    let client_id = match &token.holder {
        Holder::Client(client_id) => client_id,
        Holder::Grant(number) => {
            let listed = auth::resources(world, *number);
            return listed.map_or_else(unauthorized, |listed| refused(Reply::json(200, &Value::Array(listed))));
        }
    };
    let reached = world.sites.values().filter(|site| site.client(client_id).is_some());
    let listed: Vec<Value> = reached
        .filter_map(|site| Some((site, site.instance.cloud_id()?)))
        .map(|(site, cloud_id)| {
            json!({"id": cloud_id, "name": site.instance.name, "url": site.base_url(), "scopes": token.scopes,
                   "avatarUrl": format!("{}/avatar.png", site.origin)})
        })
        .collect();
    refused(Reply::json(200, &Value::Array(listed)))
}

/// The metadata document of Data Center's provider (the form of RFC 8414).
pub(super) fn metadata(site: &Site) -> Reply {
    let base = site.base_url();
    let mut grants = vec!["authorization_code", "refresh_token"];
    if site.instance.switches.client_credentials_grant == ClientCredentialsGrant::ServiceAccounts {
        grants.push("client_credentials");
    }
    let provider = format!("{base}/rest/oauth2/latest");
    Reply::json(
        200,
        &json!({"issuer": base, "authorization_endpoint": format!("{provider}/authorize"),
                "token_endpoint": format!("{provider}/token"), "revocation_endpoint": format!("{provider}/revoke"),
                "scopes_supported": SCOPES, "response_types_supported": ["code"], "response_modes_supported": ["query"],
                "grant_types_supported": grants, "token_endpoint_auth_methods_supported": ["client_secret_post"],
                "code_challenge_methods_supported": ["plain", "S256"]}),
    )
}

/// Scopes of Data Center, each of which includes the ones before it.
pub(super) const SCOPES: [&str; 4] = ["READ", "WRITE", "ADMIN", "SYSTEM_ADMIN"];

/// Refusal of everything under the provider while base URL or request are not secure.
pub(super) fn insecure(site: &Site) -> Option<Reply> {
    let base_is_secure = site.base_url().starts_with("https://");
    let request_is_secure = match site.instance.switches.request_seen_as {
        RequestSeenAs::Received => site.instance.transport.scheme == Scheme::Https,
        RequestSeenAs::Insecure => false,
    };
    if base_is_secure && request_is_secure {
        return None;
    }
    Some(Reply::json(400, &json!({"errors": ["The base URL and the request must use HTTPS."], "fieldErrors": {}})))
}

/// `POST {base}/rest/oauth2/latest/token` of Data Center.
pub(super) fn center_token(site: &mut Site, request: &Request, now: Timestamp) -> Issue {
    if request.content_type() != "application/x-www-form-urlencoded" {
        let message = "The @FormParam is utilized when the content type of the request entity is not \
                       application/x-www-form-urlencoded";
        return Reply::json(500, &json!({"message": message, "status-code": 500})).into();
    }
    let fields = Fields(request.form());
    let missing = |name: &str| Reply::oauth_error(400, "invalid_request", &format!("{name} is missing")).into();
    let Some(grant) = fields.get("grant_type") else {
        return missing("grant_type");
    };
    let required: &[&str] = match grant {
        "authorization_code" => &["code", "redirect_uri", "client_id"],
        "refresh_token" => &["refresh_token", "client_id"],
        "client_credentials" => &["client_id"],
        _ => {
            return Reply::oauth_error(400, "unsupported_grant_type", "Unsupported grant type").into();
        }
    };
    if let Some(name) = required.iter().find(|name| fields.get(name).is_none()) {
        return missing(name);
    }
    match provider::token(site, grant, &fields, now) {
        Some(issue) => issue,
        None => center_client_credentials(site, grant, &fields, now).into(),
    }
}

/// The token endpoint for a client that is no incoming link: a service account.
fn center_client_credentials(site: &mut Site, grant: &str, fields: &Fields, now: Timestamp) -> Reply {
    let (id, secret) = (fields.text("client_id"), fields.text("client_secret"));
    let Some((account, scopes)) = client_scopes(site, id, secret) else {
        let status = site.instance.switches.invalid_client_status;
        return Reply::oauth_error(status, "invalid_client", "Invalid client");
    };
    if grant != "client_credentials" {
        return Reply::oauth_error(400, "invalid_grant", "A service account has neither codes nor refresh tokens");
    }
    let offered = site.instance.switches.client_credentials_grant == ClientCredentialsGrant::ServiceAccounts;
    if !offered || account.principal != Principal::ServiceAccount {
        return Reply::oauth_error(400, "unsupported_grant_type", "Unsupported grant type");
    }
    match asked_scopes(fields, &scopes) {
        Some(scopes) => issued(site, id, scopes, now),
        None => Reply::oauth_error(400, "invalid_scope", "Invalid scope"),
    }
}

/// The scopes asked for, or all of the client's; `None` when one is unknown, not for service accounts, or not the
/// client's.
fn asked_scopes(fields: &Fields, granted: &[String]) -> Option<Vec<String>> {
    let Some(asked) = fields.get("scope") else {
        return Some(granted.to_vec());
    };
    let asked: Vec<String> = asked.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    let covered = |scope: &String| ["READ", "WRITE"].contains(&scope.as_str()) && rank(granted) >= rank_of(scope);
    asked.iter().all(covered).then_some(asked)
}

/// Place of the highest scope in [`SCOPES`], from 1 on; 0 without any.
pub(super) fn rank(scopes: &[String]) -> usize {
    scopes.iter().map(|scope| rank_of(scope)).max().unwrap_or(0)
}

pub(super) fn rank_of(scope: &str) -> usize {
    SCOPES.iter().position(|known| *known == scope).map_or(0, |place| place + 1)
}

fn issued(site: &mut Site, client_id: &str, scopes: Vec<String>, now: Timestamp) -> Reply {
    let seconds = site.center().map_or(3600, |center| center.access_token_seconds);
    let token = random();
    let scope = scopes.join(" ");
    let expires_at = after(now, Duration::from_secs(seconds.into()));
    let holder = Holder::Client(client_id.to_owned());
    site.tokens.insert(token.clone(), Token { holder, scopes, expires_at });
    let body = json!({"access_token": token, "token_type": "bearer", "expires_in": seconds, "scope": scope});
    Reply::json(200, &body).header("Cache-Control", "no-store")
}
