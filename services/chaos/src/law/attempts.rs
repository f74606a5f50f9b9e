//! I6: every run of a subtask after its first has a reason: the run before asked for another attempt, or a fault that
//! can repeat a run reached it. Every burial for crashes has as many faults behind it.

use crate::books::Books;
use crate::fault::Realm;
use crate::installation::LEASE_MS;
use crate::ledger::fault::Fault;
use crate::ledger::run::{End, Run};
use crate::ledger::submission::Reopening;
use std::collections::HashMap;

/// Crashes after which a subtask may be buried.
const CRASHES_MAX: usize = 3;

/// Why a run was repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It asked for it, or a client asked to run its task again.
    Retry,
    /// Something was inflicted on it.
    Fault,
    /// The machine or Redis stood still, or a process ended by itself; nobody did that on purpose.
    Stall,
    /// None.
    None,
}

/// Names every run without a reason, and every burial that faults do not account for.
pub fn check(books: &Books) -> Vec<String> {
    let mut found: Vec<String> = repeated(books)
        .filter(|(_, _, reason)| *reason == Reason::None)
        .map(|(before, run, _)| {
            let Run { task_id, index, attempt, crashes, fence, .. } = run;
            let (from, end) = (before.from, before.end);
            format!(
                "task {task_id} subtask {index}: run {fence} (attempt {attempt}, crashes {crashes}, {} at {}) after {} \
                 on {} from {from}, ended {end:?}",
                run.worker, run.from, before.fence, before.worker
            )
        })
        .collect();
    found.extend(burials(books));
    found
}

/// Every further run with the one before it and its reason.
pub fn repeated(books: &Books) -> impl Iterator<Item = (&Run, &Run, Reason)> {
    let subtasks = books.subtasks();
    let all: Vec<(&Run, &Run)> = subtasks
        .into_values()
        .flat_map(|runs| runs.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>())
        .collect();
    let reopened = books.reopened();
    all.into_iter().map(move |(before, run)| (before, run, reason(books, &reopened, before, run)))
}

fn reason(books: &Books, reopened: &HashMap<&str, Vec<&Reopening>>, before: &Run, run: &Run) -> Reason {
    if matches!(before.end, Some((_, End::Retry))) && run.attempt == before.attempt + 1 {
        return Reason::Retry;
    }
    let asked = reopened.get(run.task_id.as_str());
    if asked.is_some_and(|asked| asked.iter().any(|one| one.is_between(before.from, run.from))) {
        return Reason::Retry;
    }
    let causes: Vec<&Fault> = books.faults.iter().filter(|fault| explains(fault, before, run)).collect();
    match causes.iter().any(|fault| fault.kind.realm() != Realm::Machine) {
        true => Reason::Fault,
        false if causes.is_empty() => Reason::None,
        false => Reason::Stall,
    }
}

/// Whether a fault can have made `before` be run again as `run`.
fn explains(fault: &Fault, before: &Run, run: &Run) -> bool {
    fault.kind.repeats_runs()
        && fault.reaches(&before.worker, before.pid)
        && fault.meets(before.from, run.from, LEASE_MS)
}

fn burials(books: &Books) -> Vec<String> {
    let subtasks = books.subtasks();
    let mut found = Vec::new();
    for (task_id, index, _) in books.snapshot.burials.iter().filter(|(_, _, reason)| reason == "crashes") {
        let runs = subtasks.get(&(task_id.as_str(), *index)).cloned().unwrap_or_default();
        let until = |run: &Run| run.end.map_or(u64::MAX, |(at, _)| at);
        let reached = |fault: &&Fault| {
            let hits = |run: &&Run| fault.reaches(&run.worker, run.pid) && fault.meets(run.from, until(run), LEASE_MS);
            fault.kind.repeats_runs() && runs.iter().any(hits)
        };
        let faults = books.faults.iter().filter(reached).count();
        if faults < CRASHES_MAX {
            found.push(format!("task {task_id} subtask {index}: buried for crashes, and {faults} faults reached it"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Kind;
    use crate::law::sample::{TASK, assert_breaks, books};

    #[test]
    fn a_run_without_a_reason_and_a_burial_without_kills_are_found() {
        assert_breaks(
            check,
            &[
                ("no fault", |books| books.faults.clear()),
                ("another worker's fault", |books| {
                    (books.faults[0].pids, books.faults[0].targets) = (vec![9], vec!["worker-9".to_owned()]);
                }),
                ("too late", |books| (books.faults[0].from, books.faults[0].to) = (2_501, 3_000)),
                ("a fault that repeats nothing", |books| books.faults[0].kind = Kind::KillProjector),
                ("a burial", |books| books.snapshot.burials.push((TASK.to_owned(), 0, "crashes".to_owned()))),
            ],
        );
    }

    #[test]
    fn a_retry_is_its_own_reason_and_a_stall_is_told_apart() {
        let mut books = books();
        books.faults[0].kind = Kind::MachineStall;
        books.faults[0].targets = vec!["redis".to_owned()];
        assert_eq!(repeated(&books).map(|(_, _, reason)| reason).collect::<Vec<_>>(), [Reason::Stall]);
        books.faults.clear();
        books.runs[0].end = Some((130, End::Retry));
        books.runs[1].attempt = 2;
        assert_eq!(repeated(&books).map(|(_, _, reason)| reason).collect::<Vec<_>>(), [Reason::Retry]);
    }
}
