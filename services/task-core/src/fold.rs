//! The fold: what the facts of a task add up to.
//!
//! The fold is commutative and idempotent for every history in which a subtask has one distinct terminal fact, which
//! the ack fence guarantees: order, repetition and late arrival change nothing. Where a history breaks that rule, the
//! first terminal fact stands and the counters still agree with the records. Nothing but generation 0 is folded.

use proto_schemas::{Fact, FactKind, Outcome, Progress, Record, TaskStatus};
use std::collections::BTreeMap;

/// A task as its facts tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskState {
    /// Subtasks in the plan, at least 1.
    pub total: u32,
    /// Where the task stands; terminal exactly when every subtask has a record.
    pub status: TaskStatus,
    /// Records that say completed.
    pub completed: u32,
    /// Records that say failed.
    pub failed: u32,
    /// Records that say cancelled.
    pub cancelled: u32,
    /// The greatest time of all facts that were not ignored, duplicates and late ones included; at first the
    /// creation's.
    pub updated_at_ms: u64,
    /// The greatest time of all records, once terminal.
    pub finished_at_ms: Option<u64>,
    /// The outcome of each subtask that ended, by index.
    pub records: BTreeMap<u32, Record>,
    /// The newest known progress of the others, by index: the greatest of all that were told.
    pub progress: BTreeMap<u32, Progress>,
}

/// What a fact did to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folded {
    /// It is the terminal fact of its subtask and moved a counter.
    Counted,
    /// It tells the progress of a subtask that has not ended; the greatest of all that were told is kept.
    Progressed,
    /// It is about a subtask that has ended; at most `updated_at_ms` follows from it.
    Duplicate,
    /// It is not about a subtask of this plan and generation; nothing changed.
    Ignored,
}

impl TaskState {
    /// A task of which nothing is known but that it was accepted.
    pub fn new(total: u32, created_at_ms: u64) -> Self {
        Self {
            total,
            status: TaskStatus::Queued,
            completed: 0,
            failed: 0,
            cancelled: 0,
            updated_at_ms: created_at_ms,
            finished_at_ms: None,
            records: BTreeMap::new(),
            progress: BTreeMap::new(),
        }
    }

    /// The state that follows from kept records and progress alone: the base on which a rebuild folds the log.
    ///
    /// Out-of-plan indexes are dropped, and so is the progress of subtasks that ended. What no longer shows, the
    /// log has to tell: that a subtask had started before its worker died, and the times of overtaken facts.
    pub fn recount(
        total: u32,
        created_at_ms: u64,
        records: BTreeMap<u32, Record>,
        progress: BTreeMap<u32, Progress>,
    ) -> Self {
        let mut state = Self::new(total, created_at_ms);
        for (index, told) in progress.into_iter().filter(|&(index, _)| index < total) {
            state.move_on(told.at_ms, moves(&told.fact));
            if !records.contains_key(&index) {
                state.progress.insert(index, told);
            }
        }
        for (index, record) in records.into_iter().filter(|&(index, _)| index < total) {
            state.move_on(record.at_ms, true);
            state.insert(index, record);
        }
        state
    }

    /// Folds one fact. Harmless twice, and in any order.
    pub fn apply(&mut self, fact: &Fact) -> Folded {
        let Some(index) = fact.index.filter(|&index| index < self.total && fact.generation == 0) else {
            return Folded::Ignored;
        };
        let known = self.records.contains_key(&index);
        if let Some(record) = Record::of(fact) {
            self.move_on(fact.at_ms, true);
            if known {
                return Folded::Duplicate;
            }
            self.insert(index, record);
            return Folded::Counted;
        }
        let Some(told) = Progress::of(fact) else { return Folded::Ignored };
        self.move_on(fact.at_ms, moves(fact.kind.as_str()));
        if known {
            return Folded::Duplicate;
        }
        let newest = self.progress.entry(index).or_insert_with(|| told.clone());
        if *newest < told {
            *newest = told;
        }
        Folded::Progressed
    }

    fn move_on(&mut self, at_ms: u64, to_processing: bool) {
        self.updated_at_ms = self.updated_at_ms.max(at_ms);
        if to_processing && self.status == TaskStatus::Queued {
            self.status = TaskStatus::Processing;
        }
    }

    /// Takes the first record of `index`, counts it, and ends the task with the last one.
    fn insert(&mut self, index: u32, record: Record) {
        match record.outcome {
            Outcome::Completed => self.completed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Cancelled => self.cancelled += 1,
        }
        self.progress.remove(&index);
        self.records.insert(index, record);
        if self.completed + self.failed + self.cancelled == self.total {
            self.status = final_status(self.failed, self.cancelled);
            self.finished_at_ms = self.records.values().map(|record| record.at_ms).max();
        }
    }
}

/// The status of a task in which every subtask ended: one failure fails it, else one cancellation cancels it.
pub fn final_status(failed: u32, cancelled: u32) -> TaskStatus {
    match (failed, cancelled) {
        (0, 0) => TaskStatus::Completed,
        (0, _) => TaskStatus::Cancelled,
        _ => TaskStatus::Failed,
    }
}

/// Whether a non-terminal fact takes its task from queued to processing (DESIGN §4).
fn moves(fact: &str) -> bool {
    [FactKind::Started, FactKind::Retrying].iter().any(|kind| kind.as_str() == fact)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(line: &str) -> Fact {
        Fact::decode(line).unwrap()
    }

    fn fold(total: u32, lines: &[&str]) -> (TaskState, Vec<Folded>) {
        let mut state = TaskState::new(total, 10);
        let answers = lines.iter().map(|line| state.apply(&fact(line))).collect();
        (state, answers)
    }

    #[test]
    fn a_task_ends_with_its_last_record_at_the_time_of_its_latest() {
        let (state, answers) =
            fold(2, &["t 0 0 started 1 0 w 20", "t 1 0 completed 1 0 w 40", "t 0 0 completed 1 0 w 30"]);
        assert_eq!(answers, [Folded::Progressed, Folded::Counted, Folded::Counted]);
        assert_eq!((state.status, state.finished_at_ms, state.updated_at_ms), (TaskStatus::Completed, Some(40), 40));
        assert!(state.progress.is_empty());
    }

    #[test]
    fn a_repeated_or_late_fact_moves_at_most_the_time() {
        let (state, answers) = fold(
            2,
            &[
                "t 0 0 failed 1 0 w 20 x",
                "t 0 0 failed 1 0 w 20 x",
                "t 0 0 completed 1 0 v 30",
                "t 0 0 started 1 0 w 50",
            ],
        );
        assert_eq!(answers, [Folded::Counted, Folded::Duplicate, Folded::Duplicate, Folded::Duplicate]);
        assert_eq!((state.completed, state.failed, state.updated_at_ms), (0, 1, 50));
        assert_eq!(state.records[&0].encode(), "failed 1 0 20 x");
    }

    #[test]
    fn what_is_not_about_a_subtask_of_this_plan_and_generation_is_ignored() {
        let before = TaskState::new(2, 10);
        let (state, answers) = fold(
            2,
            &[
                "t - 0 created 0 0 o 90",
                "t 2 0 completed 1 0 w 90",
                "t 0 1 completed 1 0 w 90",
                "t 0 0 requeued 1 0 w 90",
            ],
        );
        assert_eq!((state, answers), (before, vec![Folded::Ignored; 4]));
    }

    #[test]
    fn only_a_start_a_retry_or_an_end_makes_it_processing() {
        for (word, status) in [
            ("started", TaskStatus::Processing),
            ("retrying", TaskStatus::Processing),
            ("crashed", TaskStatus::Queued),
            ("returned", TaskStatus::Queued),
            ("parked", TaskStatus::Queued),
            ("completed", TaskStatus::Processing),
        ] {
            assert_eq!(fold(2, &[&format!("t 0 0 {word} 1 0 w 20")]).0.status, status, "{word}");
        }
    }

    #[test]
    fn an_overtaken_start_still_makes_it_processing() {
        let (state, answers) = fold(1, &["t 0 0 crashed 1 1 w 30", "t 0 0 started 1 0 w 20"]);
        assert_eq!(answers, [Folded::Progressed, Folded::Progressed]);
        assert_eq!((state.status, state.progress[&0].fact.as_str()), (TaskStatus::Processing, "crashed"));
    }

    #[test]
    fn one_failure_fails_a_task_and_one_cancellation_cancels_it() {
        for (words, status) in [
            (["completed", "completed"], TaskStatus::Completed),
            (["completed", "cancelled"], TaskStatus::Cancelled),
            (["cancelled", "failed"], TaskStatus::Failed),
        ] {
            let lines = [0, 1].map(|index| format!("t {index} 0 {} 1 0 w 20", words[index]));
            assert_eq!(fold(2, &[&lines[0], &lines[1]]).0.status, status);
        }
    }
}
