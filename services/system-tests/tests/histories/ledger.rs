//! What the world was promised, written down as it was answered: every answer of Redis, also those that got lost.

use crate::claim::{Claim, Place};
use proto_schemas::{Fact, Record, SubtaskDefinition, TaskId, WorkEntry};
use redis_store::submit::{Submission, Submitted};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub struct Ledger {
    /// Every task that was created, with its plan.
    pub tasks: BTreeMap<TaskId, Vec<SubtaskDefinition>>,
    /// The same in the order of their creation.
    pub created: Vec<TaskId>,
    /// Idempotency keys with their task and what was asked.
    pub keys: BTreeMap<String, (TaskId, String)>,
    /// What was answered as recorded.
    pub claims: BTreeMap<Place, Claim>,
    /// What may have been recorded: whoever asked for it died before the answer.
    pub possible: BTreeMap<Place, Vec<Claim>>,
    /// How often a reaper was told that it buried something.
    pub buried_by_reapers: u64,
    /// Entries of the log that a stranger wrote.
    pub forged: BTreeSet<String>,
    /// Records as they were first seen.
    pub records: BTreeMap<Place, Record>,
    /// Generations as they were last seen.
    pub generations: BTreeMap<(TaskId, u32), u32>,
    /// The one fact of the log that tells the end of a life, by who ran it.
    pub told: BTreeMap<Place, Fact>,
    /// How far the log has been read.
    pub log_end: Option<String>,
}

impl Ledger {
    /// An answer to a submission; it must follow from the answers before. `is_tight`: its backlog had no room.
    pub fn submitted(&mut self, submission: &Submission, answer: &Submitted, is_tight: bool) {
        let known = submission.idempotency.as_ref().and_then(|it| self.keys.get(&it.key).map(|known| (it, known)));
        let expected = match known {
            Some((it, (task_id, fingerprint))) if it.fingerprint == *fingerprint => {
                Submitted::Existing(task_id.clone())
            }
            Some(_) => Submitted::Conflict,
            None if self.tasks.contains_key(&submission.task_id) => Submitted::Existing(submission.task_id.clone()),
            None if is_tight => Submitted::Overloaded,
            None => Submitted::Created,
        };
        assert_eq!(*answer, expected, "of {}", submission.task_id);
        if *answer == Submitted::Created {
            self.tasks.insert(submission.task_id.clone(), submission.subtasks.clone());
            self.created.push(submission.task_id.clone());
            if let Some(it) = &submission.idempotency {
                self.keys.insert(it.key.clone(), (submission.task_id.clone(), it.fingerprint.clone()));
            }
        }
    }

    /// Whether there is such a subtask.
    pub fn has(&self, place: &Place) -> bool {
        self.tasks.get(&place.task_id).is_some_and(|plan| (place.index as usize) < plan.len())
    }

    /// Whether the entry is of a task that was created, and not only names it.
    pub fn knows(&self, entry: &WorkEntry) -> bool {
        self.has(&Place::of(entry))
            && entry.task_id.subtask(entry.index).is_ok_and(|subtask_id| subtask_id == entry.subtask_id)
    }

    /// An answer that an outcome was recorded: the only one of this life.
    pub fn claimed(&mut self, entry: &WorkEntry, claim: Claim) {
        if !self.knows(entry) {
            return; // a stranger's entry has no books
        }
        let place = Place::of(entry);
        let told = format!("{place}: recorded {claim:?}");
        if let Some(before) = self.claims.insert(place, claim) {
            panic!("{told}, and before {before:?}");
        }
    }

    /// A call whose answer nobody will hear.
    pub fn may_have_claimed(&mut self, entry: &WorkEntry, claim: Claim) {
        if self.knows(entry) {
            self.possible.entry(Place::of(entry)).or_default().push(claim);
        }
    }

    /// The claim that a fact in the log proves, of those that may have been.
    pub fn prove(&mut self, place: &Place, fact: &Fact) -> bool {
        let possible = self.possible.get(place).and_then(|claims| claims.iter().find(|claim| claim.is_told_by(fact)));
        let proved = possible.cloned();
        proved.is_some_and(|claim| self.claims.insert(place.clone(), claim).is_none())
    }
}
