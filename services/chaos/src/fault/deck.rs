//! Draws faults from the seed: a shuffled deck in which every kind of the profile has its cards, so that none is left
//! out for long.

use super::Kind;
use crate::options::Profile;
use fastrand::Rng;
use std::time::Duration;

/// How often a second fault, of another realm, is laid over the first.
const OVERLAPPED: f64 = 0.15;

/// Around the kill of one worker there is calm enough, with the shortest of every round, to tell how long it takes
/// until its work starts again: otherwise what came before has a part in most of these times.
const BEFORE_KILL: Duration = Duration::from_millis(2_600);
const AFTER_KILL_MS: u64 = 2_000;

/// What is left of the cards.
pub struct Deck {
    kinds: Vec<Kind>,
    cards: Vec<Kind>,
    rng: Rng,
}

/// One round.
#[derive(Debug, Clone, PartialEq)]
pub struct Hand {
    /// One fault, or two of different realms.
    pub kinds: Vec<Kind>,
    /// More calm before it.
    pub before: Duration,
    /// The calm after it.
    pub calm: Duration,
    /// From which each fault draws its targets and times.
    pub seeds: Vec<u64>,
}

impl Deck {
    /// A deck of everything that `profile` inflicts.
    pub fn new(profile: Profile, seed: u64) -> Self {
        Self { kinds: Kind::of(profile), cards: Vec::new(), rng: Rng::with_seed(seed) }
    }

    /// Draws a round.
    pub fn draw(&mut self) -> Hand {
        let first = self.card();
        let mut kinds = vec![first];
        if self.rng.f64() < OVERLAPPED {
            let second = self.card();
            if second.realm() == first.realm() {
                self.cards.insert(0, second); // its turn comes
            } else {
                kinds.push(second);
            }
        }
        let mut calm_ms = self.rng.u64(500..2_000);
        let seeds = kinds.iter().map(|_| self.rng.u64(..)).collect();
        let mut before = Duration::ZERO;
        if kinds == [Kind::KillWorker] {
            (before, calm_ms) = (BEFORE_KILL, calm_ms.max(AFTER_KILL_MS));
        }
        Hand { kinds, before, calm: Duration::from_millis(calm_ms), seeds }
    }

    fn card(&mut self) -> Kind {
        if self.cards.is_empty() {
            self.cards = self.kinds.iter().flat_map(|&kind| std::iter::repeat_n(kind, kind.weight())).collect();
            self.rng.shuffle(&mut self.cards);
            // The first cards show every kind once, so that a short run leaves none out.
            let mut first: Vec<Kind> = self.kinds.clone();
            self.rng.shuffle(&mut first);
            for kind in &first {
                if let Some(at) = self.cards.iter().position(|card| card == kind) {
                    self.cards.remove(at);
                }
            }
            self.cards.extend(first);
        }
        self.cards.pop().unwrap_or(Kind::KillWorker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_same_seed_draws_the_same_and_every_kind_comes_before_any_deck_ends() {
        let draw = |seed| {
            let mut deck = Deck::new(Profile::Always, seed);
            (0..60).map(|_| deck.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
        let seen: HashSet<Kind> = draw(5).into_iter().flat_map(|hand| hand.kinds).collect();
        assert_eq!(seen, Kind::of(Profile::Always).into_iter().collect());
        let realms = |hand: &Hand| hand.kinds.iter().map(|kind| kind.realm()).collect::<Vec<_>>();
        assert!(draw(7).iter().all(|hand| realms(hand).windows(2).all(|pair| pair[0] != pair[1])));
    }

    #[test]
    fn a_worker_that_is_killed_alone_is_killed_in_calm() {
        let mut deck = Deck::new(Profile::Always, 5);
        for hand in std::iter::repeat_with(|| deck.draw()).take(200) {
            let is_lone_kill = hand.kinds == [Kind::KillWorker];
            assert_eq!(hand.before + Duration::from_millis(500) > Duration::from_secs(3), is_lone_kill, "{hand:?}");
            assert!(!is_lone_kill || hand.calm >= Duration::from_secs(2), "{hand:?}");
        }
    }

    #[test]
    fn faults_with_losses_are_drawn_only_where_they_belong() {
        let has = |profile, kind| Kind::of(profile).contains(&kind);
        assert!(!has(Profile::Always, Kind::FlushAll) && has(Profile::Flushall, Kind::FlushAll));
        assert!(!has(Profile::Always, Kind::DiskFull) && has(Profile::Diskfull, Kind::DiskFull));
        assert!(!has(Profile::Always, Kind::MachineStall));
    }
}
