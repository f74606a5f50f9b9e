//! A dead letter as operators read it.

use super::json::{JsonValue, raw};
use super::time::Timestamp;
use crate::letters::{Letter, Page};
use poem_openapi::Object;
use poem_openapi::types::Example;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// Some dead letters, newest first.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct LetterList {
    /// At most as many as were asked for; fewer also where few match.
    pub dead_letters: Vec<LetterSummary>,
    /// Ask for the next page with it; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// How many there are, whether or not they match.
    pub total: u64,
    /// How many the bound has trimmed away so far.
    pub trimmed: u64,
}

/// A dead letter in a list. What its entry does not say is absent.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct LetterSummary {
    /// Its id.
    pub entry_id: String,
    /// When it was buried.
    pub buried_at: Timestamp,
    /// Why, in one word.
    pub reason: String,
    /// Why, for people.
    pub error: String,
    /// Who buried it.
    pub worker: String,
    /// The stream it came from, and its id there.
    pub source: String,
    /// Its task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// Its subtask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtask_id: Option<String>,
    /// Its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What was to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The attempt that was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How many workers died with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crashes: Option<u32>,
}

/// A dead letter with all it holds.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct LetterDocument {
    /// The head of it.
    pub letter: LetterSummary,
    /// The handler's input: the JSON that it is, or the text of what is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<JsonValue>,
    /// Every other field of the entry as it lay in its stream.
    pub fields: Vec<LetterField>,
    /// The attempts before the last one, oldest first.
    pub history: Vec<LetterAttempt>,
    /// Whether its task is still there and the letter belongs to it.
    pub task_exists: bool,
}

/// A field of an entry.
#[derive(Debug, Clone, Serialize, Object)]
pub struct LetterField {
    /// Its name.
    pub name: String,
    /// Its value; bytes that are no text are replaced.
    pub value: String,
}

/// An attempt that did not end the subtask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct LetterAttempt {
    /// Which, from 1.
    pub attempt: u32,
    /// How many workers had died with it by then.
    pub crashes: u32,
    /// `retrying` or `crashed`.
    pub fact: String,
    /// When.
    pub at: Timestamp,
    /// Who ran it, or found it.
    pub worker: String,
    /// One word why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl LetterList {
    /// A page of how many there are and were.
    pub fn of(page: Page, (total, trimmed): (u64, u64)) -> Self {
        let dead_letters = page.letters.into_iter().map(|letter| LetterSummary::of(&letter)).collect();
        Self { dead_letters, next_cursor: page.next, total, trimmed }
    }
}

impl LetterSummary {
    fn of(letter: &Letter) -> Self {
        let text = |name: &str| letter.field(name).map(str::to_owned);
        let ms = letter.entry_id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(0);
        Self {
            entry_id: letter.entry_id.clone(),
            buried_at: Timestamp::from_ms(ms),
            reason: letter.reason.clone(),
            error: letter.error.clone(),
            worker: letter.worker.clone(),
            source: letter.source.clone(),
            task_id: text("task_id"),
            subtask_id: text("subtask_id"),
            kind: letter.kind().map(str::to_owned),
            description: text("description"),
            attempt: letter.entry.as_ref().map(|entry| entry.attempt),
            crashes: letter.entry.as_ref().map(|entry| entry.crashes),
        }
    }
}

impl LetterDocument {
    /// All of a letter.
    pub fn of(letter: &Letter, task_exists: bool) -> Self {
        let rest = letter.fields.iter().filter(|(name, _)| name != "payload" && name != "history");
        Self {
            letter: LetterSummary::of(letter),
            payload: letter.field("payload").map(payload),
            fields: rest.map(|(name, value)| LetterField { name: name.clone(), value: value.clone() }).collect(),
            history: letter.field("history").unwrap_or_default().lines().filter_map(LetterAttempt::read).collect(),
            task_exists,
        }
    }
}

fn payload(text: &str) -> JsonValue {
    let as_text = || to_raw_value(text).unwrap_or_else(|_| raw("null"));
    JsonValue(RawValue::from_string(text.to_owned()).unwrap_or_else(|_| as_text()))
}

impl LetterAttempt {
    /// `attempt crashes fact ms worker [reason]`; nothing for a line that is none.
    fn read(line: &str) -> Option<Self> {
        let parts: Vec<&str> = line.split(' ').collect();
        let [attempt, crashes, fact, ms, worker, ref reason @ ..] = parts[..] else { return None };
        Some(Self {
            attempt: attempt.parse().ok()?,
            crashes: crashes.parse().ok()?,
            fact: fact.to_owned(),
            at: Timestamp::from_ms(ms.parse().ok()?),
            worker: worker.to_owned(),
            reason: reason.first().map(|reason| (*reason).to_owned()),
        })
    }
}

impl Example for LetterList {
    fn example() -> Self {
        let document = LetterDocument::example();
        Self { dead_letters: vec![document.letter], next_cursor: None, total: 1, trimmed: 0 }
    }
}

impl Example for LetterDocument {
    fn example() -> Self {
        let task_id = super::task::EXAMPLE_ID;
        let letter = LetterSummary {
            entry_id: "1790000009000-0".to_owned(),
            buried_at: Timestamp::from_ms(1_790_000_009_000),
            reason: "timeout".to_owned(),
            error: "no answer within 600 s".to_owned(),
            worker: "worker-1:a@host".to_owned(),
            source: "subtasks:default:medium 1790000003000-0".to_owned(),
            task_id: Some(task_id.to_owned()),
            subtask_id: Some(format!("{task_id}-0")),
            kind: Some("simulate".to_owned()),
            description: Some("Design user database schema".to_owned()),
            attempt: Some(2),
            crashes: Some(0),
        };
        let line = "1 0 retrying 1790000002000 worker-2:b@host timeout";
        Self {
            letter,
            payload: Some(JsonValue(raw("{}"))),
            fields: vec![LetterField { name: "attempt".to_owned(), value: "2".to_owned() }],
            history: LetterAttempt::read(line).into_iter().collect(),
            task_exists: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_read_line_by_line() {
        let read = |line: &str| LetterAttempt::read(line).map(|it| (it.attempt, it.crashes, it.fact, it.reason));
        let crashed = (2, 1, "crashed".to_owned(), None);
        assert_eq!(read("2 1 crashed 1790000000000 w"), Some(crashed));
        assert_eq!(read("1 0 retrying 5 w broken").and_then(|it| it.3).as_deref(), Some("broken"));
        for line in ["", "x", "1 0 retrying", "1 0 retrying soon w"] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn a_payload_that_is_no_json_is_shown_as_text() {
        assert_eq!(payload(r#"{"n": 1.0}"#).0.get(), r#"{"n": 1.0}"#);
        assert_eq!(payload("{a").0.get(), r#""{a""#);
    }
}
