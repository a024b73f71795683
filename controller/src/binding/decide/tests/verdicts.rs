//! Writes a fixture for every status that a binding can have, and sees that none is missing.

use super::*;
use crate::fixture::{
    Fixture, Kstatus,
    Kstatus::{Current, Failed, InProgress},
    Switch, assert_written,
};

/// A binding that has lived through passes: at which second, with which facts.
fn lived<const PASSES: usize>(passes: [(u64, Facts); PASSES]) -> WorkspaceBinding {
    lived_by(binding(), passes)
}

fn lived_by<const PASSES: usize>(mut binding: WorkspaceBinding, passes: [(u64, Facts); PASSES]) -> WorkspaceBinding {
    for (second, facts) in passes {
        let now = noon() + Duration::from_secs(second);
        let plan = plan(&binding, &facts, now);
        apply(&mut binding, &plan, now);
    }
    binding
}

fn proven() -> Facts {
    proof(Standing::Proven, &all())
}

fn lacking() -> Facts {
    proof(Standing::Proven, &[("WEB", project(&["BROWSE_PROJECTS"])), ("APP", project(&["BROWSE_PROJECTS"]))])
}

fn beside_app(web: ProjectProof) -> Facts {
    proof(Standing::Proven, &[("WEB", web), ("APP", project(&["BROWSE_PROJECTS"]))])
}

/// As long as a binding waits in silence, and longer.
fn silent() -> Facts {
    Facts { waiting_since: Some(noon()), ..unproven() }
}

/// A binding with a projected Secret, where this stands under its name.
fn projected(credential: &str, secret: SecretStanding, terms: Terms) -> WorkspaceBinding {
    let mut binding = binding();
    let projection = json!({ "secretName": "web-jira", "credential": credential });
    binding.spec.projection = Some(serde_json::from_value(projection).unwrap());
    let mut facts = Facts { secret, waiting_since: Some(noon()), ..proven() };
    if let Admission::Accepted { lent, terms: found, .. } = &mut facts.admission {
        *lent = Some(Lent { certificates: None, token: terms == Terms::Lends, cloud_api: None });
        *found = terms;
    }
    lived_by(binding, [(2, facts)])
}

/// Another spec, which nobody has looked at yet.
fn edited(mut binding: WorkspaceBinding) -> WorkspaceBinding {
    change(&mut binding, one_project_less);
    binding
}

fn switched_off(mut binding: WorkspaceBinding) -> WorkspaceBinding {
    change(&mut binding, |spec| spec.suspend = Some(true));
    binding
}

/// Another spec that is switched off, in one change.
fn edited_and_switched_off(mut binding: WorkspaceBinding) -> WorkspaceBinding {
    change(&mut binding, |spec| {
        one_project_less(spec);
        spec.suspend = Some(true);
    });
    binding
}

/// As the API server stores an object that nobody has looked at.
fn unobserved() -> WorkspaceBinding {
    let status = WorkspaceBindingStatus { observed_generation: Some(-1), ..WorkspaceBindingStatus::default() };
    WorkspaceBinding { status: Some(status), ..binding() }
}

fn on(name: &'static str, kstatus: Kstatus, object: WorkspaceBinding) -> Fixture<WorkspaceBinding> {
    Fixture { name, kstatus, switch: Switch::On, object }
}

fn off(name: &'static str, kstatus: Kstatus, object: WorkspaceBinding) -> Fixture<WorkspaceBinding> {
    Fixture { switch: Switch::Off, ..on(name, kstatus, object) }
}

fn fixtures() -> Vec<Fixture<WorkspaceBinding>> {
    let pending = |state| proof(Standing::Pending(state), &[]);
    let failed = |state| proof(Standing::Failed(state), &[]);
    let suspended_as = |switch: fn(WorkspaceBinding) -> WorkspaceBinding, before: WorkspaceBinding| {
        let facts = after(&before, proven());
        lived_by(switch(before), [(300, facts)])
    };
    let suspended = |before| suspended_as(switched_off, before);
    vec![
        on("unobserved", InProgress, unobserved()),
        on("binding-verified", Current, lived([(0, proven())])),
        on("binding-verified-permissions-untold", Current, lived([(0, beside_app(unanswered()))])),
        on("binding-verified-older-generation", InProgress, edited(lived([(0, proven())]))),
        on("not-permitted-young", InProgress, lived([(0, refused())])),
        on("not-permitted-stalled", Failed, lived([(0, refused()), (120, refused())])),
        on("not-permitted-after-proof", InProgress, lived([(0, proven()), (300, refused())])),
        on("connection-not-ready-silent", InProgress, lived([(60, silent())])),
        on("connection-not-ready-interrupted", InProgress, lived([(0, pending(State::Interrupted))])),
        on("connection-not-ready-waiting-for-a-person", InProgress, lived([(0, pending(State::NotAuthorized))])),
        on("connection-not-ready-after-proof", InProgress, lived([(0, proven()), (300, pending(State::Interrupted))])),
        on("connection-not-ready-failed", Failed, lived([(0, failed(State::Interrupted))])),
        on("connection-not-ready-not-authorized", Failed, lived([(0, proven()), (300, failed(State::NotAuthorized))])),
        on("permissions-missing", Failed, lived([(0, lacking())])),
        on("permissions-missing-older-generation", InProgress, edited(lived([(0, lacking())]))),
        on("project-not-found", Failed, lived([(0, beside_app(absent()))])),
        on("project-not-found-archived", Failed, lived([(0, beside_app(archived()))])),
        on("binding-verified-with-a-secret", Current, projected("AccessToken", SecretStanding::Absent, Terms::Lends)),
        on("secret-conflict", Failed, projected("None", SecretStanding::Foreign, Terms::NotAllowed)),
        on("secret-conflict-former", InProgress, projected("None", SecretStanding::Former, Terms::NotAllowed)),
        on("access-token-unavailable", Failed, projected("AccessToken", SecretStanding::Own, Terms::NoShortLivedToken)),
        off("suspended-from-the-start", InProgress, lived_by(switched_off(binding()), [(0, proven())])),
        off("suspended-while-verified", Current, suspended(lived([(0, proven())]))),
        off("suspended-while-failed", Failed, suspended(lived([(0, lacking())]))),
        off("suspended-while-refused", InProgress, suspended(lived([(0, refused())]))),
        off("suspended-with-another-spec", InProgress, suspended_as(edited_and_switched_off, lived([(0, proven())]))),
        off(
            "suspended-with-another-spec-while-failed",
            InProgress,
            suspended_as(edited_and_switched_off, lived([(0, lacking())])),
        ),
        on("suspended-and-not-observed", InProgress, switched_off(lived([(0, proven())]))),
    ]
}

/// The verdicts that the state table gives a reason while nothing else is kept.
fn verdicts(reason: Reason) -> &'static [Kstatus] {
    match reason {
        Reason::BindingVerified => &[Current],
        Reason::NotPermitted | Reason::ConnectionNotReady | Reason::SecretConflict => &[InProgress, Failed],
        Reason::PermissionsMissing | Reason::ProjectNotFound | Reason::AccessTokenUnavailable => &[Failed],
        Reason::Suspended => &[InProgress],
    }
}

#[test]
fn every_status_of_a_binding_has_its_fixture() {
    assert_written("workspacebindings", &fixtures());
}

#[test]
fn every_reason_of_a_binding_has_a_fixture_for_each_of_its_verdicts() {
    let fixtures = fixtures();
    for expected in Reason::ALL {
        for verdict in verdicts(expected) {
            let observed = |object: &WorkspaceBinding| {
                object.status.as_ref().and_then(|status| status.observed_generation) == object.metadata.generation
            };
            let shows = |it: &Fixture<WorkspaceBinding>| {
                reason(&it.object) == expected.as_str() && it.kstatus == *verdict && observed(&it.object)
            };
            assert!(
                fixtures.iter().any(shows),
                "no fixture shows {} as {verdict:?}: add one to fixtures() in {}, and write it with UPDATE_FIXTURES=1",
                expected.as_str(),
                file!()
            );
        }
    }
}
