//! Giving dead letters back: one that belongs to a task opens a new generation of its subtask and of what was given up for
//! it; one that is nobody's goes back to the stream it came from.

use super::letter::Letter;
use crate::context::Context;
use crate::refusal::Refusal;
use crate::replay::requeue;
use crate::wire::letter_selection::{LetterSelection, RequeuedLetters};
use proto_schemas::{Outcome, WorkEntry};
use redis_store::dead_letters::Exhumed;
use redis_store::read::TaskView;
use redis_store::requeue::Requeued;
use std::time::{Duration, Instant};
use task_core::replay::{Selection, again, standing};

/// A request that gives many back answers after this at the latest, and says how many are left.
const WORK_MAX: Duration = Duration::from_secs(20);

/// Gives one letter back.
pub async fn one(context: &Context, letter_id: &str) -> Result<(), Refusal> {
    let stored = context.ask(context.store.dead_letter(letter_id)).await?.ok_or(Refusal::LetterNotFound)?;
    let letter = Letter::read(stored);
    let Some(entry) = &letter.entry else { return Err(Refusal::LetterUnfit) };
    let task = context.ask(context.store.task(&entry.task_id)).await?;
    match task.filter(|view| is_of(entry, view)) {
        Some(view) => give_to_task(context, &letter, entry, &view).await,
        None => give_to_stream(context, &letter).await,
    }
}

/// Gives back what is selected, or says how many that would be.
pub async fn several(
    context: &Context,
    selection: &LetterSelection,
    is_dry_run: bool,
) -> Result<RequeuedLetters, Refusal> {
    let ids = super::selected(context, selection).await?;
    let mut told = RequeuedLetters { matched: ids.len() as u64, ..RequeuedLetters::default() };
    if is_dry_run {
        return Ok(told);
    }
    let started = Instant::now();
    for id in &ids {
        if started.elapsed() >= WORK_MAX {
            break;
        }
        match one(context, id).await {
            Ok(()) => told.requeued += 1,
            Err(Refusal::LetterNotFound | Refusal::LetterGone) => told.gone += 1,
            Err(Refusal::LetterUnfit) => told.unfit += 1,
            Err(refusal) if told.requeued == 0 => return Err(refusal),
            Err(_) => break, // what is done is told; whoever asks again for the rest hears why
        }
    }
    told.left = told.matched - told.requeued - told.gone - told.unfit;
    Ok(told)
}

/// Whether the entry is a subtask of this task and not only names it.
pub fn is_of(entry: &WorkEntry, view: &TaskView) -> bool {
    (entry.index as usize) < view.task.subtasks.len()
        && view.task.task_id.subtask(entry.index).is_ok_and(|subtask_id| subtask_id == entry.subtask_id)
}

async fn give_to_task(context: &Context, letter: &Letter, entry: &WorkEntry, view: &TaskView) -> Result<(), Refusal> {
    let standing = standing(&view.outcomes, entry.index);
    let has_failed = standing.record.is_some_and(|record| record.outcome != Outcome::Completed);
    if standing.generation != entry.generation || !has_failed {
        return Err(Refusal::LetterGone);
    }
    let items = again(&view.task.subtasks, &view.outcomes, Selection::These(&[entry.index]));
    match requeue(context, view, &items, Some(&letter.entry_id)).await? {
        Requeued::Requeued => Ok(()),
        Requeued::Gone => Err(Refusal::LetterGone),
    }
}

async fn give_to_stream(context: &Context, letter: &Letter) -> Result<(), Refusal> {
    let stream = letter.stream().ok_or(Refusal::LetterUnfit)?;
    match context.ask(context.store.exhume(&letter.entry_id, &stream)).await? {
        Exhumed::Exhumed => Ok(()),
        Exhumed::Gone => Err(Refusal::LetterNotFound),
        Exhumed::Unfit => Err(Refusal::LetterUnfit),
    }
}
