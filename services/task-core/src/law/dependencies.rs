//! What is left of a task's plan: who waits for whom, and the entries of those who wait.

use proto_schemas::{OnFailure, QueueName};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

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

/// A field of a plan; it prints as its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanField {
    /// The queues.
    Queues,
    /// The packed entry of an index.
    Blocked(u32),
    /// The parents that an index waits for.
    Waits(u32),
    /// Who depends on an index.
    Edges(u32),
}

impl fmt::Display for PlanField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queues => f.write_str("queues"),
            Self::Blocked(index) => write!(f, "b:{index}"),
            Self::Waits(index) => write!(f, "w:{index}"),
            Self::Edges(index) => write!(f, "e:{index}"),
        }
    }
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

    /// Loses one field, if it has it.
    pub(crate) fn forget(&mut self, field: PlanField) {
        match field {
            PlanField::Queues => self.queues.clear(),
            PlanField::Blocked(index) => drop(self.blocked.remove(&index)),
            PlanField::Waits(index) => drop(self.waits.remove(&index)),
            PlanField::Edges(index) => drop(self.edges.remove(&index)),
        }
    }

    /// Takes over every field that `other` has.
    pub(crate) fn take_over(&mut self, other: &Self) {
        if !other.queues.is_empty() {
            self.queues = other.queues.clone();
        }
        self.blocked.extend(other.blocked.clone());
        self.waits.extend(other.waits.clone());
        self.edges.extend(other.edges.clone());
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
    #[test]
    fn a_field_goes_by_its_name_and_what_another_plan_does_not_have_stays() {
        let mut plan = Dependencies { queues: [QueueName::default_queue()].into(), ..Dependencies::default() };
        plan.block(2, b"body".to_vec(), vec![0]);
        plan.edges.insert(0, vec![(2, OnFailure::Skip)]);
        let mut other = Dependencies::default();
        other.block(3, b"other".to_vec(), vec![0]);
        plan.take_over(&other);
        assert_eq!((plan.queues.len(), plan.edges.len(), plan.waits.len()), (1, 1, 2));
        let fields = [2, 3].map(|index| [PlanField::Blocked(index), PlanField::Waits(index)]).concat();
        let fields = [fields, vec![PlanField::Edges(0), PlanField::Queues, PlanField::Edges(9)]].concat();
        let names: Vec<String> = fields.iter().map(PlanField::to_string).collect();
        assert_eq!(names, ["b:2", "w:2", "b:3", "w:3", "e:0", "queues", "e:9"]);
        fields.iter().for_each(|field| plan.forget(*field));
        assert_eq!(plan, Dependencies::default());
    }
}
