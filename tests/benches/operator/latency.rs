//! From a change to the status that tells of it, beside a bare client that does the same steps and knows beforehand which.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::{jira::Mutation, stage::Kind};

use super::{
    Arguments,
    bare::{Bare, Follower},
    estate::{Estate, Hosts, Plot, Token},
    observer::Observer,
    quantile::millis,
    rig::Rig,
    table::{Figure, Row, Table},
};

/// Changes of each kind.
const CHANGES: usize = 100;

/// Changes of each kind where time is short.
const FEW: usize = 10;

/// Tokens that die.
const DEATHS: usize = 8;

/// Time between two checks of those connections.
const INTERVAL: Duration = Duration::from_secs(60);

/// The most that the spread of intervals adds.
const SPREAD: f64 = 1.1;

/// Time between two changes: what four checks a second ask of one Jira is within its budget, which the bare client does not have.
const PAUSE: Duration = Duration::from_millis(250);

const SETTLE: Duration = Duration::from_secs(4);

/// Measures.
pub async fn measure(arguments: &Arguments) -> Table {
    let mut rows = Vec::new();
    for size in arguments.sizes_or(&[10], &[10, 1_000, 10_000]) {
        rows.push(Case::open(arguments, size).await.measure(arguments.quick).await);
    }
    let title = "from a change to the status that tells of it, in ms, and as a ratio to the bare client".to_owned();
    Table { name: "latency", title, rows, remarks: Vec::new() }
}

struct Case {
    /// Dropped first: it would complain about the end of the control plane.
    observer: Observer,
    estate: Estate,
    rig: Rig,
}

/// The sorts of changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Another token is stored; the connection says so.
    Secret,
    /// A connection allows its binding no more, or again.
    Connection,
    /// A namespace is labelled so that its binding fits, or fits no more.
    Label,
}

impl Case {
    async fn open(arguments: &Arguments, size: usize) -> Self {
        let rig = Rig::build(arguments).await;
        let estate = Estate::create(&rig.client, &rig.simulator, size, Hosts::Many).await;
        let observer = Observer::start(&rig.client).await;
        rig.start().await;
        let case = Self { observer, estate, rig };
        case.until_ready().await;
        case
    }

    async fn until_ready(&self) {
        let limit =
            Duration::from_secs(120) + Duration::from_millis(100) * u32::try_from(self.estate.plots.len()).unwrap();
        self.observer.until_all_ready(&self.estate.plots, limit).await;
        tokio::time::sleep(SETTLE).await;
    }

    async fn measure(&self, quick: bool) -> Row {
        let changes = if quick { FEW } else { CHANGES };
        let kinds = [Change::Secret, Change::Connection, Change::Label];
        let mut times = Vec::new();
        for kind in kinds {
            times.push(self.times(kind, changes, None).await);
        }
        let mut figures = Vec::new();
        let death = if quick { None } else { Some(self.deaths().await) };
        let busy = if quick { None } else { self.while_others_start().await };
        self.rig.operator.stop().await.unwrap();
        let bare = Bare::new(&self.rig.control_plane, &self.rig.simulator, &self.estate).await;
        let follower = bare.follow().await;
        let mut bares = Vec::new();
        for kind in kinds {
            bares.push(self.times(kind, changes, Some(&follower)).await);
        }
        for ((kind, times), bare) in kinds.iter().zip(&times).zip(&bares) {
            figures.extend(kind.figures(times, bare));
        }
        if let Some(busy) = busy {
            figures.push(Figure::of("secret, p50 during a cold start", millis(&busy, 50), 1));
            figures.push(Figure::of("secret, p99 during a cold start", millis(&busy, 99), 1));
            let ratio = millis(&busy, 99) / millis(&bares[0], 99);
            figures.push(Figure::of("secret, p99 during a cold start / bare", ratio, 2).at_most(3.0));
        }
        if let Some(death) = death {
            let ratio = death.as_secs_f64() / INTERVAL.as_secs_f64();
            figures.push(Figure::of("death of a token, latest / interval", ratio, 2).at_most(SPREAD));
        }
        Row { case: self.estate.plots.len().to_string(), figures }
    }

    /// How long each of so many changes takes to show. The follower, where there is one, does the work.
    async fn times(&self, kind: Change, count: usize, follower: Option<&Follower>) -> Vec<Duration> {
        let mut times = Vec::new();
        for number in 0..count {
            let plot = self.plot(kind, number);
            times.push(self.time(kind, plot, number, follower).await);
            tokio::time::sleep(PAUSE).await;
        }
        self.undo(kind).await;
        times
    }

    /// Spread over all plots; labels belong to one namespace, of which one binding looks at them.
    fn plot(&self, kind: Change, number: usize) -> &Plot {
        let plots = &self.estate.plots;
        match kind {
            Change::Secret | Change::Connection => &plots[(number / 2 * 7919) % plots.len()],
            Change::Label => &plots[0],
        }
    }

    async fn time(&self, kind: Change, plot: &Plot, number: usize, follower: Option<&Follower>) -> Duration {
        let odd = number % 2 == 1;
        match kind {
            Change::Secret => {
                let (token, mark) = (if odd { Token::First } else { Token::Second }, format!("change {number}"));
                if let Some(follower) = follower {
                    follower.check(plot, token, &mark);
                }
                let version = self.estate.rotate(plot, token).await;
                let told = Instant::now();
                let bare = follower.is_some();
                let wanted = |seen: &super::observer::Seen| {
                    if bare {
                        seen.status.last_handled_requested_at.as_deref() == Some(&mark)
                    } else {
                        seen.is_ready() && seen.secret() == Some(&version)
                    }
                };
                self.observer.until(Kind::Connection, plot, wanted).await.saturating_duration_since(told)
            }
            Change::Connection => {
                let allowed = if odd { json!(null) } else { json!([]) };
                let verdict = verdict(odd);
                if let Some(follower) = follower {
                    // A binding is refused at once; before it is let in, its connection is checked with the new spec.
                    if odd {
                        follower.admit(plot, verdict);
                    } else {
                        follower.judge(&plot.name, plot, verdict);
                    }
                }
                self.estate.merge(Kind::Connection, plot, json!({ "spec": { "allowedWorkspaces": allowed } })).await;
                self.until_judged(plot, verdict).await
            }
            Change::Label => {
                if number == 0 {
                    self.select_by_label(plot).await;
                }
                // The first label lets the binding in.
                let verdict = verdict(!odd);
                if let Some(follower) = follower {
                    follower.judge(&plot.namespace, plot, verdict);
                }
                self.estate.label(&plot.namespace, if odd { "none" } else { "web" }).await;
                self.until_judged(plot, verdict).await
            }
        }
    }

    async fn until_judged(&self, plot: &Plot, verdict: (&str, &str)) -> Duration {
        let told = Instant::now();
        let judged = self.observer.until(Kind::Binding, plot, |seen| seen.ready() == Some(verdict)).await;
        judged.saturating_duration_since(told)
    }

    /// From now on the binding of this plot is accepted only where its namespace is labelled.
    async fn select_by_label(&self, plot: &Plot) {
        let entry = json!({
            "namespaces": { "from": "Selector", "selector": { "matchLabels": { "team": "web" } } },
            "workspaces": { "from": "All" }, "projects": { "from": "All" },
        });
        self.estate.merge(Kind::Connection, plot, json!({ "spec": { "allowedWorkspaces": [entry] } })).await;
        tokio::time::sleep(SETTLE).await;
    }

    async fn undo(&self, kind: Change) {
        if kind == Change::Label {
            let plot = self.plot(kind, 0);
            self.estate.label(&plot.namespace, "none").await;
            self.estate.merge(Kind::Connection, plot, json!({ "spec": { "allowedWorkspaces": null } })).await;
            tokio::time::sleep(SETTLE).await;
        }
    }

    /// How long the latest of a few dead tokens went unnoticed.
    async fn deaths(&self) -> Duration {
        let plots = &self.estate.plots[..DEATHS.min(self.estate.plots.len())];
        for plot in plots {
            self.estate.merge(Kind::Connection, plot, json!({ "spec": { "checks": { "interval": "1m" } } })).await;
        }
        tokio::time::sleep(SETTLE).await;
        let mut latest = Duration::ZERO;
        let died = Instant::now();
        for plot in plots {
            for token in [Token::First, Token::Second] {
                // Other plots have the same Jira, and so the same token.
                let mutation = Mutation::RevokeCredential { credential: token.of(&plot.site) };
                _ = self.rig.simulator.mutate(&plot.site, &mutation);
            }
        }
        for plot in plots {
            let refused = |seen: &super::observer::Seen| {
                seen.status.conditions.iter().any(|it| it.r#type == "Authorized" && it.status == "False")
            };
            let limit = INTERVAL.mul_f64(2.0);
            let noticed = self.observer.until_within(limit, Kind::Connection, plot, refused).await;
            latest = latest.max(noticed.saturating_duration_since(died));
        }
        latest
    }

    /// Changes of Secrets of connections that are ready, while the operator starts and all others are new to it.
    async fn while_others_start(&self) -> Option<Vec<Duration>> {
        let (known, new) = self.estate.plots.split_at(self.estate.plots.len() / 10);
        // Those whose token has died come first.
        let known = known.get(DEATHS * 2..)?;
        self.rig.operator.stop().await.unwrap();
        self.estate.reset(new).await;
        self.rig.start().await;
        let mut times = Vec::new();
        let last = new.last()?;
        for (number, plot) in known.iter().cycle().enumerate().take(CHANGES) {
            if self.observer.get(Kind::Connection, last).is_ready() {
                break;
            }
            let token = Token::turn(number, known.len());
            let version = self.estate.rotate(plot, token).await;
            let told = Instant::now();
            let wanted = |seen: &super::observer::Seen| seen.is_ready() && seen.secret() == Some(&version);
            let shown = self.observer.until(Kind::Connection, plot, wanted).await;
            times.push(shown.saturating_duration_since(told));
        }
        // What comes next begins with the first token again.
        for plot in known {
            self.estate.rotate(plot, Token::First).await;
        }
        tokio::time::sleep(SETTLE).await;
        (!times.is_empty()).then_some(times)
    }
}

fn verdict(accepted: bool) -> (&'static str, &'static str) {
    if accepted { ("True", "BindingVerified") } else { ("False", "NotPermitted") }
}

impl Change {
    fn figures(self, times: &[Duration], bare: &[Duration]) -> Vec<Figure> {
        let names = match self {
            Self::Secret => [
                "secret, p50",
                "secret, p99",
                "secret, p50 bare",
                "secret, p99 bare",
                "secret, p50 / bare",
                "secret, p99 / bare",
            ],
            Self::Connection => [
                "connection to binding, p50",
                "connection to binding, p99",
                "connection to binding, p50 bare",
                "connection to binding, p99 bare",
                "connection to binding, p50 / bare",
                "connection to binding, p99 / bare",
            ],
            Self::Label => [
                "label to binding, p50",
                "label to binding, p99",
                "label to binding, p50 bare",
                "label to binding, p99 bare",
                "label to binding, p50 / bare",
                "label to binding, p99 / bare",
            ],
        };
        let [half, most] = [50, 99].map(|percent| millis(times, percent));
        let [bare_half, bare_most] = [50, 99].map(|percent| millis(bare, percent));
        vec![
            Figure::of(names[0], half, 1),
            Figure::of(names[1], most, 1),
            Figure::of(names[2], bare_half, 1),
            Figure::of(names[3], bare_most, 1),
            Figure::of(names[4], half / bare_half, 2),
            Figure::of(names[5], most / bare_most, 2).at_most(1.5),
        ]
    }
}
