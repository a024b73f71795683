//! `why`: walks the way from a binding to Jira and names the first thing that is broken.

mod chain;
mod judge;

use std::collections::BTreeSet;

use crds::JiraConnection;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;

use self::{
    chain::Chain,
    judge::{Facts, Holding},
};
use super::{
    arguments::Why,
    cluster::{Cluster, Sight},
    console::Console,
    error::Error,
    need::needs,
    subject::Kind,
    verdict::Verdict,
};
use crate::{
    acceptance::named_connection,
    connection::material::{Referent, ReferentKind},
};

/// Names the first broken link.
///
/// # Errors
/// When the object that is asked about does not exist or may not be read.
pub async fn run(arguments: &Why, cluster: &Cluster, console: Console) -> Result<Verdict, Error> {
    let facts = match arguments.kind {
        Kind::Connection => {
            let connection = cluster.connection(&arguments.name).await?;
            let namespace = connection.namespace().unwrap_or_default();
            let held = held(cluster, &namespace, &connection).await?;
            Facts {
                binding: None,
                place: (namespace, arguments.name.clone()),
                connection: Sight::Seen(connection),
                labels: Sight::Hidden,
                held,
            }
        }
        Kind::Binding => {
            let binding = cluster.binding(&arguments.name).await?;
            let (namespace, name) = named_connection(&binding);
            let connection = cluster.sight::<JiraConnection>(&namespace, &name).await?;
            let held = match connection.seen() {
                Some(connection) => held(cluster, &namespace, connection).await?,
                None => Vec::new(),
            };
            let labels = cluster.namespace_sight(&cluster.namespace).await?;
            let labels = labels.map(|namespace| namespace.metadata.labels.unwrap_or_default());
            Facts { binding: Some(binding), place: (namespace, name), connection, labels, held }
        }
    };
    let chain = Chain { links: judge::links(&facts) };
    match arguments.output.document(&chain)? {
        Some(document) => console.say(&document)?,
        None => console.say(&chain.text(console.palette))?,
    }
    Ok(Verdict::of(chain.broken().is_none()))
}

/// What the caller can see of the objects that a connection refers to: which keys they have. Values are dropped at once.
async fn held(cluster: &Cluster, namespace: &str, connection: &JiraConnection) -> Result<Vec<Holding>, Error> {
    let mut held: Vec<Holding> = Vec::new();
    for need in needs(&connection.spec) {
        let keys = match held.iter().find(|holding| holding.need.referent == need.referent) {
            Some(known) => known.keys.clone(),
            None => keys(cluster, namespace, &need.referent).await?,
        };
        held.push(Holding { need, keys });
    }
    Ok(held)
}

async fn keys(cluster: &Cluster, namespace: &str, referent: &Referent) -> Result<Sight<BTreeSet<String>>, Error> {
    match referent.kind {
        ReferentKind::Secret => {
            let secret = cluster.sight::<Secret>(namespace, &referent.name).await?;
            Ok(secret.map(|secret| secret.data.unwrap_or_default().into_keys().collect()))
        }
        ReferentKind::ConfigMap => {
            let map = cluster.sight::<ConfigMap>(namespace, &referent.name).await?;
            Ok(map.map(|map| {
                let text = map.data.unwrap_or_default().into_keys();
                text.chain(map.binary_data.unwrap_or_default().into_keys()).collect()
            }))
        }
    }
}
