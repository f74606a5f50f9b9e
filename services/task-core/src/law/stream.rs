//! A stream with the one group that reads it, and what the server decides by itself: leases, ids, the time.

use proto_schemas::{ConsumerName, Priority, QueueName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::str::FromStr;

/// The id of a stream entry: larger than every one before it in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntryId {
    /// Ms of the Unix epoch.
    pub ms: u64,
    /// Counts within the ms.
    pub sequence: u64,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.sequence)
    }
}

impl FromStr for EntryId {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (ms, sequence) = text.split_once('-').unwrap_or((text, "0"));
        Ok(Self { ms: ms.parse()?, sequence: sequence.parse()? })
    }
}

/// Names and values of a stream entry, as bytes: a stranger may write anything.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Any of the streams; it prints as dead letters name their source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamName {
    /// Live attempts of one queue and priority.
    Work(QueueName, Priority),
    /// The log of facts.
    Events,
    /// Entries that gave up.
    DeadLetters,
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(queue, priority) => write!(f, "subtasks:{queue}:{priority}"),
            Self::Events => f.write_str("events"),
            Self::DeadLetters => f.write_str("dead-letters"),
        }
    }
}

/// A stream and the one group that reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stream {
    /// What it holds.
    pub entries: BTreeMap<EntryId, Fields>,
    /// The greatest id it ever gave out.
    pub last_id: EntryId,
    /// `workers` of a work stream, `projector` of the log; `None` until a reader creates it.
    pub group: Option<Group>,
}

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// The newest entry that was delivered.
    pub delivered_id: EntryId,
    /// Its members.
    pub consumers: BTreeSet<ConsumerName>,
    /// What was delivered and not acknowledged: the leases.
    pub pending: BTreeMap<EntryId, Pending>,
}

/// One lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Who holds it.
    pub consumer: ConsumerName,
    /// When it was taken or renewed, ms of the Unix epoch.
    pub since_ms: u64,
    /// How often it was delivered.
    pub deliveries: u64,
}

/// What the server decides while a script runs: the time, the ids of what is appended, how much of what is beyond a
/// rough bound it trims.
#[derive(Debug, Clone, Default)]
pub struct Moment {
    /// The server's clock, ms of the Unix epoch.
    pub now_ms: u64,
    ids: BTreeMap<StreamName, VecDeque<EntryId>>,
    pub(crate) trimmed: usize,
}

impl Moment {
    /// A moment whose ids follow from the time, as the server makes them.
    pub fn at(now_ms: u64) -> Self {
        Self { now_ms, ids: BTreeMap::new(), trimmed: 0 }
    }

    /// A moment with ids that the server gave out in each stream, in their order.
    pub fn with_ids(now_ms: u64, ids: BTreeMap<StreamName, VecDeque<EntryId>>) -> Self {
        Self { now_ms, ids, trimmed: 0 }
    }

    /// The same, but the server trims `count` of the oldest dead letters, if so many are beyond the bound.
    pub fn trimming(self, count: usize) -> Self {
        Self { trimmed: count, ..self }
    }

    /// Whether everything that was given was taken.
    pub fn is_used_up(&self) -> bool {
        self.ids.values().all(VecDeque::is_empty) && self.trimmed == 0
    }

    fn next_id(&mut self, name: &StreamName, last_id: EntryId) -> EntryId {
        let now = EntryId { ms: self.now_ms, sequence: 0 };
        let following = EntryId { ms: last_id.ms, sequence: last_id.sequence + 1 };
        self.ids.get_mut(name).and_then(VecDeque::pop_front).unwrap_or_else(|| now.max(following))
    }
}

impl Stream {
    /// Appends an entry; `name` says which of the moment's ids it takes.
    pub fn append(&mut self, moment: &mut Moment, name: &StreamName, fields: Fields) -> EntryId {
        let id = moment.next_id(name, self.last_id);
        self.last_id = id;
        self.entries.insert(id, fields);
        id
    }

    /// Leases at most `count` undelivered entries to `consumer`; nothing without a group.
    pub fn lease(&mut self, consumer: &ConsumerName, count: usize, now_ms: u64) -> Vec<EntryId> {
        let Some(group) = &mut self.group else { return Vec::new() };
        let fresh = self.entries.keys().filter(|&&id| id > group.delivered_id);
        let ids: Vec<EntryId> = fresh.take(count).copied().collect();
        for &id in &ids {
            group.delivered_id = id;
            group.consumers.insert(consumer.clone());
            group.pending.insert(id, Pending { consumer: consumer.clone(), since_ms: now_ms, deliveries: 1 });
        }
        ids
    }

    /// Renews leases that are still pending and answers which those are; only the owner may ask.
    pub fn renew(&mut self, consumer: &ConsumerName, ids: &[EntryId], now_ms: u64) -> Vec<EntryId> {
        let Some(group) = &mut self.group else { return Vec::new() };
        let mut kept = Vec::new();
        for id in ids {
            if let Some(pending) = group.pending.get_mut(id) {
                (pending.consumer, pending.since_ms) = (consumer.clone(), now_ms);
                kept.push(*id);
            }
        }
        kept
    }

    /// Marks a lease as running alone, by a count of deliveries that no reading reaches; whether it is still pending.
    /// Only the owner may ask.
    pub fn mark_alone(&mut self, consumer: &ConsumerName, id: EntryId, now_ms: u64, deliveries: u64) -> bool {
        let Some(pending) = self.group.as_mut().and_then(|group| group.pending.get_mut(&id)) else { return false };
        *pending = Pending { consumer: consumer.clone(), since_ms: now_ms, deliveries };
        true
    }

    /// Acknowledges an entry; whether it was pending.
    pub fn acknowledge(&mut self, id: EntryId) -> bool {
        self.group.as_mut().is_some_and(|group| group.pending.remove(&id).is_some())
    }
}

/// A field out of text.
pub(crate) fn text_field((name, value): (&str, &str)) -> (Vec<u8>, Vec<u8>) {
    (name.as_bytes().to_vec(), value.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_within_and_across_milliseconds_also_when_the_clock_steps_back() {
        let mut stream = Stream::default();
        let mut ids = Vec::new();
        for now_ms in [5, 5, 9, 7] {
            ids.push(stream.append(&mut Moment::at(now_ms), &StreamName::Events, Vec::new()).to_string());
        }
        assert_eq!(ids, ["5-0", "5-1", "9-0", "9-1"]);
        assert_eq!("9-1".parse(), Ok(stream.last_id));
    }

    #[test]
    fn an_entry_is_leased_once_and_acknowledged_once() {
        let worker = ConsumerName::new("w").unwrap();
        let mut stream = Stream::default();
        let id = stream.append(&mut Moment::at(1), &StreamName::Events, Vec::new());
        assert!(stream.lease(&worker, 9, 1).is_empty() && !stream.acknowledge(id));
        stream.group = Some(Group::default());
        assert_eq!(stream.lease(&worker, 9, 1), [id]);
        assert!(stream.lease(&worker, 9, 1).is_empty());
        assert_eq!(stream.renew(&worker, &[id], 8), [id]);
        assert!(stream.mark_alone(&worker, id, 9, 1_000) && !stream.mark_alone(&worker, EntryId::default(), 9, 1_000));
        assert_eq!(stream.group.as_ref().unwrap().pending[&id].deliveries, 1_000);
        assert!(stream.acknowledge(id) && !stream.acknowledge(id));
        assert!(stream.renew(&worker, &[id], 9).is_empty());
    }
}
