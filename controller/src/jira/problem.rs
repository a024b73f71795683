//! What can be wrong between the operator and a Jira, as data.
//!
//! A [`Problem`] holds no secret, no response body, no URL and nothing that differs from one attempt to the next, so
//! it can be compared, remembered and turned into a status text as it is.

use std::time::Duration;

/// Why Jira could not be asked, or did not answer as asked. One variant for each cause that somebody acts on differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There was no usable HTTP answer, or Jira itself is unwell.
    Unreachable(Outage),
    /// The TLS handshake failed.
    Tls(TlsFault),
    /// The host, or the address that its name resolves to, may not be contacted. Nothing was sent.
    HostNotAllowed,
    /// Something in front of Jira answered in its place.
    Intercepted(Interceptor),
    /// The answer is Jira's, but of another site than the one asked for.
    WrongSite {
        /// The base URL that the answering site gives for itself, cut and cleaned; absent where it did not say.
        reported: Option<String>,
    },
    /// The grant is good, and for other sites than the connection's. Cloud only.
    SiteNotCovered {
        /// URLs of the sites that it is for, cleaned, in order, at most 10. Empty where it is for none.
        covered: Vec<String>,
    },
    /// What answered is no Jira, or its answer cannot be understood.
    NotJira(Gibberish),
    /// Jira, or the operator's own budget for its host, asks to wait.
    RateLimited {
        /// How long from now, where Jira said.
        retry_after: Option<Duration>,
        /// How far the limit reaches.
        reach: LimitReach,
    },
    /// The credential does not prove an identity.
    Rejected(Rejection),
    /// Jira wants a person to log in with a browser (CAPTCHA), or has locked the account. Never try again by oneself.
    CaptchaRequired,
    /// The token endpoint refuses the client's id or secret (`invalid_client`; Cloud: `access_denied`).
    ClientSecretRejected,
    /// The client id is not the one that the grant was given to, so nothing was sent.
    AnotherClient,
    /// The token endpoint says that the grant is over (`invalid_grant`, `unauthorized_client`).
    GrantRevoked,
    /// The token endpoint does not offer this grant type (`unsupported_grant_type`).
    GrantTypeUnsupported,
    /// The endpoint of the authentication method does not exist in this Jira (404 below `/rest/oauth2` or `/rest/pat`).
    MethodUnavailable,
    /// The servlets of application links do not exist in this Jira (404 below `/plugins/servlet/oauth`).
    LinksUnavailable,
    /// Jira's clock and the operator's differ by more than Jira forgives (`oauth_problem=timestamp_refused`).
    ClockSkew,
    /// Jira refused a signed request and said why.
    OAuth1(OAuth1Problem),
    /// Data Center's OAuth endpoints refuse because the request or the base URL is not https in Jira's eyes.
    InsecureTransport,
    /// The token lacks a scope: a 401 whose body says so, or `invalid_scope`.
    ScopeMissing,
    /// A 403 with Jira's own error collection: the account lacks a right for this resource.
    Forbidden,
    /// 404: missing, or hidden from this account. Jira does not tell the two apart.
    NotFound,
    /// Any other answer that the request should not have had.
    Unexpected {
        /// HTTP status.
        status: u16,
    },
}

/// How a Jira was out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outage {
    /// The host name did not resolve.
    NameNotResolved,
    /// The connection was refused, reset or could not be made.
    NotConnected,
    /// No complete answer within the connection's timeout.
    TimedOut,
    /// The connection broke in the middle of the answer.
    Interrupted,
    /// 5xx.
    ServerError {
        /// HTTP status.
        status: u16,
    },
    /// The outbound proxy could not be reached or refused to forward.
    Proxy,
    /// Nothing was sent: another process may be renewing the same grant.
    Withheld,
}

/// What was wrong with the TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsFault {
    /// The certificate's issuer is in neither the system's, the operator's nor the connection's CA bundle.
    UnknownIssuer,
    /// The certificate is past its end, or not valid yet.
    Expired,
    /// The certificate is for another host name.
    NameMismatch,
    /// The server demands a client certificate, or refuses the one given.
    ClientCertificate,
    /// Anything else: protocol versions, a malformed certificate, plain HTTP on the port.
    Handshake,
}

/// What answered in Jira's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interceptor {
    /// A redirect to a login page or to another host.
    Redirect,
    /// An HTML page where JSON was due: a login page, a single sign-on plug-in, a gateway.
    Page,
    /// 401 or 403 without any sign of Jira, for example an IP allow-list or a gateway that misses its headers.
    Refusal,
}

/// Why an answer could not be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gibberish {
    /// Not JSON by its content type.
    ContentType,
    /// Not JSON by its content, or without the fields that make it Jira's.
    Content,
    /// Longer than the operator reads.
    TooLarge,
    /// The resource that every Jira has is missing.
    Missing,
}

/// How far a rate limit reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitReach {
    /// This host, or this endpoint of it.
    Host,
    /// Every site that is reached with the same OAuth client (`RateLimit-Reason: jira-quota-global-based`).
    Client,
}

/// What an `oauth_problem` tells (OAuth problem reporting, as Jira's provider speaks it).
///
/// `timestamp_refused` is [`Problem::ClockSkew`], and `signature_invalid` over another base URL than ours
/// [`Problem::WrongSite`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OAuth1Problem {
    /// `token_expired`: of a request token after 10 minutes, of an access token after years.
    TokenExpired,
    /// `token_rejected`, `token_revoked`, `token_used`.
    TokenRejected,
    /// `consumer_key_unknown`, `consumer_key_rejected`, `consumer_key_refused`.
    ConsumerUnknown,
    /// `signature_invalid`: the link has another public key.
    SignatureInvalid,
    /// `nonce_used`: the request came a second time.
    NonceUsed,
    /// `permission_unknown`: nobody has answered yet.
    PermissionUnknown,
    /// `permission_denied`, `user_refused`: a person said no, or the session is over.
    PermissionDenied,
    /// Any other: Jira does not take the request as the operator forms it.
    Unacceptable,
}

/// How a credential failed to prove who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rejection {
    /// 401.
    Unauthorized,
    /// Answered, but as nobody: a success, 403 or 404 with `X-AUSERNAME: anonymous`, or a success or 404 with
    /// `X-Seraph-LoginReason: AUTHENTICATED_FAILED`.
    Anonymous,
    /// The account exists and is deactivated or deleted.
    Inactive,
}
