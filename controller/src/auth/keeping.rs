//! How a grant is kept alive: who renews it when, and what each answer, each silence and each crash leaves behind.
//!
//! A renewal spends the old refresh token, so it must happen once, and its answer must be stored before it is used:
//!
//! ```text
//! read ─▶ turn ─▶ claim (compare and swap) ─▶ last look ─▶ send ─▶ settle ─▶ store (compare and swap) ─▶ use
//! ```
//!
//! The last look makes sure that the claim is young enough by a monotonic clock, and still the last word in the Secret.
//!
//! This module is pure: it decides, others send and store. A process that dies after its claim leaves the claim behind.
//! When that has run out, the next process repeats the renewal with the same token. Cloud accepts that within 10 minutes;
//! Data Center does not, and then a person has to authorise again.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::grant::{EndedGrant, Grant, GrantEnd, GrantSite, Tokens};
use crate::jira::{OAuth1Problem, Outage, Problem};

/// How much longer a claim holds than its request may take: the time for the last look, and for a turn in the host's queue.
const MARGIN: Duration = Duration::from_secs(30);

/// The longest that a claim holds, whatever stands in the Secret: the longest timeout of a request is 60 s. Well below
/// Cloud's leeway of 10 minutes.
const LONGEST: Duration = Duration::from_secs(90);

/// Who renews.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Holder(pub String);

/// Somebody's word in the Secret that he is renewing the grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// Who.
    pub holder: Holder,
    /// When he said so, by his clock.
    pub made_at: Timestamp,
    /// For how many seconds it holds. The others go by this and not by what they would claim themselves, as the timeout of
    /// requests may change meanwhile.
    pub seconds: u32,
}

impl Claim {
    /// A claim on one request that may take `timeout`. A process that has died is waited for no longer than it could have
    /// been waiting for Jira.
    #[must_use]
    pub fn new(holder: Holder, made_at: Timestamp, timeout: Duration) -> Self {
        let life = timeout.saturating_add(MARGIN).min(LONGEST);
        Self { holder, made_at, seconds: u32::try_from(life.as_secs()).unwrap_or(u32::MAX) }
    }

    fn life(&self) -> Duration {
        Duration::from_secs(self.seconds.into()).min(LONGEST)
    }

    /// When it runs out, for one who saw it first at `first_seen` by his own clock. The clock of the holder is not trusted
    /// further than that.
    fn end(&self, first_seen: Timestamp) -> Timestamp {
        self.made_at.min(first_seen) + self.life()
    }

    /// Whether it still covers a request that may take `timeout`, `elapsed` after it was made. Asked with a monotonic clock
    /// right before the request is sent: a process that was paused must not send a token that another one may have spent.
    #[must_use]
    pub fn covers(&self, elapsed: Duration, timeout: Duration) -> bool {
        elapsed.saturating_add(timeout) < self.life()
    }
}

/// What is to be done about tokens that somebody wants renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Somebody has renewed them already: use what is stored.
    Adopt,
    /// Somebody else is renewing them.
    Wait {
        /// When his claim runs out at the latest.
        until: Timestamp,
    },
    /// Claim, and renew.
    Renew {
        /// Whether an earlier renewal was left without an answer.
        interrupted: bool,
    },
    /// They cannot be renewed any more.
    Over(GrantEnd),
}

/// A grant and a claim as they are stored.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// The grant.
    pub grant: &'a Grant,
    /// The claim, and when it was first seen.
    pub claim: Option<(&'a Claim, Timestamp)>,
}

/// Whose turn it is to renew the tokens that a grant had after `renewals` renewals.
#[must_use]
pub fn turn(stored: Stored<'_>, renewals: u64, me: &Holder, now: Timestamp) -> Turn {
    let Stored { grant, claim } = stored;
    if grant.renewals > renewals {
        return Turn::Adopt;
    }
    if let Some((claim, first_seen)) = claim
        && claim.holder != *me
        && now < claim.end(first_seen)
    {
        return Turn::Wait { until: claim.end(first_seen) };
    }
    if !grant.is_renewable() || grant.final_end().is_some_and(|end| end <= now) {
        return Turn::Over(GrantEnd::Expired);
    }
    Turn::Renew { interrupted: claim.is_some() }
}

/// What has to be stored after a renewal.
#[derive(Clone, Debug)]
pub enum Settlement {
    /// The grant with its new tokens, before anybody uses them. The claim goes.
    Store(Box<Grant>),
    /// The grant is over. The claim goes.
    End(GrantEnd),
    /// Jira has not touched the grant. The claim goes.
    Release,
    /// Nobody knows whether Jira has touched the grant. The claim stays, as the sign of it.
    Keep,
}

/// What follows from the answer to a renewal.
#[must_use]
pub fn settle(grant: &Grant, answer: Result<Tokens, &Problem>, interrupted: bool, now: Timestamp) -> Settlement {
    let problem = match answer {
        Ok(tokens) => return Settlement::Store(Box::new(grant.renewed(tokens, now))),
        Err(problem) => problem,
    };
    match problem {
        // OAuth 1.0a says in many ways that a token, or the session behind it, is over.
        Problem::GrantRevoked
        | Problem::OAuth1(
            OAuth1Problem::TokenRejected | OAuth1Problem::TokenExpired | OAuth1Problem::PermissionDenied,
        ) => Settlement::End(if interrupted { GrantEnd::AnswerLost } else { GrantEnd::Revoked }),
        // The request, or its answer, was lost on the way, or something in between answered in Jira's place.
        Problem::Unreachable(Outage::TimedOut | Outage::Interrupted | Outage::ServerError { .. })
        | Problem::Intercepted(_)
        | Problem::NotJira(_)
        // The request came twice, and what the first one did is not known.
        | Problem::OAuth1(OAuth1Problem::NonceUsed)
        | Problem::Unexpected { .. } => Settlement::Keep,
        Problem::Unreachable(Outage::NameNotResolved | Outage::NotConnected | Outage::Proxy | Outage::Withheld)
        | Problem::Tls(_)
        | Problem::HostNotAllowed
        | Problem::WrongSite { .. }
        | Problem::SiteNotCovered { .. }
        | Problem::RateLimited { .. }
        | Problem::Rejected(_)
        | Problem::CaptchaRequired
        | Problem::ClientSecretRejected
        | Problem::AnotherClient
        | Problem::GrantTypeUnsupported
        | Problem::MethodUnavailable
        | Problem::LinksUnavailable
        | Problem::ClockSkew
        | Problem::OAuth1(
            OAuth1Problem::ConsumerUnknown
            | OAuth1Problem::SignatureInvalid
            | OAuth1Problem::PermissionUnknown
            | OAuth1Problem::Unacceptable,
        )
        | Problem::InsecureTransport
        | Problem::ScopeMissing
        | Problem::Forbidden
        | Problem::NotFound => {
            // An earlier answer may still be missing.
            if interrupted { Settlement::Keep } else { Settlement::Release }
        }
    }
}

/// What stands in the Secret when renewed tokens cannot be stored because somebody else has written.
#[derive(Clone, Copy, Debug)]
pub enum Overtaken<'a> {
    /// A grant.
    Grant(&'a Grant),
    /// The mark of a grant that is over.
    Ended(&'a EndedGrant),
    /// Neither.
    Nothing,
}

/// Whose tokens prevail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// Ours: they are newer than what is stored.
    Ours,
    /// Those that are stored.
    Theirs,
}

/// Whether tokens that were renewed as `ours` still have to be stored, although somebody else has written.
///
/// A slow writer whose claim ran out meets the next one here. On Data Center the next one has only a spent token, so the
/// tokens of the slow one must live, even over the mark that the grant is over. On Cloud both may have got tokens within the
/// leeway, and those that Jira gave last are the good ones.
#[must_use]
pub fn precedence(ours: &Grant, found: Overtaken<'_>) -> Precedence {
    let leeway = matches!(ours.site, GrantSite::Cloud { .. });
    let prevails = match found {
        Overtaken::Grant(grant) if grant.consented_at != ours.consented_at => false,
        Overtaken::Grant(grant) => {
            let given_later = grant.renewals == ours.renewals && grant.renewed_at < ours.renewed_at;
            grant.renewals < ours.renewals || leeway && given_later
        }
        Overtaken::Ended(ended) => {
            let of_the_former = ended.consented_at == ours.consented_at && ended.renewals < ours.renewals;
            of_the_former && !leeway && matches!(ended.end, GrantEnd::Revoked | GrantEnd::AnswerLost)
        }
        Overtaken::Nothing => false,
    };
    if prevails { Precedence::Ours } else { Precedence::Theirs }
}

#[cfg(test)]
mod tests;
