//! I7: what is recorded as completed had its effect exactly once; the run that is recorded is the one with the greatest
//! fence, and no two runs ever shared a fence; unless a power loss took the read that had begun the first of them.

use crate::books::Books;
use crate::clock::Moment;
use crate::ledger::effect::Answer;
use crate::ledger::run::{Fence, Run};
use std::collections::HashMap;

/// Names every effect that is missing or double, and every record by a run that had lost its right.
pub fn check(books: &Books) -> Vec<String> {
    let mut applied: HashMap<(&str, u32), u32> = HashMap::new();
    let mut found = Vec::new();
    for effect in &books.effects {
        let subtask = (effect.task_id.as_str(), effect.index);
        match effect.answer {
            Answer::Applied => *applied.entry(subtask).or_default() += 1,
            Answer::Doubled if is_excused(books, &effect.task_id, effect.at) => {}
            Answer::Doubled => {
                found.push(format!("task {} subtask {}: twice under {}", subtask.0, subtask.1, effect.fence));
            }
            Answer::Opened | Answer::Repeated | Answer::Refused => {}
        }
    }
    let subtasks = books.subtasks();
    for (subtask, runs) in &subtasks {
        let shares = |pair: &[&Run]| {
            pair[0].fence == pair[1].fence
                && !books.may_go_back(pair[0].from.min(pair[1].from), pair[1].from.max(pair[0].from))
        };
        if runs.windows(2).any(shares) {
            found.push(format!("task {} subtask {}: two runs under one fence", subtask.0, subtask.1));
        }
    }
    for (task_id, book) in &books.snapshot.tasks {
        for (&index, _) in book.records.iter().filter(|(_, record)| record.outcome == "completed") {
            let subtask = (task_id.as_str(), index);
            let count = applied.get(&subtask).copied().unwrap_or(0);
            if count != 1 {
                found.push(format!("task {task_id} subtask {index}: completed with {count} effects"));
            }
            let greatest = subtasks.get(&subtask).and_then(|runs| Books::greatest_fence(runs));
            let winner = book.winners.get(&index).copied();
            let later = || subtasks.get(&subtask).into_iter().flatten().filter(|run| Some(run.fence) > winner);
            let is_last = winner == greatest || later().all(|run| is_forgotten(books, run));
            if winner.is_none() || !is_last {
                let text = |fence: Option<_>| fence.map_or_else(|| "none".to_owned(), |it: Fence| it.to_string());
                let (winner, greatest) = (text(winner), text(greatest));
                found.push(format!("task {task_id} subtask {index}: recorded by {winner}, the last run is {greatest}"));
            }
        }
    }
    found
}

/// Whether the read that began a run may have been forgotten, so that the same entry was read again: what a power loss
/// does to a read that was not synced, where the profile lets it.
fn is_excused(books: &Books, task_id: &str, at: Moment) -> bool {
    let first = books.runs.iter().filter(|run| run.task_id == task_id).map(|run| run.from).min().unwrap_or(at);
    books.may_go_back(first, at)
}

/// Whether a power loss may have taken all that a run recorded, and what asked for it, so that an earlier record
/// stands.
fn is_forgotten(books: &Books, run: &Run) -> bool {
    books.may_be_gone(run.from, run.end.map_or(books.healed_at, |(at, _)| at))
}

/// How many runs came with an effect that another had had before them: a handler without a key of its own would have
/// had it twice. I6 says why each of them ran.
pub fn repeated(books: &Books) -> usize {
    books.effects.iter().filter(|effect| effect.answer == Answer::Repeated).count()
}

/// How many late runs the sink refused.
pub fn fenced(books: &Books) -> usize {
    books.effects.iter().filter(|effect| effect.answer == Answer::Refused).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Kind;
    use crate::law::sample::{TASK, assert_breaks, books};
    use crate::options::Profile;

    #[test]
    fn missing_and_double_effects_and_records_by_late_runs_are_found() {
        assert_breaks(
            check,
            &[
                ("none", |books| books.effects.retain(|effect| effect.answer != Answer::Applied)),
                ("two", |books| books.effects.push(books.effects[2].clone())),
                ("doubled", |books| books.effects[1].answer = Answer::Doubled),
                ("a shared fence", |books| books.runs[0].fence = books.runs[1].fence),
                ("a zombie's record", |books| {
                    books.snapshot.tasks.get_mut(TASK).unwrap().winners.insert(0, Fence(5, 0));
                }),
                ("no result", |books| {
                    books.snapshot.tasks.get_mut(TASK).unwrap().winners.clear();
                }),
            ],
        );
    }

    #[test]
    fn an_earlier_record_may_stand_again_if_the_later_run_was_not_synced() {
        let mut books = books();
        let mut replayed = books.runs[2].clone();
        (replayed.fence, replayed.from, replayed.end) =
            (Fence(9, 0), 5_000, Some((5_010, crate::ledger::run::End::Done)));
        books.runs.push(replayed);
        books.faults[0].kind = Kind::PowerLoss;
        (books.faults[0].from, books.faults[0].to, books.faults[0].lost_from) = (5_400, 6_000, Some(4_900));
        assert_eq!(check(&books).len(), 1, "always loses nothing");
        books.profile = Profile::Everysec;
        assert_eq!(check(&books), Vec::<String>::new());
        books.faults[0].lost_from = Some(5_100);
        assert_eq!(check(&books).len(), 1, "it had been synced");
    }
}
