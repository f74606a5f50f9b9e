//! I1: every acknowledged order is a task that has ended, with one record for each of its subtasks; unless the profile
//! says that it may be gone, and then it is counted. A loss of everything is told by the API.

use crate::books::Books;
use crate::fault::Kind;
use crate::ledger::submission::Submission;

/// Names every acknowledged order that is lost.
pub fn check(books: &Books) -> Vec<String> {
    let lost = books.submissions.iter().filter(|one| !may_be_gone(books, one));
    let mut found: Vec<String> = lost.filter_map(|one| loss(books, one)).collect();
    if books.losses_told == 0 && books.inflicted().any(|fault| fault.kind == Kind::FlushAll && fault.hits > 0) {
        found.push("Redis was emptied, and /ready does not tell of a loss".to_owned());
    }
    found
}

/// How many acknowledged orders are gone as the profile says they may be.
pub fn excused(books: &Books) -> usize {
    books.submissions.iter().filter(|one| may_be_gone(books, one) && loss(books, one).is_some()).count()
}

/// Whether this order may be gone by what the profile says.
pub fn may_be_gone(books: &Books, one: &Submission) -> bool {
    let sent = one.tries.iter().filter(|one| !one.is_other_body).map(|one| one.from).min();
    sent.zip(one.acknowledged_at()).is_some_and(|(sent, told)| books.may_be_gone(sent, told))
}

fn loss(books: &Books, one: &Submission) -> Option<String> {
    let task_id = one.task_id()?;
    let seq = one.seq;
    let Some(book) = books.snapshot.tasks.get(&**task_id) else {
        return Some(format!("order {seq}, task {task_id}: acknowledged and gone"));
    };
    if !["completed", "failed", "cancelled"].contains(&book.status.as_str()) {
        return Some(format!("order {seq}, task {task_id}: still {}", book.status));
    }
    let missing: Vec<u32> = (0..one.parents.len() as u32).filter(|index| !book.records.contains_key(index)).collect();
    (!missing.is_empty()).then(|| format!("order {seq}, task {task_id}: no record of {missing:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::sample::{TASK, assert_breaks, books};
    use crate::options::Profile;

    #[test]
    fn a_lost_task_an_open_one_and_a_missing_record_are_found() {
        assert_breaks(
            check,
            &[
                ("gone", |books| drop(books.snapshot.tasks.remove(TASK))),
                ("untold", |books| books.faults[0].kind = Kind::FlushAll),
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
}
