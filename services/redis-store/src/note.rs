//! The audit: who changed what, and what was refused to whom. Never what a request carried.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, script, value};
use fred::types::Value;

/// Entries of the audit that are kept, about.
const AUDIT_LENGTH_MAX: u64 = 100_000;
/// Entries of one call.
pub const NOTES_MAX: usize = 128;

/// An entry of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When it was answered, RFC 3339.
    pub at: String,
    /// Who asked.
    pub client: String,
    /// For which operation.
    pub operation: &'static str,
    /// On what: the path of the request.
    pub object: String,
    /// The status of the answer.
    pub status: u16,
    /// The code of the problem; empty if there was none.
    pub code: String,
    /// From where.
    pub address: String,
    /// Of the answer.
    pub request_id: String,
}

impl Store {
    /// Appends at most [`NOTES_MAX`] entries. Sent again after a lost reply it has them twice, under the same request ids.
    pub async fn note(&self, notes: &[Note]) -> Result<(), StoreError> {
        let mut args = value::args([&AUDIT_LENGTH_MAX.to_string(), &notes.len().to_string()]);
        for Note { at, client, operation, object, status, code, address, request_id } in notes {
            let status = status.to_string();
            args.extend([at, client, *operation, object, &*status, code, address, request_id].map(Value::from));
        }
        self.eval(&script::NOTE, vec![key::AUDIT.to_owned()], args).await.map(drop)
    }
}
