//! What a check against Jira needs besides the manifests: values that a cluster holds in Secrets and ConfigMaps, from files.
//!
//! They are put where the operator would read them, so that it is the operator's own code that finds them good or bad.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::Path,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use crds::JiraConnectionSpec;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{
    connection::{
        material::{Referent, ReferentKind},
        secrets::{Sheet, Sheets},
    },
    plugin::{
        arguments::LiveArguments,
        check::{STANDARD_INPUT, finding::Fault, manifest::Manifest},
        error::Error,
        need::{Need, needs},
    },
};

/// Field below which the credential is named.
const AUTH: &str = "spec.auth.";

/// What stands for a credential that a person is still to consent to: it makes the way to Jira complete, and no request
/// that comes before the consent carries it.
const NOT_GIVEN: &[u8] = b"not-given";

/// Values by object, and what is not there.
pub(super) struct Supply {
    pub(super) sheets: Sheets,
    pub(super) lacking: Vec<Fault>,
}

impl Supply {
    /// Collects what the connection needs: from flags first, then from Secrets and ConfigMaps among the manifests.
    pub(super) fn collect(
        spec: &JiraConnectionSpec,
        namespace: &str,
        manifests: &[Manifest],
        arguments: &LiveArguments,
        consent: Consent,
    ) -> Result<Self, Error> {
        let credential = arguments.credential_file.as_deref().map(text).transpose()?;
        let headers = arguments.headers_file.as_deref().map(text).transpose()?;
        let authority = arguments.ca_file.as_deref().map(text).transpose()?;
        let mut supply = Self { sheets: Sheets::new(), lacking: Vec::new() };
        for need in &needs(spec) {
            let from_flags = if need.field.starts_with(AUTH) {
                let unknown = among(need, namespace, manifests).is_none();
                match (&credential, need.keys.as_slice(), consent) {
                    (Some(given), [_], _) => Some(whole(need, given)),
                    (Some(given), ..) => Some(client(given).ok_or(Error::NotAClient)?),
                    (None, [_, _], Consent::Pending) if unknown => Some(not_given(need)),
                    (None, ..) => None,
                }
            } else if let Some(name) = header_of(spec, &need.field) {
                headers.as_ref().and_then(|given| header_value(given, name)).map(|value| whole(need, &value))
            } else if need.field == "spec.tls.caRef" {
                authority.as_ref().map(|given| whole(need, given))
            } else if need.field == "spec.proxySecretRef" {
                arguments.network.proxy.as_ref().map(|url| whole(need, &SecretString::from(url.as_str())))
            } else {
                None
            };
            supply.add(need, from_flags, namespace, manifests);
        }
        Ok(supply)
    }

    fn add(&mut self, need: &Need, from_flags: Option<Values>, namespace: &str, manifests: &[Manifest]) {
        let found = among(need, namespace, manifests);
        if from_flags.is_none() && found.is_none() {
            self.lacking.push(Fault::problem(&need.field, absence(need)));
            return;
        }
        let sheet = self.sheets.entry(need.referent.clone()).or_default();
        if let Some(Sheet { data, released, .. }) = found {
            sheet.released = released;
            // What a flag has given for another field stays.
            for (key, value) in data {
                sheet.data.entry(key).or_insert(value);
            }
        }
        sheet.data.extend(from_flags.unwrap_or_default());
    }
}

/// Whether a person has to consent before a credential is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// The credential is all that it takes.
    NotNeeded,
    /// Nobody has consented yet.
    Pending,
}

type Values = BTreeMap<String, Vec<u8>>;

fn absence(need: &Need) -> String {
    let flag = match need.field.as_str() {
        field if field.starts_with(AUTH) => "with --credential-file, ",
        field if field.starts_with("spec.headers") => "with --headers-file, ",
        "spec.tls.caRef" => "with --ca-file, ",
        "spec.proxySecretRef" => "with --proxy, ",
        _ => "",
    };
    format!(
        "Jira cannot be asked without {} of {}: give it {flag}or name a file with that object",
        need.keys.join(" and "),
        need.referent
    )
}

/// A file, or standard input. A line break at the end is the editor's and not the credential's.
fn text(path: &Path) -> Result<SecretString, Error> {
    let mut text = String::new();
    if path.as_os_str() == STANDARD_INPUT {
        io::stdin().read_to_string(&mut text).map_err(Error::Input)?;
    } else {
        text = fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    }
    let whole = text.strip_suffix('\n').unwrap_or(&text);
    Ok(SecretString::from(whole.strip_suffix('\r').unwrap_or(whole)))
}

fn whole(need: &Need, value: &SecretString) -> Values {
    let value = value.expose_secret().as_bytes().to_vec();
    need.keys.first().map(|key| (key.clone(), value)).into_iter().collect()
}

fn not_given(need: &Need) -> Values {
    need.keys.iter().map(|key| (key.clone(), NOT_GIVEN.to_vec())).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Client {
    client_id: String,
    client_secret: String,
}

/// A client as JSON, or in lines `clientId: …` and `clientSecret: …`, where `=` serves as well.
fn client(given: &SecretString) -> Option<Values> {
    let text = given.expose_secret();
    if text.trim_start().starts_with('{') {
        let Client { client_id, client_secret } = serde_json::from_str(text).ok()?;
        return Some(client_values(&client_id, &client_secret));
    }
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name))?;
        line.trim_start().strip_prefix([':', '=']).map(str::trim)
    };
    Some(client_values(value("clientId")?, value("clientSecret")?))
}

fn client_values(id: &str, secret: &str) -> Values {
    Values::from([("clientId".to_owned(), id.into()), ("clientSecret".to_owned(), secret.into())])
}

/// The header that a field of the spec gives the value of.
fn header_of<'a>(spec: &'a JiraConnectionSpec, field: &str) -> Option<&'a str> {
    let index: usize = field.strip_prefix("spec.headers[")?.split(']').next()?.parse().ok()?;
    spec.headers.as_ref()?.get(index).map(|header| header.name.as_str())
}

/// The value of a header in lines `Name: value`. Names ignore case (RFC 9110, 5.1).
fn header_value(given: &SecretString, wanted: &str) -> Option<SecretString> {
    let mut lines = given.expose_secret().lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))?;
    Some(SecretString::from(value.trim()))
}

/// The object that a connection needs, if it is among the manifests with all its keys.
fn among(need: &Need, namespace: &str, manifests: &[Manifest]) -> Option<Sheet> {
    let Need { referent: Referent { kind, name }, keys, .. } = need;
    let (kind, plain, encoded) = match kind {
        ReferentKind::Secret => ("Secret", "stringData", "data"),
        ReferentKind::ConfigMap => ("ConfigMap", "data", "binaryData"),
    };
    let it = manifests.iter().find(|it| it.is_core(kind) && it.name == *name && it.namespace == namespace)?;
    let fields = |field: &str| it.value[field].as_object().cloned().unwrap_or_default();
    let mut data: Values = fields(encoded)
        .into_iter()
        .filter_map(|(key, value)| Some((key, BASE64_STANDARD.decode(value.as_str()?).ok()?)))
        .collect();
    data.extend(fields(plain).into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.into()))));
    let released = it.value["metadata"]["annotations"][crds::RELEASED_HOSTS].as_str().map(str::to_owned);
    keys.iter().all(|key| data.contains_key(key)).then(|| Sheet { data, released, ..Sheet::default() })
}

/// Reads a text as a file with a credential, and as one with headers.
#[cfg(any(test, fuzzing))]
pub(in crate::plugin::check) fn read(text: &str) {
    let given = SecretString::from(text);
    if let Some(values) = client(&given) {
        assert_eq!(values.len(), 2, "a client has an id and a secret");
    }
    let name = text.split(':').next().unwrap_or_default().trim();
    let header = header_value(&given, name);
    assert!(header.is_none_or(|value| !value.expose_secret().contains('\n')), "a header has one line");
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::json(r#"{"clientId": "id", "clientSecret": "s:=x", "note": 1}"#, Some(("id", "s:=x")))]
    #[case::lines("clientId: id\nclientSecret: s:=x", Some(("id", "s:=x")))]
    #[case::as_in_a_shell("clientId=id\r\nclientSecret=s:=x\r\n", Some(("id", "s:=x")))]
    #[case::half("clientId: id", None)]
    #[case::a_token("a-token", None)]
    #[case::broken_json("{\"clientId\": ", None)]
    fn a_client_is_read_in_either_form(#[case] text: &str, #[case] expected: Option<(&str, &str)>) {
        let expected = expected.map(|(id, secret)| client_values(id, secret));
        assert_eq!(client(&SecretString::from(text)), expected);
    }

    #[rstest]
    #[case("X-Gate", Some("a: b"))]
    #[case("x-gate", Some("a: b"))]
    #[case("X-Door", None)]
    fn a_header_is_found_by_its_name(#[case] name: &str, #[case] expected: Option<&str>) {
        let given = SecretString::from("X-Other: 1\nX-Gate:  a: b \nno header");
        assert_eq!(header_value(&given, name).as_ref().map(ExposeSecret::expose_secret), expected);
    }
}
