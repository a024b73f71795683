use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::auth::grant::tests::{center, cloud, grant, noon, oauth2};

const LEEWAY: Duration = Duration::from_secs(600);
const TIMEOUT: Duration = Duration::from_secs(15);
const LIFETIME: Duration = Duration::from_secs(3600);

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn holder(name: &str) -> Holder {
    Holder(name.into())
}

#[rstest]
#[case::nobody_else(None, 0, Turn::Renew { interrupted: false })]
#[case::renewed_already(None, 1, Turn::Adopt)]
#[case::claimed_by_another(Some(("b", 0, 0)), 0, Turn::Wait { until: noon() + seconds(45) })]
#[case::his_claim_nearly_ran_out(Some(("b", 44, 44)), 0, Turn::Wait { until: noon() + seconds(1) })]
#[case::his_claim_ran_out(Some(("b", 45, 45)), 0, Turn::Renew { interrupted: true })]
#[case::own_claim(Some(("a", 0, 0)), 0, Turn::Renew { interrupted: true })]
#[case::his_clock_is_ahead(Some(("b", -3600, 0)), 0, Turn::Wait { until: noon() + seconds(45) })]
#[case::his_clock_is_ahead_and_he_is_gone(Some(("b", -3600, 45)), 0, Turn::Renew { interrupted: true })]
fn whose_turn_it_is(#[case] stored: Option<(&str, i64, u64)>, #[case] renewals: u64, #[case] expected: Turn) {
    let grant = Grant { renewals, ..grant(cloud(), oauth2("a", Some("r"), noon())) };
    let claim = stored.map(|(name, age, seen_for)| {
        let made_at = noon() - k8s_openapi::jiff::SignedDuration::from_secs(age);
        (Claim::new(holder(name), made_at, TIMEOUT), noon() - seconds(seen_for))
    });
    let stored = Stored { grant: &grant, claim: claim.as_ref().map(|(claim, seen)| (claim, *seen)) };
    assert_eq!(turn(stored, 0, &holder("a"), noon()), expected);
}

#[rstest]
#[case::no_refresh_token(None, 0)]
#[case::a_year_after_the_consent(Some("r"), 365)]
fn what_cannot_be_renewed_is_over(#[case] refresh: Option<&str>, #[case] days: u32) {
    let grant = grant(cloud(), oauth2("a", refresh, noon()));
    let now = noon() + days * seconds(24 * 3600);
    let found = turn(Stored { grant: &grant, claim: None }, 0, &holder("a"), now);
    assert_eq!(found, Turn::Over(GrantEnd::Expired));
}

#[rstest]
#[case::revoked(Problem::GrantRevoked, false, "End(Revoked)")]
#[case::revoked_after_a_lost_answer(Problem::GrantRevoked, true, "End(AnswerLost)")]
#[case::oauth1_rejected(Problem::OAuth1(OAuth1Problem::TokenRejected), false, "End(Revoked)")]
#[case::oauth1_session_over(Problem::OAuth1(OAuth1Problem::PermissionDenied), false, "End(Revoked)")]
#[case::oauth1_expired_after_a_lost_answer(Problem::OAuth1(OAuth1Problem::TokenExpired), true, "End(AnswerLost)")]
#[case::oauth1_sent_twice(Problem::OAuth1(OAuth1Problem::NonceUsed), false, "Keep")]
#[case::oauth1_link_gone(Problem::OAuth1(OAuth1Problem::ConsumerUnknown), false, "Release")]
#[case::oauth1_other_key(Problem::OAuth1(OAuth1Problem::SignatureInvalid), false, "Release")]
#[case::oauth1_clock(Problem::ClockSkew, false, "Release")]
#[case::oauth1_clock_and_one_answer_missing(Problem::ClockSkew, true, "Keep")]
#[case::no_answer(Problem::Unreachable(Outage::TimedOut), false, "Keep")]
#[case::unwell(Problem::Unreachable(Outage::ServerError { status: 503 }), false, "Keep")]
#[case::never_sent(Problem::Unreachable(Outage::NotConnected), false, "Release")]
#[case::never_sent_and_one_answer_missing(Problem::Unreachable(Outage::NotConnected), true, "Keep")]
#[case::secret_changed(Problem::ClientSecretRejected, false, "Release")]
#[case::limited(Problem::RateLimited { retry_after: None, reach: crate::jira::LimitReach::Host }, false, "Release")]
fn what_an_answer_leaves_behind(#[case] problem: Problem, #[case] interrupted: bool, #[case] expected: &str) {
    let grant = grant(center(), oauth2("a", Some("r"), noon()));
    assert_eq!(format!("{:?}", settle(&grant, Err(&problem), interrupted, noon())), expected);
}

#[rstest]
#[case::shortest(1, 31)]
#[case::default(15, 45)]
#[case::longest(60, 90)]
fn a_claim_holds_as_long_as_its_request_may_take_and_stays_below_the_leeway(#[case] timeout: u64, #[case] life: u32) {
    let claim = Claim::new(holder("a"), noon(), seconds(timeout));
    assert_eq!(claim.seconds, life);
    assert!(claim.covers(seconds(29), seconds(timeout)) && !claim.covers(seconds(30), seconds(timeout)));
    assert!(!claim.covers(Duration::ZERO, seconds(timeout + 30)), "the timeout was raised after the claim");
    assert!(claim.end(noon()) + seconds(60) < noon() + LEEWAY);
}

#[test]
fn a_claim_that_somebody_made_endless_ends() {
    let claim = Claim { seconds: u32::MAX, ..Claim::new(holder("b"), noon(), TIMEOUT) };
    assert_eq!(claim.end(noon()), noon() + seconds(90));
    assert!(!claim.covers(seconds(76), TIMEOUT));
}

#[rstest]
#[case::cloud(cloud(), Precedence::Ours, Precedence::Theirs)]
#[case::data_center(center(), Precedence::Theirs, Precedence::Ours)]
fn a_slow_writer_meets_the_next_one(
    #[case] site: GrantSite,
    #[case] given_later: Precedence,
    #[case] over_the_end: Precedence,
) {
    let base = grant(site, oauth2("a", Some("r"), noon()));
    let early = base.renewed(oauth2("a2", Some("r2"), noon()), noon());
    let late = base.renewed(oauth2("a3", Some("r3"), noon()), noon() + seconds(60));
    assert_eq!(precedence(&early, Overtaken::Grant(&base)), Precedence::Ours);
    assert_eq!(precedence(&early, Overtaken::Grant(&late)), Precedence::Theirs);
    assert_eq!(precedence(&late, Overtaken::Grant(&early)), given_later);
    let other = Grant { consented_at: noon() + seconds(60), ..base.clone() };
    assert_eq!(precedence(&early, Overtaken::Grant(&other)), Precedence::Theirs);
    let ended = |end| EndedGrant::of(&base, end, noon());
    assert_eq!(precedence(&early, Overtaken::Ended(&ended(GrantEnd::AnswerLost))), over_the_end);
    assert_eq!(precedence(&early, Overtaken::Ended(&ended(GrantEnd::SignedOff))), Precedence::Theirs);
    assert_eq!(precedence(&early, Overtaken::Nothing), Precedence::Theirs);
}

/// Jira's side: which refresh token it takes, and for how long still the one before.
#[derive(Debug)]
struct Provider {
    leeway: bool,
    current: u64,
    spent: Vec<(u64, Timestamp)>,
    dead: bool,
}

impl Provider {
    fn refresh(&mut self, token: u64, now: Timestamp) -> Result<u64, Problem> {
        let again = self.spent.iter().any(|(spent, at)| *spent == token && now < *at + LEEWAY);
        if self.dead || token != self.current && !(self.leeway && again) {
            // Cloud ends the whole family of a token that comes back late; Data Center only refuses it.
            self.dead |= self.leeway;
            return Err(Problem::GrantRevoked);
        }
        if token == self.current {
            self.spent.push((token, now));
        } else {
            self.spent.push((self.current, now));
        }
        self.current += 1;
        Ok(self.current)
    }
}

/// The Secret.
#[derive(Clone, Debug)]
struct Secret {
    version: u64,
    grant: Option<Grant>,
    ended: Option<EndedGrant>,
    claim: Option<Claim>,
}

/// Where a process stands.
#[derive(Clone, Debug)]
enum Phase {
    Idle,
    Claimed { version: u64, base: Grant, interrupted: bool, at: Timestamp },
    Answered { version: u64, base: Grant, settlement: Settlement },
}

#[derive(Debug)]
struct Process {
    holder: Holder,
    phase: Phase,
    first_seen: Option<(Claim, Timestamp)>,
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A process takes its next step.
    Step(usize),
    /// A process dies, and another one takes its place.
    Crash(usize),
    /// The answer to the next request is lost after Jira has acted.
    LoseAnswer,
    /// The next request is lost before Jira has acted.
    LoseRequest,
    /// Time passes.
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (0_usize..2).prop_map(Event::Step),
        2 => (0_usize..2).prop_map(Event::Crash),
        1 => Just(Event::LoseAnswer),
        1 => Just(Event::LoseRequest),
        4 => (1_u64..60).prop_map(Event::Pass),
        2 => (60_u64..4000).prop_map(Event::Pass),
    ]
}

struct Life {
    now: Timestamp,
    provider: Provider,
    secret: Secret,
    processes: [Process; 2],
    started: u64,
    lose_answer: bool,
    lose_request: bool,
    /// Whether an answer that brought tokens was lost with a process or on the way.
    lost: bool,
}

fn number(grant: &Grant) -> u64 {
    use secrecy::ExposeSecret;
    let Tokens::OAuth2 { refresh_token: Some(token), .. } = &grant.tokens else { panic!("no refresh token") };
    token.expose_secret().parse().unwrap()
}

fn tokens(refresh: u64, now: Timestamp) -> Tokens {
    oauth2("access", Some(&refresh.to_string()), now + LIFETIME)
}

impl Life {
    fn new(site: GrantSite) -> Self {
        let leeway = matches!(site, GrantSite::Cloud { .. });
        let process = |name| Process { holder: holder(name), phase: Phase::Idle, first_seen: None };
        let grant = grant(site, tokens(0, noon()));
        Self {
            now: noon(),
            provider: Provider { leeway, current: 0, spent: Vec::new(), dead: false },
            secret: Secret { version: 0, grant: Some(grant), ended: None, claim: None },
            processes: [process("p0"), process("p1")],
            started: 2,
            lose_answer: false,
            lose_request: false,
            lost: false,
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Step(index) => self.step(index),
            Event::Crash(index) => {
                if let Phase::Answered { settlement: Settlement::Store(_), .. } = self.processes[index].phase {
                    self.lost = true;
                }
                let fresh = holder(&format!("p{}", self.started));
                self.started += 1;
                self.processes[index] = Process { holder: fresh, phase: Phase::Idle, first_seen: None };
            }
            Event::LoseAnswer => self.lose_answer = true,
            Event::LoseRequest => self.lose_request = true,
            Event::Pass(time) => self.now += seconds(time),
        }
    }

    /// Compare and swap.
    fn write(&mut self, version: u64, change: impl FnOnce(&mut Secret)) -> Option<u64> {
        if self.secret.version != version {
            return None;
        }
        self.secret.version += 1;
        change(&mut self.secret);
        Some(self.secret.version)
    }

    fn step(&mut self, index: usize) {
        let phase = std::mem::replace(&mut self.processes[index].phase, Phase::Idle);
        self.processes[index].phase = match phase {
            Phase::Idle => self.claim(index),
            Phase::Claimed { version, base, interrupted, at } => self.send(version, base, interrupted, at),
            Phase::Answered { version, base, settlement } => self.store(version, base, settlement),
        };
    }

    fn claim(&mut self, index: usize) -> Phase {
        let (now, me) = (self.now, self.processes[index].holder.clone());
        let Some(base) = self.secret.grant.clone() else { return Phase::Idle };
        if now + seconds(600) < base.token_ends_at() {
            return Phase::Idle;
        }
        let claim = self.secret.claim.clone();
        let first_seen = &mut self.processes[index].first_seen;
        first_seen.take_if(|(seen, _)| Some(&*seen) != claim.as_ref());
        let seen = claim.map(|claim| first_seen.get_or_insert((claim, now)).clone());
        let stored = Stored { grant: &base, claim: seen.as_ref().map(|(claim, at)| (claim, *at)) };
        let interrupted = match turn(stored, base.renewals, &me, now) {
            Turn::Renew { interrupted } => interrupted,
            Turn::Wait { .. } => return Phase::Idle,
            Turn::Adopt => panic!("nothing newer is stored"),
            Turn::Over(_) => {
                let ended = EndedGrant::of(&base, GrantEnd::Expired, now);
                let version = self.secret.version;
                self.write(version, |secret| (secret.grant, secret.ended) = (None, Some(ended)));
                return Phase::Idle;
            }
        };
        let version = self.secret.version;
        let written = self.write(version, |secret| secret.claim = Some(Claim::new(me, now, TIMEOUT)));
        written.map_or(Phase::Idle, |version| Phase::Claimed { version, base, interrupted, at: now })
    }

    fn send(&mut self, version: u64, base: Grant, interrupted: bool, at: Timestamp) -> Phase {
        let elapsed = Duration::try_from(self.now.duration_since(at)).unwrap();
        // The last look: the claim is young enough, and still the last word in the Secret.
        let claim = self.secret.claim.as_ref().filter(|_| self.secret.version == version);
        if !claim.is_some_and(|claim| claim.covers(elapsed, TIMEOUT)) {
            return Phase::Idle;
        }
        let presented = number(&base);
        if let Some(stored) = &self.secret.grant {
            assert_eq!(presented, number(stored), "a refresh token is sent after its successor was stored");
        }
        let timed_out = Err(Problem::Unreachable(Outage::TimedOut));
        let answer = if std::mem::take(&mut self.lose_request) {
            timed_out
        } else {
            let answer = self.provider.refresh(presented, self.now);
            // A process that sits on its answer for longer than Cloud's leeway is as good as dead.
            self.lost |= answer.is_err() && self.provider.leeway && self.somebody_sits_on_tokens();
            if std::mem::take(&mut self.lose_answer) {
                self.lost |= answer.is_ok();
                timed_out
            } else {
                answer
            }
        };
        let answer = answer.map(|refresh| tokens(refresh, self.now));
        let settlement = match answer {
            Ok(tokens) => settle(&base, Ok(tokens), interrupted, self.now),
            Err(problem) => settle(&base, Err(&problem), interrupted, self.now),
        };
        Phase::Answered { version, base, settlement }
    }

    fn somebody_sits_on_tokens(&self) -> bool {
        self.processes.iter().any(|it| matches!(it.phase, Phase::Answered { settlement: Settlement::Store(_), .. }))
    }

    fn store(&mut self, version: u64, base: Grant, settlement: Settlement) -> Phase {
        let now = self.now;
        let kept = settlement.clone();
        let written = match settlement {
            Settlement::Keep => return Phase::Idle,
            Settlement::Release => self.write(version, |secret| secret.claim = None),
            Settlement::Store(grant) => self.write(version, |secret| {
                (secret.grant, secret.claim, secret.ended) = (Some(*grant), None, None);
            }),
            Settlement::End(end) => self.write(version, |secret| {
                let ended = EndedGrant::of(&base, end, now);
                (secret.grant, secret.claim, secret.ended) = (None, None, Some(ended));
            }),
        };
        if written.is_some() {
            return Phase::Idle;
        }
        let found = match (&self.secret.grant, &self.secret.ended) {
            (Some(grant), _) => Overtaken::Grant(grant),
            (None, Some(ended)) => Overtaken::Ended(ended),
            (None, None) => Overtaken::Nothing,
        };
        let Settlement::Store(ours) = &kept else { return Phase::Idle };
        match precedence(ours, found) {
            Precedence::Ours => Phase::Answered { version: self.secret.version, base, settlement: kept },
            Precedence::Theirs => Phase::Idle,
        }
    }

    /// Lets one process work on until nothing is left to do.
    fn settle_down(&mut self) {
        for _ in 0..8 {
            for index in 0..2 {
                for _ in 0..4 {
                    self.step(index);
                }
            }
            self.now += seconds(100);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever happens, no token is sent after its successor was stored (see `Life::send`), and the grant lives unless an
    /// answer was lost where the protocol forgives nothing.
    #[test]
    fn a_grant_survives_what_the_protocol_lets_it_survive(
        on_cloud: bool,
        events in prop::collection::vec(event(), 0..120),
    ) {
        let mut life = Life::new(if on_cloud { cloud() } else { center() });
        for event in events {
            life.happen(event);
        }
        life.lose_answer = false;
        life.lose_request = false;
        life.settle_down();
        match (&life.secret.grant, &life.secret.ended) {
            (Some(grant), _) => prop_assert!(
                life.provider.dead || number(grant) == life.provider.current || life.lost || on_cloud,
                "a spent token is kept as if it were good",
            ),
            (None, Some(ended)) => prop_assert!(
                life.lost,
                "the grant ended as {:?} although no answer was lost", ended.end,
            ),
            (None, None) => prop_assert!(false, "the grant has vanished without a word"),
        }
    }
}
