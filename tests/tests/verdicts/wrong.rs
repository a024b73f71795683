//! A status that is deliberately wrong does not pass.

use rstest::rstest;
use serde_json::{Value, json};
use tests::verdict::Tool::{self, ArgoCd, Flux, FluxConditions, FluxExpressions, Kstatus};

use super::{fixture::Fixture, tool::differences};

/// What an operator may get wrong.
#[derive(Debug)]
enum Mistake {
    /// A condition that should stand does not.
    Forgotten(&'static str),
    /// A condition stands at True that should not stand at all.
    Left(&'static str),
    /// `observedGeneration` was not moved.
    Unobserved,
}

impl Mistake {
    fn make(&self, fixture: &mut Fixture) {
        let status = &mut fixture.object["status"];
        let conditions = status["conditions"].as_array_mut().unwrap();
        match self {
            Self::Forgotten(about) => {
                let before = conditions.len();
                conditions.retain(|condition| condition["type"] != *about);
                assert_eq!(conditions.len(), before - 1, "{about} did not stand");
            }
            Self::Left(about) => conditions.push(left(about, &conditions[0])),
            Self::Unobserved => status["observedGeneration"] = json!(-1),
        }
    }
}

/// A condition that is True, as new as another one.
fn left(about: &str, like: &Value) -> Value {
    let mut condition = like.clone();
    condition["type"] = json!(about);
    condition["status"] = json!("True");
    condition
}

const FOUR: [Tool; 4] = [Kstatus, Flux, FluxExpressions, ArgoCd];

#[rstest]
#[case::failure_that_says_nothing_of_being_stuck("JiraConnection/account-locked", Mistake::Forgotten("Stalled"), &FOUR)]
#[case::failure_of_a_binding("WorkspaceBinding/project-not-found", Mistake::Forgotten("Stalled"), &FOUR)]
#[case::success_that_still_reconciles("JiraConnection/connection-verified", Mistake::Left("Reconciling"), &FOUR)]
#[case::success_that_is_stuck("WorkspaceBinding/binding-verified", Mistake::Left("Stalled"), &FOUR)]
#[case::success_of_another_spec("JiraConnection/connection-verified", Mistake::Unobserved, &FOUR)]
#[case::failure_of_another_spec("WorkspaceBinding/permissions-missing", Mistake::Unobserved, &FOUR)]
#[case::suspension_that_is_not_told("JiraConnection/suspended-while-verified", Mistake::Forgotten("Suspended"), &[ArgoCd])]
#[case::stuck_and_on_its_way("JiraConnection/account-locked", Mistake::Left("Reconciling"), &[FluxConditions])]
#[case::nothing_on_readiness("WorkspaceBinding/binding-verified", Mistake::Forgotten("Ready"), &[FluxConditions])]
fn a_wrong_status_is_told_with_its_name_and_the_tool(
    #[case] key: &str,
    #[case] mistake: Mistake,
    #[case] tools: &[Tool],
) {
    let mut fixture = Fixture::named(key);
    mistake.make(&mut fixture);
    for tool in tools {
        let differences = differences(tool, std::slice::from_ref(&fixture));
        let told = differences.iter().any(|line| line.contains(key) && line.contains(&tool.to_string()));
        assert!(told, "{tool} takes {mistake:?} of {key} for right: {differences:?}");
    }
}
