//! The status of a connection besides its conditions.

use std::collections::BTreeSet;

use crds::{
    JiraConnectionStatus,
    connection::{
        auth::Method,
        status::{
            Account, AccountKind, Authorization, Bindings, Credentials, MOST_ENTRIES, ProjectIssueSecurity, Server,
        },
    },
    jira::{Deployment, ProjectKey},
};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::{lacking::Lacking, proof::visibility, refusal, verdict::Verdict, view::View};
use crate::{
    auth::authorization_secret,
    connection::{
        facts::Identity,
        finding::Finding,
        handshake,
        reason::{Reason, Row},
    },
    jira, wish,
};

/// What the status shows; what was not asked in this pass, as it was found last.
pub(super) fn details(view: &View<'_>, finding: &Finding, verdict: &Verdict) -> JiraConnectionStatus {
    let weighed = matches!(finding.reason, Reason::ConnectionVerified | Reason::PermissionsMissing);
    let lacking = weighed.then(|| Lacking::of(view));
    // What was not asked in this pass is shown as it was found last, for as long as the spec is the same.
    let carried =
        view.previous_status().filter(|status| status.observed_generation == view.connection.metadata.generation);
    let missing =
        lacking.as_ref().map(|lacking| (lacking.status(), Some(lacking.sentence()).filter(|line| !line.is_empty())));
    let (permissions, missing_summary) = missing.unwrap_or_else(|| {
        carried.map_or((None, None), |status| (status.permissions.clone(), status.missing_summary.clone()))
    });
    let granted = wish_granted(view, finding);
    let before = view.previous_status().cloned().unwrap_or_default();
    let account = account(view);
    JiraConnectionStatus {
        observed_generation: view.connection.metadata.generation,
        state: verdict.state,
        conditions: Vec::new(),
        default_assignee: account.as_ref().map(|account| account.id.clone()),
        account,
        server: server(view).or_else(|| carried.and_then(|status| status.server.clone())),
        permissions,
        issue_security: if weighed {
            issue_security(view)
        } else {
            carried.map(|it| it.issue_security.clone()).unwrap_or_default()
        },
        authorization: authorization(view).or_else(|| carried.and_then(|status| status.authorization.clone())),
        credentials: credentials(view).or_else(|| carried.and_then(|status| status.credentials.clone())),
        bindings: bindings(view),
        effective: Some(*view.settings),
        missing_summary,
        last_handled_requested_at: handled(view, granted, crds::REQUESTED_AT, before.last_handled_requested_at),
        last_handled_reconcile_at: handled(view, granted, crds::FLUX_REQUESTED_AT, before.last_handled_reconcile_at),
    }
}

/// How many bindings are accepted, and from how many namespaces.
pub(super) fn bindings(view: &View<'_>) -> Option<Bindings> {
    view.facts.demand.as_ref().map(|demand| Bindings {
        accepted: i64::try_from(demand.accepted).unwrap_or(i64::MAX),
        namespaces: i64::try_from(demand.namespaces.len()).unwrap_or(i64::MAX),
    })
}

/// Whether this pass did what a wish for a check asks for.
fn wish_granted(view: &View<'_>, finding: &Finding) -> bool {
    let asked_in_this_pass = view.facts.asked_at.is_some_and(|asked| asked >= view.facts.began);
    // Without a grant there is nothing to ask Jira with.
    let without_grant = view.facts.known_handshake().is_some_and(|handshake| handshake.held().is_none());
    let nothing_to_ask = matches!(finding.reason.row(), Row::Unresolved | Row::Awaiting | Row::Misfit | Row::Suspended);
    asked_in_this_pass || nothing_to_ask || without_grant
}

/// Echoes a wish once it was granted; until then, the last one that was.
fn handled(view: &View<'_>, granted: bool, annotation: &str, before: Option<String>) -> Option<String> {
    let wish = wish::echo(view.connection.metadata.annotations.as_ref(), annotation);
    wish.filter(|_| granted).or(before)
}

fn server(view: &View<'_>) -> Option<Server> {
    view.facts.known_server().map(|server| Server {
        deployment: match server.deployment {
            jira::Deployment::Cloud => Deployment::Cloud,
            jira::Deployment::DataCenter => Deployment::DataCenter,
        },
        version: Some(server.version.text.clone()),
        cloud_id: view.facts.known_cloud_id().map(ToString::to_string),
    })
}

fn credentials(view: &View<'_>) -> Option<Credentials> {
    let Some(Ok(observed)) = &view.facts.material else {
        return None;
    };
    Some(Credentials {
        active: Some(view.facts.active()),
        expires_at: fixed_end(view).map(day),
        observed: observed.iter().take(MOST_ENTRIES).cloned().collect(),
    })
}

/// Where a person authorises, and what to paste into Jira.
fn authorization(view: &View<'_>) -> Option<Authorization> {
    let handshake = view.facts.known_handshake()?;
    let method = handshake::protocol(view.spec().auth.method()?)?;
    let oauth1 = view.spec().auth.oauth1.as_ref();
    Some(Authorization {
        secret_name: authorization_secret::secret_name(&view.connection.name_any()),
        method,
        application_url: oauth1.map(|_| view.application_url.to_owned()),
        consumer_key: oauth1.map(|oauth1| oauth1.consumer_key.clone()),
        consumer_name: oauth1.map(|oauth1| oauth1.consumer_name.clone()),
        public_key: oauth1.and_then(|_| handshake.public_key.clone()),
    })
}

/// The end of the credential that nothing moves, as far as it is known.
pub(super) fn fixed_end(view: &View<'_>) -> Option<Timestamp> {
    if let Some(handshake) = view.facts.known_handshake() {
        return handshake.held()?.final_end;
    }
    match view.facts.expiry.as_ref().map(|seen| &seen.outcome) {
        Some(Ok(told)) => told.or_else(|| declared_end(view)),
        Some(Err(_)) | None => told_before(view).or_else(|| declared_end(view)),
    }
}

/// What the status says of the end, while Jira has not been asked again.
fn told_before(view: &View<'_>) -> Option<Timestamp> {
    let credentials = view.previous_status().filter(|_| view.same_material())?.credentials.as_ref()?;
    let day = credentials.expires_at.as_ref().filter(|_| credentials.active == Some(view.facts.active()))?;
    format!("{day}T00:00:00Z").parse().ok()
}

/// The declared end of the credential. `None` where none is declared, or what is declared is no time.
fn declared_end(view: &View<'_>) -> Option<Timestamp> {
    let declared = match view.spec().auth.method()? {
        Method::PersonalAccessToken(method) => method.expires_at.as_deref(),
        Method::ApiToken(method) => method.expires_at.as_deref(),
        Method::OAuth2AuthorizationCode(_) | Method::OAuth2ClientCredentials(_) | Method::OAuth1(_) => None,
    };
    declared?.parse().ok()
}

/// `YYYY-MM-DD`, UTC.
pub(super) fn day(end: Timestamp) -> String {
    end.strftime("%Y-%m-%d").to_string()
}

/// The account to show: the one that was pinned, until another one may take its place.
pub(super) fn account(view: &View<'_>) -> Option<Account> {
    match view.facts.known_identity() {
        Some(Identity::Known(account)) if !account_changed(view, account) => Some(Account {
            id: account.id.clone(),
            display_name: Some(account.display_name.clone()).filter(|name| !name.is_empty()),
            kind: account_kind(account.kind),
        }),
        Some(Identity::Untold) => None,
        Some(Identity::Known(_)) | None => view.previous_status()?.account.clone(),
    }
}

/// While the pinned account stands against the answer, the status goes on naming the pinned one.
fn account_changed(view: &View<'_>, account: &jira::Account) -> bool {
    let Some(seen) = &view.facts.identity else { return false };
    refusal::unless_pinned(view, &Identity::Known(account.clone()), seen).is_some()
}

fn account_kind(kind: jira::AccountKind) -> AccountKind {
    match kind {
        jira::AccountKind::Person => AccountKind::Personal,
        jira::AccountKind::ServiceAccount | jira::AccountKind::App => AccountKind::ServiceAccount,
        jira::AccountKind::Customer | jira::AccountKind::Unknown => AccountKind::Unknown,
    }
}

fn issue_security(view: &View<'_>) -> Vec<ProjectIssueSecurity> {
    let own: BTreeSet<_> = view.own_projects().collect();
    let visible = |key: &ProjectKey| ProjectIssueSecurity { project: key.clone(), visibility: visibility(view, key) };
    own.into_iter().filter(|key| view.present(key).is_some()).take(MOST_ENTRIES).map(visible).collect()
}
