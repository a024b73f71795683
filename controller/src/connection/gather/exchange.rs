//! From the answer that a person brought to a grant in use: exchanged, stored, proven, put in use.

use crds::jira::Deployment;
use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;

use super::{
    super::{Error, custody::Write, finding::Finding},
    handshake::{Desk, Taken},
};
use crate::{
    auth::{
        authorization_secret::{Answer, Hash, OutcomeResult},
        grant::{Grant, GrantSite, Tokens},
        grant_secret::{CANDIDATE, CLAIM, ENDED, GRANT, PREPARATION, Preparation, Slot, stored},
    },
    jira::{ApiBase, Authorization, OAuth1Problem, Outage, Problem, Session, SessionToken, TokenSet, choose},
    kubernetes::owned_secret::Changes,
};

const GRANTED: &str = "The connection is authorised.";
const DECLINED: &str = "The access was refused at Jira. Start again, and choose Accept or Allow there.";
const INTERRUPTED: &str = "The operator was interrupted before it could use the answer. Start again.";

impl Desk<'_> {
    /// Turns the answer that a person brought into a grant, and stores it before anything else.
    pub(super) async fn exchange(&mut self) -> Result<Taken, Error> {
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
            (Some(Answer::Refused { error, .. }), _) => {
                let (result, message) = declined(&error);
                return self.end(result, message).await.map(Ok);
            }
            (Some(Answer::Code { code, .. }), _) => {
                self.exchange_code(&SecretString::from(code), &preparation).await?.map(|tokens| oauth2(tokens, now))
            }
            (Some(Answer::Verifier { oauth_verifier, .. }), _) => {
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
    pub(super) async fn prove(&mut self) -> Result<Taken, Error> {
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
}

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
