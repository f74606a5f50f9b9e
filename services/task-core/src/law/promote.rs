//! Moving what is due from `delayed` into its stream.

use super::body::unpack;
use super::dead_letter::Epitaph;
use super::{Books, Moment, StreamName};
use proto_schemas::ConsumerName;

/// One promotion.
#[derive(Debug, Clone)]
pub struct Promote {
    /// Who promotes.
    pub by: ConsumerName,
    /// Members that one call may move.
    pub count: usize,
}

/// What one promotion did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Promoted {
    /// Members that are in their streams now.
    pub moved: u64,
    /// Members without a body that can be run: dead letters now.
    pub malformed: u64,
    /// Ms until the next is due; 0 if more was due than one call takes, `None` if nothing waits.
    pub next_due_ms: Option<u64>,
}

impl Books {
    /// Moves what is due, the earliest first, and rings for it; what has no body that can be run is kept as a dead
    /// letter.
    pub fn promote(&mut self, moment: &mut Moment, order: &Promote) -> Promoted {
        let now_ms = moment.now_ms;
        let mut due: Vec<(u64, String)> =
            self.delayed.iter().map(|(member, due_ms)| (*due_ms, member.clone())).collect();
        due.sort();
        due.retain(|(due_ms, _)| *due_ms <= now_ms);
        due.truncate(order.count);
        let mut promoted = Promoted::default();
        for (_, member) in due {
            self.delayed.remove(&member);
            let text = self.bodies.remove(&member).unwrap_or_default();
            match unpack(&text) {
                Some((queue, fields, priority)) => {
                    self.append(moment, &StreamName::Work(queue.clone(), priority), fields);
                    self.ring(&queue, 1);
                    promoted.moved += 1;
                }
                None => {
                    let source = format!("delayed {member}");
                    let epitaph = Epitaph { reason: "malformed", error: "", by: &order.by, source };
                    self.append_dead_letter(moment, &epitaph, vec![(b"body".to_vec(), text)]);
                    promoted.malformed += 1;
                }
            }
        }
        promoted.next_due_ms = self.delayed.values().min().map(|due_ms| due_ms.saturating_sub(now_ms));
        promoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::body::pack;
    use proto_schemas::{Priority, QueueName, SubtaskId};

    #[test]
    fn what_is_due_is_moved_the_earliest_first_and_garbage_is_kept() {
        let queue = QueueName::default_queue();
        let mut books = Books::default();
        for (member, due_ms) in [("a", 30), ("b", 10), ("c", 20), ("d", 99)] {
            let fields = vec![(b"priority".to_vec(), b"high".to_vec()), (b"n".to_vec(), member.as_bytes().to_vec())];
            books.delay(&SubtaskId::new(member).unwrap(), due_ms, pack(&queue, &fields));
        }
        books.bodies.remove("c");
        let order = Promote { by: ConsumerName::new("w").unwrap(), count: 2 };
        let first = books.promote(&mut Moment::at(40), &order);
        assert_eq!(first, Promoted { moved: 1, malformed: 1, next_due_ms: Some(0) });
        let second = books.promote(&mut Moment::at(40), &order);
        assert_eq!(second, Promoted { moved: 1, malformed: 0, next_due_ms: Some(59) });
        assert_eq!(books.promote(&mut Moment::at(99), &order).next_due_ms, None);
        let stream = &books.streams[&StreamName::Work(queue.clone(), Priority::High)];
        let names: Vec<&[u8]> = stream.entries.values().map(|fields| &fields[1].1[..]).collect();
        assert_eq!(names, [b"b", b"a", b"d"]);
        assert_eq!((books.bells[&queue], books.streams[&StreamName::DeadLetters].entries.len()), (3, 1));
        assert!(books.bodies.is_empty());
    }
}
