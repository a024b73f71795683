//! The ways in, by the pages and without them.

use rstest::rstest;
use serde_json::{Value, json};
use tests::{
    jira::{self, Mutation, person::Landing},
    scene::{NAME, Protocol, SUCCESSOR, Scene, center},
    stage::{ACCOUNT, Kind},
};

#[rstest]
#[case::cloud("cloud", Protocol::Cloud)]
#[case::data_center("center", Protocol::Center)]
#[case::old_data_center("old", Protocol::Old)]
#[tokio::test]
async fn a_person_authorises_through_the_pages(#[case] prefix: &str, #[case] protocol: Protocol) {
    let scene = Scene::open(prefix, protocol).await;
    let waiting = scene.connect().await;
    assert_eq!(waiting.0["status"]["state"], "NotAuthorized");
    let authorization = &waiting.0["status"]["authorization"];
    assert_eq!(authorization["secretName"], format!("{NAME}.jira-authorization"));
    if protocol == Protocol::Old {
        assert_eq!(authorization["method"], "OAuth1");
        scene.link(&waiting.0["status"]);
    }

    let page = scene.authorise(&scene.person(ACCOUNT), "a-key").await;
    assert_eq!(scene.outcome("a-key").await["result"], "Granted");
    assert!(page.title().contains("authorised"), "{}", page.title());

    let ready = scene.stage.until_ready(Kind::Connection, NAME).await;
    assert_eq!(ready.0["status"]["state"], "Authorized");
    assert_eq!(ready.0["status"]["account"]["displayName"], "Fake Bot");
    assert_eq!(ready.0["status"]["credentials"]["expiresAt"].is_string(), protocol != Protocol::Center);

    let left = scene.owned("authorization").await.unwrap();
    for key in ["keyHash", "attempt", "answer", "browserHash", "verificationCode"] {
        assert_eq!(left[key], Value::Null, "{key} goes with the attempt");
    }
    let grant = scene.owned("grant").await.unwrap();
    assert_eq!(
        (&grant["candidate"], &grant["claim"], &grant["preparation"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn oauth1_works_with_a_code_that_jira_shows() {
    let scene = Scene::open("code", Protocol::Old).await;
    let waiting = scene.connect().await;
    scene.link(&waiting.0["status"]);
    let person = scene.person(ACCOUNT);
    let attempt = scene.ask_for_code("a-key").await;
    let start = person.open(&scene.page("a-key")).await.unwrap();
    let Landing::Page(entry) = person.click(&start, "start", &[]).await.unwrap() else { panic!("it led elsewhere") };
    let code = person.verification_code(attempt["authorizationUrl"].as_str().unwrap()).await.unwrap();
    let Landing::Page(last) = person.click(&entry, "verify", &[("code", &code)]).await.unwrap() else {
        panic!("it led elsewhere")
    };
    assert_eq!(scene.outcome("a-key").await["result"], "Granted");
    assert!(last.title().contains("authorised"), "{}", last.title());
    scene.stage.until_ready(Kind::Connection, NAME).await;
}

#[tokio::test]
async fn plain_kubectl_is_enough_for_oauth1() {
    let scene = Scene::open("kubectl", Protocol::Old).await;
    let waiting = scene.connect().await;
    scene.link(&waiting.0["status"]);
    let attempt = scene.ask_for_code("a-key").await;
    let code = scene.person(ACCOUNT).verification_code(attempt["authorizationUrl"].as_str().unwrap()).await.unwrap();
    scene.write("authorization", json!({ "verificationCode": format!("  {code}\n") })).await;
    assert_eq!(scene.outcome("a-key").await["result"], "Granted");
    scene.stage.until_ready(Kind::Connection, NAME).await;
}

#[rstest]
#[case::cloud("refuse-cloud", Protocol::Cloud)]
#[case::data_center("refuse-center", Protocol::Center)]
#[case::old_data_center("refuse-old", Protocol::Old)]
#[tokio::test]
async fn a_person_who_refuses_at_jira_leaves_things_as_they_were(#[case] prefix: &str, #[case] protocol: Protocol) {
    let scene = Scene::open(prefix, protocol).await;
    let waiting = scene.connect().await;
    if protocol == Protocol::Old {
        scene.link(&waiting.0["status"]);
    }
    let person = scene.person(ACCOUNT);
    let attempt = scene.start(&person, "a-key").await;
    let callback = person.deny(attempt["authorizationUrl"].as_str().unwrap()).await.unwrap();
    person.open(&callback).await.unwrap();
    let outcome = scene.outcome("a-key").await;
    assert_eq!(outcome["result"], "Refused", "{outcome}");
    assert_eq!(scene.now().await.reason(), "AuthorizationRequired");
}

#[tokio::test]
async fn cloud_takes_the_site_that_the_connection_names_and_names_those_that_a_grant_covers() {
    let scene = Scene::open_with("two-sites", Protocol::Cloud, |_| {}, |app| app.access = jira::Access::Resource).await;
    let other = scene.stage.site("other", tests::stage::Way::ApiToken, &["WEB"]);
    scene.connect().await;
    let person = tests::jira::Person::new(jira::shared(), ACCOUNT).unwrap().on_site(&other.url);
    scene.authorise(&person, "wrong").await;
    let outcome = scene.outcome("wrong").await;
    assert_eq!(outcome["result"], "Unusable");
    assert!(outcome["message"].as_str().unwrap().contains(other.host()), "{outcome}");

    // The other site stays in the grant of this app and account, and is listed first.
    scene.authorise(&scene.person(ACCOUNT), "right").await;
    assert_eq!(scene.outcome("right").await["result"], "Granted");
    let ready = scene.stage.until_ready(Kind::Connection, NAME).await;
    let grant = scene.owned("grant").await.unwrap();
    assert_eq!(grant["grant"]["site"]["cloudId"], ready.0["status"]["server"]["cloudId"]);
}

#[rstest]
#[case::cloud("again-cloud", Protocol::Cloud)]
#[case::data_center("again-center", Protocol::Center)]
#[case::old_data_center("again-old", Protocol::Old)]
#[tokio::test]
async fn another_account_takes_over_and_the_old_grant_serves_until_then(
    #[case] prefix: &str,
    #[case] protocol: Protocol,
) {
    let scene = Scene::open(prefix, protocol).await;
    let waiting = scene.connect().await;
    if protocol == Protocol::Old {
        scene.link(&waiting.0["status"]);
    }
    scene.authorise(&scene.person(ACCOUNT), "first").await;
    let first = scene.stage.until_ready(Kind::Connection, NAME).await;

    let callback = scene.consent(&scene.person(SUCCESSOR), "abandoned").await;
    assert!(callback.contains("state="), "{callback}");
    assert_eq!(scene.now().await.version(), first.version(), "an attempt alone changes nothing");

    scene.authorise(&scene.person(SUCCESSOR), "second").await;
    assert_eq!(scene.outcome("second").await["result"], "Granted");
    let taken_over = |seen: &tests::stage::Seen| seen.0["status"]["account"]["displayName"] == "Successor";
    let second = scene.stage.until(Kind::Connection, NAME, "the successor is pinned", taken_over).await;
    assert!(second.is("Ready"), "{second:?}");
}

#[tokio::test]
async fn a_server_that_is_too_old_or_new_enough_says_so() {
    let old =
        Scene::open_with("gate-old", Protocol::Center, |it| center(it).unwrap().version = "8.21.1".into(), |_| {});
    let scene = old.await;
    scene.stage.secret("app", json!({ "clientId": "a", "clientSecret": "b" })).await;
    scene.stage.secret("gate", json!({ "value": "open" })).await;
    scene.stage.apply(Kind::Connection, NAME, scene.spec()).await;
    let refused = scene.until_reason("AuthMethodUnsupported").await;
    assert!(refused.message().contains("8.22") && refused.message().contains("oauth1"), "{}", refused.message());

    let newer = Scene::open_with("gate-new", Protocol::Old, |it| center(it).unwrap().version = "9.12.0".into(), |_| {});
    let scene = newer.await;
    let waiting = scene.connect().await;
    assert!(waiting.is("Deprecated"), "{waiting:?}");
}

#[tokio::test]
async fn a_jira_without_application_links_is_told_apart() {
    let scene = Scene::open_with(
        "no-links",
        Protocol::Old,
        |instance| {
            instance.switches.application_links =
                serde_json::from_value(json!("Unavailable")).unwrap_or(instance.switches.application_links);
        },
        |_| {},
    )
    .await;
    scene.connect().await;
    scene.ask_for_code("a-key").await;
    let outcome = scene.outcome("a-key").await;
    assert_eq!(outcome["result"], "Failed", "{outcome}");
    let told = scene.until_reason("ApplicationLinksUnavailable").await;
    assert!(told.is("Stalled"), "{told:?}");
}

#[tokio::test]
async fn a_link_that_is_missing_at_first_can_be_made_afterwards() {
    let scene = Scene::open("no-consumer", Protocol::Old).await;
    let waiting = scene.connect().await;
    scene.ask_for_code("early").await;
    let outcome = scene.outcome("early").await;
    assert_eq!(outcome["result"], "Failed", "{outcome}");
    scene.link(&waiting.0["status"]);
    let attempt = scene.ask_for_code("later").await;
    let code = scene.person(ACCOUNT).verification_code(attempt["authorizationUrl"].as_str().unwrap()).await.unwrap();
    scene.write("authorization", json!({ "verificationCode": code })).await;
    assert_eq!(scene.outcome("later").await["result"], "Granted");
    scene.stage.until_ready(Kind::Connection, NAME).await;
}

#[tokio::test]
async fn a_key_pair_can_be_given_in_either_form() {
    for (prefix, form) in [("pkcs1", "genrsa -traditional"), ("pkcs8", "genpkey -algorithm RSA")] {
        let scene = Scene::open(prefix, Protocol::Old).await;
        let words: Vec<_> = form.split(' ').collect();
        let pem = std::process::Command::new("openssl").args(&words).output().unwrap();
        let pem = String::from_utf8(pem.stdout).unwrap();
        assert_eq!(pem.contains("BEGIN RSA PRIVATE KEY"), prefix == "pkcs1", "{form}");
        scene.stage.secret("key", json!({ "pem": pem })).await;
        let mut spec = scene.spec();
        spec["auth"]["oauth1"]["privateKeySecretRef"] = json!({ "name": "key", "key": "pem" });
        scene.stage.apply(Kind::Connection, NAME, spec).await;
        let waiting = scene.until_reason("AuthorizationRequired").await;
        scene.link(&waiting.0["status"]);
        scene.authorise(&scene.person(ACCOUNT), "a-key").await;
        scene.stage.until_ready(Kind::Connection, NAME).await;
        assert_eq!(scene.owned("grant").await.unwrap()["privateKey"], Value::Null);
    }
}

#[tokio::test]
async fn the_code_of_another_attempt_opens_nothing() {
    let scene = Scene::open("forged", Protocol::Center).await;
    scene.connect().await;
    let person = scene.person(ACCOUNT);
    let callback = scene.consent(&person, "a-key").await;
    let forged = callback.replace("state=", "state=x");
    let page = person.open(&forged).await.unwrap();
    assert!(page.status >= 400, "{}", page.title());
    // Somebody who may write the Secret, and not the page, records a code for a state of his own.
    let answer =
        json!({ "type": "code", "code": "stolen", "state": format!("{}.{NAME}.other", scene.stage.namespace) });
    scene.write("authorization", json!({ "answer": answer.to_string() })).await;
    let outcome = scene.outcome("a-key").await;
    assert_eq!(outcome["result"], "Failed", "{outcome}");
    assert_eq!(scene.now().await.reason(), "AuthorizationRequired");
}

#[tokio::test]
async fn a_deactivated_account_cannot_authorise() {
    let scene = Scene::open("inactive", Protocol::Center).await;
    scene.connect().await;
    let callback = scene.consent(&scene.person(SUCCESSOR), "a-key").await;
    assert!(callback.contains("code="), "{callback}");
    let revoked = Mutation::RevokeGrants(scene.whose());
    scene.mutate(&revoked);
    let person = scene.person(SUCCESSOR);
    person.open(&callback).await.unwrap();
    assert_eq!(scene.now().await.reason(), "AuthorizationRequired");
}

#[tokio::test]
async fn an_annotation_calls_a_person_and_disturbs_nothing() {
    let scene = Scene::open("called", Protocol::Center).await;
    scene.connect().await;
    scene.authorise(&scene.person(ACCOUNT), "a-key").await;
    let ready = scene.stage.until_ready(Kind::Connection, NAME).await;
    let patch = json!({ "metadata": { "annotations": { "issuetracking.dev/authorizeAt": "today" } } });
    scene.stage.merge(Kind::Connection, NAME, patch).await;
    scene.until_owned("authorization", "the wish is passed on", |secret| secret["authorizeAt"] == "today").await;
    let called =
        async || scene.stage.events().await.iter().filter(|it| it["reason"] == "AuthorizationRequested").count();
    while called().await == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let now = scene.now().await;
    assert_eq!(now.0["status"], ready.0["status"]);
    scene.wish("1").await;
    assert_eq!(called().await, 1, "one wish is one call");
}

#[rstest]
#[case::cloud("canary-cloud", Protocol::Cloud)]
#[case::data_center("canary-center", Protocol::Center)]
#[case::old_data_center("canary-old", Protocol::Old)]
#[tokio::test]
async fn nothing_secret_of_an_authorisation_is_printed(#[case] prefix: &str, #[case] protocol: Protocol) {
    let scene = Scene::open(prefix, protocol).await;
    let waiting = scene.connect().await;
    if protocol == Protocol::Old {
        scene.link(&waiting.0["status"]);
    }
    let key = format!("canary-key-of-{prefix}");
    let person = scene.person(ACCOUNT);
    let callback = scene.consent(&person, &key).await;
    let preparation = scene.owned("grant").await.unwrap()["preparation"].clone();
    person.open(&callback).await.unwrap();
    scene.stage.until_ready(Kind::Connection, NAME).await;
    let before = scene.owned("grant").await.unwrap();
    scene.mutate(&Mutation::ExpireAccessTokens(scene.whose()));
    scene.wish("1").await;
    let after = scene.owned("grant").await.unwrap();
    assert_eq!(after["grant"]["renewals"], 1);

    let mut secrets = vec![key, scene.client_secret()];
    secrets.extend(callback.split(['?', '&']).filter_map(|part| Some(part.split_once('=')?.1.to_owned())));
    for holder in [&preparation, &before["grant"]["tokens"], &after["grant"]["tokens"]] {
        let texts = holder
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| !["protocol", "endsAt", "sessionEndsAt", "redirectUri"].contains(&name.as_str()));
        secrets.extend(texts.filter_map(|(_, value)| value.as_str().map(str::to_owned)));
    }
    secrets.extend(after["privateKey"].as_str().and_then(|pem| pem.lines().nth(1)).map(str::to_owned));
    assert!(secrets.len() >= 6 && secrets.iter().all(|secret| secret.len() > 5), "{}", secrets.len());
    let told = [
        tests::stage::operator().await.output(),
        tests::stage::operator().await.metrics().await.unwrap(),
        scene.now().await.0["status"].to_string(),
        json!(scene.stage.events().await).to_string(),
    ];
    for (place, text) in ["output", "metrics", "status", "Events"].iter().zip(&told) {
        let found = secrets.iter().position(|secret| text.contains(secret.as_str()));
        assert_eq!(found, None, "a secret is in the {place}");
    }
}
