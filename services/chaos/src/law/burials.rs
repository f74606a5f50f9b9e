//! I6 of the dead: whoever was buried for crashes crashed as often as the log says, and each of these crashes has a
//! fault of its own behind it.
//!
//! The evidence is the copied log and the execution log: letters do not stay where they are put, and how many faults
//! came anywhere near says little about a subtask that lived long.

use crate::books::Books;
use crate::clock::Moment;
use crate::law::attempts::explains;
use crate::ledger::fault::Fault;
use crate::ledger::run::Run;
use crate::snapshot::facts::Told;

/// Crashes after which a subtask may be buried.
const CRASHES_MAX: u32 = 3;

/// One crash: the run that it ended, if the execution log has one, and between which moments it came.
struct Crash<'a> {
    run: Option<&'a Run>,
    from: Moment,
    to: Moment,
}

/// Names every burial that faults do not account for.
pub fn check(books: &Books) -> Vec<String> {
    if !books.profile.is_lossless() {
        return Vec::new();
    }
    let (mut found, subtasks) = (Vec::new(), books.subtasks());
    for (task_id, (generation, index), burial) in all(books) {
        let runs = subtasks.get(&(task_id, index)).map_or(&[][..], |runs| runs);
        let crashes = burial.record.crashes;
        let explained = explained(&books.faults, &crashes_of(runs, burial));
        if crashes < CRASHES_MAX || explained < crashes as usize {
            found.push(format!(
                "task {task_id} subtask {index}: buried in generation {generation} for {crashes} crashes, and faults of \
                 their own explain {explained}"
            ));
        }
    }
    found
}

/// Every burial for crashes: the task, generation and index, and the fact.
pub fn all(books: &Books) -> impl Iterator<Item = (&str, (u32, u32), &Told)> {
    let is_burial = |told: &&Told| told.record.outcome == "failed" && told.record.reason == "crashes";
    let ends = books.snapshot.facts.ends.iter();
    ends.flat_map(move |(task_id, ends)| {
        let burials = ends.iter().filter_map(move |(place, told)| Some((*place, told.iter().find(is_burial)?)));
        burials.map(move |(place, told)| (task_id.as_str(), place, told))
    })
}

/// The crashes that led to a burial, the first one first. A crash that left no run met an entry that was read and not
/// begun.
fn crashes_of<'a>(runs: &[&'a Run], burial: &Told) -> Vec<Crash<'a>> {
    let last_life = last_life(runs, burial);
    let mut crashes: Vec<Crash<'_>> = Vec::new();
    for count in 0..burial.record.crashes {
        let at = last_life.iter().rposition(|run| run.crashes == count);
        let next = match at {
            Some(at) => last_life.get(at + 1),
            None => last_life.iter().find(|run| run.crashes > count),
        };
        let run = at.and_then(|at| last_life.get(at).copied());
        let from = run.map(|run| run.from).or_else(|| crashes.last().map(|crash| crash.from)).unwrap_or(0);
        crashes.push(Crash { run, from, to: next.map_or(burial.seen_at, |next| next.from) });
    }
    crashes
}

/// The runs of the generation that was buried: the last that began before the fact was read and among which neither
/// attempt nor crashes go back.
fn last_life<'a, 'b>(runs: &'b [&'a Run], burial: &Told) -> &'b [&'a Run] {
    let begun = runs.iter().rposition(|run| run.from <= burial.seen_at).map_or(0, |at| at + 1);
    let goes_back = |pair: &[&Run]| pair[1].attempt < pair[0].attempt || pair[1].crashes < pair[0].crashes;
    let first = runs[..begun].windows(2).rposition(goes_back).map_or(0, |at| at + 1);
    &runs[first..begun]
}

/// How many of these crashes have a fault of their own. Whoever is killed twice has two.
fn explained(faults: &[Fault], crashes: &[Crash<'_>]) -> usize {
    let blows: Vec<&Fault> = faults
        .iter()
        .filter(|fault| fault.kind.repeats_runs())
        .flat_map(|fault| std::iter::repeat_n(fault, fault.kind.blows()))
        .collect();
    let reached: Vec<Vec<usize>> =
        crashes.iter().map(|crash| (0..blows.len()).filter(|&blow| reaches(blows[blow], crash)).collect()).collect();
    let mut taken = vec![None; blows.len()];
    (0..crashes.len()).filter(|&crash| assign(crash, &reached, &mut taken, &mut vec![false; blows.len()])).count()
}

fn reaches(fault: &Fault, crash: &Crash<'_>) -> bool {
    match crash.run {
        Some(run) => explains(fault, run, crash.to),
        None => fault.meets(crash.from, crash.to, 0),
    }
}

/// Finds a blow for a crash, so that those which have one keep one: the augmenting paths of a matching.
fn assign(crash: usize, reached: &[Vec<usize>], taken: &mut [Option<usize>], seen: &mut [bool]) -> bool {
    for &blow in &reached[crash] {
        if std::mem::replace(&mut seen[blow], true) {
            continue;
        }
        if taken[blow].is_none_or(|other| assign(other, reached, taken, seen)) {
            taken[blow] = Some(crash);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Kind;
    use crate::law::sample::books;
    use crate::ledger::run::Fence;
    use crate::options::Profile;

    /// The books in which subtask 0 of another task was killed three times, each time with its worker.
    fn buried() -> Books {
        let mut books = books();
        for (count, pid) in (11..14).enumerate() {
            let from = 2_000 * (count as u64 + 1);
            let mut run = books.runs[0].clone();
            (run.task_id, run.worker, run.pid) = ("B".to_owned(), format!("worker-{pid}"), pid);
            (run.fence, run.crashes, run.from) = (Fence(10 + count as u64, 0), count as u32, from);
            books.runs.push(run);
            let mut kill = books.faults[0].clone();
            (kill.pids, kill.targets) = (vec![pid], vec![format!("worker-{pid}")]);
            (kill.from, kill.to) = (from + 100, from + 200);
            books.faults.push(kill);
        }
        books.snapshot.facts.take("B 0 0 failed 1 3 worker-2-2-x 9 crashes", 7_500);
        books
    }

    #[test]
    fn a_burial_after_three_kills_is_sound_and_each_has_to_be_there() {
        assert_eq!(check(&buried()), Vec::<String>::new());
        for kill in 1..4 {
            let mut books = buried();
            books.faults.remove(kill);
            assert_eq!(check(&books).len(), 1, "kill {kill}");
        }
        let mut early = buried();
        early.snapshot.facts.take("C 0 0 failed 1 2 worker-2-2-x 9 crashes", 7_500);
        assert_eq!(check(&early).len(), 1, "after two crashes");
        let mut lossy = buried();
        lossy.faults.clear();
        lossy.profile = Profile::Flushall;
        assert_eq!(check(&lossy), Vec::<String>::new());
    }

    #[test]
    fn one_fault_explains_one_crash_and_a_double_kill_two() {
        let mut books = buried();
        books.faults.truncate(3);
        books.faults[2].targets = vec!["redis".to_owned()];
        (books.faults[2].from, books.faults[2].to) = (4_100, 6_100);
        assert_eq!(check(&books).len(), 1);
        books.faults[2].kind = Kind::KillTwice;
        assert_eq!(check(&books), Vec::<String>::new());
    }

    #[test]
    fn faults_of_an_earlier_life_or_after_a_life_explain_nothing() {
        let mut books = buried();
        for run in &mut books.runs[3..] {
            (run.from, run.fence.0) = (run.from + 10_000, run.fence.0 + 100);
        }
        books.snapshot.facts.ends.get_mut("B").unwrap().get_mut(&(0, 0)).unwrap()[0].seen_at = 17_500;
        assert_eq!(check(&books).len(), 1);
        let mut other = buried();
        let mut killed = other.runs[4].clone();
        (killed.pid, killed.fence, killed.from) = (20, Fence(9, 0), 1_000);
        other.runs[4] = killed;
        (other.faults[2].pids, other.faults[2].from, other.faults[2].to) = (vec![20], 1_100, 1_200);
        assert_eq!(check(&other).len(), 1, "the crash of another life");
        let mut earlier = buried();
        let mut fatal = earlier.runs[3].clone();
        (fatal.attempt, fatal.fence) = (2, Fence(9, 0));
        earlier.runs.push(fatal);
        assert_eq!(check(&earlier), Vec::<String>::new(), "another life before this one");
    }

    #[test]
    fn an_entry_that_was_read_and_not_begun_needs_a_fault_too() {
        let mut books = buried();
        books.runs.remove(4);
        assert_eq!(check(&books), Vec::<String>::new());
        books.faults.remove(2);
        assert_eq!(check(&books).len(), 1);
    }
}
