//! I9: one key is one task, another body under it is refused with 422, and a subtask starts only after the work of its
//! parents was done and its delay is over.

use crate::books::Books;
use crate::fault::Kind;
use crate::installation::LEASE_MS;
use crate::ledger::fault::Fault;
use crate::ledger::run::{End, Run};
use crate::ledger::submission::{Answer, Submission, Try};
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
            Answer::Accepted(_) if one_try.is_other_body && books.key_may_be_gone(one, one_try) => {}
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
            Answer::Refused(422) if !one_try.is_other_body && is_taken(books, one) => {}
            Answer::Refused(status) if !one_try.is_other_body && ![429, 503].contains(status) => {
                found.push(format!("order {}: its own body was refused with {status}", one.seq));
            }
            Answer::Refused(_) | Answer::Indefinite => {}
        }
    }
    found
}

/// Whether another body may have come under the key of an order, once that was lost.
fn is_taken(books: &Books, one: &Submission) -> bool {
    let stored = |other: &Try| other.is_other_body && !matches!(other.answer, Answer::Refused(_));
    one.tries.iter().any(|other| stored(other) && books.key_may_be_gone(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::sample::{TASK, assert_breaks, books};
    use crate::options::Profile;

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
                ("a refusal of the same", |books| {
                    let mut again = books.submissions[0].tries[0].clone();
                    again.answer = Answer::Refused(400);
                    books.submissions[0].tries.push(again);
                }),
                ("a delay", |books| books.submissions[0].delay_ms = 1_000),
                ("a child", |books| books.runs[2].from = 1_599),
            ],
        );
    }

    #[test]
    fn being_too_busy_is_no_answer_and_a_lost_key_is_free_for_another_body() {
        let mut books = books();
        let one = |from, is_other_body, answer| Try { from, to: from + 10, is_other_body, answer };
        books.submissions[0].tries.push(one(150, false, Answer::Refused(429)));
        assert_eq!(check(&books), Vec::<String>::new());
        books.submissions[0].tries.push(one(300, true, Answer::Accepted("U".into())));
        books.submissions[0].tries.push(one(400, false, Answer::Refused(422)));
        assert_eq!(check(&books).len(), 2);
        books.profile = Profile::Flushall;
        (books.faults[0].kind, books.faults[0].from, books.faults[0].to) = (Kind::FlushAll, 200, 201);
        assert_eq!(check(&books), Vec::<String>::new());
    }
}
