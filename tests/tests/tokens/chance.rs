//! Renewals under faults and crashes that a seed picks.
//!
//! A run is one renewal with its fault. `TOKEN_RUNS` says how many there are, `SEED` repeats those of an earlier test; the
//! faults and moments follow from it, the machine's timing does not.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use hyper::Method;
use tests::{
    dice::{self, Dice},
    gateway::{Fate, Rule as Snag, Way},
    jira::{self, Fault, Mark, Rule},
    scene::{Protocol, Scene},
};
use tokio::time::sleep;

use super::house::{End, House, at_authorization, at_grant};

/// Runs where `TOKEN_RUNS` says nothing.
const RUNS: usize = 24;

/// Most connections at the same time.
const SCENES: usize = 40;

/// A call to the API server in the course of a renewal.
#[derive(Clone, Copy, Debug)]
enum Call {
    Attempt,
    Grant,
    Claim,
    Look,
    Store,
}

const CALLS: [Call; 5] = [Call::Attempt, Call::Grant, Call::Claim, Call::Look, Call::Store];

/// What goes wrong for one connection.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    Nothing,
    /// At the API server.
    Call(Call, Fate, u32),
    /// At Jira's token endpoint: the answer is late.
    Late(Duration),
    /// The request gets lost.
    RequestLost,
    /// The answer gets lost.
    AnswerLost,
    /// Jira acts, and its answer hangs.
    AnswerHeld,
}

impl Mishap {
    fn thrown(dice: &mut Dice) -> Self {
        let way = dice.pick(&[Way::There, Way::Back]);
        let call = dice.pick(&CALLS);
        match dice.below(10) {
            0 => Self::Nothing,
            1 | 2 => Self::Call(call, Fate::Hold(way), 1),
            3 => Self::Call(call, Fate::Cut(way), 1 + dice.below(2)),
            4 => Self::Call(call, Fate::Delay(way, dice.time(1_500)), 1 + dice.below(3)),
            5 => Self::Call(call, Fate::Refuse(dice.pick(&[500, 409])), 1 + dice.below(5)),
            6 => Self::Late(dice.time(3_000)),
            7 => Self::RequestLost,
            8 => Self::AnswerLost,
            _ => Self::AnswerHeld,
        }
    }

    /// Whether an answer of Jira gets lost though the operator lives.
    fn loses_an_answer(self) -> bool {
        match self {
            Self::AnswerLost | Self::AnswerHeld => true,
            Self::Nothing | Self::Call(..) | Self::Late(_) | Self::RequestLost => false,
        }
    }

    fn name(self) -> String {
        match self {
            Self::Call(call, fate, _) => {
                let fate = match fate {
                    Fate::Hold(way) => format!("held {way:?}"),
                    Fate::Cut(way) => format!("cut {way:?}"),
                    Fate::Delay(way, _) => format!("delayed {way:?}"),
                    Fate::Refuse(status) => format!("refused {status}"),
                    Fate::End(_) => "ended".to_owned(),
                };
                format!("{call:?} {fate}")
            }
            Self::Late(_) => "Late".to_owned(),
            Self::Nothing | Self::RequestLost | Self::AnswerLost | Self::AnswerHeld => format!("{self:?}"),
        }
    }

    fn befall(self, house: &House, scene: &Scene) {
        let fault = match self {
            Self::Nothing => return,
            Self::Call(call, fate, times) => {
                let rule: Snag = match call {
                    Call::Attempt => at_authorization(scene, Method::GET, fate).metadata_only(false),
                    Call::Grant => at_grant(scene, Method::GET, fate).metadata_only(false),
                    Call::Claim => at_grant(scene, Method::PATCH, fate).giving("claim"),
                    Call::Look => at_grant(scene, Method::GET, fate).metadata_only(true),
                    Call::Store => at_grant(scene, Method::PATCH, fate).giving("grant"),
                };
                // Nobody waits for it: it strikes whenever it does.
                drop(house.gateway.set(rule.times(times)));
                return;
            }
            Self::Late(time) => Fault::Slow { millis: u64::try_from(time.as_millis()).unwrap() },
            Self::RequestLost => Fault::CutBeforeAnswer,
            Self::AnswerLost => Fault::LoseAnswer,
            Self::AnswerHeld => Fault::HoldAnswer,
        };
        let (target, path) = scene.token_endpoint();
        jira::shared().fault(&target, Rule::every(fault).on(path).of_client(&scene.client()).first(1)).unwrap();
    }
}

/// What becomes of the process meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Process {
    /// It lives.
    Lives,
    /// It does not run for a time.
    Pauses(Duration),
    /// It is killed and started anew.
    Dies,
}

fn runs() -> usize {
    std::env::var("TOKEN_RUNS").map_or(RUNS, |text| text.parse().unwrap())
}

/// One renewal of each connection. Counts how the runs ended.
async fn round(house: &House, scenes: &[(Scene, ())], process: Process, dice: &mut Dice, ends: &mut Ends) {
    let (mark, wait) = (jira::shared().journal().mark(), dice.time(2_500));
    let mut mishaps = Vec::new();
    for (scene, ()) in scenes {
        let mishap = Mishap::thrown(dice);
        mishap.befall(house, scene);
        mishaps.push((scene, mishap));
    }
    join_all(scenes.iter().map(|(scene, ())| house.expire(scene))).await;
    sleep(wait).await;
    let all = || scenes.iter().map(|(scene, ())| scene);
    match process {
        Process::Lives => sleep(Duration::from_secs(1)).await,
        Process::Pauses(time) => {
            house.operator.pause().unwrap();
            sleep(time).await;
            house.operator.resume().unwrap();
        }
        Process::Dies => house.crash(all()).await,
    }
    house.heal(all());
    let outcomes = join_all(mishaps.iter().map(async |(scene, mishap)| {
        let case = (mishap, process);
        let end = house.end(scene, &case).await;
        house.audit(scene, &case).await;
        if end == End::AnswerLost {
            assert!(may_be_lost(house, scene, *mishap, process, mark), "{case:?} on {:?} is lost", scene.protocol);
            let key = format!("after-{mark:?}");
            scene.admit(&key).await;
        }
        (scene.protocol, mishap.name(), end)
    }));
    for (protocol, mishap, end) in outcomes.await {
        let process = match process {
            Process::Lives => "lives",
            Process::Pauses(_) => "pauses",
            Process::Dies => "dies",
        };
        let ends = ends.entry((format!("{protocol:?}"), process, mishap)).or_default();
        *ends.entry(format!("{end:?}")).or_default() += 1;
    }
}

/// How often each end came, by protocol, process and mishap.
type Ends = BTreeMap<(String, &'static str, String), BTreeMap<String, usize>>;

/// Only Data Center gives a token once; and it has to be an answer that got lost, with the process or on its way.
fn may_be_lost(house: &House, scene: &Scene, mishap: Mishap, process: Process, mark: Mark) -> bool {
    let died = process == Process::Dies || mishap.loses_an_answer();
    scene.protocol != Protocol::Cloud && died && house.ledger.lost(scene, mark)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_tokens_are_kept_where_they_can_be_and_never_sent_after_their_successor_was_stored() {
    let (runs, seed) = (runs(), dice::seed());
    println!("TOKEN_RUNS={runs} SEED={seed}");
    let mut dice = Dice::new(seed);
    let house = House::open("chance").await;
    let count = SCENES.min(runs.div_ceil(2));
    let protocols = [Protocol::Cloud, Protocol::Center, Protocol::Cloud, Protocol::Center, Protocol::Old];
    let cases = protocols.into_iter().cycle().take(count).map(|protocol| (protocol, ()));
    let scenes = house.scenes(cases, House::authorised).await;

    let (mut done, mut ends, mut round_number) = (0, Ends::new(), 0);
    while done < runs {
        // By turns, so that even a short test has one of each.
        let process = match round_number % 3 {
            0 => Process::Dies,
            1 => Process::Pauses(Duration::from_millis(500) + dice.time(2_500)),
            _ => Process::Lives,
        };
        let taking_part = &scenes[..count.min(runs - done)];
        round(&house, taking_part, process, &mut dice, &mut ends).await;
        (done, round_number) = (done + taking_part.len(), round_number + 1);
        println!("{done} of {runs} runs, the last {} while the process {process:?}", taking_part.len());
    }
    for ((protocol, process, mishap), ends) in &ends {
        println!("{protocol:<7} {process:<7} {mishap:<22} {ends:?}");
    }
    let total = |end: &str| ends.values().filter_map(|ends| ends.get(end)).sum::<usize>();
    println!("SEED={seed}: {done} runs, {} work, {} name the remedy", total("Works"), total("AnswerLost"));
    assert_eq!(total("Works") + total("AnswerLost"), runs, "SEED={seed}");
    join_all(scenes.iter().map(|(scene, ())| house.renews(scene, &seed))).await;
    assert_eq!(house.operator.output().lines().find(|line| line.contains("panicked")), None::<&str>);
}
