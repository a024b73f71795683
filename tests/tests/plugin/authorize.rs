//! `kubectl jira authorize`

use std::{fs, os::unix::fs::PermissionsExt};

use rstest::rstest;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::scene::{ACME, LINK, Scene, authoriser, both, oauth1, oauth2, spec, token};

const PAGE: &str = "https://operator.example/authorize/platform/acme";

/// SHA-256 of the key in a link, as the Secret holds it.
fn hash_of(link: &str) -> String {
    let (page, key) = link.split_once("?key=").unwrap();
    assert_eq!(page, PAGE);
    assert!(key.len() >= 43, "a key has 32 bytes: {key}");
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[tokio::test]
async fn the_link_is_printed_and_the_outcome_awaited_with_the_rights_on_the_secret_alone() {
    let scene = Scene::open(authoriser()).await;
    // What an earlier attempt has left over does not count for this one.
    let leftovers = [("page", PAGE), ("returnBy", "Code"), ("verificationCode", "old")];
    scene.prepared(oauth2(), &leftovers).await;
    let mut running = scene.start(&["authorize", ACME, "--print"]).await;
    let link = running.line("https://").await;

    let hash = scene.written("keyHash").await;
    assert_eq!(hash, hash_of(&link), "the Secret holds the hash of the key in the link");
    let keys = scene.keys().await;
    assert!(!keys.contains_key("returnBy") && !keys.contains_key("verificationCode"), "{keys:?}");
    scene.take_up(&hash, "Callback").await;
    scene.finish(&hash, "Granted", "Fake Bot may now act in https://jira.example.").await;

    let ended = running.end().await.expect(0);
    assert!(ended.stdout.ends_with("Granted: Fake Bot may now act in https://jira.example.\n"), "{ended:?}");
}

#[tokio::test]
async fn a_browser_is_opened_and_the_key_is_then_not_printed() {
    let scene = Scene::open(authoriser()).await;
    scene.prepared(oauth2(), &[("page", PAGE)]).await;
    let folder = tempfile::tempdir().unwrap();
    let (browser, seen) = (folder.path().join("browser"), folder.path().join("seen"));
    fs::write(&browser, format!("#!/bin/sh\necho \"$1\" > {0}.new && mv {0}.new {0}\n", seen.display())).unwrap();
    fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();

    let mut command = scene.command(&["authorize", ACME]).await;
    command.env("BROWSER", &browser).env("PATH", "/usr/bin:/bin");
    let running = super::program::Running::start(command);
    let hash = scene.written("keyHash").await;
    scene.finish(&hash, "Granted", "Done.").await;
    let ended = running.end().await.expect(0);

    let link = fs::read_to_string(&seen).unwrap();
    assert_eq!(hash, hash_of(link.trim()));
    let key = link.trim().split_once("?key=").unwrap().1;
    assert!(!ended.stdout.contains(key) && !ended.stderr.contains(key), "{ended:?}");
}

#[rstest]
#[case("Refused")]
#[case("Expired")]
#[case("Unusable")]
#[case("Failed")]
#[tokio::test]
async fn any_other_outcome_is_a_failure_that_is_told(#[case] result: &str) {
    let scene = Scene::open(authoriser()).await;
    scene.prepared(oauth2(), &[("page", PAGE)]).await;
    let running = scene.start(&["authorize", ACME, "--print"]).await;
    let hash = scene.written("keyHash").await;
    scene.finish(&hash, result, "Ask\u{1b}[2J the admin.").await;
    let ended = running.end().await.expect(1);
    assert!(ended.stdout.ends_with(&format!("{result}: Ask[2J the admin.\n")), "{ended:?}");
}

#[tokio::test]
async fn without_pages_oauth1_goes_on_in_the_terminal() {
    let scene = Scene::open(authoriser()).await;
    scene.prepared(oauth1(), &LINK).await;
    let mut running = scene.start(&["authorize", ACME]).await;
    let hash = scene.written("keyHash").await;
    assert_eq!(scene.written("returnBy").await, "Code");
    scene.take_up(&hash, "Code").await;
    running.line("https://jira.example/authorize?oauth_token=t").await;
    running.line(&format!("kubectl jira verify {ACME} -n {}", scene.namespace)).await;

    let mut verify = scene.start(&["verify", ACME]).await;
    verify.type_in("  s3cret-code \n").await;
    assert_eq!(scene.written("verificationCode").await, "s3cret-code");
    scene.finish(&hash, "Granted", "Done.").await;

    for ended in [verify.end().await.expect(0), running.end().await.expect(0)] {
        assert!(ended.stdout.contains("Granted: Done."), "{ended:?}");
        assert!(!ended.stdout.contains("s3cret-code") && !ended.stderr.contains("s3cret-code"), "{ended:?}");
    }
}

#[tokio::test]
async fn somebody_else_s_attempt_replaces_this_one() {
    let scene = Scene::open(authoriser()).await;
    scene.prepared(oauth2(), &[("page", PAGE)]).await;
    let running = scene.start(&["authorize", ACME, "--print"]).await;
    scene.written("keyHash").await;
    scene.answer(json!({ "keyHash": "0".repeat(64) })).await;
    running.end().await.expect_error(1, "somebody has started another attempt");
}

#[tokio::test]
async fn nobody_comes() {
    let scene = Scene::open(authoriser()).await;
    scene.prepared(oauth2(), &[("page", PAGE)]).await;
    let ended = scene.run(&["authorize", ACME, "--print", "--timeout", "2s"]).await;
    ended.expect_error(1, "the authorisation was not finished within 2s");
}

#[tokio::test]
async fn what_needs_no_person_says_so() {
    let scene = Scene::open(both()).await;
    scene.object("JiraConnection", ACME, spec(token()), None).await;
    scene.run(&["authorize", ACME]).await.expect_error(1, "authenticates with personalAccessToken");
}

#[tokio::test]
async fn a_connection_that_the_operator_has_not_seen_says_so() {
    let scene = Scene::open(both()).await;
    scene.object("JiraConnection", ACME, spec(oauth2()), None).await;
    scene.run(&["authorize", ACME]).await.expect_error(3, "Look whether the operator runs");
}

#[tokio::test]
async fn what_does_not_exist_or_may_not_be_read_is_status_3() {
    let scene = Scene::open(both()).await;
    scene.run(&["authorize", ACME]).await.expect_error(3, "\"acme\" not found");
    scene.run(&["authorize", "other"]).await.expect_error(3, "is forbidden");
    let blind = Scene::open(authoriser()).await;
    blind.run(&["authorize", ACME]).await.expect_error(3, "Ask the connection's owner whether it exists");
}

#[tokio::test]
async fn oauth2_without_pages_is_not_even_started() {
    let scene = Scene::open(authoriser()).await;
    scene.prepared(oauth2(), &[]).await;
    scene.run(&["authorize", ACME]).await.expect_error(1, "Ask its admin to set --public-url");
    scene.run(&["authorize", ACME, "--code"]).await.expect_error(2, "--code is for OAuth 1.0a");
    assert_eq!(scene.keys().await.len(), 0);
}

#[tokio::test]
async fn a_planted_secret_is_not_written_to() {
    let scene = Scene::open(authoriser()).await;
    scene.secret("Opaque", json!([]), &[("page", PAGE)]).await;
    scene.run(&["authorize", ACME, "--print"]).await.expect_error(1, "is not the operator's");
    assert_eq!(scene.keys().await.into_keys().collect::<Vec<_>>(), ["page"]);
}

#[tokio::test]
async fn a_program_gets_one_document_with_the_outcome() {
    let scene = Scene::open(authoriser()).await;
    scene.prepared(oauth1(), &[LINK.as_slice(), &[("page", PAGE)]].concat()).await;
    let mut command = scene.command(&["authorize", ACME, "-o", "json"]).await;
    // Where there is a display, a program still decides itself what opens the link.
    command.env("BROWSER", "/nowhere/browser");
    let running = super::program::Running::start(command);
    let hash = scene.written("keyHash").await;
    scene.finish(&hash, "Refused", "The access was refused at Jira.").await;

    let ended = running.end().await.expect(1);
    let record: Value = serde_json::from_str(&ended.stdout).unwrap();
    let link = record["link"].as_str().unwrap();
    assert_eq!(hash, hash_of(link));
    assert!(ended.stderr.contains(link), "whoever looks on can open the link: {ended:?}");
    let expected = json!({ "name": ACME, "namespace": scene.namespace, "method": "oauth1", "waited": true, "link": link,
        "applicationLink": Value::Object(LINK.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect()),
        "outcome": { "result": "Refused", "message": "The access was refused at Jira." } });
    assert_eq!(record, expected);
}

#[tokio::test]
async fn a_program_that_does_not_wait_gets_the_link_and_until_when_it_is_open() {
    let scene = Scene::open(authoriser()).await;
    // At a port of this machine: nothing is forwarded by a command that ends at once, so no right for that is needed.
    scene.prepared(oauth2(), &[("page", "http://localhost:8082/authorize/platform/acme")]).await;
    let running = scene.start(&["authorize", ACME, "-o", "yaml", "--wait=false"]).await;
    let hash = scene.written("keyHash").await;
    scene.take_up(&hash, "Callback").await;
    let ended = running.end().await.expect(0);
    let record: Value = serde_yaml::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (&record["waited"], &record["deadline"], &record["method"]),
        (&json!(false), &json!("2126-01-01T00:00:00Z"), &json!("oauth2AuthorizationCode"))
    );
    assert!(record["link"].as_str().unwrap().starts_with("http://localhost:8082/authorize/platform/acme?key="));
    assert!(record.get("outcome").is_none() && record.get("authorizationUrl").is_none(), "{record}");
    assert!(ended.stderr.contains("Open one to port 8082 first"), "{ended:?}");
    assert!(ended.stderr.contains(&format!("kubectl jira status {ACME} -n {}", scene.namespace)), "{ended:?}");
}

#[tokio::test]
async fn without_pages_a_program_gets_the_address_in_jira() {
    let scene = Scene::open(authoriser()).await;
    scene.prepared(oauth1(), &LINK).await;
    let running = scene.start(&["authorize", ACME, "-o", "json", "--wait=false"]).await;
    let hash = scene.written("keyHash").await;
    scene.take_up(&hash, "Code").await;
    let begun: Value = serde_json::from_str(&running.end().await.expect(0).stdout).unwrap();
    assert_eq!(begun["authorizationUrl"], "https://jira.example/authorize?oauth_token=t");
    assert_eq!(begun["applicationLink"]["consumerKey"], "jira-operator");
    assert!(begun.get("link").is_none(), "{begun}");

    let verify = scene.start(&["verify", ACME, "s3cret", "-o", "json"]).await;
    scene.written("verificationCode").await;
    scene.finish(&hash, "Granted", "Done.").await;
    let verified: Value = serde_json::from_str(&verify.end().await.expect(0).stdout).unwrap();
    let outcome = json!({ "result": "Granted", "message": "Done." });
    assert_eq!(verified, json!({ "name": ACME, "namespace": scene.namespace, "outcome": outcome }));
}

#[tokio::test]
async fn an_operator_that_takes_nothing_up_is_not_waited_for_without_end() {
    let scene = Scene::open(authoriser()).await;
    scene.prepared(oauth2(), &[("page", PAGE)]).await;
    let ended = scene.run(&["authorize", ACME, "-o", "json", "--wait=false", "--timeout", "2s"]).await;
    let ended = ended.expect_error(1, "the operator has not taken the attempt up within 2s");
    assert_eq!(ended.stdout, "", "no document stands for what has not come about");
}
