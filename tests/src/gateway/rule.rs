//! What befalls which calls, and how a test learns of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use hyper::Method;
use tokio::sync::watch;

use super::call::{Call, Verb};

/// A side of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the operator to the API server: nothing has happened yet.
    There,
    /// From the API server to the operator: it has happened.
    Back,
}

/// What befalls a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits until the trap is [released](Trap::release).
    Hold(Way),
    /// The connection ends.
    Cut(Way),
    /// It takes longer.
    Delay(Way, Duration),
    /// It is answered in the API server's place with this status, and a `Status` object that says so.
    Refuse(u16),
    /// It is answered, and the answer ends after so long, wherever it is.
    End(Duration),
}

/// Which calls, and what befalls them.
#[derive(Clone, Debug)]
pub struct Rule {
    method: Option<Method>,
    verb: Option<Verb>,
    path: String,
    body: Body,
    metadata_only: Option<bool>,
    pass: u32,
    one_in: u32,
    strike: Option<u32>,
    fate: Fate,
}

/// What the body of a call has to be.
#[derive(Clone, Copy, Debug)]
enum Body {
    Any,
    Giving(&'static str),
}

impl Rule {
    /// Every call with this method whose path ends so.
    #[must_use]
    pub fn on(method: Method, path: &str, fate: Fate) -> Self {
        Self { method: Some(method), path: path.to_owned(), ..Self::every(fate) }
    }

    /// Every call.
    #[must_use]
    pub fn every(fate: Fate) -> Self {
        let (path, body) = (String::new(), Body::Any);
        Self { method: None, verb: None, path, body, metadata_only: None, pass: 0, one_in: 1, strike: None, fate }
    }

    /// Only those that do this with a resource.
    #[must_use]
    pub fn verb(self, verb: Verb) -> Self {
        Self { verb: Some(verb), ..self }
    }

    /// Only writes of a Secret that give this key a value.
    #[must_use]
    pub fn giving(self, key: &'static str) -> Self {
        Self { body: Body::Giving(key), ..self }
    }

    /// Only reads of whole objects, or only of metadata.
    #[must_use]
    pub fn metadata_only(self, metadata_only: bool) -> Self {
        Self { metadata_only: Some(metadata_only), ..self }
    }

    /// Only from the n-th such call on, counted from 1.
    #[must_use]
    pub fn from_nth(self, nth: u32) -> Self {
        Self { pass: nth.saturating_sub(1), ..self }
    }

    /// Only one in so many of them.
    #[must_use]
    pub fn one_in(self, calls: u32) -> Self {
        Self { one_in: calls.max(1), ..self }
    }

    /// Only so many of them.
    #[must_use]
    pub fn times(self, strike: u32) -> Self {
        Self { strike: Some(strike), ..self }
    }

    fn means(&self, call: &Call) -> bool {
        self.method.as_ref().is_none_or(|wanted| *wanted == call.method)
            && self.verb.is_none_or(|wanted| wanted == call.verb)
            && call.path.ends_with(&self.path)
            && self.metadata_only.is_none_or(|wanted| wanted == call.metadata_only)
            && match self.body {
                Body::Any => true,
                Body::Giving(key) => call.given(key).is_some(),
            }
    }
}

/// How a trap stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grip {
    Holding,
    Released,
    Abandoned,
}

/// A rule in force.
#[derive(Clone, Debug)]
pub struct Trap {
    rule: Arc<Rule>,
    seen: Arc<AtomicU32>,
    struck: Arc<watch::Sender<u32>>,
    grip: Arc<watch::Sender<Grip>>,
}

impl Trap {
    pub(super) fn new(rule: Rule) -> Self {
        let grip = watch::Sender::new(Grip::Holding);
        Self { rule: Arc::new(rule), seen: Arc::default(), struck: Arc::default(), grip: Arc::new(grip) }
    }

    /// How many calls it has struck.
    #[must_use]
    pub fn count(&self) -> u32 {
        *self.struck.borrow()
    }

    /// Waits until it has struck so many calls.
    ///
    /// # Panics
    ///
    /// Never: the sender lives as long as this.
    pub async fn struck(&self, times: u32) {
        let mut struck = self.struck.subscribe();
        let _ = struck.wait_for(|count| times <= *count).await;
    }

    /// Lets go what it holds, and strikes no more.
    pub fn release(&self) {
        self.grip.send_replace(Grip::Released);
    }

    /// Drops what it holds, and strikes no more.
    pub(super) fn abandon(&self) {
        self.grip.send_if_modified(|grip| {
            let holding = *grip == Grip::Holding;
            if holding {
                *grip = Grip::Abandoned;
            }
            holding
        });
    }

    /// What befalls the calls that it strikes.
    pub(super) fn fate(&self) -> Fate {
        self.rule.fate
    }

    /// Whether it strikes a call, which is then counted.
    pub(super) fn strikes(&self, call: &Call) -> bool {
        if *self.grip.borrow() != Grip::Holding || !self.rule.means(call) {
            return false;
        }
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        let Some(meant) = number.checked_sub(self.rule.pass) else { return false };
        let (turn, rest) = (meant / self.rule.one_in, meant % self.rule.one_in);
        rest == 0 && self.rule.strike.is_none_or(|most| turn < most)
    }

    /// Tells that a call has come as far as it is meant to come.
    pub(super) fn tell(&self) {
        self.struck.send_modify(|count| *count += 1);
    }

    /// Waits for the end of a hold, and tells whether the call goes on.
    pub(super) async fn let_go(&self) -> bool {
        let mut grip = self.grip.subscribe();
        let ended = grip.wait_for(|grip| *grip != Grip::Holding).await;
        ended.is_ok_and(|grip| *grip == Grip::Released)
    }
}

#[cfg(test)]
mod tests {
    use hyper::{Request, header::ACCEPT};
    use rstest::rstest;

    use super::*;

    const SECRET: &str = "/api/v1/namespaces/a/secrets/acme.jira-grant";

    fn call(method: Method, uri: &str, accept: &str, body: &str) -> Call {
        let request = Request::builder().method(method).uri(uri).header(ACCEPT, accept).body(()).unwrap();
        Call::of(&request.into_parts().0, body.as_bytes())
    }

    fn write(body: &str) -> Call {
        call(Method::PATCH, &format!("{SECRET}?fieldManager=x"), "application/json", body)
    }

    fn rule() -> Rule {
        Rule::on(Method::PATCH, "/secrets/acme.jira-grant", Fate::Refuse(500))
    }

    #[rstest]
    #[case::given(r#"{"data":{"grant":"YQ=="}}"#, true)]
    #[case::removed(r#"{"data":{"grant":null}}"#, false)]
    #[case::left_alone(r#"{"data":{"claim":"YQ=="}}"#, false)]
    #[case::no_secret("[]", false)]
    #[case::no_json("", false)]
    fn a_rule_looks_at_what_a_write_gives(#[case] body: &str, #[case] strikes: bool) {
        assert_eq!(Trap::new(rule().giving("grant")).strikes(&write(body)), strikes);
    }

    #[test]
    fn a_rule_tells_reads_of_metadata_from_reads_of_objects() {
        let look = call(Method::GET, SECRET, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", "");
        let read = call(Method::GET, SECRET, "application/json", "");
        let rule = |metadata_only| Rule { method: Some(Method::GET), ..rule() }.metadata_only(metadata_only);
        assert!(Trap::new(rule(true)).strikes(&look) && !Trap::new(rule(true)).strikes(&read));
        assert!(Trap::new(rule(false)).strikes(&read) && !Trap::new(rule(false)).strikes(&look));
        assert!(!Trap::new(super::tests::rule()).strikes(&read), "the method counts");
    }

    #[test]
    fn a_trap_lets_the_first_pass_strikes_as_often_as_told_and_never_after_its_release() {
        let trap = Trap::new(rule().from_nth(2).times(2));
        let struck: Vec<_> = (0..5).map(|_| trap.strikes(&write("{}"))).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        let trap = Trap::new(rule());
        trap.release();
        assert!(!trap.strikes(&write("{}")));
    }

    #[rstest]
    #[case::watch(Method::GET, "/api/v1/secrets?watch=true&resourceVersion=1", Verb::Watch)]
    #[case::list(Method::GET, "/api/v1/secrets?limit=500", Verb::List)]
    #[case::read(Method::GET, SECRET, Verb::Read)]
    #[case::write(Method::PATCH, SECRET, Verb::Write)]
    fn a_rule_tells_what_a_call_does(#[case] method: Method, #[case] uri: &str, #[case] verb: Verb) {
        let struck = [Verb::Watch, Verb::List, Verb::Read, Verb::Write].into_iter().filter(|verb| {
            Trap::new(Rule::every(Fate::Refuse(500)).verb(*verb)).strikes(&call(method.clone(), uri, "", ""))
        });
        assert_eq!(struck.collect::<Vec<_>>(), [verb]);
    }

    #[test]
    fn a_trap_strikes_one_in_so_many() {
        let trap = Trap::new(rule().one_in(3).times(2));
        let struck: Vec<_> = (0..8).map(|_| trap.strikes(&write("{}"))).collect();
        assert_eq!(struck, [true, false, false, true, false, false, false, false]);
    }

    #[tokio::test]
    async fn what_is_held_goes_on_after_a_release_and_ends_when_it_is_abandoned() {
        let (released, abandoned) = (Trap::new(rule()), Trap::new(rule()));
        released.release();
        // A release is not taken back.
        released.abandon();
        abandoned.abandon();
        assert!(released.let_go().await && !abandoned.let_go().await);
    }
}
