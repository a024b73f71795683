//! Command line of the operator. `--help` is the reference.

mod network;

use std::net::SocketAddr;

use clap::Parser;
use crds::Duration;

pub use self::network::{InvalidNetwork, NetworkArguments};
use crate::{reach::NamespaceName, telemetry::LogFormat, web::PublicUrl};

/// Keeps connections to Jira declared, proven and usable.
#[derive(Clone, Debug, Parser)]
#[command(name = "jira-operator", version)]
pub struct Args {
    /// Namespaces to work in: `team-a,team-b`. Absent: the whole cluster. Nothing of any other namespace is seen or written, and
    /// the rights of a Role in each of them are enough. One that does not exist is waited for.
    #[arg(long, env = "JIRA_OPERATOR_WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<NamespaceName>,
    /// Who may be contacted, and through what.
    #[command(flatten)]
    pub network: NetworkArguments,
    /// Use a Secret only for the hosts that its annotation `issuetracking.dev/hosts` names.
    #[arg(long, env = "JIRA_OPERATOR_REQUIRE_RELEASED_SECRETS")]
    pub require_released_secrets: bool,
    /// Time between two checks of a connection that sets none, 1m to 24h.
    #[arg(long, env = "JIRA_OPERATOR_CHECK_INTERVAL", default_value = "5m")]
    pub check_interval: Duration,
    /// How many objects of a kind are worked on at the same time.
    #[arg(long, env = "JIRA_OPERATOR_CONCURRENCY", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
    /// Let one of several replicas work and the others stand by. Without it there must be only one.
    #[arg(long, env = "JIRA_OPERATOR_LEADER_ELECTION")]
    pub leader_election: bool,
    /// Namespace of the Lease that says which replica works. Default: the pod's own, or that of the kubeconfig's context.
    #[arg(long, env = "JIRA_OPERATOR_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// Name of the Lease, the same for all replicas and of no other operator.
    #[arg(long, env = "JIRA_OPERATOR_LEASE_NAME", default_value = "jira-connection-operator")]
    pub lease_name: String,
    /// How long the others wait after the last sign of life of the replica that works, whole seconds, 1s to 1h.
    #[arg(long, env = "JIRA_OPERATOR_LEASE_DURATION", default_value = "15s")]
    pub lease_duration: Duration,
    /// How long the replica that works tries to renew the lease before it stops, shorter than the lease.
    #[arg(long, env = "JIRA_OPERATOR_LEASE_RENEW_DEADLINE", default_value = "10s")]
    pub lease_renew_deadline: Duration,
    /// Pause between two requests about the lease, at most half of the renew deadline.
    #[arg(long, env = "JIRA_OPERATOR_LEASE_RETRY_PERIOD", default_value = "2s")]
    pub lease_retry_period: Duration,
    /// Address of `/metrics`.
    #[arg(long, env = "JIRA_OPERATOR_METRICS_ADDRESS", default_value = "0.0.0.0:8080")]
    pub metrics_address: SocketAddr,
    /// Address of `/healthz` and `/readyz`.
    #[arg(long, env = "JIRA_OPERATOR_PROBE_ADDRESS", default_value = "0.0.0.0:8081")]
    pub probe_address: SocketAddr,
    /// Where browsers find the pages on which people authorise: `https://operator.example/prefix`, or
    /// `http://localhost:8082` for a port-forward. Absent: no pages are served.
    #[arg(long, env = "JIRA_OPERATOR_PUBLIC_URL")]
    pub public_url: Option<PublicUrl>,
    /// Address of the pages.
    #[arg(long, env = "JIRA_OPERATOR_PAGES_ADDRESS", default_value = "0.0.0.0:8082")]
    pub pages_address: SocketAddr,
    /// Form of the log lines.
    #[arg(long, env = "JIRA_OPERATOR_LOG_FORMAT", value_enum, default_value_t = LogFormat::Human)]
    pub log_format: LogFormat,
    /// Which log lines: a level, or targets with levels, such as `info,controller=debug`.
    ///
    /// `error`: the operator cannot go on. `warn`: something failed on its own side and is tried again. `info`: one line for each new
    /// verdict on a connection or binding, and for the start, the stop and the election. `debug`: each request to Jira, by its path,
    /// with how it ended and how long it took, and what the libraries say. `trace`: more of the libraries. No level shows a secret.
    #[arg(long, env = "JIRA_OPERATOR_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};
    use rstest::rstest;

    use super::Args;

    #[test]
    fn every_flag_is_also_an_environment_variable() {
        Args::command().debug_assert();
        for argument in
            Args::command().get_arguments().filter(|it| !["help", "version"].contains(&it.get_id().as_str()))
        {
            let flag = argument.get_long().unwrap();
            let variable = format!("JIRA_OPERATOR_{}", flag.to_uppercase().replace('-', "_"));
            assert_eq!(argument.get_env().and_then(|it| it.to_str()), Some(variable.as_str()));
        }
    }

    #[test]
    fn the_defaults_are_good() {
        let args = Args::parse_from(["jira-operator"]);
        assert_eq!(args.network.denied_networks.len(), 10);
        assert_eq!(args.public_url, None, "no pages unless somebody says where");
    }

    #[rstest]
    #[case::one("team-a", Ok(1))]
    #[case::several("team-a,team-b", Ok(2))]
    #[case::nothing("", Err("leave the setting out, which means the whole cluster"))]
    #[case::a_comma_too_many("team-a,", Err("leave the setting out"))]
    #[case::divided_by_spaces("team-a, team-b", Err("divided by commas, without spaces"))]
    #[case::pattern("team-*", Err("no namespace is called that"))]
    fn namespaces_are_named_and_a_name_that_cannot_be_one_is_explained(
        #[case] value: &str,
        #[case] expected: Result<usize, &str>,
    ) {
        let parsed = Args::try_parse_from(["jira-operator", &format!("--watch-namespaces={value}")]);
        match (parsed, expected) {
            (Ok(args), Ok(count)) => assert_eq!(args.watch_namespaces.len(), count),
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
            (parsed, expected) => panic!("{parsed:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_public_url_that_cannot_be_used_is_explained() {
        let error = Args::try_parse_from(["jira-operator", "--public-url=http://operator.example"]).unwrap_err();
        assert!(error.to_string().contains("use https:// for every other host"), "{error}");
    }
}
