//! Folding facts into tasks.

use crate::client::Store;
use crate::error::StoreError;
use crate::events::EventEntry;
use crate::task_end::TaskEnd;
use crate::{key, script, value};
use fred::types::Value;
use proto_schemas::{ConsumerName, Fact, FactKind, Progress, QueueName, Record, TaskId, limit};
use std::collections::BTreeMap;
use std::time::Duration;

/// Letters that the lines of one entry become at most.
const LETTERS_MAX: usize = 16;

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

/// What one call did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folded {
    /// The facts.
    pub counts: FoldCounts,
    /// The tasks that it has ended.
    pub ends: Vec<TaskEnd>,
}

impl Store {
    /// Folds entries of the log and acknowledges them, in one script call; in several if it is too much work for one,
    /// of which the last acknowledges: an error before it leaves every entry to be folded again. That changes nothing.
    pub async fn fold(
        &self,
        by: &ConsumerName,
        task_ttl: Duration,
        entries: &[EventEntry],
    ) -> Result<Folded, StoreError> {
        let ids: Vec<&str> = entries.iter().map(|entry| entry.entry_id.as_str()).collect();
        self.fold_lines(by, task_ttl, &ids, entries).await
    }

    /// Folds entries of the log without acknowledging them: the second half of a rebuild.
    pub async fn fold_again(
        &self,
        by: &ConsumerName,
        task_ttl: Duration,
        entries: &[EventEntry],
    ) -> Result<Folded, StoreError> {
        self.fold_lines(by, task_ttl, &[], entries).await
    }

    async fn fold_lines(
        &self,
        by: &ConsumerName,
        task_ttl: Duration,
        acknowledge: &[&str],
        entries: &[EventEntry],
    ) -> Result<Folded, StoreError> {
        let mut tasks: BTreeMap<&TaskId, Vec<Value>> = BTreeMap::new();
        let mut bad: Vec<Value> = Vec::new();
        for (entry_no, entry) in entries.iter().enumerate() {
            let mut unreadable: Vec<&[u8]> = Vec::new();
            for line in &entry.lines {
                match line {
                    Ok(fact) if fact.kind == FactKind::Created => {} // about the task as a whole, whatever it says
                    Ok(fact) => {
                        for index in fact.indexes() {
                            tasks.entry(&fact.task_id).or_default().extend(encode(fact, index));
                        }
                    }
                    Err(_) if acknowledge.is_empty() => {}
                    Err(line) => unreadable.push(line),
                }
            }
            for letter in letters_of(&unreadable) {
                bad.extend([(entry_no as i64 + 1).into(), Value::Bytes(letter.into())]);
            }
        }
        let tasks: Vec<(&TaskId, Vec<Value>)> = tasks.into_iter().collect();
        let (mut folded, mut rest, mut size) = (Folded::default(), &tasks[..], tasks.len());
        loop {
            let (part, after) = rest.split_at(size.min(rest.len()));
            // The last part acknowledges what all of them have folded.
            let (ids, lines): (&[&str], &[Value]) = if after.is_empty() { (acknowledge, &bad) } else { (&[], &[]) };
            match self.fold_part((by, task_ttl), ids, lines, part).await? {
                Part::Folded(some) => folded.add(some),
                Part::TooMuch(fewer) if (1..part.len()).contains(&fewer) => {
                    size = fewer;
                    continue;
                }
                Part::TooMuch(_) => return Err(StoreError::Reply("fold")),
            }
            if after.is_empty() {
                return Ok(folded);
            }
            rest = after;
        }
    }

    /// One call, again while it lacks the keys of a queue that a plan names.
    async fn fold_part(
        &self,
        (by, task_ttl): (&ConsumerName, Duration),
        acknowledge: &[&str],
        bad: &[Value],
        tasks: &[(&TaskId, Vec<Value>)],
    ) -> Result<Part, StoreError> {
        loop {
            let queues = self.known_queues();
            let (keys, args) = call(by, task_ttl, &queues, acknowledge, (bad, tasks));
            let answer = value::array(self.eval(&script::FOLD, keys, args).await?, "fold")?;
            let word = |at: usize| answer.get(at).and_then(Value::as_string).ok_or(StoreError::Reply("fold"));
            let count = |at: usize| word(at)?.parse().map_err(|_| StoreError::Reply("fold"));
            match word(0)?.as_str() {
                "folded" => {
                    let (counted, progressed) = (count(1)?, count(2)?);
                    let (duplicate, ignored) = (count(3)?, count(4)?);
                    let counts = FoldCounts { counted, progressed, duplicate, ignored };
                    let ends: Option<_> = answer.get(5..).unwrap_or_default().chunks(3).map(TaskEnd::decode).collect();
                    return Ok(Part::Folded(Folded { counts, ends: ends.ok_or(StoreError::Reply("fold"))? }));
                }
                "too_much" => return Ok(Part::TooMuch(count(1)? as usize)),
                "keys_missing" if self.learn_queues(&word(1)?, &queues) => {}
                _ => return Err(StoreError::Reply("fold")),
            }
        }
    }
}

/// What is buried of the lines of an entry that cannot be read: each for itself, from [`LETTERS_MAX`] on all in one. An
/// entry that somebody wrote by hand must not push out everybody's letters.
fn letters_of(unreadable: &[&[u8]]) -> Vec<Vec<u8>> {
    let (each, rest) = unreadable.split_at(unreadable.len().min(LETTERS_MAX - 1));
    let rest = (!rest.is_empty()).then(|| rest.join(&b'\n'));
    each.iter().map(|line| line.to_vec()).chain(rest).collect()
}

/// The answer to one call.
enum Part {
    Folded(Folded),
    /// Nothing was written; so many tasks, from the first on, are work enough.
    TooMuch(usize),
}

impl FoldCounts {
    /// Adds up what several calls did.
    pub fn add(&mut self, other: FoldCounts) {
        self.counted += other.counted;
        self.progressed += other.progressed;
        self.duplicate += other.duplicate;
        self.ignored += other.ignored;
    }
}

impl Folded {
    /// Adds what another call did.
    pub fn add(&mut self, other: Folded) {
        self.counts.add(other.counts);
        self.ends.extend(other.ends);
    }
}

/// Keys and arguments of one call.
fn call(
    by: &ConsumerName,
    task_ttl: Duration,
    queues: &[QueueName],
    acknowledge: &[&str],
    (bad, tasks): (&[Value], &[(&TaskId, Vec<Value>)]),
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
