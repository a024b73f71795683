//! A port for the API server.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    net::TcpListener,
    ops::Range,
};

/// The loopback ports that may be taken. They lie below the ports that Linux gives to outgoing connections: those could occupy
/// the port of an API server that is down.
pub(super) const RANGE: Range<u16> = 20_000..30_000;

/// How many ports are tried before there is taken to be none.
const TRIALS: usize = 50;

/// A loopback port that nobody listens on now. Absent when all that were tried are taken.
pub(super) fn free() -> Option<u16> {
    (0..TRIALS).map(|_| random()).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
}

/// A port of the range that differs between calls and processes.
fn random() -> u16 {
    // The standard library seeds its hash tables at random; nothing here asks for more.
    let [low, high, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
    RANGE.start + u16::from_le_bytes([low, high]) % (RANGE.end - RANGE.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_listened_on_and_is_then_not_free() {
        // A child of another test that has not begun its program yet still has the listener that `free` has closed.
        let listener = (0..TRIALS).find_map(|_| TcpListener::bind(("127.0.0.1", free()?)).ok()).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(RANGE.contains(&port), "{port}");
        assert!(TcpListener::bind(listener.local_addr().unwrap()).is_err());
    }

    #[test]
    fn all_ports_lie_in_the_range_and_are_not_always_the_same() {
        let ports: Vec<_> = (0..100).map(|_| random()).collect();
        assert!(ports.iter().all(|port| RANGE.contains(port)), "{ports:?}");
        assert!(ports.iter().any(|port| *port != ports[0]));
    }
}
