//! The operator is killed at every step of an authorisation, before and after each outside effect.

use std::time::Duration;

use futures::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use tests::{
    gateway::{Fate, Trap, Way},
    jira::{self, Fault, Mark, Person, Rule},
    scene::{Protocol, Scene, hash},
    stage::{ACCOUNT, Kind},
};

use super::house::{House, at_authorization, at_grant, at_secrets};

/// Where the operator dies. `There`: the effect has not happened; `Back`: it has, and the operator does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Storing what the exchange will need.
    Preparation(Way),
    /// Telling the person where to go.
    Attempt(Way),
    /// Sending the code.
    Send(Way),
    /// Storing what Jira gave.
    Candidate(Way),
    /// Asking Jira who gave it.
    Prove,
    /// Putting it in use.
    Promote(Way),
    /// Telling the person how it went.
    Outcome(Way),
}

const STEPS: [Step; 13] = [
    Step::Preparation(Way::There),
    Step::Preparation(Way::Back),
    Step::Attempt(Way::There),
    Step::Attempt(Way::Back),
    Step::Send(Way::There),
    Step::Send(Way::Back),
    Step::Candidate(Way::There),
    Step::Candidate(Way::Back),
    Step::Prove,
    Step::Promote(Way::There),
    Step::Promote(Way::Back),
    Step::Outcome(Way::There),
    Step::Outcome(Way::Back),
];

/// Whether there is a grant in use already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grant {
    First,
    Next,
}

/// The key of the person whose attempt is interrupted.
const KEY: &str = "interrupted";

/// How long the operator may take to come to a step.
const LIMIT: Duration = Duration::from_secs(30);

impl Step {
    /// Whether the person has not been at Jira yet.
    fn is_before_consent(self) -> bool {
        match self {
            Self::Preparation(_) | Self::Attempt(_) => true,
            Self::Send(_) | Self::Candidate(_) | Self::Prove | Self::Promote(_) | Self::Outcome(_) => false,
        }
    }

    fn is_at_jira(self) -> bool {
        match self {
            Self::Send(_) | Self::Prove => true,
            Self::Preparation(_) | Self::Attempt(_) | Self::Candidate(_) | Self::Promote(_) | Self::Outcome(_) => false,
        }
    }

    /// A code is good once: what Jira gave for it died with the process.
    fn spends_the_code(self) -> bool {
        match self {
            Self::Send(Way::Back) | Self::Candidate(Way::There) => true,
            Self::Preparation(_)
            | Self::Attempt(_)
            | Self::Send(Way::There)
            | Self::Candidate(Way::Back)
            | Self::Prove
            | Self::Promote(_)
            | Self::Outcome(_) => false,
        }
    }

    fn trap(self, house: &House, scene: &Scene, in_use: Grant) -> Option<Trap> {
        let grant = |way, key| at_grant(scene, Method::PATCH, Fate::Hold(way)).giving(key).times(1);
        let authorization = |way, key| at_authorization(scene, Method::PATCH, Fate::Hold(way)).giving(key).times(1);
        let rule = match self {
            Self::Send(_) | Self::Prove => return None,
            // The first preparation makes the Secret.
            Self::Preparation(way) if in_use == Grant::First => {
                at_secrets(scene, Fate::Hold(way)).giving("preparation").times(1)
            }
            Self::Preparation(way) => grant(way, "preparation"),
            Self::Candidate(way) => grant(way, "candidate"),
            Self::Promote(way) => grant(way, "grant"),
            Self::Attempt(way) => authorization(way, "attempt"),
            Self::Outcome(way) => authorization(way, "outcome"),
        };
        Some(house.gateway.set(rule))
    }

    fn fault(self, scene: &Scene) {
        let of_client = |fault| Rule::every(fault).of_client(&scene.client()).first(1);
        let (host, path) = scene.token_endpoint();
        let (target, rule) = match self {
            Self::Send(Way::There) => (host, of_client(Fault::NeverAnswer).on(path)),
            Self::Send(Way::Back) => (host, of_client(Fault::HoldAnswer).on(path)),
            Self::Prove => (scene.site.name.clone(), Rule::every(Fault::NeverAnswer).on("/rest/api").first(1)),
            Self::Preparation(_) | Self::Attempt(_) | Self::Candidate(_) | Self::Promote(_) | Self::Outcome(_) => {
                return;
            }
        };
        jira::shared().fault(&target, rule).unwrap();
    }

    /// Whether Jira was asked without an answer.
    fn has_struck_at_jira(self, scene: &Scene, mark: Mark) -> bool {
        let requests = if self == Self::Prove { scene.site.requests(mark) } else { scene.token_requests(mark) };
        requests.iter().any(|entry| entry.status.is_none())
    }

    /// Lets the operator come as far as this. The person is where Jira has sent him.
    async fn reach(self, house: &House, scene: &Scene, in_use: Grant, consented: Option<(Person, String)>) {
        let (trap, mark) = (self.trap(house, scene, in_use), jira::shared().journal().mark());
        self.fault(scene);
        let coming = async {
            match consented {
                None => scene.write("authorization", json!({ "keyHash": hash(KEY) })).await,
                // The page waits for an outcome that does not come.
                Some((person, callback)) => drop(person.open(&callback).await),
            }
            std::future::pending::<()>().await;
        };
        let reached = async {
            match trap {
                Some(trap) => trap.struck(1).await,
                None => house.until(scene, "request to Jira", || self.has_struck_at_jira(scene, mark)).await,
            }
        };
        let reached = tokio::select! {
            () = coming => return,
            reached = tokio::time::timeout(LIMIT, reached) => reached,
        };
        let told = || house.told(&scene.stage.namespace);
        assert!(reached.is_ok(), "{self:?} on {:?} is not reached:\n{}", scene.protocol, told());
    }
}

/// The operator has died and lives again; the person does what the page says.
async fn recover(house: &House, scene: &Scene, step: Step, grant: Grant) {
    let case = (step, grant);
    if step.is_before_consent() {
        scene.authorise(&scene.person(ACCOUNT), KEY).await;
    }
    let outcome = scene.outcome(KEY).await;
    let secret = scene.until_owned("grant", "nothing half done is left", |secret| {
        secret["candidate"].is_null() && secret["preparation"].is_null()
    });
    let held = !secret.await["grant"].is_null();
    if step.spends_the_code() {
        assert_eq!(outcome["result"], "Failed", "{case:?} on {:?}: {outcome}", scene.protocol);
        assert!(outcome["message"].as_str().unwrap().contains("tart again"), "{case:?}: {outcome}");
        assert_eq!(held, grant == Grant::Next, "{case:?} on {:?}: the former grant stays", scene.protocol);
        scene.authorise(&scene.person(ACCOUNT), "again").await;
        assert_eq!(scene.outcome("again").await["result"], "Granted", "{case:?} on {:?}", scene.protocol);
    } else {
        assert_eq!(outcome["result"], "Granted", "{case:?} on {:?}: {outcome}", scene.protocol);
    }
    let left: Vec<_> = ["attempt", "answer", "browserHash", "verificationCode"].into_iter().collect();
    let secret = scene.owned("authorization").await.unwrap();
    assert!(
        left.iter().all(|key| secret[*key] == Value::Null),
        "{case:?} on {:?}: the attempt is over",
        scene.protocol
    );
    scene.stage.until_ready(Kind::Connection, tests::scene::NAME).await;
    house.renews(scene, &case).await;
    house.audit(scene, &case).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_step_of_an_authorisation_an_operator_finishes_it_or_tells_the_person_to_start_again() {
    let house = House::open("exchange").await;
    let first = STEPS.into_iter().map(|step| (Protocol::Cloud, (step, Grant::First)));
    let next = STEPS.into_iter().map(|step| (Protocol::Center, (step, Grant::Next)));
    let signed =
        [Step::Send(Way::There), Step::Send(Way::Back), Step::Candidate(Way::There), Step::Candidate(Way::Back)];
    let signed = signed.into_iter().map(|step| (Protocol::Old, (step, Grant::First)));
    let mut scenes = house.scenes(first.chain(signed), House::waiting).await;
    scenes.extend(house.scenes(next, House::authorised).await);

    for at_jira in [false, true] {
        let now: Vec<_> = scenes.iter().filter(|(_, (step, _))| step.is_at_jira() == at_jira).collect();
        // A code lives for a minute or less, so people come back as soon as all have consented.
        let consented = join_all(now.iter().map(async |(scene, (step, _))| {
            let person = scene.person(ACCOUNT);
            if step.is_before_consent() {
                return None;
            }
            let callback = scene.consent(&person, KEY).await;
            Some((person, callback))
        }));
        let come = now.iter().zip(consented.await);
        join_all(come.map(async |((scene, (step, grant)), back)| step.reach(&house, scene, *grant, back).await)).await;
    }
    house.crash(scenes.iter().map(|(scene, _)| scene)).await;
    join_all(scenes.iter().map(|(scene, (step, grant))| recover(&house, scene, *step, *grant))).await;
}
