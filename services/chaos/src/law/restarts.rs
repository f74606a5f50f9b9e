//! I10 of killed workers: what they had begun starts again within their lease and a second, which is how often the
//! living look. Measured where no other fault can have had a part in it.

use crate::books::Books;
use crate::clock::Moment;
use crate::fault::Kind;
use crate::installation::LEASE_MS;
use crate::law::liveness::percentile;
use crate::ledger::fault::Fault;
use crate::ledger::run::Run;

/// How often the fleet looks for what dead workers left, at the latest.
const ROUND_MS: u64 = 1_000;
/// What a kill of a worker may cost at most, for 99 of 100 interrupted runs.
const RESTART_WITHIN_MS: u64 = LEASE_MS + ROUND_MS;
/// What it may cost the slowest, where there are too few to speak of a hundredth.
const SLOWEST_WITHIN_MS: u64 = LEASE_MS + 2 * ROUND_MS;
/// Fewer restarts than this say nothing about a hundredth.
const HUNDRED: usize = 100;
/// Fewer restarts than this say nothing.
const RESTARTS_MIN: usize = 10;
/// After so many crashes an entry runs alone in its worker.
const ALONE_FROM: u32 = 2;
/// A run that lasts so long, in ms, has to show that many.
const LONG_MS: u64 = 240_000;

/// Says that restarts took too long.
pub fn slow(books: &Books) -> Option<String> {
    let many = all(books);
    if many.len() >= HUNDRED {
        let late = percentile(&many, 99);
        return (late > RESTART_WITHIN_MS)
            .then(|| format!("after a kill 99 of 100 runs start again within {late} ms, not {RESTART_WITHIN_MS}"));
    }
    let few = all_within(books, SLOWEST_WITHIN_MS);
    let slowest = percentile(&few, 100);
    (few.len() >= RESTARTS_MIN && slowest > SLOWEST_WITHIN_MS).then(|| {
        let count = few.len();
        format!("after a kill the slowest of {count} runs starts again within {slowest} ms, not {SLOWEST_WITHIN_MS}")
    })
}

/// Why nothing can be said about restarts, though the run was long enough to.
pub fn missing(books: &Books) -> Option<String> {
    let from = books.inflicted().map(|fault| fault.from).min()?;
    let count = all_within(books, SLOWEST_WITHIN_MS).len();
    let is_long = books.healed_at.saturating_sub(from) >= LONG_MS;
    (is_long && count < RESTARTS_MIN).then(|| format!("only {count} restarts after a kill could be measured"))
}

/// From the kill of a worker to the next start of each run it interrupted, sorted; only where no other fault could have
/// had a part in it.
pub fn all(books: &Books) -> Vec<u64> {
    all_within(books, RESTART_WITHIN_MS)
}

/// The same; what is disturbed only after `bound` ms had broken the promise before.
fn all_within(books: &Books, bound: u64) -> Vec<u64> {
    let mut all = Vec::new();
    let subtasks = books.subtasks();
    for kill in books.inflicted().filter(|fault| fault.kind == Kind::KillWorker) {
        for pair in subtasks.values().flat_map(|runs| runs.windows(2)) {
            let (before, next) = (pair[0], pair[1]);
            let until = next.from.min(kill.from + bound);
            if is_restart(kill, before, next) && !is_disturbed(books, kill, until) {
                all.push(next.from - kill.from);
            }
        }
    }
    all.sort_unstable();
    all
}

/// Whether `next` is the same attempt as `before`, which the kill interrupted, once more. An entry that is to run alone
/// waits for its neighbours first, and that is no restart's fault.
fn is_restart(kill: &Fault, before: &Run, next: &Run) -> bool {
    let is_interrupted = before.end.is_none() && kill.pids.contains(&before.pid) && before.from <= kill.from;
    let is_again = next.attempt == before.attempt && next.crashes > before.crashes && next.crashes < ALONE_FROM;
    is_interrupted && is_again && next.from >= kill.from
}

/// Whether another fault of a worker or of Redis may have had a part: one that goes on until `until`, or was over too
/// short a time before the kill. After one of Redis nobody reaps for a lease, from when it was noticed, which takes a
/// second, and then asks once a second; after one of a worker the others may still be busy with what it left.
fn is_disturbed(books: &Books, kill: &Fault, until: Moment) -> bool {
    let after_ms = |fault: &Fault| match fault.targets.iter().any(|name| name == "redis") {
        true => Some(LEASE_MS + 2 * ROUND_MS),
        false => fault.targets.iter().any(|name| name.starts_with("worker")).then_some(LEASE_MS + ROUND_MS),
    };
    let disturbs = |fault: &Fault| {
        after_ms(fault).is_some_and(|ms| fault.from <= until && fault.to.saturating_add(ms) > kill.from)
    };
    books.faults.iter().any(|fault| fault != kill && disturbs(fault))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::sample::books;

    /// The books with so many further subtasks that the kill interrupted, each run again `late_ms` after the first.
    fn restarted(count: u32, late_ms: u64) -> Books {
        let mut books = books();
        for index in 10..10 + count {
            for at in [0, 1] {
                let mut run = books.runs[at].clone();
                run.index = index;
                run.from += late_ms * at as u64;
                books.runs.push(run);
            }
        }
        books
    }

    fn with_fault(mut books: Books, kind: Kind, target: &str, from: Moment, to: Moment) -> Books {
        let mut other = books.faults[0].clone();
        (other.kind, other.targets, other.pids) = (kind, vec![target.to_owned()], Vec::new());
        (other.from, other.to) = (from, to);
        books.faults.push(other);
        books
    }

    #[test]
    fn restarts_are_measured_from_the_kill_and_only_undisturbed() {
        assert_eq!(all(&books()), [1_350]);
        assert!(all(&with_fault(books(), Kind::KillRedis, "redis", 1_000, 1_100)).is_empty());
        let mut alone = books();
        (alone.runs[0].crashes, alone.runs[1].crashes) = (1, 2);
        let mut replayed = books();
        replayed.runs[1].crashes = 0;
        assert!(all(&alone).is_empty() && all(&replayed).is_empty());
    }

    #[test]
    fn what_is_over_disturbs_for_as_long_as_its_traces_last_and_redis_leaves_them_longest() {
        let is_disturbed_by = |kind, target, ago| {
            let mut books = books();
            for moment in
                books.runs.iter_mut().map(|run| &mut run.from).chain(books.faults.iter_mut().map(|it| &mut it.from))
            {
                *moment += 10_000;
            }
            let kill_at = books.faults[0].from;
            all(&with_fault(books, kind, target, kill_at - ago - 100, kill_at - ago)).is_empty()
        };
        assert!(is_disturbed_by(Kind::KillRedis, "redis", 2_999) && !is_disturbed_by(Kind::KillRedis, "redis", 3_000));
        assert!(is_disturbed_by(Kind::StopWorker, "worker-4", 1_999));
        assert!(!is_disturbed_by(Kind::StopWorker, "worker-4", 2_000));
        assert!(!is_disturbed_by(Kind::KillProjector, "projector-1", 10));
    }

    #[test]
    fn a_fault_after_the_promise_was_broken_excuses_nothing() {
        let late = |from| with_fault(restarted(0, 0), Kind::KillRedis, "redis", from, from + 100);
        let mut books = late(2_200);
        books.runs[1].from = 9_000;
        assert_eq!(all(&books), [8_850]);
        books.faults[1].from = 2_100;
        assert!(all(&books).is_empty());
    }

    #[test]
    fn a_hundredth_may_be_slow_of_a_hundred_and_none_of_fewer() {
        let is_slow = |count, late_ms| slow(&restarted(count, late_ms)).is_some();
        assert!(is_slow(99, 700) && !is_slow(99, 600), "a hundred");
        assert!(!is_slow(98, 700) && !is_slow(98, 1_600) && is_slow(9, 1_700), "fewer");
        assert!(!is_slow(8, 5_000), "too few");
        let mut one = restarted(99, 0);
        one.runs.last_mut().unwrap().from += 5_000;
        assert_eq!(slow(&one), None);
    }

    #[test]
    fn a_long_run_without_restarts_is_named() {
        let mut books = restarted(8, 0);
        assert_eq!(missing(&books), None);
        books.healed_at = 150 + LONG_MS;
        assert_eq!(missing(&books).as_deref(), Some("only 9 restarts after a kill could be measured"));
        let mut enough = restarted(9, 0);
        enough.healed_at = 150 + LONG_MS;
        assert_eq!(missing(&enough), None);
    }
}
