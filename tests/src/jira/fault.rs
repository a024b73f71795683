//! Faults: what a network, a proxy or an unwell Jira does to requests.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::clock::after;
use super::cloud;
use super::message::{Cut, Reply, Request};
use super::signed::{self, OauthProblem};

/// A fault and the requests that it strikes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// What happens.
    pub fault: Fault,
    /// Beginning of the paths struck, below the context path or the gateway's prefix. Absent: every path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Method struck. Absent: every method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// OAuth client id, or consumer key, of the requests struck, which must name it in query, form, JSON body or
    /// signature. Absent: whatever they name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// How many more requests are struck. Absent: no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u32>,
}

impl Rule {
    /// A fault on every request.
    #[must_use]
    pub fn every(fault: Fault) -> Self {
        Self { fault, path: None, method: None, client: None, first: None }
    }

    /// Restricts it to paths that begin so.
    #[must_use]
    pub fn on(self, path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    /// Restricts it to requests that name this OAuth client id or consumer key.
    #[must_use]
    pub fn of_client(self, client: &str) -> Self {
        Self { client: Some(client.to_owned()), ..self }
    }

    /// Restricts it to the next requests, so many of them.
    #[must_use]
    pub fn first(self, requests: u32) -> Self {
        Self { first: Some(requests), ..self }
    }

    /// Whether it strikes a request, which is then counted.
    pub(super) fn strike(&mut self, request: &Request, path: &str) -> bool {
        let meant = self.path.as_deref().is_none_or(|prefix| path.starts_with(prefix))
            && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(&request.method))
            && self.client.as_ref().is_none_or(|wanted| request.client().as_ref() == Some(wanted));
        if !meant || self.first == Some(0) {
            return false;
        }
        self.first = self.first.map(|left| left - 1);
        true
    }
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Fault {
    /// An answer from something in front of Jira: none of Jira's headers.
    Status {
        /// Status.
        status: u16,
        /// Body.
        #[serde(default)]
        body: String,
        /// Content type. Absent: no such header.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        /// Further headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// An error of Jira itself, with Jira's headers and an error collection.
    Unwell {
        /// Status.
        status: u16,
    },
    /// 200 with the HTML of a login page.
    LoginPage,
    /// A redirect.
    Redirect {
        /// `Location`.
        location: String,
        /// Status. Absent: 302.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
    /// Credentials are refused silently: the request runs as anonymous, with
    /// `X-Seraph-LoginReason: AUTHENTICATED_FAILED`.
    Anonymous,
    /// `Authorization` never arrives: a proxy removed it.
    StripAuthorization,
    /// A CAPTCHA is asked for, whatever the credentials.
    Captcha,
    /// 429.
    RateLimited {
        /// `Retry-After` in seconds.
        retry_after: u32,
        /// Cloud: `RateLimit-Reason`. Absent: no such header.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// 503 with Jira's headers and `Retry-After`.
    Unavailable {
        /// `Retry-After` in seconds.
        retry_after: u32,
    },
    /// A status without a body, without Jira's headers.
    EmptyBody {
        /// Status.
        status: u16,
    },
    /// The connection is closed and nothing was done.
    CutBeforeAnswer,
    /// The request takes effect, then the connection is closed without an answer.
    LoseAnswer,
    /// The request takes effect, but no answer comes, and the connection stays open.
    HoldAnswer,
    /// The connection is closed in the middle of the body.
    CutInBody {
        /// Bytes of the body that still arrive.
        after: usize,
    },
    /// The answer is late.
    Slow {
        /// Milliseconds.
        millis: u64,
    },
    /// No answer comes, and the connection stays open. The request has no effect.
    NeverAnswer,
    /// The network holds the request back: it arrives and takes effect after this time, though whoever sent it has long
    /// given up and gets no answer. The journal has it twice: when it was sent, without an answer, and when it arrives.
    Overdue {
        /// Milliseconds.
        millis: u64,
    },
    /// The answer's JSON object has a first member of this size.
    HugeBody {
        /// Megabytes of 1 048 576 bytes.
        megabytes: usize,
    },
    /// The body is cut to its first half, so that it is no JSON.
    InvalidJson,
    /// The right body under another content type.
    WrongContentType {
        /// Content type.
        content_type: String,
    },
    /// `permissions` is an empty object.
    EmptyPermissions,
    /// Headers set on the right answer.
    Headers {
        /// Name to value.
        set: BTreeMap<String, String>,
    },
    /// Cloud: the caller's address is not on the allow-list. Every REST resource is 403; the token endpoint is not
    /// concerned.
    IpAllowList,
    /// Data Center: a refusal of OAuth 1.0a, with the status that goes with it. The request has no effect.
    OauthProblem {
        /// Which.
        problem: OauthProblem,
    },
    /// Cloud gateway: an expired access token is 404 in place of 401.
    ExpiredTokenNotFound,
}

/// What faults do to the evaluation of a request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Distortion {
    pub(super) credentials: Credentials,
    pub(super) expired_token: ExpiredToken,
}

/// Whether credentials are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Credentials {
    #[default]
    Heeded,
    Ignored,
    Stripped,
}

/// What the gateway answers to an expired token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ExpiredToken {
    #[default]
    Unauthorized,
    NotFound,
}

/// Collects the effects of all faults that strike one request.
pub(super) fn distortion(faults: &[Fault]) -> Distortion {
    faults.iter().fold(Distortion::default(), |seen, fault| match fault {
        Fault::Anonymous => Distortion { credentials: Credentials::Ignored, ..seen },
        Fault::StripAuthorization => Distortion { credentials: Credentials::Stripped, ..seen },
        Fault::ExpiredTokenNotFound => Distortion { expired_token: ExpiredToken::NotFound, ..seen },
        _ => seen,
    })
}

/// Where the answer that replaces the right one comes from.
#[derive(Debug)]
pub(super) enum Stand {
    /// From Jira: its headers belong on it.
    Jira(Reply),
    /// From something in front.
    Front(Reply),
}

impl Fault {
    /// The answer in place of the right one, without any effect of the request. `base_url` is Jira's.
    pub(super) fn stand_in(&self, base_url: &str, captcha_status: u16, now: Timestamp) -> Option<Stand> {
        let stand = match self {
            Self::Status { status, body, content_type, headers } => {
                let mut reply = Reply::new(*status).body(body.clone());
                if let Some(content_type) = content_type {
                    reply = reply.header("Content-Type", content_type);
                }
                Stand::Front(headers.iter().fold(reply, |reply, (name, value)| reply.header(name, value)))
            }
            Self::Unwell { status } => Stand::Jira(Reply::errors(*status, "Internal server error")),
            Self::LoginPage => Stand::Front(Reply::html(200, "<form action=\"/login\">Log in</form>")),
            Self::Redirect { location, status } => {
                Stand::Front(Reply::new(status.unwrap_or(302)).header("Location", location))
            }
            Self::Captcha => Stand::Jira(Reply::captcha(captcha_status, &format!("{base_url}/login.jsp"))),
            Self::OauthProblem { problem } => Stand::Jira(signed::injected(*problem, base_url)),
            Self::RateLimited { retry_after, reason } => {
                let reset = cloud::moment(after(now, Duration::from_secs((*retry_after).into())));
                Stand::Jira(Reply::limited(*retry_after, reason.as_deref(), 100, &reset))
            }
            Self::Unavailable { retry_after } => Stand::Jira(
                Reply::errors(503, "Service temporarily unavailable").header("Retry-After", &retry_after.to_string()),
            ),
            Self::EmptyBody { status } => Stand::Front(Reply::new(*status)),
            Self::CutBeforeAnswer => Stand::Front(Reply::new(0).cut(Cut::BeforeAnswer)),
            Self::NeverAnswer => Stand::Front(Reply::new(0).cut(Cut::Never)),
            Self::Overdue { millis } => Stand::Front(Reply::new(0).cut(Cut::Again(Duration::from_millis(*millis)))),
            Self::IpAllowList => Stand::Jira(Reply::errors(
                403,
                "The IP address has been rejected because it is not listed on the allow-list.",
            )),
            Self::Anonymous
            | Self::StripAuthorization
            | Self::LoseAnswer
            | Self::HoldAnswer
            | Self::CutInBody { .. }
            | Self::Slow { .. }
            | Self::HugeBody { .. }
            | Self::InvalidJson
            | Self::WrongContentType { .. }
            | Self::EmptyPermissions
            | Self::Headers { .. }
            | Self::ExpiredTokenNotFound => return None,
        };
        Some(stand)
    }

    /// Changes the right answer on its way out.
    pub(super) fn spoil(&self, reply: Reply) -> Reply {
        match self {
            Self::LoseAnswer => reply.cut(Cut::BeforeAnswer),
            Self::HoldAnswer => reply.cut(Cut::Never),
            Self::CutInBody { after } => reply.cut(Cut::InBody(*after)),
            Self::Slow { millis } => reply.late(Duration::from_millis(*millis)),
            Self::HugeBody { megabytes } => reply.padded(megabytes * 1_048_576),
            Self::InvalidJson => {
                let half = reply.content().len() / 2;
                let cut = reply.content().get(..half).unwrap_or_default().to_vec();
                reply.bytes(cut)
            }
            Self::WrongContentType { content_type } => reply.header("Content-Type", content_type),
            Self::EmptyPermissions => without_permissions(reply),
            Self::Headers { set } => set.iter().fold(reply, |reply, (name, value)| reply.header(name, value)),
            Self::Status { .. }
            | Self::Unwell { .. }
            | Self::LoginPage
            | Self::Redirect { .. }
            | Self::Anonymous
            | Self::StripAuthorization
            | Self::Captcha
            | Self::RateLimited { .. }
            | Self::Unavailable { .. }
            | Self::EmptyBody { .. }
            | Self::CutBeforeAnswer
            | Self::NeverAnswer
            | Self::Overdue { .. }
            | Self::IpAllowList
            | Self::OauthProblem { .. }
            | Self::ExpiredTokenNotFound => reply,
        }
    }
}

fn without_permissions(reply: Reply) -> Reply {
    let Ok(Value::Object(mut body)) = serde_json::from_slice::<Value>(reply.content()) else {
        return reply;
    };
    if body.insert("permissions".to_owned(), json!({})).is_none() {
        return reply;
    }
    reply.bytes(Value::Object(body).to_string().into_bytes())
}
