//! An object that a scenario watches: what it shows, what it becomes, what is asked for it, and how it is changed.

use std::{
    fmt::Write,
    future::Future,
    time::{Duration, Instant},
};

use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};
use tests::{jira::Mark, stage::Kind};

use super::{
    chronicle::{Chronicle, Revision},
    jira::Jira,
    row::Row,
    scene::AT_ONCE,
};

/// How long something may take that is done at once, on a machine with other work.
const LIMIT: Duration = Duration::from_secs(20);

/// Pause between two looks.
pub(super) const POLL: Duration = Duration::from_millis(15);

/// Long enough for a request or a write that must not come.
pub(crate) const QUIET: Duration = Duration::from_millis(1200);

/// Field manager of the operator. Whoever changes a status in its name leaves no fields behind that are somebody else's.
const OPERATOR: &str = "jira-connection-operator";

/// A connection or a binding.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(super) api: Api<DynamicObject>,
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    /// Where a connection leads.
    pub(super) jira: Jira,
    pub(super) chronicle: Chronicle,
}

impl Subject {
    /// Waits for a row, of the present generation, and returns the status.
    pub(crate) async fn becomes(&self, row: &Row) -> Value {
        self.becomes_within(LIMIT, row).await
    }

    /// The same within a time of its own.
    pub(crate) async fn becomes_within(&self, limit: Duration, row: &Row) -> Value {
        self.shows_within(limit, &format!("{row:?}"), |status| Row::of(status) == *row).await
    }

    /// Waits until the status, of the present generation, is as wanted.
    pub(crate) async fn shows(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.shows_within(LIMIT, what, wanted).await
    }

    async fn shows_within(&self, limit: Duration, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let present = self.revisions().pop().map(|revision| revision.object).unwrap_or_default();
            let observed = present["status"]["observedGeneration"] == present["metadata"]["generation"];
            if observed && wanted(&present["status"]) {
                self.keeps_the_rules();
                return present["status"].clone();
            }
            assert!(started.elapsed() < limit, "{} within {limit:?} shall show {what}\n{}", self.name, self.account());
            tokio::time::sleep(POLL).await;
        }
    }

    fn keeps_the_rules(&self) {
        let broken = self.chronicle.broken_rules(&self.uid);
        assert!(broken.is_empty(), "{} broke rules: {broken:#?}\n{}", self.name, self.account());
    }

    fn revisions(&self) -> Vec<Revision> {
        self.chronicle.revisions(&self.uid)
    }

    /// The status in each revision, without repetitions.
    pub(crate) fn statuses(&self) -> Vec<Value> {
        let mut statuses: Vec<_> =
            self.revisions().into_iter().map(|revision| revision.object["status"].clone()).collect();
        statuses.dedup();
        statuses
    }

    /// Rows that the operator has written, oldest first.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let written =
            self.statuses().into_iter().filter(|status| status["observedGeneration"] != -1 && !status.is_null());
        written.map(|status| Row::of(&status)).collect()
    }

    /// The status as it is.
    pub(crate) fn status(&self) -> Value {
        self.revisions().pop().map(|revision| revision.object["status"].clone()).unwrap_or_default()
    }

    /// The message of a condition.
    pub(crate) fn message(&self, about: &str) -> String {
        condition(&self.status(), about)["message"].as_str().unwrap_or_default().to_owned()
    }

    /// The present `resourceVersion`.
    pub(crate) async fn version(&self) -> String {
        self.api.get(&self.name).await.unwrap().resource_version().unwrap()
    }

    /// Waits for a while, in which nothing is written to the object and nothing asked of its Jira.
    pub(crate) async fn rests(&self) {
        self.rests_for(QUIET).await;
    }

    /// The same for a time of its own.
    pub(crate) async fn rests_for(&self, time: Duration) {
        let (version, mark) = (self.version().await, Jira::mark());
        tokio::time::sleep(time).await;
        let asked = self.jira.asked(mark);
        assert!(asked.is_empty(), "nothing was to be asked, and {asked:?} was\n{}", self.account());
        assert_eq!(self.version().await, version, "nothing was to be written\n{}", self.account());
        self.keeps_the_rules();
    }

    /// What its Jira was asked since a mark.
    pub(crate) fn asked(&self, since: Mark) -> Vec<String> {
        self.jira.asked(since)
    }

    /// Waits until a resource was asked so often since a mark.
    pub(crate) async fn asks(&self, since: Mark, resource: &str, times: usize) {
        let started = Instant::now();
        loop {
            let count = self.jira.count(since, resource);
            if count >= times {
                assert_eq!(count, times, "{resource}\n{}", self.account());
                return;
            }
            assert!(started.elapsed() < AT_ONCE, "{resource} was asked {count} times, not {times}\n{}", self.account());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Lets every condition have been as it is for so much longer.
    pub(crate) async fn ages(&self, by: Duration) {
        loop {
            let object = self.api.get(&self.name).await.unwrap();
            let mut status = object.data["status"].clone();
            for condition in status["conditions"].as_array_mut().unwrap() {
                let since: Timestamp = condition["lastTransitionTime"].as_str().unwrap().parse().unwrap();
                condition["lastTransitionTime"] = json!((since - by).to_string());
            }
            let body = json!({
                "apiVersion": "issuetracking.dev/v1alpha1", "kind": self.kind.as_str(),
                "metadata": { "uid": self.uid, "resourceVersion": object.resource_version() },
                "status": status,
            });
            let params = PatchParams::apply(OPERATOR).force();
            match self.api.patch_status(&self.name, &params, &Patch::Apply(body)).await {
                // The operator has written in between.
                Err(kube::Error::Api(refusal)) if refusal.code == 409 => {}
                written => {
                    let version = written.unwrap().resource_version();
                    self.is_seen(version.as_deref()).await;
                    return;
                }
            }
        }
    }

    /// Waits until watches have shown a revision.
    async fn is_seen(&self, version: Option<&str>) {
        let seen = || async {
            let shown = |revision: &Revision| revision.object["metadata"]["resourceVersion"].as_str() == version;
            self.revisions().iter().any(shown).then_some(())
        };
        eventually("the watch shows the revision", seen).await;
        // The operator has a watch of its own.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }

    /// Merges a patch into the object.
    pub(crate) async fn merge(&self, patch: Value) {
        self.api.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// Merges a patch into the spec.
    pub(crate) async fn change(&self, spec: Value) {
        self.merge(json!({ "spec": spec })).await;
    }

    /// Asks for a check now.
    pub(crate) async fn is_requested(&self, value: &str) {
        self.merge(json!({ "metadata": { "annotations": { "issuetracking.dev/requestedAt": value } } })).await;
    }

    pub(crate) async fn delete(&self) {
        self.api.delete(&self.name, &DeleteParams::default()).await.unwrap();
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.chronicle.is_gone(&self.uid)
    }

    /// Everything that helps to understand a failure.
    pub(crate) fn account(&self) -> String {
        let revisions = self.revisions();
        let begin = revisions.first().map(|revision| revision.at);
        let mut last = Value::Null;
        let mut story = String::new();
        for Revision { at, object } in &revisions {
            if object["status"] != last {
                let millis = begin.map(|begin| (*at - begin).as_millis()).unwrap_or_default();
                // Writing to a string cannot fail.
                _ = writeln!(story, "{millis:>9} ms  {:?}", Row::of(&object["status"]));
                last = object["status"].clone();
            }
        }
        format!(
            "--- {}/{} as it was seen\n{story}--- status\n{}--- asked of {}\n{}\n",
            self.namespace,
            self.name,
            serde_yaml::to_string(&last).unwrap(),
            self.jira.name,
            self.jira.transcript(),
        )
    }
}

/// One condition of a status.
pub(crate) fn condition(status: &Value, about: &str) -> Value {
    let conditions = status["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == about);
    found.cloned().unwrap_or_default()
}

/// Waits until something is there.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut probe: impl FnMut() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(started.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}
