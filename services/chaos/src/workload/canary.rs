//! The canary: one small task after another, each from submit to the end that a client sees. It tells how long a
//! request takes in calm, and when the system as a whole is well again after a fault.

use super::client::Client;
use super::order::{CANARIES, Order};
use crate::clock::{Moment, now};
use crate::ledger::submission::Answer;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The next one is sent whether or not the one before has ended.
const EVERY: Duration = Duration::from_millis(250);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What a client of a canary waits for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const GIVEN_UP_AFTER_MS: u64 = 8_000;
const CANARIES_MAX: usize = 40;

/// One song: a canary that was seen to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Song {
    /// When it was first sent.
    pub from: Moment,
    /// When a client saw its end.
    pub to: Moment,
}

/// The songs so far.
#[derive(Default)]
pub struct Canary(Mutex<Vec<Song>>);

impl Canary {
    /// Sings until `over`; then waits for those that are under way.
    pub async fn run(self: Arc<Self>, client: Arc<Client>, over: CancellationToken) {
        let mut under_way = JoinSet::new();
        for seq in CANARIES.. {
            if over.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
                break;
            }
            while under_way.try_join_next().is_some() {}
            if under_way.len() < CANARIES_MAX {
                under_way.spawn(self.clone().sing(client.clone(), seq));
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Every song so far, in the order of their ends.
    pub fn songs(&self) -> Vec<Song> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Submits one and waits for its end, for a while.
    async fn sing(self: Arc<Self>, client: Arc<Client>, seq: u64) {
        let from = now();
        let order = Order::draw(client.seed, seq);
        let submitted = tokio::time::timeout(ANSWER_WITHIN, client.submit(&order, false)).await;
        let Ok(Answer::Accepted(task_id)) = submitted else { return };
        while now() < from + GIVEN_UP_AFTER_MS {
            let shown = tokio::time::timeout(ANSWER_WITHIN, client.read(&task_id)).await;
            if shown.ok().flatten().is_some_and(|shown| shown.ended.is_some()) {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Song { from, to: now() });
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
