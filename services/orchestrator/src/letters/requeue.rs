//! Giving dead letters back: one that belongs to a task opens a new generation of its subtask and of what was given up
//! for it; one that is nobody's goes back to the stream it came from.

use super::letter::Letter;
use super::walk::Walk;
use crate::context::Context;
use crate::refusal::Refusal;
use crate::replay::{chosen, requeue};
use crate::wire::letter_selection::{LetterRange, LetterSelection, RequeuedLetters};
use proto_schemas::{Outcome, WorkEntry};
use redis_store::StoreError;
use redis_store::dead_letters::Exhumed;
use redis_store::read::TaskView;
use redis_store::requeue::Requeued;
use std::error::Error;
use std::time::Instant;
use task_core::replay::{Selection, standing};

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
    let until = Instant::now() + context.letters_time;
    let mut giving = Giving { context, until, dealt_to: None, told: RequeuedLetters::default() };
    match selection {
        LetterSelection::These(ids) if is_dry_run => {
            giving.told.matched = super::there(context, ids).await?.len() as u64;
        }
        LetterSelection::These(ids) => {
            giving.page(&super::there(context, ids).await?).await?;
        }
        LetterSelection::Matching(range) if is_dry_run => {
            let mut walk = Walk::new(range);
            giving.told.matched = walk.rest(context, until).await?.len() as u64;
            giving.told.next_cursor = walk.next_cursor();
        }
        LetterSelection::Matching(range) => giving.matching(range).await?,
    }
    Ok(giving.told)
}

/// A request that gives many letters back.
struct Giving<'a> {
    context: &'a Context,
    until: Instant,
    /// The letter down to which none is left.
    dealt_to: Option<String>,
    told: RequeuedLetters,
}

impl Giving<'_> {
    /// Page by page, so that what was read is worked on before the time is over.
    async fn matching(&mut self, range: &LetterRange) -> Result<(), Refusal> {
        let mut walk = Walk::new(range);
        loop {
            match walk.next(self.context).await {
                Ok(None) => return Ok(()),
                Ok(Some(ids)) if self.page(&ids).await? => self.dealt_to = walk.next_cursor(),
                Err(refusal) if !self.has_dealt() => return Err(refusal),
                Ok(Some(_)) | Err(_) => break,
            }
            if self.is_over() {
                break;
            }
        }
        self.told.next_cursor = self.dealt_to.clone();
        Ok(())
    }

    /// Says whether all of it is dealt with. The first letter always is, so that whoever goes on gets on.
    async fn page(&mut self, ids: &[String]) -> Result<bool, Refusal> {
        self.told.matched += ids.len() as u64;
        for (at, id) in ids.iter().enumerate() {
            let is_over = self.has_dealt() && self.is_over();
            match if is_over { None } else { Some(one(self.context, id).await) } {
                Some(Ok(())) => self.told.requeued += 1,
                Some(Err(Refusal::LetterNotFound | Refusal::LetterGone)) => self.told.gone += 1,
                Some(Err(Refusal::LetterUnfit)) => self.told.unfit += 1,
                Some(Err(refusal)) if is_of_the_letter(&refusal) => {
                    tracing::warn!(
                        entry_id = id,
                        error = &refusal as &(dyn Error + 'static),
                        "a dead letter cannot be given back"
                    );
                    self.told.unfit += 1;
                }
                Some(Err(refusal)) if !self.has_dealt() => return Err(refusal),
                // What is done is told; whoever asks again for the rest hears why.
                Some(Err(_)) | None => {
                    self.told.left += (ids.len() - at) as u64;
                    return Ok(false);
                }
            }
            self.dealt_to = Some(id.clone());
        }
        Ok(true)
    }

    fn has_dealt(&self) -> bool {
        self.told.requeued + self.told.gone + self.told.unfit > 0
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// Whether it is about this letter or its task, and the next one may fare better.
fn is_of_the_letter(refusal: &Refusal) -> bool {
    use StoreError::{Document, Refused, Reply, WrongType};
    matches!(refusal, Refusal::RunsExhausted | Refusal::Store(Document(_) | Refused(_) | Reply(_) | WrongType(_)))
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
    let items = chosen(context, view, Selection::These(&[entry.index])).await?;
    match requeue(context, view, &items, Some(&letter.entry_id)).await? {
        Requeued::Requeued => Ok(()),
        Requeued::Gone => Err(Refusal::LetterGone),
    }
}

async fn give_to_stream(context: &Context, letter: &Letter) -> Result<(), Refusal> {
    let stream = letter.stream().ok_or(Refusal::LetterUnfit)?;
    context.admit()?;
    match context.ask(context.store.exhume(&letter.entry_id, &stream)).await? {
        Exhumed::Exhumed => Ok(()),
        Exhumed::Gone => Err(Refusal::LetterNotFound),
        Exhumed::Unfit => Err(Refusal::LetterUnfit),
    }
}
