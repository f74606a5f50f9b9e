//! The streams and outcomes hashes that the items of one call name: each key is passed once, and items name it by
//! number.

use crate::key::{self, Stream};
use proto_schemas::TaskId;

/// What has been named so far.
#[derive(Default)]
pub(crate) struct Named<'a> {
    streams: Vec<&'a Stream>,
    tasks: Vec<&'a TaskId>,
}

impl<'a> Named<'a> {
    /// The number of a stream, from 1.
    pub(crate) fn stream_no(&mut self, stream: &'a Stream) -> i64 {
        position_or_push(&mut self.streams, stream) as i64 + 1
    }

    /// The number of a task's outcomes hash, from 1.
    pub(crate) fn outcomes_no(&mut self, task_id: &'a TaskId) -> i64 {
        position_or_push(&mut self.tasks, task_id) as i64 + 1
    }

    /// How many streams, and how many outcomes hashes.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.streams.len(), self.tasks.len())
    }

    /// The keys in the order of their numbers: streams, then outcomes hashes.
    pub(crate) fn keys(&self) -> impl Iterator<Item = String> {
        let streams = self.streams.iter().map(|stream| stream.key());
        streams.chain(self.tasks.iter().map(|task_id| key::outcomes(task_id)))
    }
}

/// Where `item` stands; neighbours are mostly alike, so the search goes from the end.
pub(crate) fn position_or_push<T: PartialEq>(items: &mut Vec<T>, item: T) -> usize {
    items.iter().rposition(|known| *known == item).unwrap_or_else(|| {
        items.push(item);
        items.len() - 1
    })
}
