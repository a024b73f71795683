//! An operator of a test's own behind a gateway, and the connections that it looks after.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use hyper::Method;
use serde_json::json;
use tests::{
    gateway::{Fate, Gateway, Rule},
    jira::{self, Mark, Mutation},
    ledger::Ledger,
    operator::{Operator, Settings},
    scene::{self, NAME, Protocol, Scene},
    stage::{Kind, Seen, Stage},
};
use tokio::time::sleep;

/// Longest time for a request to Jira, in seconds: a machine under load answers within it, and a claim ends soon.
pub const TIMEOUT: u64 = 8;

/// How long a claim of a dead process holds, in seconds.
pub const CLAIM: u64 = TIMEOUT + 30;

/// How long a claim and the work after it may take.
const SETTLE: Duration = Duration::from_secs(CLAIM + 40);

/// How many people authorise at the same time.
const PEOPLE: usize = 6;

/// Pause between two wishes for a check.
const WISH: Duration = Duration::from_secs(3);

/// How long a wish may take to be handled.
const PATIENCE: Duration = Duration::from_secs(20);

const POLL: Duration = Duration::from_millis(100);

/// How a connection stands when nothing is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its grant works.
    Works,
    /// A person has to authorise again, and the status says that an answer of Jira was lost.
    AnswerLost,
}

pub struct House {
    // Dropped first: it goes through the gateway.
    pub operator: Operator,
    pub gateway: Arc<Gateway>,
    pub ledger: Arc<Ledger>,
    pub stage: Stage,
    wishes: AtomicU32,
}

/// A gateway that keeps a ledger.
pub fn gateway(stage: &Stage, ledger: &Arc<Ledger>) -> Gateway {
    let ledger = Arc::clone(ledger);
    Gateway::start(stage.control_plane, move |call, status| ledger.note(call, status)).unwrap()
}

/// An operator behind a gateway, whose pages are where the test binary has them.
pub fn settings<'a>(stage: &Stage, gateway: &'a Gateway) -> Settings<'a> {
    let settings = Settings::for_simulator(stage.control_plane, jira::shared()).through(gateway);
    let pages =
        [format!("--public-url={}", scene::public_url()), format!("--pages-address=127.0.0.1:{}", scene::port())];
    Settings { arguments: pages.to_vec(), ..settings }
}

impl House {
    pub async fn open(prefix: &str) -> Self {
        Self::open_with(prefix, &[]).await
    }

    /// The operator gets further arguments.
    pub async fn open_with(prefix: &str, more: &[String]) -> Self {
        let stage = Stage::without_operator(prefix).await;
        jira::shared().heal("auth").unwrap();
        let ledger = Arc::new(Ledger::default());
        let gateway = Arc::new(gateway(&stage, &ledger));
        let mut settings = settings(&stage, &gateway);
        settings.arguments.extend(more.iter().cloned());
        let operator = Operator::start(settings).await.unwrap();
        Self { operator, gateway, ledger, stage, wishes: AtomicU32::default() }
    }

    /// A connection that waits for a person.
    pub async fn waiting(&self, protocol: Protocol) -> Scene {
        let namespace = self.stage.control_plane.namespace("guest").await.unwrap();
        let scene = Scene::on(self.stage.within(&namespace), protocol, |_| {}, |_| {});
        scene.wait_for_a_person(json!({ "interval": "30m", "timeout": format!("{TIMEOUT}s") })).await;
        scene
    }

    /// A connection that works.
    pub async fn authorised(&self, protocol: Protocol) -> Scene {
        let scene = self.waiting(protocol).await;
        scene.admit("a-key").await;
        scene
    }

    /// Makes one connection for each case.
    pub async fn scenes<Case>(
        &self,
        cases: impl IntoIterator<Item = (Protocol, Case)>,
        make: impl AsyncFn(&Self, Protocol) -> Scene,
    ) -> Vec<(Scene, Case)> {
        let scenes = cases.into_iter().map(async |(protocol, case)| (make(self, protocol).await, case));
        stream::iter(scenes).buffered(PEOPLE).collect().await
    }

    /// Ends the access token at Jira, and asks for a check, which finds that out. Returns at once.
    pub async fn expire(&self, scene: &Scene) {
        scene.mutate(&Mutation::ExpireAccessTokens(scene.whose()));
        self.wish(scene).await;
    }

    /// Asks for a check, and returns with what.
    pub async fn wish(&self, scene: &Scene) -> String {
        let value = self.wishes.fetch_add(1, Ordering::Relaxed).to_string();
        let patch = json!({ "metadata": { "annotations": { crds::REQUESTED_AT: value } } });
        scene.stage.merge(Kind::Connection, NAME, patch).await;
        value
    }

    /// The process dies and is started anew, and everything else gets well.
    pub async fn crash<'a>(&self, scenes: impl IntoIterator<Item = &'a Scene>) {
        self.operator.kill().await.unwrap();
        self.heal(scenes);
        self.operator.restart().await.unwrap();
    }

    /// Gateway and Jira get well.
    pub fn heal<'a>(&self, scenes: impl IntoIterator<Item = &'a Scene>) {
        self.gateway.clear();
        jira::shared().heal("auth").unwrap();
        scenes.into_iter().for_each(|scene| jira::shared().heal(&scene.site.name).unwrap());
    }

    /// Waits until nothing is left to do for a connection whose access token has ended, and tells how it stands.
    pub async fn end(&self, scene: &Scene, case: &impl Debug) -> End {
        let started = Instant::now();
        let (mut wish, mut asked) = (self.wish(scene).await, Instant::now());
        loop {
            let seen = scene.now().await;
            if let Some(end) = end(&seen, &wish)
                && self.is_at_rest(scene).await
            {
                return end;
            }
            let told = format!("{:#}\n{}", seen.0["status"], self.told(&scene.stage.namespace));
            assert!(started.elapsed() < SETTLE, "{case:?} on {:?} does not come to rest: {told}", scene.protocol);
            // A wish that waits for its turn at a busy host is not overtaken by the next one.
            let handled = seen.0["status"]["lastHandledRequestedAt"] == wish.as_str();
            if (if handled { WISH } else { PATIENCE }) < asked.elapsed() {
                (wish, asked) = (self.wish(scene).await, Instant::now());
            }
            sleep(POLL).await;
        }
    }

    /// Nobody claims the grant, and no candidate stands beside it.
    async fn is_at_rest(&self, scene: &Scene) -> bool {
        let grant = scene.owned("grant").await.unwrap();
        grant["claim"].is_null() && grant["candidate"].is_null()
    }

    /// A grant that works can be renewed once more: it was not only its access token that still worked.
    pub async fn renews(&self, scene: &Scene, case: &impl Debug) {
        let renewals = async || scene.owned("grant").await.unwrap()["grant"]["renewals"].as_u64().unwrap();
        let before = renewals().await;
        self.expire(scene).await;
        assert_eq!(self.end(scene, case).await, End::Works, "{case:?} on {:?} is not renewed again", scene.protocol);
        assert_eq!(renewals().await, before + 1, "{case:?} on {:?}", scene.protocol);
    }

    /// What holds of every history.
    pub async fn audit(&self, scene: &Scene, case: &impl Debug) {
        self.audited(scene, case, self.ledger.early(scene)).await;
    }

    /// What holds of every history that two operators make together.
    pub async fn audit_of_two(&self, scene: &Scene, case: &impl Debug) {
        self.audited(scene, case, self.ledger.too_early_for_anybody(scene)).await;
    }

    async fn audited(&self, scene: &Scene, case: &impl Debug, early: Vec<u64>) {
        let late = self.ledger.late(scene);
        assert_eq!(late, [0; 0], "{case:?} on {:?}: tokens sent after their successor was stored", scene.protocol);
        assert_eq!(early, [0; 0], "{case:?} on {:?}: tokens used before they were stored", scene.protocol);
        assert!(self.ledger.is_complete(scene).await, "{case:?} on {:?}: not what was stored last", scene.protocol);
    }

    /// Waits until the n-th request since `mark` to the token endpoint has reached Jira.
    pub async fn until_token_request(&self, scene: &Scene, mark: Mark, count: usize) {
        let asked = || scene.token_requests(mark).iter().filter(|entry| entry.presented.is_some()).count();
        self.until(scene, "a token request", || count <= asked()).await;
    }

    pub async fn until(&self, scene: &Scene, what: &str, reached: impl Fn() -> bool) {
        let started = Instant::now();
        while !reached() {
            let told = || self.told(&scene.stage.namespace);
            assert!(started.elapsed() < Duration::from_secs(30), "no {what}:\n{}", told());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The last lines of the operator's log that name a namespace, or warn.
    pub fn told(&self, namespace: &str) -> String {
        let log = self.operator.output();
        let lines: Vec<_> = log.lines().filter(|line| line.contains(namespace) || line.contains("WARN")).collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

/// A rule for new Secrets in the namespace of one connection.
pub fn at_secrets(scene: &Scene, fate: Fate) -> Rule {
    Rule::on(Method::POST, &format!("/namespaces/{}/secrets", scene.stage.namespace), fate)
}

/// A rule for the grant Secret of one connection.
pub fn at_grant(scene: &Scene, method: Method, fate: Fate) -> Rule {
    Rule::on(method, &format!("/namespaces/{}/secrets/{NAME}.jira-grant", scene.stage.namespace), fate)
}

/// A rule for the authorization Secret of one connection.
pub fn at_authorization(scene: &Scene, method: Method, fate: Fate) -> Rule {
    Rule::on(method, &format!("/namespaces/{}/secrets/{NAME}.jira-authorization", scene.stage.namespace), fate)
}

/// How the status says that it stands, once it speaks of what was asked last.
fn end(seen: &Seen, wish: &str) -> Option<End> {
    if seen.0["status"]["lastHandledRequestedAt"] != wish {
        return None;
    }
    if seen.is("Ready") {
        return Some(End::Works);
    }
    (seen.reason() == "GrantRevoked").then(|| {
        assert!(seen.message().contains("was lost"), "{}", seen.message());
        assert!(seen.message().contains("kubectl jira authorize"), "the remedy is named: {}", seen.message());
        End::AnswerLost
    })
}
