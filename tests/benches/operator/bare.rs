//! A client that does the operator's work without its thoughts: so many Secrets read, so many requests to Jira, so many statuses
//! patched, as fast as this machine lets anybody. It imports nothing of the operator, and writes the very statuses that the
//! operator has written before.

use std::{
    collections::HashMap,
    fmt::Debug,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::http::{Request, header::CONTENT_TYPE};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{Api, Client, Resource, api::DynamicObject, core::PartialObjectMeta, runtime::watcher};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tests::{controlplane::ControlPlane, jira::Simulator, stage::Kind};
use tokio::{runtime::Runtime, task::JoinSet};

use super::{
    estate::{Estate, HEADER, PROJECT, Plot, Token, resource},
    process,
};

/// Objects a second below which the machine is too slow, or too busy, for its ratios to mean anything: one Secret read and one
/// status patch each, on two quiet cores.
pub const LEAST: f64 = 650.0;

/// How many things are done at the same time, to find out what is best.
const LANES: [usize; 4] = [8, 16, 32, 64];

/// Objects for one such trial.
const TRIAL: usize = 400;

/// Name of its threads, by which their processor time is told from that of everything else in this process.
const THREADS: &str = "bare-client";

/// What is done for each plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Its Secret is read and the status of its connection patched.
    Short,
    /// And Jira is asked, and the status of the binding patched.
    Full,
}

/// A plot and the statuses to write.
#[derive(Clone)]
struct Task {
    plot: Plot,
    connection: Value,
    binding: Value,
}

/// The client.
pub struct Bare {
    runtime: Option<Runtime>,
    hands: Arc<Hands>,
    tasks: Arc<Vec<Task>>,
}

/// What does it.
struct Hands {
    api: Client,
    jira: reqwest::Client,
}

/// How long the work took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    pub wall: Duration,
    pub processor: Duration,
    /// How many things were done at the same time.
    pub lanes: usize,
}

impl Bare {
    /// Prepares to write the statuses that stand there now.
    pub async fn new(control_plane: &ControlPlane, simulator: &Simulator, estate: &Estate) -> Self {
        let (mut connections, mut bindings) =
            (estate.statuses(Kind::Connection).await, estate.statuses(Kind::Binding).await);
        let task = |plot: &Plot| {
            let name = (plot.namespace.clone(), plot.name.clone());
            let (connection, binding) = (connections.remove(&name).unwrap(), bindings.remove(&name).unwrap());
            Task { plot: plot.clone(), connection, binding }
        };
        let tasks = estate.plots.iter().map(task).collect();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(THREADS)
            .enable_all()
            .build()
            .unwrap();
        let authority = reqwest::Certificate::from_pem(simulator.ca_pem().as_bytes()).unwrap();
        // Connections belong to the runtime that makes them.
        let kubeconfig = control_plane.kubeconfig().to_owned();
        let connect = async move {
            let jira = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
            Hands { api: tests::controlplane::client(&kubeconfig).await.unwrap(), jira }
        };
        let hands = Arc::new(runtime.spawn(connect).await.unwrap());
        Self { runtime: Some(runtime), hands, tasks: Arc::new(tasks) }
    }

    /// Objects a second with a Secret read and a status patched for each, at the best number of lanes.
    pub async fn pace(&self) -> f64 {
        let mut best: f64 = 0.0;
        for lanes in LANES {
            // Once for the TCP connections, which the work that is measured finds open as well.
            self.trial(Work::Short, lanes).await;
            let trial = self.trial(Work::Short, lanes).await;
            best = best.max(self.trial_size() as f64 / trial.wall.as_secs_f64());
        }
        best
    }

    /// All of the work, at the best number of lanes.
    pub async fn work(&self) -> Took {
        let mut trials = Vec::new();
        for lanes in LANES {
            trials.push(self.trial(Work::Full, lanes).await);
        }
        let best = trials.into_iter().min_by_key(|took| took.wall).unwrap();
        self.run(Work::Full, best.lanes, self.tasks.len(), None).await
    }

    fn trial_size(&self) -> usize {
        TRIAL.min(self.tasks.len())
    }

    async fn trial(&self, work: Work, lanes: usize) -> Took {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let mark = format!("trial {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.run(work, lanes, self.trial_size(), Some(mark)).await
    }

    /// Does it for the first `count` plots. A mark makes the statuses of a trial differ from those that stand there.
    async fn run(&self, work: Work, lanes: usize, count: usize, mark: Option<String>) -> Took {
        let next = Arc::new(AtomicUsize::new(0));
        let before = process::own_threads(THREADS);
        let started = Instant::now();
        let mut running = JoinSet::new();
        for _ in 0..lanes {
            let (hands, tasks, next, mark) =
                (Arc::clone(&self.hands), Arc::clone(&self.tasks), Arc::clone(&next), mark.clone());
            let lane = async move {
                while let Some(task) = tasks[..count].get(next.fetch_add(1, Ordering::Relaxed)) {
                    hands.perform(work, task, mark.as_deref()).await;
                }
            };
            running.spawn_on(lane, self.runtime.as_ref().unwrap().handle());
        }
        while let Some(lane) = running.join_next().await {
            lane.unwrap();
        }
        Took { wall: started.elapsed(), processor: process::own_threads(THREADS).saturating_sub(before), lanes }
    }

    /// Follows changes as the operator does, without deciding anything, until what is returned is dropped.
    pub async fn follow(&self) -> Follower {
        let (due, runtime, api) = (Arc::<Due>::default(), self.runtime.as_ref().unwrap(), self.hands.api.clone());
        let mut tasks = JoinSet::new();
        let hands = || (Arc::clone(&self.hands), Arc::clone(&due));
        let secrets = Api::<PartialObjectMeta<Secret>>::all(api.clone());
        tasks.spawn_on(changes(secrets, hands()), runtime.handle());
        let namespaces = Api::<PartialObjectMeta<Namespace>>::all(api.clone());
        tasks.spawn_on(changes(namespaces, hands()), runtime.handle());
        let connections = Api::<PartialObjectMeta<DynamicObject>>::all_with(api, &resource(Kind::Connection));
        tasks.spawn_on(changes(connections, hands()), runtime.handle());
        // The watches begin with what is there, which nothing is due for.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Follower { due, tasks: Arc::clone(&self.tasks), _tasks: tasks }
    }
}

/// What is to be done when an object changes, by its name.
type Due = Mutex<HashMap<String, Errand>>;

/// What is to be done for one change.
enum Errand {
    /// The Secret is read, Jira asked, and a status patched.
    Check { plot: Plot, token: Token, kind: Kind, status: Value },
    /// The status of the binding is patched.
    Judge { plot: Plot, status: Value },
}

/// Does what it is told to when an object changes.
pub struct Follower {
    due: Arc<Due>,
    tasks: Arc<Vec<Task>>,
    _tasks: JoinSet<()>,
}

impl Follower {
    /// When its Secret changes, a connection is checked.
    pub fn check(&self, plot: &Plot, token: Token, mark: &str) {
        let mut status = self.task(plot).connection.clone();
        status["lastHandledRequestedAt"] = json!(mark);
        self.expect(&plot.name, Errand::Check { plot: plot.clone(), token, kind: Kind::Connection, status });
    }

    /// When its connection changes, that is checked and the binding said to be as it is judged.
    pub fn admit(&self, plot: &Plot, verdict: (&str, &str)) {
        let (token, kind, status) = (Token::First, Kind::Binding, self.verdict(plot, verdict));
        self.expect(&plot.name, Errand::Check { plot: plot.clone(), token, kind, status });
    }

    /// When the object of this name changes, a binding is said to be ready or not, for this reason.
    pub fn judge(&self, name: &str, plot: &Plot, verdict: (&str, &str)) {
        self.expect(name, Errand::Judge { plot: plot.clone(), status: self.verdict(plot, verdict) });
    }

    fn verdict(&self, plot: &Plot, (truth, reason): (&str, &str)) -> Value {
        let mut status = self.task(plot).binding.clone();
        for condition in status["conditions"].as_array_mut().unwrap() {
            if condition["type"] == "Ready" {
                (condition["status"], condition["reason"]) = (json!(truth), json!(reason));
            }
        }
        status
    }

    fn task(&self, plot: &Plot) -> &Task {
        self.tasks.iter().find(|task| task.plot == *plot).unwrap()
    }

    fn expect(&self, name: &str, errand: Errand) {
        self.due.lock().unwrap().insert(name.to_owned(), errand);
    }
}

async fn changes<K>(api: Api<PartialObjectMeta<K>>, (hands, due): (Arc<Hands>, Arc<Due>))
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    PartialObjectMeta<K>: Resource,
{
    let mut events = pin!(watcher(api, watcher::Config::default()));
    while let Some(event) = events.next().await {
        let Ok(watcher::Event::Apply(object)) = event else { continue };
        let errand = due.lock().unwrap().remove(object.metadata.name.as_deref().unwrap_or_default());
        match errand {
            Some(Errand::Check { plot, token, kind, status }) => {
                hands.read(&plot).await;
                hands.ask(&plot, token).await;
                hands.patch(kind, &plot, &status).await;
            }
            Some(Errand::Judge { plot, status }) => hands.patch(Kind::Binding, &plot, &status).await,
            None => {}
        }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Hands {
    async fn perform(&self, work: Work, task: &Task, mark: Option<&str>) {
        let marked = |status: &Value| {
            let mut status = status.clone();
            if let Some(mark) = mark {
                status["conditions"][0]["message"] = json!(mark);
            }
            status
        };
        self.read(&task.plot).await;
        match work {
            Work::Short => self.patch(Kind::Connection, &task.plot, &marked(&task.connection)).await,
            Work::Full => {
                self.ask(&task.plot, Token::First).await;
                self.patch(Kind::Connection, &task.plot, &marked(&task.connection)).await;
                self.patch(Kind::Binding, &task.plot, &marked(&task.binding)).await;
            }
        }
    }

    async fn read(&self, Plot { namespace, name, .. }: &Plot) {
        let request = Request::get(format!("/api/v1/namespaces/{namespace}/secrets/{name}")).body(Vec::new());
        self.api.request_text(request.unwrap()).await.unwrap();
    }

    /// The questions that a connection with one project takes at a Data Center.
    async fn ask(&self, plot: &Plot, token: Token) {
        let project = format!("/rest/api/2/project/{PROJECT}");
        let paths = [
            "/rest/api/2/serverInfo".to_owned(),
            "/rest/api/2/myself".to_owned(),
            project.clone(),
            format!("/rest/api/2/mypermissions?projectKey={PROJECT}"),
            format!("{project}/issuesecuritylevelscheme"),
        ];
        for path in paths {
            let request = self.jira.get(format!("{}{path}", plot.url)).bearer_auth(token.of(&plot.site));
            request.header(HEADER.0, HEADER.1).send().await.unwrap().bytes().await.unwrap();
        }
    }

    async fn patch(&self, kind: Kind, Plot { namespace, name, .. }: &Plot, status: &Value) {
        let (group, plural) = (crds::GROUP, kind.plural());
        let api_version = format!("{group}/v1alpha1");
        let path =
            format!("/apis/{api_version}/namespaces/{namespace}/{plural}/{name}/status?fieldManager=bare&force=true");
        let body = json!({ "apiVersion": api_version, "kind": kind.as_str(), "status": status });
        let request = Request::patch(path).header(CONTENT_TYPE, "application/apply-patch+yaml");
        self.api.request_text(request.body(body.to_string().into_bytes()).unwrap()).await.unwrap();
    }
}
