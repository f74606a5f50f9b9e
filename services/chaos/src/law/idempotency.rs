//! I9: one key is one task, another body under it is refused with 422, and a subtask starts only after the work of its
//! parents was done and its delay is over.

use crate::books::Books;
use crate::fault::Kind;
use crate::installation::LEASE_MS;
use crate::ledger::fault::Fault;
use crate::ledger::run::{End, Run};
use crate::ledger::submission::{Answer, Submission};
use std::collections::HashMap;

/// What two clocks that nobody turned may differ by over a delay, in ms.
const CLOCK_MS: u64 = 20;

/// Names keys that became more than one task, and children that did not wait.
pub fn check(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    let mut tasks: HashMap<u64, Vec<&str>> = HashMap::new();
    for (task_id, book) in &books.snapshot.tasks {
        if let Some((seq, _)) = book.order {
            tasks.entry(seq).or_default().push(task_id);
        }
    }
    for (seq, tasks) in tasks.iter().filter(|(_, tasks)| tasks.len() > 1) {
        found.push(format!("order {seq} is {} tasks: {tasks:?}", tasks.len()));
    }
    for one in &books.submissions {
        found.extend(answers(books, one));
    }
    let subtasks = books.subtasks();
    let parents: HashMap<u64, &Submission> = books.submissions.iter().map(|one| (one.seq, one)).collect();
    for ((task_id, index), runs) in &subtasks {
        let Some(first) = runs.iter().min_by_key(|run| run.from) else { continue };
        let Some(order) = parents.get(&first.seq) else { continue };
        if is_early(books, order, first) {
            found.push(format!("task {task_id}: subtask {index} did not wait for {} ms", order.delay_ms));
        }
        for parent in order.parents.get(*index as usize).into_iter().flatten() {
            let done =
                subtasks.get(&(*task_id, *parent)).is_some_and(|runs| runs.iter().any(|run| is_done(run, first)));
            if !done {
                found.push(format!("task {task_id}: subtask {index} started before its parent {parent} was done"));
            }
        }
    }
    found
}

/// Whether a run started before its order was sent and the delay over; a clock that was turned may do that.
fn is_early(books: &Books, order: &Submission, run: &Run) -> bool {
    let sent = order.tries.iter().filter(|one| !one.is_other_body).map(|one| one.from).min().unwrap_or(0);
    let turned = |fault: &&Fault| matches!(fault.kind, Kind::ClockJump | Kind::ClockStep);
    let is_turned = books.inflicted().filter(turned).any(|fault| fault.meets(sent, run.from, LEASE_MS));
    order.delay_ms > 0 && run.from + CLOCK_MS < sent + order.delay_ms && !is_turned
}

fn is_done(parent: &Run, child: &Run) -> bool {
    parent.end.is_some_and(|(at, end)| end == End::Done && at <= child.from)
}

fn answers(books: &Books, one: &Submission) -> Vec<String> {
    let (mut found, mut first) = (Vec::new(), None);
    for one_try in &one.tries {
        match &one_try.answer {
            Answer::Accepted(task_id) if one_try.is_other_body => {
                found.push(format!("order {}: another body was accepted as {task_id}", one.seq));
            }
            Answer::Accepted(task_id) => {
                let known = first.get_or_insert(task_id);
                if *known != task_id && !books.may_be_gone(one.tries[0].from, one_try.to) {
                    found.push(format!("order {} was answered {known} and {task_id}", one.seq));
                }
            }
            // Too busy is not an answer to the question.
            Answer::Refused(status) if one_try.is_other_body && ![422, 429].contains(status) => {
                found.push(format!("order {}: another body was refused with {status}", one.seq));
            }
            Answer::Refused(_) | Answer::Indefinite => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::sample::{TASK, assert_breaks};

    #[test]
    fn two_tasks_of_a_key_and_impatient_children_are_found() {
        assert_breaks(
            check,
            &[
                ("two tasks", |books| {
                    let book = books.snapshot.tasks[TASK].clone();
                    books.snapshot.tasks.insert("U".to_owned(), book);
                }),
                ("two answers", |books| {
                    let mut again = books.submissions[0].tries[0].clone();
                    again.answer = Answer::Accepted("U".into());
                    books.submissions[0].tries.push(again);
                }),
                ("another body", |books| books.submissions[0].tries[0].is_other_body = true),
                ("another refusal", |books| {
                    books.submissions[0].tries[0].is_other_body = true;
                    books.submissions[0].tries[0].answer = Answer::Refused(400);
                }),
                ("a delay", |books| books.submissions[0].delay_ms = 1_000),
                ("a child", |books| books.runs[2].from = 1_599),
            ],
        );
    }
}
