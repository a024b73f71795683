//! What each tool must say of the fixtures.

use tests::verdict::Tool;

use super::fixture::Fixture;

/// What a fixture expects of a tool.
fn expected<'a>(tool: &Tool, fixture: &'a Fixture) -> &'a str {
    match tool {
        Tool::Kstatus => &fixture.expected["kstatus"],
        Tool::Flux | Tool::FluxExpressions => &fixture.expected["flux"],
        Tool::ArgoCd => &fixture.expected["argocd"],
        Tool::Helm(_) => &fixture.expected["helm"],
        // Nothing to complain of.
        Tool::FluxConditions => "",
    }
}

/// Where a tool says something else than is expected: one line for each fixture.
pub(crate) fn differences(tool: &Tool, fixtures: &[Fixture]) -> Vec<String> {
    let objects: Vec<_> = fixtures.iter().map(|fixture| fixture.object.clone()).collect();
    let verdicts = tool.verdicts(&objects);
    fixtures
        .iter()
        .filter_map(|fixture| {
            let (key, expected) = (fixture.key(), expected(tool, fixture));
            let said = verdicts.get(&key).map_or("nothing", String::as_str);
            (said != expected).then(|| format!("{tool} says {said:?} of {key}, and must say {expected:?}"))
        })
        .collect()
}
