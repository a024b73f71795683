//! How often what was asked, and how it ended.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{endpoint::Endpoint, problem::Problem};

/// How a call ended, coarsely enough for a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutcomeClass {
    /// A usable answer.
    Answered,
    /// Nothing was sent: the host is not allowed, or its budget is used up.
    Unsent,
    /// No answer, or 5xx.
    Unreachable,
    /// The TLS handshake failed.
    Tls,
    /// Something else answered: a gateway, another site, no Jira.
    Intercepted,
    /// 429, or 503 with `Retry-After`.
    RateLimited,
    /// The credential, the client or the grant was refused.
    Rejected,
    /// The account or the token may not do this.
    Forbidden,
    /// 404.
    NotFound,
    /// Any other answer.
    Unexpected,
}

impl OutcomeClass {
    /// Every class.
    pub const ALL: [Self; 10] = [
        Self::Answered,
        Self::Unsent,
        Self::Unreachable,
        Self::Tls,
        Self::Intercepted,
        Self::RateLimited,
        Self::Rejected,
        Self::Forbidden,
        Self::NotFound,
        Self::Unexpected,
    ];

    /// The class as a label, in snake case.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Unsent => "unsent",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Intercepted => "intercepted",
            Self::RateLimited => "rate_limited",
            Self::Rejected => "rejected",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Unexpected => "unexpected",
        }
    }
}

impl From<&Problem> for OutcomeClass {
    /// The class of a request that was sent, or tried to be.
    fn from(problem: &Problem) -> Self {
        match problem {
            Problem::HostNotAllowed => Self::Unsent,
            Problem::Unreachable(_) => Self::Unreachable,
            Problem::Tls(_) => Self::Tls,
            Problem::Intercepted(_) | Problem::WrongSite { .. } | Problem::NotJira(_) => Self::Intercepted,
            Problem::RateLimited { .. } => Self::RateLimited,
            Problem::Rejected(_)
            | Problem::CaptchaRequired
            | Problem::ClientSecretRejected
            | Problem::AnotherClient
            | Problem::GrantRevoked
            | Problem::GrantTypeUnsupported
            | Problem::ClockSkew
            | Problem::OAuth1(_)
            | Problem::InsecureTransport => Self::Rejected,
            Problem::ScopeMissing | Problem::Forbidden | Problem::SiteNotCovered { .. } => Self::Forbidden,
            Problem::NotFound | Problem::MethodUnavailable | Problem::LinksUnavailable => Self::NotFound,
            Problem::Unexpected { .. } => Self::Unexpected,
        }
    }
}

/// Counts of calls since the start, by endpoint and class.
#[derive(Debug, Default)]
pub(super) struct RequestTally([[AtomicU64; OutcomeClass::ALL.len()]; Endpoint::ALL.len()]);

impl RequestTally {
    pub(super) fn count(&self, endpoint: Endpoint, class: OutcomeClass) {
        // The variants of both enums are numbered from zero, and as many as their `ALL`.
        if let Some(counter) = self.0.get(endpoint as usize).and_then(|row| row.get(class as usize)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counts that are not zero.
    pub(super) fn counts(&self) -> Vec<(Endpoint, OutcomeClass, u64)> {
        let rows = Endpoint::ALL.into_iter().zip(&self.0);
        rows.flat_map(|(endpoint, row)| {
            OutcomeClass::ALL.into_iter().zip(row).map(move |(class, it)| (endpoint, class, it))
        })
        .map(|(endpoint, class, it)| (endpoint, class, it.load(Ordering::Relaxed)))
        .filter(|(_, _, count)| 0 < *count)
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, OutcomeClass, RequestTally};

    #[test]
    fn every_pair_has_a_counter_of_its_own() {
        let tally = RequestTally::default();
        for endpoint in Endpoint::ALL {
            for class in OutcomeClass::ALL {
                tally.count(endpoint, class);
            }
        }
        tally.count(Endpoint::SecurityLevel, OutcomeClass::Unexpected);
        let counts = tally.counts();
        assert_eq!(counts.len(), Endpoint::ALL.len() * OutcomeClass::ALL.len());
        assert_eq!(counts.iter().map(|(_, _, count)| count).sum::<u64>(), 161);
        assert!(counts.contains(&(Endpoint::SecurityLevel, OutcomeClass::Unexpected, 2)));
    }
}
