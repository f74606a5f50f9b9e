//! Folding facts into the tasks they are about and acknowledging the entries they came in. The first outcome of a
//! generation stands, and a dependant is released only while it waits for it, so order, repetition and parallel
//! projectors change nothing, and an end that is told again tells whoever missed it.

use super::dead_letter::Epitaph;
use super::{Books, EntryId, Moment, StreamName};
use crate::fold::Folded;
use proto_schemas::{ConsumerName, Fact, FactKind, Record, TaskId};
use std::collections::BTreeMap;

/// Entries of the log to fold.
#[derive(Debug, Clone)]
pub struct Fold {
    /// Who folds.
    pub by: ConsumerName,
    /// Ms that a task outlives its end.
    pub task_ttl_ms: u64,
    /// Ms that workers are told at least of a task that a fold ends.
    pub hint_ms: u64,
    /// Whether the entries were read by the group; a rebuild folds again without acknowledging.
    pub acknowledge: bool,
    /// The entries.
    pub entries: Vec<LogEntry>,
}

/// One entry of the log.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// Its id.
    pub entry_id: EntryId,
    /// Its lines, each read or kept as it was.
    pub lines: Vec<Result<Fact, Vec<u8>>>,
}

/// What a call did, in facts about subtasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FoldCounts {
    /// Terminal facts that moved a counter.
    pub counted: u64,
    /// Non-terminal facts about what had not ended.
    pub progressed: u64,
    /// Facts about what had ended.
    pub duplicate: u64,
    /// Facts about no task, no index or no generation that there is, each for every index.
    pub ignored: u64,
}

impl Books {
    /// Folds entries. Lines that are no facts become dead letters, once: with the acknowledgement of their entry. What
    /// is too much work for one call of the script is folded in parts, task by task and the acknowledgement last, to
    /// the same end but for how the lines about what was cancelled are divided into entries.
    pub fn fold(&mut self, moment: &mut Moment, order: &Fold) -> FoldCounts {
        let mut by_task: BTreeMap<&TaskId, Vec<&Fact>> = BTreeMap::new();
        for LogEntry { entry_id, lines } in &order.entries {
            let live = order.acknowledge && self.acknowledge(&StreamName::Events, *entry_id);
            for line in lines {
                match line {
                    Ok(fact) if fact.index.is_none() || fact.kind == FactKind::Created => {} // about the task as a whole
                    Ok(fact) => by_task.entry(&fact.task_id).or_default().push(fact),
                    Err(line) if live => self.append_bad_line(moment, &order.by, *entry_id, line),
                    Err(_) => {}
                }
            }
        }
        let (mut counts, mut lines) = (FoldCounts::default(), Vec::new());
        for (task_id, facts) in by_task {
            lines.extend(self.fold_task(moment, order, (task_id, &facts), &mut counts));
        }
        self.append_facts(moment, &order.by, &lines);
        counts
    }

    fn append_bad_line(&mut self, moment: &mut Moment, by: &ConsumerName, entry_id: EntryId, line: &[u8]) {
        let source = format!("{} {entry_id}", StreamName::Events);
        let epitaph = Epitaph { reason: "malformed_fact", error: "", by, source };
        self.append_dead_letter(moment, &epitaph, vec![(b"line".to_vec(), line.to_vec())]);
    }

    /// Folds what is about one task, then releases who depended on what has ended; answers what the log is told of
    /// those.
    fn fold_task(
        &mut self,
        moment: &mut Moment,
        order: &Fold,
        (task_id, facts): (&TaskId, &[&Fact]),
        counts: &mut FoldCounts,
    ) -> Vec<String> {
        let told = || facts.iter().flat_map(|fact| fact.indexes().map(move |index| (index, *fact)));
        let Some(task) = self.tasks.get_mut(task_id) else {
            counts.ignored += told().count() as u64;
            return Vec::new();
        };
        let (before, plan_before) = (task.state.clone(), self.plans.get(task_id).cloned());
        let mut ended = Vec::new();
        for (index, fact) in told() {
            let folded = task.state.count(index, fact);
            let is_current = Record::of(fact).is_some() && fact.generation == task.state.generation(index);
            if folded == Folded::Counted && is_current {
                task.end_at(fact.at_ms);
            }
            let has_ended = is_current && matches!(folded, Folded::Counted | Folded::Duplicate);
            if let Some(record) = task.state.record(index).filter(|_| has_ended) {
                ended.push((index, record.outcome)); // the first stands
            }
            *match folded {
                Folded::Counted => &mut counts.counted,
                Folded::Progressed => &mut counts.progressed,
                Folded::Duplicate => &mut counts.duplicate,
                Folded::Early | Folded::Ignored => &mut counts.ignored,
            } += 1;
        }
        let lines = self.release(moment, order, task_id, ended);
        let is_same = self.tasks.get(task_id).is_some_and(|task| task.state == before);
        if is_same && self.plans.get(task_id) == plan_before.as_ref() {
            return lines;
        }
        if self.write_task(task_id, before.status, order.task_ttl_ms) {
            self.plans.remove(task_id);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::submit::{Start, Submission};
    use crate::plan::{Planner, Rules};
    use proto_schemas::{Priority, TaskStatus};

    #[test]
    fn a_fold_counts_once_acknowledges_once_and_buries_a_bad_line_once() {
        let by = ConsumerName::new("p").unwrap();
        let task_id = TaskId::new("T").unwrap();
        let submission = Submission {
            task_id: task_id.clone(),
            by: by.clone(),
            fields: BTreeMap::new(),
            subtasks: Rules::built_in().plan("x", Priority::Low),
            start: Start::Now,
            deadline_ms: 100,
            has_deadline: false,
            idempotency: None,
            backlog_max: 9,
        };
        let mut books = Books::default();
        books.submit(&mut Moment::at(1), &submission);
        books.create_group(&StreamName::Events);
        let ids = books.lease(&StreamName::Events, &by, 1, 1);
        let ended = |index| Fact::decode(&format!("T {index} 0 completed 1 0 w {}", 10 + index)).unwrap();
        let lines = vec![Ok(ended(0)), Ok(ended(1)), Err(b"?".to_vec()), Ok(ended(2)), Ok(ended(9))];
        let entries = vec![LogEntry { entry_id: ids[0], lines }];
        let order = Fold { by, task_ttl_ms: 1_000, hint_ms: 1, acknowledge: true, entries };
        let counts = books.fold(&mut Moment::at(20), &order);
        assert_eq!(counts, FoldCounts { counted: 3, ignored: 1, ..FoldCounts::default() });
        let task = &books.tasks[&task_id];
        assert_eq!((task.state.status, task.outcome_at_ms, task.revision), (TaskStatus::Completed, Some(12), 2));
        assert_eq!(books.lifetimes[&task_id], 1_012);
        assert_eq!(books.by_status.keys().next(), Some(&(TaskStatus::Completed, task_id)));
        assert_eq!(books.streams[&StreamName::DeadLetters].entries.len(), 1);
        let before = books.clone();
        let again = books.fold(&mut Moment::at(30), &order);
        assert_eq!(again, FoldCounts { duplicate: 3, ignored: 1, ..FoldCounts::default() });
        assert_eq!(books, before);
    }
}
