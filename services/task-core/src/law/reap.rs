//! Re-adding what dead workers left: entries idle for a lease come back with one crash more, or are buried.

use super::dead_letter::Epitaph;
use super::entry::{remember, set_field};
use super::identity::{Identity, identify};
use super::stream::{Pending, Stream};
use super::{Books, EntryId, Fields, Group, Moment, StreamName};
use proto_schemas::{ConsumerName, FactKind, Priority, QueueName};
use std::collections::BTreeMap;

/// How long one round keeps the others from running, in ms.
const ROUND_MS: u64 = 450;
/// Pending entries that the server looks at for each one it may claim.
const LOOKS_PER_CLAIM: usize = 10;
/// How often a round has the server look, in all streams together, while it finds nothing; once at least in each.
const LOOKS_MAX: usize = 20;

/// One round of maintenance.
#[derive(Debug, Clone)]
pub struct Reap {
    /// Who runs it.
    pub by: ConsumerName,
    /// The queue.
    pub queue: QueueName,
    /// Ms after which an entry counts as left.
    pub lease_ms: u64,
    /// When it is too late to judge: the call hung in an outage, and so did the renewals of those it would call dead.
    pub not_after_ms: Option<u64>,
    /// Entries of each stream that one round may claim.
    pub count: usize,
    /// What buries.
    pub patience: Patience,
    /// Where the last round stopped in each stream, most urgent first; 0-0 is the beginning.
    pub cursors: [EntryId; Priority::ALL.len()],
}

/// What a crash has to be to bury its entry.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// It buries if that attempt ran alone in its worker,
    pub crashes_max: u32,
    /// and in any case.
    pub crashes_cap: u32,
    /// Deliveries that mark an attempt as running alone.
    pub alone_deliveries: u64,
}

/// The answer to asking for a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It was ours.
    Ran(Reaped),
    /// Another one ran within 450 ms.
    Skipped,
    /// The call arrived later than it was to; nothing was judged.
    Late,
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Added again.
    pub returned: u64,
    /// Buried after too many crashes.
    pub buried: u64,
    /// Dead-lettered because nobody can run them.
    pub malformed: u64,
    /// Pending ids whose entry someone had deleted.
    pub ghosts: u64,
    /// Ms until the next of what waits for its time is due; `None` if nothing waits.
    pub next_due_ms: Option<u64>,
    /// Where the next round goes on; 0-0 after the end.
    pub cursors: [EntryId; Priority::ALL.len()],
}

impl Books {
    /// Runs a round unless another one ran within 450 ms. A mark that bars for longer is nobody's: it is left and bars
    /// nothing.
    pub fn reap(&mut self, moment: &mut Moment, order: &Reap) -> Asked {
        if order.not_after_ms.is_some_and(|not_after_ms| moment.now_ms > not_after_ms) {
            return Asked::Late;
        }
        let barred_until_ms = self.maintenance.get(&order.queue).map_or(0, |(_, until_ms)| *until_ms);
        match barred_until_ms.saturating_sub(moment.now_ms) {
            0 => drop(self.maintenance.insert(order.queue.clone(), (order.by.clone(), moment.now_ms + ROUND_MS))),
            1..=ROUND_MS => return Asked::Skipped,
            _ => {}
        }
        let next_due_ms = self.delayed.values().min().map(|due_ms| due_ms.saturating_sub(moment.now_ms));
        let (mut reaped, mut lines) = (Reaped { next_due_ms, ..Reaped::default() }, Vec::new());
        let mut looks = LOOKS_MAX;
        for (rank, priority) in Priority::ALL.iter().enumerate() {
            let stream = StreamName::Work(order.queue.clone(), *priority);
            let (left, next) = self.claim(moment.now_ms, &stream, order, (order.cursors[rank], &mut looks));
            reaped.cursors[rank] = next;
            for entry_id in left {
                let is_alone = self.deliveries(&stream, entry_id) >= order.patience.alone_deliveries;
                self.acknowledge(&stream, entry_id);
                let Some(fields) = self.delete(&stream, entry_id) else {
                    reaped.ghosts += 1;
                    continue;
                };
                let (verdict, line) = self.recover(moment, order, (&stream, entry_id, is_alone), fields);
                *match verdict {
                    Verdict::Returned => &mut reaped.returned,
                    Verdict::Buried => &mut reaped.buried,
                    Verdict::Malformed => &mut reaped.malformed,
                } += 1;
                lines.extend(line);
            }
        }
        self.append_facts(moment, &order.by, &lines);
        self.ring(&order.queue, reaped.returned as usize);
        Asked::Ran(reaped)
    }

    /// What a round claims from `cursor` on, whoever holds it, and where the next would go on: it looks on until it has
    /// found an entry that was left. Ids whose entry is gone are claimed on the way.
    fn claim(
        &self,
        now_ms: u64,
        stream: &StreamName,
        order: &Reap,
        (cursor, looks): (EntryId, &mut usize),
    ) -> (Vec<EntryId>, EntryId) {
        let Some(stream) = self.streams.get(stream) else { return Default::default() };
        let Some(Group { pending, .. }) = &stream.group else { return Default::default() };
        let (mut left, mut next) = (Vec::new(), cursor);
        loop {
            *looks = looks.saturating_sub(1);
            let (some, after) = look(now_ms, (stream, pending), order, next);
            let is_found = some.iter().any(|entry_id| stream.entries.contains_key(entry_id));
            left.extend(some);
            next = after;
            if is_found || next == EntryId::default() || *looks == 0 {
                break;
            }
        }
        (left, next)
    }

    /// How often a pending entry was delivered.
    fn deliveries(&self, stream: &StreamName, entry_id: EntryId) -> u64 {
        let group = self.streams.get(stream).and_then(|stream| stream.group.as_ref());
        group.and_then(|group| group.pending.get(&entry_id)).map_or(0, |lease| lease.deliveries)
    }

    /// Judges one entry that was left, and what the log is told about it.
    fn recover(
        &mut self,
        moment: &mut Moment,
        order: &Reap,
        (stream, entry_id, is_alone): (&StreamName, EntryId, bool),
        mut fields: Fields,
    ) -> (Verdict, Option<String>) {
        let (by, now_ms) = (&order.by, moment.now_ms);
        let mut bury = |reason, fields| {
            let source = format!("{stream} {entry_id}");
            self.append_dead_letter(moment, &Epitaph { reason, error: "", by, source }, fields);
        };
        let it = match identify(&fields) {
            Identity::Newer => {
                self.append(moment, stream, fields);
                return (Verdict::Returned, None);
            }
            Identity::Malformed => {
                bury("malformed", fields);
                return (Verdict::Malformed, None);
            }
            Identity::Known(it) => it.crashed(),
        };
        remember(&mut fields, &it.memory(FactKind::Crashed, by, now_ms, None));
        let Patience { crashes_max, crashes_cap, .. } = order.patience;
        if it.crashes >= crashes_cap || (it.crashes >= crashes_max && is_alone) {
            bury("crashes", fields);
            return (Verdict::Buried, Some(it.line(FactKind::Failed, by, now_ms, Some("crashes"))));
        }
        set_field(&mut fields, "crashes", it.crashes.to_string());
        self.append(moment, stream, fields);
        (Verdict::Returned, Some(it.line(FactKind::Crashed, by, now_ms, None)))
    }
}

/// What the server claims when it looks once: ids that were left and ids whose entry is gone; and where it would go on.
fn look(
    now_ms: u64,
    (stream, pending): (&Stream, &BTreeMap<EntryId, Pending>),
    order: &Reap,
    cursor: EntryId,
) -> (Vec<EntryId>, EntryId) {
    let (mut left, mut looks) = (Vec::new(), 0);
    for (&entry_id, lease) in pending.range(cursor..) {
        if left.len() == order.count || looks == order.count * LOOKS_PER_CLAIM {
            return (left, entry_id);
        }
        looks += 1;
        if !stream.entries.contains_key(&entry_id) || lease.since_ms + order.lease_ms <= now_ms {
            left.push(entry_id);
        }
    }
    (left, EntryId::default())
}

/// What became of an entry that was left.
enum Verdict {
    Returned,
    Buried,
    Malformed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::entry::field;
    use crate::law::identity::read_lines;
    use crate::law::stream::text_field;

    fn order(lease_ms: u64) -> Reap {
        Reap {
            by: ConsumerName::new("r").unwrap(),
            queue: QueueName::default_queue(),
            lease_ms,
            not_after_ms: None,
            count: 100,
            patience: Patience { crashes_max: 3, crashes_cap: 4, alone_deliveries: 9 },
            cursors: Default::default(),
        }
    }

    fn round(books: &mut Books, now_ms: u64, order: &Reap) -> Reaped {
        match books.reap(&mut Moment::at(now_ms), order) {
            Asked::Ran(reaped) => reaped,
            other => panic!("{other:?}"),
        }
    }

    fn left(fields: &[(&str, &str)]) -> (Books, StreamName) {
        let stream = StreamName::Work(QueueName::default_queue(), Priority::Low);
        let mut books = Books::default();
        books.create_group(&stream);
        books.append(&mut Moment::at(1), &stream, fields.iter().copied().map(text_field).collect());
        books.lease(&stream, &ConsumerName::new("w").unwrap(), 1, 1);
        (books, stream)
    }

    /// What three or four rounds in a row tell the log of an entry whose worker dies each time.
    fn told_by(rounds: u64, is_alone: bool) -> (Vec<String>, Books, StreamName) {
        let (mut books, stream) = left(&[("task_id", "T"), ("subtask_id", "T-0"), ("description", "d")]);
        let mut told = Vec::new();
        for count in 1..=rounds {
            if is_alone {
                let group = books.streams.get_mut(&stream).and_then(|stream| stream.group.as_mut()).unwrap();
                group.pending.values_mut().for_each(|lease| lease.deliveries = 9);
            }
            round(&mut books, count * 1_000, &order(100));
            let log = &books.streams[&StreamName::Events];
            told.push(read_lines(&log.entries[&log.last_id])[0].as_ref().unwrap().encode());
            books.lease(&stream, &ConsumerName::new("w").unwrap(), 1, count * 1_000);
        }
        (told, books, stream)
    }

    #[test]
    fn the_third_crash_buries_what_ran_alone() {
        let (told, books, stream) = told_by(3, true);
        assert_eq!(told, ["T 0 0 crashed 1 1 r 1000", "T 0 0 crashed 1 2 r 2000", "T 0 0 failed 1 3 r 3000 crashes"]);
        assert!(books.streams[&stream].entries.is_empty());
        let letters = &books.streams[&StreamName::DeadLetters];
        let history = field(&letters.entries[&letters.last_id], "history").unwrap();
        assert_eq!(history, b"1 1 crashed 1000 r\n1 2 crashed 2000 r\n1 3 crashed 3000 r");
    }

    #[test]
    fn what_never_ran_alone_is_buried_by_the_cap() {
        let (told, books, stream) = told_by(3, false);
        assert_eq!((told[2].as_str(), books.streams[&stream].entries.len()), ("T 0 0 crashed 1 3 r 3000", 1));
        let (told, books, stream) = told_by(4, false);
        assert_eq!((told[3].as_str(), books.streams[&stream].entries.len()), ("T 0 0 failed 1 4 r 4000 crashes", 0));
    }

    #[test]
    fn a_lease_that_has_not_run_out_is_left_alone_and_a_round_bars_the_next() {
        let (mut books, _) = left(&[]);
        assert_eq!(round(&mut books, 100, &order(100)), Reaped::default());
        assert_eq!(books.reap(&mut Moment::at(549), &order(100)), Asked::Skipped);
        let late = Reap { not_after_ms: Some(999), ..order(100) };
        assert_eq!(books.reap(&mut Moment::at(1_000), &late), Asked::Late);
        books.delayed.insert("T-1".to_owned(), 1_007);
        let reaped = round(&mut books, 1_000, &order(100));
        assert_eq!((reaped.malformed, reaped.next_due_ms), (1, Some(7)));
        let mark = (ConsumerName::new("x").unwrap(), 9_000);
        books.maintenance.insert(QueueName::default_queue(), mark.clone());
        assert!(matches!(books.reap(&mut Moment::at(8_549), &order(100)), Asked::Ran(_)));
        assert_eq!(books.reap(&mut Moment::at(8_550), &order(100)), Asked::Skipped);
        assert_eq!(books.maintenance[&QueueName::default_queue()], mark);
    }

    #[test]
    fn a_newer_entry_comes_back_untouched_and_a_deleted_one_is_a_ghost() {
        let (mut books, stream) = left(&[("v", "2")]);
        assert_eq!(round(&mut books, 2_000, &order(100)).returned, 1);
        assert_eq!(books.streams[&stream].entries.values().next().unwrap(), &vec![text_field(("v", "2"))]);
        let ids = books.lease(&stream, &ConsumerName::new("w").unwrap(), 1, 4_000);
        books.delete(&stream, ids[0]);
        assert_eq!(round(&mut books, 4_000, &order(100)).ghosts, 1);
    }

    #[test]
    fn a_round_stops_at_its_count_and_says_where() {
        let (mut books, stream) = left(&[]);
        for _ in 0..4 {
            books.append(&mut Moment::at(1), &stream, Vec::new());
        }
        books.lease(&stream, &ConsumerName::new("w").unwrap(), 9, 1);
        let mut order = Reap { count: 2, ..order(100) };
        for (now_ms, taken, next) in [(1_000, 2, "1-2"), (2_000, 2, "1-4"), (3_000, 1, "0-0")] {
            let reaped = round(&mut books, now_ms, &order);
            assert_eq!((reaped.malformed, reaped.cursors[3].to_string().as_str()), (taken, next));
            order.cursors = reaped.cursors;
        }
    }
    #[test]
    fn a_round_looks_past_two_hundred_leases_for_each_entry_that_it_may_claim() {
        let (mut books, stream) = left(&[]);
        for _ in 0..401 {
            books.append(&mut Moment::at(1), &stream, Vec::new());
        }
        let ids = books.lease(&stream, &ConsumerName::new("w").unwrap(), 999, 5_000);
        books.delete(&stream, ids[50]);
        books.delete(&stream, ids[400]);
        let found = round(&mut books, 5_000, &Reap { count: 2, ..order(100) });
        assert_eq!((found.malformed, found.ghosts), (1, 0), "it looks no further than to what was left");
        let mut order = Reap { count: 2, ..order(9_000) };
        let far = round(&mut books, 6_000, &order);
        assert_eq!((far.ghosts, far.cursors[3]), (1, ids[400]), "an id without an entry does not end it");
        order.cursors = far.cursors;
        let rest = round(&mut books, 7_000, &order);
        assert_eq!((rest.ghosts, rest.cursors[3]), (1, EntryId::default()));
    }
}
