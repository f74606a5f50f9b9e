//! I10: after every fault the canary sings again within a bound, what is left drains in time, and the work of a killed
//! worker starts again within its lease and a second.

use crate::books::Books;
use crate::clock::Moment;
use crate::fault::Kind;
use crate::installation::LEASE_MS;
use crate::ledger::fault::Fault;
use std::collections::BTreeMap;

/// How long the whole system may take to work again after a fault is over.
const WELL_WITHIN_MS: u64 = 15_000;
/// The part of a recovery in which the machine may stand still before the recovery says nothing about Millstream.
const STALLED_MAX: f64 = 0.1;
/// What a kill of a worker may cost at most, for 99 of 100 interrupted runs.
const RESTART_WITHIN_MS: u64 = LEASE_MS + 1_000;
/// Fewer restarts than this say nothing about a hundredth.
const RESTARTS_MIN: usize = 20;

/// Names faults that the system did not get over, and restarts that took too long.
pub fn check(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    if books.drained_ms.is_none() {
        found.push("what was left did not drain in time".to_owned());
    }
    for fault in books.inflicted() {
        match recovery(books, fault) {
            _ if is_late_by_stalls(books, fault) => {} // told, not judged
            Some(ms) if ms <= WELL_WITHIN_MS => {}
            Some(ms) => found.push(format!("{} at {}: well again after {ms} ms", fault.kind.as_str(), fault.from)),
            None if fault.to + WELL_WITHIN_MS > books.healed_at => {} // the canary went home first
            None => found.push(format!("{} at {}: never well again", fault.kind.as_str(), fault.from)),
        }
    }
    let restarts = restarts(books);
    let late = percentile(&restarts, 99);
    if restarts.len() >= RESTARTS_MIN && late > RESTART_WITHIN_MS {
        found.push(format!("after a kill 99 of 100 runs start again within {late} ms, not {RESTART_WITHIN_MS}"));
    }
    found
}

/// How many recoveries took too long, or did not come, while the machine stood still again and again.
pub fn late_by_stalls(books: &Books) -> usize {
    books.inflicted().filter(|fault| is_late_by_stalls(books, fault)).count()
}

fn is_late_by_stalls(books: &Books, fault: &Fault) -> bool {
    let well_at = recovery(books, fault).map_or(books.healed_at, |ms| fault.to + ms);
    well_at > fault.to + WELL_WITHIN_MS && books.stalled(fault.to, well_at) > STALLED_MAX
}

/// From the end of a fault to the first end of a canary that was sent after it.
pub fn recovery(books: &Books, fault: &Fault) -> Option<u64> {
    let after = books.songs.iter().filter(|song| song.from >= fault.to);
    after.map(|song| song.to).min().map(|to| to - fault.to)
}

/// Recoveries by kind, sorted.
pub fn recoveries(books: &Books) -> BTreeMap<Kind, Vec<u64>> {
    let mut by_kind: BTreeMap<Kind, Vec<u64>> = BTreeMap::new();
    for fault in books.inflicted() {
        by_kind.entry(fault.kind).or_default().extend(recovery(books, fault));
    }
    by_kind.values_mut().for_each(|all| all.sort_unstable());
    by_kind
}

/// From the kill of a worker to the next start of each run it interrupted, sorted; only where no other fault could have
/// had a part in it.
pub fn restarts(books: &Books) -> Vec<u64> {
    let mut all = Vec::new();
    let subtasks = books.subtasks();
    for kill in books.inflicted().filter(|fault| fault.kind == Kind::KillWorker) {
        for runs in subtasks.values() {
            for pair in runs.windows(2) {
                let (before, next) = (pair[0], pair[1]);
                let is_interrupted =
                    before.end.is_none() && kill.pids.contains(&before.pid) && before.from <= kill.from;
                if is_interrupted && next.from >= kill.from && !is_disturbed(books, kill, next.from) {
                    all.push(next.from - kill.from);
                }
            }
        }
    }
    all.sort_unstable();
    all
}

/// Whether another fault of a worker or of Redis may have had a part: one that goes on until the restart, or was over
/// less than a lease before the kill; after a restart of Redis, for one, nobody reaps for a lease.
fn is_disturbed(books: &Books, kill: &Fault, until: Moment) -> bool {
    let from = kill.from.saturating_sub(LEASE_MS);
    let concerns = |fault: &Fault| fault.targets.iter().any(|name| name == "redis" || name.starts_with("worker"));
    books.faults.iter().any(|fault| fault != kill && concerns(fault) && fault.meets(from, until, 0))
}

/// The value below which so many of a hundred lie; 0 of nothing.
pub fn percentile(sorted: &[u64], of_hundred: usize) -> u64 {
    let at = (sorted.len() * of_hundred).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::sample::{assert_breaks, books};

    #[test]
    fn a_system_that_stays_down_or_slow_is_found() {
        assert_breaks(
            check,
            &[
                ("no drain", |books| books.drained_ms = None),
                ("never well", |books| {
                    books.songs.clear();
                    books.healed_at = 60_000;
                }),
                ("well too late", |books| books.songs[0].to = 60_000),
            ],
        );
    }

    #[test]
    fn a_machine_that_stands_still_is_told_and_not_judged() {
        let mut books = books();
        books.songs[0].to = 60_000;
        let mut stall = books.faults[0].clone();
        (stall.kind, stall.from, stall.to) = (Kind::MachineStall, 10_000, 20_000);
        books.faults.push(stall);
        assert_eq!((check(&books), late_by_stalls(&books)), (Vec::new(), 1));
    }

    #[test]
    fn restarts_are_measured_from_the_kill_and_only_undisturbed() {
        let mut books = books();
        assert_eq!(restarts(&books), [1_350]);
        let mut other = books.faults[0].clone();
        (other.kind, other.from, other.to) = (Kind::KillRedis, 1_000, 1_100);
        books.faults.push(other);
        assert!(restarts(&books).is_empty());
    }

    #[test]
    fn restarts_that_take_too_long_are_found_once_there_are_enough() {
        let mut books = books();
        for index in 10..40 {
            for at in [0, 1] {
                let mut run = books.runs[at].clone();
                run.index = index;
                run.from += 900 * at as u64;
                books.runs.push(run);
            }
        }
        assert_eq!(restarts(&books).len(), 31);
        assert!(check(&books).iter().any(|found| found.starts_with("after a kill 99 of 100")));
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        assert_eq!(percentile(&[], 99), 0);
        assert_eq!(percentile(&[1, 2, 3, 4], 50), 2);
        assert_eq!(percentile(&(1..=200).collect::<Vec<_>>(), 99), 198);
    }
}
