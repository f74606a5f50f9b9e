//! Giving entries back unfinished.

use crate::batch::Named;
use crate::client::Store;
use crate::error::StoreError;
use crate::fetch::Fetched;
use crate::key::{self, Stream};
use crate::{script, value};
use proto_schemas::{ConsumerName, TaskId};
use std::time::Duration;

/// An entry to give back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Its id.
    pub entry_id: String,
    /// Whose it is; `None` if that cannot be read.
    pub task_id: Option<TaskId>,
}

impl From<&Fetched> for Unfinished {
    fn from(fetched: &Fetched) -> Self {
        let task_id = fetched.entry.as_ref().ok().map(|entry| entry.task_id.clone());
        Self { entry_id: fetched.entry_id.clone(), task_id }
    }
}

/// The answer to one hand-back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandedBack {
    /// It waits for another worker, no attempt and no crash counted.
    Returned,
    /// It waits in `delayed`, no attempt and no crash counted.
    Parked,
    /// Its subtask had ended already, as a cancel ends it: its entry is gone and nothing else was written.
    Dropped,
    /// It was no longer this worker's; nothing was written.
    Stale,
}

impl Store {
    /// Hands back entries of one stream in one script call; answers in order.
    pub async fn hand_back(
        &self,
        by: &ConsumerName,
        stream: &Stream,
        entries: &[Unfinished],
    ) -> Result<Vec<HandedBack>, StoreError> {
        self.park(by, stream, entries, Duration::ZERO).await
    }

    /// The same, but what can be read comes back only after `pause`, for a worker that serves its kind.
    pub async fn park(
        &self,
        by: &ConsumerName,
        stream: &Stream,
        entries: &[Unfinished],
        pause: Duration,
    ) -> Result<Vec<HandedBack>, StoreError> {
        let pause_ms = pause.as_millis().to_string();
        let mut args = value::args([key::WORKERS_GROUP, by.as_str(), stream.queue.as_str(), &pause_ms]);
        let mut named = Named::default();
        for entry in entries {
            args.push(entry.entry_id.as_str().into());
            args.push(entry.task_id.as_ref().map_or(0, |task_id| named.outcomes_no(task_id)).into());
        }
        let mut keys = vec![
            stream.key(),
            key::EVENTS.to_owned(),
            key::bell(&stream.queue),
            key::DELAYED.to_owned(),
            key::DELAYED_BODY.to_owned(),
        ];
        keys.extend(named.keys());
        let answers = value::words(self.eval(&script::HAND_BACK, keys, args).await?, "hand_back")?;
        value::one_each(&answers, entries.len(), "hand_back", |word| match word {
            "returned" => Some(HandedBack::Returned),
            "parked" => Some(HandedBack::Parked),
            "dropped" => Some(HandedBack::Dropped),
            "stale" => Some(HandedBack::Stale),
            _ => None,
        })
    }
}
