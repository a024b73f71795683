//! Changes of one thing in an instance at run time.

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Error;
use super::instance::{
    Account, AccountStatus, Certificate, Consumer, Credential, DataCenter, Deployment, IncomingLink, Instance, Project,
};
use super::world::World;

/// A change of one thing. Credentials are named by their [`Credential::handle`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Mutation {
    /// Gives an account a further credential.
    AddCredential {
        /// Account id.
        account: String,
        /// The credential.
        credential: Credential,
    },
    /// Takes a credential away.
    RevokeCredential {
        /// Token, client id or password.
        credential: String,
    },
    /// Lets a credential stand for another account.
    MoveCredential {
        /// Token, client id or password.
        credential: String,
        /// Account id.
        account: String,
    },
    /// Activates or deactivates an account.
    SetAccountStatus {
        /// Account id.
        account: String,
        /// New status.
        status: AccountStatus,
    },
    /// Grants project permissions.
    Grant {
        /// Project key.
        project: String,
        /// Account id, or `anonymous`.
        account: String,
        /// Permission keys.
        permissions: Vec<String>,
    },
    /// Takes project permissions away.
    Revoke {
        /// Project key.
        project: String,
        /// Account id, or `anonymous`.
        account: String,
        /// Permission keys.
        permissions: Vec<String>,
    },
    /// Grants global permissions.
    GrantGlobal {
        /// Account id.
        account: String,
        /// Permission keys.
        permissions: Vec<String>,
    },
    /// Takes global permissions away.
    RevokeGlobal {
        /// Account id.
        account: String,
        /// Permission keys.
        permissions: Vec<String>,
    },
    /// Adds a project.
    AddProject {
        /// The project.
        project: Project,
    },
    /// Deletes a project.
    RemoveProject {
        /// Project key.
        project: String,
    },
    /// Upgrades or downgrades Data Center.
    SetVersion {
        /// Version.
        version: String,
    },
    /// Data Center: makes an incoming link.
    AddLink {
        /// The link.
        link: IncomingLink,
    },
    /// Data Center: deletes an incoming link, and what it was granted.
    RemoveLink {
        /// Client id.
        client: String,
    },
    /// Data Center: makes a consumer of OAuth 1.0a, as an admin does who pastes the values into the form.
    AddConsumer {
        /// The consumer.
        consumer: Consumer,
    },
    /// Data Center: deletes a consumer of OAuth 1.0a, and what it was granted.
    RemoveConsumer {
        /// Consumer key.
        key: String,
    },
    /// Ends consents with all their tokens: a person or an admin took them back. On Cloud those that reach the site.
    RevokeGrants(Whose),
    /// Ends access tokens of consents. They can be refreshed or renewed.
    ExpireAccessTokens(Whose),
    /// Ends refresh tokens and sessions of consents. Access tokens go on to their own end.
    ExpireRefreshTokens(Whose),
    /// Shows another certificate; open connections end.
    SetCertificate {
        /// Which.
        certificate: Certificate,
    },
}

/// Which consents are meant: those of an account, of a client, of both together, or all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Whose {
    /// Account id. Absent: anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Client id, or consumer key. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

impl Whose {
    /// Those of an account.
    #[must_use]
    pub fn account(id: &str) -> Self {
        Self { account: Some(id.to_owned()), client: None }
    }

    /// Those of a client or consumer.
    #[must_use]
    pub fn client(id: &str) -> Self {
        Self { account: None, client: Some(id.to_owned()) }
    }

    pub(super) fn covers(&self, account: &str, client: &str) -> bool {
        self.account.as_deref().is_none_or(|wanted| wanted == account)
            && self.client.as_deref().is_none_or(|wanted| wanted == client)
    }
}

impl Mutation {
    pub(super) fn apply(&self, instance: &mut Instance) -> Result<(), Error> {
        match self {
            Self::AddCredential { account, credential } => {
                account_of(instance, account)?.credentials.push(credential.clone());
            }
            Self::RevokeCredential { credential } => {
                taken(instance, credential)?;
            }
            Self::MoveCredential { credential, account } => {
                account_of(instance, account)?;
                let moved = taken(instance, credential)?;
                account_of(instance, account)?.credentials.push(moved);
            }
            Self::SetAccountStatus { account, status } => account_of(instance, account)?.status = *status,
            Self::Grant { project, account, permissions } => {
                let held = project_of(instance, project)?.grants.entry(account.clone()).or_default();
                held.extend(permissions.iter().cloned());
            }
            Self::Revoke { project, account, permissions } => {
                let held = project_of(instance, project)?.grants.entry(account.clone()).or_default();
                held.retain(|key| !permissions.contains(key));
            }
            Self::GrantGlobal { account, permissions } => {
                account_of(instance, account)?.global_permissions.extend(permissions.iter().cloned());
            }
            Self::RevokeGlobal { account, permissions } => {
                account_of(instance, account)?.global_permissions.retain(|key| !permissions.contains(key));
            }
            Self::AddProject { project } => instance.projects.push(project.clone()),
            Self::RemoveProject { project } => {
                project_of(instance, project)?;
                instance.projects.retain(|present| present.key != *project);
            }
            Self::SetVersion { version } => match &mut instance.deployment {
                Deployment::DataCenter(center) => center.version.clone_from(version),
                Deployment::Cloud(_) => return Err(missing(instance, "version")),
            },
            Self::SetCertificate { certificate } => instance.transport.certificate = *certificate,
            Self::AddLink { link } => center_of(instance)?.incoming_links.push(link.clone()),
            Self::RemoveLink { client } => {
                let error = missing(instance, &format!("incoming link {client}"));
                let links = &mut center_of(instance)?.incoming_links;
                let place = links.iter().position(|link| link.client_id == *client).ok_or(error)?;
                links.remove(place);
            }
            Self::AddConsumer { consumer } => center_of(instance)?.consumers.push(consumer.clone()),
            Self::RemoveConsumer { key } => {
                let error = missing(instance, &format!("consumer {key}"));
                let consumers = &mut center_of(instance)?.consumers;
                let place = consumers.iter().position(|consumer| consumer.key == *key).ok_or(error)?;
                consumers.remove(place);
            }
            // Nothing of the description: consents are made by requests.
            Self::RevokeGrants(_) | Self::ExpireAccessTokens(_) | Self::ExpireRefreshTokens(_) => {}
        }
        Ok(())
    }

    /// Changes what requests have made: consents and their tokens.
    pub(super) fn affect(&self, world: &mut World, name: &str, now: Timestamp) {
        let World { sites, auth, .. } = world;
        let Some(site) = sites.get_mut(name) else {
            return;
        };
        let cloud_id = site.instance.cloud_id().map(str::to_owned);
        match (self, cloud_id) {
            (Self::RevokeGrants(whose), Some(cloud_id)) => auth.revoke(whose, &cloud_id),
            (Self::RevokeGrants(whose), None) => {
                site.provider.revoke(whose);
                site.signed.revoke(whose);
            }
            (Self::ExpireAccessTokens(whose), Some(cloud_id)) => auth.forget_access_tokens(whose, &cloud_id),
            (Self::ExpireAccessTokens(whose), None) => {
                site.provider.forget_access_tokens(whose);
                site.signed.expire_access_tokens(whose, now);
            }
            (Self::ExpireRefreshTokens(whose), Some(cloud_id)) => auth.forget_refresh_tokens(whose, &cloud_id),
            (Self::ExpireRefreshTokens(whose), None) => {
                site.provider.forget_refresh_tokens(whose);
                site.signed.expire_sessions(whose, now);
            }
            (
                Self::AddCredential { .. }
                | Self::RevokeCredential { .. }
                | Self::MoveCredential { .. }
                | Self::SetAccountStatus { .. }
                | Self::Grant { .. }
                | Self::Revoke { .. }
                | Self::GrantGlobal { .. }
                | Self::RevokeGlobal { .. }
                | Self::AddProject { .. }
                | Self::RemoveProject { .. }
                | Self::SetVersion { .. }
                | Self::SetCertificate { .. }
                | Self::AddLink { .. }
                | Self::RemoveLink { .. }
                | Self::AddConsumer { .. }
                | Self::RemoveConsumer { .. },
                _,
            ) => {}
        }
    }
}

fn missing(instance: &Instance, wanted: &str) -> Error {
    Error::Missing { instance: instance.name.clone(), wanted: wanted.to_owned() }
}

fn center_of(instance: &mut Instance) -> Result<&mut DataCenter, Error> {
    let error = missing(instance, "application links");
    instance.center_mut().ok_or(error)
}

fn account_of<'a>(instance: &'a mut Instance, id: &str) -> Result<&'a mut Account, Error> {
    let error = missing(instance, &format!("account {id}"));
    instance.account_mut(id).ok_or(error)
}

fn project_of<'a>(instance: &'a mut Instance, key: &str) -> Result<&'a mut Project, Error> {
    let error = missing(instance, &format!("project {key}"));
    instance.project_mut(key).ok_or(error)
}

/// Takes a credential out of whichever account has it. The handle is not repeated in the error: it may be a secret.
fn taken(instance: &mut Instance, handle: &str) -> Result<Credential, Error> {
    let error = missing(instance, "credential of this handle");
    for account in &mut instance.accounts {
        if let Some(place) = account.credentials.iter().position(|credential| credential.handle() == handle) {
            return Ok(account.credentials.remove(place));
        }
    }
    Err(error)
}
