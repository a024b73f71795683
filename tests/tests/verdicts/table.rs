//! The state tables of the API, as far as they tell what kstatus makes of a reason.

use std::collections::BTreeSet;

use super::fixture::Fixture;

const CURRENT: &str = "Current";
const IN_PROGRESS: &str = "InProgress";
const FAILED: &str = "Failed";

/// Reasons of `Ready`, and every verdict that an observed status with one of them may get.
type Rows = [(&'static [&'static str], &'static [&'static str])];

const CONNECTION: &Rows = &[
    (&["ConnectionVerified"], &[CURRENT]),
    (&["Progressing", "AuthorizationRequired"], &[IN_PROGRESS]),
    // In progress for two minutes.
    (&["SecretNotFound", "SecretInvalid"], &[IN_PROGRESS, FAILED]),
    // A bearer is tried three times first.
    (&["CredentialsRejected", "AccountChanged"], &[IN_PROGRESS, FAILED]),
    (&["GrantRevoked", "GrantExpired", "ClientSecretRejected", "AccountLocked"], &[FAILED]),
    (&["ScopeMissing", "PermissionsMissing"], &[FAILED]),
    (&["InterruptedInGrace"], &[CURRENT]),
    (&["Unreachable", "BlockedByProxy", "NotJira"], &[IN_PROGRESS]),
    (&["TLSFailed", "ClockSkew", "InsecureTransport", "WrongSite"], &[FAILED]),
    (&["RateLimited"], &[IN_PROGRESS]),
    (&["DeploymentMismatch", "AuthMethodUnsupported", "ApplicationLinksUnavailable"], &[FAILED]),
    (&["HostNotAllowed", "SecretNotReleased", "SecretConflict"], &[FAILED]),
    (&["Suspended"], &[IN_PROGRESS]),
];

const BINDING: &Rows = &[
    (&["BindingVerified"], &[CURRENT]),
    // In progress for two minutes.
    (&["NotPermitted"], &[IN_PROGRESS, FAILED]),
    // As the connection stands.
    (&["ConnectionNotReady"], &[IN_PROGRESS, FAILED]),
    (&["PermissionsMissing", "ProjectNotFound", "AccessTokenUnavailable"], &[FAILED]),
    // In progress while it is that of a former binding of the same name.
    (&["SecretConflict"], &[IN_PROGRESS, FAILED]),
    (&["Suspended"], &[IN_PROGRESS]),
];

fn rows(kind: &str) -> &'static Rows {
    match kind {
        "JiraConnection" => CONNECTION,
        "WorkspaceBinding" => BINDING,
        _ => panic!("{kind} has no state table"),
    }
}

/// The verdicts that the table of a kind allows for a reason.
fn verdicts(kind: &str, reason: &str) -> &'static [&'static str] {
    let row = rows(kind).iter().find(|(reasons, _)| reasons.contains(&reason));
    row.unwrap_or_else(|| panic!("{reason} is in no row of the state table of {kind} in {}: add it", file!())).1
}

#[test]
fn an_expected_verdict_is_one_of_its_reason_in_the_state_table() {
    for fixture in Fixture::all() {
        let expected = fixture.expected["kstatus"].as_str();
        let allowed = match fixture.reason().filter(|_| fixture.is_observed()) {
            Some(reason) => verdicts(fixture.kind(), reason),
            // Whatever an older status says, the present spec has not been looked at.
            None => &[IN_PROGRESS],
        };
        assert!(allowed.contains(&expected), "{} expects {expected}, and the table says {allowed:?}", fixture.key());
    }
}

#[test]
fn every_verdict_of_a_reason_in_the_state_table_is_shown_by_a_fixture() {
    let fixtures = Fixture::all();
    let shown: BTreeSet<_> = fixtures
        .iter()
        .filter(|fixture| fixture.is_observed())
        .filter_map(|fixture| Some((fixture.kind(), fixture.reason()?, fixture.expected["kstatus"].as_str())))
        .collect();
    let reasons: BTreeSet<_> = shown.iter().map(|(kind, reason, _)| (*kind, *reason)).collect();
    for (kind, reason) in reasons {
        for verdict in verdicts(kind, reason) {
            assert!(shown.contains(&(kind, reason, *verdict)), "no fixture shows {kind} {reason} as {verdict}");
        }
    }
}
