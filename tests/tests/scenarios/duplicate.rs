//! Several connections to one Jira.

use serde_json::{Value, json};
use tests::stage::Kind;

use super::{
    jira::Jira,
    row::{Row, connection::proven},
    scene::{AT_ONCE, Scene, merged, operator},
};

fn shared(row: Row) -> Row {
    row.with("DuplicateInstance", "True SameJira")
}

/// The spec of a scene for the same Jira, whose URL is written otherwise.
fn written_otherwise(scene: &Scene) -> Value {
    merged(scene.spec(), json!({ "url": format!("{}/", scene.jira.url) }))
}

#[tokio::test]
async fn those_of_a_namespace_name_each_other_until_only_one_is_left() {
    let scene = Scene::center().await;
    let acme = scene.connected(json!({})).await;
    let mark = Jira::mark();
    let beta = scene.connection("beta", merged(written_otherwise(&scene), json!({ "suspend": true }))).await;
    acme.becomes_within(AT_ONCE, &shared(proven())).await;
    assert!(acme.message("DuplicateInstance").contains("JiraConnection beta "), "{}", acme.account());
    beta.shows("the other", |status| Row::of(status) == Row::of(status).with("DuplicateInstance", "True SameJira"))
        .await;
    assert_eq!(scene.jira.asked(mark), [""; 0], "nothing has to be asked for it");

    beta.change(json!({ "suspend": null })).await;
    beta.becomes(&shared(proven())).await;
    assert!(beta.message("DuplicateInstance").contains("JiraConnection acme "), "{}", beta.account());
    let gamma = scene.connection("gamma", scene.spec()).await;
    gamma.becomes(&shared(proven())).await;
    acme.shows("both", |_| acme.message("DuplicateInstance").contains("JiraConnections beta, gamma ")).await;
    acme.rests().await;
    beta.rests().await;

    gamma.delete().await;
    beta.change(json!({ "url": Jira::center().url })).await;
    acme.becomes_within(AT_ONCE, &proven()).await;
    scene.tells(&acme, &["ConnectionVerified"]).await;
}

#[tokio::test]
async fn those_of_other_namespaces_are_only_counted() {
    let scene = Scene::center().await;
    let acme = scene.connected(json!({})).await;
    let guest = scene.namespace(&[]).await;
    let elsewhere = merged(written_otherwise(&scene), json!({ "suspend": true }));
    let hidden = scene.create(Kind::Connection, &guest, "hidden", elsewhere).await;
    hidden.shows("suspension", |status| status["conditions"].to_string().contains("Suspended")).await;
    acme.rests().await;
    for connection in [&acme, &hidden] {
        let seen = connection.statuses();
        assert!(!Value::from(seen).to_string().contains("DuplicateInstance"), "{}", connection.account());
    }
    let metrics = operator().await.metrics().await.unwrap();
    let series = format!(
        "jira_operator_connection_duplicates{{namespace=\"{}\",connection=\"acme\",scope=\"other_namespaces\"}} 1",
        scene.stage.namespace
    );
    assert!(metrics.lines().any(|line| line == series), "no {series} in\n{metrics}");
}
