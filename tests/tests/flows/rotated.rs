//! Rotation with two credentials: a candidate is proven before it replaces the one in use.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use tests::{
    jira::{self, Mutation},
    stage::{ACCOUNT, Kind, Site, Stage, Way},
};

use tokio::time::{Instant, sleep};

use tests::scene::{self, NAME};

struct Rotation {
    stage: Stage,
    site: Site,
}

impl Rotation {
    /// A connection that works with its primary credential.
    async fn open(prefix: &str, way: Way) -> Self {
        scene::start_operator().await;
        let stage = Stage::open(prefix).await;
        let site = stage.connect(NAME, way, &["WEB"]).await;
        stage.until_ready(Kind::Connection, NAME).await;
        Self { stage, site }
    }

    fn next(&self) -> String {
        format!("{}-next", self.site.name)
    }

    /// Jira knows the next credential from now on.
    fn issue(&self) {
        let token = self.next();
        let scopes = json!(["read:jira-user", "read:jira-work"]);
        let credential = match self.site.way {
            Way::PersonalAccessToken => json!({ "type": "PersonalAccessToken", "token": token }),
            Way::ApiToken => json!({ "type": "ApiToken", "token": token }),
            Way::ScopedApiToken => json!({ "type": "ApiToken", "token": token, "scopes": scopes }),
            Way::ClientCredentials => json!({
                "type": "ClientCredentials", "clientId": format!("{}-next-client", self.site.name), "secret": token, "scopes": scopes,
            }),
        };
        let credential = serde_json::from_value(credential).unwrap();
        let issued = Mutation::AddCredential { account: ACCOUNT.to_owned(), credential };
        jira::shared().mutate(&self.site.name, &issued).unwrap();
    }

    /// Names the next credential as the candidate.
    async fn announce(&self) {
        let (data, reference) = match self.site.way {
            Way::ClientCredentials => (
                json!({ "clientId": format!("{}-next-client", self.site.name), "clientSecret": self.next() }),
                json!({ "name": "next" }),
            ),
            Way::PersonalAccessToken | Way::ApiToken | Way::ScopedApiToken => {
                (json!({ "token": self.next() }), json!({ "name": "next", "key": "token" }))
            }
        };
        self.stage.secret("next", data).await;
        let mut spec = self.site.spec(NAME);
        for method in spec["auth"].as_object_mut().unwrap().values_mut() {
            method["candidateSecretRef"] = reference.clone();
        }
        self.stage.apply(Kind::Connection, NAME, spec).await;
    }

    /// The Event follows the status.
    async fn until_told(&self, reason: &str) {
        let started = Instant::now();
        while !self.stage.events().await.iter().any(|event| event["reason"] == reason) {
            assert!(started.elapsed() < Duration::from_secs(10), "no Event says {reason}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn until_active(&self, active: &str) -> Value {
        let observed =
            |seen: &tests::stage::Seen| seen.is_observed() && seen.0["status"]["credentials"]["active"] == active;
        self.stage.until(Kind::Connection, NAME, active, observed).await.0
    }
}

#[rstest]
#[case::personal_access_token("rotate-pat", Way::PersonalAccessToken)]
#[case::api_token("rotate-api", Way::ApiToken)]
#[case::scoped_api_token("rotate-scoped", Way::ScopedApiToken)]
#[case::client_credentials("rotate-client", Way::ClientCredentials)]
#[tokio::test]
async fn a_candidate_is_proven_then_used_then_the_old_credential_can_end(#[case] prefix: &str, #[case] way: Way) {
    let rotation = Rotation::open(prefix, way).await;
    rotation.issue();
    rotation.announce().await;
    rotation.until_active("Candidate").await;
    rotation.until_told("CredentialSwitched").await;

    let old =
        if way == Way::ClientCredentials { format!("{}-client", rotation.site.name) } else { rotation.site.token() };
    jira::shared().mutate(&rotation.site.name, &Mutation::RevokeCredential { credential: old }).unwrap();
    let wish = json!({ "metadata": { "annotations": { "issuetracking.dev/requestedAt": "1" } } });
    rotation.stage.merge(Kind::Connection, NAME, wish).await;
    let handled = |seen: &tests::stage::Seen| seen.0["status"]["lastHandledRequestedAt"] == "1";
    let after = rotation.stage.until(Kind::Connection, NAME, "the wish is granted", handled).await;
    assert!(after.is("Ready"), "the old credential is not needed any more: {after:?}");
}

#[rstest]
#[case::personal_access_token("refuse-pat", Way::PersonalAccessToken)]
#[case::client_credentials("refuse-client", Way::ClientCredentials)]
#[tokio::test]
async fn a_candidate_that_jira_refuses_harms_nobody_and_is_told(#[case] prefix: &str, #[case] way: Way) {
    let rotation = Rotation::open(prefix, way).await;
    rotation.announce().await;
    let status = rotation.until_active("Primary").await;
    let told = status["status"]["conditions"].as_array().unwrap().iter().find(|it| it["type"] == "CredentialsResolved");
    assert_eq!(told.unwrap()["reason"], "CandidateRejected");
    assert!(rotation.stage.get(Kind::Connection, NAME).await.is("Ready"));
}
