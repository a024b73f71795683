//! `check`: examines manifests without a cluster, before they are merged, and if that is wished asks Jira what it makes of them.

mod examination;
mod finding;
#[cfg(any(test, fuzzing))]
pub(crate) mod law;
mod live;
mod manifest;
mod rules;
mod schema;
mod sense;

use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
};

use serde::Serialize;

use self::{
    examination::Examination,
    finding::{Finding, Severity},
};
use super::{
    arguments::Check,
    console::{Console, visible},
    error::Error,
    palette::Tone,
    verdict::Verdict,
};

/// The namespace of manifests that name none and are applied without one.
const DEFAULT_NAMESPACE: &str = "default";

/// Name of standard input among the files.
pub(super) const STANDARD_INPUT: &str = "-";

/// Endings of files in folders that are taken for manifests, as kubectl takes them.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// What programs get.
#[derive(Serialize)]
struct Report<'a> {
    objects: usize,
    problems: usize,
    findings: &'a [Finding],
}

/// Checks manifests. `namespace` is that of objects that name none.
///
/// # Errors
/// When a file cannot be read. What is wrong in a file is no error, but a finding.
pub async fn run(arguments: &Check, namespace: Option<&str>, console: Console) -> Result<Verdict, Error> {
    if arguments.reads_standard_input_twice() {
        return Err(Error::StandardInputTwice);
    }
    let mut manifests = Vec::new();
    let mut findings = Vec::new();
    for (name, text) in texts(arguments)? {
        let read = manifest::read(&name, &text, namespace.unwrap_or(DEFAULT_NAMESPACE));
        manifests.extend(read.manifests);
        findings.extend(read.findings);
    }
    let Examination { findings: found, sound } = examination::examine(&manifests);
    findings.extend(found);
    let is_broken = findings.iter().any(|finding| finding.severity == Severity::Problem);
    match (arguments.live, is_broken) {
        (false, _) => {}
        (true, true) => console.remark("Jira is not asked before the problems in the files are mended."),
        (true, false) => findings.extend(live::examine(&manifests, &sound, &arguments.asking).await?),
    }
    findings.sort_by(|one, other| (&one.file, one.document).cmp(&(&other.file, other.document)));

    let objects = manifests.iter().filter(|manifest| manifest.is_ours()).count();
    let problems = findings.iter().filter(|finding| finding.severity == Severity::Problem).count();
    let report = Report { objects, problems, findings: &findings };
    match arguments.output.document(&report)? {
        Some(document) => console.say(&document)?,
        None => tell(&report, console)?,
    }
    Ok(Verdict::of(problems == 0))
}

fn tell(report: &Report<'_>, console: Console) -> Result<(), Error> {
    for finding in report.findings {
        let tone = match finding.severity {
            Severity::Problem => Tone::Bad,
            Severity::Note => Tone::Doubtful,
            Severity::Good => Tone::Good,
        };
        let word = console.palette.paint(tone, finding.severity.as_str());
        console.say(&format!("{}: {word}: {}", visible(&finding.place()), visible(&finding.words())))?;
    }
    let counted = |number: usize, noun: &str| {
        if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
    };
    let (objects, problems) = (counted(report.objects, "object"), counted(report.problems, "problem"));
    console.say(&format!("{objects} of {} checked, {problems}", crds::GROUP))
}

/// The files and their content, in the order in which they were named.
fn texts(arguments: &Check) -> Result<Vec<(String, String)>, Error> {
    let mut texts = Vec::new();
    for path in &arguments.files {
        if path.as_os_str() == STANDARD_INPUT {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map_err(Error::Input)?;
            texts.push(("standard input".to_owned(), text));
            continue;
        }
        let mut files = Vec::new();
        if path.is_dir() {
            collect(path, arguments.recursive, &mut files)?;
            if files.is_empty() {
                return Err(Error::NoManifests(path.clone()));
            }
        } else {
            files.push(path.clone());
        }
        for file in files {
            let text = fs::read_to_string(&file).map_err(|source| Error::File { path: file.clone(), source })?;
            texts.push((file.display().to_string(), text));
        }
    }
    Ok(texts)
}

/// The manifests of a folder, by name. Links to folders are not followed.
fn collect(folder: &Path, recursive: bool, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failure = |source| Error::File { path: folder.to_owned(), source };
    let mut entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(failure)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type().map_err(failure)?);
        let ending = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
        if kind.is_dir() {
            if recursive {
                collect(&path, recursive, files)?;
            }
        } else if ENDINGS.contains(&ending) {
            files.push(path);
        }
    }
    Ok(())
}
