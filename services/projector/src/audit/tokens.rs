//! Where each subtask waits: its work entries and its unfolded terminal facts.

use proto_schemas::TaskId;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Every token of one pass. A subtask is kept as 64 bits, hashed anew in each pass: should two ever meet in one place,
/// the second pass does not confirm what the first suspects.
#[derive(Default)]
pub(crate) struct Tokens {
    hasher: RandomState,
    places: HashMap<u64, Place>,
}

#[derive(Default)]
struct Place {
    held: Held,
    is_claimed: bool,
}

/// The tokens of one subtask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Work entries.
    pub entries: u32,
    /// Unfolded terminal facts.
    pub facts: u32,
}

impl Tokens {
    /// Notes a work entry.
    pub(crate) fn add_entry(&mut self, task_id: &TaskId, index: u32, generation: u32) {
        self.place(task_id, index, generation).held.entries += 1;
    }

    /// Notes an unfolded terminal fact.
    pub(crate) fn add_fact(&mut self, task_id: &TaskId, index: u32, generation: u32) {
        self.place(task_id, index, generation).held.facts += 1;
    }

    /// What the subtask of a known task holds; it counts as claimed from now on.
    pub(crate) fn claim(&mut self, task_id: &TaskId, index: u32, generation: u32) -> Held {
        let key = self.hasher.hash_one((task_id, index, generation));
        self.places.get_mut(&key).map_or(Held::default(), |place| {
            place.is_claimed = true;
            place.held
        })
    }

    /// Work entries that no subtask of a known task has claimed.
    pub(crate) fn unclaimed_entries(&self) -> u64 {
        self.places.values().filter(|place| !place.is_claimed).map(|place| u64::from(place.held.entries)).sum()
    }

    fn place(&mut self, task_id: &TaskId, index: u32, generation: u32) -> &mut Place {
        let key = self.hasher.hash_one((task_id, index, generation));
        self.places.entry(key).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_apart_by_task_index_and_generation() {
        let (one, other) = (TaskId::new("T").unwrap(), TaskId::new("U").unwrap());
        let mut tokens = Tokens::default();
        tokens.add_entry(&one, 1, 0);
        tokens.add_entry(&one, 1, 1);
        tokens.add_fact(&one, 1, 0);
        tokens.add_entry(&other, 1, 0);
        assert_eq!(tokens.claim(&one, 1, 0), Held { entries: 1, facts: 1 });
        assert_eq!(tokens.claim(&one, 2, 0), Held::default());
        assert_eq!(tokens.unclaimed_entries(), 2);
    }
}
