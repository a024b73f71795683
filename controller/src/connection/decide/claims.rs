//! The conditions of a connection, each by what the pass has found.

use std::{collections::BTreeSet, time::Duration};

use crds::connection::{auth::Method, status::AccountKind};

use super::{
    OAUTH2_SINCE, candidate, consent,
    details::{account, day, fixed_end},
    lacking::Lacking,
    verdict::{Progress, Verdict},
    view::View,
};
use crate::{
    condition::{About, Claim, Truth},
    connection::{
        finding::Finding,
        reason::{Reason, Row},
    },
    summary::listed,
};

/// How long before its end a credential is said to expire soon: two weeks, so that a sprint has room for it.
const FORECAST: Duration = Duration::from_secs(14 * 24 * 3600);

/// What is said of an account that is somebody's own.
const PERSONAL_ACCOUNT: &str = "The account is somebody's own. A service account does not leave with its owner.";

/// What is said of OAuth 1.0a where there is OAuth 2.0.
const OAUTH1_DEPRECATED: &str =
    "Jira 8.22 and later offers OAuth 2.0, which is to be preferred: use oauth2AuthorizationCode in spec.auth.";

/// Every condition that holds, in the order in which they are shown.
pub(super) fn claims(view: &View<'_>, finding: &Finding, verdict: &Verdict) -> Vec<Claim> {
    let row = finding.reason.row();
    let mut claims = vec![
        verdict.ready.clone(),
        authorized(view, finding, verdict),
        resolved(view, finding),
        reachable(view, finding),
        permissions_granted(view, finding, verdict),
    ];
    let reason = finding.reason.as_str();
    match verdict.progress {
        Progress::Settled => {}
        Progress::Reconciling => {
            claims.push(Claim::new(About::Reconciling, Truth::True, reason, finding.message.clone()));
        }
        Progress::Stalled => claims.push(Claim::new(About::Stalled, Truth::True, reason, finding.message.clone())),
        Progress::Kept => {
            claims.extend([About::Reconciling, About::Stalled].into_iter().filter_map(|about| view.standing(about)));
        }
    }
    if row == Row::Limited {
        claims.push(Claim::new(About::RateLimited, Truth::True, reason, finding.message.clone()));
    }
    if row == Row::Suspended {
        claims.push(Claim::new(About::Suspended, Truth::True, reason, finding.message.clone()));
    }
    claims.extend(personal_account(view));
    claims.extend(duplicate(view));
    claims.extend(expiring(view));
    claims.extend(deprecated(view));
    claims
}

fn not_checked(about: About) -> Claim {
    Claim::new(about, Truth::Unknown, "NotChecked", "The check did not get that far.")
}

fn kept(view: &View<'_>, about: About) -> Claim {
    view.standing(about).unwrap_or_else(|| not_checked(about))
}

fn authorized(view: &View<'_>, finding: &Finding, verdict: &Verdict) -> Claim {
    let claim = |status, reason: &str, message: &str| Claim::new(About::Authorized, status, reason, message);
    let reason = finding.reason.as_str();
    match finding.reason.row() {
        Row::Proven | Row::Lacking => {
            claim(Truth::True, "IdentityProven", "Jira accepted the credential when it was last asked.")
        }
        Row::Refused | Row::Awaiting => claim(Truth::False, reason, &finding.message),
        Row::Outage if verdict.ready.status == Truth::True => kept(view, About::Authorized),
        Row::Limited if verdict.progress == Progress::Kept => kept(view, About::Authorized),
        Row::Suspended => kept(view, About::Authorized),
        Row::Pending | Row::Limited | Row::Outage | Row::Misfit | Row::Unresolved => {
            claim(Truth::Unknown, reason, "Whether Jira accepts the credential is not known at present.")
        }
    }
}

fn resolved(view: &View<'_>, finding: &Finding) -> Claim {
    let about = About::CredentialsResolved;
    match &view.facts.material {
        _ if finding.reason == Reason::Suspended => kept(view, about),
        None => not_checked(about),
        Some(Ok(_)) => match candidate::fault(view) {
            Some((reason, message)) => Claim::new(about, Truth::True, reason, message),
            None => Claim::new(
                about,
                Truth::True,
                "Resolved",
                "Every referenced Secret and ConfigMap is there and can be used.",
            ),
        },
        Some(Err(fault)) => Claim::new(about, Truth::False, finding.reason.as_str(), fault.to_string()),
    }
}

fn reachable(view: &View<'_>, finding: &Finding) -> Claim {
    let about = About::Reachable;
    let answers = || Claim::new(about, Truth::True, "Answering", "Jira answers.");
    match finding.reason {
        Reason::HostNotAllowed | Reason::SecretNotFound | Reason::SecretInvalid | Reason::SecretNotReleased => {
            not_checked(about)
        }
        Reason::Unreachable | Reason::BlockedByProxy | Reason::NotJira | Reason::TlsFailed => {
            Claim::new(about, Truth::False, finding.reason.as_str(), finding.message.clone())
        }
        Reason::RateLimited | Reason::Suspended => kept(view, about),
        Reason::AuthMethodUnsupported
        | Reason::Progressing
        | Reason::AuthorizationRequired
        | Reason::GrantExpired
        | Reason::SecretConflict
            if view.facts.known_server().is_none() =>
        {
            kept(view, about)
        }
        Reason::ConnectionVerified
        | Reason::Progressing
        | Reason::AuthorizationRequired
        | Reason::CredentialsRejected
        | Reason::AccountChanged
        | Reason::GrantRevoked
        | Reason::GrantExpired
        | Reason::ClientSecretRejected
        | Reason::AccountLocked
        | Reason::ScopeMissing
        | Reason::PermissionsMissing
        | Reason::ClockSkew
        | Reason::InsecureTransport
        | Reason::WrongSite
        | Reason::DeploymentMismatch
        | Reason::AuthMethodUnsupported
        | Reason::ApplicationLinksUnavailable
        | Reason::SecretConflict => answers(),
    }
}

fn permissions_granted(view: &View<'_>, finding: &Finding, verdict: &Verdict) -> Claim {
    let about = About::PermissionsGranted;
    let lacking = || Lacking::of(view);
    match finding.reason.row() {
        Row::Proven if lacking().unknown.is_empty() => Claim::new(
            about,
            Truth::True,
            "Granted",
            "Every permission that the connection itself requires is granted.",
        ),
        Row::Proven => Claim::new(
            about,
            Truth::Unknown,
            "NotAnswered",
            "This Jira does not say whether every required permission is granted; see status.permissions.unknown.",
        ),
        Row::Lacking if finding.reason == Reason::PermissionsMissing => {
            Claim::new(about, Truth::False, finding.reason.as_str(), finding.message.clone())
        }
        Row::Outage if verdict.ready.status == Truth::True => kept(view, about),
        Row::Limited | Row::Suspended => kept(view, about),
        Row::Outage | Row::Lacking | Row::Pending | Row::Awaiting | Row::Unresolved | Row::Refused | Row::Misfit => {
            not_checked(about)
        }
    }
}

fn personal_account(view: &View<'_>) -> Option<Claim> {
    let account = account(view)?;
    (account.kind == AccountKind::Personal)
        .then(|| Claim::new(About::PersonalAccount, Truth::True, "PersonalAccount", PERSONAL_ACCOUNT))
}

/// Said of two connections for one Jira. Allowed, and mostly a mistake. Nothing that it claims depends on what is in other namespaces.
pub(super) fn duplicate(view: &View<'_>) -> Option<Claim> {
    let others = view.facts.duplicates.as_ref().filter(|others| !others.is_empty())?;
    Some(Claim::new(About::DuplicateInstance, Truth::True, "SameJira", same_jira(others)))
}

/// What is said of connections of one namespace that lead to the same Jira.
fn same_jira(others: &BTreeSet<String>) -> String {
    let (kinds, lead) = if others.len() == 1 { ("JiraConnection", "leads") } else { ("JiraConnections", "lead") };
    format!(
        "{kinds} {} of this namespace {lead} to the same Jira. One connection is enough for any number of bindings: keep one, let all \
         bindings name it, and delete the rest.",
        listed(others.iter().map(String::as_str)),
    )
}

/// Said while the end of the credential is near.
pub(super) fn expiring(view: &View<'_>) -> Option<Claim> {
    let end = fixed_end(view)?;
    let day = day(end);
    let message = match view.facts.known_handshake() {
        Some(_) => format!("The grant ends on {day}, and only a person can give a new one. {}", consent::how(view)),
        None => {
            format!("The credential ends on {day}. Put a new one into the Secret before, and correct expiresAt.")
        }
    };
    (end <= view.now + FORECAST).then(|| Claim::new(About::CredentialsExpiring, Truth::True, "EndsSoon", message))
}

/// OAuth 1.0a is what old servers have; on those that offer more it is on its way out.
fn deprecated(view: &View<'_>) -> Option<Claim> {
    let Some(server) = view.facts.known_server() else {
        return view
            .standing(About::Deprecated)
            .filter(|_| matches!(view.spec().auth.method(), Some(Method::OAuth1(_))));
    };
    let outdated =
        matches!(view.spec().auth.method(), Some(Method::OAuth1(_))) && server.version.is_at_least(&OAUTH2_SINCE);
    outdated.then(|| Claim::new(About::Deprecated, Truth::True, "OAuth1", OAUTH1_DEPRECATED))
}
