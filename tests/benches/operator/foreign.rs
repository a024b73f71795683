//! Secrets that concern nobody here, as every cluster has them.

use std::time::Duration;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, api::PostParams};
use serde_json::json;

use super::{
    Arguments,
    estate::{Estate, Hosts, each},
    observer::Observer,
    rig::Rig,
    table::{Figure, Row, Table},
};

/// Bytes in each of them.
const SIZE: usize = 100_000;

const SETTLE: Duration = Duration::from_secs(4);

/// Measures.
pub async fn measure(arguments: &Arguments) -> Table {
    let mut rows = Vec::new();
    for size in arguments.sizes_or(&[100], &[10_000]) {
        rows.push(row(arguments, size).await);
    }
    let title = format!("Secrets of {} kB that concern nobody, beside 10 connections", SIZE / 1000);
    Table { name: "foreign", title, rows, remarks: Vec::new() }
}

async fn row(arguments: &Arguments, size: usize) -> Row {
    let rig = Rig::build(arguments).await;
    let estate = Estate::create(&rig.client, &rig.simulator, 10, Hosts::Many).await;
    let observer = Observer::start(&rig.client).await;
    rig.start().await;
    observer.until_all_ready(&estate.plots, Duration::from_secs(60)).await;
    tokio::time::sleep(SETTLE).await;
    let process = rig.process();
    let (before, used) = (process.memory(), process.processor_time());
    process.forget_peak();

    let names: Vec<_> = (0..size).map(|number| format!("foreign-{number}")).collect();
    let api: Api<Secret> = Api::namespaced(rig.client.clone(), "default");
    let content = ByteString(vec![b'x'; SIZE]);
    each(&names, async |name| {
        let mut secret: Secret = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        secret.data = Some([("content".to_owned(), content.clone())].into());
        api.create(&PostParams::default(), &secret).await.unwrap();
    })
    .await;
    tokio::time::sleep(SETTLE).await;
    let (peak, processor) = (process.peak(), process.processor_time().saturating_sub(used));

    let ready = rig.start().await;
    tokio::time::sleep(SETTLE).await;
    let figures = vec![
        Figure::of("memory before, MiB", before, 1),
        Figure::of("growth at the peak while they come, MiB", peak - before, 1).at_most(10.0),
        Figure::of("growth at the peak of a start among them, MiB", rig.process().peak() - before, 1).at_most(10.0),
        Figure::of("processor time, ms for each", 1000.0 * processor.as_secs_f64() / size as f64, 3),
        Figure::of("ready for work among them, s", ready.as_secs_f64(), 2),
    ];
    Row { case: size.to_string(), figures }
}
