//! I4: for every reader the revision of a task never falls, and an end stays the end it was unless somebody runs it
//! again, also when it is read through another orchestrator; what a client was told is cancelled does not complete
//! after all.

use crate::books::Books;
use crate::law::loss;
use crate::ledger::sighting::Sighting;
use crate::ledger::submission::Cancel;
use std::collections::HashMap;

/// Names every reader who saw time go back.
pub fn check(books: &Books) -> Vec<String> {
    let reopened = books.reopened();
    let mut last: HashMap<(u32, &str), &Sighting> = HashMap::new();
    let mut found = Vec::new();
    for now in &books.sightings {
        let Some(before) = last.insert((now.reader, &now.task_id), now) else { continue };
        let goes_back = now.revision < before.revision;
        let is_undone = before.ended.is_some() && now.ended != before.ended;
        let is_reopened = reopened.get(&*now.task_id).is_some_and(|asked| asked.iter().any(|one| one.from <= now.at));
        if (goes_back || is_undone && !is_reopened) && !books.may_go_back(before.at, now.at) {
            let shown = |one: &Sighting| format!("revision {} {:?}", one.revision, one.ended);
            found.push(format!("task {}: {} and then {}", now.task_id, shown(before), shown(now)));
        }
    }
    for one in books.submissions.iter().filter(|one| one.cancel == Cancel::Acknowledged) {
        let book = one.task_id().and_then(|task_id| books.snapshot.tasks.get(&**task_id));
        if book.is_some_and(|book| book.status == "completed") && !loss::may_be_gone(books, one) {
            found.push(format!("order {}: the client was told that it is cancelled, and it completed", one.seq));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::sample::assert_breaks;
    use crate::ledger::sighting::Ended;

    #[test]
    fn a_falling_revision_and_an_end_undone_are_found() {
        assert_breaks(
            check,
            &[
                ("falls", |books| books.sightings[1].revision = 0),
                ("a cancel", |books| books.submissions[0].cancel = Cancel::Acknowledged),
                ("undone", |books| {
                    let mut later = books.sightings[1].clone();
                    (later.revision, later.ended) = (5, Some(Ended::Failed));
                    books.sightings.push(later);
                }),
            ],
        );
    }
}
