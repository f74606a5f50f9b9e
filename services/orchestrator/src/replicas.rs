//! Waiting until replicas have what was submitted, where the settings ask for it.
//!
//! One WAIT at a time, on a connection of its own, vouches for everybody whose submission was answered before it was
//! sent; whoever comes meanwhile shares the next.

use redis_store::Store;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// How many replicas must have a submission, and how long they may take.
#[derive(Debug, Clone, Copy)]
pub struct ReplicaOrder {
    /// How many.
    pub count: u32,
    /// How long.
    pub limit: Duration,
}

/// The connection that waits.
pub struct Replicas {
    store: Store,
    order: ReplicaOrder,
    answered: AtomicU64,
    waited: Mutex<Waited>,
}

/// The last WAIT: for how many answered submissions it spoke, and how many replicas had them.
#[derive(Default)]
struct Waited {
    up_to: u64,
    reached: u64,
}

impl Replicas {
    /// A connection of its own beside `store`.
    pub fn new(store: &Store, order: ReplicaOrder) -> Self {
        Self { store: store.connect_again(), order, answered: AtomicU64::new(0), waited: Mutex::default() }
    }

    /// Waits for the replicas of a submission that was answered just now; answers whether enough of them have it.
    /// Without an answer they do not.
    pub async fn have_it(&self) -> bool {
        let mine = self.answered.fetch_add(1, Ordering::SeqCst) + 1;
        let mut waited = self.waited.lock().await;
        if waited.up_to < mine {
            let up_to = self.answered.load(Ordering::SeqCst);
            let reached = self.store.wait_replicas(self.order.count, self.order.limit).await.unwrap_or(0);
            *waited = Waited { up_to, reached };
        }
        waited.reached >= u64::from(self.order.count)
    }
}
