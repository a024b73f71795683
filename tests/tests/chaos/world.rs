//! A small world: a namespace with two connections, bindings to them, and sometimes a third connection that a person has authorised.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tests::{
    jira::{Credential, Mutation, Whose},
    scene::{NAME, Scene},
    stage::{ACCOUNT, Kind, Seen, Site, Stage, Way},
};
use tokio::time::sleep;

use super::{
    act::{Act, CONNECTIONS, PROJECTS, TEAMS},
    ailment,
    ground::Ground,
    plan::Life,
};

/// The connection that a person has authorised.
pub const PERSON: &str = NAME;

/// A Secret that is nobody's business but its owner's.
pub const FOREIGN: &str = "foreign";

/// Whether anything but people's deeds happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    Rough,
    /// The same deeds, undisturbed.
    Fair,
}

pub struct World {
    pub stage: Stage,
    pub sites: BTreeMap<&'static str, Site>,
    pub scene: Option<Scene>,
    /// The token that Jira takes, by connection.
    tokens: BTreeMap<&'static str, String>,
    specs: BTreeMap<&'static str, Value>,
    rotations: u32,
    /// Whether the access token of the grant was ended. A second end within seconds of a renewal is taken for a withdrawn consent.
    expired: bool,
    /// The value of the last wish for a check.
    wish: u32,
    bindings: BTreeMap<String, Value>,
}

impl World {
    /// A world in which everything is in order, though the operator need not have seen it yet.
    pub async fn new(ground: &Ground, life: &Life) -> Self {
        let stage = ground.place("world").await;
        stage.secret(FOREIGN, json!({ "token": "nobody's business" })).await;
        let named = |instance: &mut tests::jira::Instance| instance.transport.host = Some("localhost".to_owned());
        let center = stage.site_with("center", Way::PersonalAccessToken, &PROJECTS, named);
        let cloud = stage.site("cloud", life.cloud, &PROJECTS);
        let sites = BTreeMap::from([("center", center), ("cloud", cloud)]);
        let scene = life.person.map(|protocol| Scene::on(stage.within(&stage.namespace), protocol, |_| {}, |_| {}));
        let mut world = Self {
            tokens: sites.iter().map(|(name, site)| (*name, site.token())).collect(),
            specs: sites.iter().map(|(name, site)| (*name, spec(site, name))).collect(),
            rotations: 0,
            expired: false,
            wish: 0,
            bindings: BTreeMap::new(),
            stage,
            sites,
            scene,
        };
        world.label(TEAMS[0]).await;
        for name in CONNECTIONS {
            world.perform(Act::Mend(name)).await;
            world.apply(name).await;
        }
        world.perform(Act::Bind(0, CONNECTIONS[0], 1)).await;
        if let Some(scene) = &world.scene {
            scene.wait_for_a_person(json!({ "interval": "1m", "timeout": "3s" })).await;
            scene.admit("a-key").await;
        }
        world
    }

    /// Lets people do what they do in this life.
    pub async fn live(&mut self, ground: &Ground, life: &Life, weather: Weather) {
        for step in &life.steps {
            {
                let _open = ground.open.read().await;
                self.perform(step.act).await;
            }
            if weather == Weather::Rough {
                if let Some(instance) = step.ailment.and_then(|(target, _)| self.instance(target)) {
                    step.ailment.iter().for_each(|(_, ailment)| ailment.befall(instance));
                }
                sleep(step.pause).await;
            }
        }
    }

    /// Puts right what people have left wrong, so that the end does not depend on how long it was wrong.
    pub async fn mend(&mut self) {
        for name in CONNECTIONS {
            self.perform(Act::Mend(name)).await;
            self.perform(Act::Resume(name)).await;
        }
    }

    /// All its Jiras get well.
    pub fn heal(&self) {
        self.instances().for_each(|instance| ailment::heal(&instance.name));
    }

    /// Somebody asks for a check of every connection.
    pub async fn ask(&mut self) {
        for name in self.connections() {
            self.ask_for(name).await;
        }
    }

    /// Removes all that belongs to the operator, and the Jiras.
    pub async fn end(&self) {
        for name in self.connections() {
            self.stage.delete(Kind::Connection, name).await;
        }
        for name in self.bindings.keys() {
            self.stage.delete(Kind::Binding, name).await;
        }
        self.instances().for_each(|site| self.stage.simulator().remove(&site.name).unwrap());
    }

    pub fn instances(&self) -> impl Iterator<Item = &Site> {
        self.sites.values().chain(self.scene.iter().map(|scene| &scene.site))
    }

    pub fn connections(&self) -> impl Iterator<Item = &'static str> + use<> {
        CONNECTIONS.into_iter().chain(self.scene.as_ref().map(|_| PERSON))
    }

    /// All objects of the operator as they are, by kind and name.
    pub async fn objects(&self) -> Vec<(Kind, String, Seen)> {
        let mut objects = Vec::new();
        for name in self.connections() {
            objects.push((Kind::Connection, name.to_owned(), self.stage.get(Kind::Connection, name).await));
        }
        for name in self.bindings.keys() {
            objects.push((Kind::Binding, name.clone(), self.stage.get(Kind::Binding, name).await));
        }
        objects
    }

    fn instance(&self, connection: &str) -> Option<&str> {
        let site = self.sites.get(connection).or(self.scene.as_ref().map(|scene| &scene.site))?;
        Some(&site.name)
    }

    async fn perform(&mut self, act: Act) {
        match act {
            Act::Rotate(name) => self.rotate(name).await,
            Act::Spoil(name) => self.secret(name, "wrong").await,
            Act::Lose(name) => {
                // A Secret that is not there cannot be deleted.
                self.secret(name, "gone soon").await;
                self.stage.remove("Secret", name).await;
            }
            Act::Mend(name) => self.secret(name, &self.tokens[name].clone()).await,
            Act::Edit(name, timeout) => self.set(name, "checks", json!({ "interval": "1m", "timeout": timeout })).await,
            Act::Require(name, count) => {
                let projects = &PROJECTS[..count.into()];
                self.set(name, "permissions", json!({ "projects": projects })).await;
            }
            Act::Suspend(name) => self.set(name, "suspend", json!(true)).await,
            Act::Resume(name) => self.set(name, "suspend", json!(false)).await,
            Act::Allow(name, team) => self.set(name, "allowedWorkspaces", allowance(team)).await,
            Act::Label(team) => self.label(team).await,
            Act::Bind(number, connection, projects) => self.bind(number, connection, projects).await,
            Act::Unbind(number) => {
                if self.bindings.remove(&binding(number)).is_some() {
                    self.stage.delete(Kind::Binding, &binding(number)).await;
                }
            }
            Act::Recreate(name) => {
                self.stage.delete(Kind::Connection, name).await;
                self.apply(name).await;
            }
            Act::Ask(name) => self.ask_for(name).await,
            Act::Grant(name, project) => self.permit(name, project, true),
            Act::Revoke(name, project) => self.permit(name, project, false),
            Act::Expire => {
                if let Some(scene) = self.scene.as_ref().filter(|_| !self.expired) {
                    self.expired = true;
                    scene.mutate(&Mutation::ExpireAccessTokens(Whose::client(&scene.client())));
                    self.ask_for(PERSON).await;
                }
            }
        }
    }

    async fn rotate(&mut self, name: &'static str) {
        let site = &self.sites[name];
        let credential = match site.way {
            Way::PersonalAccessToken => "PersonalAccessToken",
            Way::ApiToken => "ApiToken",
            // A client secret is rotated beside the other one, and a scoped token has scopes: both are the token suite's.
            Way::ScopedApiToken | Way::ClientCredentials => return self.secret(name, &self.tokens[name].clone()).await,
        };
        self.rotations += 1;
        let token = format!("{}-{}", site.token(), self.rotations);
        let credential: Credential = serde_json::from_value(json!({ "type": credential, "token": token })).unwrap();
        let (instance, old) = (site.name.clone(), self.tokens[name].clone());
        let added = Mutation::AddCredential { account: ACCOUNT.to_owned(), credential };
        self.stage.simulator().mutate(&instance, &added).unwrap();
        self.tokens.insert(name, token.clone());
        self.secret(name, &token).await;
        self.stage.simulator().mutate(&instance, &Mutation::RevokeCredential { credential: old }).unwrap();
    }

    /// The Secret of a connection with this token, whose other keys are right.
    async fn secret(&self, name: &str, token: &str) {
        let mut data = self.sites[name].credential();
        let key = if data["clientSecret"].is_null() { "token" } else { "clientSecret" };
        data[key] = json!(token);
        self.stage.secret(name, data).await;
    }

    async fn set(&mut self, name: &'static str, field: &str, value: Value) {
        self.specs.get_mut(name).unwrap()[field] = value;
        self.apply(name).await;
    }

    async fn apply(&self, name: &str) {
        self.stage.apply(Kind::Connection, name, self.specs[name].clone()).await;
    }

    async fn label(&self, team: &str) {
        let patch = json!({ "metadata": { "labels": { "team": team } } });
        let api = Api::<Namespace>::all(self.stage.client.clone());
        api.patch(&self.stage.namespace, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    async fn bind(&mut self, number: u8, connection: &str, projects: u8) {
        let name = binding(number);
        let projects: Vec<_> = PROJECTS.iter().take(projects.into()).map(|key| json!({ "key": key })).collect();
        let known = self.bindings.get(&name).map(|spec| spec["connectionRef"]["name"].clone());
        // Which connection a binding names cannot be changed.
        let connection = known.unwrap_or(json!(connection));
        let spec = json!({ "connectionRef": { "name": connection }, "workspace": "web", "projects": projects });
        self.stage.apply(Kind::Binding, &name, spec.clone()).await;
        self.bindings.insert(name, spec);
    }

    async fn ask_for(&mut self, name: &str) {
        self.wish += 1;
        let wish = json!({ "metadata": { "annotations": { crds::REQUESTED_AT: self.wish.to_string() } } });
        self.stage.merge(Kind::Connection, name, wish).await;
    }

    fn permit(&self, name: &str, project: &str, permitted: bool) {
        let (project, account) = (project.to_owned(), ACCOUNT.to_owned());
        let permissions = vec!["CREATE_ISSUES".to_owned()];
        let mutation = if permitted {
            Mutation::Grant { project, account, permissions }
        } else {
            Mutation::Revoke { project, account, permissions }
        };
        self.stage.simulator().mutate(&self.sites[name].name, &mutation).unwrap();
    }
}

fn binding(number: u8) -> String {
    format!("binding-{number}")
}

fn spec(site: &Site, name: &str) -> Value {
    let mut spec = site.spec(name);
    spec["checks"] = json!({ "interval": "1m", "timeout": "3s" });
    spec["allowedWorkspaces"] = allowance(None);
    spec
}

fn allowance(team: Option<&str>) -> Value {
    let namespaces = match team {
        Some(team) => json!({ "from": "Selector", "selector": { "matchLabels": { "team": team } } }),
        None => json!({ "from": "All" }),
    };
    json!([{ "namespaces": namespaces, "workspaces": { "from": "All" }, "projects": { "from": "All" } }])
}
