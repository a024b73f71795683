//! The one way by which requests leave.

use std::time::Duration;

use reqwest::{
    Method, RequestBuilder, Response,
    header::{ACCEPT, HeaderMap, HeaderValue},
};
use serde_json::Value;
use tokio::time::{Instant, timeout};
use tracing::debug;
use url::Url;

use super::{
    Jira,
    answer::Answer,
    authority::Authority,
    authorization::Authorization,
    budget::Turn,
    classify::{Question, classify},
    clients::Egress,
    endpoint::Endpoint,
    problem::{Gibberish, LimitReach, Outage, Problem},
    session::Party,
    tally::OutcomeClass,
    transport::cause,
};

/// The longest body that is read, in bytes. The longest honest answer, all permissions of a Data Center with many
/// plug-ins, is a tenth of it.
const LONGEST_BODY: usize = 1024 * 1024;

/// One request, without what belongs to the connection.
pub(super) struct Call<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) party: Party,
    pub(super) url: Url,
    /// `None` for what anybody may ask, and where the body holds the credential.
    pub(super) authorization: Option<&'a Authorization>,
    pub(super) payload: Payload,
}

/// What a request carries. No `Debug`: it may hold a client's secret.
pub(super) enum Payload {
    /// Nothing, by GET.
    None,
    /// JSON, by POST.
    Json(Value),
    /// `application/x-www-form-urlencoded`, by POST.
    Form(Vec<(&'static str, String)>),
}

impl Payload {
    fn method(&self) -> Method {
        match self {
            Self::None => Method::GET,
            Self::Json(_) | Self::Form(_) => Method::POST,
        }
    }
}

impl Jira {
    /// Sends one request, if the rules and the host's budget allow it, and reads and judges its answer.
    ///
    /// Every request to Jira or Atlassian passes here.
    pub(super) async fn exchange(&self, call: Call<'_>) -> Result<Answer, Problem> {
        let (endpoint, method) = (call.endpoint, call.payload.method());
        let host = call.url.host_str().unwrap_or_default().to_owned();
        let started = Instant::now();
        let (class, status, outcome) = match self.permitted(&call).await {
            Ok(turn) => self.judged(call, &turn).await,
            Err(problem) => (OutcomeClass::Unsent, None, Err(problem)),
        };
        self.connection.network.count(endpoint, class);
        debug!(
            %method,
            route = endpoint.template(),
            host,
            status,
            outcome = class.label(),
            milliseconds = started.elapsed().as_millis(),
            "asked Jira"
        );
        outcome
    }

    /// Checks who would be contacted, then waits for the host's budget. Nothing has been sent before this returns.
    async fn permitted(&self, call: &Call<'_>) -> Result<Turn, Problem> {
        let target = Authority::of(&call.url).ok_or(Problem::HostNotAllowed)?;
        self.check_hosts(&target)?;
        let tenant = match &call.party {
            Party::Gateway(cloud_id) => Some(cloud_id),
            Party::Site | Party::DataCenter | Party::CloudSite | Party::AuthServer => None,
        };
        self.connection.network.turn(&target, tenant).await
    }

    /// The rules that need no name resolution.
    fn check_hosts(&self, target: &Authority) -> Result<(), Problem> {
        let network = &self.connection.network;
        let proxy = match &self.connection.egress {
            Egress::Connection(proxy) => Some(proxy.authority()),
            Egress::Direct | Egress::Operator(_) => None,
        };
        // The site has to be allowed even where Atlassian's hosts are asked on its behalf.
        let named = network.allows(self.site()) && proxy.is_none_or(|it| network.allows_authority(it));
        let denied =
            [Some(target), proxy].into_iter().flatten().filter_map(|it| it.address).any(|it| network.denies(it));
        if named && !denied { Ok(()) } else { Err(Problem::HostNotAllowed) }
    }

    async fn judged(&self, call: Call<'_>, turn: &Turn) -> (OutcomeClass, Option<u16>, Result<Answer, Problem>) {
        let (endpoint, party, url) = (call.endpoint, call.party.clone(), call.url.clone());
        let question = Question { endpoint, party: &party, url: &url };
        let answer = match timeout(self.connection.timeout, self.sent(call)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(problem)) => return (OutcomeClass::from(&problem), None, Err(problem)),
            Err(_elapsed) => {
                return (OutcomeClass::Unreachable, None, Err(Problem::Unreachable(Outage::TimedOut)));
            }
        };
        let status = Some(answer.status);
        match classify(question, &answer) {
            Ok(()) if LONGEST_BODY < answer.body.len() => {
                (OutcomeClass::Intercepted, status, Err(Problem::NotJira(Gibberish::TooLarge)))
            }
            Ok(()) => (OutcomeClass::Answered, status, Ok(answer)),
            Err(problem) => {
                if let Some(time) = pause_after(&problem) {
                    turn.pause(time);
                }
                (OutcomeClass::from(&problem), status, Err(problem))
            }
        }
    }

    async fn sent(&self, call: Call<'_>) -> Result<Answer, Problem> {
        self.check_tunnel(&call.url).await?;
        let egress = &self.connection.egress;
        let response = self.request(call)?.send().await.map_err(|it| cause(&it, egress))?;
        read(response).await.map_err(|it| cause(&it, egress))
    }

    /// Names that a proxy resolves do not pass the operator's resolver, so they are looked up here as well.
    async fn check_tunnel(&self, url: &Url) -> Result<(), Problem> {
        if self.connection.egress == Egress::Direct {
            return Ok(());
        }
        let name = url.domain().unwrap_or_default();
        if !name.is_empty() && self.connection.network.denies_name(name).await {
            return Err(Problem::HostNotAllowed);
        }
        Ok(())
    }

    fn request(&self, call: Call<'_>) -> Result<RequestBuilder, Problem> {
        let own = call.party.is_site();
        let client = if own { &self.connection.site_client } else { &self.connection.atlassian_client };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if own {
            for header in &self.connection.headers {
                let (name, value) = header.parts();
                headers.insert(name.clone(), value.clone());
            }
        }
        if call.payload.method() == Method::POST {
            // Without it Jira may take the request for one that a foreign page made a browser send.
            headers.insert("x-atlassian-token", HeaderValue::from_static("no-check"));
        }
        let request = client.request(call.payload.method(), call.url).headers(headers);
        let request = match &call.payload {
            Payload::None => request,
            Payload::Json(body) => request.json(body),
            Payload::Form(fields) => request.form(fields),
        };
        match call.authorization {
            Some(authorization) => authorization.apply(request),
            None => Ok(request),
        }
    }
}

/// Reads at most one chunk more than [`LONGEST_BODY`], whatever length the answer announces.
async fn read(mut response: Response) -> Result<Answer, reqwest::Error> {
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    let mut body = Vec::new();
    while body.len() <= LONGEST_BODY
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body })
}

/// How long the host pauses after this problem. A limit of the OAuth client is for its connections to obey.
fn pause_after(problem: &Problem) -> Option<Duration> {
    match problem {
        Problem::RateLimited { retry_after, reach: LimitReach::Host } => *retry_after,
        _ => None,
    }
}
