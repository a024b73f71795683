//! The Secret that an application mounts, in the form of the Service Binding specification for Kubernetes (servicebinding.io).

use std::collections::BTreeMap;

use crds::{WorkspaceBinding, jira::Deployment};

use super::facts::Lent;
use crate::{
    jira::Site,
    lending::{Borrowing, Terms},
    proof::Proof,
};

/// `type` of every projected Secret: that of the specification for services of the type `jira`.
pub const SECRET_TYPE: &str = "servicebinding.io/jira";

/// Key of the access token.
pub const ACCESS_TOKEN: &str = "accessToken";
/// Key of its end, RFC 3339 in UTC.
pub const ACCESS_TOKEN_ENDS_AT: &str = "accessTokenEndsAt";

/// Kind of service, as the specification calls it.
const TYPE: (&str, &str) = ("type", "jira");
/// Who provides it.
const PROVIDER: (&str, &str) = ("provider", "atlassian");
/// Base URL of the REST API, `/rest/api/2` and what follows excluded, and its host and port.
const URI: &str = "uri";
const HOST: &str = "host";
const PORT: &str = "port";
/// Base URL of Jira as people open it.
const SITE_URL: &str = "siteUrl";
const DEPLOYMENT: &str = "deployment";
const CLOUD_ID: &str = "cloudId";
/// Keys of the projects, separated by commas.
const PROJECTS: &str = "projects";
const DEFAULT_ASSIGNEE: &str = "defaultAssignee";
/// Certificates that are to be trusted besides the public ones, PEM.
const CERTIFICATES: &str = "ca.crt";

/// What stands under the name that the spec gives the Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Absent,
    /// The binding's own Secret.
    Own,
    /// That of a former binding of this name, which Kubernetes is about to remove.
    Former,
    /// Somebody else's.
    Foreign,
}

/// What there shall be of projected Secrets. A name that is not told to stay goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Projection {
    /// Whatever is there.
    Untouched,
    /// None.
    None,
    /// At most the one of this name, as it stands.
    AsItStands(String),
    /// This one.
    Present(Box<Content>),
}

/// What a projected Secret shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its name.
    pub name: String,
    /// What it holds besides the access token, by key.
    pub entries: BTreeMap<&'static str, String>,
    /// Whether it holds the access token that the connection lends.
    pub token: bool,
}

impl Content {
    /// The content for a binding. An access token works at Atlassian's gateway and nowhere else on Cloud, so with one, `uri`
    /// leads there.
    #[must_use]
    pub fn of(name: &str, binding: &WorkspaceBinding, proof: &Proof, terms: Terms, lent: &Lent) -> Self {
        let token = Borrowing::of(binding, terms) == Borrowing::Token;
        let gateway = lent.cloud_api.as_ref().filter(|_| token && proof.deployment == Deployment::Cloud);
        let uri = gateway.unwrap_or(&proof.url);
        let projects: Vec<_> = binding.spec.projects.iter().map(|project| project.key.as_ref()).collect();
        let mut entries = BTreeMap::from([
            (TYPE.0, TYPE.1.to_owned()),
            (PROVIDER.0, PROVIDER.1.to_owned()),
            (URI, uri.trim_end_matches('/').to_owned()),
            (SITE_URL, proof.url.trim_end_matches('/').to_owned()),
            (DEPLOYMENT, deployment(proof.deployment).to_owned()),
            (PROJECTS, projects.join(",")),
        ]);
        if let Ok(site) = Site::parse(uri) {
            entries.insert(HOST, site.host().to_owned());
            entries.insert(PORT, site.port().to_string());
        }
        let optional = [
            (CLOUD_ID, proof.cloud_id.clone()),
            (DEFAULT_ASSIGNEE, proof.default_assignee.clone()),
            (CERTIFICATES, lent.certificates.as_deref().map(str::to_owned)),
        ];
        entries.extend(optional.into_iter().filter_map(|(key, value)| Some((key, value?))));
        Self { name: name.to_owned(), entries, token }
    }
}

/// As `spec.deployment` of a connection has it.
const fn deployment(deployment: Deployment) -> &'static str {
    match deployment {
        Deployment::Cloud => "Cloud",
        Deployment::DataCenter => "DataCenter",
    }
}
