//! Where each subtask waits: its work entries, its delayed member and its unfolded terminal facts. What waits in a plan
//! is read with its task.

use proto_schemas::TaskId;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Every token of one pass. A subtask is kept as 64 bits, hashed anew in each pass: should two ever meet in one place,
/// the second pass does not confirm what the first suspects.
#[derive(Default)]
pub(crate) struct Tokens {
    hasher: RandomState,
    places: HashMap<u64, Place>,
    /// Generations after the first that were seen, by subtask.
    later: HashMap<u64, Vec<u32>>,
    is_second_look: bool,
}

#[derive(Default)]
struct Place {
    held: Held,
    is_claimed: bool,
}

/// The tokens of one generation of a subtask. A token that moves during the pass may be seen where it was and where
/// it is; what came during the pass is `fresh` and proves no second token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Work entries from before the pass.
    pub entries: u32,
    /// Unfolded terminal facts from before the pass.
    pub facts: u32,
    /// In `delayed` before the streams were read.
    pub is_delayed: bool,
    /// It waits for a worker of its kind, which no record ends.
    pub is_parked: bool,
    /// Entries, facts and the delayed member that came during the pass.
    pub fresh: u32,
}

impl Held {
    /// Tokens that were there at one and the same moment, the first of the pass.
    pub(crate) fn certain(&self) -> u32 {
        self.entries + self.facts + u32::from(self.is_delayed)
    }

    /// Whether any token was seen.
    pub(crate) fn is_any(&self) -> bool {
        self.certain() + self.fresh > 0
    }
}

impl Tokens {
    /// Notes a work entry.
    pub(crate) fn add_entry(&mut self, task_id: &TaskId, index: u32, generation: u32, is_fresh: bool) {
        let held = self.held(task_id, index, generation);
        *(if is_fresh { &mut held.fresh } else { &mut held.entries }) += 1;
    }

    /// Notes an unfolded terminal fact.
    pub(crate) fn add_fact(&mut self, task_id: &TaskId, index: u32, generation: u32, is_fresh: bool) {
        let held = self.held(task_id, index, generation);
        *(if is_fresh { &mut held.fresh } else { &mut held.facts }) += 1;
    }

    /// Notes a delayed member. Seen again in the second look, it is the same.
    pub(crate) fn add_delayed(&mut self, task_id: &TaskId, index: u32, generation: u32, is_parked: bool) {
        let is_second_look = self.is_second_look;
        let held = self.held(task_id, index, generation);
        held.is_parked |= is_parked;
        if !is_second_look {
            held.is_delayed = true;
        } else if !held.is_delayed {
            held.fresh += 1;
        }
    }

    /// From now on a delayed member is one that was looked for before.
    pub(crate) fn look_again(&mut self) {
        self.is_second_look = true;
    }

    /// What the subtask of a known task holds; it counts as claimed from now on.
    pub(crate) fn claim(&mut self, task_id: &TaskId, index: u32, generation: u32) -> Held {
        let key = self.hasher.hash_one((task_id, index, generation));
        self.places.get_mut(&key).map_or(Held::default(), |place| {
            place.is_claimed = true;
            place.held
        })
    }

    /// The generations of a subtask after the first of which tokens were seen.
    pub(crate) fn later_generations(&self, task_id: &TaskId, index: u32) -> Vec<u32> {
        self.later.get(&self.hasher.hash_one((task_id, index))).cloned().unwrap_or_default()
    }

    /// Work entries that no subtask of a known task has claimed.
    pub(crate) fn unclaimed_entries(&self) -> u64 {
        self.places.values().filter(|place| !place.is_claimed).map(|place| u64::from(place.held.entries)).sum()
    }

    fn held(&mut self, task_id: &TaskId, index: u32, generation: u32) -> &mut Held {
        if generation > 0 {
            let later = self.later.entry(self.hasher.hash_one((task_id, index))).or_default();
            if !later.contains(&generation) {
                later.push(generation);
            }
        }
        let key = self.hasher.hash_one((task_id, index, generation));
        &mut self.places.entry(key).or_default().held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_apart_by_task_index_and_generation() {
        let (one, other) = (TaskId::new("T").unwrap(), TaskId::new("U").unwrap());
        let mut tokens = Tokens::default();
        tokens.add_entry(&one, 1, 0, false);
        tokens.add_entry(&one, 1, 1, false);
        tokens.add_fact(&one, 1, 0, false);
        tokens.add_entry(&other, 1, 0, false);
        assert_eq!(tokens.claim(&one, 1, 0), Held { entries: 1, facts: 1, ..Held::default() });
        assert_eq!(tokens.claim(&one, 2, 0), Held::default());
        assert_eq!(tokens.unclaimed_entries(), 2);
        assert_eq!(tokens.later_generations(&one, 1), [1]);
        assert_eq!(tokens.later_generations(&other, 1), [0; 0]);
    }

    #[test]
    fn a_token_that_moved_under_the_eyes_is_seen_and_is_not_two() {
        let task = TaskId::new("T").unwrap();
        let mut tokens = Tokens::default();
        tokens.add_delayed(&task, 0, 0, false); // then it is promoted
        tokens.add_entry(&task, 0, 0, true);
        tokens.add_entry(&task, 1, 0, false); // then it fails and waits
        tokens.look_again();
        tokens.add_delayed(&task, 1, 0, false);
        tokens.add_delayed(&task, 2, 0, false); // it came from nowhere that was read
        for index in [0, 1, 2] {
            let held = tokens.claim(&task, index, 0);
            assert!(held.is_any() && held.certain() <= 1, "{index}: {held:?}");
        }
    }

    #[test]
    fn what_is_delayed_and_in_a_stream_at_once_is_two() {
        let task = TaskId::new("T").unwrap();
        let mut tokens = Tokens::default();
        tokens.add_delayed(&task, 0, 0, false);
        tokens.add_entry(&task, 0, 0, false);
        tokens.look_again();
        tokens.add_delayed(&task, 0, 0, false);
        assert_eq!(tokens.claim(&task, 0, 0).certain(), 2);
    }
}
