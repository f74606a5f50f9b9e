//! What the log holds between two places, page by page; or that it does not hold all of that any more.

use super::cursor::{EntryId, Position};
use super::lookout::{self, id};
use super::message::Message;
use super::name::Name;
use super::tailer;
use proto_schemas::TaskId;
use redis_store::tail::LogSpan;
use redis_store::{Store, StoreError};

/// Entries of one page; each has at most 128 lines.
const ENTRIES_MAX: usize = 100;

/// What to replay.
#[derive(Debug, Clone, Copy)]
pub struct Span<'a> {
    /// Behind this place.
    pub after: Position,
    /// Up to and with this one.
    pub to: Position,
    /// Nothing that is looked for is older, ms of the Unix epoch.
    pub born_ms: u64,
    /// All that is looked for is of this task.
    pub task_id: Option<&'a TaskId>,
}

/// A page, oldest first.
#[derive(Debug)]
pub enum Page {
    /// Some of it.
    Messages {
        /// Whatever it tells, of all tasks.
        messages: Vec<Message>,
        /// Where to go on; `None` if that was all.
        next: Option<Position>,
    },
    /// Not everything of it is there.
    Lost(LogSpan),
}

/// The first page of `span`.
pub async fn page(store: &Store, span: Span<'_>) -> Result<Page, StoreError> {
    let (from, to) = (span.after.entry.to_string(), span.to.entry.to_string());
    let entries = store.log_page(&from, &to, ENTRIES_MAX).await?;
    // Afterwards: what is there now was there then.
    let ends = store.log_span().await?;
    let mut messages = Vec::new();
    let last = entries.iter().filter_map(|entry| tailer::read(entry, &mut messages)).last();
    if is_lost(span, &ends)? && !tells_the_birth(span, &messages) {
        return Ok(Page::Lost(ends));
    }
    messages.retain(|message| message.position > span.after && message.position <= span.to);
    Ok(Page::Messages { messages, next: last.filter(|_| entries.len() == ENTRIES_MAX) })
}

/// Whether something behind the beginning of `span` may be missing. A place that is newer than the log is one of
/// another log.
fn is_lost(span: Span<'_>, ends: &LogSpan) -> Result<bool, StoreError> {
    let is_older = ends.first.as_deref().map(id).transpose()?.is_some_and(|first| first.ms <= span.born_ms);
    let (after, last) = (span.after.entry, id(&ends.last)?);
    Ok(is_cut(after, ends)? && !(is_older && after <= last))
}

/// Whether something behind an entry may be missing.
pub fn is_cut(after: EntryId, ends: &LogSpan) -> Result<bool, StoreError> {
    let last = id(&ends.last)?;
    let Some(first) = ends.first.as_deref().map(id).transpose()? else { return Ok(after != last) };
    let is_trimmed = !ends.is_whole && first > after && first.before() != after;
    Ok(after > last || is_trimmed && after != last)
}

/// Whether nothing can be missing because the task begins here: the entry that tells so may be younger than the task by
/// the time that its script took.
fn tells_the_birth(span: Span<'_>, messages: &[Message]) -> bool {
    let is_birth = |message: &Message| message.name == Name::TaskCreated && Some(&message.fact.task_id) == span.task_id;
    messages.iter().any(is_birth)
}

/// Behind everything that is older than the log.
pub fn beginning(ends: &LogSpan) -> Result<Position, StoreError> {
    let first = ends.first.as_deref().map(id).transpose()?;
    Ok(Position::behind(first.map_or(id(&ends.last)?, EntryId::before)))
}

/// Behind everything that a task shows which is read afterwards: what is folded, and what is lost, for nobody could
/// tell it any more.
pub async fn seen(store: &Store) -> Result<Position, StoreError> {
    let folded = Position::behind(lookout::folded(store).await?);
    Ok(folded.max(beginning(&store.log_span().await?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_missing_is_lost() {
        let ends = |first: Option<&str>, last: &str, is_whole| LogSpan {
            first: first.map(str::to_owned),
            last: last.to_owned(),
            is_whole,
        };
        for (after, born_ms, ends, expect) in [
            ("5-0.1", 0, ends(Some("5-0"), "9-0", false), false),
            ("5-0.1", 0, ends(Some("5-1"), "9-0", false), false),
            ("5-0.1", 0, ends(Some("5-2"), "9-0", false), true),
            ("5-0.1", 0, ends(Some("7-0"), "9-0", false), true),
            ("5-0.1", 0, ends(Some("7-0"), "9-0", true), false),
            ("5-0.1", 7, ends(Some("7-0"), "9-0", false), false),
            ("9-0.1", 0, ends(None, "9-0", false), false),
            ("5-0.1", 0, ends(None, "9-0", false), true),
            ("9-1.0", 0, ends(Some("5-0"), "9-0", true), true),
            ("0-0.999", 0, ends(None, "0-0", true), false),
        ] {
            let after = after.parse().unwrap();
            assert_eq!(
                is_lost(Span { after, to: after, born_ms, task_id: None }, &ends).unwrap(),
                expect,
                "{after} {ends:?}"
            );
        }
    }
}
