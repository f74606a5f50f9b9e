//! The audit: who changed what, and what was refused to whom. Never what a request carried.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, script, value};
use fred::types::Value;

/// Entries of the audit that are kept, about.
const AUDIT_LENGTH_MAX: u64 = 100_000;
/// Entries of one call.
pub const NOTES_MAX: usize = 128;

/// An id of ours has 29 at most, half a key of the API 64, the secret of a webhook 44 with a sign that is none of a
/// word.
const WORD_BYTES_MAX: usize = 48;

/// Of several of a sort so many are named.
const WORDS_MAX: usize = 10;

/// An entry of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When it was answered, RFC 3339.
    pub at: String,
    /// Who asked.
    pub client: String,
    /// For which operation.
    pub operation: &'static str,
    /// On what: the path of the request, or where what it has made is read.
    pub object: String,
    /// The status of the answer.
    pub status: u16,
    /// The code of the problem; empty if there was none.
    pub code: String,
    /// From where.
    pub address: String,
    /// Of the answer.
    pub request_id: String,
    /// Which things were meant, where it was several, and what became of them: `name=value` with spaces between; may be
    /// empty.
    pub detail: String,
}

/// A text of a client's as it may stand in a note: as it is if it can be an id, a kind or a reason, else `*`. No
/// credentials are that: those of ours are longer.
pub fn word(text: &str) -> &str {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let is_word = (1..=WORD_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_part);
    if is_word { text } else { "*" }
}

/// Several of them as one word: the first ten, and how many more there are.
pub fn words<'a>(texts: impl ExactSizeIterator<Item = &'a str>) -> String {
    let others = texts.len().saturating_sub(WORDS_MAX);
    let mut named: Vec<String> = texts.take(WORDS_MAX).map(|text| word(text).to_owned()).collect();
    named.extend((others > 0).then(|| format!("+{others}")));
    named.join(",")
}

impl Store {
    /// Appends at most [`NOTES_MAX`] entries. Sent again after a lost reply it has them twice, under the same request
    /// ids.
    pub async fn note(&self, notes: &[Note]) -> Result<(), StoreError> {
        let mut args = value::args([&AUDIT_LENGTH_MAX.to_string(), &notes.len().to_string()]);
        for note in notes {
            let Note { at, client, operation, object, status, code, address, request_id, detail } = note;
            let status = status.to_string();
            let fields = [at, client, *operation, object, &*status, code, address, request_id, detail];
            args.extend(fields.map(Value::from));
        }
        self.eval(&script::NOTE, vec![key::AUDIT.to_owned()], args).await.map(drop)
    }
}
