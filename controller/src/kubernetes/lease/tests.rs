//! The election under a clock that the test moves, against a store that keeps one Lease as the API server does: with resource
//! versions, conflicts, delays and lost answers. `tests/tests/leadership.rs` runs the operator against the real one.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::pin,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use kube::client::ClientBuilder;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// How the store treats requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Weather {
    #[default]
    Fair,
    /// Nothing is stored, nothing is answered.
    Silent,
    /// Writes are stored, nothing is answered.
    AnswersLost,
    Unwell,
    Forbidden,
    /// Each request takes this long on its way there, and its answer on its way back.
    Slow(Duration),
}

#[derive(Debug, Default)]
struct Stored {
    lease: Option<Lease>,
    version: u64,
    weather: Weather,
}

/// A store of one Lease.
#[derive(Clone, Debug, Default)]
struct Store(Arc<Mutex<Stored>>);

impl Store {
    fn with<T>(&self, use_it: impl FnOnce(&mut Stored) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn weather(&self, weather: Weather) {
        self.with(|stored| stored.weather = weather);
    }

    fn spec(&self) -> LeaseSpec {
        self.with(|stored| stored.lease.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default())
    }

    /// A write past the election, as a person makes it.
    fn edit(&self, edit: impl FnOnce(&mut Lease)) {
        self.with(|stored| {
            let mut lease = stored.lease.take().unwrap_or_default();
            edit(&mut lease);
            stored.keep(lease);
        });
    }

    fn hold(&self, holder: &str, seconds: i32) {
        self.edit(|lease| {
            lease.spec = Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: Some(seconds),
                // A wall clock that is wrong by decades.
                renew_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
                ..LeaseSpec::default()
            });
        });
    }

    fn service(&self) -> Router {
        let methods = get(read).put(write).post(write);
        Router::new()
            .route("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases", methods.clone())
            .route("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}", methods)
            .with_state(self.clone())
    }

    fn candidate(&self, identity: &str) -> Candidate {
        let lease = LeaseName { namespace: "operator".to_owned(), name: "leader".to_owned() };
        let periods = Periods::new(15 * SECOND, 10 * SECOND, 2 * SECOND).unwrap();
        Candidate::new(Client::new(self.service(), "operator"), lease, identity.to_owned(), periods)
    }
}

impl Stored {
    fn keep(&mut self, mut lease: Lease) -> Lease {
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        self.lease = Some(lease.clone());
        lease
    }

    fn write(&mut self, lease: Lease) -> Response {
        let known = self.lease.as_ref().and_then(|lease| lease.metadata.resource_version.clone());
        match (known, &lease.metadata.resource_version) {
            (None, Some(_)) => refusal(StatusCode::NOT_FOUND, "NotFound"),
            (Some(_), None) => refusal(StatusCode::CONFLICT, "AlreadyExists"),
            (Some(known), Some(expected)) if known != *expected => refusal(StatusCode::CONFLICT, "Conflict"),
            (None, None) | (Some(_), Some(_)) => Json(self.keep(lease)).into_response(),
        }
    }
}

fn refusal(code: StatusCode, reason: &str) -> Response {
    let status =
        json!({ "kind": "Status", "status": "Failure", "reason": reason, "code": code.as_u16(), "message": reason });
    (code, Json(status)).into_response()
}

async fn read(State(store): State<Store>) -> Response {
    answer(&store, |stored| match &stored.lease {
        Some(lease) => Json(lease.clone()).into_response(),
        None => refusal(StatusCode::NOT_FOUND, "NotFound"),
    })
    .await
}

async fn write(State(store): State<Store>, Json(lease): Json<Lease>) -> Response {
    answer(&store, |stored| stored.write(lease)).await
}

async fn answer(store: &Store, act: impl FnOnce(&mut Stored) -> Response) -> Response {
    match store.with(|stored| stored.weather) {
        Weather::Fair => store.with(act),
        Weather::Silent => std::future::pending().await,
        Weather::AnswersLost => {
            store.with(act);
            std::future::pending().await
        }
        Weather::Unwell => refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        Weather::Forbidden => refusal(StatusCode::FORBIDDEN, "Forbidden"),
        Weather::Slow(way) => {
            sleep(way).await;
            let answer = store.with(act);
            sleep(way).await;
            answer
        }
    }
}

/// How long `future` takes by the clock of the test.
async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let begin = Instant::now();
    (future.await, begin.elapsed())
}

async fn served(term: Term) -> (Lost, Duration) {
    let (outcome, passed) = timed(term.serve(std::future::pending())).await;
    (outcome.unwrap_err(), passed)
}

/// Timers of tokio fire up to a millisecond late.
fn about(passed: Duration, expected: Duration) -> bool {
    passed >= expected && passed < expected + 50 * MILLI
}

#[tokio::test(start_paused = true)]
async fn the_first_one_makes_the_lease_and_leads_from_the_moment_it_asked() {
    let store = Store::default();
    store.weather(Weather::Slow(SECOND));
    let candidate = store.candidate("one");
    let leadership = candidate.leadership();
    assert!(!leadership.holds_for(Duration::ZERO));
    let (term, passed) = timed(candidate.win()).await;
    assert!(about(passed, 4 * SECOND), "two requests of two seconds each: {passed:?}");
    // The write was sent two seconds ago.
    assert!(leadership.holds_for(12 * SECOND));
    assert!(!leadership.holds_for(13 * SECOND));
    let spec = store.spec();
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some("one"), Some(15)));
    assert_eq!(spec.lease_transitions, Some(0));
    drop(term);
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_the_next_one_waits_for_the_whole_duration_and_at_most_one_pause_more() {
    let store = Store::default();
    let first = store.candidate("one").win().await;
    let leadership = first.leadership.clone();
    drop(first);
    let second = store.candidate("two");
    let standing = second.leadership();
    let (term, passed) = timed(second.win()).await;
    assert!(passed >= 15 * SECOND && passed <= 17 * SECOND, "{passed:?}");
    assert!(!leadership.holds_for(Duration::ZERO), "the first one's lease is over");
    assert!(standing.holds_for(14 * SECOND));
    assert_eq!(store.spec().lease_transitions, Some(1));
    drop(term);
}

#[tokio::test(start_paused = true)]
async fn a_leader_renews_for_ever_and_a_standby_is_fit_and_waits() {
    let store = Store::default();
    let first = store.candidate("one").win().await;
    let leadership = first.leadership.clone();
    let second = store.candidate("two");
    let standing = second.leadership();
    tokio::spawn(first.serve(std::future::pending()));
    let waiting = timeout(3600 * SECOND, second.win()).await;
    assert!(waiting.is_err(), "the standby has taken a lease that was renewed");
    assert!(leadership.holds_for(12 * SECOND));
    assert_eq!((standing.holds_for(Duration::ZERO), standing.exclusion()), (false, None));
}

#[tokio::test(start_paused = true)]
async fn who_resigns_makes_room_at_once_and_cannot_write_before_the_others_can() {
    let store = Store::default();
    let first = store.candidate("one").win().await;
    let leadership = first.leadership.clone();
    let (resign, resigned) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(first.serve(async { drop(resigned.await) }));
    let second = tokio::spawn(store.candidate("two").win());
    sleep(60 * SECOND).await;
    store.edit(|lease| lease.metadata.labels = Some([("by".to_owned(), "somebody".to_owned())].into()));
    resign.send(()).unwrap();
    serving.await.unwrap().unwrap();
    assert!(!leadership.holds_for(Duration::ZERO));
    let released = store.spec();
    assert_eq!((released.holder_identity, released.lease_duration_seconds), (None, Some(1)));
    let (term, passed) = timed(second).await;
    assert!(passed <= 2 * SECOND, "{passed:?}");
    let labels = term.unwrap().lease.metadata.labels.unwrap_or_default();
    assert_eq!(labels.get("by").map(String::as_str), Some("somebody"), "what others put on the Lease stays");
}

#[rstest]
#[case::silent(Weather::Silent, "no answer about the Lease operator/leader within")]
#[case::unwell(Weather::Unwell, "the Lease operator/leader cannot be read or written")]
#[case::forbidden(Weather::Forbidden, "not allowed to read or write the Lease operator/leader")]
#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_gives_up_before_the_others_begin(#[case] weather: Weather, #[case] cause: &str) {
    let store = Store::default();
    let term = store.candidate("one").win().await;
    let leadership = term.leadership.clone();
    store.weather(weather);
    let (lost, passed) = served(term).await;
    assert!(about(passed, 10 * SECOND), "{passed:?}");
    assert_eq!(lost.to_string(), "the Lease operator/leader was not renewed for 10000 ms");
    let Lost::Unrenewed { source: Some(error), .. } = lost else { panic!("{lost:?}") };
    assert!(error.to_string().starts_with(cause), "{error}");
    assert!(!leadership.holds_for(Duration::ZERO), "it must not write even while the lease still runs");
}

#[rstest]
#[case::silent(Weather::Silent)]
#[case::unwell(Weather::Unwell)]
#[case::answers_lost(Weather::AnswersLost)]
#[tokio::test(start_paused = true)]
async fn a_short_trouble_costs_no_lease(#[case] weather: Weather) {
    let store = Store::default();
    let term = store.candidate("one").win().await;
    let leadership = term.leadership.clone();
    let serving = tokio::spawn(term.serve(std::future::pending()));
    for _ in 0..20 {
        store.weather(weather);
        sleep(5 * SECOND).await;
        assert!(leadership.holds_for(2 * SECOND), "five seconds of trouble leave more of the lease than this");
        store.weather(Weather::Fair);
        sleep(8 * SECOND).await;
    }
    assert!(!serving.is_finished());
    assert!(leadership.holds_for(12 * SECOND));
}

#[rstest]
#[case::another_replica(Some("two"), "two")]
#[case::released_by_a_person(None, "nobody")]
#[tokio::test(start_paused = true)]
async fn a_leader_that_reads_another_holder_stops(#[case] holder: Option<&str>, #[case] told: &str) {
    let store = Store::default();
    let term = store.candidate("one").win().await;
    let leadership = term.leadership.clone();
    store.edit(|lease| lease.spec.get_or_insert_default().holder_identity = holder.map(str::to_owned));
    let (lost, passed) = served(term).await;
    assert!(about(passed, 2 * SECOND), "{passed:?}");
    assert_eq!(lost.to_string(), format!("the Lease operator/leader is held by {told} now"));
    assert!(!leadership.holds_for(Duration::ZERO));
    assert_eq!(store.spec().holder_identity.as_deref(), holder, "what the other has written stays");
}

#[tokio::test(start_paused = true)]
async fn a_note_on_the_lease_and_its_deletion_end_no_term() {
    let store = Store::default();
    let term = store.candidate("one").win().await;
    let leadership = term.leadership.clone();
    let serving = tokio::spawn(term.serve(std::future::pending()));
    let standby = tokio::spawn(store.candidate("two").win());
    for _ in 0..5 {
        sleep(7 * SECOND).await;
        store.edit(|lease| lease.metadata.annotations = Some([("note".to_owned(), "x".to_owned())].into()));
        sleep(7 * SECOND).await;
        store.with(|stored| stored.lease = None);
    }
    sleep(5 * SECOND).await;
    assert!(!serving.is_finished() && !standby.is_finished());
    assert!(leadership.holds_for(12 * SECOND));
    assert_eq!(store.spec().holder_identity.as_deref(), Some("one"));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_paused_beyond_its_deadline_ends_without_a_request() {
    let store = Store::default();
    let term = store.candidate("one").win().await;
    let leadership = term.leadership.clone();
    // Nobody polls the term meanwhile, as nobody does when the process is stopped.
    tokio::time::advance(11 * SECOND).await;
    assert!(leadership.holds_for(3 * SECOND), "no other one may have begun yet");
    let version = store.with(|stored| stored.version);
    let (lost, passed) = served(term).await;
    assert!(passed < 50 * MILLI, "{passed:?}");
    assert!(matches!(lost, Lost::Unrenewed { source: None, .. }), "{lost:?}");
    assert_eq!(store.with(|stored| stored.version), version);
}

#[tokio::test(start_paused = true)]
async fn a_win_without_an_answer_is_found_at_the_next_look() {
    let store = Store::default();
    store.weather(Weather::AnswersLost);
    store.hold("gone", 15);
    store.edit(|lease| lease.spec.get_or_insert_default().holder_identity = Some("two".to_owned()));
    let candidate = store.candidate("two");
    let leadership = candidate.leadership();
    let winning = tokio::spawn(candidate.win());
    sleep(6 * SECOND).await;
    assert!(!leadership.holds_for(Duration::ZERO));
    store.weather(Weather::Fair);
    let (term, passed) = timed(winning).await;
    assert!(passed <= 7 * SECOND, "{passed:?}");
    drop(term.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_candidate_without_rights_or_contact_is_unfit_and_says_why() {
    let store = Store::default();
    store.hold("other", 15);
    let candidate = store.candidate("two");
    let leadership = candidate.leadership();
    assert_eq!(leadership.exclusion().as_deref(), Some("the Lease was not read yet"));
    store.weather(Weather::Forbidden);
    let winning = tokio::spawn(candidate.win());
    sleep(SECOND).await;
    let why = leadership.exclusion().unwrap();
    assert!(why.contains("get, create and update of leases.coordination.k8s.io"), "{why}");
    store.weather(Weather::Fair);
    sleep(3 * SECOND).await;
    assert_eq!(leadership.exclusion(), None, "fit as soon as it hears of the Lease");
    store.weather(Weather::Silent);
    sleep(7 * SECOND).await;
    assert_eq!(leadership.exclusion(), None, "one lost request is no reason");
    sleep(10 * SECOND).await;
    let why = leadership.exclusion().unwrap();
    assert_eq!(why, "no answer about the Lease operator/leader within 5000 ms");
    assert!(!winning.is_finished());
}

#[tokio::test(start_paused = true)]
async fn of_many_that_begin_at_once_one_wins() {
    let store = Store::default();
    store.weather(Weather::Slow(100 * MILLI));
    let candidates: Vec<_> = (0..5).map(|number| store.candidate(&format!("replica-{number}"))).collect();
    let leaderships: Vec<_> = candidates.iter().map(Candidate::leadership).collect();
    let _winning: Vec<_> = candidates.into_iter().map(|candidate| tokio::spawn(candidate.win())).collect();
    sleep(5 * SECOND).await;
    assert_eq!(leaderships.iter().filter(|it| it.holds_for(Duration::ZERO)).count(), 1);
}

#[tokio::test]
async fn only_a_leader_sends_writes() {
    let (store, leadership) = (Store::default(), Leadership::unheard());
    let client = ClientBuilder::new(store.service(), "operator").with_layer(&leadership.fence()).build();
    let api: Api<Lease> = Api::namespaced(client, "operator");
    let lease = Lease { metadata: ObjectMeta { name: Some("leader".to_owned()), ..ObjectMeta::default() }, spec: None };

    let refused = api.create(&PostParams::default(), &lease).await.unwrap_err();
    let kube::Error::Service(cause) = &refused else { panic!("{refused:?}") };
    assert!(cause.is::<NotLeading>(), "{refused:?}");
    assert_eq!(store.with(|stored| stored.version), 0);
    assert!(api.get_opt("leader").await.unwrap().is_none(), "reading is for everybody");

    leadership.lead_until(Instant::now() + 15 * SECOND);
    api.create(&PostParams::default(), &lease).await.unwrap();
    leadership.lead_until(Instant::now());
    assert!(api.create(&PostParams::default(), &lease).await.is_err());
    assert_eq!(store.with(|stored| stored.version), 1);
}

#[test]
fn identities_differ_at_each_start() {
    let (one, two) = (identity(Some("operator-0")).unwrap(), identity(Some("operator-0")).unwrap());
    assert_ne!(one, two);
    assert!(one.starts_with("operator-0_"), "{one}");
    assert!(identity(None).unwrap().starts_with("jira-operator_"));
}

/// A process that can be stopped as by SIGSTOP: it takes part in the election again and again.
struct Replica {
    paused: Rc<Cell<bool>>,
    leadership: Rc<Cell<Option<Leadership>>>,
}

impl Replica {
    fn leads(&self) -> bool {
        let leadership = self.leadership.take();
        let leads = leadership.as_ref().is_some_and(|it| it.holds_for(Duration::ZERO));
        self.leadership.set(leadership);
        leads
    }
}

/// What happens to the replicas and to the store.
#[derive(Clone, Debug)]
enum Turn {
    Pause(usize),
    Resume(usize),
    Weather(Weather),
    Delete,
    Note,
}

fn turns() -> impl Strategy<Value = Vec<(u64, Turn)>> {
    let weather = prop_oneof![
        4 => Just(Weather::Fair),
        1 => Just(Weather::Silent),
        1 => Just(Weather::AnswersLost),
        1 => Just(Weather::Unwell),
        2 => (1_u64..3_000).prop_map(|way| Weather::Slow(Duration::from_millis(way))),
    ];
    let turn = prop_oneof![
        3 => (0_usize..3).prop_map(Turn::Pause),
        3 => (0_usize..3).prop_map(Turn::Resume),
        3 => weather.prop_map(Turn::Weather),
        1 => Just(Turn::Note),
        1 => Just(Turn::Delete),
    ];
    proptest::collection::vec((0_u64..20_000, turn), 1..30)
}

/// Runs the replicas through the turns, looking every 20 ms. Returns whether at any look two led, and whether somebody leads once all is well.
async fn play(turns: Vec<(u64, Turn)>) -> (usize, bool) {
    let store = Store::default();
    let (mut futures, mut replicas) = (Vec::new(), Vec::new());
    for number in 0..3 {
        let (paused, leadership) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(None)));
        replicas.push(Replica { paused: Rc::clone(&paused), leadership: Rc::clone(&leadership) });
        let store = store.clone();
        futures.push((
            paused,
            Box::pin(async move {
                for start in 0_u32.. {
                    let candidate = store.candidate(&format!("replica-{number}_{start}"));
                    leadership.set(Some(candidate.leadership()));
                    let term = candidate.win().await;
                    drop(term.serve(std::future::pending()).await);
                }
            }),
        ));
    }
    let most = Cell::new(0);
    let script = async {
        let look = async |time: Duration| {
            let end = Instant::now() + time;
            while Instant::now() < end {
                sleep(20 * MILLI).await;
                most.set(most.get().max(replicas.iter().filter(|replica| replica.leads()).count()));
            }
        };
        for (pause, turn) in turns {
            look(Duration::from_millis(pause)).await;
            match turn {
                Turn::Pause(number) => replicas[number].paused.set(true),
                Turn::Resume(number) => replicas[number].paused.set(false),
                Turn::Weather(weather) => store.weather(weather),
                Turn::Note => store.edit(|lease| lease.metadata.labels = Some([("a".into(), "b".into())].into())),
                // Every process has to know of a Lease before it may vanish: who has just started cannot know that there was one.
                // Within 12 seconds of good weather a request that hangs is given up, and another is made.
                Turn::Delete
                    if replicas.iter().all(|it| !it.paused.get()) && store.spec().holder_identity.is_some() =>
                {
                    store.weather(Weather::Fair);
                    look(12 * SECOND).await;
                    store.with(|stored| stored.lease = None);
                    look(16 * SECOND).await;
                }
                Turn::Delete => {}
            }
        }
        store.weather(Weather::Fair);
        for replica in &replicas {
            replica.paused.set(false);
        }
        look(40 * SECOND).await;
    };
    let mut script = pin!(script);
    // The clock of the script wakes this every 20 ms, which is when replicas go on that were paused.
    poll_fn(|cx| {
        for (paused, future) in &mut futures {
            if !paused.get() {
                _ = future.as_mut().poll(cx);
            }
        }
        script.as_mut().poll(cx)
    })
    .await;
    (most.get(), replicas.iter().filter(|replica| replica.leads()).count() == 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_paused_lost_or_slow_no_two_replicas_lead_and_in_the_end_one_does(turns in turns()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (most, settled) = runtime.block_on(play(turns));
        prop_assert!(most <= 1, "{} replicas led at once", most);
        prop_assert!(settled, "nobody leads though all is well");
    }
}
