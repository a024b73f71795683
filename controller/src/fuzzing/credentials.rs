//! What Secrets and ConfigMaps hold: credentials, header values, a proxy, certificates and their keys.

use std::collections::BTreeMap;

use crds::{Duration, JiraConnection};
use serde_json::{Value, json};

use super::{CANARY, assert_hidden, text, world};
use crate::{
    connection::{
        finding::Finding,
        gather, references,
        secrets::{self, Sheet},
        settings::Settings,
    },
    jira::CustomHeader,
};

/// Stands between two entries: RS, the record separator.
const SEPARATOR: u8 = 0x1E;

/// A connection gets a way to Jira out of whatever its Secrets hold, or a fault that can be shown to anybody.
///
/// The first line names the method of `spec.auth`, the second one a header. After that each entry, which begins after the character
/// RS (0x1E), has a line with its key, then its value. All objects that the connection refers to hold the same entries; the entry
/// `hosts` is the annotation that releases a Secret.
pub fn credentials(bytes: &[u8]) {
    let mut records = bytes.split(|byte| *byte == SEPARATOR);
    let [method, header] = super::lines(text(records.next().unwrap_or_default()));
    // The name of a header is no secret, and its case does not matter.
    let header = if header.to_ascii_lowercase().contains(CANARY) { "X-Gate" } else { header };
    let mut data: BTreeMap<_, _> = records.filter_map(entry).collect();
    let released = data.remove("hosts").map(|hosts| text(&hosts).to_owned());
    let connection = connection(method, header, &data);
    world::run(b"", async |network| {
        let Ok(site) = gather::site(&connection, network) else { return };
        let referents = references::referents(&connection.spec);
        let sheet = || Sheet { version: "1".into(), data: data.clone(), released: released.clone() };
        let sheets: BTreeMap<_, _> = referents.into_iter().map(|referent| (referent, sheet())).collect();
        let refused =
            sheets.iter().find_map(|(referent, sheet)| secrets::released(referent, sheet, &site, false).err());
        if let Some(fault) = refused {
            assert_hidden(&format!("{fault:?} {}", Finding::from(&fault).message));
        }
        let settings = Settings { interval: Duration::from_secs(300) };
        match secrets::assemble(&connection, &site, sheets, network, settings) {
            Ok(wallet) => assert_hidden(&format!("{wallet:?} {:?}", wallet.authorization())),
            Err(fault) => assert_hidden(&format!("{fault:?} {}", Finding::from(&fault).message)),
        }
    });
    if let Ok(header) = CustomHeader::new(header, &CANARY.into()) {
        assert_hidden(&format!("{header:?}"));
        let name = header.name();
        assert!(!["authorization", "host", "cookie", "content-length"].contains(&name), "{name} is the operator's own");
    }
}

fn entry(record: &[u8]) -> Option<(String, Vec<u8>)> {
    let end = record.iter().position(|byte| *byte == b'\n')?;
    Some((text(&record[..end]).to_owned(), record[end + 1..].to_vec()))
}

/// A connection that refers to whatever there is.
fn connection(method: &str, header: &str, data: &BTreeMap<String, Vec<u8>>) -> JiraConnection {
    let key = |key: &str| json!({ "name": "secret", "key": key });
    let auth = match method {
        "oauth1" => {
            json!({ "oauth1": { "consumerKey": "operator", "consumerName": "Operator", "privateKeySecretRef": key("key") } })
        }
        "apiToken" => json!({ "apiToken": { "email": "robot@example.test", "tokenSecretRef": key("token") } }),
        "oauth2ClientCredentials" | "oauth2AuthorizationCode" => {
            let mut auth = json!({});
            auth[method] = json!({ "clientSecretRef": { "name": "secret" } });
            auth
        }
        _ => json!({ "personalAccessToken": { "tokenSecretRef": key("token") } }),
    };
    let given = |names: &[&str]| names.iter().any(|name| data.contains_key(*name));
    let mut spec = json!({ "url": "https://jira.example", "deployment": "DataCenter", "auth": auth });
    let mut set = |field: &str, names: &[&str], value: Value| {
        if given(names) {
            spec[field] = value;
        }
    };
    set("headers", &["header"], json!([{ "name": header, "valueFrom": { "secretKeyRef": key("header") } }]));
    set("proxySecretRef", &["url", "username", "password"], json!({ "name": "secret" }));
    set("tls", &["ca.crt"], json!({ "caRef": { "kind": "ConfigMap", "name": "bundle", "key": "ca.crt" } }));
    set("tls", &["tls.crt", "tls.key"], json!({ "clientCertificateSecretRef": { "name": "secret" } }));
    let metadata = json!({ "name": "acme", "namespace": "platform", "uid": "u-1" });
    let object = json!({ "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection", "metadata": metadata, "spec": spec });
    serde_json::from_value(object).expect("a connection")
}
