//! Addresses that are never contacted, whatever name leads to them.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use tokio::net::lookup_host;

/// Networks whose addresses may not be contacted, in each form in which such an address can be written.
#[derive(Debug)]
pub(super) struct DeniedNetworks(Vec<IpNet>);

/// Every address of a name lies in a denied network. Says nothing about the addresses.
#[derive(Debug, Error)]
#[error("the name leads to no address that may be contacted")]
pub(super) struct AddressDenied;

impl DeniedNetworks {
    pub(super) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether the address, or an IPv4 address that is written inside it, lies in a denied network.
    pub(super) fn contain(&self, address: IpAddr) -> bool {
        let forms = match address {
            IpAddr::V4(it) => [Some(address), Some(IpAddr::V6(it.to_ipv6_mapped()))],
            IpAddr::V6(it) => [Some(address), inner(it).map(IpAddr::V4)],
        };
        forms.into_iter().flatten().any(|form| self.0.iter().any(|network| network.contains(&form)))
    }

    /// Whether a host, an address or a name, leads to a denied address, by this machine's resolver.
    ///
    /// For hosts that a proxy will resolve: a name that only the proxy knows is not denied.
    pub(super) async fn contain_host(&self, name: &str) -> bool {
        match lookup_host((name, 0)).await {
            Ok(mut addresses) => addresses.any(|it| self.contain(it.ip())),
            Err(_unknown_here) => false,
        }
    }
}

/// The IPv4 address that traffic to this IPv6 address may end at: mapped (RFC 4291, 2.5.5.2), compatible (2.5.5.1),
/// translated with the well-known prefix (RFC 6052, 2.1) and 6to4 (RFC 3056).
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, _, _, _, _, _] => Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))),
        _ => None,
    }
}

/// The system's name resolution without the denied addresses.
///
/// The address that was checked is the address that is connected to, so a name that changes in between gains nothing.
#[derive(Debug)]
pub(super) struct Resolver(pub(super) Arc<DeniedNetworks>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let denied = Arc::clone(&self.0);
        Box::pin(async move {
            let known: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            let any = !known.is_empty();
            let allowed: Vec<SocketAddr> = known.into_iter().filter(|it| !denied.contain(it.ip())).collect();
            if any && allowed.is_empty() {
                return Err(AddressDenied.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressDenied, DeniedNetworks, Resolver};
    use reqwest::dns::Resolve;
    use rstest::rstest;
    use std::{net::IpAddr, sync::Arc};

    fn denied(networks: &[&str]) -> DeniedNetworks {
        DeniedNetworks::new(networks.iter().map(|it| it.parse().unwrap()).collect())
    }

    #[rstest]
    #[case::metadata("169.254.0.0/16", "169.254.169.254", true)]
    #[case::loopback("127.0.0.0/8", "127.8.9.1", true)]
    #[case::outside("127.0.0.0/8", "128.0.0.1", false)]
    #[case::mapped("169.254.0.0/16", "::ffff:169.254.169.254", true)]
    #[case::mapped_in_hexadecimal("169.254.0.0/16", "::ffff:a9fe:a9fe", true)]
    #[case::compatible("169.254.0.0/16", "::169.254.169.254", true)]
    #[case::translated("169.254.0.0/16", "64:ff9b::a9fe:a9fe", true)]
    #[case::six_to_four("169.254.0.0/16", "2002:a9fe:a9fe::1", true)]
    #[case::network_in_mapped_form("::ffff:127.0.0.0/104", "127.0.0.1", true)]
    #[case::network_in_mapped_form_elsewhere("::ffff:127.0.0.0/104", "10.0.0.1", false)]
    #[case::six("fe80::/10", "fe80::1", true)]
    #[case::six_loopback("::1/128", "::1", true)]
    #[case::unique_local_is_not_link_local("fe80::/10", "fd00::1", false)]
    fn a_denied_address_is_known_in_every_form(
        #[case] network: &str,
        #[case] address: IpAddr,
        #[case] contained: bool,
    ) {
        assert_eq!(denied(&[network]).contain(address), contained);
    }

    #[tokio::test]
    async fn a_name_with_denied_addresses_only_does_not_resolve() {
        let resolver = Resolver(Arc::new(denied(&["127.0.0.0/8", "::1/128"])));
        let error = resolver.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(error.is::<AddressDenied>());
    }

    #[tokio::test]
    async fn a_name_with_an_allowed_address_resolves_to_it() {
        let resolver = Resolver(Arc::new(denied(&["::1/128"])));
        let addresses = resolver.resolve("localhost".parse().unwrap()).await.unwrap();
        assert!(addresses.map(|it| it.ip()).all(|it| it.is_ipv4()));
    }
}
