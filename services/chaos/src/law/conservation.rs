//! I2: the counters of every task add up to its subtasks, and no entry was added to a work stream that nothing
//! accounts for.

use crate::books::Books;

/// Names tasks whose counters do not add up, and work out of nowhere.
pub fn check(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    let (mut subtasks, snapshot) = (0, &books.snapshot);
    for (task_id, book) in &snapshot.tasks {
        subtasks += u64::from(book.total);
        let [completed, failed, cancelled] = book.counters;
        if completed + failed + cancelled != book.total {
            found.push(format!("task {task_id}: {:?} of {} have ended", book.counters, book.total));
        }
    }
    let count = |word: &str| snapshot.facts.counts.get(word).copied().unwrap_or(0);
    let again: u64 = ["crashed", "retrying", "returned", "parked", "requeued"].map(count).iter().sum();
    // A profile that loses facts cannot account for entries, and a log that was trimmed does not either.
    let is_whole = snapshot.facts.created.len() == snapshot.tasks.len();
    if is_whole && snapshot.entries_added > subtasks + again {
        let added = snapshot.entries_added;
        found.push(format!("{added} work entries were added, {subtasks} subtasks and {again} facts account for fewer"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::sample::{TASK, assert_breaks};

    #[test]
    fn counters_that_do_not_add_up_and_work_out_of_nowhere_are_found() {
        assert_breaks(
            check,
            &[
                ("a counter", |books| books.snapshot.tasks.get_mut(TASK).unwrap().counters[0] = 1),
                ("an entry too many", |books| books.snapshot.entries_added += 1),
            ],
        );
    }
}
