//! Reads the Secrets and ConfigMaps of a connection and makes of them a credential and a way to Jira.
//!
//! In: a connection. Out: a wallet, or the fault of one key. A fault names object and key, never what is in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crds::{
    JiraConnection,
    connection::{
        auth::{Method, Scope},
        status::{ActiveCredential, Observed},
    },
    reference::SecretKeyReference,
};
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};
use kube::{Api, ResourceExt};
use secrecy::{ExposeSecret, SecretString};

use super::{
    Error,
    material::{MaterialFault, Referent, ReferentKind},
    references::{self, CLIENT_ID, CLIENT_SECRET, PROXY_PASSWORD, PROXY_URL, PROXY_USERNAME},
    settings::Settings,
    wallet::{Credential, Values, Wallet},
};
use crate::{
    auth::key_pair::KeyPair,
    context::Context,
    jira::{ClientCertificate, CustomHeader, HostPattern, Network, Proxy, Route, Site},
};

/// Longest token or client secret, in bytes: longer than any that Jira issues, shorter than what servers refuse.
const LONGEST_TOKEN: usize = 8 * 1024;

/// Longest CA bundle or certificate chain, in bytes.
const LONGEST_BUNDLE: usize = 512 * 1024;

/// An object as it was read. Has no `Debug`: it holds secrets.
#[derive(Default)]
pub(crate) struct Sheet {
    /// `metadata.resourceVersion`.
    pub(crate) version: String,
    /// Its values.
    pub(crate) data: BTreeMap<String, Vec<u8>>,
    /// The annotation that releases a Secret for some hosts.
    pub(crate) released: Option<String>,
}

/// The objects that a connection refers to.
pub(crate) type Sheets = BTreeMap<Referent, Sheet>;

/// Reads everything that the connection refers to.
///
/// # Errors
/// [`Error::Read`] if the API server does not answer. What is wrong with the objects themselves is the inner fault.
pub(super) async fn read(
    connection: &JiraConnection,
    site: &Site,
    ctx: &Context,
) -> Result<Result<(Wallet, Option<Result<(), MaterialFault>>), MaterialFault>, Error> {
    let mut sheets = BTreeMap::new();
    for referent in references::referents(&connection.spec) {
        let Some(sheet) = fetch(connection, &referent, ctx).await? else {
            return Ok(Err(MaterialFault::Missing(referent)));
        };
        if let Err(fault) = released(&referent, &sheet, site, ctx.requires_released_secrets) {
            return Ok(Err(fault));
        }
        sheets.insert(referent, sheet);
    }
    let candidate = candidate(connection, site, ctx).await?;
    Ok(assemble(connection, site, sheets, &ctx.network, ctx.settings).map(|mut wallet| {
        let candidate = candidate.map(|read| {
            read.map(|(credential, values, observed)| {
                wallet.values.extend(values);
                wallet.observed =
                    wallet.observed.iter().cloned().chain([observed]).collect::<BTreeSet<_>>().into_iter().collect();
                wallet.candidate = Some(credential);
            })
        });
        (wallet, candidate)
    }))
}

/// A credential that shall replace the one in use, with its values and the version of its Secret. What is wrong with it
/// does not touch the one in use.
type Candidate = Result<(Credential, Values, Observed), MaterialFault>;

async fn candidate(connection: &JiraConnection, site: &Site, ctx: &Context) -> Result<Option<Candidate>, Error> {
    let Some(referent) = references::credential(&connection.spec, ActiveCredential::Candidate).map(references::secret)
    else {
        return Ok(None);
    };
    let Some(sheet) = fetch(connection, &referent, ctx).await? else {
        return Ok(Some(Err(MaterialFault::Missing(referent))));
    };
    if let Err(fault) = released(&referent, &sheet, site, ctx.requires_released_secrets) {
        return Ok(Some(Err(fault)));
    }
    let observed = Observed { name: referent.name.clone(), resource_version: sheet.version.clone() };
    let mut desk = Desk { sheets: BTreeMap::from([(referent, sheet)]), taken: Values::new() };
    let credential = credential(connection, ActiveCredential::Candidate, &mut desk);
    Ok(Some(credential.map(|credential| (credential, desk.taken, observed))))
}

async fn fetch(connection: &JiraConnection, referent: &Referent, ctx: &Context) -> Result<Option<Sheet>, Error> {
    let namespace = connection.namespace().unwrap_or_default();
    let failed = |source| Error::Read { what: referent.to_string(), source: Box::new(source) };
    match referent.kind {
        ReferentKind::Secret => {
            let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &namespace);
            let found = api.get_opt(&referent.name).await.map_err(failed)?;
            Ok(found.map(|secret| Sheet {
                version: secret.resource_version().unwrap_or_default(),
                released: secret.annotations().get(crds::RELEASED_HOSTS).cloned(),
                data: secret
                    .data
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(key, ByteString(value))| (key, value))
                    .collect(),
            }))
        }
        ReferentKind::ConfigMap => {
            let api: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), &namespace);
            let found = api.get_opt(&referent.name).await.map_err(failed)?;
            Ok(found.map(|map| Sheet {
                version: map.resource_version().unwrap_or_default(),
                released: None,
                data: map.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes())).collect(),
            }))
        }
    }
}

/// Whether a Secret may be used for this host. A ConfigMap holds no secret.
pub(crate) fn released(referent: &Referent, sheet: &Sheet, site: &Site, required: bool) -> Result<(), MaterialFault> {
    let refused = || {
        let origin = site.origin();
        let host = origin.strip_prefix("https://").unwrap_or(&origin).to_owned();
        MaterialFault::NotReleased { referent: referent.clone(), host }
    };
    if referent.kind == ReferentKind::ConfigMap {
        return Ok(());
    }
    let released = match &sheet.released {
        None => !required,
        Some(hosts) => {
            let patterns = hosts.split(',').filter_map(|host| host.trim().parse::<HostPattern>().ok());
            patterns.into_iter().any(|pattern| pattern.admits(site))
        }
    };
    if released { Ok(()) } else { Err(refused()) }
}

/// The objects that were read, and the values that were taken from them.
struct Desk {
    sheets: Sheets,
    taken: Values,
}

impl Desk {
    fn bytes(&self, referent: &Referent, key: &str) -> Result<Option<&[u8]>, MaterialFault> {
        let sheet = self.sheets.get(referent).ok_or_else(|| MaterialFault::Missing(referent.clone()))?;
        Ok(sheet.data.get(key).map(Vec::as_slice))
    }

    fn take_text(&mut self, referent: &Referent, key: &str, longest: usize) -> Result<SecretString, MaterialFault> {
        let absent = || MaterialFault::KeyMissing { referent: referent.clone(), key: key.to_owned() };
        let bytes = self.bytes(referent, key)?.ok_or_else(absent)?;
        let malformed = |fault: String| malformed(referent, key, fault);
        if bytes.is_empty() {
            return Err(malformed("the value is empty".into()));
        }
        if bytes.len() > longest {
            return Err(malformed(format!("the value is longer than {longest} bytes")));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("the value is not text in UTF-8".into()))?;
        let value = SecretString::from(text);
        self.taken.insert((referent.clone(), key.to_owned()), value.clone());
        Ok(value)
    }

    /// A value of visible ASCII in one line.
    fn take_token(&mut self, referent: &Referent, key: &str) -> Result<SecretString, MaterialFault> {
        let value = self.take_text(referent, key, LONGEST_TOKEN)?;
        let malformed = |fault: &str| Err(malformed(referent, key, fault.into()));
        match value.expose_secret() {
            text if text.ends_with(['\n', '\r']) => malformed(
                "the value ends with a line break; store it without one, as with `echo -n` or `--from-literal`",
            ),
            text if text.contains(['\n', '\r']) => malformed("the value has several lines where one was due"),
            text if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                malformed("the value has spaces or characters other than visible ASCII, which no token has")
            }
            _ => Ok(value),
        }
    }

    fn take_key(&mut self, reference: &SecretKeyReference) -> Result<SecretString, MaterialFault> {
        self.take_token(&references::secret(&reference.name), &reference.key)
    }
}

fn malformed(referent: &Referent, key: &str, fault: String) -> MaterialFault {
    MaterialFault::Malformed { referent: referent.clone(), key: key.to_owned(), fault }
}

/// Makes of the objects that a connection refers to a credential and a way to Jira.
pub(crate) fn assemble(
    connection: &JiraConnection,
    site: &Site,
    sheets: Sheets,
    network: &Network,
    settings: Settings,
) -> Result<Wallet, MaterialFault> {
    let mut desk = Desk { sheets, taken: Values::new() };
    let credential = credential(connection, ActiveCredential::Primary, &mut desk)?;
    let timeout = settings.of(&connection.spec).timeout.into();
    let route = route(connection, site, &mut desk, timeout)?;
    let blamed = route_keys(connection);
    let jira = network.connect(route).map_err(|fault| {
        let (referent, key) = blamed.of(fault);
        malformed(&referent, &key, fault.to_string())
    })?;
    let secrets = desk.sheets.iter().filter(|(referent, _)| referent.kind == ReferentKind::Secret);
    let observed: BTreeSet<_> = secrets
        .map(|(referent, sheet)| Observed { name: referent.name.clone(), resource_version: sheet.version.clone() })
        .collect();
    Ok(Wallet {
        observed: observed.into_iter().collect(),
        values: desk.taken,
        primary: credential,
        candidate: None,
        active: ActiveCredential::Primary,
        jira,
        access: None,
    })
}

fn credential(
    connection: &JiraConnection,
    which: ActiveCredential,
    desk: &mut Desk,
) -> Result<Credential, MaterialFault> {
    let absent = || MaterialFault::Missing(references::secret(&connection.name_any()));
    let key = |primary, candidate: &'_ Option<SecretKeyReference>| {
        references::chosen(which, Some(primary), candidate.as_ref()).ok_or_else(absent).cloned()
    };
    let name = references::credential(&connection.spec, which);
    match connection.spec.auth.method() {
        Some(Method::OAuth2AuthorizationCode(method)) => client(desk, name.ok_or_else(absent)?, method.scopes.as_ref()),
        Some(Method::OAuth2ClientCredentials(method)) => client(desk, name.ok_or_else(absent)?, method.scopes.as_ref()),
        Some(Method::PersonalAccessToken(method)) => {
            let key = key(&method.token_secret_ref, &method.candidate_secret_ref)?;
            desk.take_key(&key).map(Credential::Bearer)
        }
        Some(Method::ApiToken(method)) => {
            let token = desk.take_key(&key(&method.token_secret_ref, &method.candidate_secret_ref)?)?;
            Ok(Credential::Basic { user: method.email.clone(), token })
        }
        Some(Method::OAuth1(method)) => {
            let pair = method.private_key_secret_ref.as_ref().map(|key| key_pair(key, desk)).transpose()?;
            Ok(Credential::Consumer { key: method.consumer_key.clone(), pair: pair.map(Arc::new) })
        }
        None => Err(absent()),
    }
}

fn client(desk: &mut Desk, name: &str, scopes: Option<&Vec<Scope>>) -> Result<Credential, MaterialFault> {
    let referent = references::secret(name);
    Ok(Credential::Client {
        id: desk.take_token(&referent, CLIENT_ID)?.expose_secret().to_owned(),
        secret: desk.take_token(&referent, CLIENT_SECRET)?,
        scopes: scopes.into_iter().flatten().map(|scope| scope.0.clone()).collect(),
    })
}

fn key_pair(reference: &SecretKeyReference, desk: &mut Desk) -> Result<KeyPair, MaterialFault> {
    let referent = references::secret(&reference.name);
    let pem = desk.take_text(&referent, &reference.key, LONGEST_BUNDLE)?;
    KeyPair::from_pem(&pem).map_err(|fault| malformed(&referent, &reference.key, fault.to_string()))
}

fn route(connection: &JiraConnection, site: &Site, desk: &mut Desk, timeout: Duration) -> Result<Route, MaterialFault> {
    let spec = &connection.spec;
    let headers = spec.headers.iter().flatten().map(|header| {
        let source = &header.value_from.secret_key_ref;
        let referent = references::secret(&source.name);
        let value = desk.take_text(&referent, &source.key, LONGEST_TOKEN)?;
        CustomHeader::new(&header.name, &value).map_err(|fault| malformed(&referent, &source.key, fault.to_string()))
    });
    let headers = headers.collect::<Result<_, _>>()?;
    let tls = spec.tls.clone().unwrap_or_default();
    let ca = match &tls.ca_ref {
        None => None,
        Some(reference) => {
            let pem = desk.take_text(&references::bundle(reference), &reference.key, LONGEST_BUNDLE)?;
            Some(pem.expose_secret().as_bytes().to_vec())
        }
    };
    let client_certificate = match &tls.client_certificate_secret_ref {
        None => None,
        Some(reference) => {
            let referent = references::secret(&reference.name);
            let certificate = desk.take_text(&referent, TLS_CERTIFICATE, LONGEST_BUNDLE)?;
            let key = desk.take_text(&referent, TLS_KEY, LONGEST_BUNDLE)?;
            Some(ClientCertificate { certificate: certificate.expose_secret().as_bytes().to_vec(), key })
        }
    };
    let proxy = spec
        .proxy_secret_ref
        .as_ref()
        .map(|reference| proxy(&references::secret(&reference.name), desk))
        .transpose()?;
    Ok(Route { site: site.clone(), headers, ca, client_certificate, proxy, timeout })
}

fn proxy(referent: &Referent, desk: &mut Desk) -> Result<Proxy, MaterialFault> {
    let url = desk.take_token(referent, PROXY_URL)?;
    let mut optional = |key| match desk.bytes(referent, key)? {
        None => Ok(None),
        Some(_) => desk.take_text(referent, key, LONGEST_TOKEN).map(Some),
    };
    let (username, password) = (optional(PROXY_USERNAME)?, optional(PROXY_PASSWORD)?);
    Proxy::parse(url.expose_secret(), username, password)
        .map_err(|fault| malformed(referent, PROXY_URL, fault.to_string()))
}

/// Keys of a Secret of the type `kubernetes.io/tls`.
const TLS_CERTIFICATE: &str = "tls.crt";
const TLS_KEY: &str = "tls.key";

/// Which key to blame for what is wrong with a route as a whole.
struct RouteKeys {
    ca: (Referent, String),
    certificate: Referent,
    proxy: Referent,
}

fn route_keys(connection: &JiraConnection) -> RouteKeys {
    let spec = &connection.spec;
    let tls = spec.tls.clone().unwrap_or_default();
    let name = |reference: &Option<crds::reference::SecretReference>| {
        references::secret(reference.as_ref().map_or("", |reference| &reference.name))
    };
    RouteKeys {
        ca: tls.ca_ref.as_ref().map_or_else(
            || (references::secret(""), String::new()),
            |reference| (references::bundle(reference), reference.key.clone()),
        ),
        certificate: name(&tls.client_certificate_secret_ref),
        proxy: name(&spec.proxy_secret_ref),
    }
}

impl RouteKeys {
    fn of(self, fault: crate::jira::RouteFault) -> (Referent, String) {
        use crate::jira::RouteFault;
        match fault {
            RouteFault::CaNotPem | RouteFault::CaMalformed => self.ca,
            RouteFault::ClientCertificateNotPem | RouteFault::ClientCertificateMismatch => {
                (self.certificate, TLS_CERTIFICATE.to_owned())
            }
            RouteFault::ClientCertificateKeyNotPem => (self.certificate, TLS_KEY.to_owned()),
            RouteFault::ProxyMalformed => (self.proxy, PROXY_URL.to_owned()),
        }
    }
}
