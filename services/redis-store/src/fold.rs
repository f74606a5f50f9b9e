//! Folding facts into tasks.

use crate::client::Store;
use crate::error::StoreError;
use crate::events::EventEntry;
use crate::{key, script, value};
use fred::types::Value;
use proto_schemas::{ConsumerName, Fact, FactKind, Progress, QueueName, Record, TaskId, limit};
use std::collections::BTreeMap;
use std::time::Duration;

/// What one call did, in facts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FoldCounts {
    /// Terminal facts that moved a counter.
    pub counted: u64,
    /// Non-terminal facts that were kept.
    pub progressed: u64,
    /// Facts about what had already ended.
    pub duplicate: u64,
    /// Facts about a task or an index that does not exist, or of a generation that was never opened.
    pub ignored: u64,
}

impl Store {
    /// Folds entries of the log and acknowledges them, in one script call. Folding an entry again changes nothing.
    pub async fn fold(
        &self,
        by: &ConsumerName,
        task_ttl: Duration,
        entries: &[EventEntry],
    ) -> Result<FoldCounts, StoreError> {
        let ids: Vec<&str> = entries.iter().map(|entry| entry.entry_id.as_str()).collect();
        self.fold_lines(by, task_ttl, &ids, entries).await
    }

    /// Folds entries of the log without acknowledging them: the second half of a rebuild.
    pub async fn fold_again(
        &self,
        by: &ConsumerName,
        task_ttl: Duration,
        entries: &[EventEntry],
    ) -> Result<FoldCounts, StoreError> {
        self.fold_lines(by, task_ttl, &[], entries).await
    }

    async fn fold_lines(
        &self,
        by: &ConsumerName,
        task_ttl: Duration,
        acknowledge: &[&str],
        entries: &[EventEntry],
    ) -> Result<FoldCounts, StoreError> {
        let mut tasks: BTreeMap<&TaskId, Vec<Value>> = BTreeMap::new();
        let mut bad: Vec<Value> = Vec::new();
        for (entry_no, entry) in entries.iter().enumerate() {
            for line in &entry.lines {
                match line {
                    Ok(fact) if fact.kind == FactKind::Created => {} // about the task as a whole, whatever it says
                    Ok(fact) => {
                        for index in fact.indexes() {
                            tasks.entry(&fact.task_id).or_default().extend(encode(fact, index));
                        }
                    }
                    Err(_) if acknowledge.is_empty() => {}
                    Err(line) => {
                        bad.push((entry_no as i64 + 1).into());
                        bad.push(Value::Bytes(line.clone().into()));
                    }
                }
            }
        }
        loop {
            let queues = self.known_queues();
            let (keys, args) = call(by, task_ttl, &queues, acknowledge, (&bad, &tasks));
            let answer = value::array(self.eval(&script::FOLD, keys, args).await?, "fold")?;
            let word = |at: usize| answer.get(at).and_then(Value::as_string).ok_or(StoreError::Reply("fold"));
            let count = |at: usize| word(at)?.parse().map_err(|_| StoreError::Reply("fold"));
            match word(0)?.as_str() {
                "folded" => {
                    let (counted, progressed) = (count(1)?, count(2)?);
                    return Ok(FoldCounts { counted, progressed, duplicate: count(3)?, ignored: count(4)? });
                }
                "keys_missing" if self.learn_queues(&word(1)?, &queues) => {}
                _ => return Err(StoreError::Reply("fold")),
            }
        }
    }
}

/// Keys and arguments of one call.
fn call(
    by: &ConsumerName,
    task_ttl: Duration,
    queues: &[QueueName],
    acknowledge: &[&str],
    (bad, tasks): (&[Value], &BTreeMap<&TaskId, Vec<Value>>),
) -> (Vec<String>, Vec<Value>) {
    let first =
        [key::EVENTS, key::DEAD_LETTERS, key::META, key::LIFETIMES, key::DELAYED, key::DELAYED_BODY, key::CANCELLED];
    let mut keys = first.map(str::to_owned).to_vec();
    keys.extend(key::status_indexes());
    keys.extend(key::of_queues(queues));
    let mut args = value::args([
        key::PROJECTOR_GROUP,
        by.as_str(),
        &task_ttl.as_millis().to_string(),
        &limit::CANCEL_HINT_MS.to_string(),
        &limit::DEAD_LETTERS_MAX.to_string(),
        &queues.len().to_string(),
        &acknowledge.len().to_string(),
        &(bad.len() / 2).to_string(),
        &tasks.len().to_string(),
    ]);
    args.extend(queues.iter().map(|queue| Value::from(queue.as_str())));
    args.extend(acknowledge.iter().map(|id| Value::from(*id)));
    args.extend(bad.iter().cloned());
    for (task_id, facts) in tasks {
        keys.extend([key::task(task_id), key::outcomes(task_id), key::plan(task_id)]);
        args.push(task_id.as_str().into());
        args.push((facts.len() as i64 / FACT_ARGS as i64).into());
        args.extend(facts.iter().cloned());
    }
    (keys, args)
}

/// Arguments of one fact.
const FACT_ARGS: usize = 5;

/// Index, generation, fact, record or progress, ms: what the script needs of a fact about `index`.
fn encode(fact: &Fact, index: u32) -> [Value; FACT_ARGS] {
    let kept = match Record::of(fact) {
        Some(record) => record.encode(),
        None => Progress::of(fact).map(|told| told.encode()).unwrap_or_default(),
    };
    [
        (index as i64).into(),
        (fact.generation as i64).into(),
        fact.kind.as_str().into(),
        kept.into(),
        (fact.at_ms as i64).into(),
    ]
}
