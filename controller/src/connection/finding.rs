//! From what went wrong to a reason and a sentence: one exhaustive match for each kind of trouble.

use k8s_openapi::jiff::Timestamp;

use super::{
    material::MaterialFault,
    reason::{Reason, Row},
};
use crate::jira::{Gibberish, Interceptor, OAuth1Problem, Outage, Problem, Rejection, TlsFault};

/// Why the operator does not contact a host at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteRefusal {
    /// The URL is none that can be contacted; the text says what is wrong with it.
    InvalidUrl(String),
    /// The host is not among those that the operator may contact.
    HostNotAllowed,
}

/// What a pass found: why, in words, and when to ask again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Why the connection is as it is.
    pub reason: Reason,
    /// Cause and remedy, in one or two sentences that stay the same from one check to the next.
    pub message: String,
    /// When asking again makes sense without anybody's help. `None`: only after a change.
    pub again: Option<Timestamp>,
}

impl Finding {
    /// A finding that only a change can alter.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), again: None }
    }

    /// What a problem with Jira at `host` comes to.
    #[must_use]
    pub fn problem(problem: &Problem, host: &str, again: Option<Timestamp>) -> Self {
        Self { reason: reason(problem), message: message(problem, host), again }
    }
}

impl From<&MaterialFault> for Finding {
    fn from(fault: &MaterialFault) -> Self {
        let reason = match fault {
            MaterialFault::Missing(_) | MaterialFault::KeyMissing { .. } => Reason::SecretNotFound,
            MaterialFault::Malformed { .. } => Reason::SecretInvalid,
            MaterialFault::NotReleased { .. } => Reason::SecretNotReleased,
        };
        Self::new(reason, fault.to_string())
    }
}

impl From<&RouteRefusal> for Finding {
    fn from(refusal: &RouteRefusal) -> Self {
        match refusal {
            RouteRefusal::InvalidUrl(fault) => {
                Self::new(Reason::HostNotAllowed, format!("spec.url cannot be used: {fault}."))
            }
            RouteRefusal::HostNotAllowed => Self::new(Reason::HostNotAllowed, HOST_NOT_ALLOWED),
        }
    }
}

const HOST_NOT_ALLOWED: &str = "The operator may not contact the host of spec.url. Correct the URL, or ask the operator's admin to allow the host.";

/// The reason that a problem stands under.
#[must_use]
pub const fn reason(problem: &Problem) -> Reason {
    match problem {
        Problem::Unreachable(_) => Reason::Unreachable,
        Problem::Tls(_) => Reason::TlsFailed,
        Problem::HostNotAllowed => Reason::HostNotAllowed,
        Problem::Intercepted(_) => Reason::BlockedByProxy,
        Problem::WrongSite { .. } | Problem::SiteNotCovered { .. } => Reason::WrongSite,
        Problem::NotJira(_) | Problem::NotFound | Problem::Unexpected { .. } => Reason::NotJira,
        Problem::RateLimited { .. } => Reason::RateLimited,
        Problem::Rejected(_) => Reason::CredentialsRejected,
        Problem::CaptchaRequired => Reason::AccountLocked,
        Problem::ClientSecretRejected | Problem::AnotherClient => Reason::ClientSecretRejected,
        Problem::GrantRevoked => Reason::GrantRevoked,
        Problem::GrantTypeUnsupported | Problem::MethodUnavailable => Reason::AuthMethodUnsupported,
        Problem::LinksUnavailable => Reason::ApplicationLinksUnavailable,
        Problem::ClockSkew => Reason::ClockSkew,
        Problem::OAuth1(problem) => oauth1_reason(*problem),
        Problem::InsecureTransport => Reason::InsecureTransport,
        Problem::ScopeMissing => Reason::ScopeMissing,
        Problem::Forbidden => Reason::PermissionsMissing,
    }
}

const fn oauth1_reason(problem: OAuth1Problem) -> Reason {
    match problem {
        OAuth1Problem::TokenExpired => Reason::GrantExpired,
        OAuth1Problem::TokenRejected | OAuth1Problem::PermissionDenied => Reason::GrantRevoked,
        OAuth1Problem::ConsumerUnknown | OAuth1Problem::SignatureInvalid => Reason::ClientSecretRejected,
        OAuth1Problem::NonceUsed => Reason::BlockedByProxy,
        OAuth1Problem::PermissionUnknown => Reason::AuthorizationRequired,
        OAuth1Problem::Unacceptable => Reason::AuthMethodUnsupported,
    }
}

fn message(problem: &Problem, host: &str) -> String {
    match problem {
        Problem::Unreachable(outage) => unreachable(*outage, host),
        Problem::Tls(fault) => tls(*fault, host),
        Problem::HostNotAllowed => HOST_NOT_ALLOWED.into(),
        Problem::Intercepted(interceptor) => intercepted(*interceptor, host),
        Problem::WrongSite { reported: Some(reported) } => format!(
            "{host} answers as {reported}. Set spec.url to that base URL, or correct the base URL in Jira's general configuration."
        ),
        Problem::WrongSite { reported: None } => {
            format!(
                "{host} answers as another site. Set spec.url to the base URL that Jira shows in its general configuration."
            )
        }
        Problem::SiteNotCovered { covered } => not_covered(covered, host),
        Problem::NotJira(gibberish) => not_jira(*gibberish, host),
        Problem::RateLimited { .. } => {
            format!("{host} asks to wait before the next request. The check goes on by itself when the wait is over.")
        }
        Problem::Rejected(rejection) => rejected(*rejection, host),
        Problem::CaptchaRequired => format!(
            "{host} has locked the account or demands a CAPTCHA. Log in once with this account in a browser, then change the credential or ask for a check."
        ),
        Problem::ClientSecretRejected => {
            "The token endpoint refuses clientId or clientSecret. Put the current values into the Secret.".into()
        }
        Problem::AnotherClient => {
            "The grant was given to another clientId than the one in the Secret. Put that one there, with a new clientSecret, or make it the clientSecretRef and authorise the connection again.".into()
        }
        Problem::GrantRevoked => {
            "The grant is gone: it was revoked, or has ended. Authorise the connection again.".into()
        }
        Problem::GrantTypeUnsupported => format!(
            "{host} does not offer this OAuth 2.0 grant. Use an account that offers it, or another method in spec.auth, such as personalAccessToken."
        ),
        Problem::MethodUnavailable => {
            format!(
                "{host} does not offer this method of authentication. Upgrade Jira, or use another method in spec.auth."
            )
        }
        Problem::LinksUnavailable => format!(
            "{host} does not offer application links with OAuth 1.0a. Switch on the Application Links and OAuth plug-ins in Jira, or use another method in spec.auth."
        ),
        Problem::ClockSkew => format!(
            "The clock of {host} and the operator's differ too much for signed requests. Synchronise the clocks of Jira's hosts and of the cluster's nodes (NTP)."
        ),
        Problem::OAuth1(problem) => oauth1(*problem, host),
        Problem::InsecureTransport => format!(
            "{host} refuses OAuth because it believes that it is not reached by https. Make Jira's base URL https, and let its proxy say so (scheme and secure on the connector)."
        ),
        Problem::ScopeMissing => {
            "The credential is valid and lacks a scope. Grant it reading and writing of issues, and reading of users."
                .into()
        }
        Problem::Forbidden => {
            format!("{host} knows the account and refuses it (403). Give the account access to Jira.")
        }
        Problem::NotFound => {
            format!(
                "{host} answers, but a resource that every Jira has is missing. Check the host and the context path of spec.url."
            )
        }
        Problem::Unexpected { status } => format!(
            "{host} answered with HTTP status {status}, which Jira does not do here. Check spec.url and what stands in front of Jira."
        ),
    }
}

fn unreachable(outage: Outage, host: &str) -> String {
    match outage {
        Outage::NameNotResolved => format!("The name {host} does not resolve. Check spec.url and the cluster's DNS."),
        Outage::NotConnected => {
            format!("No connection to {host}. Check that Jira runs and that the network lets the operator through.")
        }
        Outage::TimedOut => format!(
            "{host} did not answer within the timeout. Check Jira's health and the network; spec.checks.timeout sets the limit."
        ),
        Outage::Interrupted => {
            format!("{host} broke off its answer. Check Jira's health and what stands in front of it.")
        }
        Outage::ServerError { status } => {
            format!("{host} answers with HTTP status {status}. Check Jira's health and its logs.")
        }
        Outage::Withheld => format!(
            "The grant for {host} is being renewed by a process of the operator that may have stopped. It is waited for, then the check goes on by itself."
        ),
        Outage::Proxy => format!(
            "The outbound proxy does not forward to {host}. Check the Secret of spec.proxySecretRef and the proxy itself."
        ),
    }
}

fn tls(fault: TlsFault, host: &str) -> String {
    match fault {
        TlsFault::UnknownIssuer => {
            format!("The certificate of {host} is signed by an unknown authority. Give its CA in spec.tls.caRef.")
        }
        TlsFault::Expired => {
            format!("The certificate of {host} has expired or is not valid yet. Renew it; the check goes on by itself.")
        }
        TlsFault::NameMismatch => {
            format!("The certificate of {host} is for another name. Correct spec.url or the certificate.")
        }
        TlsFault::ClientCertificate => {
            format!(
                "{host} demands a client certificate that it trusts. Give one in spec.tls.clientCertificateSecretRef."
            )
        }
        TlsFault::Handshake => {
            format!("The TLS handshake with {host} fails. Check that the port speaks TLS 1.2 or later.")
        }
    }
}

fn intercepted(interceptor: Interceptor, host: &str) -> String {
    match interceptor {
        Interceptor::Redirect => format!(
            "{host} redirects instead of answering, as a login page or a gateway does. Let the operator through, for example with headers in spec.headers, or correct spec.url."
        ),
        Interceptor::Page => format!(
            "A web page answers at {host} where Jira's REST API was due. Exempt the REST API from single sign-on, or give the gateway's headers in spec.headers."
        ),
        Interceptor::Refusal => format!(
            "Something in front of {host} refuses the operator. Check the gateway's headers in spec.headers, and the site's IP allow-list."
        ),
    }
}

fn not_jira(gibberish: Gibberish, host: &str) -> String {
    let what = match gibberish {
        Gibberish::ContentType => "the answer is not declared as JSON",
        Gibberish::Content => "the answer cannot be read",
        Gibberish::TooLarge => "the answer is too large",
        Gibberish::Missing => "the REST API is not there",
    };
    format!("{host} does not answer as Jira does: {what}. Check the host and the context path of spec.url.")
}

fn not_covered(covered: &[String], host: &str) -> String {
    if covered.is_empty() {
        return format!(
            "The grant is good for no Jira site at all. Authorise the connection again with an account that can use {host}, and choose that site."
        );
    }
    format!(
        "The grant is good for {}, and not for {host}. Authorise the connection again and choose that site, or correct spec.url.",
        covered.join(", ")
    )
}

fn oauth1(problem: OAuth1Problem, host: &str) -> String {
    match problem {
        OAuth1Problem::TokenExpired => {
            format!("The grant or the request for it has ended at {host}. Authorise the connection again.")
        }
        OAuth1Problem::TokenRejected => {
            format!(
                "{host} does not accept the grant or the verification code. Authorise the connection again; if that fails too, delete the incoming part of the application link and make it anew."
            )
        }
        OAuth1Problem::ConsumerUnknown => format!(
            "{host} does not know the consumer key. Make an application link in Jira whose incoming part has the consumer key and the public key of this connection."
        ),
        OAuth1Problem::SignatureInvalid => format!(
            "{host} finds the signature wrong. Put the public key of this connection into the incoming part of the application link, and check that Jira's proxy passes scheme, host and port on."
        ),
        OAuth1Problem::NonceUsed => {
            format!("{host} got the same request twice. Check that nothing in front of Jira repeats requests.")
        }
        OAuth1Problem::PermissionUnknown => {
            format!("Nobody has answered yet whether {host} may be used. Open the authorisation page and allow it.")
        }
        OAuth1Problem::PermissionDenied => {
            format!(
                "Access to {host} was refused or withdrawn by a person. Authorise the connection again, and allow it."
            )
        }
        OAuth1Problem::Unacceptable => format!(
            "{host} does not take OAuth 1.0a with RSA-SHA1 as the operator speaks it. Use another method in spec.auth, or correct the authentication settings of the application link."
        ),
    }
}

fn rejected(rejection: Rejection, host: &str) -> String {
    match rejection {
        Rejection::Unauthorized => {
            format!(
                "{host} does not accept the credential (401). Put a valid one into the Secret; the change is noticed at once."
            )
        }
        Rejection::Anonymous => format!(
            "{host} ignores the credential and answers as to nobody. Put a valid one into the Secret, and check that no proxy strips the Authorization header."
        ),
        Rejection::Inactive => {
            format!("The account is deactivated in {host}. Activate it, or use the credential of another account.")
        }
    }
}

impl Problem {
    /// Whether it may pass by itself: out of reach, or asked to wait.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(reason(self).row(), Row::Outage | Row::Limited)
    }
}

/// A refusal to answer that says nothing against the connection.
#[must_use]
pub fn unanswerable(problem: &Problem) -> bool {
    matches!(problem, Problem::Forbidden | Problem::NotFound | Problem::Unexpected { .. })
}
