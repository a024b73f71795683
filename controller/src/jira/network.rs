//! The operator's side of every connection.

use std::{fmt, net::IpAddr, sync::Arc};

use ipnet::IpNet;
use thiserror::Error;
use url::Url;

use super::{
    Connection, Jira,
    authority::Authority,
    budget::{Budgets, HostBudget, Turn, Urgency},
    bundle,
    clients::{Clients, Egress, Settings, certificates},
    cloud_id::CloudId,
    denied_networks::DeniedNetworks,
    endpoint::Endpoint,
    host_pattern::HostPattern,
    problem::Problem,
    proxy::Proxy,
    route::{Route, RouteFault},
    site::{Site, below},
    tally::{OutcomeClass, RequestTally},
};

/// Operator-wide rules and shared resources: who may be contacted, Atlassian's hosts, further certificate authorities,
/// the proxy, HTTP clients, and budgets by host. Cheap to clone; the clones share everything.
#[derive(Clone)]
pub struct Network(Arc<Shared>);

struct Shared {
    auth_url: Url,
    api_url: Url,
    allowed: Vec<HostPattern>,
    proxy: Option<Proxy>,
    /// The extra certificates, as PEM.
    extra_ca: String,
    clients: Clients,
    budgets: Budgets,
    tally: RequestTally,
}

/// What the operator's owner decides about the network.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Base URL of Atlassian's authorization server, `https://auth.atlassian.com` for the public Cloud. Exempt from
    /// `allowed_hosts`, not from `denied_networks`.
    pub atlassian_auth_url: Url,
    /// Base URL of Atlassian's API gateway, `https://api.atlassian.com` for the public Cloud. Exempt as the other one.
    pub atlassian_api_url: Url,
    /// Hosts that connections and their proxies may be at. None is allowed where the list is empty.
    pub allowed_hosts: Vec<HostPattern>,
    /// Networks that are never contacted, in whatever form an address is written, and checked after name resolution.
    pub denied_networks: Vec<IpNet>,
    /// Certificate authorities, as a PEM bundle, that are trusted besides the system's. May be empty.
    pub extra_ca: Vec<u8>,
    /// Proxy of every connection without one of its own. Neither list above holds for it, as the owner chose it.
    pub proxy: Option<Proxy>,
}

/// Why the operator cannot start with its [`NetworkConfig`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NetworkFault {
    /// One of Atlassian's URLs is not https, or has a user name, a query or a fragment.
    #[error("Atlassian's URLs must start with https:// and have neither user name nor query nor fragment")]
    AtlassianUrl,
    /// The extra CA bundle cannot be used.
    #[error("the operator's extra CA bundle cannot be used: {0}")]
    ExtraCa(RouteFault),
    /// Nothing is trusted: there is no bundle of the system and no extra one.
    #[error("no certificate authority is trusted: provide the system's bundle (SSL_CERT_FILE) or an extra CA bundle")]
    NothingTrusted,
}

impl Network {
    /// Reads the certificate authorities and makes the first client.
    ///
    /// # Errors
    /// [`NetworkFault`] for what cannot be used.
    ///
    /// # Panics
    /// When no rustls crypto provider is installed for the process; `main` installs one before anything else.
    pub fn new(config: NetworkConfig) -> Result<Self, NetworkFault> {
        let extra_pem = bundle::certificates(&String::from_utf8_lossy(&config.extra_ca));
        let extra_ca = match config.extra_ca.trim_ascii() {
            [] => Vec::new(),
            pem => certificates(pem).map_err(NetworkFault::ExtraCa)?,
        };
        let clients = Clients::new(extra_ca, Arc::new(DeniedNetworks::new(config.denied_networks)));
        // With all certificates checked before, this fails only where none is found.
        let plain = Settings { ca: None, client_certificate: None, egress: Egress::Direct };
        clients.get(&plain).map_err(|_| NetworkFault::NothingTrusted)?;
        Ok(Self(Arc::new(Shared {
            auth_url: atlassian(&config.atlassian_auth_url)?,
            api_url: atlassian(&config.atlassian_api_url)?,
            allowed: config.allowed_hosts,
            proxy: config.proxy,
            extra_ca: extra_pem,
            clients,
            budgets: Budgets::default(),
            tally: RequestTally::default(),
        })))
    }

    /// Whether connections may point at this site, by its name. Its addresses are checked when it is contacted.
    #[must_use]
    pub fn allows(&self, site: &Site) -> bool {
        self.allows_authority(site.authority())
    }

    /// Prepares a connection. Nothing is sent, and nothing is remembered of an earlier connection.
    ///
    /// A site or proxy that may not be contacted is no fault of the route: each request then ends in
    /// [`Problem::HostNotAllowed`].
    ///
    /// # Errors
    /// [`RouteFault`] for certificates, a key or a proxy that cannot be used.
    pub fn connect(&self, route: Route) -> Result<Jira, RouteFault> {
        let egress = match (route.proxy, &self.0.proxy) {
            (Some(proxy), _) => Egress::Connection(proxy),
            (None, Some(proxy)) => Egress::Operator(proxy.clone()),
            (None, None) => Egress::Direct,
        };
        let mut settings = Settings { ca: route.ca, client_certificate: route.client_certificate, egress };
        let site_client = self.0.clients.get(&settings)?;
        settings.client_certificate = None;
        let atlassian_client = self.0.clients.get(&settings)?;
        let connection = Connection {
            network: self.clone(),
            site: route.site,
            headers: route.headers,
            timeout: route.timeout,
            egress: settings.egress,
            site_client,
            atlassian_client,
        };
        Ok(Jira { connection: Arc::new(connection) })
    }

    /// Certificates of the authorities, as PEM, that a connection with this bundle trusts besides the system's. `None` where
    /// there are none. What else the bundle holds is left out.
    #[must_use]
    pub fn certificates(&self, bundle: Option<&str>) -> Option<String> {
        let certificates = bundle.map(bundle::certificates).unwrap_or_default() + &self.0.extra_ca;
        Some(certificates).filter(|it| !it.is_empty())
    }

    /// Base URL of the REST API of one Cloud site at Atlassian's gateway: where an OAuth 2.0 access token works, as
    /// `https://api.atlassian.com/ex/jira/11111111-2222-3333-4444-555555555555`.
    #[must_use]
    pub fn cloud_api(&self, cloud_id: &CloudId) -> String {
        self.gateway(cloud_id, "").to_string()
    }

    /// How often each endpoint was asked since the start, by how it ended. Pairs that never occurred are left out.
    #[must_use]
    pub fn tally(&self) -> Vec<(Endpoint, OutcomeClass, u64)> {
        self.0.tally.counts()
    }

    /// What is left of the budget of each host that was asked lately.
    #[must_use]
    pub fn budgets(&self) -> Vec<HostBudget> {
        self.0.budgets.left()
    }

    pub(super) fn count(&self, endpoint: Endpoint, class: OutcomeClass) {
        self.0.tally.count(endpoint, class);
    }

    pub(super) fn allows_authority(&self, authority: &Authority) -> bool {
        self.0.allowed.iter().any(|it| it.fits(authority))
    }

    pub(super) fn denies(&self, address: IpAddr) -> bool {
        self.0.clients.denied().contain(address)
    }

    pub(super) async fn denies_name(&self, name: &str) -> bool {
        self.0.clients.denied().contain_host(name).await
    }

    /// Forgets what hosts have said of their limits.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn forget_limits(&self) {
        self.0.budgets.forget();
    }

    pub(super) async fn turn(
        &self,
        host: &Authority,
        tenant: Option<&CloudId>,
        urgency: Urgency,
    ) -> Result<Turn, Problem> {
        self.0.budgets.turn(host, tenant, urgency).await
    }

    /// An address at Atlassian's authorization server.
    pub(super) fn auth_server(&self, path: &str) -> Url {
        below(&self.0.auth_url, path)
    }

    /// An address at Atlassian's API host that belongs to no site.
    pub(super) fn api_host(&self, path: &str) -> Url {
        below(&self.0.api_url, path)
    }

    /// An address of one Cloud site at Atlassian's gateway.
    pub(super) fn gateway(&self, cloud_id: &CloudId, path: &str) -> Url {
        below(&self.0.api_url, &format!("/ex/jira/{cloud_id}{path}"))
    }
}

/// Atlassian's URLs obey the grammar of a site.
fn atlassian(url: &Url) -> Result<Url, NetworkFault> {
    Site::parse(url.as_str()).map(|it| it.url("")).map_err(|_| NetworkFault::AtlassianUrl)
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("allowed", &self.0.allowed).finish_non_exhaustive()
    }
}
