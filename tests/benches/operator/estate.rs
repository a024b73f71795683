//! The objects of a measurement: connections with all that a full spec has, and a binding for each.

use std::collections::HashMap;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use tests::{
    jira::{Deployment, Fault, Rule, Simulator},
    stage::{self, Kind, Way},
};

/// Connections in one namespace.
const NAMESPACE_SIZE: usize = 500;

/// Connections to one Jira, where each asks five questions: as many requests as the operator's budget for a host allows at once.
const HOST_SIZE: usize = 8;

/// Objects that are written at the same time.
const AT_ONCE: usize = 24;

/// The project of every connection and binding.
pub const PROJECT: &str = "WEB";

/// Name and value of the header that the gateway in front of every Jira demands.
pub const HEADER: (&str, &str) = ("X-Gate", "open-sesame");

/// How many Jiras there are for the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// So many that no budget is in the way.
    Many,
    /// One, which takes this long for each answer.
    One {
        /// Milliseconds.
        latency: u32,
    },
}

/// A connection with a Secret and a binding of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plot {
    /// Namespace of all three.
    pub namespace: String,
    /// Name of all three.
    pub name: String,
    /// The simulator's name of its Jira.
    pub site: String,
    /// URL of its Jira.
    pub url: String,
}

/// All objects of a measurement.
pub struct Estate {
    /// One entry for each connection.
    pub plots: Vec<Plot>,
    client: Client,
    authority: String,
}

/// The token of every account, and another one that is as good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    First,
    Second,
}

impl Token {
    /// For the rotation of this number among `plots`, which take turns and all began with the first: one that differs from the last.
    pub fn turn(number: usize, plots: usize) -> Self {
        if (number / plots).is_multiple_of(2) { Self::Second } else { Self::First }
    }

    pub fn of(self, site: &str) -> String {
        match self {
            Self::First => format!("{site}-token"),
            Self::Second => format!("{site}-token-2"),
        }
    }
}

impl Estate {
    /// Creates `size` connections with their Secrets and bindings, and the Jiras that they connect to.
    pub async fn create(client: &Client, simulator: &Simulator, size: usize, hosts: Hosts) -> Self {
        let count = match hosts {
            Hosts::Many => size.div_ceil(HOST_SIZE),
            Hosts::One { .. } => 1,
        };
        let sites: Vec<_> = (0..count).map(|number| site(simulator, &format!("jira-{number}"), hosts)).collect();
        let plots: Vec<_> = (0..size)
            .map(|number| {
                let (jira, url) = sites[number % count].clone();
                Plot {
                    namespace: format!("team-{}", number / NAMESPACE_SIZE),
                    name: format!("c-{number}"),
                    site: jira,
                    url,
                }
            })
            .collect();
        let estate = Self { plots, client: client.clone(), authority: simulator.ca_pem().to_owned() };
        for plot in estate.plots.iter().step_by(NAMESPACE_SIZE) {
            estate.label(&plot.namespace, "none").await;
        }
        each(&estate.plots, async |plot| {
            estate.create_secret(plot).await;
            estate.post(Kind::Connection, plot, spec(plot)).await;
            estate.post(Kind::Binding, plot, binding(plot)).await;
        })
        .await;
        estate
    }

    /// Labels a namespace with a team, and creates it if need be.
    pub async fn label(&self, namespace: &str, team: &str) {
        let body = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace, "labels": { "team": team } },
        });
        let api: Api<Namespace> = Api::all(self.client.clone());
        api.patch(namespace, &PatchParams::apply("bench"), &Patch::Apply(body)).await.unwrap();
    }

    async fn create_secret(&self, plot: &Plot) {
        let secret = serde_json::from_value(json!({
            "metadata": { "name": plot.name },
            "stringData": { "token": Token::First.of(&plot.site), "gate": HEADER.1, "ca.crt": self.authority },
        }));
        self.secrets(plot).create(&PostParams::default(), &secret.unwrap()).await.unwrap();
    }

    fn secrets(&self, plot: &Plot) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &plot.namespace)
    }

    /// Stores a token in the Secret of a connection, and returns the new `resourceVersion`.
    pub async fn rotate(&self, plot: &Plot, token: Token) -> String {
        let patch = json!({ "stringData": { "token": token.of(&plot.site) } });
        let patched = self.secrets(plot).patch(&plot.name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.unwrap().metadata.resource_version.unwrap()
    }

    async fn post(&self, kind: Kind, plot: &Plot, spec: Value) {
        let object = serde_json::from_value(json!({
            "apiVersion": format!("{}/v1alpha1", crds::GROUP), "kind": kind.as_str(),
            "metadata": { "name": plot.name }, "spec": spec,
        }));
        self.api(kind, plot).create(&PostParams::default(), &object.unwrap()).await.unwrap();
    }

    /// Merges a patch into an object.
    pub async fn merge(&self, kind: Kind, plot: &Plot, patch: Value) {
        let merged = self.api(kind, plot).patch(&plot.name, &PatchParams::default(), &Patch::Merge(patch)).await;
        merged.unwrap();
    }

    fn api(&self, kind: Kind, plot: &Plot) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &plot.namespace, &resource(kind))
    }

    /// The status of every object of a kind, by namespace and name.
    pub async fn statuses(&self, kind: Kind) -> HashMap<(String, String), Value> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource(kind));
        let listed = api.list(&ListParams::default()).await.unwrap();
        let named = |mut object: DynamicObject| {
            let name = (object.metadata.namespace.unwrap_or_default(), object.metadata.name.unwrap_or_default());
            (name, object.data["status"].take())
        };
        listed.into_iter().map(named).collect()
    }

    /// Takes the status of all objects of these plots away, as if no operator had ever seen them.
    pub async fn reset(&self, plots: &[Plot]) {
        each(plots, async |plot| {
            for kind in [Kind::Connection, Kind::Binding] {
                let patch = Patch::Merge(json!({ "status": null }));
                self.api(kind, plot).patch_status(&plot.name, &PatchParams::default(), &patch).await.unwrap();
            }
        })
        .await;
    }
}

/// Does something for each of them, several at a time.
pub async fn each<T>(items: &[T], act: impl AsyncFn(&T)) {
    stream::iter(items).for_each_concurrent(AT_ONCE, |item| act(item)).await;
}

/// Where a kind is in the API.
pub fn resource(kind: Kind) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(crds::GROUP, "v1alpha1", kind.as_str()), kind.plural())
}

fn site(simulator: &Simulator, name: &str, hosts: Hosts) -> (String, String) {
    let mut instance = stage::instance(name, Way::PersonalAccessToken, &[PROJECT]);
    if let Deployment::DataCenter(center) = &mut instance.deployment {
        center.gateway_headers.insert(HEADER.0.to_owned(), HEADER.1.to_owned());
    }
    let second = json!({ "type": "PersonalAccessToken", "token": Token::Second.of(name) });
    instance.accounts[0].credentials.push(serde_json::from_value(second).unwrap());
    // An administrator of a project learns in one request that it has no security scheme.
    let grants = instance.project_mut(PROJECT).unwrap().grants.get_mut(stage::ACCOUNT).unwrap();
    grants.push("ADMINISTER_PROJECTS".to_owned());
    let url = simulator.add(instance).unwrap();
    if let Hosts::One { latency } = hosts {
        simulator.fault(name, Rule::every(Fault::Slow { millis: latency.into() })).unwrap();
    }
    (name.to_owned(), url)
}

fn spec(plot: &Plot) -> Value {
    let key = |key: &str| json!({ "name": plot.name, "key": key });
    json!({
        "url": plot.url,
        "deployment": "DataCenter",
        "auth": { "personalAccessToken": { "tokenSecretRef": key("token") } },
        "headers": [{ "name": HEADER.0, "valueFrom": { "secretKeyRef": key("gate") } }],
        "tls": { "caRef": { "kind": "Secret", "name": plot.name, "key": "ca.crt" } },
        "permissions": { "projects": [PROJECT] },
        "checks": { "interval": "5m", "timeout": "15s", "grace": "2m" },
    })
}

/// The spec of a binding.
pub fn binding(plot: &Plot) -> Value {
    json!({ "connectionRef": { "name": plot.name }, "workspace": "web", "projects": [{ "key": PROJECT }] })
}
