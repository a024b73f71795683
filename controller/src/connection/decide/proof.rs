//! What the bindings may rely on after a pass.

use crds::{
    JiraConnectionStatus, State,
    jira::{IssueSecurityVisibility, ProjectKey},
};
use litemap::LiteMap;

use super::view::View;
use crate::{
    condition::{About, Claim, Truth},
    connection::reason::Reason,
    jira::IssueSecurity,
    proof::{Existence, ProjectProof, Proof, Standing},
};

/// The proof that a pass amounts to, with these claims and details.
pub(super) fn proof(view: &View<'_>, claims: &[Claim], details: &JiraConnectionStatus) -> Proof {
    let wanted = view.facts.demand.as_ref().map(|demand| view.wanted_projects(demand)).unwrap_or_default();
    let seen = |key: &ProjectKey| view.facts.projects.contains_key(key);
    // No more room than it takes.
    let mut projects = LiteMap::with_capacity(wanted.len());
    projects.extend(wanted.into_iter().filter(seen).map(|key| (key.clone(), project_proof(view, &key))));
    Proof {
        uid: view.connection.metadata.uid.clone().unwrap_or_default(),
        generation: view.connection.metadata.generation,
        standing: standing(claims, details.state),
        url: view.spec().url.clone(),
        deployment: view.spec().deployment,
        cloud_id: details.server.as_ref().and_then(|server| server.cloud_id.clone()),
        default_assignee: details.default_assignee.clone(),
        projects,
    }
}

fn standing(claims: &[Claim], state: Option<State>) -> Standing {
    let has = |about| claims.iter().any(|claim| claim.about == about);
    let ready = claims.iter().find(|claim| claim.about == About::Ready);
    match ready {
        Some(ready) if ready.status == Truth::True && ready.reason == Reason::ConnectionVerified.as_str() => {
            Standing::Proven
        }
        Some(ready) if ready.status == Truth::True => Standing::Forgiven,
        _ if has(About::Stalled) => Standing::Failed(state.unwrap_or(State::Interrupted)),
        _ => Standing::Pending(state.unwrap_or(State::Interrupted)),
    }
}

fn project_proof(view: &View<'_>, key: &ProjectKey) -> ProjectProof {
    let existence = match view.facts.projects.get(key).map(|seen| &seen.outcome) {
        Some(Ok(Some(project))) => {
            Existence::Present { id: project.id.to_string(), name: project.name.clone(), archived: project.archived }
        }
        Some(Ok(None)) => Existence::Absent,
        Some(Err(_)) | None => Existence::Unknown,
    };
    let granted = view.facts.grants.get(key).and_then(|seen| seen.outcome.as_ref().ok()).cloned();
    ProjectProof { existence, granted, issue_security: visibility(view, key) }
}

/// Whether secured issues of a project can be seen.
pub(super) fn visibility(view: &View<'_>, key: &ProjectKey) -> IssueSecurityVisibility {
    match view.facts.issue_security.get(key).map(|seen| &seen.outcome) {
        Some(Ok(IssueSecurity::NotConfigured)) => IssueSecurityVisibility::NotConfigured,
        Some(Ok(IssueSecurity::Visible)) => IssueSecurityVisibility::Visible,
        Some(Ok(IssueSecurity::Unknown) | Err(_)) | None => IssueSecurityVisibility::Unknown,
    }
}
