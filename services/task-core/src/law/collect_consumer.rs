//! Removing a dead worker's consumer, but never one that still holds entries: they would be lost.

use super::{Books, StreamName};
use proto_schemas::{ConsumerName, Priority, QueueName};

/// A consumer that seems dead.
#[derive(Debug, Clone)]
pub struct CollectConsumer {
    /// The consumer.
    pub consumer: ConsumerName,
    /// The queues that it may have read.
    pub queues: Vec<QueueName>,
}

/// The answer to a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collected {
    /// It is gone from every stream.
    Removed,
    /// It beats, or holds entries: left alone.
    Busy,
}

impl Books {
    /// Removes a consumer that neither beats nor holds anything.
    pub fn collect_consumer(&mut self, order: &CollectConsumer) -> Collected {
        let names: Vec<StreamName> = order
            .queues
            .iter()
            .flat_map(|queue| Priority::ALL.iter().map(|priority| StreamName::Work(queue.clone(), *priority)))
            .collect();
        let groups = |name| self.streams.get(name).and_then(|stream| stream.group.as_ref());
        let holds = |name| {
            groups(name).is_some_and(|group| group.pending.values().any(|lease| lease.consumer == order.consumer))
        };
        if self.heartbeats.get(&order.consumer) == Some(&true) || names.iter().any(holds) {
            return Collected::Busy;
        }
        for name in &names {
            if let Some(group) = self.streams.get_mut(name).and_then(|stream| stream.group.as_mut()) {
                group.consumers.remove(&order.consumer);
            }
        }
        self.heartbeats.remove(&order.consumer);
        self.workers.remove(&order.consumer);
        Collected::Removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::Moment;

    #[test]
    fn a_consumer_goes_once_it_neither_beats_nor_holds_anything() {
        let (consumer, queue) = (ConsumerName::new("w").unwrap(), QueueName::default_queue());
        let stream = StreamName::Work(queue.clone(), Priority::Low);
        let mut books = Books::default();
        books.create_group(&stream);
        let entry_id = books.append(&mut Moment::at(1), &stream, Vec::new());
        books.lease(&stream, &consumer, 1, 1);
        books.heartbeats.insert(consumer.clone(), true);
        books.workers.insert(consumer.clone(), 1);
        let order = CollectConsumer { consumer: consumer.clone(), queues: vec![queue] };
        assert_eq!(books.collect_consumer(&order), Collected::Busy);
        books.heartbeats.insert(consumer.clone(), false);
        assert_eq!(books.collect_consumer(&order), Collected::Busy);
        books.acknowledge(&stream, entry_id);
        assert_eq!(books.collect_consumer(&order), Collected::Removed);
        assert!(books.workers.is_empty() && books.heartbeats.is_empty());
        assert!(books.streams[&stream].group.as_ref().unwrap().consumers.is_empty());
    }
}
