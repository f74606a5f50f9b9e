//! I6: every run of a subtask after its first has a reason: the run before asked for another attempt, or a fault that
//! can repeat a run reached it. Nothing explains a run of what had ended. Burials for crashes are looked at in
//! [`burials`].

use crate::books::Books;
use crate::clock::Moment;
use crate::fault::Realm;
use crate::installation::LEASE_MS;
use crate::law::burials;
use crate::ledger::fault::Fault;
use crate::ledger::run::{End, Run};
use crate::ledger::submission::Reopening;
use std::collections::HashMap;

/// What was read while a fault lasted starts a moment after it was healed, in ms.
const EARLY_MS: u64 = LEASE_MS / 2;

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
    found.extend(burials::check(books));
    found
}

/// Every further run with the one before it and its reason.
pub fn repeated(books: &Books) -> impl Iterator<Item = (&Run, &Run, Reason)> {
    let reopened = books.reopened();
    let mut all = Vec::new();
    for runs in books.subtasks().values() {
        for at in 1..runs.len() {
            all.push((runs[at - 1], runs[at], reason(books, &reopened, runs, at)));
        }
    }
    all.into_iter()
}

/// Why one of the runs of a subtask, not the first, was run.
fn reason(books: &Books, reopened: &HashMap<&str, Vec<&Reopening>>, runs: &[&Run], at: usize) -> Reason {
    let (before, run) = (runs[at - 1], runs[at]);
    let asked = reopened.get(run.task_id.as_str()).map_or(&[][..], |asked| asked);
    let is_asked_since = |from: Moment| asked.iter().any(|one| one.is_between(from, run.from));
    if run.attempt == 1 && is_asked_since(before.from) {
        return Reason::Retry;
    }
    if ended_since(books, runs, run).is_some_and(|since| !is_asked_since(since)) {
        return Reason::None;
    }
    let overran = books.script(run.seq, run.index).is_some_and(|script| script.overruns);
    let failed = matches!(before.end, Some((_, End::Retry))) || overran;
    if failed && run.attempt == before.attempt + 1 {
        return Reason::Retry;
    }
    let causes: Vec<&Fault> = books.faults.iter().filter(|fault| explains(fault, before, run.from)).collect();
    match causes.iter().any(|fault| fault.kind.realm() != Realm::Machine) {
        true => Reason::Fault,
        false if causes.is_empty() => Reason::None,
        false => Reason::Stall,
    }
}

/// Since when this subtask had ended, by the copied log, before `run` began under a later entry. A fact counts from the
/// end of the run that it records, or from when it was read. A cancel takes no entry out of a stream.
fn ended_since(books: &Books, runs: &[&Run], run: &Run) -> Option<Moment> {
    let facts = books.profile.is_lossless().then_some(&books.snapshot.facts)?;
    let told = facts.ends.get(&run.task_id)?.iter().filter(|((_, index), _)| *index == run.index);
    let by_workers = told.flat_map(|(_, told)| told).filter(|told| told.record.outcome != "cancelled");
    let ended = by_workers.filter_map(|told| {
        let known = || runs.iter().filter(|known| known.from <= told.seen_at);
        let ended = |known: &&Run| known.end.map(|(at, _)| at).filter(|at| *at <= told.seen_at && told.is_of(known));
        let recorded = known().rev().find_map(|known| Some((known, ended(known)?)));
        let (last, at, since) = match recorded {
            Some((last, end)) => (last, end, end),
            None => known().next_back().map(|last| (last, told.seen_at, last.from))?,
        };
        (run.fence > last.fence && run.from >= at).then_some(since)
    });
    ended.max()
}

/// Whether a fault can have made `before` be run once more, at `again_at`: it met the run, or the lease after its end
/// in which the end is recorded.
pub fn explains(fault: &Fault, before: &Run, again_at: Moment) -> bool {
    let until = before.end.map_or(again_at, |(at, _)| again_at.min(at + LEASE_MS));
    fault.kind.repeats_runs()
        && fault.reaches(&before.worker, before.pid)
        && fault.meets(before.from.saturating_sub(EARLY_MS), until, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Kind;
    use crate::law::sample::{assert_breaks, books};
    use crate::ledger::run::Fence;
    use crate::options::Profile;

    #[test]
    fn a_run_without_a_reason_is_found() {
        assert_breaks(
            check,
            &[
                ("no fault", |books| books.faults.clear()),
                ("another worker's fault", |books| {
                    (books.faults[0].pids, books.faults[0].targets) = (vec![9], vec!["worker-9".to_owned()]);
                }),
                ("too late", |books| (books.faults[0].from, books.faults[0].to) = (1_501, 3_000)),
                ("a fault that repeats nothing", |books| books.faults[0].kind = Kind::KillProjector),
                ("a fault long after its end", |books| {
                    books.runs[0].end = Some((200, End::Dropped));
                    (books.faults[0].from, books.faults[0].to) = (1_201, 1_300);
                }),
                ("a fault long before its start", |books| {
                    (books.faults[0].from, books.faults[0].to) = (10, 20);
                    (books.runs[0].from, books.runs[0].end) = (900, Some((910, End::Dropped)));
                }),
            ],
        );
    }

    #[test]
    fn nothing_explains_a_run_of_what_had_ended_where_nothing_is_lost() {
        let again = |from, fence, worker: u32| {
            let mut books = books();
            let mut run = books.runs[1].clone();
            (run.from, run.fence, run.pid, run.worker) = (from, Fence(fence, 0), worker, format!("worker-{worker}"));
            (run.crashes, run.end) = (2, Some((from + 10, End::Done)));
            books.runs.push(run);
            (books.faults[0].from, books.faults[0].to) = (120, 5_000);
            books.faults[0].targets = vec!["redis".to_owned()];
            books
        };
        let is_found = |books: &Books| repeated(books).any(|(_, _, reason)| reason == Reason::None);
        assert!(is_found(&again(1_600, 9, 4)), "after the run that is recorded");
        assert!(!is_found(&again(1_590, 9, 4)), "before it ended");
        let mut killed = again(1_651, 9, 4);
        killed.runs[1].end = None;
        assert!(is_found(&killed), "after the fact was read");
        let mut handed_back = again(1_640, 9, 2);
        handed_back.runs[3].crashes = 1;
        handed_back.runs.extend(again(1_610, 8, 4).runs.pop());
        assert!(!is_found(&handed_back), "the process that is recorded had run the same attempt before");
        let mut may_go_back = again(1_700, 9, 4);
        may_go_back.profile = Profile::Everysec;
        assert!(!is_found(&may_go_back), "what is lost may run again");
        let mut reopened = again(1_700, 9, 4);
        reopened.reopenings.push(Reopening { task_id: "T".into(), from: 1_650, to: 1_690 });
        assert!(!is_found(&reopened), "somebody asked for it");
        (reopened.runs[3].crashes, reopened.runs[3].end) = (0, Some((1_710, End::Retry)));
        let mut retry = again(1_800, 10, 4).runs.pop().unwrap();
        (retry.crashes, retry.attempt) = (0, 2);
        reopened.runs.push(retry);
        assert!(!is_found(&reopened), "and it may be tried again");
        let mut next_life = again(1_700, 9, 4);
        next_life.reopenings.push(Reopening { task_id: "T".into(), from: 1_605, to: 1_615 });
        let next =
            Run { from: 1_620, fence: Fence(8, 0), end: Some((2_000, End::Refused)), ..next_life.runs[1].clone() };
        next_life.runs.push(next);
        assert!(!is_found(&next_life), "whoever is recorded had begun its next life when the fact was read");
        let mut zombie = again(1_700, 5, 1);
        (zombie.runs[3].crashes, zombie.runs[3].fence.1) = (0, 1);
        assert!(!is_found(&zombie), "a late start under an earlier entry is the fence's matter");
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
        books.runs[0].end = Some((130, End::Dropped));
        assert_eq!(repeated(&books).map(|(_, _, reason)| reason).collect::<Vec<_>>(), [Reason::None]);
        books.submissions[0].scripts[0].overruns = true;
        assert_eq!(repeated(&books).map(|(_, _, reason)| reason).collect::<Vec<_>>(), [Reason::Retry]);
    }
}
