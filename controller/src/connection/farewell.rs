//! What happens to the grant at Jira when its connection is deleted: `deletionPolicy: Revoke`.
//!
//! A finalizer holds the object until the grant has been given back, or could not be: one try, within the timeout of a
//! request, and none at all while the namespace is terminating. The owned Secrets go with the object in any case.

use crds::{JiraConnection, connection::DeletionPolicy};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{Error, custody::Custody, gather, handshake, secrets};
use crate::{
    context::Context,
    jira::Site,
    kubernetes::{FIELD_MANAGER, owned_secret::Owner},
};

/// The finalizer of connections whose grant is given back when they are deleted.
pub const FINALIZER: &str = "issuetracking.dev/revoke";

/// Adds the finalizer where the spec asks for it, and takes it away where it does not any more.
///
/// # Errors
/// When the API server does not take it.
pub(super) async fn prepare(connection: &JiraConnection, ctx: &Context) -> Result<(), Error> {
    let by_a_person = connection.spec.auth.method().and_then(handshake::protocol).is_some();
    let wanted = by_a_person && connection.spec.deletion_policy == Some(DeletionPolicy::Revoke);
    let finalizers = connection.finalizers();
    if wanted == finalizers.iter().any(|it| it == FINALIZER) {
        return Ok(());
    }
    let others = finalizers.iter().filter(|it| *it != FINALIZER).cloned();
    write(connection, others.chain(wanted.then(|| FINALIZER.to_owned())).collect(), ctx).await
}

/// Gives the grant of a deleted connection back, if that was asked for, and lets the object go.
///
/// # Errors
/// When the API server does not answer or does not let it go. What Jira says holds nothing up.
pub(super) async fn take(connection: &JiraConnection, ctx: &Context) -> Result<(), Error> {
    if !connection.finalizers().iter().any(|it| it == FINALIZER) {
        return Ok(());
    }
    let namespace = connection.namespace().unwrap_or_default();
    if !ctx.stores.is_terminating(&namespace) {
        let outcome = revoke(connection, ctx).await?;
        tracing::info!(namespace, name = connection.name_any(), outcome, "a connection with a grant was deleted");
    }
    let others = connection.finalizers().iter().filter(|it| *it != FINALIZER).cloned();
    write(connection, others.collect(), ctx).await
}

async fn revoke(connection: &JiraConnection, ctx: &Context) -> Result<String, Error> {
    let (Some(owner), Ok(site)) = (Owner::of(connection), Site::parse(&connection.spec.url)) else {
        return Ok("There was nobody to ask.".into());
    };
    let mut custody = Custody::default();
    if custody.read(&owner, ctx).await?.is_err() {
        return Ok("The Secret of the grant is somebody else's.".into());
    }
    let Some(grant) = custody.grant().grant.present().cloned() else {
        return Ok("There was no grant to end.".into());
    };
    match secrets::read(connection, &site, ctx).await? {
        Ok((wallet, _)) => Ok(gather::revoke(&wallet, &grant).await),
        Err(fault) => Ok(format!("The grant could not be ended at Jira: {fault}")),
    }
}

async fn write(connection: &JiraConnection, finalizers: Vec<String>, ctx: &Context) -> Result<(), Error> {
    let api: Api<JiraConnection> = Api::namespaced(ctx.client.clone(), &connection.namespace().unwrap_or_default());
    let patch = json!({ "metadata": {
        "uid": connection.metadata.uid,
        "resourceVersion": connection.metadata.resource_version,
        "finalizers": finalizers,
    } });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_metadata(&connection.name_any(), &params, &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        // Deleted for good meanwhile.
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(source) => Err(Error::WriteFinalizer(Box::new(source))),
    }
}
