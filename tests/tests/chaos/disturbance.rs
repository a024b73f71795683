//! What befalls the operator, its machine, and the cluster.

use std::time::Duration;

use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::{Api, api::DeleteParams};
use tests::{
    controlplane::Component,
    dice::Dice,
    gateway::{Fate, Rule, Verb, Way},
    operator::RBAC,
    replicas::LEASE,
};
use tokio::time::sleep;

use super::{ground::Ground, plan::Scale};

/// One disturbance, with how long it lasts where it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// The replica that works is killed.
    KilledLeader,
    /// Both are.
    KilledReplicas,
    /// The replica that works does not run for a time, and then goes on as if nothing had been.
    PausedLeader(Duration),
    /// The API server is killed and started anew.
    KilledApiserver,
    /// etcd is.
    KilledEtcd,
    /// One in so many calls is refused with a status.
    RefusedCalls(u16, u32, Duration),
    /// All writes run into a conflict.
    Conflicts(Duration),
    /// A watch ends a second after it began.
    ShortWatches(Duration),
    /// No watch can be resumed: 410.
    ExpiredVersions(Duration),
    /// Lists take so long.
    SlowLists(Duration),
    /// One in so many answers gets lost, though the call had its effect.
    LostAnswers(u32, Duration),
    /// Nothing comes through in either direction.
    Partition(Duration),
    /// The token of the service account is over.
    ExpiredToken(Duration),
    /// The rights are taken away and given back.
    WithdrawnRights(Duration),
    /// The wall clock jumps by so many seconds, and stays there for a time.
    JumpingClock(i64, Duration),
    /// No name resolves.
    FailingResolver(Duration),
}

impl Disturbance {
    pub fn thrown(dice: &mut Dice, scale: Scale) -> Self {
        let time = Duration::from_secs(1) + dice.time(3_000);
        let ten_minutes = if dice.coin() { 600 } else { -600 };
        match (dice.below(20), scale) {
            (0 | 1, _) => Self::KilledLeader,
            (2, _) => Self::KilledReplicas,
            (3, _) => Self::PausedLeader(dice.time(2_000)),
            // Longer than the lease: there are two that believe they work.
            (4, Scale::Full) => Self::PausedLeader(LEASE + Duration::from_secs(2) + dice.time(2_000)),
            (5 | 6, Scale::Full) => Self::KilledApiserver,
            (7, Scale::Full) => Self::KilledEtcd,
            (8, _) => Self::RefusedCalls(429, 2, time),
            (9 | 4, _) => Self::RefusedCalls(500, 1 + dice.below(3), time),
            (10 | 5, _) => Self::Conflicts(time),
            (11 | 6, _) => Self::ShortWatches(time),
            (12 | 7, _) => Self::ExpiredVersions(time),
            (13, _) => Self::SlowLists(dice.time(2_000)),
            (14, _) => Self::LostAnswers(2 + dice.below(3), time),
            (15, _) => Self::Partition(time * 2),
            (16, _) => Self::ExpiredToken(time),
            (17, _) => Self::WithdrawnRights(time),
            (18, _) => Self::JumpingClock(ten_minutes, time),
            (_, _) => Self::FailingResolver(time),
        }
    }

    /// Its name, without its measures.
    pub fn name(self) -> String {
        format!("{self:?}").split('(').next().unwrap_or_default().to_owned()
    }

    /// Befalls, lasts, and ends.
    pub async fn befall(self, ground: &Ground) {
        match self {
            Self::KilledLeader => ground.replicas.leader().await.kill().await.unwrap(),
            Self::KilledReplicas => {
                for replica in ground.replicas.each() {
                    replica.kill().await.unwrap();
                }
            }
            Self::PausedLeader(time) => {
                let leader = ground.replicas.leader().await;
                // It may have ended by itself meanwhile, which is as good a disturbance.
                if leader.pause().is_ok() {
                    sleep(time).await;
                    let _ = leader.resume();
                }
            }
            Self::KilledApiserver => restart(ground, Component::Apiserver).await,
            Self::KilledEtcd => restart(ground, Component::Etcd).await,
            Self::RefusedCalls(status, one_in, time) => {
                during(ground, Rule::every(Fate::Refuse(status)).one_in(one_in), time).await;
            }
            Self::Conflicts(time) => {
                during(ground, Rule::every(Fate::Refuse(409)).verb(Verb::Write), time).await;
            }
            Self::ShortWatches(time) => {
                ground.gateway.cut();
                let end = Fate::End(Duration::from_secs(1));
                during(ground, Rule::every(end).verb(Verb::Watch), time * 2).await;
            }
            Self::ExpiredVersions(time) => {
                ground.gateway.cut();
                during(ground, Rule::every(Fate::Refuse(410)).verb(Verb::Watch), time).await;
            }
            Self::SlowLists(by) => {
                ground.gateway.cut();
                let expired = ground.gateway.set(Rule::every(Fate::Refuse(410)).verb(Verb::Watch));
                during(ground, Rule::every(Fate::Delay(Way::Back, by)).verb(Verb::List), by * 2).await;
                expired.release();
            }
            Self::LostAnswers(one_in, time) => {
                during(ground, Rule::every(Fate::Cut(Way::Back)).one_in(one_in), time).await;
            }
            Self::Partition(time) => {
                let held = ground.gateway.set(Rule::every(Fate::Hold(Way::There)));
                ground.gateway.cut();
                sleep(time).await;
                // What was on its way is lost.
                ground.gateway.cut();
                held.release();
            }
            Self::ExpiredToken(time) => {
                ground.gateway.cut();
                during(ground, Rule::every(Fate::Refuse(401)), time).await;
            }
            Self::WithdrawnRights(time) => {
                let bindings = Api::<ClusterRoleBinding>::all(ground.stage.client.clone());
                bindings.delete("jira-connection-operator", &DeleteParams::default()).await.unwrap();
                ground.gateway.cut();
                sleep(time).await;
                ground.stage.control_plane.apply_yaml(RBAC).await.unwrap();
            }
            Self::JumpingClock(seconds, time) => {
                ground.machine.set_clock_off(seconds).unwrap();
                sleep(time).await;
                ground.machine.set_clock_off(0).unwrap();
            }
            Self::FailingResolver(time) => {
                ground.machine.set_resolving(false).unwrap();
                sleep(time).await;
                ground.machine.set_resolving(true).unwrap();
            }
        }
    }
}

async fn during(ground: &Ground, rule: Rule, time: Duration) {
    let trap = ground.gateway.set(rule);
    sleep(time).await;
    trap.release();
}

/// Nobody can do anything meanwhile.
async fn restart(ground: &Ground, component: Component) {
    let _closed = ground.open.write().await;
    ground.stage.control_plane.kill(component).await.unwrap();
    ground.stage.control_plane.restart(component).await.unwrap();
}
