//! Several tasks in one request, and what came of each.

use super::new_task::NewTask;
use super::problem::Problem;
use super::task;
use crate::body::Readable;
use crate::body::fields::{Fields, read_object};
use crate::body::violation::{Pointer, Violations};
use poem_openapi::Object;
use poem_openapi::registry::{MetaSchemaRef, Registry};
use poem_openapi::types::{Example, ParseFromJSON, ParseResult, ToJSON, Type};
use proto_schemas::limit::BATCH_TASKS_MAX;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What is told of one task: a batch of a thousand has a thousand times as much to say.
pub const TOLD_MAX: usize = 5;

/// Tasks to run, each accepted or refused for itself.
#[derive(Debug, Object)]
#[oai(example, deny_unknown_fields)]
pub struct NewBatch {
    /// In the order in which they are answered.
    #[oai(validator(min_items = 1, max_items = 1000))]
    pub tasks: Vec<BatchItem>,
}

/// A task of a batch, or what is wrong with it.
#[derive(Debug)]
pub struct BatchItem(pub Result<NewTask, Violations>);

/// The results of the batch, in its order.
#[derive(Debug, Serialize, Object)]
#[oai(example)]
pub struct BatchAnswer {
    /// How many of the tasks are stored.
    pub accepted: u32,
    /// How many are not, or are not known to be: `not_replicated` is stored, but not yet on as many replicas as it
    /// should be.
    pub refused: u32,
    /// One for each task, in their order.
    pub tasks: Vec<BatchResult>,
}

/// What came of one task: either `task_id` or `problem`.
#[derive(Debug, Serialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct BatchResult {
    /// As if it had been sent alone: 202 if it is stored.
    pub status: u16,
    /// Where it is: `/tasks/{task_id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// Why it is not known to be stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

impl BatchItem {
    /// Reads it as the body that it would be alone.
    fn read(raw: &RawValue) -> Self {
        let mut violations = Violations::at_most(TOLD_MAX);
        match read_object(raw, Pointer::root(), &mut violations, NewTask::read) {
            Some(task) if violations.is_empty() => Self(Ok(task)),
            _ => Self(Err(violations)),
        }
    }
}

impl Readable for NewBatch {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        fields.require("tasks");
        let tasks = fields.items("tasks", 1..=BATCH_TASKS_MAX, |raw, _, _| Some(BatchItem::read(raw)));
        Self { tasks: tasks.unwrap_or_default() }
    }
}

impl Type for BatchItem {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        NewTask::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        NewTask::schema_ref()
    }

    fn register(registry: &mut Registry) {
        NewTask::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ToJSON for BatchItem {
    fn to_json(&self) -> Option<Value> {
        self.0.as_ref().ok().and_then(ToJSON::to_json)
    }
}

impl ParseFromJSON for BatchItem {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        NewTask::parse_from_json(value).map(|task| Self(Ok(task))).map_err(poem_openapi::types::ParseError::propagate)
    }
}

impl Example for NewBatch {
    fn example() -> Self {
        Self { tasks: vec![BatchItem(Ok(NewTask::example()))] }
    }
}

impl Example for BatchAnswer {
    fn example() -> Self {
        let stored = BatchResult { status: 202, task_id: Some(task::EXAMPLE_ID.to_owned()), problem: None };
        let refused = BatchResult { status: 400, task_id: None, problem: Some(Problem::example()) };
        Self { accepted: 1, refused: 1, tasks: vec![stored, refused] }
    }
}
