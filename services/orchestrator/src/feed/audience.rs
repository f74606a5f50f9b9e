//! Everybody who listens, and the order in which they are told: no end before the facts that led to it, no life of a
//! task before the end of the one before. Pure: no lock, no clock, no Redis.

use super::cursor::{EntryId, Position};
use super::message::Message;
use super::name::Names;
use super::ring::Ring;
use super::watches::Watches;
use proto_schemas::{FactKind, TaskId};
use redis_store::tail::TaskState;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// What a listener is told.
#[derive(Debug, Clone)]
pub enum Told {
    /// A fact.
    Message(Arc<Message>),
    /// How a task stands: that it has ended or, for whoever waits for that, that it has changed.
    State(Arc<(TaskId, TaskState)>),
    /// The task has expired.
    Gone,
}

/// What a listener wants to hear.
#[derive(Debug, Clone)]
pub struct Interest {
    /// Of this task, or of all.
    pub task_id: Option<TaskId>,
    /// Which messages.
    pub names: Names,
    /// Whether to be told each time that the task has changed.
    pub changes: bool,
}

/// Who listens.
#[derive(Default)]
pub struct Audience {
    /// How far the log has been read, and told; `None` while nobody reads it.
    pub position: Option<Position>,
    /// The tasks to look at.
    pub watches: Watches,
    recent: Ring,
    of_tasks: HashMap<TaskId, Vec<Listener>>,
    of_all: Vec<Listener>,
    number: u64,
    /// Tasks that have ended, to be told once the log has been read up to here.
    ends: HashMap<TaskId, End>,
}

/// The end of a task, before it is told.
struct End {
    /// How far the log has to be read first.
    tip: EntryId,
    state: TaskState,
    /// Whether it is news: a fact led to it. Otherwise somebody has come to listen to a task that had ended, and nobody
    /// else is to hear of that again.
    is_news: bool,
}

struct Listener {
    number: u64,
    interest: Interest,
    told: mpsc::Sender<Told>,
}

impl Interest {
    /// Whether a listener of this interest is told `message`.
    pub fn wants(&self, message: &Message) -> bool {
        let task_id = &message.fact.task_id;
        self.names.contain(message.name) && self.task_id.as_ref().is_none_or(|mine| mine == task_id)
    }
}

impl Audience {
    /// One more, who hears through `told`; the number is its name.
    pub fn join(&mut self, interest: Interest, told: mpsc::Sender<Told>) -> u64 {
        self.number += 1;
        let (number, task_id) = (self.number, interest.task_id.clone());
        let listeners = match task_id {
            Some(task_id) => self.of_tasks.entry(task_id).or_default(),
            None => &mut self.of_all,
        };
        listeners.push(Listener { number, interest, told });
        number
    }

    /// One less.
    pub fn leave(&mut self, task_id: Option<&TaskId>, number: u64) {
        match task_id {
            Some(task_id) => self.keep(task_id, |one| one.number != number),
            None => self.of_all.retain(|one| one.number != number),
        }
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.of_all.is_empty() && self.of_tasks.is_empty()
    }

    /// Some of the log is lost to whoever reads it here, and it is read on from `position`: all who listen are let go,
    /// so that each begins again from where it was and finds what it has missed.
    pub fn skip(&mut self, position: Position) {
        self.of_tasks.clear();
        self.of_all.clear();
        self.watches.forget_followed();
        self.begin(position);
    }

    /// The log is read from `position`.
    pub fn begin(&mut self, position: Position) {
        self.position = Some(position);
        self.recent = Ring::new(position);
    }

    /// Nobody reads the log any more. Who listens all the same is told nothing until somebody does.
    pub fn end(&mut self) {
        self.position = None;
        self.recent = Ring::default();
        self.watches = Watches::default();
        self.ends.clear();
    }

    /// What was told of `interest` behind `after` up to now, or `None` if some of it is forgotten.
    pub fn recent(&self, interest: &Interest, after: Position) -> Option<Vec<Arc<Message>>> {
        // Who knows more than has been read may know it of another log.
        let known = self.position.is_some_and(|position| after <= position);
        let since = known.then(|| self.recent.since(after)).flatten()?;
        Some(since.filter(|message| interest.wants(message)).cloned().collect())
    }

    /// Tells the messages up to `position`.
    pub fn publish(&mut self, messages: Vec<Message>, position: Position, now: Instant) {
        for message in messages {
            self.tell(Arc::new(message), now);
        }
        self.position = Some(position);
        self.tell_ends();
    }

    /// A task has ended, as was seen when the log ended at `tip`: tells it once all of that is told.
    pub fn ended(&mut self, task_id: TaskId, state: TaskState, tip: EntryId, now: Instant) {
        let is_news = self.watches.is_by_fact(&task_id) || self.ends.get(&task_id).is_some_and(|end| end.is_news);
        self.watches.looked(&task_id, tip, true, now);
        self.ends.insert(task_id, End { tip, state, is_news });
        self.tell_ends();
    }

    /// A task is open, and stands so.
    pub fn open(&mut self, task_id: &TaskId, state: TaskState) {
        let told = Told::State(Arc::new((task_id.clone(), state)));
        self.keep(task_id, |one| !one.interest.changes || one.told.try_send(told.clone()).is_ok());
    }

    /// A task is not there.
    pub fn gone(&mut self, task_id: &TaskId) {
        self.watches.remove(task_id);
        self.keep(task_id, |one| one.told.try_send(Told::Gone).is_ok());
    }

    fn tell(&mut self, message: Arc<Message>, now: Instant) {
        let (task_id, entry, name) = (&message.fact.task_id, message.position.entry, message.name);
        if message.fact.kind == FactKind::Requeued
            && let Some(end) = self.ends.remove(task_id)
        {
            self.tell_end(task_id, &end); // it ended before it ran again
        }
        if name.may_end()
            && let Some(end) = self.ends.get_mut(task_id)
        {
            end.is_news = true; // seen before this was read
        }
        let listeners = self.of_tasks.get(task_id);
        let changes = listeners.is_some_and(|all| all.iter().any(|one| one.interest.changes));
        let may_end = name.may_end() && self.ends.get(task_id).is_none_or(|end| end.tip < entry);
        let by_all = || self.of_all.iter().any(|one| one.interest.names.contain_ends()) && self.watches.has_room();
        if changes || may_end && (listeners.is_some() || by_all()) {
            self.watches.add(task_id, entry, may_end, now);
        }
        let takes = |one: &mut Listener| {
            !one.interest.names.contain(name) || one.told.try_send(Told::Message(message.clone())).is_ok()
        };
        self.keep(task_id, takes);
        self.of_all.retain_mut(takes);
        self.recent.push(message);
    }

    /// Tells the ends whose facts are told.
    fn tell_ends(&mut self) {
        let Some(position) = self.position else { return };
        let is_ripe = |(_, end): &(&TaskId, &End)| end.tip <= position.entry;
        let ripe: Vec<TaskId> = self.ends.iter().filter(is_ripe).map(|(task_id, _)| task_id.clone()).collect();
        for task_id in ripe {
            if let Some(end) = self.ends.remove(&task_id) {
                self.tell_end(&task_id, &end);
            }
        }
    }

    fn tell_end(&mut self, task_id: &TaskId, end: &End) {
        let told = Told::State(Arc::new((task_id.clone(), end.state)));
        self.keep(task_id, |one| one.told.try_send(told.clone()).is_ok());
        if !end.is_news {
            return;
        }
        let wants = |one: &Listener| one.interest.names.contain_ends();
        self.of_all.retain(|one| !wants(one) || one.told.try_send(told.clone()).is_ok());
    }

    /// Lets those listeners of a task go who do not stay: a queue that is full waits for nobody.
    fn keep(&mut self, task_id: &TaskId, stays: impl FnMut(&mut Listener) -> bool) {
        let Some(listeners) = self.of_tasks.get_mut(task_id) else { return };
        listeners.retain_mut(stays);
        if listeners.is_empty() {
            self.of_tasks.remove(task_id);
            self.unwatch(task_id);
        }
    }

    /// Nobody follows a task by name any more: it is looked at only if its end is still to be told to those who listen
    /// to all.
    fn unwatch(&mut self, task_id: &TaskId) {
        let is_awaited = self.of_all.iter().any(|one| one.interest.names.contain_ends());
        if !(is_awaited && self.watches.is_by_fact(task_id) && self.watches.has_room()) {
            self.watches.remove(task_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_schemas::TaskStatus;

    const ENDED: TaskState = TaskState { status: TaskStatus::Completed, revision: 3, finished_at_ms: Some(1) };

    fn place(ms: u64) -> Position {
        Position { entry: EntryId { ms, number: 0 }, line: 0 }
    }

    fn message(ms: u64, line: &str) -> Message {
        Message::read(place(ms), line.as_bytes()).unwrap()
    }

    fn task_id() -> TaskId {
        TaskId::new("T").unwrap()
    }

    fn listener(audience: &mut Audience, task: bool, queue: usize) -> mpsc::Receiver<Told> {
        let (sender, told) = mpsc::channel(queue);
        let interest = Interest { task_id: task.then(task_id), names: Names::all(), changes: false };
        audience.join(interest, sender);
        told
    }

    fn heard(told: &mut mpsc::Receiver<Told>) -> Vec<&'static str> {
        let word = |told| match told {
            Told::Message(message) => message.name.as_str(),
            Told::State(_) => "end",
            Told::Gone => "gone",
        };
        std::iter::from_fn(|| told.try_recv().ok()).map(word).collect()
    }

    #[test]
    fn an_end_is_told_behind_the_facts_that_led_to_it_and_once() {
        let (mut audience, now) = (Audience::default(), Instant::now());
        let (mut one, mut all) = (listener(&mut audience, true, 9), listener(&mut audience, false, 9));
        audience.begin(place(1));
        audience.publish(vec![message(2, "T 0 0 completed 1 0 w 1")], place(2), now);
        assert_eq!(audience.watches.len(), 1);
        audience.ended(task_id(), ENDED, place(3).entry, now);
        assert_eq!(audience.watches.len(), 0);
        assert_eq!(heard(&mut one), ["subtask.completed"], "the log is not read so far");
        audience.publish(vec![message(3, "T 1 0 completed 1 0 w 1")], place(3), now);
        assert_eq!(heard(&mut one), ["subtask.completed", "end"]);
        assert_eq!(heard(&mut all), ["subtask.completed", "subtask.completed", "end"]);
        assert_eq!(audience.watches.len(), 0, "this fact was seen in the end");
    }

    #[test]
    fn where_something_is_lost_all_begin_again() {
        let mut audience = Audience::default();
        let (one, all) = (listener(&mut audience, true, 9), listener(&mut audience, false, 9));
        audience.begin(place(1));
        audience.skip(place(5));
        assert!(one.is_closed() && all.is_closed() && audience.is_empty());
        assert_eq!(audience.position, Some(place(5)));
    }

    #[test]
    fn an_end_is_told_before_the_task_runs_again() {
        let (mut audience, now) = (Audience::default(), Instant::now());
        let mut all = listener(&mut audience, false, 9);
        audience.begin(place(1));
        audience.ended(task_id(), ENDED, place(3).entry, now);
        let facts = vec![message(2, "T 0 0 completed 1 0 w 1"), message(3, "T 0 1 requeued 1 0 w 1")];
        audience.publish(facts, place(3), now);
        assert_eq!(heard(&mut all), ["subtask.completed", "end", "subtask.requeued"]);
    }

    #[test]
    fn whoever_comes_to_a_task_that_has_ended_makes_nobody_else_hear_of_it_again() {
        let (mut audience, now) = (Audience::default(), Instant::now());
        let (mut one, mut all) = (listener(&mut audience, true, 9), listener(&mut audience, false, 9));
        audience.begin(place(1));
        audience.watches.add(&task_id(), place(1).entry, false, now);
        audience.ended(task_id(), ENDED, place(1).entry, now);
        assert_eq!((heard(&mut one), heard(&mut all)), (vec!["end"], vec![]));
        audience.watches.add(&task_id(), place(1).entry, false, now);
        audience.publish(vec![message(2, "T 0 0 completed 1 0 w 1")], place(2), now);
        audience.ended(task_id(), ENDED, place(2).entry, now);
        assert_eq!(heard(&mut all), ["subtask.completed", "end"]);
        audience.watches.add(&task_id(), place(2).entry, false, now);
        audience.ended(task_id(), ENDED, place(3).entry, now);
        audience.publish(vec![message(3, "T 1 1 completed 1 0 w 1")], place(3), now);
        assert_eq!(heard(&mut all), ["subtask.completed", "end"], "it was seen before its fact was read");
    }

    #[test]
    fn whoever_does_not_keep_up_is_let_go_and_holds_up_nobody() {
        let (mut audience, now) = (Audience::default(), Instant::now());
        let (mut slow, mut quick) = (listener(&mut audience, true, 2), listener(&mut audience, true, 9));
        audience.begin(place(1));
        let facts = (2..6).map(|ms| message(ms, "T 0 0 started 1 0 w 1")).collect();
        audience.publish(facts, place(5), now);
        assert_eq!((heard(&mut slow).len(), slow.is_closed()), (2, true));
        assert_eq!((heard(&mut quick).len(), quick.is_closed()), (4, false));
        let interest = Interest { task_id: Some(task_id()), names: Names::all(), changes: false };
        assert_eq!(audience.recent(&interest, place(3)).map(|missed| missed.len()), Some(2));
        assert!(audience.recent(&interest, place(0)).is_none(), "that was before it was read");
        assert!(audience.recent(&interest, place(6)).is_none(), "nobody has read so far");
        audience.leave(Some(&task_id()), 2);
        assert!(audience.is_empty());
    }

    #[test]
    fn whom_nobody_follows_any_more_is_looked_at_only_for_an_end_that_is_still_to_be_told() {
        let (mut audience, now) = (Audience::default(), Instant::now());
        audience.begin(place(1));
        let watched = |audience: &mut Audience, facts: Vec<Message>| {
            let _one = listener(audience, true, 9);
            audience.watches.add(&task_id(), place(1).entry, false, now);
            audience.publish(facts, place(2), now);
            assert_eq!(audience.watches.len(), 1);
            audience.leave(Some(&task_id()), audience.number);
            audience.watches.len()
        };
        let fact = || vec![message(2, "T 0 0 completed 1 0 w 1")];
        assert_eq!((watched(&mut audience, vec![]), watched(&mut audience, fact())), (0, 0));
        let _all = listener(&mut audience, false, 9);
        assert_eq!((watched(&mut audience, vec![]), watched(&mut audience, fact())), (0, 1));
        let other = TaskId::new("U").unwrap();
        audience.watches.add(&other, place(2).entry, false, now);
        audience.skip(place(5));
        assert_eq!(audience.watches.len(), 1, "who listened begins again, and an end is told to all who do");
    }

    #[test]
    fn a_task_nobody_follows_is_looked_at_for_those_who_want_ends() {
        let (mut audience, now) = (Audience::default(), Instant::now());
        audience.begin(place(1));
        let fact = || vec![message(2, "T 0 0 completed 1 0 w 1")];
        audience.publish(fact(), place(2), now);
        assert_eq!(audience.watches.len(), 0);
        let _all = listener(&mut audience, false, 9);
        audience.publish(fact(), place(2), now);
        assert_eq!(audience.watches.len(), 1);
    }
}
