//! Finds out one thing about a connection at a time.
//!
//! In: a question. Out: an answer that says how it is, good or bad. Absent by design: conclusions, status, retries.

mod exchange;
mod handshake;
mod renewal;

pub(super) use self::handshake::revoke;

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crds::{
    JiraConnection, WorkspaceBinding,
    connection::status::ActiveCredential,
    jira::{BROWSE_USERS_AND_GROUPS, PermissionKey, ProjectKey},
};
use futures::{StreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::{
    Error,
    facts::{Answer, Demand, Door, Facts, GrantAnswer, GrantQuestion, Identity, MaterialSeen, Question, TokenEnd},
    finding::RouteRefusal,
    memory::Memory,
    secrets,
    wallet::{Credential, Wallet},
};
use crate::{
    acceptance::{self, Acceptance, Labels},
    binding,
    context::Context,
    jira::{
        ApiBase, CloudId, Deployment, Gibberish, Jira, Network, PersonalAccessToken, Problem, Rejection, Session, Site,
    },
    lending::{Borrowing, Terms},
    proof::{ConnectionName, GrantedKeys},
};

/// How many projects are asked about at the same time, where each takes a request of its own.
const PROJECTS_AT_ONCE: usize = 4;

/// Answers one question.
///
/// # Errors
/// When the API server does not answer. Whatever is wrong with the user's objects or with Jira is in the answer.
pub(super) async fn answer(
    question: Question,
    connection: &JiraConnection,
    memory: &mut Memory,
    ctx: &Context,
) -> Result<Answer, Error> {
    let active = memory.facts.active();
    if let Some(wallet) = &mut memory.wallet {
        wallet.active = active;
    }
    match question {
        Question::Demand => return Ok(Answer::Demand(demand(connection, ctx))),
        Question::Duplicates => return Ok(Answer::Duplicates(ctx.instances.sharing(&name_of(connection)).here)),
        Question::Route => return Ok(Answer::Route(site(connection, &ctx.network).map(drop))),
        Question::Material => return material(connection, memory, ctx).await,
        Question::Handshake => return handshake::look(connection, memory, ctx).await,
        Question::Step(step) => return Box::pin(handshake::take(step, connection, memory, ctx)).await,
        Question::Token if memory.facts.handshake.is_some() => {
            return Box::pin(renewal::renew(connection, memory, ctx)).await;
        }
        Question::Candidate if memory.facts.handshake.is_some() => {
            return Box::pin(renewal::renew_with_candidate(connection, memory, ctx)).await;
        }
        Question::Server
        | Question::Candidate
        | Question::CloudId
        | Question::Token
        | Question::Replacement
        | Question::Identity(_)
        | Question::Projects(_)
        | Question::Grants(_)
        | Question::IssueSecurity(_)
        | Question::Expiry => {}
    }
    let wallet = memory.wallet.as_mut().ok_or(Error::NothingToAskWith)?;
    inquire(question, connection, &memory.facts, wallet, || ctx.now()).await
}

/// Asks Jira one thing, with what is known and with the secrets at hand, and nothing else.
///
/// # Errors
/// When the question is none for Jira, or comes before what it needs is known.
pub(crate) async fn inquire(
    question: Question,
    connection: &JiraConnection,
    facts: &Facts,
    wallet: &mut Wallet,
    now: impl Fn() -> Timestamp,
) -> Result<Answer, Error> {
    let cloud_id = facts.known_cloud_id().cloned();
    let deployment = connection.spec.deployment;
    Ok(match question {
        Question::Server => Answer::Server(wallet.jira.server().await),
        Question::CloudId => Answer::CloudId(wallet.jira.cloud_id().await),
        Question::Candidate => {
            wallet.active = ActiveCredential::Candidate;
            Answer::Candidate(candidate(wallet, deployment, cloud_id, now).await?)
        }
        Question::Token => Answer::Token(token(wallet, deployment, now).await),
        Question::Replacement => Answer::Replacement(token(wallet, deployment, now).await),
        Question::Identity(door) => {
            Answer::Identity(door, identity(wallet, session(wallet, deployment, door, cloud_id)?).await)
        }
        Question::Projects(keys) => Answer::Projects(
            projects(&wallet.jira, &session_now(wallet, facts.door, deployment, cloud_id)?, keys, deployment).await,
        ),
        Question::Grants(asked) => {
            Answer::Grants(grants(&wallet.jira, &session_now(wallet, facts.door, deployment, cloud_id)?, asked).await)
        }
        Question::Expiry => {
            let session = session_now(wallet, facts.door, deployment, cloud_id)?;
            Answer::Expiry(wallet.jira.personal_access_tokens(&session).await.map(|tokens| end_of_ours(&tokens)))
        }
        Question::IssueSecurity(keys) => {
            let session = session_now(wallet, facts.door, deployment, cloud_id)?;
            let jira = &wallet.jira;
            let one = async |key: ProjectKey| (key.clone(), jira.issue_security(&session, key.as_ref()).await);
            Answer::IssueSecurity(stream::iter(keys).map(one).buffer_unordered(PROJECTS_AT_ONCE).collect().await)
        }
        Question::Demand
        | Question::Duplicates
        | Question::Route
        | Question::Material
        | Question::Handshake
        | Question::Step(_) => {
            return Err(Error::NothingToAskWith);
        }
    })
}

/// Takes note of what was just written into the owned Secrets.
pub(super) fn note_handshake(memory: &mut Memory) {
    let handshake = handshake::standing(Ok(()), memory);
    memory.facts.handshake = Some(handshake);
}

fn name_of(connection: &JiraConnection) -> ConnectionName {
    (connection.namespace().unwrap_or_default(), connection.name_any())
}

/// What the bindings that name this connection ask of it.
fn demand(connection: &JiraConnection, ctx: &Context) -> Demand {
    let name = name_of(connection);
    let stored = ctx.stores.bindings_of(&name);
    let bindings = stored.iter().filter_map(|stored| {
        let binding = stored.0.as_ref().ok()?;
        let labels = ctx.stores.namespace_labels(&binding.namespace().unwrap_or_default());
        Some((binding, labels))
    });
    demanded(connection, bindings)
}

/// What bindings that name this connection ask of it; each comes with the labels of its namespace, if they are known.
pub(crate) fn demanded<B: Borrow<WorkspaceBinding>>(
    connection: &JiraConnection,
    bindings: impl IntoIterator<Item = (B, Option<Labels>)>,
) -> Demand {
    let mut demand = Demand::default();
    for (bound, labels) in bindings {
        let bound = bound.borrow();
        let namespace = bound.namespace().unwrap_or_default();
        match acceptance::judge(connection, bound, labels.as_ref()) {
            Acceptance::Refused => demand.refused += 1,
            Acceptance::Accepted { credential } => {
                let borrowing = Borrowing::of(bound, Terms::of(connection, credential));
                demand.borrowing = demand.borrowing.max(borrowing);
                demand.accepted += 1;
                demand.unproven += usize::from(!binding::is_weighed(bound));
                demand.namespaces.insert(namespace);
                for project in &bound.spec.projects {
                    demand.projects.entry(project.key.clone()).or_default().extend(project.required());
                }
            }
        }
    }
    demand
}

/// The Jira of a connection, if it may be contacted.
pub(crate) fn site(connection: &JiraConnection, network: &Network) -> Result<Site, RouteRefusal> {
    let site = Site::parse(&connection.spec.url).map_err(|fault| RouteRefusal::InvalidUrl(fault.to_string()))?;
    if network.allows(&site) { Ok(site) } else { Err(RouteRefusal::HostNotAllowed) }
}

async fn material(connection: &JiraConnection, memory: &mut Memory, ctx: &Context) -> Result<Answer, Error> {
    // The question before this one has found the site good; had it not, nobody would ask this one.
    let site = site(connection, &ctx.network).map_err(|_| Error::NothingToAskWith)?;
    let read = secrets::read(connection, &site, ctx).await?;
    Ok(Answer::Material(read.map(|(wallet, candidate)| match &memory.wallet {
        // Only labels or unrelated keys changed: what was proven with these values stays proven.
        Some(held) if held.holds(&wallet.values) && memory.same_way(connection) => {
            MaterialSeen { observed: held.observed.clone(), candidate, changed: false }
        }
        Some(_) | None => {
            let observed = wallet.observed.clone();
            memory.wallet = Some(wallet);
            memory.way = connection.metadata.generation;
            MaterialSeen { observed, candidate, changed: true }
        }
    })))
}

async fn token(
    wallet: &mut Wallet,
    deployment: crds::jira::Deployment,
    now: impl Fn() -> Timestamp,
) -> Result<TokenEnd, Problem> {
    let Credential::Client { id, secret, scopes } = wallet.credential() else {
        return Err(Problem::GrantTypeUnsupported);
    };
    let token = wallet.jira.client_credentials(self::deployment(deployment), id, secret, scopes).await?;
    wallet.access = Some(token.secret);
    Ok(TokenEnd(now() + token.lifetime))
}

/// Whether Jira accepts the candidate: a token is asked for with it, or who it belongs to.
async fn candidate(
    wallet: &mut Wallet,
    deployment: crds::jira::Deployment,
    cloud_id: Option<CloudId>,
    now: impl Fn() -> Timestamp,
) -> Result<Result<(), Problem>, Error> {
    if matches!(wallet.credential(), Credential::Client { .. }) {
        return Ok(token(wallet, deployment, now).await.map(|_| ()));
    }
    let at_site = identity(wallet, session(wallet, deployment, Door::Site, cloud_id.clone())?).await;
    let refused = matches!(at_site, Err(Problem::Rejected(Rejection::Unauthorized | Rejection::Anonymous)));
    if refused && cloud_id.is_some() {
        // An API token does not tell whether it is scoped; a scoped one works at the gateway.
        let at_gateway = identity(wallet, session(wallet, deployment, Door::Gateway, cloud_id)?).await;
        return Ok(at_gateway.map(|_| ()));
    }
    Ok(at_site.map(|_| ()))
}

fn deployment(declared: crds::jira::Deployment) -> Deployment {
    match declared {
        crds::jira::Deployment::Cloud => Deployment::Cloud,
        crds::jira::Deployment::DataCenter => Deployment::DataCenter,
    }
}

fn session(
    wallet: &Wallet,
    deployment: crds::jira::Deployment,
    door: Door,
    cloud_id: Option<CloudId>,
) -> Result<Session, Error> {
    let base = match (deployment, door, cloud_id) {
        (crds::jira::Deployment::DataCenter, _, _) => ApiBase::DataCenter,
        (crds::jira::Deployment::Cloud, Door::Site, _) => ApiBase::CloudSite,
        (crds::jira::Deployment::Cloud, Door::Gateway, Some(id)) => ApiBase::CloudGateway(id),
        (crds::jira::Deployment::Cloud, Door::Gateway, None) => return Err(Error::NothingToAskWith),
    };
    let authorization = wallet.authorization().ok_or(Error::NothingToAskWith)?;
    Ok(Session { base, authorization })
}

/// The session that the identity was proven with.
fn session_now(
    wallet: &Wallet,
    door: Option<Door>,
    deployment: crds::jira::Deployment,
    cloud_id: Option<CloudId>,
) -> Result<Session, Error> {
    session(wallet, deployment, door.ok_or(Error::NothingToAskWith)?, cloud_id)
}

async fn identity(wallet: &Wallet, session: Session) -> Result<Identity, Problem> {
    match wallet.jira.account(&session).await {
        Ok(account) => Ok(Identity::Known(account)),
        // A service account of Data Center is no principal of Jira's: it may not ask who it is, and may do other things.
        Err(Problem::Forbidden | Problem::NotFound | Problem::NotJira(Gibberish::Missing))
            if session.base == ApiBase::DataCenter && matches!(wallet.credential(), Credential::Client { .. }) =>
        {
            Ok(Identity::Untold)
        }
        Err(problem) => Err(problem),
    }
}

/// The end of the token in use: of the only one, or of the one that was used last. Jira does not tell which was ours.
fn end_of_ours(tokens: &[PersonalAccessToken]) -> Option<Timestamp> {
    match tokens {
        [] => None,
        [only] => only.ends_at,
        several => several.iter().max_by_key(|token| token.last_used_at)?.ends_at,
    }
}

type Found = BTreeMap<ProjectKey, Result<Option<crate::jira::Project>, Problem>>;

async fn projects(
    jira: &Jira,
    session: &Session,
    keys: BTreeSet<ProjectKey>,
    deployment: crds::jira::Deployment,
) -> Found {
    match deployment {
        crds::jira::Deployment::Cloud => projects_at_once(jira, session, keys).await,
        crds::jira::Deployment::DataCenter => {
            let one = async |key: ProjectKey| {
                let found = match jira.project(session, key.as_ref()).await {
                    // A key that was moved still leads to the project, under its new key.
                    Ok(project) if project.key == key.0 => Ok(Some(project)),
                    Ok(_) | Err(Problem::NotFound) => Ok(None),
                    Err(problem) => Err(problem),
                };
                (key, found)
            };
            stream::iter(keys).map(one).buffer_unordered(PROJECTS_AT_ONCE).collect().await
        }
    }
}

async fn projects_at_once(jira: &Jira, session: &Session, keys: BTreeSet<ProjectKey>) -> Found {
    let asked: Vec<&str> = keys.iter().map(ProjectKey::as_ref).collect();
    match jira.projects(session, &asked).await {
        Ok(found) => {
            let mut found: BTreeMap<_, _> = found.into_iter().map(|project| (project.key.clone(), project)).collect();
            keys.into_iter().map(|key| (key.clone(), Ok(found.remove(&key.0)))).collect()
        }
        Err(problem) => keys.into_iter().map(|key| (key, Err(problem.clone()))).collect(),
    }
}

async fn grants(jira: &Jira, session: &Session, asked: GrantQuestion) -> GrantAnswer {
    match session.base {
        ApiBase::CloudSite | ApiBase::CloudGateway(_) => grants_at_once(jira, session, asked).await,
        ApiBase::DataCenter => grants_by_project(jira, session, asked).await,
    }
}

/// Cloud answers for all projects in one request.
async fn grants_at_once(jira: &Jira, session: &Session, asked: GrantQuestion) -> GrantAnswer {
    let global: Vec<String> = asked.global.then(|| BROWSE_USERS_AND_GROUPS.to_owned()).into_iter().collect();
    let permissions: Vec<String> = asked.permissions.iter().map(ToString::to_string).collect();
    let numbers: Vec<u64> = asked.projects.values().copied().collect();
    match jira.check_permissions(session, &global, &permissions, &numbers).await {
        Err(problem) => GrantAnswer {
            global: asked.global.then(|| Err(problem.clone())),
            projects: asked.projects.into_keys().map(|key| (key, Err(problem.clone()))).collect(),
        },
        Ok(granted) => {
            let mut unrecognized = keys(&granted.unrecognized);
            unrecognized.extend(asked.unrecognized.iter().cloned());
            let grant = |id: u64| {
                Arc::new(GrantedKeys {
                    asked: Some(asked.permissions.union(&asked.unrecognized).cloned().collect()),
                    held: keys(granted.projects.get(&id).into_iter().flatten()),
                    unrecognized: unrecognized.clone(),
                })
            };
            GrantAnswer {
                global: asked.global.then(|| Ok(granted.global.contains(BROWSE_USERS_AND_GROUPS))),
                projects: asked.projects.iter().map(|(key, id)| (key.clone(), Ok(grant(*id)))).collect(),
            }
        }
    }
}

/// Data Center answers for one project at a time, and tells the global permissions each time.
async fn grants_by_project(jira: &Jira, session: &Session, asked: GrantQuestion) -> GrantAnswer {
    let one = async |key: ProjectKey| {
        let granted = jira.permissions(session, Some(key.as_ref())).await;
        (key, granted)
    };
    let each: BTreeMap<_, _> =
        stream::iter(asked.projects.into_keys()).map(one).buffer_unordered(PROJECTS_AT_ONCE).collect().await;
    let holds = |granted: &BTreeSet<String>| granted.contains(BROWSE_USERS_AND_GROUPS);
    let told = each.values().find_map(|granted| granted.as_ref().ok()).map(holds);
    let global = match (asked.global, told) {
        (false, _) => None,
        (true, Some(held)) => Some(Ok(held)),
        (true, None) => Some(jira.permissions(session, None).await.map(|granted| holds(&granted))),
    };
    let grant = |granted: BTreeSet<String>| Arc::new(GrantedKeys { held: keys(&granted), ..GrantedKeys::default() });
    GrantAnswer { global, projects: each.into_iter().map(|(key, granted)| (key, granted.map(grant))).collect() }
}

fn keys<'a>(granted: impl IntoIterator<Item = &'a String>) -> BTreeSet<PermissionKey> {
    granted.into_iter().map(|key| PermissionKey::from(key.as_str())).collect()
}
