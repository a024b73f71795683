//! `reconcile`: asks for a check now, and waits until the operator has made it.

use std::time::{Duration, Instant};

use crds::{JiraConnection, REQUESTED_AT, WorkspaceBinding};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch},
};
use serde_json::json;

use super::{
    arguments::Reconcile,
    checked::Checked,
    cluster::{Cluster, merge},
    console::{Console, visible},
    error::Error,
    status::tone,
    subject::{Kind, Subject},
    verdict::Verdict,
};
use crate::condition::{About, find};

/// Pause between two looks at an object.
const POLL: Duration = Duration::from_millis(500);

/// Asks for checks.
///
/// # Errors
/// When an object does not exist, may not be annotated, is suspended, or the operator does not take the wish up in time.
pub async fn run(arguments: &Reconcile, cluster: &Cluster, console: Console) -> Result<Verdict, Error> {
    match &arguments.subject {
        Some(Subject { kind: Kind::Connection, name }) => {
            let names = [(cluster.namespace.clone(), name.clone())];
            one_after_the_other::<JiraConnection>(&names, arguments, cluster, console).await
        }
        Some(Subject { kind: Kind::Binding, name }) => {
            let names = [(cluster.namespace.clone(), name.clone())];
            one_after_the_other::<WorkspaceBinding>(&names, arguments, cluster, console).await
        }
        None => everything(arguments, cluster, console).await,
    }
}

async fn everything(arguments: &Reconcile, cluster: &Cluster, console: Console) -> Result<Verdict, Error> {
    let api = Api::<JiraConnection>::all(cluster.client.clone());
    let found = api.list(&ListParams::default()).await;
    let found = found.map_err(|error| Error::api("listing the JiraConnections of all namespaces", error))?;
    let (suspended, active): (Vec<_>, Vec<_>) = found.items.into_iter().partition(Checked::is_suspended);
    for connection in suspended {
        console.remark(&format!("{} is suspended and left out.", place(&connection)));
    }
    let names: Vec<_> = active.iter().map(|it| (it.namespace().unwrap_or_default(), it.name_any())).collect();
    one_after_the_other::<JiraConnection>(&names, arguments, cluster, console).await
}

/// Writes all wishes first, so that the operator carries them out side by side, then waits for each.
async fn one_after_the_other<K: Checked>(
    names: &[(String, String)],
    arguments: &Reconcile,
    cluster: &Cluster,
    console: Console,
) -> Result<Verdict, Error> {
    // To the nanosecond: each wish needs a value that no other has.
    let wish = Timestamp::now().to_string();
    for (namespace, name) in names {
        let object = ask::<K>(&cluster.all_of(namespace), name, &wish).await?;
        if object.is_suspended() {
            let subject = match K::KIND {
                Kind::Connection => name.clone(),
                Kind::Binding => format!("binding/{name}"),
            };
            return Err(Error::Suspended { what: place(&object), subject });
        }
        if !arguments.wait {
            console.say(&format!("{} asked for", place(&object)))?;
        }
    }
    if !arguments.wait {
        return Ok(Verdict::Good);
    }
    let end = Instant::now() + Duration::from(arguments.timeout);
    for (namespace, name) in names {
        let object = echoed::<K>(&cluster.all_of(namespace), name, &wish, end, arguments.timeout).await?;
        console.say(&line(&object, console))?;
    }
    Ok(Verdict::Good)
}

async fn ask<K: Checked>(api: &Api<K>, name: &str, wish: &str) -> Result<K, Error> {
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { REQUESTED_AT: wish } } }));
    let what = format!("annotating {} {name}", K::KIND.as_str());
    api.patch(name, &merge(), &patch).await.map_err(|error| Error::api(what, error))
}

async fn echoed<K: Checked>(
    api: &Api<K>,
    name: &str,
    wish: &str,
    end: Instant,
    limit: crds::Duration,
) -> Result<K, Error> {
    loop {
        let what = format!("reading {} {name}", K::KIND.as_str());
        match api.get(name).await.map_err(|error| Error::api(what, error)) {
            Ok(object) if object.handled() == Some(wish) => return Ok(object),
            Ok(_) => {}
            Err(error) if error.is_transient() => {}
            Err(error) => return Err(error),
        }
        if Instant::now() >= end {
            return Err(Error::TooLate {
                what: format!("the operator has not checked {} {name}", K::KIND.as_str()),
                limit,
                remedy: "The wish stands. Look whether the operator runs".to_owned(),
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

fn line(object: &impl Checked, console: Console) -> String {
    let Some(ready) = find(object.conditions(), About::Ready) else {
        return format!("{} checked: no verdict yet", place(object));
    };
    let status = console.palette.paint(tone(&ready.status), &visible(&ready.status));
    format!("{} checked: Ready {status} ({})", place(object), visible(&ready.reason))
}

fn place<K: Checked>(object: &K) -> String {
    format!("{} {}/{}", K::KIND.as_str(), object.namespace().unwrap_or_default(), object.name_any())
}
