//! Sends orders at their time: an open loop, so a system that answers late gets no less to do.

use super::client::Client;
use super::follower;
use super::order::{Habit, Order};
use crate::ledger::submission::Answer;
use fastrand::Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Subtasks of a mean order, by which the rate becomes orders a second.
const SUBTASKS_MEAN: f64 = 4.1;
/// Clients that wait for an answer at once; beyond, an order is left out and counted.
const CLIENTS_MAX: usize = 500;
/// Beyond so many readers an order is not followed.
const READERS_MAX: usize = 150;
const REPLAY_LOOKS: usize = 20;
const REPLAY_LOOK_EVERY: Duration = Duration::from_millis(500);
const AGAIN_AFTER: Duration = Duration::from_millis(700);

/// How much was asked for.
#[derive(Default)]
pub struct Load {
    /// Orders sent.
    pub sent: AtomicU64,
    /// Orders left out because too many clients waited.
    pub left_out: AtomicU64,
}

impl Load {
    /// Sends until `over`, then waits until every client has its answer.
    pub async fn run(self: Arc<Self>, client: Arc<Client>, rate: f64, over: CancellationToken) {
        let mut rng = Rng::with_seed(client.seed);
        let clients = Arc::new(Semaphore::new(CLIENTS_MAX));
        let readers = Arc::new(Semaphore::new(READERS_MAX));
        let mut waiting = JoinSet::new();
        let mut due = Instant::now();
        for seq in 0.. {
            // Poisson arrivals.
            due += Duration::from_secs_f64(-rng.f64().max(1e-9).ln() * SUBTASKS_MEAN / rate);
            tokio::select! {
                () = over.cancelled() => break,
                () = tokio::time::sleep_until(due) => {}
            }
            while waiting.try_join_next().is_some() {}
            let Ok(permit) = clients.clone().try_acquire_owned() else {
                self.left_out.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            self.sent.fetch_add(1, Ordering::Relaxed);
            let (client, readers) = (client.clone(), readers.clone());
            waiting.spawn(async move {
                let followed = serve(&client, seq).await;
                drop(permit);
                if let (Some(task_id), Ok(_reading)) = (followed, readers.try_acquire()) {
                    follower::follow(client, seq as u32, task_id).await;
                }
            });
        }
        while waiting.join_next().await.is_some() {}
    }
}

/// Does all that the client means to do with order `seq`; answers the task if somebody is to follow it.
async fn serve(client: &Client, seq: u64) -> Option<Arc<str>> {
    let order = Order::draw(client.seed, seq);
    let mut answer = client.submit(&order, false).await;
    if answer == Answer::Indefinite && seq.is_multiple_of(2) {
        // Every other client asks again at once; for the others this is done at the end.
        tokio::time::sleep(AGAIN_AFTER).await;
        answer = client.submit(&order, false).await;
    }
    let Answer::Accepted(task_id) = answer else { return None };
    match order.habit {
        Habit::Plain => {}
        Habit::Repeats => drop(client.submit(&order, false).await),
        Habit::Confuses => drop(client.submit(&order, true).await),
        Habit::Cancels(after_ms) => {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            client.cancel(seq, &task_id).await;
        }
        Habit::Replays => {
            for _ in 0..REPLAY_LOOKS {
                tokio::time::sleep(REPLAY_LOOK_EVERY).await;
                if client.read(&task_id).await.is_some_and(|shown| shown.ended.is_some()) {
                    client.replay(&task_id).await;
                    break;
                }
            }
        }
    }
    order.is_followed.then_some(task_id)
}
