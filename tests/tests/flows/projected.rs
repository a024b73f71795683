//! What an application gets of a grant that a person has given.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::Api;
use rstest::rstest;
use serde_json::json;
use tests::{
    jira::Mutation,
    scene::{NAME, Protocol, Scene},
    stage::{ACCOUNT, Kind, Seen},
};
use tokio::time::{Instant, sleep};

const SECRET: &str = "web-jira";

/// An authorised connection that lends tokens, and a binding that wants one.
async fn bound(prefix: &str, protocol: Protocol) -> Scene {
    let scene = Scene::open(prefix, protocol).await;
    let waiting = scene.connect().await;
    let mut spec = scene.spec();
    let all = json!({ "from": "All" });
    spec["allowedWorkspaces"] =
        json!([{ "namespaces": all, "workspaces": all, "projects": all, "credential": "AccessToken" }]);
    scene.stage.apply(Kind::Connection, NAME, spec).await;
    if protocol == Protocol::Old {
        scene.link(&waiting.0["status"]);
    }
    scene.authorise(&scene.person(ACCOUNT), "a-key").await;
    scene.stage.until_ready(Kind::Connection, NAME).await;
    let binding = json!({
        "connectionRef": { "name": NAME }, "workspace": "web", "projects": [{ "key": "WEB" }],
        "projection": { "secretName": SECRET, "credential": "AccessToken" },
    });
    scene.stage.apply(Kind::Binding, "web", binding).await;
    scene
}

async fn entries(scene: &Scene) -> BTreeMap<String, String> {
    let secrets: Api<Secret> = Api::namespaced(scene.stage.client.clone(), &scene.stage.namespace);
    let data = secrets.get(SECRET).await.unwrap().data.unwrap();
    data.into_iter().map(|(key, ByteString(value))| (key, String::from_utf8(value).unwrap())).collect()
}

fn holds(entries: &BTreeMap<String, String>, canary: &str) -> bool {
    entries.values().any(|value| value.contains(canary))
}

#[tokio::test]
async fn the_access_token_is_lent_and_the_refresh_token_is_not() {
    let scene = bound("lent", Protocol::Cloud).await;
    let ready = scene.stage.until_ready(Kind::Binding, "web").await;
    let tokens = scene.owned("grant").await.unwrap()["grant"]["tokens"].clone();
    let first = entries(&scene).await;
    assert_eq!(first["accessToken"], tokens["accessToken"].as_str().unwrap());
    for canary in [tokens["refreshToken"].as_str().unwrap(), &scene.client_secret(), &scene.client_id()] {
        assert!(!holds(&first, canary), "{:?}", first.keys());
    }

    scene.mutate(&Mutation::ExpireAccessTokens(scene.whose()));
    scene.wish("1").await;
    let (renewed, started) = (scene.owned("grant").await.unwrap()["grant"]["tokens"].clone(), Instant::now());
    assert_ne!(renewed["accessToken"], tokens["accessToken"]);
    while entries(&scene).await["accessToken"] != renewed["accessToken"].as_str().unwrap() {
        assert!(started.elapsed() < Duration::from_secs(10), "the application has the token of before");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(!holds(&entries(&scene).await, renewed["refreshToken"].as_str().unwrap()));
    let now = scene.stage.get(Kind::Binding, "web").await;
    assert_eq!(now.version(), ready.version(), "a renewal is not the status' business");
}

#[rstest]
#[case::behind_a_gateway("gate", Protocol::Center, "custom headers or a client certificate")]
#[case::by_oauth_1("signed", Protocol::Old, "no short-lived one")]
#[tokio::test]
async fn neither_headers_nor_lasting_tokens_are_lent(
    #[case] prefix: &str,
    #[case] protocol: Protocol,
    #[case] words: &str,
) {
    let scene = bound(prefix, protocol).await;
    let refused = |seen: &Seen| seen.reason() == "AccessTokenUnavailable" && seen.message().contains(words);
    scene.stage.until(Kind::Binding, "web", "without a token", refused).await;
    let entries = entries(&scene).await;
    let keys: Vec<_> = entries.keys().map(String::as_str).collect();
    let plain =
        ["ca.crt", "defaultAssignee", "deployment", "host", "port", "projects", "provider", "siteUrl", "type", "uri"];
    assert_eq!(keys, plain);
    let tokens = scene.owned("grant").await.unwrap()["grant"]["tokens"].clone();
    let values = tokens.as_object().unwrap().values().filter_map(|value| value.as_str());
    for canary in values.chain(["X-Gate", "PRIVATE KEY"]) {
        assert!(!holds(&entries, canary), "{canary}: {keys:?}");
    }
    assert!(!entries.values().any(|value| value == "open"), "the value of the gateway's header");
}
