//! What a run is worth: green, red, or void. A run that broke nothing proves nothing.

use crate::books::Books;
use crate::fault::Kind;
use crate::installation::LEASE_MS;
use crate::law::attempts::{Reason, repeated};
use crate::law::{LAWS, effects, projection, restarts};
use crate::ledger::submission::Answer;
use std::collections::{BTreeMap, HashSet};

/// How many breaks of one law are told; the rest is counted.
const TOLD_MAX: usize = 20;
/// Beyond this part of the time a machine that stands still says more about itself than about Millstream.
const STALLED_MAX: f64 = 0.15;
/// The same with a lease on both sides of each stall, which is how far it excuses what goes wrong.
const EXCUSED_MAX: f64 = 0.1;
/// In calm at least this part of all submits has to be answered.
const OK_RATE_MIN: f64 = 0.5;
/// A run of minutes has to see a fault at least this often: sixty in four minutes.
const FAULT_EVERY_MS: u64 = 4_000;
/// Runs that are shorter are for trying out.
const SPARSE_FROM_MS: u64 = 180_000;

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Everything holds.
    Green,
    /// A law is broken.
    Red,
    /// It proves nothing.
    Void,
}

/// What was found.
pub struct Verdict {
    /// Of each law that is broken: its name, how often, and the first places.
    pub broken: Vec<(&'static str, usize, Vec<String>)>,
    /// Why the run proves nothing.
    pub void: Vec<String>,
}

impl Verdict {
    /// Judges the books.
    pub fn of(books: &Books) -> Self {
        let mut broken = Vec::new();
        for law in LAWS.iter().filter(|law| books.unhealed.is_none() || !law.needs_rest) {
            let mut found = (law.check)(books);
            let count = found.len();
            found.truncate(TOLD_MAX);
            if count > 0 {
                broken.push((law.name, count, found));
            }
        }
        Self { broken, void: voids(books) }
    }

    /// Red goes before void: what is broken is broken.
    pub fn colour(&self) -> Colour {
        match (self.broken.is_empty(), self.void.is_empty()) {
            (false, _) => Colour::Red,
            (true, false) => Colour::Void,
            (true, true) => Colour::Green,
        }
    }

    /// How often a law is broken, by the beginning of its name.
    pub fn count(&self, name: &str) -> usize {
        self.broken.iter().filter(|(law, ..)| law.starts_with(name)).map(|(_, count, _)| count).sum()
    }
}

fn voids(books: &Books) -> Vec<String> {
    let mut void = Vec::new();
    let by_kind = hits_by_kind(books);
    for kind in Kind::of(books.profile) {
        match by_kind.get(&kind) {
            None => void.push(format!("{} was never drawn", kind.as_str())),
            Some((count, 0)) => void.push(format!("{} hit nothing in {count} faults", kind.as_str())),
            Some(_) => {}
        }
    }
    if !repeated(books).any(|(_, _, reason)| reason == Reason::Fault) {
        void.push("no run was repeated because of a fault".to_owned());
    }
    if effects::fenced(books) == 0 {
        void.push("no zombie came late to the sink".to_owned());
    }
    if books.refused_outcomes == 0 && tried_ms(books) >= SPARSE_FROM_MS {
        void.push("no outcome came too late to be recorded".to_owned());
    }
    if projection::compared(books) == 0 {
        void.push("no task could be compared with the log".to_owned());
    }
    void.extend(unheard_of(books));
    void.extend(sparse(books));
    void.extend(standstill(books));
    void.extend(restarts::missing(books));
    let rate = ok_rate(books, false);
    if rate < OK_RATE_MIN {
        void.push(format!("in calm only {:.0} of 100 submits were answered with 202", rate * 100.0));
    }
    void
}

/// Names the reasons for which nothing ended: the laws about them looked at nothing.
fn unheard_of(books: &Books) -> impl Iterator<Item = String> {
    let told = books.snapshot.facts.ends.values().flat_map(|ends| ends.values().flatten());
    let told: HashSet<&str> = told.map(|told| told.record.reason.as_str()).collect();
    ["fatal", "error", "timeout", "deadline", "fail_fast", "skipped"]
        .into_iter()
        .filter(move |reason| !told.contains(reason))
        .map(|reason| format!("nothing ended for the reason {reason}"))
}

/// Says that a run of minutes was left alone for most of its time.
fn sparse(books: &Books) -> Option<String> {
    let tried_ms = tried_ms(books);
    let count = books.inflicted().count();
    let is_sparse = tried_ms >= SPARSE_FROM_MS && (count as u64) < tried_ms / FAULT_EVERY_MS;
    is_sparse.then(|| format!("only {count} faults in {} s", tried_ms / 1_000))
}

/// From the first fault until everything is healed.
fn tried_ms(books: &Books) -> u64 {
    let from = books.inflicted().map(|fault| fault.from).min().unwrap_or(books.healed_at);
    books.healed_at.saturating_sub(from)
}

/// Says that so much stood still by itself that the machine was tried, not Millstream.
fn standstill(books: &Books) -> Vec<String> {
    let from = books.healed_at - tried_ms(books);
    let all_ms = tried_ms(books).max(1) as f64;
    let part = |slack| books.stalled_ms((from, books.healed_at), slack, Kind::is_stall) as f64 / all_ms;
    let (stalled, excused) = (part(0), part(LEASE_MS));
    let mut void = Vec::new();
    if stalled > STALLED_MAX {
        void.push(format!("the machine, Redis or a worker stood still by itself for {:.0} of 100 ms", stalled * 100.0));
    }
    if excused > EXCUSED_MAX {
        void.push(format!("within a lease of a stall were {:.0} of 100 ms", excused * 100.0));
    }
    void
}

/// How many faults of each kind there were, and how much they hit.
pub fn hits_by_kind(books: &Books) -> BTreeMap<Kind, (u64, u64)> {
    let mut by_kind: BTreeMap<Kind, (u64, u64)> = BTreeMap::new();
    for fault in &books.faults {
        let (count, hits) = by_kind.entry(fault.kind).or_default();
        *count += 1;
        *hits += fault.hits;
    }
    by_kind
}

/// The part of all submits that was answered with 202, during faults or in calm.
pub fn ok_rate(books: &Books, is_during_faults: bool) -> f64 {
    let (mut ok, mut all) = (0_u32, 0_u32);
    let tries = books.submissions.iter().flat_map(|one| &one.tries).filter(|one| !one.is_other_body);
    for one in tries {
        let to = one.to.min(one.from + LEASE_MS);
        if books.inflicted().any(|fault| fault.meets(one.from, to, LEASE_MS / 2)) == is_during_faults {
            all += 1;
            ok += u32::from(matches!(one.answer, Answer::Accepted(_)));
        }
    }
    if all == 0 { 1.0 } else { f64::from(ok) / f64::from(all) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::sample::books;

    #[test]
    fn sound_books_of_a_run_with_one_fault_are_void_and_broken_ones_are_red() {
        let verdict = Verdict::of(&books());
        assert_eq!(verdict.colour(), Colour::Void);
        assert!(verdict.void.iter().any(|why| why == "power-loss was never drawn"));
        assert!(verdict.void.iter().any(|why| why.starts_with("no zombie")));
        assert!(!verdict.void.iter().any(|why| why.starts_with("kill-worker")), "{:?}", verdict.void);
        assert!(!verdict.void.iter().any(|why| why.starts_with("no task")), "{:?}", verdict.void);
        let mut broken = books();
        broken.snapshot.tasks.clear();
        let verdict = Verdict::of(&broken);
        assert_eq!((verdict.colour(), verdict.count("I1 ")), (Colour::Red, 1));
        assert!(verdict.void.iter().any(|why| why == "no task could be compared with the log"));
    }

    #[test]
    fn what_could_not_be_healed_is_red_and_judged_by_its_ledgers() {
        let mut books = books();
        books.snapshot = crate::snapshot::Snapshot::default();
        books.unhealed = Some("redis does not come back".to_owned());
        let verdict = Verdict::of(&books);
        assert_eq!(verdict.broken.iter().map(|(law, ..)| *law).collect::<Vec<_>>(), ["I10 liveness"]);
        books.sightings[1].revision = 0;
        assert_eq!(Verdict::of(&books).count("I4 "), 1);
    }

    #[test]
    fn a_machine_that_stands_still_makes_a_run_void() {
        let mut books = books();
        let mut stall = books.faults[0].clone();
        (stall.kind, stall.from, stall.to) = (Kind::MachineStall, 1_000, 1_500);
        books.faults.extend([stall.clone(), stall]);
        let machine = "the machine, Redis or a worker stood still by itself for 27 of 100 ms";
        assert!(voids(&books).iter().any(|why| why == machine));
        books.faults.truncate(2);
        books.faults[1].kind = Kind::WorkerStall;
        assert!(voids(&books).iter().any(|why| why == machine));
    }

    #[test]
    fn stalls_that_excuse_too_much_of_a_run_make_it_void() {
        let excuse = |count: u64| {
            let mut books = books();
            books.healed_at = 150 + 100_000;
            for at in 1..=count {
                let mut stall = books.faults[0].clone();
                (stall.kind, stall.from, stall.to) = (Kind::WorkerStall, at * 10_000, at * 10_000 + 250);
                books.faults.push(stall);
            }
            standstill(&books)
        };
        assert_eq!(excuse(4), Vec::<String>::new());
        assert_eq!(excuse(5), ["within a lease of a stall were 11 of 100 ms"]);
    }

    #[test]
    fn reasons_of_which_nothing_was_heard_are_named() {
        let mut books = books();
        assert_eq!(unheard_of(&books).count(), 6);
        books.snapshot.facts.take("T 1 0 cancelled 0 0 p 4 skipped", 1_850);
        assert_eq!(unheard_of(&books).count(), 5);
        assert!(!unheard_of(&books).any(|why| why.ends_with("skipped")));
    }

    #[test]
    fn a_run_of_minutes_with_fewer_than_sixty_faults_in_four_of_them_is_void() {
        let mut books = books();
        let fault = books.faults.remove(0);
        for count in [60, 59] {
            books.faults = vec![fault.clone(); count];
            books.healed_at = fault.from + 240_000;
            assert_eq!(sparse(&books), (count < 60).then(|| "only 59 faults in 240 s".to_owned()));
        }
        books.healed_at = fault.from + SPARSE_FROM_MS - 1;
        books.faults.truncate(1);
        assert_eq!(sparse(&books), None);
    }

    #[test]
    fn a_kind_that_only_hit_the_air_makes_a_run_void() {
        let mut books = books();
        books.faults[0].hits = 0;
        assert!(voids(&books).iter().any(|why| why == "kill-worker hit nothing in 1 faults"));
    }
}
