//! I8: what people read follows from the log. Records, counters and status are computed from the facts once more, by
//! rules written here, and compared.

use crate::books::Books;
use crate::snapshot::facts::Told;
use crate::snapshot::tasks::{Record, TaskBook};
use std::collections::BTreeMap;

/// Names every task that does not follow from its facts.
pub fn check(books: &Books) -> Vec<String> {
    let facts = &books.snapshot.facts;
    let empty = BTreeMap::new();
    let mut found = Vec::new();
    if facts.malformed > 0 {
        found.push(format!("{} lines of the log cannot be read", facts.malformed));
    }
    if books.profile.is_lossless() {
        let untold = books.snapshot.tasks.keys().filter(|task_id| !facts.created.contains(*task_id));
        found.extend(untold.map(|task_id| format!("task {task_id}: the log does not tell that it was created")));
    }
    for (task_id, book) in books.snapshot.tasks.iter().filter(|(task_id, _)| facts.created.contains(*task_id)) {
        let ends = facts.ends.get(task_id).unwrap_or(&empty);
        let mut tell = |what: String| found.push(format!("task {task_id}: {what}"));
        for ((generation, index), told) in ends {
            let by_workers = told.iter().filter(|one| one.record.outcome != "cancelled").count();
            if by_workers > 1 {
                tell(format!("subtask {index} ended {by_workers} times in generation {generation}: {told:?}"));
            }
        }
        compare(book, ends, &mut tell);
    }
    found
}

/// How many tasks could be compared.
pub fn compared(books: &Books) -> usize {
    let facts = &books.snapshot.facts;
    books.snapshot.tasks.keys().filter(|task_id| facts.created.contains(*task_id)).count()
}

fn compare(book: &TaskBook, ends: &BTreeMap<(u32, u32), Vec<Told>>, tell: &mut impl FnMut(String)) {
    let mut counters = [0; 3];
    for index in 0..book.total {
        let generation = book.generations.get(&index).copied().unwrap_or(0);
        let told = ends.get(&(generation, index)).and_then(|told| expected(told));
        let kept = book.records.get(&index);
        match (told, kept) {
            (Some(told), Some(kept)) if told == kept || is_cut_short(told, kept) => {}
            (None, None) => continue,
            (told, kept) => tell(format!("subtask {index} is kept as {kept:?}, the log says {told:?}")),
        }
        match kept.map(|record| record.outcome.as_str()) {
            Some("completed") => counters[0] += 1,
            Some("failed") => counters[1] += 1,
            Some("cancelled") => counters[2] += 1,
            _ => {}
        }
    }
    if counters != book.counters {
        tell(format!("counters are {:?}, the records say {counters:?}", book.counters));
    }
    let status = match counters {
        [completed, failed, cancelled] if completed + failed + cancelled < book.total => return,
        [_, failed, _] if failed > 0 => "failed",
        [_, _, cancelled] if cancelled > 0 => "cancelled",
        _ => "completed",
    };
    if status != book.status {
        tell(format!("it is {}, its records say {status}", book.status));
    }
}

/// A cancel beats every other end of its generation; else the one end that a worker told.
fn expected(told: &[Told]) -> Option<&Record> {
    let mut records = told.iter().map(|one| &one.record);
    records.clone().find(|record| record.outcome == "cancelled").or_else(|| records.next())
}

/// A cancel is recorded without the attempt it met.
fn is_cut_short(told: &Record, kept: &Record) -> bool {
    told.outcome == "cancelled" && kept.outcome == "cancelled"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::sample::{TASK, assert_breaks};

    #[test]
    fn whatever_does_not_follow_from_the_log_is_found() {
        assert_breaks(
            check,
            &[
                ("a second end", |books| books.snapshot.facts.take("T 1 0 failed 1 0 w 9", 9)),
                ("a missing fact", |books| {
                    books.snapshot.facts.ends.get_mut(TASK).unwrap().remove(&(0, 1));
                }),
                ("a cancel that was not recorded", |books| books.snapshot.facts.take("T 1 0 cancelled 0 0 api 9", 9)),
                ("an untold task", |books| books.snapshot.facts.created.clear()),
                ("a counter", |books| books.snapshot.tasks.get_mut(TASK).unwrap().counters = [1, 1, 0]),
                ("the status", |books| books.snapshot.tasks.get_mut(TASK).unwrap().status = "failed".to_owned()),
                ("a bad line", |books| books.snapshot.facts.take("T", 9)),
            ],
        );
    }
}
