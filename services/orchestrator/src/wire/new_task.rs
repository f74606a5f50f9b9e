//! What a client sends to the native door.

use super::dependency::DependencyInput;
use super::json::JsonObject;
use super::priority::PriorityInput;
use super::time::Timestamp;
use crate::body::Readable;
use crate::body::fields::Fields;
use poem_openapi::Object;
use poem_openapi::types::Example;
use proto_schemas::Priority;
use proto_schemas::limit::{PARENTS_MAX, SUBTASKS_MAX};
use task_core::graph::Edge;

/// A task to run. Without `subtasks` the planner makes them from the description.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub struct NewTask {
    /// What is to be done: not blank, without U+0000.
    #[oai(validator(min_length = 1, max_length = 10000, pattern = r"^[^\u0000]*[^\s\u0000\u0085][^\u0000]*$"))]
    pub description: String,
    /// 0 low, 1 medium (default), 2 high, 3 and above critical; or one of these words.
    pub priority: Option<PriorityInput>,
    /// Your own plan.
    #[oai(validator(min_items = 1, max_items = 1000))]
    pub subtasks: Option<Vec<NewSubtask>>,
    /// Your own data, kept with the task: any object, at most 64 KiB, kept byte for byte.
    pub context: Option<JsonObject>,
    /// Seconds until it may start, to the millisecond; or say `run_at`.
    #[oai(validator(minimum(value = "0"), maximum(value = "31536000")))]
    pub delay_seconds: Option<f64>,
    /// When it may start, at most a year ahead; at once if that is over.
    pub run_at: Option<Timestamp>,
    /// Seconds from when it may start until whatever of it has not ended is cancelled; 604800 unless you say otherwise.
    /// A replay of a task that has ended counts them anew.
    #[oai(validator(minimum(value = "1"), maximum(value = "2592000")))]
    pub deadline_seconds: Option<u64>,
}

/// One step of a plan.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct NewSubtask {
    /// A name of your own, once in a task.
    #[oai(validator(pattern = "^[A-Za-z0-9_.-]{1,64}$"))]
    pub name: Option<String>,
    /// Which handler runs it; `simulate` unless you say otherwise.
    #[oai(validator(pattern = "^[A-Za-z0-9_.-]{1,64}$"))]
    pub kind: Option<String>,
    /// What is to be done: not blank, without U+0000.
    #[oai(validator(min_length = 1, max_length = 10000, pattern = r"^[^\u0000]*[^\s\u0000\u0085][^\u0000]*$"))]
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
    /// What has to end before it starts, by name: at most 50.
    #[oai(validator(max_items = 50))]
    pub depends_on: Option<Vec<DependencyInput>>,
    /// The pauses between its attempts.
    pub backoff: Option<NewBackoff>,
}

/// The pauses between attempts: random up to a bound that begins at `base_seconds` and doubles up to `cap_seconds`.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct NewBackoff {
    /// The longest pause before the second attempt, in seconds; 1 unless you say otherwise.
    #[oai(validator(minimum(value = "0.001"), maximum(value = "86400")))]
    pub base_seconds: Option<f64>,
    /// The longest pause of all, in seconds, at least `base_seconds`; 300 unless you say otherwise.
    #[oai(validator(minimum(value = "0.001"), maximum(value = "86400")))]
    pub cap_seconds: Option<f64>,
}

impl Readable for NewTask {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        fields.require("description");
        Self {
            description: fields.description("description").unwrap_or_default(),
            priority: fields.priority("priority"),
            subtasks: fields.list("subtasks", 1..=SUBTASKS_MAX, NewSubtask::read),
            context: fields.object("context"),
            delay_seconds: fields.fraction("delay_seconds"),
            run_at: fields.moment("run_at"),
            deadline_seconds: fields.number("deadline_seconds"),
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
            depends_on: fields.items("depends_on", 0..=PARENTS_MAX, DependencyInput::read),
            backoff: fields.nested("backoff", NewBackoff::read),
        }
    }

    /// What it depends on, as the graph of the plan takes it.
    pub fn edges(&self) -> Vec<Edge> {
        self.depends_on.iter().flatten().map(|DependencyInput(edge)| edge.clone()).collect()
    }
}

impl NewBackoff {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        Self { base_seconds: fields.fraction("base_seconds"), cap_seconds: fields.fraction("cap_seconds") }
    }
}

impl Example for NewTask {
    fn example() -> Self {
        Self {
            description: "Build a user authentication system".to_owned(),
            priority: Some(PriorityInput(Priority::Medium)),
            subtasks: None,
            context: None,
            delay_seconds: None,
            run_at: None,
            deadline_seconds: None,
        }
    }
}
