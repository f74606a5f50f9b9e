//! Everything that is kept of one task, for an audit and for repairs.

use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::value;
use proto_schemas::{Task, TaskId, TaskStatus};
use std::collections::HashMap;

/// A task with all that belongs to it.
#[derive(Debug, Clone)]
pub struct Books {
    /// The hash.
    pub task: Task,
    /// Whether it says that a generation after the first was ever opened: without it the scripts look for none.
    pub has_generations: bool,
    /// Fields of `outcomes:<id>` as they are stored.
    pub outcomes: HashMap<String, String>,
    /// Fields of `plan:<id>` as they are stored; empty without dependencies.
    pub plan: HashMap<String, String>,
}

/// In the order in which a task passes through them.
const OPEN: [TaskStatus; 2] = [TaskStatus::Queued, TaskStatus::Processing];

impl Store {
    /// The books of a task, or `None`. Three reads of one moment each, in this order.
    pub async fn books(&self, task_id: &TaskId) -> Result<Option<Books>, StoreError> {
        let (hash, outcomes, plan) = tokio::try_join!(
            self.command("HGETALL", value::args([&key::task(task_id)])),
            self.command("HGETALL", value::args([&key::outcomes(task_id)])),
            self.command("HGETALL", value::args([&key::plan(task_id)])),
        )?;
        let fields = value::map(hash, "HGETALL")?;
        if fields.is_empty() {
            return Ok(None);
        }
        let task = Task::decode(&fields).map_err(|error| StoreError::Document(error.into()))?;
        let has_generations = fields.contains_key("generations");
        let (outcomes, plan) = (value::map(outcomes, "HGETALL")?, value::map(plan, "HGETALL")?);
        Ok(Some(Books { task, has_generations, outcomes, plan }))
    }

    /// Every task that has not ended, the queued ones first: one that starts meanwhile may come twice, none is left
    /// out. The caller has made sure that they are not too many.
    pub async fn open_tasks(&self) -> Result<Vec<TaskId>, StoreError> {
        let mut open = Vec::new();
        for status in OPEN {
            let args = value::args([&key::tasks_with(status), "0", "-1"]);
            let ids = value::words(self.command("ZRANGE", args).await?, "ZRANGE")?;
            open.extend(ids.into_iter().filter_map(|id| TaskId::new(id).ok()));
        }
        Ok(open)
    }

    /// How much is open, without reading it: tasks that have not ended, and tokens in streams and `delayed`.
    pub async fn open_count(&self) -> Result<(u64, u64), StoreError> {
        let (mut tasks, mut tokens) = (0, 0);
        for status in OPEN {
            let args = value::args([&key::tasks_with(status)]);
            tasks += value::number(&self.command("ZCARD", args).await?, "ZCARD")?;
        }
        tokens += value::number(&self.command("ZCARD", value::args([key::DELAYED])).await?, "ZCARD")?;
        for queue in self.queues().await? {
            for stream in Stream::of(&queue) {
                tokens += self.stream_length(&stream).await?;
            }
        }
        Ok((tasks, tokens))
    }
}
