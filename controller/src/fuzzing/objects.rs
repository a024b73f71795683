//! Objects of the API, and all that follows from them.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{CANARY, life::Life, lines, owned_secrets, text};
use crate::plugin::check::law;

/// Whatever the schema takes can be read; and whatever can be read, whoever has written its status and its owned Secrets, and whatever
/// Jira answers, comes to a status that the schema takes, after a bounded number of questions.
///
/// The first line is a connection, the second one a binding, the third one how many lines of owned Secrets follow as in
/// `owned_secrets`; the rest are answers as in `answers`.
pub fn objects(bytes: &[u8]) {
    if bytes.windows(CANARY.len()).any(|it| it == CANARY.as_bytes()) {
        // Who has the secret already may say it.
        return;
    }
    let [connection, binding, count, rest] = lines(text(bytes));
    let owned = match count.trim().parse::<usize>().unwrap_or(0) {
        0 => 0,
        count => rest.match_indices('\n').nth(count - 1).map_or(rest.len(), |(end, _)| end + 1),
    };
    let (owned, script) = rest.split_at(owned);
    if let (Some(connection), Some(binding)) = (read("JiraConnection", connection), read("WorkspaceBinding", binding)) {
        Life::of(connection, binding, owned_secrets::data(owned)).live(script.as_bytes());
    }
}

fn read<K: DeserializeOwned>(kind: &str, text: &str) -> Option<K> {
    let object: Value = serde_json::from_str(text).ok()?;
    let spec = &object["spec"];
    if law::faults(kind, "spec", spec).is_empty() {
        let plain = json!({ "apiVersion": "issuetracking.dev/v1alpha1", "kind": kind, "metadata": {}, "spec": spec });
        let read = serde_json::from_value::<K>(plain);
        assert!(read.is_ok(), "the schema takes what cannot be read: {:?}", read.err());
    }
    serde_json::from_value(object).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crds::arbitrary::specs;
    use proptest::{collection, prelude::*, sample};

    use super::*;

    /// Answers of the corpus, one by one.
    fn answers() -> impl Strategy<Value = Vec<u8>> {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/answers");
        let files = fs::read_dir(corpus).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        let answers: Vec<_> =
            files.flat_map(|file| file.split(|byte| *byte == 0x1E).map(<[u8]>::to_vec).collect::<Vec<_>>()).collect();
        collection::vec(sample::select(answers), 1..12).prop_map(|answers| answers.join(&0x1E))
    }

    fn object<K: DeserializeOwned>(kind: &str, namespace: &str, spec: &Value) -> K {
        // That a time is none the API server may find, or not; it is a text here.
        let faults = law::faults(kind, "spec", spec);
        assert!(faults.iter().all(|fault| fault.contains("must be a time")), "{faults:#?}");
        let metadata = json!({ "name": "acme", "namespace": namespace, "uid": "u-1", "generation": 1 });
        let object =
            json!({ "apiVersion": "issuetracking.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec });
        serde_json::from_value(object).unwrap()
    }

    proptest! {
        #[test]
        fn whatever_the_schemas_take_comes_to_a_status_that_they_take(
            connection in specs(&crds::definition::all()[0]),
            binding in specs(&crds::definition::all()[1]),
            at_home in any::<bool>(),
            script in answers(),
        ) {
            let guest = if at_home { "platform" } else { "team-web" };
            let connection = object("JiraConnection", "platform", &connection);
            let binding = object("WorkspaceBinding", guest, &binding);
            Life::of(connection, binding, owned_secrets::data("")).live(&script);
        }
    }
}
