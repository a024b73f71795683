//! What lies on the way to Jira: headers that a gateway demands, certificates.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::{BundleReference, SecretKeyReference, SecretReference};

/// A header that every request to this Jira carries.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Field name (RFC 9110, 5.1). Names that steer the request itself are refused: `Authorization`, `Host`, `Cookie`,
    /// `Proxy-*`, `X-Forwarded-*`, hop-by-hop headers, and those by which cloud metadata services are asked.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(
        validation = Rule::new("self.matches('^[!#$%&\\'*+.^_`|~0-9A-Za-z-]+$')")
            .message("a header name may hold only letters, digits and !#$%&'*+-.^_`|~ (RFC 9110, 5.6.2)"),
        validation = Rule::new("!self.matches('(?i)^(authorization|host|cookie|content-length|content-type|accept|user-agent|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|forwarded|metadata-flavor|metadata|x-atlassian-token|proxy-.*|x-forwarded-.*|x-aws-.*)$')")
            .message("this header steers the request itself and cannot be set: use auth for credentials, proxySecretRef for a proxy")
    )]
    pub name: String,
    /// Where the value comes from. Header values are secrets, so they are never written here.
    pub value_from: HeaderSource,
}

/// Where a header's value comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderSource {
    /// Key of a Secret whose value is the header's value: visible ASCII in one line, at most 8 KiB.
    pub secret_key_ref: SecretKeyReference,
}

/// Certificates for reaching Jira. Verification cannot be switched off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// CA certificates in PEM to trust besides the system's and the operator's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_ref: Option<BundleReference>,
    /// Secret of the type `kubernetes.io/tls` with the certificate that we show when Jira asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_secret_ref: Option<SecretReference>,
}
