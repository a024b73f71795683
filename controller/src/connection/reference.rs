//! The reference of reasons, written from the very matches that the operator runs on.

use std::{fmt::Write, time::Duration};

use super::{
    decide::refusal,
    finding::{Finding, RouteRefusal},
    material::{MaterialFault, Referent, ReferentKind},
    reason::{Reason, Row},
};
use crate::jira::{Gibberish, Interceptor, LimitReach, OAuth1Problem, Outage, Problem, Rejection, TlsFault};

/// One of every problem that somebody acts on differently.
#[must_use]
pub fn problems() -> Vec<Problem> {
    let outages = [
        Outage::NameNotResolved,
        Outage::NotConnected,
        Outage::TimedOut,
        Outage::Interrupted,
        Outage::ServerError { status: 503 },
        Outage::Proxy,
        Outage::Withheld,
    ];
    let faults = [
        TlsFault::UnknownIssuer,
        TlsFault::Expired,
        TlsFault::NameMismatch,
        TlsFault::ClientCertificate,
        TlsFault::Handshake,
    ];
    let interceptors = [Interceptor::Redirect, Interceptor::Page, Interceptor::Refusal];
    let gibberish = [Gibberish::ContentType, Gibberish::Content, Gibberish::TooLarge, Gibberish::Missing];
    let rejections = [Rejection::Unauthorized, Rejection::Anonymous, Rejection::Inactive];
    let oauth1 = [
        OAuth1Problem::TokenExpired,
        OAuth1Problem::TokenRejected,
        OAuth1Problem::ConsumerUnknown,
        OAuth1Problem::SignatureInvalid,
        OAuth1Problem::NonceUsed,
        OAuth1Problem::PermissionUnknown,
        OAuth1Problem::PermissionDenied,
        OAuth1Problem::Unacceptable,
    ];
    let limited = |reach| Problem::RateLimited { retry_after: Some(Duration::from_secs(30)), reach };
    let rest = [
        Problem::HostNotAllowed,
        Problem::WrongSite { reported: Some("https://other.example".into()) },
        Problem::WrongSite { reported: None },
        Problem::SiteNotCovered { covered: vec!["https://one.example".into(), "https://two.example".into()] },
        Problem::SiteNotCovered { covered: Vec::new() },
        limited(LimitReach::Host),
        limited(LimitReach::Client),
        Problem::CaptchaRequired,
        Problem::ClientSecretRejected,
        Problem::AnotherClient,
        Problem::GrantRevoked,
        Problem::GrantTypeUnsupported,
        Problem::MethodUnavailable,
        Problem::LinksUnavailable,
        Problem::ClockSkew,
        Problem::InsecureTransport,
        Problem::ScopeMissing,
        Problem::Forbidden,
        Problem::NotFound,
        Problem::Unexpected { status: 418 },
    ];
    outages
        .map(Problem::Unreachable)
        .into_iter()
        .chain(faults.map(Problem::Tls))
        .chain(interceptors.map(Problem::Intercepted))
        .chain(gibberish.map(Problem::NotJira))
        .chain(rejections.map(Problem::Rejected))
        .chain(oauth1.map(Problem::OAuth1))
        .chain(rest)
        .collect()
}

fn faults() -> [MaterialFault; 4] {
    let referent = Referent { kind: ReferentKind::Secret, name: "acme-token".into() };
    let key = "token".to_owned();
    [
        MaterialFault::Missing(referent.clone()),
        MaterialFault::KeyMissing { referent: referent.clone(), key: key.clone() },
        MaterialFault::Malformed { referent: referent.clone(), key, fault: "the value is empty".into() },
        MaterialFault::NotReleased { referent, host: "jira.example".into() },
    ]
}

/// Every reason, its row and the messages that come with it, as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut findings: Vec<Finding> = faults().iter().map(Finding::from).collect();
    findings.push(Finding::from(&RouteRefusal::HostNotAllowed));
    findings.push(Finding::from(&RouteRefusal::InvalidUrl("the URL must start with https://".into())));
    findings.extend(problems().iter().map(|problem| Finding::problem(problem, "jira.example", None)));

    let mut page = String::from(HEAD);
    for reason in Reason::ALL {
        let Consequence { state, ready, kstatus, again } = consequence(reason);
        let mut messages: Vec<_> =
            findings.iter().filter(|it| it.reason == reason).map(|it| it.message.as_str()).collect();
        messages.dedup();
        let messages = if messages.is_empty() { "–".into() } else { messages.join("<br>") };
        // Writing into a String cannot fail.
        _ = writeln!(page, "| `{}` | {state} | {ready} | {kstatus} | {again} | {messages} |", reason.as_str());
    }
    page + OTHERS
}

/// What the other conditions say, and Events. The suite `verdicts` holds it against the fixtures.
const OTHERS: &str = "
## Other conditions, and Events

`Authorized`, `Reachable`, `CredentialsResolved`, `PermissionsGranted` and a binding's `Accepted` repeat the reason of `Ready` where they are its
cause. Else they say:

| where | reason | what it means | what to do |
| --- | --- | --- | --- |
| `Authorized` | `IdentityProven` | Jira knows the account. | Nothing. |
| `CredentialsResolved` | `Resolved` | Everything that the spec refers to is there. | Nothing. |
| `CredentialsResolved` | `CandidateRejected` | Jira does not accept the candidate; the primary stays in use. | Put a valid credential into the candidate's Secret, or remove the reference. |
| `CredentialsResolved` | `CandidateUnusable` | The candidate's Secret is missing or cannot be used; the primary stays in use. | Create or correct it, or remove the reference. |
| `Reachable` | `Answering` | Jira answers. | Nothing. |
| `PermissionsGranted` | `Granted` | The account has every permission that is required. | Nothing. |
| `PermissionsGranted` | `NotAnswered` | Jira does not tell permissions to this account. | Let the account read its own permissions; nothing fails for lack of it. |
| `Accepted` of a binding | `Accepted` | The connection allows the binding. | Nothing. |
| any | `NotChecked` | The check did not get that far. | See to the reason of `Ready`. |
| `PersonalAccount` | `PersonalAccount` | The account is somebody's own. | Use a service account, which does not leave with its owner. |
| `CredentialsExpiring` | `EndsSoon` | The credential ends within two weeks. | Renew it, or authorise again. |
| `DuplicateInstance` | `SameJira` | Connections of this namespace, which the message names, lead to the same Jira. | Keep one, let all bindings name it, and delete the rest. |
| `Deprecated` | `OAuth1` | This Jira offers OAuth 2.0. | Use `oauth2AuthorizationCode`. |
| Event | `AccountPinned` | A new credential belongs to another account than the one before. | Nothing, if that was meant. |
| Event | `CredentialSwitched` | The candidate is in use now, or the primary again. | Name the candidate as the primary, then end the old credential. |
| Event | `BindingsRefused` | Bindings name the connection and fit no entry of it. | Add an entry, if they shall. |
";

const HEAD: &str = "# Reasons of a JiraConnection

What the condition `Ready` of a connection says, what follows from it, and what an admin reads with it. This page is written
from the operator's code by `make docs`; `jira.example`, `acme-token` and the numbers are examples. The states mean:
**Authorized**: everything works. **Interrupted**: something failed and is tried again without anybody's help, or a permission
is missing. **NotAuthorized**: a person must give a valid credential.

| reason | `state` | `Ready` | kstatus | tried again | messages |
| --- | --- | --- | --- | --- | --- |
";

struct Consequence {
    state: &'static str,
    ready: &'static str,
    kstatus: &'static str,
    again: &'static str,
}

fn consequence(reason: Reason) -> Consequence {
    let (state, ready, kstatus, again) = match reason.row() {
        Row::Proven => ("Authorized", "True", "Current", "at the interval"),
        Row::Pending => ("–", "Unknown", "InProgress", "at once"),
        Row::Awaiting => ("NotAuthorized", "False", "InProgress", "when a person authorises the connection"),
        Row::Unresolved => ("Interrupted", "False", "InProgress; Failed after 2 minutes", "when the object changes"),
        Row::Refused if !refusal::is_retried(reason) => {
            ("NotAuthorized", "False", "Failed", "when the credential or the spec changes, or a person asks")
        }
        Row::Refused => (
            "NotAuthorized",
            "False",
            "Failed; a bearer token is InProgress until its third try",
            "when the credential or the spec changes or a person asks; a bearer token three times over 10 minutes first",
        ),
        Row::Lacking => ("Interrupted", "False", "Failed", "at the interval"),
        Row::Outage => (
            "Authorized within grace, then Interrupted",
            "True (`InterruptedInGrace`) within grace, then False",
            "Current within grace, then InProgress",
            "after 5 seconds, doubling up to 5 minutes",
        ),
        Row::Misfit => ("Interrupted", "False", "Failed", "at the interval, and when something changes"),
        Row::Limited => (
            "unchanged within grace, then Interrupted",
            "unchanged within grace, then False",
            "unchanged within grace, then InProgress",
            "when Jira, or the budget for its host, allows it",
        ),
        Row::Suspended => {
            ("unchanged", "unchanged if only `suspend` changed, else Unknown", "as before, else InProgress", "never")
        }
    };
    Consequence { state, ready, kstatus, again }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails to compile when a variant is added, and so reminds of adding it to [`problems`].
    fn variant(problem: &Problem) -> usize {
        match problem {
            Problem::Unreachable(_) => 0,
            Problem::Tls(_) => 1,
            Problem::HostNotAllowed => 2,
            Problem::Intercepted(_) => 3,
            Problem::WrongSite { .. } => 4,
            Problem::NotJira(_) => 5,
            Problem::RateLimited { .. } => 6,
            Problem::Rejected(_) => 7,
            Problem::CaptchaRequired => 8,
            Problem::ClientSecretRejected => 9,
            Problem::GrantRevoked => 10,
            Problem::GrantTypeUnsupported => 11,
            Problem::MethodUnavailable => 12,
            Problem::InsecureTransport => 13,
            Problem::ScopeMissing => 14,
            Problem::Forbidden => 15,
            Problem::NotFound => 16,
            Problem::Unexpected { .. } => 17,
            Problem::SiteNotCovered { .. } => 18,
            Problem::LinksUnavailable => 19,
            Problem::ClockSkew => 20,
            Problem::AnotherClient => 21,
            Problem::OAuth1(problem) => 22 + oauth1_variant(*problem),
        }
    }

    fn oauth1_variant(problem: OAuth1Problem) -> usize {
        match problem {
            OAuth1Problem::TokenExpired => 0,
            OAuth1Problem::TokenRejected => 1,
            OAuth1Problem::ConsumerUnknown => 2,
            OAuth1Problem::SignatureInvalid => 3,
            OAuth1Problem::NonceUsed => 4,
            OAuth1Problem::PermissionUnknown => 5,
            OAuth1Problem::PermissionDenied => 6,
            OAuth1Problem::Unacceptable => 7,
        }
    }

    #[test]
    fn every_problem_is_in_the_reference() {
        let seen: std::collections::BTreeSet<_> = problems().iter().map(variant).collect();
        assert_eq!(seen, (0..30).collect());
    }

    #[test]
    fn every_message_says_cause_and_remedy_and_holds_no_digits_of_the_moment() {
        for problem in problems() {
            let message = Finding::problem(&problem, "jira.example", None).message;
            let sentences = message.matches(['.', ';']).count();
            assert!(sentences >= 2 && message.ends_with('.'), "{problem:?}: {message}");
            assert!(message.len() < 300, "{problem:?}: {message}");
        }
    }

    #[test]
    fn the_page_in_docs_is_what_the_code_says() {
        crate::manual::assert_written("reasons.md", &markdown());
    }
}
