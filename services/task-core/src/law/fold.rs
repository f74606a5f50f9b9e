//! Folding facts into the tasks they are about and acknowledging the entries they came in.

use super::bury::Epitaph;
use super::{Books, EntryId, Moment, StreamName};
use crate::fold::Folded;
use proto_schemas::{ConsumerName, Fact, TaskId};
use std::collections::BTreeMap;

/// Entries of the log to fold.
#[derive(Debug, Clone)]
pub struct Fold {
    /// Who folds.
    pub by: ConsumerName,
    /// Ms that a task outlives its end.
    pub task_ttl_ms: u64,
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
    /// Facts about no task, no index or no generation that there is.
    pub ignored: u64,
}

impl Books {
    /// Folds entries. Lines that are no facts become dead letters, once: with the acknowledgement of their entry.
    pub fn fold(&mut self, moment: &mut Moment, order: &Fold) -> FoldCounts {
        let mut by_task: BTreeMap<&TaskId, Vec<&Fact>> = BTreeMap::new();
        for LogEntry { entry_id, lines } in &order.entries {
            let live = order.acknowledge && self.acknowledge(&StreamName::Events, *entry_id);
            for line in lines {
                match line {
                    Ok(fact) if fact.index.is_none() => {} // about the task as a whole: folds without effect
                    Ok(fact) => by_task.entry(&fact.task_id).or_default().push(fact),
                    Err(line) if live => self.append_bad_line(moment, &order.by, *entry_id, line),
                    Err(_) => {}
                }
            }
        }
        let mut counts = FoldCounts::default();
        for (task_id, facts) in by_task {
            self.fold_task(task_id, &facts, order.task_ttl_ms, &mut counts);
        }
        counts
    }

    fn append_bad_line(&mut self, moment: &mut Moment, by: &ConsumerName, entry_id: EntryId, line: &[u8]) {
        let source = (&StreamName::Events, entry_id);
        let epitaph = Epitaph { reason: "malformed_fact", error: "", by, source };
        self.append_dead_letter(moment, &epitaph, vec![(b"line".to_vec(), line.to_vec())]);
    }

    fn fold_task(&mut self, task_id: &TaskId, facts: &[&Fact], task_ttl_ms: u64, counts: &mut FoldCounts) {
        let Some(task) = self.tasks.get_mut(task_id) else {
            counts.ignored += facts.len() as u64;
            return;
        };
        let before = task.state.clone();
        for fact in facts {
            *match task.state.apply(fact) {
                Folded::Counted => &mut counts.counted,
                Folded::Progressed => &mut counts.progressed,
                Folded::Duplicate => &mut counts.duplicate,
                Folded::Ignored => &mut counts.ignored,
            } += 1;
        }
        if task.state == before {
            return;
        }
        task.revision += 1;
        let outcome_at_ms = task.state.records.values().map(|record| record.at_ms).max().unwrap_or(0);
        task.outcome_at_ms = Some(outcome_at_ms);
        let (status, created_at_ms) = (task.state.status, task.created_at_ms);
        if status.is_terminal() && !before.status.is_terminal() {
            self.lifetimes.insert(task_id.clone(), outcome_at_ms + task_ttl_ms);
        }
        if status != before.status {
            self.by_status.remove(&(before.status, task_id.clone()));
            self.by_status.insert((status, task_id.clone()), created_at_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::submit::Submission;
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
            backlog_max: 9,
            deadline_ms: 100,
        };
        let mut books = Books::default();
        books.submit(&mut Moment::at(1), &submission);
        books.create_group(&StreamName::Events);
        let ids = books.lease(&StreamName::Events, &by, 1, 1);
        let ended = |index| Fact::decode(&format!("T {index} 0 completed 1 0 w {}", 10 + index)).unwrap();
        let lines = vec![Ok(ended(0)), Ok(ended(1)), Err(b"?".to_vec()), Ok(ended(2)), Ok(ended(9))];
        let entries = vec![LogEntry { entry_id: ids[0], lines }];
        let order = Fold { by, task_ttl_ms: 1_000, acknowledge: true, entries };
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
