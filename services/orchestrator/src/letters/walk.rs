//! Walking through the dead letters, newest first.

use super::letter::Letter;
use crate::context::Context;
use crate::refusal::Refusal;
use crate::wire::letter_selection::{LetterFilter, LetterRange};
use std::time::Instant;

/// Letters that one command reads: each may carry 64 KiB.
const READ_AT_ONCE: usize = 100;
/// Letters that one list looks at.
const LOOKED_AT_MAX: usize = 1_000;
const NEWEST: &str = "+";

/// Some letters, and where to go on.
pub struct Page {
    /// Newest first.
    pub letters: Vec<Letter>,
    /// The id of the last letter looked at, if there may be more.
    pub next: Option<String>,
}

/// At most `limit` letters that match, older than `before`.
pub async fn page(
    context: &Context,
    filter: &LetterFilter,
    before: Option<&str>,
    limit: usize,
) -> Result<Page, Refusal> {
    let mut page = Page { letters: Vec::new(), next: before.map(str::to_owned) };
    for _ in 0..LOOKED_AT_MAX / READ_AT_ONCE {
        let from = page.next.as_deref().unwrap_or(NEWEST);
        let read = context.ask(context.store.dead_letters_page(from, READ_AT_ONCE)).await?;
        let is_last = read.len() < READ_AT_ONCE;
        for letter in read.into_iter().map(Letter::read) {
            page.next = Some(letter.entry_id.clone());
            if filter.matches(&letter) {
                page.letters.push(letter);
            }
            if page.letters.len() == limit {
                return Ok(page);
            }
        }
        if is_last {
            return Ok(Page { next: None, ..page });
        }
    }
    Ok(page)
}

/// All letters that match, page by page, newest first: what is buried meanwhile is not among them.
pub struct Walk<'a> {
    filter: &'a LetterFilter,
    from: Option<String>,
    is_done: bool,
    /// The first letter that was read.
    pub newest: Option<String>,
}

impl<'a> Walk<'a> {
    /// Begins with the newest, or with the next older one than the range says.
    pub fn new(range: &'a LetterRange) -> Self {
        Self { filter: &range.filter, from: range.before.clone(), is_done: false, newest: None }
    }

    /// The ids of those of the next page that match, if there is a page.
    pub async fn next(&mut self, context: &Context) -> Result<Option<Vec<String>>, Refusal> {
        if self.is_done {
            return Ok(None);
        }
        let from = self.from.as_deref().unwrap_or(NEWEST);
        let read = context.ask(context.store.dead_letters_page(from, READ_AT_ONCE)).await?;
        self.is_done = read.len() < READ_AT_ONCE;
        if let (Some(first), Some(last)) = (read.first(), read.last()) {
            self.newest.get_or_insert_with(|| first.entry_id.clone());
            self.from = Some(last.entry_id.clone());
        }
        let matching = read.into_iter().map(Letter::read).filter(|letter| self.filter.matches(letter));
        Ok(Some(matching.map(|letter| letter.entry_id).collect()))
    }

    /// The ids of all that are left, or of what was read by `until`: at least a page.
    pub async fn rest(&mut self, context: &Context, until: Instant) -> Result<Vec<String>, Refusal> {
        let mut ids = Vec::new();
        while let Some(page) = self.next(context).await? {
            ids.extend(page);
            if Instant::now() >= until {
                break;
            }
        }
        Ok(ids)
    }

    /// The id of the last letter that was read, if there may be more.
    pub fn next_cursor(&self) -> Option<String> {
        self.from.clone().filter(|_| !self.is_done)
    }
}
