//! I10: after every fault the canary sings again within a bound, what is left drains in time, and the work of a killed
//! worker starts again as soon as [`restarts`] asks.

use crate::books::Books;
use crate::fault::Kind;
use crate::law::restarts;
use crate::ledger::fault::Fault;
use std::collections::BTreeMap;

/// How long the whole system may take to work again after a fault is over.
const WELL_WITHIN_MS: u64 = 15_000;
/// The part of a recovery in which the machine may stand still before the recovery says nothing about Millstream.
const STALLED_MAX: f64 = 0.1;
/// Names faults that the system did not get over, and restarts that took too long.
pub fn check(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(why) = &books.unhealed {
        found.push(format!("it could not be healed: {why}"));
    } else if books.drained_ms.is_none() {
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
    found.extend(restarts::slow(books));
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
                ("no heal", |books| books.unhealed = Some("redis does not come back".to_owned())),
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
    fn a_percentile_is_a_value_that_was_measured() {
        assert_eq!(percentile(&[], 99), 0);
        assert_eq!(percentile(&[1, 2, 3, 4], 50), 2);
        assert_eq!(percentile(&(1..=200).collect::<Vec<_>>(), 99), 198);
    }
}
