//! Pictures of pages, for people who look at a failure and for the documentation.

use std::{env, fs, path::PathBuf};

/// Pictures that the documentation shows, without their ending.
const SHOWN: [&str; 8] = [
    "cloud-start-light",
    "cloud-start-dark",
    "cloud-granted-light",
    "code-start-light",
    "code-code-light",
    "refused-refused-light",
    "expired-expired-light",
    "revoked-start-light",
];

/// The largest picture that the documentation may have, in bytes.
const LARGEST: usize = 100_000;

/// Keeps a picture below `target`, and in the documentation if that shows it and `UPDATE_PICTURES` is set.
pub fn keep(name: &str, png: &[u8]) {
    write("../target/pictures", name, png);
    if SHOWN.contains(&name) && env::var_os("UPDATE_PICTURES").is_some() {
        assert!(png.len() < LARGEST, "the picture {name} has {} bytes", png.len());
        write("../docs/pictures", name, png);
    }
}

fn write(directory: &str, name: &str, png: &[u8]) {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(directory);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(format!("{name}.png")), png).unwrap();
}
