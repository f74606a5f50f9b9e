//! I11: how a subtask ended follows from what handlers did and clients asked for. What completed was done by the run that
//! is recorded; what failed had no attempt left or gave up; what is cancelled somebody cancelled, or a failed parent did.
//! And every run did what its subtask, not another one, was told to do, in no more attempts than it has.

use crate::books::Books;
use crate::ledger::run::{End, Run};
use crate::ledger::submission::{Cancel, Submission};
use crate::snapshot::tasks::{Record, TaskBook};
use crate::workload::order::Script;
use std::collections::HashMap;

/// Crashes after which a subtask may be buried.
const CRASHES_MAX: u32 = 3;

/// Names every run that left its script, and every end that does not follow.
pub fn check(books: &Books) -> Vec<String> {
    let orders: HashMap<u64, &Submission> = books.submissions.iter().map(|one| (one.seq, one)).collect();
    let script = |seq: u64, index: u32| orders.get(&seq).and_then(|order| order.scripts.get(index as usize));
    let mut found: Vec<String> = books
        .runs
        .iter()
        .filter(|run| script(run.seq, run.index).is_some_and(|script| !follows(run, script)))
        .map(|run| {
            let Run { task_id, index, attempt, fence, end, .. } = run;
            format!("task {task_id} subtask {index}: run {fence}, attempt {attempt}, ended {end:?} against its script")
        })
        .collect();
    let subtasks = books.subtasks();
    for (task_id, book) in &books.snapshot.tasks {
        let Some((order, seq)) = book.order.and_then(|(seq, _)| Some((orders.get(&seq)?, seq))) else { continue };
        for (&index, record) in &book.records {
            let runs = subtasks.get(&(task_id, index)).map_or(&[][..], |runs| runs);
            let is_sound = match record.outcome.as_str() {
                "completed" => has_completed(book, index, record, runs),
                "failed" => script(seq, index).is_none_or(|script| has_failed(record, script, runs)),
                _ => order.cancel != Cancel::Never || was_failed_by_another(books, task_id, book, order),
            };
            if !is_sound && !may_be_forgotten(books, runs) {
                let last = runs.last().map(|run| (run.fence, run.attempt, run.crashes, run.end));
                found.push(format!("task {task_id} subtask {index}: {record:?}, its last run was {last:?}"));
            }
        }
    }
    found
}

fn follows(run: &Run, script: &Script) -> bool {
    let fails = run.attempt <= script.failures;
    let does = match run.end.map(|(_, end)| end) {
        Some(End::Done) => !script.is_fatal && !fails,
        Some(End::Fatal) => script.is_fatal,
        Some(End::Retry) => !script.is_fatal && fails,
        Some(End::Refused | End::Dropped) | None => true,
    };
    does && run.attempt <= script.max_attempts
}

fn has_completed(book: &TaskBook, index: u32, record: &Record, runs: &[&Run]) -> bool {
    let is_done = |run: &&Run| matches!(run.end, Some((_, End::Done))) && is_of(record, run);
    let winner = book.winners.get(&index);
    runs.iter().any(|run| Some(&run.fence) == winner && is_done(run))
}

fn has_failed(record: &Record, script: &Script, runs: &[&Run]) -> bool {
    let gave_up = |run: &&Run| match run.end {
        Some((_, End::Fatal)) => is_of(record, run),
        Some((_, End::Retry)) => is_of(record, run) && run.attempt >= script.max_attempts,
        _ => false,
    };
    match record.reason.as_str() {
        "crashes" => record.crashes >= CRASHES_MAX,
        _ => runs.last().is_some_and(gave_up),
    }
}

fn is_of(record: &Record, run: &Run) -> bool {
    (record.attempt, record.crashes) == (run.attempt, run.crashes)
}

/// Whether a subtask of the task has failed on which another depends: all edges of our orders are `fail_fast`. It may have
/// failed in an earlier generation, of which only the log tells. No order has a deadline that could be over.
fn was_failed_by_another(books: &Books, task_id: &str, book: &TaskBook, order: &Submission) -> bool {
    let has_child = |index: u32| order.parents.iter().any(|parents| parents.contains(&index));
    let facts = &books.snapshot.facts;
    let told = facts.ends.get(task_id).into_iter().flatten();
    let told = told.filter(|(_, told)| told.iter().any(|one| one.record.outcome == "failed"));
    let kept = book.records.iter().filter(|(_, record)| record.outcome == "failed");
    let is_unknown = !facts.created.contains(task_id) && books.reopenings.iter().any(|one| &*one.task_id == task_id);
    told.map(|((_, index), _)| *index).chain(kept.map(|(index, _)| *index)).any(has_child) || is_unknown
}

/// Whether Redis may have forgotten what some of these runs did.
fn may_be_forgotten(books: &Books, runs: &[&Run]) -> bool {
    let from = runs.iter().map(|run| run.from).min();
    from.is_some_and(|from| books.may_go_back(from, books.healed_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::sample::{TASK, assert_breaks, books};
    use crate::ledger::run::Fence;

    fn record(books: &mut Books, index: u32) -> &mut Record {
        books.snapshot.tasks.get_mut(TASK).unwrap().records.get_mut(&index).unwrap()
    }

    /// The books in which subtask 0 failed for good and took subtask 1 with it.
    fn failed() -> Books {
        let mut books = books();
        books.runs.pop();
        books.runs[1].end = Some((1_600, End::Fatal));
        books.submissions[0].scripts[0].is_fatal = true;
        let kept = record(&mut books, 0);
        (kept.outcome, kept.reason) = ("failed".to_owned(), "fatal".to_owned());
        let kept = record(&mut books, 1);
        (kept.outcome, kept.reason) = ("cancelled".to_owned(), "fail_fast".to_owned());
        books.snapshot.facts.ends.clear();
        books
    }

    #[test]
    fn ends_that_no_run_accounts_for_are_found() {
        assert_breaks(
            check,
            &[
                ("completed without a run", |books| drop(books.runs.remove(2))),
                ("completed by a run that did not end", |books| books.runs[2].end = None),
                ("completed by a run that gave up", |books| {
                    books.runs[2].end = Some((1_800, End::Fatal));
                    books.submissions[0].scripts[1].is_fatal = true;
                }),
                ("completed as another attempt", |books| record(books, 1).attempt = 2),
                ("completed by nobody", |books| {
                    books.snapshot.tasks.get_mut(TASK).unwrap().winners.insert(1, Fence(8, 0));
                }),
                ("failed, and the run was done", |books| record(books, 1).outcome = "failed".to_owned()),
                ("failed for one crash", |books| {
                    (record(books, 0).outcome, record(books, 0).reason) = ("failed".to_owned(), "crashes".to_owned());
                }),
                ("cancelled by nobody", |books| record(books, 1).outcome = "cancelled".to_owned()),
                ("an attempt too many", |books| books.submissions[0].scripts[1].max_attempts = 0),
                ("another's script", |books| books.submissions[0].scripts[1].failures = 1),
            ],
        );
    }

    #[test]
    fn a_failure_has_to_be_final_and_to_take_its_children_with_it() {
        assert_eq!(check(&failed()), Vec::<String>::new());
        let retries = |attempt| {
            let mut books = failed();
            books.submissions[0].scripts[0] = Script { failures: u32::MAX, is_fatal: false, max_attempts: 2 };
            (books.runs[1].attempt, books.runs[1].end) = (attempt, Some((1_600, End::Retry)));
            record(&mut books, 0).attempt = attempt;
            check(&books).len()
        };
        assert_eq!((retries(1), retries(2)), (1, 0));
        let mut childless = failed();
        childless.submissions[0].parents[1].clear();
        assert_eq!(check(&childless).len(), 1);
        childless.submissions[0].cancel = Cancel::Asked;
        assert_eq!(check(&childless), Vec::<String>::new());
        let mut mended = failed();
        mended.snapshot.facts.take("T 0 0 failed 1 1 worker-2-2-x 3 fatal", 1_650);
        mended.runs[1].end = Some((1_600, End::Done));
        mended.submissions[0].scripts[0].is_fatal = false;
        record(&mut mended, 0).outcome = "completed".to_owned();
        assert_eq!(check(&mended), Vec::<String>::new(), "an earlier generation failed");
    }
}
