//! The ways to prove to Jira who is asking.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::{SecretKeyReference, SecretReference};

/// Exactly one way to authenticate.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("[has(self.oauth2AuthorizationCode), has(self.oauth2ClientCredentials), has(self.oauth1), has(self.personalAccessToken), has(self.apiToken)].filter(given, given).size() == 1")
        .message("exactly one method must be given: oauth2AuthorizationCode, oauth2ClientCredentials, oauth1, personalAccessToken or apiToken")
)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// OAuth 2.0 with a person's consent: Cloud (3LO), and Data Center 8.22 or later.
    #[serde(rename = "oauth2AuthorizationCode", skip_serializing_if = "Option::is_none")]
    pub oauth2_authorization_code: Option<OAuth2AuthorizationCode>,
    /// OAuth 2.0 for a service account, without a browser: Cloud, and recent Data Center.
    #[serde(rename = "oauth2ClientCredentials", skip_serializing_if = "Option::is_none")]
    pub oauth2_client_credentials: Option<OAuth2ClientCredentials>,
    /// OAuth 1.0a through an application link: Data Center before 8.22.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth1: Option<OAuth1>,
    /// A personal access token: Data Center 8.14 or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personal_access_token: Option<PersonalAccessToken>,
    /// An API token of a user or service account, scoped or not: Cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_token: Option<ApiToken>,
}

/// The one way that an [`Auth`] gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method<'a> {
    /// OAuth 2.0 authorization code.
    OAuth2AuthorizationCode(&'a OAuth2AuthorizationCode),
    /// OAuth 2.0 client credentials.
    OAuth2ClientCredentials(&'a OAuth2ClientCredentials),
    /// OAuth 1.0a.
    OAuth1(&'a OAuth1),
    /// Personal access token.
    PersonalAccessToken(&'a PersonalAccessToken),
    /// API token.
    ApiToken(&'a ApiToken),
}

impl Auth {
    /// The method given. `None` if none or several are, which the schema refuses.
    #[must_use]
    pub fn method(&self) -> Option<Method<'_>> {
        let Self { oauth2_authorization_code, oauth2_client_credentials, oauth1, personal_access_token, api_token } =
            self;
        let mut given = [
            oauth2_authorization_code.as_ref().map(Method::OAuth2AuthorizationCode),
            oauth2_client_credentials.as_ref().map(Method::OAuth2ClientCredentials),
            oauth1.as_ref().map(Method::OAuth1),
            personal_access_token.as_ref().map(Method::PersonalAccessToken),
            api_token.as_ref().map(Method::ApiToken),
        ]
        .into_iter()
        .flatten();
        given.next().filter(|_| given.next().is_none())
    }
}

/// A scope as RFC 6749, 3.3 allows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Scope(#[schemars(length(min = 1, max = 128), regex(pattern = r"^[!#-\[\]-~]+$"))] pub String);

/// OAuth 2.0, authorization code grant (RFC 6749, 4.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OAuth2AuthorizationCode {
    /// Secret with the keys `clientId` and `clientSecret`, as Jira or the developer console shows them.
    pub client_secret_ref: SecretReference,
    /// Secret with the same keys that shall replace the first one; it is proven before it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate_secret_ref: Option<SecretReference>,
    /// Scopes to ask for. Absent: on Data Center `WRITE`; on Cloud what reading and writing issues needs, and offline access.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "set"))]
    pub scopes: Option<Vec<Scope>>,
}

/// OAuth 2.0, client credentials grant (RFC 6749, 4.4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OAuth2ClientCredentials {
    /// Secret with the keys `clientId` and `clientSecret` of the service account.
    pub client_secret_ref: SecretReference,
    /// Secret with the same keys that shall replace the first one; it is proven before it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate_secret_ref: Option<SecretReference>,
    /// Scopes to ask for. Absent: on Data Center `READ` and `WRITE`; on Cloud those that the credential was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "set"))]
    pub scopes: Option<Vec<Scope>>,
}

/// OAuth 1.0a with RSA-SHA1 (RFC 5849) through an application link of the type *Generic Application*.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OAuth1 {
    /// Consumer key, as entered in Jira's application link.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[!-~]+$"))]
    pub consumer_key: String,
    /// Consumer name, as entered in Jira's application link.
    #[schemars(length(min = 1, max = 255))]
    pub consumer_name: String,
    /// RSA private key in PEM (PKCS#1 or PKCS#8). Absent: the operator makes a key pair and shows the public key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key_secret_ref: Option<SecretKeyReference>,
}

/// Personal access token of a Data Center account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonalAccessToken {
    /// The token.
    pub token_secret_ref: SecretKeyReference,
    /// A token that shall replace the first one; it is proven before it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate_secret_ref: Option<SecretKeyReference>,
    /// When the token ends, RFC 3339, for the forecast where Jira does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("format" = "date-time"))]
    pub expires_at: Option<String>,
}

/// API token of a Cloud account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiToken {
    /// E-mail address of the account that the token belongs to.
    #[schemars(length(min = 3, max = 254), regex(pattern = r"^[^\s:@]+@[^\s:@]+$"))]
    pub email: String,
    /// The token.
    pub token_secret_ref: SecretKeyReference,
    /// A token of the same account that shall replace the first one; it is proven before it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate_secret_ref: Option<SecretKeyReference>,
    /// When the token ends, RFC 3339, for the forecast: Cloud does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("format" = "date-time"))]
    pub expires_at: Option<String>,
}
