//! OAuth 1.0a of Data Center: request tokens, consent in the browser, access tokens with sessions, signed calls.
//!
//! A signature is proven before anything is said about a token, and a consumer before anything is said about its
//! signature.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::clock::after;
use super::instance::{AccountStatus, ApplicationLinks, RequestSeenAs, RevokedToken, SignedCallRefusal};
use super::link::Consumer;
use super::login;
use super::message::{Authorization, Fields, Reply};
use super::mutation::Whose;
use super::oauth::random;
use super::page::{Form, Page, decision, with_query};
use super::provider::Issue;
use super::signature::{PublicKey, Signable, encoded};
use super::world::{Arrival, Served, Site};

/// How far a timestamp may be from the clock.
const WINDOW_SECONDS: i64 = 300;

/// A problem code of OAuth 1.0a (the problem reporting convention, with the statuses of the net.oauth library).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are those of the convention and say all there is")]
pub enum OauthProblem {
    VersionRejected,
    ParameterAbsent,
    ParameterRejected,
    TimestampRefused,
    SignatureMethodRejected,
    NonceUsed,
    TokenUsed,
    TokenExpired,
    TokenRevoked,
    TokenRejected,
    SignatureInvalid,
    ConsumerKeyUnknown,
    ConsumerKeyRejected,
    ConsumerKeyRefused,
    AdditionalAuthorizationRequired,
    PermissionUnknown,
    PermissionDenied,
    UserRefused,
}

impl OauthProblem {
    /// The code on the wire, such as `token_rejected`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::VersionRejected => "version_rejected",
            Self::ParameterAbsent => "parameter_absent",
            Self::ParameterRejected => "parameter_rejected",
            Self::TimestampRefused => "timestamp_refused",
            Self::SignatureMethodRejected => "signature_method_rejected",
            Self::NonceUsed => "nonce_used",
            Self::TokenUsed => "token_used",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::TokenRejected => "token_rejected",
            Self::SignatureInvalid => "signature_invalid",
            Self::ConsumerKeyUnknown => "consumer_key_unknown",
            Self::ConsumerKeyRejected => "consumer_key_rejected",
            Self::ConsumerKeyRefused => "consumer_key_refused",
            Self::AdditionalAuthorizationRequired => "additional_authorization_required",
            Self::PermissionUnknown => "permission_unknown",
            Self::PermissionDenied => "permission_denied",
            Self::UserRefused => "user_refused",
        }
    }

    /// The status that goes with it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::VersionRejected
            | Self::ParameterAbsent
            | Self::ParameterRejected
            | Self::TimestampRefused
            | Self::SignatureMethodRejected => 400,
            Self::NonceUsed
            | Self::TokenUsed
            | Self::TokenExpired
            | Self::TokenRevoked
            | Self::TokenRejected
            | Self::SignatureInvalid
            | Self::ConsumerKeyUnknown
            | Self::ConsumerKeyRejected
            | Self::AdditionalAuthorizationRequired
            | Self::PermissionUnknown
            | Self::PermissionDenied => 401,
            Self::ConsumerKeyRefused | Self::UserRefused => 503,
        }
    }

    fn alone(self) -> Refusal {
        Refusal { problem: self, companions: Vec::new() }
    }

    fn with(self, companions: &[(&'static str, String)]) -> Refusal {
        Refusal { problem: self, companions: companions.to_vec() }
    }
}

/// A problem and the fields that come with it.
#[derive(Debug)]
pub(super) struct Refusal {
    problem: OauthProblem,
    companions: Vec<(&'static str, String)>,
}

impl Refusal {
    /// The answer: the same fields in the body and in the challenge.
    fn reply(&self, base_url: &str) -> Reply {
        let code = ("oauth_problem", self.problem.code().to_owned());
        let mut fields: Vec<_> = std::iter::once(&code).chain(&self.companions).collect();
        fields.sort();
        let challenge = fields.iter().map(|(name, value)| format!(", {name}=\"{}\"", encoded(value)));
        let challenge = format!("OAuth realm=\"{}\"{}", encoded(base_url), challenge.collect::<String>());
        Reply::new(self.problem.status())
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("WWW-Authenticate", &challenge)
            .body(formed(&fields.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>()))
    }
}

/// The answer that an injected problem gives.
pub(super) fn injected(problem: OauthProblem, base_url: &str) -> Reply {
    problem.alone().reply(base_url)
}

/// Fields in the encoding of OAuth 1.0a, where a space is `%20`.
fn formed(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Tokens that were given out, and nonces that were seen.
#[derive(Debug, Default)]
pub(super) struct Signed {
    requests: BTreeMap<String, RequestToken>,
    accesses: BTreeMap<String, AccessToken>,
    /// Access tokens that somebody took back.
    revoked: BTreeSet<String>,
    /// Consumer key, timestamp and nonce.
    nonces: BTreeSet<(String, i64, String)>,
}

#[derive(Debug)]
struct RequestToken {
    consumer: String,
    callback: Callback,
    expires_at: Timestamp,
    decision: Decision,
    /// Account and secret of the form that was shown last.
    shown: Option<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Callback {
    /// The verification code is shown to the person.
    OutOfBand,
    Url(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Decision {
    Open,
    Allowed { account: String, verifier: String },
    Denied,
}

#[derive(Debug)]
struct AccessToken {
    consumer: String,
    account: String,
    expires_at: Timestamp,
    session: String,
    session_expires_at: Timestamp,
}

impl Signed {
    /// Ends access tokens and their sessions.
    pub(super) fn revoke(&mut self, whose: &Whose) {
        let concerned = |token: &AccessToken| whose.covers(&token.account, &token.consumer);
        let gone = self.accesses.iter().filter(|(_, token)| concerned(token)).map(|(value, _)| value.clone());
        self.revoked.extend(gone);
        self.accesses.retain(|_, token| !concerned(token));
        self.requests.retain(|_, token| match &token.decision {
            Decision::Allowed { account, .. } => !whose.covers(account, &token.consumer),
            Decision::Open | Decision::Denied => true,
        });
    }

    /// Ends access tokens; their sessions go on, so that they can be renewed.
    pub(super) fn expire_access_tokens(&mut self, whose: &Whose, now: Timestamp) {
        let concerned = self.accesses.values_mut().filter(|token| whose.covers(&token.account, &token.consumer));
        concerned.for_each(|token| token.expires_at = now);
    }

    /// Ends sessions; access tokens go on to their own end.
    pub(super) fn expire_sessions(&mut self, whose: &Whose, now: Timestamp) {
        let concerned = self.accesses.values_mut().filter(|token| whose.covers(&token.account, &token.consumer));
        concerned.for_each(|token| token.session_expires_at = now);
    }

    /// Forgets everything of consumers that are gone.
    pub(super) fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.requests.retain(|_, token| is_there(&token.consumer));
        self.accesses.retain(|_, token| is_there(&token.consumer));
    }
}

/// Whether application links, and OAuth 1.0a with them, are there at all.
pub(super) fn available(site: &Site) -> bool {
    site.instance.switches.application_links == ApplicationLinks::Available
}

/// `/plugins/servlet/oauth/…`.
pub(super) fn servlet(site: &mut Site, arrival: &Arrival, endpoint: &str) -> Option<Served> {
    let served = match (arrival.request.method.as_str(), endpoint) {
        ("POST", "request-token") => answered(site, arrival, request_token),
        ("POST", "access-token") => answered(site, arrival, access_token),
        ("GET", "authorize") => authorize(site, arrival),
        ("POST", "authorize") => decided(site, arrival),
        (_, "request-token" | "access-token" | "authorize") => {
            Served::nobody(Reply::html(405, "HTTP Status 405 - Method Not Allowed"))
        }
        _ => return None,
    };
    Some(served)
}

fn answered(
    site: &mut Site,
    arrival: &Arrival,
    serve: impl FnOnce(&mut Site, &Fields, Timestamp) -> Result<Issue, Refusal>,
) -> Served {
    let answer = verified(site, arrival).and_then(|parameters| serve(site, &parameters, arrival.now));
    match answer {
        Ok(issue) => Served { issued: issue.refresh_token, ..Served::nobody(issue.reply) },
        Err(refusal) => Served::nobody(refusal.reply(&site.base_url())),
    }
}

/// Proves consumer, freshness and signature, and returns the parameters of the header.
fn verified(site: &mut Site, arrival: &Arrival) -> Result<Fields, Refusal> {
    let parameters = match arrival.request.authorization() {
        Authorization::Signed(parameters) => Fields(parameters),
        _ => Fields(Vec::new()),
    };
    if let Some(twin) = parameters.twin() {
        return Err(OauthProblem::ParameterRejected.with(&[("oauth_parameters_rejected", twin.to_owned())]));
    }
    let required =
        ["oauth_consumer_key", "oauth_nonce", "oauth_signature", "oauth_signature_method", "oauth_timestamp"];
    demand(&parameters, &required)?;
    let consumer = consumer_of(site, parameters.text("oauth_consumer_key"));
    let key = consumer.and_then(|consumer| PublicKey::read(&consumer.public_key).ok());
    let key = key.ok_or_else(|| OauthProblem::ConsumerKeyUnknown.alone())?;
    if parameters.get("oauth_version").is_some_and(|version| version != "1.0") {
        return Err(OauthProblem::VersionRejected.with(&[("oauth_acceptable_versions", "1.0-1.0".to_owned())]));
    }
    if parameters.text("oauth_signature_method") != "RSA-SHA1" {
        return Err(OauthProblem::SignatureMethodRejected.alone());
    }
    fresh(site, &parameters, arrival.now)?;
    let base_string = base_string(site, arrival, &parameters);
    let signature = parameters.text("oauth_signature");
    if !key.verifies(&base_string, signature) {
        return Err(OauthProblem::SignatureInvalid.with(&[
            ("oauth_signature", signature.to_owned()),
            ("oauth_signature_base_string", base_string),
            ("oauth_signature_method", "RSA-SHA1".to_owned()),
        ]));
    }
    Ok(parameters)
}

fn demand(parameters: &Fields, required: &[&str]) -> Result<(), Refusal> {
    let absent: Vec<&str> = required.iter().copied().filter(|name| parameters.get(name).is_none()).collect();
    if absent.is_empty() {
        return Ok(());
    }
    Err(OauthProblem::ParameterAbsent.with(&[("oauth_parameters_absent", absent.join("&"))]))
}

fn consumer_of<'a>(site: &'a Site, key: &str) -> Option<&'a Consumer> {
    site.center()?.consumers.iter().find(|consumer| consumer.key == key)
}

/// Refuses timestamps outside the window, and nonces that were seen with the same timestamp.
fn fresh(site: &mut Site, parameters: &Fields, now: Timestamp) -> Result<(), Refusal> {
    let text = parameters.text("oauth_timestamp");
    let Ok(timestamp) = text.parse::<i64>() else {
        return Err(
            OauthProblem::ParameterRejected.with(&[("oauth_parameters_rejected", "oauth_timestamp".to_owned())])
        );
    };
    let (from, to) = (now.as_second() - WINDOW_SECONDS, now.as_second() + WINDOW_SECONDS);
    if !(from..=to).contains(&timestamp) {
        return Err(OauthProblem::TimestampRefused.with(&[("oauth_acceptable_timestamps", format!("{from}-{to}"))]));
    }
    let (consumer, nonce) = (parameters.text("oauth_consumer_key"), parameters.text("oauth_nonce"));
    if site.signed.nonces.insert((consumer.to_owned(), timestamp, nonce.to_owned())) {
        return Ok(());
    }
    Err(OauthProblem::NonceUsed.alone())
}

/// What the signature must be over: the URL as Jira sees it, which is not that of a proxy in front.
fn base_string(site: &Site, arrival: &Arrival, parameters: &Fields) -> String {
    let base = site.base_url();
    let (scheme, rest) = base.split_once("://").unwrap_or(("https", &base));
    let scheme = match site.instance.switches.request_seen_as {
        RequestSeenAs::Received => scheme,
        RequestSeenAs::Insecure => "http",
    };
    let (host, context) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = arrival.request;
    let form: &[u8] = match request.content_type().as_str() {
        "application/x-www-form-urlencoded" => &request.body,
        _ => &[],
    };
    let signable = Signable {
        method: &request.method,
        origin: &format!("{scheme}://{host}"),
        path: &format!("{}{}", context.trim_end_matches('/'), arrival.path),
        query: request.query.as_deref().unwrap_or_default(),
        form,
        parameters: &parameters.0,
    };
    signable.base_string()
}

fn text_plain(fields: &[(&str, &str)]) -> Reply {
    Reply::new(200)
        .header("Content-Type", "text/plain;charset=UTF-8")
        .header("Cache-Control", "no-store")
        .body(formed(fields))
}

fn request_token(site: &mut Site, parameters: &Fields, now: Timestamp) -> Result<Issue, Refusal> {
    demand(parameters, &["oauth_callback"])?;
    let callback = match parameters.text("oauth_callback") {
        "oob" => Callback::OutOfBand,
        url if Url::parse(url).is_ok_and(|url| ["http", "https"].contains(&url.scheme())) => {
            Callback::Url(url.to_owned())
        }
        _ => {
            let rejected = ("oauth_parameters_rejected", "oauth_callback".to_owned());
            return Err(OauthProblem::ParameterRejected.with(&[rejected]));
        }
    };
    let seconds = site.center().map_or(0, |center| center.request_token_seconds);
    let token = RequestToken {
        consumer: parameters.text("oauth_consumer_key").to_owned(),
        callback,
        expires_at: after(now, Duration::from_secs(seconds.into())),
        decision: Decision::Open,
        shown: None,
    };
    let value = random();
    let reply =
        text_plain(&[("oauth_token", &value), ("oauth_token_secret", &random()), ("oauth_callback_confirmed", "true")]);
    site.signed.requests.insert(value, token);
    Ok(reply.into())
}

fn access_token(site: &mut Site, parameters: &Fields, now: Timestamp) -> Result<Issue, Refusal> {
    demand(parameters, &["oauth_token"])?;
    let (consumer, given) = (parameters.text("oauth_consumer_key"), parameters.text("oauth_token"));
    if site.signed.requests.get(given).is_some_and(|token| token.consumer == consumer) {
        return exchanged(site, parameters, now);
    }
    if site.signed.accesses.get(given).is_some_and(|token| token.consumer == consumer) {
        return renewed(site, parameters, now);
    }
    Err(OauthProblem::TokenRejected.alone())
}

/// A request token becomes an access token.
fn exchanged(site: &mut Site, parameters: &Fields, now: Timestamp) -> Result<Issue, Refusal> {
    let given = parameters.text("oauth_token");
    let token = site.signed.requests.get(given).ok_or_else(|| OauthProblem::TokenRejected.alone())?;
    if token.expires_at <= now {
        return Err(OauthProblem::TokenExpired.alone());
    }
    let (account, verifier) = match &token.decision {
        Decision::Open => return Err(OauthProblem::PermissionUnknown.alone()),
        Decision::Denied => return Err(OauthProblem::PermissionDenied.alone()),
        Decision::Allowed { account, verifier } => (account.clone(), verifier),
    };
    demand(parameters, &["oauth_verifier"])?;
    if parameters.text("oauth_verifier") != verifier || !is_active(site, &account) {
        return Err(OauthProblem::TokenRejected.alone());
    }
    let consumer = token.consumer.clone();
    site.signed.requests.remove(given);
    Ok(issued(site, consumer, account, now))
}

/// An access token is replaced by means of its session, and ends at once.
fn renewed(site: &mut Site, parameters: &Fields, now: Timestamp) -> Result<Issue, Refusal> {
    demand(parameters, &["oauth_session_handle"])?;
    let given = parameters.text("oauth_token");
    let token = site.signed.accesses.get(given).ok_or_else(|| OauthProblem::TokenRejected.alone())?;
    if token.session != parameters.text("oauth_session_handle") || !is_active(site, &token.account) {
        return Err(OauthProblem::TokenRejected.alone());
    }
    if token.session_expires_at <= now {
        return Err(OauthProblem::PermissionDenied.alone());
    }
    let (consumer, account) = (token.consumer.clone(), token.account.clone());
    site.signed.accesses.remove(given);
    Ok(issued(site, consumer, account, now))
}

fn is_active(site: &Site, account: &str) -> bool {
    site.instance.account(account).is_some_and(|account| account.status == AccountStatus::Active)
}

fn issued(site: &mut Site, consumer: String, account: String, now: Timestamp) -> Issue {
    let lives = site.center().map(|center| (center.signed_token_seconds, center.signed_session_seconds));
    let (seconds, session_seconds) = lives.unwrap_or_default();
    let end = |seconds: u32| after(now, Duration::from_secs(seconds.into()));
    let (value, session) = (random(), random());
    let reply = text_plain(&[
        ("oauth_token", &value),
        ("oauth_token_secret", &random()),
        ("oauth_expires_in", &seconds.to_string()),
        ("oauth_session_handle", &session),
        ("oauth_authorization_expires_in", &session_seconds.to_string()),
    ]);
    let refresh_token = Some(session.clone());
    let token =
        AccessToken { consumer, account, expires_at: end(seconds), session, session_expires_at: end(session_seconds) };
    site.signed.accesses.insert(value, token);
    Issue { reply, refresh_token }
}

fn refused(status: u16, reason: &str) -> Served {
    Served::nobody(Page::refusal(status, "Authorization failed", reason))
}

/// The page on which people allow or deny access.
fn authorize(site: &mut Site, arrival: &Arrival) -> Served {
    let Some(account) = login::session(site, arrival.request) else {
        return Served::nobody(login::detour(site, arrival.request));
    };
    let value = arrival.request.parameter("oauth_token").unwrap_or_default();
    let token = match open_request(site, &value, arrival.now) {
        Ok(token) => token,
        Err(problem) => return refused(problem.status(), problem.code()),
    };
    let secret = random();
    token.shown = Some((account.clone(), secret.clone()));
    let key = token.consumer.clone();
    let Some(consumer) = consumer_of(site, &key) else {
        return refused(401, OauthProblem::ConsumerKeyUnknown.code());
    };
    let name = site.instance.account(&account).map_or("", |account| account.name.as_str());
    let page = Page::new("Welcome to Jira")
        .element("p", Some("user"), &format!("You are logged in as {name}."))
        .element(
            "p",
            Some("consumer"),
            &format!("The application {} would like to have read and write access to your data.", consumer.name),
        )
        .form(&Form {
            action: &format!("{}/plugins/servlet/oauth/authorize", site.instance.context_path()),
            hidden: vec![("oauth_token", &value), ("atl_token", &secret)],
            select: None,
            buttons: decision("Allow"),
        });
    Served::known(page.reply(200), Some(account))
}

/// A request token about which nobody has decided yet.
fn open_request<'a>(site: &'a mut Site, value: &str, now: Timestamp) -> Result<&'a mut RequestToken, OauthProblem> {
    let token = site.signed.requests.get_mut(value).ok_or(OauthProblem::TokenRejected)?;
    if token.expires_at <= now {
        return Err(OauthProblem::TokenExpired);
    }
    if token.decision != Decision::Open {
        return Err(OauthProblem::TokenUsed);
    }
    Ok(token)
}

/// What somebody decided.
fn decided(site: &mut Site, arrival: &Arrival) -> Served {
    let form = Fields(arrival.request.form());
    let value = form.text("oauth_token");
    let account = login::session(site, arrival.request);
    let token = match open_request(site, value, arrival.now) {
        Ok(token) => token,
        Err(problem) => return refused(problem.status(), problem.code()),
    };
    let shown = token.shown.as_ref().filter(|(shown_to, secret)| {
        account.as_ref() == Some(shown_to) && form.get("atl_token") == Some(secret.as_str())
    });
    let Some((account, _)) = shown.cloned() else {
        return refused(403, "XSRF security token missing");
    };
    let verifier = match form.get("decision") {
        Some("accept") => random().get(..6).unwrap_or_default().to_owned(),
        _ => "denied".to_owned(),
    };
    token.decision = match form.get("decision") {
        Some("accept") => Decision::Allowed { account: account.clone(), verifier: verifier.clone() },
        _ => Decision::Denied,
    };
    let reply = match (&token.callback, &token.decision) {
        (Callback::Url(url), _) => {
            Reply::redirect(&with_query(url, &[("oauth_token", value), ("oauth_verifier", &verifier)]))
        }
        (Callback::OutOfBand, Decision::Allowed { .. }) => Page::new("Access approved")
            .element("p", None, "You have successfully authorized the application. Give it this verification code:")
            .element("p", Some("verification-code"), &verifier)
            .reply(200),
        (Callback::OutOfBand, Decision::Denied | Decision::Open) => {
            Page::new("Access denied").element("p", Some("denied"), "You have denied access.").reply(200)
        }
    };
    Served::known(reply, Some(account))
}

/// Proves a signed REST call: the account it runs as, or the answer that refuses it.
pub(super) fn call(site: &mut Site, arrival: &Arrival) -> Result<String, Reply> {
    let proven = verified(site, arrival).and_then(|parameters| holder(site, &parameters, arrival.now));
    let refusal = match proven {
        Ok(account) if is_active(site, &account) => return Ok(account),
        // The user is gone: nothing is wrong with the protocol.
        Ok(_) => return Err(Reply::unauthenticated()),
        Err(refusal) => refusal,
    };
    let reply = refusal.reply(&site.base_url());
    Err(match site.instance.switches.signed_call_refusal {
        SignedCallRefusal::Mapped => reply,
        SignedCallRefusal::Unauthorized => reply.with_status(401),
    })
}

fn holder(site: &Site, parameters: &Fields, now: Timestamp) -> Result<String, Refusal> {
    let given = parameters.text("oauth_token");
    if site.signed.revoked.contains(given) && site.instance.switches.revoked_token == RevokedToken::Revoked {
        return Err(OauthProblem::TokenRevoked.alone());
    }
    let token = site.signed.accesses.get(given);
    let token = token.filter(|token| token.consumer == parameters.text("oauth_consumer_key"));
    let token = token.ok_or_else(|| OauthProblem::TokenRejected.alone())?;
    if token.expires_at <= now {
        return Err(OauthProblem::TokenExpired.alone());
    }
    Ok(token.account.clone())
}
