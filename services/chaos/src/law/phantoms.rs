//! I3: every task and every run belongs to an order that was acknowledged or may have been stored; what was refused
//! left nothing.

use crate::books::Books;
use crate::ledger::submission::{Answer, Submission, Try};
use std::collections::HashMap;

/// Names what nobody asked for.
pub fn check(books: &Books) -> Vec<String> {
    let orders: HashMap<u64, &Submission> = books.submissions.iter().map(|one| (one.seq, one)).collect();
    let asked_for = |seq: u64| orders.get(&seq).is_some_and(|one| one.may_exist());
    // Where a profile loses keys, another body may come under a free one.
    let asked_otherwise = |seq: u64| {
        let stored = |order: &Submission, one: &Try| {
            one.is_other_body && !matches!(one.answer, Answer::Refused(_)) && books.key_may_be_gone(order, one)
        };
        orders.get(&seq).is_some_and(|order| order.tries.iter().any(|one| stored(order, one)))
    };
    let mut found = Vec::new();
    for (task_id, book) in &books.snapshot.tasks {
        match book.order {
            Some((seq, false)) if asked_for(seq) => {}
            Some((seq, true)) if asked_otherwise(seq) => {}
            Some((seq, other)) => found.push(format!("task {task_id}: order {seq} was refused (other body: {other})")),
            None => found.push(format!("task {task_id}: nobody ordered it")),
        }
    }
    for run in books.runs.iter().filter(|run| !asked_for(run.seq)) {
        found.push(format!("task {} subtask {} ran for order {}, which was refused", run.task_id, run.index, run.seq));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Kind;
    use crate::law::sample::{TASK, assert_breaks, books};
    use crate::options::Profile;

    #[test]
    fn tasks_and_runs_of_nobody_are_found() {
        assert_breaks(
            check,
            &[
                ("refused", |books| books.submissions[0].tries[0].answer = Answer::Refused(429)),
                ("never sent", |books| books.submissions.clear()),
                ("the other body", |books| books.snapshot.tasks.get_mut(TASK).unwrap().order = Some((1, true))),
                ("a stranger", |books| books.snapshot.tasks.get_mut(TASK).unwrap().order = None),
                ("a run", |books| books.runs[0].seq = 99),
            ],
        );
    }

    #[test]
    fn another_body_may_be_a_task_if_its_key_was_lost() {
        let mut books = books();
        books.profile = Profile::Flushall;
        books.snapshot.tasks.get_mut(TASK).unwrap().order = Some((1, true));
        let other = Try { from: 300, to: 310, is_other_body: true, answer: Answer::Accepted(TASK.into()) };
        books.submissions[0].tries.push(other);
        assert_eq!(check(&books).len(), 1);
        (books.faults[0].kind, books.faults[0].from, books.faults[0].to) = (Kind::FlushAll, 200, 201);
        assert_eq!(check(&books), Vec::<String>::new());
    }
}
