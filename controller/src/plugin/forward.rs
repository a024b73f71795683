//! A port-forward to the operator's pages, for as long as an authorisation lasts.
//!
//! It listens on loopback at the very port that the page's address names, because the pages answer to that Host alone.

use std::{collections::BTreeMap, convert::Infallible, io, net::Ipv6Addr, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams, client::UpgradeConnectionError};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use super::{arguments::OperatorArguments, cluster::Cluster, console::Console, error::Error, page::Page};

/// Label of the operator's pods.
const SELECTOR: &str = "app.kubernetes.io/name=jira-connection-operator";

/// Name of the container port of the pages.
const PAGES_PORT: &str = "pages";

/// Pause after a connection could not be taken, so that a lack of file descriptors is no busy loop.
const RESPITE: Duration = Duration::from_millis(200);

/// An open port-forward.
pub struct Forward {
    pods: Api<Pod>,
    target: Target,
    listener: TcpListener,
    /// The same port of `::1`, where the machine has it: browsers try it first for `localhost`.
    listener_v6: Option<TcpListener>,
}

/// A port of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    pod: String,
    port: u16,
}

impl Forward {
    /// Opens the local port, finds the operator's pod, and makes sure that the caller may forward to it.
    ///
    /// # Errors
    /// When the port is taken, no pod runs, or the caller lacks a right; nothing is left open then.
    pub async fn open(cluster: &Cluster, arguments: &OperatorArguments, page: &Page, port: u16) -> Result<Self, Error> {
        let listener =
            TcpListener::bind(("127.0.0.1", port)).await.map_err(|source| Error::PortTaken { port, source })?;
        let listener_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.ok();
        let namespace = &arguments.operator_namespace;
        let pods = cluster.all_of::<Pod>(namespace);
        let refused = |error| match error {
            Error::Forbidden { server, .. } => {
                Error::ForwardForbidden { page: page.as_str().to_owned(), server, namespace: namespace.clone() }
            }
            error => error,
        };
        let what = format!("looking for the operator's pod in namespace {namespace}");
        let found = pods.list(&ListParams::default().labels(SELECTOR)).await;
        let found = found.map_err(|error| refused(Error::api(what, error)))?;
        let target =
            target(&found.items, arguments.port, port).ok_or_else(|| Error::NoPod { namespace: namespace.clone() })?;
        let trial = pods.portforward(&target.pod, &[target.port]).await.map_err(|error| match error {
            kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status))
                if status.as_u16() == 403 =>
            {
                let server = format!("the API server refuses pods/portforward for pod {}", target.pod);
                Error::ForwardForbidden { page: page.as_str().to_owned(), server, namespace: namespace.clone() }
            }
            kube::Error::Api(status) if status.is_forbidden() => refused(Error::api("", kube::Error::Api(status))),
            source => {
                Error::Forward { pod: target.pod.clone(), namespace: namespace.clone(), source: Box::new(source) }
            }
        })?;
        trial.abort();
        Ok(Self { pods, target, listener, listener_v6 })
    }

    /// Carries connections until it is dropped. One that fails is told of and hurts no other.
    pub async fn serve(&self, console: Console) -> Infallible {
        let mut carried = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.accept() => match accepted {
                    Ok(stream) => carried.push(self.carry(stream)),
                    Err(error) => {
                        console.remark(&format!("The port-forward cannot take a connection: {error}"));
                        tokio::time::sleep(RESPITE).await;
                    }
                },
                Some(ended) = carried.next(), if !carried.is_empty() => {
                    if let Err(error) = ended {
                        console.remark(&format!("The port-forward lost a connection: {error}. Load the page again."));
                    }
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        let v6 = async {
            match &self.listener_v6 {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        let (stream, _) = tokio::select! {
            accepted = self.listener.accept() => accepted?,
            accepted = v6 => accepted?,
        };
        Ok(stream)
    }

    /// Carries one connection over a stream of its own, as kubectl does.
    async fn carry(&self, mut local: TcpStream) -> Result<(), String> {
        let Target { pod, port } = &self.target;
        let mut forwarder =
            self.pods.portforward(pod, &[*port]).await.map_err(|error| super::error::server_words(&error))?;
        let mut remote =
            forwarder.take_stream(*port).ok_or_else(|| format!("pod {pod} gives no stream for port {port}"))?;
        // Browsers drop connections as they like; that is no failure of the forward.
        let ended = copy_bidirectional(&mut local, &mut remote).await;
        drop(remote);
        match ended {
            Ok(_) => forwarder.join().await.map_err(|error| error.to_string()),
            Err(error) if is_hang_up(&error) => {
                forwarder.abort();
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

fn is_hang_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::UnexpectedEof
    )
}

/// The pod to forward to: one that runs, best one that is ready. Any replica serves the pages.
fn target(pods: &[Pod], wished: Option<u16>, of_the_page: u16) -> Option<Target> {
    let running = |pod: &&Pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
    };
    let pod = pods.iter().filter(running).max_by_key(|pod| is_ready(pod))?;
    let port = wished.or_else(|| pages_port(pod)).unwrap_or(of_the_page);
    Some(Target { pod: pod.name_any(), port })
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let standing: BTreeMap<_, _> = conditions.map(|it| (it.type_.as_str(), it.status.as_str())).collect();
    standing.get("Ready") == Some(&"True")
}

fn pages_port(pod: &Pod) -> Option<u16> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    let port = ports.find(|port| port.name.as_deref() == Some(PAGES_PORT))?;
    u16::try_from(port.container_port).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn pod(name: &str, phase: &str, ready: &str, port_name: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": name },
            "spec": { "containers": [{ "name": "operator", "ports": [
                { "name": "metrics", "containerPort": 8080 }, { "name": port_name, "containerPort": 9000 },
            ] }] },
            "status": { "phase": phase, "conditions": [{ "type": "Ready", "status": ready }] },
        }))
        .unwrap()
    }

    #[rstest]
    #[case::none(&[], None, None)]
    #[case::none_runs(&[pod("a", "Pending", "False", "pages")], None, None)]
    #[case::the_ready_one(&[pod("a", "Running", "False", "pages"), pod("b", "Running", "True", "pages"), pod("c", "Running", "False", "pages")], None, Some(("b", 9000)))]
    #[case::one_that_is_not_ready(&[pod("a", "Running", "False", "pages")], None, Some(("a", 9000)))]
    #[case::without_a_named_port(&[pod("a", "Running", "True", "other")], None, Some(("a", 8082)))]
    #[case::the_wish_counts(&[pod("a", "Running", "True", "pages")], Some(7000), Some(("a", 7000)))]
    fn a_running_pod_is_chosen(
        #[case] pods: &[Pod],
        #[case] wished: Option<u16>,
        #[case] expected: Option<(&str, u16)>,
    ) {
        let expected = expected.map(|(pod, port)| Target { pod: pod.to_owned(), port });
        assert_eq!(target(pods, wished, 8082), expected);
    }
}
