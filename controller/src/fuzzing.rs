//! What must hold for whatever others write: one law for each kind of text.
//!
//! A law takes any bytes, and panics where it is broken. It is compiled for the fuzzer, which looks for such bytes, and for the test
//! below, which holds it to the corpus that the fuzzer has left behind. Both are described in `fuzz/README.md`.

#![expect(clippy::missing_panics_doc, reason = "a law panics where it is broken")]

mod addresses;
mod answers;
mod credentials;
mod key_pair;
mod life;
mod manifests;
mod objects;
mod owned_secrets;
mod visit;
mod world;

pub use self::{
    addresses::addresses, answers::answers, credentials::credentials, key_pair::key_pair, manifests::manifests,
    objects::objects, owned_secrets::owned_secrets, visit::visit,
};

/// Stands in every secret, and must stand in nothing that is shown.
const CANARY: &str = "canary-4a1c";

/// A private key and, below, a certificate with its key. Made with openssl for this, and good for nothing else.
const RSA_KEY: &str = include_str!("fuzzing/rsa.pem");
const CERTIFICATE: &str = include_str!("fuzzing/certificate.pem");
const CERTIFICATE_KEY: &str = include_str!("fuzzing/certificate.key");

/// The text that bytes begin with.
fn text(bytes: &[u8]) -> &str {
    let whole = str::from_utf8(bytes);
    whole.unwrap_or_else(|fault| str::from_utf8(&bytes[..fault.valid_up_to()]).expect("text up to the fault"))
}

/// The first lines of a text, and the rest as the last one.
fn lines<const N: usize>(text: &str) -> [&str; N] {
    let mut parts = text.splitn(N, '\n');
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

#[track_caller]
fn assert_hidden(shown: &str) {
    assert!(!shown.contains(CANARY), "a secret is shown");
}

/// Asserts that a secret that others chose is not shown, unless it is the text of something that may be. Short ones are words that
/// stand anywhere.
#[track_caller]
fn assert_undisclosed(secret: &str, shown: &str, open: &[&str]) {
    let disclosed = 24 <= secret.len() && shown.contains(secret) && !open.iter().any(|text| text.contains(secret));
    assert!(!disclosed, "a secret is shown");
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    type Law = fn(&[u8]);

    /// The laws by the names of their targets.
    const LAWS: [(&str, Law); 8] = [
        ("addresses", addresses),
        ("answers", answers),
        ("credentials", credentials),
        ("key_pair", key_pair),
        ("manifests", manifests),
        ("objects", objects),
        ("owned_secrets", owned_secrets),
        ("visit", visit),
    ];

    #[test]
    fn the_corpus_of_the_fuzzer_keeps_the_laws() {
        let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus"));
        let names = |path: &Path| -> BTreeSet<_> {
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        assert_eq!(
            names(corpus),
            LAWS.iter().map(|(name, _)| (*name).to_owned()).collect(),
            "a corpus without a law, or the reverse"
        );
        for (name, law) in LAWS {
            for input in names(&corpus.join(name)) {
                println!("{name}/{input}");
                law(&fs::read(corpus.join(name).join(input)).unwrap());
            }
        }
    }

    #[test]
    fn a_text_ends_where_it_is_none() {
        assert_eq!(text(b"a\xffb"), "a");
        assert_eq!(lines::<3>("a\nb\nc\nd"), ["a", "b", "c\nd"]);
        assert_eq!(lines::<2>("a"), ["a", ""]);
    }
}
