//! What people ask for: a task with its outcomes, a result, pages of the indexes, the books for an audit.

use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::value::{self, RawEntry};
use fred::types::Value;
use proto_schemas::{QueueName, Record, SubtaskId, SubtaskResult, Task, TaskId, TaskStatus, record};
use std::collections::HashMap;

/// A task and what is known of its subtasks.
#[derive(Debug, Clone)]
pub struct TaskView {
    /// The hash.
    pub task: Task,
    /// Fields of `outcomes:<id>` as they are stored.
    pub outcomes: HashMap<String, String>,
}

/// One entry of a stream as it lies there.
#[derive(Debug, Clone)]
pub struct StreamEntry {
    /// Its id.
    pub entry_id: String,
    /// Its fields as text; what is not UTF-8 is replaced.
    pub fields: Vec<(String, String)>,
}

/// A pending entry, as XPENDING tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEntry {
    /// Its id.
    pub entry_id: String,
    /// Who holds it.
    pub consumer: String,
    /// Ms since its lease was taken or renewed.
    pub idle_ms: u64,
    /// How often it was delivered.
    pub deliveries: u64,
}

/// Where the indexes place a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexPlace {
    /// Every `tasks:<status>` that lists it; one is right.
    pub statuses: Vec<TaskStatus>,
    /// Its time in `lifetimes`.
    pub life_ends_at_ms: Option<u64>,
}

impl Store {
    /// A task with its outcomes, or `None`. Two reads of one moment each: counters may lag a record by one fold.
    pub async fn task(&self, task_id: &TaskId) -> Result<Option<TaskView>, StoreError> {
        let hash = self.command("HGETALL", value::args([&key::task(task_id)]));
        let (hash, outcomes) = tokio::try_join!(hash, self.outcomes(task_id))?;
        let fields = value::map(hash, "HGETALL")?;
        if fields.is_empty() {
            return Ok(None);
        }
        let task = Task::decode(&fields).map_err(|error| StoreError::Document(error.into()))?;
        Ok(Some(TaskView { task, outcomes }))
    }

    /// What is known of a task's subtasks, as it is stored; empty of a task that is not there.
    pub async fn outcomes(&self, task_id: &TaskId) -> Result<HashMap<String, String>, StoreError> {
        value::map(self.command("HGETALL", value::args([&key::outcomes(task_id)])).await?, "HGETALL")
    }

    /// The stored result of a subtask, or `None` if there is none (any more).
    pub async fn result(&self, subtask_id: &SubtaskId) -> Result<Option<SubtaskResult>, StoreError> {
        match self.command("GET", value::args([&key::result(subtask_id)])).await? {
            Value::Null => Ok(None),
            found => serde_json::from_str(&value::text(found, "GET")?)
                .map(Some)
                .map_err(|error| StoreError::Document(error.into())),
        }
    }

    /// The stored results of several subtasks as JSON text, in their order.
    pub async fn results(&self, subtasks: &[SubtaskId]) -> Result<Vec<Option<String>>, StoreError> {
        if subtasks.is_empty() {
            return Ok(Vec::new());
        }
        let args = subtasks.iter().map(|subtask_id| Value::from(key::result(subtask_id))).collect();
        let found = value::array(self.command("MGET", args).await?, "MGET")?;
        Ok(found.into_iter().map(Value::into_string).collect())
    }

    /// The records of some subtasks of a task in their current generations, in their order; `None` of what has none.
    pub async fn records(&self, task_id: &TaskId, indexes: &[u32]) -> Result<Vec<Option<Record>>, StoreError> {
        let outcomes = key::outcomes(task_id);
        let fields = async |fields: Vec<String>| -> Result<Vec<Option<String>>, StoreError> {
            let mut args = value::args([&outcomes]);
            args.extend(fields.into_iter().map(Value::from));
            let found = value::array(self.command("HMGET", args).await?, "HMGET")?;
            Ok(found.into_iter().map(Value::into_string).collect())
        };
        let generations = fields(indexes.iter().map(|index| record::generation_field(*index)).collect()).await?;
        let generation = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        let places = indexes.iter().zip(generations);
        let found = fields(places.map(|(index, text)| record::field_of(*index, generation(text))).collect()).await?;
        Ok(found.into_iter().map(|text| Record::decode(&text?).ok()).collect())
    }

    /// Which of several subtasks have a stored result, in their order: one command if all have, else one more for each.
    pub async fn have_results(&self, subtasks: &[SubtaskId]) -> Result<Vec<bool>, StoreError> {
        let mut have = vec![true; subtasks.len()];
        if self.count_results(subtasks).await? < subtasks.len() {
            for (has, subtask_id) in have.iter_mut().zip(subtasks.chunks(1)) {
                *has = self.count_results(subtask_id).await? > 0;
            }
        }
        Ok(have)
    }

    async fn count_results(&self, subtasks: &[SubtaskId]) -> Result<usize, StoreError> {
        if subtasks.is_empty() {
            return Ok(0);
        }
        let keys = subtasks.iter().map(|subtask_id| Value::from(key::result(subtask_id))).collect();
        Ok(value::number(&self.command("EXISTS", keys).await?, "EXISTS")? as usize)
    }

    /// What is kept of a task's dependencies, as it is stored; empty without any.
    pub async fn plan(&self, task_id: &TaskId) -> Result<HashMap<String, String>, StoreError> {
        value::map(self.command("HGETALL", value::args([&key::plan(task_id)])).await?, "HGETALL")
    }

    /// A page of every task, oldest first, from place `offset` of the index.
    pub async fn tasks_page(&self, offset: usize, count: usize) -> Result<Vec<TaskId>, StoreError> {
        let last = offset + count.max(1) - 1;
        let args = value::args([key::TASKS, &offset.to_string(), &last.to_string()]);
        let ids = value::words(self.command("ZRANGE", args).await?, "ZRANGE")?;
        Ok(ids.into_iter().filter_map(|id| TaskId::new(id).ok()).collect())
    }

    /// How many tasks there are.
    pub async fn tasks_count(&self) -> Result<u64, StoreError> {
        value::number(&self.command("ZCARD", value::args([key::TASKS])).await?, "ZCARD")
    }

    /// The queues in use.
    pub async fn queues(&self) -> Result<Vec<QueueName>, StoreError> {
        let names = value::words(self.command("SMEMBERS", value::args([key::QUEUES])).await?, "SMEMBERS")?;
        Ok(names.into_iter().filter_map(|name| QueueName::new(name).ok()).collect())
    }

    /// A page of a stream after entry `after` (`-` for the beginning), oldest first.
    pub async fn stream_page(
        &self,
        stream: &Stream,
        after: &str,
        count: usize,
    ) -> Result<Vec<StreamEntry>, StoreError> {
        let from = if after == "-" { "-".to_owned() } else { format!("({after}") };
        let args = value::args([&stream.key(), &from, "+", "COUNT", &count.to_string()]);
        value::array(self.command("XRANGE", args).await?, "XRANGE")?
            .into_iter()
            .map(|entry| RawEntry::decode(entry, "XRANGE").map(StreamEntry::from))
            .collect()
    }

    /// How many entries a stream holds.
    pub async fn stream_length(&self, stream: &Stream) -> Result<u64, StoreError> {
        value::number(&self.command("XLEN", value::args([&stream.key()])).await?, "XLEN")
    }

    /// The state of the `workers` group of a stream, or `None` if nobody has read it yet.
    pub async fn work_group(&self, stream: &Stream) -> Result<Option<crate::events::GroupState>, StoreError> {
        let groups = self.group_states(&stream.key()).await?;
        Ok(groups.into_iter().find(|group| group.name == key::WORKERS_GROUP))
    }

    /// A page of what is pending in a stream after entry `after` (`-` for the beginning).
    pub async fn pending_page(
        &self,
        stream: &Stream,
        after: &str,
        count: usize,
    ) -> Result<Vec<PendingEntry>, StoreError> {
        self.pending_of(&stream.key(), key::WORKERS_GROUP, after, count).await
    }

    /// Where the indexes place each of `tasks`, in their order. Several reads: a fold may run between them.
    pub async fn index_places(&self, tasks: &[TaskId]) -> Result<Vec<IndexPlace>, StoreError> {
        let mut places = vec![IndexPlace::default(); tasks.len()];
        if tasks.is_empty() {
            return Ok(places);
        }
        for (status, key) in TaskStatus::ALL.iter().zip(key::status_indexes()) {
            for (place, score) in places.iter_mut().zip(self.scores(&key, tasks).await?) {
                place.statuses.extend(score.is_some().then_some(*status));
            }
        }
        for (place, score) in places.iter_mut().zip(self.scores(key::LIFETIMES, tasks).await?) {
            place.life_ends_at_ms = score;
        }
        Ok(places)
    }

    pub(crate) async fn scores(&self, index: &str, members: &[TaskId]) -> Result<Vec<Option<u64>>, StoreError> {
        let mut args = value::args([index]);
        args.extend(members.iter().map(|member| Value::from(member.as_str())));
        let scores = value::array(self.command("ZMSCORE", args).await?, "ZMSCORE")?;
        Ok(scores.iter().map(|score| score.as_f64().map(|ms| ms as u64)).collect())
    }

    pub(crate) async fn pending_of(
        &self,
        stream: &str,
        group: &str,
        after: &str,
        count: usize,
    ) -> Result<Vec<PendingEntry>, StoreError> {
        let from = if after == "-" { "-".to_owned() } else { format!("({after}") };
        let args = value::args([stream, group, &from, "+", &count.to_string()]);
        let rows = match self.command("XPENDING", args).await {
            Err(StoreError::NoGroup(_)) => return Ok(Vec::new()),
            other => value::array(other?, "XPENDING")?,
        };
        rows.into_iter()
            .map(|row| {
                let mut row = value::array(row, "XPENDING")?.into_iter();
                match (row.next(), row.next(), row.next(), row.next()) {
                    (Some(id), Some(consumer), Some(idle), Some(deliveries)) => Ok(PendingEntry {
                        entry_id: value::text(id, "XPENDING")?,
                        consumer: value::lossy(&consumer).ok_or(StoreError::Reply("XPENDING"))?,
                        idle_ms: value::number(&idle, "XPENDING")?,
                        deliveries: value::number(&deliveries, "XPENDING")?,
                    }),
                    _ => Err(StoreError::Reply("XPENDING")),
                }
            })
            .collect()
    }
}

impl From<RawEntry> for StreamEntry {
    fn from(raw: RawEntry) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields = raw.pairs().map(|(name, value)| (text(name), text(value))).collect();
        Self { entry_id: raw.id, fields }
    }
}
