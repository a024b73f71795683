//! Conditions: what is claimed, how a claim is merged with what stood there before, and what flipped.

use crds::Condition;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

/// Longest message of a condition, in bytes. Kubernetes allows 32 KiB; an admin reads less.
const MESSAGE_BYTES: usize = 1024;

/// What a condition is about. Every type that the operator writes is here, and no other is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    /// The object can be used.
    Ready,
    /// Jira accepted the credential when it was last asked.
    Authorized,
    /// A binding is allowed by its connection.
    Accepted,
    /// Every Secret and ConfigMap that is referred to is there and well-formed.
    CredentialsResolved,
    /// Jira answers.
    Reachable,
    /// Nothing that is required is missing.
    PermissionsGranted,
    /// The operator is on its way to a verdict.
    Reconciling,
    /// No progress without somebody's help.
    Stalled,
    /// Jira, or the budget for its host, asks to wait.
    RateLimited,
    /// The credential ends soon.
    CredentialsExpiring,
    /// There is a better way to authenticate by now.
    Deprecated,
    /// The account is somebody's own.
    PersonalAccount,
    /// Another connection of the same namespace leads to the same Jira.
    DuplicateInstance,
    /// Checks are switched off.
    Suspended,
}

impl About {
    /// Every type.
    pub const ALL: [Self; 14] = [
        Self::Ready,
        Self::Authorized,
        Self::Accepted,
        Self::CredentialsResolved,
        Self::Reachable,
        Self::PermissionsGranted,
        Self::Reconciling,
        Self::Stalled,
        Self::RateLimited,
        Self::CredentialsExpiring,
        Self::Deprecated,
        Self::PersonalAccount,
        Self::DuplicateInstance,
        Self::Suspended,
    ];

    /// The condition's `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Authorized => "Authorized",
            Self::Accepted => "Accepted",
            Self::CredentialsResolved => "CredentialsResolved",
            Self::Reachable => "Reachable",
            Self::PermissionsGranted => "PermissionsGranted",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::RateLimited => "RateLimited",
            Self::CredentialsExpiring => "CredentialsExpiring",
            Self::Deprecated => "Deprecated",
            Self::PersonalAccount => "PersonalAccount",
            Self::DuplicateInstance => "DuplicateInstance",
            Self::Suspended => "Suspended",
        }
    }
}

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known.
    Unknown,
}

impl Truth {
    /// As it stands in the resource.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// One condition as it is held to be now, without a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its type.
    pub about: About,
    /// Its status.
    pub status: Truth,
    /// Its reason, in CamelCase.
    pub reason: String,
    /// What an admin reads.
    pub message: String,
}

impl Claim {
    /// A claim.
    pub fn new(about: About, status: Truth, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { about, status, reason: reason.into(), message: message.into() }
    }

    /// The claim that a condition already makes. `None` for a type that is not ours.
    #[must_use]
    pub fn standing(condition: &Condition) -> Option<Self> {
        let about = About::ALL.into_iter().find(|about| about.as_str() == condition.type_)?;
        let status = match condition.status.as_str() {
            "True" => Truth::True,
            "False" => Truth::False,
            _ => Truth::Unknown,
        };
        Some(Self::new(about, status, condition.reason.clone(), condition.message.clone()))
    }
}

/// The condition of one type among `conditions`.
#[must_use]
pub fn find(conditions: &[Condition], about: About) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == about.as_str())
}

/// Whether a condition stands at `status`.
#[must_use]
pub fn is(conditions: &[Condition], about: About, status: Truth) -> bool {
    find(conditions, about).is_some_and(|condition| condition.status == status.as_str())
}

/// Since when a condition has stood at `status`; `None` if it does not.
#[must_use]
pub fn since(conditions: &[Condition], about: About, status: Truth) -> Option<Timestamp> {
    find(conditions, about).filter(|condition| condition.status == status.as_str()).map(|it| it.last_transition_time.0)
}

/// Whether the operator writes conditions of this type.
#[must_use]
pub fn is_ours(condition: &Condition) -> bool {
    About::ALL.into_iter().any(|about| about.as_str() == condition.type_)
}

/// The conditions that `claims` make, with `lastTransitionTime` moved only where the status flipped.
#[must_use]
pub fn merge(previous: &[Condition], claims: &[Claim], generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    let since = |claim: &Claim| since(previous, claim.about, claim.status).unwrap_or_else(|| whole_seconds(now));
    claims
        .iter()
        .map(|claim| Condition {
            type_: claim.about.as_str().to_owned(),
            status: claim.status.as_str().to_owned(),
            reason: claim.reason.clone(),
            message: clip(&claim.message, MESSAGE_BYTES).to_owned(),
            observed_generation: generation,
            last_transition_time: Time(since(claim)),
        })
        .collect()
}

/// Kubernetes writes times without fractions.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// At most `bytes` bytes of `text`, cut between characters.
#[must_use]
pub fn clip(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ready(status: Truth, reason: &str) -> Claim {
        Claim::new(About::Ready, status, reason, "")
    }

    #[rstest]
    #[case::first_claim(&[], ready(Truth::True, "A"), 200)]
    #[case::same_status(&[ready(Truth::True, "A")], ready(Truth::True, "A"), 100)]
    #[case::other_reason_is_no_transition(&[ready(Truth::True, "A")], ready(Truth::True, "B"), 100)]
    #[case::flipped(&[ready(Truth::True, "A")], ready(Truth::False, "A"), 200)]
    fn a_transition_is_a_change_of_status(#[case] before: &[Claim], #[case] claim: Claim, #[case] expected: i64) {
        let previous = merge(&[], before, Some(1), at(100));
        let merged = merge(&previous, &[claim], Some(2), at(200));
        assert_eq!(merged[0].last_transition_time.0, at(expected));
        assert_eq!(merged[0].observed_generation, Some(2));
    }

    #[test]
    fn a_merged_claim_reads_back_as_itself() {
        for about in About::ALL {
            let claim = Claim::new(about, Truth::Unknown, "Because", "of this");
            assert_eq!(Claim::standing(&merge(&[], std::slice::from_ref(&claim), None, at(1))[0]), Some(claim));
        }
    }

    #[rstest]
    #[case("abc", 5, "abc")]
    #[case("abc", 2, "ab")]
    #[case("aé", 2, "a")]
    #[case("", 0, "")]
    fn clipping_never_splits_a_character(#[case] text: &str, #[case] bytes: usize, #[case] expected: &str) {
        assert_eq!(clip(text, bytes), expected);
    }
}
