//! The feeds.

use super::Tag;
use crate::auth::Client;
use crate::body::violation::{Pointer, Violations};
use crate::context::Context;
use crate::feed::cursor::{CURSOR_RULE, Cursor};
use crate::feed::name::Names;
use crate::refusal::Refusal;
use crate::refusal::documented::{self, Answer, Refusals, Refused};
use crate::wire::event_stream::{EventStream, TaskStream};
use crate::wire::header::LastEventId;
use crate::wire::task;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use proto_schemas::TaskId;
use std::sync::Arc;

/// More than all names together.
pub const TYPES_BYTES_MAX: usize = 512;
const TYPES_RULE: &str = "must be a list of event names, or of beginnings like task.*, with commas between";

/// The operations on what happens.
pub struct EventsApi;

struct FollowingOne;

impl Refusals for FollowingOne {
    const OWN: &'static [Answer] = &[
        (400, "A malformed `Last-Event-ID` or `after`; `errors` names the field.", &[no_place]),
        documented::NO_TASK,
        (
            429,
            "The limit of open event streams is reached, or this client holds half of them.",
            &[|| Refusal::TooManyStreams],
        ),
    ];
    const WAY: &'static [&'static [Answer]] = documented::ASKING;
}

struct FollowingAll;

impl Refusals for FollowingAll {
    const OWN: &'static [Answer] = &[
        (400, "A malformed `Last-Event-ID`, `after` or list of names; `errors` names the field.", &[no_place]),
        (
            429,
            "The limit of open event streams is reached, or this client holds half of them.",
            &[|| Refusal::TooManyStreams],
        ),
    ];
    const WAY: &'static [&'static [Answer]] = documented::ASKING;
}

#[OpenApi(tag = "Tag::Events")]
impl EventsApi {
    /// Follow a task
    ///
    /// Server-sent events: the task as it stands (`snapshot`), then every change once and in order, at last
    /// `task.completed`, `task.failed` or `task.cancelled`; then the stream ends, and a client that comes back with
    /// that id is answered 204. A client that comes back with the id of another message goes on behind it, at any
    /// orchestrator; if the log does not reach back so far, it is told `reset` with the task as it stands.
    #[oai(path = "/tasks/:task_id/events", method = "get", operation_id = "follow_task")]
    #[allow(clippy::too_many_arguments)] // what a handler takes of a request is a parameter each
    async fn follow_task(
        &self,
        context: Data<&Arc<Context>>,
        client: Data<&Client>,
        /// As it was answered to the submission.
        #[oai(name = "task_id", example = "example_id")]
        task_id: Path<String>,
        /// The id of the last message that was received; browsers send it by themselves.
        #[oai(name = "Last-Event-ID")]
        last_event_id: LastEventId,
        /// The same, for clients that cannot send the header; the header goes before.
        after: Query<Option<String>>,
    ) -> Result<TaskStream, Refused<FollowingOne>> {
        let after = cursor(last_event_id.0, after.0)?;
        let task_id = TaskId::new(task_id.0).map_err(|_| Refusal::TaskNotFound)?;
        Ok(TaskStream(context.ask(context.feed.of_task(&client, task_id, after)).await?))
    }

    /// Follow all tasks
    ///
    /// Server-sent events: every change of every task once and in order, from now on or behind the message that is
    /// named. If the log does not reach back so far, `reset` is told, and then whatever it still holds. That a task has
    /// ended is told without an id, once, to whoever listens at that moment: read the task or follow it to be sure.
    #[oai(path = "/events", method = "get", operation_id = "follow_all_tasks")]
    #[allow(clippy::too_many_arguments)] // what a handler takes of a request is a parameter each
    async fn follow_all(
        &self,
        context: Data<&Arc<Context>>,
        client: Data<&Client>,
        /// Which messages: names with commas between, or beginnings like `task.*`, at most 512 bytes; all without it.
        types: Query<Option<String>>,
        /// The id of the last message that was received; browsers send it by themselves.
        #[oai(name = "Last-Event-ID")]
        last_event_id: LastEventId,
        /// The same, for clients that cannot send the header; the header goes before.
        after: Query<Option<String>>,
    ) -> Result<EventStream, Refused<FollowingAll>> {
        let names = match &types.0 {
            Some(text) => names(text).ok_or_else(|| invalid("types", TYPES_RULE))?,
            None => Names::all(),
        };
        let is_header = last_event_id.0.is_some();
        let after = match cursor(last_event_id.0, after.0)? {
            Some(Cursor::After(position)) => Some(position),
            Some(Cursor::Ended) => return Err(invalid(field(is_header), CURSOR_RULE).into()),
            None => None,
        };
        Ok(EventStream(context.ask(context.feed.of_all(&client, names, after)).await?))
    }
}

fn names(text: &str) -> Option<Names> {
    (text.len() <= TYPES_BYTES_MAX).then(|| Names::read(text)).flatten()
}

/// Where to go on; an empty header is none, as some clients send it before their first message. The header goes before,
/// and the query has to be sound all the same.
fn cursor(header: Option<String>, query: Option<String>) -> Result<Option<Cursor>, Refusal> {
    let header = header.filter(|text| !text.is_empty());
    let read = |text: Option<String>, is_header| {
        text.map(|text| Cursor::read(&text)).transpose().map_err(|_| invalid(field(is_header), CURSOR_RULE))
    };
    let (header, query) = (read(header, true)?, read(query, false)?);
    Ok(header.or(query))
}

fn field(is_header: bool) -> &'static str {
    if is_header { "Last-Event-ID" } else { "after" }
}

fn invalid(field: &str, rule: &'static str) -> Refusal {
    let mut violations = Violations::default();
    violations.shape(&Pointer::root().field(field), rule);
    Refusal::Invalid(violations)
}

fn no_place() -> Refusal {
    invalid("after", CURSOR_RULE)
}

fn example_id() -> String {
    task::EXAMPLE_ID.to_owned()
}
