//! Turns what is known about a connection into a question or a plan.
//!
//! In: the object, the values in force, the facts, the time. Out: what to find out next, or what to conclude. Pure and
//! total: no IO, no clock, no logging, no error. Trouble is a [`Finding`]. Every question that is asked fills its slot with
//! an answer of the current pass, and such an answer is never asked for again, so this ends.

mod candidate;
mod claims;
mod consent;
mod details;
mod lacking;
pub mod plan;
mod proof;
pub(super) mod refusal;
mod rest;
mod schedule;
mod verdict;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crds::{
    connection::auth::Method,
    jira::{Deployment, ProjectKey},
};
use k8s_openapi::jiff::Timestamp;

use self::plan::{Plan, Trouble};
pub use self::view::View;
use super::{
    facts::{Demand, Door, GrantQuestion, Identity, Question, Seen, TokenEnd},
    finding::{self, Finding, unanswerable},
    reason::{Reason, Row},
};
use crate::{
    jira::{self, Problem, Project, Rejection},
    metrics::CredentialEnds,
};

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Find this out.
    Ask(Question),
    /// Nothing more has to be known.
    Conclude(Box<Plan>),
    /// The status stands as it is, and Jira is asked later.
    Rest(Rest),
}

/// A pass that leaves everything as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Until when.
    pub until: Timestamp,
    /// When the credential ends.
    pub ends: CredentialEnds,
}

/// Why the walk through the facts stops.
pub(super) enum Stop {
    Ask(Question),
    Found(Finding),
    Rest(Timestamp),
}

/// Decides what comes next for a connection.
#[must_use]
pub fn next(view: View<'_>) -> Next {
    match view.examine() {
        Ok(finding) => Next::Conclude(Box::new(plan::conclude(view, finding, Trouble::None))),
        Err(Stop::Ask(question)) => Next::Ask(question),
        Err(Stop::Found(finding)) => Next::Conclude(Box::new(plan::conclude(view, finding, Trouble::Lasting))),
        Err(Stop::Rest(until)) => Next::Rest(Rest { until, ends: plan::ends(&view) }),
    }
}

/// The earliest version of Data Center that offers OAuth 2.0 to incoming links.
const OAUTH2_SINCE: [u64; 2] = [8, 22];

/// The earliest version of Data Center that offers a method, and what an earlier one lacks. Cloud has higher numbers.
const fn since(method: Method<'_>) -> Option<([u64; 2], &'static str)> {
    match method {
        Method::PersonalAccessToken(_) => Some(([8, 14], "personal access tokens: they came with 8.14. Upgrade Jira.")),
        Method::OAuth2AuthorizationCode(_) => Some((
            OAUTH2_SINCE,
            "OAuth 2.0 for incoming links: it came with 8.22. Use oauth1 or personalAccessToken in spec.auth, or upgrade Jira.",
        )),
        Method::OAuth2ClientCredentials(_) | Method::OAuth1(_) | Method::ApiToken(_) => None,
    }
}

/// How long before its end an access token is no longer used for a new check.
const TOKEN_MARGIN: Duration = Duration::from_secs(60);

impl<'a> View<'a> {
    /// The order of a check. Each line needs what the lines above have established.
    fn examine(&self) -> Result<Finding, Stop> {
        let demand = self.demand()?;
        self.duplicates()?;
        self.not_suspended()?;
        self.route()?;
        let method = self.method()?;
        self.material()?;
        consent::known(self, method)?;
        self.not_held_back()?;
        rest::until(self).map_or(Ok(()), |until| Err(Stop::Rest(until)))?;
        self.server(method)?;
        self.cloud_id(method)?;
        consent::given(self, method)?;
        candidate::tried(self)?;
        self.token(method)?;
        self.identity(method)?;
        let projects = self.projects(demand)?;
        self.grants(demand, &projects)?;
        self.issue_security(&projects)?;
        self.expiry(method)?;
        Ok(plan::weigh(self))
    }

    fn demand(&self) -> Result<&'a Demand, Stop> {
        self.facts.demand.as_ref().ok_or(Stop::Ask(Question::Demand))
    }

    fn duplicates(&self) -> Result<(), Stop> {
        match self.facts.duplicates {
            None => Err(Stop::Ask(Question::Duplicates)),
            Some(_) => Ok(()),
        }
    }

    fn not_suspended(&self) -> Result<(), Stop> {
        if self.spec().suspend != Some(true) {
            return Ok(());
        }
        let message = "Checks are switched off by spec.suspend. Remove it, or set it to false, to go on.";
        Err(Stop::Found(Finding::new(Reason::Suspended, message)))
    }

    fn route(&self) -> Result<(), Stop> {
        match &self.facts.route {
            None => Err(Stop::Ask(Question::Route)),
            Some(Err(refusal)) => Err(Stop::Found(refusal.into())),
            Some(Ok(())) => Ok(()),
        }
    }

    fn method(&self) -> Result<Method<'a>, Stop> {
        let unsupported = |message: &str| Err(Stop::Found(Finding::new(Reason::AuthMethodUnsupported, message)));
        match self.spec().auth.method() {
            None => unsupported("spec.auth must name exactly one method."),
            Some(method) => Ok(method),
        }
    }

    fn material(&self) -> Result<(), Stop> {
        match &self.facts.material {
            None => Err(Stop::Ask(Question::Material)),
            Some(Err(fault)) => Err(Stop::Found(fault.into())),
            Some(Ok(_)) => Ok(()),
        }
    }

    /// Whether the last trouble still forbids to ask Jira anything: backoff, and lock-out safety.
    fn not_held_back(&self) -> Result<(), Stop> {
        if consent::a_person_acts(self) {
            return Ok(());
        }
        if let Some(held) = schedule::held_back(self).or_else(|| refusal::remembered(self)) {
            return Err(Stop::Found(held));
        }
        Ok(())
    }

    fn server(&self, method: Method<'_>) -> Result<(), Stop> {
        let Some(seen) = self.current(self.facts.server.as_ref(), schedule::LOOK) else {
            return Err(Stop::Ask(Question::Server));
        };
        let server = seen.outcome.as_ref().map_err(|problem| self.failed(problem, seen))?;
        let misfit = |reason, message| {
            let again = Some(seen.at + schedule::interval(self));
            // Asked anew at the interval, not only at the daily look: an upgrade or a migration mends it.
            if again <= Some(self.now) && seen.pass != self.facts.pass {
                return Err(Stop::Ask(Question::Server));
            }
            Err(Stop::Found(Finding { again, ..Finding::new(reason, message) }))
        };
        let declared = self.spec().deployment;
        let answered = deployment(server.deployment);
        if declared != answered {
            let (declared, answered) = (declared.as_str(), answered.as_str());
            return misfit(
                Reason::DeploymentMismatch,
                format!(
                    "spec.deployment declares {declared}, and Jira says that it is {answered}. Correct spec.deployment or spec.url."
                ),
            );
        }
        match since(method).filter(|(first, _)| !server.version.is_at_least(first)) {
            None => Ok(()),
            Some((_, lacks)) => {
                misfit(Reason::AuthMethodUnsupported, format!("Jira {} has no {lacks}", server.version.text))
            }
        }
    }

    fn cloud_id(&self, method: Method<'_>) -> Result<(), Stop> {
        if self.spec().deployment != Deployment::Cloud {
            return Ok(());
        }
        let slot = self.facts.cloud_id.as_ref();
        let known = match method {
            Method::ApiToken(_) => self.tolerated(slot, schedule::LOOK),
            _ => self.current(slot, schedule::LOOK),
        };
        let Some(seen) = known else {
            return Err(Stop::Ask(Question::CloudId));
        };
        match (&seen.outcome, method) {
            (Ok(_), _) => Ok(()),
            // An unscoped API token works at the site itself, without the id.
            (Err(problem), Method::ApiToken(_)) if unanswerable(problem) => Ok(()),
            (Err(problem), _) => Err(self.failed(problem, seen)),
        }
    }

    fn token(&self, method: Method<'_>) -> Result<(), Stop> {
        match method {
            Method::OAuth2ClientCredentials(_) => {}
            Method::OAuth2AuthorizationCode(_) | Method::OAuth1(_) => return consent::renewed(self),
            Method::PersonalAccessToken(_) | Method::ApiToken(_) => return Ok(()),
        }
        let usable = |seen: &&Seen<_>| match &seen.outcome {
            Ok(TokenEnd(end)) => seen.pass == self.facts.pass || self.now + TOKEN_MARGIN < *end,
            Err(_) => seen.pass == self.facts.pass,
        };
        let Some(seen) = self.facts.token.as_ref().filter(usable) else {
            return Err(Stop::Ask(Question::Token));
        };
        seen.outcome.as_ref().map_err(|problem| self.failed(problem, seen))?;
        self.replaced()
    }

    /// Applications that hold the token get the next one ahead of its end. Trouble with that is none as long as it lasts.
    fn replaced(&self) -> Result<(), Stop> {
        let due = schedule::replacement(self).is_some_and(|due| due <= self.now);
        let tried = self.facts.renewal.as_ref().is_some_and(|seen| {
            seen.pass == self.facts.pass
                || seen.outcome.as_ref().is_err_and(|problem| consent::must_wait(self, problem, seen))
        });
        if due && !tried { Err(Stop::Ask(Question::Replacement)) } else { Ok(()) }
    }

    fn identity(&self, method: Method<'_>) -> Result<(), Stop> {
        // A token that came after the last proof has proven nothing yet.
        let with_this_token =
            |seen: &&Seen<Identity>| self.facts.token.as_ref().is_none_or(|token| token.number < seen.number);
        // An account that changed is a good answer with a bad meaning: only a new one can mend it.
        let changed = self.facts.trouble.as_ref().is_some_and(|trouble| trouble.reason == Reason::AccountChanged);
        let trusted = |seen: &&Seen<Identity>| !changed || seen.pass == self.facts.pass;
        let known = self.current(self.facts.identity.as_ref(), schedule::interval(self));
        let Some(seen) = known.filter(with_this_token).filter(trusted) else {
            return Err(Stop::Ask(Question::Identity(self.door(method))));
        };
        match &seen.outcome {
            Ok(identity) => {
                refusal::unless_pinned(self, identity, seen).map_or(Ok(()), |changed| Err(Stop::Found(changed)))
            }
            Err(Problem::Rejected(Rejection::Unauthorized | Rejection::Anonymous)) if self.may_be_scoped(method) => {
                Err(Stop::Ask(Question::Identity(Door::Gateway)))
            }
            Err(problem) if consent::tells_of_a_spent_token(problem) && self.token_may_be_spent() => {
                Err(Stop::Ask(Question::Token))
            }
            // The candidate was accepted once and is refused now: asked once more, it gives way to the primary.
            Err(Problem::Rejected(_)) if candidate::may_fall_back(self) => Err(Stop::Ask(Question::Candidate)),
            Err(problem) => Err(consent::refused(self, problem, seen)),
        }
    }

    /// An API token does not tell whether it is scoped; a scoped one is refused at the site and works at the gateway.
    fn may_be_scoped(&self, method: Method<'_>) -> bool {
        matches!(method, Method::ApiToken(_))
            && self.facts.door == Some(Door::Site)
            && self.facts.known_cloud_id().is_some()
    }

    /// An access token from an earlier pass may have been ended at Jira before its time.
    fn token_may_be_spent(&self) -> bool {
        match self.facts.known_handshake() {
            Some(handshake) => consent::may_be_spent(self, handshake),
            None => self.facts.token.as_ref().is_some_and(|token| token.pass != self.facts.pass),
        }
    }

    fn door(&self, method: Method<'_>) -> Door {
        match (self.spec().deployment, method) {
            (Deployment::DataCenter, _) => Door::Site,
            (Deployment::Cloud, Method::ApiToken(_)) => {
                self.facts.known_identity().and(self.facts.door).unwrap_or(Door::Site)
            }
            (Deployment::Cloud, _) => Door::Gateway,
        }
    }

    /// Every project that the connection or a binding needs, with Jira's word on whether it exists.
    fn projects(&self, demand: &Demand) -> Result<BTreeMap<ProjectKey, &'a Project>, Stop> {
        let wanted = self.wanted_projects(demand);
        let current = |key: &ProjectKey| {
            self.tolerated(self.facts.projects.get(key), schedule::LOOK).filter(|seen| !self.vanished(key, seen))
        };
        let stale: BTreeSet<_> = wanted.iter().filter(|key| current(key).is_none()).cloned().collect();
        if !stale.is_empty() {
            return Err(Stop::Ask(Question::Projects(stale)));
        }
        let mut present = BTreeMap::new();
        for key in wanted {
            let Some(seen) = self.facts.projects.get(&key) else {
                continue;
            };
            match &seen.outcome {
                Ok(Some(project)) => _ = present.insert(key, project),
                Ok(None) => {}
                Err(problem) if unanswerable(problem) => {}
                Err(problem) => return Err(self.refused_midway(problem, seen)),
            }
        }
        Ok(present)
    }

    /// A project on which nothing at all is granted may have been deleted or hidden since it was last looked at.
    fn vanished(&self, key: &ProjectKey, looked: &Seen<Option<Project>>) -> bool {
        let Some(granted) = self.facts.grants.get(key) else {
            return false;
        };
        let nothing = match &granted.outcome {
            Ok(granted) => granted.held.is_empty(),
            Err(problem) => matches!(problem, Problem::NotFound),
        };
        nothing
            && granted.pass == self.facts.pass
            && looked.pass != self.facts.pass
            && matches!(looked.outcome, Ok(Some(_)))
    }

    fn grants(&self, demand: &Demand, present: &BTreeMap<ProjectKey, &Project>) -> Result<(), Stop> {
        let interval = schedule::interval(self);
        let stale = |key: &ProjectKey| {
            let seen = self.tolerated(self.facts.grants.get(key), interval);
            let wanted = self.wanted_permissions(demand, key);
            seen.is_none_or(|seen| {
                seen.pass != self.facts.pass && seen.outcome.as_ref().is_ok_and(|grant| !grant.covers(wanted.iter()))
            })
        };
        let global = self.requires_global() && self.tolerated(self.facts.global.as_ref(), interval).is_none();
        let due: BTreeSet<_> = present.keys().filter(|key| stale(key)).collect();
        if global || !due.is_empty() {
            // Cloud answers for all projects at once, so one that is due renews all.
            let all = self.spec().deployment == Deployment::Cloud;
            let asked = present.iter().filter(|(key, _)| all || due.contains(key));
            let projects: BTreeMap<_, _> = asked.map(|(key, project)| (key.clone(), project.id)).collect();
            let wanted: BTreeSet<_> = projects.keys().flat_map(|key| self.wanted_permissions(demand, key)).collect();
            let (unrecognized, permissions) = wanted.into_iter().partition(|key| self.facts.unrecognized.contains(key));
            let global = self.requires_global() && (global || all);
            return Err(Stop::Ask(Question::Grants(GrantQuestion { global, projects, permissions, unrecognized })));
        }
        if let Some(seen) = self.facts.global.as_ref().filter(|_| self.requires_global()) {
            self.tolerate(seen)?;
        }
        present.keys().filter_map(|key| self.facts.grants.get(key)).try_for_each(|seen| self.tolerate(seen))
    }

    fn issue_security(&self, present: &BTreeMap<ProjectKey, &Project>) -> Result<(), Stop> {
        let tolerable = |problem: &Problem| unanswerable(problem) || matches!(problem, Problem::ScopeMissing);
        let known = |key: &&ProjectKey| {
            self.remembered(self.facts.issue_security.get(*key), schedule::LOOK, tolerable).is_some()
        };
        let stale: BTreeSet<_> = present.keys().filter(|key| !known(key)).cloned().collect();
        if !stale.is_empty() {
            return Err(Stop::Ask(Question::IssueSecurity(stale)));
        }
        present.keys().filter_map(|key| self.facts.issue_security.get(key)).try_for_each(|seen| match &seen.outcome {
            Err(problem) if !tolerable(problem) => Err(self.refused_midway(problem, seen)),
            Ok(_) | Err(_) => Ok(()),
        })
    }

    /// A personal access token can tell its own end. That is no part of a first check, which shall be quick.
    fn expiry(&self, method: Method<'_>) -> Result<(), Stop> {
        let again =
            self.facts.concluded.is_some() && self.facts.identity.as_ref().is_some_and(|it| it.pass == self.facts.pass);
        let due = self.remembered(self.facts.expiry.as_ref(), schedule::LOOK, |_| true).is_none();
        if matches!(method, Method::PersonalAccessToken(_)) && again && due {
            return Err(Stop::Ask(Question::Expiry));
        }
        Ok(())
    }

    /// What this Jira cannot answer becomes unknown; it never fails the connection.
    fn tolerate<T>(&self, seen: &Seen<T>) -> Result<(), Stop> {
        match &seen.outcome {
            Ok(_) => Ok(()),
            Err(problem) if unanswerable(problem) => Ok(()),
            Err(problem) => Err(self.refused_midway(problem, seen)),
        }
    }

    /// What a refusal comes to after the account was proven: the token may have ended since.
    fn refused_midway<T>(&self, problem: &Problem, seen: &Seen<T>) -> Stop {
        if consent::tells_of_a_spent_token(problem) && self.token_may_be_spent() {
            return Stop::Ask(Question::Token);
        }
        consent::refused(self, problem, seen)
    }

    /// A remembered answer that still counts: one of this pass, or a good one that is young enough.
    fn current<'s, T>(&self, slot: Option<&'s Seen<T>>, period: Duration) -> Option<&'s Seen<T>> {
        self.tolerated(slot, period).filter(|seen| seen.pass == self.facts.pass || seen.outcome.is_ok())
    }

    /// The same, where "Jira does not say" counts as an answer.
    fn tolerated<'s, T>(&self, slot: Option<&'s Seen<T>>, period: Duration) -> Option<&'s Seen<T>> {
        self.remembered(slot, period, unanswerable)
    }

    fn remembered<'s, T>(
        &self,
        slot: Option<&'s Seen<T>>,
        period: Duration,
        tolerable: fn(&Problem) -> bool,
    ) -> Option<&'s Seen<T>> {
        let seen = slot?;
        if seen.pass == self.facts.pass {
            // What the token before was refused says nothing of the present one.
            let newer = self.facts.token.as_ref().is_some_and(|token| seen.number < token.number);
            let spent = seen.outcome.as_ref().is_err_and(consent::tells_of_a_spent_token);
            return (!(newer && spent)).then_some(seen);
        }
        let answered = seen.outcome.as_ref().map_or_else(tolerable, |_| true);
        let young = self.now < schedule::due(self, seen, period);
        (answered && young && !refusal::asked_for_a_check(self)).then_some(seen)
    }

    fn failed<T>(&self, problem: &Problem, seen: &Seen<T>) -> Stop {
        let reason = finding::reason(problem);
        let found = Finding::problem(problem, self.host(), schedule::again(self, problem, seen));
        Stop::Found(match reason.row() {
            Row::Refused => refusal::tried_again(self, found, seen.at),
            Row::Proven
            | Row::Pending
            | Row::Awaiting
            | Row::Unresolved
            | Row::Lacking
            | Row::Outage
            | Row::Misfit
            | Row::Limited
            | Row::Suspended => found,
        })
    }
}

fn deployment(answered: jira::Deployment) -> Deployment {
    match answered {
        jira::Deployment::Cloud => Deployment::Cloud,
        jira::Deployment::DataCenter => Deployment::DataCenter,
    }
}

#[cfg(test)]
mod tests;
