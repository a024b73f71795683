//! The two Secrets that the operator makes for a connection, as they were read or written last.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::jiff::Timestamp;

use super::{
    Error,
    handshake::{Handshake, HandshakeFault},
};
use crate::{
    auth::{
        authorization_secret::{self, AuthorizationSecret},
        grant_secret::{self, GrantSecret},
        keeping::Claim,
    },
    context::Context,
    kubernetes::owned_secret::{Changes, Found, OwnedSecret, Owner, WriteFault},
};

/// First wait before a write that must not fail is tried again; it doubles up to [`LAST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Longest such wait.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// How often such a write is tried: five minutes' worth.
const MOST_TRIES: u32 = 150;

/// The two Secrets, boxed since most connections have neither. `Debug` shows no tokens.
#[derive(Debug, Default)]
pub struct Custody {
    authorization: Option<Box<(OwnedSecret, AuthorizationSecret)>>,
    grant: Option<Box<(OwnedSecret, GrantSecret)>>,
    claim_seen: Option<(Claim, Timestamp)>,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// It stands.
    Done,
    /// Somebody else was faster. What stands now was read.
    Overtaken,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Authorization,
    Grant,
}

impl Which {
    fn name(self, owner: &Owner) -> String {
        match self {
            Self::Authorization => authorization_secret::secret_name(owner.name()),
            Self::Grant => grant_secret::secret_name(owner.name()),
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Authorization => authorization_secret::SECRET_TYPE,
            Self::Grant => grant_secret::SECRET_TYPE,
        }
    }
}

impl Custody {
    /// Reads both.
    ///
    /// # Errors
    /// When the API server does not answer. A Secret that is not the connection's own is the inner fault.
    pub async fn read(&mut self, owner: &Owner, ctx: &Context) -> Result<Result<(), HandshakeFault>, Error> {
        for which in [Which::Authorization, Which::Grant] {
            if let Err(fault) = self.read_one(which, owner, ctx).await? {
                return Ok(Err(fault));
            }
        }
        Ok(Ok(()))
    }

    async fn read_one(
        &mut self,
        which: Which,
        owner: &Owner,
        ctx: &Context,
    ) -> Result<Result<(), HandshakeFault>, Error> {
        let secret = which.name(owner);
        let found = owner.read(&ctx.client, &secret).await;
        let found =
            found.map_err(|source| Error::Read { what: format!("Secret {secret}"), source: Box::new(source) })?;
        // Kept in one go: a claim that stands is not to look as if it had been gone in between.
        let (ours, fault) = match found {
            Found::Absent => (None, None),
            Found::Owned(ours) => (Some(ours), None),
            Found::Former => (None, Some(HandshakeFault::Former { secret })),
            Found::Foreign => (None, Some(HandshakeFault::Foreign { secret })),
        };
        self.keep(which, ours, ctx);
        Ok(fault.map_or(Ok(()), Err))
    }

    fn keep(&mut self, which: Which, secret: Option<OwnedSecret>, ctx: &Context) {
        // The parsed content is kept, not the bytes: tokens stay in their wrappers.
        let parted = secret.map(|mut secret| {
            let data = std::mem::take(&mut secret.data);
            (secret, data)
        });
        match which {
            Which::Authorization => {
                self.authorization = parted.map(|(secret, data)| Box::new((secret, AuthorizationSecret::read(&data))));
            }
            Which::Grant => {
                self.grant = parted.map(|(secret, data)| Box::new((secret, GrantSecret::read(&data))));
                self.notice_claim(ctx.now());
            }
        }
    }

    /// Remembers since when a claim has been seen, by the own clock.
    fn notice_claim(&mut self, now: Timestamp) {
        let claim = self.grant.as_deref().and_then(|(_, grant)| grant.claim.clone());
        self.claim_seen.take_if(|(seen, _)| Some(&*seen) != claim.as_ref());
        if let Some(claim) = claim {
            self.claim_seen.get_or_insert((claim, now));
        }
    }

    /// Changes the authorization Secret; makes it if it is absent.
    ///
    /// # Errors
    /// When the API server does not take it.
    pub async fn change_authorization(
        &mut self,
        owner: &Owner,
        ctx: &Context,
        changes: &Changes,
    ) -> Result<Write, Error> {
        self.change(Which::Authorization, owner, ctx, changes).await
    }

    /// Changes the grant Secret; makes it if it is absent.
    ///
    /// # Errors
    /// When the API server does not take it.
    pub async fn change_grant(&mut self, owner: &Owner, ctx: &Context, changes: &Changes) -> Result<Write, Error> {
        self.change(Which::Grant, owner, ctx, changes).await
    }

    /// Changes the grant Secret and does not give up: Jira gives a token only once. `prevails` says, of what somebody else
    /// has written meanwhile, whether the change still has to be made.
    ///
    /// # Errors
    /// The last failure of the API server, after five minutes.
    pub async fn insist(
        &mut self,
        owner: &Owner,
        ctx: &Context,
        changes: &Changes,
        prevails: impl Fn(&GrantSecret) -> bool,
    ) -> Result<(), Error> {
        let (mut wait, mut tries) = (FIRST_WAIT, 0);
        loop {
            tries += 1;
            match self.change_grant(owner, ctx, changes).await {
                Ok(Write::Done) => return Ok(()),
                Ok(Write::Overtaken) if !prevails(&self.grant()) => return Ok(()),
                // The first conflict is news of somebody else's write, and was read; what follows may be a refusal.
                Ok(Write::Overtaken) if tries == 1 => continue,
                Ok(Write::Overtaken) if MOST_TRIES <= tries => return Err(Error::Gone),
                Ok(Write::Overtaken) => {}
                Err(error) if MOST_TRIES <= tries => return Err(error),
                Err(error) => put_off(&error, tries),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LAST_WAIT);
        }
    }

    async fn change(&mut self, which: Which, owner: &Owner, ctx: &Context, changes: &Changes) -> Result<Write, Error> {
        let (name, client) = (which.name(owner), &ctx.client);
        let standing = match which {
            Which::Authorization => self.authorization.as_deref().map(|(secret, _)| secret.clone()),
            Which::Grant => self.grant.as_deref().map(|(secret, _)| secret.clone()),
        };
        let written = match &standing {
            Some(secret) => owner.change(client, secret, changes).await,
            None => owner.create(client, &name, which.kind(), present(changes)).await,
        };
        match written {
            Ok(secret) => {
                ctx.own_writes.note(owner.namespace(), &name, &secret.version);
                self.keep(which, Some(secret), ctx);
                Ok(Write::Done)
            }
            Err(WriteFault::Overtaken) => {
                // A Secret of somebody else in its place is found by the next look, which the watch has called for.
                let _ = self.read_one(which, owner, ctx).await?;
                Ok(Write::Overtaken)
            }
            Err(WriteFault::Refused(source)) => Err(Error::WriteSecret { name, source }),
        }
    }

    /// The authorization Secret, if there is one.
    #[must_use]
    pub fn authorization(&self) -> Option<&AuthorizationSecret> {
        self.authorization.as_deref().map(|(_, content)| content)
    }

    /// The grant Secret; an absent one is empty.
    #[must_use]
    pub fn grant(&self) -> GrantSecret {
        self.grant.as_deref().map(|(_, content)| content.clone()).unwrap_or_default()
    }

    /// `metadata.resourceVersion` of the grant Secret.
    #[must_use]
    pub fn grant_version(&self) -> Option<&str> {
        self.grant.as_deref().map(|(secret, _)| secret.version.as_str())
    }

    /// Whether the grant Secret still stands at `version`. An API server that does not answer says no.
    pub async fn grant_stands(&self, owner: &Owner, ctx: &Context, version: &str) -> bool {
        let name = grant_secret::secret_name(owner.name());
        owner.version(&ctx.client, &name).await.is_ok_and(|found| found.as_deref() == Some(version))
    }

    /// The claim on the grant, and when it was first seen.
    #[must_use]
    pub fn claim(&self) -> Option<(&Claim, Timestamp)> {
        self.claim_seen.as_ref().map(|(claim, at)| (claim, *at))
    }

    /// What the two say.
    #[must_use]
    pub fn handshake(&self, public_key: Option<String>) -> Handshake {
        Handshake::read(self.authorization(), &self.grant(), public_key)
    }
}

fn put_off(error: &Error, tries: u32) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, tries, "what Jira gave is not stored yet; this is tried again");
}

fn present(changes: &Changes) -> BTreeMap<String, k8s_openapi::ByteString> {
    let given = changes.iter().filter_map(|(key, value)| Some(((*key).to_owned(), value.clone()?)));
    given.map(|(key, value)| (key, k8s_openapi::ByteString(value))).collect()
}
