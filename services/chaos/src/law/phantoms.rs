//! I3: every task and every run belongs to an order that was acknowledged or may have been stored; what was refused left
//! nothing.

use crate::books::Books;
use std::collections::HashMap;

/// Names what nobody asked for.
pub fn check(books: &Books) -> Vec<String> {
    let orders: HashMap<u64, bool> = books.submissions.iter().map(|one| (one.seq, one.may_exist())).collect();
    let asked_for = |seq: u64| orders.get(&seq) == Some(&true);
    let mut found = Vec::new();
    for (task_id, book) in &books.snapshot.tasks {
        match book.order {
            Some((seq, false)) if asked_for(seq) => {}
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
    use crate::law::sample::{TASK, assert_breaks};
    use crate::ledger::submission::Answer;

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
}
