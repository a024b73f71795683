//! What the pages say. Templates escape all text; whatever came from Jira, or from a Secret, is cleaned before.

use askama::Template;
use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, LOCATION, REFRESH},
    },
    response::{IntoResponse, Response},
};
use crds::{
    JiraConnection, State,
    connection::status::{Account, AccountKind, PermissionOnProjects},
};

use super::{
    Pages,
    asset::Assets,
    case::{Case, Protocol},
    destination::Destination,
    place::Place,
    turnaway::{Turnaway, Wording},
};
use crate::{
    auth::authorization_secret::{ApplicationLink, Attempt, Key, Outcome, OutcomeResult, ReturnBy, secret_name},
    condition::{self, About},
    jira::{Site, clean},
};

/// The longest message that is shown, in characters.
const LONGEST: usize = 1024;

/// What came before the page that asks for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// No key was given.
    Untried,
    /// A key was given that opens nothing.
    Failed,
}

/// What is known of the verification code on the page that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// None was given.
    NotGiven,
    /// What was given cannot be one.
    Unreadable,
}

/// What a page shows of a connection to those who may know.
struct Details {
    namespace: String,
    name: String,
    site: String,
    deployment: &'static str,
    state: &'static str,
    message: Option<String>,
    account: Option<String>,
    link: Vec<Copyable>,
}

/// A value to paste into Jira.
struct Copyable {
    id: &'static str,
    label: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "locked.html")]
struct LockedPage<'a> {
    assets: Assets,
    place: &'a Place,
    secret: String,
    unlock: String,
    failed: bool,
}

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage<'a> {
    assets: Assets,
    details: Details,
    start: String,
    key: &'a str,
    button: &'static str,
    problem: Option<Wording>,
}

#[derive(Template)]
#[template(path = "onward.html")]
struct OnwardPage<'a> {
    assets: Assets,
    details: Details,
    destination: &'a str,
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage<'a> {
    assets: Assets,
    details: Details,
    destination: &'a str,
    verify: String,
    until: String,
    unreadable: bool,
}

#[derive(Template)]
#[template(path = "pending.html")]
struct PendingPage {
    assets: Assets,
    details: Details,
    result: String,
}

#[derive(Template)]
#[template(path = "result.html")]
struct ResultPage {
    assets: Assets,
    details: Details,
    good: bool,
    title: &'static str,
    message: String,
    missing: Vec<String>,
    total: i64,
    next: &'static str,
}

#[derive(Template)]
#[template(path = "turnaway.html")]
struct TurnawayPage<'a> {
    assets: Assets,
    wording: Wording,
    place: Option<&'a Place>,
    start: Option<String>,
    result: Option<String>,
}

impl Pages {
    /// An address of a connection's pages: its path, as browsers need no more.
    pub(super) fn address(&self, place: &Place, page: &str) -> String {
        format!("{}/connections/{}/{}{page}", self.public_url.prefix(), place.namespace(), place.name())
    }

    fn assets(&self) -> Assets {
        Assets::of(&self.public_url)
    }

    /// The page that asks for a key: the same for every connection, whether it exists or not.
    pub(super) fn locked(&self, place: &Place, lock: Lock) -> Response {
        let status = match lock {
            Lock::Untried => StatusCode::OK,
            Lock::Failed => StatusCode::FORBIDDEN,
        };
        let page = LockedPage {
            assets: self.assets(),
            place,
            secret: secret_name(place.name()),
            unlock: self.address(place, ""),
            failed: lock == Lock::Failed,
        };
        html(status, &page)
    }

    /// What would be authorised, for who has the key; with a problem where the button was pressed in vain.
    pub(super) fn start(&self, case: &Case, key: &Key, problem: Option<Turnaway>) -> Response {
        let page = StartPage {
            assets: self.assets(),
            details: Details::of(case),
            start: self.address(&case.place, "/start"),
            key: key.expose(),
            button: match case.protocol {
                Protocol::OAuth2 => "Continue to Jira",
                Protocol::OAuth1 => "Generate URL",
            },
            problem: problem.map(Turnaway::wording),
        };
        html(problem.map_or(StatusCode::OK, Turnaway::status), &page)
    }

    /// Onward to Jira, or the code that Jira shows.
    pub(super) fn attempt(&self, case: &Case, attempt: &Attempt, to: &Destination, code: Code) -> Response {
        match attempt.return_by {
            ReturnBy::Callback => self.onward(case, to),
            ReturnBy::Code => self.code(case, attempt, to, code),
        }
    }

    /// Sends the browser to Jira: at once, and by a link where it does not go by itself.
    fn onward(&self, case: &Case, to: &Destination) -> Response {
        let page = OnwardPage { assets: self.assets(), details: Details::of(case), destination: to.as_str() };
        let mut response = html(StatusCode::OK, &page);
        // Not a redirect of the form: see `guard::POLICY`. At once, so it takes nobody by surprise (WCAG, technique H76).
        if let Ok(refresh) = HeaderValue::try_from(format!("0; url={}", to.as_str())) {
            response.headers_mut().insert(REFRESH, refresh);
        }
        response
    }

    fn code(&self, case: &Case, attempt: &Attempt, to: &Destination, code: Code) -> Response {
        let status = match code {
            Code::NotGiven => StatusCode::OK,
            Code::Unreadable => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let page = CodePage {
            assets: self.assets(),
            details: Details::of(case),
            destination: to.as_str(),
            verify: self.address(&case.place, "/verify"),
            until: attempt.deadline.strftime("%H:%M UTC").to_string(),
            unreadable: code == Code::Unreadable,
        };
        html(status, &page)
    }

    /// The answer is recorded, and what it came to is not known yet.
    pub(super) fn pending(&self, case: &Case) -> Response {
        let result = self.address(&case.place, "/result");
        html(StatusCode::OK, &PendingPage { assets: self.assets(), details: Details::of(case), result })
    }

    /// How an attempt ended.
    pub(super) fn outcome(&self, case: &Case, outcome: &Outcome) -> Response {
        let permissions = case.connection.status.as_ref().and_then(|status| status.permissions.as_ref());
        let (missing, total) = match (outcome.result, permissions) {
            (OutcomeResult::Granted, Some(it)) => {
                (it.missing.iter().chain(&it.unknown).map(permission).collect(), it.total)
            }
            _ => (Vec::new(), 0),
        };
        let (title, next) = ending(outcome.result, total);
        let message = sentences(&outcome.message);
        let mut details = Details::of(case);
        // What is said above is not said again.
        details.message = details.message.filter(|told| *told != message);
        let page = ResultPage {
            assets: self.assets(),
            details,
            good: outcome.result == OutcomeResult::Granted,
            title,
            message: if message.trim_end_matches('.') == title { String::new() } else { message },
            missing,
            total,
            next,
        };
        html(StatusCode::OK, &page)
    }

    /// The page for who does not get what he came for.
    pub(super) fn turn_away(&self, turnaway: Turnaway, place: Option<&Place>) -> Response {
        let page = TurnawayPage {
            assets: self.assets(),
            wording: turnaway.wording(),
            place,
            start: place.map(|place| self.address(place, "")),
            result: place.filter(|_| turnaway == Turnaway::AlreadyUsed).map(|place| self.address(place, "/result")),
        };
        html(turnaway.status(), &page)
    }
}

/// Title and advice for an end.
fn ending(result: OutcomeResult, missing: i64) -> (&'static str, &'static str) {
    match result {
        OutcomeResult::Granted if 0 < missing => (
            "Authorised, but permissions are missing",
            "Ask an admin of this Jira to grant the account what is missing. The operator notices at its next check; you \
             need not authorise again.",
        ),
        OutcomeResult::Granted => {
            ("The connection is authorised", "There is nothing more to do. You can close this page.")
        }
        OutcomeResult::Refused => (
            "Refused at Jira",
            "Start again with a fresh key and allow the access at Jira. If you did not refuse it yourself, ask an admin of \
             this Jira which rule did.",
        ),
        OutcomeResult::Expired => {
            ("Nobody came back in time", "Start again with a fresh key, and decide at Jira before the time is over.")
        }
        OutcomeResult::Unusable => (
            "What was granted cannot be used",
            "Start again with a fresh key. At Jira, log in with the account that the connection shall use, and choose the \
             site that is shown here.",
        ),
        OutcomeResult::Failed => {
            ("The authorisation failed", "Do what the message says, then start again with a fresh key.")
        }
    }
}

impl Details {
    fn of(case: &Case) -> Self {
        let JiraConnection { spec, status, .. } = &case.connection;
        let status = status.as_ref();
        let ready = status.and_then(|status| condition::find(&status.conditions, About::Ready));
        Self {
            namespace: case.place.namespace().to_owned(),
            name: case.place.name().to_owned(),
            site: Site::parse(&spec.url).map_or_else(|_| sentences(&spec.url), |site| site.to_string()),
            deployment: spec.deployment.as_str(),
            state: status.and_then(|status| status.state).map_or("Not checked yet", state),
            message: ready.map(|ready| sentences(&ready.message)).filter(|message| !message.is_empty()),
            account: status.and_then(|status| status.account.as_ref()).map(account),
            link: case.secret.link.as_ref().map(copyables).unwrap_or_default(),
        }
    }
}

const fn state(state: State) -> &'static str {
    match state {
        State::Authorized => "Authorized – everything works",
        State::Interrupted => "Interrupted – something failed or is missing",
        State::NotAuthorized => "NotAuthorized – a person has to act",
    }
}

fn account(account: &Account) -> String {
    let name = clean(account.display_name.as_deref().unwrap_or(&account.id));
    match account.kind {
        AccountKind::ServiceAccount => format!("{name} (service account)"),
        AccountKind::Personal => format!("{name} (somebody's own account)"),
        AccountKind::Unknown => name,
    }
}

fn permission(missing: &PermissionOnProjects) -> String {
    let projects = missing.projects.iter().map(|project| clean(&project.0)).collect::<Vec<_>>().join(", ");
    let permission = clean(&missing.permission.0);
    if projects.is_empty() { permission } else { format!("{permission} on {projects}") }
}

fn copyables(link: &ApplicationLink) -> Vec<Copyable> {
    let ApplicationLink { application_url, consumer_key, consumer_name, public_key } = link;
    let key = public_key.lines().map(clean).collect::<Vec<_>>().join("\n");
    vec![
        Copyable { id: "application-url", label: "Application URL", text: sentences(application_url) },
        Copyable { id: "consumer-key", label: "Consumer key", text: sentences(consumer_key) },
        Copyable { id: "consumer-name", label: "Consumer name", text: sentences(consumer_name) },
        Copyable { id: "public-key", label: "Public key", text: key },
    ]
}

/// A message of several sentences, word by word as [`clean`] leaves it, cut to 1024 characters.
fn sentences(text: &str) -> String {
    let words = text.split_whitespace().map(clean).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if words.chars().count() <= LONGEST {
        return words;
    }
    words.chars().take(LONGEST - 1).chain(['…']).collect()
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response(),
        // Writing into a String fails for no template of ours, as no filter of theirs does.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// 303: the browser asks for `address` with GET (RFC 9110, 15.4.4).
pub(super) fn see_other(address: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(address) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
}
