//! I1: every acknowledged order is a task that has ended, with one record for each of its subtasks; unless the profile
//! says that it may be gone, and then it is counted. A loss of everything is told by the API.

use crate::books::{Books, WINDOW_MS};
use crate::fault::Kind;
use crate::installation::LEASE_MS;
use crate::ledger::fault::Fault;
use crate::ledger::submission::Submission;
use crate::ledger::telling::Telling;
use crate::options::Profile;
use std::collections::HashMap;

/// How long an orchestrator may take to notice a loss, in ms: it looks once a second.
const NOTICED_WITHIN_MS: u64 = 2_000;

/// Names every acknowledged order that is lost, and every loss that was not told or not to be.
pub fn check(books: &Books) -> Vec<String> {
    let mut found: Vec<String> = books.submissions.iter().filter_map(|one| loss(books, one)).collect();
    if books.profile == Profile::Always {
        let open = books.submissions.iter().filter(|one| one.task_id().is_none() && one.may_exist());
        found.extend(open.map(|one| format!("order {}: nobody could say in the end whether it is stored", one.seq)));
    }
    let flushes = || books.inflicted().filter(|fault| fault.kind == Kind::FlushAll && fault.hits > 0);
    if flushes().next().is_some() && books.tellings.iter().all(|telling| telling.losses == 0) {
        found.push("Redis was emptied, and /ready does not tell of a loss".to_owned());
    }
    for (flush, telling) in flushes().flat_map(|flush| untold(books, flush).map(move |telling| (flush, telling))) {
        let Telling { orchestrator, at, losses } = telling;
        found.push(format!("Redis was emptied at {}, and {orchestrator} still tells of {losses} at {at}", flush.from));
    }
    found.extend(books.inflicted().filter_map(|fault| long_window(books, fault)));
    found
}

/// How many acknowledged orders are gone as the profile says they may be.
pub fn excused(books: &Books) -> usize {
    let is_gone = |task_id: &str| !books.snapshot.tasks.contains_key(task_id);
    let gone = |one: &&Submission| one.task_id().is_some_and(|task_id| is_gone(task_id)) && may_be_gone(books, one);
    books.submissions.iter().filter(gone).count()
}

/// Whether this order may be gone by what the profile says.
pub fn may_be_gone(books: &Books, one: &Submission) -> bool {
    one.sent_at().zip(one.acknowledged_at()).is_some_and(|(sent, told)| books.may_be_gone(sent, told))
}

/// What is missing of an order; that it is gone is no loss if it may be, and what is there has to be whole.
fn loss(books: &Books, one: &Submission) -> Option<String> {
    let task_id = one.task_id()?;
    let seq = one.seq;
    let Some(book) = books.snapshot.tasks.get(&**task_id) else {
        return (!may_be_gone(books, one)).then(|| format!("order {seq}, task {task_id}: acknowledged and gone"));
    };
    if !["completed", "failed", "cancelled"].contains(&book.status.as_str()) {
        return Some(format!("order {seq}, task {task_id}: still {}", book.status));
    }
    let missing: Vec<u32> = (0..one.edges.len() as u32).filter(|index| !book.records.contains_key(index)).collect();
    (!missing.is_empty()).then(|| format!("order {seq}, task {task_id}: no record of {missing:?}"))
}

/// Orchestrators that lived through a loss, with nothing else in the way, and do not tell of one more after it.
fn untold<'a>(books: &'a Books, flush: &'a Fault) -> impl Iterator<Item = &'a Telling> {
    let last = books.tellings.iter().filter(|one| one.at < flush.from);
    let before: HashMap<&str, &Telling> = last.map(|one| (one.orchestrator.as_str(), one)).collect();
    before.into_values().filter_map(move |before| {
        let is_after =
            |one: &&Telling| one.at >= flush.to + NOTICED_WITHIN_MS && one.orchestrator == before.orchestrator;
        let after = books.tellings.iter().find(is_after)?;
        let disturbs = |fault: &&Fault| {
            let concerns = fault.targets.iter().any(|name| *name == before.orchestrator || name == "redis");
            *fault != flush && concerns && fault.meets(before.at, after.at, LEASE_MS)
        };
        (after.losses <= before.losses && !books.faults.iter().any(|fault| disturbs(&fault))).then_some(after)
    })
}

/// Whether a power loss took more than `everysec` may lose, with nothing before it that held the syncs up: a clock that
/// was turned or a Redis that was killed or stopped may.
fn long_window(books: &Books, loss: &Fault) -> Option<String> {
    let from = loss.lost_from.filter(|_| books.profile == Profile::Everysec)?;
    let window_ms = loss.from.saturating_sub(from);
    let holds_up = |fault: &&Fault| {
        *fault != loss && fault.targets.iter().any(|name| name == "redis") && fault.meets(from, loss.from, LEASE_MS)
    };
    let is_held_up = books.faults.iter().any(|fault| holds_up(&fault));
    (window_ms > WINDOW_MS && !is_held_up)
        .then(|| format!("power was lost at {}, and Redis had not synced for {window_ms} ms", loss.from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::sample::{TASK, assert_breaks, books};
    use crate::ledger::submission::Answer;

    #[test]
    fn a_lost_task_an_open_one_and_a_missing_record_are_found() {
        assert_breaks(
            check,
            &[
                ("gone", |books| drop(books.snapshot.tasks.remove(TASK))),
                ("untold", |books| books.faults[0].kind = Kind::FlushAll),
                ("unknown", |books| books.submissions[0].tries[0].answer = Answer::Indefinite),
                ("open", |books| books.snapshot.tasks.get_mut(TASK).unwrap().status = "processing".to_owned()),
                ("no record", |books| {
                    books.snapshot.tasks.get_mut(TASK).unwrap().records.remove(&1);
                }),
            ],
        );
    }

    #[test]
    fn what_was_acknowledged_in_the_window_before_a_power_loss_may_be_gone_with_everysec_only() {
        let mut books = books();
        books.snapshot.tasks.clear();
        books.faults[0].kind = Kind::PowerLoss;
        assert_eq!((check(&books).len(), excused(&books)), (1, 0));
        books.profile = Profile::Everysec;
        assert_eq!((check(&books).len(), excused(&books)), (0, 1));
        (books.faults[0].from, books.faults[0].to) = (9_000, 9_500);
        assert_eq!((check(&books).len(), excused(&books)), (1, 0));
    }

    #[test]
    fn a_loss_may_take_a_task_and_not_leave_it_unfinished() {
        let mut books = books();
        books.profile = Profile::Flushall;
        books.faults[0].kind = Kind::FlushAll;
        books.tellings.push(Telling { orchestrator: "orchestrator-1".to_owned(), at: 5_000, losses: 1 });
        books.snapshot.tasks.get_mut(TASK).unwrap().status = "processing".to_owned();
        assert_eq!(check(&books), ["order 1, task T: still processing"]);
        books.snapshot.tasks.clear();
        assert_eq!((check(&books).len(), excused(&books)), (0, 1));
    }

    #[test]
    fn whoever_lives_through_a_loss_undisturbed_tells_of_it() {
        let mut books = books();
        books.profile = Profile::Flushall;
        books.faults[0].kind = Kind::FlushAll;
        (books.faults[0].from, books.faults[0].to) = (10_000, 10_010);
        let telling = |number: u32, at, losses| Telling { orchestrator: format!("orchestrator-{number}"), at, losses };
        books.tellings = vec![telling(1, 9_900, 1), telling(2, 9_900, 0), telling(1, 12_100, 2), telling(2, 12_200, 1)];
        assert_eq!(check(&books), Vec::<String>::new());
        books.tellings[3].losses = 0;
        assert_eq!(check(&books), ["Redis was emptied at 10000, and orchestrator-2 still tells of 0 at 12200"]);
        let mut killed = books.faults[0].clone();
        (killed.kind, killed.targets) = (Kind::KillOrchestrator, vec!["orchestrator-2".to_owned()]);
        books.faults.push(killed);
        assert_eq!(check(&books), Vec::<String>::new());
    }

    #[test]
    fn more_than_everysec_may_lose_is_found_unless_something_held_the_syncs_up() {
        let mut books = books();
        books.profile = Profile::Everysec;
        books.faults[0].kind = Kind::PowerLoss;
        (books.faults[0].from, books.faults[0].to) = (10_000, 11_000);
        books.faults[0].lost_from = Some(8_000);
        assert_eq!(check(&books), Vec::<String>::new());
        books.faults[0].lost_from = Some(7_999);
        assert_eq!(check(&books), ["power was lost at 10000, and Redis had not synced for 2001 ms"]);
        let mut jump = books.faults[0].clone();
        (jump.kind, jump.from, jump.to, jump.lost_from) = (Kind::ClockJump, 7_000, 7_500, None);
        (jump.targets, books.faults[0].targets) = (vec!["redis".to_owned()], vec!["redis".to_owned()]);
        books.faults.push(jump);
        assert_eq!(check(&books), Vec::<String>::new());
        books.faults[0].lost_from = Some(50);
        books.snapshot.tasks.clear();
        assert_eq!((check(&books).len(), excused(&books)), (0, 1), "acknowledged after the last sync");
        books.faults[0].lost_from = Some(111);
        assert_eq!((check(&books).len(), excused(&books)), (1, 0), "acknowledged before it");
    }
}
