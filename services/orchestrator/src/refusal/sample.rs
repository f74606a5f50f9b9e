//! One refusal of each sort, as it may happen: what the document of the API and docs/errors.md show, in the words that
//! a client reads.

use super::Refusal;
use crate::body::violation::{Class, Pointer, Violations};
use crate::body::{self, Readable};
use crate::governor::Pressure;
use crate::routes::scope::Scope;
use crate::wire::batch::NewBatch;
use crate::wire::letter_selection::LetterRequeue;
use crate::wire::new_task::NewTask;
use crate::wire::replay::NewReplay;
use redis_store::StoreError;
use std::time::Duration;

/// How the rule of a kind is put, with the kinds that are built in.
const KNOWN: &str = "must be one of the known kinds: simulate, test_task";

/// Of the request that all of them answer.
pub const REQUEST_ID: &str = "01K5QJ0000TVWXYZ0123456789";

/// Makes a refusal to show.
pub type Sample = fn() -> Refusal;

/// One for each code and status, in the order of their statuses.
pub const ALL: [Sample; 45] = [
    invalid_task,
    || Refusal::Malformed { line: 1, column: 17 },
    || Refusal::BodyBroken,
    unknown_task_type,
    || Refusal::IdempotencyKeyInvalid,
    || Refusal::NotHttp("A request must have one header Host, with a host."),
    || Refusal::Unauthenticated,
    || Refusal::Forbidden(Scope::Write),
    || Refusal::NoSuchPath,
    || Refusal::TaskNotFound,
    || Refusal::LetterNotFound,
    || Refusal::WebhookNotFound,
    || Refusal::MethodNotAllowed(String::new()),
    || Refusal::BodySlow,
    || Refusal::IdempotencyTaskGone,
    || Refusal::NotCancellable,
    || Refusal::NotReplayable,
    || Refusal::RunsExhausted,
    || Refusal::LetterGone,
    || Refusal::LetterUnfit,
    || Refusal::Confirmation(41),
    || Refusal::TooManyWebhooks,
    || Refusal::PreconditionFailed,
    || Refusal::BodyTooLarge,
    || Refusal::UriTooLong,
    || Refusal::ContentType,
    || Refusal::ContentEncoding,
    || Refusal::Misdirected,
    too_many_subtasks,
    || Refusal::TooDeep,
    unknown_kind,
    || Refusal::IdempotencyKeyReused,
    || Refusal::ResultsTooLarge,
    || Refusal::Throttled(Duration::from_secs(12)),
    || Refusal::TooManyStreams,
    || Refusal::Overloaded(Pressure::Backlog),
    || Refusal::HeadersTooLarge,
    || Refusal::Bug(String::new()),
    || Refusal::TooManyConnections,
    || Refusal::TooManyBodies,
    || Refusal::TooManyAnswers,
    || Refusal::NotReplicated,
    || Refusal::StoreSilent,
    out_of_memory,
    || Refusal::NotReady(vec!["redis"]),
];

/// A field of a task that is not of its shape.
pub fn invalid_task() -> Refusal {
    read::<NewTask>(r#"{"description":"x","priority":"urgent"}"#)
}

/// A field that no document has.
pub fn unknown_field() -> Refusal {
    read::<NewReplay>(r#"{"verbose":true}"#)
}

/// A parameter that the operation does not have.
pub fn unknown_parameter() -> Refusal {
    of(&["verbose"], Class::Shape, "is not a known parameter")
}

/// A kind that no worker serves, at the typed door.
pub fn unknown_task_type() -> Refusal {
    let mut violations = Violations::default();
    violations.add(&Pointer::root().field("task_type"), Class::Kind, KNOWN);
    Refusal::UnknownTaskType(violations)
}

/// A kind that no worker serves, at the native door.
pub fn unknown_kind() -> Refusal {
    let mut violations = Violations::default();
    violations.add(&Pointer::root().field("subtasks").item(0).field("kind"), Class::Kind, KNOWN);
    Refusal::Invalid(violations)
}

/// A plan of more steps than a task may have.
pub fn too_many_subtasks() -> Refusal {
    of(&["subtasks"], Class::Rule, "must have 1 to 1000 items")
}

/// A batch of more tasks than it may have.
pub fn too_many_tasks() -> Refusal {
    read::<NewBatch>(r#"{"tasks":[]}"#)
}

/// More letters than one request may name.
pub fn too_many_entry_ids() -> Refusal {
    read::<LetterRequeue>(&format!(r#"{{"entry_ids":[{}]}}"#, ["\"1-0\""; 1_001].join(",")))
}

/// A subtask that the task does not have.
pub fn unknown_subtask() -> Refusal {
    of(&["subtasks", "0"], Class::Rule, "is neither a name nor an index in this task")
}

/// A webhook at a place that must not be reached.
pub fn forbidden_url() -> Refusal {
    of(&["url"], Class::Rule, "must lead to a public host")
}

/// A condition that is none.
pub fn no_entity_tag() -> Refusal {
    of(&["If-Match"], Class::Shape, "must be one entity tag, such as \"3\", or *")
}

/// What a Redis that is full leads to.
pub fn out_of_memory() -> Refusal {
    StoreError::out_of_memory().into()
}

/// What is found wrong with this body.
fn read<T: Readable>(body: &str) -> Refusal {
    body::parse::<T>(body.as_bytes()).err().unwrap_or(Refusal::BadRequest)
}

/// One violation, at this field of a field.
fn of(path: &[&str], class: Class, rule: &str) -> Refusal {
    let at = path.iter().fold(Pointer::root(), |at, name| at.field(name));
    let mut violations = Violations::default();
    violations.add(&at, class, rule);
    Refusal::Invalid(violations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every status with its code, as the table of the words has them.
    fn worded() -> BTreeSet<(u16, String)> {
        let table = include_str!("wording.rs");
        let head = |text: &str| {
            let (status, rest) = text.split_once(", \"")?;
            Some((status.trim().parse().ok()?, rest.split_once('"')?.0.to_owned()))
        };
        table.split('(').filter_map(head).collect()
    }

    #[test]
    fn every_code_of_the_table_has_one_sample_and_no_cause_in_it() {
        let shown: Vec<(u16, String)> =
            ALL.iter().map(|sample| sample().problem("R")).map(|problem| (problem.status, problem.code)).collect();
        let known: BTreeSet<(u16, String)> = shown.iter().cloned().collect();
        assert_eq!(known.len(), shown.len(), "one of them is there twice");
        assert_eq!(known, worded());
        assert!(shown.is_sorted_by_key(|(status, _)| *status));
    }
}
