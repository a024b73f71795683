//! A new client secret for a grant that a person has given: proven by a renewal with it, and used from then on.

use rstest::rstest;
use serde_json::{Value, json};
use tests::{
    jira::{self, Mutation},
    scene::{NAME, Protocol, Scene, center},
    stage::{Kind, Seen},
};

const NEXT: &str = "the-next-secret";

/// An admin gives the app or the link a new secret. The old one ends.
fn reissue(scene: &Scene) {
    let client = scene.client_id();
    match scene.protocol {
        Protocol::Cloud => jira::shared().update_app(&client, |app| NEXT.clone_into(&mut app.secret)).unwrap(),
        Protocol::Center => {
            let change = |instance: &mut jira::Instance| {
                let links = &mut center(instance).unwrap().incoming_links;
                let link = links.iter_mut().find(|link| link.client_id == client).unwrap();
                NEXT.clone_into(&mut link.secret);
            };
            jira::shared().update(&scene.site.name, change).unwrap();
        }
        Protocol::Old => unreachable!("OAuth 1.0a has no client secret"),
    }
}

/// Names the next secret as the candidate, for this client id.
async fn announce(scene: &Scene, client_id: &str) {
    scene.stage.secret("next", json!({ "clientId": client_id, "clientSecret": NEXT })).await;
    let mut spec = scene.spec();
    spec["auth"]["oauth2AuthorizationCode"]["candidateSecretRef"] = json!({ "name": "next" });
    scene.stage.apply(Kind::Connection, NAME, spec).await;
}

async fn until_active(scene: &Scene, active: &str) -> Seen {
    let wanted = |seen: &Seen| seen.is_observed() && seen.0["status"]["credentials"]["active"] == active;
    scene.stage.until(Kind::Connection, NAME, active, wanted).await
}

async fn renewals(scene: &Scene) -> Value {
    scene.owned("grant").await.unwrap()["grant"]["renewals"].clone()
}

/// A renewal that succeeds: with which secret, Jira decides.
async fn renew(scene: &Scene, wish: &str) {
    let before = renewals(scene).await.as_u64().unwrap();
    scene.mutate(&Mutation::ExpireAccessTokens(scene.whose()));
    scene.wish(wish).await;
    assert!(scene.now().await.is("Ready"), "{:?}", scene.now().await);
    assert_eq!(renewals(scene).await, before + 1);
}

#[rstest]
#[case::cloud("secret-cloud", Protocol::Cloud)]
#[case::data_center("secret-center", Protocol::Center)]
#[tokio::test]
async fn a_new_client_secret_is_proven_by_a_renewal_and_used_from_then_on(
    #[case] prefix: &str,
    #[case] protocol: Protocol,
) {
    let scene = Scene::granted(prefix, protocol).await;
    reissue(&scene);
    announce(&scene, &scene.client_id()).await;
    let switched = until_active(&scene, "Candidate").await;
    assert!(switched.is("Ready"), "{switched:?}");
    assert_eq!(renewals(&scene).await, 1, "the proof is one renewal");
    renew(&scene, "1").await;

    let mut spec = scene.spec();
    spec["auth"]["oauth2AuthorizationCode"]["clientSecretRef"]["name"] = json!("next");
    scene.stage.apply(Kind::Connection, NAME, spec).await;
    until_active(&scene, "Primary").await;
    scene.stage.until_ready(Kind::Connection, NAME).await;
    renew(&scene, "2").await;
}

#[rstest]
#[case::cloud("unknown-cloud", Protocol::Cloud)]
#[case::data_center("unknown-center", Protocol::Center)]
#[tokio::test]
async fn a_client_secret_that_jira_does_not_know_harms_nothing_and_is_told(
    #[case] prefix: &str,
    #[case] protocol: Protocol,
) {
    let scene = Scene::granted(prefix, protocol).await;
    announce(&scene, &scene.client_id()).await;
    let told = until_active(&scene, "Primary").await;
    assert_eq!(told.condition("CredentialsResolved").unwrap()["reason"], "CandidateRejected", "{told:?}");
    assert!(told.is("Ready"), "{told:?}");
    renew(&scene, "1").await;
}

#[tokio::test]
async fn the_secret_of_another_client_id_is_not_even_tried() {
    let scene = Scene::granted("another-client", Protocol::Cloud).await;
    let mark = jira::shared().journal().mark();
    announce(&scene, "another-client").await;
    let told = until_active(&scene, "Primary").await;
    let condition = told.condition("CredentialsResolved").unwrap();
    assert_eq!(condition["reason"], "CandidateRejected", "{told:?}");
    let asked = jira::shared().journal().of("auth", mark);
    assert!(asked.iter().all(|entry| entry.client.as_deref() != Some("another-client")), "{asked:?}");
    assert_eq!(scene.token_requests(mark).len(), 0, "a refresh token belongs to one client id");
    assert!(condition["message"].as_str().unwrap().contains("given to another clientId"), "{condition}");
    renew(&scene, "1").await;
}
