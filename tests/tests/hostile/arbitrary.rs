//! Objects that nobody would write, and that the API server takes.

use crds::arbitrary::specs;
use kube::Error;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::Value;
use tests::{
    dice::{self, Dice},
    stage::{Kind, Seen, Site, Stage, Way, operator},
};

use super::super::assert_alive;

/// How many of each kind the API server has to take.
const TAKEN: usize = 24;

/// How many of each kind are made at most. The rules of the API refuse many.
const MADE: usize = 600;

#[tokio::test]
async fn whatever_the_api_server_takes_gets_a_status_and_harms_nobody() {
    let seed = dice::seed();
    println!("SEED={seed} repeats these objects");
    let mut dice = Dice::new(seed);
    let stage = Stage::open("arbitrary").await;
    let site = stage.site("jira", Way::PersonalAccessToken, &["WEB"]);
    stage.secret("acme", site.credential()).await;
    let (connections, bindings) = (specs(&crds::definition::all()[0]), specs(&crds::definition::all()[1]));

    let names = apply(&stage, Kind::Connection, &connections, &mut dice, |spec, dice| {
        if dice.coin() {
            lead_to(&site, spec);
        }
    })
    .await;
    let guests = apply(&stage, Kind::Binding, &bindings, &mut dice, |spec, dice| {
        if dice.coin() {
            let host = usize::try_from(dice.below(24)).unwrap();
            spec["connectionRef"] = serde_json::json!({ "name": names[host] });
        }
    })
    .await;
    for name in &names {
        stage.until(Kind::Connection, name, "told of its generation", Seen::is_observed).await;
    }
    for name in &guests {
        stage.until(Kind::Binding, name, "told of its generation", Seen::is_observed).await;
    }
    stage.connect("bystander", Way::PersonalAccessToken, &["WEB"]).await;
    stage.until_ready(Kind::Connection, "bystander").await;
    assert_alive(operator().await);
}

/// Makes objects of a kind until the API server has taken enough of them, and gives their names.
async fn apply(
    stage: &Stage,
    kind: Kind,
    specs: &impl Strategy<Value = Value>,
    dice: &mut Dice,
    change: impl Fn(&mut Value, &mut Dice),
) -> Vec<String> {
    let seed: Vec<u8> = (0..4).flat_map(|_| dice.seed().to_le_bytes()).collect();
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let mut taken = Vec::new();
    for number in 0..MADE {
        let mut spec = specs.new_tree(&mut runner).unwrap().current();
        change(&mut spec, dice);
        let name = format!("{}-{number}", kind.plural());
        match stage.try_apply(kind, &name, spec).await {
            Ok(()) => taken.push(name),
            // A control character cannot even be applied, since the API server reads what is applied as YAML.
            Err(Error::Api(status)) if [400, 422].contains(&status.code) => {}
            Err(error) => panic!("{name} is neither taken nor refused: {error}"),
        }
        if taken.len() == TAKEN {
            println!("{TAKEN} of {} {} are taken", number + 1, kind.plural());
            return taken;
        }
    }
    panic!("only {} of {MADE} {} are taken", taken.len(), kind.plural())
}

/// Has a connection lead to a Jira that answers, with a credential that is there.
fn lead_to(site: &Site, spec: &mut Value) {
    spec["url"] = site.url.clone().into();
    spec["deployment"] = "DataCenter".into();
    refer(spec);
}

/// Has every reference name the Secret that is there.
fn refer(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name.ends_with("Ref") && field["name"].is_string() {
                    field["name"] = "acme".into();
                    if field["key"].is_string() {
                        field["key"] = "token".into();
                    }
                }
                refer(field);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(refer),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
