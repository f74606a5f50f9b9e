//! Ends a worker that a handler has wedged. Runs beside the renewer, on its thread, because the runtime of the handlers
//! may be blocked as a whole. A handler that does not await cannot be stopped: 5 s after its limit its attempt is
//! recorded from here, everything else is handed back, the worker reports unhealthy, and whoever embeds it is told:
//! only the end of the process ends such a handler. If the process dies before, the leases run out.

use crate::attempt::{Attempt, Limit};
use crate::drain::hand_back_all;
use crate::ending::{Ended, Ending};
use crate::shared::Shared;
use redis_store::Store;
use std::sync::Arc;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// 5 s of looks.
const LOOKS_MAX: u32 = 20;
/// How long the last commands insist.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs until it is dropped; after a wedge it has nothing left to do.
pub(crate) async fn run(shared: &Shared, store: &Store) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let stuck = shared.handling.look(LOOKS_MAX);
        if !stuck.is_empty() {
            give_up(shared, &store.with_patience(PATIENCE), &stuck).await;
            return std::future::pending().await;
        }
    }
}

async fn give_up(shared: &Shared, store: &Store, stuck: &[(Arc<Attempt>, Limit)]) {
    for (attempt, _) in stuck {
        let Attempt { entry, key, .. } = &**attempt;
        tracing::error!(
            subtask_id = %entry.subtask_id,
            kind = %entry.kind,
            entry_id = key.entry_id,
            "a handler cannot be stopped, because it does not await: this worker ends"
        );
    }
    shared.stopping.cancel(); // nothing more is leased, and the pulse stops
    for (attempt, limit) in stuck.iter().filter(|(attempt, _)| shared.held.settling(&attempt.key, &attempt.lost)) {
        let ending = Ending::judge(shared, attempt, Ended::Over(*limit));
        if let Err(error) = ending.record(shared, store).await {
            // The lease runs out and another attempt is made.
            tracing::error!(error = &error as &dyn std::error::Error, "cannot record what cannot be stopped");
        }
        shared.held.remove([&attempt.key]);
    }
    let rest = shared.held.give_up();
    hand_back_all(shared, store, &rest).await;
    let settled = async {
        while shared.held.count_settling() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, settled).await; // the settler may be as stuck as the handler
    (shared.wedged)();
}
