//! The person's side of the Secret through which a connection is authorised.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crds::{JiraConnection, connection::auth::Method};
use k8s_openapi::{ByteString, api::core::v1::Secret, jiff::Timestamp};
use kube::{Api, ResourceExt, api::Patch};
use serde_json::{Value, json};

use super::{
    cluster::{Cluster, merge},
    console::Console,
    error::Error,
};
use crate::auth::authorization_secret::{AuthorizationSecret, Hash, Outcome, SECRET_TYPE, secret_name};

/// Pause between two looks at the Secret. It is read by name, because whoever may authorise may not watch.
const POLL: Duration = Duration::from_secs(1);

/// How many looks in a row may fail before the wait is given up.
const FAILURES: u32 = 10;

/// How long the operator may take to notice a key before the person is told to look after it.
const NOTICE: Duration = Duration::from_secs(10);

/// The Secret of one connection.
pub struct Authorization<'a> {
    cluster: &'a Cluster,
    connection: &'a str,
    api: Api<Secret>,
    secret: String,
}

/// What a look at the Secret says about one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is over.
    Ended(Outcome),
    /// Somebody has started another one.
    Superseded,
    /// The operator has taken it up.
    UnderWay,
    /// The operator has not noticed it yet.
    Unnoticed,
}

impl Progress {
    /// Judges the attempt that was asked for with the key of this hash.
    #[must_use]
    pub fn of(hash: &Hash, secret: &AuthorizationSecret) -> Self {
        if let Some(outcome) = secret.outcome.as_ref().filter(|outcome| outcome.key_hash == *hash) {
            return Self::Ended(outcome.clone());
        }
        match &secret.key_hash {
            Some(asked) if asked != hash => Self::Superseded,
            Some(_) | None => match &secret.attempt {
                Some(attempt) if attempt.key_hash == *hash => Self::UnderWay,
                Some(_) | None => Self::Unnoticed,
            },
        }
    }
}

impl<'a> Authorization<'a> {
    /// The Secret of a connection in the namespace at hand.
    #[must_use]
    pub fn of(cluster: &'a Cluster, connection: &'a str) -> Self {
        Self { cluster, connection, api: cluster.secrets(), secret: secret_name(connection) }
    }

    /// Name of the Secret.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is absent, with what is known about why; when it is not the operator's; when it may not be read.
    pub async fn read(&self) -> Result<AuthorizationSecret, Error> {
        let what = format!("reading Secret {} of namespace {}", self.secret, self.cluster.namespace);
        let found = self.api.get_opt(&self.secret).await.map_err(|error| Error::api(what, error))?;
        let Some(found) = found else { return Err(self.absence().await) };
        if let Some(difference) = difference(&found, self.connection) {
            return Err(Error::SecretForeign { secret: self.secret.clone(), difference });
        }
        Ok(AuthorizationSecret::read(found.data.as_ref().unwrap_or(&BTreeMap::new())))
    }

    /// Merges keys into it; `None` takes one away. It is never made.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn write(&self, keys: &[(&str, Option<&str>)]) -> Result<(), Error> {
        let value = |text: &str| json!(ByteString(text.as_bytes().to_vec()));
        let data: serde_json::Map<_, _> =
            keys.iter().map(|(key, text)| ((*key).to_owned(), text.map_or(Value::Null, value))).collect();
        let what = format!("writing to Secret {} of namespace {}", self.secret, self.cluster.namespace);
        let patch = Patch::Merge(json!({ "data": data }));
        self.api.patch(&self.secret, &merge(), &patch).await.map(drop).map_err(|error| Error::api(what, error))
    }

    /// Waits until a look at the Secret gives something. Looks that fail for a moment are forgiven.
    ///
    /// # Errors
    /// [`Error::TooLate`] with these words when `limit` has passed; what `look` says; what reading says for good.
    pub async fn wait<T>(
        &self,
        limit: crds::Duration,
        late: Late<'_>,
        mut look: impl FnMut(AuthorizationSecret) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let end = Instant::now() + Duration::from(limit);
        let mut failures = 0;
        loop {
            match self.read().await {
                Ok(secret) => {
                    failures = 0;
                    if let Some(found) = look(secret)? {
                        return Ok(found);
                    }
                }
                Err(error) if error.is_transient() && failures < FAILURES => failures += 1,
                Err(error) => return Err(error),
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::TooLate { what: late.what.to_owned(), limit, remedy: late.remedy.to_owned() });
            }
            tokio::time::sleep(POLL.min(left)).await;
        }
    }

    /// Waits for the end of the attempt that was asked for with the key of this hash.
    ///
    /// # Errors
    /// When there is none within `limit`, or somebody starts another attempt.
    pub async fn outcome(&self, hash: &Hash, limit: crds::Duration, console: Console) -> Result<Outcome, Error> {
        let started = Instant::now();
        let mut told = false;
        let late = Late {
            what: "the authorisation was not finished",
            remedy: "The link is of no use any more once a new one is made: run the command again",
        };
        self.wait(limit, late, |secret| match Progress::of(hash, &secret) {
            Progress::Ended(outcome) => Ok(Some(outcome)),
            Progress::Superseded => Err(Error::Superseded { name: self.connection.to_owned() }),
            Progress::UnderWay => Ok(None),
            Progress::Unnoticed => {
                if !told && started.elapsed() >= NOTICE {
                    console.remark("The operator has not taken this up yet. If it goes on, look whether it runs.");
                    told = true;
                }
                Ok(None)
            }
        })
        .await
    }

    /// Why the Secret is not there, as far as the caller can see.
    async fn absence(&self) -> Error {
        let absent = |cause: &str| Error::SecretAbsent { secret: self.secret.clone(), cause: cause.to_owned() };
        match self.cluster.connection(self.connection).await {
            Ok(connection) => explain(&connection, self.connection, &self.secret),
            Err(Error::Forbidden { .. }) => absent(
                "The operator makes it for a JiraConnection that a person authorises. Ask the connection's owner whether it exists, and whether the operator runs",
            ),
            Err(error) => error,
        }
    }
}

/// What to say when a wait was in vain.
#[derive(Clone, Copy, Debug)]
pub struct Late<'a> {
    /// What has not happened.
    pub what: &'a str,
    /// What to do.
    pub remedy: &'a str,
}

/// A way to authenticate as it stands in a manifest, and whether a person consents to it.
pub(super) fn method(connection: &JiraConnection) -> Option<(&'static str, Consent)> {
    connection.spec.auth.method().map(|method| match method {
        Method::OAuth2AuthorizationCode(_) => ("oauth2AuthorizationCode", Consent::ByPerson),
        Method::OAuth1(_) => ("oauth1", Consent::ByPerson),
        Method::OAuth2ClientCredentials(_) => ("oauth2ClientCredentials", Consent::BySecret),
        Method::PersonalAccessToken(_) => ("personalAccessToken", Consent::BySecret),
        Method::ApiToken(_) => ("apiToken", Consent::BySecret),
    })
}

/// How a credential comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// Somebody consents in a browser.
    ByPerson,
    /// Somebody puts it into a Secret.
    BySecret,
}

fn explain(connection: &JiraConnection, name: &str, secret: &str) -> Error {
    if let Some((method, Consent::BySecret)) = method(connection) {
        return Error::NotInteractive { name: name.to_owned(), method };
    }
    let observed = connection.status.as_ref().and_then(|status| status.observed_generation);
    let cause = if connection.spec.suspend == Some(true) {
        format!("JiraConnection {name} is suspended. Let it go on first: kubectl jira resume {name}")
    } else if observed == connection.metadata.generation {
        "The operator has looked at the connection and has not made it. The status says why: kubectl jira status "
            .to_owned()
            + name
    } else {
        "The operator, which makes it, has not looked at the connection yet. Look whether the operator runs".to_owned()
    };
    Error::SecretAbsent { secret: secret.to_owned(), cause }
}

/// By what a Secret differs from the one that the operator makes. A link with a key is made from what stands in it, so a
/// Secret that somebody planted under the name must not be believed.
fn difference(secret: &Secret, connection: &str) -> Option<String> {
    if secret.type_.as_deref() != Some(SECRET_TYPE) {
        return Some(format!("its type is not {SECRET_TYPE}"));
    }
    let owned = secret.owner_references().iter().any(|owner| {
        owner.kind == "JiraConnection"
            && owner.name == connection
            && owner.api_version.split('/').next() == Some(crds::GROUP)
    });
    (!owned).then(|| format!("it does not belong to JiraConnection {connection}"))
}

/// Now, to the second, as the plugin writes it.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "tables of JSON read better without a reference before each value")]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::auth::authorization_secret::{Attempt, OutcomeResult, ReturnBy, State};

    fn connection(auth: Value, suspend: bool, observed: Option<i64>) -> JiraConnection {
        serde_json::from_value(json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
            "metadata": { "name": "acme", "namespace": "platform", "generation": 2 },
            "spec": { "url": "https://jira.example", "deployment": "DataCenter", "auth": auth, "suspend": suspend },
            "status": { "observedGeneration": observed },
        }))
        .unwrap()
    }

    fn oauth2() -> Value {
        json!({ "oauth2AuthorizationCode": { "clientSecretRef": { "name": "app" } } })
    }

    #[rstest]
    #[case::nobody_consents(connection(json!({ "apiToken": { "email": "a@b", "tokenSecretRef": { "name": "t", "key": "t" } } }), false, Some(2)), "authenticates with apiToken")]
    #[case::suspended(connection(oauth2(), true, Some(2)), "kubectl jira resume acme")]
    #[case::not_looked_at(connection(oauth2(), false, Some(-1)), "Look whether the operator runs")]
    #[case::looked_at(connection(oauth2(), false, Some(2)), "kubectl jira status acme")]
    fn an_absent_secret_is_explained(#[case] connection: JiraConnection, #[case] cause: &str) {
        let error = explain(&connection, "acme", "acme.jira-authorization").to_string();
        assert!(error.contains(cause), "{error}");
    }

    fn secret(kind: &str, owner: Value) -> Secret {
        serde_json::from_value(json!({ "type": kind, "metadata": { "name": "x", "ownerReferences": owner } })).unwrap()
    }

    fn owner(group: &str, name: &str) -> Value {
        json!([{ "apiVersion": format!("{group}/v1alpha1"), "kind": "JiraConnection", "name": name, "uid": "1" }])
    }

    #[rstest]
    #[case::the_operator_s(secret(SECRET_TYPE, owner("issuetracking.dev", "acme")), None)]
    #[case::another_type(
        secret("Opaque", owner("issuetracking.dev", "acme")),
        Some("its type is not issuetracking.dev/authorization")
    )]
    #[case::nobody_s(secret(SECRET_TYPE, json!([])), Some("it does not belong to JiraConnection acme"))]
    #[case::another_connection_s(
        secret(SECRET_TYPE, owner("issuetracking.dev", "other")),
        Some("it does not belong to JiraConnection acme")
    )]
    #[case::another_group_s(
        secret(SECRET_TYPE, owner("other.dev", "acme")),
        Some("it does not belong to JiraConnection acme")
    )]
    fn a_planted_secret_is_not_believed(#[case] secret: Secret, #[case] expected: Option<&str>) {
        assert_eq!(difference(&secret, "acme").as_deref(), expected);
    }

    fn attempt(key: &str) -> Attempt {
        Attempt {
            key_hash: Hash::of(key),
            state: State::presented("a.b.c").unwrap(),
            authorization_url: "https://jira.example".into(),
            deadline: Timestamp::MAX,
            return_by: ReturnBy::Code,
        }
    }

    fn outcome(key: &str) -> Outcome {
        Outcome { key_hash: Hash::of(key), result: OutcomeResult::Granted, message: "Done.".into() }
    }

    #[rstest]
    #[case::asked(Some("mine"), None, None, Progress::Unnoticed)]
    #[case::taken_up(Some("mine"), Some(attempt("mine")), None, Progress::UnderWay)]
    #[case::an_old_attempt_is_not_ours(Some("mine"), Some(attempt("old")), Some("old"), Progress::Unnoticed)]
    #[case::ended(None, None, Some("mine"), Progress::Ended(outcome("mine")))]
    #[case::ended_and_started_again(Some("other"), None, Some("mine"), Progress::Ended(outcome("mine")))]
    #[case::replaced(Some("other"), Some(attempt("other")), None, Progress::Superseded)]
    #[case::taken_away(None, None, Some("other"), Progress::Unnoticed)]
    fn progress_is_judged_by_the_own_key_alone(
        #[case] asked: Option<&str>,
        #[case] attempt: Option<Attempt>,
        #[case] ended: Option<&str>,
        #[case] expected: Progress,
    ) {
        let secret = AuthorizationSecret {
            key_hash: asked.map(Hash::of),
            attempt,
            outcome: ended.map(outcome),
            ..AuthorizationSecret::default()
        };
        assert_eq!(Progress::of(&Hash::of("mine"), &secret), expected);
    }
}
