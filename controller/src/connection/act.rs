//! Carries out a plan: tells the bindings what was proven, and a person how to authorise.
//!
//! In: a plan. Out: the same plan, applied. The status is built from an [`Applied`] and from nothing else.

use std::sync::Arc;

use crds::{JiraConnection, connection::status::Authorization};
use kube::ResourceExt;
use secrecy::ExposeSecret;

use super::{
    Error, custody::Write, decide::plan::Plan, facts::TokenEnd, farewell, gather, handshake::Published, memory::Memory,
    references,
};
use crate::{
    auth::authorization_secret::{
        APPLICATION_URL, AUTHORIZE_AT, ApplicationLink, CONSUMER_KEY, CONSUMER_NAME, PAGE, PUBLIC_KEY,
    },
    context::Context,
    kubernetes::{
        events::{Note, Tone},
        owned_secret::{Changes, Owner},
    },
    lending::{Borrowing, LentToken, Loan},
    proof::Standing,
    spec_digest::SpecDigest,
    wish,
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
    memory.facts.concluded = Some(SpecDigest::of_connection(&connection.spec));
    memory.facts.retain_projects(|key| plan.proof.projects.contains_key(key));
    // In this order: who is woken by the proof finds what goes with it.
    let lent = ctx.loans.publish(&name, loan(connection, &plan, memory, ctx));
    let proven = ctx.proofs.publish(name.clone(), plan.proof.clone());
    if lent || proven {
        ctx.wakes.bindings_of(&name, &ctx.stores);
    }
    farewell::prepare(connection, ctx).await?;
    if let Some(authorization) = &plan.details.authorization {
        publish(connection, authorization, memory, ctx).await?;
    }
    Ok(Applied(plan))
}

/// What the connection lends to its bindings after this pass. `None` while it is not proven, or nobody borrows.
fn loan(connection: &JiraConnection, plan: &Plan, memory: &Memory, ctx: &Context) -> Option<Loan> {
    let proven = matches!(plan.proof.standing, Standing::Proven | Standing::Forgiven);
    let borrowing = memory.facts.demand.as_ref()?.borrowing;
    if !proven || borrowing == Borrowing::Nothing {
        return None;
    }
    let wallet = memory.wallet.as_ref()?;
    let bundle = connection.spec.tls.as_ref().and_then(|tls| tls.ca_ref.as_ref());
    let bundle = bundle.and_then(|it| wallet.values.get(&(references::bundle(it), it.key.clone())));
    let token = || {
        let TokenEnd(ends_at) = *memory.facts.token.as_ref()?.outcome.as_ref().ok()?;
        Some(LentToken { secret: wallet.access.clone()?, ends_at })
    };
    Some(Loan {
        uid: plan.proof.uid.clone(),
        generation: plan.proof.generation,
        certificates: ctx.network.certificates(bundle.map(ExposeSecret::expose_secret)).map(Arc::from),
        token: if borrowing == Borrowing::Token { token() } else { None },
    })
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
    let before = handshake.published.clone().unwrap_or_default();
    let wish = wish::echo(connection.metadata.annotations.as_ref(), crds::AUTHORIZE_AT);
    let authorize_at = wish.or_else(|| before.authorize_at.clone());
    let desired = Published { page: page(connection, ctx), authorize_at, link: link(authorization) };
    if handshake.published.as_ref() == Some(&desired) {
        return Ok(());
    }
    let asked = desired.authorize_at != before.authorize_at;
    let owner = Owner::of(connection).ok_or(Error::Gone)?;
    let text = |value: Option<&String>| value.map(|value| value.clone().into_bytes());
    let link = desired.link.as_ref();
    let changes = Changes::from([
        (PAGE, text(desired.page.as_ref())),
        (AUTHORIZE_AT, text(desired.authorize_at.as_ref())),
        (APPLICATION_URL, text(link.map(|link| &link.application_url))),
        (CONSUMER_KEY, text(link.map(|link| &link.consumer_key))),
        (CONSUMER_NAME, text(link.map(|link| &link.consumer_name))),
        (PUBLIC_KEY, text(link.map(|link| &link.public_key))),
    ]);
    let written = memory.custody.change_authorization(&owner, ctx, &changes).await?;
    gather::note_handshake(memory);
    if asked && written == Write::Done {
        ctx.events.publish(connection, call(connection));
    }
    Ok(())
}

/// Passes on the wish that a person authorises again.
fn call(connection: &JiraConnection) -> Note {
    let (name, namespace) = (connection.name_any(), connection.namespace().unwrap_or_default());
    let text = format!(
        "Somebody asks that this connection is authorised again. Do it with: kubectl jira authorize {name} -n {namespace}"
    );
    Note { tone: Tone::Normal, reason: "AuthorizationRequested".into(), text }
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
