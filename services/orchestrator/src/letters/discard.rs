//! Throwing dead letters away, if as many are meant as the client expects. What it has not seen stays: a newer letter
//! than its dry run met is beyond the bound that it repeats, and older ones only become fewer.

use super::walk::Walk;
use crate::context::Context;
use crate::refusal::Refusal;
use crate::wire::letter_selection::{Discarded, LetterSelection, NewDiscard};
use std::time::Instant;

/// Letters that one command to Redis throws away.
const DISCARD_AT_ONCE: usize = 1_000;

/// Letters that are meant, newest first where they are read from the stream.
struct Found {
    ids: Vec<String>,
    newest: Option<String>,
    next_cursor: Option<String>,
}

/// Throws letters away, or says how many that would be.
pub async fn discard(context: &Context, new: NewDiscard) -> Result<Discarded, Refusal> {
    let started = Instant::now();
    let until = started + context.letters_time;
    // Half of the time is for looking, if something is to be done then.
    let look_until = if new.confirm.is_some() { started + context.letters_time / 2 } else { until };
    let found = find(context, &new.selection, look_until).await?;
    let matched = found.ids.len() as u64;
    let told = Discarded { matched, newest: found.newest.clone(), ..Discarded::default() };
    match new.confirm {
        None => Ok(Discarded { next_cursor: found.next_cursor, ..told }),
        // What is not looked at yet may still make up the number.
        Some(confirmed) if confirmed == matched || confirmed > matched && found.next_cursor.is_some() => {
            throw_away(context, found, told, (confirmed, until)).await
        }
        Some(_) => Err(Refusal::Confirmation(matched)),
    }
}

async fn find(context: &Context, selection: &LetterSelection, until: Instant) -> Result<Found, Refusal> {
    match selection {
        LetterSelection::These(ids) => {
            Ok(Found { ids: super::there(context, ids).await?, newest: None, next_cursor: None })
        }
        LetterSelection::Matching(range) => {
            let mut walk = Walk::new(range);
            let ids = walk.rest(context, until).await?;
            Ok(Found { ids, next_cursor: walk.next_cursor(), newest: walk.newest })
        }
    }
}

/// As many as there is time for, at least those of one command.
async fn throw_away(
    context: &Context,
    found: Found,
    mut told: Discarded,
    (confirmed, until): (u64, Instant),
) -> Result<Discarded, Refusal> {
    let (mut rest, mut next_cursor) = (found.ids.as_slice(), found.next_cursor);
    while !rest.is_empty() {
        let (some, others) = rest.split_at(rest.len().min(DISCARD_AT_ONCE));
        match context.ask(context.store.discard_dead_letters(some)).await {
            Ok(discarded) => told.discarded += discarded,
            Err(refusal) if told.discarded == 0 => return Err(refusal),
            Err(_) => break, // what is done is told; whoever goes on hears why
        }
        rest = others;
        if !rest.is_empty() && Instant::now() >= until {
            break;
        }
    }
    told.matched -= rest.len() as u64;
    if !rest.is_empty() {
        next_cursor = found.ids.get(told.matched as usize - 1).cloned();
    }
    let left = confirmed.saturating_sub(told.matched);
    Ok(Discarded { left, next_cursor, ..told })
}
