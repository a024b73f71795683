//! Numbers that follow from a seed, so that what was random can be tried again.

use std::time::Duration;

/// Marsaglia's xorshift.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The numbers of a seed. Seeds that lie side by side give numbers that have nothing in common.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // The only state that xorshift never leaves is zero.
        Self(scattered(seed).max(1))
    }

    /// A number below `bound`, which must not be zero.
    #[must_use]
    pub fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.next() % u64::from(bound)).unwrap_or(0)
    }

    /// A seed for something that is thrown apart.
    #[must_use]
    pub fn seed(&mut self) -> u64 {
        self.next()
    }

    /// Either of two.
    #[must_use]
    pub fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    /// One of several.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.next() % (of.len() as u64)).unwrap_or(0)]
    }

    /// A time shorter than so many milliseconds.
    #[must_use]
    pub fn time(&mut self, below: u32) -> Duration {
        Duration::from_millis(self.below(below).into())
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// The finalizer of `SplitMix64` (<https://prng.di.unimi.it/splitmix64.c>, public domain): similar numbers in, unlike numbers out.
fn scattered(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// The seed of this run: that of `SEED`, or a fresh one.
///
/// # Panics
///
/// When `SEED` is no number.
#[must_use]
pub fn seed() -> u64 {
    given_seed().unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        scattered(now.as_secs() ^ (u64::from(std::process::id()) << 32))
    })
}

/// The seed that somebody asks for with `SEED`.
///
/// # Panics
///
/// When it is no number.
#[must_use]
pub fn given_seed() -> Option<u64> {
    let text = std::env::var("SEED").ok()?;
    match text.parse() {
        Ok(seed) => Some(seed),
        Err(error) => panic!("SEED is no number: {text}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_its_neighbour_others() {
        let numbers = |seed| {
            let mut dice = Dice::new(seed);
            (0..8).map(|_| dice.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
        assert!(numbers(0).iter().any(|number| *number != 0), "no seed stands still");
    }

    #[test]
    fn every_one_of_several_is_picked_now_and_then() {
        let mut dice = Dice::new(1);
        let picked: std::collections::BTreeSet<_> = (0..100).map(|_| dice.pick(&["a", "b", "c"])).collect();
        assert_eq!(picked.len(), 3);
    }
}
