//! I11: how a subtask ended follows from what handlers did and clients asked for. What completed was done by the run
//! that is recorded; what failed had no attempt left or gave up; what is cancelled somebody cancelled, or an edge to
//! what did not complete, or the deadline that was over. And every run did what its subtask, not another one, was told
//! to do, in no more attempts than it has.

use crate::books::Books;
use crate::ledger::run::{End, Run};
use crate::ledger::submission::{Cancel, Submission};
use crate::snapshot::tasks::{Record, TaskBook};
use crate::workload::order::{Edge, Script};
use proto_schemas::OnFailure;
use std::collections::HashSet;

/// Crashes after which a subtask may be buried.
const CRASHES_MAX: u32 = 3;
/// What two clocks that nobody turned may differ by, in ms.
const CLOCK_MS: u64 = 20;

/// Names every run that left its script, and every end that does not follow.
pub fn check(books: &Books) -> Vec<String> {
    let mut found: Vec<String> = books
        .runs
        .iter()
        .filter(|run| books.script(run.seq, run.index).is_some_and(|script| !follows(books, run, script)))
        .map(|run| {
            let Run { task_id, index, attempt, fence, end, .. } = run;
            format!("task {task_id} subtask {index}: run {fence}, attempt {attempt}, ended {end:?} against its script")
        })
        .collect();
    let subtasks = books.subtasks();
    for (task_id, book) in &books.snapshot.tasks {
        let Some(order) = book.order.and_then(|(seq, _)| books.order(seq)) else { continue };
        for (&index, record) in &book.records {
            let runs = subtasks.get(&(task_id, index)).map_or(&[][..], |runs| runs);
            let is_sound = match record.outcome.as_str() {
                "completed" => has_completed(book, index, record, runs),
                "failed" => order.scripts.get(index as usize).is_none_or(|script| has_failed(record, script, runs)),
                _ => was_given_up(books, order, (task_id, book), (index, record)),
            };
            if !is_sound && !may_be_forgotten(books, runs) {
                let last = runs.last().map(|run| (run.fence, run.attempt, run.crashes, run.end));
                found.push(format!("task {task_id} subtask {index}: {record:?}, its last run was {last:?}"));
            }
        }
    }
    found
}

fn follows(books: &Books, run: &Run, script: &Script) -> bool {
    let fails = run.attempt <= script.failures;
    let does = match run.end.map(|(_, end)| end) {
        // Two ends that are due at once, because everything stood still, may come in any order.
        Some(End::Done) if script.overruns => books.is_held_up(run, run.from, run.end.map_or(run.from, |(at, _)| at)),
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
        "timeout" => {
            script.overruns && record.attempt >= script.max_attempts && runs.iter().any(|run| is_of(record, run))
        }
        _ => runs.last().is_some_and(gave_up),
    }
}

fn is_of(record: &Record, run: &Run) -> bool {
    (record.attempt, record.crashes) == (run.attempt, run.crashes)
}

/// Whether what is cancelled was to be: by a client, at the deadline of its order, or by an edge to what did not
/// complete, in this generation or, as only the log tells, in an earlier one.
fn was_given_up(
    books: &Books,
    order: &Submission,
    (task_id, book): (&str, &TaskBook),
    (index, record): (u32, &Record),
) -> bool {
    let edges = |of: u32| order.edges.get(of as usize).into_iter().flatten();
    let bad = given_up(books, task_id, book);
    let pulls = |edge: &Edge, policy| edge.on_failure == policy && bad.contains(&edge.parent);
    // What befell a task before the log begins, nobody knows.
    let is_unknown = || {
        let is_reopened = || books.reopenings.iter().any(|one| *one.task_id == *task_id);
        !books.snapshot.facts.created.contains(task_id) && is_reopened()
    };
    match record.reason.as_str() {
        "skipped" => edges(index).any(|edge| pulls(edge, OnFailure::Skip)) || is_unknown(),
        "fail_fast" => order.edges.iter().flatten().any(|edge| pulls(edge, OnFailure::FailFast)) || is_unknown(),
        "deadline" => is_over(books, order, task_id, index),
        _ => order.cancel != Cancel::Never,
    }
}

/// What of a task did not complete at some time.
fn given_up(books: &Books, task_id: &str, book: &TaskBook) -> HashSet<u32> {
    let told = books.snapshot.facts.ends.get(task_id).into_iter().flatten();
    let told = told.filter(|(_, told)| told.iter().any(|one| one.record.outcome != "completed"));
    let kept = book.records.iter().filter(|(_, record)| record.outcome != "completed");
    told.map(|((_, index), _)| *index).chain(kept.map(|(index, _)| *index)).collect()
}

/// Whether the deadline of an order was over when the log told that a subtask had met it.
fn is_over(books: &Books, order: &Submission, task_id: &str, index: u32) -> bool {
    let Some((after, sent)) = order.deadline_ms.zip(order.sent_at()) else { return false };
    let told = books.snapshot.facts.ends.get(task_id).into_iter().flatten();
    let mut told = told.filter(|((_, of), _)| *of == index).flat_map(|(_, told)| told);
    let is_early =
        |seen_at| seen_at + CLOCK_MS < sent + order.delay_ms + after && !books.is_clock_turned(sent, seen_at);
    !told.any(|told| told.record.reason == "deadline" && is_early(told.seen_at))
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

    /// Has subtask 1 given up for a reason.
    fn cancelled(books: &mut Books, reason: &str) {
        let kept = record(books, 1);
        (kept.outcome, kept.reason) = ("cancelled".to_owned(), reason.to_owned());
        books.snapshot.facts.ends.clear();
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
                ("skipped along an edge that does not", |books| cancelled(books, "skipped")),
                ("given up for what completed", |books| cancelled(books, "fail_fast")),
                ("a deadline that nobody set", |books| cancelled(books, "deadline")),
                ("a deadline before its time", |books| {
                    cancelled(books, "deadline");
                    books.submissions[0].deadline_ms = Some(2_000);
                    books.snapshot.facts.take("T 1 0 cancelled 0 0 p 4 deadline", 1_850);
                }),
                ("too slow, and done", |books| books.submissions[0].scripts[1].overruns = true),
                ("too slow, and nothing says so", |books| {
                    (record(books, 1).outcome, record(books, 1).reason) = ("failed".to_owned(), "timeout".to_owned());
                }),
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
            books.submissions[0].scripts[0] =
                Script { failures: u32::MAX, is_fatal: false, max_attempts: 2, overruns: false };
            (books.runs[1].attempt, books.runs[1].end) = (attempt, Some((1_600, End::Retry)));
            record(&mut books, 0).attempt = attempt;
            check(&books).len()
        };
        assert_eq!((retries(1), retries(2)), (1, 0));
        let mut childless = failed();
        childless.submissions[0].edges[1].clear();
        assert_eq!(check(&childless).len(), 1);
        childless.submissions[0].cancel = Cancel::Asked;
        assert_eq!(check(&childless).len(), 1, "whoever is given up for a parent has one");
        record(&mut childless, 1).reason.clear();
        assert_eq!(check(&childless), Vec::<String>::new());
        let mut skipped = failed();
        record(&mut skipped, 1).reason = "skipped".to_owned();
        assert_eq!(check(&skipped).len(), 1);
        skipped.submissions[0].edges[1][0].on_failure = OnFailure::Skip;
        assert_eq!(check(&skipped), Vec::<String>::new());
        let mut mended = failed();
        mended.snapshot.facts.take("T 0 0 failed 1 1 worker-2-2-x 3 fatal", 1_650);
        mended.runs[1].end = Some((1_600, End::Done));
        mended.submissions[0].scripts[0].is_fatal = false;
        record(&mut mended, 0).outcome = "completed".to_owned();
        assert_eq!(check(&mended), Vec::<String>::new(), "an earlier generation failed");
    }

    #[test]
    fn what_takes_too_long_fails_at_its_last_attempt_and_a_deadline_gives_up_what_it_meets() {
        let slow = |attempt| {
            let mut books = books();
            books.submissions[0].scripts[1] = Script { failures: 0, is_fatal: false, max_attempts: 2, overruns: true };
            (books.runs[2].attempt, books.runs[2].end) = (attempt, Some((2_700, End::Dropped)));
            let kept = record(&mut books, 1);
            (kept.outcome, kept.attempt, kept.reason) = ("failed".to_owned(), attempt, "timeout".to_owned());
            check(&books).len()
        };
        assert_eq!((slow(1), slow(2)), (1, 0));
        let mut over = books();
        cancelled(&mut over, "deadline");
        over.submissions[0].deadline_ms = Some(1_000);
        over.snapshot.facts.take("T 1 0 cancelled 0 0 p 4 deadline", 1_100);
        assert_eq!(check(&over), Vec::<String>::new());
    }
}
