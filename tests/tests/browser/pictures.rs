//! Pictures of pages, for people who look at a failure and for the documentation.

use std::{env, fs, path::PathBuf};

use tests::browser::Browser;

/// Pictures that the documentation shows, without their ending.
const SHOWN: [&str; 9] = [
    "cloud-start-light",
    "cloud-wrong-site-light",
    "cloud-granted-dark",
    "gateway-granted-light",
    "code-code-light",
    "callback-missing-light",
    "refused-refused-light",
    "expired-expired-light",
    "revoked-start-light",
];

/// The largest picture that the documentation may have, in bytes.
const LARGEST: usize = 100_000;

/// How much of a page the documentation shows, in CSS pixels from its top.
const HEIGHT: u32 = 900;

/// Keeps a picture of the page below `target`, and one in the documentation if that shows it and `UPDATE_PICTURES` is set.
pub async fn take(browser: &Browser, name: &str) {
    write("../target/pictures", name, &browser.picture(None).await);
    if SHOWN.contains(&name) && env::var_os("UPDATE_PICTURES").is_some() {
        let png = browser.picture(Some(HEIGHT)).await;
        let png = oxipng::optimize_from_memory(&png, &oxipng::Options::from_preset(4)).unwrap();
        assert!(png.len() < LARGEST, "the picture {name} has {} bytes", png.len());
        write("../docs/pictures", name, &png);
    }
}

fn write(directory: &str, name: &str, png: &[u8]) {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(directory);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(format!("{name}.png")), png).unwrap();
}
