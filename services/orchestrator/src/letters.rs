//! Dead letters as an operator deals with them: looked through page by page, given back, thrown away.
//!
//! A list walks backwards from its cursor and stops after a thousand letters, so a filter that matches few makes a
//! short page with a cursor, never a slow one. What works on many letters walks the same way until its time is over,
//! and its answer has the cursor too: what it has dealt with, or cannot, is never in the way of what is older. A letter
//! that is buried meanwhile is not among them.

mod discard;
mod letter;
mod requeue;
mod walk;
pub mod words;

pub use discard::discard;
pub use letter::Letter;
pub use requeue::{one, several};
pub use walk::{Page, page};

use crate::context::Context;
use crate::refusal::Refusal;
use futures::future::try_join_all;
use redis_store::StoreError;
use std::time::Instant;

/// Letters that are looked up together: each may carry 64 KiB.
const LOOK_AT_ONCE: usize = 50;

/// Whether the task of a letter is still there and the letter belongs to it. One that cannot be read is there.
pub async fn has_task(context: &Context, letter: &Letter) -> Result<bool, Refusal> {
    let Some(entry) = &letter.entry else { return Ok(false) };
    match context.ask(context.store.task(&entry.task_id)).await {
        Ok(task) => Ok(task.is_some_and(|view| requeue::is_of(entry, &view))),
        Err(Refusal::Store(StoreError::Document(_) | StoreError::WrongType(_))) => Ok(true),
        Err(refusal) => Err(refusal),
    }
}

/// Those of the ids that are letters, oldest first.
pub async fn there(context: &Context, ids: &[String]) -> Result<Vec<String>, Refusal> {
    let until = Instant::now() + context.letters_time;
    let mut there = Vec::with_capacity(ids.len());
    for some in ids.chunks(LOOK_AT_ONCE) {
        let looks = some.iter().map(|id| context.store.dead_letter(id));
        let found = context.ask(try_join_all(looks)).await?;
        there.extend(found.into_iter().flatten().map(|entry| entry.entry_id));
        if Instant::now() > until {
            return Err(Refusal::StoreSilent); // a thousand looks that take so long are no answer
        }
    }
    there.sort();
    there.dedup();
    Ok(there)
}
