//! Turns what is known about a binding into a plan. Pure and total.

use std::{collections::BTreeSet, time::Duration};

use crds::{
    State, WorkspaceBinding, WorkspaceBindingStatus,
    binding::{
        BoundProject,
        status::{BoundConnection, ProjectStatus, ProjectedSecret},
    },
    connection::status::MOST_ENTRIES,
    jira::PermissionKey,
};
use k8s_openapi::jiff::Timestamp;

use super::{
    facts::{Admission, Facts, Lent},
    projection::{Content, Projection, Standing as SecretStanding},
};
use crate::{
    condition::{self, About, Claim, Truth},
    lending::{self, Borrowing, Terms},
    moment,
    proof::{Existence, ProjectProof, Proof, Standing},
    spec_digest::SpecDigest,
    summary::{self, Missing, listed},
    wish,
};

/// How long a refusal may be a matter of order before it counts as a failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a binding waits in silence for the first word of its connection. Long, because a connection whose check takes its
/// time says so by itself: until then it only waits for its turn, and a word from each binding would make the turns longer.
const SILENT: Duration = Duration::from_secs(60);

/// How long a binding waits in silence for a Secret in the way to go by itself.
const SILENT_BEFORE_A_SECRET: Duration = Duration::from_secs(2);

/// How soon a Secret that Kubernetes is about to remove is looked at again where the watch should have told and has not.
const LOOKED_AT_AGAIN: Duration = Duration::from_secs(10);

/// Why a binding is as it is: the reasons of `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Accepted and proven.
    BindingVerified,
    /// Refused, or no such connection.
    NotPermitted,
    /// The connection is not proven.
    ConnectionNotReady,
    /// A permission is missing.
    PermissionsMissing,
    /// A project does not exist, is hidden, or is archived.
    ProjectNotFound,
    /// Another Secret has the name of the projected one.
    SecretConflict,
    /// The application wants an access token that the connection does not lend.
    AccessTokenUnavailable,
    /// Switched off.
    Suspended,
}

// A new reason goes before the last one, and into `ALL`.
const _: () = assert!(Reason::ALL.len() == Reason::Suspended as usize + 1, "`Reason::ALL` lacks a reason");

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::BindingVerified,
        Self::NotPermitted,
        Self::ConnectionNotReady,
        Self::PermissionsMissing,
        Self::ProjectNotFound,
        Self::SecretConflict,
        Self::AccessTokenUnavailable,
        Self::Suspended,
    ];

    /// As it stands in the conditions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BindingVerified => "BindingVerified",
            Self::NotPermitted => "NotPermitted",
            Self::ConnectionNotReady => "ConnectionNotReady",
            Self::PermissionsMissing => "PermissionsMissing",
            Self::ProjectNotFound => "ProjectNotFound",
            Self::SecretConflict => "SecretConflict",
            Self::AccessTokenUnavailable => "AccessTokenUnavailable",
            Self::Suspended => "Suspended",
        }
    }
}

/// What a pass over a binding concludes.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What there shall be of projected Secrets.
    pub projection: Projection,
    /// What the status shall say.
    pub word: Word,
}

/// What the status shall say, if anything.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// Nothing is known that the status does not say.
    Keep {
        /// Whether a word of the connection is awaited, so that silence must end some time.
        awaiting: bool,
        /// When to look again.
        wake: Option<Timestamp>,
    },
    /// The status shall say this.
    Say(Box<Statement>),
}

impl Plan {
    const fn keep(awaiting: bool, wake: Option<Timestamp>) -> Self {
        Self { projection: Projection::Untouched, word: Word::Keep { awaiting, wake } }
    }
}

impl Word {
    /// Whether the status speaks of the present spec once this is carried out.
    #[must_use]
    pub const fn concludes(&self) -> bool {
        match self {
            Self::Keep { awaiting, .. } => !*awaiting,
            Self::Say(_) => true,
        }
    }
}

/// What the status shall say.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The conditions to claim.
    pub claims: Vec<Claim>,
    /// The status without its conditions.
    pub details: WorkspaceBindingStatus,
    /// When to look again.
    pub wake: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Settled,
    Reconciling,
    Stalled,
}

/// Decides what a binding's status shall say, and what there shall be of its projected Secret.
#[must_use]
pub fn plan(binding: &WorkspaceBinding, facts: &Facts, now: Timestamp) -> Plan {
    let view = View { binding, facts, now };
    if binding.spec.suspend == Some(true) {
        return view.suspended();
    }
    let Admission::Accepted { terms, lent, proof, announced } = &facts.admission else {
        return view.refused();
    };
    let Some(proof) = proof else { return view.waiting(*announced) };
    match proof.standing {
        Standing::Proven if view.covered(proof) && view.supplied(*terms, lent.as_ref()) => {
            view.weigh(proof, *terms, lent.as_ref())
        }
        Standing::Forgiven if view.speaks_of_this_spec() => view.forgiven(proof, *terms, lent.as_ref()),
        // Accepted, and not looked at yet.
        Standing::Proven | Standing::Forgiven => view.waiting(*announced),
        Standing::Pending(state) => view.not_ready(Some(proof), Some(state), Progress::Reconciling),
        Standing::Failed(state) => view.not_ready(Some(proof), Some(state), Progress::Stalled),
    }
}

struct View<'a> {
    binding: &'a WorkspaceBinding,
    facts: &'a Facts,
    now: Timestamp,
}

impl View<'_> {
    fn previous(&self) -> Option<&WorkspaceBindingStatus> {
        self.binding.status.as_ref()
    }

    fn conditions(&self) -> &[crds::Condition] {
        self.previous().map_or(&[], |status| &status.conditions)
    }

    /// Whether the status was written for this spec while the binding was accepted.
    fn speaks_of_this_spec(&self) -> bool {
        let observed = self.previous().and_then(|status| status.observed_generation);
        observed == self.binding.metadata.generation
            && condition::is(self.conditions(), About::Accepted, Truth::True)
            && !condition::is(self.conditions(), About::Suspended, Truth::True)
    }

    fn suspended(&self) -> Plan {
        let message = "The binding is switched off by spec.suspend. Remove it, or set it to false, to go on.";
        let reason = Reason::Suspended.as_str();
        let unknown = |about| Claim::new(about, Truth::Unknown, reason, message);
        let mut claims: Vec<_> = self.conditions().iter().filter_map(Claim::standing).collect();
        if claims.is_empty() || !self.only_suspension_changed() {
            let standing = |about| claims.iter().find(|claim| claim.about == about).cloned();
            let kept = |about| standing(about).unwrap_or_else(|| unknown(about));
            let [accepted, authorized, permissions] =
                [About::Accepted, About::Authorized, About::PermissionsGranted].map(kept);
            let reconciling = Claim::new(About::Reconciling, Truth::True, reason, message);
            claims = vec![unknown(About::Ready), accepted, authorized, permissions, reconciling];
        }
        claims.retain(|claim| claim.about != About::Suspended);
        claims.push(Claim::new(About::Suspended, Truth::True, reason, message));
        let details = WorkspaceBindingStatus { conditions: Vec::new(), ..self.previous().cloned().unwrap_or_default() };
        Plan { projection: Projection::Untouched, word: self.say(claims, details, None) }
    }

    /// Whether the spec says what it said when the status was written, `suspend` aside.
    fn only_suspension_changed(&self) -> bool {
        let observed = self.previous().and_then(|status| status.observed_generation);
        let same_generation = observed == self.binding.metadata.generation;
        same_generation || self.facts.concluded == Some(SpecDigest::of_binding(&self.binding.spec))
    }

    /// One message for "no such connection" and "not allowed": who is refused learns nothing about what exists.
    fn refused(&self) -> Plan {
        let message = "There is no such connection for this binding: none of that name, or none that allows this namespace, workspace and these projects. Check spec, and ask the connection's owner for an entry in its spec.allowedWorkspaces.";
        let since = condition::since(self.conditions(), About::Accepted, Truth::False).unwrap_or(self.now);
        let end = moment::after(since, PATIENCE);
        let (progress, wake) =
            if self.now < end { (Progress::Reconciling, Some(end)) } else { (Progress::Stalled, None) };
        let reason = Reason::NotPermitted;
        let not_checked = |about| Claim::new(about, Truth::Unknown, "NotChecked", "The check did not get that far.");
        let claims = vec![
            Claim::new(About::Ready, Truth::False, reason.as_str(), message),
            Claim::new(About::Accepted, Truth::False, reason.as_str(), message),
            not_checked(About::Authorized),
            not_checked(About::PermissionsGranted),
        ];
        let claims = with_progress(claims, progress, reason, message);
        Plan { projection: Projection::None, word: self.say(claims, WorkspaceBindingStatus::default(), wake) }
    }

    /// The connection is out of reach for the moment. Nothing is said, and what was made stays whole.
    fn forgiven(&self, proof: &Proof, terms: Terms, lent: Option<&Lent>) -> Plan {
        let projection = match (self.facts.secret, lent) {
            (SecretStanding::Absent | SecretStanding::Own, Some(lent)) => self.content(proof, terms, lent),
            (SecretStanding::Former | SecretStanding::Foreign, _) | (_, None) => None,
        };
        Plan { projection: projection.unwrap_or(Projection::Untouched), ..Plan::keep(false, None) }
    }

    /// Nothing proven yet. What the status says of this very spec stands; else silence ends when the connection announces that it is
    /// being checked, or after a while.
    fn waiting(&self, announced: bool) -> Plan {
        if self.speaks_of_this_spec() {
            return Plan::keep(false, None);
        }
        if !announced && let Some(end) = self.silence(SILENT) {
            return Plan::keep(true, Some(end));
        }
        // A connection that is being checked for the first time has no state either.
        self.not_ready(None, None, Progress::Reconciling)
    }

    /// When the silence ends in which something is awaited. `None` if it has.
    fn silence(&self, length: Duration) -> Option<Timestamp> {
        let end = self.facts.waiting_since.unwrap_or(self.now) + length;
        (self.now < end).then_some(end)
    }

    fn not_ready(&self, proof: Option<&Proof>, state: Option<State>, progress: Progress) -> Plan {
        let reason = Reason::ConnectionNotReady;
        let name = &self.binding.spec.connection_ref.name;
        let message = match progress {
            Progress::Stalled => format!("Connection {name} needs attention. Its owner finds the cause in its status."),
            Progress::Reconciling | Progress::Settled => {
                format!("Connection {name} is not proven at present. The binding follows it by itself.")
            }
        };
        let authorized = match state {
            Some(State::NotAuthorized) => Truth::False,
            Some(State::Interrupted | State::Authorized) | None => Truth::Unknown,
        };
        let claims = vec![
            Claim::new(About::Ready, Truth::False, reason.as_str(), &message),
            accepted(),
            Claim::new(About::Authorized, authorized, reason.as_str(), &message),
            Claim::new(About::PermissionsGranted, Truth::Unknown, "NotChecked", "The check did not get that far."),
        ];
        let carried = self.previous().cloned().unwrap_or_default();
        let connection = proof.map_or_else(|| carried.connection.clone(), |proof| Some(bound(proof)));
        // What was made for an application stays as it is, unless it wants another one or none by now.
        let wanted = self.secret_name();
        let binding = carried.binding.clone().filter(|secret| Some(secret.name.as_str()) == wanted);
        let projection = wanted.map_or(Projection::None, |name| Projection::AsItStands(name.to_owned()));
        let details = WorkspaceBindingStatus { state, connection, binding, conditions: Vec::new(), ..carried };
        let claims = with_progress(claims, progress, reason, &message);
        Plan { projection, word: self.say(claims, details, None) }
    }

    /// Name of the Secret that the application wants.
    fn secret_name(&self) -> Option<&str> {
        self.binding.spec.projection.as_ref().map(|projection| projection.secret_name.as_str())
    }

    fn content(&self, proof: &Proof, terms: Terms, lent: &Lent) -> Option<Projection> {
        let content = Content::of(self.secret_name()?, self.binding, proof, terms, lent);
        Some(Projection::Present(Box::new(content)))
    }

    /// Whether the connection has lent by now what the projected Secret needs.
    fn supplied(&self, terms: Terms, lent: Option<&Lent>) -> bool {
        match Borrowing::of(self.binding, terms) {
            Borrowing::Nothing => true,
            Borrowing::Certificates => lent.is_some(),
            Borrowing::Token => lent.is_some_and(|lent| lent.token),
        }
    }

    /// Whether the proof speaks of every project and permission that the binding names.
    fn covered(&self, proof: &Proof) -> bool {
        self.binding.spec.projects.iter().all(|bound| match proof.projects.get(&bound.key) {
            None => false,
            Some(ProjectProof { granted: Some(granted), .. }) => granted.covers(bound.required().iter()),
            Some(ProjectProof { granted: None, .. }) => true,
        })
    }

    fn weigh(&self, proof: &Proof, terms: Terms, lent: Option<&Lent>) -> Plan {
        let found: Vec<_> = self.binding.spec.projects.iter().map(|bound| Found::of(bound, proof)).collect();
        let missing_summary = missing_line(&found);
        let shortfall = shortfall(&found, &missing_summary);
        if shortfall.is_none()
            && self.facts.secret == SecretStanding::Former
            && let Some(end) = self.silence(SILENT_BEFORE_A_SECRET)
        {
            return Plan::keep(true, Some(end));
        }
        let all_granted = format!("Every permission that the workspace needs on {} is granted.", self.project_line());
        let permissions = match &shortfall {
            Some(lack) => Claim::new(About::PermissionsGranted, Truth::False, lack.reason.as_str(), &lack.message),
            None if found.iter().any(|found| found.unanswered) => {
                let unknown = "This Jira does not say whether every permission is granted.";
                Claim::new(About::PermissionsGranted, Truth::Unknown, "NotAnswered", unknown)
            }
            None => Claim::new(About::PermissionsGranted, Truth::True, "Granted", &all_granted),
        };
        let state = if shortfall.is_some() { State::Interrupted } else { State::Authorized };
        let wanting = shortfall.or_else(|| self.in_the_way()).or_else(|| self.without_token(terms));
        let (truth, end) = match wanting {
            Some(wanting) => (Truth::False, wanting),
            None => (Truth::True, Finding::new(Reason::BindingVerified, Progress::Settled, all_granted)),
        };
        let Finding { reason, progress, message } = end;
        let claims = vec![
            Claim::new(About::Ready, truth, reason.as_str(), &message),
            accepted(),
            Claim::new(About::Authorized, Truth::True, "ConnectionVerified", "The connection is proven."),
            permissions,
        ];
        let (projection, secret) = self.projected(proof, terms, lent);
        let details = WorkspaceBindingStatus {
            state: Some(state),
            connection: Some(bound(proof)),
            projects: found.into_iter().take(MOST_ENTRIES).map(|found| found.status).collect(),
            projects_summary: Some(self.project_line()),
            missing_summary: Some(missing_summary).filter(|line| !line.is_empty()),
            binding: secret,
            ..WorkspaceBindingStatus::default()
        };
        let wake = (self.facts.secret == SecretStanding::Former).then(|| self.now + LOOKED_AT_AGAIN);
        let claims = with_progress(claims, progress, reason, &message);
        Plan { projection, word: self.say(claims, details, wake) }
    }

    /// The Secret that is to be made, and the status' word of it. Another Secret of the name is left alone.
    fn projected(&self, proof: &Proof, terms: Terms, lent: Option<&Lent>) -> (Projection, Option<ProjectedSecret>) {
        let Some(name) = self.secret_name().map(str::to_owned) else {
            return (Projection::None, None);
        };
        let free = matches!(self.facts.secret, SecretStanding::Absent | SecretStanding::Own);
        match lent.filter(|_| free).and_then(|lent| self.content(proof, terms, lent)) {
            Some(content) => (content, Some(ProjectedSecret { name })),
            None => (Projection::AsItStands(name), None),
        }
    }

    /// Another Secret of the name that the application wants.
    fn in_the_way(&self) -> Option<Finding> {
        let name = self.secret_name()?;
        match self.facts.secret {
            SecretStanding::Absent | SecretStanding::Own => None,
            SecretStanding::Former => Some(Finding::new(
                Reason::SecretConflict,
                Progress::Reconciling,
                format!(
                    "Secret {name} of a former binding of this name is still there. It is waited for until Kubernetes has removed it."
                ),
            )),
            SecretStanding::Foreign => Some(Finding::new(
                Reason::SecretConflict,
                Progress::Stalled,
                format!(
                    "Secret {name} exists and is not this binding's own. Delete or rename it, or choose another spec.projection.secretName."
                ),
            )),
        }
    }

    /// The application wants an access token and gets none.
    fn without_token(&self, terms: Terms) -> Option<Finding> {
        let obstacle = terms.obstacle().filter(|_| lending::wants_token(self.binding))?;
        let message = format!("The projected Secret holds no access token, because {obstacle}.");
        Some(Finding::new(Reason::AccessTokenUnavailable, Progress::Stalled, message))
    }

    fn project_line(&self) -> String {
        listed(self.binding.spec.projects.iter().map(|project| project.key.as_ref()))
    }

    fn say(&self, claims: Vec<Claim>, details: WorkspaceBindingStatus, wake: Option<Timestamp>) -> Word {
        let wish = |name: &str| wish::echo(self.binding.metadata.annotations.as_ref(), name);
        let before = self.previous();
        let details = WorkspaceBindingStatus {
            observed_generation: self.binding.metadata.generation,
            last_handled_requested_at: wish(crds::REQUESTED_AT)
                .or_else(|| before.and_then(|status| status.last_handled_requested_at.clone())),
            last_handled_reconcile_at: wish(crds::FLUX_REQUESTED_AT)
                .or_else(|| before.and_then(|status| status.last_handled_reconcile_at.clone())),
            ..details
        };
        Word::Say(Box::new(Statement { claims, details, wake }))
    }
}

fn accepted() -> Claim {
    Claim::new(
        About::Accepted,
        Truth::True,
        "Accepted",
        "The connection allows this namespace, workspace and these projects.",
    )
}

fn with_progress(mut claims: Vec<Claim>, progress: Progress, reason: Reason, message: &str) -> Vec<Claim> {
    let claim = |about| Claim::new(about, Truth::True, reason.as_str(), message);
    match progress {
        Progress::Settled => {}
        Progress::Reconciling => claims.push(claim(About::Reconciling)),
        Progress::Stalled => claims.push(claim(About::Stalled)),
    }
    claims
}

fn bound(proof: &Proof) -> BoundConnection {
    BoundConnection {
        url: proof.url.clone(),
        deployment: proof.deployment,
        default_assignee: proof.default_assignee.clone(),
    }
}

/// Why a binding is ready or not, in one sentence.
struct Finding {
    reason: Reason,
    progress: Progress,
    message: String,
}

impl Finding {
    const fn new(reason: Reason, progress: Progress, message: String) -> Self {
        Self { reason, progress, message }
    }
}

/// What Jira does not grant, or not show.
fn shortfall(found: &[Found], missing_summary: &str) -> Option<Finding> {
    let gone: Vec<_> = found.iter().filter(|found| found.unusable).map(|found| found.status.key.as_ref()).collect();
    if !gone.is_empty() {
        let message = format!(
            "Jira shows no usable project {}: missing, hidden from the account, or archived. Correct the key, or let the account see the project.",
            listed(gone)
        );
        return Some(Finding::new(Reason::ProjectNotFound, Progress::Stalled, message));
    }
    let lacking = found.iter().any(|found| !found.unusable && !found.status.missing.is_empty());
    lacking.then(|| {
        let message = format!(
            "The account lacks {missing_summary}. Ask an admin of Jira to grant what is missing; the check goes on by itself."
        );
        Finding::new(Reason::PermissionsMissing, Progress::Stalled, message)
    })
}

/// One project of the binding, held against the proof.
struct Found {
    status: ProjectStatus,
    unusable: bool,
    unanswered: bool,
}

impl Found {
    fn of(bound: &BoundProject, proof: &Proof) -> Self {
        let required = bound.required();
        let project = proof.projects.get(&bound.key);
        let granted = project.and_then(|project| project.granted.as_ref());
        let missing =
            |held: &BTreeSet<PermissionKey>| required.iter().filter(|key| !held.contains(*key)).cloned().collect();
        let (id, name, unusable) = match project.map(|project| &project.existence) {
            Some(Existence::Present { id, name, archived }) => (Some(id.clone()), Some(name.clone()), *archived),
            Some(Existence::Absent) | None => (None, None, true),
            Some(Existence::Unknown) => (None, None, false),
        };
        let status = ProjectStatus {
            key: bound.key.clone(),
            missing: if unusable {
                Vec::new()
            } else {
                granted.map(|granted| missing(&granted.held)).unwrap_or_default()
            },
            issue_security: id.as_ref().and(project).map(|project| project.issue_security),
            id,
            name,
        };
        Self { status, unusable, unanswered: granted.is_none() && !unusable }
    }
}

fn missing_line(found: &[Found]) -> String {
    let mut missing = Missing::new();
    for project in found.iter().filter(|project| !project.unusable) {
        for permission in &project.status.missing {
            missing.entry(permission.clone()).or_default().insert(project.status.key.clone());
        }
    }
    summary::lacking(&missing)
}

#[cfg(test)]
mod tests;
