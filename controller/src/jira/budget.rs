//! How much one host is asked, by all connections together.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout},
};

use super::{
    authority::Authority,
    cloud_id::CloudId,
    problem::{LimitReach, Problem},
};

/// Requests to one host at the same time. Six is what a browser opens (Jira's usual client); a little more, as one
/// operator stands for many.
const IN_FLIGHT: usize = 8;

/// Further requests, for which a person waits: they do not queue behind those that nobody waits for. While all of these wait for an
/// answer, people take the other places too, so two that hang at a host of many sites are in nobody's way.
const IN_FLIGHT_FOR_PEOPLE: usize = 2;

/// Time from one request to the next: 20 per second. Cloud's burst limits begin at 50 per second and endpoint, and
/// other clients need their share of Data Center's.
const INTERVAL: Duration = Duration::from_millis(50);

/// Requests that may come at once after a quiet time: two seconds' worth.
const BURST: u32 = 40;

/// The longest that a request waits for its turn. Whoever waits longer comes back later instead, and does not hold up
/// the work on other hosts meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time from one request to the next while a host says that little of its limit is left: slow enough for buckets to fill again.
const SPREAD: Duration = Duration::from_secs(1);

/// For how long requests are spread after a host has said so; each answer that says it again begins anew.
const SCARCE_FOR: Duration = Duration::from_secs(60);

/// Hosts above which idle ones are forgotten.
const REMEMBERED: usize = 256;

/// Who waits for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Nobody: it waits for its turn.
    Routine,
    /// A person, and a code that is good for seconds: it goes ahead of all routine, which waits longer for it.
    Person,
}

/// Budgets of all hosts, by host and port.
#[derive(Debug, Default)]
pub(super) struct Budgets(Mutex<HashMap<Authority, Arc<Budget>>>);

/// What is left of the budget of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostBudget {
    /// Host and port.
    pub host: String,
    /// Requests that may come at once; further ones are spaced out.
    pub available: u32,
    /// Requests that have their turn: those under way, and those that wait for the moment to be sent.
    pub in_flight: u32,
    /// Rest of the longest pause; zero if there is none. At Atlassian's gateway each site has its own.
    pub pause: Duration,
    /// Whether the host, or a site at the gateway, says that little of its limit is left, so that requests are spread.
    pub scarce: bool,
}

/// What may be asked of one host.
struct Budget {
    in_flight: Arc<Semaphore>,
    in_flight_for_people: Arc<Semaphore>,
    pace: Mutex<Pace>,
}

/// A token bucket, kept as the time at which it will be full again (the generic cell rate algorithm), and the pauses.
struct Pace {
    full_at: Instant,
    /// Ends of pauses; those of a gateway hold for one Cloud site only.
    pauses: HashMap<Option<CloudId>, Instant>,
    /// Whose limit is nearly used up, of the same.
    scarce: HashMap<Option<CloudId>, Scarcity>,
}

/// Little of a limit is left.
struct Scarcity {
    until: Instant,
    /// When the next request may go.
    next_at: Instant,
}

/// The right to send one request. Held until its answer has been read.
pub(super) struct Turn {
    budget: Arc<Budget>,
    tenant: Option<CloudId>,
    _permit: OwnedSemaphorePermit,
}

impl Budgets {
    /// Waits until one more request may go to this host.
    ///
    /// `tenant` is the Cloud site, at a host that serves many of them.
    ///
    /// # Errors
    /// [`Problem::RateLimited`] at once while the host pauses, with the rest of the pause; at once where requests are spread and
    /// the next 30 seconds are taken, with the time until there is room; and after 30 seconds of waiting, without a time.
    pub(super) async fn turn(
        &self,
        host: &Authority,
        tenant: Option<&CloudId>,
        urgency: Urgency,
    ) -> Result<Turn, Problem> {
        let budget = self.budget(host);
        budget.paused(tenant)?;
        match urgency {
            // Nobody else's place is taken meanwhile.
            Urgency::Routine => wait(budget.spread(tenant)?).await,
            Urgency::Person => {}
        }
        let Ok(Ok(permit)) = timeout(PATIENCE, budget.place(urgency)).await else {
            return Err(Problem::RateLimited { retry_after: None, reach: LimitReach::Host });
        };
        // Whoever sleeps here holds one of the places, so nobody sleeps longer than it takes to serve them all.
        let reserved = budget.reserve();
        match urgency {
            Urgency::Routine => wait(reserved).await,
            Urgency::Person => {}
        }
        // The answer to an earlier request may have begun a pause meanwhile.
        budget.paused(tenant)?;
        Ok(Turn { budget, tenant: tenant.cloned(), _permit: permit })
    }

    /// What is left at each host that is remembered.
    pub(super) fn left(&self) -> Vec<HostBudget> {
        let budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        budgets.iter().map(|(host, budget)| budget.left(host)).collect()
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn budget(&self, host: &Authority) -> Arc<Budget> {
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = budgets.get(host) {
            return Arc::clone(budget);
        }
        if REMEMBERED <= budgets.len() {
            budgets.retain(|_, it| !it.is_like_new());
        }
        let budget = Arc::new(Budget::new());
        budgets.insert(host.clone(), Arc::clone(&budget));
        budget
    }
}

/// Waits, if there is anything to wait for: the runtime's clock counts whole milliseconds, and would round nothing up to one.
async fn wait(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

impl Turn {
    /// Lets nobody ask this host, or this tenant of it, for a time.
    pub(super) fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut pace = self.budget.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let end = pace.pauses.entry(self.tenant.clone()).or_insert(until);
        *end = until.max(*end);
    }

    /// Spreads the requests to this host, or this tenant of it, since it says that little of its limit is left.
    pub(super) fn slow_down(&self) {
        let now = Instant::now();
        let mut pace = self.budget.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let scarcity = pace.scarce.entry(self.tenant.clone());
        scarcity.or_insert(Scarcity { until: now, next_at: now + SPREAD }).until = now + SCARCE_FOR;
    }
}

impl Budget {
    fn new() -> Self {
        let pace = Pace { full_at: Instant::now(), pauses: HashMap::new(), scarce: HashMap::new() };
        Self {
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
            in_flight_for_people: Arc::new(Semaphore::new(IN_FLIGHT_FOR_PEOPLE)),
            pace: Mutex::new(pace),
        }
    }

    /// Waits for a place among the requests that are under way.
    async fn place(&self, urgency: Urgency) -> Result<OwnedSemaphorePermit, AcquireError> {
        let of_all = Arc::clone(&self.in_flight).acquire_owned();
        match urgency {
            Urgency::Routine => of_all.await,
            Urgency::Person => tokio::select! {
                biased;
                permit = Arc::clone(&self.in_flight_for_people).acquire_owned() => permit,
                permit = of_all => permit,
            },
        }
    }

    fn paused(&self, tenant: Option<&CloudId>) -> Result<(), Problem> {
        let now = Instant::now();
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.pauses.retain(|_, end| now < *end);
        match pace.pauses.get(&tenant.cloned()) {
            Some(end) => {
                let retry_after = Some(end.duration_since(now));
                Err(Problem::RateLimited { retry_after, reach: LimitReach::Host })
            }
            None => Ok(()),
        }
    }

    /// How long to wait because requests are spread.
    fn spread(&self, tenant: Option<&CloudId>) -> Result<Duration, Problem> {
        let now = Instant::now();
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.scarce.retain(|_, scarcity| now < scarcity.until);
        let Some(scarcity) = pace.scarce.get_mut(&tenant.cloned()) else {
            return Ok(Duration::ZERO);
        };
        let wait = scarcity.next_at.saturating_duration_since(now);
        if PATIENCE < wait {
            return Err(Problem::RateLimited { retry_after: Some(wait), reach: LimitReach::Host });
        }
        scarcity.next_at = scarcity.next_at.max(now) + SPREAD;
        Ok(wait)
    }

    /// Takes one token, and says how long to wait for it.
    fn reserve(&self) -> Duration {
        let now = Instant::now();
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = pace.full_at.saturating_duration_since(now);
        pace.full_at = pace.full_at.max(now) + INTERVAL;
        missing.saturating_sub(INTERVAL * (BURST - 1))
    }

    fn left(&self, host: &Authority) -> HostBudget {
        let now = Instant::now();
        let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = pace.full_at.saturating_duration_since(now).as_millis().div_ceil(INTERVAL.as_millis());
        let longest = pace.pauses.values().max().map(|end| end.saturating_duration_since(now));
        let free = self.in_flight.available_permits() + self.in_flight_for_people.available_permits();
        let in_flight = (IN_FLIGHT + IN_FLIGHT_FOR_PEOPLE).saturating_sub(free);
        HostBudget {
            host: host.to_string(),
            available: BURST.saturating_sub(u32::try_from(spent).unwrap_or(u32::MAX)),
            in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
            pause: longest.unwrap_or_default(),
            scarce: pace.scarce.values().any(|scarcity| now < scarcity.until),
        }
    }

    /// Whether forgetting this budget changes nothing.
    fn is_like_new(&self) -> bool {
        let now = Instant::now();
        let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let ample = pace.scarce.values().all(|scarcity| scarcity.until <= now);
        let quiet = pace.full_at <= now && ample && pace.pauses.values().all(|end| *end <= now);
        let idle = self.in_flight.available_permits() == IN_FLIGHT;
        quiet && idle && self.in_flight_for_people.available_permits() == IN_FLIGHT_FOR_PEOPLE
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("free", &self.in_flight.available_permits()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Authority, BURST, Budgets, CloudId, HostBudget, IN_FLIGHT, IN_FLIGHT_FOR_PEOPLE, LimitReach, Problem, Urgency,
    };
    use rstest::rstest;
    use std::time::Duration;
    use tokio::time::{Instant, advance, sleep};
    use url::Url;

    fn host(url: &str) -> Authority {
        Authority::of(&Url::parse(url).unwrap()).unwrap()
    }

    fn limited(retry_after: Option<u64>) -> Problem {
        Problem::RateLimited { retry_after: retry_after.map(Duration::from_secs), reach: LimitReach::Host }
    }

    #[rstest]
    #[case::burst(40, 0)]
    #[case::one_more(41, 50)]
    #[case::two_seconds_of_work(80, 2000)]
    #[tokio::test(start_paused = true)]
    async fn requests_are_paced(#[case] count: u32, #[case] milliseconds: u64) {
        let (budgets, host, start) = (Budgets::default(), host("https://a.test"), Instant::now());
        for _ in 0..count {
            budgets.turn(&host, None, Urgency::Routine).await.unwrap();
        }
        // The clock of the runtime counts whole milliseconds, so that each wait may be one longer; who need not wait does not.
        let (took, rounded) = (start.elapsed().as_millis(), u128::from(count.saturating_sub(BURST)));
        assert!((u128::from(milliseconds)..=u128::from(milliseconds) + rounded).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_ninth_request_waits_for_an_answer_and_not_forever() {
        let (budgets, host) = (Budgets::default(), host("https://a.test"));
        let mut turns = Vec::new();
        for _ in 0..8 {
            turns.push(budgets.turn(&host, None, Urgency::Routine).await.unwrap());
        }
        let start = Instant::now();
        assert_eq!(budgets.turn(&host, None, Urgency::Routine).await.err(), Some(limited(None)));
        assert!(Duration::from_secs(30) <= start.elapsed());
        turns.pop();
        assert!(budgets.turn(&host, None, Urgency::Routine).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_for_one_host_and_port_until_its_end() {
        let budgets = Budgets::default();
        let (paused, other) = (host("https://a.test"), host("https://a.test:8443"));
        budgets.turn(&paused, None, Urgency::Routine).await.unwrap().pause(Duration::from_secs(7));
        assert_eq!(budgets.turn(&paused, None, Urgency::Routine).await.err(), Some(limited(Some(7))));
        assert!(budgets.turn(&other, None, Urgency::Routine).await.is_ok());
        advance(Duration::from_secs(4)).await;
        assert_eq!(budgets.turn(&paused, None, Urgency::Routine).await.err(), Some(limited(Some(3))));
        advance(Duration::from_secs(3)).await;
        assert!(budgets.turn(&paused, None, Urgency::Routine).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_pause_does_not_shorten_a_longer_one() {
        let (budgets, host) = (Budgets::default(), host("https://a.test"));
        let turn = budgets.turn(&host, None, Urgency::Routine).await.unwrap();
        turn.pause(Duration::from_secs(60 * 60));
        turn.pause(Duration::from_secs(1));
        assert_eq!(budgets.turn(&host, None, Urgency::Routine).await.err(), Some(limited(Some(3600))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_at_the_gateway_holds_for_one_tenant() {
        let (budgets, gateway) = (Budgets::default(), host("https://api.test"));
        let tenant =
            |digit: &str| format!("{}-2222-3333-4444-555555555555", digit.repeat(8)).parse::<CloudId>().unwrap();
        budgets.turn(&gateway, Some(&tenant("1")), Urgency::Routine).await.unwrap().pause(Duration::from_secs(7));
        assert_eq!(budgets.turn(&gateway, Some(&tenant("1")), Urgency::Routine).await.err(), Some(limited(Some(7))));
        assert!(budgets.turn(&gateway, Some(&tenant("2")), Urgency::Routine).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_for_a_turn_learns_of_a_pause_that_began_meanwhile() {
        let budgets = std::sync::Arc::new(Budgets::default());
        let host = host("https://a.test");
        let mut turns = Vec::new();
        for _ in 0..8 {
            turns.push(budgets.turn(&host, None, Urgency::Routine).await.unwrap());
        }
        let waiting = tokio::spawn({
            let (budgets, host) = (budgets.clone(), host.clone());
            async move { budgets.turn(&host, None, Urgency::Routine).await.err() }
        });
        sleep(Duration::from_secs(1)).await;
        turns[0].pause(Duration::from_secs(9));
        turns.clear();
        assert_eq!(waiting.await.unwrap(), Some(limited(Some(9))));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_hosts_are_forgotten_and_paused_ones_are_not() {
        let budgets = Budgets::default();
        let paused = host("https://paused.test");
        budgets.turn(&paused, None, Urgency::Routine).await.unwrap().pause(Duration::from_secs(60));
        for number in 0..1000 {
            budgets.turn(&host(&format!("https://h{number}.test")), None, Urgency::Routine).await.unwrap();
            advance(Duration::from_millis(50)).await;
        }
        assert!(budgets.0.lock().unwrap().len() <= 257);
        assert!(budgets.turn(&paused, None, Urgency::Routine).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_spread_for_a_minute_after_a_host_has_said_that_little_is_left() {
        let (budgets, host) = (Budgets::default(), host("https://a.test"));
        budgets.turn(&host, None, Urgency::Routine).await.unwrap().slow_down();
        let start = Instant::now();
        for _ in 0..10 {
            budgets.turn(&host, None, Urgency::Routine).await.unwrap();
        }
        assert_eq!(start.elapsed().as_secs(), 10);
        assert!(budgets.left()[0].scarce);
        let person = Instant::now();
        budgets.turn(&host, None, Urgency::Person).await.unwrap();
        assert_eq!(person.elapsed(), Duration::ZERO);
        advance(Duration::from_secs(51)).await;
        let start = Instant::now();
        for _ in 0..10 {
            budgets.turn(&host, None, Urgency::Routine).await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(!budgets.left()[0].scarce);
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_learns_when_there_is_some() {
        let (budgets, host) = (std::sync::Arc::new(Budgets::default()), host("https://a.test"));
        budgets.turn(&host, None, Urgency::Routine).await.unwrap().slow_down();
        for _ in 0..30 {
            let (budgets, host) = (budgets.clone(), host.clone());
            tokio::spawn(async move { drop(budgets.turn(&host, None, Urgency::Routine).await.unwrap()) });
        }
        tokio::task::yield_now().await;
        assert_eq!(budgets.turn(&host, None, Urgency::Routine).await.err(), Some(limited(Some(31))));
    }

    #[tokio::test(start_paused = true)]
    async fn little_that_is_left_of_one_tenant_does_not_slow_another() {
        let (budgets, gateway) = (Budgets::default(), host("https://api.test"));
        let tenant =
            |digit: &str| format!("{}-2222-3333-4444-555555555555", digit.repeat(8)).parse::<CloudId>().unwrap();
        budgets.turn(&gateway, Some(&tenant("1")), Urgency::Routine).await.unwrap().slow_down();
        let start = Instant::now();
        budgets.turn(&gateway, Some(&tenant("2")), Urgency::Routine).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        budgets.turn(&gateway, Some(&tenant("1")), Urgency::Routine).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_of_a_budget_is_told() {
        let (budgets, host) = (Budgets::default(), host("https://a.test"));
        let left = || {
            let HostBudget { host, available, in_flight, pause, scarce: _ } = budgets.left().remove(0);
            assert_eq!(host, "a.test:443");
            (available, in_flight, pause.as_secs())
        };
        let one = budgets.turn(&host, None, Urgency::Routine).await.unwrap();
        let two = budgets.turn(&host, None, Urgency::Person).await.unwrap();
        assert_eq!(left(), (38, 2, 0));
        drop(two);
        advance(Duration::from_millis(50)).await;
        assert_eq!(left(), (39, 1, 0));
        one.pause(Duration::from_secs(7));
        advance(Duration::from_millis(50)).await;
        assert_eq!(left(), (40, 1, 6));
        advance(Duration::from_secs(7)).await;
        drop(one);
        assert_eq!(left(), (40, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_of_a_person_goes_ahead_of_all_routine_and_still_counts() {
        let (budgets, host) = (std::sync::Arc::new(Budgets::default()), host("https://a.test"));
        // A thousand passes want something, and the answers take their time.
        for _ in 0..1000 {
            let (budgets, host) = (budgets.clone(), host.clone());
            tokio::spawn(async move {
                let turn = budgets.turn(&host, None, Urgency::Routine).await;
                sleep(Duration::from_millis(100)).await;
                drop(turn);
            });
        }
        sleep(Duration::from_secs(5)).await;
        for _ in 0..20 {
            let start = Instant::now();
            drop(budgets.turn(&host, None, Urgency::Person).await.unwrap());
            assert_eq!(start.elapsed(), Duration::ZERO);
        }
        let pace = budgets.budget(&host).reserve();
        assert!(Duration::ZERO < pace, "routine waits for what people have taken: {pace:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn people_do_not_pass_a_pause_and_do_not_flood_a_host() {
        let (budgets, host) = (Budgets::default(), host("https://a.test"));
        let mut hanging = Vec::new();
        for _ in 0..IN_FLIGHT + IN_FLIGHT_FOR_PEOPLE {
            let start = Instant::now();
            hanging.push(budgets.turn(&host, None, Urgency::Person).await.unwrap());
            assert_eq!(start.elapsed(), Duration::ZERO, "those that hang are in nobody's way");
        }
        let first = hanging.swap_remove(0);
        assert_eq!(budgets.turn(&host, None, Urgency::Person).await.err(), Some(limited(None)));
        first.pause(Duration::from_secs(7));
        assert_eq!(budgets.turn(&host, None, Urgency::Person).await.err(), Some(limited(Some(7))));
    }
}
