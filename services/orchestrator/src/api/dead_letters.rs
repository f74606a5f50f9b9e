//! What gave up, for operators.

use super::Tag;
use crate::body::JsonBody;
use crate::context::Context;
use crate::letters::{self, Letter, words};
use crate::refusal::Refusal;
use crate::refusal::documented::{self, Answer, Refusals, Refused};
use crate::refusal::sample;
use crate::trail::{SharedTrail, Trail};
use crate::wire::answer::JsonText;
use crate::wire::dead_letter::{LetterDocument, LetterList};
use crate::wire::entry_id::is_entry_id;
use crate::wire::letter_selection::{
    Discarded, LetterDiscard, LetterFilter, LetterRequeue, LetterSelection, RequeuedLetters,
};
use crate::wire::parameter::{LetterCursor, PageLimit};
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use std::sync::Arc;

/// The operations on dead letters.
pub struct DeadLettersApi;

struct Listing;

impl Refusals for Listing {
    const OWN: &'static [Answer] = &[];
    const WAY: &'static [&'static [Answer]] = documented::READING;
}

struct Showing;

impl Refusals for Showing {
    const OWN: &'static [Answer] = &[(404, "No dead letter has this id.", &[|| Refusal::LetterNotFound])];
    const WAY: &'static [&'static [Answer]] = documented::READING;
}

struct GivingBack;

impl Refusals for GivingBack {
    const OWN: &'static [Answer] = &[
        (404, "No dead letter has this id.", &[|| Refusal::LetterNotFound]),
        (
            409,
            "Its subtask has run again since, or 100 times; or the letter holds nothing that could run.",
            &[|| Refusal::LetterGone, || Refusal::LetterUnfit, || Refusal::RunsExhausted],
        ),
        (429, "Too much is waiting: in Redis' memory or before the projectors.", &[documented::FULL]),
    ];
    const WAY: &'static [&'static [Answer]] = documented::WRITING;
}

struct Discarding;

impl Refusals for Discarding {
    const OWN: &'static [Answer] = &[
        (
            409,
            "The number of matching dead letters is not `confirm`. Nothing was discarded.",
            &[|| Refusal::Confirmation(41)],
        ),
        (422, "More than 1,000 ids.", &[sample::too_many_entry_ids]),
    ];
    const WAY: &'static [&'static [Answer]] = documented::SENDING;
}

struct GivingSeveralBack;

impl Refusals for GivingSeveralBack {
    const OWN: &'static [Answer] = &[
        (422, "More than 1,000 ids.", &[sample::too_many_entry_ids]),
        (
            429,
            "Too much is waiting: in Redis' memory or before the projectors. Nothing was requeued.",
            &[documented::FULL],
        ),
    ];
    const WAY: &'static [&'static [Answer]] = documented::SENDING;
}

#[OpenApi(tag = "Tag::DeadLetters")]
impl DeadLettersApi {
    /// List dead letters
    ///
    /// Newest first. A request looks at 1,000 letters at most: where few match, a page is short and still has a cursor.
    #[oai(path = "/dead-letters", method = "get", operation_id = "list_dead_letters")]
    #[allow(clippy::too_many_arguments)] // each parameter of the query is one, and the document is made of them
    async fn list(
        &self,
        context: Data<&Arc<Context>>,
        /// How many at most, 1 to 100; 50 unless you say otherwise.
        limit: Query<Option<PageLimit>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<LetterCursor>>,
        /// Only those buried for this reason.
        reason: Query<Option<String>>,
        /// Only those of this kind.
        kind: Query<Option<String>>,
        /// Only those of this task.
        #[oai(name = "task_id")]
        task_id: Query<Option<String>>,
    ) -> Result<JsonText<LetterList>, Refused<Listing>> {
        let before = cursor.0.map(|LetterCursor(id)| id);
        let filter = LetterFilter { reason: reason.0, kind: kind.0, task_id: task_id.0 };
        let page = letters::page(&context, &filter, before.as_deref(), PageLimit::of(limit.0)).await?;
        let counts = context.ask(context.store.dead_letters_count()).await?;
        Ok(JsonText(LetterList::of(page, counts)))
    }

    /// Read a dead letter
    ///
    /// With every field of the entry that gave up, as it was.
    #[oai(path = "/dead-letters/:entry_id", method = "get", operation_id = "get_dead_letter")]
    async fn show(
        &self,
        context: Data<&Arc<Context>>,
        /// As the list tells it.
        #[oai(name = "entry_id", example = "example_id")]
        entry_id: Path<String>,
    ) -> Result<JsonText<LetterDocument>, Refused<Showing>> {
        let id = sound(&entry_id.0)?;
        let stored = context.ask(context.store.dead_letter(id)).await?.ok_or(Refusal::LetterNotFound)?;
        let letter = Letter::read(stored);
        let task_exists = letters::has_task(&context, &letter).await?;
        Ok(JsonText(LetterDocument::of(&letter, task_exists)))
    }

    /// Requeue a dead letter
    ///
    /// Its subtask runs again from its first attempt, with whatever was skipped or cancelled for it; where its failure
    /// ended the whole task (`fail_fast`), that is all that was cancelled then. A letter that belongs to no task goes
    /// back to its stream.
    #[oai(path = "/dead-letters/:entry_id/requeue", method = "post", operation_id = "requeue_dead_letter")]
    async fn requeue(
        &self,
        context: Data<&Arc<Context>>,
        /// As the list tells it.
        #[oai(name = "entry_id", example = "example_id")]
        entry_id: Path<String>,
    ) -> Result<JsonText<RequeuedLetters>, Refused<GivingBack>> {
        letters::one(&context, sound(&entry_id.0)?).await?;
        Ok(JsonText(RequeuedLetters { matched: 1, requeued: 1, ..RequeuedLetters::default() }))
    }

    /// Requeue several dead letters
    ///
    /// Each for itself; `dry_run` says how many that would be. After 20 seconds at the latest comes an answer, and with
    /// `next_cursor` in it the next request goes on: what cannot be given back is never in the way of what can.
    #[oai(path = "/dead-letters/requeue", method = "post", operation_id = "requeue_dead_letters")]
    async fn requeue_several(
        &self,
        context: Data<&Arc<Context>>,
        trail: Data<&SharedTrail>,
        body: JsonBody<LetterRequeue>,
    ) -> Result<JsonText<RequeuedLetters>, Refused<GivingSeveralBack>> {
        let is_dry_run = body.document.dry_run == Some(true);
        let selection = body.document.selection();
        mean(&trail, &selection, is_dry_run);
        let told = letters::several(&context, &selection, is_dry_run).await?;
        let _ = trail.became.set(words::requeued(&told));
        Ok(JsonText(told))
    }

    /// Discard dead letters
    ///
    /// For good, and no more than a dry run has seen: `confirm` is the number that it gave, `until` its `newest`. After
    /// 20 seconds at the latest comes an answer, and with `next_cursor` in it the next request goes on, a dry run too.
    #[oai(path = "/dead-letters/discard", method = "post", operation_id = "discard_dead_letters")]
    async fn discard(
        &self,
        context: Data<&Arc<Context>>,
        trail: Data<&SharedTrail>,
        body: JsonBody<LetterDiscard>,
    ) -> Result<JsonText<Discarded>, Refused<Discarding>> {
        let order = body.document.order();
        mean(&trail, &order.selection, order.confirm.is_none());
        let told = letters::discard(&context, order).await?;
        let _ = trail.became.set(words::discarded(&told));
        Ok(JsonText(told))
    }
}

/// Puts into the trail which letters are meant: also if it goes wrong, or nobody waits for what becomes of them.
fn mean(trail: &Trail, selection: &LetterSelection, is_dry_run: bool) {
    let dry_run = if is_dry_run { " dry_run=true" } else { "" };
    let _ = trail.meant.set(words::meant(selection) + dry_run);
}

/// An id that Redis can read; no letter has another.
fn sound(entry_id: &str) -> Result<&str, Refusal> {
    if is_entry_id(entry_id) { Ok(entry_id) } else { Err(Refusal::LetterNotFound) }
}

fn example_id() -> String {
    "1790000009000-0".to_owned()
}
