//! Which dead letters are meant, and what came of it.

use crate::body::Readable;
use crate::body::fields::Fields;
use crate::letters::Letter;
use crate::wire::entry_id::{CURSOR_RULE, bound, is_cursor, is_entry_id};
use poem_openapi::Object;
use poem_openapi::types::Example;
use serde::Serialize;

const IDS_MAX: usize = 1_000;

/// What letters have in common; what is left out matches everything.
#[derive(Debug, Clone, Default, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct LetterFilter {
    /// Why they were buried, in one word.
    pub reason: Option<String>,
    /// Their kind.
    pub kind: Option<String>,
    /// Their task.
    pub task_id: Option<String>,
}

/// The letters that are meant.
pub enum LetterSelection {
    /// By id.
    These(Vec<String>),
    /// All of a range that match.
    Matching(LetterRange),
}

/// The letters that match, from some place on.
pub struct LetterRange {
    /// What they have in common.
    pub filter: LetterFilter,
    /// Only those older than this one.
    pub before: Option<String>,
}

/// Which dead letters to requeue: either `entry_ids` or `matching`.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub struct LetterRequeue {
    /// These, by id: at most 1,000.
    #[oai(validator(max_items = 1000))]
    pub entry_ids: Option<Vec<String>>,
    /// All that match; `{}` is all there are.
    pub matching: Option<LetterFilter>,
    /// `next_cursor` of the answer before, beside the same `matching`.
    #[oai(validator(pattern = "^([1-9][0-9]{0,18}-[0-9]{1,19}|0-[1-9][0-9]{0,18})$"))]
    pub cursor: Option<String>,
    /// Only say how many there are.
    pub dry_run: Option<bool>,
}

/// Which dead letters to discard: either `entry_ids` or `matching`, and one of `dry_run` and `confirm`.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub struct LetterDiscard {
    /// These, by id: at most 1,000.
    #[oai(validator(max_items = 1000))]
    pub entry_ids: Option<Vec<String>>,
    /// All that match; `{}` is all there are.
    pub matching: Option<LetterFilter>,
    /// `next_cursor` of the answer before, beside the same `matching`.
    #[oai(validator(pattern = "^([1-9][0-9]{0,18}-[0-9]{1,19}|0-[1-9][0-9]{0,18})$"))]
    pub cursor: Option<String>,
    /// Only say how many there are.
    pub dry_run: Option<bool>,
    /// How many there are from here on, as a dry run says; if that took several answers, all of them together.
    #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
    pub confirm: Option<u64>,
    /// `newest` of the first answer to the dry run: a newer letter is not thrown away unseen. Required beside
    /// `matching` and `confirm`.
    #[oai(validator(pattern = "^[0-9]{1,19}-[0-9]{1,19}$"))]
    pub until: Option<String>,
}

/// What is thrown away, once it is read.
pub struct NewDiscard {
    /// Which letters.
    pub selection: LetterSelection,
    /// How many the client expects; none asks for the number.
    pub confirm: Option<u64>,
}

/// How many dead letters were requeued.
#[derive(Debug, Clone, Default, Serialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct RequeuedLetters {
    /// Dead letters that match, as far as they were read.
    pub matched: u64,
    /// Of these, requeued.
    pub requeued: u64,
    /// Of these, out of date: their subtask has run again since, or its end is not recorded yet.
    pub gone: u64,
    /// Of these, without an entry that could run, or whose task cannot be read.
    pub unfit: u64,
    /// Of these, not dealt with for want of time, or because Redis refused: ask again.
    pub left: u64,
    /// Ask for the rest with it; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// How many dead letters were discarded.
#[derive(Debug, Clone, Default, Serialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct Discarded {
    /// Dead letters that match, as far as they were read.
    pub matched: u64,
    /// Of these, discarded.
    pub discarded: u64,
    /// How many of the confirmed ones were not dealt with for want of time: confirm these, with `next_cursor`.
    pub left: u64,
    /// The newest letter that was looked at, whether or not it matches: `until` of the discard. Absent if there is
    /// none, and where letters are meant by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// Ask for the rest with it; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl LetterFilter {
    /// Whether it is one of them.
    pub fn matches(&self, letter: &Letter) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|it| Some(it) == found);
        is(&self.reason, Some(&letter.reason))
            && is(&self.kind, letter.kind())
            && is(&self.task_id, letter.field("task_id"))
    }

    fn read(fields: &mut Fields<'_, '_>) -> Self {
        Self { reason: fields.text("reason"), kind: fields.text("kind"), task_id: fields.text("task_id") }
    }
}

impl LetterRequeue {
    /// Which letters.
    pub fn selection(self) -> LetterSelection {
        select(self.entry_ids, self.matching, bound(self.cursor.as_deref(), None))
    }
}

impl LetterDiscard {
    /// What is thrown away.
    pub fn order(self) -> NewDiscard {
        let confirm = self.confirm.filter(|_| self.dry_run != Some(true));
        let before = bound(self.cursor.as_deref(), self.until.as_deref());
        NewDiscard { selection: select(self.entry_ids, self.matching, before), confirm }
    }
}

/// One of the two is there: whoever read them has seen to it.
fn select(entry_ids: Option<Vec<String>>, matching: Option<LetterFilter>, before: Option<String>) -> LetterSelection {
    match entry_ids {
        Some(ids) => LetterSelection::These(ids),
        None => LetterSelection::Matching(LetterRange { filter: matching.unwrap_or_default(), before }),
    }
}

/// Where to go on among those that match.
fn read_cursor(fields: &mut Fields<'_, '_>) -> Option<String> {
    fields.forbid_beside("entry_ids", "cursor");
    fields.text_that("cursor", is_cursor, CURSOR_RULE)
}

/// The two ways to say which letters, exactly one of them.
fn read_selection(fields: &mut Fields<'_, '_>) -> (Option<Vec<String>>, Option<LetterFilter>) {
    fields.require_one("entry_ids", "matching");
    let entry_ids = fields.items("entry_ids", 0..=IDS_MAX, |raw, at, violations| {
        let id = serde_json::from_str::<String>(raw.get()).ok().filter(|id| is_entry_id(id));
        if id.is_none() {
            violations.shape(&at, "must be the id of a dead letter");
        }
        id
    });
    (entry_ids, fields.nested("matching", LetterFilter::read))
}

impl Readable for LetterRequeue {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let cursor = read_cursor(fields);
        let (entry_ids, matching) = read_selection(fields);
        Self { entry_ids, matching, cursor, dry_run: fields.flag("dry_run") }
    }
}

impl Readable for LetterDiscard {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        if fields.has("matching") && fields.has("confirm") {
            fields.require("until");
        }
        fields.forbid_beside("entry_ids", "until");
        let cursor = read_cursor(fields);
        let (entry_ids, matching) = read_selection(fields);
        fields.require_one("dry_run", "confirm");
        let (dry_run, confirm) = (fields.flag("dry_run"), fields.number("confirm"));
        let until = fields.text_that("until", is_entry_id, "must be the newest of a dry run");
        Self { entry_ids, matching, cursor, dry_run, confirm, until }
    }
}

fn all_timeouts() -> Option<LetterFilter> {
    Some(LetterFilter { reason: Some("timeout".to_owned()), ..LetterFilter::default() })
}

impl Example for LetterRequeue {
    fn example() -> Self {
        Self { entry_ids: None, matching: all_timeouts(), cursor: None, dry_run: Some(true) }
    }
}

impl Example for LetterDiscard {
    fn example() -> Self {
        let (matching, dry_run) = (all_timeouts(), Some(true));
        Self { entry_ids: None, matching, cursor: None, dry_run, confirm: None, until: None }
    }
}

impl Example for RequeuedLetters {
    fn example() -> Self {
        Self { matched: 3, requeued: 2, gone: 1, unfit: 0, left: 0, next_cursor: None }
    }
}

impl Example for Discarded {
    fn example() -> Self {
        Self { matched: 3, newest: Some("1790000009000-0".to_owned()), ..Self::default() }
    }
}
