//! Renews a grant: claims it, sends the old token, stores the new ones, and only then lets them be used.
//!
//! In: the wish for a fresh token. Out: how the grant stands. Who prevails when is decided in [`keeping`]; this sends and
//! stores.

use std::time::{Duration, Instant};

use crds::{JiraConnection, connection::status::ActiveCredential};

use super::{
    super::{
        Error,
        custody::{Custody, Write},
        facts::Answer,
        handshake::Handshake,
        memory::Memory,
        wallet::Wallet,
    },
    handshake::standing,
};
use crate::{
    auth::{
        grant::{EndedGrant, Grant, GrantEnd, Tokens},
        grant_secret::{CLAIM, ENDED, GRANT, GrantSecret, stored},
        keeping::{self, Claim, Overtaken, Precedence, Settlement, Stored, Turn},
    },
    context::Context,
    jira::{Outage, Problem, Unrenewed},
    kubernetes::owned_secret::{Changes, Owner},
};

/// Renews the grant, if it is our turn.
///
/// # Errors
/// When the API server does not answer or does not store what has to be stored.
pub(super) async fn renew(connection: &JiraConnection, memory: &mut Memory, ctx: &Context) -> Result<Answer, Error> {
    let owner = Owner::of(connection).ok_or(Error::Gone)?;
    let Some(renewals) = memory.facts.known_handshake().and_then(Handshake::held).map(|held| held.renewals) else {
        return Err(Error::NothingToAskWith);
    };
    // Another process may have written since the last look, and the watch may not have told yet.
    let read = memory.custody.read(&owner, ctx).await?;
    let Memory { custody, wallet, .. } = memory;
    let wallet = wallet.as_mut().ok_or(Error::NothingToAskWith)?;
    let outcome = if read.is_ok() {
        let timeout = ctx.settings.of(&connection.spec).timeout.into();
        Renewal { owner: &owner, custody, wallet, ctx, timeout }.run(renewals).await?
    } else {
        Ok(())
    };
    Ok(Answer::Renewal(standing(read, memory), outcome))
}

/// Renews the grant with the client secret that shall replace the one in use: the way to prove it.
///
/// # Errors
/// As for [`renew`].
pub(super) async fn renew_with_candidate(
    connection: &JiraConnection,
    memory: &mut Memory,
    ctx: &Context,
) -> Result<Answer, Error> {
    let given_to = memory.facts.known_handshake().and_then(Handshake::held).map(|held| held.client.clone());
    let wallet = memory.wallet.as_mut().ok_or(Error::NothingToAskWith)?;
    wallet.active = ActiveCredential::Candidate;
    if wallet.client_id() != given_to {
        // A refresh token belongs to one client id. Another one must not even be tried: Jira would end the grant.
        wallet.active = ActiveCredential::Primary;
        return Ok(Answer::Candidate(Err(Problem::AnotherClient)));
    }
    match renew(connection, memory, ctx).await? {
        Answer::Renewal(found, outcome) => Ok(Answer::CandidateRenewal(found, outcome)),
        other => Ok(other),
    }
}

struct Renewal<'a> {
    owner: &'a Owner,
    custody: &'a mut Custody,
    wallet: &'a Wallet,
    ctx: &'a Context,
    /// Of one request.
    timeout: Duration,
}

/// A claim that stands in the Secret.
struct Claimed {
    claim: Claim,
    /// Taken before the claim was written: by this clock it is older than the claim, never younger.
    since: Instant,
    /// `metadata.resourceVersion` that its write returned.
    version: String,
}

impl Renewal<'_> {
    async fn run(&mut self, renewals: u64) -> Result<Result<(), Problem>, Error> {
        let Some(grant) = self.custody.grant().grant.present().cloned() else {
            return Ok(Ok(()));
        };
        let stored = Stored { grant: &grant, claim: self.custody.claim() };
        match keeping::turn(stored, renewals, &self.ctx.holder, self.ctx.now()) {
            Turn::Adopt => Ok(Ok(())),
            Turn::Wait { .. } => Ok(Err(Problem::Unreachable(Outage::Withheld))),
            Turn::Over(end) => self.end(&grant, end).await.map(Ok),
            Turn::Renew { interrupted } => match self.claim().await? {
                None => Ok(Err(Problem::Unreachable(Outage::Withheld))),
                Some(claimed) => self.send(&grant, interrupted, &claimed).await,
            },
        }
    }

    async fn claim(&mut self) -> Result<Option<Claimed>, Error> {
        let since = Instant::now();
        let claim = Claim::new(self.ctx.holder.clone(), self.ctx.now(), self.timeout);
        let changes = Changes::from([(CLAIM, Some(stored(&claim)))]);
        match self.custody.change_grant(self.owner, self.ctx, &changes).await? {
            Write::Overtaken => Ok(None),
            Write::Done => {
                let version = self.custody.grant_version().unwrap_or_default().to_owned();
                Ok(Some(Claimed { claim, since, version }))
            }
        }
    }

    async fn send(
        &mut self,
        grant: &Grant,
        interrupted: bool,
        claimed: &Claimed,
    ) -> Result<Result<(), Problem>, Error> {
        let answer = match self.ask(grant, claimed).await {
            Err(Unrenewed::Withheld) => Err(Problem::Unreachable(Outage::Withheld)),
            Err(Unrenewed::Problem(problem)) => Err(problem),
            Ok(tokens) => Ok(tokens),
        };
        let now = self.ctx.now();
        let (settlement, outcome) = match answer {
            Ok(tokens) => (keeping::settle(grant, Ok(tokens), interrupted, now), Ok(())),
            Err(problem) => (keeping::settle(grant, Err(&problem), interrupted, now), Err(problem)),
        };
        self.store(grant, settlement).await?;
        Ok(outcome)
    }

    async fn ask(&self, grant: &Grant, claimed: &Claimed) -> Result<Tokens, Unrenewed> {
        let jira = &self.wallet.jira;
        let unusable = || Unrenewed::Problem(Problem::ClientSecretRejected);
        let last_look = self.still_ours(claimed);
        match &grant.tokens {
            Tokens::OAuth2 { refresh_token, .. } => {
                let client = self.wallet.client().ok_or_else(unusable)?;
                let refresh_token = refresh_token.as_ref().ok_or_else(unusable)?;
                // The one of the consent, even if the operator's pages have moved since.
                let redirect_uri = grant.redirect_uri.as_deref().unwrap_or_default();
                let deployment = grant.site.deployment();
                let tokens = jira.refresh(deployment, client, refresh_token, redirect_uri, last_look).await?;
                let now = self.ctx.now();
                Ok(Tokens::OAuth2 {
                    access_token: tokens.access.secret,
                    ends_at: now + tokens.access.lifetime,
                    // RFC 6749, 6: without a new one the old one stays good.
                    refresh_token: tokens.refresh.or_else(|| Some(refresh_token.clone())),
                })
            }
            Tokens::OAuth1 { token, session_handle, session_ends_at, .. } => {
                let signer = self.wallet.signer(Some(token.clone())).ok_or_else(unusable)?;
                let handle = session_handle.as_ref().ok_or_else(unusable)?;
                let session = jira.renew_session(&signer, handle, last_look).await?;
                let now = self.ctx.now();
                Ok(Tokens::OAuth1 {
                    token: session.token,
                    ends_at: now + session.lifetime,
                    session_handle: session.session_handle.or_else(|| Some(handle.clone())),
                    session_ends_at: session.session_lifetime.map(|life| now + life).or(*session_ends_at),
                })
            }
        }
    }

    /// The last look before a refresh token leaves: by a monotonic clock the lease is ours and the claim covers the request,
    /// and the claim is still the last word in the Secret.
    ///
    /// The lease need not cover the request: a lease may be shorter than the timeout, and who leads next waits for the claim.
    async fn still_ours(&self, claimed: &Claimed) -> bool {
        let standing = self.custody.grant_stands(self.owner, self.ctx, &claimed.version).await;
        standing
            && claimed.claim.covers(claimed.since.elapsed(), self.timeout)
            && self.ctx.leadership.holds_for(Duration::ZERO)
    }

    async fn end(&mut self, grant: &Grant, end: GrantEnd) -> Result<(), Error> {
        self.store(grant, Settlement::End(end)).await
    }

    /// Stores what follows from an answer: tries again until the API server takes it, or somebody else prevails.
    async fn store(&mut self, base: &Grant, settlement: Settlement) -> Result<(), Error> {
        let changes = match &settlement {
            Settlement::Keep => return Ok(()),
            Settlement::Release => Changes::from([(CLAIM, None)]),
            Settlement::Store(grant) => {
                Changes::from([(GRANT, Some(stored(grant.as_ref()))), (CLAIM, None), (ENDED, None)])
            }
            Settlement::End(end) => {
                let ended = EndedGrant::of(base, *end, self.ctx.now());
                Changes::from([(GRANT, None), (CLAIM, None), (ENDED, Some(stored(&ended)))])
            }
        };
        self.custody.insist(self.owner, self.ctx, &changes, |found| prevails(&settlement, found)).await
    }
}

/// Whether a settlement still has to be stored over what somebody else has written.
fn prevails(settlement: &Settlement, secret: &GrantSecret) -> bool {
    let Settlement::Store(ours) = settlement else {
        return false;
    };
    let found = match (secret.grant.present(), &secret.ended) {
        (Some(grant), _) => Overtaken::Grant(grant),
        (None, Some(ended)) => Overtaken::Ended(ended),
        (None, None) => Overtaken::Nothing,
    };
    keeping::precedence(ours, found) == Precedence::Ours
}
