//! Judges each link by what the caller can see. Pure.

use std::collections::BTreeSet;

use crds::{Condition, JiraConnection, WorkspaceBinding};
use kube::ResourceExt;

use super::chain::{Link, Standing};
use crate::{
    acceptance::{Acceptance, Labels, judge},
    binding::decide::Reason,
    condition::{About, Truth, find, is},
    plugin::{
        authorization::{Consent, method},
        checked::Checked,
        cluster::Sight,
        need::Need,
    },
};

/// What the caller can see.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// The binding, where it was asked about one.
    pub binding: Option<WorkspaceBinding>,
    /// Namespace and name of the connection.
    pub place: (String, String),
    /// The connection.
    pub connection: Sight<JiraConnection>,
    /// Labels of the binding's namespace.
    pub labels: Sight<Labels>,
    /// The objects that the connection refers to.
    pub held: Vec<Holding>,
}

/// An object that the connection refers to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Holding {
    /// What is needed of it.
    pub need: Need,
    /// The keys that it has.
    pub keys: Sight<BTreeSet<String>>,
}

/// The links in their order.
pub(super) fn links(facts: &Facts) -> Vec<Link> {
    let mut links = Vec::new();
    if let Some(binding) = &facts.binding {
        links.extend(object(binding));
        links.push(acceptance(binding, facts));
    }
    links.extend(connection(facts));
    if let Some(binding) = &facts.binding {
        links.push(permissions(binding));
        links.extend(projection(binding));
        links.extend(closing(binding, &links));
    }
    links
}

fn label(object: &impl Checked) -> String {
    label_of(object.meta().namespace.as_deref().unwrap_or_default(), &object.name_any(), kind(object))
}

fn kind<K: Checked>(_: &K) -> &'static str {
    K::KIND.as_str()
}

fn label_of(namespace: &str, name: &str, kind: &str) -> String {
    format!("{kind} {namespace}/{name}")
}

/// Whether the operator looks at the object at all.
fn object<K: Checked>(object: &K) -> Vec<Link> {
    let about = label(object);
    let (namespace, name) = (object.meta().namespace.clone().unwrap_or_default(), object.name_any());
    if object.is_suspended() {
        let subject = match K::KIND {
            crate::plugin::subject::Kind::Connection => name,
            crate::plugin::subject::Kind::Binding => format!("binding/{name}"),
        };
        let remedy = format!("Let it go on: kubectl jira resume {subject} -n {namespace}");
        return vec![Link::broken(about, "It is suspended.", remedy)];
    }
    if !object.is_observed() {
        let remedy = "Look whether the operator runs, and whether it watches this namespace.";
        return vec![Link::broken(about, "The operator has not looked at its present spec.", remedy)];
    }
    vec![Link::holds(about, "The operator has looked at its present spec.")]
}

/// Whether the connection allows the binding. Who may read the connection learns which of the two is missing.
fn acceptance(binding: &WorkspaceBinding, facts: &Facts) -> Link {
    const ABOUT: &str = "Acceptance";
    let accepted = find(binding.conditions(), About::Accepted);
    match accepted.map(|condition| condition.status.as_str()) {
        Some("True") => Link::holds(ABOUT, "The connection allows the binding."),
        Some("False") => {
            let place = label_of(&facts.place.0, &facts.place.1, "JiraConnection");
            match &facts.connection {
                Sight::Absent => Link::broken(
                    ABOUT,
                    format!("{place} does not exist."),
                    "Correct spec.connectionRef, or let the connection be created.",
                ),
                Sight::Seen(connection) => refused(connection, binding, facts, &place),
                Sight::Hidden => {
                    Link::broken(ABOUT, "It is refused.", accepted.map(|it| it.message.clone()).unwrap_or_default())
                }
            }
        }
        Some(_) | None => Link::unknown(ABOUT, "The operator has not said."),
    }
}

fn refused(connection: &JiraConnection, binding: &WorkspaceBinding, facts: &Facts, place: &str) -> Link {
    match judge(connection, binding, facts.labels.seen()) {
        Acceptance::Accepted { .. } => Link::broken(
            "Acceptance",
            format!("{place} allows it as it now is, and the status does not say so yet."),
            "If it stays so, look whether the operator runs.",
        ),
        Acceptance::Refused => Link::broken(
            "Acceptance",
            format!(
                "{place} exists, and no entry of its spec.allowedWorkspaces fits namespace, workspace and projects of the binding."
            ),
            format!("Ask the owner of {place} for an entry, or correct spec of the binding."),
        ),
    }
}

fn connection(facts: &Facts) -> Vec<Link> {
    let (namespace, name) = &facts.place;
    let about = label_of(namespace, name, "JiraConnection");
    match &facts.connection {
        Sight::Absent => {
            vec![Link::broken(
                about,
                "It does not exist.",
                "Correct spec.connectionRef, or let the connection be created.",
            )]
        }
        Sight::Hidden => vec![hidden(facts, about, namespace, name)],
        Sight::Seen(connection) => {
            let mut links = object(connection);
            links.extend(facts.held.iter().map(holding));
            links.extend(material(connection, &links));
            links.extend(
                [
                    (About::Reachable, "Jira's host"),
                    (About::Authorized, "Jira's consent"),
                    (About::PermissionsGranted, "Jira's permissions"),
                ]
                .map(|(condition, about)| jira(connection, condition, about)),
            );
            links.extend(closing(connection, &links));
            links
        }
    }
}

/// The connection of somebody else, of which only the binding tells.
fn hidden(facts: &Facts, about: String, namespace: &str, name: &str) -> Link {
    let conditions = facts.binding.as_ref().map_or(&[][..], Checked::conditions);
    match find(conditions, About::Ready).filter(|ready| ready.reason == "ConnectionNotReady") {
        Some(ready) => Link::broken(
            about,
            ready.message.clone(),
            format!("You may not read it. Ask its owner to run: kubectl jira why connection {name} -n {namespace}"),
        ),
        None => Link::unknown(about, "You may not read it."),
    }
}

fn holding(holding: &Holding) -> Link {
    let Need { field, referent, keys } = &holding.need;
    let about = referent.to_string();
    match &holding.keys {
        Sight::Hidden => Link::unknown(about, format!("You may not read it. It must have {}.", listed(keys))),
        Sight::Absent => Link::broken(
            about,
            "It does not exist.",
            format!("Create it in the connection's namespace with {}, or correct {field}.", listed(keys)),
        ),
        Sight::Seen(present) => {
            let missing: Vec<_> = keys.iter().filter(|key| !present.contains(*key)).cloned().collect();
            if missing.is_empty() {
                return Link::holds(about, format!("It has {}.", listed(keys)));
            }
            Link::broken(
                about,
                format!("It has no {}.", listed(&missing)),
                format!("Add what is missing, or correct {field}."),
            )
        }
    }
}

fn listed(keys: &[String]) -> String {
    let noun = if keys.len() == 1 { "key" } else { "keys" };
    format!("{noun} {}", keys.join(" and "))
}

/// What the operator says against the content of the objects, where their keys show nothing wrong.
fn material(connection: &JiraConnection, before: &[Link]) -> Option<Link> {
    let condition = find(connection.conditions(), About::CredentialsResolved)?;
    let explained = before.iter().any(|link| link.standing == Standing::Broken);
    (condition.status == "False" && !explained)
        .then(|| Link::broken("Secrets and ConfigMaps", condition.reason.clone(), condition.message.clone()))
}

fn jira(connection: &JiraConnection, condition: About, about: &str) -> Link {
    let ready = is(connection.conditions(), About::Ready, Truth::True);
    let Some(condition) = find(connection.conditions(), condition) else {
        return Link::unknown(about, "The check did not get that far.");
    };
    match condition.status.as_str() {
        "True" => Link::holds(about, condition.message.clone()),
        "False" if ready => Link::holds(about, format!("{} This is forgiven for a while.", condition.message)),
        "False" => Link::broken(about, condition.reason.clone(), remedy(connection, condition)),
        _ => Link::unknown(about, condition.message.clone()),
    }
}

/// The condition's own words hold the remedy; where a person must consent, the command is added.
fn remedy(connection: &JiraConnection, condition: &Condition) -> String {
    let by_person = matches!(method(connection), Some((_, Consent::ByPerson)));
    if condition.type_ == About::Authorized.as_str() && by_person {
        let (name, namespace) = (connection.name_any(), connection.namespace().unwrap_or_default());
        return format!("{} Run: kubectl jira authorize {name} -n {namespace}", condition.message);
    }
    condition.message.clone()
}

fn permissions(binding: &WorkspaceBinding) -> Link {
    const ABOUT: &str = "Permissions on the binding's projects";
    let Some(condition) = find(binding.conditions(), About::PermissionsGranted) else {
        return Link::unknown(ABOUT, "The check did not get that far.");
    };
    match condition.status.as_str() {
        "True" => Link::holds(ABOUT, condition.message.clone()),
        "False" => {
            let message = find(binding.conditions(), About::Ready).map_or(&condition.message, |ready| &ready.message);
            let missing = binding.status.as_ref().and_then(|status| status.missing_summary.clone());
            let finding = missing.filter(|line| !line.is_empty()).unwrap_or_else(|| condition.reason.clone());
            Link::broken(ABOUT, finding, message.clone())
        }
        _ => Link::unknown(ABOUT, condition.message.clone()),
    }
}

/// The Secret that the application wants.
fn projection(binding: &WorkspaceBinding) -> Option<Link> {
    let wanted = &binding.spec.projection.as_ref()?.secret_name;
    let about = format!("Projected Secret {wanted}");
    let ready = find(binding.conditions(), About::Ready)?;
    let made = binding.status.as_ref().and_then(|status| status.binding.as_ref()).is_some_and(|it| it.name == *wanted);
    let broken = |finding: &str| Some(Link::broken(about.clone(), finding, ready.message.clone()));
    match Reason::ALL.into_iter().find(|reason| reason.as_str() == ready.reason) {
        Some(Reason::SecretConflict) => broken("Another Secret has its name."),
        Some(Reason::AccessTokenUnavailable) => broken("It holds no access token."),
        _ if made => Some(Link::holds(about, "The operator keeps it.")),
        _ => Some(Link::unknown(about, "The check did not get that far.")),
    }
}

/// An object that is not ready although every link before holds: its own words then say why.
fn closing(object: &impl Checked, before: &[Link]) -> Option<Link> {
    let ready = find(object.conditions(), About::Ready)?;
    let explained = before.iter().any(|link| link.standing == Standing::Broken);
    (ready.status != "True" && !explained)
        .then(|| Link::broken(format!("{}, as a whole", label(object)), ready.reason.clone(), ready.message.clone()))
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "tables of JSON read better without a reference before each value")]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::plugin::{need::needs, palette::Palette, why::chain::Chain};

    fn condition(about: &str, status: &str, reason: &str, message: &str) -> Value {
        json!({ "type": about, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-01-01T12:00:00Z" })
    }

    fn all_true() -> Vec<Value> {
        ["Ready", "Authorized", "CredentialsResolved", "Reachable", "PermissionsGranted"]
            .map(|about| condition(about, "True", "Fine", "Fine."))
            .to_vec()
    }

    /// The conditions of a connection in order, with some of them otherwise.
    fn but(others: &[Value]) -> Value {
        let mut conditions = all_true();
        for other in others {
            conditions.retain(|condition| condition["type"] != other["type"]);
            conditions.push(other.clone());
        }
        json!({ "observedGeneration": 1, "conditions": conditions })
    }

    fn jira_connection(auth: Value, status: Value) -> JiraConnection {
        serde_json::from_value(json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
            "metadata": { "name": "acme", "namespace": "platform", "generation": 1 },
            "spec": { "url": "https://jira.example", "deployment": "DataCenter", "auth": auth },
            "status": status,
        }))
        .unwrap()
    }

    fn pat() -> Value {
        json!({ "personalAccessToken": { "tokenSecretRef": { "name": "pat", "key": "token" } } })
    }

    fn facts(connection: JiraConnection, keys: Sight<&[&str]>) -> Facts {
        let keys = keys.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>());
        let held = needs(&connection.spec).into_iter().map(|need| Holding { need, keys: keys.clone() }).collect();
        Facts {
            binding: None,
            place: ("platform".into(), "acme".into()),
            connection: Sight::Seen(connection),
            labels: Sight::Hidden,
            held,
        }
    }

    fn not_ready(reason: &str, message: &str) -> Value {
        condition("Ready", "False", reason, message)
    }

    #[rstest]
    #[case::nothing(facts(jira_connection(pat(), but(&[])), Sight::Seen(&["token"])), None)]
    #[case::nothing_that_can_be_seen(facts(jira_connection(pat(), but(&[])), Sight::Hidden), None)]
    #[case::forgiven(facts(jira_connection(pat(), but(&[condition("Reachable", "False", "Unreachable", "No answer.")])), Sight::Hidden), None)]
    #[case::not_looked_at(facts(jira_connection(pat(), json!({ "observedGeneration": -1 })), Sight::Seen(&["token"])), Some("JiraConnection platform/acme"))]
    #[case::secret_missing(facts(jira_connection(pat(), but(&[not_ready("SecretNotFound", "Gone.")])), Sight::Absent), Some("Secret pat"))]
    #[case::key_missing(facts(jira_connection(pat(), but(&[not_ready("SecretNotFound", "Gone.")])), Sight::Seen(&["other"])), Some("Secret pat"))]
    #[case::value_unusable(facts(jira_connection(pat(), but(&[condition("CredentialsResolved", "False", "SecretInvalid", "Empty."), not_ready("SecretInvalid", "Empty.")])), Sight::Seen(&["token"])), Some("Secrets and ConfigMaps"))]
    #[case::unreachable(facts(jira_connection(pat(), but(&[condition("Reachable", "False", "Unreachable", "No answer."), not_ready("Unreachable", "No answer.")])), Sight::Hidden), Some("Jira's host"))]
    #[case::rejected(facts(jira_connection(pat(), but(&[condition("Authorized", "False", "CredentialsRejected", "No."), not_ready("CredentialsRejected", "No.")])), Sight::Seen(&["token"])), Some("Jira's consent"))]
    #[case::permissions(facts(jira_connection(pat(), but(&[condition("PermissionsGranted", "False", "PermissionsMissing", "No."), not_ready("PermissionsMissing", "No.")])), Sight::Seen(&["token"])), Some("Jira's permissions"))]
    #[case::something_else(facts(jira_connection(pat(), but(&[not_ready("DeploymentMismatch", "No.")])), Sight::Seen(&["token"])), Some("JiraConnection platform/acme, as a whole"))]
    fn the_first_broken_link_of_a_connection(#[case] facts: Facts, #[case] expected: Option<&str>) {
        let chain = Chain { links: links(&facts) };
        assert_eq!(chain.broken().map(|link| link.about.as_str()), expected, "{}", chain.text(Palette::Plain));
    }

    fn binding(conditions: Value) -> WorkspaceBinding {
        serde_json::from_value(json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "WorkspaceBinding",
            "metadata": { "name": "web", "namespace": "team-web", "generation": 1 },
            "spec": { "connectionRef": { "name": "acme", "namespace": "platform" }, "workspace": "web", "projects": [{ "key": "WEB" }] },
            "status": { "observedGeneration": 1, "conditions": conditions, "missingSummary": "CREATE_ISSUES on WEB" },
        }))
        .unwrap()
    }

    fn bound(conditions: &[Value], connection: Sight<JiraConnection>) -> Facts {
        let mut all: Vec<_> = ["Ready", "Accepted", "Authorized", "PermissionsGranted"]
            .map(|it| condition(it, "True", "Fine", "Fine."))
            .to_vec();
        for other in conditions {
            all.retain(|condition| condition["type"] != other["type"]);
            all.push(other.clone());
        }
        Facts {
            binding: Some(binding(json!(all))),
            place: ("platform".into(), "acme".into()),
            connection,
            labels: Sight::Hidden,
            held: Vec::new(),
        }
    }

    fn refusal() -> [Value; 2] {
        [condition("Accepted", "False", "NotPermitted", "None."), not_ready("NotPermitted", "None.")]
    }

    fn no_permission() -> [Value; 2] {
        [
            condition("PermissionsGranted", "False", "PermissionsMissing", "No."),
            not_ready("PermissionsMissing", "Have it granted."),
        ]
    }

    fn waiting() -> [Value; 1] {
        [not_ready("ConnectionNotReady", "Connection acme needs attention.")]
    }

    /// The same for an application that wants a Secret.
    fn projecting(facts: Facts, made: bool) -> Facts {
        let mut binding = facts.binding.unwrap();
        binding.spec.projection = Some(serde_json::from_value(json!({ "secretName": "web-jira" })).unwrap());
        let secret = made.then(|| serde_json::from_value(json!({ "name": "web-jira" })).unwrap());
        binding.status.as_mut().unwrap().binding = secret;
        Facts { binding: Some(binding), ..facts }
    }

    #[rstest]
    #[case::made(projecting(bound(&[], Sight::Hidden), true), None)]
    #[case::not_made_yet(projecting(bound(&waiting(), Sight::Hidden), false), Some(("JiraConnection platform/acme", "needs attention")))]
    #[case::secret_in_the_way(projecting(bound(&[not_ready("SecretConflict", "Delete it.")], Sight::Hidden), false), Some(("Projected Secret web-jira", "Another Secret has its name.")))]
    #[case::without_its_token(projecting(bound(&[not_ready("AccessTokenUnavailable", "No token.")], Sight::Hidden), true), Some(("Projected Secret web-jira", "It holds no access token.")))]
    #[case::nothing(bound(&[], Sight::Seen(jira_connection(pat(), but(&[])))), None)]
    #[case::nothing_that_can_be_seen(bound(&[], Sight::Hidden), None)]
    #[case::no_such_connection(bound(&refusal(), Sight::Absent), Some(("Acceptance", "does not exist")))]
    #[case::not_allowed(bound(&refusal(), Sight::Seen(jira_connection(pat(), but(&[])))), Some(("Acceptance", "no entry of its spec.allowedWorkspaces fits")))]
    #[case::one_of_the_two(bound(&refusal(), Sight::Hidden), Some(("Acceptance", "It is refused")))]
    #[case::somebody_else_s_connection(bound(&waiting(), Sight::Hidden), Some(("JiraConnection platform/acme", "needs attention")))]
    #[case::own_connection(bound(&waiting(), Sight::Seen(jira_connection(pat(), but(&[condition("Authorized", "False", "CredentialsRejected", "No."), not_ready("CredentialsRejected", "No.")])))), Some(("Jira's consent", "CredentialsRejected")))]
    #[case::permissions(bound(&no_permission(), Sight::Hidden), Some(("Permissions on the binding's projects", "CREATE_ISSUES on WEB")))]
    fn the_first_broken_link_of_a_binding(#[case] facts: Facts, #[case] expected: Option<(&str, &str)>) {
        let chain = Chain { links: links(&facts) };
        match (chain.broken(), expected) {
            (None, None) => {}
            (Some(link), Some((about, finding))) => {
                assert_eq!(link.about, about);
                assert!(link.finding.contains(finding), "{link:?}");
            }
            (_, expected) => panic!("{expected:?} expected:\n{}", chain.text(Palette::Plain)),
        }
    }

    #[test]
    fn where_a_person_must_consent_the_command_is_named() {
        let auth = json!({ "oauth2AuthorizationCode": { "clientSecretRef": { "name": "app" } } });
        let revoked = [
            condition("Authorized", "False", "GrantRevoked", "The grant is gone."),
            not_ready("GrantRevoked", "The grant is gone."),
        ];
        let facts = facts(jira_connection(auth, but(&revoked)), Sight::Seen(&["clientId", "clientSecret"]));
        insta::assert_snapshot!(Chain { links: links(&facts) }.text(Palette::Plain));
    }
}
