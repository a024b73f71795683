//! What ails a Jira, or the way to it.

use std::collections::BTreeMap;

use tests::{
    dice::Dice,
    jira::{self, Certificate, Fault, Mutation, Rule},
};

/// One ailment. Those with a number strike so many requests, the others last until the round calms down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ailment {
    /// Nobody listens.
    Outage,
    /// A proxy in front says that Jira is down.
    Maintenance(u32),
    /// An error of Jira itself.
    Unwell(u32),
    /// Requests get lost.
    LostRequests(u32),
    /// Answers get lost.
    LostAnswers(u32),
    /// The other side is gone, and the connection does not know.
    HalfOpen(u32),
    /// Answers end after so many bytes.
    CutAnswers(u32, usize),
    /// What comes is no JSON.
    TornAnswers(u32),
    /// A login page in place of an answer.
    LoginPage(u32),
    /// 429, to be asked again after so many seconds.
    Limit(u32, u32),
    /// Answers are late by so many milliseconds.
    Late(u32),
    /// A certificate that nobody has issued.
    StrangeCertificate,
    /// A certificate that is over.
    OldCertificate,
    /// An upgrade has taken an endpoint away.
    MissingEndpoint(&'static str),
}

impl Ailment {
    pub fn thrown(dice: &mut Dice) -> Self {
        let requests = 1 + dice.below(5);
        match dice.below(14) {
            0 => Self::Outage,
            1 => Self::Maintenance(requests),
            2 => Self::Unwell(requests),
            3 => Self::LostRequests(requests),
            4 => Self::LostAnswers(requests),
            5 => Self::HalfOpen(requests.min(2)),
            6 => Self::CutAnswers(requests, usize::try_from(dice.below(200)).unwrap()),
            7 => Self::TornAnswers(requests),
            8 => Self::LoginPage(requests),
            9 => Self::Limit(requests, 1 + dice.below(3)),
            10 => Self::Late(dice.below(2_000)),
            11 => Self::StrangeCertificate,
            12 => Self::OldCertificate,
            _ => Self::MissingEndpoint(dice.pick(&[
                "/rest/api/2/mypermissions",
                "/rest/api/2/serverInfo",
                "/rest/api/2/myself",
            ])),
        }
    }

    /// Befalls an instance.
    pub fn befall(self, instance: &str) {
        let (fault, requests) = match self {
            Self::StrangeCertificate => return certificate(instance, Certificate::SelfSigned),
            Self::OldCertificate => return certificate(instance, Certificate::Expired),
            Self::MissingEndpoint(path) => {
                let gone = Rule::every(Fault::EmptyBody { status: 404 }).on(path);
                return jira::shared().fault(instance, gone).unwrap();
            }
            Self::Outage => (Fault::CutBeforeAnswer, None),
            Self::Late(millis) => (Fault::Slow { millis: millis.into() }, None),
            Self::Maintenance(requests) => (maintenance(), Some(requests)),
            Self::Unwell(requests) => (Fault::Unwell { status: 500 }, Some(requests)),
            Self::LostRequests(requests) => (Fault::CutBeforeAnswer, Some(requests)),
            Self::LostAnswers(requests) => (Fault::LoseAnswer, Some(requests)),
            Self::HalfOpen(requests) => (Fault::NeverAnswer, Some(requests)),
            Self::CutAnswers(requests, after) => (Fault::CutInBody { after }, Some(requests)),
            Self::TornAnswers(requests) => (Fault::InvalidJson, Some(requests)),
            Self::LoginPage(requests) => (Fault::LoginPage, Some(requests)),
            Self::Limit(requests, retry_after) => (Fault::RateLimited { retry_after, reason: None }, Some(requests)),
        };
        let rule = Rule::every(fault);
        let rule = match requests {
            Some(requests) => rule.first(requests),
            None => rule,
        };
        jira::shared().fault(instance, rule).unwrap();
    }
}

/// Lets an instance get well.
pub fn heal(instance: &str) {
    jira::shared().heal(instance).unwrap();
    certificate(instance, Certificate::Trusted);
}

fn certificate(instance: &str, certificate: Certificate) {
    jira::shared().mutate(instance, &Mutation::SetCertificate { certificate }).unwrap();
}

fn maintenance() -> Fault {
    let (body, content_type) = ("<html>Down for maintenance</html>".to_owned(), Some("text/html".to_owned()));
    Fault::Status { status: 503, body, content_type, headers: BTreeMap::new() }
}
