//! What there shall be of the projected Secret, and what the status says of it.

use super::*;
use crate::binding::projection::Standing as Found;

const TOKEN: &str = "AccessToken";

fn projecting(credential: &str) -> WorkspaceBinding {
    let mut binding = binding();
    binding.spec.projection =
        Some(serde_json::from_value(json!({ "secretName": "web-jira", "credential": credential })).unwrap());
    binding
}

/// Everything is proven and lent.
fn supplied() -> Facts {
    lending(proof(Standing::Proven, &all()), Terms::Lends, Some(lent(true)))
}

fn lent(token: bool) -> Lent {
    Lent { certificates: None, token, cloud_api: Some("https://api.example/ex/jira/c-1".into()) }
}

fn lending(mut facts: Facts, new_terms: Terms, loan: Option<Lent>) -> Facts {
    if let Admission::Accepted { terms, lent, .. } = &mut facts.admission {
        (*terms, *lent) = (new_terms, loan);
    }
    facts
}

fn found(secret: Found) -> Facts {
    Facts { secret, ..supplied() }
}

fn with_standing(standing: Standing) -> Facts {
    lending(proof(standing, &all()), Terms::Lends, Some(lent(true)))
}

/// A binding whose status says that everything is well.
fn verified(credential: &str) -> WorkspaceBinding {
    let mut binding = projecting(credential);
    let first = plan(&binding, &supplied(), noon());
    apply(&mut binding, &first, noon());
    binding
}

fn told(plan: &Plan) -> String {
    match &plan.projection {
        Projection::Untouched => "untouched".into(),
        Projection::None => "none".into(),
        Projection::AsItStands(name) => format!("{name} as it stands"),
        Projection::Present(content) if content.token => format!("{} with a token", content.name),
        Projection::Present(content) => content.name.clone(),
    }
}

fn named(binding: &WorkspaceBinding) -> Option<&str> {
    Some(binding.status.as_ref()?.binding.as_ref()?.name.as_str())
}

#[rstest]
#[case::made("None", found(Found::Absent), "web-jira", "BindingVerified", "Current", Some("web-jira"))]
#[case::mended("None", found(Found::Own), "web-jira", "BindingVerified", "Current", Some("web-jira"))]
#[case::with_a_token(
    TOKEN,
    found(Found::Absent),
    "web-jira with a token",
    "BindingVerified",
    "Current",
    Some("web-jira")
)]
#[case::somebody_else_s("None", found(Found::Foreign), "web-jira as it stands", "SecretConflict", "Failed", None)]
#[case::of_a_former_binding("None", Facts { waiting_since: Some(noon() - SILENT_BEFORE_A_SECRET), ..found(Found::Former) }, "web-jira as it stands", "SecretConflict", "InProgress", None)]
#[case::no_token_allowed(
    TOKEN,
    lending(supplied(), Terms::NotAllowed, Some(lent(false))),
    "web-jira",
    "AccessTokenUnavailable",
    "Failed",
    Some("web-jira")
)]
#[case::no_token_allowed_to_this_one(
    TOKEN,
    lending(supplied(), Terms::NotAllowed, Some(lent(true))),
    "web-jira",
    "AccessTokenUnavailable",
    "Failed",
    Some("web-jira")
)]
#[case::method_without_tokens(
    TOKEN,
    lending(supplied(), Terms::NoShortLivedToken, Some(lent(false))),
    "web-jira",
    "AccessTokenUnavailable",
    "Failed",
    Some("web-jira")
)]
#[case::headers_needed(
    TOKEN,
    lending(supplied(), Terms::NeedsMore, Some(lent(false))),
    "web-jira",
    "AccessTokenUnavailable",
    "Failed",
    Some("web-jira")
)]
#[case::conflict_before_token(TOKEN, Facts { secret: Found::Foreign, ..lending(supplied(), Terms::NeedsMore, Some(lent(false))) }, "web-jira as it stands", "SecretConflict", "Failed", None)]
#[case::permission_missing("None", lending(proof(Standing::Proven, &[("WEB", project(&[])), ("APP", project(&[]))]), Terms::Lends, Some(lent(false))), "web-jira", "PermissionsMissing", "Failed", Some("web-jira"))]
#[case::refused("None", refused(), "none", "NotPermitted", "InProgress", None)]
#[case::never_proven(
    "None",
    with_standing(Standing::Failed(State::NotAuthorized)),
    "web-jira as it stands",
    "ConnectionNotReady",
    "Failed",
    None
)]
fn a_new_binding(
    #[case] credential: &str,
    #[case] facts: Facts,
    #[case] projection: &str,
    #[case] expected: &str,
    #[case] judged: &str,
    #[case] name: Option<&str>,
) {
    let mut binding = projecting(credential);
    let plan = plan(&binding, &facts, noon());
    apply(&mut binding, &plan, noon());
    assert_eq!((told(&plan).as_str(), reason(&binding), verdict(&binding)), (projection, expected, judged));
    assert_eq!(named(&binding), name);
}

fn as_before(_: &mut WorkspaceBindingSpec) {}

fn renamed(spec: &mut WorkspaceBindingSpec) {
    "other".clone_into(&mut spec.projection.as_mut().unwrap().secret_name);
}

fn without(spec: &mut WorkspaceBindingSpec) {
    spec.projection = None;
}

fn suspended(spec: &mut WorkspaceBindingSpec) {
    spec.suspend = Some(true);
}

#[rstest]
#[case::at_rest(as_before, found(Found::Own), "web-jira", Some("web-jira"))]
#[case::deleted_by_somebody(as_before, found(Found::Absent), "web-jira", Some("web-jira"))]
#[case::renamed(renamed, supplied(), "other", Some("other"))]
#[case::removed(without, supplied(), "none", None)]
#[case::refused(as_before, refused(), "none", None)]
#[case::suspended(suspended, found(Found::Own), "untouched", Some("web-jira"))]
#[case::suspended_while_refused(suspended, refused(), "untouched", Some("web-jira"))]
#[case::in_grace(as_before, with_standing(Standing::Forgiven), "web-jira", Some("web-jira"))]
#[case::in_grace_without_a_loan(
    as_before,
    lending(with_standing(Standing::Forgiven), Terms::Lends, None),
    "untouched",
    Some("web-jira")
)]
#[case::in_grace_with_another_in_the_way(as_before, Facts { secret: Found::Foreign, ..with_standing(Standing::Forgiven) }, "untouched", Some("web-jira"))]
#[case::connection_failed(
    as_before,
    with_standing(Standing::Failed(State::NotAuthorized)),
    "web-jira as it stands",
    Some("web-jira")
)]
#[case::renamed_while_the_connection_has_failed(
    renamed,
    with_standing(Standing::Failed(State::NotAuthorized)),
    "other as it stands",
    None
)]
#[case::removed_while_the_connection_has_failed(
    without,
    with_standing(Standing::Failed(State::NotAuthorized)),
    "none",
    None
)]
#[case::restarted(as_before, unproven(), "untouched", Some("web-jira"))]
fn a_binding_that_was_verified(
    #[case] edit: fn(&mut WorkspaceBindingSpec),
    #[case] facts: Facts,
    #[case] projection: &str,
    #[case] name: Option<&str>,
) {
    let mut binding = verified("None");
    change(&mut binding, edit);
    let plan = plan(&binding, &facts, noon());
    apply(&mut binding, &plan, noon());
    assert_eq!((told(&plan).as_str(), named(&binding)), (projection, name));
}

#[rstest]
#[case::nothing("None", None)]
#[case::the_token(TOKEN, Some(lent(false)))]
fn what_the_connection_has_not_lent_yet_is_waited_for(#[case] credential: &str, #[case] loan: Option<Lent>) {
    let facts = lending(supplied(), Terms::Lends, loan);
    let plan = plan(&projecting(credential), &facts, noon());
    assert_eq!(plan.projection, Projection::Untouched);
    assert!(matches!(plan.word, Word::Keep { awaiting: true, .. }));
}

#[test]
fn a_secret_of_a_former_binding_is_waited_out_in_silence_first() {
    let plan = plan(&projecting("None"), &found(Found::Former), noon());
    assert_eq!(plan, Plan::keep(true, Some(noon() + SILENT_BEFORE_A_SECRET)));
}

#[test]
fn a_conflict_leaves_state_and_permissions_as_they_are() {
    let mut binding = projecting("None");
    let plan = plan(&binding, &found(Found::Foreign), noon());
    apply(&mut binding, &plan, noon());
    assert_eq!(truth(&binding, About::PermissionsGranted), "True");
    assert_eq!(binding.status.unwrap().state, Some(State::Authorized));
}

fn entries(credential: &str, deployment: Deployment, url: &str) -> Vec<String> {
    let binding = projecting(credential);
    let mut facts = supplied();
    let Admission::Accepted { proof: Some(proof), lent: Some(lent), .. } = &mut facts.admission else { unreachable!() };
    lent.certificates = Some("PEM".into());
    let cloud_id = (deployment == Deployment::Cloud).then(|| "c-1".to_owned());
    *proof = Arc::new(Proof { deployment, url: url.into(), cloud_id, ..proof.as_ref().clone() });
    match plan(&binding, &facts, noon()).projection {
        Projection::Present(content) => content.entries.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::data_center("None", Deployment::DataCenter, "https://jira.example:8443/jira", &["ca.crt=PEM", "defaultAssignee=bot", "deployment=DataCenter", "host=jira.example", "port=8443", "projects=WEB,APP", "provider=atlassian", "siteUrl=https://jira.example:8443/jira", "type=jira", "uri=https://jira.example:8443/jira"])]
#[case::data_center_with_a_token(TOKEN, Deployment::DataCenter, "https://jira.example", &["ca.crt=PEM", "defaultAssignee=bot", "deployment=DataCenter", "host=jira.example", "port=443", "projects=WEB,APP", "provider=atlassian", "siteUrl=https://jira.example", "type=jira", "uri=https://jira.example"])]
#[case::cloud("None", Deployment::Cloud, "https://acme.example/", &["ca.crt=PEM", "cloudId=c-1", "defaultAssignee=bot", "deployment=Cloud", "host=acme.example", "port=443", "projects=WEB,APP", "provider=atlassian", "siteUrl=https://acme.example", "type=jira", "uri=https://acme.example"])]
#[case::cloud_with_a_token(TOKEN, Deployment::Cloud, "https://acme.example", &["ca.crt=PEM", "cloudId=c-1", "defaultAssignee=bot", "deployment=Cloud", "host=api.example", "port=443", "projects=WEB,APP", "provider=atlassian", "siteUrl=https://acme.example", "type=jira", "uri=https://api.example/ex/jira/c-1"])]
fn the_entries_are_what_an_application_can_call(
    #[case] credential: &str,
    #[case] deployment: Deployment,
    #[case] url: &str,
    #[case] expected: &[&str],
) {
    assert_eq!(entries(credential, deployment, url), expected);
}
