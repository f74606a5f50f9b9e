//! Folding facts into tasks.

use crate::client::Store;
use crate::error::StoreError;
use crate::events::EventEntry;
use crate::{key, script, value};
use fred::types::Value;
use proto_schemas::{ConsumerName, Fact, Progress, Record, TaskId, limit};
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
        let mut ignored = 0;
        for (entry_no, entry) in entries.iter().enumerate() {
            for line in &entry.lines {
                match line {
                    Ok(fact) if fact.index.is_none() => {}
                    Ok(fact) if fact.generation > 0 => ignored += 1,
                    Ok(fact) => match encode(fact) {
                        Some(args) => tasks.entry(&fact.task_id).or_default().extend(args),
                        None => ignored += 1,
                    },
                    Err(_) if acknowledge.is_empty() => {}
                    Err(line) => {
                        bad.push((entry_no as i64 + 1).into());
                        bad.push(Value::Bytes(line.clone().into()));
                    }
                }
            }
        }
        let mut keys = vec![key::EVENTS.to_owned(), key::DEAD_LETTERS.to_owned(), key::LIFETIMES.to_owned()];
        keys.extend(key::status_indexes());
        let mut args = value::args([
            key::PROJECTOR_GROUP,
            by.as_str(),
            &task_ttl.as_millis().to_string(),
            &limit::DEAD_LETTERS_MAX.to_string(),
            &acknowledge.len().to_string(),
            &(bad.len() / 2).to_string(),
            &tasks.len().to_string(),
        ]);
        args.extend(acknowledge.iter().map(|id| Value::from(*id)));
        args.extend(bad);
        for (task_id, facts) in tasks {
            keys.push(key::task(task_id));
            keys.push(key::outcomes(task_id));
            args.push(task_id.as_str().into());
            args.push((facts.len() as i64 / 4).into());
            args.extend(facts);
        }
        let answer = value::array(self.eval(&script::FOLD, keys, args).await?, "fold")?;
        let count = |at: usize| answer.get(at).map_or(Err(StoreError::Reply("fold")), |n| value::number(n, "fold"));
        Ok(FoldCounts { counted: count(0)?, progressed: count(1)?, duplicate: count(2)?, ignored: count(3)? + ignored })
    }
}

/// Index, fact, record or progress, ms: what the script needs of a fact.
fn encode(fact: &Fact) -> Option<[Value; 4]> {
    let kept = match Record::of(fact) {
        Some(record) => record.encode(),
        None => Progress::of(fact)?.encode(),
    };
    Some([(fact.index? as i64).into(), fact.kind.as_str().into(), kept.into(), (fact.at_ms as i64).into()])
}
