//! `revoke`: ends the grant of a connection, at Jira and here.

use super::{
    arguments::Revoke,
    authorization::{Authorization, Late, now},
    cluster::Cluster,
    console::Console,
    error::Error,
    record::Record,
    verdict::Verdict,
};
use crate::auth::authorization_secret::REVOKE;

/// Asks the operator to end the grant, and waits until it is done.
///
/// # Errors
/// When the person does not confirm, or it is not done in time.
pub async fn run(arguments: &Revoke, cluster: &Cluster, console: Console) -> Result<Verdict, Error> {
    let name = &arguments.name.0;
    let authorization = Authorization::of(cluster, name);
    let before = authorization.read().await?.revoked;
    if !arguments.yes {
        confirm(name, &cluster.namespace, console).await?;
    }
    authorization.write(&[(REVOKE, Some(&now().to_string()))]).await?;
    let late = Late {
        what: "the operator has not ended the grant",
        remedy: "The wish stands, and is carried out as soon as the operator can. Look whether it runs",
    };
    let done = authorization
        .wait(arguments.timeout, late, |secret| {
            Ok(secret.revoked.filter(|done| secret.revoke.is_none() && Some(done) != before.as_ref()))
        })
        .await?;
    Record { revoked: Some(done), ..Record::of(name, &cluster.namespace) }.tell(arguments.output, console)
}

async fn confirm(name: &str, namespace: &str, console: Console) -> Result<(), Error> {
    if !console.is_attended() {
        return Err(Error::NotConfirmed);
    }
    let question = format!(
        "This ends the access of JiraConnection {name} in namespace {namespace} and of all that is bound to it, until somebody authorises it again. Go on? [y/N]"
    );
    let answer = console.ask(&question).await?.unwrap_or_default();
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Error::NotConfirmed),
    }
}
