//! All instances and what happened to them, and the way of a request through it.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::auth::AuthHost;
use super::fault::{Distortion, Fault, Rule, Stand, distortion};
use super::instance::{Account, AccountStatus, Credential, DataCenter, Deployment, Instance};
use super::limit::Buckets;
use super::message::{Reply, Request};
use super::provider::Provider;
use super::session::Sessions;
use super::signed::Signed;
use super::{Options, auth, center, cloud, oauth};

/// The listener that a request came in on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Auth,
    Api,
    Instance(String),
}

impl Place {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Auth => "auth",
            Self::Api => "api",
            Self::Instance(name) => name,
        }
    }
}

/// Whom an access token was issued for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holder {
    /// A client of its own right, by client id.
    Client(String),
    /// A person's grant, by its number at the auth host.
    Grant(usize),
}

/// An access token that was issued.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) holder: Holder,
    pub(super) scopes: Vec<String>,
    pub(super) expires_at: Timestamp,
}

/// An instance and what requests changed in it.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) instance: Instance,
    /// Scheme, host and port of its listener.
    pub(super) origin: String,
    /// Failed basic authentications in a row, by user name.
    pub(super) failures: BTreeMap<String, u32>,
    /// Access tokens of service accounts of a Data Center installation.
    pub(super) tokens: BTreeMap<String, Token>,
    /// Browser sessions of Data Center.
    pub(super) sessions: Sessions,
    /// OAuth 2.0 for incoming links.
    pub(super) provider: Provider,
    /// OAuth 1.0a.
    pub(super) signed: Signed,
    pub(super) buckets: Buckets,
    pub(super) requests: u64,
}

impl Site {
    pub(super) fn new(instance: Instance, origin: String) -> Self {
        Self {
            instance,
            origin,
            failures: BTreeMap::new(),
            tokens: BTreeMap::new(),
            sessions: Sessions::default(),
            provider: Provider::default(),
            signed: Signed::default(),
            buckets: Buckets::default(),
            requests: 0,
        }
    }

    /// Takes another description. What links and consumers were granted goes with them.
    pub(super) fn describe(&mut self, instance: Instance) {
        self.instance = instance;
        let Deployment::DataCenter(center) = &self.instance.deployment else {
            return;
        };
        self.provider.keep(|client| center.incoming_links.iter().any(|link| link.client_id == client));
        self.signed.keep(|key| center.consumers.iter().any(|consumer| consumer.key == key));
    }

    /// URL that users configure: origin and context path.
    pub(super) fn url(&self) -> String {
        format!("{}{}", self.origin, self.instance.context_path())
    }

    /// URL that the instance reports about itself.
    pub(super) fn base_url(&self) -> String {
        let configured = match &self.instance.deployment {
            Deployment::Cloud(site) => site.base_url.clone(),
            Deployment::DataCenter(center) => center.base_url.clone(),
        };
        configured.unwrap_or_else(|| self.url())
    }

    pub(super) fn center(&self) -> Option<&DataCenter> {
        match &self.instance.deployment {
            Deployment::DataCenter(center) => Some(center),
            Deployment::Cloud(_) => None,
        }
    }

    /// The active account that has a credential, and the credential.
    pub(super) fn holder(&self, wanted: impl Fn(&Account, &Credential) -> bool) -> Option<(&Account, &Credential)> {
        let active = self.instance.accounts.iter().filter(|account| account.status == AccountStatus::Active);
        let held = active.flat_map(|account| account.credentials.iter().map(move |credential| (account, credential)));
        held.into_iter().find(|(account, credential)| wanted(account, credential))
    }

    /// The active account behind an OAuth 2.0 client, as long as its credential exists.
    pub(super) fn client(&self, id: &str) -> Option<&Account> {
        let is_client = |credential: &Credential| match credential {
            Credential::ClientCredentials { client_id, .. } => client_id == id,
            _ => false,
        };
        self.holder(|_, credential| is_client(credential)).map(|(account, _)| account)
    }
}

/// An answer and what the journal says about it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) reply: Reply,
    pub(super) instance: Option<String>,
    pub(super) account: Option<String>,
    /// Refresh token, or session handle, that the answer gives out.
    pub(super) issued: Option<String>,
}

impl Outcome {
    /// An answer that belongs to no instance and no account.
    pub(super) fn unattributed(reply: Reply) -> Self {
        Self { reply, instance: None, account: None, issued: None }
    }
}

/// What an instance makes of a request.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) reply: Reply,
    /// Id of the account that it ran as.
    pub(super) account: Option<String>,
    /// Refresh token, or session handle, that the answer gives out.
    pub(super) issued: Option<String>,
}

impl Served {
    /// An answer to nobody in particular.
    pub(super) fn nobody(reply: Reply) -> Self {
        Self { reply, account: None, issued: None }
    }

    /// An answer to an account.
    pub(super) fn known(reply: Reply, account: Option<String>) -> Self {
        Self { account, ..Self::nobody(reply) }
    }
}

/// Whether a Cloud request came to the site or through the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    Site,
    Gateway,
}

/// All instances.
#[derive(Debug)]
pub(super) struct World {
    pub(super) options: Options,
    pub(super) sites: BTreeMap<String, Site>,
    pub(super) auth: AuthHost,
    /// Faults by the name of an instance, or `auth` or `api`.
    pub(super) faults: BTreeMap<String, Vec<Rule>>,
}

impl World {
    pub(super) fn new(options: Options) -> Self {
        Self { options, sites: BTreeMap::new(), auth: AuthHost::default(), faults: BTreeMap::new() }
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, place: &Place, request: &Request, now: Timestamp) -> Outcome {
        match place {
            Place::Auth => self.at_host("auth", request, now, |world| auth::serve(world, request, now)),
            Place::Api => self.at_api(request, now),
            Place::Instance(name) => self.at_instance(name, Gate::Site, request, &request.path, Vec::new(), now),
        }
    }

    fn at_host(
        &mut self,
        target: &str,
        request: &Request,
        now: Timestamp,
        serve: impl FnOnce(&mut Self) -> Outcome,
    ) -> Outcome {
        let faults = self.strike(target, request, &request.path);
        let outcome = match stand_in(&faults, None, now) {
            Some(Stand::Front(reply)) => Outcome::unattributed(reply),
            Some(Stand::Jira(reply)) => Outcome::unattributed(cloud::traced(reply)),
            None => {
                let served = serve(self);
                Outcome { reply: cloud::traced(served.reply), ..served }
            }
        };
        Outcome { reply: spoil(&faults, outcome.reply), ..outcome }
    }

    fn at_api(&mut self, request: &Request, now: Timestamp) -> Outcome {
        let Some((cloud_id, path)) = gateway_path(&request.path) else {
            return self.at_host("api", request, now, |world| oauth::accessible_resources(world, request, now));
        };
        let named = |site: &&Site| site.instance.cloud_id() == Some(cloud_id);
        let Some(name) = self.sites.values().find(named).map(|site| site.instance.name.clone()) else {
            let status = self.options.unknown_cloud_id_status;
            let reply = Reply::json(status, &serde_json::json!({"code": status, "message": "Not Found"}));
            return self.at_host("api", request, now, |_| Outcome::unattributed(reply));
        };
        let faults = self.strike("api", request, &request.path);
        self.at_instance(&name, Gate::Gateway, request, path, faults, now)
    }

    fn at_instance(
        &mut self,
        name: &str,
        gate: Gate,
        request: &Request,
        path: &str,
        mut faults: Vec<Fault>,
        now: Timestamp,
    ) -> Outcome {
        let known = |reply| Outcome { instance: Some(name.to_owned()), ..Outcome::unattributed(reply) };
        let Some(site) = self.sites.get_mut(name) else {
            return known(Reply::html(404, "No such site"));
        };
        site.requests += 1;
        let Some(path) = below(path, site.instance.context_path()).map(str::to_owned) else {
            return known(Reply::html(404, "HTTP Status 404 - Not Found"));
        };
        if let Some(reply) = center::gateway_refusal(site, request, &path) {
            return known(reply);
        }
        faults.extend(self.strike(name, request, &path));
        // The allow-list is the REST API's; the edge tells the Cloud id to everybody.
        faults.retain(|fault| *fault != Fault::IpAllowList || path.starts_with("/rest/"));
        let Some(site) = self.sites.get_mut(name) else {
            return known(Reply::html(404, "No such site"));
        };
        let outcome = match stand_in(&faults, Some(site), now) {
            Some(Stand::Front(reply)) => known(reply),
            Some(Stand::Jira(reply)) => known(decorated(site, gate, request, reply, None)),
            None => {
                let visit = Arrival { gate, request, path: &path, now, distortion: distortion(&faults) };
                self.serve(name, &visit)
            }
        };
        Outcome { reply: spoil(&faults, outcome.reply), ..outcome }
    }

    fn serve(&mut self, name: &str, arrival: &Arrival) -> Outcome {
        let Some(site) = self.sites.get_mut(name) else {
            return Outcome::unattributed(Reply::html(404, "No such site"));
        };
        let served = match &site.instance.deployment {
            Deployment::Cloud(_) => cloud::serve(site, &self.auth, arrival),
            Deployment::DataCenter(_) => center::serve(site, arrival),
        };
        let reply = decorated(site, arrival.gate, arrival.request, served.reply, served.account.as_deref());
        Outcome { reply, instance: Some(name.to_owned()), account: served.account, issued: served.issued }
    }

    /// The faults of a target that strike a request.
    fn strike(&mut self, target: &str, request: &Request, path: &str) -> Vec<Fault> {
        let Some(rules) = self.faults.get_mut(target) else {
            return Vec::new();
        };
        rules.iter_mut().filter_map(|rule| rule.strike(request, path).then(|| rule.fault.clone())).collect()
    }
}

/// A request on its way into an instance.
#[derive(Debug)]
pub(super) struct Arrival<'a> {
    pub(super) gate: Gate,
    pub(super) request: &'a Request,
    /// Path below the context path or the gateway's prefix.
    pub(super) path: &'a str,
    pub(super) now: Timestamp,
    pub(super) distortion: Distortion,
}

fn decorated(site: &Site, gate: Gate, request: &Request, reply: Reply, account: Option<&str>) -> Reply {
    match &site.instance.deployment {
        Deployment::Cloud(_) => cloud::decorated(gate, reply, account),
        Deployment::DataCenter(_) => center::decorated(site, request, reply, account),
    }
}

fn stand_in(faults: &[Fault], site: Option<&Site>, now: Timestamp) -> Option<Stand> {
    let base_url = site.map(Site::base_url).unwrap_or_default();
    let captcha = site.map_or(403, |site| site.instance.switches.captcha_status);
    faults.iter().find_map(|fault| fault.stand_in(&base_url, captcha, now))
}

fn spoil(faults: &[Fault], reply: Reply) -> Reply {
    faults.iter().fold(reply, |reply, fault| fault.spoil(reply))
}

/// Splits `/ex/jira/{cloudId}/rest/…` into the Cloud id and the rest.
fn gateway_path(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/ex/jira/")?;
    let slash = rest.find('/').unwrap_or(rest.len());
    Some(rest.split_at(slash))
}

/// The path below a context path; `None` when it lies elsewhere.
fn below<'a>(path: &'a str, context: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(context)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}
