//! Requests and answers, apart from the wire.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use serde_json::{Value, json};

use super::instance::Scheme;
use super::signature;

/// A request as it came in, its body read.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: hyper::HeaderMap,
    pub(super) body: Bytes,
}

/// Names and values, from a body, a query or a header.
#[derive(Debug)]
pub(super) struct Fields(pub(super) Vec<(String, String)>);

impl Fields {
    /// The first value of a field; empty ones count as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, value)| field == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The value of a field, or an empty text.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The first name that stands there twice.
    pub(super) fn twin(&self) -> Option<&str> {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        let repeated = |(place, name): &(usize, &&str)| names.iter().take(*place).any(|earlier| earlier == *name);
        names.iter().enumerate().find(repeated).map(|(_, name)| *name)
    }
}

/// What `Authorization` holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Authorization {
    Absent,
    Basic {
        user: String,
        password: String,
    },
    Bearer(String),
    /// The `OAuth` scheme of RFC 5849, with its parameters.
    Signed(Vec<(String, String)>),
    /// A scheme that Jira does not know, or a malformed value.
    Other,
}

impl Request {
    /// The first value of a header, when it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// All values of a query parameter, percent-decoded.
    pub(super) fn parameters(&self, name: &str) -> Vec<String> {
        let query = self.query.as_deref().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        pairs.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
    }

    /// The first value of a query parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        self.parameters(name).into_iter().next()
    }

    /// Media type of the body, without parameters, in lower case.
    pub(super) fn content_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Fields of a form body.
    pub(super) fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// Fields of the body: of a form, or the texts in a JSON object. `None` for anything else.
    pub(super) fn fields(&self) -> Option<Fields> {
        match self.content_type().as_str() {
            "application/x-www-form-urlencoded" => Some(Fields(self.form())),
            "application/json" => {
                let Ok(Value::Object(body)) = serde_json::from_slice(&self.body) else {
                    return None;
                };
                let text = |(name, value): (String, Value)| value.as_str().map(|value| (name, value.to_owned()));
                Some(Fields(body.into_iter().filter_map(text).collect()))
            }
            _ => None,
        }
    }

    /// Fields of the query.
    pub(super) fn query_fields(&self) -> Fields {
        let query = self.query.as_deref().unwrap_or_default();
        Fields(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The first cookie of this name.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        let values = self.headers.get_all("cookie").iter().filter_map(|value| value.to_str().ok());
        let mut cookies = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        cookies.find(|(present, _)| *present == name).map(|(_, value)| value)
    }

    /// Whether the caller wants a page, as a browser does.
    pub(super) fn wants_page(&self) -> bool {
        self.header("accept").is_some_and(|accept| accept.contains("text/html"))
    }

    /// The OAuth client or consumer that the request names.
    pub(super) fn client(&self) -> Option<String> {
        if let Authorization::Signed(parameters) = self.authorization() {
            return Fields(parameters).get("oauth_consumer_key").map(str::to_owned);
        }
        let named = |fields: &Fields| fields.get("client_id").map(str::to_owned);
        let in_body = ["/token", "/revoke"].iter().any(|end| self.path.ends_with(end));
        let body = if in_body { self.fields() } else { None };
        body.as_ref().and_then(named).or_else(|| named(&self.query_fields()))
    }

    /// The refresh token, or the session handle of OAuth 1.0a, that a token request presents.
    pub(super) fn presented(&self) -> Option<String> {
        if self.path.ends_with("/oauth/access-token") {
            let Authorization::Signed(parameters) = self.authorization() else {
                return None;
            };
            return Fields(parameters).get("oauth_session_handle").map(str::to_owned);
        }
        if !self.path.ends_with("/token") {
            return None;
        }
        self.fields().and_then(|fields| fields.get("refresh_token").map(str::to_owned))
    }

    /// Reads `Authorization`.
    pub(super) fn authorization(&self) -> Authorization {
        let mut values = self.headers.get_all("authorization").iter();
        let Some(value) = values.next() else {
            return Authorization::Absent;
        };
        // Two credentials in one request are nothing a server can choose from.
        if values.next().is_some() {
            return Authorization::Other;
        }
        let Some((scheme, rest)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
            return Authorization::Other;
        };
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => basic(rest),
            "bearer" => Authorization::Bearer(rest.to_owned()),
            "oauth" => Authorization::Signed(signature::header_parameters(rest)),
            _ => Authorization::Other,
        }
    }
}

fn basic(encoded: &str) -> Authorization {
    let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((user, password)) => Authorization::Basic { user: user.to_owned(), password: password.to_owned() },
        None => Authorization::Other,
    }
}

/// Where the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    BeforeAnswer,
    InBody(usize),
    /// It is not cut, but nothing comes either.
    Never,
    /// Nothing comes, and the request arrives once more, unharmed, after this time.
    Again(Duration),
}

/// An answer and how it is delivered.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    body: Vec<u8>,
    pub(super) cut: Option<Cut>,
    pub(super) delay: Duration,
    /// Bytes of filler, sent as the first member of the body's object.
    pub(super) padding: usize,
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), cut: None, delay: Duration::ZERO, padding: 0 }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::new(status).header("Content-Type", "application/json;charset=UTF-8").body(body.to_string())
    }

    pub(super) fn html(status: u16, body: &str) -> Self {
        let page = format!("<!DOCTYPE html><html><body>{body}</body></html>");
        Self::new(status).header("Content-Type", "text/html;charset=UTF-8").body(page)
    }

    /// Jira's error collection with one message.
    pub(super) fn errors(status: u16, message: &str) -> Self {
        Self::json(status, &json!({"errorMessages": [message], "errors": {}}))
    }

    /// Jira's error collection with one field.
    pub(super) fn field_error(status: u16, field: &str, message: &str) -> Self {
        Self::json(status, &json!({"errorMessages": [], "errors": {field: message}}))
    }

    /// The error of an OAuth 2.0 token endpoint (RFC 6749 section 5.2).
    pub(super) fn oauth_error(status: u16, error: &str, description: &str) -> Self {
        Self::json(status, &json!({"error": error, "error_description": description}))
    }

    /// The refusal of a request without accepted credentials as Data Center words it.
    pub(super) fn unauthenticated() -> Self {
        let message = "Client must be authenticated to access this resource.";
        Self::json(401, &json!({"message": message, "status-code": 401}))
    }

    pub(super) fn captcha(status: u16, login_url: &str) -> Self {
        Self::html(status, "Basic Authentication Failure - Reason : AUTHENTICATION_DENIED")
            .header("X-Seraph-LoginReason", "AUTHENTICATION_DENIED")
            .header("X-Authentication-Denied-Reason", &format!("CAPTCHA_CHALLENGE; login-url={login_url}"))
    }

    /// 429. Reason and reset belong to Cloud.
    pub(super) fn limited(retry_after: u32, reason: Option<&str>, limit: u32, reset: &str) -> Self {
        let reply = Self::errors(429, "Rate limit exceeded.")
            .header("Retry-After", &retry_after.to_string())
            .header("X-RateLimit-Limit", &limit.to_string())
            .header("X-RateLimit-Remaining", "0");
        match reason {
            Some(reason) => reply.header("RateLimit-Reason", reason).header("X-RateLimit-Reset", reset),
            None => reply,
        }
    }

    /// A redirect of a browser.
    pub(super) fn redirect(location: &str) -> Self {
        Self::new(302).header("Location", location).header("Cache-Control", "no-store")
    }

    pub(super) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Sets a header, replacing one of the same name.
    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(present, _)| !present.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a cookie for pages, which lives until the browser is closed.
    pub(super) fn session_cookie(self, name: &str, value: &str, scheme: Scheme) -> Self {
        let secure = match scheme {
            Scheme::Https => "; Secure",
            Scheme::Http => "",
        };
        self.header("Set-Cookie", &format!("{name}={value}; Path=/{secure}; HttpOnly"))
    }

    /// Adds a cookie unless the answer has one.
    pub(super) fn default_session_cookie(self, name: &str, value: &str, scheme: Scheme) -> Self {
        if self.headers.iter().any(|(present, _)| present.eq_ignore_ascii_case("Set-Cookie")) {
            return self;
        }
        self.session_cookie(name, value, scheme)
    }

    /// Sets a header unless it is there.
    pub(super) fn default_header(self, name: &str, value: &str) -> Self {
        if self.headers.iter().any(|(present, _)| present.eq_ignore_ascii_case(name)) {
            return self;
        }
        self.header(name, value)
    }

    pub(super) fn body(self, body: String) -> Self {
        self.bytes(body.into_bytes())
    }

    pub(super) fn bytes(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn cut(mut self, cut: Cut) -> Self {
        self.cut = Some(cut);
        self
    }

    pub(super) fn late(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub(super) fn padded(mut self, bytes: usize) -> Self {
        self.padding = bytes;
        self
    }

    /// The status that the client sees; `None` when it sees none.
    pub(super) fn seen_status(&self) -> Option<u16> {
        match self.cut {
            Some(Cut::BeforeAnswer | Cut::Never | Cut::Again(_)) => None,
            Some(Cut::InBody(_)) | None => Some(self.status),
        }
    }
}
