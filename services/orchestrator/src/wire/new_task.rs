//! What a client sends to the native door.

use super::json::JsonObject;
use super::priority::PriorityInput;
use crate::body::Readable;
use crate::body::fields::Fields;
use poem_openapi::Object;
use poem_openapi::types::Example;
use proto_schemas::Priority;

/// A task to run. Without `subtasks` the planner makes them from the description.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub struct NewTask {
    /// What is to be done: not blank, without U+0000.
    #[oai(validator(min_length = 1, max_length = 10000))]
    pub description: String,
    /// 0 low, 1 medium (default), 2 high, 3 and above critical; or one of these words.
    pub priority: Option<PriorityInput>,
    /// A plan of your own.
    #[oai(validator(min_items = 1, max_items = 1000))]
    pub subtasks: Option<Vec<NewSubtask>>,
    /// Whatever you want to find with the task again: any object, at most 64 KiB, kept byte for byte.
    pub context: Option<JsonObject>,
}

/// One step of a plan.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct NewSubtask {
    /// A name of your own, once in a task.
    #[oai(validator(pattern = "^[A-Za-z0-9_.-]{1,64}$"))]
    pub name: Option<String>,
    /// Which handler runs it; `simulate` unless you say otherwise.
    pub kind: Option<String>,
    /// What is to be done: not blank, without U+0000.
    #[oai(validator(min_length = 1, max_length = 10000))]
    pub description: String,
    /// As for the task, and the task's unless you say otherwise.
    pub priority: Option<PriorityInput>,
    /// The handler's input: any object, at most 64 KiB, kept byte for byte; `{}` unless you say otherwise.
    pub params: Option<JsonObject>,
    /// The attempt after which a failure is final; 5 unless you say otherwise.
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    pub max_attempts: Option<u64>,
    /// Seconds one attempt may take; 600 unless you say otherwise.
    #[oai(validator(minimum(value = "1"), maximum(value = "3600")))]
    pub timeout_seconds: Option<u64>,
}

impl Readable for NewTask {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        fields.require("description");
        Self {
            description: fields.description("description").unwrap_or_default(),
            priority: fields.priority("priority"),
            subtasks: fields.list("subtasks", NewSubtask::read),
            context: fields.object("context"),
        }
    }
}

impl NewSubtask {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        fields.require("description");
        Self {
            name: fields.name("name"),
            kind: fields.text("kind"),
            description: fields.description("description").unwrap_or_default(),
            priority: fields.priority("priority"),
            params: fields.object("params"),
            max_attempts: fields.number("max_attempts"),
            timeout_seconds: fields.number("timeout_seconds"),
        }
    }
}

impl Example for NewTask {
    fn example() -> Self {
        Self {
            description: "Build a user authentication system".to_owned(),
            priority: Some(PriorityInput(Priority::Medium)),
            subtasks: None,
            context: None,
        }
    }
}
