//! A file of `examples/`: Kubernetes objects, and comments at the top that announce what becomes of them.

use std::{fs, io, path::PathBuf};

use super::outcome::{InvalidOutcome, Outcome};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

/// Begins a comment that announces an outcome.
const MARK: &str = "# Outcome: ";

/// One scenario.
#[derive(Clone, Debug)]
pub struct Example {
    /// Name of the file.
    pub file: String,
    /// Content of the file.
    pub text: String,
    /// What it announces, in the order of the file.
    pub outcomes: Vec<Outcome>,
}

/// Failure to read an example.
#[derive(Debug, thiserror::Error)]
pub enum ExampleError {
    /// The file, or the folder, cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A comment announces something that cannot be understood.
    #[error("{file} announces what cannot be understood")]
    Outcome {
        /// Name of the file.
        file: String,
        /// What is wrong.
        source: InvalidOutcome,
    },
}

impl Example {
    /// All files of `examples/`, in the order of their names.
    ///
    /// # Errors
    ///
    /// When one cannot be read or understood.
    pub fn all() -> Result<Vec<Self>, ExampleError> {
        let read = |path: &PathBuf, source| ExampleError::Read { path: path.clone(), source };
        let folder = PathBuf::from(FOLDER);
        let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut paths: Vec<_> =
            entries.map_err(|source| read(&folder, source))?.iter().map(fs::DirEntry::path).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        paths.sort();
        let example = |path: &PathBuf| {
            let text = fs::read_to_string(path).map_err(|source| read(path, source))?;
            Self::parse(&path.file_name().unwrap_or_default().to_string_lossy(), text)
        };
        paths.iter().map(example).collect()
    }

    fn parse(file: &str, text: String) -> Result<Self, ExampleError> {
        let invalid = |source| ExampleError::Outcome { file: file.to_owned(), source };
        let announced = text.lines().filter_map(|line| line.strip_prefix(MARK));
        let outcomes = announced.map(|line| line.parse().map_err(invalid)).collect::<Result<_, _>>()?;
        Ok(Self { file: file.to_owned(), text, outcomes })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Deserialize;
    use serde_yaml::Value;

    use super::*;

    /// Kind, namespace and name of the objects that the operator judges.
    fn judged(example: &Example) -> BTreeSet<String> {
        let documents =
            serde_yaml::Deserializer::from_str(&example.text).map(|document| Value::deserialize(document).unwrap());
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        documents
            .filter(|object| object["apiVersion"] == "issuetracking.dev/v1alpha1")
            .map(|object| {
                let metadata = &object["metadata"];
                format!("{} {}/{}", word(&object["kind"]), word(&metadata["namespace"]), word(&metadata["name"]))
            })
            .collect()
    }

    #[test]
    fn every_example_announces_the_outcome_of_each_of_its_objects() {
        let examples = Example::all().unwrap();
        assert!(examples.len() >= 7);
        for example in examples {
            let announced: BTreeSet<_> = example
                .outcomes
                .iter()
                .map(|it| format!("{} {}/{}", it.kind.as_str(), it.namespace, it.name))
                .collect();
            assert_eq!(announced, judged(&example), "{}", example.file);
        }
    }

    #[test]
    fn no_object_is_judged_in_two_examples() {
        let all: Vec<_> = Example::all().unwrap().iter().flat_map(judged).collect();
        assert_eq!(all.len(), all.iter().collect::<BTreeSet<_>>().len(), "{all:?}");
    }

    #[test]
    fn an_example_that_announces_nonsense_is_refused() {
        let parsed = Example::parse("bad.yaml", "# Outcome: all is well\n".to_owned());
        assert_eq!(parsed.unwrap_err().to_string(), "bad.yaml announces what cannot be understood");
    }
}
