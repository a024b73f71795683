//! Who may be contacted, and through what: the flags that the operator and `kubectl jira check --live` share.

use std::{io, path::PathBuf};

use clap::{Args, ValueHint};
use ipnet::{AddrParseError, IpNet};
use url::Url;

use crate::jira::{HostPattern, InvalidProxy, Network, NetworkConfig, NetworkFault, Proxy};

/// Networks that no connection may lead to: loopback, unspecified, link-local with the metadata services, multicast.
const DENIED: &str = "127.0.0.0/8,::1/128,0.0.0.0/8,::/128,169.254.0.0/16,fe80::/10,224.0.0.0/4,ff00::/8,100.100.100.200/32,fd00:ec2::/32";

/// Who may be contacted, and through what.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkArguments {
    /// Atlassian's authorization server for Cloud. Government Cloud has another.
    #[arg(
        long,
        env = "JIRA_OPERATOR_ATLASSIAN_AUTH_URL",
        default_value = "https://auth.atlassian.com",
        value_name = "URL"
    )]
    pub atlassian_auth_url: Url,
    /// Atlassian's API gateway for Cloud. Government Cloud has another.
    #[arg(
        long,
        env = "JIRA_OPERATOR_ATLASSIAN_API_URL",
        default_value = "https://api.atlassian.com",
        value_name = "URL"
    )]
    pub atlassian_api_url: Url,
    /// Hosts that connections may point to: `jira.acme.example`, `*.acme.example`, with a port or without, `*` for every host.
    #[arg(
        long,
        env = "JIRA_OPERATOR_ALLOWED_HOSTS",
        value_delimiter = ',',
        default_value = "*",
        value_name = "HOST,…"
    )]
    pub allowed_hosts: Vec<HostPattern>,
    /// Networks that no connection may lead to, whatever its host name resolves to. An empty value denies none.
    #[arg(long, env = "JIRA_OPERATOR_DENIED_NETWORKS", value_parser = networks, default_value = DENIED, value_name = "CIDR,…")]
    pub denied_networks: ::std::vec::Vec<IpNet>,
    /// File with CA certificates in PEM to trust besides the system's.
    #[arg(long, env = "JIRA_OPERATOR_EXTRA_CA", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub extra_ca: Option<PathBuf>,
    /// Outbound proxy for every connection that names none of its own: `http://proxy.example:3128`.
    #[arg(long, env = "JIRA_OPERATOR_PROXY", value_name = "URL")]
    pub proxy: Option<String>,
}

/// Reads networks with commas between them; an empty text is none.
fn networks(text: &str) -> Result<Vec<IpNet>, AddrParseError> {
    text.split(',').map(str::trim).filter(|network| !network.is_empty()).map(str::parse).collect()
}

/// Why no request can be sent with these flags.
#[derive(Debug, thiserror::Error)]
pub enum InvalidNetwork {
    /// The file of `--extra-ca` could not be read.
    #[error("--extra-ca: cannot read {path}")]
    ExtraCa {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The proxy of `--proxy` cannot be used.
    #[error("--proxy")]
    Proxy(#[source] InvalidProxy),
    /// The settings do not fit together.
    #[error("network settings")]
    Settings(#[source] NetworkFault),
}

impl NetworkArguments {
    /// The network that they describe.
    ///
    /// # Errors
    /// [`InvalidNetwork`]
    pub fn network(&self) -> Result<Network, InvalidNetwork> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|source| InvalidNetwork::ExtraCa { path: path.clone(), source })
        };
        let proxy = self.proxy.as_deref().map(|url| Proxy::parse(url, None, None)).transpose();
        Network::new(NetworkConfig {
            atlassian_auth_url: self.atlassian_auth_url.clone(),
            atlassian_api_url: self.atlassian_api_url.clone(),
            allowed_hosts: self.allowed_hosts.clone(),
            denied_networks: self.denied_networks.clone(),
            extra_ca: self.extra_ca.as_ref().map(read).transpose()?.unwrap_or_default(),
            proxy: proxy.map_err(InvalidNetwork::Proxy)?,
        })
        .map_err(InvalidNetwork::Settings)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::networks;

    #[rstest]
    #[case::none("", Some(0))]
    #[case::one("10.0.0.0/8", Some(1))]
    #[case::several("10.0.0.0/8, fe80::/10", Some(2))]
    #[case::a_word("loopback", None)]
    fn networks_are_read_and_may_be_none(#[case] text: &str, #[case] expected: Option<usize>) {
        assert_eq!(networks(text).ok().map(|networks| networks.len()), expected);
    }
}
