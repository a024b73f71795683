//! The one way by which requests leave.

use std::{future::Future, time::Duration};

use k8s_openapi::jiff::Timestamp;
use reqwest::{
    Method, RequestBuilder, Response,
    header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue},
};
use serde_json::Value;
use tokio::time::{Instant, timeout};
use tracing::{Instrument, Span, debug};
use url::Url;

use super::{
    Jira,
    answer::Answer,
    authority::Authority,
    authorization::Proof,
    budget::{Turn, Urgency},
    classify::{Question, classify},
    clients::Egress,
    endpoint::{Endpoint, Purpose},
    problem::{Gibberish, LimitReach, OAuth1Problem, Outage, Problem},
    retry_after::is_scarce,
    session::Party,
    tally::OutcomeClass,
    transport::cause,
};
use crate::{auth::oauth1::Unsigned, telemetry};

/// The longest body that is read, in bytes. The longest honest answer, all permissions of a Data Center with many
/// plug-ins, is a tenth of it.
const LONGEST_BODY: usize = 1024 * 1024;

/// One request, without what belongs to the connection.
pub(super) struct Call<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) party: Party,
    pub(super) url: Url,
    pub(super) proof: Proof<'a>,
    pub(super) payload: Payload,
}

/// What a request carries. No `Debug`: it may hold a client's secret.
pub(super) enum Payload {
    /// Nothing, by GET.
    None,
    /// Nothing, by POST.
    Empty,
    /// JSON, by POST.
    Json(Value),
    /// `application/x-www-form-urlencoded`, by POST.
    Form(Vec<(&'static str, String)>),
}

impl Payload {
    fn method(&self) -> Method {
        match self {
            Self::None => Method::GET,
            Self::Empty | Self::Json(_) | Self::Form(_) => Method::POST,
        }
    }

    fn form(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Form(fields) => fields.iter().map(|(name, value)| (*name, value.as_str())).collect(),
            Self::None | Self::Empty | Self::Json(_) => Vec::new(),
        }
    }
}

/// Why tokens were not renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unrenewed {
    /// The last look said no. Nothing was sent.
    Withheld,
    /// Jira was asked, or could not be.
    Problem(Problem),
}

impl From<Problem> for Unrenewed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl Jira {
    /// Sends one request, if the rules and the host's budget allow it, and reads and judges its answer.
    ///
    /// Every request to Jira or Atlassian passes here, or in [`Self::exchange_after`]. One that was taken for a replay is
    /// sent once more with a fresh nonce.
    pub(super) async fn exchange(&self, call: Call<'_>) -> Result<Answer, Problem> {
        self.exchange_as(Urgency::Routine, call).await
    }

    /// The same for what a person waits for: it goes ahead of everything that nobody waits for.
    pub(super) async fn exchange_for_person(&self, call: Call<'_>) -> Result<Answer, Problem> {
        self.exchange_as(Urgency::Person, call).await
    }

    async fn exchange_as(&self, urgency: Urgency, call: Call<'_>) -> Result<Answer, Problem> {
        match self.exchange_once(urgency, &call).await {
            Err(Problem::OAuth1(OAuth1Problem::NonceUsed)) => self.exchange_once(urgency, &call).await,
            outcome => outcome,
        }
    }

    async fn exchange_once(&self, urgency: Urgency, call: &Call<'_>) -> Result<Answer, Problem> {
        let asked = async {
            let started = Instant::now();
            let turn = self.turn(urgency, call, started).await?;
            self.answered(call, &turn, started).await
        };
        asked.instrument(span(call)).await
    }

    /// The same for what must not be sent twice: `last_look` is awaited when the rules and the budget have let the request
    /// through, immediately before it is sent, and `false` holds it back. It is sent once, as one look covers one request.
    pub(super) async fn exchange_after(
        &self,
        call: Call<'_>,
        last_look: impl Future<Output = bool> + Send,
    ) -> Result<Answer, Unrenewed> {
        let asked = async {
            let started = Instant::now();
            let turn = self.turn(Urgency::Routine, &call, started).await?;
            if !last_look.await {
                self.tell(&call, OutcomeClass::Unsent, None, started);
                return Err(Unrenewed::Withheld);
            }
            Ok(self.answered(&call, &turn, started).await?)
        };
        asked.instrument(span(&call)).await
    }

    async fn turn(&self, urgency: Urgency, call: &Call<'_>, started: Instant) -> Result<Turn, Problem> {
        let turn = self.permitted(urgency, call).await;
        if turn.is_err() {
            self.tell(call, OutcomeClass::Unsent, None, started);
        }
        turn
    }

    async fn answered(&self, call: &Call<'_>, turn: &Turn, started: Instant) -> Result<Answer, Problem> {
        let (class, status, outcome) = self.judged(call, turn).await;
        self.tell(call, class, status, started);
        outcome
    }

    /// Counts and logs one request, sent or not.
    fn tell(&self, call: &Call<'_>, class: OutcomeClass, status: Option<u16>, started: Instant) {
        self.connection.network.count(call.endpoint, class);
        Span::current().record("outcome", class.label()).record("status", status);
        debug!(
            method = %call.payload.method(),
            route = call.endpoint.template(),
            host = call.url.host_str().unwrap_or_default(),
            status,
            outcome = class.label(),
            milliseconds = started.elapsed().as_millis(),
            "asked Jira"
        );
    }

    /// Checks who would be contacted, then waits for the host's budget. Nothing has been sent before this returns.
    async fn permitted(&self, urgency: Urgency, call: &Call<'_>) -> Result<Turn, Problem> {
        let target = Authority::of(&call.url).ok_or(Problem::HostNotAllowed)?;
        self.check_hosts(&target)?;
        let tenant = match &call.party {
            Party::Gateway(cloud_id) => Some(cloud_id),
            Party::Site | Party::DataCenter | Party::CloudSite | Party::ApiHost | Party::AuthServer => None,
        };
        self.connection.network.turn(&target, tenant, urgency).await
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

    async fn judged(&self, call: &Call<'_>, turn: &Turn) -> (OutcomeClass, Option<u16>, Result<Answer, Problem>) {
        let question = Question { endpoint: call.endpoint, party: &call.party, url: &call.url };
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
            Ok(()) => {
                if is_scarce(&answer.headers) {
                    turn.slow_down();
                }
                (OutcomeClass::Answered, status, Ok(answer))
            }
            Err(problem) => {
                if let Some(time) = pause_after(&problem) {
                    turn.pause(time);
                }
                (OutcomeClass::from(&problem), status, Err(problem))
            }
        }
    }

    async fn sent(&self, call: &Call<'_>) -> Result<Answer, Problem> {
        #[cfg(any(test, fuzzing))]
        if let Some(answer) = super::rehearsal::next() {
            return Ok(answer);
        }
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

    fn request(&self, call: &Call<'_>) -> Result<RequestBuilder, Problem> {
        let own = call.party.is_site();
        let client = if own { &self.connection.site_client } else { &self.connection.atlassian_client };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accepted(call.endpoint)));
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
        let method = call.payload.method();
        let unsigned = Unsigned { method: method.as_str(), url: &call.url, form: &call.payload.form() };
        let proof = call.proof.header(unsigned, Timestamp::now())?;
        headers.extend(proof.map(|value| (AUTHORIZATION, value)));
        let request = client.request(method, call.url.clone()).headers(headers);
        Ok(match &call.payload {
            Payload::None | Payload::Empty => request,
            Payload::Json(body) => request.json(body),
            Payload::Form(fields) => request.form(fields),
        })
    }
}

fn span(call: &Call<'_>) -> Span {
    telemetry::request(call.endpoint.template(), call.url.host_str().unwrap_or_default())
}

fn accepted(endpoint: Endpoint) -> &'static str {
    match endpoint.purpose() {
        Purpose::Discovery | Purpose::Token | Purpose::Rest => "application/json",
        Purpose::SignedToken => "text/plain, application/x-www-form-urlencoded",
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
