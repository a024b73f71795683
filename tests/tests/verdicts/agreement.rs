//! The tools that judge an object as it is, without a cluster.

use rstest::rstest;
use tests::verdict::Tool::{self, ArgoCd, Flux, FluxConditions, FluxExpressions, Kstatus};

use super::{fixture::Fixture, tool::differences};

#[rstest]
#[case::kstatus(Kstatus)]
#[case::flux(Flux)]
#[case::flux_with_expressions(FluxExpressions)]
#[case::argo_cd(ArgoCd)]
fn a_tool_judges_every_status_as_the_state_tables_say(#[case] tool: Tool) {
    assert_eq!(differences(&tool, &Fixture::all()), Vec::<String>::new());
}

#[test]
fn flux_finds_no_fault_with_the_conditions_that_the_operator_has_written() {
    // Of a spec that the operator has not looked at yet, Flux wants no Ready that is True; but nobody has written that.
    let observed: Vec<_> = Fixture::all().into_iter().filter(Fixture::is_observed).collect();
    assert_eq!(differences(&FluxConditions, &observed), Vec::<String>::new());
}
