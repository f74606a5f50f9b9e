//! What two passes agree on: the first only suspects, the second confirms.

use super::law::Violation;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, RandomState};

/// Violations that are kept in full; the rest is counted.
const KEPT_MAX: usize = 1_000;

/// Suspicions of a first pass, or what a second one confirmed of them. A suspicion is kept as 64 bits.
#[derive(Default)]
pub(crate) struct Findings {
    hasher: RandomState,
    suspected: HashSet<u64>,
    confirms: bool,
    violations: Vec<Violation>,
    beyond: u64,
}

impl Findings {
    /// Notes a violation. `anchor` is what must be the same in both passes beside law, task and index: the revision of
    /// the task, or the entry.
    pub(crate) fn found(&mut self, violation: Violation, anchor: impl Hash) {
        let Violation { law, task_id, index, member, .. } = &violation;
        let mark = self.hasher.hash_one((law, task_id, index, member, anchor));
        if !self.confirms {
            self.suspected.insert(mark);
        } else if self.suspected.remove(&mark) {
            if self.violations.len() < KEPT_MAX {
                self.violations.push(violation);
            } else {
                self.beyond += 1;
            }
        }
    }

    /// Whether a first pass suspects nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.suspected.is_empty()
    }

    /// Starts the second pass: from here on only what was suspected counts, and once.
    pub(crate) fn confirm(self) -> Self {
        Self { confirms: true, ..self }
    }

    /// What was confirmed, and how much more than can be kept.
    pub(crate) fn into_confirmed(self) -> (Vec<Violation>, u64) {
        (self.violations, self.beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::super::law::Law;
    use super::*;
    use proto_schemas::TaskId;

    fn violation(index: u32) -> Violation {
        Violation::of_subtask(Law::TokenMissing, &TaskId::new("T").unwrap(), index, "")
    }

    #[test]
    fn only_what_both_passes_find_at_the_same_revision_is_confirmed_and_once() {
        let mut findings = Findings::default();
        findings.found(violation(0), 7);
        findings.found(violation(1), 7);
        let mut findings = findings.confirm();
        for (index, revision) in [(0, 7), (0, 7), (1, 8), (2, 7)] {
            findings.found(violation(index), revision);
        }
        assert_eq!(findings.into_confirmed(), (vec![violation(0)], 0));
    }

    #[test]
    fn beyond_a_thousand_they_are_only_counted() {
        let mut findings = Findings::default();
        (0..1_500).for_each(|index| findings.found(violation(index), 7));
        let mut findings = findings.confirm();
        (0..1_500).for_each(|index| findings.found(violation(index), 7));
        let (violations, beyond) = findings.into_confirmed();
        assert_eq!((violations.len(), beyond), (1_000, 500));
    }
}
