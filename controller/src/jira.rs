//! Jira over HTTP: the only code that knows its paths, JSON, headers and limits.
//!
//! ```text
//!            Route (site, headers, CA, client certificate, proxy, timeout)
//!              │
//!   Network ───┴──▶ Jira ──▶ server() cloud_id() account() project() permissions() …
//!      │                        │  exchange_code() refresh() request_token() renew_session() …
//!      │                        │  every one of them through
//!      │                        ▼
//!      │   allowed? ─▶ budget ─▶ send ─▶ read at most 1 MiB ─▶ classify   (exchange.rs)
//!      │                                                          │
//!      └── clients, budgets, denied networks, tally               └─▶ Result<answer, Problem>
//! ```
//!
//! A [`Network`] is the operator's side: who may be contacted, and what all connections share. A [`Jira`] is one
//! connection's side. Whatever goes wrong comes out as a [`Problem`], which holds neither secrets nor anything that
//! differs from one attempt to the next.

mod account;
mod answer;
mod authority;
mod authorization;
mod budget;
mod bundle;
mod classify;
mod clients;
mod cloud_id;
mod consent;
mod covered_site;
mod denied_networks;
mod endpoint;
mod exchange;
mod header;
mod host_pattern;
mod issue_security;
mod network;
mod oauth_problem;
mod permission;
mod personal_access_token;
mod problem;
mod project;
mod proxy;
#[cfg(any(test, fuzzing))]
pub(crate) mod rehearsal;
mod retry_after;
mod route;
mod server;
mod session;
mod session_token;
mod site;
mod tally;
mod text;
mod token;
mod transport;
#[cfg(test)]
mod wire;

use std::{fmt, sync::Arc, time::Duration};

pub use self::{
    account::{Account, AccountKind},
    authorization::{Authorization, Signer},
    budget::HostBudget,
    cloud_id::{CloudId, InvalidCloudId},
    consent::AuthorizationRequest,
    covered_site::{CoveredSite, choose},
    endpoint::Endpoint,
    exchange::Unrenewed,
    header::{CustomHeader, InvalidHeader},
    host_pattern::{HostPattern, InvalidHostPattern},
    issue_security::IssueSecurity,
    network::{Network, NetworkConfig, NetworkFault},
    permission::GrantedPermissions,
    personal_access_token::PersonalAccessToken,
    problem::{Gibberish, Interceptor, LimitReach, OAuth1Problem, Outage, Problem, Rejection, TlsFault},
    project::Project,
    proxy::{InvalidProxy, Proxy},
    route::{ClientCertificate, Route, RouteFault},
    server::{Deployment, Server, Version},
    session::{ApiBase, Session},
    session_token::{RequestToken, SessionToken},
    site::{InvalidSite, Site},
    tally::OutcomeClass,
    text::clean,
    token::{AccessToken, ClientCredentials, TokenSet},
};
use self::{
    answer::Answer,
    authorization::Proof,
    clients::Egress,
    exchange::{Call, Payload},
    session::Party,
};

/// One Jira, ready to be asked. Cheap to clone; the clones share everything.
///
/// Each method sends one request unless it says otherwise, and does not try again by itself. Made by
/// [`Network::connect`].
#[derive(Clone)]
pub struct Jira {
    connection: Arc<Connection>,
}

/// What a [`Jira`] and its clones share.
struct Connection {
    network: Network,
    site: Site,
    headers: Vec<CustomHeader>,
    timeout: Duration,
    egress: Egress,
    /// Presents the connection's client certificate, so it asks nobody but the site.
    site_client: reqwest::Client,
    /// The same without the client certificate, for Atlassian's own hosts.
    atlassian_client: reqwest::Client,
}

impl Jira {
    /// The Jira that this connection was made for.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.connection.site
    }

    /// Asks the site without a credential, before anything is known about it.
    async fn discover(&self, endpoint: Endpoint) -> Result<Answer, Problem> {
        let call = Call {
            endpoint,
            party: Party::Site,
            url: self.site().url(endpoint.template()),
            proof: Proof::None,
            payload: Payload::None,
        };
        self.exchange(call).await
    }

    /// Asks a resource of the REST API with GET. `query` is percent-encoded here.
    async fn get(
        &self,
        session: &Session,
        endpoint: Endpoint,
        key: &str,
        query: &[(&str, &str)],
    ) -> Result<Answer, Problem> {
        self.rest(session, endpoint, key, query, Payload::None).await
    }

    async fn rest(
        &self,
        session: &Session,
        endpoint: Endpoint,
        key: &str,
        query: &[(&str, &str)],
        payload: Payload,
    ) -> Result<Answer, Problem> {
        let path = endpoint.template().replace("{version}", session.base.version()).replace("{key}", key);
        let mut url = match &session.base {
            ApiBase::DataCenter | ApiBase::CloudSite => self.site().url(&path),
            ApiBase::CloudGateway(cloud_id) => self.connection.network.gateway(cloud_id, &path),
        };
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let proof = Proof::Session(&session.authorization);
        self.exchange(Call { endpoint, party: session.base.party(), url, proof, payload }).await
    }
}

impl fmt::Debug for Jira {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jira").field("site", self.site()).finish_non_exhaustive()
    }
}
