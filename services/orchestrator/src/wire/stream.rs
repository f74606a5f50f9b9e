//! Streams as operators read them.

use poem_openapi::Object;
use poem_openapi::types::Example;
use serde::Serialize;

/// Every stream of the installation.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example)]
pub struct StreamList {
    /// The four of each queue, most urgent first, then the log and the dead letters. At most 100 queues.
    pub streams: Vec<StreamDocument>,
    /// Subtasks that wait for their time: retries, schedules, parked kinds.
    pub delayed: u64,
}

/// A stream.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct StreamDocument {
    /// Its key.
    pub stream: String,
    /// Entries in it.
    pub length: u64,
    /// Entries that were ever added.
    pub entries_added: u64,
    /// Entries that our group has not read; absent where the server cannot tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<u64>,
    /// Entries that our group has read and not acknowledged: of work, what is leased.
    pub running: u64,
    /// How long the oldest entry that is not done has been there, in seconds; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_age_seconds: Option<f64>,
    /// Its groups.
    pub groups: Vec<GroupDocument>,
    /// Warnings for people.
    pub warnings: Vec<String>,
}

/// A group of a stream.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct GroupDocument {
    /// Its name.
    pub group: String,
    /// Entries it has read and not acknowledged.
    pub pending: u64,
    /// Entries it has not read; absent where the server cannot tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// How many consumers it has.
    pub consumers_count: u64,
    /// Its consumers, those with most pending first, at most 100.
    pub consumers: Vec<StreamConsumerDocument>,
}

/// A consumer of a group: one process.
#[derive(Debug, Clone, Serialize, Object)]
pub struct StreamConsumerDocument {
    /// Its name.
    pub consumer: String,
    /// Entries it has read and not acknowledged.
    pub pending: u64,
    /// Seconds since it last read, claimed or renewed anything.
    pub idle_seconds: f64,
}

impl Example for StreamList {
    fn example() -> Self {
        let consumer = "worker-1:01K5QJ0000@host-a".to_owned();
        let group = GroupDocument {
            group: "workers".to_owned(),
            pending: 2,
            lag: Some(5),
            consumers_count: 1,
            consumers: vec![StreamConsumerDocument { consumer, pending: 2, idle_seconds: 0.4 }],
        };
        let stream = StreamDocument {
            stream: "subtasks:default:medium".to_owned(),
            length: 7,
            entries_added: 1_200,
            ready: Some(5),
            running: 2,
            oldest_age_seconds: Some(3.1),
            groups: vec![group],
            warnings: Vec::new(),
        };
        Self { streams: vec![stream], delayed: 3 }
    }
}
