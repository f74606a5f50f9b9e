//! Which tasks to look at, and when: soon after a fact that may have ended them, then less and less often until that
//! fact is folded, which takes a moment and, without projectors, as long as there are none.

use super::cursor::EntryId;
use proto_schemas::TaskId;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A projector mostly needs less.
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(2);
/// How often a task is looked at that goes on telling facts.
const APART: Duration = Duration::from_millis(100);
/// How long a look may take before it counts as lost.
const LOOK: Duration = Duration::from_secs(10);
/// Tasks that nobody follows by name are not looked at beyond so many.
const STRANGERS_MAX: usize = 10_000;

/// The tasks to look at.
#[derive(Debug, Default)]
pub struct Watches(HashMap<TaskId, Watch>);

#[derive(Debug)]
struct Watch {
    /// Look until this entry is folded.
    until: EntryId,
    /// Whether a fact asks for it, and not only somebody who has come to listen.
    by_fact: bool,
    due: Instant,
    pause: Duration,
    looked_at: Option<Instant>,
}

impl Watches {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether one more may be added for whoever listens to all tasks.
    pub fn has_room(&self) -> bool {
        self.len() < STRANGERS_MAX
    }

    /// Looks at a task, also for what stands up to `entry`; `by_fact` if that is a fact which may have ended it.
    pub fn add(&mut self, task_id: &TaskId, entry: EntryId, by_fact: bool, now: Instant) {
        let soon = now + FIRST;
        match self.0.get_mut(task_id) {
            Some(watch) => {
                watch.by_fact |= by_fact;
                watch.until = watch.until.max(entry);
                watch.pause = watch.pause.min(APART);
                watch.due = watch.due.min(watch.looked_at.map_or(soon, |at| soon.max(at + APART)));
            }
            None => {
                let watch = Watch { until: entry, by_fact, due: soon, pause: FIRST, looked_at: None };
                self.0.insert(task_id.clone(), watch);
            }
        }
    }

    /// At most `count` tasks to look at now, with what is to be folded; and when to ask again.
    pub fn due(&mut self, now: Instant, count: usize) -> (Vec<(TaskId, EntryId)>, Option<Instant>) {
        let mut due = Vec::new();
        for (task_id, watch) in self.0.iter_mut().filter(|(_, watch)| watch.due <= now).take(count) {
            (watch.due, watch.looked_at) = (now + LOOK, Some(now));
            due.push((task_id.clone(), watch.until));
        }
        (due, self.0.values().map(|watch| watch.due).min())
    }

    /// A look has found a task open, or nothing. It was for `looked_for`: if that is `folded`, and nothing came since,
    /// it is done.
    pub fn looked(&mut self, task_id: &TaskId, looked_for: EntryId, folded: bool, now: Instant) {
        let Some(watch) = self.0.get_mut(task_id) else { return };
        if folded && watch.until <= looked_for {
            self.0.remove(task_id);
        } else {
            watch.due = now + watch.pause;
            watch.pause = (watch.pause * 2).min(LONGEST);
        }
    }

    /// Looks at a task no more.
    pub fn remove(&mut self, task_id: &TaskId) {
        self.0.remove(task_id);
    }

    /// Looks no more at those that only somebody who listened asked for.
    pub fn forget_followed(&mut self) {
        self.0.retain(|_, watch| watch.by_fact);
    }

    /// Whether a fact asks for a look at this task.
    pub fn is_by_fact(&self, task_id: &TaskId) -> bool {
        self.0.get(task_id).is_some_and(|watch| watch.by_fact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(ms: u64) -> EntryId {
        EntryId { ms, number: 0 }
    }

    #[test]
    fn a_task_is_looked_at_less_and_less_until_what_it_told_is_folded() {
        let (mut watches, task_id, mut now) = (Watches::default(), TaskId::new("T").unwrap(), Instant::now());
        watches.add(&task_id, entry(5), true, now);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let (none, next) = watches.due(now, 9);
            assert!(none.is_empty());
            pauses.push(next.unwrap() - now);
            now = next.unwrap();
            assert_eq!(watches.due(now, 9).0, [(task_id.clone(), entry(5))]);
            watches.looked(&task_id, entry(5), false, now);
        }
        assert!(pauses.is_sorted() && pauses[0] == FIRST && pauses[9] == LONGEST, "{pauses:?}");
        watches.looked(&task_id, entry(5), true, now);
        assert_eq!(watches.len(), 0);
    }

    #[test]
    fn a_fact_that_comes_during_a_look_is_looked_for_again_but_not_at_once() {
        let (mut watches, task_id, now) = (Watches::default(), TaskId::new("T").unwrap(), Instant::now());
        watches.add(&task_id, entry(5), true, now);
        let start = now + FIRST;
        assert_eq!(watches.due(start, 9).0.len(), 1);
        watches.add(&task_id, entry(6), true, start);
        watches.looked(&task_id, entry(5), true, start);
        let (none, next) = watches.due(start, 9);
        assert!(none.is_empty() && next.is_some_and(|next| next <= start + APART));
        assert_eq!(watches.due(start + APART, 9).0, [(task_id, entry(6))]);
    }
}
