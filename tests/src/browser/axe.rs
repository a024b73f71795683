//! axe-core, which tests a page against rules for accessibility. npm fetches it once into the user's cache.

use std::{fs, path::PathBuf, process::Stdio};

use serde_json::Value;
use tokio::{process::Command, sync::OnceCell};

use super::{Error, driver};
use crate::{go, jira};

const PACKAGE: &str = include_str!("../../browser/package.json");
const LOCK: &str = include_str!("../../browser/package-lock.json");

/// Runs the rules; the result is an object with `violations`, and `incomplete` for what axe-core could not decide. By default
/// the rule on the size of targets (WCAG 2.2, 2.5.8) is off.
pub(super) const RUN: &str = r"
    const done = arguments[0];
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const options = { runOnly: { type: 'tag', values: tags }, rules: { 'target-size': { enabled: true } } };
    const told = rules => rules.map(rule => ({
        rule: rule.id, help: rule.help, nodes: rule.nodes.map(node => `${node.html}: ${node.failureSummary}`),
    }));
    axe.run(document, options).then(
        it => done({ passes: it.passes.length, violations: [...told(it.violations), ...told(it.incomplete)] }),
        error => done({ error: String(error) }),
    );
";

/// A rule that a page breaks, or of which axe-core cannot say whether it does.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Violation {
    /// Id of the rule, such as `color-contrast`.
    pub rule: String,
    /// The rule in words.
    pub help: String,
    /// The elements concerned, as HTML, and why.
    pub nodes: Vec<String>,
}

/// Reads the result of [`RUN`].
///
/// # Panics
///
/// When axe-core failed, or applied no rule at all.
pub(super) fn violations(result: &Value) -> Vec<Violation> {
    assert!(result["passes"].as_u64().is_some_and(|passes| 10 < passes), "axe-core did not look at the page: {result}");
    super::good("axe-core's result", serde_json::from_value(result["violations"].clone()))
}

/// The script that defines axe-core.
pub(super) async fn source() -> Result<String, Error> {
    static SOURCE: OnceCell<String> = OnceCell::const_new();
    SOURCE.get_or_try_init(fetch).await.cloned()
}

async fn fetch() -> Result<String, Error> {
    let directory = go::cache("axe-core")?.join(jira::digest(LOCK.as_bytes()));
    let file = directory.join("node_modules/axe-core/axe.min.js");
    if !file.is_file() {
        install(&directory).await?;
    }
    fs::read_to_string(&file).map_err(|source| Error::System { action: "read axe-core from the cache", source })
}

/// Installs into a directory of its own and renames it, so that nobody finds half of it.
async fn install(directory: &PathBuf) -> Result<(), Error> {
    let system = |action| move |source| Error::System { action, source };
    let parent = directory.parent().unwrap_or(directory);
    fs::create_dir_all(parent).map_err(system("make the cache"))?;
    let making = tempfile::tempdir_in(parent).map_err(system("make a directory in the cache"))?;
    fs::write(making.path().join("package.json"), PACKAGE).map_err(system("write to the cache"))?;
    fs::write(making.path().join("package-lock.json"), LOCK).map_err(system("write to the cache"))?;
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    let output = Command::new("npm")
        .args(arguments)
        .current_dir(making.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(driver::missing("npm", "install Node.js with npm"))?;
    if !output.status.success() {
        return Err(Error::Npm {
            command: arguments.join(" "),
            status: output.status.to_string(),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    match fs::rename(making.path(), directory) {
        // Somebody else was faster, with the same.
        Err(_) if directory.is_dir() => Ok(()),
        renamed => renamed.map_err(system("fill the cache")),
    }
}
