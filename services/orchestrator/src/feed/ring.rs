//! The newest messages of the log, so that whoever comes back soon needs no Redis.

use super::cursor::Position;
use super::message::Message;
use std::collections::VecDeque;
use std::sync::Arc;

/// Some 4 MiB.
const MESSAGES_MAX: usize = 8_192;

/// Every message behind `floor`.
#[derive(Debug, Default)]
pub struct Ring {
    floor: Position,
    messages: VecDeque<Arc<Message>>,
}

impl Ring {
    /// A ring that knows nothing up to `floor`.
    pub fn new(floor: Position) -> Self {
        Self { floor, messages: VecDeque::new() }
    }

    /// Adds the next message.
    pub fn push(&mut self, message: Arc<Message>) {
        if self.messages.len() == MESSAGES_MAX
            && let Some(oldest) = self.messages.pop_front()
        {
            self.floor = oldest.position;
        }
        self.messages.push_back(message);
    }

    /// All behind `after`, or `None` if some of it is forgotten.
    pub fn since(&self, after: Position) -> Option<impl Iterator<Item = &Arc<Message>>> {
        let first = self.messages.partition_point(|message| message.position <= after);
        (after >= self.floor).then(|| self.messages.range(first..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::cursor::EntryId;

    fn at(ms: u64) -> Position {
        Position { entry: EntryId { ms, number: 0 }, line: 0 }
    }

    #[test]
    fn it_keeps_the_newest_and_says_where_it_forgets() {
        let mut ring = Ring::new(at(10));
        let last = 10 + MESSAGES_MAX as u64 + 5;
        for ms in 11..=last {
            ring.push(Arc::new(Message::read(at(ms), b"T 0 0 started 1 0 w 1").unwrap()));
        }
        let count = |after| ring.since(at(after)).map(Iterator::count);
        assert_eq!(count(last), Some(0));
        assert_eq!(count(last - 3), Some(3));
        assert_eq!(count(15), Some(MESSAGES_MAX));
        assert_eq!((count(14), count(10)), (None, None), "an evicted message is forgotten");
    }
}
