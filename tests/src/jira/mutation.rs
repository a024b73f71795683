//! Changes of one thing in an instance at run time.

use serde::{Deserialize, Serialize};

use super::Error;
use super::instance::{Account, AccountStatus, Certificate, Credential, Deployment, Instance, Project};

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
    /// Shows another certificate; open connections end.
    SetCertificate {
        /// Which.
        certificate: Certificate,
    },
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
        }
        Ok(())
    }
}

fn missing(instance: &Instance, wanted: &str) -> Error {
    Error::Missing { instance: instance.name.clone(), wanted: wanted.to_owned() }
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
