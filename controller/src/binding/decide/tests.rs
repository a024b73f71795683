//! Every row of the binding's state table.

use std::{collections::BTreeSet, sync::Arc};

use crds::{
    WorkspaceBindingSpec,
    jira::{Deployment, IssueSecurityVisibility, ProjectKey},
};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::proof::GrantedKeys;

mod projection;
mod verdicts;

fn noon() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn binding() -> WorkspaceBinding {
    serde_json::from_value(json!({
        "apiVersion": "issuetracking.dev/v1alpha1", "kind": "WorkspaceBinding",
        "metadata": { "name": "web", "namespace": "team-web", "generation": 1 },
        "spec": { "connectionRef": { "name": "acme", "namespace": "platform" }, "workspace": "web",
            "projects": [{ "key": "WEB", "permissions": ["BROWSE_PROJECTS", "CREATE_ISSUES"] }, { "key": "APP", "permissions": ["BROWSE_PROJECTS"] }] },
    }))
    .unwrap()
}

fn keys(keys: &[&str]) -> BTreeSet<PermissionKey> {
    keys.iter().copied().map(PermissionKey::from).collect()
}

fn project(held: &[&str]) -> ProjectProof {
    ProjectProof {
        existence: Existence::Present { id: "10001".into(), name: "Web".into(), archived: false },
        granted: Some(Arc::new(GrantedKeys { held: keys(held), ..GrantedKeys::default() })),
        issue_security: IssueSecurityVisibility::NotConfigured,
    }
}

fn absent() -> ProjectProof {
    ProjectProof { existence: Existence::Absent, granted: None, issue_security: IssueSecurityVisibility::Unknown }
}

fn archived() -> ProjectProof {
    let existence = Existence::Present { id: "10001".into(), name: "Web".into(), archived: true };
    ProjectProof { existence, ..project(&["BROWSE_PROJECTS", "CREATE_ISSUES"]) }
}

fn unanswered() -> ProjectProof {
    ProjectProof { granted: None, ..project(&[]) }
}

fn all() -> [(&'static str, ProjectProof); 2] {
    [("WEB", project(&["BROWSE_PROJECTS", "CREATE_ISSUES"])), ("APP", project(&["BROWSE_PROJECTS"]))]
}

fn proof(standing: Standing, projects: &[(&str, ProjectProof)]) -> Facts {
    let projects = projects.iter().map(|(key, proof)| (ProjectKey::from(*key), proof.clone())).collect();
    let proof = Proof {
        uid: "u-1".into(),
        generation: Some(1),
        standing,
        url: "https://jira.example".into(),
        deployment: Deployment::DataCenter,
        cloud_id: None,
        default_assignee: Some("bot".into()),
        projects,
    };
    admitted(Admission::Accepted {
        terms: Terms::NotAllowed,
        lent: None,
        proof: Some(Arc::new(proof)),
        announced: false,
    })
}

fn admitted(admission: Admission) -> Facts {
    Facts { admission, secret: SecretStanding::Absent, waiting_since: None, concluded: None }
}

fn refused() -> Facts {
    admitted(Admission::Refused)
}

fn unproven() -> Facts {
    admitted(Admission::Accepted { terms: Terms::NotAllowed, lent: None, proof: None, announced: false })
}

/// Facts of a pass after the status was written for the spec that a binding has.
fn after(binding: &WorkspaceBinding, facts: Facts) -> Facts {
    Facts { concluded: Some(SpecDigest::of_binding(&binding.spec)), ..facts }
}

/// Changes the spec as the API server does: every change is a generation.
fn change(binding: &mut WorkspaceBinding, edit: impl FnOnce(&mut WorkspaceBindingSpec)) {
    let before = binding.spec.clone();
    edit(&mut binding.spec);
    if binding.spec != before {
        binding.metadata.generation = binding.metadata.generation.map(|it| it + 1);
    }
}

/// Applies a plan as `report` does.
fn apply(binding: &mut WorkspaceBinding, plan: &Plan, now: Timestamp) {
    let Word::Say(statement) = &plan.word else { return };
    let before = binding.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let conditions = condition::merge(before, &statement.claims, binding.metadata.generation, now);
    binding.status = Some(WorkspaceBindingStatus { conditions, ..statement.details.clone() });
}

fn truth(binding: &WorkspaceBinding, about: About) -> &str {
    let conditions = binding.status.as_ref().map_or(&[][..], |status| &status.conditions);
    condition::find(conditions, about).map_or("absent", |it| it.status.as_str())
}

fn reason(binding: &WorkspaceBinding) -> &str {
    let conditions = binding.status.as_ref().map_or(&[][..], |status| &status.conditions);
    condition::find(conditions, About::Ready).map_or("absent", |it| it.reason.as_str())
}

fn verdict(binding: &WorkspaceBinding) -> &str {
    match (truth(binding, About::Stalled), truth(binding, About::Reconciling), truth(binding, About::Ready)) {
        ("True", _, _) => "Failed",
        (_, "True", _) => "InProgress",
        (_, _, "True") => "Current",
        _ => "InProgress by Ready",
    }
}

#[rstest]
#[case::proven(proof(Standing::Proven, &all()), Some(State::Authorized), "True", "True", "BindingVerified", "Current")]
#[case::refused(refused(), None, "False", "Unknown", "NotPermitted", "InProgress")]
#[case::connection_on_its_way(proof(Standing::Pending(State::Interrupted), &[]), Some(State::Interrupted), "True", "Unknown", "ConnectionNotReady", "InProgress")]
#[case::connection_waits_for_a_person(proof(Standing::Pending(State::NotAuthorized), &[]), Some(State::NotAuthorized), "True", "False", "ConnectionNotReady", "InProgress")]
#[case::connection_failed(proof(Standing::Failed(State::NotAuthorized), &[]), Some(State::NotAuthorized), "True", "False", "ConnectionNotReady", "Failed")]
#[case::permission_missing(proof(Standing::Proven, &[("WEB", project(&["BROWSE_PROJECTS"])), ("APP", project(&["BROWSE_PROJECTS"]))]), Some(State::Interrupted), "True", "True", "PermissionsMissing", "Failed")]
#[case::project_missing(proof(Standing::Proven, &[("WEB", absent()), ("APP", project(&["BROWSE_PROJECTS"]))]), Some(State::Interrupted), "True", "True", "ProjectNotFound", "Failed")]
#[case::project_archived(proof(Standing::Proven, &[("WEB", archived()), ("APP", project(&["BROWSE_PROJECTS"]))]), Some(State::Interrupted), "True", "True", "ProjectNotFound", "Failed")]
#[case::not_answered(proof(Standing::Proven, &[("WEB", unanswered()), ("APP", project(&["BROWSE_PROJECTS"]))]), Some(State::Authorized), "True", "True", "BindingVerified", "Current")]
fn a_row_of_the_state_table(
    #[case] facts: Facts,
    #[case] state: Option<State>,
    #[case] accepted: &str,
    #[case] authorized: &str,
    #[case] expected: &str,
    #[case] judged: &str,
) {
    let mut binding = binding();
    let plan = plan(&binding, &facts, noon());
    apply(&mut binding, &plan, noon());
    let found =
        (truth(&binding, About::Accepted), truth(&binding, About::Authorized), reason(&binding), verdict(&binding));
    assert_eq!(found, (accepted, authorized, expected, judged));
    assert_eq!(binding.status.unwrap().state, state);
}

#[test]
fn what_is_missing_is_named_exactly_and_the_rest_stands() {
    let mut binding = binding();
    let facts =
        proof(Standing::Proven, &[("WEB", project(&["BROWSE_PROJECTS"])), ("APP", project(&["BROWSE_PROJECTS"]))]);
    let plan = plan(&binding, &facts, noon());
    apply(&mut binding, &plan, noon());
    let status = binding.status.unwrap();
    assert_eq!(status.missing_summary.as_deref(), Some("CREATE_ISSUES on WEB"));
    assert_eq!(status.projects_summary.as_deref(), Some("WEB, APP"));
    let missing: Vec<_> = status.projects.iter().map(|project| project.missing.len()).collect();
    assert_eq!(missing, [1, 0]);
}

#[test]
fn details_vanish_when_acceptance_ends() {
    let mut binding = binding();
    let accepted = plan(&binding, &proof(Standing::Proven, &all()), noon());
    apply(&mut binding, &accepted, noon());
    let ended = plan(&binding, &refused(), noon());
    apply(&mut binding, &ended, noon());
    let status = binding.status.unwrap();
    assert_eq!(
        WorkspaceBindingStatus { conditions: Vec::new(), ..status },
        WorkspaceBindingStatus { observed_generation: Some(1), ..WorkspaceBindingStatus::default() }
    );
}

#[test]
fn a_refusal_stalls_after_two_minutes() {
    let mut binding = binding();
    let first = plan(&binding, &refused(), noon());
    let Word::Say(said) = &first.word else { panic!("a refusal is said") };
    let end = noon() + PATIENCE;
    assert_eq!(said.wake, Some(end));
    apply(&mut binding, &first, noon());
    let later = plan(&binding, &refused(), end);
    apply(&mut binding, &later, end);
    assert_eq!(verdict(&binding), "Failed");
}

#[test]
fn a_connection_in_grace_leaves_the_binding_unwritten() {
    let mut binding = binding();
    let proven = plan(&binding, &proof(Standing::Proven, &all()), noon());
    apply(&mut binding, &proven, noon());
    let plan = plan(&binding, &proof(Standing::Forgiven, &[]), noon());
    assert_eq!(plan, Plan::keep(false, None));
}

#[test]
fn the_first_word_of_the_connection_is_awaited_in_silence_for_a_while() {
    let mut binding = binding();
    assert_eq!(plan(&binding, &unproven(), noon()), Plan::keep(true, Some(noon() + SILENT)));
    let waited = Facts { waiting_since: Some(noon()), ..unproven() };
    let said = plan(&binding, &waited, noon() + SILENT);
    apply(&mut binding, &said, noon() + SILENT);
    assert_eq!((reason(&binding), verdict(&binding)), ("ConnectionNotReady", "InProgress"));
}

#[test]
fn silence_ends_when_the_connection_says_that_it_is_being_checked() {
    let mut binding = binding();
    let facts = admitted(Admission::Accepted { terms: Terms::NotAllowed, lent: None, proof: None, announced: true });
    let said = plan(&binding, &facts, noon());
    apply(&mut binding, &said, noon());
    assert_eq!((reason(&binding), verdict(&binding)), ("ConnectionNotReady", "InProgress"));
}

#[test]
fn a_restart_writes_nothing_until_the_connection_is_proven_again() {
    let mut binding = binding();
    let proven = plan(&binding, &proof(Standing::Proven, &all()), noon());
    apply(&mut binding, &proven, noon());
    assert_eq!(plan(&binding, &unproven(), noon()), Plan::keep(false, None));
}

#[test]
fn a_proof_that_does_not_speak_of_every_project_is_waited_for() {
    let binding = binding();
    let facts = proof(Standing::Proven, &[("WEB", project(&[]))]);
    assert!(matches!(plan(&binding, &facts, noon()).word, Word::Keep { awaiting: true, .. }));
}

#[test]
fn a_proof_that_does_not_speak_of_every_permission_is_waited_for() {
    let binding = binding();
    let narrow = |held: &[&str]| ProjectProof {
        granted: Some(Arc::new(GrantedKeys {
            asked: Some(keys(&["BROWSE_PROJECTS"])),
            held: keys(held),
            ..GrantedKeys::default()
        })),
        ..project(held)
    };
    let facts = proof(Standing::Proven, &[("WEB", narrow(&[])), ("APP", narrow(&["BROWSE_PROJECTS"]))]);
    assert!(matches!(plan(&binding, &facts, noon()).word, Word::Keep { awaiting: true, .. }));
}

fn untouched(_: &mut WorkspaceBindingSpec) {}

fn one_project_less(spec: &mut WorkspaceBindingSpec) {
    spec.projects.truncate(1);
}

fn one_permission_more(spec: &mut WorkspaceBindingSpec) {
    spec.projects[1].permissions = Some(vec!["BROWSE_PROJECTS".into(), "EDIT_ISSUES".into()]);
}

fn a_projection(spec: &mut WorkspaceBindingSpec) {
    spec.projection = Some(serde_json::from_value(json!({ "secretName": "jira" })).unwrap());
}

/// What the operator remembers of the spec before.
#[derive(Clone, Copy)]
enum Remembered {
    Spec,
    /// It was restarted.
    Nothing,
}

#[rstest]
#[case::proven(proof(Standing::Proven, &all()), untouched, Remembered::Spec, "True", "BindingVerified", "Current")]
#[case::failed(proof(Standing::Proven, &[("WEB", absent()), ("APP", absent())]), untouched, Remembered::Spec, "False", "ProjectNotFound", "Failed")]
#[case::refused(refused(), untouched, Remembered::Spec, "False", "NotPermitted", "InProgress")]
#[case::proven_for_other_projects(proof(Standing::Proven, &all()), one_project_less, Remembered::Spec, "Unknown", "Suspended", "InProgress")]
#[case::proven_for_other_permissions(proof(Standing::Proven, &all()), one_permission_more, Remembered::Spec, "Unknown", "Suspended", "InProgress")]
#[case::proven_without_a_projection(proof(Standing::Proven, &all()), a_projection, Remembered::Spec, "Unknown", "Suspended", "InProgress")]
#[case::failed_for_other_projects(proof(Standing::Proven, &[("WEB", absent()), ("APP", absent())]), one_project_less, Remembered::Spec, "Unknown", "Suspended", "InProgress")]
#[case::refused_for_other_projects(refused(), one_project_less, Remembered::Spec, "Unknown", "Suspended", "InProgress")]
#[case::proven_for_what_is_forgotten(proof(Standing::Proven, &all()), untouched, Remembered::Nothing, "Unknown", "Suspended", "InProgress")]
fn suspension_keeps_what_was_said_of_the_same_spec_alone(
    #[case] before: Facts,
    #[case] edit: fn(&mut WorkspaceBindingSpec),
    #[case] remembered: Remembered,
    #[case] ready: &str,
    #[case] expected: &str,
    #[case] judged: &str,
) {
    let mut binding = binding();
    let first = plan(&binding, &before, noon());
    apply(&mut binding, &first, noon());
    let state = binding.status.as_ref().unwrap().state;
    let facts = match remembered {
        Remembered::Spec => after(&binding, unproven()),
        Remembered::Nothing => unproven(),
    };
    change(&mut binding, |spec| {
        edit(spec);
        spec.suspend = Some(true);
    });
    let told = |binding: &WorkspaceBinding| {
        let [ready, suspended] = [About::Ready, About::Suspended].map(|about| truth(binding, about).to_owned());
        (ready, reason(binding).to_owned(), suspended, verdict(binding).to_owned())
    };
    let expected = (ready.to_owned(), expected.to_owned(), "True".to_owned(), judged.to_owned());
    let suspended = plan(&binding, &facts, noon());
    apply(&mut binding, &suspended, noon());
    assert_eq!(told(&binding), expected);
    assert_eq!(binding.status.as_ref().unwrap().state, state, "the state stays as it was");

    let again = plan(&binding, &after(&binding, unproven()), noon());
    apply(&mut binding, &again, noon());
    assert_eq!(told(&binding), expected, "a later pass says the same");
}

#[test]
fn a_binding_goes_on_after_its_suspension() {
    let mut binding = binding();
    let proven = plan(&binding, &proof(Standing::Proven, &all()), noon());
    apply(&mut binding, &proven, noon());
    let facts = after(&binding, refused());
    change(&mut binding, |spec| spec.suspend = Some(true));
    let suspended = plan(&binding, &facts, noon());
    apply(&mut binding, &suspended, noon());
    assert!(binding.status.as_ref().unwrap().connection.is_some(), "details stay while it is suspended");
    change(&mut binding, |spec| spec.suspend = None);
    let resumed = plan(&binding, &proof(Standing::Proven, &all()), noon());
    apply(&mut binding, &resumed, noon());
    assert_eq!((truth(&binding, About::Suspended), verdict(&binding)), ("absent", "Current"));
}

fn facts() -> impl Strategy<Value = Facts> {
    let standing = prop_oneof![
        Just(Standing::Proven),
        Just(Standing::Forgiven),
        Just(Standing::Pending(State::Interrupted)),
        Just(Standing::Pending(State::NotAuthorized)),
        Just(Standing::Failed(State::Interrupted)),
        Just(Standing::Failed(State::NotAuthorized)),
    ];
    let one = || {
        prop_oneof![
            Just(project(&["BROWSE_PROJECTS", "CREATE_ISSUES"])),
            Just(project(&[])),
            Just(absent()),
            Just(archived()),
            Just(unanswered())
        ]
    };
    prop_oneof![
        1 => Just(refused()),
        1 => Just(unproven()),
        4 => (standing, one(), one(), any::<bool>()).prop_map(|(standing, web, app, both)| {
            let projects = [("WEB", web), ("APP", app)];
            proof(standing, if both { &projects } else { &projects[..1] })
        }),
    ]
}

proptest! {
    #[test]
    fn every_life_has_a_lawful_status(
        steps in prop::collection::vec((facts(), 0_u64..300, any::<bool>(), 1_usize..=2, any::<bool>()), 1..8),
    ) {
        let mut binding = binding();
        let both = binding.spec.projects.clone();
        let mut now = noon();
        let mut concluded = None;
        let mut looked_at = None;
        for (facts, seconds, suspend, projects, restarted) in steps {
            now += Duration::from_secs(seconds);
            change(&mut binding, |spec| {
                spec.suspend = suspend.then_some(true);
                spec.projects = both[..projects].to_vec();
            });
            concluded = concluded.filter(|_| !restarted);
            let plan = plan(&binding, &Facts { concluded, ..facts }, now);
            apply(&mut binding, &plan, now);
            if plan.word.concludes() {
                concluded = Some(SpecDigest::of_binding(&binding.spec));
            }
            if plan.word.concludes() && !suspend {
                looked_at = Some(binding.spec.projects.clone());
            }
            let Some(status) = &binding.status else { continue };
            for about in [About::Ready, About::Accepted, About::Authorized, About::PermissionsGranted] {
                prop_assert_ne!(truth(&binding, about), "absent");
            }
            prop_assert!(!(truth(&binding, About::Reconciling) == "True" && truth(&binding, About::Stalled) == "True"));
            if truth(&binding, About::Accepted) == "False" {
                prop_assert!(status.connection.is_none() && status.projects.is_empty() && status.state.is_none());
            }
            if truth(&binding, About::Ready) == "True" {
                prop_assert_eq!(status.state, Some(State::Authorized));
            }
            if truth(&binding, About::Ready) != "Unknown" && status.observed_generation == binding.metadata.generation {
                prop_assert_eq!(looked_at.as_ref(), Some(&binding.spec.projects), "a word on projects that nobody looked at");
            }
        }
    }

    #[test]
    fn a_conclusion_fed_back_changes_nothing(facts in facts()) {
        let mut binding = binding();
        let first = plan(&binding, &facts, noon());
        apply(&mut binding, &first, noon());
        let before = binding.status.clone();
        let second = plan(&binding, &facts, noon());
        apply(&mut binding, &second, noon());
        prop_assert_eq!(binding.status, before);
    }
}
