//! What follows from a seed, before anything happens.

use std::time::Duration;

use tests::{dice::Dice, scene::Protocol, stage::Way};

use super::{
    act::{Act, CONNECTIONS},
    ailment::Ailment,
    disturbance::Disturbance,
};

/// How large a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Seconds: few worlds, none of them with a person, and what takes long is left out.
    Short,
    Full,
}

impl Scale {
    fn worlds(self) -> usize {
        match self {
            Self::Short => 6,
            Self::Full => 24,
        }
    }

    fn disturbances(self) -> usize {
        match self {
            Self::Short => 2,
            Self::Full => 3,
        }
    }
}

/// Who has authorised a third connection, in which share of the worlds: each takes a person through many pages.
const PEOPLE: [Option<Protocol>; 10] =
    [None, None, None, None, None, None, None, Some(Protocol::Cloud), Some(Protocol::Center), Some(Protocol::Old)];

/// What happens in one round.
#[derive(Clone, Debug)]
pub struct Plan {
    pub worlds: Vec<Life>,
    /// One after the other, each after a time.
    pub disturbances: Vec<(Duration, Disturbance)>,
}

/// What happens in one world.
#[derive(Clone, Debug)]
pub struct Life {
    /// How the connection to Cloud authenticates.
    pub cloud: Way,
    /// How a person has authorised a third connection.
    pub person: Option<Protocol>,
    pub steps: Vec<Step>,
}

/// One deed, what ails which Jira from then on, and how long nothing happens afterwards.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub act: Act,
    pub ailment: Option<(&'static str, Ailment)>,
    pub pause: Duration,
}

impl Plan {
    pub fn thrown(seed: u64, scale: Scale) -> Self {
        let mut dice = Dice::new(seed);
        let worlds = (0..scale.worlds()).map(|_| Life::thrown(&mut Dice::new(dice.seed()), scale)).collect();
        let mut thrown = || (dice.time(1_500), Disturbance::thrown(&mut dice, scale));
        let disturbances = (0..scale.disturbances()).map(|_| thrown()).collect();
        Self { worlds, disturbances }
    }
}

impl Life {
    fn thrown(dice: &mut Dice, scale: Scale) -> Self {
        let cloud = dice.pick(&[Way::ApiToken, Way::ApiToken, Way::ScopedApiToken, Way::ClientCredentials]);
        let person = dice.pick(&PEOPLE);
        let steps = (0..4 + dice.below(5)).map(|_| Step::thrown(dice)).collect();
        Self { cloud, person: person.filter(|_| scale == Scale::Full), steps }
    }
}

impl Step {
    fn thrown(dice: &mut Dice) -> Self {
        let act = Act::thrown(dice);
        let target = dice.pick(&[CONNECTIONS[0], CONNECTIONS[1], super::world::PERSON]);
        let ailment = (dice.below(5) < 2).then(|| (target, Ailment::thrown(dice)));
        Self { act, ailment, pause: dice.time(800) }
    }
}
