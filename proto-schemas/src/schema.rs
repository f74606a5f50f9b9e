//! JSON Schema of what crosses a process boundary as JSON, generated from the types and checked in under `schemas/`.

use crate::{ApiKey, Fact, SubtaskDefinition, SubtaskResult, Webhook, WorkEntry};
use schemars::{Schema, schema_for};

/// File name and schema of every document type.
pub fn all() -> Vec<(&'static str, Schema)> {
    vec![
        ("fact.json", schema_for!(Fact)),
        ("subtask-definition.json", schema_for!(SubtaskDefinition)),
        ("api-key.json", schema_for!(ApiKey)),
        ("subtask-result.json", schema_for!(SubtaskResult)),
        ("webhook.json", schema_for!(Webhook)),
        ("work-entry.json", schema_for!(WorkEntry)),
    ]
}
