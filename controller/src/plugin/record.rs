//! What programs get of an authorisation and of its end: one document, whatever happened on the way.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::{
    console::{Console, visible},
    error::Error,
    format::Format,
    verdict::Verdict,
};
use crate::auth::authorization_secret::{ApplicationLink, Attempt, Outcome, OutcomeResult, Revocation};

/// What programs get. It holds the link of an attempt, and no other secret.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Name of the connection.
    pub(super) name: String,
    /// Its namespace.
    pub(super) namespace: String,
    /// What a person needs to go on; absent where a command only ends what another has begun.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) course: Option<Course>,
    /// How the attempt ended. Absent: it has not, and the command does not wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<Ending>,
    /// How a grant was ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revoked: Option<Revocation>,
}

/// What a person, or a program in his name, needs to go on with an attempt.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Course {
    /// The field of `spec.auth` that is given.
    pub method: &'static str,
    /// Whether the command has waited for the outcome.
    pub waited: bool,
    /// The operator's page with the key of this attempt. Absent: it goes on without pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// OAuth 1.0a without pages: where to allow the access in Jira.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_url: Option<String>,
    /// Until when the attempt is open, RFC 3339. Absent: it has ended, or was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// OAuth 1.0a: what to enter into Jira's application link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_link: Option<LinkValues>,
}

impl Course {
    /// Adds what the operator has made of the attempt. Only without pages does a person go to Jira by himself.
    pub(super) fn with(mut self, attempt: &Attempt) -> Self {
        self.deadline = Some(attempt.deadline);
        self.authorization_url = self.link.is_none().then(|| visible(&attempt.authorization_url));
        self
    }
}

/// The four values of Jira's application link.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LinkValues {
    pub application_url: String,
    pub consumer_key: String,
    pub consumer_name: String,
    pub public_key: String,
}

impl From<&ApplicationLink> for LinkValues {
    fn from(link: &ApplicationLink) -> Self {
        let ApplicationLink { application_url, consumer_key, consumer_name, public_key } = link;
        Self {
            application_url: visible(application_url),
            consumer_key: visible(consumer_key),
            consumer_name: visible(consumer_name),
            public_key: visible(public_key),
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ending {
    result: OutcomeResult,
    message: String,
}

impl From<Outcome> for Ending {
    fn from(outcome: Outcome) -> Self {
        Self { result: outcome.result, message: visible(&outcome.message) }
    }
}

impl Ending {
    fn word(&self) -> &'static str {
        match self.result {
            OutcomeResult::Granted => "Granted",
            OutcomeResult::Refused => "Refused",
            OutcomeResult::Expired => "Expired",
            OutcomeResult::Unusable => "Unusable",
            OutcomeResult::Failed => "Failed",
        }
    }

    fn verdict(&self) -> Verdict {
        Verdict::of(self.result == OutcomeResult::Granted)
    }
}

impl Record {
    /// Of a connection about which nothing is told yet.
    #[must_use]
    pub fn of(name: &str, namespace: &str) -> Self {
        Self { name: name.to_owned(), namespace: namespace.to_owned(), course: None, outcome: None, revoked: None }
    }

    /// Tells how it ended: people in a line, programs all of it. An attempt that goes on without us is no failure.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn tell(&self, format: Format, console: Console) -> Result<Verdict, Error> {
        let verdict = self.outcome.as_ref().map_or(Verdict::Good, Ending::verdict);
        if let Some(document) = format.document(self)? {
            console.say(&document)?;
            return Ok(verdict);
        }
        let ended = self.outcome.as_ref().map(|ending| (ending.word(), ending.message.clone()));
        let revoked = self.revoked.as_ref().map(|revoked| ("Revoked", visible(&revoked.message)));
        for (word, message) in ended.into_iter().chain(revoked) {
            console.say(&format!("{}: {message}", console.palette.paint(verdict.tone(), word)))?;
        }
        Ok(verdict)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use rstest::rstest;

    use super::*;
    use crate::auth::authorization_secret::{Hash, ReturnBy, State};

    /// Values for an application link.
    pub(in crate::plugin) fn link() -> ApplicationLink {
        ApplicationLink {
            application_url: "https://operator.example".into(),
            consumer_key: "jira-operator".into(),
            consumer_name: "Jira operator".into(),
            public_key: "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n".into(),
        }
    }

    fn attempt() -> Attempt {
        Attempt {
            key_hash: Hash::of("key"),
            state: State::presented("platform.acme.r").unwrap(),
            authorization_url: "https://jira.example/plugins/servlet/oauth/authorize?oauth_token=t".into(),
            deadline: "2027-01-31T12:00:00Z".parse().unwrap(),
            return_by: ReturnBy::Code,
        }
    }

    fn on_the_page() -> Course {
        Course {
            method: "oauth2AuthorizationCode",
            waited: false,
            link: Some("https://operator.example/authorize/platform/acme?key=k".into()),
            authorization_url: None,
            deadline: None,
            application_link: None,
        }
    }

    fn in_the_terminal() -> Course {
        Course { method: "oauth1", link: None, application_link: Some((&link()).into()), ..on_the_page() }
    }

    fn granted() -> Ending {
        Ending { result: OutcomeResult::Granted, message: "The connection is authorised.".into() }
    }

    fn record() -> Record {
        Record::of("acme", "platform")
    }

    #[rstest]
    #[case::opened("opened", Record { course: Some(on_the_page().with(&attempt())), ..record() })]
    #[case::waited("waited", Record { course: Some(Course { waited: true, ..on_the_page() }), outcome: Some(granted()), ..record() })]
    #[case::without_pages("without_pages", Record { course: Some(in_the_terminal().with(&attempt())), ..record() })]
    #[case::verified("verified", Record { outcome: Some(granted()), ..record() })]
    #[case::revoked("revoked", Record { revoked: Some(Revocation { at: attempt().deadline, message: "The grant is gone.".into() }), ..record() })]
    fn programs_get_one_document(#[case] name: &str, #[case] record: Record) {
        insta::assert_snapshot!(name, Format::Json.document(&record).unwrap().unwrap());
    }
}
