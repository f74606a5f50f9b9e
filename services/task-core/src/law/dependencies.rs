//! What is left of a task's plan: who waits for whom, and the entries of those who wait.

use proto_schemas::{OnFailure, QueueName};
use std::collections::{BTreeMap, BTreeSet};

/// The plan of an open task with dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dependencies {
    /// The queues that its entries may go to.
    pub queues: BTreeSet<QueueName>,
    /// The packed entries of those who wait, by index.
    pub blocked: BTreeMap<u32, Vec<u8>>,
    /// The parents that each of them still waits for, in the order of its definition.
    pub waits: BTreeMap<u32, Vec<u32>>,
    /// Who depends on an index, and what becomes of them if it does not complete.
    pub edges: BTreeMap<u32, Vec<(u32, OnFailure)>>,
}

impl Dependencies {
    /// Lets a subtask wait for `parents`.
    pub(crate) fn block(&mut self, index: u32, body: Vec<u8>, parents: Vec<u32>) {
        self.blocked.insert(index, body);
        self.waits.insert(index, parents);
    }

    /// Takes a subtask out; nobody waits there any more.
    pub(crate) fn unblock(&mut self, index: u32) -> Option<Vec<u8>> {
        self.waits.remove(&index);
        self.blocked.remove(&index)
    }

    /// One parent less to wait for.
    pub(crate) fn drop_parent(&mut self, index: u32, parent: u32) {
        if let Some(waits) = self.waits.get_mut(&index) {
            waits.retain(|awaited| *awaited != parent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_two_waits_for_one_after_the_other() {
        let mut plan = Dependencies::default();
        plan.block(2, b"body".to_vec(), vec![0, 1]);
        for (index, parent) in [(2, 1), (2, 1), (3, 0)] {
            plan.drop_parent(index, parent);
        }
        assert_eq!(plan.waits[&2], [0]);
        assert_eq!(plan.unblock(2), Some(b"body".to_vec()));
        assert_eq!(plan, Dependencies::default());
    }
}
