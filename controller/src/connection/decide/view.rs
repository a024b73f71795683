//! A connection in one pass, and what can be read off it.

use std::{collections::BTreeSet, time::Duration};

use crds::{
    JiraConnection, JiraConnectionSpec, JiraConnectionStatus,
    connection::{
        GlobalPermission,
        status::{Effective, MOST_ENTRIES},
    },
    jira::{PermissionKey, ProjectKey},
};
use k8s_openapi::jiff::Timestamp;

use crate::{
    condition::{self, About, Claim, Truth},
    connection::{
        facts::{Demand, Facts},
        references,
    },
    jira::Project,
    spec_digest::SpecDigest,
};

/// A connection in one pass: everything that a decision may look at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The object as it is in the API server, with the status written last.
    pub connection: &'a JiraConnection,
    /// Values in force.
    pub settings: &'a Effective,
    /// Address of the connection's page, which Jira's application link calls the application URL.
    pub application_url: &'a str,
    /// What is known.
    pub facts: &'a Facts,
    /// The time of this pass.
    pub now: Timestamp,
}

impl<'a> View<'a> {
    pub(super) fn spec(&self) -> &'a JiraConnectionSpec {
        &self.connection.spec
    }

    /// Name of the Secret that holds the credential in use.
    pub(super) fn credential_name(&self) -> Option<&'a str> {
        references::credential(self.spec(), self.facts.active())
    }

    /// Whether the status speaks of this generation and of the referenced objects as they are now.
    pub(super) fn same_material(&self) -> bool {
        let told = self.previous_status().filter(|it| it.observed_generation == self.connection.metadata.generation);
        let told = told.and_then(|status| status.credentials.as_ref());
        let Some(Ok(observed)) = &self.facts.material else {
            return false;
        };
        told.is_some_and(|told| told.observed.iter().eq(observed.iter().take(MOST_ENTRIES)))
    }

    pub(super) fn wanted_projects(&self, demand: &Demand) -> BTreeSet<ProjectKey> {
        self.own_projects().chain(demand.projects.keys()).cloned().collect()
    }

    pub(super) fn own_projects(&self) -> impl Iterator<Item = &'a ProjectKey> + use<'a> {
        self.spec().permissions.iter().flat_map(|required| required.projects.iter().flatten())
    }

    pub(super) fn requires_global(&self) -> bool {
        let declared = self.spec().permissions.as_ref().and_then(|required| required.global);
        declared.unwrap_or(GlobalPermission::Required) == GlobalPermission::Required
    }

    /// Permissions that somebody needs on a project.
    pub(super) fn wanted_permissions(&self, demand: &Demand, project: &ProjectKey) -> BTreeSet<PermissionKey> {
        let own =
            self.own_projects().any(|key| key == project).then(PermissionKey::of_a_workspace).into_iter().flatten();
        own.chain(demand.projects.get(project).into_iter().flatten().cloned()).collect()
    }

    pub(super) fn previous_status(&self) -> Option<&JiraConnectionStatus> {
        self.connection.status.as_ref()
    }

    pub(super) fn previous_conditions(&self) -> &[crds::Condition] {
        self.previous_status().map_or(&[], |status| &status.conditions)
    }

    pub(super) fn standing(&self, about: About) -> Option<Claim> {
        condition::find(self.previous_conditions(), about).and_then(Claim::standing)
    }

    /// Since when a condition stands at `status`: since now, if it did not before.
    pub(super) fn since(&self, about: About, status: Truth) -> Timestamp {
        condition::since(self.previous_conditions(), about, status).unwrap_or(self.now)
    }

    pub(super) fn grace(&self) -> Duration {
        self.settings.grace.into()
    }

    /// Whether this very spec has been proven.
    pub(super) fn was_ready(&self) -> bool {
        let same = self
            .previous_status()
            .is_some_and(|status| status.observed_generation == self.connection.metadata.generation);
        same && condition::is(self.previous_conditions(), About::Ready, Truth::True)
    }

    /// Whether the spec says what it said at the last conclusion, `suspend` aside.
    pub(super) fn only_suspension_changed(&self) -> bool {
        let observed = self.previous_status().and_then(|status| status.observed_generation);
        let same_generation = observed == self.connection.metadata.generation;
        same_generation || self.facts.concluded == Some(SpecDigest::of_connection(self.spec()))
    }

    /// Host and port of the connection's Jira, for messages.
    pub(super) fn host(&self) -> &'a str {
        let url = &self.spec().url;
        let rest = url.strip_prefix("https://").unwrap_or(url);
        rest.split(['/', '?', '#']).next().unwrap_or(rest)
    }

    /// A project, if Jira showed it.
    pub(super) fn present(&self, key: &ProjectKey) -> Option<&'a Project> {
        self.facts.projects.get(key)?.outcome.as_ref().ok()?.as_ref()
    }
}
