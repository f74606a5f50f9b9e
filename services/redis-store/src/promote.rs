//! Moving what is due into its stream.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, script, value};
use fred::types::Value;
use proto_schemas::{ConsumerName, QueueName, SubtaskId, limit};
use std::time::Duration;

/// What one promotion did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Promoted {
    /// Members that are in their streams now.
    pub moved: u64,
    /// Members without a body that can be run: dead letters now.
    pub malformed: u64,
    /// Until the next is due; zero if more was due than one call takes, `None` if nothing waits.
    pub next_due: Option<Duration>,
}

/// What waits for its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelayedMember {
    /// The member; a subtask's id unless a stranger wrote it.
    pub member: String,
    /// When it is due, ms of the Unix epoch.
    pub due_ms: u64,
    /// Its body: JSON of its queue and then names and values of its entry; `None` if it has none.
    pub body: Option<String>,
}

/// Members of one call.
const COUNT: usize = 100;

impl Store {
    /// Promotes at most a hundred members in one script call. Sent twice, each member is still moved once.
    pub async fn promote(&self, by: &ConsumerName) -> Result<Promoted, StoreError> {
        loop {
            let queues = self.known_queues();
            let mut args = value::args([
                by.as_str(),
                &COUNT.to_string(),
                &limit::DEAD_LETTERS_MAX.to_string(),
                &queues.len().to_string(),
            ]);
            args.extend(queues.iter().map(|queue| Value::from(queue.as_str())));
            let mut keys = [key::DELAYED, key::DELAYED_BODY, key::DEAD_LETTERS, key::META].map(str::to_owned).to_vec();
            keys.extend(key::of_queues(&queues));
            let answer = value::array(self.eval(&script::PROMOTE, keys, args).await?, "promote")?;
            let word = |at: usize| answer.get(at).and_then(Value::as_string).ok_or(StoreError::Reply("promote"));
            match word(0)?.as_str() {
                "promoted" => {
                    let number = |at| word(at)?.parse().map_err(|_| StoreError::Reply("promote"));
                    let next_due = if word(3)?.is_empty() { None } else { Some(Duration::from_millis(number(3)?)) };
                    return Ok(Promoted { moved: number(1)?, malformed: number(2)?, next_due });
                }
                "keys_missing" if self.learn_queues(&word(1)?, &queues) => {}
                _ => return Err(StoreError::Reply("promote")),
            }
        }
    }

    /// A page of what waits, by the time it is due, from place `offset` on.
    pub async fn delayed_page(&self, offset: usize, count: usize) -> Result<Vec<DelayedMember>, StoreError> {
        let last = offset + count.max(1) - 1;
        let args = value::args([key::DELAYED, &offset.to_string(), &last.to_string(), "WITHSCORES"]);
        let flat = value::words(self.command("ZRANGE", args).await?, "ZRANGE")?;
        let members: Vec<&String> = flat.iter().step_by(2).collect();
        if members.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = value::args([key::DELAYED_BODY]);
        args.extend(members.iter().map(|member| Value::from(member.as_str())));
        let bodies = value::array(self.command("HMGET", args).await?, "HMGET")?;
        let scores = flat.iter().skip(1).step_by(2).map(|score| score.parse::<f64>().map_or(0, |ms| ms as u64));
        let rows = members.into_iter().zip(scores).zip(bodies);
        Ok(rows
            .map(|((member, due_ms), body)| DelayedMember { member: member.clone(), due_ms, body: body.into_string() })
            .collect())
    }

    /// How many subtasks wait for their time.
    pub async fn delayed_count(&self) -> Result<u64, StoreError> {
        value::number(&self.command("ZCARD", value::args([key::DELAYED])).await?, "ZCARD")
    }

    /// When each of some subtasks is due, ms of the Unix epoch, in their order; `None` of what does not wait for its
    /// time.
    pub async fn due_times(&self, subtasks: &[SubtaskId]) -> Result<Vec<Option<u64>>, StoreError> {
        if subtasks.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = value::args([key::DELAYED]);
        args.extend(subtasks.iter().map(|subtask_id| Value::from(subtask_id.as_str())));
        let scores = value::array(self.command("ZMSCORE", args).await?, "ZMSCORE")?;
        Ok(scores.iter().map(|score| score.as_f64().map(|ms| ms as u64)).collect())
    }

    /// When a subtask's next attempt is due, ms of the Unix epoch, if it waits for its time.
    pub async fn due_ms(&self, subtask_id: &SubtaskId) -> Result<Option<u64>, StoreError> {
        let score = self.command("ZSCORE", value::args([key::DELAYED, subtask_id.as_str()])).await?;
        Ok(score.as_f64().map(|ms| ms as u64))
    }

    /// Adds queues that a script has named; whether more are known now than the call had `sent`. A call of another
    /// clone may have learnt them first.
    pub(crate) fn learn_queues(&self, names: &str, sent: &[QueueName]) -> bool {
        let mut queues = self.queues_lock();
        queues.extend(names.split(' ').filter_map(|name| QueueName::new(name).ok()));
        queues.len() > sent.len()
    }

    /// The queues whose keys are passed to scripts that may touch several.
    pub(crate) fn known_queues(&self) -> Vec<QueueName> {
        self.queues_lock().iter().cloned().collect()
    }
}
