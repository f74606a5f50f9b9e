//! The fold: what the facts of a task add up to.
//!
//! The fold is commutative and idempotent for every history in which a generation of a subtask has one distinct fact
//! that completes or fails it, which the ack fence guarantees: order, repetition and late arrival change nothing. A
//! cancel needs no fence: it is recorded at once, whatever is still on its way, so in a history it beats every other
//! outcome of its generation. Where a history breaks the rule, the first outcome stands and the counters still agree
//! with the records.

use proto_schemas::{Fact, FactKind, Outcome, Progress, Record, TaskStatus};
use std::collections::BTreeMap;

/// A task as its facts tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskState {
    /// Subtasks in the plan, at least 1.
    pub total: u32,
    /// Where the task stands; terminal exactly when every subtask has a record of its current generation.
    pub status: TaskStatus,
    /// Records of current generations that say completed.
    pub completed: u32,
    /// Records of current generations that say failed.
    pub failed: u32,
    /// Records of current generations that say cancelled.
    pub cancelled: u32,
    /// The greatest time of all facts that were not ignored, duplicates and late ones included; at first the
    /// creation's.
    pub updated_at_ms: u64,
    /// The greatest time of all records of generations that were opened, once terminal.
    pub finished_at_ms: Option<u64>,
    /// The current generation of each index that was requeued; the others are in generation 0.
    pub generations: BTreeMap<u32, u32>,
    /// Every outcome, by index and generation.
    pub records: BTreeMap<(u32, u32), Record>,
    /// The newest known progress where there is no outcome yet, by index and generation: the greatest that was told.
    pub progress: BTreeMap<(u32, u32), Progress>,
}

/// What a fact did to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folded {
    /// It is the outcome of its subtask and moved a counter.
    Counted,
    /// It tells the progress of a subtask that has not ended, the greatest of all that were told is kept; or it opens a
    /// generation.
    Progressed,
    /// It is about what has ended or was replaced; at most `updated_at_ms` follows from it.
    Duplicate,
    /// It is of a generation that is not open yet; it is kept and counts from then on.
    Early,
    /// It is not about a subtask of this plan; nothing changed.
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
            generations: BTreeMap::new(),
            records: BTreeMap::new(),
            progress: BTreeMap::new(),
        }
    }

    /// The state that follows from what `kept` keeps of its generations, records and progress alone, whatever its
    /// counters say: the base on which a rebuild folds the log.
    ///
    /// Out-of-plan indexes are dropped, and so is the progress of what has ended or was replaced. A task with a later
    /// generation was under way, also if the records of the earlier ones are lost. What no longer shows, the log has to
    /// tell: that a subtask had started before its worker died, and the times of overtaken facts.
    pub fn recount(kept: Self, created_at_ms: u64) -> Self {
        let mut state = Self::new(kept.total, created_at_ms);
        let in_plan = |index: u32| index < kept.total;
        state.generations = kept.generations.into_iter().filter(|(index, _)| in_plan(*index)).collect();
        state.records = kept.records.into_iter().filter(|((index, _), _)| in_plan(*index)).collect();
        for (place, told) in kept.progress.into_iter().filter(|((index, _), _)| in_plan(*index)) {
            state.move_on(told.at_ms, moves(&told.fact));
            if !state.is_over(place) {
                state.progress.insert(place, told);
            }
        }
        if let Some(latest) = state.outcome_at_ms() {
            state.move_on(latest, true);
        }
        if !state.generations.is_empty() {
            state.move_on(created_at_ms, true); // what runs again has run before
        }
        state.refresh();
        state
    }

    /// Folds one fact of a log, for each index that it is about; nothing but the log is known, so a `requeued` opens a
    /// generation. Harmless twice, and in any order.
    pub fn apply(&mut self, fact: &Fact) -> Vec<Folded> {
        fact.indexes().map(|index| self.apply_to(index, fact)).collect()
    }

    /// Folds one fact about `index` as the scripts do, into records that stand: the first outcome of a generation
    /// keeps its place, and a generation that was not opened takes nothing.
    pub fn count(&mut self, index: u32, fact: &Fact) -> Folded {
        let stands = index < self.total && self.records.contains_key(&(index, fact.generation));
        match Record::of(fact) {
            _ if fact.generation > self.generation(index) => Folded::Ignored,
            Some(_) if stands => {
                self.move_on(fact.at_ms, true);
                Folded::Duplicate
            }
            _ => self.apply_to(index, fact),
        }
    }

    /// The current generation of `index`.
    pub fn generation(&self, index: u32) -> u32 {
        self.generations.get(&index).copied().unwrap_or(0)
    }

    /// How `index` ended in its current generation, if it has.
    pub fn record(&self, index: u32) -> Option<&Record> {
        self.records.get(&(index, self.generation(index)))
    }

    /// The greatest time of all records of generations that were opened.
    pub fn outcome_at_ms(&self) -> Option<u64> {
        let opened = self.records.iter().filter(|((index, generation), _)| *generation <= self.generation(*index));
        opened.map(|(_, record)| record.at_ms).max()
    }

    /// Every index that has not ended, in order, with its current generation.
    pub fn open_indexes(&self) -> Vec<(u32, u32)> {
        let places = (0..self.total).map(|index| (index, self.generation(index)));
        places.filter(|place| !self.records.contains_key(place)).collect()
    }

    /// Makes `generation` the current one of `index`, unless a later one is: what was told of older ones is over.
    pub fn open(&mut self, index: u32, generation: u32) {
        if generation > self.generation(index) {
            self.generations.insert(index, generation);
            self.progress.retain(|(other, told), _| *other != index || *told >= generation);
            self.refresh();
        }
    }

    /// Keeps the outcome of one place, counts it if it is a current one, and ends the task with the last.
    pub fn insert(&mut self, place: (u32, u32), record: Record) {
        self.progress.remove(&place);
        self.records.insert(place, record);
        self.refresh();
    }

    /// Notes the time of something that happened, and whether it takes the task from queued to processing.
    pub fn move_on(&mut self, at_ms: u64, to_processing: bool) {
        self.updated_at_ms = self.updated_at_ms.max(at_ms);
        if to_processing && self.status == TaskStatus::Queued {
            self.status = TaskStatus::Processing;
        }
    }

    fn apply_to(&mut self, index: u32, fact: &Fact) -> Folded {
        let (place, current) = ((index, fact.generation), self.generation(index));
        if index >= self.total {
            return Folded::Ignored;
        }
        if fact.kind == FactKind::Requeued {
            self.move_on(fact.at_ms, true);
            self.open(index, fact.generation);
            return Folded::Progressed;
        }
        if let Some(record) = Record::of(fact) {
            self.move_on(fact.at_ms, true);
            if self.records.get(&place).is_some_and(|standing| !beats(&record, standing)) {
                return Folded::Duplicate;
            }
            self.insert(place, record);
            return at_its_time(fact.generation, current, Folded::Counted);
        }
        let Some(told) = Progress::of(fact) else { return Folded::Ignored };
        self.move_on(fact.at_ms, moves(fact.kind.as_str()));
        if self.is_over(place) {
            return Folded::Duplicate;
        }
        let newest = self.progress.entry(place).or_insert_with(|| told.clone());
        if *newest < told {
            *newest = told;
        }
        at_its_time(fact.generation, current, Folded::Progressed)
    }

    /// Whether progress of a place is of no interest any more.
    fn is_over(&self, place: (u32, u32)) -> bool {
        place.1 < self.generation(place.0) || self.records.contains_key(&place)
    }

    /// Counters, status and end, as they follow from the records of the current generations.
    fn refresh(&mut self) {
        let mut sums = [0; 3];
        for index in 0..self.total {
            if let Some(record) = self.record(index) {
                sums[record.outcome as usize] += 1;
            }
        }
        [self.completed, self.failed, self.cancelled] = sums;
        if sums.iter().sum::<u32>() == self.total {
            self.status = final_status(self.failed, self.cancelled);
            self.finished_at_ms = self.outcome_at_ms();
        } else if self.status.is_terminal() {
            (self.status, self.finished_at_ms) = (TaskStatus::Processing, None);
        }
    }
}

/// What a fact of a generation does when another is the current one.
fn at_its_time(generation: u32, current: u32, now: Folded) -> Folded {
    match generation.cmp(&current) {
        std::cmp::Ordering::Less => Folded::Duplicate,
        std::cmp::Ordering::Equal => now,
        std::cmp::Ordering::Greater => Folded::Early,
    }
}

/// Whether an outcome takes the place of one that stands: a cancel does; of two cancels the one from outside, which
/// has no attempt, then the earlier.
fn beats(new: &Record, standing: &Record) -> bool {
    let order = |record: &Record| (record.attempt, record.at_ms, record.crashes, record.reason.clone());
    new.outcome == Outcome::Cancelled && (standing.outcome != Outcome::Cancelled || order(new) < order(standing))
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
        let answers = lines.iter().flat_map(|line| state.apply(&fact(line))).collect();
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
        assert_eq!(state.records[&(0, 0)].encode(), "failed 1 0 20 x");
    }

    #[test]
    fn what_is_not_about_a_subtask_of_this_plan_is_ignored() {
        let before = TaskState::new(2, 10);
        let (state, answers) = fold(
            2,
            &[
                "t - 0 created 0 0 o 90",
                "t 2 0 completed 1 0 w 90",
                "t 2 1 requeued 1 0 w 90",
                "t 0 0 created 1 0 w 90",
            ],
        );
        assert_eq!((state, answers), (before, vec![Folded::Ignored; 3]));
    }

    #[test]
    fn a_requeue_gives_a_record_back_and_only_its_own_generation_ends_it_again() {
        let lines = [
            "t 0 0 failed 1 0 w 20 x",
            "t 0 1 requeued 1 0 o 30",
            "t 0 0 started 1 0 w 40",
            "t 0 1 started 1 0 w 35",
            "t 0 1 completed 1 0 w 50",
        ];
        let (state, answers) = fold(1, &lines[..4]);
        assert_eq!(answers, [Folded::Counted, Folded::Progressed, Folded::Duplicate, Folded::Progressed]);
        assert_eq!((state.status, state.failed, state.finished_at_ms), (TaskStatus::Processing, 0, None));
        let (state, _) = fold(1, &lines);
        assert_eq!((state.status, state.completed, state.finished_at_ms), (TaskStatus::Completed, 1, Some(50)));
        assert_eq!(state.records.len(), 2);
    }

    #[test]
    fn what_is_told_before_its_generation_opens_counts_from_then_on() {
        let (state, answers) = fold(1, &["t 0 1 completed 1 0 w 50", "t 0 0 failed 1 0 w 20"]);
        assert_eq!(answers, [Folded::Early, Folded::Counted]);
        assert_eq!(state.status, TaskStatus::Failed);
        let mut state = state;
        state.apply(&fact("t 0 1 requeued 1 0 o 30"));
        assert_eq!((state.status, state.finished_at_ms), (TaskStatus::Completed, Some(50)));
        let mut gate = TaskState::new(1, 10);
        assert_eq!(gate.count(0, &fact("t 0 1 completed 1 0 w 50")), Folded::Ignored);
        assert_eq!(gate, TaskState::new(1, 10));
    }

    #[test]
    fn a_cancel_beats_what_was_still_on_its_way_but_never_a_record_that_stands() {
        let (done, cancel) = (fact("t 1 0 completed 1 0 w 20"), fact("t 0-2 0 cancelled 0 0 o 30"));
        let (state, answers) = fold(3, &["t 1 0 completed 1 0 w 20", "t 0-2 0 cancelled 0 0 o 30"]);
        assert_eq!(answers, [Folded::Counted; 4]);
        assert_eq!((state.status, state.completed, state.cancelled), (TaskStatus::Cancelled, 0, 3));
        let mut gate = TaskState::new(3, 10);
        gate.count(1, &done);
        let answers: Vec<_> = cancel.indexes().map(|index| gate.count(index, &cancel)).collect();
        assert_eq!(answers, [Folded::Counted, Folded::Duplicate, Folded::Counted]);
        assert_eq!((gate.completed, gate.cancelled), (1, 2));
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
        assert_eq!((state.status, state.progress[&(0, 0)].fact.as_str()), (TaskStatus::Processing, "crashed"));
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
