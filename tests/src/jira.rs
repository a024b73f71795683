//! A simulator of Jira: Cloud sites with Atlassian's auth host and API gateway, and Data Center installations.
//!
//! It is written from what Jira is known to answer and shares no code with the operator. A [`Simulator`] has a
//! certificate authority of its own and these listeners, all on loopback: the auth host ([`Simulator::auth_url`]), the
//! API gateway ([`Simulator::api_url`]), the control endpoint ([`Simulator::control_url`]), and one per [`Instance`],
//! which can be added, changed and removed at any time. It runs on a runtime of its own, so that tests with different
//! runtimes can share one.
//!
//! Requests are answered one at a time, in the order in which they arrive. What the clock decides are lifetimes and
//! limits; certificates are judged by clients, by the real time. The journal has every request but those to the
//! control endpoint, and none whose TLS handshake failed.
//!
//! # People
//!
//! Consent needs a person with a browser. Where an authorization URL of one of the three flows is opened, a login page
//! comes first, on which an account is chosen and no password is asked for; then a consent page. All pages are HTML
//! without scripts and work by clicks alone: the choice of the account is `#account` and its button `#login`, the
//! choice of a Cloud site `#site`, the decision `#accept` or `#deny`, and the verification code of OAuth 1.0a is the
//! text of `#verification-code`. A refusal is the text of `#error`. [`Person`] does all this over HTTP.
//!
//! | flow | authorization URL | described by |
//! | --- | --- | --- |
//! | Cloud OAuth 2.0 (3LO) | `{auth}/authorize` | [`App`], of the simulator |
//! | Data Center OAuth 2.0 | `{url}/rest/oauth2/latest/authorize` | [`IncomingLink`], of the instance |
//! | Data Center OAuth 1.0a | `{url}/plugins/servlet/oauth/authorize` | [`Consumer`], of the instance |
//!
//! # Control endpoint
//!
//! JSON over http. Errors are `{"error": "…"}` with 400, 404 or 409.
//!
//! | request | body | answer |
//! | --- | --- | --- |
//! | `GET /addresses` | | `{"auth", "api", "control", "instances": {name: url}}` |
//! | `GET /ca` | | the authority as PEM |
//! | `POST /client-certificates` | `{"name"}` | `{"certificate", "key"}`, both PEM |
//! | `GET /clock` | | `{"now"}` |
//! | `PUT /clock` | `{"now"}` or `{"advanceSeconds"}` | `{"now"}` |
//! | `GET /journal?instance=&since=` | | list of [`Entry`]; `instance` may be `auth` or `api` |
//! | `GET`, `POST /apps` | `POST`: [`App`] | the apps |
//! | `GET`, `PUT`, `DELETE /apps/{clientId}` | `PUT`: [`App`] | the app |
//! | `POST /quotas` | `{"clientId"}` | the client is over its hourly points until the next full hour |
//! | `POST /instances` | [`Instance`] | `{"url"}` |
//! | `GET`, `PUT`, `DELETE /instances/{name}` | `PUT`: [`Instance`] | the description |
//! | `POST /instances/{name}/mutations` | [`Mutation`] | `{}` |
//! | `POST /instances/{name}/unlock` | `{"user"}` | failed logins of the user are forgotten |
//! | `GET`, `POST`, `PUT`, `DELETE /faults/{target}` | `POST`: one [`Rule`], `PUT`: a list | the rules |
//!
//! A target of faults is an instance, `auth` or `api`.

mod app;
mod auth;
mod center;
mod clock;
mod cloud;
mod control;
mod fault;
mod instance;
mod journal;
mod limit;
mod link;
mod listener;
mod login;
mod message;
mod mutation;
mod oauth;
mod page;
mod permission;
pub mod person;
mod pkce;
mod provider;
mod rest;
mod scope;
mod session;
mod signature;
mod signed;
mod switches;
mod tls;
mod world;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::clock::Clock;
pub use self::fault::{Fault, Rule};
pub use self::instance::*;
pub use self::journal::{Entry, Journal, Mark, digest};
pub use self::mutation::{Mutation, Whose};
pub use self::person::Person;
pub use self::signed::OauthProblem;
pub use self::tls::Identity;

use self::listener::Listener;
use self::tls::Authority;
use self::world::{Place, Site, World};

/// Why the simulator could not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A description contradicts itself.
    #[error("instance {name}: {reason}")]
    Instance {
        /// Name of the instance.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A 3LO app is not as the developer console would take it.
    #[error("app {client_id}: {reason}")]
    App {
        /// Client id.
        client_id: String,
        /// What is wrong.
        reason: String,
    },
    /// No 3LO app has this client id.
    #[error("there is no app {0}")]
    NoApp(String),
    /// No instance has this name.
    #[error("there is no instance {0}")]
    NoInstance(String),
    /// A name or a Cloud id is taken.
    #[error("{0} exists already")]
    Exists(String),
    /// A mutation names something that the instance does not have.
    #[error("instance {instance} has no {wanted}")]
    Missing {
        /// Name of the instance.
        instance: String,
        /// Kind and name of what is missing.
        wanted: String,
    },
    /// A port could not be had.
    #[error("cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A certificate could not be read.
    #[error("cannot read a certificate: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// TLS settings do not fit together.
    #[error("cannot use TLS settings: {0}")]
    Tls(#[from] rustls::Error),
    /// The authority of client certificates is not usable.
    #[error("cannot verify client certificates: {0}")]
    ClientVerifier(#[from] rustls::server::VerifierBuilderError),
}

/// Settings of a simulator as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Options {
    /// Loopback address of auth host, gateway and control endpoint.
    pub address: IpAddr,
    /// Port of the auth host; 0 takes a free one.
    pub auth_port: u16,
    /// Port of the gateway; 0 takes a free one.
    pub api_port: u16,
    /// Port of the control endpoint; 0 takes a free one.
    pub control_port: u16,
    /// Where the clock starts. Absent: now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Timestamp>,
    /// Life of a Cloud access token in seconds.
    pub access_token_seconds: u32,
    /// Status of the auth host for a wrong client secret.
    pub wrong_secret_status: u16,
    /// Status of the gateway for an unknown Cloud id.
    pub unknown_cloud_id_status: u16,
    /// 3LO apps that are registered from the start.
    pub apps: Vec<App>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            auth_port: 0,
            api_port: 0,
            control_port: 0,
            now: None,
            access_token_seconds: 3600,
            wrong_secret_status: 401,
            unknown_cloud_id_status: 404,
            apps: Vec::new(),
        }
    }
}

/// A simulator and its instances, as a file describes them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Scenario {
    /// Settings of the simulator.
    pub options: Options,
    /// Instances.
    pub instances: Vec<Instance>,
}

/// URLs of a simulator, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Addresses {
    /// Auth host.
    pub auth: String,
    /// API gateway.
    pub api: String,
    /// Control endpoint.
    pub control: String,
    /// URL of each instance, with its context path.
    pub instances: BTreeMap<String, String>,
}

/// A running simulator. Dropping it closes all listeners and connections.
#[derive(Debug)]
pub struct Simulator {
    core: Arc<Core>,
    runtime: Option<tokio::runtime::Runtime>,
    auth_url: String,
    api_url: String,
    control_url: String,
}

/// What listeners and owner share.
struct Core {
    authority: Authority,
    clock: Clock,
    journal: Journal,
    /// TCP connections so far, but those to the control endpoint.
    accepted: Arc<AtomicU64>,
    world: Mutex<World>,
    /// Listeners by instance name; those of the simulator itself by `auth`, `api` and `control`.
    listeners: Mutex<BTreeMap<String, Listener>>,
    runtime: tokio::runtime::Handle,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Core").field("world", &self.world).finish_non_exhaustive()
    }
}

/// A simulator for all tests of a process, each of which adds instances of its own.
///
/// # Panics
///
/// When this machine has no free loopback port.
#[must_use]
pub fn shared() -> &'static Simulator {
    static SHARED: LazyLock<Simulator> = LazyLock::new(|| match Simulator::start(Options::default()) {
        Ok(simulator) => simulator,
        Err(error) => panic!("the shared simulator did not start: {error}"),
    });
    &SHARED
}

impl Simulator {
    /// Starts one without instances.
    ///
    /// # Errors
    ///
    /// When a port is taken, a certificate cannot be made, or an app is not as it must be.
    pub fn start(mut options: Options) -> Result<Self, Error> {
        let apps = std::mem::take(&mut options.apps);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("jira-simulator")
            .enable_all()
            .build()?;
        let transport = |port| Transport { address: options.address, port, ..Transport::default() };
        let (auth, api) = (transport(options.auth_port), transport(options.api_port));
        let control = Transport { scheme: Scheme::Http, ..transport(options.control_port) };
        let core = Arc::new(Core {
            authority: Authority::generate()?,
            clock: options.now.map_or_else(Clock::default, Clock::starting_at),
            journal: Journal::default(),
            accepted: Arc::default(),
            world: Mutex::new(World::new(options)),
            listeners: Mutex::default(),
            runtime: runtime.handle().clone(),
        });
        let auth_url = core.listen(Place::Auth, &auth)?;
        let api_url = core.listen(Place::Api, &api)?;
        let endpoint = Arc::clone(&core);
        let serve = Arc::new(move |request| endpoint.control(&request));
        let listener = Listener::open(&core.runtime, &control, None, serve, Arc::default())?;
        let control_url = listener.origin();
        core.listeners().insert("control".to_owned(), listener);
        for app in apps {
            core.register(app)?;
        }
        Ok(Self { core, runtime: Some(runtime), auth_url, api_url, control_url })
    }

    /// Starts one with the instances of a scenario.
    ///
    /// # Errors
    ///
    /// Those of [`Simulator::start`] and [`Simulator::add`].
    pub fn play(scenario: Scenario) -> Result<Self, Error> {
        let simulator = Self::start(scenario.options)?;
        for instance in scenario.instances {
            simulator.add(instance)?;
        }
        Ok(simulator)
    }

    /// The authority's certificate as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.core.authority.pem()
    }

    /// URL of the auth host, without a slash at the end.
    #[must_use]
    pub fn auth_url(&self) -> &str {
        &self.auth_url
    }

    /// URL of the API gateway, without a slash at the end.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.api_url
    }

    /// URL of the control endpoint, without a slash at the end.
    #[must_use]
    pub fn control_url(&self) -> &str {
        &self.control_url
    }

    /// All URLs.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.core.addresses()
    }

    /// The clock that decides lifetimes.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.core.clock
    }

    /// What was asked so far.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.core.journal
    }

    /// How many TCP connections were made so far, to all listeners but the control endpoint.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.core.accepted.load(Ordering::Relaxed)
    }

    /// A client certificate of the simulator's authority.
    ///
    /// # Errors
    ///
    /// When the certificate cannot be made.
    pub fn client_certificate(&self, name: &str) -> Result<Identity, Error> {
        self.core.authority.client(name)
    }

    /// Adds an instance on a listener of its own and returns its URL, with the context path.
    ///
    /// # Errors
    ///
    /// When the description contradicts itself, its name or Cloud id is taken, or its port.
    pub fn add(&self, instance: Instance) -> Result<String, Error> {
        self.core.add(instance)
    }

    /// The description of an instance as it stands.
    ///
    /// # Errors
    ///
    /// When there is no such instance.
    pub fn instance(&self, name: &str) -> Result<Instance, Error> {
        self.core.instance(name)
    }

    /// Replaces the description of the instance of the same name, which keeps its address and port. Open connections
    /// end when the transport differs.
    ///
    /// # Errors
    ///
    /// When there is no such instance, or the new description contradicts itself.
    pub fn replace(&self, instance: Instance) -> Result<(), Error> {
        self.core.replace(instance)
    }

    /// Changes the description of an instance in any way.
    ///
    /// # Errors
    ///
    /// Those of [`Simulator::replace`].
    pub fn update(&self, name: &str, change: impl FnOnce(&mut Instance)) -> Result<(), Error> {
        let mut instance = self.core.instance(name)?;
        change(&mut instance);
        self.core.replace(instance)
    }

    /// Changes one thing of an instance.
    ///
    /// # Errors
    ///
    /// When the instance, or what the mutation names, does not exist.
    pub fn mutate(&self, name: &str, mutation: &Mutation) -> Result<(), Error> {
        self.core.mutate(name, mutation)
    }

    /// Registers a 3LO app.
    ///
    /// # Errors
    ///
    /// When its client id is taken, or it is not as the developer console would take it.
    pub fn register(&self, app: App) -> Result<(), Error> {
        self.core.register(app)
    }

    /// A 3LO app as it stands.
    ///
    /// # Errors
    ///
    /// When there is no such app.
    pub fn app(&self, client_id: &str) -> Result<App, Error> {
        self.core.app(client_id)
    }

    /// Replaces the 3LO app of the same client id. Its grants stay.
    ///
    /// # Errors
    ///
    /// When there is no such app, or the new one is not as it must be.
    pub fn replace_app(&self, app: App) -> Result<(), Error> {
        self.core.replace_app(app)
    }

    /// Changes a 3LO app in any way but its client id. Its grants stay.
    ///
    /// # Errors
    ///
    /// Those of [`Simulator::replace_app`].
    pub fn update_app(&self, client_id: &str, change: impl FnOnce(&mut App)) -> Result<(), Error> {
        let mut app = self.core.app(client_id)?;
        change(&mut app);
        self.core.replace_app(app)
    }

    /// Deletes a 3LO app, which ends all its grants.
    ///
    /// # Errors
    ///
    /// When there is no such app.
    pub fn unregister(&self, client_id: &str) -> Result<(), Error> {
        self.core.unregister(client_id)
    }

    /// Takes an instance away and closes its listener. Requests that come later are not answered, on old connections
    /// either.
    ///
    /// # Errors
    ///
    /// When there is no such instance.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        self.core.remove(name)
    }

    /// Adds a fault to an instance, or to `auth` or `api`.
    ///
    /// # Errors
    ///
    /// When there is no such target.
    pub fn fault(&self, target: &str, rule: Rule) -> Result<(), Error> {
        let mut rules = self.core.faults(target)?;
        rules.push(rule);
        self.core.set_faults(target, rules)
    }

    /// Ends all faults of an instance, or of `auth` or `api`.
    ///
    /// # Errors
    ///
    /// When there is no such target.
    pub fn heal(&self, target: &str) -> Result<(), Error> {
        self.core.set_faults(target, Vec::new())
    }

    /// Forgets the failed basic authentications of a user of Data Center: somebody solved the CAPTCHA.
    ///
    /// # Errors
    ///
    /// When there is no such instance.
    pub fn unlock(&self, name: &str, user: &str) -> Result<(), Error> {
        self.core.unlock(name, user)
    }

    /// Lets a Cloud client be over its hourly points on all sites until the next full hour of the clock.
    pub fn exhaust_quota(&self, client_id: &str) {
        self.core.exhaust_quota(client_id);
    }

    /// Closes all listeners and connections.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.core.listeners().clear();
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        // A runtime may not be awaited inside another one, so a thread without any does it. When that thread cannot be
        // had or panics, the listeners are closed all the same, only a little later.
        let closing = std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(2)));
        let _ = closing.join();
    }
}

impl Core {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listeners(&self) -> MutexGuard<'_, BTreeMap<String, Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the listener of a place and returns its origin.
    fn listen(self: &Arc<Self>, place: Place, transport: &Transport) -> Result<String, Error> {
        let tls = self.authority.server(transport)?;
        let name = place.name().to_owned();
        let core = Arc::clone(self);
        let serve = Arc::new(move |request| core.answer(&place, &request));
        let listener = Listener::open(&self.runtime, transport, tls, serve, Arc::clone(&self.accepted))?;
        let origin = listener.origin();
        self.listeners().insert(name, listener);
        Ok(origin)
    }

    fn answer(&self, place: &Place, request: &message::Request) -> message::Reply {
        let now = self.clock.now();
        let outcome = self.world().answer(place, request, now);
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in &request.headers {
            headers.entry(name.as_str().to_owned()).or_default().push(digest(value.as_bytes()));
        }
        self.journal.record(Entry {
            sequence: 0,
            at: now,
            elapsed_millis: 0,
            listener: place.name().to_owned(),
            instance: outcome.instance,
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            headers,
            body: (!request.body.is_empty()).then(|| digest(&request.body)),
            client: request.client(),
            presented: request.presented().map(|value| digest(value.as_bytes())),
            issued: outcome.issued.map(|value| digest(value.as_bytes())),
            account: outcome.account,
            status: outcome.reply.seen_status(),
        });
        outcome.reply
    }

    fn addresses(&self) -> Addresses {
        let origin = |name: &str| self.listeners().get(name).map(Listener::origin).unwrap_or_default();
        let instances = self.world().sites.iter().map(|(name, site)| (name.clone(), site.url())).collect();
        Addresses { auth: origin("auth"), api: origin("api"), control: origin("control"), instances }
    }

    fn add(self: &Arc<Self>, instance: Instance) -> Result<String, Error> {
        instance.validate()?;
        self.unique(&instance)?;
        if self.world().sites.contains_key(&instance.name) {
            return Err(Error::Exists(instance.name));
        }
        let place = Place::Instance(instance.name.clone());
        let origin = self.listen(place, &instance.transport)?;
        let site = Site::new(instance, origin);
        let url = site.url();
        self.world().sites.insert(site.instance.name.clone(), site);
        Ok(url)
    }

    /// Refuses a Cloud id that another instance has.
    fn unique(&self, instance: &Instance) -> Result<(), Error> {
        let Some(cloud_id) = instance.cloud_id() else {
            return Ok(());
        };
        let same = |site: &Site| site.instance.cloud_id() == Some(cloud_id) && site.instance.name != instance.name;
        if self.world().sites.values().any(same) {
            return Err(Error::Exists(format!("the Cloud id {cloud_id}")));
        }
        Ok(())
    }

    fn instance(&self, name: &str) -> Result<Instance, Error> {
        let world = self.world();
        let site = world.sites.get(name).ok_or_else(|| Error::NoInstance(name.to_owned()))?;
        Ok(site.instance.clone())
    }

    fn replace(&self, instance: Instance) -> Result<(), Error> {
        instance.validate()?;
        self.unique(&instance)?;
        let present = self.instance(&instance.name)?;
        if present.transport != instance.transport {
            let tls = self.authority.server(&instance.transport)?;
            let mut listeners = self.listeners();
            let listener = listeners.get_mut(&instance.name).ok_or_else(|| Error::NoInstance(instance.name.clone()))?;
            listener.change(&instance.transport, tls);
        }
        let origin = self.listeners().get(&instance.name).map(Listener::origin);
        let mut world = self.world();
        let site = world.sites.get_mut(&instance.name).ok_or_else(|| Error::NoInstance(instance.name.clone()))?;
        if let Some(origin) = origin {
            site.origin = origin;
        }
        site.describe(instance);
        Ok(())
    }

    fn mutate(&self, name: &str, mutation: &Mutation) -> Result<(), Error> {
        let mut instance = self.instance(name)?;
        mutation.apply(&mut instance)?;
        self.replace(instance)?;
        mutation.affect(&mut self.world(), name, self.clock.now());
        Ok(())
    }

    fn register(&self, app: App) -> Result<(), Error> {
        app.validate()?;
        let mut world = self.world();
        if world.auth.apps.contains_key(&app.client_id) {
            return Err(Error::Exists(format!("the app {}", app.client_id)));
        }
        world.auth.apps.insert(app.client_id.clone(), app);
        Ok(())
    }

    fn apps(&self) -> Vec<App> {
        self.world().auth.apps.values().cloned().collect()
    }

    fn app(&self, client_id: &str) -> Result<App, Error> {
        let app = self.world().auth.apps.get(client_id).cloned();
        app.ok_or_else(|| Error::NoApp(client_id.to_owned()))
    }

    fn replace_app(&self, app: App) -> Result<(), Error> {
        app.validate()?;
        self.app(&app.client_id)?;
        self.world().auth.apps.insert(app.client_id.clone(), app);
        Ok(())
    }

    fn unregister(&self, client_id: &str) -> Result<(), Error> {
        self.app(client_id)?;
        self.world().auth.forget_app(client_id);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        self.instance(name)?;
        // First the listener, or a kept connection would be told that there is no such instance.
        self.listeners().remove(name);
        self.world().sites.remove(name);
        self.world().faults.remove(name);
        Ok(())
    }

    fn faults(&self, target: &str) -> Result<Vec<Rule>, Error> {
        let world = self.world();
        if !["auth", "api"].contains(&target) && !world.sites.contains_key(target) {
            return Err(Error::NoInstance(target.to_owned()));
        }
        Ok(world.faults.get(target).cloned().unwrap_or_default())
    }

    fn set_faults(&self, target: &str, rules: Vec<Rule>) -> Result<(), Error> {
        self.faults(target)?;
        self.world().faults.insert(target.to_owned(), rules);
        Ok(())
    }

    fn unlock(&self, name: &str, user: &str) -> Result<(), Error> {
        let mut world = self.world();
        let site = world.sites.get_mut(name).ok_or_else(|| Error::NoInstance(name.to_owned()))?;
        site.failures.remove(user);
        Ok(())
    }

    fn exhaust_quota(&self, client_id: &str) {
        let now = self.clock.now();
        let into = u64::try_from(now.as_second().rem_euclid(3600)).unwrap_or(0);
        let until = clock::after(now, Duration::from_secs(3600 - into));
        self.world().auth.exhausted.insert(client_id.to_owned(), until);
    }
}
