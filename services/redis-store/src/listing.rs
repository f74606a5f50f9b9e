//! Looking through the tasks, newest first: places of the indexes, and what a list shows of each task.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, value};
use fred::types::Value;
use futures::future::try_join_all;
use proto_schemas::{Task, TaskId, TaskStatus, limit};
use std::collections::HashMap;

/// Where a task stands in an index: by the time it was created, and among those of one ms by its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Ms of the Unix epoch.
    pub created_ms: u64,
    /// The task.
    pub task_id: TaskId,
}

/// Which part of the indexes to look at.
#[derive(Debug, Clone, Default)]
pub struct Span {
    /// Tasks of these statuses; of every status if there are none.
    pub statuses: Vec<TaskStatus>,
    /// Created at this ms or later.
    pub since_ms: u64,
    /// Behind this place, on the way to older ones.
    pub before: Option<Place>,
}

/// A task without its plan and its context.
#[derive(Debug, Clone)]
pub struct TaskHead {
    /// The task; `subtasks` is empty.
    pub task: Task,
    /// The kinds in its plan, each once; of a task from before they were kept, only that of a typed one.
    pub kinds: Vec<String>,
}

/// What is read of a hash.
const HEAD: [&str; 18] = [
    "task_id",
    "description",
    "door",
    "status",
    "priority",
    "kind",
    "total",
    "completed",
    "failed",
    "cancelled",
    "created_at",
    "updated_at",
    "finished_at",
    "run_at",
    "deadline_at",
    "deadline_after_ms",
    "revision",
    "kinds",
];

/// Some places of a span.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Newest first; there may be none although the span goes on.
    pub places: Vec<Place>,
    /// Where it goes on; `None` if it ends with them.
    pub next: Option<Place>,
}

/// A time beyond this is a stranger's.
const CREATED_MS_MAX: u64 = 1_000_000_000_000_000;

/// How often an index is read on where nothing that was read is of use: entries of the very ms of the place before, of
/// which a submission's time allows a few dozen, and what a hand put there.
const TURNS_MAX: usize = 10;

impl Store {
    /// The next places of a span, at most `count`, newest first. A command for each status, and a few more where
    /// strangers are.
    pub async fn newest_tasks(&self, span: &Span, count: usize) -> Result<Places, StoreError> {
        let indexes: Vec<String> = match span.statuses[..] {
            [] => vec![key::TASKS.to_owned()],
            _ => span.statuses.iter().map(|status| key::tasks_with(*status)).collect(),
        };
        let read = indexes.iter().map(|index| self.places(index, span, count));
        Ok(merge(try_join_all(read).await?, count))
    }

    /// What a list shows of each of `tasks`, in their order; `None` of one that is gone or cannot be read.
    pub async fn task_heads(&self, tasks: &[TaskId]) -> Result<Vec<Option<TaskHead>>, StoreError> {
        try_join_all(tasks.iter().map(|task_id| self.task_head(task_id))).await
    }

    async fn task_head(&self, task_id: &TaskId) -> Result<Option<TaskHead>, StoreError> {
        let mut args = value::args([&key::task(task_id)]);
        args.extend(HEAD.map(Value::from));
        let found = match self.command("HMGET", args).await {
            Err(StoreError::WrongType(_)) => return Ok(None), // a hand's: `audit` names it
            other => value::array(other?, "HMGET")?,
        };
        let fields = HEAD.into_iter().zip(found);
        let mut fields: HashMap<String, String> =
            fields.filter_map(|(name, value)| Some((name.to_owned(), value.into_string()?))).collect();
        fields.insert("subtasks".to_owned(), "[]".to_owned());
        let kinds = fields.get("kinds").or_else(|| fields.get("kind")).map_or("", String::as_str);
        let kinds = kinds.split(' ').filter(|kind| !kind.is_empty()).map(str::to_owned).collect();
        Ok(Task::decode(&fields).ok().map(|task| TaskHead { task, kinds }))
    }

    async fn places(&self, index: &str, span: &Span, count: usize) -> Result<Places, StoreError> {
        let from = span.before.as_ref().map_or("+inf".to_owned(), |before| before.created_ms.to_string());
        let is_behind = |place: &Place| span.before.as_ref().is_none_or(|before| place < before);
        let mut last_ms = 0;
        for turn in 0..TURNS_MAX {
            let (since_ms, skip) = (span.since_ms.to_string(), (turn * count).to_string());
            let args = value::args([index, &from, &since_ms, "WITHSCORES", "LIMIT", &skip, &count.to_string()]);
            let read = read_members(self.command("ZREVRANGEBYSCORE", args).await?)?;
            let is_end = read.len() < count;
            last_ms = read.last().map_or(last_ms, |(created_ms, _)| *created_ms);
            let places: Vec<Place> = read.into_iter().filter_map(task_place).filter(is_behind).collect();
            if is_end || !places.is_empty() {
                let next = places.last().filter(|_| !is_end).cloned();
                return Ok(Places { places, next });
            }
        }
        // All of them are strangers: on behind them, or a ms earlier where that has been tried.
        let was_there = span.before.as_ref().is_some_and(|before| before.created_ms <= last_ms);
        let next_ms = if was_there || last_ms >= CREATED_MS_MAX { last_ms.checked_sub(1) } else { Some(last_ms) };
        let next = next_ms.filter(|ms| *ms >= span.since_ms).and_then(|created_ms| {
            let task_id = TaskId::new("z".repeat(limit::TOKEN_CHARS_MAX)).ok()?; // the last of all
            Some(Place { created_ms, task_id })
        });
        Ok(Places { places: Vec::new(), next })
    }
}

/// The places of several indexes as of one. What lies behind the last place of an index that goes on is left for the
/// next time: something newer may be there.
fn merge(read: Vec<Places>, count: usize) -> Places {
    let known_to = read.iter().filter_map(|it| it.next.as_ref()).max().cloned();
    let mut places: Vec<Place> = read.into_iter().flat_map(|it| it.places).collect();
    // What moves from one index to another meanwhile may be in both.
    places.sort_by(|one, other| other.cmp(one));
    places.dedup();
    places.retain(|place| known_to.as_ref().is_none_or(|last| place >= last));
    let is_cut = places.len() > count;
    places.truncate(count);
    let next = if is_cut { places.last().cloned() } else { known_to };
    Places { places, next }
}

/// Members, each with the ms that its score says.
fn read_members(reply: Value) -> Result<Vec<(u64, Option<String>)>, StoreError> {
    let items = value::array(reply, "ZREVRANGEBYSCORE")?;
    let created_ms = |score: &Value| score.as_f64().unwrap_or(0.0).clamp(0.0, CREATED_MS_MAX as f64) as u64;
    Ok(items.chunks_exact(2).map(|pair| (created_ms(&pair[1]), pair[0].as_string())).collect())
}

/// A member as a place, unless it is no task's.
fn task_place((created_ms, member): (u64, Option<String>)) -> Option<Place> {
    let task_id = TaskId::new(member?).ok()?;
    (created_ms < CREATED_MS_MAX).then_some(Place { created_ms, task_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(ids: &[(u64, &str)], is_end: bool) -> Places {
        let place = |&(created_ms, id): &(u64, &str)| Place { created_ms, task_id: TaskId::new(id).unwrap() };
        let places: Vec<Place> = ids.iter().map(place).collect();
        Places { next: places.last().filter(|_| !is_end).cloned(), places }
    }

    #[test]
    fn places_are_in_the_order_of_time_and_then_of_ids() {
        let read = vec![places(&[(6, "A"), (5, "A")], true), places(&[(6, "A"), (5, "B")], true)];
        assert_eq!(merge(read.clone(), 9), places(&[(6, "A"), (5, "B"), (5, "A")], true));
        assert_eq!(merge(read, 2), places(&[(6, "A"), (5, "B")], false));
        assert_eq!(merge(vec![places(&[], true)], 9), places(&[], true));
    }

    #[test]
    fn what_lies_behind_the_end_of_what_was_read_waits_for_the_next_time() {
        let read = vec![places(&[(9, "A"), (7, "B")], false), places(&[(8, "C"), (6, "D")], true)];
        assert_eq!(merge(read, 9), places(&[(9, "A"), (8, "C"), (7, "B")], false));
    }
}
