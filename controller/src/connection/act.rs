//! Carries out a plan: tells the bindings what was proven, and a person how to authorise.
//!
//! In: a plan. Out: the same plan, applied. The status is built from an [`Applied`] and from nothing else.

use crds::{JiraConnection, connection::status::Authorization};
use kube::ResourceExt;

use super::{Error, decide::plan::Plan, farewell, gather, handshake::Published, memory::Memory};
use crate::{
    auth::authorization_secret::{APPLICATION_URL, ApplicationLink, CONSUMER_KEY, CONSUMER_NAME, PAGE, PUBLIC_KEY},
    context::Context,
    kubernetes::owned_secret::{Changes, Owner},
};

/// A plan that was carried out.
#[derive(Debug)]
pub(super) struct Applied(Plan);

impl Applied {
    pub(super) fn plan(&self) -> &Plan {
        &self.0
    }
}

/// Carries out a plan.
///
/// # Errors
/// When the API server does not take the finalizer, or the Secret through which a person authorises.
pub(super) async fn run(
    connection: &JiraConnection,
    plan: Plan,
    memory: &mut Memory,
    ctx: &Context,
) -> Result<Applied, Error> {
    let name = (connection.namespace().unwrap_or_default(), connection.name_any());
    memory.facts.trouble.clone_from(&plan.trouble);
    memory.facts.concluded = Some(connection.spec.clone());
    memory.facts.retain_projects(|key| plan.proof.projects.contains_key(key));
    if ctx.proofs.publish(name.clone(), plan.proof.clone()) {
        ctx.wakes.bindings_of(&name, &ctx.stores);
    }
    farewell::prepare(connection, ctx).await?;
    if let Some(authorization) = &plan.details.authorization {
        publish(connection, authorization, memory, ctx).await?;
    }
    Ok(Applied(plan))
}

/// Keeps the public half of the authorization Secret as the status tells it.
async fn publish(
    connection: &JiraConnection,
    authorization: &Authorization,
    memory: &mut Memory,
    ctx: &Context,
) -> Result<(), Error> {
    let Some(handshake) = memory.facts.known_handshake() else {
        return Ok(());
    };
    let desired = Published { page: page(connection, ctx), link: link(authorization) };
    if handshake.published.as_ref() == Some(&desired) {
        return Ok(());
    }
    let owner = Owner::of(connection).ok_or(Error::Gone)?;
    let text = |value: Option<&String>| value.map(|value| value.clone().into_bytes());
    let link = desired.link.as_ref();
    let changes = Changes::from([
        (PAGE, text(desired.page.as_ref())),
        (APPLICATION_URL, text(link.map(|link| &link.application_url))),
        (CONSUMER_KEY, text(link.map(|link| &link.consumer_key))),
        (CONSUMER_NAME, text(link.map(|link| &link.consumer_name))),
        (PUBLIC_KEY, text(link.map(|link| &link.public_key))),
    ]);
    memory.custody.change_authorization(&owner, ctx, &changes).await?;
    gather::note_handshake(memory);
    Ok(())
}

fn link(authorization: &Authorization) -> Option<ApplicationLink> {
    Some(ApplicationLink {
        application_url: authorization.application_url.clone()?,
        consumer_key: authorization.consumer_key.clone()?,
        consumer_name: authorization.consumer_name.clone()?,
        public_key: authorization.public_key.clone()?,
    })
}

/// Address of the connection's page.
fn page(connection: &JiraConnection, ctx: &Context) -> Option<String> {
    let pages = ctx.public_url.as_ref()?;
    Some(pages.page(&connection.namespace().unwrap_or_default(), &connection.name_any()))
}

/// What Jira's application link calls the application URL. It need not be reachable from Jira, and without pages it is not.
pub(super) fn application_url(connection: &JiraConnection, ctx: &Context) -> String {
    let (namespace, name) = (connection.namespace().unwrap_or_default(), connection.name_any());
    page(connection, ctx)
        .unwrap_or_else(|| format!("https://jira-connection-operator.invalid/connections/{namespace}/{name}"))
}
