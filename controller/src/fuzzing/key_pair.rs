//! Private keys of OAuth 1.0a.

use super::{assert_undisclosed, text};
use crate::auth::key_pair::KeyPair;

/// A key that is read can be written, read again as the same, and sign; and neither it nor what is wrong with one is shown.
pub fn key_pair(bytes: &[u8]) {
    let text = text(bytes);
    match KeyPair::from_pem(&text.into()) {
        Ok(pair) => {
            let again =
                KeyPair::from_pem(&pair.to_pem().expect("what was read can be written")).expect("and read again");
            assert_eq!(again.public_pem(), pair.public_pem());
            assert_no_line_of(text, &format!("{pair:?}"));
            pair.sign(b"base string").ok();
        }
        Err(fault) => assert_no_line_of(text, &format!("{fault:?} {fault}")),
    }
}

fn assert_no_line_of(pem: &str, shown: &str) {
    // What is no Base64 is no part of a key, such as what begins and ends a PEM.
    let encoded = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    let lines = pem.lines().filter(|line| line.bytes().all(encoded));
    lines.for_each(|line| assert_undisclosed(line, shown, &[]));
}
