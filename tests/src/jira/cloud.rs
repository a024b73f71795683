//! Jira Cloud: the site host and the API gateway.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::auth::AuthHost;
use super::fault::{Credentials, ExpiredToken};
use super::instance::{AccountStatus, ClassicTokenAtGateway, Credential, WrongCredentialsAtServerInfo};
use super::limit::Decision;
use super::message::{Authorization, Reply};
use super::oauth::random;
use super::rest::{Caller, Entitlement, Visit};
use super::scope;
use super::world::{Arrival, Gate, Holder, Served, Site};

/// What credentials prove.
enum Proof {
    Known(Caller),
    /// Nothing; with the `X-Seraph-LoginReason`.
    Nobody(&'static str),
    Refused(Reply),
}

/// A moment as Cloud writes the reset of a limit.
pub(super) fn moment(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Adds the trace ids of Atlassian's edge.
pub(super) fn traced(reply: Reply) -> Reply {
    let id = random();
    let trace = id.get(..32).unwrap_or_default();
    reply
        .default_header("Server", "AtlassianEdge")
        .default_header("atl-traceid", trace)
        .default_header("atl-request-id", trace)
        .default_header("x-arequestid", trace)
}

/// Adds the headers that every answer of Cloud has.
pub(super) fn decorated(gate: Gate, reply: Reply, account: Option<&str>) -> Reply {
    let reply = traced(reply);
    match (gate, account) {
        (Gate::Gateway, _) => reply,
        (Gate::Site, Some(id)) => reply.header("X-AACCOUNTID", id).default_header("X-Seraph-LoginReason", "OK"),
        (Gate::Site, None) => reply
            .default_header("X-Seraph-LoginReason", "OUT")
            .header("Set-Cookie", "atlassian.xsrf.token=fake_lout; Path=/; Secure"),
    }
}

/// Answers a request.
pub(super) fn serve(site: &mut Site, auth: &AuthHost, arrival: &Arrival) -> Served {
    let nobody = Served::nobody;
    let segments: Vec<&str> = arrival.path.trim_matches('/').split('/').collect();
    if arrival.gate == Gate::Site && segments == ["_edge", "tenant_info"] && arrival.request.method == "GET" {
        return nobody(Reply::json(200, &json!({"cloudId": site.instance.cloud_id()})));
    }
    let ["rest", "api", version @ ("2" | "3" | "latest"), resource @ ..] = segments.as_slice() else {
        return nobody(unknown(arrival));
    };
    let proof = match arrival.gate {
        Gate::Site => at_site(site, arrival),
        Gate::Gateway => at_gateway(site, auth, arrival),
    };
    match proof {
        Proof::Refused(reply) => nobody(reply),
        Proof::Nobody(reason) => anonymous(site, arrival, version, resource, reason),
        Proof::Known(caller) => known(site, &auth.exhausted, arrival, version, resource, caller),
    }
}

fn unknown(arrival: &Arrival) -> Reply {
    match arrival.gate {
        Gate::Gateway => Reply::json(404, &json!({"code": 404, "message": "Not Found"})),
        Gate::Site if arrival.path.starts_with("/rest/") => {
            Reply::json(404, &json!({"message": format!("null for uri: {}", arrival.path), "status-code": 404}))
        }
        Gate::Site => Reply::html(404, "Page not found"),
    }
}

fn anonymous(site: &mut Site, arrival: &Arrival, version: &str, resource: &[&str], reason: &'static str) -> Served {
    let failed = reason == "AUTHENTICATED_FAILED";
    let strict = site.instance.switches.wrong_credentials_at_server_info == WrongCredentialsAtServerInfo::Unauthorized;
    let reply = if failed && strict && resource == ["serverInfo"] {
        unauthenticated()
    } else {
        Visit { site, caller: Caller::anonymous(), version, now: arrival.now }.cloud(arrival.request, resource)
    };
    Served::nobody(reply.header("X-Seraph-LoginReason", reason))
}

fn known(
    site: &mut Site,
    exhausted: &BTreeMap<String, Timestamp>,
    arrival: &Arrival,
    version: &str,
    resource: &[&str],
    caller: Caller,
) -> Served {
    let account = caller.account.clone();
    let served = |reply| Served::known(reply, account.clone());
    if let Entitlement::Scopes(scopes) = &caller.entitlement
        && let Some(demand) = scope::demand(&arrival.request.method, resource)
        && !demand.met_by(scopes)
    {
        return served(mismatch());
    }
    let until = caller.client.as_ref().and_then(|client| exhausted.get(client)).filter(|until| **until > arrival.now);
    if let Some(until) = until {
        let wait = until.as_second() - arrival.now.as_second();
        let wait = u32::try_from(wait).unwrap_or(u32::MAX).max(1);
        return served(Reply::limited(wait, Some("jira-quota-global-based"), 65_000, &moment(*until)));
    }
    let Some(limit) = site.instance.rate_limit.clone() else {
        return served(Visit { site, caller, version, now: arrival.now }.cloud(arrival.request, resource));
    };
    let who = account.clone().unwrap_or_default();
    let key = format!("{who} {} {}", arrival.request.method, resource.join("/"));
    match site.buckets.take(key, &limit, arrival.now) {
        Decision::Over { retry_after } => {
            let reset = super::clock::after(arrival.now, std::time::Duration::from_secs(retry_after.into()));
            served(Reply::limited(retry_after, Some("jira-burst-based"), limit.limit, &moment(reset)))
        }
        Decision::Allowed { remaining } => {
            let reply = Visit { site, caller, version, now: arrival.now }.cloud(arrival.request, resource);
            let reply = reply
                .header("X-RateLimit-Limit", &limit.limit.to_string())
                .header("X-RateLimit-Remaining", &remaining.to_string());
            let near = remaining.saturating_mul(5) < limit.limit;
            served(if near { reply.header("X-RateLimit-NearLimit", "true") } else { reply })
        }
    }
}

/// The site's refusal of a request without accepted credentials: plain text.
pub(super) fn unauthenticated() -> Reply {
    Reply::new(401)
        .header("Content-Type", "text/plain;charset=UTF-8")
        .header("WWW-Authenticate", "OAuth realm=\"https%3A%2F%2Fjira.example.test\"")
        .body("Client must be authenticated to access this resource.".to_owned())
}

fn unauthorized() -> Reply {
    Reply::json(401, &json!({"code": 401, "message": "Unauthorized"}))
}

fn mismatch() -> Reply {
    Reply::json(401, &json!({"code": 401, "message": "Unauthorized; scope does not match"}))
}

fn at_site(site: &Site, arrival: &Arrival) -> Proof {
    match arrival.distortion.credentials {
        Credentials::Heeded => {}
        Credentials::Ignored => return Proof::Nobody("AUTHENTICATED_FAILED"),
        Credentials::Stripped => return Proof::Nobody("OUT"),
    }
    match arrival.request.authorization() {
        Authorization::Absent => Proof::Nobody("OUT"),
        Authorization::Bearer(_) => {
            Proof::Refused(Reply::json(403, &json!({"error": "Failed to parse Connect Session Auth Token"})))
        }
        Authorization::Signed(_) | Authorization::Other => Proof::Nobody("AUTHENTICATED_FAILED"),
        Authorization::Basic { user, password } => match api_token(site, Some(&user), &password, arrival.now) {
            Some((_, Some(_))) => Proof::Refused(unauthenticated()),
            Some((account, None)) => Proof::Known(Caller::user(&account)),
            None => Proof::Nobody("AUTHENTICATED_FAILED"),
        },
    }
}

/// Account id and scopes behind a living API token; without a user the token alone counts.
fn api_token(site: &Site, user: Option<&str>, given: &str, now: Timestamp) -> Option<(String, Option<Vec<String>>)> {
    let (account, credential) = site.holder(|account, credential| match credential {
        Credential::ApiToken { email, token, expires_at, .. } => {
            let address = email.as_deref().or(account.email.as_deref());
            token == given
                && user.is_none_or(|user| address.is_some_and(|address| address.eq_ignore_ascii_case(user)))
                && expires_at.is_none_or(|end| end > now)
        }
        _ => false,
    })?;
    match credential {
        Credential::ApiToken { scopes, .. } => Some((account.id.clone(), scopes.clone())),
        _ => None,
    }
}

fn at_gateway(site: &Site, auth: &AuthHost, arrival: &Arrival) -> Proof {
    if arrival.distortion.credentials != Credentials::Heeded {
        return Proof::Refused(unauthorized());
    }
    match arrival.request.authorization() {
        Authorization::Bearer(bearer) => bearer_at_gateway(site, auth, arrival, &bearer),
        Authorization::Basic { user, password } => by_api_token(site, Some(&user), &password, arrival.now),
        Authorization::Absent | Authorization::Signed(_) | Authorization::Other => Proof::Refused(unauthorized()),
    }
}

fn by_api_token(site: &Site, user: Option<&str>, token: &str, now: Timestamp) -> Proof {
    let classic = site.instance.switches.classic_token_at_gateway;
    match api_token(site, user, token, now) {
        Some((account, Some(scopes))) => Proof::Known(Caller::scoped(&account, scopes, None)),
        // A bearer is never a classic token.
        Some((account, None)) if classic == ClassicTokenAtGateway::Accepted && user.is_some() => {
            Proof::Known(Caller::user(&account))
        }
        Some((_, None)) | None => Proof::Refused(unauthorized()),
    }
}

fn bearer_at_gateway(site: &Site, auth: &AuthHost, arrival: &Arrival, bearer: &str) -> Proof {
    let expired = || match arrival.distortion.expired_token {
        ExpiredToken::Unauthorized => Proof::Refused(unauthorized()),
        ExpiredToken::NotFound => Proof::Refused(Reply::json(404, &json!({"code": 404, "message": "Not Found"}))),
    };
    if let Some(token) = auth.tokens.get(bearer) {
        if token.expires_at <= arrival.now {
            return expired();
        }
        let caller = match &token.holder {
            Holder::Client(client_id) => {
                site.client(client_id).map(|account| (account.id.as_str(), client_id.as_str()))
            }
            Holder::Grant(number) => granted(site, auth, *number),
        };
        return match caller {
            Some((account, client_id)) => {
                Proof::Known(Caller::scoped(account, token.scopes.clone(), Some(client_id.to_owned())))
            }
            None => Proof::Refused(unauthorized()),
        };
    }
    let ready =
        |credential: &Credential| matches!(credential, Credential::AccessToken { token, .. } if token == bearer);
    match site.holder(|_, credential| ready(credential)) {
        Some((account, Credential::AccessToken { scopes, expires_at, .. })) => {
            if expires_at.is_some_and(|end| end <= arrival.now) {
                return expired();
            }
            Proof::Known(Caller::scoped(&account.id, scopes.clone(), None))
        }
        _ => by_api_token(site, None, bearer, arrival.now),
    }
}

/// Account and client of a grant that reaches this site, where the account must be active.
fn granted<'a>(site: &'a Site, auth: &'a AuthHost, number: usize) -> Option<(&'a str, &'a str)> {
    let (account, client_id) = auth.reach(number, site.instance.cloud_id()?)?;
    let active = site.instance.account(account).is_some_and(|account| account.status == AccountStatus::Active);
    active.then_some((account, client_id))
}
