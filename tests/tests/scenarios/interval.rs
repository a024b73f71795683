//! What one interval brings by itself: the check of what is proven, a second look at what was wrong, and silence where a
//! credential was refused.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{
    jira::{Certificate, Deployment, Fault, Instance, Rule},
    stage::Kind,
};

use super::{
    jira::Jira,
    row::{
        Progress::{Reconciling, Stalled},
        Row, binding,
        connection::{lacking, misfit, proven, refused, tls_failed},
    },
    scene::Scene,
    subject::Subject,
};

/// The longest time between two checks at an interval of a minute, and what a check takes.
const INTERVAL: Duration = Duration::from_secs(75);

/// A connection to a Jira of its own that is checked every minute.
async fn connection(scene: &Scene, name: &str, jira: &Jira, token: &str) -> Subject {
    scene.neighbour(name, jira, Some(token), json!({ "checks": { "interval": "1m" } })).await
}

fn version(jira: &mut Instance, version: &str) {
    if let Deployment::DataCenter(center) = &mut jira.deployment {
        version.clone_into(&mut center.version);
    }
}

#[tokio::test]
async fn an_interval_checks_what_is_proven_and_mends_what_was_wrong() {
    let scene = Scene::center().await;

    // Proven: asked who it is and what it may do, and nothing is written.
    let steady = connection(&scene, "steady", &Jira::center(), "pat").await;
    steady.becomes(&proven()).await;

    // Refused: never asked again by itself.
    let rejected = connection(&scene, "rejected", &Jira::cloud(), "nobody").await;
    rejected.becomes(&refused("CredentialsRejected", Stalled)).await;
    let captcha = Jira::center();
    captcha.strikes(Rule::every(Fault::Captcha).on("/rest/api/2/myself"));
    let locked = connection(&scene, "locked", &captcha, "pat").await;
    locked.becomes(&refused("AccountLocked", Stalled)).await;
    let still =
        [(&steady, steady.version().await), (&rejected, rejected.version().await), (&locked, locked.version().await)];

    // Wrong, and mended meanwhile.
    let poor = Jira::center();
    let global = |verb: &str| json!({ "type": verb, "account": "JIRAUSER10100", "permissions": ["USER_PICKER"] });
    poor.mutate(global("RevokeGlobal"));
    let expired = Jira::center_with(|jira| jira.transport.certificate = Certificate::Expired);
    let old = Jira::center_with(|jira| version(jira, "8.13.0"));
    let wrong = [
        (connection(&scene, "poor", &poor, "pat").await, lacking()),
        (connection(&scene, "expired", &expired, "pat").await, tls_failed()),
        (connection(&scene, "old", &old, "pat").await, misfit("AuthMethodUnsupported")),
    ];
    for (connection, row) in &wrong {
        connection.becomes(row).await;
    }

    // Proven, and gone bad meanwhile.
    let revoked = Jira::center();
    let losing = connection(&scene, "losing", &revoked, "pat").await;
    losing.becomes(&proven()).await;
    let shrinking = Jira::center();
    let bound_to = connection(&scene, "bound", &shrinking, "pat").await;
    bound_to.becomes(&proven()).await;
    let spec = json!({ "connectionRef": { "name": "bound" }, "workspace": "web", "projects": [{ "key": "WEB" }] });
    let bound = scene.create(Kind::Binding, &scene.stage.namespace, "web", spec).await;
    bound.becomes(&binding::proven()).await;

    let mark = Jira::mark();
    poor.mutate(global("GrantGlobal"));
    expired.update(|jira| jira.transport.certificate = Certificate::Trusted);
    old.update(|jira| version(jira, "8.14.0"));
    revoked.mutate(json!({ "type": "RevokeCredential", "credential": revoked.secret("pat") }));
    let less: Value = json!(["EDIT_ISSUES"]);
    shrinking.mutate(json!({ "type": "Revoke", "project": "WEB", "account": "JIRAUSER10100", "permissions": less }));

    for (connection, _) in &wrong {
        connection.becomes_within(INTERVAL, &proven()).await;
    }
    losing.becomes_within(INTERVAL, &refused("CredentialsRejected", Reconciling)).await;
    bound.becomes_within(INTERVAL, &binding::lacking("PermissionsMissing")).await;
    assert_eq!(Row::of(&bound_to.status()), proven());

    for resource in ["/myself", "/mypermissions"] {
        steady.asks(mark, resource, 1).await;
    }
    for (connection, version) in still {
        assert_eq!(connection.version().await, version, "{}", connection.account());
    }
    // When its token ends is asked for once a day, and not in the first check.
    let checks = steady.asked(mark).into_iter().filter(|asked| !asked.contains("/pat/latest/tokens"));
    assert_eq!(checks.count(), 2, "{}", steady.account());
    assert_eq!(rejected.asked(mark), [""; 0]);
    assert_eq!(locked.asked(mark), [""; 0]);
}
