//! A node that answers port-forwards with kubelet's own code, and whose pods are processes of this machine.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::process::Stdio;

use k8s_openapi::api::core::v1::{Node as Object, Pod};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::go::{Module, Program};

const PROGRAM: Program = Program { name: "node", package: "." };

/// The node, until it is dropped.
pub struct Node {
    client: Client,
    name: &'static str,
    /// Ends with its standard input.
    _process: Child,
}

impl Node {
    /// Builds its program if need be, starts it, and makes its object.
    pub async fn start(client: &Client, name: &'static str) -> Self {
        let built = tokio::task::spawn_blocking(|| Module::new("node").build(&[PROGRAM])).await.unwrap().unwrap();
        let mut process = Command::new(built.join(PROGRAM.name));
        let mut process = process.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).await.unwrap();
        let port: u16 = port.trim().parse().unwrap();

        let nodes = Api::<Object>::all(client.clone());
        let object: Object = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        nodes.create(&PostParams::default(), &object).await.unwrap();
        let status = json!({ "status": {
            "addresses": [{ "type": "InternalIP", "address": "127.0.0.1" }],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": port } },
        } });
        nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
        Self { client: client.clone(), name, _process: process }
    }

    /// Says that a process which listens on `port` of loopback is a pod of the operator, ready, on this node.
    pub async fn run(&self, namespace: &str, pod: &str, port: u16) {
        let object: Pod = serde_json::from_value(json!({
            "metadata": { "name": pod, "labels": { "app.kubernetes.io/name": "jira-connection-operator" } },
            "spec": { "nodeName": self.name, "serviceAccountName": "operator", "containers": [{
                "name": "operator", "image": "operator", "ports": [{ "name": "pages", "containerPort": port }],
            }] },
        }))
        .unwrap();
        let pods = Api::<Pod>::namespaced(self.client.clone(), namespace);
        pods.create(&PostParams::default(), &object).await.unwrap();
        let ready = [json!({ "type": "Ready", "status": "True" })];
        let status = json!({ "status": { "phase": "Running", "conditions": ready } });
        pods.patch_status(pod, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    }
}
