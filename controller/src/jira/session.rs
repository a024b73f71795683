//! Where the REST API is, and as whom it is called.

use super::{authorization::Authorization, cloud_id::CloudId};

/// Where the REST API is, and as whom it is called. `Debug` hides the credential.
#[derive(Clone, Debug)]
pub struct Session {
    /// Where the REST API is.
    pub base: ApiBase,
    /// As whom it is called.
    pub authorization: Authorization,
}

/// Where the REST API of a Jira is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiBase {
    /// `{site}/rest/api/2`.
    DataCenter,
    /// `{site}/rest/api/3`: for unscoped API tokens.
    CloudSite,
    /// `https://api.atlassian.com/ex/jira/{cloudId}/rest/api/3`: for OAuth 2.0 and scoped API tokens.
    CloudGateway(CloudId),
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Party {
    /// The site, before it is known what it is.
    Site,
    /// The site, a Data Center.
    DataCenter,
    /// The site, on Cloud.
    CloudSite,
    /// Atlassian's API host, for one site.
    Gateway(CloudId),
    /// Atlassian's API host, for no site in particular.
    ApiHost,
    /// Atlassian's token endpoint.
    AuthServer,
}

impl ApiBase {
    /// Version of the REST API: Data Center has no 3.
    pub(super) fn version(&self) -> &'static str {
        match self {
            Self::DataCenter => "2",
            Self::CloudSite | Self::CloudGateway(_) => "3",
        }
    }

    pub(super) fn party(&self) -> Party {
        match self {
            Self::DataCenter => Party::DataCenter,
            Self::CloudSite => Party::CloudSite,
            Self::CloudGateway(cloud_id) => Party::Gateway(cloud_id.clone()),
        }
    }

    pub(super) fn is_cloud(&self) -> bool {
        match self {
            Self::DataCenter => false,
            Self::CloudSite | Self::CloudGateway(_) => true,
        }
    }
}

impl Party {
    /// Whether the connection's own host is asked, which alone sees its headers and client certificate.
    pub(super) fn is_site(&self) -> bool {
        match self {
            Self::Site | Self::DataCenter | Self::CloudSite => true,
            Self::Gateway(_) | Self::ApiHost | Self::AuthServer => false,
        }
    }
}
