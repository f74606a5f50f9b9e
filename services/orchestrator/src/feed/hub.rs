//! Where the tailer, the lookout and all who listen meet: one lock around the audience, so that what the one reads and
//! what the other sees is told in order. Nothing is waited for under it.

use super::audience::{Audience, Interest, Told};
use super::cursor::{EntryId, Position};
use super::message::Message;
use proto_schemas::TaskId;
use redis_store::tail::TaskState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, watch};

/// Messages that wait for a listener.
const QUEUE_MAX: usize = 256;
/// Nobody has to listen for so long before the log is not read any more.
const LINGER: Duration = Duration::from_secs(30);

/// All listeners of one server.
#[derive(Default)]
pub struct Hub {
    audience: Mutex<Audience>,
    /// Since when nobody has been there.
    empty_since: Mutex<Option<Instant>>,
    live: watch::Sender<bool>,
    /// Rings when somebody begins to listen.
    pub wanted: Notify,
    /// Rings when there may be a task to look at.
    pub watched: Notify,
}

/// A place among the listeners; dropping it gives it back.
pub struct Subscription {
    /// What is told from now on; ends if its queue was full.
    pub told: mpsc::Receiver<Told>,
    hub: Arc<Hub>,
    task_id: Option<TaskId>,
    number: u64,
}

impl Hub {
    /// Takes a place among the listeners, as soon as the log is read. Whatever comes after the position that
    /// [`Hub::position`] has from now on is told.
    pub async fn subscribe(self: &Arc<Self>, interest: Interest) -> Subscription {
        let (sender, told) = mpsc::channel(QUEUE_MAX);
        let task_id = interest.task_id.clone();
        let number = self.lock().join(interest, sender);
        let subscription = Subscription { told, hub: self.clone(), task_id, number };
        self.wanted.notify_one();
        let _ = self.live.subscribe().wait_for(|live| *live).await; // the hub holds the sender: it never closes
        subscription
    }

    /// How far the log has been read, and told.
    pub fn position(&self) -> Position {
        self.lock().position.unwrap_or_default()
    }

    /// What was told of `interest` behind `after` up to now, or `None` if some of it is forgotten.
    pub fn recent(&self, interest: &Interest, after: Position) -> Option<Vec<Arc<Message>>> {
        self.lock().recent(interest, after)
    }

    /// Has a task looked at until what stands up to `entry` is folded.
    pub fn watch(&self, task_id: &TaskId, entry: EntryId) {
        self.lock().watches.add(task_id, entry, false, Instant::now());
        self.watched.notify_one();
    }
}

/// The tailer's side.
impl Hub {
    /// Behind which entry the log is to be read on; `None` if from its end.
    pub fn reading_from(&self) -> Option<EntryId> {
        self.lock().position.map(|position| position.entry)
    }

    /// The log is read from here.
    pub fn begin(&self, position: Position) {
        self.lock().begin(position);
        self.live.send_replace(true);
    }

    /// Some of the log is lost; it is read on from here.
    pub fn skip(&self, position: Position) {
        self.lock().skip(position);
    }

    /// Tells the messages up to `position`.
    pub fn publish(&self, messages: Vec<Message>, position: Position) {
        let watched = {
            let mut audience = self.lock();
            audience.publish(messages, position, Instant::now());
            audience.watches.len() > 0
        };
        if watched {
            self.watched.notify_one();
        }
    }

    /// Whether somebody listens, or did so a moment ago; if not, the next one has to wait for [`Hub::begin`].
    pub fn is_wanted(&self) -> bool {
        let mut audience = self.lock();
        let mut empty_since = self.empty_since.lock().unwrap_or_else(PoisonError::into_inner);
        if !audience.is_empty() {
            *empty_since = None;
            return true;
        }
        if empty_since.get_or_insert_with(Instant::now).elapsed() < LINGER {
            return true;
        }
        // Under the lock: who comes right now finds nobody reading.
        audience.end();
        self.live.send_replace(false);
        *empty_since = None;
        false
    }
}

/// The lookout's side.
impl Hub {
    /// At most `count` tasks to look at now, each with what is to be folded; and when to ask again.
    pub fn due(&self, count: usize) -> (Vec<(TaskId, EntryId)>, Option<Instant>) {
        self.lock().watches.due(Instant::now(), count)
    }

    /// A task has ended, as was seen when the log ended at `tip`.
    pub fn ended(&self, task_id: TaskId, state: TaskState, tip: EntryId) {
        self.lock().ended(task_id, state, tip, Instant::now());
    }

    /// A task is open, and stands so. `folded` says whether all is folded that the look was for.
    pub fn open(&self, task_id: &TaskId, state: TaskState, looked_for: EntryId, folded: bool) {
        let mut audience = self.lock();
        audience.watches.looked(task_id, looked_for, folded, Instant::now());
        audience.open(task_id, state);
    }

    /// A look at a task has failed: it is looked at again, if anybody still wants that.
    pub fn failed(&self, task_id: &TaskId, looked_for: EntryId) {
        self.lock().watches.looked(task_id, looked_for, false, Instant::now());
    }

    /// A task is not there.
    pub fn gone(&self, task_id: &TaskId) {
        self.lock().gone(task_id);
    }

    fn lock(&self) -> MutexGuard<'_, Audience> {
        self.audience.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.lock().leave(self.task_id.as_ref(), self.number);
    }
}
