//! Turns what is known about a binding into a plan. Pure and total.

use std::{collections::BTreeSet, time::Duration};

use crds::{
    State, WorkspaceBinding, WorkspaceBindingSpec, WorkspaceBindingStatus,
    binding::{
        BoundProject,
        status::{BoundConnection, ProjectStatus},
    },
    connection::status::MOST_ENTRIES,
    jira::PermissionKey,
};
use k8s_openapi::jiff::Timestamp;

use super::facts::{Admission, Facts};
use crate::{
    condition::{self, About, Claim, Truth},
    proof::{Existence, ProjectProof, Proof, Standing},
    summary::{self, Missing, listed},
    wish,
};

/// How long a refusal may be a matter of order before it counts as a failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a binding waits in silence for the first word of its connection.
const SILENT: Duration = Duration::from_secs(2);

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
    /// Switched off.
    Suspended,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::BindingVerified,
        Self::NotPermitted,
        Self::ConnectionNotReady,
        Self::PermissionsMissing,
        Self::ProjectNotFound,
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
            Self::Suspended => "Suspended",
        }
    }
}

/// What a pass over a binding concludes.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
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

/// Decides what a binding's status shall say.
#[must_use]
pub fn plan(binding: &WorkspaceBinding, facts: &Facts, now: Timestamp) -> Plan {
    let view = View { binding, facts, now };
    if binding.spec.suspend == Some(true) {
        return view.suspended();
    }
    let Admission::Accepted { proof } = &facts.admission else {
        return view.refused();
    };
    let Some(proof) = proof else { return view.waiting() };
    match proof.standing {
        Standing::Proven if view.covered(proof) => view.weigh(proof),
        Standing::Forgiven if view.speaks_of_this_spec() => Plan::Keep { awaiting: false, wake: None },
        // Accepted, and not looked at yet.
        Standing::Proven | Standing::Forgiven => view.waiting(),
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
        self.say(claims, details, None)
    }

    /// Whether the spec says what it said when the status was written, `suspend` aside.
    fn only_suspension_changed(&self) -> bool {
        let observed = self.previous().and_then(|status| status.observed_generation);
        let same_generation = observed == self.binding.metadata.generation;
        let same_otherwise = self.facts.concluded.as_ref().is_some_and(|concluded| {
            WorkspaceBindingSpec { suspend: None, ..concluded.clone() }
                == WorkspaceBindingSpec { suspend: None, ..self.binding.spec.clone() }
        });
        same_generation || same_otherwise
    }

    /// One message for "no such connection" and "not allowed": who is refused learns nothing about what exists.
    fn refused(&self) -> Plan {
        let message = "There is no such connection for this binding: none of that name, or none that allows this namespace, workspace and these projects. Check spec, and ask the connection's owner for an entry in its spec.allowedWorkspaces.";
        let since = condition::since(self.conditions(), About::Accepted, Truth::False).unwrap_or(self.now);
        let end = since + PATIENCE;
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
        self.say(with_progress(claims, progress, reason, message), WorkspaceBindingStatus::default(), wake)
    }

    /// No word of the connection yet. What the status says of this very spec stands; else silence ends after a while.
    fn waiting(&self) -> Plan {
        if self.speaks_of_this_spec() {
            return Plan::Keep { awaiting: false, wake: None };
        }
        let end = self.facts.waiting_since.unwrap_or(self.now) + SILENT;
        if self.now < end {
            return Plan::Keep { awaiting: true, wake: Some(end) };
        }
        // A connection that is being checked for the first time has no state either.
        self.not_ready(None, None, Progress::Reconciling)
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
        let details = WorkspaceBindingStatus { state, connection, conditions: Vec::new(), ..carried };
        self.say(with_progress(claims, progress, reason, &message), details, None)
    }

    /// Whether the proof speaks of every project and permission that the binding names.
    fn covered(&self, proof: &Proof) -> bool {
        self.binding.spec.projects.iter().all(|bound| match proof.projects.get(&bound.key) {
            None => false,
            Some(ProjectProof { granted: Some(granted), .. }) => {
                let asked = granted.asked.as_ref();
                asked.is_none_or(|asked| bound.required().iter().all(|key| asked.contains(key)))
            }
            Some(ProjectProof { granted: None, .. }) => true,
        })
    }

    fn weigh(&self, proof: &Proof) -> Plan {
        let found: Vec<_> = self.binding.spec.projects.iter().map(|bound| Found::of(bound, proof)).collect();
        let gone: Vec<_> = found.iter().filter(|found| found.unusable).map(|found| found.status.key.as_ref()).collect();
        let lacking: Vec<_> =
            found.iter().filter(|found| !found.unusable && !found.status.missing.is_empty()).collect();
        let unanswered = found.iter().any(|found| found.unanswered);
        let missing_summary = missing_line(&found);

        let (reason, message) = if !gone.is_empty() {
            let message = format!(
                "Jira shows no usable project {}: missing, hidden from the account, or archived. Correct the key, or let the account see the project.",
                listed(gone)
            );
            (Reason::ProjectNotFound, message)
        } else if lacking.is_empty() {
            (
                Reason::BindingVerified,
                format!("Every permission that the workspace needs on {} is granted.", self.project_line()),
            )
        } else {
            (
                Reason::PermissionsMissing,
                format!(
                    "The account lacks {missing_summary}. Ask an admin of Jira to grant what is missing; the check goes on by itself."
                ),
            )
        };
        let good = reason == Reason::BindingVerified;
        let ready = if good { Truth::True } else { Truth::False };
        let permissions = match (good, unanswered) {
            (true, false) => Claim::new(About::PermissionsGranted, Truth::True, "Granted", &message),
            (true, true) => {
                let unknown = "This Jira does not say whether every permission is granted.";
                Claim::new(About::PermissionsGranted, Truth::Unknown, "NotAnswered", unknown)
            }
            (false, _) => Claim::new(About::PermissionsGranted, Truth::False, reason.as_str(), &message),
        };
        let claims = vec![
            Claim::new(About::Ready, ready, reason.as_str(), &message),
            accepted(),
            Claim::new(About::Authorized, Truth::True, "ConnectionVerified", "The connection is proven."),
            permissions,
        ];
        let details = WorkspaceBindingStatus {
            state: Some(if good { State::Authorized } else { State::Interrupted }),
            connection: Some(bound(proof)),
            projects: found.into_iter().take(MOST_ENTRIES).map(|found| found.status).collect(),
            projects_summary: Some(self.project_line()),
            missing_summary: Some(missing_summary).filter(|line| !line.is_empty()),
            ..WorkspaceBindingStatus::default()
        };
        let progress = if good { Progress::Settled } else { Progress::Stalled };
        self.say(with_progress(claims, progress, reason, &message), details, None)
    }

    fn project_line(&self) -> String {
        listed(self.binding.spec.projects.iter().map(|project| project.key.as_ref()))
    }

    fn say(&self, claims: Vec<Claim>, details: WorkspaceBindingStatus, wake: Option<Timestamp>) -> Plan {
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
        Plan::Say(Box::new(Statement { claims, details, wake }))
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
