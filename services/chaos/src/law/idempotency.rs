//! I9: one key is one task, another body under it is refused with 422, and a subtask starts only after the work of its
//! parents was done, or had ended otherwise if its edge says that this is enough, its delay is over and its deadline is
//! not.

use crate::books::Books;
use crate::installation::LEASE_MS;
use crate::ledger::run::{End, Run};
use crate::ledger::submission::{Answer, Submission, Try};
use crate::workload::order::Edge;
use proto_schemas::OnFailure;
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
    for ((task_id, index), runs) in &subtasks {
        let Some(first) = runs.iter().min_by_key(|run| run.from) else { continue };
        let Some(order) = books.order(first.seq) else { continue };
        if is_early(books, order, first) {
            found.push(format!("task {task_id}: subtask {index} did not wait for {} ms", order.delay_ms));
        }
        if let Some(late) = runs.iter().find(|run| is_late(books, order, run)) {
            found.push(format!("task {task_id}: subtask {index} began at {}, after its deadline", late.from));
        }
        for Edge { parent, on_failure } in order.edges.get(*index as usize).into_iter().flatten() {
            let done =
                subtasks.get(&(*task_id, *parent)).is_some_and(|runs| runs.iter().any(|run| is_done(run, first)));
            let is_enough = *on_failure == OnFailure::Continue && ended_otherwise(books, task_id, *parent);
            if !done && !is_enough {
                found.push(format!("task {task_id}: subtask {index} started before its parent {parent} was done"));
            }
        }
    }
    found
}

/// Whether a run started before its order was sent and the delay over; a clock that was turned may do that.
fn is_early(books: &Books, order: &Submission, run: &Run) -> bool {
    let sent = order.sent_at().unwrap_or(0);
    let is_ahead = order.delay_ms > 0 && run.from + CLOCK_MS < sent + order.delay_ms;
    is_ahead && !books.is_clock_turned(sent, run.from)
}

/// Whether a run began after the deadline of its order, which counts from the acknowledgement at the latest, and from a
/// replay anew; a clock that was turned may do that, and whatever held up a run that was about to begin.
fn is_late(books: &Books, order: &Submission, run: &Run) -> bool {
    let deadline = order.deadline_ms.zip(order.acknowledged_at());
    let Some(deadline) = deadline.map(|(ms, told)| told + order.delay_ms + ms) else { return false };
    let is_reopened = books.reopenings.iter().any(|one| *one.task_id == *run.task_id && one.from <= run.from);
    run.from > deadline + LEASE_MS / 2
        && !is_reopened
        && !books.is_clock_turned(order.sent_at().unwrap_or(0), run.from)
        && !books.is_held_up(run, deadline - LEASE_MS, run.from)
}

/// Whether a subtask once failed or was given up; where facts may be lost, nobody can say that it was not.
fn ended_otherwise(books: &Books, task_id: &str, index: u32) -> bool {
    let told = books.snapshot.facts.ends.get(task_id).into_iter().flatten();
    let mut told = told.filter(|((_, of), _)| *of == index).flat_map(|(_, told)| told);
    told.any(|told| told.record.outcome != "completed") || !books.profile.is_lossless()
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
    use crate::fault::Kind;
    use crate::law::sample::{TASK, assert_breaks, books};
    use crate::ledger::submission::Reopening;
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
                ("a child that may continue", |books| {
                    books.submissions[0].edges[1][0].on_failure = OnFailure::Continue;
                    books.runs[2].from = 1_599;
                }),
                ("a deadline", |books| books.submissions[0].deadline_ms = Some(1_000)),
            ],
        );
    }

    #[test]
    fn whoever_may_continue_needs_no_success_and_a_deadline_counts_from_a_replay_anew() {
        let mut books = books();
        books.submissions[0].edges[1][0].on_failure = OnFailure::Continue;
        books.runs[2].from = 1_599;
        books.snapshot.facts.take("T 0 0 failed 1 1 worker-2-2-x 3 fatal", 1_590);
        assert_eq!(check(&books), Vec::<String>::new());
        books.submissions[0].deadline_ms = Some(980);
        assert_eq!(check(&books).len(), 1);
        books.submissions[0].delay_ms = 20;
        assert_eq!(check(&books), Vec::<String>::new());
        books.submissions[0].delay_ms = 0;
        books.reopenings.push(Reopening { task_id: TASK.into(), from: 1_200, to: 1_210 });
        assert_eq!(check(&books), Vec::<String>::new());
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
