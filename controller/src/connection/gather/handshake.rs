//! The steps of the handshake: what has to be done and stored first, so that there is more to know.
//!
//! In: a step that decide asked for. Out: how grant and attempt stand after it, and what stood in its way. Every step may
//! be repeated after a crash at any point: what Jira gives is stored before anything else happens with it.

use std::{sync::Arc, time::Duration};

use crds::{JiraConnection, connection::status::AuthorizationMethod};
use url::Url;

use super::super::{
    Error,
    custody::{Custody, Write},
    facts::Answer,
    finding::Finding,
    handshake::{self, Handshake, HandshakeFault, Step},
    memory::Memory,
    wallet::{Credential, Wallet},
};
use crate::{
    auth::{
        authorization_secret::{
            ANSWER, ATTEMPT, Attempt, BROWSER_HASH, OF_AN_ATTEMPT, OUTCOME, Outcome, OutcomeResult, REVOKE, REVOKED,
            ReturnBy, Revocation, State, VERIFICATION_CODE,
        },
        grant::{EndedGrant, Grant, GrantEnd, GrantSite, Tokens},
        grant_secret::{CANDIDATE, CLAIM, ENDED, GRANT, PREPARATION, PRIVATE_KEY, Preparation, stored, stored_key},
        key_pair::KeyPair,
        pkce,
    },
    context::Context,
    jira::{AuthorizationRequest, CloudId, Problem},
    kubernetes::owned_secret::{Changes, Owner},
};

/// How long a person may take at Jira: OAuth 2.0.
const ATTEMPT_LIFE: Duration = Duration::from_secs(15 * 60);

/// The same for OAuth 1.0a, whose request tokens live 10 minutes.
const OAUTH1_ATTEMPT_LIFE: Duration = Duration::from_secs(10 * 60);

/// Finds out how grant and attempt stand.
///
/// # Errors
/// When the API server does not answer.
pub(super) async fn look(connection: &JiraConnection, memory: &mut Memory, ctx: &Context) -> Result<Answer, Error> {
    let owner = Owner::of(connection).ok_or(Error::Gone)?;
    let read = memory.custody.read(&owner, ctx).await?;
    Ok(Answer::Handshake(standing(read, memory)))
}

/// How grant and attempt stand; puts the token in use into the wallet.
pub(super) fn standing(read: Result<(), HandshakeFault>, memory: &mut Memory) -> Result<Handshake, HandshakeFault> {
    let Memory { custody, wallet, .. } = memory;
    if let Some(wallet) = wallet {
        load(custody, wallet, read.is_ok());
    }
    let public_key = wallet.as_ref().and_then(Wallet::public_key);
    read.map(|()| custody.handshake(public_key))
}

fn load(custody: &Custody, wallet: &mut Wallet, ours: bool) {
    let secret = custody.grant();
    wallet.access = secret.grant.present().filter(|_| ours).map(|grant| match &grant.tokens {
        Tokens::OAuth2 { access_token, .. } => access_token.clone(),
        Tokens::OAuth1 { token, .. } => token.clone(),
    });
    if let Credential::Consumer { pair: pair @ None, .. } = &mut wallet.primary {
        // One that cannot be read is made anew.
        *pair = secret.private_key.as_ref().and_then(|pem| KeyPair::from_pem(pem).ok()).map(Arc::new);
    }
}

/// Takes one step.
///
/// # Errors
/// When the API server does not answer or does not store what has to be stored.
pub(super) async fn take(
    step: Step,
    connection: &JiraConnection,
    memory: &mut Memory,
    ctx: &Context,
) -> Result<Answer, Error> {
    let owner = Owner::of(connection).ok_or(Error::Gone)?;
    let cloud_id = memory.facts.known_cloud_id().cloned();
    let Memory { custody, wallet, .. } = memory;
    let wallet = wallet.as_mut().ok_or(Error::NothingToAskWith)?;
    let mut desk = Desk { connection, owner, custody, wallet, cloud_id, ctx };
    let outcome = match step {
        Step::KeyPair => desk.make_key_pair().await?,
        Step::Begin => desk.begin().await?,
        Step::Exchange => desk.exchange().await?,
        Step::Prove => desk.prove().await?,
        Step::Lapse => desk.lapse().await?,
        Step::SignOff => desk.sign_off().await?,
    };
    Ok(Answer::Step(step, standing(Ok(()), memory), outcome))
}

/// What a step works with.
pub(super) struct Desk<'a> {
    pub(super) connection: &'a JiraConnection,
    pub(super) owner: Owner,
    pub(super) custody: &'a mut Custody,
    pub(super) wallet: &'a mut Wallet,
    pub(super) cloud_id: Option<CloudId>,
    pub(super) ctx: &'a Context,
}

/// What came of a step at Jira.
pub(super) type Taken = Result<(), Problem>;

impl Desk<'_> {
    fn protocol(&self) -> Result<AuthorizationMethod, Error> {
        self.connection.spec.auth.method().and_then(handshake::protocol).ok_or(Error::NothingToAskWith)
    }

    pub(super) fn host(&self) -> String {
        self.wallet.jira.site().origin().trim_start_matches("https://").to_owned()
    }

    async fn make_key_pair(&mut self) -> Result<Taken, Error> {
        let pair = KeyPair::generate().await.map_err(Error::MakeKeyPair)?;
        let pem = pair.to_pem().map_err(Error::WriteKeyPair)?;
        let changes = Changes::from([(PRIVATE_KEY, Some(stored_key(&pem)))]);
        if self.custody.change_grant(&self.owner, self.ctx, &changes).await? == Write::Done
            && let Credential::Consumer { pair: held, .. } = &mut self.wallet.primary
        {
            *held = Some(Arc::new(pair));
        }
        Ok(Ok(()))
    }

    /// Makes state, secrets and the address at Jira for the key that a person asked with.
    async fn begin(&mut self) -> Result<Taken, Error> {
        let Some((asked, wanted)) =
            self.custody.authorization().and_then(|it| Some((it.key_hash.clone()?, it.return_by)))
        else {
            return Ok(Ok(()));
        };
        let state = State::fresh(self.owner.namespace(), self.owner.name()).map_err(Error::Randomness)?;
        let pages = self.ctx.public_url.clone();
        let protocol = self.protocol()?;
        let return_by = match protocol {
            AuthorizationMethod::OAuth2 => ReturnBy::Callback,
            AuthorizationMethod::OAuth1 => {
                wanted.unwrap_or(if pages.is_some() { ReturnBy::Callback } else { ReturnBy::Code })
            }
        };
        let callback = match (return_by, &pages) {
            (ReturnBy::Code, _) => None,
            (ReturnBy::Callback, Some(pages)) => Some(pages.callback()),
            (ReturnBy::Callback, None) => {
                let message = "The operator has no pages to come back to: its admin has to set --public-url. With oauth1, ask for a code: kubectl jira authorize --code.";
                return self.end(OutcomeResult::Failed, message).await.map(Ok);
            }
        };
        let (authorization_url, preparation, life) = match protocol {
            AuthorizationMethod::OAuth2 => {
                let callback = callback.ok_or(Error::NothingToAskWith)?;
                let (url, preparation) = self.oauth2_address(&state, &callback)?;
                (url, preparation, ATTEMPT_LIFE)
            }
            AuthorizationMethod::OAuth1 => {
                // OAuth 1.0a has no state of its own; what stands in the callback's query comes back with it.
                let callback = callback.and_then(|url| Url::parse_with_params(&url, [("state", state.as_str())]).ok());
                let signer = self.wallet.signer(None).ok_or(Error::NothingToAskWith)?;
                match self.wallet.jira.request_token(&signer, callback.as_ref()).await {
                    Err(problem) => return self.stumbled(problem).await,
                    Ok(token) => {
                        let url = self.wallet.jira.oauth1_authorization_url(&token.token);
                        let preparation = Preparation {
                            state: state.clone(),
                            redirect_uri: None,
                            code_verifier: None,
                            request_token: Some(token.token),
                        };
                        (url, preparation, OAUTH1_ATTEMPT_LIFE)
                    }
                }
            }
        };
        let deadline = self.ctx.now() + life;
        let attempt =
            Attempt { key_hash: asked, state, authorization_url: authorization_url.into(), deadline, return_by };
        let changes = Changes::from([(PREPARATION, Some(stored(&preparation)))]);
        if self.custody.change_grant(&self.owner, self.ctx, &changes).await? == Write::Overtaken {
            return Ok(Ok(()));
        }
        let changes = Changes::from([
            (ATTEMPT, Some(stored(&attempt))),
            (BROWSER_HASH, None),
            (ANSWER, None),
            (VERIFICATION_CODE, None),
            (OUTCOME, None),
        ]);
        self.custody.change_authorization(&self.owner, self.ctx, &changes).await?;
        Ok(Ok(()))
    }

    fn oauth2_address(&self, state: &State, redirect_uri: &str) -> Result<(Url, Preparation), Error> {
        let Credential::Client { id, scopes, .. } = self.wallet.credential() else {
            return Err(Error::NothingToAskWith);
        };
        let verifier = pkce::verifier().map_err(Error::Randomness)?;
        let request = AuthorizationRequest {
            client_id: id,
            redirect_uri,
            scopes,
            state: state.as_str(),
            challenge: &pkce::challenge(&verifier),
        };
        let url = self.wallet.jira.authorization_url(self.deployment(), &request);
        let preparation = Preparation {
            state: state.clone(),
            redirect_uri: Some(redirect_uri.to_owned()),
            code_verifier: Some(verifier),
            request_token: None,
        };
        Ok((url, preparation))
    }

    pub(super) fn deployment(&self) -> crate::jira::Deployment {
        super::deployment(self.connection.spec.deployment)
    }

    /// What Jira would not do now it may do later, unless it says that it never will.
    async fn stumbled(&mut self, problem: Problem) -> Result<Taken, Error> {
        if !problem.is_passing() {
            let message = Finding::problem(&problem, &self.host(), None).message;
            self.end(OutcomeResult::Failed, &message).await?;
        }
        Ok(Err(problem))
    }

    pub(super) async fn lapse(&mut self) -> Result<Taken, Error> {
        let message = "Nobody came back from Jira in time. Start again when somebody has a few minutes.";
        self.end(OutcomeResult::Expired, message).await.map(Ok)
    }

    /// Ends the attempt: its keys go, and the person reads how it went.
    pub(super) async fn end(&mut self, result: OutcomeResult, message: &str) -> Result<(), Error> {
        let Some(key_hash) = self.custody.authorization().and_then(|secret| secret.key_hash.clone()) else {
            return Ok(());
        };
        let outcome = Outcome { key_hash, result, message: message.to_owned() };
        let mut changes: Changes = OF_AN_ATTEMPT.into_iter().map(|key| (key, None)).collect();
        changes.insert(OUTCOME, Some(stored(&outcome)));
        let written = self.custody.change_authorization(&self.owner, self.ctx, &changes).await?;
        if written == Write::Done && self.custody.grant().preparation.is_some() {
            let changes = Changes::from([(PREPARATION, None)]);
            self.custody.change_grant(&self.owner, self.ctx, &changes).await?;
        }
        tracing::info!(
            namespace = self.owner.namespace(),
            name = self.owner.name(),
            result = ?outcome.result,
            "an attempt to authorise has ended"
        );
        Ok(())
    }

    /// Ends the grant: at Jira where that can be done, and here in any case.
    async fn sign_off(&mut self) -> Result<Taken, Error> {
        let held = self.custody.grant();
        let message = match held.grant.present() {
            None => "There was no grant to end.".to_owned(),
            Some(grant) => revoke(self.wallet, grant).await,
        };
        let now = self.ctx.now();
        let ended = held.grant.present().map(|grant| stored(&EndedGrant::of(grant, GrantEnd::SignedOff, now)));
        let mut changes = Changes::from([(GRANT, None), (CANDIDATE, None), (CLAIM, None), (PREPARATION, None)]);
        if ended.is_some() {
            changes.insert(ENDED, ended);
        }
        if self.custody.grant_version().is_some()
            && self.custody.change_grant(&self.owner, self.ctx, &changes).await? == Write::Overtaken
        {
            return Ok(Ok(()));
        }
        let mut changes: Changes = OF_AN_ATTEMPT.into_iter().map(|key| (key, None)).collect();
        changes.insert(REVOKE, None);
        changes.insert(REVOKED, Some(stored(&Revocation { at: now, message })));
        self.custody.change_authorization(&self.owner, self.ctx, &changes).await?;
        Ok(Ok(()))
    }
}

/// Ends a grant at Jira, as far as Jira offers that. Says what happened, for a person.
pub(in crate::connection) async fn revoke(wallet: &Wallet, grant: &Grant) -> String {
    match (&grant.tokens, &grant.site) {
        (Tokens::OAuth2 { access_token, refresh_token, .. }, GrantSite::DataCenter { .. }) => {
            let token = refresh_token.as_ref().unwrap_or(access_token);
            let Some(client) = wallet.client() else {
                return "The grant is ended here. There is no client secret to end it at Jira with.".into();
            };
            match wallet.jira.revoke(client, token).await {
                Ok(()) => "The grant is ended, at Jira and here.".into(),
                Err(problem) => {
                    let cause = Finding::problem(&problem, wallet.jira.site().host(), None).message;
                    format!("The grant is ended here. It could not be ended at Jira: {cause}")
                }
            }
        }
        (Tokens::OAuth2 { .. }, GrantSite::Cloud { .. }) => "The grant is ended here. Atlassian lets only the person end it there: in the profile, under Connected apps.".into(),
        (Tokens::OAuth1 { .. }, _) => "The grant is ended here. Jira lets only the person end it there: in the profile, under Authorized OAuth applications.".into(),
    }
}
