//! What the ends of some subtasks mean for those that depend on them: what is ready is added, what is skipped is
//! recorded cancelled and goes on along its own edges, and a fail-fast edge ends everything that is open.

use super::body::unpack;
use super::cancel::cancelled_lines;
use super::fold::Fold;
use super::{Books, Moment, StreamName};
use proto_schemas::{OnFailure, Outcome, TaskId};

/// What a walk along the edges has found.
#[derive(Default)]
struct Found {
    /// Who waits for less than before, in the order in which the walk came to them.
    touched: Vec<u32>,
    /// Who is cancelled because a parent did not complete, with its generation.
    skipped: Vec<(u32, u32)>,
    /// Whether everything that is open ends.
    fails_fast: bool,
}

impl Books {
    /// Releases the dependants of what has `ended` that still wait for it; answers the lines that tell what was
    /// cancelled.
    pub(crate) fn release(
        &mut self,
        moment: &mut Moment,
        order: &Fold,
        task_id: &TaskId,
        ended: Vec<(u32, Outcome)>,
    ) -> Vec<String> {
        let (now_ms, mut lines) = (moment.now_ms, Vec::new());
        let Found { touched, mut skipped, fails_fast } = self.walk(task_id, ended);
        skipped.sort();
        let mut cancel = |books: &mut Self, gone: &[(u32, u32)], reason| {
            if !gone.is_empty() {
                books.record_cancelled(task_id, gone, now_ms, Some(reason));
                lines.extend(cancelled_lines(task_id, gone, (&order.by, now_ms), Some(reason)));
            }
        };
        cancel(self, &skipped, "skipped");
        if fails_fast {
            let open = self.tasks[task_id].state.open_indexes();
            self.plans.remove(task_id);
            cancel(self, &open, "fail_fast");
            if !open.is_empty() {
                let deadline_ms = self.lifetimes.get(task_id).copied().unwrap_or(0);
                self.cancelled.insert(task_id.clone(), deadline_ms.max(now_ms + order.hint_ms));
            }
            return lines;
        }
        for child in touched {
            self.add_ready(moment, task_id, child);
        }
        lines
    }

    /// Adds an entry that waits for nothing any more; one that cannot be read or whose queue its plan does not name
    /// stays.
    fn add_ready(&mut self, moment: &mut Moment, task_id: &TaskId, child: u32) {
        let Some(plan) = self.plans.get_mut(task_id) else { return };
        if plan.waits.get(&child).is_none_or(|waits| !waits.is_empty()) {
            return;
        }
        let Some((queue, fields, priority)) = plan.blocked.get(&child).and_then(|body| unpack(body)) else { return };
        if !plan.queues.contains(&queue) {
            return;
        }
        plan.unblock(child);
        self.append(moment, &StreamName::Work(queue.clone(), priority), fields);
        self.ring(&queue, 1);
    }

    fn walk(&mut self, task_id: &TaskId, mut ended: Vec<(u32, Outcome)>) -> Found {
        let mut found = Found::default();
        let (Some(plan), Some(task)) = (self.plans.get_mut(task_id), self.tasks.get(task_id)) else { return found };
        let mut at = 0;
        while let Some(&(parent, outcome)) = ended.get(at) {
            at += 1;
            for (child, on_failure) in plan.edges.get(&parent).cloned().unwrap_or_default() {
                if child >= task.state.total {
                    continue; // it is no subtask of this plan
                }
                if plan.waits.contains_key(&child) && !found.touched.contains(&child) {
                    found.touched.push(child);
                }
                let is_bad = outcome != Outcome::Completed;
                match on_failure {
                    OnFailure::FailFast if is_bad => {
                        let record = task.state.record(child);
                        // Also if another parent had it skipped: which of the two is known first must not matter.
                        found.fails_fast |= record.is_none_or(|record| record.outcome != Outcome::Completed);
                    }
                    _ if !plan.waits.get(&child).is_some_and(|waits| waits.contains(&parent)) => {} // not for this one
                    OnFailure::Skip if is_bad => {
                        plan.unblock(child);
                        if task.state.record(child).is_none() {
                            found.skipped.push((child, task.state.generation(child)));
                            ended.push((child, Outcome::Cancelled)); // grows while it is walked
                        }
                    }
                    OnFailure::Skip | OnFailure::Continue | OnFailure::FailFast => plan.drop_parent(child, parent),
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::fold::LogEntry;
    use crate::law::submit::{Start, Submission};
    use proto_schemas::{ConsumerName, Fact, Kind, Parent, Priority, QueueName, Record, SubtaskDefinition, TaskStatus};
    use std::collections::BTreeMap;

    /// Submits a plan in which each subtask depends on the one before it, and folds how the first ended.
    fn chain(policies: [OnFailure; 2], outcome: &str) -> (Books, TaskId) {
        let (task_id, by) = (TaskId::new("T").unwrap(), ConsumerName::new("p").unwrap());
        let mut subtasks = vec![SubtaskDefinition::new(Kind::new("k").unwrap(), "d", Priority::Low); 4];
        for (index, on_failure) in (0..).zip(policies) {
            subtasks[index as usize + 1].depends_on = vec![Parent { name: "a".parse().unwrap(), index, on_failure }];
        }
        let submission = Submission {
            task_id: task_id.clone(),
            by: by.clone(),
            fields: BTreeMap::new(),
            subtasks,
            start: Start::Now,
            deadline_ms: 100,
            has_deadline: false,
            idempotency: None,
            backlog_max: 9,
        };
        let mut books = Books::default();
        books.submit(&mut Moment::at(1), &submission);
        let fact = Fact::decode(&format!("T 0 0 {outcome} 1 0 w 5")).unwrap();
        let entries = vec![LogEntry { entry_id: Default::default(), lines: vec![Ok(fact)] }];
        let order = Fold { by, task_ttl_ms: 9, hint_ms: 50, acknowledge: false, entries };
        books.fold(&mut Moment::at(20), &order);
        (books, task_id)
    }

    fn records(books: &Books, task_id: &TaskId) -> Vec<String> {
        books.tasks[task_id].state.records.values().map(Record::encode).collect()
    }

    #[test]
    fn a_completed_parent_makes_its_child_ready_and_so_does_any_end_where_the_edge_says_continue() {
        for (policy, outcome) in [(OnFailure::FailFast, "completed"), (OnFailure::Continue, "failed")] {
            let (books, task_id) = chain([policy, OnFailure::Skip], outcome);
            assert_eq!((books.backlog(&QueueName::default_queue()), books.bells.values().sum::<usize>()), (3, 3));
            assert_eq!(books.plans[&task_id].waits, BTreeMap::from([(2, vec![1])]));
        }
    }

    #[test]
    fn what_is_skipped_goes_on_along_its_own_edges() {
        let (books, task_id) = chain([OnFailure::Skip, OnFailure::Skip], "failed");
        assert_eq!(records(&books, &task_id), ["failed 1 0 5", "cancelled 0 0 20 skipped", "cancelled 0 0 20 skipped"]);
        let (books, task_id) = chain([OnFailure::Skip, OnFailure::Continue], "cancelled");
        assert_eq!(records(&books, &task_id), ["cancelled 1 0 5", "cancelled 0 0 20 skipped"]);
        assert_eq!(books.backlog(&QueueName::default_queue()), 3);
    }

    #[test]
    fn what_is_no_subtask_of_the_plan_is_not_skipped() {
        let (mut books, task_id) = chain([OnFailure::Continue, OnFailure::Skip], "completed");
        let plan = books.plans.get_mut(&task_id).unwrap();
        plan.block(9, Vec::new(), vec![3]);
        plan.edges.insert(3, vec![(9, OnFailure::Skip)]);
        let fact = Fact::decode("T 3 0 failed 1 0 w 5").unwrap();
        let entries = vec![LogEntry { entry_id: Default::default(), lines: vec![Ok(fact)] }];
        let by = ConsumerName::new("p").unwrap();
        books.fold(&mut Moment::at(20), &Fold { by, task_ttl_ms: 9, hint_ms: 50, acknowledge: false, entries });
        assert_eq!(records(&books, &task_id), ["completed 1 0 5", "failed 1 0 5"]);
    }

    #[test]
    fn what_goes_to_a_queue_that_its_plan_does_not_name_stays() {
        let (mut books, task_id) = chain([OnFailure::Continue, OnFailure::Skip], "completed");
        books.plans.get_mut(&task_id).unwrap().queues.clear();
        let fact = Fact::decode("T 1 0 completed 1 0 w 5").unwrap();
        let entries = vec![LogEntry { entry_id: Default::default(), lines: vec![Ok(fact)] }];
        let by = ConsumerName::new("p").unwrap();
        books.fold(&mut Moment::at(20), &Fold { by, task_ttl_ms: 9, hint_ms: 50, acknowledge: false, entries });
        assert_eq!(books.plans[&task_id].waits, BTreeMap::from([(2, vec![])]));
        assert_eq!(books.backlog(&QueueName::default_queue()), 3);
    }

    #[test]
    fn a_fail_fast_edge_ends_everything_that_is_open() {
        let (books, task_id) = chain([OnFailure::FailFast, OnFailure::Skip], "failed");
        let task = &books.tasks[&task_id];
        assert_eq!((task.state.status, task.state.failed, task.state.cancelled), (TaskStatus::Failed, 1, 3));
        assert_eq!((books.plans.len(), books.cancelled[&task_id], books.lifetimes[&task_id]), (0, 101, 29));
    }
}
