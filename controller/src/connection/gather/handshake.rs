//! The steps of the handshake: what has to be done and stored first, so that there is more to know.
//!
//! In: a step that decide asked for. Out: how grant and attempt stand after it, and what stood in its way. Every step may
//! be repeated after a crash at any point: what Jira gives is stored before anything else happens with it.

use std::{sync::Arc, time::Duration};

use crds::{JiraConnection, connection::status::AuthorizationMethod, jira::Deployment};
use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;
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
            self, ANSWER, ATTEMPT, Attempt, BROWSER_HASH, Hash, OF_AN_ATTEMPT, OUTCOME, Outcome, OutcomeResult, REVOKE,
            REVOKED, ReturnBy, Revocation, State, VERIFICATION_CODE,
        },
        grant::{EndedGrant, Grant, GrantEnd, GrantSite, Tokens},
        grant_secret::{
            CANDIDATE, CLAIM, ENDED, GRANT, PREPARATION, PRIVATE_KEY, Preparation, Slot, stored, stored_key,
        },
        key_pair::KeyPair,
        pkce,
    },
    context::Context,
    jira::{
        ApiBase, Authorization, AuthorizationRequest, CloudId, OAuth1Problem, Outage, Problem, Session, SessionToken,
        TokenSet, choose,
    },
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
struct Desk<'a> {
    connection: &'a JiraConnection,
    owner: Owner,
    custody: &'a mut Custody,
    wallet: &'a mut Wallet,
    cloud_id: Option<CloudId>,
    ctx: &'a Context,
}

/// What came of a step at Jira.
type Taken = Result<(), Problem>;

impl Desk<'_> {
    fn protocol(&self) -> Result<AuthorizationMethod, Error> {
        self.connection.spec.auth.method().and_then(handshake::protocol).ok_or(Error::NothingToAskWith)
    }

    fn host(&self) -> String {
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

    fn deployment(&self) -> crate::jira::Deployment {
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

    /// Turns the answer that a person brought into a grant, and stores it before anything else.
    async fn exchange(&mut self) -> Result<Taken, Error> {
        let Some(secret) = self.custody.authorization().cloned() else {
            return Ok(Ok(()));
        };
        let Some(attempt) = secret.attempt else {
            return Ok(Ok(()));
        };
        if attempt.deadline <= self.ctx.now() {
            return self.lapse().await;
        }
        let held = self.custody.grant();
        if held.grant.present().is_some_and(|grant| grant.attempt.as_ref() == Some(&Hash::of(attempt.state.as_str()))) {
            // Stored and proven before a crash, and only not said.
            return self.end(OutcomeResult::Granted, GRANTED).await.map(Ok);
        }
        let Some(preparation) = held.preparation.filter(|preparation| preparation.state == attempt.state) else {
            return self.end(OutcomeResult::Failed, INTERRUPTED).await.map(Ok);
        };
        if secret.answer.as_ref().is_some_and(|answer| *answer.state() != attempt.state) {
            let message = "The answer does not belong to this attempt. Start again, and follow one link only.";
            return self.end(OutcomeResult::Failed, message).await.map(Ok);
        }
        let now = self.ctx.now();
        let given = match (secret.answer, secret.verification_code) {
            (Some(authorization_secret::Answer::Refused { error, .. }), _) => {
                let (result, message) = declined(&error);
                return self.end(result, message).await.map(Ok);
            }
            (Some(authorization_secret::Answer::Code { code, .. }), _) => {
                self.exchange_code(&SecretString::from(code), &preparation).await?.map(|tokens| oauth2(tokens, now))
            }
            (Some(authorization_secret::Answer::Verifier { oauth_verifier, .. }), _) => {
                self.exchange_verifier(&oauth_verifier, &preparation).await?.map(|tokens| oauth1(tokens, now))
            }
            (None, Some(code)) => {
                self.exchange_verifier(code.expose(), &preparation).await?.map(|tokens| oauth1(tokens, now))
            }
            (None, None) => return Ok(Ok(())),
        };
        match given {
            Err(problem) => self.not_given(problem).await,
            Ok(tokens) => self.store_candidate(tokens, preparation).await.map(Ok),
        }
    }

    async fn exchange_code(
        &self,
        code: &SecretString,
        preparation: &Preparation,
    ) -> Result<Result<TokenSet, Problem>, Error> {
        let (Some(client), Some(verifier), Some(redirect_uri)) =
            (self.wallet.client(), &preparation.code_verifier, &preparation.redirect_uri)
        else {
            return Err(Error::NothingToAskWith);
        };
        Ok(self.wallet.jira.exchange_code(self.deployment(), client, code, verifier, redirect_uri).await)
    }

    async fn exchange_verifier(
        &self,
        verifier: &str,
        preparation: &Preparation,
    ) -> Result<Result<SessionToken, Problem>, Error> {
        let signer = preparation.request_token.clone().and_then(|token| self.wallet.signer(Some(token)));
        let signer = signer.ok_or(Error::NothingToAskWith)?;
        Ok(self.wallet.jira.access_token(&signer, &SecretString::from(verifier)).await)
    }

    /// A code is good once and for seconds: what certainly was not sent may be sent again, all else starts anew.
    async fn not_given(&mut self, problem: Problem) -> Result<Taken, Error> {
        let message = match &problem {
            Problem::Unreachable(Outage::NotConnected | Outage::NameNotResolved | Outage::Proxy)
            | Problem::RateLimited { .. } => return Ok(Err(problem)),
            Problem::GrantRevoked => {
                "Jira does not accept the code: it was used already, or its few seconds were over. Start again.".into()
            }
            Problem::OAuth1(OAuth1Problem::TokenRejected | OAuth1Problem::TokenExpired) => {
                "Jira does not accept the verification code: it is not the one that Jira showed, or its 10 minutes were over. Start again.".into()
            }
            Problem::OAuth1(OAuth1Problem::PermissionUnknown) => {
                "Jira has not been told to allow the access yet. Start again, and choose Allow in Jira before you enter the code.".into()
            }
            Problem::OAuth1(OAuth1Problem::PermissionDenied) => {
                return self.end(OutcomeResult::Refused, DECLINED).await.map(Ok);
            }
            other => format!("{} Then start again.", Finding::problem(other, &self.host(), None).message),
        };
        self.end(OutcomeResult::Failed, &message).await?;
        Ok(Err(problem))
    }

    async fn store_candidate(&mut self, tokens: Tokens, preparation: Preparation) -> Result<(), Error> {
        let (now, client) = (self.ctx.now(), self.wallet.client_id().ok_or(Error::NothingToAskWith)?);
        let site = match self.connection.spec.deployment {
            Deployment::DataCenter => GrantSite::DataCenter { url: self.wallet.jira.site().to_string() },
            Deployment::Cloud => {
                let known = self.cloud_id.as_ref().ok_or(Error::NothingToAskWith)?;
                GrantSite::Cloud { cloud_id: known.to_string() }
            }
        };
        let candidate = Grant {
            site,
            client,
            account: None,
            redirect_uri: preparation.redirect_uri,
            attempt: Some(Hash::of(preparation.state.as_str())),
            consented_at: now,
            renewed_at: now,
            renewals: 0,
            tokens,
        };
        let changes = Changes::from([(CANDIDATE, Some(stored(&candidate))), (PREPARATION, None)]);
        self.custody.insist(&self.owner, self.ctx, &changes, |_| true).await
    }

    /// Proves a grant that was given, and puts it in use. The one before stays in use until then.
    async fn prove(&mut self) -> Result<Taken, Error> {
        let Slot::Present(candidate) = self.custody.grant().candidate else {
            let message = "Somebody has changed the Secret in which the operator keeps the grant. Start again.";
            return self.discard(OutcomeResult::Failed, message).await.map(Ok);
        };
        match self.identify(&candidate).await? {
            Ok(account) => {
                let grant = Grant { account, ..candidate };
                let changes =
                    Changes::from([(GRANT, Some(stored(&grant))), (CANDIDATE, None), (CLAIM, None), (ENDED, None)]);
                if self.custody.change_grant(&self.owner, self.ctx, &changes).await? == Write::Done {
                    self.end(OutcomeResult::Granted, GRANTED).await?;
                }
                Ok(Ok(()))
            }
            Err(problem) => {
                if !problem.is_passing() {
                    let message = unusable(&problem, &self.host());
                    self.discard(OutcomeResult::Unusable, &message).await?;
                }
                Ok(Err(problem))
            }
        }
    }

    /// Whose grant it is; on Cloud also whether it covers the site.
    async fn identify(&self, candidate: &Grant) -> Result<Result<Option<String>, Problem>, Error> {
        let jira = &self.wallet.jira;
        let session = match (&candidate.tokens, &candidate.site) {
            (Tokens::OAuth2 { access_token, .. }, GrantSite::Cloud { .. }) => {
                let covered = match jira.accessible_resources(access_token).await {
                    Ok(covered) => covered,
                    Err(problem) => return Ok(Err(problem)),
                };
                match choose(jira.site(), self.cloud_id.as_ref(), &covered) {
                    Ok(id) => Session {
                        base: ApiBase::CloudGateway(id),
                        authorization: Authorization::Bearer(access_token.clone()),
                    },
                    Err(problem) => return Ok(Err(problem)),
                }
            }
            (Tokens::OAuth2 { access_token, .. }, GrantSite::DataCenter { .. }) => {
                Session { base: ApiBase::DataCenter, authorization: Authorization::Bearer(access_token.clone()) }
            }
            (Tokens::OAuth1 { token, .. }, _) => {
                let signer = self.wallet.signer(Some(token.clone())).ok_or(Error::NothingToAskWith)?;
                Session { base: ApiBase::DataCenter, authorization: Authorization::Signed(signer) }
            }
        };
        Ok(jira.account(&session).await.map(|account| Some(account.id)))
    }

    async fn discard(&mut self, result: OutcomeResult, message: &str) -> Result<(), Error> {
        let changes = Changes::from([(CANDIDATE, None)]);
        if self.custody.change_grant(&self.owner, self.ctx, &changes).await? == Write::Done {
            self.end(result, message).await?;
        }
        Ok(())
    }

    async fn lapse(&mut self) -> Result<Taken, Error> {
        let message = "Nobody came back from Jira in time. Start again when somebody has a few minutes.";
        self.end(OutcomeResult::Expired, message).await.map(Ok)
    }

    /// Ends the attempt: its keys go, and the person reads how it went.
    async fn end(&mut self, result: OutcomeResult, message: &str) -> Result<(), Error> {
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

const GRANTED: &str = "The connection is authorised.";
const DECLINED: &str = "The access was refused at Jira. Start again, and choose Accept or Allow there.";
const INTERRUPTED: &str = "The operator was interrupted before it could use the answer. Start again.";

/// What an `error` of a callback (RFC 6749, 4.1.2.1) means for the person.
fn declined(error: &str) -> (OutcomeResult, &'static str) {
    match error {
        "access_denied" => (OutcomeResult::Refused, DECLINED),
        "invalid_scope" => (
            OutcomeResult::Failed,
            "Jira does not know, or does not allow, a scope that was asked for. Correct spec.auth.oauth2AuthorizationCode.scopes, or the scopes of the app or link in Jira.",
        ),
        _ => (
            OutcomeResult::Failed,
            "Jira broke off the authorisation with an error. Check the app or application link in Jira, then start again.",
        ),
    }
}

fn unusable(problem: &Problem, host: &str) -> String {
    match problem {
        Problem::Rejected(_) => format!(
            "{host} does not accept the new grant: the account that gave it may not use Jira. Start again with an account that may."
        ),
        other => Finding::problem(other, host, None).message,
    }
}

fn oauth2(tokens: TokenSet, now: Timestamp) -> Tokens {
    Tokens::OAuth2 {
        access_token: tokens.access.secret,
        ends_at: now + tokens.access.lifetime,
        refresh_token: tokens.refresh,
    }
}

fn oauth1(tokens: SessionToken, now: Timestamp) -> Tokens {
    Tokens::OAuth1 {
        token: tokens.token,
        ends_at: now + tokens.lifetime,
        session_handle: tokens.session_handle,
        session_ends_at: tokens.session_lifetime.map(|life| now + life),
    }
}
